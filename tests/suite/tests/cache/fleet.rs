//! What proxies share through Redis: answers, purges, and that nothing is worse where it is away.

use std::time::{Duration, Instant};

use proxy::deadline::{Deadline, PATIENCE};
use proxy::message::Answer;
use proxy::redis::Value;
use proxy::{Client, Redis, Reply, Request, Upstash};
use suite::{EnvoyStage, Scenario};

use crate::purge::KEY;
use crate::store::Store;

/// A cache whose second level speaks this dialect.
fn config(dialect: &str) -> String {
    format!(
        r#"{{"state": {{"env": "STATE_PASSWORD", "dialect": "{dialect}", "timeout": "10s"}},
            "l2": {{"budget": "500ms"}},
            "routes": [{{"match": {{"prefix": "/alone/"}}, "l2": false}},
                {{"match": {{"prefix": "/search"}}, "isolate": "tier", "body": {{"key": "json"}}}}, {{"match": {{}}, "purge_key_sha256": "{KEY}"}}]}}"#
    )
}

/// One proxy of the fleet.
pub(crate) fn proxy(store: &Store) -> EnvoyStage {
    let stage = store.scenario("cache", &config("webdis")).envoy().unwrap();
    stage.origin.answer(None, Reply::status(200).header("cache-control", "max-age=600").body("own"));
    stage
}

