//! A policy's breakers, fallbacks and retries as `weir` renders them, in a real Envoy.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unwrap_used)]

#[path = "standby/retries.rs"]
mod retries;

use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use proxy::deadline::Deadline;
use proxy::origin::{Origin, Reply};
use proxy::{Answer, Envoy, Request, client};
use suite::module;
use weir::document::{self, Reading};
use weir::envoy::{Plan, bootstrap};

/// How long something may take that comes about by itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// A gateway in front of two upstreams, `a` below `/api` and `b` below `/b`.
struct Gateway {
    envoy: Envoy,
    a: Origin,
    b: Origin,
}

impl Gateway {
    /// `of_a` and `of_b` are what the upstreams say beside their URL, `of_route` what the routes say.
    fn start(of_a: &str, of_b: &str, of_route: &str) -> Self {
        let (a, b) = (Origin::start(), Origin::start());
        let policy = format!(
            "version: 1\nlisten: 127.0.0.1:0\nadmin: 127.0.0.1:0\nupstreams:\n  \
             a: {{url: http://{}/one, {of_a}}}\n  b: {{url: http://{}/two, {of_b}}}\n\
             routes:\n  - {{match: /api/*, upstream: a, strip: /api{of_route}}}\n  \
             - {{match: /b/*, upstream: b, strip: /b{of_route}}}\n",
            a.address(),
            b.address(),
        );
        let document = document::read(Path::new("policy.yaml"), policy.as_bytes(), &Reading::default())
            .unwrap_or_else(|refused| panic!("{}", refused.render(false)));
        let plan = Plan { policy: &document.policy, filters: &document.filters, wasm: &module::folder() };
        let rendered = bootstrap::standalone(&plan).to_string();
        let envoy = Envoy::start(&rendered).unwrap_or_else(|failure| panic!("{failure}"));
        Self { envoy, a, b }
    }

    fn send(&self, request: &Request) -> Answer {
        client::call(self.envoy.address(), request).expect("an answer")
    }

    fn ask(&self, path: &str) -> Answer {
        self.send(&Request::get(path))
    }

    /// Asks until the status is this one.
    fn ask_until(&self, path: &str, status: u16) -> Answer {
        let begun = Instant::now();
        loop {
            let answer = self.ask(path);
            if answer.status == status {
                return answer;
            }
            assert!(begun.elapsed() < PATIENCE, "{} instead of {status}", answer.status);
        }
    }

    /// How many requests each upstream has received.
    fn received(&self) -> [usize; 2] {
        [&self.a, &self.b].map(|origin| origin.received().len())
    }
}

fn reply(status: u16, body: &str) -> Reply {
    Reply::status(status).header("content-type", "text/plain").body(body)
}

#[test]
fn another_upstream_stands_in_at_its_own_address_and_with_its_own_headers() {
    let gateway = Gateway::start(
        "retry: off, headers: {x-for: a}, breaker: {consecutive_failures: 1, fallback: {upstream: b}}",
        "retry: off, headers: {x-for: b}",
        "",
    );
    gateway.a.answer(None, reply(500, "broken"));
    gateway.b.answer(None, reply(200, "from b"));
    assert_eq!(gateway.ask("/api/x?y=1").status, 500);
    let request = Request::new("POST", "/api/x?y=1").header("authorization", "Bearer caller").body("some");
    let answer = gateway.send(&request);
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"from b".as_slice()));
    assert_eq!(answer.text("x-weir-fallback").as_deref(), Some("upstream"));
    assert_eq!(gateway.received(), [1, 1]);
    let seen = gateway.b.received().pop().expect("a request");
    assert_eq!(
        [seen.method, seen.target, seen.body.concat()],
        [b"POST".to_vec(), b"/two/x?y=1".to_vec(), b"some".to_vec()]
    );
    let headers = seen.headers;
    let said = |name: &str| headers.iter().find(|(found, _)| found == name.as_bytes()).map(|(_, value)| value);
    assert_eq!(said("x-for").map(Vec::as_slice), Some(b"b".as_slice()));
    assert_eq!(said("host").map(Vec::as_slice), Some(gateway.b.address().to_string().as_bytes()));
    assert_eq!(said("authorization"), None, "a third party learns nothing of the caller's credentials");
}

#[test]
fn a_client_cannot_have_its_request_sent_elsewhere() {
    let gateway = Gateway::start("retry: off, breaker: {fallback: {upstream: b}}", "retry: off", "");
    let request = Request::get("/api/x").header("x-weir-fallback", "b").header("weir.fallback", "b");
    assert_eq!(gateway.send(&request).status, 200);
    assert_eq!(gateway.received(), [1, 0]);
}

#[test]
fn an_answer_of_the_operator_s_arrives_as_it_was_written() {
    let gateway = Gateway::start(
        r#"retry: off, breaker: {consecutive_failures: 1, fallback: {static: {status: 503, headers: {content-type: text/html}, body: "<p>later"}}}"#,
        "",
        "",
    );
    gateway.a.answer(None, reply(500, "broken"));
    assert_eq!(gateway.ask("/api/x").status, 500);
    let answer = gateway.ask("/api/x");
    assert_eq!((answer.status, answer.body.as_slice()), (503, b"<p>later".as_slice()));
    assert_eq!(answer.text("content-type").as_deref(), Some("text/html"));
    assert_eq!(answer.text("retry-after").as_deref(), Some("60"));
    assert!(answer.text("x-request-id").is_some());
}

