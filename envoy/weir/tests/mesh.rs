//! What is rendered for a mesh serves in a real Envoy, configured as the mesh would configure it: the demonstration whole, with what
//! comes back into the proxy.

// A test stops by panicking.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[path = "mesh/changes.rs"]
mod changes;
#[path = "mesh/envoygateway.rs"]
mod envoygateway;
#[path = "mesh/istio.rs"]
mod istio;
#[path = "mesh/meaning.rs"]
mod meaning;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proxy::deadline::{Deadline, PATIENCE};
use proxy::{Answer, Envoy, Origin, Reply, Request, client};
use sandbox::{Claims, Fault, Sandbox, Upstream};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use weir::document::{self, Document, Reading};
use weir::envoy::Plan;
use weir::envoygateway::internal::Code;
use weir::kubernetes::Place;

/// The demonstration in a gateway.
struct Show {
    envoy: Envoy,
    sandbox: Sandbox,
    /// What is answered where no route leads.
    lost: u16,
    _folder: tempfile::TempDir,
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn modules() -> PathBuf {
    std::env::var_os("WEIR_WASM_DIR").map_or_else(|| repository().join("target/wasm"), PathBuf::from)
}

/// The demonstration, with more changes than those of both.
fn demo(sandbox: &Sandbox, more: &[(&'static str, &'static str)]) -> Document {
    let text = std::fs::read_to_string(repository().join("envoy/policies/demo.yaml")).unwrap();
    // What is stale soon, and a limit that time does not lift while the test runs.
    let changes = [
        ("ttl: 1h, shared: true}}", "ttl: 1s, stale_while_revalidate: 1h, shared: true}}"),
        ("anonymous: {per_second: 5, per_minute: 100, burst: 10}", "anonymous: {per_hour: 12}"),
        ("free: {per_second: 10, per_minute: 200, burst: 20}", "free: {per_hour: 1}"),
    ];
    let replaced = |text: String, (from, to): (&str, &str)| {
        assert_eq!(text.matches(from).count(), 1, "{from}");
        text.replace(from, to)
    };
    let text = changes.into_iter().chain(more.iter().copied()).fold(text, replaced);
    let url = format!("http://{}", sandbox.address());
    let reading = Reading { sandbox: Some(&url), ..Reading::default() };
    document::read(Path::new("demo.yaml"), text.as_bytes(), &reading)
        .unwrap_or_else(|refused| panic!("{}", refused.render(false)))
}

fn place() -> Place {
    Place {
        namespace: "edge".to_owned(),
        images: "registry.example/weir".to_owned(),
        digests: BTreeMap::new(),
        pull_secret: None,
    }
}

/// The bootstrap that Envoy Gateway makes of a policy, with code from `origin`.
fn by_envoy_gateway(plan: &Plan<'_>, folder: &Path, origin: &Origin) -> Json {
    let mut sums = BTreeMap::new();
    for name in weir::translate::MODULES {
        let bytes = std::fs::read(modules().join(format!("{name}.wasm"))).unwrap();
        let sum: Vec<_> = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        sums.insert(name.to_owned(), sum.concat());
        origin.answer(Some(&format!("/weir/{name}.wasm")), Reply::status(200).body(bytes.clone()));
        origin.answer(Some(&format!("/{name}")), Reply::status(200).body(bytes));
    }
    let lines: Vec<_> = sums.iter().map(|(name, sum)| format!("{sum}  {name}.wasm\n")).collect();
    std::fs::write(folder.join("SHA256SUMS"), lines.concat()).unwrap();
    let code = Code::of(&format!("http://{}/weir/", origin.address()), folder).unwrap();
    let (gateway, listener) = ("eg".to_owned(), "http".to_owned());
    let settings = weir::envoygateway::Settings { place: place(), gateway, listener, code: Some(code) };
    let objects = weir::envoygateway::objects(plan, &settings).unwrap();
    envoygateway::gateway(&objects, &envoygateway::Code { address: origin.address(), sums })
}

/// The bootstrap that Istio makes of a policy.
fn by_istio(plan: &Plan<'_>, folder: &Path) -> Json {
    let settings = weir::istio::Settings { place: place(), selector: ("istio".into(), "ingressgateway".into()) };
    istio::gateway(&weir::istio::objects(plan, &settings).unwrap(), &modules(), folder)
}

impl Show {
    /// In front of the sandbox, with what `bootstrap` makes of the policy and a folder.
    fn start(more: &[(&'static str, &'static str)], bootstrap: impl FnOnce(&Plan<'_>, &Path) -> Json) -> Self {
        let sandbox = Sandbox::start();
        let mut document = demo(&sandbox, more);
        // A client on the loopback has no address that could be handed on.
        document.policy.clients.trusted_hops = 1;
        let plan = Plan { policy: &document.policy, filters: &document.filters, wasm: Path::new("") };
        let folder = tempfile::tempdir().unwrap();
        let bootstrap = bootstrap(&plan, folder.path()).to_string();
        let envoy = Envoy::start(&bootstrap).unwrap_or_else(|failure| panic!("{failure}"));
        Self { envoy, sandbox, lost: 404, _folder: folder }
    }

    fn in_istio() -> Self {
        let show = Self::start(&[], by_istio);
        // The gateway has a route for all the rest.
        Self { lost: 421, ..show }
    }

    /// `origin` serves what `make package` would have made, and stands for Envoy Gateway, which has fetched the same.
    fn in_envoy_gateway(origin: &Origin) -> Self {
        Self::start(&[(CORS, "")], |plan, folder| {
            assert!(plan.policy.guard.as_ref().is_some_and(|guard| guard.cors.is_none()));
            by_envoy_gateway(plan, folder, origin)
        })
    }

    fn send(&self, request: &Request) -> Answer {
        client::call(self.envoy.address(), request).unwrap_or_else(|lost| panic!("{lost}\n{}", self.envoy.log()))
    }

    /// A header of the last request that a service got.
    fn last(&self, upstream: Upstream, header: &str) -> Option<String> {
        let seen = self.sandbox.requests(upstream).pop()?;
        seen.headers.into_iter().find(|(name, _)| name == header).map(|(_, value)| value)
    }

    /// Sends a request as somebody of this tier.
    fn ask_as(&self, tier: &str, line: &str, body: Option<&Json>) -> Answer {
        let (method, target) = line.split_once(' ').unwrap();
        let token = self.sandbox.token(&Claims { tier: tier.to_owned(), ..Claims::default() });
        let request = Request::new(method, target).header("authorization", format!("Bearer {token}"));
        self.send(&match body {
            Some(body) => request.header("content-type", "application/json").body(body.to_string()),
            None => request,
        })
    }
}

fn json(answer: &Answer) -> Json {
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&answer.body)))
}

