//! The guard filter: what is refused before anything reads it, in both proxies.

// A test stops by panicking.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use suite::{Scenario, check, check_chain};

/// Orders are checked, images may be long, and all else is short.
const CONFIG: &str = r##"{"body_max": 100, "routes": [
    {"match": {"path": "/orders", "methods": ["POST"]}, "body_max": "32KiB", "schema": {
        "type": "object", "required": ["items"], "additionalProperties": false,
        "properties": {"items": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/item"}}},
        "$defs": {"item": {"type": "object", "properties": {"quantity": {"type": "integer", "minimum": 1}}}}
    }},
    {"match": {"prefix": "/images/"}, "body_max": "128KiB", "types": ["image/*"]}
]}"##;

#[test]
fn a_path_that_is_another_one_when_it_is_decoded_goes_nowhere() {
    check(
        "guard",
        CONFIG,
        r#"
        GET /a/b.c;d=1/caf%C3%A9?next=/../%2e%2e%2f -> 200
        saw GET /a/b.c;d=1/caf%C3%A9?next=/../%2e%2e%2f
        GET /files/%252e%252e/secret x-request-id=r-1 -> 400 body.error.code=BAD_REQUEST body.error.request_id=r-1 \
            body.error.message="path: must have no segment . or .."
        GET /files/%252e%252e;a=b/secret -> 400
        GET /files%2fsecret -> 400 body.error.message="path: must have no escaped slash and no backslash"
        GET /files%252Fsecret -> 400
        GET /files%255c..%255csecret -> 400
        GET /files/a%2500.png -> 400 body.error.message="path: must have no control character"
        GET /files/%c0%ae%c0%ae/secret -> 400
        GET /files/%u002e%u002e/secret -> 400 body.error.message="path: every % must begin an escape"
        GET /files/%2525252525252e accept=application/problem+json -> 400 content-type=application/problem+json body.status=400
        GET "/${fill}" -> 400
        saw nothing
        metric api_gateway_guard_refusals_total{outcome=path} >=8
        !log~panicked
        "#
        .replace("${fill}", &"%25".repeat(5000).replacen("%25", "%2525252541", 1))
        .as_str(),
    );
}

#[test]
fn a_body_that_is_too_long_is_refused_at_once_or_as_soon_as_it_is() {
    check(
        "guard",
        CONFIG,
        r#"
        POST / body="x"*100 -> 200
        saw POST / body="x"*100
        POST / body="x"*101 -> 413 body.error.code=BAD_REQUEST body.error.message="The body is too large"
        saw nothing
        POST / body="x"*60 body="y"*40 -> 200
        saw 1
        # Chunks: no length is announced, and what has come has gone.
        POST / body="x"*60 body="y"*41 -> 413
        PUT /images/a content-type=image/png body="x"*65536 body="x"*65536 -> 200
        PUT /images/a content-type=image/png body="x"*131073 -> 413
        metric api_gateway_guard_refusals_total{outcome=length} 3
        "#,
    );
}

#[test]
fn a_body_is_of_a_type_that_its_route_takes() {
    check(
        "guard",
        CONFIG,
        r#"
        PUT /images/a content-type="Image/PNG; q=1" body=x -> 200
        PUT /images/a -> 200
        saw 2
        PUT /images/a body=x -> 415 body.error.message="The body is of a type that is not taken here"
        PUT /images/a content-type=text/html body=x -> 415
        PUT /images/a content-type="image/\xff" body=x -> 415
        PUT /images/a content-type=image/png content-type=text/html body=x -> 415
        POST /orders content-type=application/json content-encoding=gzip body=x -> 415 body.error.message="The body must not be compressed"
        POST /orders content-type=application/x-www-form-urlencoded body=x -> 415
        saw nothing
        metric api_gateway_guard_refusals_total{outcome=type} 6
        "#,
    );
}

