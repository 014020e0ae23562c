//! Bodies and paths that are none: 400 with the field and the reason, and nothing is sent.

use super::scenario;

#[test]
fn what_is_wrong_is_named_and_nothing_is_sent() {
    scenario().check(
        r#"
        POST /api/v1/orders -> 400 body.error.message="body: is missing"
        POST /api/v1/orders body="" -> 400
        POST /api/v1/orders body="{" -> 400 body.error.code=BAD_REQUEST body.error.message="body: is not JSON"
        POST /api/v1/orders body="\xff\xfe" -> 400 body.error.message="body: is not JSON"
        POST /api/v1/orders body="["*40000 -> 400 body.error.message="body: is nested too deeply or has too many values"
        POST /api/v1/orders body="["*70000 -> 413 body.error.message="The body is too large"
        POST /api/v1/orders body="{"*40000 body="{"*40000 -> 413
        POST /api/v1/orders body='{"items":[]}' -> 400 body.error.message="items: must have 1 to 50 items, has 0"
        POST /api/v1/orders body='{"items":[{"productId":"a","quantity":0}]}' \
            -> 400 body.error.message="items[0].quantity: must be a whole number from 1 to 1000"
        POST /api/v1/orders body='{"items":[{"productId":"../x","quantity":1}]}' \
            -> 400 body.error.message~"items[0].productId: must be 1 to 64 characters that can stand in a path"
        POST /api/v1/orders body='{"items":[{"productId":"a","quantity":1}],"items":[]}' -> 400 body.error.message="body: is not JSON"
        POST /api/v1/products/check body='{"productIds":[".."]}' -> 400 body.error.message~"productIds[0]"
        GET /api/v1/products/%FF -> 400 body.error.message~"id: must be"
        GET /api/v1/products/a body=x -> 400 body.error.message="body: there must be none"
        POST /api/v1/orders body='{"items":[{"productId":"a","quantity":1}]}' trailer:a=1 -> 400 body.error.message="trailers: there must be none"
        saw nothing
        "#,
    );
}

#[test]
fn a_hundred_products_are_checked_and_no_more() {
    let ids = |count: usize| (0..count).map(|id| format!("\"p{id}\"")).collect::<Vec<_>>().join(",");
    let (most, more) = (ids(100), ids(101));
    scenario().check(&format!(
        r#"
        origin 200 body='{{"id":"x","basePrice":1,"currency":"USD"}}'
        POST /api/v1/products/check body='{{"productIds":[{more}]}}' \
            -> 400 body.error.message="productIds: must have 1 to 100 items, has 101"
        saw nothing
        POST /api/v1/products/check body='{{"productIds":[{most}]}}' -> 200 body.products.99.id=x x-weir-completeness=complete
        saw 200
        "#
    ));
}
