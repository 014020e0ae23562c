//! `Idempotency-Key`: what was answered under a key is answered again, whatever worker is asked.

use super::{PRODUCTS, scenario};
use suite::Scenario;

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
        POST /api/v1/orders idempotency-key="a b" body='{ORDER}' -> 400 body.error.message~"idempotency-key: must be one word"
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
