//! The variants: which filters stand in front of the answer, and what the client sends.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use weir::translate::MODULES;

use crate::origin;
use crate::token::{AUDIENCE, ISSUER, Token, Tokens};

/// One chain of filters.
pub(crate) struct Variant {
    /// Its name in the report.
    pub(crate) name: &'static str,
    /// The headers of one request after the other, a line each; then from the beginning.
    pub(crate) headers: Vec<String>,
    /// What is asked for.
    pub(crate) path: &'static str,
    /// Whether its filters ask a state store.
    pub(crate) needs_store: bool,
    /// Whether it asks an upstream instead of answering itself.
    pub(crate) has_upstream: bool,
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

/// A filter of nothing but host calls.
const FLOOR: &str = include_str!("floor.wat");

/// With so small a budget no worker keeps 64 KiB at hand.
const FAR: &str = "400KiB";

/// Every variant, `none` first. The answer may not be stored, so that all filters see each request, but in `…_hit` and
/// `hit_…`; in `far_…`, which reads each hit from shared data; and in `stored_…`, which stores each answer anew. Each token of `…_first` comes again only when the filter has long forgotten it.
pub(crate) fn all(tokens: &Tokens) -> Vec<Variant> {
    let (rsa, ec) = (&tokens.rs256, &tokens.es256);
    let no_headers = || vec![String::new()];
    let seen = |token: &Token| vec![bearer(&token.seen)];
    let first = |token: &Token| token.fresh.iter().map(|token| bearer(token)).collect();
    let variant = |name, filters, headers| Variant {
        name,
        headers,
        path: "/plain",
        needs_store: false,
        has_upstream: false,
        status: 200,
        filters,
        cache_control: UNCACHED,
    };
    let cached = |name, filters, headers| Variant { cache_control: CACHED, ..variant(name, filters, headers) };
    let chain = || FILTERS.iter().map(|filter| wasm(filter, rsa)).collect::<Vec<_>>();
    let single = |name: &'static str| variant(name, vec![wasm(name, rsa)], no_headers());
    let fetched = |name, path, filters| Variant { path, has_upstream: true, ..variant(name, filters, no_headers()) };
    let [small, large] = origin::SIZES.map(|(path, _)| path);
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
        variant("floor", vec![floor("")], no_headers()),
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
        fetched("proxied_1k", small, vec![]),
        fetched("hit_1k", small, vec![wasm("cache", rsa)]),
        apart(fetched("hit_1k_apart", small, vec![wasm("cache", rsa)])),
        fetched("floor_1k", small, vec![floor("answers")]),
        fetched("envoy_hit_1k", small, vec![envoy_cache()]),
        fetched("proxied_64k", large, vec![]),
        fetched("hit_64k", large, vec![wasm("cache", rsa)]),
        fetched("envoy_hit_64k", large, vec![envoy_cache()]),
        fetched("far_64k", large, vec![cache(&json!({"budget_bytes": FAR}))]),
        fetched("far_64k_packed", large, vec![cache(&json!({"budget_bytes": FAR, "compress": "everywhere"}))]),
        anew(fetched("stored_1k", small, vec![wasm("cache", rsa)])),
        anew(fetched("stored_64k", large, vec![wasm("cache", rsa)])),
        anew(fetched("stored_64k_packed", large, vec![cache(&json!({"compress": "everywhere"}))])),
    ]
}

/// The same, with requests that nothing stored may answer.
fn anew(variant: Variant) -> Variant {
    Variant { headers: vec!["cache-control: no-cache\r\n".to_owned()], ..variant }
}

/// The same, with requests that have a wish of their own, so that each is judged and none answered as another was. All of them have the
/// same, which what is stored fulfils.
fn apart(variant: Variant) -> Variant {
    Variant { headers: vec!["cache-control: max-age=86400\r\n".to_owned()], ..variant }
}

/// The cache, as [`configuration`] has it but for these members.
fn cache(members: &Value) -> Value {
    let mut config = json!({"routes": [{"match": {}, "upstream": "plain", "data_type": "plain", "shared": true}]});
    for (name, value) in members.as_object().into_iter().flatten() {
        config[name.as_str()] = value.clone();
    }
    plugin("cache", &config)
}

