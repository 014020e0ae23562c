//! What a policy says of routes and upstreams means in a mesh what it means in an Envoy of one's own: the same requests reach the same
//! upstreams, as often, by the same paths, and no others do.

use std::path::Path;

use proxy::{Envoy, Origin, Reply, Request, client};
use weir::document::{self, Document, Reading};
use weir::envoy::{Plan, bootstrap};

use super::{by_envoy_gateway, by_istio, modules};

fn read(text: &str) -> Document {
    let read = document::read(Path::new("p.yaml"), text.as_bytes(), &Reading::default());
    read.unwrap_or_else(|refused| panic!("{}", refused.render(false)))
}

fn plan(document: &Document) -> Plan<'_> {
    Plan { policy: &document.policy, filters: &document.filters, wasm: Path::new("") }
}

fn start(bootstrap: &serde_json::Value) -> Envoy {
    Envoy::start(&bootstrap.to_string()).unwrap_or_else(|failure| panic!("{failure}"))
}

/// An Envoy of one's own, a gateway of Envoy Gateway, and one of Istio.
fn all(policy: &str, origin: &Origin) -> [(&'static str, Envoy); 3] {
    let document = read(policy);
    let plan = plan(&document);
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let own = bootstrap::standalone(&Plan { wasm: &modules(), ..plan });
    let of_gateway = by_envoy_gateway(&plan, folders[0].path(), origin);
    let of_istio = by_istio(&plan, folders[1].path());
    [("own", start(&own)), ("Envoy Gateway", start(&of_gateway)), ("Istio", start(&of_istio))]
}

/// A request, and what reaches the upstream for it: its path, or the status that the proxy answers itself.
type Row = (&'static str, &'static str, &'static str, Result<&'static str, u16>);

/// Sends each by each proxy. The second word is the host.
#[track_caller]
fn check(upstreams: &str, routes: &str, rows: &[Row]) {
    let origin = Origin::start();
    let at = format!("http://{}", origin.address());
    let policy = format!("version: 1\nlisten: 127.0.0.1:0\n{}\nroutes:\n{routes}\n", upstreams.replace("AT", &at));
    for (name, envoy) in &all(&policy, &origin) {
        for (method, host, path, expected) in rows {
            let before = origin.received().len();
            let request = Request::new(method, path).header("host", *host);
            let answer =
                client::call(envoy.address(), &request).unwrap_or_else(|lost| panic!("{lost}\n{}", envoy.log()));
            let seen = origin.received().into_iter().skip(before);
            let seen: Vec<_> = seen.map(|request| String::from_utf8(request.target).unwrap()).collect();
            let expected = expected.map_err(|status| if status == 404 && *name == "Istio" { 421 } else { status });
            let found = if seen.is_empty() { Err(answer.status) } else { Ok(seen.join(" ")) };
            assert_eq!(found, expected.map(str::to_owned), "{name}: {method} {host} {path}\n{}", envoy.log());
        }
    }
}

#[test]
fn paths_are_rewritten_alike() {
    let upstreams = "upstreams: {plain: {url: AT, internal: true}, based: {url: AT/base, internal: true}}";
    let routes = "
- {match: 'GET|POST /shop/*', upstream: plain, strip: /shop, auth: off}
- {match: {prefix: /near}, upstream: based, strip: /near, auth: off}
- {match: GET /below/*, upstream: based, strip: /below, auth: off}
- {match: GET /kept/*, upstream: based, auth: off}
- {match: /*, upstream: based, auth: off}";
    let rows = [
        ("GET", "a", "/shop/a/b?c=d", Ok("/a/b?c=d")),
        ("POST", "a", "/shop/a", Ok("/a")),
        ("GET", "a", "/shop/", Ok("/")),
        ("GET", "a", "/shop?c=d", Ok("/base/shop?c=d")),
        ("GET", "a", "/shopping", Ok("/base/shopping")),
        ("GET", "a", "/near", Ok("/base")),
        ("GET", "a", "/near/a", Ok("/base/a")),
        ("GET", "a", "/below/a/", Ok("/base/a/")),
        ("GET", "a", "/below", Ok("/base/below")),
        ("GET", "a", "/kept/a", Ok("/base/kept/a")),
        ("GET", "a", "/other?a=b", Ok("/base/other?a=b")),
        ("GET", "a", "/", Ok("/base/")),
    ];
    check(upstreams, routes, &rows);
}

#[test]
fn what_lies_below_a_path_is_not_that_path() {
    let upstreams = "
identity: {api_keys: {keys: [{id: a, sha256: 7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730, roles: [operator]}]}}
permissions: {operators: {role: operator}}
upstreams: {ops: {url: AT, internal: true}}";
    let routes = "- {match: /ops/*, upstream: ops, auth: required, allow: operators}";
    let rows = [
        ("GET", "a", "/ops", Err(404)),
        ("POST", "a", "/ops?a=b", Err(404)),
        ("GET", "a", "/ops/", Err(401)),
        ("GET", "a", "/ops/a", Err(401)),
        ("GET", "a", "/opsa", Err(404)),
    ];
    check(upstreams, routes, &rows);

    let upstreams = "upstreams: {one: {url: AT/one, internal: true}, two: {url: AT/two, internal: true}, three: {url: AT/three, internal: true}}";
    let routes = "
- {match: GET /a/*, upstream: one, auth: off}
- {match: 'GET /{name}', upstream: two, auth: off}
- {match: {prefix: /a/b, methods: [POST]}, upstream: three, auth: off}
- {match: PUT /a/b/c/*, upstream: two, auth: off}
- {match: /x/*, upstream: two, auth: off}
- {match: {prefix: /x, methods: [POST]}, upstream: three, auth: off}";
    let rows = [
        ("GET", "a", "/a", Ok("/two/a")),
        ("POST", "a", "/a", Err(404)),
        ("GET", "a", "/a/", Ok("/one/a/")),
        ("POST", "a", "/a/b", Ok("/three/a/b")),
        ("GET", "a", "/a/b", Ok("/one/a/b")),
        ("PUT", "a", "/a/b", Err(404)),
        ("GET", "a", "/a/b/c", Ok("/one/a/b/c")),
        ("POST", "a", "/a/b/c", Ok("/three/a/b/c")),
        ("PUT", "a", "/a/b/c", Err(404)),
        ("PUT", "a", "/a/b/c/", Ok("/two/a/b/c/")),
        ("PUT", "a", "/x", Err(404)),
        ("GET", "a", "/x", Ok("/two/x")),
        ("POST", "a", "/x", Ok("/three/x")),
        ("PUT", "a", "/x/", Ok("/two/x/")),
    ];
    check(upstreams, routes, &rows);
}

#[test]
fn a_route_for_any_host_is_for_those_of_others_too() {
    let upstreams = "upstreams: {one: {url: AT/one, internal: true}, two: {url: AT/two, internal: true}, rest: {url: AT/rest, internal: true}}";
    let routes = "
- {match: {path: /a, hosts: [a.example]}, upstream: one, auth: off}
- {match: {prefix: /b/, hosts: ['*.example']}, upstream: two, auth: off}
- {match: /c/*, upstream: rest, auth: off}";
    let rows = [
        ("GET", "a.example", "/a", Ok("/one/a")),
        ("GET", "a.example:8080", "/a", Ok("/one/a")),
        ("GET", "A.example", "/a", Ok("/one/a")),
        ("GET", "b.example", "/a", Err(404)),
        ("GET", "a.example", "/b/", Ok("/two/b/")),
        ("GET", "b.a.example", "/b/", Ok("/two/b/")),
        ("GET", "b.a.example", "/b", Err(404)),
        ("GET", "a.elsewhere", "/b/", Err(404)),
        ("GET", "a.example", "/c/", Ok("/rest/c/")),
        ("GET", "b.example", "/c/", Ok("/rest/c/")),
        ("GET", "a.elsewhere", "/c/", Ok("/rest/c/")),
        ("GET", "a.example", "/c", Err(404)),
    ];
    check(upstreams, routes, &rows);
}

#[test]
fn what_may_not_be_sent_twice_is_not() {
    let origin = Origin::start();
    origin.answer(Some("/bad"), Reply::status(502));
    let policy = format!(
        "version: 1\nlisten: 127.0.0.1:0\nupstreams:\n  far: {{url: 'http://{}', retry: {{times: 2, wait: 1ms, longest_wait: 2ms, methods: [GET, PUT]}}}}\nroutes:\n\
         - {{match: /*, upstream: far, auth: off}}\n",
        origin.address()
    );
    for (name, envoy) in &all(&policy, &origin) {
        for (method, expected) in [("GET", 3), ("PUT", 3), ("POST", 1), ("HEAD", 1)] {
            let before = origin.received().len();
            assert_eq!(client::call(envoy.address(), &Request::new(method, "/bad")).unwrap().status, 502);
            assert_eq!(origin.received().len() - before, expected, "{name}: {method}");
        }
    }
}

#[test]
fn another_upstream_stands_in_for_one_whose_breaker_is_open() {
    let origin = Origin::start();
    origin.answer(Some("/one/a"), Reply::status(500));
    let at = origin.address();
    let policy = format!(
        "version: 1\nlisten: 127.0.0.1:0\nupstreams:\n\
         \x20 one: {{url: 'http://{at}/one', internal: true, breaker: {{consecutive_failures: 1, open_for: 1h, fallback: {{upstream: two}}}}}}\n\
         \x20 two: {{url: 'http://{at}/two'}}\n\
         routes:\n- {{match: {{path: /a, hosts: [a.example]}}, upstream: one, auth: off}}\n- {{match: /b/*, upstream: one, auth: off}}\n"
    );
    for (name, envoy) in &all(&policy, &origin) {
        let before = origin.received().len();
        for (path, host) in [("/a", "a.example"), ("/a", "a.example"), ("/b/", "a.example"), ("/b/", "b.example")] {
            client::call(envoy.address(), &Request::get(path).header("host", host)).unwrap();
        }
        let seen = origin.received().into_iter().skip(before);
        let seen: Vec<_> = seen
            .map(|request| {
                let host = request.first("host").map(|host| String::from_utf8_lossy(host).into_owned());
                (String::from_utf8(request.target).unwrap(), host.unwrap())
            })
            .collect();
        // Two is a third party: it learns no host of ours.
        let expected = [
            ("/one/a", "a.example"),
            ("/two/a", &at.to_string()),
            ("/two/b/", &at.to_string()),
            ("/two/b/", &at.to_string()),
        ];
        let expected = expected.map(|(path, host)| (path.to_owned(), host.to_owned()));
        assert_eq!(seen, expected, "{name}\n{}", envoy.log());
    }
}

#[test]
fn a_secret_for_one_port_of_a_host_is_not_sent_in_clear_text_since_another_is_plain() {
    let origins = [Origin::start(), Origin::start()];
    let [plain, secret] = origins.each_ref().map(|origin| origin.address().port());
    let lines = [
        format!("  status: {{url: 'http://localhost:{plain}', retry: off}}\n"),
        format!("  pay: {{url: 'https://localhost:{secret}', retry: off, headers: {{authorization: hush}}}}\n"),
    ];
    for upstreams in [lines.concat(), lines.iter().rev().cloned().collect::<String>()] {
        let policy = format!(
            "version: 1\nlisten: 127.0.0.1:0\nupstreams:\n{upstreams}routes:\n\
             - {{match: /pay, upstream: pay, auth: off}}\n- {{match: /status, upstream: status, auth: off}}\n"
        );
        let document = read(&policy);
        let folder = tempfile::tempdir().unwrap();
        let gateway = start(&by_istio(&plan(&document), folder.path()));
        let ask = |path: &str| client::call(gateway.address(), &Request::get(path)).unwrap().status;
        let before = origins[0].received().len();
        // Whoever listens there cannot speak TLS.
        assert_eq!((ask("/status"), ask("/pay")), (200, 503), "{upstreams}");
        assert_eq!((origins[0].received().len() - before, origins[1].received().len()), (1, 0), "{upstreams}");
    }
}
