//! Objects that go to the second level by way of the proxy: what holds there for any request holds for them, and for nothing else that
//! is said to the level.

use std::path::Path;
use std::time::Duration;

use host::{Answer, Arrival, Metric, Request};
use proxy::deadline::{Deadline, PATIENCE};
use proxy::redis::Value;
use proxy::{Envoy, Options, Origin, Reply, client};
use suite::stage::Stage;
use suite::{HostStage, Scenario, module};
use weir::document::{self, Reading};
use weir::envoy::{Plan, bootstrap};
use weir::translate::bundled;

use super::level::{FEED, NO_ORDERS, asked, says};
use super::store::{PASSWORD, Store};

/// How often every worker looks for what is to be done beside the requests.
const TICK: Duration = Duration::from_millis(100);
/// For how long nothing is sent after a refusal.
const PAUSE: Duration = Duration::from_secs(1);
/// For how long it is waited for.
const TIMEOUT: Duration = Duration::from_secs(10);
const CONFIG: &str = r#"{"state": {"env": "STATE_PASSWORD", "path": "/store", "timeout": "10s"}, "l2": {"through": "/kept"},
    "refresh": {"cluster": "weir_internal"}, "routes": [{"match": {}}]}"#;
const OK: &str = "$2\r\nok\r\n";

/// A proxy whose level has been heard of, and whose objects go another way; both answer when the test has them answer.
fn stage() -> HostStage {
    let scenario = Scenario::new(&[("cache", CONFIG)]).environment("STATE_PASSWORD", PASSWORD);
    let mut stage = scenario.cluster("state").cluster("weir_internal").host().expect("the host starts");
    for path in ["/store", "/kept"] {
        stage.answer(Some(path), Reply::status(200).held());
    }
    stage.answer(None, Reply::status(200).header("cache-control", "max-age=600").body("x"));
    stage.host.advance(TICK);
    says(&mut stage, FEED, NO_ORDERS);
    stage
}

/// Asks for so many URLs that the level does not have, which are stored.
fn miss(stage: &mut HostStage, urls: std::ops::Range<usize>) {
    for number in urls {
        stage.host.open(0, Request::get(&format!("/{number}")));
        stage.host.poll();
        says(stage, "GET/", "$-1\r\n");
    }
    stage.host.advance(TICK);
}

/// The objects that are on their way.
fn objects(stage: &HostStage) -> Vec<Arrival> {
    let mut held = asked(stage, "EVAL");
    held.retain(|arrival| arrival.path() == "/kept");
    held
}

/// Lets time pass, tick by tick, in which the level says that there are no orders.
fn pass(stage: &mut HostStage, time: Duration) {
    for _ in 0..time.as_millis() / TICK.as_millis() {
        stage.host.advance(TICK);
        for arrival in asked(stage, FEED) {
            stage.host.release(arrival.call, Answer::status(200).body(NO_ORDERS));
        }
    }
}

/// What the proxy says itself: its breaker is open, or nobody is there.
fn refusal() -> Answer {
    Answer::status(503).header("x-weir-local", "true").body("{}")
}

fn counted(stage: &HostStage, outcome: &str) -> u64 {
    let metrics = stage.host.metrics();
    let found = metrics.iter().find(|(name, _)| name.contains("cache_remote_total") && name.contains(outcome));
    match found {
        Some((_, Metric::Counter(count))) => *count,
        other => panic!("{other:?}"),
    }
}

#[test]
fn objects_alone_go_through_the_proxy_and_bear_the_secret() {
    let mut stage = stage();
    miss(&mut stage, 0..1);
    let [object] = objects(&stage).try_into().expect("one is on its way");
    let authority = object.header(":authority").unwrap_or_default();
    assert_eq!((object.cluster.as_str(), authority.as_str()), ("weir_internal", "state"));
    assert!(object.header("authorization").is_some_and(|said| said.starts_with("Basic ")));
    stage.host.send(0, Request::new("PUT", "/0"));
    stage.host.advance(TICK);
    let straight: Vec<_> = asked(&stage, "EVAL").into_iter().filter(|arrival| !arrival.text().contains(FEED)).collect();
    let places: Vec<_> = straight.iter().map(|arrival| (arrival.path(), arrival.cluster.as_str())).collect();
    assert_eq!(places, [("/kept", "weir_internal"), ("/store", "state")], "what ends goes straight: {straight:?}");
}

