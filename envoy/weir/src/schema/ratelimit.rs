//! The schema of `ratelimit`, and of what a policy says of limits.

use serde_json::{Value as Json, json};

use super::shape::{any, by_name, flag, list, matching, object, one_or_more, period, store, text, whole, with, words};

fn queue() -> Json {
    object(&[
        (
            "max_wait!",
            period(),
            "How long a request waits at most, up to 4m; one that would wait for longer is answered 429 at once.",
        ),
        ("max_requests", whole(1, 1000), "How many of one caller may wait. Default: 100."),
    ])
}

fn when_empty() -> Json {
    any([words(&["refuse"]), object(&[("queue!", queue(), "It waits in its caller's line.")])])
}

const ALGORITHMS: [&str; 3] = ["token_bucket", "sliding_window", "fixed_window"];
const ALGORITHM: &str = "`token_bucket`: a steady rate with a burst; `sliding_window`: at most so many in any stretch of that time; \
                         `fixed_window`: in each such stretch of the clock. Default: `token_bucket`.";

/// One limit.
pub(super) fn limit() -> Json {
    object(&[
        (
            "rate",
            json!({"type": "string", "pattern": "^[0-9]+/[smhd]$"}),
            "`10/s`, `100/m`, `5/h`, `1000/d`; or `count` and `window`.",
        ),
        ("count", whole(1, u64::from(u32::MAX)), "So many in the time of `window`."),
        ("window", period(), "A time of whole seconds."),
        (
            "burst",
            whole(1, u64::from(u32::MAX)),
            "How many at once, of a token bucket. Default: as many as the rate says.",
        ),
        ("algorithm", words(&ALGORITHMS), ALGORITHM),
        ("when_empty", when_empty(), "What becomes of a request then. Default: `refuse` (429)."),
    ])
}

/// What the callers of a tier may.
pub(super) fn tier() -> Json {
    let count = || whole(1, u64::from(u32::MAX));
    object(&[
        ("per_second", count(), "So many requests a second. All limits of a tier hold at once."),
        ("per_minute", count(), "So many requests a minute."),
        ("per_hour", count(), "So many requests an hour."),
        ("per_day", count(), "So many requests a day."),
        ("burst", count(), "How many at once under `per_second`. Default: as many as that says."),
        ("algorithm", words(&ALGORITHMS), ALGORITHM),
        ("priority", whole(0, 9), "Of those who wait, higher ones are sent first. Default: 0."),
        ("when_empty", when_empty(), "What becomes of a request then. Default: `refuse` (429)."),
    ])
}

/// The short form of `when_empty` in policies.
const WAITING: &str = "A request waits for its turn instead of being refused.";

/// A tier of a policy.
pub(super) fn tier_of_policy() -> Json {
    with(tier(), &[("queue", queue(), WAITING)])
}

/// What an upstream's `limit` says in a policy.
pub(super) fn limit_of_policy() -> Json {
    one_or_more(with(
        limit(),
        &[
            ("queue", queue(), WAITING),
            ("shadow", flag(), "It is decided on and counted, and lets everything pass."),
            ("scope", scope(), "Who keeps the limit together."),
        ],
    ))
}

fn scope() -> Json {
    words(&["proxy", "fleet"])
}

fn fleet() -> Json {
    object(&[
        ("interval", period(), "How far ahead of need tokens are leased. Default: 50ms."),
        ("budget", period(), "The longest that a request waits for the store. Default: 100ms."),
        (
            "when_unavailable",
            words(&["share", "open", "closed"]),
            "What becomes of requests while the store is away. Default: `share`.",
        ),
    ])
}

/// What a policy says to the filter itself.
pub(super) fn options() -> Json {
    object(&[
        ("slots", whole(1, 65_536), "Keys of shared data for each rule, with up to 8 callers in each. Default: 2048."),
        (
            "undecided",
            words(&["refuse", "allow"]),
            "What becomes of a request when shared data fails. Default: `refuse` (503).",
        ),
        (
            "scope",
            scope(),
            "Who keeps limits together: the workers of this `proxy`, or the proxies of a `fleet`. Default: `proxy`.",
        ),
        ("fleet", fleet(), "How proxies share limits."),
    ])
}

/// The same in a policy, with what it says of callers.
pub(super) fn options_of_policy() -> Json {
    with(
        options(),
        &[
            ("per_address", limit_of_policy(), "How often one address may ask, whoever it says it is."),
            ("overrides", list(exception()), "Callers with limits of their own."),
            ("shadow", flag(), "Tiers are decided on and counted, and let everything pass."),
        ],
    )
}

fn exception() -> Json {
    object(&[
        ("key!", list(text()), "Who: a word for each part of the rule's key."),
        ("tier", text(), "As one of this tier."),
        ("limit", with(limit(), &[("queue", queue(), WAITING)]), "With this limit."),
        ("limits", list(limit()), "With all of these."),
    ])
}

/// What an upstream is left alone for.
pub(super) fn slow_down() -> Json {
    let word = any([words(&["retry_after", "ratelimit_headers", "429", "503", "lastfm"]), json!({"enum": [429, 503]})]);
    object(&[
        ("learn!", list(word), "What is listened to."),
        ("longest", period(), "No cool-down is longer, whatever the upstream says; at most a day. Default: 10m."),
        ("default", period(), "How long one is where the upstream does not say. Default: 5s."),
    ])
}

fn rule() -> Json {
    let route = object(&[
        ("match", matching(), "Which requests. Default: every one."),
        ("upstream!", text(), "Where they go: the label `provider` of metrics."),
        ("count_allowed", flag(), "Whether those that pass are counted. Default: true."),
        ("cost", whole(1, u64::from(u32::MAX)), "How many tokens a request takes. Default: the rule's."),
    ]);
    object(&[
        ("name!", text(), "Told to clients in `RateLimit-Policy`; renaming a rule starts its buckets anew."),
        ("match", one_or_more(matching()), "Which requests it is about. Default: every one."),
        ("routes", list(route), "In place of `match` and `upstream`: which requests it is about, by where they go."),
        (
            "key!",
            list(text()),
            "What a bucket belongs to: `user`, `api_key`, `tier`, `address`, `header:name`, `path`, `method`, `upstream`.",
        ),
        ("tiers", flag(), "Whether the limits are those of the caller's tier. Default: false."),
        ("limit", limit(), "The limit of every caller."),
        ("limits", list(limit()), "Up to 8 that hold all at once."),
        ("overrides", list(exception()), "Callers with limits of their own."),
        ("shadow", flag(), "It is decided on and counted, and lets everything pass."),
        ("scope", scope(), "Who keeps its limits together. Default: as `scope` of all says."),
        ("upstream", text(), "Where its requests go: the label `provider` of metrics. Default: its name."),
        ("headers", flag(), "Whether clients are told of its limits."),
        ("cost", whole(1, u64::from(u32::MAX)), "How many tokens a request takes. Default: 1."),
    ])
}

pub(super) fn all() -> Json {
    let listened = with(
        slow_down(),
        &[
            ("name!", text(), "Its name: the label `provider`."),
            ("match", one_or_more(matching()), "Which requests go there. Default: every one."),
        ],
    );
    with(
        options(),
        &[
            ("tiers", by_name(tier()), "What the callers of each tier may; `anonymous` stands for those without one."),
            ("rules", list(rule()), "All of these must let a request pass that they are about."),
            ("upstreams", list(listened), "Those that are left alone when they say that they are asked too often."),
            ("state", store(), "Where a fleet's proxies meet."),
        ],
    )
}
