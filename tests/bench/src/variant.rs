//! The variants: which filters stand in front of the answer, and what the client sends.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::token::{AUDIENCE, ISSUER, Token, Tokens};

/// One chain of filters.
pub(crate) struct Variant {
    /// Its name in the report.
    pub(crate) name: &'static str,
    /// The headers of one request after the other, a line each; then from the beginning.
    pub(crate) headers: Vec<String>,
    /// Whether its filters ask a state store.
    pub(crate) needs_store: bool,
    /// What every request is answered with.
    pub(crate) status: u16,
    filters: Vec<Value>,
    cache_control: &'static str,
}

const FILTERS: [&str; 5] = ["correlation", "auth", "ratelimit", "cache", "breaker"];
/// A limit that a fleet keeps together, leased ahead of need, that this load never reaches.
const LEASED: &str = r#"{"rate": "1000000/s", "burst": 1000000}"#;
const UNCACHED: &str = "no-store";
const CACHED: &str = "max-age=86400";

/// Every variant, `none` first. The answer may not be stored, so that all filters see each request, but in `…_hit`. Each
/// token of `…_first` comes again only when the filter has long forgotten it.
pub(crate) fn all(tokens: &Tokens) -> Vec<Variant> {
    let (rsa, ec) = (&tokens.rs256, &tokens.es256);
    let no_headers = || vec![String::new()];
    let seen = |token: &Token| vec![bearer(&token.seen)];
    let first = |token: &Token| token.fresh.iter().map(|token| bearer(token)).collect();
    let variant = |name, filters, headers| Variant {
        name,
        filters,
        headers,
        needs_store: false,
        status: 200,
        cache_control: UNCACHED,
    };
    let cached = |name, filters, headers| Variant { cache_control: CACHED, ..variant(name, filters, headers) };
    let chain = || FILTERS.iter().map(|filter| wasm(filter, rsa)).collect::<Vec<_>>();
    let single = |name: &'static str| variant(name, vec![wasm(name, rsa)], no_headers());
    vec![
        variant("none", vec![], no_headers()),
        single("noop"),
        single("correlation"),
        variant("auth", vec![wasm("auth", rsa)], seen(rsa)),
        variant("auth_first", vec![wasm("auth", rsa)], first(rsa)),
        variant("auth_es256", vec![wasm("auth", ec)], seen(ec)),
        variant("auth_es256_first", vec![wasm("auth", ec)], first(ec)),
        single("ratelimit"),
        Variant { needs_store: true, ..variant("leased", vec![limiter(LEASED)], no_headers()) },
        // Redis asked about each request.
        Variant { needs_store: true, ..single("callout") },
        single("cache"),
        cached("cache_hit", vec![wasm("cache", rsa)], no_headers()),
        single("breaker"),
        // What Envoy answers itself is no upstream's, and with a window the breaker asks each time who has answered.
        variant("breaker_rate", vec![plugin("breaker", &breaker(&json!({"failure_rate": 50})))], no_headers()),
        variant("bulkhead", vec![plugin("breaker", &breaker(&json!({"bulkhead": 1000})))], no_headers()),
        Variant {
            status: 503,
            ..variant("refused", vec![plugin("breaker", &breaker(&json!({"order": "forced_open"})))], no_headers())
        },
        variant("all", chain(), seen(rsa)),
        cached("all_hit", chain(), seen(rsa)),
        variant("jwt_authn", vec![jwt_authn(rsa)], seen(rsa)),
        variant("jwt_authn_es256", vec![jwt_authn(ec)], seen(ec)),
        variant("local_ratelimit", vec![local_ratelimit()], no_headers()),
    ]
}

fn bearer(token: &str) -> String {
    format!("authorization: Bearer {token}\r\n")
}

/// The size of each filter as it ships, in bytes.
pub(crate) fn sizes() -> io::Result<Vec<(&'static str, u64)>> {
    FILTERS.iter().map(|filter| Ok((*filter, fs::metadata(module(filter))?.len()))).collect()
}