/// What Envoy Gateway has a word of its own for.
const CORS: &str = "\n  cors: {origins: [\"http://localhost:3000\", \"https://*.app.example\"], credentials: true}";

/// A track that Spotify's stand-in knows.
const TRACK: &str = "/api/spotify/track/41Xji81wFy3cM7ggbGczQW";

#[test]
fn a_gateway_of_istio_answers_as_an_envoy_of_ones_own() {
    let show = Show::in_istio();
    plays(&show);
    scripts_of_a_page_are_told_whether_they_may_ask(&show);
    metrics_and_spans_say_the_tier_of_whoever_called(&show);
}

#[test]
fn a_gateway_of_envoy_gateway_answers_as_an_envoy_of_ones_own() {
    let origin = Origin::start();
    plays(&Show::in_envoy_gateway(&origin));
    assert!(!origin.received().is_empty(), "Envoy fetches code of its own");
}

fn plays(show: &Show) {
    every_answer_says_what_the_guard_says(show);
    a_search_shows_our_credential_and_is_kept(show);
    a_product_and_an_order_are_made_of_calls_that_nobody_else_may_make(show);
    a_batch_is_charged_to_its_caller(show);
    a_refused_token_is_replaced_within_the_request(show);
    what_is_stale_is_refreshed_beside_its_client(show);
    calls_meet_the_breaker(show);
}

fn every_answer_says_what_the_guard_says(show: &Show) {
    for (method, path, status) in
        [("GET", "/api/v1/genres", 200), ("POST", "/api/v1/orders", 400), ("GET", "/nowhere", show.lost)]
    {
        let answer = show.send(&Request::new(method, path));
        let said = ["x-content-type-options", "strict-transport-security"].map(|name| answer.text(name).is_some());
        assert_eq!((answer.status, said), (status, [true; 2]), "{path}: {:?}", answer.headers);
    }
}