fn bearer(token: &str) -> String {
    format!("authorization: Bearer {token}\r\n")
}

/// The size of each filter as it ships, in bytes.
pub(crate) fn sizes() -> io::Result<Vec<(&'static str, u64)>> {
    MODULES.iter().map(|filter| Ok((*filter, fs::metadata(module(filter))?.len()))).collect()
}

impl Variant {
    /// The Envoy bootstrap.
    pub(crate) fn bootstrap(&self, store: Option<SocketAddr>, upstream: Option<SocketAddr>) -> String {
        let route = json!({
            "match": {"prefix": "/"},
            "direct_response": {"status": 200, "body": {"inline_string": "x".repeat(500)}},
            "response_headers_to_add": [{"header": {"key": "cache-control", "value": self.cache_control}}],
        });
        let store = store.filter(|_| self.needs_store).map(|address| ("state", address));
        let upstream = upstream.filter(|_| self.has_upstream).map(|address| ("origin", address));
        let forwarded = json!({"match": {"prefix": "/"}, "route": {"cluster": "origin"}});
        let routes = json!([if self.has_upstream { forwarded } else { route }]);
        let clusters: Vec<_> = store.into_iter().chain(upstream).collect();
        listening(&self.filters, &routes, &clusters)
    }
}

/// The bootstrap of an Envoy with one listener.
pub(crate) fn listening(filters: &[Value], routes: &Value, clusters: &[(&str, SocketAddr)]) -> String {
    let mut filters = filters.to_vec();
    filters.push(typed("router", "envoy.extensions.filters.http.router.v3.Router", json!({})));
    let manager = json!({
        "stat_prefix": "bench",
        "generate_request_id": false,
        "http_filters": filters,
        "route_config": {
            "max_direct_response_body_size_bytes": 1 << 20,
            "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}],
        },
    });
    let network = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
    let address = |port: u16| json!({"socket_address": {"address": "127.0.0.1", "port_value": port}});
    let cluster = |(name, to): &(&str, SocketAddr)| {
        let endpoints = [json!({"lb_endpoints": [{"endpoint": {"address": address(to.port())}}]})];
        json!({
            "name": name, "type": "STATIC",
            "load_assignment": {"cluster_name": name, "endpoints": endpoints},
        })
    };
    let listener = json!({
        "name": "bench",
        "address": address(0),
        "filter_chains": [{"filters": [typed("http", network, manager)]}],
    });
    let clusters: Vec<_> = clusters.iter().map(cluster).collect();
    json!({"static_resources": {"listeners": [listener], "clusters": clusters}}).to_string()
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
    loaded(filter, &json!({"filename": module(filter)}), &configuration.to_string())
}

/// The host calls of a miss, or with a configuration those of a hit, and nothing else.
fn floor(configuration: &str) -> Value {
    let module = wat::parse_str(FLOOR).expect("it is a module");
    loaded("floor", &json!({"inline_bytes": STANDARD.encode(module)}), configuration)
}

/// The Wasm filter whose module is this `code`.
fn loaded(filter: &str, code: &Value, configuration: &str) -> Value {
    let vm = json!({"vm_id": "weir", "runtime": "envoy.wasm.runtime.v8", "code": {"local": code}});
    let configuration = json!({
        "@type": "type.googleapis.com/google.protobuf.StringValue",
        "value": configuration,
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

/// Envoy's own cache, in memory.
fn envoy_cache() -> Value {
    let store = json!({
        "@type": "type.googleapis.com/envoy.extensions.http.cache.simple_http_cache.v3.SimpleHttpCacheConfig",
    });
    typed("cache", "envoy.extensions.filters.http.cache.v3.CacheConfig", json!({"typed_config": store}))
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

pub(crate) fn module(filter: &str) -> PathBuf {
    let prepared = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/wasm");
    let folder = std::env::var_os("WEIR_WASM_DIR").map_or_else(prepared, PathBuf::from);
    folder.join(format!("{filter}.wasm"))
}
