//! A way to the fleet's store that leads somewhere else, or that others could take.

use super::mistakes;
use super::secrets::with_variables;

/// A policy with this route of objects, this upstream for it, and this of `state`.
fn policy(route: &str, bridge: &str, state: &str) -> String {
    format!(
        "version: 1
state: {{store: redis, url: {state}}}
cache: {{l2: {{through: /kept}}}}
upstreams:
  a: {{url: http://a}}
  bridge: {{{bridge}}}
routes:
- {route}
- {{match: GET /*, upstream: a, cache: {{shared: true}}}}
"
    )
}

#[test]
fn objects_go_to_the_store_and_nobody_else_does() {
    let own = "{match: POST /kept, upstream: bridge, strip: /kept, inside: true}";
    let (here, there) = ("url: http://redis:7379", "http://redis:7379");
    let takes = |what: &str, expected: &str| {
        vec![format!(
            "8:11 `{}` takes what is stored in the fleet's store, and {what} | expected {expected}",
            "POST /kept"
        )]
    };
    for (route, bridge, state, expected) in [
        (own, here, there, Vec::new()),
        (own, "url: http://redis:7379, internal: true, breaker: {}, limit: {rate: 5/s}", there, Vec::new()),
        (own, "url: http://redis:7379/", there, Vec::new()),
        (
            "{match: PUT /kept, upstream: bridge, strip: /kept, inside: true}",
            here,
            there,
            vec![
                "3:23 no route takes `POST /kept` | expected a route with `inside: true` to the bridge of `state`"
                    .to_owned(),
            ],
        ),
        (
            "{match: POST /kept, upstream: bridge, strip: /kept}",
            here,
            there,
            takes("what clients send", "`inside: true`"),
        ),
        (
            "{match: POST /kept, upstream: bridge, strip: /kept, inside: true, cache: {body: {key: json}, ttl: 1m}}",
            here,
            there,
            takes("changes it", "no `cache`, and an upstream that is no provider"),
        ),
        (
            "{match: POST /kept, upstream: bridge, inside: true}",
            here,
            there,
            takes("has it arrive at http://redis:7379/kept", "http://redis:7379/"),
        ),
        (own, "url: http://other", there, takes("has it arrive at http://other/", "http://redis:7379/")),
        (own, here, "http://redis:7379/x", takes("has it arrive at http://redis:7379/", "http://redis:7379/x/")),
    ] {
        assert_eq!(mistakes(policy(route, bridge, state).as_bytes()), expected, "{route} {bridge} {state}");
    }
}

#[test]
fn objects_bear_the_secret_of_the_store_or_one_of_their_own() {
    let said = |more: &str| {
        let bridge = format!("url: http://redis:7379{more}");
        let state = "http://redis:7379, password: {env: WEIR_SECRET}";
        let route = "{match: POST /kept, upstream: bridge, strip: /kept, inside: true}";
        with_variables(&policy(route, &bridge, state), &[("WEIR_SECRET", "secret-of-the-tests")])
    };
    let wrong = "E004 8 `POST /kept` takes what is stored in the fleet's store, and takes its secret off";
    assert_eq!(said(""), [format!("{wrong} | expected `internal: true` of `bridge`")]);
    for more in [", internal: true", ", headers: {authorization: {env: WEIR_SECRET}}"] {
        assert_eq!(said(more), [""; 0], "{more}");
    }
}