fn scripts_of_a_page_are_told_whether_they_may_ask(show: &Show) {
    let allowed = |request: Request, origin: &str| {
        let answer = show.send(&request.header("origin", origin));
        (answer.status, answer.text("access-control-allow-origin"))
    };
    let own = "http://localhost:3000";
    let preflight = || Request::new("OPTIONS", "/api/v1/orders").header("access-control-request-method", "POST");
    assert_eq!(allowed(preflight(), own), (200, Some(own.to_owned())), "{}", show.envoy.log());
    assert_eq!(allowed(preflight(), "https://elsewhere.example").1, None);
    // Of what a service answers, of what is composed, and of a refusal.
    for (method, path, status) in
        [("GET", "/api/v1/genres", 200), ("GET", "/api/v1/products/TEST-001", 200), ("POST", "/api/v1/orders", 400)]
    {
        assert_eq!(allowed(Request::new(method, path), own), (status, Some(own.to_owned())), "{path}");
    }
}

/// By the end of a request, nothing of its caller is left in the headers for a third party.
fn metrics_and_spans_say_the_tier_of_whoever_called(show: &Show) {
    let asked = |path: &str| {
        let line = format!("GET {path}");
        [show.ask_as("free", &line, None).status, show.ask_as("free", &line, None).status]
    };
    assert_eq!(asked("/api/spotify/track/FREE1i81wFy3cM7ggbGczQ"), [404, 429]);
    assert_eq!(show.ask_as("pro", "GET /api/spotify/track/PR01Xji81wFy3cM7ggbGcQ", None).status, 404);
    let forged = Request::get("/api/spotify/track/N01Xji81wFy3cM7ggbGczQ").header("x-weir-tier", "forged");
    show.send(&forged.header("x-forwarded-for", "203.0.113.99"));
    let told = || {
        let log = show.envoy.log();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Json>(line).ok());
        let of_test = |line: &Json| ["FREE1", "PR01", "N01"].iter().any(|own| line["path"].to_string().contains(own));
        lines.filter(of_test).collect::<Vec<_>>()
    };
    assert!(Deadline::after(PATIENCE).wait_until(|| told().len() == 4), "{}", show.envoy.log());
    let expected = [
        json!([404, "free", "free"]),
        json!([429, "free", null]),
        json!([404, "pro", "pro"]),
        json!([404, "anonymous", "anonymous"]),
    ];
    let tiers: Vec<_> = told().iter().map(|line| json!([line["status"], line["metric"], line["span"]])).collect();
    assert_eq!(tiers, expected);
}

fn a_search_shows_our_credential_and_is_kept(show: &Show) {
    let wanted = json!({"artist": "deadmau5", "title": "Strobe", "limit": 3});
    let answers = [0, 1].map(|_| show.ask_as("pro", "POST /api/spotify/search", Some(&wanted)));
    let [first, second] = &answers;
    assert_eq!((first.status, &json(first)["results"][0]["name"]), (200, &json!("Strobe")), "{}", show.envoy.log());
    assert!(second.text("cache-status").unwrap().starts_with("weir; hit"), "{:?}", second.headers);
    assert_eq!((show.sandbox.count(Upstream::Spotify), &first.body), (1, &second.body));
    assert!(show.last(Upstream::Spotify, "authorization").unwrap().starts_with("Bearer BQ"));
    assert_eq!(show.last(Upstream::Spotify, "x-weir-user"), None);
}

