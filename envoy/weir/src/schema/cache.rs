//! The schema of `cache`, and of what a policy says of caching.

use serde_json::Value as Json;

use super::shape::{bytes, flag, list, matching, object, period, store, text, whole, with, without, words};

fn l2() -> Json {
    object(&[
        ("budget", period(), "How long a request waits for it. Default: 20ms."),
        ("refresh", period(), "How often the fleet's purges are read. Default: 500ms."),
        ("object_bytes_max", bytes(), "Longer objects are kept by this proxy alone. Default: 256KiB."),
        ("stale", period(), "How much longer than they are fresh objects stay there. Default: 10m."),
        (
            "through",
            text(),
            "The path of the route, `inside`, by which objects go there, so that its upstream's breaker and limit hold. Default: they go straight.",
        ),
    ])
}

fn flight() -> Json {
    object(&[
        ("max_wait", period(), "How long requests that miss at once wait for the first. Default: 5s."),
        ("max_waiting", whole(0, 65_536), "How many on one worker. Default: 1024."),
    ])
}

fn refresh() -> Json {
    object(&[
        ("max", whole(1, 1024), "How many refreshes are under way on one worker. Default: 64."),
        ("timeout", period(), "How long one may take. Default: 10s."),
    ])
}

/// What a policy says to the filter itself.
pub(super) fn options() -> Json {
    object(&[
        ("name", text(), "This cache's name in `Cache-Status`, and the place of its entries. Default: `weir`."),
        ("budget_bytes", bytes(), "What all workers together keep. Default: 64MiB."),
        ("object_bytes_max", bytes(), "The longest stored response, with its headers. Default: 256KiB."),
        ("compress", words(&["l2", "everywhere", "never"]), "Where text is packed. Default: `l2`."),
        (
            "tag_fields",
            list(text()),
            "The fields in which upstreams list the tags of a response. Default: `cache-tag`, `surrogate-key`.",
        ),
        ("tag_fields_hidden", flag(), "Whether clients do not see these fields. Default: false."),
        ("l2", l2(), "Shares what is stored with a fleet, through `state`."),
        ("flight", flight(), "How requests wait that miss at once."),
        ("refresh", refresh(), "How stale responses are refreshed beside the requests that they answer."),
    ])
}

fn query() -> Json {
    object(&[
        ("ignore", list(text()), "Parameters that do not matter, by their name or its beginning (`utm_*`)."),
        ("sort", flag(), "Whether their order does not matter. Default: false."),
    ])
}

fn search() -> Json {
    object(&[
        ("key!", words(&["json"]), "Answers are kept by the canonical form of the body's JSON."),
        ("max", bytes(), "One with a longer body passes. Default: 16KiB."),
        ("wait", period(), "One whose body takes longer passes. Default: 2s."),
    ])
}

fn route() -> Json {
    object(&[
        ("match!", matching(), "Which requests."),
        (
            "keeps",
            flag(),
            "Whether anything is kept. Where not, nothing but `match` stands beside it, and what its requests change ends all \
             the same. Default: true.",
        ),
        ("upstream", text(), "Label of metrics. Default: `default`."),
        ("data_type", text(), "Label of metrics, and what is purged together. Default: `default`."),
        ("ttl", period(), "Responses are fresh for so long, whatever the upstream says."),
        ("statuses", list(whole(200, 599)), "Of which statuses those are. Default: 200."),
        ("negative", period(), "The same for 404 and 410."),
        ("despite", list(words(&["private", "no-store", "set-cookie"])), "What of a response is overlooked besides."),
        ("shared", flag(), "All callers whom `auth` let through are answered alike. Default: false."),
        ("isolate", words(&["user", "tier", "none"]), "For whom an answer may be used once more. Default: `none`."),
        ("query", query(), "What of a query does not matter."),
        ("body", search(), "Its `POST`s are searches, whose answers are kept by their bodies."),
        ("heuristic_max", period(), "The longest lifetime that may be guessed of `Last-Modified`."),
        ("stale_while_revalidate", period(), "For how long a stale response answers while one request refreshes it."),
        ("stale_if_error", period(), "For how long a stale response answers where the upstream fails."),
        ("purge_key_sha256", text(), "The digest of a key whose holder may purge."),
        ("l2", flag(), "Whether it is shared with the fleet. Default: true."),
    ])
}

/// A route's `cache` in a policy.
pub(super) fn of_policy() -> Json {
    without(route(), &["match", "keeps", "upstream"])
}

pub(super) fn all() -> Json {
    let refresh =
        with(refresh(), &[("cluster!", text(), "What leads to a listener of this proxy whose chain has this cache.")]);
    with(
        options(),
        &[
            ("refresh", refresh, "How stale responses are refreshed beside the requests that they answer."),
            ("orders", flag(), "Whether an operator purges through shared data. Default: false."),
            ("state", store(), "Where the second level is."),
            ("routes", list(route()), "How responses are kept; the first that matches a request counts."),
        ],
    )
}
