//! What is kept ends with what changes it, whichever route of a policy that takes, and answers for no other route.

use std::path::Path;

use policy::handover::header;
use proxy::deadline::{Deadline, PATIENCE};
use proxy::{Answer, Envoy, Origin, Reply, Request, client};
use weir::document::{self, Reading};
use weir::envoy::{Plan, bootstrap};

use super::{by_envoy_gateway, istio, modules, place};

/// Its digest is that of `open sesame`.
const KEY: &str = "41ef4bb0b23661e66301aac36066912dac037827b4ae63a7b1165a5aa93ed4eb";

fn policy(origin: &Origin) -> String {
    let at = origin.address();
    format!(
        "version: 1\nlisten: 127.0.0.1:0\nupstreams:\n  own: {{url: 'http://{at}', internal: true}}\n  preview: {{url: 'http://{at}/preview', internal: true}}\nroutes:\n\
         - {{match: GET /items/private, upstream: own, auth: off}}\n\
         - {{match: {{prefix: /items/, methods: [GET], headers: {{x-preview: '1'}}}}, upstream: preview, auth: off, cache: {{shared: true}}}}\n\
         - {{match: GET /items/*, upstream: own, auth: off, cache: {{ttl: 1h, shared: true, purge_key_sha256: {KEY}}}}}\n\
         - {{match: PUT|DELETE /items/*, upstream: own, auth: off}}\n\
         - {{match: POST /orders, upstream: own, auth: off}}\n\
         - {{match: GET /shelf, upstream: own, auth: off, cache: {{ttl: 1h, shared: true}}}}\n\
         - match: POST /shelf\n  auth: off\n  compose: {{name: shelf, steps: [{{name: order, call: POST /orders}}], answer: '${{order}}'}}\n\
         - {{match: /*, upstream: own, auth: off}}\n"
    )
}

/// A proxy and what is behind it.
struct Played<'o> {
    name: &'static str,
    envoy: Envoy,
    origin: &'o Origin,
}

