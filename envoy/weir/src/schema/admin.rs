//! The schema of `admin`.

use serde_json::{Value as Json, json};

use super::shape::{flag, list, object, one_or_more, store, text};

/// Who operates a proxy.
pub(super) fn operators() -> Json {
    let digest = json!({"type": "string", "pattern": "^[0-9a-fA-F]{64}$"});
    object(&[
        ("role", text(), "Whoever has this role."),
        ("key_sha256", one_or_more(digest), "Whoever shows in `x-admin-key` a key with this digest."),
    ])
}

pub(super) fn whole() -> Json {
    let data = object(&[("provider!", text(), "The upstream's label."), ("data_type!", text(), "The data's.")]);
    let cache = object(&[
        ("name!", text(), "Its name, as its own configuration says it."),
        ("shared", flag(), "Whether its purges reach a fleet. Default: false."),
        ("data", list(data), "What its routes are counted under."),
    ]);
    let envoy = object(&[("cluster!", text(), "The cluster that leads there.")]);
    let plugin = object(&[
        ("name!", text(), "Its name."),
        ("sha256", text(), "The SHA-256 of its configuration, in hexadecimal digits, where that is known."),
    ]);
    let keys = object(&[
        ("name!", text(), "Whose they are."),
        ("cluster!", text(), "By which cluster."),
        ("url!", text(), "From where."),
    ]);
    object(&[
        ("operators", operators(), "Who may ask for more than health. Default: nobody."),
        ("cache", cache, "The cache that is purged."),
        ("state", store(), "The store of a fleet, whose breakers are ordered there."),
        ("envoy", envoy, "Envoy's own administration, for the health of hosts."),
        ("plugins", list(plugin), "What runs beside this filter, and what it was to read."),
        ("key_sets", list(keys), "Which keys `auth` fetches."),
    ])
}