#[test]
fn what_is_stored_stands_in_for_as_long_as_the_policy_says() {
    let gateway = Gateway::start(
        "retry: off, breaker: {consecutive_failures: 1, fallback: {stale: 1h}}",
        "",
        ", cache: {ttl: 1s, shared: true}",
    );
    gateway.a.answer(None, reply(200, "old"));
    assert_eq!(gateway.ask("/api/x").body, b"old");
    gateway.a.answer(None, reply(500, "broken"));
    assert_eq!(gateway.ask("/api/y").status, 500);
    let begun = Instant::now();
    loop {
        let answer = gateway.ask("/api/x");
        assert_eq!((answer.status, answer.body.as_slice()), (200, b"old".as_slice()));
        if answer.text("cache-status").is_some_and(|said| said.contains("stale-if-error")) {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "it is never stale");
    }
    assert_eq!(gateway.received(), [2, 0]);
    let answer = gateway.ask("/api/z");
    assert_eq!(answer.status, 503, "nothing is stored of it");
}

/// Has an upstream fail once what is stored of it is stale, and be well after that; asks all the while.
fn outage(gateway: &Gateway, (path, origin): (&str, &Origin), failure: Reply, refusal: u16) {
    origin.answer(None, reply(200, "old"));
    assert_eq!(gateway.ask(path).body, b"old");
    let status = failure.status;
    origin.answer(None, failure);
    let mut fates = Vec::new();
    let is_well = Deadline::after(PATIENCE).wait_until(|| {
        let answer = gateway.ask(path);
        if answer.body == b"new" {
            return true;
        }
        assert_eq!((answer.status, answer.body.as_slice()), (200, b"old".as_slice()));
        fates.extend(answer.text("cache-status").filter(|fate| !fate.contains("hit")));
        if fates.len() == 1 {
            origin.answer(None, reply(200, "new"));
        }
        false
    });
    assert!(is_well, "it is never fresh: {fates:?}");
    let says = |fate: &String, status: u16| {
        fate.contains(&format!("fwd=stale; fwd-status={status}")) && fate.contains("detail=stale-if-error")
    };
    assert!(fates.len() > 1 && says(&fates[0], status), "{fates:?}");
    assert!(fates[1..].iter().all(|fate| says(fate, refusal)), "{fates:?}");
    let arrivals = origin.arrivals();
    assert_eq!(arrivals.len(), 3, "what was stored, what failed, and what is new");
    let waited = arrivals[2] - arrivals[1];
    assert!(waited >= Duration::from_secs(3), "{path}: {waited:?}");
}

#[test]
fn what_is_stored_stands_in_while_the_upstream_is_left_alone_and_what_is_new_after_that() {
    let gateway = Gateway::start(
        "retry: off, slow_down: {learn: [retry_after]}",
        "retry: off, breaker: {consecutive_failures: 1, open_for: 3s, close_after: 1}",
        ", cache: {ttl: 1s, shared: true, stale_if_error: 1h}",
    );
    outage(&gateway, ("/api/x", &gateway.a), reply(429, "slow").header("retry-after", "3"), 429);
    outage(&gateway, ("/b/x", &gateway.b), reply(500, "broken"), 503);
}

#[test]
fn what_may_be_stale_by_its_own_word_stands_in_while_the_upstream_is_left_alone() {
    let gateway = Gateway::start("retry: off, slow_down: {learn: [retry_after]}", "", ", cache: {shared: true}");
    let stored = "max-age=1, stale-if-error=3600";
    gateway.a.answer(None, reply(200, "old").header("cache-control", stored));
    assert_eq!(gateway.ask("/api/x").body, b"old");
    gateway.a.answer(None, reply(429, "slow").header("retry-after", "60"));
    assert_eq!(gateway.ask("/api/y").status, 429);
    let is_stale = Deadline::after(PATIENCE).wait_until(|| {
        let answer = gateway.ask("/api/x");
        assert_eq!((answer.status, answer.body.as_slice()), (200, b"old".as_slice()));
        answer.text("cache-status").is_some_and(|said| said.contains("stale-if-error"))
    });
    assert!(is_stale, "it is never stale");
    let answer = gateway.ask("/api/z");
    assert_eq!(
        (answer.status, answer.text("x-weir-fallback").as_deref()),
        (429, Some("cooldown")),
        "nothing is stored"
    );
    assert_eq!(gateway.received(), [2, 0]);
}

