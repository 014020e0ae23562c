//! `Idempotency-Key`: what was answered under a key is answered again, whatever worker is asked.

use std::collections::BTreeSet;
use std::time::Duration;

use super::fate::{held, whole};
use super::{PRODUCTS, scenario};
use suite::Scenario;
use suite::stage::Stage;

const ORDER: &str = r#"{"items":[{"productId":"a","quantity":1}]}"#;

#[test]
fn a_repeated_order_is_answered_as_the_first_was() {
    scenario().check(&format!(
        r#"
        origin /inventory/reserve 201 body='{{"reservationId":"RES-1"}}'
        origin /pricing/calculate 200 body='{{"finalPrice":"0.10"}}'
        origin /inventory/release 200
        POST /api/v1/orders @1 x-correlation-id=first idempotency-key='"k1"' x-weir-user=alice body='{ORDER}' -> 200 body.orderId=ORDER-first
        saw 2
        POST /api/v1/orders @2 x-correlation-id=second idempotency-key=k1 x-weir-user=alice body='{ORDER}' \
            -> 200 body.orderId=ORDER-first x-weir-completeness=complete content-type=application/json
        POST /api/v1/orders idempotency-key=k1 x-weir-user=alice body='{{"items":[{{"productId":"a","quantity":2}}]}}' \
            -> 422 body.error.message="idempotency-key: was used for another request"
        POST /api/v1/orders idempotency-key="a b" body='{ORDER}' -> 400 body.error.message~"idempotency-key: must be a text in quotes, or one word"
        POST /api/v1/orders idempotency-key=a idempotency-key=b body='{ORDER}' -> 400
        saw nothing
        # Another user's key is another key; a failure is an answer, too.
        origin /pricing/calculate 404
        POST /api/v1/orders idempotency-key=k1 x-weir-user=bob body='{ORDER}' -> 404 body.error.message="price[0] failed: the upstream answered 404"
        saw 3
        POST /api/v1/orders idempotency-key=k1 x-weir-user=bob body='{ORDER}' -> 404 body.error.message="price[0] failed: the upstream answered 404"
        saw nothing
        # What it was, it is again, whatever the second one asks for.
        POST /api/v1/orders @1 idempotency-key=k2 accept=application/problem+json x-weir-user=alice body='{ORDER}' \
            -> 404 content-type=application/problem+json body.status=404
        POST /api/v1/orders @2 idempotency-key=k2 x-weir-user=alice body='{ORDER}' -> 404 content-type=application/problem+json body.status=404
        "#
    ));
}

