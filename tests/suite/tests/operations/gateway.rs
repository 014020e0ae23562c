//! The demo with all that it can count: its policy, changed to have a Redis, and everything that clients and upstreams may do to it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use proxy::{Envoy, Options, Request, client};
use sandbox::{Claims, Fault, Sandbox, Upstream};
use suite::module;
use weir::document::{self, Document, Reading};
use weir::envoy::{Plan, bootstrap};

use super::store::{PASSWORD, Store};
use super::text;

/// What the demo does without, and is to be counted.
fn with_all(policy: &str, store: &str) -> String {
    let state = format!("state: {{store: redis, url: \"http://{store}\", password: {{env: STATE_PASSWORD}}}}");
    let issuer = "  jwt:\n    - {issuer: https://other.example/, audiences: [gateway], user_prefix: \"other:\", \
                  jwks: {url: \"http://127.0.0.1:9400/id/jwks.json\"}}\n";
    let changes = [
        ("state: {store: memory}", state.as_str()),
        ("  realm: gateway\n", "  realm: gateway\n  revocation: {unavailable_after: 5s}\n"),
        ("  jwt:\n", issuer),
        ("issuer: https://id.weir.example/\n", "issuer: https://id.weir.example/\n      user_prefix: \"id:\"\n"),
        ("cache: {budget_bytes: 64MiB}", "cache: {budget_bytes: 64MiB, l2: {}}"),
        ("limit: {rate: 10/s, burst: 20}", "limit: {rate: 10/s, burst: 20, scope: fleet}"),
        // Of prices alone: what is reserved, only the upstream itself can do.
        (
            "breaker: *product\n",
            "breaker: {consecutive_failures: 5, open_for: 60s, close_after: 3, fallback: {static: {status: 200, body: \"{}\"}}}\n",
        ),
        ("bulkhead: 100", "bulkhead: 1"),
        ("isolate: none, ttl: 1h, shared: true}", "isolate: none, ttl: 1s, stale_while_revalidate: 1m, shared: true}"),
    ];
    changes.iter().fold(policy.to_owned(), |policy, (from, to)| {
        assert_eq!(policy.matches(from).count(), 1, "{from}");
        policy.replace(from, to)
    })
}

/// All that runs but Prometheus.
pub(crate) struct Gateway {
    pub(crate) envoy: Envoy,
    pub(crate) store: Store,
    sandbox: Sandbox,
    document: Document,
}

impl Gateway {
    pub(crate) fn start() -> Self {
        let (sandbox, store) = (Sandbox::start(), Store::start());
        let url = format!("http://{}", sandbox.address());
        let policy = with_all(&text("envoy/policies/demo.yaml"), &store.webdis.address().to_string());
        let variable = |name: &str| (name == "STATE_PASSWORD").then(|| PASSWORD.to_owned());
        let reading = Reading { sandbox: Some(&url), variable: Some(&variable) };
        let mut document = document::read(Path::new("demo.yaml"), policy.as_bytes(), &reading)
            .unwrap_or_else(|refused| panic!("{}", refused.render(false)));
        document.policy.listen.value.set_port(0);
        let plan = Plan { policy: &document.policy, filters: &document.filters, wasm: &module::folder() };
        let environment = vec![("STATE_PASSWORD".to_owned(), PASSWORD.to_owned())];
        let options = Options { environment, ..Options::default() };
        let envoy = Envoy::start_with(&bootstrap::standalone(&plan).to_string(), &options)
            .unwrap_or_else(|failure| panic!("{failure}"));
        Self { envoy, store, sandbox, document }
    }

    /// What `provider` may be: `default` is what the cache does for no route, `composed` what is asked of several upstreams.
    pub(crate) fn upstreams(&self) -> BTreeSet<String> {
        let names = self.document.policy.upstreams.iter().map(|upstream| upstream.name.value.clone());
        names.chain(["default", "composed"].map(str::to_owned)).collect()
    }

