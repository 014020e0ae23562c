//! Envoy's own error replies are in the filters' words, and the filters' replies are left as they are.

// A test stops by panicking.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use proxy::{Answer, Client, Envoy, Origin, Reply, Request, client};
use serde_json::{Value as Json, json};
use weir::document::{self, Reading};
use weir::envoy::{Plan, bootstrap};

/// An Envoy with all filters, in front of an origin and of a port at which nobody listens.
fn start(origin: &Origin) -> Envoy {
    let policy = format!(
        "
version: 1
listen: 127.0.0.1:0
clients: {{header_bytes: 8KiB, request_timeout: 2s}}
identity:
  jwt: [{{issuer: i, audiences: [a], jwks: {{keys: [{{kty: oct, kid: k, alg: HS256, k: dGhlIHNlY3JldCBvZiB0aGUgdGVzdHMsIGluIGJhc2U2NHVybA}}]}}}}]
upstreams:
  up: {{url: 'http://{}', internal: true, timeout: 300ms}}
  down: {{url: 'http://127.0.0.1:1', internal: true}}
routes:
  - {{match: /private, upstream: up}}
  - {{match: /down, upstream: down, auth: off}}
  - {{match: /up/*, upstream: up, auth: off}}
",
        origin.address()
    );
    run(&policy)
}

fn run(policy: &str) -> Envoy {
    let document = document::read(Path::new("p"), policy.as_bytes(), &Reading::default()).unwrap();
    let built = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/wasm");
    let wasm = std::env::var_os("WEIR_WASM_DIR").map_or_else(built, PathBuf::from);
    let plan = Plan { policy: &document.policy, filters: &document.filters, wasm: &wasm };
    Envoy::start(&bootstrap::standalone(&plan).to_string()).unwrap_or_else(|failure| panic!("{failure}"))
}

fn json_of(answer: &Answer) -> Json {
    let text = String::from_utf8_lossy(&answer.body);
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{} {text}", answer.status))
}

/// The answer is the contract's error, with ids that agree: no client here sends a correlation id of its own that counts.
#[track_caller]
fn check(answer: &Answer, status: u16, code: &str) {
    let body = json_of(answer);
    assert_eq!((answer.status, body["error"]["code"].as_str()), (status, Some(code)), "{body}");
    assert_eq!(answer.text("content-type").as_deref(), Some("application/json"));
    let id = answer.text("x-request-id").unwrap();
    assert_eq!(body["error"]["request_id"], id.as_str(), "{body}");
    assert_eq!((id.is_empty(), answer.text("x-correlation-id")), (false, Some(id)));
    assert!(body["error"]["message"].as_str().is_some_and(|message| !message.is_empty()));
}

#[test]
fn what_envoy_answers_itself_is_in_the_contracts_words() {
    let origin = Origin::start();
    let envoy = start(&origin);
    let ask =
        |target: &str| client::call(envoy.address(), &Request::get(target).header("x-request-id", "mine")).unwrap();

    check(&ask("/nowhere"), 404, "NOT_FOUND");
    assert_eq!(ask("/nowhere").text("x-request-id").as_deref(), Some("mine"));
    check(&ask("/down"), 502, "PROXY_ERROR");
    origin.answer(Some("/up/reset"), Reply { fate: proxy::origin::Fate::Reset, ..Reply::status(200) });
    check(&ask("/up/reset"), 502, "PROXY_ERROR");
    origin.answer(Some("/up/slow"), Reply::status(200).held());
    check(&ask("/up/slow"), 504, "TIMEOUT");
    origin.release(None);
    // What the upstream says is the upstream's.
    origin.answer(Some("/up/sick"), Reply::status(503).body("ill"));
    assert_eq!(ask("/up/sick").body, b"ill");
}

#[test]
fn what_no_filter_has_seen_carries_ids_too() {
    let origin = Origin::start();
    let envoy = start(&origin);
    let mut seen = Vec::new();
    for (bytes, status, code) in [
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400, "BAD_REQUEST"),
        ("GET / HTTP/1.1\r\nhost: a\r\nno colon\r\n\r\n".to_owned(), 400, "BAD_REQUEST"),
        ("GET /a%2fb HTTP/1.1\r\nhost: a\r\nx-request-id: \u{7f}bad\r\n\r\n".to_owned(), 400, "BAD_REQUEST"),
        ("GET /a%2fb HTTP/1.1\r\nhost: a\r\nx-correlation-id: forged\r\n\r\n".to_owned(), 400, "BAD_REQUEST"),
        (format!("GET / HTTP/1.1\r\nhost: a\r\nbig: {}\r\n\r\n", "x".repeat(9000)), 431, "BAD_REQUEST"),
        // Headers that never end.
        ("GET / HTTP/1.1\r\nhost: a\r\n".to_owned(), 408, "TIMEOUT"),
    ] {
        let mut client = Client::connect(envoy.address()).unwrap();
        client.send_bytes(bytes.as_bytes());
        let answer = client.receive().unwrap();
        check(&answer, status, code);
        let id = answer.text("x-request-id").unwrap();
        assert!(envoy.wait_for_log(&format!(r#""correlation_id":"{id}""#)), "{}", envoy.log());
        assert!(!seen.contains(&id), "{id} twice");
        seen.push(id);
    }
}

#[test]
fn problem_details_come_where_they_are_asked_for() {
    let origin = Origin::start();
    let envoy = start(&origin);
    for (accept, problem) in [
        (&b"application/problem+json"[..], true),
        (b"text/html, Application/Problem+JSON; q=0.5", true),
        (b"application/problem+json;q=0", false),
        (b"application/problem+json ; q=0.00, */*", false),
        (b"application/problem+jsonx", false),
        (b"*/*", false),
        (b"\xff\xfe", false),
    ] {
        let request = Request::get("/nowhere").header("accept", accept);
        let answer = client::call(envoy.address(), &request).unwrap();
        if !problem {
            check(&answer, 404, "NOT_FOUND");
            continue;
        }
        assert_eq!(answer.text("content-type").as_deref(), Some("application/problem+json"));
        let id = answer.text("x-request-id").unwrap();
        let expected = json!({
            "type": "about:blank", "title": "Not Found", "status": 404, "detail": "Not found", "code": "NOT_FOUND",
            "request_id": id,
        });
        assert_eq!(json_of(&answer), expected);
    }
}

#[test]
fn what_a_filter_answers_is_left_as_it_is() {
    let origin = Origin::start();
    let envoy = start(&origin);
    let answer = client::call(envoy.address(), &Request::get("/private")).unwrap();
    check(&answer, 401, "UNAUTHORIZED");
    assert!(answer.text("www-authenticate").is_some());
    let request = Request::get("/private").header("accept", "application/problem+json");
    let answer = client::call(envoy.address(), &request).unwrap();
    assert_eq!(answer.text("content-type").as_deref(), Some("application/problem+json"));
    assert_eq!(json_of(&answer)["title"], "Unauthorized");
}

#[test]
fn every_line_of_the_access_log_has_the_contracts_fields() {
    let origin = Origin::start();
    let envoy = start(&origin);
    origin.answer(Some("/up/x"), Reply::status(200).body("ok"));
    let request = Request::get("/up/x?a=b&c=d").header("x-request-id", "mine").header("x-ai-agent", "robot");
    let request = request.header("x-envoy-original-path", "/forged").header("x-weir-user", "forged");
    assert_eq!(client::call(envoy.address(), &request).unwrap().status, 200);
    assert!(envoy.wait_for_log(r#""request_id":"mine""#), "{}", envoy.log());
    let log = envoy.log();
    let line: Json =
        serde_json::from_str(log.lines().find(|line| line.contains(r#""request_id":"mine""#)).unwrap()).unwrap();
    for (field, expected) in [
        ("level", json!("info")),
        ("correlation_id", json!("mine")),
        ("agent", json!("robot")),
        ("user_id", Json::Null),
        ("method", json!("GET")),
        ("path", json!("/up/x")),
        ("query", json!("a=b&c=d")),
        ("status", json!(200)),
        ("upstream", json!("up")),
        ("details", json!("via_upstream")),
    ] {
        assert_eq!(line[field], expected, "{field} of {line}");
    }
    for field in ["timestamp", "tier", "duration_ms", "cache", "breaker", "trace_id"] {
        assert!(line.get(field).is_some(), "{field} of {line}");
    }
}

/// An Envoy whose clients have `period` for their requests, in front of an upstream that is asked every other second.
fn paced(origin: &Origin, period: &str) -> Envoy {
    run(&format!(
        "
version: 1
listen: 127.0.0.1:0
clients: {{request_timeout: {period}}}
upstreams:
  up: {{url: 'http://{}', internal: true, limit: {{rate: 30/m, burst: 1, queue: {{max_wait: 10s, max_requests: 5}}}}}}
routes:
  - {{match: GET|PUT /up/*, upstream: up, auth: off}}
  - {{match: POST /batch, auth: off, compose: {{name: batch, deadline: 10s, batch: {{calls: ['GET /up/*']}}}}}}
",
        origin.address()
    ))
}

#[test]
fn envoy_cuts_off_who_has_no_body_and_waits_in_line_but_nobody_within_the_proxy() {
    let origin = Origin::start();
    let ask = |envoy: &Envoy, request: &Request| client::call(envoy.address(), request).unwrap();
    let batch = Request::new("POST", "/batch").header("content-type", "application/json");
    let batch = batch.body(r#"{"requests": [{"method": "GET", "path": "/up/x"}]}"#);
    for (period, request, is_cut_off) in [
        ("1s", Request::get("/up/x"), true),
        ("5s", Request::get("/up/x"), false),
        ("1s", Request::new("PUT", "/up/x").body("some"), false),
        ("1s", batch, false),
    ] {
        let envoy = paced(&origin, period);
        assert_eq!(ask(&envoy, &Request::get("/up/first")).status, 200);
        let answer = ask(&envoy, &request);
        if is_cut_off {
            check(&answer, 504, "TIMEOUT");
            assert!(envoy.wait_for_log(r#""details":"request_overall_timeout""#), "{}", envoy.log());
            continue;
        }
        let body = String::from_utf8_lossy(&answer.body);
        assert_eq!((answer.status, body.contains("TIMEOUT")), (200, false), "{period}: {body}");
        let arrivals = origin.arrivals();
        let [.., first, last] = arrivals.as_slice() else { panic!("{arrivals:?}") };
        assert!(*last - *first > Duration::from_secs(1), "it has not waited: {arrivals:?}");
    }
}