fn a_product_and_an_order_are_made_of_calls_that_nobody_else_may_make(show: &Show) {
    let product = show.ask_as("pro", "GET /api/v1/products/TEST-001", None);
    let said = json(&product);
    assert_eq!(
        (product.status, &said["name"], &said["price"]),
        (200, &json!("Studio Headphones"), &json!("19.99")),
        "{}",
        show.envoy.log()
    );
    let id = product.text("x-correlation-id");
    assert!(id.is_some());
    assert_eq!(show.last(Upstream::Inventory, "x-correlation-id"), id);
    assert_eq!(show.last(Upstream::Pricing, "x-weir-user").as_deref(), Some("user123"));
    let items = json!({"items": [{"productId": "TEST-001", "quantity": 2}, {"productId": "TEST-002", "quantity": 1}]});
    let order = show.ask_as("pro", "POST /api/v1/orders", Some(&items));
    assert_eq!((order.status, &json(&order)["status"]), (200, &json!("CONFIRMED")), "{}", show.envoy.log());
    assert_eq!(show.sandbox.reserved(), 3);
    show.sandbox.fault(Upstream::Pricing, Fault::status(500).times(1));
    assert_eq!(show.ask_as("pro", "POST /api/v1/orders", Some(&items)).status, 502);
    assert_eq!(show.sandbox.reserved(), 3, "what was reserved is released");
    let before = show.sandbox.count(Upstream::Inventory);
    let reservation = json!({"productId": "TEST-001", "quantity": 2, "orderId": "x"});
    for line in ["POST /api/v1/stock/reserve", "POST /api/v1/stock/release", "POST /api/v1/prices/calculate"] {
        assert_eq!(show.ask_as("pro", line, Some(&reservation)).status, 404, "{line}");
    }
    assert_eq!(show.sandbox.count(Upstream::Inventory), before);
}

fn a_batch_is_charged_to_its_caller(show: &Show) {
    let batch = |targets: &[String]| {
        let requests: Vec<_> = targets.iter().map(|path| json!({"method": "GET", "path": path})).collect();
        json!({"requests": requests})
    };
    let statuses = |answer: &Answer| -> Vec<u64> {
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        json(answer)["responses"].as_array().unwrap().iter().map(|one| one["status"].as_u64().unwrap()).collect()
    };
    let both = [TRACK.to_owned(), "/api/musicbrainz/isrc/GBTDG0900141".to_owned()];
    assert_eq!(statuses(&show.ask_as("pro", "POST /api/batch", Some(&batch(&both)))), [200, 200]);
    // What was spent outside is spent inside, too: the two are one limit of twelve, and the batch itself is one request.
    let from = |request: Request| request.header("x-forwarded-for", "203.0.113.7");
    let alone = || show.send(&from(Request::get("/api/v1/prices/TEST-001"))).status;
    assert_eq!([(); 5].map(|()| alone()), [200; 5]);
    let tracks: Vec<_> = (0..10).map(|n| format!("/api/spotify/track/{n}1Xji81wFy3cM7ggbGczQW")).collect();
    let asked = Request::new("POST", "/api/batch").header("content-type", "application/json");
    let statuses = statuses(&show.send(&from(asked.body(batch(&tracks).to_string()))));
    let limited = statuses.iter().filter(|status| **status == 429).count();
    assert_eq!((limited, statuses.len()), (4, 10), "{statuses:?}");
    assert_eq!(alone(), 429);
}

fn a_refused_token_is_replaced_within_the_request(show: &Show) {
    show.sandbox.revoke_tokens();
    let before = show.sandbox.count(Upstream::Spotify);
    let answer = show.ask_as("pro", "GET /api/spotify/audio-features/41Xji81wFy3cM7ggbGczQW", None);
    assert_eq!(answer.status, 200, "{}", show.envoy.log());
    assert_eq!(show.sandbox.count(Upstream::Spotify), before + 2, "once more, with another token");
}

fn what_is_stale_is_refreshed_beside_its_client(show: &Show) {
    let outcome = "wasmcustom.api_gateway_cache_refreshes_total_outcome_=done;";
    let is_refreshed = || {
        let answer = show.ask_as("enterprise", "GET /api/v1/genres", None);
        assert_eq!(answer.status, 200);
        show.envoy.stat(outcome).is_some_and(|refreshes| refreshes > 0)
    };
    assert!(Deadline::after(PATIENCE).wait_until(is_refreshed), "{}", show.envoy.log());
}

fn calls_meet_the_breaker(show: &Show) {
    show.sandbox.fault(Upstream::Pricing, Fault::status(503).times(5));
    let ask = || json(&show.ask_as("pro", "GET /api/v1/products/TEST-001", None));
    for _ in 0..5 {
        assert!(ask()["pricing_error"].is_string());
    }
    let before = show.sandbox.count(Upstream::Pricing);
    let said = ask();
    assert!(said["name"].is_string() && said["pricing_error"].is_string(), "{said}");
    assert_eq!(show.sandbox.count(Upstream::Pricing), before, "its breaker is open");
}
