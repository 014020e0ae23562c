//! What becomes of an order whose client leaves, whose upstream is silent, or whose worker dies.

use std::collections::BTreeSet;
use std::time::Duration;

use super::scenario;
use host::Request;

const ORDER: &str = r#"{"items":[{"productId":"a","quantity":1},{"productId":"b","quantity":1}]}"#;

#[test]
fn an_order_whose_client_leaves_goes_on_to_its_end() {
    scenario().check(&format!(
        r#"
        origin /inventory/reserve 201 hold body='{{"reservationId":"RES-1"}}'
        origin /pricing/calculate 409
        origin /inventory/release 200
        start POST /api/v1/orders body='{ORDER}' as order
        saw POST /inventory/reserve
        leave order
        release
        # The second reservation, a price that is refused, and both releases.
        saw 4
        "#
    ));
}

#[test]
fn a_release_that_fails_is_tried_until_it_is_cried_out() {
    scenario().check(&format!(
        r#"
        origin /inventory/reserve 201 body='{{"reservationId":"RES-7"}}'
        origin /pricing/calculate 500
        origin /inventory/release 500
        POST /api/v1/orders body='{ORDER}' -> 502 body.error.message="price[0] failed: the upstream answered 500"
        !log~"was not taken back"
        advance 11m
        advance 1m
        log~"of order was not taken back"
        log~"RES-7"
        metric api_gateway_compose_alarms_total >=2
        "#
    ));
}

#[test]
fn what_the_proxy_itself_answers_neither_releases_nor_reserves() {
    let order = r#"{"items":[{"productId":"a","quantity":1}]}"#;
    for mark in ["x-weir-local=1", "x-weir-fallback=static", "x-weir-fallback=upstream"] {
        scenario().check(&format!(
            r#"
            origin /inventory/reserve 201 body='{{"reservationId":"RES-1"}}'
            origin /pricing/calculate 422
            origin /inventory/release 404 {mark}
            POST /api/v1/orders body='{order}' -> 422
            saw POST /inventory/release
            # There is no route, or something stands in: it is tried again, and the upstream itself may say that there is nothing.
            saw POST /inventory/release
            origin /inventory/release 200 {mark} body='{{}}'
            saw POST /inventory/release
            origin /inventory/release 404
            saw POST /inventory/release
            "#
        ));
        scenario().check(&format!(
            r#"
            origin /inventory/reserve 200 {mark} hold body='{{"reservationId":"RES-0"}}'
            start POST /api/v1/orders body='{order}' as order
            saw POST /inventory/reserve
            origin /inventory/reserve 201 body='{{"reservationId":"RES-1"}}'
            origin /inventory/release 200
            release
            # The upstream itself is asked what was done, and that is released.
            saw 2
            finish order -> 503 body.error.message="reserve[0] failed: the upstream itself gave no answer"
            "#
        ));
    }
}

#[test]
fn an_answer_after_the_deadline_is_released_when_it_comes() {
    scenario().check(&format!(
        r#"
        origin /inventory/reserve 201 hold body='{{"reservationId":"RES-1"}}'
        origin /inventory/release 200
        start POST /api/v1/orders body='{ORDER}' as order
        saw POST /inventory/reserve
        advance 6s
        finish order -> 504 body.error.code=TIMEOUT body.error.message="reserve[0] failed: it took too long"
        saw nothing
        release
        saw POST /inventory/release body='{{"reservationId":"RES-1"}}'
        "#
    ));
}