impl Played<'_> {
    fn send(&self, request: &Request) -> Answer {
        client::call(self.envoy.address(), request).unwrap_or_else(|lost| panic!("{lost}\n{}", self.envoy.log()))
    }

    /// What is answered, as the start of what `Cache-Status` says of it; the kernel chooses the worker.
    #[track_caller]
    fn says(&self, line: &str, headers: &[(&str, &str)], expected: &str) -> Answer {
        let (method, path) = line.split_once(' ').unwrap();
        let request = Request::new(method, path).header("host", "shop");
        let answer = self.send(&headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)));
        let said = answer.text("cache-status").unwrap_or_default();
        let is_expected = if expected.is_empty() { said.is_empty() } else { said.starts_with(expected) };
        assert!(is_expected, "{}: {line}: {said:?}\n{}", self.name, self.envoy.log());
        answer
    }

    fn count(&self, path: &str) -> usize {
        self.origin.received().iter().filter(|request| request.target == path.as_bytes()).count()
    }

    fn plays(&self) {
        self.origin.answer(None, Reply::status(200).body("x"));
        for (method, path) in [("PUT", "/items/1"), ("DELETE", "/items/1"), ("PATCH", "/items/1"), ("POST", "/items/1")]
        {
            self.says("GET /items/1", &[], "weir; fwd=uri-miss; stored");
            self.says("GET /items/1", &[], "weir; hit");
            self.says(&format!("{method} {path}"), &[], "weir; fwd=method");
        }
        self.says("GET /items/1", &[], "weir; fwd=uri-miss; stored");
        self.origin.answer(Some("/orders"), Reply::status(201).header("location", "/items/1"));
        assert_eq!(self.says("POST /orders", &[], "weir; fwd=method").status, 201, "{}", self.name);
        self.says("GET /items/1", &[], "weir; fwd=uri-miss; stored");
        // Whoever has the key purges, although the last route takes the request.
        self.says("GET /items/1", &[], "weir; hit");
        assert_eq!(self.says("PURGE /items/1", &[], "weir; detail=purge").status, 403);
        let purged = self.says("PURGE /items/1", &[("x-purge-key", "open sesame")], "weir; detail=purge");
        assert_eq!(purged.body, b"{\"purged\":true}", "{}", self.name);
        assert!(self.origin.received().iter().all(|request| request.method != b"PURGE"), "{}", self.name);
        self.says("GET /items/1", &[], "weir; fwd=uri-miss; stored");
        for path in ["/items/private", "/other"] {
            for _ in 0..2 {
                self.says(&format!("GET {path}"), &[("cache-control", "max-stale")], "");
            }
            assert_eq!(self.count(path), 2, "{}: {path}", self.name);
        }
        self.keeps_routes_apart();
        self.ends_what_is_composed();
    }

    fn ends_what_is_composed(&self) {
        self.origin.answer(Some("/orders"), Reply::status(201).body("{}"));
        self.says("GET /shelf", &[], "weir; fwd=uri-miss; stored");
        self.says("GET /shelf", &[], "weir; hit");
        // The cache does not see this one, but what it asks for.
        assert_eq!(self.says("POST /shelf", &[], "").body, b"{}", "{}", self.name);
        self.says("GET /shelf", &[], "weir; fwd=uri-miss; stored");
        let orders = self.origin.received().into_iter().filter(|request| request.target == b"/orders");
        let told = |request: proxy::Request| request.first(header::PART_OF).is_some();
        assert!(!orders.into_iter().any(told), "{}", self.name);
    }

    fn keeps_routes_apart(&self) {
        let stale = "max-age=1, stale-while-revalidate=3600";
        let answers = |body: &str| {
            let reply = Reply::status(200).header("cache-control", stale).header("age", "100").body(body);
            self.origin.answer(Some("/preview/items/2"), reply);
        };
        let preview = [("x-preview", "1")];
        answers("old");
        assert_eq!(self.says("GET /items/2", &preview, "weir; fwd=uri-miss; stored").body, b"old", "{}", self.name);
        assert_eq!(self.says("GET /items/2", &[], "weir; fwd=uri-miss; stored").body, b"x", "{}", self.name);
        answers("new");
        // A refresh takes the route of the request that it is for.
        self.says("GET /items/2", &preview, "weir; hit; ttl=-");
        let is_new = || self.says("GET /items/2", &preview, "weir; hit; ttl=-").body == b"new";
        assert!(Deadline::after(PATIENCE).wait_until(is_new), "{}: {}", self.name, self.envoy.log());
        assert_eq!(self.says("GET /items/2", &[], "weir; hit").body, b"x", "{}", self.name);
        answers("newest");
        self.says("PUT /items/2", &[], "weir; fwd=method");
        // By its own request, or by a refresh for one of those before, which left since: what it brings is kept, and is new.
        assert_eq!(self.says("GET /items/2", &preview, "weir; ").body, b"newest", "{}", self.name);
        self.says("GET /items/2", &[], "weir; fwd=uri-miss; stored");
    }
}

#[test]
fn what_is_kept_ends_and_is_told_apart_in_every_proxy() {
    for name in ["envoy", "istio", "envoy-gateway"] {
        let origin = Origin::start();
        let document = document::read(Path::new("p.yaml"), policy(&origin).as_bytes(), &Reading::default());
        let document = document.unwrap_or_else(|refused| panic!("{}", refused.render(false)));
        let (folder, modules) = (tempfile::tempdir().unwrap(), modules());
        let plan = Plan { policy: &document.policy, filters: &document.filters, wasm: &modules };
        let bootstrap = match name {
            "envoy" => bootstrap::standalone(&plan),
            "istio" => {
                let settings =
                    weir::istio::Settings { place: place(), selector: ("istio".into(), "ingressgateway".into()) };
                istio::gateway(&weir::istio::objects(&plan, &settings).unwrap(), &modules, folder.path())
            }
            _ => by_envoy_gateway(&plan, folder.path(), &origin),
        };
        let envoy = Envoy::start(&bootstrap.to_string()).unwrap_or_else(|failure| panic!("{name}: {failure}"));
        Played { name, envoy, origin: &origin }.plays();
    }
}