impl Variant {
    /// The Envoy bootstrap.
    pub(crate) fn bootstrap(&self, store: Option<SocketAddr>) -> String {
        let mut filters = self.filters.clone();
        filters.push(typed("router", "envoy.extensions.filters.http.router.v3.Router", json!({})));
        let route = json!({
            "match": {"prefix": "/"},
            "direct_response": {"status": 200, "body": {"inline_string": "x".repeat(500)}},
            "response_headers_to_add": [{"header": {"key": "cache-control", "value": self.cache_control}}],
        });
        let manager = json!({
            "stat_prefix": "bench",
            "generate_request_id": false,
            "http_filters": filters,
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        });
        let network = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
        let address = |port: u16| json!({"socket_address": {"address": "127.0.0.1", "port_value": port}});
        let cluster = |store: SocketAddr| {
            let endpoints = [json!({"lb_endpoints": [{"endpoint": {"address": address(store.port())}}]})];
            json!({
                "name": "state", "type": "STATIC",
                "load_assignment": {"cluster_name": "state", "endpoints": endpoints},
            })
        };
        let listener = json!({
            "name": "bench",
            "address": address(0),
            "filter_chains": [{"filters": [typed("http", network, manager)]}],
        });
        let clusters: Vec<_> = store.filter(|_| self.needs_store).map(cluster).into_iter().collect();
        json!({"static_resources": {"listeners": [listener], "clusters": clusters}}).to_string()
    }
}

fn wasm(filter: &str, token: &Token) -> Value {
    plugin(filter, &configuration(filter, token))
}

/// The rate limiter of a fleet of one proxy.
fn limiter(limit: &str) -> Value {
    let limit: Value = serde_json::from_str(limit).expect("it is JSON");
    let rule = json!({"name": "clients", "key": ["address"], "scope": "fleet", "limit": limit});
    plugin("ratelimit", &json!({"state": {}, "rules": [rule]}))
}

fn plugin(filter: &str, configuration: &Value) -> Value {
    let vm = json!({
        "vm_id": "weir",
        "runtime": "envoy.wasm.runtime.v8",
        "code": {"local": {"filename": module(filter)}},
    });
    let configuration = json!({
        "@type": "type.googleapis.com/google.protobuf.StringValue",
        "value": configuration.to_string(),
    });
    let plugin = json!({
        "name": filter, "root_id": filter, "failure_policy": "FAIL_RELOAD", "allow_on_headers_stop_iteration": true,
        "vm_config": vm, "configuration": configuration,
    });
    typed(filter, "envoy.extensions.filters.http.wasm.v3.Wasm", json!({"config": plugin}))
}

/// What a gateway would configure, with limits that this load never reaches.
fn configuration(filter: &str, token: &Token) -> Value {
    match filter {
        "auth" => json!({
            "issuers": [{"issuer": ISSUER, "audiences": [AUDIENCE], "jwks": token.keys}],
            "default": "required",
        }),
        "ratelimit" => json!({
            "rules": [{"name": "clients", "key": ["address"], "limit": {"rate": "1000000/s", "burst": 1_000_000}}],
        }),
        "cache" => json!({"routes": [{"match": {}, "upstream": "plain", "data_type": "plain", "shared": true}]}),
        "breaker" => breaker(&json!({"consecutive_failures": 5})),
        _ => json!({}),
    }
}

/// A breaker for all requests.
fn breaker(plain: &Value) -> Value {
    json!({"breakers": {"plain": plain}, "routes": [{"upstream": "plain"}]})
}

fn jwt_authn(token: &Token) -> Value {
    let provider = json!({
        "issuer": ISSUER, "audiences": [AUDIENCE], "local_jwks": {"inline_string": token.keys.to_string()},
    });
    let config = json!({
        "providers": {"bench": provider},
        "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "bench"}}],
    });
    typed("jwt_authn", "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication", config)
}

fn local_ratelimit() -> Value {
    let always = json!({"default_value": {"numerator": 100, "denominator": "HUNDRED"}});
    let config = json!({
        "stat_prefix": "bench",
        "token_bucket": {"max_tokens": 1_000_000, "tokens_per_fill": 1_000_000, "fill_interval": "1s"},
        "filter_enabled": always, "filter_enforced": always,
    });
    typed("local_ratelimit", "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit", config)
}

fn typed(name: &str, kind: &str, mut config: Value) -> Value {
    config["@type"] = json!(format!("type.googleapis.com/{kind}"));
    json!({"name": name, "typed_config": config})
}

fn module(filter: &str) -> PathBuf {
    let prepared = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/wasm");
    let folder = std::env::var_os("WEIR_WASM_DIR").map_or_else(prepared, PathBuf::from);
    folder.join(format!("{filter}.wasm"))
}
