//! Spans as a collector gets them from a real Envoy: one trace for all that a request is known by, what the filters decided, and no
//! credential.

// A test stops by panicking.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod serving;

use proxy::deadline::{Deadline, PATIENCE};
use proxy::{Envoy, Origin, Reply, Request, client};

/// A key, whose digest stands in the policy.
const KEY: &str = "key-of-a-service-0123";
/// A trace that its client has recorded.
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

fn start(origin: &Origin, collector: &Origin, sampled: &str, more: &str) -> Envoy {
    let policy = format!(
        "
version: 1
listen: 127.0.0.1:0
tracing: {{otlp: 'http://{}', sampled: {sampled}, service: gateway-of-the-test}}
identity:
  api_keys:
    query: key
    keys: [{{id: service, sha256: e007501c98f67727701150c031964df2d5fb84c03e3d0fc75cdfab4c98e4ac0d, tier: small}}]
tiers: {{anonymous: {{per_hour: 100}}, small: {{per_hour: 100}}}}
upstreams:
  own: {{url: 'http://{}', internal: true, breaker: {{consecutive_failures: 5, open_for: 60s}}}}
routes:
  - {{match: GET /a, upstream: own, auth: optional, cache: {{shared: true, ttl: 1h}}}}
  - {{match: GET /b, upstream: own, auth: required}}
{more}
",
        collector.address(),
        origin.address()
    );
    serving::start(&policy)
}

/// Everything that the collector was told. A field of protobuf has its text as it is, after the text's length.
fn told(collector: &Origin) -> Vec<u8> {
    let received = collector.received();
    for request in &received {
        assert_eq!((request.method.as_slice(), request.path()), (b"POST".as_slice(), b"/v1/traces".as_slice()));
        assert_eq!(request.first("content-type"), Some(b"application/x-protobuf".as_slice()));
    }
    received.into_iter().flat_map(|request| request.body.concat()).collect()
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// The attribute as it stands in a span: a key, and a value that is a text.
fn attribute(name: &str, value: &str) -> Vec<u8> {
    let length = |text: &str| u8::try_from(text.len()).unwrap();
    let mut bytes = vec![0x0a, length(name)];
    bytes.extend(name.as_bytes());
    bytes.extend([0x12, length(value) + 2, 0x0a, length(value)]);
    bytes.extend(value.as_bytes());
    bytes
}

/// A trace's id as a span has it.
fn id(hex: &str) -> Vec<u8> {
    let mut bytes = vec![0x0a, 16];
    bytes.extend((0..16).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()));
    bytes
}

fn trace_of(request: &Request) -> String {
    let parent = String::from_utf8(request.first("traceparent").unwrap().to_vec()).unwrap();
    parent.split('-').nth(1).unwrap().to_owned()
}

#[test]
fn spans_are_of_the_trace_that_everybody_else_knows_and_say_what_was_decided() {
    let (origin, collector) = (Origin::start(), Origin::start());
    origin.answer(None, Reply::status(200).body("a"));
    let envoy = start(&origin, &collector, "100%", "");
    let get = |path: &str| Request::get(path).header("host", "here");
    let call = |request: &Request| client::call(envoy.address(), request).unwrap();
    // A trace of our own, one of a client's, a hit, a refusal, and a key in the query.
    assert_eq!(call(&get("/a?q=1").header("x-request-id", "request-1")).status, 200);
    let theirs = format!("00-{TRACE}-b7ad6b7169203331-01");
    assert_eq!(call(&get("/a?q=2").header("traceparent", theirs.as_str())).status, 200);
    assert_eq!(call(&get("/a?q=1")).status, 200);
    assert_eq!(call(&get("/b")).status, 401);
    assert_eq!(call(&get(&format!("/b?key={KEY}&q=3"))).status, 200);
    let received = origin.received();
    let [ours, client, keyed] = received.as_slice() else { panic!("{received:?}") };
    // Each worker sends its spans by itself, now and then.
    let is_whole = || {
        let spans = told(&collector);
        let of_all = received.iter().all(|request| has(&spans, &id(&trace_of(request))));
        of_all
            && [attribute("weir.user", "service").as_slice(), b"unauthorized", b"weir; hit; ttl="]
                .iter()
                .all(|part| has(&spans, part))
    };
    assert!(Deadline::after(2 * PATIENCE).wait_until(is_whole), "{}", envoy.log());
    let spans = told(&collector);
    assert_eq!(trace_of(client), TRACE);
    for request in [ours, client, keyed] {
        assert!(has(&spans, &id(&trace_of(request))), "{request:?}");
        assert!(envoy.log().contains(&format!("\"trace_id\":\"{}\"", trace_of(request))), "{}", envoy.log());
    }
    for (name, value) in [
        ("weir.request_id", "request-1"),
        ("weir.tier", "small"),
        ("weir.user", "service"),
        ("weir.breaker", "closed"),
        ("weir.cache", "weir; fwd=uri-miss; stored"),
        ("weir.details", "weir_unauthorized"),
        ("http.url", "http://here/a"),
        ("http.url", "http://here/b"),
        ("service.name", "gateway-of-the-test"),
    ] {
        assert!(has(&spans, &attribute(name, value)), "{name} {value}");
    }
    assert!(has(&spans, b"weir; hit; ttl="));
    for secret in [KEY, "q=1", "q=3"] {
        assert!(!has(&spans, secret.as_bytes()), "{secret}");
    }
}

#[test]
fn a_trace_of_a_client_s_ends_where_it_is_told_to() {
    let (origin, collector) = (Origin::start(), Origin::start());
    let envoy = start(&origin, &collector, "100%", "correlation: {client_traces: restart}");
    let theirs = format!("00-{TRACE}-b7ad6b7169203331-01");
    for at in 0..3 {
        let request = Request::get(&format!("/a?{at}")).header("host", "here").header("traceparent", theirs.as_str());
        assert_eq!(client::call(envoy.address(), &request).unwrap().status, 200);
    }
    let received = origin.received();
    let all = || told(&collector);
    let is_told = || received.iter().all(|request| has(&all(), &id(&trace_of(request))));
    assert!(Deadline::after(2 * PATIENCE).wait_until(is_told), "{}", envoy.log());
    assert!(!has(&all(), &id(TRACE)) && received.iter().all(|request| trace_of(request) != TRACE));
}

#[test]
fn what_a_client_has_decided_holds_and_the_share_is_of_the_others() {
    let (origin, collector) = (Origin::start(), Origin::start());
    let envoy = start(&origin, &collector, "0%", "");
    for (sent, expected) in [(None, "-00"), (Some("00"), "-00"), (Some("01"), "-01")] {
        let request = Request::get(&format!("/b?key={KEY}")).header("host", "here");
        let request = match sent {
            Some(flags) => request.header("traceparent", format!("00-{TRACE}-b7ad6b7169203331-{flags}")),
            None => request,
        };
        assert_eq!(client::call(envoy.address(), &request).unwrap().status, 200);
        let received = origin.received();
        let parent = received.last().and_then(|request| request.first("traceparent")).unwrap();
        assert!(parent.ends_with(expected.as_bytes()), "{sent:?}: {}", parent.escape_ascii());
    }
}
