//! RFC 5861 §3 by the proxy's own requests: a stale response answers at once, and no client waits for its refresh.

use std::time::Instant;

use proxy::deadline::{Deadline, PATIENCE};
use proxy::{Client, Reply, Request};
use suite::{EnvoyStage, Scenario};

/// The way back in.
const BACK: &str = "weir_internal";
const REFRESHING: &str =
    r#"{"routes": [{"match": {}, "upstream": "a"}], "refresh": {"cluster": "weir_internal", "timeout": "5s"}}"#;

#[track_caller]
fn refreshing(chain: &[(&str, &str)], lines: &str) {
    Scenario::new(chain).back(BACK).check(lines);
}

#[test]
fn a_stale_response_answers_at_once_and_is_refreshed_beside() {
    refreshing(
        &[("cache", REFRESHING)],
        r#"
        origin 200 cache-control="max-age=1, stale-while-revalidate=3600" age=100 etag='"v1"' content-type=a/b body=old
        GET /a x-a=b -> 200 body=old
        saw GET /a
        origin 304 cache-control=max-age=600 hold
        3 times GET /a x-a=b range="bytes=0-0" -> 206 body=o cache-status~/^weir; hit; ttl=-\d+$/
        saw GET /a x-a=b if-none-match='"v1"' !range !x-weir-refresh host=test
        5 times GET /a -> 200 body=old cache-status~/^weir; hit; ttl=-\d+$/
        saw nothing
        release
        eventually GET /a -> 200 body=old cache-status~/^weir; hit; ttl=\d+$/
        saw nothing
        metric api_gateway_cache_refreshes_total{outcome=done} 1
        metric api_gateway_cache_refreshes_total{outcome=failed} 0
    "#,
    );
}

#[test]
fn a_refresh_brings_a_new_response() {
    refreshing(
        &[("correlation", "{}"), ("cache", REFRESHING)],
        r#"
        origin 200 cache-control="max-age=1, stale-while-revalidate=3600" age=100 vary=x-kind body=old
        GET /a x-kind=1 -> 200 body=old
        GET /a x-kind=2 -> 200 body=old
        saw 2
        origin 200 cache-control=max-age=600 vary=x-kind body="new and longer"
        GET /a x-kind=1 x-correlation-id=mine -> 200 body=old
        saw GET /a x-kind=1 x-correlation-id=mine
        eventually GET /a x-kind=1 -> 200 body="new and longer"
        saw nothing
        GET /a x-kind=2 -> 200 body=old
        saw GET /a x-kind=2
        eventually GET /a x-kind=2 -> 200 body="new and longer"
    "#,
    );
}

#[test]
fn a_refresh_that_fails_is_not_repeated_at_once() {
    refreshing(
        &[("cache", REFRESHING)],
        r#"
        origin 200 cache-control="max-age=1, stale-while-revalidate=3600, stale-if-error=3600" age=100 body=old
        GET /a -> 200 body=old
        saw 1
        origin 503 body=away
        GET /a -> 200 body=old
        saw 1
        metric api_gateway_cache_refreshes_total{outcome=failed} 1
        10 times GET /a -> 200 body=old cache-status~hit
        saw nothing
        origin /b 200 cache-control="max-age=1, stale-while-revalidate=3600" age=100 body=old
        GET /b -> 200 body=old
        saw GET /b
        origin /b 200 cache-control=private body=new
        GET /b -> 200 body=old
        saw GET /b
        metric api_gateway_cache_refreshes_total{outcome=failed} 2
        10 times GET /b -> 200 body=old cache-status~hit
        saw nothing
    "#,
    );
}

#[test]
fn a_refresh_meets_an_open_breaker_as_any_request_does() {
    let breaker =
        r#"{"breakers": {"b": {"consecutive_failures": 1, "open_for": "1h"}}, "routes": [{"upstream": "b"}]}"#;
    refreshing(
        &[("cache", REFRESHING), ("breaker", breaker)],
        r#"
        origin /a 200 cache-control="max-age=1, stale-while-revalidate=3600" age=100 body=old
        GET /a -> 200 body=old
        origin /b 503 body=away
        GET /b -> 503
        saw 2
        GET /a -> 200 body=old cache-status~hit
        metric api_gateway_cache_refreshes_total{outcome=failed} 1
        10 times GET /a -> 200 body=old cache-status~hit
        saw nothing
    "#,
    );
}