#[test]
fn an_upstream_that_never_answers_opens_its_breaker_once_its_time_is_over() {
    let gateway =
        Gateway::start("timeout: 300ms, retry: off, breaker: {consecutive_failures: 1, open_for: 1h}", "", "");
    gateway.a.answer(None, reply(200, "late").held());
    for (status, code) in [(504, "TIMEOUT"), (503, "CIRCUIT_BREAKER_OPEN"), (503, "CIRCUIT_BREAKER_OPEN")] {
        let answer = gateway.ask("/api/x");
        let body = String::from_utf8_lossy(&answer.body);
        assert!(answer.status == status && body.contains(&format!(r#""code":"{code}""#)), "{} {body}", answer.status);
    }
    assert_eq!(gateway.received(), [1, 0]);
    gateway.a.release(None);
}

/// A third party that is asked four times for one request.
const RETRIED: &str = "retry: {times: 3, wait: 5ms, longest_wait: 10ms}, \
                       breaker: {consecutive_failures: 1, open_for: 300ms, close_after: 1}";

#[test]
fn a_probe_is_one_request_and_no_other_is_sent_while_the_breaker_is_open() {
    let gateway = Gateway::start(RETRIED, "", "");
    gateway.a.answer(None, reply(503, "broken"));
    assert_eq!(gateway.ask("/api/x").status, 503);
    assert_eq!(gateway.received(), [4, 0]);
    for probes in 1..=3 {
        let begun = Instant::now();
        while gateway.received() == [3 + probes, 0] {
            assert_eq!(gateway.ask("/api/x").status, 503);
            assert!(begun.elapsed() < PATIENCE, "no probe is sent");
        }
        assert!(begun.elapsed() > Duration::from_millis(200), "a probe is not retried");
        assert_eq!(gateway.received(), [4 + probes, 0]);
    }
    gateway.a.answer(None, reply(200, "well again"));
    gateway.ask_until("/api/x", 200);
    assert_eq!(gateway.received(), [8, 0]);
    gateway.a.answer(None, reply(503, "broken"));
    assert_eq!(gateway.ask("/api/x").status, 503);
    assert_eq!(gateway.received(), [12, 0], "closed, it is retried again");
}

#[test]
fn a_client_cannot_say_how_often_its_request_is_retried() {
    let gateway = Gateway::start("retry: {times: 2, wait: 5ms, longest_wait: 10ms}", "", "");
    gateway.a.answer(None, reply(503, "broken"));
    let request = Request::get("/api/x").header("x-envoy-max-retries", "0").header("x-envoy-retry-on", "5xx");
    assert_eq!(gateway.send(&request).status, 503);
    assert_eq!(gateway.received(), [3, 0]);
}

#[test]
fn what_another_try_would_not_change_is_sent_once() {
    let gateway = Gateway::start("retry: {times: 2, wait: 5ms, longest_wait: 10ms}", "", "");
    let mut received = 0;
    for (method, status, tries) in [("GET", 404, 1), ("GET", 400, 1), ("POST", 503, 1), ("GET", 503, 3)] {
        gateway.a.answer(None, reply(status, "no"));
        assert_eq!(gateway.send(&Request::new(method, "/api/x")).status, status);
        received += tries;
        assert_eq!(gateway.received(), [received, 0], "{method} {status}");
    }
}

#[test]
fn an_upstream_that_fails_under_load_is_not_asked_four_times_as_much() {
    let gateway = Gateway::start("retry: {times: 3, wait: 5ms, longest_wait: 10ms, budget: 10}", "", "");
    gateway.a.answer(None, reply(503, "broken").held());
    let address = gateway.envoy.address();
    thread::scope(|scope| {
        let ask = || client::call(address, &Request::get("/api/x")).expect("an answer").status;
        let calls: Vec<_> = (0..40).map(|_| scope.spawn(ask)).collect();
        assert_eq!(gateway.a.wait_for(40, PATIENCE), 40);
        gateway.a.answer(None, reply(503, "broken"));
        for call in calls {
            assert_eq!(call.join().expect("an answer"), 503);
        }
    });
    // A tenth of 40 at once, of which each is tried three times: without the budget it would be 160.
    let [received, _] = gateway.received();
    assert!((41..80).contains(&received), "{received}");
    assert!(gateway.envoy.stat("cluster.a.upstream_rq_retry_overflow").is_some_and(|refused| refused > 0));
}

#[test]
fn of_many_that_come_at_once_a_bulkhead_lets_as_many_through_as_it_says() {
    let gateway = Gateway::start("retry: off, breaker: {bulkhead: 3}", "", "");
    gateway.a.answer(None, reply(200, "slow").held());
    let address = gateway.envoy.address();
    let (answered, answers) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..60 {
            let answered = answered.clone();
            scope.spawn(move || answered.send(client::call(address, &Request::get("/api/x")).expect("an answer")));
        }
        for _ in 0..57 {
            let refused = answers.recv_timeout(PATIENCE).expect("who is refused does not wait");
            assert_eq!((refused.status, refused.text("retry-after").as_deref()), (503, Some("1")));
        }
        gateway.a.release(None);
        for _ in 0..3 {
            assert_eq!(answers.recv_timeout(PATIENCE).expect("an answer").status, 200);
        }
    });
    assert_eq!(gateway.received(), [3, 0]);
    gateway.ask_until("/api/x", 200);
}
