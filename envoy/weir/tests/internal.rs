//! What a filter of the proxy asks for on its own passes the filters again, but for those that judge a client.

// A test stops by panicking.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod serving;

use proxy::deadline::{Deadline, PATIENCE};
use proxy::{Envoy, Origin, Reply, Request, client};

/// A key, whose digest stands in the policy.
const KEY: &str = "key-of-a-service-0123";

/// Four requests an hour for the key; the upstream takes three, and its answers are everybody's.
fn start(origin: &Origin) -> Envoy {
    let policy = format!(
        "
version: 1
listen: 127.0.0.1:0
identity:
  api_keys:
    keys: [{{id: service, sha256: e007501c98f67727701150c031964df2d5fb84c03e3d0fc75cdfab4c98e4ac0d, tier: small}}]
tiers: {{anonymous: {{per_hour: 1}}, small: {{per_hour: 4}}}}
upstreams:
  own: {{url: 'http://{}', internal: true, limit: {{count: 3, window: 1h}}}}
routes:
  - {{match: GET /a, upstream: own, auth: required, cache: {{shared: true}}}}
",
        origin.address()
    );
    serving::start(&policy)
}

#[test]
fn a_refresh_is_judged_as_its_client_was_and_charged_to_the_upstream_alone() {
    let origin = Origin::start();
    let stale = "max-age=1, stale-while-revalidate=3600";
    origin.answer(None, Reply::status(200).header("cache-control", stale).header("age", "100").body("old"));
    let envoy = start(&origin);
    let get = |id: &str| {
        let request = Request::get("/a").header("x-api-key", KEY).header("x-correlation-id", id).header("host", "here");
        client::call(envoy.address(), &request).unwrap()
    };
    assert_eq!(get("one").body, b"old");
    origin.answer(None, Reply::status(200).header("cache-control", stale).header("age", "100").body("new"));
    assert_eq!(get("two").body, b"old");
    let outcome =
        |outcome: &str| envoy.stat(&format!("wasmcustom.api_gateway_cache_refreshes_total_outcome_={outcome};"));
    assert!(Deadline::after(PATIENCE).wait_until(|| outcome("done") == Some(1)), "{}", envoy.log());
    let received = origin.received();
    let [own, refresh] = received.as_slice() else { panic!("{received:?}") };
    let value = |request: &Request, name: &str| {
        let found = request.headers.iter().find(|(found, _)| found == name.as_bytes());
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    };
    for (name, expected) in [
        ("x-weir-user", Some("service".to_owned())),
        ("x-correlation-id", Some("two".to_owned())),
        ("host", Some("here".to_owned())),
        ("x-forwarded-for", value(own, "x-forwarded-for")),
        ("x-forwarded-proto", value(own, "x-forwarded-proto")),
        ("x-weir-refresh", None),
    ] {
        assert_eq!(value(refresh, name), expected, "{name}");
    }
    // The upstream's three are spent with this one's refresh, and the next finds none.
    assert_eq!(get("three").body, b"new");
    assert!(Deadline::after(PATIENCE).wait_until(|| outcome("done") == Some(2)), "{}", envoy.log());
    let last = get("four");
    assert_eq!((last.status, last.body.as_slice()), (200, b"new".as_slice()), "{}", envoy.log());
    assert!(Deadline::after(PATIENCE).wait_until(|| outcome("failed") == Some(1)), "{}", envoy.log());
    assert_eq!(origin.received().len(), 3);
    assert_eq!(get("five").status, 429, "four requests of the client, and no refresh");
}

#[test]
fn what_only_the_proxy_may_say_is_taken_off_what_clients_say() {
    let origin = Origin::start();
    origin.answer(None, Reply::status(200).header("cache-control", "max-age=600").body("x"));
    let envoy = start(&origin);
    let ask = |request: Request| client::call(envoy.address(), &request).unwrap();
    assert_eq!(ask(Request::get("/a").header("x-weir-user", "service")).status, 401);
    let request =
        Request::get("/a").header("x-api-key", KEY).header("x-weir-user", "root").header("x-weir-refresh", "1");
    assert_eq!(ask(request).status, 200);
    let sent = origin.received().pop().unwrap();
    let users: Vec<_> =
        sent.headers.iter().filter(|(name, _)| name == b"x-weir-user").map(|(_, value)| value).collect();
    assert_eq!(users, [b"service"]);
    assert!(sent.headers.iter().all(|(name, _)| name != b"x-weir-refresh"));
}
