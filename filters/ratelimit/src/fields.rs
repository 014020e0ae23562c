//! What a client reads about its limits in the headers of a response.
//!
//! | field | value |
//! |---|---|
//! | `X-RateLimit-Limit` | how much the bucket holds when it is full |
//! | `X-RateLimit-Remaining` | whole tokens left in it |
//! | `X-RateLimit-Reset` | Unix seconds: when it is full again; of a refusal, when the same request would pass |
//! | `RateLimit-Policy` | every limit that the client is under: its name, quota `q`, and window `w` in seconds |
//! | `RateLimit` | the tightest of them: its name, what remains `r`, and the seconds `t` to its reset |
//!
//! The last two are structured fields of draft-ietf-httpapi-ratelimit-headers-10. A token bucket's quota is its burst, and
//! its window the time in which the burst comes back: `5/s` with a burst of 10 is `q=10;w=2`, so that `r` never
//! exceeds `q` and `q / w` is the rate. Of several limits, the first three fields and `RateLimit` speak of the tightest.

use policy::Instant;

use crate::limit::{Limit, Limits, Outcome, Standing, tighter};

/// The names of all fields, in lower case.
pub const NAMES: [&str; 5] =
    ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "ratelimit", "ratelimit-policy"];

/// The values of all fields, as numbers until a response needs them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fields {
    limit: u32,
    remaining: u32,
    reset_at: u64,
    reset_in: u64,
    name: String,
    policy: String,
}

impl Fields {
    /// What to say of these outcomes, each with the [`policy`] of its limits; `None` where there is none to show.
    pub fn of<'a>(shown: &mut dyn Iterator<Item = (Outcome<'a>, &'a str)>, now: Instant) -> Option<Self> {
        let (mut tightest, text) = shown.next()?;
        let mut policy = text.to_owned();
        for (outcome, text) in shown {
            tightest = tighter(tightest, outcome);
            policy.push_str(", ");
            policy.push_str(text);
        }
        let Standing { limit, remaining, reset_in } = *tightest.standing();
        Some(Self {
            limit: limit.terms.most().get(),
            remaining,
            reset_at: (now + reset_in).unix_seconds_ceil(),
            reset_in: whole_seconds(reset_in),
            name: limit.name.clone(),
            policy,
        })
    }

    /// Names in lower case, and values.
    pub fn into_pairs(self) -> [(&'static str, String); 5] {
        let Self { limit, remaining, reset_at, reset_in, name, policy } = self;
        let [x_limit, x_remaining, x_reset, tightest, policies] = NAMES;
        [
            (x_limit, limit.to_string()),
            (x_remaining, remaining.to_string()),
            (x_reset, reset_at.to_string()),
            (tightest, format!("\"{name}\";r={remaining};t={reset_in}")),
            (policies, policy),
        ]
    }
}

/// The value of `RateLimit-Policy` for some limits. Their names hold nothing that would need an escape.
pub fn policy(limits: &Limits) -> String {
    let item =
        |limit: &Limit| format!("\"{}\";q={};w={}", limit.name, limit.terms.most(), limit.terms.window_seconds());
    let items: Vec<_> = limits.iter().map(item).collect();
    items.join(", ")
}

/// Rounded up, so that nobody comes back too early.
fn whole_seconds(length: std::time::Duration) -> u64 {
    length.as_secs() + u64::from(length.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::debt::Buckets;
    use crate::limit::tests::limits;
    use std::num::NonZeroU32;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// What is said after `taken` requests in the last half of second 1000.
    fn check(texts: &[&str], taken: u32, expected: [&str; 5]) {
        let now = Instant::from_nanos(1_000_500_000_000);
        let rules: Vec<_> = texts.iter().map(|text| limits(text)).map(|rule| (policy(&rule), rule)).collect();
        let mut outcomes = rules.iter().map(|(policy, rule)| {
            let mut buckets = Buckets::default();
            (1..taken).for_each(|_| _ = rule.try_take(&mut buckets, now, NonZeroU32::MIN));
            (rule.try_take(&mut buckets, now, NonZeroU32::MIN), policy.as_str())
        });
        let pairs = Fields::of(&mut outcomes, now).unwrap().into_pairs();
        assert_eq!(pairs.each_ref().map(|(_, value)| value.as_str()), expected, "{texts:?} {taken}");
    }

    #[test]
    fn the_tightest_limit_is_reported_and_every_policy_named() {
        let policy = r#""second";q=10;w=2, "minute";q=100;w=60"#;
        let tier = ["5/s burst 10, 100/m"];
        check(&tier, 1, ["10", "9", "1001", r#""second";r=9;t=1"#, policy]);
        check(&tier, 10, ["10", "0", "1003", r#""second";r=0;t=2"#, policy]);
        check(&tier, 11, ["10", "0", "1001", r#""second";r=0;t=1"#, policy]);
        check(
            &["10/s burst 20", "2/h", "100/d"],
            1,
            ["2", "1", "2801", r#""hour";r=1;t=1800"#, r#""second";q=20;w=2, "hour";q=2;w=3600, "day";q=100;w=86400"#],
        );
    }

    #[test]
    fn a_refusal_says_when_the_request_would_pass() {
        check(&["1/m"], 2, ["1", "0", "1061", r#""minute";r=0;t=60"#, r#""minute";q=1;w=60"#]);
        check(
            &["1/s, 1/m", "3/s"],
            2,
            ["1", "0", "1061", r#""minute";r=0;t=60"#, r#""second";q=1;w=1, "minute";q=1;w=60, "second";q=3;w=1"#],
        );
    }

    #[test]
    fn nothing_shown_is_nothing_said() {
        assert_eq!(Fields::of(&mut std::iter::empty(), Instant::EPOCH), None);
    }
}
