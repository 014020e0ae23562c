//! Retries: how many of them an upstream gets that dies, and how long they wait where it says for how long.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use proxy::{Client, Request};

use crate::{Gateway, PATIENCE, reply};

/// So many clients ask, each as soon as it is answered.
const CLIENTS: u64 = 16;
/// So many failures in a row open the breaker.
const FAILURES: u64 = 5;
/// So often a request is sent again.
const TIMES: u64 = 2;

/// Asks until the breaker refuses; how many requests the upstream has failed.
fn ask_until_refused(address: std::net::SocketAddr, passed: &AtomicUsize) -> u64 {
    let mut client = Client::connect(address).expect("Envoy listens");
    let mut failed = 0;
    loop {
        let answer = client.call(&Request::get("/api/x")).expect("an answer");
        match answer.status {
            200 => drop(passed.fetch_add(1, Ordering::Relaxed)),
            500 => failed += 1,
            503 if answer.body.windows(20).any(|part| part == b"CIRCUIT_BREAKER_OPEN") => return failed,
            other => panic!("{other}"),
        }
    }
}

#[test]
fn an_upstream_that_dies_under_load_gets_what_was_under_way_as_often_as_it_is_retried_and_no_more() {
    // As many retries at once as there are requests: a smaller budget only makes them fewer.
    let gateway = Gateway::start(
        &format!(
            "retry: {{times: {TIMES}, wait: 5ms, longest_wait: 10ms, budget: 100}}, \
             breaker: {{consecutive_failures: {FAILURES}, open_for: 1h}}"
        ),
        "",
        "",
    );
    gateway.a.answer(None, reply(200, "well"));
    let (address, passed) = (gateway.envoy.address(), AtomicUsize::new(0));
    let failed: u64 = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| ask_until_refused(address, &passed))).collect();
        assert!(gateway.a.wait_for(200, PATIENCE) >= 200);
        gateway.a.answer(None, reply(500, "broken"));
        clients.into_iter().map(|client| client.join().expect("a client")).sum()
    });
    // Nothing is under way any more: whatever will have reached the upstream has.
    let [received, _] = gateway.received();
    let retries = gateway.envoy.stat("cluster.a.upstream_rq_retry").unwrap_or_default();
    let tried = (received - passed.load(Ordering::Relaxed)) as u64;
    let told = format!("{tried} tries, {retries} of them retries, of {failed} requests that failed");
    assert!((FAILURES..=FAILURES + CLIENTS).contains(&failed), "each counts once, however often it was tried: {told}");
    assert_eq!(tried, failed + retries, "{told}");
    assert!(retries > 0 && retries <= failed * TIMES, "{told}");
}

#[test]
fn a_retry_comes_no_sooner_than_the_upstream_asks_for() {
    let gateway = Gateway::start(
        "retry: {times: 1, wait: 5ms, longest_wait: 5s}, slow_down: {learn: [ratelimit_headers]}",
        "",
        "",
    );
    let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock of this century").as_secs();
    for (name, value, is_heard) in [
        ("retry-after", "1", true),
        // For so long no client waits; a date is read by the cool-down alone.
        ("retry-after", "60", false),
        ("retry-after", "Wed, 21 Oct 2065 07:28:00 GMT", false),
        ("x-ratelimit-reset", "1", true),
        ("x-ratelimit-reset", "a moment", true),
        ("x-ratelimit-reset", "60", false),
    ] {
        let value = if value == "a moment" { (now() + 4).to_string() } else { value.to_owned() };
        let before = gateway.a.arrivals().len();
        let counted = |kind: &str| gateway.envoy.stat(&format!("cluster.a.upstream_rq_retry_backoff_{kind}"));
        let counts = || ["ratelimited", "exponential"].map(|kind| counted(kind).unwrap_or_default());
        let [heard, unheard] = counts();
        gateway.a.answer(None, reply(429, "slow").header(name, value.as_str()));
        assert_eq!(gateway.ask("/api/x").status, 429);
        let arrivals = gateway.a.arrivals();
        let waited = arrivals[before + 1] - arrivals[before];
        let expected = if is_heard { [heard + 1, unheard] } else { [heard, unheard + 1] };
        assert_eq!((counts(), arrivals.len()), (expected, before + 2), "{name}: {value}");
        assert!(!is_heard || waited >= Duration::from_secs(1), "{name}: {value}: {waited:?}");
    }
}

#[test]
fn an_upstream_that_names_a_date_is_left_alone_until_then_and_not_tried_again() {
    let gateway = Gateway::start("retry: {times: 3, wait: 5ms}, slow_down: {learn: [retry_after]}", "", "");
    // The upstream's clock may be another: its date is compared with its own.
    let dates = ["Wed, 21 Oct 2065 07:28:00 GMT", "Wed, 21 Oct 2065 07:33:00 GMT"];
    gateway.a.answer(None, reply(429, "slow").header("date", dates[0]).header("retry-after", dates[1]));
    let answer = gateway.ask("/api/x");
    assert_eq!((answer.status, answer.text("retry-after").as_deref()), (429, Some(dates[1])));
    gateway.a.answer(None, reply(200, "well"));
    for _ in 0..5 {
        let answer = gateway.ask("/api/x");
        let wait: u64 = answer.text("retry-after").and_then(|said| said.parse().ok()).expect("seconds");
        assert!(answer.status == 429 && (200..=300).contains(&wait), "{answer:?}");
    }
    assert_eq!(gateway.received(), [1, 0]);
}
