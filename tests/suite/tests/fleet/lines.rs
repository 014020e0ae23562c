//! Requests that wait for a fleet's tokens: in order on each proxy, by turns among proxies, and never more than the limit in all.

use std::time::{Duration, Instant};

use proxy::deadline::Deadline;
use proxy::{Client, Request};
use suite::EnvoyStage;

use crate::store::Store;
use crate::{fleet, patient, proxy, shared, status};

/// One bucket for all callers of all proxies, for which requests wait.
fn line(rate: &str, max_requests: u32) -> String {
    shared(&format!(
        r#"{{"rate": "{rate}", "burst": 1, "when_empty": {{"queue": {{"max_wait": "60s", "max_requests": {max_requests}}}}}}}"#
    ))
}

/// A request on its way.
fn send(stage: &EnvoyStage, request: &Request) -> Client {
    let mut client = Client::connect(stage.envoy.address()).unwrap();
    client.set_patience(Duration::from_mins(1));
    client.send(request);
    client
}

fn statuses(clients: impl IntoIterator<Item = Client>) -> Vec<u16> {
    clients.into_iter().map(|mut client| client.receive().map_or(0, |answer| answer.status)).collect()
}

/// When requests came to the upstream, over whichever proxy.
fn arrivals(stages: &[EnvoyStage]) -> Vec<Instant> {
    let mut all: Vec<_> = stages.iter().flat_map(|stage| stage.origin.arrivals()).collect();
    all.sort();
    all
}

/// Waits until the upstream has seen so many of a proxy.
fn reach(stage: &EnvoyStage, count: usize) {
    assert_eq!(stage.origin.wait_for(count, Duration::from_secs(30)), count, "{}", stage.envoy.log());
}

/// Waits until so many requests are on their way.
fn wait_for_active(stage: &EnvoyStage, count: usize) {
    let is_it = |line: &str| {
        line.contains(".downstream_rq_active: ") && !line.contains("admin") && line.ends_with(&format!(": {count}"))
    };
    let there = Deadline::after(Duration::from_secs(30)).wait_until(|| stage.envoy.stats().lines().any(is_it));
    assert!(there, "{}", stage.envoy.stats());
}

/// Counts in windows of several lengths: one that begins with a request holds, beside the burst, what comes back in it. A token
/// that was promised may be spent up to two intervals late, and the next one then follows it sooner.
fn assert_spaced(arrivals: &[Instant], every: Duration) {
    for tokens in 1..u32::try_from(arrivals.len()).unwrap() {
        let window = (every * tokens).saturating_sub(every * 2);
        for first in arrivals {
            let held = arrivals.iter().filter(|at| (*first..*first + window).contains(at)).count();
            assert!(held <= tokens as usize, "{held} in {window:?}: {arrivals:?}");
        }
    }
}

#[test]
fn twelve_callers_of_three_proxies_are_all_answered_at_the_limits_pace() {
    let store = Store::start();
    let config = patient(&line("2/s", 100));
    let stages = [proxy(&store, &config), proxy(&store, &config), proxy(&store, &config)];
    let clients: Vec<_> = (0..12).map(|n| send(&stages[n % 3], &Request::get("/"))).collect();
    assert_eq!(statuses(clients), [200; 12], "{}", stages[0].envoy.log());
    let all = arrivals(&stages);
    assert_eq!(all.len(), 12);
    assert_spaced(&all, Duration::from_millis(500));
    // By turns: when a half of all were sent, every proxy had sent some.
    for stage in &stages {
        let early = stage.origin.arrivals().iter().filter(|at| **at < all[6]).count();
        assert!((1..=3).contains(&early), "{early} of {all:?}");
    }
}

#[test]
fn on_each_proxy_a_higher_priority_is_first_a_full_line_refuses_and_who_leaves_makes_room() {
    let store = Store::start();
    let tiers = r#"{"tiers": {"anonymous": {"per_hour": 1}, "pro": {"per_hour": 1, "priority": 5}}, "#;
    let stage = proxy(&store, &patient(&line("20/m", 3)).replacen('{', tiers, 1));
    assert_eq!(status(&stage, &Request::get("/0")), 200, "{}", stage.envoy.log());
    let low = send(&stage, &Request::get("/low"));
    wait_for_active(&stage, 1);
    let gone = send(&stage, &Request::get("/gone"));
    wait_for_active(&stage, 2);
    let high = send(&stage, &Request::get("/high").header("x-weir-tier", "pro"));
    wait_for_active(&stage, 3);
    let answer = proxy::client::call(stage.envoy.address(), &Request::get("/more")).unwrap();
    let after: u64 = answer.text("retry-after").unwrap().parse().unwrap();
    assert!(answer.status == 429 && (9..=12).contains(&after), "{answer:?}");
    gone.reset();
    wait_for_active(&stage, 2);
    let last = send(&stage, &Request::get("/last"));
    assert_eq!(statuses([high, low, last]), [200; 3], "{}", stage.envoy.log());
    let paths: Vec<_> = stage.origin.received().iter().map(|request| request.target.clone()).collect();
    assert_eq!(paths, [&b"/0"[..], b"/high", b"/low", b"/last"]);
    assert_spaced(&stage.origin.arrivals(), Duration::from_secs(3));
}