#[test]
fn nobody_but_the_proxy_can_ask_for_a_refresh() {
    refreshing(
        &[("cache", REFRESHING)],
        r"
        origin 200 cache-control=max-age=600 body=x
        GET /a x-weir-refresh=1 -> 200 body=x
        saw GET /a !x-weir-refresh
        GET /a x-weir-refresh=00000000000000000000000000000000 -> 200 body=x cache-status~hit
        POST /a body=y x-weir-refresh=2 -> 200
        saw POST /a !x-weir-refresh
    ",
    );
}

#[test]
fn without_its_way_back_a_refresh_fails_and_stale_answers() {
    Scenario::new(&[("cache", REFRESHING)]).envoy_only("its log is looked at").check(
        r#"
        origin 200 cache-control="max-age=1, stale-while-revalidate=3600" age=100 body=old
        3 times GET /a -> 200 body=old
        metric api_gateway_cache_refreshes_total{outcome=failed} 1
        log~"refresh not sent"
        saw 1
    "#,
    );
}

fn stage(config: &str) -> EnvoyStage {
    Scenario::new(&[("cache", config)]).workers(4).back(BACK).envoy().expect("Envoy starts")
}

fn stale(body: &str) -> Reply {
    let words = "max-age=1, stale-while-revalidate=3600";
    Reply::status(200).header("cache-control", words).header("age", "100").body(body)
}

#[test]
fn under_load_one_refresh_is_sent_and_no_client_waits() {
    let stage = stage(REFRESHING);
    stage.origin.answer(None, stale("old"));
    let get = |path: &str| {
        let mut client = Client::connect(stage.envoy.address()).expect("Envoy listens");
        client.call(&Request::get(path)).expect("Envoy answers")
    };
    assert_eq!(get("/a").body, b"old");
    stage.origin.answer(None, Reply::status(200).header("cache-control", "max-age=600").body("new").held());
    let since = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..100).for_each(|_| assert_eq!(get("/a").body, b"old")));
        }
    });
    let took = since.elapsed();
    assert_eq!(stage.origin.wait_for(2, PATIENCE), 2);
    assert_eq!(stage.origin.received().len(), 2, "in {took:?}");
    stage.origin.release(None);
    assert!(Deadline::after(PATIENCE).wait_until(|| get("/a").body == b"new"));
    assert_eq!(stage.origin.received().len(), 2);
}

#[test]
fn so_many_refreshes_are_under_way_and_no_more_and_each_ends() {
    let config = REFRESHING.replace("\"timeout\": \"5s\"", "\"timeout\": \"1s\", \"max\": 2");
    let stage = stage(&config);
    stage.origin.answer(None, stale("old"));
    let get = |path: &str| {
        let mut client = Client::connect(stage.envoy.address()).expect("Envoy listens");
        client.call(&Request::get(path)).expect("Envoy answers")
    };
    for number in 0..40 {
        get(&format!("/{number}"));
    }
    stage.origin.answer(None, stale("new").held());
    for number in 0..40 {
        assert_eq!(get(&format!("/{number}")).body, b"old");
    }
    let counted = |outcome: &str| {
        stage.envoy.stat(&format!("wasmcustom.api_gateway_cache_refreshes_total_outcome_={outcome};")).unwrap_or(0)
    };
    let under_way = 40 - usize::try_from(counted("passed_over")).expect("forty at most");
    assert!((1..=8).contains(&under_way), "{under_way} on four workers");
    assert_eq!(stage.origin.wait_for(40 + under_way, PATIENCE), 40 + under_way);
    let failed = || counted("failed");
    let ended = Deadline::after(PATIENCE).wait_until(|| failed() >= u64::try_from(under_way).unwrap_or(0));
    assert!(ended, "{}", stage.envoy.admin("/stats?filter=api_gateway_cache"));
}
