//! What a guarded proxy says on every answer, whom it answers by CORS, and what gets no further, in a real Envoy.

// A test stops by panicking.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod serving;

use proxy::{Answer, Client, Envoy, Origin, Reply, Request, client};
use serde_json::Value as Json;

/// A key, whose digest stands in the policy.
const KEY: &str = "key-of-a-service-0123";

const POLICY: &str = "
version: 1
listen: 127.0.0.1:0
admin: {operators: {key_sha256: e007501c98f67727701150c031964df2d5fb84c03e3d0fc75cdfab4c98e4ac0d}}
clients: {headers: 40, header_bytes: 8KiB}
guard:
  body_max: 2KiB
  headers:
    x-frame-options: off
    referrer-policy: {value: same-origin, replace: true}
    x-said: \"100% weir\"
  cors: {origins: ['https://app.example', 'https://*.b.example:8443'], credentials: true, max_age: 5m}
identity:
  api_keys:
    keys: [{id: service, sha256: e007501c98f67727701150c031964df2d5fb84c03e3d0fc75cdfab4c98e4ac0d}]
tiers: {anonymous: {per_hour: 3}}
upstreams:
  own: {url: 'http://ORIGIN', internal: true}
  down: {url: 'http://127.0.0.1:1', internal: true, retry: off}
