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
fn what_only_looks_like_json_or_like_a_number_is_refused() {
    let order = |quantity: &str| format!(r#"{{"items":[{{"productId":"a","quantity":{quantity}}}]}}"#);
    let mut lines = String::new();
    for (quantity, message) in [
        ("1e400", "items[0].quantity: must be a whole number from 1 to 1000"),
        ("1e0", "items[0].quantity: must be a whole number from 1 to 1000"),
        ("1.0", "items[0].quantity: must be a whole number from 1 to 1000"),
        ("-1", "items[0].quantity: must be a whole number from 1 to 1000"),
        ("-0", "items[0].quantity: must be a whole number from 1 to 1000"),
        ("1001", "items[0].quantity: must be a whole number from 1 to 1000"),
        ("18446744073709551617", "items[0].quantity: must be a whole number from 1 to 1000"),
        ("4294967297", "items[0].quantity: must be a whole number from 1 to 1000"),
        (r#""1""#, "items[0].quantity: must be a whole number from 1 to 1000"),
        ("null", "items[0].quantity: must be a whole number from 1 to 1000"),
        ("[1]", "items[0].quantity: must be a whole number from 1 to 1000"),
        ("NaN", "body: is not JSON"),
        ("Infinity", "body: is not JSON"),
        ("01", "body: is not JSON"),
        ("0x1", "body: is not JSON"),
        ("+1", "body: is not JSON"),
        ("1,", "body: is not JSON"),
        (r#"1,"quantity":2"#, "body: is not JSON"),
        (r#"1,"quantit\u0079":2"#, "body: is not JSON"),
        (r#"1,"x":"\ud800""#, "body: is not JSON"),
        (r#"1,"x":"\udc00\ud800""#, "body: is not JSON"),
        (r#"1,"x":"\ud800\u0041""#, "body: is not JSON"),
    ] {
        lines += &format!("POST /api/v1/orders body='{}' -> 400 body.error.message=\"{message}\"\n", order(quantity));
    }
    // Bytes that are no UTF-8: a lone one, a surrogate, an overlong NUL; then a NUL and a byte order mark.
    for bytes in [r"\xff", r"\xed\xa0\x80", r"\xc0\x80", r"\0"] {
        lines += &format!(
            "POST /api/v1/orders body='{{\"x\":\"' body=\"{bytes}\" body='\",\"items\":[{{\"productId\":\"a\",\"quantity\":1}}]}}' \
             -> 400 body.error.message=\"body: is not JSON\"\n"
        );
    }
    lines += &format!("POST /api/v1/orders body=\"\\xef\\xbb\\xbf\" body='{}' -> 400\n", order("1"));
    // The 33rd level is the last: an object, and what is nested in it.
    let nested =
        |depth: usize| order(&format!(r#"1}}],"x":{}{}"#, "[".repeat(depth), "]".repeat(depth))).replace("]}]}", "]}");
    lines += &format!(
        "POST /api/v1/orders body='{}' -> 400 body.error.message=\"body: is nested too deeply or has too many values\"\n",
        nested(33)
    );
    lines += "saw nothing\n";
    // What nobody looks at may be as deep, and as large a number, as it can be read.
    lines += r#"
        origin /inventory/reserve 201 body='{"reservationId":"RES-1"}'
        origin /pricing/calculate 200 body='{"finalPrice":1}'
    "#;
    for body in [nested(32), order(r#"1,"y":1e400,"z":99999999999999999999999999999999999999"#)] {
        lines += &format!("POST /api/v1/orders body='{body}' -> 200\nsaw 2\n");
    }
    scenario().check(&lines);
}

#[test]
fn what_an_upstream_calls_a_price_is_one_or_the_order_is_taken_back() {
    let mut lines =
        "origin /inventory/reserve 201 body='{\"reservationId\":\"RES-1\"}'\norigin /inventory/release 200\n"
            .to_owned();
    for price in
        ["1e400", "NaN", "1e2", "\"\"", "null", "{}", "9999999999999999999999999999999999999999", "\"\\ud800\""]
    {
        lines += &format!(
            "origin /pricing/calculate 200 body='{{\"finalPrice\":{price}}}'\n\
             POST /api/v1/orders body='{{\"items\":[{{\"productId\":\"a\",\"quantity\":1}}]}}' -> 502 body.error.code=PROXY_ERROR\n\
             saw 3\n"
        );
    }
    scenario().check(&lines);
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