#[test]
fn one_that_comes_while_the_first_is_under_way_waits_or_is_refused() {
    let story = |second: &str| {
        format!(
            r#"
            origin /inventory/reserve 201 hold body='{{"reservationId":"RES-1"}}'
            origin /pricing/calculate 200 body='{{"finalPrice":"0.10"}}'
            start POST /api/v1/orders @1 x-correlation-id=first idempotency-key=k body='{ORDER}' as first
            saw POST /inventory/reserve
            {second}
            "#
        )
    };
    let refused = format!(
        "POST /api/v1/orders @2 idempotency-key=k body='{ORDER}' -> 409 body.error.code=CONFLICT\nrelease\nfinish first -> 200"
    );
    scenario().check(&story(&refused));
    let waits = PRODUCTS.replace(r#""idempotency": {}"#, r#""idempotency": {"wait": "3s"}"#);
    let both = format!(
        "start POST /api/v1/orders @2 idempotency-key=k body='{ORDER}' as second\nrelease\nfinish first -> 200 body.orderId=ORDER-first\n\
         finish second -> 200 body.orderId=ORDER-first\nsaw POST /pricing/calculate\nsaw nothing"
    );
    Scenario::new(&[("compose", &waits)]).cluster("weir_internal").check(&story(&both));
}

#[test]
fn a_client_that_left_finds_its_order_under_its_key() {
    scenario().check(&format!(
        r#"
        origin /inventory/reserve 201 hold body='{{"reservationId":"RES-1"}}'
        origin /pricing/calculate 200 body='{{"finalPrice":"0.10"}}'
        start POST /api/v1/orders x-correlation-id=first idempotency-key=k body='{ORDER}' as first
        saw POST /inventory/reserve
        leave first
        release
        saw POST /pricing/calculate
        eventually POST /api/v1/orders idempotency-key=k body='{ORDER}' -> 200 body.orderId=ORDER-first
        saw nothing
        "#
    ));
}

#[test]
fn a_key_may_be_demanded() {
    let strict = PRODUCTS.replace(r#""idempotency": {}"#, r#""idempotency": {"required": true}"#);
    Scenario::new(&[("compose", &strict)]).cluster("weir_internal").check(&format!(
        "POST /api/v1/orders body='{ORDER}' -> 400 body.error.message=\"idempotency-key: is missing\"\nsaw nothing"
    ));
}

/// What the draft (draft-ietf-httpapi-idempotency-key-header-06) says of a key, clause by clause; the others stand above.
#[test]
fn a_key_is_what_the_draft_calls_one_and_is_its_users_and_its_requests_own() {
    scenario().check(&format!(
        r#"
        origin /inventory/reserve 201 body='{{"reservationId":"RES-1"}}'
        origin /pricing/calculate 200 body='{{"finalPrice":"0.10"}}'
        # 2.1: a string of a structured field, whose quotes and escapes are no part of it.
        POST /api/v1/orders idempotency-key='"a, \"b\""' x-weir-user=u x-correlation-id=one body='{ORDER}' -> 200
        POST /api/v1/orders idempotency-key='"a, \"b\""' x-weir-user=u body='{ORDER}' -> 200 body.orderId=ORDER-one
        saw 2
        POST /api/v1/orders idempotency-key='"a' body='{ORDER}' -> 400
        POST /api/v1/orders idempotency-key='"a\b"' body='{ORDER}' -> 400
        POST /api/v1/orders idempotency-key='"a";p=1' body='{ORDER}' -> 400
        POST /api/v1/orders idempotency-key='""' body='{ORDER}' -> 400
        POST /api/v1/orders idempotency-key="\xc3\xa9" body='{ORDER}' -> 400
        POST /api/v1/orders idempotency-key="k"*256 body='{ORDER}' -> 400
        POST /api/v1/orders idempotency-key=a,b body='{ORDER}' -> 400
        saw nothing
        # 2.2, 5: nobody else's answer, whoever is called alike.
        POST /api/v1/orders idempotency-key=k x-weir-user=u x-correlation-id=user body='{ORDER}' -> 200 body.orderId=ORDER-user
        POST /api/v1/orders idempotency-key=k x-weir-user=v x-correlation-id=other body='{ORDER}' -> 200 body.orderId=ORDER-other
        POST /api/v1/orders idempotency-key=k x-weir-api-key=u x-correlation-id=apikey body='{ORDER}' -> 200 body.orderId=ORDER-apikey
        POST /api/v1/orders idempotency-key=k x-correlation-id=nobody body='{ORDER}' -> 200 body.orderId=ORDER-nobody
        saw 8
        POST /api/v1/orders idempotency-key=k x-weir-user=u body='{ORDER}' -> 200 body.orderId=ORDER-user
        POST /api/v1/orders idempotency-key=k x-weir-user=v body='{ORDER}' -> 200 body.orderId=ORDER-other
        POST /api/v1/orders idempotency-key=k x-weir-api-key=u body='{ORDER}' -> 200 body.orderId=ORDER-apikey
        # 2.4, 2.7: another body, to the byte, or another path under it is another request.
        POST /api/v1/orders?a=1 idempotency-key=k x-weir-user=u body='{ORDER}' -> 422 body.error.code=UNPROCESSABLE
        POST /api/v1/orders idempotency-key=k x-weir-user=u body=' {ORDER}' -> 422
        saw nothing
        # Another operation has keys of its own, and one that asks for none looks at none.
        origin 200 body='{{"id":"a","basePrice":1}}'
        POST /api/v1/products/check idempotency-key=k x-weir-user=u body='{{"productIds":["a"]}}' -> 200 body.products.0.id=a
        POST /api/v1/products/check idempotency-key='"' x-weir-user=u body='{{"productIds":["b"]}}' -> 200
        saw 4
        "#
    ));
}

/// 2.3: keys expire, after a time that the policy says.
#[test]
fn a_key_is_forgotten_when_its_time_is_over() {
    let brief = PRODUCTS.replace(r#""idempotency": {}"#, r#""idempotency": {"lifetime": "1h"}"#);
    Scenario::new(&[("compose", &brief)]).cluster("weir_internal").check(&format!(
        r#"
        origin /inventory/reserve 201 body='{{"reservationId":"RES-1"}}'
        origin /pricing/calculate 200 body='{{"finalPrice":"0.10"}}'
        POST /api/v1/orders idempotency-key=k x-correlation-id=first body='{ORDER}' -> 200 body.orderId=ORDER-first
        advance 59m
        POST /api/v1/orders idempotency-key=k x-correlation-id=again body='{ORDER}' -> 200 body.orderId=ORDER-first
        saw 2
        advance 2m
        POST /api/v1/orders idempotency-key=k x-correlation-id=later body='{ORDER}' -> 200 body.orderId=ORDER-later
        saw 2
        "#
    ));
}

/// Whatever keys clients think of, they are kept in the places that there are, and one that is under way keeps its own.
#[test]
fn a_flood_of_keys_takes_no_more_memory_than_there_is_for_them() {
    let few = PRODUCTS.replacen('{', r#"{"keys": 16, "#, 1);
    let mut stage = Scenario::new(&[("compose", &few)]).cluster("weir_internal").host().expect("the host starts");
    let kept = |host: &host::Host| {
        let keys = host.shared_keys("weir");
        let sets = keys.iter().filter(|key| key.starts_with(b"weir.compose.answers.")).count();
        (sets, host.shared_bytes("weir"))
    };
    let order = |key: String| {
        host::Request::new("POST", "/api/v1/orders")
            .header("x-weir-user", "alice")
            .header("idempotency-key", key)
            .body(ORDER)
    };
    let reserve = Some("/inventory/reserve");
    Stage::answer(&mut stage, reserve, whole(201, r#"{"reservationId":"RES-1"}"#));
    Stage::answer(&mut stage, Some("/pricing/calculate"), held(200, r#"{"finalPrice":1}"#));
    let mine = stage.host.send(0, order("mine".to_owned())).stream;
    stage.host.advance(Duration::from_millis(10));
    Stage::answer(&mut stage, reserve, whole(409, "no"));
    let host = &mut stage.host;
    let mut most = 0;
    for number in 0..600 {
        // Each is refused by the inventory, and that answer is kept.
        let stream = host.send(number % 2, order(format!("key-{number}"))).stream;
        host.advance(Duration::from_millis(5));
        assert!(matches!(host.exchange(stream).status(), Some(409 | 503)), "{number}");
        let (sets, bytes) = kept(host);
        assert!(sets <= 2, "{sets} sets for sixteen keys");
        most = most.max(bytes);
        host.forget();
    }
    assert!(host.exchange(mine).is_waiting());
    assert!(most < 16 << 10, "{most} bytes for sixteen short answers");
    let again = host.send(1, order("mine".to_owned()));
    assert_eq!(again.status(), Some(409), "it is under way still");
    assert!(again.text().contains("idempotency-key is under way"), "{}", again.text());
}

/// Another user's orders, be they done and ever so many, have nobody's own order done twice.
#[test]
fn a_confirmed_order_is_not_forgotten_for_a_flood_of_another_users() {
    let few = PRODUCTS.replacen('{', r#"{"keys": 16, "#, 1);
    let mut stage = Scenario::new(&[("compose", &few)]).cluster("weir_internal").host().expect("the host starts");
    Stage::answer(&mut stage, Some("/inventory/reserve"), whole(201, r#"{"reservationId":"RES-1"}"#));
    Stage::answer(&mut stage, Some("/pricing/calculate"), whole(200, r#"{"finalPrice":1}"#));
    let host = &mut stage.host;
    let mut order = |worker, user: &str, key: String, id: &str| {
        let request = host::Request::new("POST", "/api/v1/orders").header("x-weir-user", user);
        let request = request.header("idempotency-key", key).header("x-correlation-id", id).body(ORDER);
        let stream = host.send(worker, request).stream;
        host.advance(Duration::from_millis(5));
        let exchange = host.exchange(stream);
        assert_eq!(exchange.status(), Some(200), "{user} {id}");
        let forgotten = host.metric("api_gateway_compose_forgotten_total").unwrap_or_default();
        host.forget();
        (exchange.text().contains("ORDER-first"), forgotten)
    };
    assert_eq!(order(0, "alice", "mine".to_owned(), "first"), (true, 0));
    for number in 0..200 {
        order(number % 2, "mallory", format!("key-{number}"), "other");
    }
    let (is_first, forgotten) = order(1, "alice", "mine".to_owned(), "second");
    assert!(is_first, "the order is done twice");
    assert!((184..200).contains(&forgotten), "{forgotten} of the flood's own are forgotten");
}

/// The deadline of the whole holds for one that waits for another, too, from when it came.
#[test]
fn one_that_has_waited_for_another_in_vain_has_what_is_left_of_its_deadline() {
    let waits = PRODUCTS.replace(r#""idempotency": {}"#, r#""deadline": "12s", "idempotency": {"wait": "1m"}"#);
    let scenario = Scenario::new(&[("compose", &waits)]).cluster("weir_internal").workers(2);
    let mut stage = scenario.host().expect("the host starts");
    Stage::answer(&mut stage, Some("/inventory/reserve"), held(201, r#"{"reservationId":"RES-1"}"#));
    let host = &mut stage.host;
    let order = host::Request::new("POST", "/api/v1/orders").header("idempotency-key", "k").body(ORDER);
    host.send(0, order.clone());
    host.advance(Duration::from_millis(10));
    host.crash(0, "compose");
    let second = host.send(1, order).stream;
    for _ in 0..11 {
        host.advance(Duration::from_secs(1));
    }
    assert!(host.exchange(second).is_waiting());
    let own: BTreeSet<_> = host.arrivals().iter().filter_map(|arrival| arrival.header("idempotency-key")).collect();
    assert_eq!(own.len(), 2, "it is under way itself, since the first one's worker is dead: {own:?}");
    host.advance(Duration::from_secs(2));
    assert_eq!(host.exchange(second).status(), Some(504));
}
