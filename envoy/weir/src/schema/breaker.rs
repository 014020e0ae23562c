//! The schema of `breaker`, and of what a policy says of breakers.

use serde_json::{Value as Json, json};

use super::shape::{any, by_name, flag, list, matching, object, period, store, text, whole, with, words};

/// When a breaker opens and closes, and what answers meanwhile.
pub(super) fn breaker() -> Json {
    with(with(opening(), &closing()), &judging())
}

fn opening() -> Json {
    object(&[
        (
            "consecutive_failures",
            whole(1, u64::from(u32::MAX)),
            "So many in a row open it. Default: 5, or none where there is a rate.",
        ),
        ("failure_rate", whole(1, 100), "So many percent of the calls in the window open it."),
        ("slow_rate", whole(1, 100), "So many percent of calls that take longer than `slow_after` open it."),
        ("slow_after", period(), "From when on a call is slow."),
        (
            "window",
            any([whole(1, 1024), period()]),
            "Of how many of the latest calls, or of how long. Default: 100 calls.",
        ),
        (
            "minimum_calls",
            whole(1, u64::from(u32::MAX)),
            "No rate is too high with fewer. Default: 20, or the window where that is smaller.",
        ),
        ("open_for", period(), "Until it lets probes through. Default: 60s."),
        (
            "open_for_max",
            period(),
            "So long at most, where it grows each time that it opens without having been closed.",
        ),
        (
            "open_growth",
            json!({"type": "number", "minimum": 1, "maximum": 10}),
            "So many times as long each time. Default: 2.",
        ),
        ("open_jitter", whole(0, 90), "By up to so many percent shorter or longer. Default: 0."),
        (
            "retry_after_max",
            period(),
            "A `Retry-After` of the answer that opens it counts for so long at most. Default: 10m.",
        ),
    ])
}

fn closing() -> [super::shape::Member<'static>; 8] {
    let orders = ["automatic", "metrics_only", "disabled", "forced_open"];
    let per =
        any([words(&["upstream", "route", "host"]), object(&[("header!", text(), "Each value of this header.")])]);
    [
        ("half_open_requests", whole(1, 100), "So many probes at the same time. Default: 2."),
        ("close_after", whole(1, 100), "So many probes must succeed. Default: 2."),
        ("probe_timeout", period(), "A probe without an answer for so long makes room for another. Default: 60s."),
        ("order", words(&orders), "Whether it works, only counts, lets all pass, or none. Default: `automatic`."),
        ("per", per, "What has a breaker of its own. Default: `upstream`."),
        ("scopes_max", whole(1, 65_536), "So many hosts or values are told apart. Default: 1024."),
        (
            "bulkhead",
            whole(1, u64::from(u32::MAX)),
            "So many calls may be under way at the same time, over all workers.",
        ),
        ("fleet", quorum(), "How many other proxies open it."),
    ]
}

fn judging() -> [super::shape::Member<'static>; 6] {
    let status = || any([whole(100, 599), json!({"type": "string", "pattern": "^[0-9]{3}(-[0-9]{3})?$"})]);
    [
        ("failure_statuses", list(status()), "Which answers are failures, as `503` or `500-599`. Default: `500-599`."),
        ("ignored_statuses", list(status()), "Which answers are neither failures nor successes."),
        ("failure_codes", list(whole(0, 16)), "Which codes of gRPC are failures. Default: 2, 4, 13, 14, 15."),
        ("ignored_codes", list(whole(0, 16)), "Which codes of gRPC are neither."),
        ("whole_answer", flag(), "A call ends with the last byte of its answer, not with the headers. Default: false."),
        ("fallback", fallback(), "What answers while the upstream is not asked. Default: 503."),
    ]
}

fn quorum() -> Json {
    let quorum = any([whole(1, u64::from(u32::MAX)), json!({"type": "string", "pattern": "^[0-9]+%$"})]);
    object(&[("quorum!", quorum, "So many proxies whose breakers have opened, or such a share of them.")])
}

fn fallback() -> Json {
    let answer = object(&[
        ("status", whole(200, 599), "Default: 200."),
        ("headers", by_name(text()), "Its headers."),
        ("body", json!({"type": "string"}), "Its body."),
    ]);
    object(&[("static", answer, "This answer."), ("upstream", text(), "Another upstream.")])
}

/// An upstream's `breaker` in a policy.
pub(super) fn of_policy() -> Json {
    let stale = with(fallback(), &[("stale", period(), "What the cache has, up to so much too old.")]);
    with(breaker(), &[("fallback", stale, "What answers while the upstream is not asked. Default: 503.")])
}

/// What a policy says to the filter itself.
pub(super) fn options() -> Json {
    object(&[("when_undecided", words(&["pass", "refuse"]), "What to do where shared data fails. Default: `pass`.")])
}

pub(super) fn all() -> Json {
    let route = object(&[
        ("match!", matching(), "Which requests."),
        ("upstream!", text(), "Whose breaker they meet."),
        (
            "name",
            text(),
            "By what its state is kept where routes have breakers of their own. Default: its place in the list.",
        ),
    ]);
    with(
        options(),
        &[
            ("breakers", by_name(breaker()), "One for each upstream that has one."),
            ("routes", list(route), "Which requests are for which upstream; the first that matches counts."),
            ("state", store(), "Where proxies tell each other of their breakers."),
        ],
    )
}
