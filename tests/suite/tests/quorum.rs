//! Breakers of a fleet: three real Envoys on one Redis, behind a real webdis; orders, votes, and what may stand in the store.

// A test stops by panicking.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod store;

use std::time::{Duration, Instant};

use proxy::deadline::{Deadline, PATIENCE};
use proxy::redis::Value;
use proxy::{Reply, Request};
use store::{PASSWORD, Store};
use suite::stage::Stage;
use suite::{EnvoyStage, HostStage, Scenario, refuses};

/// An order is followed so soon by all workers of all proxies.
const BOUND: Duration = Duration::from_secs(1);

/// On a machine that stands still for a while nothing is; that it happens in each of so many rounds is no accident.
const ROUNDS: usize = 5;

/// The configuration of a breaker for one upstream, `spotify`, which all requests are for.
fn config(breaker: &str, state: &str) -> String {
    format!(
        r#"{{"state": {{"env": "STATE_PASSWORD"{state}}}, "breakers": {{"spotify": {breaker}}},
            "routes": [{{"upstream": "spotify"}}]}}"#
    )
}

const BREAKER: &str = r#"{"consecutive_failures": 2, "open_for": "60s", "fleet": {"quorum": 2}}"#;

/// Three proxies of two workers each, with an upstream for each.
fn fleet(store: &Store, breaker: &str) -> [EnvoyStage; 3] {
    // A machine that is busy makes no store that is away.
    let config = config(breaker, r#", "timeout": "1s""#);
    [(); 3].map(|()| store.scenario("breaker", &config).workers(2).envoy().unwrap_or_else(|report| panic!("{report}")))
}

fn status(stage: &EnvoyStage) -> u16 {
    proxy::client::call(stage.envoy.address(), &Request::get("/")).map_or(0, |answer| answer.status)
}

/// Waits until so many new connections in a row are all answered so: the kernel spreads them over the workers.
fn settles(stage: &EnvoyStage, expected: u16) {
    let settled = Deadline::after(PATIENCE).wait_until(|| (0..10).all(|_| status(stage) == expected));
    assert!(settled, "expected {expected}, got {}\n{}", status(stage), stage.envoy.log());
}

/// Has the breaker of one proxy open by what it sees.
fn fail(stage: &mut EnvoyStage) {
    stage.answer(None, Reply::status(500));
    for _ in 0..2 {
        assert_eq!(status(stage), 500, "{}", stage.envoy.log());
    }
    assert_eq!(status(stage), 503, "{}", stage.envoy.log());
}

/// Waits until a set of the store has so many members.
fn counts(store: &Store, set: &str, expected: i64) {
    let count = || store.redis.call(&["ZCARD", set]).unwrap();
    let counted = Deadline::after(PATIENCE).wait_until(|| count() == Value::Integer(expected));
    assert!(counted, "{set}: {:?}", count());
}

/// Lets all proxies ask the store some times more.
fn passes(time: Duration) {
    Deadline::after(time).wait_until(|| false);
}

fn order(store: &Store, text: &str) {
    store.redis.call(&["SET", "weir:breaker:order:spotify", text]).unwrap();
}

#[test]
fn a_quorum_opens_the_others_and_one_sick_proxy_nobody_s() {
    let store = Store::start();
    let [mut sick, mut second, third] = fleet(&store, BREAKER);
    counts(&store, "weir:breaker:proxies", 3);
    fail(&mut sick);
    counts(&store, "weir:breaker:open:spotify", 1);
    passes(Duration::from_secs(1));
    for stage in [&second, &third] {
        assert!((0..10).all(|_| status(stage) == 200), "{}", stage.envoy.log());
    }
    fail(&mut second);
    assert!(third.envoy.wait_for_log("spotify: open for 60s after 2 of 3 proxies opened theirs"));
    let seen = third.origin.received().len();
    assert!((0..10).all(|_| status(&third) == 503), "{}", third.envoy.log());
    assert_eq!(third.origin.received().len(), seen, "its upstream is well, and is left alone");
    assert!(!sick.envoy.log().contains("proxies opened"), "{}", sick.envoy.log());
    // What has opened because of others is no further voice.
    passes(Duration::from_secs(1));
    counts(&store, "weir:breaker:open:spotify", 2);
    let shown = suite::series::read(&third.envoy);
    let is_open =
        |(name, value): &(String, f64)| name.contains("breaker_state") && name.contains("spotify") && *value > 0.0;
    assert!(shown.iter().any(is_open), "{shown:?}");
}

#[test]
fn who_finds_the_upstream_well_stays_closed_while_the_votes_stand() {
    let store = Store::start();
    let breaker = BREAKER.replace(r#""60s""#, r#""1s", "open_for_max": "10m", "open_growth": 10, "close_after": 1"#);
    let [mut first, mut second, third] = fleet(&store, &breaker);
    counts(&store, "weir:breaker:proxies", 3);
    fail(&mut first);
    fail(&mut second);
    assert!(third.envoy.wait_for_log("2 of 3 proxies opened theirs"), "{}", third.envoy.log());
    settles(&third, 200);
    // Those who voted probe, fail, and are open for longer: their votes stand.
    passes(Duration::from_secs(2));
    for stage in [&first, &second] {
        Deadline::after(PATIENCE).wait_until(|| {
            status(stage);
            stage.envoy.log().contains("after a failed probe")
        });
    }
    counts(&store, "weir:breaker:open:spotify", 2);
    settles(&third, 200);
    let log = third.envoy.log();
    assert_eq!(log.matches("proxies opened theirs").count(), 1, "{log}");
}

#[test]
fn an_order_reaches_every_worker_of_every_proxy_and_is_taken_back() {
    let store = Store::start();
    let mut stages = fleet(&store, r#"{"consecutive_failures": 2, "open_for": "1h"}"#);
    counts(&store, "weir:breaker:proxies", 3);
    let mut rounds = 0;
    let mut least = [Duration::MAX; 3];
    while rounds < 2 || (rounds < ROUNDS && least.iter().any(|took| *took > BOUND)) {
        rounds += 1;
        let forced = follow(&stages, 503, || order(&store, "forced_open"));
        let released = follow(&stages, 200, || drop(store.redis.call(&["DEL", "weir:breaker:order:spotify"]).unwrap()));
        for stage in &mut stages {
            fail(stage);
            stage.answer(None, Reply::status(200));
        }
        let reset = follow(&stages, 200, || order(&store, &format!("reset {rounds}")));
        let took = [forced, released, reset];
        least = std::array::from_fn(|order| least[order].min(took[order]));
    }
    assert!(least.iter().all(|took| *took <= BOUND), "forced, released and reset after {least:?} in {rounds} rounds");
    for stage in &stages {
        let log = stage.envoy.log();
        assert_eq!(log.matches("spotify: forced_open by order, forced_open").count(), rounds, "{log}");
        assert_eq!(log.matches("spotify: closed by order, what the configuration says").count(), 2 * rounds, "{log}");
    }
}

/// How long it takes from before an order until every worker of every proxy answers so.
fn follow(stages: &[EnvoyStage], expected: u16, order: impl FnOnce()) -> Duration {
    let since = Instant::now();
    order();
    for stage in stages {
        settles(stage, expected);
    }
    since.elapsed()
}

#[test]
fn without_redis_each_proxy_is_by_itself_and_what_was_ordered_holds() {
    let mut store = Store::start();
    let [mut first, mut second, third] = fleet(&store, BREAKER);
    counts(&store, "weir:breaker:proxies", 3);
    order(&store, "metrics_only");
    for stage in [&first, &second, &third] {
        assert!(stage.envoy.wait_for_log("metrics_only by order"), "{}", stage.envoy.log());
    }
    store.redis.kill();
    assert!(first.envoy.wait_for_log("breakers: state does not answer: status 503"), "{}", first.envoy.log());
    first.answer(None, Reply::status(500));
    assert!((0..10).all(|_| status(&first) == 500), "{}", first.envoy.log());
    // It comes back, and has lost everything: with it, the order.
    store.redis.restart().unwrap();
    assert!(first.envoy.wait_for_log("breakers: state answers again"), "{}", first.envoy.log());
    for stage in [&first, &second, &third] {
        assert!(stage.envoy.wait_for_log("closed by order"), "{}", stage.envoy.log());
    }
    store.redis.kill();
    fail(&mut first);
    fail(&mut second);
    settles(&third, 200);
    store.redis.restart().unwrap();
    settles(&third, 503);
}

#[test]
fn what_else_stands_in_the_store_is_ignored_and_said_once() {
    let store = Store::start();
    let stages = fleet(&store, BREAKER);
    counts(&store, "weir:breaker:proxies", 3);
    let call = |command: &[&str]| store.redis.call(command).unwrap();
    // Votes of nobody, for ever; orders that are none; upstreams that nobody has.
    call(&["ZADD", "weir:breaker:open:spotify", "inf", "a", "1e300", "b", "9007199254740991", "c"]);
    call(&["SET", "weir:breaker:order:spotify", "\u{1f4a5}\r\nforced_open"]);
    let flood = "for i=1,20000 do redis.call('SET','weir:breaker:order:x'..i,'forced_open') \
                 redis.call('ZADD','weir:breaker:proxies',ARGV[1],'p'..i) end";
    call(&["EVAL", flood, "0", "9007199254740991"]);
    for stage in &stages {
        assert!(stage.envoy.wait_for_log("spotify: an order that is none is not followed"), "{}", stage.envoy.log());
    }
    counts(&store, "weir:breaker:open:spotify", 0);
    counts(&store, "weir:breaker:proxies", 3);
    call(&["SET", "weir:breaker:open:spotify", "x"]);
    call(&["DEL", "weir:breaker:order:spotify"]);
    call(&["LPUSH", "weir:breaker:order:spotify", "forced_open"]);
    for stage in &stages {
        assert!(stage.envoy.wait_for_log("spotify: the votes in the store cannot be read"), "{}", stage.envoy.log());
    }
    passes(Duration::from_secs(1));
    for stage in &stages {
        settles(stage, 200);
        let log = stage.envoy.log();
        assert_eq!(log.matches("the votes in the store cannot be read").count(), 1, "{log}");
        assert!(log.matches("an order that is none").count() <= 2, "{log}");
        assert!(!log.contains("does not answer"), "{log}");
    }
}

/// Two workers on a clock of the test's, whose store answers with these texts.
fn scripted(breaker: &str, texts: &[&str]) -> HostStage {
    let config = config(breaker, r#", "path": "/store""#);
    let scenario = Scenario::new(&[("breaker", &config)]).environment("STATE_PASSWORD", PASSWORD).cluster("state");
    let mut stage = scenario.workers(2).host().unwrap();
    says(&mut stage, texts);
    stage
}

fn says(stage: &mut HostStage, texts: &[&str]) {
    let rows: Vec<String> = texts.iter().map(|text| format!("${}\r\n{text}\r\n", text.len())).collect();
    let body = format!("*{}\r\n{}", texts.len(), rows.concat());
    Stage::answer(stage, Some("/store"), Reply::status(200).body(body));
}

fn ask(stage: &mut HostStage, worker: usize) -> Option<u16> {
    stage.host.send(worker, host::Request::get("/")).response.map(|response| response.status())
}

fn said(stage: &HostStage, text: &str) -> usize {
    stage.host.log().iter().filter(|line| format!("{line:?}").contains(text)).count()
}

#[test]
fn a_leader_hears_for_all_workers_and_another_one_takes_its_place() {
    let mut stage = scripted(BREAKER, &["3", "0", ""]);
    stage.host.advance(Duration::from_secs(1));
    assert_eq!((ask(&mut stage, 0), ask(&mut stage, 1)), (Some(200), Some(200)));
    says(&mut stage, &["3", "2", ""]);
    stage.host.advance(Duration::from_millis(500));
    assert_eq!((ask(&mut stage, 0), ask(&mut stage, 1)), (Some(503), Some(503)), "{:?}", stage.host.log());
    assert_eq!(said(&stage, "open for 60s after 2 of 3 proxies opened theirs"), 1);
    // Whichever leads dies; within its lease another one does.
    stage.host.crash(0, "breaker");
    says(&mut stage, &["3", "2", "disabled"]);
    stage.host.advance(Duration::from_secs(2));
    assert_eq!(ask(&mut stage, 1), Some(200), "{:?}", stage.host.log());
    stage.host.crash(1, "breaker");
    says(&mut stage, &["3", "2", ""]);
    stage.host.advance(Duration::from_secs(2));
    assert_eq!(said(&stage, "disabled by order"), 1, "{:?}", stage.host.log());
    assert_eq!(said(&stage, "open for 60s after"), 1, "{:?}", stage.host.log());
}

#[test]
fn what_is_no_answer_of_the_store_leaves_each_proxy_by_itself() {
    for texts in [&["3"][..], &["3", "2"], &["3", "2", "forced_open", "2"], &[]] {
        let mut stage = scripted(BREAKER, texts);
        stage.host.advance(Duration::from_secs(3));
        assert_eq!(ask(&mut stage, 0), Some(200), "{texts:?}");
        assert_eq!(said(&stage, "does not answer: the answer is not of this dialect"), 1, "{:?}", stage.host.log());
    }
}

#[test]
fn a_clock_that_steps_back_stops_no_questions() {
    let mut stage = scripted(BREAKER, &["3", "0", ""]);
    stage.host.advance(Duration::from_secs(1));
    stage.host.step_back(Duration::from_hours(1));
    says(&mut stage, &["3", "0", "forced_open"]);
    stage.host.advance(Duration::from_secs(2));
    assert_eq!((ask(&mut stage, 0), ask(&mut stage, 1)), (Some(503), Some(503)), "{:?}", stage.host.log());
}

#[test]
fn a_proxy_alone_is_ordered_by_shared_data_and_says_how_it_is() {
    let config = config(r#"{"consecutive_failures": 1, "open_for": "10s"}"#, "");
    let config = config.replace(r#""state": {"env": "STATE_PASSWORD"}, "#, "");
    let mut stage = Scenario::new(&[("breaker", &config)]).workers(2).host().unwrap();
    stage.host.advance(Duration::from_secs(3));
    let health = |stage: &HostStage| {
        let bytes = stage.host.shared_data("weir", policy::health::KEY).unwrap().to_vec();
        let lines: Vec<_> = policy::health::read(&bytes).collect();
        assert!(lines.len() == 1 && lines[0].name == "spotify", "{lines:?}");
        (lines[0].mode.to_owned(), lines[0].open)
    };
    assert_eq!(health(&stage), ("closed".to_owned(), 0));
    let order = policy::order::key("spotify");
    stage.host.set_shared_data("weir", &order, *b"forced_open");
    stage.host.advance(Duration::from_secs(1));
    assert_eq!((ask(&mut stage, 0), ask(&mut stage, 1)), (Some(503), Some(503)), "{:?}", stage.host.log());
    stage.host.advance(Duration::from_secs(5));
    assert_eq!(health(&stage), ("forced_open".to_owned(), 0));
    stage.host.set_shared_data("weir", &order, *b"reset 1");
    stage.host.advance(Duration::from_secs(1));
    assert_eq!(ask(&mut stage, 0), Some(200));
    Stage::answer(&mut stage, None, Reply::status(500));
    assert_eq!(ask(&mut stage, 0), Some(500));
    stage.host.advance(Duration::from_secs(2));
    assert_eq!(health(&stage), ("open".to_owned(), 1));
    let seconds = |state: &str| {
        let name = format!("api_gateway_circuit_breaker_state_seconds_total_provider_=spotify;_state_={state};");
        stage.host.metric(&name).unwrap_or_default()
    };
    assert!((3..=5).contains(&seconds("closed")), "{:?}", stage.host.metrics());
    assert!((4..=7).contains(&seconds("forced_open")), "{:?}", stage.host.metrics());
    assert!((1..=2).contains(&seconds("open")), "{:?}", stage.host.metrics());
}

#[test]
fn several_breakers_of_one_upstream_show_as_the_worst_of_them() {
    let config = r#"{"breakers": {"s": {"consecutive_failures": 1, "per": "route"},
                                  "t": {"consecutive_failures": 1, "per": {"header": "x-tenant"}}},
        "routes": [{"match": {"prefix": "/t"}, "upstream": "t"}, {"match": {"prefix": "/a"}, "upstream": "s", "name": "a"},
                   {"upstream": "s", "name": "b"}]}"#;
    let lines = r"
        GET /b -> 200
        GET /t x-tenant=a -> 200
        metric api_gateway_circuit_breaker_state{provider=s} 0
        origin 500
        GET /b -> 500
        GET /t x-tenant=a -> 500
        GET /t x-tenant=b -> 500
        origin 200
        GET /a -> 200
        GET /t x-tenant=c -> 200
        advance 2s
        metric api_gateway_circuit_breaker_state{provider=s} 1
        metric api_gateway_circuit_breaker_state{provider=t} 1
        GET /b -> 503
        GET /a -> 200
    ";
    suite::check("breaker", config, lines);
}

#[test]
fn a_fleet_without_a_store_is_refused() {
    let config = r#"{"breakers": {"a": {"fleet": {"quorum": 2}}}}"#;
    refuses("breaker", config, "configuration refused: breakers.a.fleet: needs `state`, where its proxies meet");
}