#[test]
fn a_proxy_that_dies_with_its_line_keeps_nobody_else_waiting() {
    let store = Store::start();
    let config = patient(&line("2/s", 100));
    let mut stages = vec![proxy(&store, &config), proxy(&store, &config)];
    let lost: Vec<_> = (0..5).map(|_| send(&stages[0], &Request::get("/"))).collect();
    let clients: Vec<_> = (0..5).map(|_| send(&stages[1], &Request::get("/"))).collect();
    reach(&stages[0], 2);
    let before = stages[0].origin.arrivals();
    drop(stages.remove(0));
    assert_eq!(statuses(clients), [200; 5], "{}", stages[0].envoy.log());
    drop(lost);
    let mut all = [before, stages[0].origin.arrivals()].concat();
    all.sort();
    assert_spaced(&all, Duration::from_millis(500));
}

#[test]
fn while_redis_is_away_those_who_wait_get_what_the_proxy_was_configured_to() {
    for (when, expected) in [("share", 200), ("open", 200), ("closed", 503)] {
        let mut store = Store::start();
        let config = fleet(&line("30/m", 100), &format!(r#", "fleet": {{"when_unavailable": "{when}"}}"#));
        let stage = proxy(&store, &config);
        let begun = Deadline::after(Duration::from_secs(30));
        assert!(begun.wait_until(|| status(&stage, &Request::get("/")) == 200), "{}", stage.envoy.log());
        let count = stage.origin.received().len();
        let clients: Vec<_> = (0..3).map(|_| send(&stage, &Request::get("/"))).collect();
        wait_for_active(&stage, 3);
        store.redis.kill();
        // What was promised before is still sent.
        let said = statuses(clients);
        assert!(
            said.iter().filter(|status| **status == expected).count() >= 2,
            "{when} {said:?}\n{}",
            stage.envoy.log()
        );
        assert!(said.iter().all(|status| *status == expected || *status == 200), "{when} {said:?}");
        assert_eq!(status(&stage, &Request::get("/")), expected, "{when}\n{}", stage.envoy.log());
        if when == "share" {
            // One proxy: its share is the whole limit.
            assert_spaced(&stage.origin.arrivals()[count..], Duration::from_secs(2));
        }
        store.redis.restart().unwrap();
        assert!(stage.envoy.wait_for_log("answers again"), "{when}\n{}", stage.envoy.log());
        // A busy machine may be slower than the budget once more.
        let passes = || status(&stage, &Request::get("/")) == 200;
        assert!(Deadline::after(Duration::from_secs(30)).wait_until(passes), "{when}\n{}", stage.envoy.log());
    }
}

#[test]
fn each_caller_of_a_fleet_has_a_line_of_its_own() {
    let store = Store::start();
    let limit = r#"{"rate": "1/s", "burst": 1, "when_empty": {"queue": {"max_wait": "60s"}}}"#;
    let config = patient(&crate::keyed(limit));
    let stages = [proxy(&store, &config), proxy(&store, &config)];
    let of =
        |user: &str, n: usize| send(&stages[n % 2], &Request::get(&format!("/{user}")).header("x-weir-user", user));
    let clients: Vec<_> = (0..4).flat_map(|n| [of("alice", n), of("bob", n)]).collect();
    assert_eq!(statuses(clients), [200; 8], "{}", stages[0].envoy.log());
    for user in ["/alice", "/bob"] {
        let of_user = |stage: &EnvoyStage| {
            let paths = stage.origin.received().into_iter().map(|request| request.target);
            let both: Vec<_> = paths.zip(stage.origin.arrivals()).collect();
            both.into_iter().filter(|(path, _)| path == user.as_bytes()).map(|(_, at)| at).collect::<Vec<_>>()
        };
        let mut all: Vec<_> = stages.iter().flat_map(of_user).collect();
        all.sort();
        assert_eq!(all.len(), 4);
        assert_spaced(&all, Duration::from_secs(1));
    }
}
