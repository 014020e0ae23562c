//! The schema of `correlation`.

use serde_json::Value as Json;

use super::shape::{list, object, text, words};

pub(super) fn whole() -> Json {
    object(&[
        (
            "client_ids",
            words(&["accept", "replace"]),
            "Whether well-formed ids are taken over from clients, or never. Default: `accept`.",
        ),
        (
            "client_traces",
            words(&["continue", "restart"]),
            "Whether a client's valid trace goes on, or never. Default: `continue`.",
        ),
        (
            "agents",
            list(text()),
            "What to look for in `User-Agent`; the first that is found names the agent. Default: the agents that announce themselves.",
        ),
    ])
}