    /// Does `look` while clients ask.
    pub(crate) fn under_load(&self, look: impl FnOnce()) {
        /// Ends the load, also where the look ends in a panic.
        struct End<'a>(&'a AtomicBool);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        self.sandbox.fault(Upstream::Pricing, Fault::status(503));
        self.sandbox.fault(Upstream::Beatport, Fault::status(502));
        // The stand-in is as strict as we are, and a call may be on its way a little faster than the one before.
        self.sandbox.limit(Upstream::Musicbrainz, None);
        let revoked = self.store.redis.call(&["XADD", "weir:revoked", "*", "subject", "mallory"]);
        assert!(revoked.is_ok(), "{revoked:?}");
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for round in 0.. {
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    self.play(round);
                }
            });
            let _end = End(&is_over);
            look();
        });
    }

    /// One round of everything, all at once; it takes a second or two.
    fn play(&self, round: u32) {
        self.sandbox.fault(Upstream::Discogs, Fault::status(429).header("retry-after", "1").times(1));
        self.sandbox.fault(Upstream::Spotify, Fault::status(503).on("audio-features").times(1));
        self.sandbox.fault(Upstream::Spotify, Fault::reset().on("tracks/again").times(1));
        let slowly = Duration::from_millis(300);
        // Bulkheads say every second how many calls are under way.
        self.sandbox.fault(Upstream::Sona, Fault::latency(Duration::from_millis(2500)).times(1));
        self.sandbox.fault(Upstream::Discovery, Fault::latency(slowly).on("search").times(1));
        let search = format!(r#"{{"query": "space {round}"}}"#);
        let reader = self.token("enterprise", "read");
        let writer = self.token("pro", "write");
        let get = |target: String| Request::get(&target).header("authorization", format!("Bearer {reader}"));
        let write = |method: &str, target: &str, token: &str| {
            let request = Request::new(method, target).header("content-type", "application/json");
            request.header("authorization", format!("Bearer {token}"))
        };
        let mut requests = vec![
            // Ids that are kept, a trace that is not, credentials that are not believed, not enough, or not there.
            get("/api/v1/genres".to_owned()).header("x-request-id", "41Xji81wFy3cM7ggbGczQW"),
            get("/api/v1/genres".to_owned()).header("traceparent", "00-nothing"),
            Request::get("/api/v1/genres").header("authorization", "Bearer e30.e30.AAAA"),
            Request::get("/api/v1/user/profile"),
            write("DELETE", "/api/v1/user/watchlist/1", &reader),
            write("PUT", "/api/v1/user/preferences", &writer).body("{}"),
            // From the cache after the first; what is tried again; what is refused once the provider has said so.
            get("/api/spotify/track/41Xji81wFy3cM7ggbGczQW".to_owned()),
            get(format!("/api/spotify/audio-features/{round:022}")),
            get(format!("/api/spotify/track/again{round:017}")),
            get(format!("/api/discogs/release/{round}")),
            get(format!("/api/acousticbrainz/features/7d357162-6c37-47f4-abcd-c74889a0{:04}", round % 10_000)),
            // An operator, and one who is none.
            Request::get("/admin/rate-limits").header("x-admin-key", "sandbox-key-to-operate"),
            Request::get("/admin/rate-limits"),
            // What is not fit to be asked at all.
            get("/api/v1/%2e%2e%2fgenres".to_owned()),
            write("POST", "/api/v1/search", &reader).body("[]"),
            // What is tried again in vain.
            get(format!("/api/beatport/track/{round}")),
        ];
        // Two with questions of their own, of whom one is too many.
        requests.extend(["alice", "bob"].map(|user| {
            let claims = Claims { user: format!("{user}{round}"), ..Claims::default() };
            let token = self.sandbox.token(&claims);
            Request::get("/api/v1/recommendations").header("authorization", format!("Bearer {token}"))
        }));
        // An upstream whose breaker is open, after the first five.
        requests.extend((0..6).map(|_| get("/api/v1/prices/TEST-001".to_owned())));
        // Those who wait for each other's answer, and for a provider's limit.
        requests.extend((0..2).map(|_| write("POST", "/api/v1/search", &reader).body(search.as_bytes())));
        requests.extend((0..3).map(|n| get(format!("/api/musicbrainz/isrc/GBTDG{:06}{n}", round % 1_000_000))));
        // Of one who has not said who they are, some are too many.
        requests.extend((0..8).map(|_| Request::get("/api/v1/products/TEST-001")));
        std::thread::scope(|scope| {
            for request in &requests {
                // What comes of it is not the question here.
                scope.spawn(|| drop(client::call(self.envoy.address(), request)));
            }
        });
    }

    fn token(&self, tier: &str, scope: &str) -> String {
        self.sandbox.token(&Claims { tier: tier.to_owned(), scope: scope.to_owned(), ..Claims::default() })
    }
}
