//! The schema of `auth`, and of what a policy says of identities and permissions.

use serde_json::{Value as Json, json};

use super::shape::{
    any, anything, by_name, defined, flag, list, matching, object, one_or_more, period, put, store, text, url, whole,
    with, words,
};

/// What a document defines that has rules in it.
pub(super) fn definitions() -> [(&'static str, Json); 1] {
    [("rule", rule())]
}

/// What a caller must be.
fn rule() -> Json {
    let scalar = || json!({"type": ["string", "number", "boolean"]});
    let rules = || json!({"type": "array", "items": defined("rule"), "minItems": 1});
    let mut rule = object(&[
        ("role", text(), "Callers with this role."),
        ("scope", text(), "With this scope."),
        ("tier", text(), "Of this tier."),
        ("issuer", text(), "With a token of this issuer."),
        ("credential", words(&["token", "api_key", "none"]), "Who show this."),
        ("claim", one_or_more(text()), "With this claim, which passes one test: the names that lead to it."),
        ("contains", scalar(), "A list with this element, or a text with this word."),
        ("equals", scalar(), "This value."),
        ("one_of", list(scalar()), "One of these values."),
        ("at_least", json!({"type": "number"}), "At least this number."),
        ("at_most", json!({"type": "number"}), "At most this number."),
        ("exists", json!({"const": true}), "The claim is there, and not null."),
        ("all", rules(), "For whom all of these hold."),
        ("any", rules(), "For whom any of these holds."),
        ("not", defined("rule"), "For whom this does not hold."),
        ("shadow", flag(), "Decided, counted and logged, and let pass."),
    ]);
    put(&mut rule, "minProperties", 1.into());
    rule
}

/// What the callers of a route must be.
pub(super) fn allow() -> Json {
    one_or_more(any([text(), defined("rule")]))
}

fn fetch() -> Json {
    object(&[
        ("url!", url(), "Where the issuer publishes its keys."),
        ("refresh", period(), "How old the set may get before it is fetched again. Default: 10m."),
        ("timeout", period(), "How long one answer may take. Default: 2s."),
        ("keep", period(), "How old the last good set may get while the issuer is down. Default: 24h."),
        ("cooldown", period(), "The least time between two fetches that tokens of unknown keys cause. Default: 30s."),
        ("wait", period(), "How long a request may wait for keys. Default: 2s."),
        ("waiting_max", whole(0, 65_536), "How many requests of each worker may wait. Default: 256."),
        ("bytes_max", whole(256, 1 << 20), "A longer document is refused. Default: 65536."),
    ])
}

/// A JSON Web Key, which may have members that nobody here knows (RFC 7517).
fn key() -> Json {
    json!({"type": "object", "required": ["kty"], "properties": {
        "kty": {"enum": ["RSA", "EC", "OKP", "oct"]},
        "kid": {"type": "string"},
        "alg": {"type": "string"},
        "use": {"type": "string"},
        "env": {"type": "string", "description": "The variable that holds the secret of a key of kty `oct`."},
    }})
}

/// A set of them, which may have such members too.
fn keys() -> Json {
    json!({"type": "object", "required": ["keys"], "properties": {"keys": list(key())}})
}

fn issuer(key_sets: Json) -> Json {
    object(&[
        ("issuer!", text(), "What `iss` must be, byte for byte."),
        (
            "audiences!",
            list(text()),
            "One of these must be in `aud`; an empty list accepts tokens that are for anybody.",
        ),
        ("jwks!", key_sets, "The issuer's keys."),
        ("algorithms", list(text()), "The algorithms of its tokens. Default: what each key is for."),
        ("typ", list(text()), "What the header's `typ` may be. Default: `JWT`, `at+jwt` or none."),
        ("max_age", period(), "How long after `iat` a token is believed."),
        ("require_expiry", flag(), "Whether there must be an `exp`. Default: true."),
        ("required_claims", list(text()), "Claims that there must be besides."),
        ("user_prefix", text(), "What stands before its users in `x-weir-user`."),
    ])
}

fn api_keys() -> Json {
    let digest = || json!({"type": "string", "pattern": "^[0-9a-fA-F]{64}$"});
    let key = object(&[
        ("id!", text(), "What it is called."),
        ("sha256", digest(), "The SHA-256 of the key."),
        ("hmac", digest(), "Its HMAC under the pepper."),
        ("user", text(), "Whom it stands for. Default: the id."),
        ("tier", text(), "The caller's tier. Default: `default_tier`."),
        ("roles", list(text()), "The caller's roles."),
        ("scopes", list(text()), "The caller's scopes."),
        ("claims", by_name(anything()), "The caller's claims."),
        ("expires", any([text(), json!({"type": "integer"})]), "Until when: `2027-01-01T00:00:00Z`, or Unix seconds."),
    ]);
    object(&[
        ("keys!", list(key), "The keys that are known, by their digests."),
        ("header", text(), "The header that keys are read from. Default: `x-api-key`."),
        ("query", text(), "The parameter of the query that keys are read from."),
        (
            "pepper",
            object(&[("env!", text(), "The variable with the HMAC key.")]),
            "Under what the digests `hmac` are.",
        ),
        ("forward", flag(), "Whether the upstream gets to see the key. Default: false."),
    ])
}

fn revoked() -> Json {
    let entry = |name: &'static str, more: &[super::shape::Member<'_>]| {
        let whole = object(&[(name, text(), "Which one."), ("issuer", text(), "Of this issuer.")]);
        list(any([text(), with(whole, more)]))
    };
    let before = ("before", whole(1, u64::from(u32::MAX)), "Issued before this, in Unix seconds.");
    object(&[
        ("tokens", entry("jti!", &[]), "Tokens."),
        ("subjects", entry("sub!", &[before]), "Users."),
        ("keys", entry("kid!", &[]), "Keys of issuers, and API keys by their ids."),
    ])
}

