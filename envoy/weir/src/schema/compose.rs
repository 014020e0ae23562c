//! The schema of `compose`, and of what a policy says of composed answers.

use serde_json::{Value as Json, json};

use super::shape::{
    Member, any, anything, by_name, defined, flag, line, list, matching, object, period, put, text, whole, with,
};

/// What a document defines that has compositions in it.
pub(super) fn definitions() -> [(&'static str, Json); 2] {
    let member = with(shape(), &[("optional", flag(), "Whether it may be left out. Default: false.")]);
    [("shape", shape()), ("member", member)]
}

/// What a request's body, or a part of it, must be like.
fn shape() -> Json {
    let range = || json!({"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2});
    object(&[
        ("id", whole(1, 4096), "A text of at most so many characters that can stand in a path."),
        ("text", whole(1, 4096), "A text of at most so many characters."),
        ("whole", range(), "A whole number from one to the other."),
        ("list", defined("shape"), "A list of these."),
        ("length", range(), "How many there are in the list."),
        ("object", by_name(defined("member")), "An object with these members and no others."),
    ])
}

fn step() -> Json {
    let undo = object(&[("call!", text(), "Method and path."), ("body", anything(), "Its body, a template.")]);
    object(&[
        ("name!", text(), "By which templates speak of what it answered."),
        ("after", list(text()), "Steps before it in the list, which must have ended."),
        ("call!", text(), "Method and path, a template: `POST /api/v1/stock/reserve`."),
        ("body", anything(), "The call's body, a template."),
        ("each", anything(), "A list; the step is one call for each of its values, which is `item`."),
        ("unique", flag(), "Whether equal values are asked for once. Default: false."),
        ("at_once", whole(1, 100), "So many calls at a time; 1 means in order."),
        ("deadline", period(), "For one call. Default: 5s."),
        ("answer", anything(), "What becomes of the upstream's answer, which is `self`."),
        ("required", flag(), "Whether its failure is that of the composition. Default: true."),
        ("failure", anything(), "What becomes of a failure otherwise. Default: null."),
        ("undo", undo, "The call that takes it back."),
        ("repeatable", flag(), "Whether the upstream knows a repeated call by its `Idempotency-Key`. Default: false."),
    ])
}

/// A route's `compose` in a policy, where a batch names its calls as routes do.
pub(super) fn of_route() -> Json {
    composition(any([line(), matching()]), &[])
}

/// A composition; `call` is how a batch names one kind of call.
fn composition(call: Json, more: &[Member<'_>]) -> Json {
    let batch = [
        ("most", whole(1, 100), "So many requests at most. Default: 50."),
        ("calls!", list(call), "What may be asked for."),
    ];
    let keys = object(&[
        ("required", flag(), "Whether a request without a key is refused. Default: false."),
        ("lifetime", period(), "How long a key is remembered. Default: 24h."),
        ("wait", period(), "How long a request waits for another with its key; without it, such a request is 409."),
    ]);
    let mut composition = object(&[
        ("name!", text(), "Its name, in logs and metrics."),
        ("body", defined("shape"), "What the request's body must be like; without it, the body must be empty."),
        ("body_max", whole(1, 1 << 20), "A longer body, in bytes, is 413. Default: 65536."),
        ("steps", list(step()), "Its calls. Those that need not wait run in parallel."),
        ("answer", anything(), "The client's answer, a template."),
        ("status", whole(200, 299), "Its status. Default: 200."),
        ("needs", whole(0, 100), "How many steps must succeed, beside those that are required. Default: 0."),
        ("at_once", whole(1, 100), "So many calls at a time. Default: 10."),
        ("deadline", period(), "For the whole. Default: 15s."),
        ("batch", with(object(&batch), more), "In the place of `body`, `steps` and `answer`: the requests of a list."),
        ("idempotency", keys, "How repeated requests are recognised."),
    ]);
    put(&mut composition, "anyOf", json!([{"required": ["steps", "answer"]}, {"required": ["batch"]}]));
    composition
}

/// What a policy says to the filter itself.
pub(super) fn options() -> Json {
    object(&[
        (
            "running_max",
            whole(1, 10_000),
            "How many compositions one worker has under way; more are 503. Default: 500.",
        ),
        ("journal", whole(1, 1024), "How many with an `undo` the proxy has under way; more are 503. Default: 128."),
        ("keys", whole(16, 65_536), "How many idempotency keys are remembered. Default: 4096."),
        ("answer_max", whole(256, 1 << 20), "A longer answer of an upstream, in bytes, is none. Default: 65536."),
        ("undo_for", period(), "How long what must be taken back is tried, at most a day. Default: 10m."),
    ])
}

pub(super) fn all() -> Json {
    let cluster = ("cluster", text(), "Where they are sent. Default: the `cluster` of all.");
    let composition = composition(matching(), &[cluster]);
    let composition = with(composition, &[("match!", matching(), "Which requests it answers.")]);
    with(
        options(),
        &[
            ("cluster", text(), "The cluster that leads back into this proxy. Default: `weir_internal`."),
            (
                "tells_cache",
                flag(),
                "Whether calls that may change something say of which request they are part. Default: false.",
            ),
            ("compositions", list(composition), "What they are; the first that matches a request answers it."),
        ],
    )
}
