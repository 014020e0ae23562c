//! The compose filter: what becomes of a client's request, of the calls that it takes, and of clients that leave, in both
//! proxies.

// A test stops by panicking.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[path = "compose/batch.rs"]
mod batch;
#[path = "compose/fate.rs"]
mod fate;
#[path = "compose/hostile.rs"]
mod hostile;
#[path = "compose/interleaving.rs"]
mod interleaving;
#[path = "compose/key.rs"]
mod key;
#[path = "compose/products.rs"]
mod products;
#[path = "compose/reckoning.rs"]
mod reckoning;

use suite::Scenario;

/// The product gateway, as the filter's own tests have it.
const PRODUCTS: &str = include_str!("../../../filters/compose/src/run/products.json");

/// Calls go to the scenario's upstream, as they would by way of the proxy itself.
fn scenario() -> Scenario {
    Scenario::new(&[("compose", PRODUCTS)]).cluster("weir_internal")
}

#[test]
fn a_product_is_what_two_upstreams_say_of_it() {
    scenario().check(
        r#"
        origin /inventory/products/a%20b 200 body='{"id":"a b","stockLevel":7}'
        origin /pricing/prices/a%20b 200 body='{"basePrice":"19.90","currency":"USD"}'
        GET /api/v1/products/a%20b x-request-id=req-1 x-correlation-id=cor-1 x-weir-user=alice x-other=1 \
            traceparent=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 accept=text/html \
            -> 200 content-type=application/json x-weir-completeness=complete body.id="a b" body.stockLevel=7 \
               body.price=19.90 body.currency=USD
        saw GET * x-request-id=req-1 x-correlation-id=cor-1 x-weir-user=alice !x-other \
            traceparent~/^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$/ !traceparent~b7ad6b7169203331 \
            accept=application/json host=test !idempotency-key !body
        # What matches no composition passes.
        GET /api/v1/products?page=2 -> 200
        saw GET /api/v1/products?page=2 x-forwarded-for=*
        metric api_gateway_compositions_total{operation=product,outcome=complete} 1
        "#,
    );
}

#[test]
fn a_branch_that_fails_is_left_out_and_both_are_too_many() {
    scenario().check(
        r#"
        origin /inventory/products/a 200 body='{"id":"a"}'
        origin /pricing/prices/a 503 body=no
        GET /api/v1/products/a -> 200 x-weir-completeness='partial; failed="pricing"' body.id=a \
            body.pricing_error="the upstream answered 503" !body~'"price"'
        origin /pricing/prices/a 200 body='{"basePrice":'
        GET /api/v1/products/a -> 200 body.id=a body.pricing_error~"no usable answer: is not JSON"
        origin /pricing/prices/a 200 body="x"*70000
        GET /api/v1/products/a -> 200 body.id=a body.pricing_error="the upstream gave no whole answer"
        origin /pricing/prices/a reset
        GET /api/v1/products/a -> 200 body.id=a body.pricing_error~"the upstream"
        origin /pricing/prices/a 404
        origin /inventory/products/a 404
        GET /api/v1/products/a x-request-id=r-9 -> 502 body.error.code=PROXY_ERROR body.error.request_id=r-9 \
            body.error.message="inventory, pricing failed: no upstream gave a usable answer" !x-weir-completeness
        GET /api/v1/products/a accept=application/problem+json -> 502 content-type=application/problem+json body.status=502
        metric api_gateway_compositions_total{operation=product,outcome=partial} 4
        metric api_gateway_compositions_total{operation=product,outcome=failed} 2
        log~"product failed: inventory, pricing"
        "#,
    );
}

#[test]
fn products_are_checked_in_their_order_and_each_once() {
    scenario().check(
        r#"
        origin 404
        origin /inventory/products/a 200 body='{"id":"a"}'
        origin /pricing/prices/a 200 body='{"basePrice":1,"currency":"USD"}'
        POST /api/v1/products/check body='{"productIds":["b","a","b",' body='"a"]}' \
            -> 200 x-weir-completeness='partial; failed="inventory, pricing"' \
               body.products.0.productId=b body.products.0.error="the upstream answered 404" \
               body.products.1.id=a body.products.1.price=1 body.products.2.productId=b body.products.3.id=a
        saw 4
        "#,
    );
}

#[test]
fn calls_that_change_something_say_of_which_request_they_are_part_where_a_cache_hears_them() {
    let told = PRODUCTS.replacen('{', r#"{"tells_cache": true, "#, 1);
    let order = r#"body='{"items":[{"productId":"a","quantity":2}]}'"#;
    let lines = |proof: &str, path: &str| {
        format!(
            r#"
            origin /inventory/reserve 409 body=no
            POST /api/v1/orders?a=b {order} -> 409
            saw POST /inventory/reserve {proof}{path}
            # What takes something back changes something, too.
            origin /inventory/reserve 201 body='{{"reservationId":"RES-1"}}'
            origin /pricing/calculate 422 body=no
            origin /inventory/release 200 body='{{}}'
            POST /api/v1/orders?a=b {order} -> 422
            saw POST /inventory/release {proof}{path}
            origin /inventory/products/a 200 body='{{"id":"a"}}'
            GET /api/v1/products/a -> 200
            saw GET * !x-weir-part-of
            "#
        )
    };
    let scenario = Scenario::new(&[("compose", &told)]).cluster("weir_internal");
    scenario.check(&lines("x-weir-part-of~/^[0-9a-f]{32}", r"\/api\/v1\/orders\?a=b$/"));
    self::scenario().check(&lines("!x-weir-part-of", ""));
}

#[test]
fn an_order_that_fails_is_released_in_reverse_order() {
    scenario().check(
        r#"
        origin /inventory/reserve 201 body='{"reservationId":"RES-1"}'
        origin /pricing/calculate 200 body='{"finalPrice":"0.10"}'
        origin /inventory/release 200 body='{}'
        POST /api/v1/orders x-correlation-id=01234567-89ab body='{"items":[{"productId":"a","quantity":2},{"productId":"b","quantity":1}]}' \
            -> 200 body.orderId=ORDER-01234567 body.status=CONFIRMED body~'"totalPrice":0.20' body.currency=USD \
               body.items.0.reservationId=RES-1 body.items.1.reservationId=RES-1
        saw 4
        origin /pricing/calculate 422 body=no
        POST /api/v1/orders x-correlation-id=01234567-89ab body='{"items":[{"productId":"a","quantity":2},{"productId":"b","quantity":1}]}' \
            -> 422 body.error.code=UNPROCESSABLE body.error.message="price[0] failed: the upstream answered 422"
        saw POST /inventory/release content-type=application/json idempotency-key~/-reserve-0-undo$/ body='{"reservationId":"RES-1"}'
        origin /inventory/reserve 409 body=no
        POST /api/v1/orders body='{"items":[{"productId":"a","quantity":2}]}' -> 409 body.error.code=CONFLICT \
            body.error.message="reserve[0] failed: the upstream answered 409"
        saw POST /inventory/reserve idempotency-key~/-reserve-0-do$/ body~ORDER-
        "#,
    );
}
