//! What is heard in a response.

use super::*;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Sun, 06 Nov 1994 08:49:37 GMT would be long ago: this is in 2026.
const NOW: u64 = 1_790_000_000;

fn learn(words: &str) -> Learn {
    words.split(' ').fold(Learn::default(), |learn, word| {
        learn.and(Learn::WORDS.iter().find(|(known, _)| *known == word).unwrap().1)
    })
}

/// Headers such as `429 retry-after=7 & x=y`.
fn response(text: &str) -> Headers {
    let (status, fields) = text.split_once(' ').unwrap_or((text, ""));
    let mut pairs = vec![(":status".as_bytes(), status.as_bytes())];
    let fields = fields.split(" & ").filter(|field| !field.is_empty());
    pairs.extend(
        fields.map(|field| field.split_once('=').unwrap()).map(|(name, value)| (name.as_bytes(), value.as_bytes())),
    );
    Headers::from_pairs(&pairs)
}

/// `-` for nothing, `refused 7s`, `spent default`.
fn say(words: &str, text: &str) -> String {
    let heard = heard(learn(words), &response(text), Instant::from_unix_seconds(NOW));
    heard.map_or_else(
        || "-".to_owned(),
        |signal| {
            let length = signal.length.map_or_else(|| "default".to_owned(), |length| format!("{}s", length.as_secs()));
            format!("{} {length}", if signal.is_refusal { "refused" } else { "spent" })
        },
    )
}

fn check(words: &str, rows: &[(&str, &str)]) {
    for (text, expected) in rows {
        assert_eq!(say(words, text), *expected, "{words}: {text}");
    }
}

#[test]
fn a_retry_after_is_seconds_or_a_date() {
    let date = |seconds| date::format(seconds);
    check(
        "retry_after",
        &[
            ("429 retry-after=7", "refused 7s"),
            ("503 retry-after=7", "refused 7s"),
            ("403 retry-after=7", "refused 7s"),
            ("200 retry-after=7", "-"),
            ("301 retry-after=7", "-"),
            ("429", "-"),
            ("429 retry-after=0", "refused 1s"),
            ("429 retry-after=1.2", "refused 2s"),
            ("429 retry-after= 9 ", "refused 9s"),
            (&format!("429 retry-after={}", date(NOW + 30)), "refused 30s"),
            (&format!("429 retry-after={}", date(NOW - 30)), "refused 1s"),
            ("429 retry-after=Sunday, 06-Nov-94 08:49:37 GMT", "refused 1s"),
            // The upstream's clock is an hour behind ours, and it says so.
            (&format!("429 retry-after={} & date={}", date(NOW - 3570), date(NOW - 3600)), "refused 30s"),
            ("429 retry-after=1790000030", "refused 30s"),
        ],
    );
}

#[test]
fn hostile_values_are_as_if_they_were_not_there_or_as_long_as_they_may_be() {
    check(
        "retry_after",
        &[
            ("429 retry-after=-7", "-"),
            ("429 retry-after=+7", "-"),
            ("429 retry-after=1e9", "-"),
            ("429 retry-after=0x7", "-"),
            ("429 retry-after=", "-"),
            ("429 retry-after=.5", "-"),
            ("429 retry-after=5.", "-"),
            ("429 retry-after=7, 8", "-"),
            ("429 retry-after=\u{ff}", "-"),
            ("429 retry-after=-7 & retry-after=7 & retry-after=9 & retry-after=soon", "refused 9s"),
            ("429 retry-after=999999999", "refused 999999999s"),
        ],
    );
    let endless = format!("429 retry-after={}", "9".repeat(10_000));
    let signal = heard(learn("retry_after"), &response(&endless), Instant::from_unix_seconds(NOW)).unwrap();
    assert!(signal.length.unwrap() > Duration::from_hours(24 * 365 * 1000));
}

#[test]
fn a_status_alone_is_enough_where_it_is_learnt_from() {
    check("429", &[("429", "refused default"), ("429 retry-after=7", "refused default"), ("503", "-"), ("200", "-")]);
    check("503", &[("503", "refused default"), ("429", "-"), ("", "-")]);
    check("429 503 retry_after", &[("503 retry-after=7", "refused 7s"), ("503", "refused default"), ("403", "-")]);
    check(
        "429 ratelimit_headers",
        &[("429 ratelimit-reset=8", "refused 8s"), ("429 ratelimit-reset=0", "refused 1s"), ("429", "refused default")],
    );
}

