//! The variants: which filters stand in front of the answer, and what the client sends.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::token::{AUDIENCE, ISSUER, Token};

/// One chain of filters.
pub(crate) struct Variant {
    /// Its name in the report.
    pub(crate) name: &'static str,
    /// Headers of each request, a line each.
    pub(crate) headers: String,
    filters: Vec<Value>,
    cache_control: &'static str,
}

const FILTERS: [&str; 5] = ["correlation", "auth", "ratelimit", "cache", "breaker"];
const UNCACHED: &str = "no-store";
const CACHED: &str = "max-age=86400";

/// Every variant, `none` first. The answer may not be stored, so that all filters see each request, but in `…_hit`.
pub(crate) fn all(token: &Token) -> Vec<Variant> {
    let bearer = format!("authorization: Bearer {}\r\n", token.compact);
    let variant = |name, filters: Vec<Value>, headers: &str| Variant {
        name,
        filters,
        headers: headers.to_owned(),
        cache_control: UNCACHED,
    };
    let chain = || FILTERS.iter().map(|filter| wasm(filter, token)).collect::<Vec<_>>();
    let single = |name: &'static str, headers: &str| variant(name, vec![wasm(name, token)], headers);
    vec![
        variant("none", vec![], ""),
        single("noop", ""),
        single("correlation", ""),
        single("auth", &bearer),
        variant("auth_first", vec![plugin("auth", &forgetful(token))], &bearer),
        single("ratelimit", ""),
        single("cache", ""),
        Variant { cache_control: CACHED, ..variant("cache_hit", vec![wasm("cache", token)], "") },
        single("breaker", ""),
        variant("all", chain(), &bearer),
        Variant { cache_control: CACHED, ..variant("all_hit", chain(), &bearer) },
        variant("jwt_authn", vec![jwt_authn(token)], &bearer),
        variant("local_ratelimit", vec![local_ratelimit()], ""),
    ]
}

/// The size of each filter as it ships, in bytes.
pub(crate) fn sizes() -> io::Result<Vec<(&'static str, u64)>> {
    FILTERS.iter().map(|filter| Ok((*filter, fs::metadata(module(filter))?.len()))).collect()
}

impl Variant {
    /// The Envoy bootstrap.
    pub(crate) fn bootstrap(&self) -> String {
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
        json!({"static_resources": {"listeners": [{
            "name": "bench",
            "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
            "filter_chains": [{"filters": [typed("http", network, manager)]}],
        }]}})
        .to_string()
    }
}

fn wasm(filter: &str, token: &Token) -> Value {
    plugin(filter, &configuration(filter, token))
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
        "breaker" => json!({
            "breakers": {"plain": {"consecutive_failures": 5, "failure_rate": 50, "window": 100}},
            "routes": [{"upstream": "plain"}],
        }),
        _ => json!({}),
    }
}

/// To `auth`, every token is a new one.
fn forgetful(token: &Token) -> Value {
    let mut configuration = configuration("auth", token);
    configuration["remember"] = json!({"slots": 0});
    configuration
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
