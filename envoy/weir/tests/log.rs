//! The access log of a real Envoy: a client's request has one line, and what filters ask for on their own says so; what stands in a line
//! is so.

// A test stops by panicking.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod serving;

use std::path::Path;

use proxy::deadline::{Deadline, PATIENCE};
use proxy::{Answer, Envoy, Origin, Reply, Request, client};
use serde_json::{Value as Json, json};
use weir::document::{self, Reading};
use weir::gateway::Gateway;
use weir::replay::replay;

/// A key, whose digest stands in the policy.
const KEY: &str = "key-of-a-service-0123";

/// A policy with an upstream that is well and one that is not, a key that may ask three times an hour, and an answer that is composed.
fn policy(origin: &Origin) -> String {
    format!(
        "
version: 1
listen: 127.0.0.1:0
identity:
  api_keys:
    keys: [{{id: service, sha256: e007501c98f67727701150c031964df2d5fb84c03e3d0fc75cdfab4c98e4ac0d, tier: small}}]
tiers: {{anonymous: {{per_hour: 100}}, small: {{per_hour: 3}}}}
upstreams:
  well: {{url: 'http://{0}', internal: true, breaker: {{}}}}
  sick: {{url: 'http://{0}', internal: true, retry: off, breaker: {{consecutive_failures: 1, open_for: 1h}}}}
routes:
  - {{match: GET /kept, upstream: well, auth: required, cache: {{data_type: x, ttl: 1h, shared: true}}}}
  - {{match: GET /sick, upstream: sick, auth: off}}
  - match: GET /composed
    auth: optional
    compose:
      name: c
      steps: [{{name: one, call: GET /part/one}}, {{name: two, call: GET /part/two}}]
      answer: {{one: '${{one}}', two: '${{two}}'}}
  - {{match: GET /part/*, upstream: well, inside: true}}
",
        origin.address()
    )
}

/// The lines of the log so far.
fn lines(envoy: &Envoy) -> Vec<Json> {
    let log = envoy.log();
    log.lines().filter(|line| line.starts_with('{')).filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[test]
fn a_composed_answer_has_one_line_and_what_it_is_made_of_says_that_it_is_inside() {
    let origin = Origin::start();
    origin.answer(None, Reply::status(200).header("content-type", "application/json").body("1"));
    let policy = policy(&origin);
    let envoy = serving::start(&policy);
    let answer = client::call(envoy.address(), &Request::get("/composed").header("x-request-id", "mine")).unwrap();
    assert_eq!((answer.status, origin.received().len()), (200, 2));
    assert!(Deadline::after(PATIENCE).wait_until(|| lines(&envoy).len() >= 3), "{}", envoy.log());
    let mut seen: Vec<_> = lines(&envoy);
    seen.sort_by_key(|line| line["path"].to_string());
    let parts = |line: &Json| [line["path"].clone(), line["upstream"].clone(), line["inside"].clone()];
    let expected = [
        [json!("/composed"), Json::Null, Json::Null],
        [json!("/part/one"), json!("well"), json!(true)],
        [json!("/part/two"), json!("well"), json!(true)],
    ];
    assert_eq!(seen.iter().map(parts).collect::<Vec<_>>(), expected);
    assert!(seen[0].get("inside").is_none(), "{}", seen[0]);
    assert!(seen.iter().all(|line| line["trace_id"] == seen[0]["trace_id"]), "{seen:?}");

    let document = document::read(Path::new("p"), policy.as_bytes(), &Reading::default()).ok().unwrap();
    let gateway = Gateway::of(&document, &|_| None).unwrap();
    let log: Vec<_> = seen.iter().map(Json::to_string).collect();
    let replayed = replay(&gateway, log.join("\n").as_bytes()).unwrap();
    assert_eq!((replayed.lines, replayed.broken), (1, 0), "one request of a client's");
}

#[test]
fn a_line_says_who_asked_and_what_cache_breaker_and_limit_made_of_it() {
    let origin = Origin::start();
    origin.answer(Some("/kept"), Reply::status(200).header("cache-control", "max-age=600").body("kept"));
    origin.answer(Some("/sick"), Reply::status(500));
    let envoy = serving::start(&policy(&origin));
    let ask = |id: &str, path: &str, status: u16| -> (Answer, Json) {
        let request = Request::get(path).header("x-request-id", id).header("x-api-key", KEY);
        let answer = client::call(envoy.address(), &request).unwrap();
        assert_eq!(answer.status, status, "{id}: {}", envoy.log());
        let of_it = || lines(&envoy).into_iter().find(|line| line["request_id"] == id);
        assert!(Deadline::after(PATIENCE).wait_until(|| of_it().is_some()), "{}", envoy.log());
        (answer, of_it().unwrap())
    };
    let known = [("user_id", json!("service")), ("tier", json!("small"))];
    let unknown = [("user_id", Json::Null), ("tier", Json::Null)];
    let rows = [
        ("miss", "/kept", 200, &known, "info", json!("closed"), json!("well"), "via_upstream"),
        ("hit", "/kept", 200, &known, "info", Json::Null, json!("well"), "weir_cache_hit"),
        ("fails", "/sick", 500, &unknown, "error", json!("closed"), json!("sick"), "via_upstream"),
        ("open", "/sick", 503, &unknown, "error", json!("open"), json!("sick"), "weir_circuit_breaker_open"),
        ("third", "/kept", 200, &known, "info", Json::Null, json!("well"), "weir_cache_hit"),
        ("limited", "/kept", 429, &known, "warn", Json::Null, json!("well"), "weir_rate_limited"),
    ];
    for (id, path, status, who, level, breaker, upstream, details) in rows {
        let (answer, line) = ask(id, path, status);
        let cache = answer.text("cache-status").map_or(Json::Null, Json::from);
        let (level, details) = (json!(level), json!(details));
        let rest =
            [("level", level), ("breaker", breaker), ("upstream", upstream), ("details", details), ("cache", cache)];
        for (field, expected) in who.iter().chain(&rest) {
            assert_eq!(line[field], *expected, "{field} of {line}");
        }
        assert!(line["status"] == status && line["duration_ms"].is_u64(), "{line}");
        let is_hit = line["cache"].as_str().is_some_and(|said| said.starts_with("weir; hit"));
        assert_eq!(is_hit, line["details"] == "weir_cache_hit", "{line}");
    }
}