/// The order is under way when its worker dies; another worker takes back what it may have done.
#[test]
fn another_worker_takes_back_what_a_dead_one_did() {
    let mut stage = scenario().host().expect("the host starts");
    let order = Request::new("POST", "/api/v1/orders").header("x-request-id", "r1").body(ORDER);
    suite::stage::Stage::answer(&mut stage, Some("/inventory/reserve"), held(201, r#"{"reservationId":"RES-1"}"#));
    suite::stage::Stage::answer(&mut stage, Some("/inventory/release"), whole(200, "{}"));
    let host = &mut stage.host;
    host.send(0, order);
    host.advance(Duration::from_millis(10));
    let calls = host.held();
    assert_eq!((calls.len(), calls[0].path()), (1, "/inventory/reserve"));
    host.crash(0, "compose");
    host.advance(Duration::from_secs(5));
    assert_eq!(host.arrivals().len(), 1, "the dead worker's hold has not ended");
    suite::stage::Stage::answer(&mut stage, Some("/inventory/reserve"), whole(201, r#"{"reservationId":"RES-1"}"#));
    let host = &mut stage.host;
    for _ in 0..20 {
        host.advance(Duration::from_secs(1));
    }
    let arrivals: Vec<_> =
        host.arrivals().iter().skip(1).map(|arrival| (arrival.path().to_owned(), text(&arrival.body))).collect();
    let again = r#"{"orderId":"ORDER-r1","productId":"a","quantity":1}"#.to_owned();
    let release = r#"{"reservationId":"RES-1"}"#.to_owned();
    assert_eq!(arrivals, [("/inventory/reserve".to_owned(), again), ("/inventory/release".to_owned(), release)]);
    let keys: Vec<_> =
        host.arrivals().iter().map(|arrival| arrival.headers.first("idempotency-key").map(<[u8]>::to_vec)).collect();
    assert_eq!(keys[0], keys[1], "the same request again");
}

/// What a worker takes over was begun by the policy as it was then, and it has another one: what was done is released still, or cried
/// out where nobody knows any more what was done, or how it is taken back.
#[test]
fn what_was_done_by_another_policy_is_released_or_cried_out() {
    let old = super::PRODUCTS;
    let first = r#"{"name": "reserve","#;
    let inserted = old.replace(first, &[r#"{"name": "stock", "call": "GET /stock"},"#, first].concat());
    let renamed = old.replace("\"reserve\"", "\"hold\"").replace("${reserve}", "${hold}");
    let moved = old.replace("POST /inventory/", "POST /elsewhere/");
    let other = old.replace("${self/reservationId}", "${self/other}");
    let unknown = old.replace(r#""repeatable": true,"#, "");
    for (name, policy, is_cried_out_of_doubt) in [
        ("inserted", &inserted, false),
        ("renamed", &renamed, true),
        ("moved", &moved, false),
        ("other", &other, true),
        ("unknown", &unknown, true),
    ] {
        assert_ne!(policy, old, "{name}");
        let (released, alarms) = taken_over("/pricing/calculate", policy);
        assert_eq!((released, alarms), (2, 0), "{name}: both are known");
        let (released, alarms) = taken_over("/inventory/reserve", policy);
        let expected = if is_cried_out_of_doubt { (0, 1) } else { (1, 0) };
        assert_eq!((released, alarms), expected, "{name}: one is in doubt");
    }
}

/// How many releases and how many alarms there are after an order has lost its worker while it called `last`, and there is another policy.
fn taken_over(last: &str, policy: &str) -> (usize, u64) {
    let mut stage = scenario().host().expect("the host starts");
    let good = |path: &str| match path {
        "/pricing/calculate" => r#"{"finalPrice":1}"#,
        _ => r#"{"reservationId":"RES-1"}"#,
    };
    for path in ["/inventory/reserve", "/pricing/calculate", "/inventory/release", "/elsewhere/release"] {
        let reply = if path == last { held(200, good(path)) } else { whole(200, good(path)) };
        suite::stage::Stage::answer(&mut stage, Some(path), reply);
    }
    let host = &mut stage.host;
    host.send(0, Request::new("POST", "/api/v1/orders").body(ORDER));
    host.advance(Duration::from_millis(10));
    assert_eq!(host.held().len(), 1);
    host.crash(0, "compose");
    host.reload("compose", policy).expect("the policy is good");
    suite::stage::Stage::answer(&mut stage, Some(last), whole(200, good(last)));
    let host = &mut stage.host;
    for _ in 0..20 {
        host.advance(Duration::from_secs(1));
    }
    let releases = |path: &str| host.arrivals().iter().filter(|arrival| arrival.path() == path).count();
    let alarms = host.metric("api_gateway_compose_alarms_total").unwrap_or_default();
    (releases("/inventory/release") + releases("/elsewhere/release"), alarms)
}

/// Memory that fails in the middle of an order: what is not written down is not done, and what is not struck out is not confirmed.
#[test]
fn an_order_that_cannot_be_written_down_is_taken_back_whole() {
    for workers in 1..=2 {
        play_without_memory(workers);
    }
}

fn play_without_memory(workers: usize) {
    let (mut confirmed, mut released_at_most) = (Vec::new(), 0);
    for changes in 0..14 {
        let mut stage = scenario().workers(workers).host().expect("the host starts");
        let reserved = whole(201, r#"{"reservationId":"RES-1"}"#);
        suite::stage::Stage::answer(&mut stage, Some("/inventory/reserve"), reserved);
        suite::stage::Stage::answer(&mut stage, Some("/pricing/calculate"), whole(200, r#"{"finalPrice":1}"#));
        suite::stage::Stage::answer(&mut stage, Some("/inventory/release"), whole(200, "{}"));
        let host = &mut stage.host;
        host.limit_shared_changes(changes);
        let request = Request::new("POST", "/api/v1/orders").header("idempotency-key", "k").body(ORDER);
        let order = host.send(0, request.clone()).stream;
        host.advance(Duration::from_millis(10));
        let status = host.exchange(order).status();
        let done = |host: &host::Host, path: &str| -> BTreeSet<String> {
            let calls = host.arrivals().iter().filter(|arrival| arrival.path() == path);
            let keys = calls.filter_map(|arrival| arrival.header("idempotency-key"));
            keys.filter_map(|key| Some(key.rsplit_once('-')?.0.to_owned())).collect()
        };
        let before = done(host, "/inventory/reserve");
        host.limit_shared_changes(usize::MAX);
        for _ in 0..20 {
            host.advance(Duration::from_secs(1));
        }
        let released = done(host, "/inventory/release");
        match status {
            Some(200) => assert!(released.is_empty(), "{changes}: a confirmed order is released"),
            status => assert_eq!((status, &released), (Some(503), &before), "{changes}: {:?}", host.log()),
        }
        let open = host.shared_keys("weir").into_iter().filter(|key| key.starts_with(b"weir.compose.run."));
        let open = open.filter(|key| host.shared_data("weir", key).is_some_and(|run| !run.is_empty())).count();
        assert_eq!(open, 0, "{changes} of {workers}: a place is kept for ever");
        confirmed.push(status == Some(200));
        released_at_most = released_at_most.max(released.len());
        // Its answer is kept as soon as there is memory again, and whichever worker is asked then has it.
        for worker in (0..workers).filter(|_| status == Some(200)) {
            let again = host.send(worker, request.clone()).stream;
            host.advance(Duration::from_millis(10));
            assert_eq!(host.exchange(again).text(), host.exchange(order).text(), "{changes} of {workers}: {worker}");
            assert_eq!(done(host, "/inventory/reserve"), before, "{changes} of {workers}: it is ordered twice");
        }
    }
    assert_eq!((confirmed[0], confirmed[13], released_at_most), (false, true, 2));
    assert!(confirmed.is_sorted(), "{confirmed:?}");
}

/// Where memory does not come back, the worker that answered still has the answer, and another's repetition is cried out.
#[test]
fn an_answer_that_cannot_be_kept_is_cried_out() {
    let brief = super::PRODUCTS.replace(r#""idempotency": {}"#, r#""idempotency": {"lifetime": "1m"}"#);
    let scenario = suite::Scenario::new(&[("compose", &brief)]).cluster("weir_internal").workers(1);
    let mut stage = scenario.host().expect("the host starts");
    suite::stage::Stage::answer(&mut stage, Some("/inventory/reserve"), whole(201, r#"{"reservationId":"RES-1"}"#));
    suite::stage::Stage::answer(&mut stage, Some("/pricing/calculate"), held(200, r#"{"finalPrice":1}"#));
    let host = &mut stage.host;
    let request = Request::new("POST", "/api/v1/orders")
        .header("idempotency-key", "k")
        .body(ORDER.replace(",{\"productId\":\"b\",\"quantity\":1}", ""));
    let order = host.send(0, request.clone()).stream;
    host.advance(Duration::from_millis(10));
    let call = host.held()[0].call;
    // What is written down can be struck out, and no more.
    host.limit_shared_changes(1);
    host.release(call, host::Answer::status(200).body(r#"{"finalPrice":1}"#));
    host.advance(Duration::from_millis(10));
    assert_eq!(host.exchange(order).status(), Some(200));
    host.advance(Duration::from_secs(20));
    let again = host.send(0, request).stream;
    assert_eq!(host.exchange(again).text(), host.exchange(order).text());
    let alarms = |host: &host::Host| host.metric("api_gateway_compose_alarms_total").unwrap_or_default();
    assert_eq!(alarms(host), 0);
    for _ in 0..60 {
        host.advance(Duration::from_secs(1));
    }
    assert_eq!(alarms(host), 1);
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(super) fn whole(status: u16, body: &str) -> proxy::Reply {
    let mut reply = proxy::Reply::status(status);
    reply.body = vec![body.as_bytes().to_vec()];
    reply
}

pub(super) fn held(status: u16, body: &str) -> proxy::Reply {
    proxy::Reply { held: true, ..whole(status, body) }
}
