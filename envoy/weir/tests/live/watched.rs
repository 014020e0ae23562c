//! What an operator is told of the plugins that run, where Envoy follows a folder: what each reads is what it was to read, in either slot.

use proxy::{Origin, Request, client};
use serde_json::Value;

use super::gateway::Gateway;
use super::modules::filters;

/// SHA-256 of `operator`.
const KEY: &str = "06e55b633481f7bb072957eabcf110c972e86691c3cfedabe088024bffe42f23";

/// What the gateway says of each plugin: its name and its state.
fn told(gateway: &Gateway) -> Vec<(String, String)> {
    let request = Request::get("/admin/configurations").header("x-admin-key", "operator");
    let answer = client::call(gateway.address(), &request).unwrap();
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    let plugins = body["configurations"].as_array().unwrap_or_else(|| panic!("{body}"));
    let word = |plugin: &Value, name: &str| plugin[name].as_str().unwrap_or_default().to_owned();
    plugins.iter().map(|plugin| (word(plugin, "plugin"), word(plugin, "state"))).collect()
}

#[test]
fn what_plugins_read_in_either_slot_is_what_they_were_to_read() {
    let origin = Origin::start();
    let policy = |timeout: &str, cache: &str| {
        format!(
            "version: 1\nlisten: 127.0.0.1:0\nadmin: {{listen: 127.0.0.1:9901, operators: {{key_sha256: {KEY}}}}}\n\
             identity: {{api_keys: {{header: x-key, keys: [{{id: a, sha256: {KEY}}}]}}}}\n\
             upstreams: {{up: {{url: 'http://{0}', internal: true, breaker: {{}}, timeout: {timeout}}}}}\nroutes:\n\
             - {{match: GET /composed, compose: {{name: c, steps: [{{name: s, call: GET /inside}}], answer: {{s: '${{s}}'}}}}}}\n\
             - {{match: GET /inside, upstream: up, inside: true}}\n- {{match: /kept, upstream: up{cache}}}\n",
            origin.address()
        )
    };
    let gateway = Gateway::start(&policy("5s", ""), &filters());
    let check = |has_cache: bool| {
        let told = told(&gateway);
        let state_of = |name: &str| told.iter().find(|(plugin, _)| plugin == name).map(|(_, state)| state.as_str());
        // No configuration can say its own digest.
        let others = told.iter().filter(|(name, _)| name != "admin");
        assert!(others.clone().all(|(_, state)| state == "same"), "{told:?}");
        assert_eq!(state_of("compose"), Some("same"));
        assert_eq!(state_of("cache").is_some(), has_cache, "a plugin that has nothing to do is not watched: {told:?}");
    };
    check(false);
    gateway.apply(&policy("6s", ", cache: {data_type: x, ttl: 1h}"), &[]).serves();
    check(true);
    gateway.rollback().serves();
    check(false);
}