#[test]
fn of_a_body_that_does_not_fit_its_schema_nothing_is_sent() {
    check(
        "guard",
        CONFIG,
        r#"
        POST /orders content-type=application/json body='{"items": [{"quantity":' body=' 2}]}' -> 200
        saw POST /orders body='{"items": [{"quantity": 2}]}'
        POST /orders content-type=application/vnd.order+json body='{"items": [{}]}' -> 200
        saw 1
        POST /orders content-type=application/json body='{"items": [{"quantity": 1}, {"quantity": 0}]}' -> 400 \
            body.error.code=BAD_REQUEST body.error.message="/items/1/quantity: must be at least 1"
        POST /orders content-type=application/json body='{"items": [{"quantity": 1}' body='], "x": 1}' -> 400 \
            body.error.message="/x: is not known here"
        POST /orders content-type=application/json body='{"items": ' -> 400 body.error.message~"body: must be JSON: EOF"
        POST /orders content-type=application/json body='{"items": [{}], "items": []}' -> 400 body.error.message~"stands twice"
        POST /orders content-type=application/json body="{\"items\": \"\xff\"}" -> 400 body.error.message~"body: must be JSON"
        POST /orders content-type=application/json body="["*30000 -> 400 body.error.message~"recursion limit"
        POST /orders content-type=application/json body="["*20000 body="["*20000 -> 413
        POST /orders content-type=application/json -> 400 body.error.message="body: is missing"
        POST /orders content-type=application/json body='{"items":[{}]}' trailer:a=b -> 400 body.error.message="trailers: there must be none"
        saw nothing
        # Another method of the same path is another matter.
        PUT /orders body=x -> 200
        saw 1
        metric api_gateway_guard_refusals_total{outcome=body} 8
        !log~panicked
        "#,
    );
}

#[test]
fn what_is_checked_is_what_the_filters_behind_see() {
    let cache = r#"{"routes": [{"match": {"path": "/orders"}, "upstream": "a", "data_type": "b", "ttl": "1h", "shared": true,
        "body": {"key": "json"}}]}"#;
    check_chain(
        &[("guard", CONFIG), ("cache", cache)],
        r#"
        origin 200 body=answer
        POST /orders content-type=application/json body='{"items": [{"quantity":' body='1}]}' -> 200 cache-status~stored
        POST /orders content-type=application/json body='{"items":[{"quantity":1}]}' -> 200 cache-status~hit body=answer
        POST /orders content-type=application/json body='{"items":[{"quantity":-1}]}' -> 400
        saw 1
        "#,
    );
}

#[test]
fn a_flood_of_bad_bodies_leaves_good_ones_alone() {
    let lines = r#"
        POST /orders content-type=application/json body='{"items": [{"quantity": 1}]}' -> 200
        200 times POST /orders content-type=application/json body="{\"items\": [${fill}0]}" -> 400 body.error.message="/items/0: must be an object"
        POST /orders content-type=application/json body='{"items": [{"quantity": 1}]}' -> 200
        saw 2
        !log~panicked
    "#;
    Scenario::new(&[("guard", CONFIG)]).check(&lines.replace("${fill}", &"0,".repeat(10_000)));
}

#[test]
fn a_client_that_leaves_in_the_middle_of_a_body_leaves_nothing_behind() {
    check(
        "guard",
        CONFIG,
        r#"
        origin /slow 200 hold
        start POST /slow body=abc as a
        saw POST /slow
        leave a
        release
        POST /orders content-type=application/json body='{"items": [{}]}' -> 200
        !log~panicked
        "#,
    );
}

#[test]
fn a_configuration_that_is_wrong_is_refused_with_its_place() {
    let rows = [
        (r#"{"routes": [{"schema": {"typ": "object"}}]}"#, "routes[0].schema.typ: unknown field `typ`"),
        (r#"{"routes": [{"schema": {"pattern": "("}}]}"#, "routes[0].schema.pattern: is no regular expression"),
        (r#"{"body_max": "1M"}"#, "body_max: must be a number of bytes"),
    ];
    for (config, reason) in rows {
        suite::refuses("guard", config, reason);
    }
}