fn revocation() -> Json {
    let what = || words(&["stop", "continue"]);
    object(&[
        ("refresh", period(), "How often the store is asked. Default: 1s."),
        ("unavailable_after", period(), "After how long without an answer the last one is too old. Default: 5m."),
        ("when_unavailable", what(), "What then becomes of requests with a good credential. Default: `stop`."),
        ("keep", period(), "For how long a token or a user stays revoked where the entry does not say. Default: 30d."),
        ("entries_max", whole(1, 1_000_000), "How many are kept. Default: 100000."),
        ("when_full", what(), "When there are more. Default: `stop`."),
    ])
}

/// What a policy hands on to the filter as it is.
fn handed_on() -> Json {
    let claim = || one_or_more(text());
    let names = object(&[
        ("user", claim(), "Default: `sub`."),
        ("tier", claim(), "Default: `tier`."),
        ("roles", claim(), "Default: `roles`."),
    ]);
    let place = object(&[
        ("header", text(), "A header."),
        ("scheme", text(), "The word before the token in it."),
        ("cookie", text(), "A cookie."),
        ("query", text(), "A parameter of the query."),
    ]);
    let extra = object(&[("claim!", claim(), "This claim."), ("header!", text(), "In this header.")]);
    let memory = object(&[
        ("slots", whole(0, 65_536), "Genuine tokens that each worker keeps. Default: 1024."),
        ("for", period(), "How long at most. Default: 5m."),
        ("refused_slots", whole(0, 65_536), "Tokens that were refused. Default: 256."),
        ("refused_for", period(), "How long these are kept. Default: 10s."),
    ]);
    object(&[
        ("realm", text(), "What challenges name. Default: `weir`."),
        ("leeway", period(), "How far clocks may differ, at most 5m. Default: 30s."),
        (
            "tokens",
            object(&[("from", list(place), "In this order.")]),
            "Where tokens are read. Default: `authorization: Bearer`.",
        ),
        ("forward", flag(), "Whether the upstream gets to see the token. Default: false."),
        ("api_keys", api_keys(), "Keys for services."),
        ("default_tier", text(), "The tier of tokens and keys that have none. Default: `free`."),
        ("claims", names, "The claims for user, tier and roles."),
        ("hand_on", list(extra), "What the upstream is told besides."),
        ("token_bytes_max", whole(256, 65_536), "Longer tokens are refused. Default: 8192."),
        ("revoked", revoked(), "What is revoked whatever the store says."),
        ("revocation", revocation(), "Follows the revocations in the state store."),
        ("remember", memory, "Which tokens each worker remembers."),
    ])
}

/// `identity` of a policy.
pub(super) fn of_policy() -> Json {
    let file = object(&[("file!", text(), "A JSON Web Key Set, relative to the policy.")]);
    let held = object(&[("keys!", list(key()), "The keys themselves.")]);
    let issuers = list(issuer(any([file, fetch(), held])));
    with(handed_on(), &[("jwt", issuers, "Whose tokens are believed.")])
}

/// `permissions`.
pub(super) fn permissions() -> Json {
    by_name(defined("rule"))
}

pub(super) fn all() -> Json {
    let fetched = with(fetch(), &[("cluster!", text(), "Envoy's cluster that leads there.")]);
    let mode = || words(&["required", "optional", "off"]);
    let route = object(&[
        ("match!", matching(), "Which requests."),
        ("auth!", mode(), "Whether they need a credential."),
        (
            "allow",
            allow(),
            "What their callers must be: a rule, the name of a permission, or a list of which all must hold.",
        ),
    ]);
    with(
        handed_on(),
        &[
            ("issuers", list(issuer(any([fetched, keys()]))), "Whose tokens are believed."),
            ("permissions", permissions(), "Rules by name."),
            ("routes", list(route), "The first that matches a request counts."),
            ("default", mode(), "What holds where none matches. Default: `required`."),
            ("state", store(), "Where the state store is."),
        ],
    )
}