#[test]
fn what_is_spent_is_left_alone_until_its_reset() {
    let at = NOW + 20;
    check(
        "ratelimit_headers",
        &[
            ("200 x-ratelimit-remaining=0 & x-ratelimit-reset=20", "spent 20s"),
            (&format!("200 x-ratelimit-remaining=0 & x-ratelimit-reset={at}"), "spent 20s"),
            (&format!("200 x-ratelimit-remaining=0 & x-ratelimit-reset={at}500"), "spent 21s"),
            ("200 x-ratelimit-remaining=0 & x-ratelimit-reset=1789999999", "-"),
            ("200 x-ratelimit-remaining=0 & x-ratelimit-reset=0", "-"),
            ("200 x-ratelimit-remaining=1 & x-ratelimit-reset=20", "-"),
            ("200 x-ratelimit-remaining=0", "spent default"),
            ("200 x-discogs-ratelimit-remaining=0", "spent default"),
            ("200 x-rate-limit-remaining=0 & x-rate-limit-reset=3", "spent 3s"),
            ("200 ratelimit-remaining=0 & ratelimit-reset=3", "spent 3s"),
            ("200 x-ratelimit-remaining=0 & x-ratelimit-reset-after=2.5", "spent 3s"),
            ("404 x-ratelimit-remaining=0.0 & x-ratelimit-reset=3 & ratelimit-reset=9", "spent 9s"),
            ("200 x-ratelimit-remaining=-1 & x-ratelimit-reset=20", "-"),
            ("200 x-ratelimit-remaining= & x-ratelimit-reset=20", "-"),
            ("200 x-ratelimit-remaining=0 & x-ratelimit-reset=never", "spent default"),
        ],
    );
}

#[test]
fn the_ietfs_field_is_read_in_its_older_form_too() {
    check(
        "ratelimit_headers",
        &[
            (r#"200 ratelimit="a";r=0;t=9"#, "spent 9s"),
            (r#"200 ratelimit="a"; t=9; r=0"#, "spent 9s"),
            (r#"200 ratelimit="a";r=1;t=9"#, "-"),
            (r#"200 ratelimit="a";r=0;t=9, "b";r=5;t=100"#, "spent 9s"),
            (r#"200 ratelimit="b";r=5;t=100, "a";r=0;t=9, "c";r=0;t=11"#, "spent 11s"),
            (r#"200 ratelimit="a";r=0"#, "spent default"),
            ("200 ratelimit=limit=100, remaining=0, reset=30", "spent 30s"),
            ("200 ratelimit=limit=100, remaining=3, reset=30", "-"),
            ("200 ratelimit=;;;,,,===\u{ff}", "-"),
        ],
    );
}

#[test]
fn last_fm_says_so_in_the_body() {
    for (body, expected) in [
        (r#"{"error":29,"message":"Rate Limit Exceeded"}"#, true),
        (r#" {"message":"Rate limit exceeded", "error" : 29 }"#, true),
        (r#"{"error":29}"#, true),
        (r#"{"error":290}"#, false),
        (r#"{"error":2}"#, false),
        (r#"{"error":6,"message":"\"error\":29"}"#, false),
        (r#"{"results":{}}"#, false),
        (r#"["error",29]"#, false),
        (r#"<?xml version="1.0"?><lfm status="failed"><error code="29">Rate limit</error></lfm>"#, true),
        (r#"<lfm status="failed"><error code="6">x</error></lfm>"#, false),
        ("<error code=\"29", true),
        ("{\"error\":", false),
        ("", false),
        ("\u{ff}", false),
    ] {
        assert_eq!(is_lastfm_refusal(body.as_bytes()), expected, "{body}");
    }
    let long = format!(r#"{{"error":29,"message":"{}"}}"#, "a".repeat(BODY_BYTES_MAX));
    assert!(!is_lastfm_refusal(long.as_bytes()));
}
