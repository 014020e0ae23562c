//! The schema of `guard`, and of what a policy says of what comes in and who is told.

use serde_json::{Value as Json, json};

use super::shape::{any, by_name, bytes, flag, list, matching, object, period, put, scalar, text, url, with, words};

/// How long a body may be; none where it is 0.
fn body_max() -> Json {
    any([bytes(), words(&["off"])])
}

/// What a body may be; with a JSON Schema, whose words are those of the draft.
pub(super) fn accepts() -> Json {
    let types = json!({"type": "string", "pattern": "^[^/;]+/[^/;]+$"});
    let schema = json!({"type": ["boolean", "object"], "propertyNames": words(&::guard::schema::KEYWORDS)});
    object(&[
        (
            "body_max",
            body_max(),
            "How long bodies may be: bytes, `64KiB` or `off`; with 0, there may be none. With a schema, at most 1MiB.",
        ),
        ("types", list(types), "The media types that they may have: `application/json`, `image/*`."),
        ("schema", schema, "What they say, as a JSON Schema (draft 2020-12)."),
    ])
}

fn options() -> Json {
    object(&[
        ("paths", flag(), "Whether paths are looked at. Default: true."),
        ("body_max", body_max(), "How long a body may be where its route says nothing else. Default: 1MiB."),
    ])
}

fn cors() -> Json {
    let origin = json!({"type": "string", "pattern": "^(\\*|https?://.+)$"});
    let mut origins = list(origin);
    put(&mut origins, "minItems", 1.into());
    object(&[
        ("origins!", origins, "Whose scripts may ask: `https://app.example`, `https://*.app.example`."),
        ("methods", list(text()), "With which methods. Default: GET, HEAD, POST, PUT, PATCH, DELETE."),
        ("headers", list(scalar()), "With which headers. Default: authorization, content-type, x-request-id."),
        (
            "expose",
            list(scalar()),
            "Which headers of answers they read. Default: x-request-id, x-correlation-id, retry-after.",
        ),
        ("credentials", flag(), "Whether cookies and the like go along. Default: false."),
        ("max_age", period(), "How long a browser remembers that it may, at most a day. Default: 10m."),
    ])
}

/// A policy's `guard`.
pub(super) fn of_policy() -> Json {
    let replaced = object(&[
        ("value!", scalar(), "What it says."),
        ("replace", flag(), "Whether the upstream's own is replaced. Default: false."),
    ]);
    let header = any([scalar(), replaced]);
    let headers = any([words(&["off"]), by_name(header)]);
    with(
        options(),
        &[
            ("headers", headers, "What every answer says, beside defaults; `off` leaves one out, or all."),
            ("cors", cors(), "Whose scripts may ask from other places."),
        ],
    )
}

/// A policy's `tracing`.
pub(super) fn tracing() -> Json {
    let share = json!({"type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?%$"});
    object(&[
        ("otlp!", url(), "The collector, which takes OTLP over HTTP."),
        ("sampled", share, "How many of the requests whose sender has not decided it. Default: 10%."),
        ("service", scalar(), "What the proxy is called. Default: weir."),
    ])
}

pub(super) fn all() -> Json {
    let route = with(accepts(), &[("match!", matching(), "Which requests.")]);
    with(options(), &[("routes", list(route), "What is said of some requests; the first that matches counts.")])
}