#[test]
fn what_the_proxy_refuses_is_tried_again_and_no_fault_of_the_level() {
    let mut stage = stage();
    miss(&mut stage, 0..6);
    let first = objects(&stage);
    assert_eq!(first.len(), 4);
    for object in first {
        stage.host.release(object.call, refusal());
    }
    for refused in 4..10 {
        assert_eq!((counted(&stage, "refused"), counted(&stage, "failed")), (refused, 0));
        pass(&mut stage, TICK * 9);
        assert_eq!(objects(&stage).len(), 0, "not at once");
        pass(&mut stage, TICK * 2);
        let [object] = objects(&stage).try_into().expect("one is on its way, and no more");
        stage.host.release(object.call, refusal());
    }
    // The level is asked all the while.
    stage.host.open(0, Request::get("/other").header("cache-control", "only-if-cached"));
    stage.host.poll();
    says(&mut stage, "GET/", "$-1\r\n");
    pass(&mut stage, PAUSE + TICK);
    let [object] = objects(&stage).try_into().expect("one is on its way, and no more");
    stage.host.release(object.call, Answer::status(200).body(OK));
    let rest = objects(&stage);
    assert_eq!(rest.len(), 4, "what arrives opens the way");
    for object in rest {
        stage.host.release(object.call, Answer::status(200).body(OK));
    }
    let [last] = objects(&stage).try_into().expect("one is left");
    stage.host.release(last.call, Answer::status(200).body(OK));
    pass(&mut stage, PAUSE * 2);
    assert_eq!((objects(&stage).len(), counted(&stage, "not_stored")), (0, 0));
}

#[test]
fn what_waits_too_long_on_its_way_is_sent_again_and_no_fault_of_the_level() {
    let mut stage = stage();
    miss(&mut stage, 0..1);
    for tries in 1..5 {
        assert_eq!(objects(&stage).len(), 1);
        pass(&mut stage, TIMEOUT);
        assert_eq!((counted(&stage, "refused"), counted(&stage, "failed")), (tries, 0));
        pass(&mut stage, PAUSE + TICK);
    }
}

#[test]
fn a_clock_that_steps_back_holds_nothing_up_until_its_return() {
    let mut stage = stage();
    miss(&mut stage, 0..1);
    let [object] = objects(&stage).try_into().expect("one is on its way");
    stage.host.release(object.call, refusal());
    stage.host.step_back(PAUSE * 30);
    pass(&mut stage, TICK * 2);
    assert_eq!(objects(&stage).len(), 1);
}

#[test]
fn what_is_refused_for_a_minute_is_passed_over() {
    let mut stage = stage();
    miss(&mut stage, 0..1);
    let mut tries = 0;
    while let Some(object) = objects(&stage).pop() {
        stage.host.release(object.call, refusal());
        pass(&mut stage, PAUSE + TICK);
        tries += 1;
        assert!(tries < 70, "for ever");
    }
    assert!(tries > 50, "{tries} tries");
    assert_eq!(counted(&stage, "not_stored"), 1);
}

