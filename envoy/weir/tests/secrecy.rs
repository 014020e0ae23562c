//! No credential reaches the access log, wherever a client puts it and whatever becomes of the request.

// A test stops by panicking.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod serving;

use proxy::{Client, Envoy, Origin, Reply, Request, client};
use serde_json::Value as Json;

/// A key, whose digest stands in the policy.
const KEY: &str = "key-of-a-service-0123";

/// An Envoy with all filters that reads keys from queries, in front of an origin that is nobody's own.
fn start(origin: &Origin) -> Envoy {
    let policy = format!(
        "
version: 1
listen: 127.0.0.1:0
identity:
  api_keys:
    query: api_key
    keys: [{{id: service, sha256: e007501c98f67727701150c031964df2d5fb84c03e3d0fc75cdfab4c98e4ac0d, claims: {{team: a}}}}]
  hand_on: [{{claim: team, header: x-team}}]
upstreams:
  own: {{url: 'http://{0}', internal: true}}
  other: {{url: 'http://{0}/base'}}
routes:
  - {{match: /own, upstream: own}}
  - {{match: /open, upstream: own, auth: off}}
  - {{match: /other/*, upstream: other, strip: /other}}
",
        origin.address()
    );
    serving::start(&policy)
}

#[test]
fn no_credential_reaches_the_access_log() {
    let origin = Origin::start();
    origin.answer(None, Reply::status(200));
    let envoy = start(&origin);
    let rows = [
        ("1", format!("/own?a=1&api_key={KEY}"), 200, Some("a=1")),
        ("2", format!("/own?api%5Fkey={KEY}"), 200, None),
        ("3", format!("/own?api_key={KEY}x&b=%zz"), 401, Some("b=%zz")),
        ("4", format!("/own?c&api_key={KEY}&api_key={KEY}"), 401, Some("c")),
        ("5", format!("/open?d&api_key={KEY}"), 200, Some("d")),
        ("6", format!("/nowhere?e&api_key={KEY}"), 404, Some("e")),
        ("7", format!("/other/x?f=%C3%A9&api_key={KEY}"), 200, Some("f=%C3%A9")),
        ("8", "/own".to_owned(), 401, None),
    ];
    for (id, target, status, query) in rows {
        let answer = client::call(envoy.address(), &Request::get(&target).header("x-request-id", id)).unwrap();
        assert_eq!(answer.status, status, "{target}");
        let mark = format!(r#""request_id":"{id}""#);
        assert!(envoy.wait_for_log(&mark), "{}", envoy.log());
        let log = envoy.log();
        let line: Json = serde_json::from_str(log.lines().find(|line| line.contains(&mark)).unwrap()).unwrap();
        assert_eq!(line["query"].as_str().unwrap_or_default(), query.unwrap_or_default(), "{line}");
        assert_eq!(Some(line["path"].as_str().unwrap()), target.split('?').next());
    }
    // Refused before any filter has seen it.
    let mut client = Client::connect(envoy.address()).unwrap();
    client.send_bytes(format!("GET /a%2fb?api_key={KEY} HTTP/1.1\r\nhost: a\r\nx-last: 1\r\n\r\n").as_bytes());
    assert_eq!(client.receive().unwrap().status, 400);
    assert!(envoy.wait_for_log(r#""status":400"#), "{}", envoy.log());
    assert!(!envoy.log().contains(KEY), "{}", envoy.log());
}

#[test]
fn a_third_party_gets_neither_the_credential_nor_what_it_says() {
    let origin = Origin::start();
    origin.answer(None, Reply::status(200));
    let envoy = start(&origin);
    let seen = |target: &str| {
        let request = Request::get(target).header("x-api-key", KEY).header("x-team", "forged");
        assert_eq!(client::call(envoy.address(), &request).unwrap().status, 200, "{target}");
        origin.received().pop().unwrap()
    };
    let value = |request: &Request, name: &str| {
        let found = request.headers.iter().find(|(found, _)| found == name.as_bytes());
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    };
    let own = seen("/own?a=1");
    let expected = [("x-team", Some("a")), ("x-weir-user", Some("service")), ("x-api-key", None)];
    assert_eq!(expected.map(|(name, _)| value(&own, name)), expected.map(|(_, value)| value.map(str::to_owned)));
    let other = seen("/other/x?a=1");
    for header in ["x-team", "x-weir-user", "x-api-key"] {
        assert_eq!(value(&other, header), None, "{header}");
    }
}