/// How many keys the fleet shares.
fn keys(store: &Store) -> usize {
    match store.redis.call(&["KEYS", "weir:cache:weir:2:{*"]).unwrap() {
        Value::List(keys) => keys.len(),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn holds(store: &Store, count: usize) {
    assert!(Deadline::after(PATIENCE).wait_until(|| keys(store) == count), "{} keys", keys(store));
}

/// How many bytes the fleet shares under one key, the only one.
fn shared_bytes(store: &Store) -> i64 {
    let script = "return redis.call('STRLEN', redis.call('KEYS', 'weir:cache:weir:2:{*')[1])";
    match store.redis.call(&["EVAL", script, "0"]).unwrap() {
        Value::Integer(bytes) => bytes,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn get(stage: &EnvoyStage, request: &Request) -> Answer {
    let mut client = Client::connect(stage.envoy.address()).unwrap();
    client.call(request).unwrap()
}

fn status_of(answer: &Answer) -> String {
    answer.text("cache-status").unwrap_or_default()
}

/// The proxy has read the fleet's purges once, and may ask the second level from then on.
pub(crate) fn wait_for_level(stage: &EnvoyStage) {
    let mut number = 0;
    let asks = Deadline::after(PATIENCE).wait_until(|| {
        number += 1;
        get(stage, &Request::get(&format!("/probe?{number}")).header("cache-control", "only-if-cached"));
        counted(stage, "miss") > 0
    });
    assert!(asks, "{}", stage.envoy.log());
}

/// How often the second level was asked with this outcome.
pub(crate) fn counted(stage: &EnvoyStage, outcome: &str) -> u64 {
    let stats = stage.envoy.admin("/stats?filter=api_gateway_cache_remote_total");
    let line = stats.lines().find(|line| line.contains(&format!("_outcome_={outcome};")));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0)
}

fn purge(stage: &EnvoyStage, order: &str) {
    let request = Request::new("PURGE", "/").header("host", "test").header("x-purge-key", "open sesame");
    assert_eq!(get(stage, &request.header("x-purge", order)).status, 200);
}

/// Waits until so many new connections in a row get this body: the kernel spreads them over the workers.
pub(crate) fn settles(stage: &EnvoyStage, request: &Request, body: &[u8]) -> Duration {
    let since = Instant::now();
    let settled = Deadline::after(PATIENCE).wait_until(|| (0..10).all(|_| get(stage, request).body == body));
    let (last, stats) = (get(stage, request), stage.envoy.admin("/stats?filter=api_gateway_cache"));
    assert!(settled, "{} {:?}\n{stats}\n{}", status_of(&last), String::from_utf8_lossy(&last.body), stage.envoy.log());
    since.elapsed()
}

pub(crate) fn answers(stage: &EnvoyStage, body: &str) {
    let reply = Reply::status(200).header("cache-control", "max-age=600").header("vary", "x-kind");
    stage.origin.answer(None, reply.header("cache-tag", "all").body(body));
}

#[test]
fn what_one_proxy_has_stored_another_answers_with() {
    let store = Store::start();
    let (one, other) = (proxy(&store), proxy(&store));
    let binary: Vec<u8> = (0..=255_u8).cycle().take(20_000).collect();
    let reply = Reply::status(203).header("cache-control", "max-age=600").header("x-a", "b").body(binary.clone());
    one.origin.answer(Some("/a"), reply);
    get(&one, &Request::get("/a"));
    answers(&one, "one");
    for kind in ["1", "2"] {
        get(&one, &Request::get("/b").header("x-kind", kind));
    }
    get(&one, &Request::get("/alone/c"));
    holds(&store, 4);
    wait_for_level(&other);
    let before = other.origin.received().len();
    let answer = get(&other, &Request::get("/a"));
    assert_eq!((answer.status, answer.text("x-a").as_deref(), answer.body == binary), (203, Some("b"), true));
    assert!(status_of(&answer).contains("hit"), "{}", status_of(&answer));
    assert!(answer.text("age").is_some());
    for kind in ["1", "2"] {
        assert_eq!(get(&other, &Request::get("/b").header("x-kind", kind)).body, b"one");
    }
    assert_eq!(
        get(&other, &Request::get("/b").header("x-kind", "1").header("cache-control", "only-if-cached")).status,
        200
    );
    assert_eq!(other.origin.received().len(), before);
    assert_eq!(counted(&other, "hit"), 3, "what was fetched once is this proxy's own");
    assert_eq!(get(&other, &Request::get("/b").header("x-kind", "3")).body, b"own");
    assert_eq!(get(&other, &Request::get("/alone/c")).body, b"own");
}

#[test]
fn those_who_miss_at_once_ask_the_fleet_once() {
    let store = Store::start();
    let one = proxy(&store);
    wait_for_level(&one);
    one.origin.answer(None, Reply::status(200).header("cache-control", "max-age=600").body("x").held());
    let before = (counted(&one, "miss"), one.origin.received().len());
    let mut clients: Vec<_> = (0..50).map(|_| Client::connect(one.envoy.address()).unwrap()).collect();
    for client in &mut clients {
        client.send(&Request::get("/a"));
    }
    let held = || one.envoy.stat("wasmcustom.api_gateway_cache_held_total");
    assert!(Deadline::after(PATIENCE).wait_until(|| held() == Some(49)), "{:?}", held());
    assert_eq!(one.origin.wait_for(before.1 + 1, PATIENCE), before.1 + 1);
    one.origin.release(None);
    for client in &mut clients {
        assert_eq!(client.receive().unwrap().body, b"x");
    }
    assert_eq!((counted(&one, "miss"), one.origin.received().len()), (before.0 + 1, before.1 + 1));
}

#[test]
fn text_stays_packed_on_its_way_to_another_proxy() {
    let store = Store::start();
    let (one, other) = (proxy(&store), proxy(&store));
    let text = r#"{"id": "41Xji81w"}, "#.repeat(2000);
    let reply = Reply::status(200).header("cache-control", "max-age=600").header("content-type", "application/json");
    one.origin.answer(None, reply.body(text.clone()));
    get(&one, &Request::get("/a"));
    holds(&store, 1);
    assert!((1..8_000).contains(&shared_bytes(&store)), "{} bytes", shared_bytes(&store));
    wait_for_level(&other);
    let first = get(&other, &Request::get("/a"));
    assert_eq!((first.body == text.as_bytes(), first.text("content-length").as_deref()), (true, Some("40000")));
    assert!(status_of(&first).ends_with("; detail=l2"), "{}", status_of(&first));
    // What was fetched once is this proxy's own.
    for _ in 0..8 {
        let again = get(&other, &Request::get("/a"));
        assert_eq!(again.body, text.as_bytes());
        assert!(status_of(&again).starts_with("weir; hit; ttl=") && !status_of(&again).contains("detail"));
    }
    assert_eq!(counted(&other, "hit"), 1);
}

#[test]
fn a_purge_reaches_every_proxy_within_a_second() {
    let store = Store::start();
    let (one, other) = (proxy(&store), proxy(&store));
    wait_for_level(&one);
    wait_for_level(&other);
    for (round, order) in
        ["tag=all", "url=http://test/x", "prefix=/x", "everything", "provider=default", "data_type=default"]
            .into_iter()
            .enumerate()
    {
        let request = Request::get("/x").header("host", "test").header("x-kind", round.to_string());
        let (old, new) = (format!("old {round}"), format!("new {round}"));
        answers(&one, &old);
        assert_eq!(get(&one, &request).body, old.as_bytes());
        answers(&one, &new);
        answers(&other, &new);
        settles(&other, &request.clone().header("cache-control", "only-if-cached"), old.as_bytes());
        purge(&one, order);
        assert_eq!(get(&one, &request).body, new.as_bytes(), "{order}: at once where it was given");
        let took = settles(&other, &request, new.as_bytes());
        assert!(took < Duration::from_secs(1), "{order}: {took:?}");
    }
}

#[test]
fn a_soft_purge_makes_stale_on_every_proxy_within_a_second() {
    let store = Store::start();
    let (one, other) = (proxy(&store), proxy(&store));
    wait_for_level(&one);
    wait_for_level(&other);
    for (round, scope) in
        ["tag=all", "url=http://test/x", "prefix=/x", "data_type=default", "everything"].into_iter().enumerate()
    {
        let request = Request::get("/x").header("host", "test").header("x-kind", round.to_string());
        let fresh = request.clone().header("cache-control", "only-if-cached");
        let any = request.clone().header("cache-control", "only-if-cached, max-stale=60");
        let old = format!("old {round}");
        answers(&one, &old);
        assert_eq!(get(&one, &request).body, old.as_bytes());
        settles(&other, &fresh, old.as_bytes());
        purge(&one, &format!("{scope}&mode=soft"));
        let since = Instant::now();
        assert_eq!(get(&one, &fresh).status, 504, "{scope}: at once where it was given");
        let is_stale = || (0..10).all(|_| get(&other, &fresh).status == 504);
        assert!(Deadline::after(PATIENCE).wait_until(is_stale), "{scope}");
        assert!(since.elapsed() < Duration::from_secs(1), "{scope}: {:?}", since.elapsed());
        for stage in [&one, &other] {
            let answer = get(stage, &any);
            assert_eq!((answer.status, answer.body.as_slice()), (200, old.as_bytes()), "{scope}");
            assert!(status_of(&answer).starts_with("weir; hit; ttl="), "{}", status_of(&answer));
        }
        let new = format!("new {round}");
        answers(&other, &new);
        assert_eq!(get(&other, &request).body, new.as_bytes(), "{scope}");
    }
}

#[test]
fn what_another_proxy_has_refreshed_is_not_asked_for_again() {
    let store = Store::start();
    let (one, other) = (proxy(&store), proxy(&store));
    wait_for_level(&one);
    wait_for_level(&other);
    let reply = |seconds: u32, body: &str| {
        Reply::status(200).header("cache-control", format!("max-age={seconds}")).header("etag", "\"a\"").body(body)
    };
    one.origin.answer(None, reply(2, "old"));
    let (request, stored) = (Request::get("/x"), Request::get("/x").header("cache-control", "only-if-cached"));
    get(&one, &request);
    settles(&other, &stored, b"old");
    let is_stale = || [&one, &other].into_iter().all(|proxy| get(proxy, &stored).status == 504);
    assert!(Deadline::after(PATIENCE).wait_until(is_stale));
    one.origin.answer(None, reply(600, "new"));
    assert_eq!(get(&one, &request).body, b"new");
    settles(&other, &stored, b"new");
    let before = other.origin.received().len();
    assert_eq!(get(&other, &request).body, b"new");
    assert_eq!(other.origin.received().len(), before);
}

#[test]
fn a_fleet_without_its_redis_goes_on_and_says_so_once() {
    let mut store = Store::start();
    let one = proxy(&store);
    wait_for_level(&one);
    get(&one, &Request::get("/a"));
    holds(&store, 1);
    store.redis.kill();
    for number in 0..200 {
        assert_eq!(get(&one, &Request::get(&format!("/b/{number}"))).status, 200);
    }
    assert!(status_of(&get(&one, &Request::get("/a"))).contains("hit"));
    assert!(one.envoy.wait_for_log("second level does not answer"));
    let since = Instant::now();
    for number in 0..100 {
        get(&one, &Request::get(&format!("/c/{number}")));
    }
    assert!(since.elapsed() < Duration::from_secs(5), "no budget is spent on what is away: {:?}", since.elapsed());
    store.redis.restart().unwrap();
    assert!(one.envoy.wait_for_log("second level answers again"));
    for line in ["second level does not answer", "second level answers again"] {
        assert_eq!(one.envoy.log().matches(line).count(), 1, "{line}\n{}", one.envoy.log());
    }
    let since = Instant::now();
    let fills = Deadline::after(PATIENCE).wait_until(|| {
        get(&one, &Request::get(&format!("/d/{}", since.elapsed().as_nanos())));
        keys(&store) > 0
    });
    assert!(fills, "{}", one.envoy.log());
}

#[test]
fn a_slow_redis_costs_a_request_its_budget_and_soon_nothing() {
    let store = Store::start();
    let one = proxy(&store);
    wait_for_level(&one);
    store.redis.call(&["CLIENT", "PAUSE", "8000", "ALL"]).unwrap();
    let since = Instant::now();
    for number in 0..20 {
        assert_eq!(get(&one, &Request::get(&format!("/s/{number}"))).body, b"own");
    }
    // Three wait for half a second each; then it is left alone.
    assert!(since.elapsed() < Duration::from_secs(4), "{:?}", since.elapsed());
    assert!(one.envoy.wait_for_log("second level does not answer"));
}

#[test]
fn an_upstash_bridge_carries_any_bytes() {
    let redis = Redis::start().unwrap();
    let bridge = Upstash::start(redis.address(), "token");
    let member = || {
        let scenario = Scenario::new(&[("cache", &config("upstash"))]).environment("STATE_PASSWORD", "token");
        scenario.cluster_at("state", bridge.address()).envoy_only("the host reaches no Redis").envoy().unwrap()
    };
    let (one, other) = (member(), member());
    let binary: Vec<u8> = (0..=255_u8).cycle().take(5000).collect();
    one.origin.answer(None, Reply::status(200).header("cache-control", "max-age=600").body(binary.clone()));
    get(&one, &Request::get("/a"));
    wait_for_level(&other);
    let came = Deadline::after(PATIENCE).wait_until(|| {
        let asked = Request::get("/a").header("cache-control", "only-if-cached");
        get(&other, &asked).body == binary
    });
    assert!(came, "{}", other.envoy.log());
}

#[test]
fn a_fleet_shares_searches_and_ends_them_together() {
    let store = Store::start();
    let (one, other) = (proxy(&store), proxy(&store));
    let search = |tier: &str, body: &str| {
        let request = Request::new("POST", "/search").header("host", "test").header("x-weir-tier", tier);
        request.header("content-type", "application/json").body(body)
    };
    answers(&one, "old");
    answers(&other, "new");
    wait_for_level(&one);
    wait_for_level(&other);
    assert_eq!(get(&one, &search("pro", r#"{"a": 1, "b": 2}"#)).body, b"old");
    // By what the URL varies, and the answer.
    holds(&store, 2);
    let before = other.origin.received().len();
    let shared = get(&other, &search("pro", r#"{"b": 2, "a": 1}"#));
    assert_eq!((shared.body.as_slice(), other.origin.received().len()), (b"old".as_slice(), before));
    for (tier, body) in [("free", r#"{"a": 1, "b": 2}"#), ("pro", r#"{"a": 1, "b": "2"}"#)] {
        assert_eq!(get(&other, &search(tier, body)).body, b"new", "{tier} {body}");
    }
    // What is told apart has no directory in which another proxy could look for it.
    let changed = Request::new("PUT", "/search").header("host", "test").body("x");
    assert_eq!(get(&one, &changed).status, 200);
    settles(&other, &search("pro", r#"{"a": 1, "b": 2}"#), b"new");
}