#[test]
fn a_way_that_leads_nowhere_is_refused() {
    let config = |through: &str, refresh: &str| {
        format!(r#"{{"state": {{}}, "l2": {{"through": {through}}}{refresh}, "routes": [{{"match": {{}}}}]}}"#)
    };
    for (through, refresh, said) in [
        (r#""/a""#, "", "l2.through: needs a `refresh`"),
        (r#""a""#, r#", "refresh": {"cluster": "weir_internal"}"#, "l2.through: must be a path without a query"),
        (r#""/a?b""#, r#", "refresh": {"cluster": "weir_internal"}"#, "l2.through: must be a path without a query"),
        (r#""/a b""#, r#", "refresh": {"cluster": "weir_internal"}"#, "l2.through: must be a path without a query"),
    ] {
        crate::refuses("cache", &config(through, refresh), said);
    }
}

/// A gateway on a policy as `weir render envoy` makes it, with a real Redis: two upstreams are the bridge, `state` and this one.
struct Gateway {
    envoy: Envoy,
    store: Store,
    _origin: Origin,
}

impl Gateway {
    fn start(bridge: &str) -> Self {
        Self::with_timeout("5s", bridge)
    }

    fn with_timeout(timeout: &str, bridge: &str) -> Self {
        let (origin, store) = (Origin::start(), Store::start());
        origin.answer(None, Reply::status(200).header("cache-control", "max-age=600").body("x"));
        let policy = format!(
            "version: 1
listen: 127.0.0.1:0
state: {{store: redis, url: 'http://{webdis}', password: {{env: STATE_PASSWORD}}, timeout: {timeout}}}
cache: {{l2: {{budget: 500ms, through: /kept}}}}
upstreams:
  origin: {{url: 'http://{origin}'}}
  bridge: {{url: 'http://{webdis}', internal: true, {bridge}}}
routes:
  - {{match: POST /kept, upstream: bridge, strip: /kept, inside: true}}
  - {{match: '/*', upstream: origin, cache: {{shared: true}}}}
",
            webdis = store.webdis.address(),
            origin = origin.address()
        );
        let variable = |name: &str| (name == "STATE_PASSWORD").then(|| PASSWORD.to_owned());
        let reading = Reading { variable: Some(&variable), ..Reading::default() };
        let document = document::read(Path::new("p"), policy.as_bytes(), &reading)
            .unwrap_or_else(|refused| panic!("{}", refused.render(false)));
        let filters = if module::is_one() { bundled(&document.filters) } else { document.filters.clone() };
        let plan = Plan { policy: &document.policy, filters: &filters, wasm: &module::folder() };
        let environment = vec![("STATE_PASSWORD".to_owned(), PASSWORD.to_owned())];
        let options = Options { environment, ..Options::default() };
        let envoy = Envoy::start_with(&bootstrap::standalone(&plan).to_string(), &options)
            .unwrap_or_else(|failure| panic!("{failure}"));
        let gateway = Self { envoy, store, _origin: origin };
        gateway.wait("the level is heard of", || {
            gateway.get("/probe", "only-if-cached");
            gateway.counted("miss") > 0
        });
        gateway
    }

    #[track_caller]
    fn wait(&self, what: &str, is: impl FnMut() -> bool) {
        assert!(Deadline::after(PATIENCE).wait_until(is), "{what}: {}", self.envoy.log());
    }

    fn get(&self, path: &str, wish: &str) -> u16 {
        let request = proxy::Request::get(path).header("host", "test").header("cache-control", wish);
        client::call(self.envoy.address(), &request).map_or(0, |answer| answer.status)
    }

    fn ask(&self, paths: std::ops::Range<usize>) {
        for number in paths {
            assert_eq!(self.get(&format!("/{number}"), "max-stale"), 200);
        }
    }

    fn counted(&self, outcome: &str) -> u64 {
        let name = format!("wasmcustom.api_gateway_cache_remote_total_outcome_={outcome};");
        self.envoy.stat(&name).unwrap_or_default()
    }

    fn keys(&self) -> usize {
        match self.store.redis.call(&["KEYS", "weir:cache:weir:2:{*"]) {
            Ok(Value::List(keys)) => keys.len(),
            other => panic!("{other:?}"),
        }
    }

    /// How many requests came in by the way back into the proxy.
    fn inside(&self) -> u64 {
        self.envoy.stat("http.weir_internal.downstream_rq_total").unwrap_or_default()
    }
}

#[test]
fn objects_come_to_the_store_by_a_route_that_no_client_reaches() {
    let gateway = Gateway::start("breaker: {}");
    assert_eq!(gateway.inside(), 0, "what is asked goes straight");
    gateway.ask(0..5);
    gateway.wait("they are stored", || gateway.keys() == 5);
    // Those that go at once before Redis knows the script go twice.
    assert!((5..=10).contains(&gateway.inside()), "{}", gateway.inside());
    let forged = proxy::Request::new("POST", "/kept").header("host", "test").body("SET/weir:a/b");
    assert_eq!(client::call(gateway.envoy.address(), &forged).unwrap().status, 404);
    assert_eq!(gateway.store.redis.call(&["EXISTS", "weir:a"]).unwrap(), Value::Integer(0));
}

#[test]
fn an_open_breaker_keeps_objects_from_the_store_and_from_nothing_else() {
    let gateway = Gateway::start("breaker: {order: forced_open}");
    gateway.ask(0..3);
    gateway.wait("they are refused", || gateway.counted("refused") >= 4);
    assert_eq!((gateway.keys(), gateway.counted("failed")), (0, 0));
    let before = gateway.counted("miss");
    gateway.ask(3..5);
    assert_eq!(gateway.counted("miss"), before + 2, "the level is asked");
}

#[test]
fn a_limit_on_the_store_is_kept_and_all_come_there_in_time() {
    let gateway = Gateway::start("limit: {count: 2, window: 1s}");
    gateway.ask(0..8);
    assert!(gateway.keys() < 8, "{}", gateway.keys());
    gateway.wait("all are stored", || gateway.keys() == 8);
    assert!(gateway.counted("refused") > 0);
    assert_eq!((gateway.counted("not_stored"), gateway.counted("failed")), (0, 0));
}

#[test]
fn what_waits_for_a_limit_longer_than_for_the_store_comes_there_in_time() {
    let limit = "limit: {rate: 2/s, burst: 2, queue: {max_wait: 30s, max_requests: 100}}";
    let gateway = Gateway::with_timeout("1s", limit);
    gateway.ask(0..8);
    gateway.wait("all are stored", || gateway.keys() == 8);
    assert_eq!((gateway.counted("not_stored"), gateway.counted("failed")), (0, 0));
}

#[test]
fn what_was_refused_while_the_store_was_away_is_there_when_it_is_back() {
    let mut gateway = Gateway::start("breaker: {consecutive_failures: 1, open_for: 1s, close_after: 1}");
    gateway.ask(0..2);
    gateway.wait("they are stored", || gateway.keys() == 2);
    gateway.store.webdis.kill();
    gateway.ask(2..4);
    gateway.wait("the level is away", || gateway.counted("failed") >= 3);
    gateway.store.webdis.restart().unwrap();
    gateway.wait("they are stored", || gateway.keys() == 4);
}