routes:
  - {match: POST /limited, upstream: own, auth: optional, accepts: {schema: {required: [id]}}}
  - {match: POST /private, upstream: own, auth: required, limit: off, accepts: {body_max: 4KiB, schema: {required: [id]}}}
  - {match: POST /text, upstream: own, auth: off, limit: off, accepts: {types: [text/plain]}}
  - {match: GET /kept, upstream: own, auth: off, limit: off, cache: {shared: true}}
  - {match: GET /down, upstream: down, auth: off, limit: off}
  - match: GET /both
    auth: off
    limit: off
    compose: {name: both, steps: [{name: a, call: GET /part}], answer: \"${a}\"}
  - {match: GET /part, upstream: own, inside: true}
  - {match: /*, upstream: own, auth: off, limit: off}
";

fn start(origin: &Origin) -> Envoy {
    let policy = POLICY.replace("ORIGIN", &origin.address().to_string());
    serving::start(&policy)
}

fn ask(envoy: &Envoy, request: Request) -> Answer {
    client::call(envoy.address(), &request.header("host", "here")).unwrap()
}

/// The answer has this status, and says what every answer says.
#[track_caller]
fn secured(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{}", String::from_utf8_lossy(&answer.body));
    for (name, value) in [
        ("strict-transport-security", Some("max-age=31536000")),
        ("content-security-policy", Some("default-src 'none'; frame-ancestors 'none'")),
        ("x-frame-options", None),
        ("x-content-type-options", Some("nosniff")),
        ("referrer-policy", Some("same-origin")),
        ("x-said", Some("100% weir")),
        ("server", None),
        ("x-powered-by", None),
        ("x-envoy-upstream-service-time", None),
    ] {
        assert_eq!(answer.text(name).as_deref(), value, "{name} of {status}");
    }
    assert!(answer.text("permissions-policy").is_some_and(|value| value.contains("camera=()")));
}

fn error(answer: &Answer) -> Json {
    serde_json::from_slice::<Json>(&answer.body).unwrap_or_default()["error"].clone()
}

#[test]
fn every_answer_says_it_whoever_makes_it() {
    let origin = Origin::start();
    let envoy = start(&origin);
    let get = |path: &str| ask(&envoy, Request::get(path));
    let banner = || Reply::status(200).header("server", "old/1.0").header("x-powered-by", "old");
    origin.answer(None, banner().header("referrer-policy", "unsafe-url").header("vary", "accept"));
    secured(&get("/"), 200);
    assert_eq!([get("/").text("vary"), get("/health").text("vary")].map(Option::unwrap), ["accept,origin", "origin"]);
    // The upstream's own word stands where the policy does not say otherwise.
    origin.answer(None, banner().header("content-security-policy", "default-src 'self'"));
    let answer = get("/page");
    let own = answer.text("content-security-policy");
    assert_eq!((own.as_deref(), answer.text("server")), (Some("default-src 'self'"), None));
    // Filters: auth, the guard itself, the limit, admin, compose.
    secured(&ask(&envoy, Request::new("POST", "/private").header("content-type", "application/json").body("{}")), 401);
    secured(&get("/a%252fb"), 400);
    for _ in 0..3 {
        let bad = Request::new("POST", "/limited").header("content-type", "application/json").body("{}");
        secured(&ask(&envoy, bad), 400);
    }
    secured(&ask(&envoy, Request::new("POST", "/limited").body("{}")), 429);
    secured(&get("/health"), 200);
    secured(&get("/admin/circuit-breakers"), 401);
    origin.answer(None, banner().body("{}"));
    secured(&get("/both"), 200);
    // Envoy: no upstream, nothing inside, no such path, too many headers, no HTTP.
    secured(&get("/down"), 502);
    secured(&get("/part"), 404);
    secured(&get("/a%2fb"), 400);
    secured(&ask(&envoy, (0..50).fold(Request::get("/"), |request, at| request.header(format!("x-{at}"), "1"))), 431);
    secured(&ask(&envoy, Request::get("/").header("x-long", "x".repeat(10_000))), 431);
    let mut client = Client::connect(envoy.address()).unwrap();
    client.send_bytes(b"GET / HTTP/1.0\r\nhost: here\r\n\r\n");
    secured(&client.receive().unwrap(), 426);
}

#[test]
fn an_answer_that_stands_in_for_an_upstream_s_says_it_too() {
    let origin = Origin::start();
    let envoy = start(&origin);
    let get = |path: &str| ask(&envoy, Request::get(path));
    let stored = |reply: Reply| {
        reply
            .header("etag", "\"v1\"")
            .header("cache-control", "max-age=1, stale-if-error=3600")
            .header("content-type", "a/b")
            .header("age", "100")
            .header("server", "old/1.0")
    };
    origin.answer(None, stored(Reply::status(200)).body("kept"));
    let first = get("/kept");
    secured(&first, 200);
    assert_eq!(first.text("cache-status").as_deref(), Some("weir; fwd=uri-miss; stored"));
    // A failure of the upstream's becomes what is stored: a reply of the cache's in the response phase, which no filter
    // in front sees.
    origin.answer(None, Reply::status(503).header("server", "old/1.0"));
    let answer = get("/kept");
    secured(&answer, 200);
    assert_eq!(answer.body, b"kept");
}

#[test]
fn what_hostile_clients_send_gets_no_further_than_it_must() {
    let origin = Origin::start();
    let envoy = start(&origin);
    let post = |path: &str, kind: &str, body: &str| {
        ask(&envoy, Request::new("POST", path).header("content-type", kind).body(body))
    };
    let keyed = |path: &str, body: &str| {
        let request = Request::new("POST", path).header("content-type", "application/json").header("x-api-key", KEY);
        ask(&envoy, request.body(body))
    };
    // Who may not be answered has no body read, but what the headers show is told first.
    assert_eq!(post("/private", "application/json", "{}").status, 401);
    assert_eq!(post("/private", "application/json", &"x".repeat(5000)).status, 413);
    assert_eq!(post("/private", "application/xml", "x").status, 401);
    assert_eq!(error(&keyed("/private", "{}"))["message"], "/id: is missing");
    assert_eq!(keyed("/private", r#"{"id": 1}"#).status, 200);
    assert_eq!(post("/text", "text/html", "x").status, 415);
    assert_eq!(post("/text", "text/plain", "x").status, 200);
    assert_eq!(post("/else", "text/html", &"x".repeat(2049)).status, 413);
    assert_eq!(origin.received().len(), 2);
    // Of paths, Envoy refuses what it decodes, and makes the rest one spelling; the guard refuses what others would decode.
    for (path, status) in [
        ("/a/../b", 200),
        ("/a/%2e%2e/b", 200),
        ("/../../etc/passwd", 200),
        ("/a//b", 200),
        ("/a%2fb", 400),
        ("/a%5Cb", 400),
        ("/a%00b", 400),
        ("/a%252fb", 400),
        ("/%252e%252e/b", 400),
        ("/a%2500", 400),
    ] {
        let answer = ask(&envoy, Request::get(path));
        assert_eq!(answer.status, status, "{path}");
        assert!(status == 200 || error(&answer)["code"] == "BAD_REQUEST", "{path}");
    }
    let paths: Vec<_> =
        origin.received().iter().skip(2).map(|request| String::from_utf8_lossy(&request.target).into_owned()).collect();
    assert_eq!(paths, ["/b", "/b", "/etc/passwd", "/a/b"]);
}

#[test]
fn scripts_of_listed_origins_are_answered_and_no_others() {
    let origin = Origin::start();
    origin.answer(None, Reply::status(200).header("access-control-allow-origin", "*").body("{}"));
    let envoy = start(&origin);
    let preflight = |from: &str| {
        let request = Request::new("OPTIONS", "/private").header("origin", from);
        ask(&envoy, request.header("access-control-request-method", "POST"))
    };
    for (from, is_known) in [
        ("https://app.example", true),
        ("https://x.b.example:8443", true),
        ("https://x.y.b.example:8443", true),
        ("https://b.example:8443", false),
        ("https://x.b.example", false),
        ("https://xb.example:8443", false),
        ("https://x.bXexample:8443", false),
        ("http://app.example", false),
        ("https://app.example.evil.example", false),
        ("null", false),
    ] {
        let answer = preflight(from);
        secured(&answer, 200);
        assert_eq!(answer.text("access-control-allow-origin").as_deref(), is_known.then_some(from), "{from}");
        if is_known {
            assert_eq!(answer.text("access-control-allow-credentials").as_deref(), Some("true"));
            assert_eq!(
                answer.text("access-control-allow-methods").as_deref(),
                Some("GET, HEAD, POST, PUT, PATCH, DELETE")
            );
            assert_eq!(
                answer.text("access-control-allow-headers").as_deref(),
                Some("authorization, content-type, x-request-id")
            );
            assert_eq!(answer.text("access-control-max-age").as_deref(), Some("300"));
        }
    }
    assert_eq!(origin.received().len(), 0);
    // What is asked for then can be read where its origin is listed, refusals and compositions included.
    for (request, status) in [
        (Request::get("/a"), 200),
        (Request::get("/both"), 200),
        (Request::new("POST", "/private"), 401),
        (Request::get("/a%252fb"), 400),
    ] {
        let answer = ask(&envoy, request.header("origin", "https://app.example"));
        assert_eq!(answer.status, status);
        assert_eq!(answer.text("access-control-allow-origin").as_deref(), Some("https://app.example"), "{status}");
        assert_eq!(
            answer.text("access-control-expose-headers").as_deref(),
            Some("x-request-id, x-correlation-id, retry-after")
        );
    }
    // An OPTIONS that is no preflight is a request like any other.
    assert_eq!(ask(&envoy, Request::new("OPTIONS", "/a").header("origin", "https://app.example")).status, 200);
}
