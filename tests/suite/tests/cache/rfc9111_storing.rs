//! RFC 9111 §3, §4.1, §4.4: what is stored, what of it, and what ends it.
//!
//! Names in the rows are those of the public suite <https://cache-tests.fyi>.

use suite::check;

use crate::plain;

#[test]
fn a_status_is_stored_where_its_meaning_allows_it() {
    // §3; cache-tests: status-*-fresh, status-599-must-understand, status-200-must-understand
    let mut lines = String::new();
    for status in
        [200, 203, 299, 301, 302, 303, 307, 308, 400, 403, 404, 405, 410, 414, 499, 500, 501, 502, 503, 504, 599]
    {
        lines += &format!(
            "origin /{status} {status} cache-control=max-age=60 content-type=a/b body=x\n\
             GET /{status} -> {status}\nGET /{status} -> {status} body=x cache-status~hit\n"
        );
    }
    for (status, reused) in [(200, "hit"), (599, "fwd=")] {
        lines += &format!(
            "origin /u{status} {status} cache-control=\"max-age=60, no-store, must-understand\" body=x\n\
             GET /u{status} -> {status}\nGET /u{status} -> {status} cache-status~{reused}\n"
        );
    }
    plain(&lines);
}

#[test]
fn what_is_immutable_is_fresh_for_as_long_as_it_says() {
    // RFC 8246 §2
    plain(
        r#"
        origin /a 200 cache-control="max-age=60, immutable" body=x
        GET /a -> 200 cache-status~stored
        GET /a -> 200 body=x cache-status~hit
        origin /b 200 cache-control=immutable body=x
        2 times GET /b -> 200 cache-status~fwd=uri-miss !cache-status~stored
    "#,
    );
}

#[test]
fn a_guess_is_made_for_the_statuses_that_allow_it() {
    // §4.2.2; cache-tests: heuristic-*
    let mut lines = String::new();
    for (status, reused) in [
        (200, "hit"),
        (203, "hit"),
        (404, "hit"),
        (405, "hit"),
        (410, "hit"),
        (414, "hit"),
        (501, "hit"),
        (201, "fwd="),
        (202, "fwd="),
        (403, "fwd="),
        (502, "fwd="),
        (503, "fwd="),
        (504, "fwd="),
        (599, "fwd="),
    ] {
        lines += &format!(
            "origin /{status} {status} last-modified=\"Sun, 06 Nov 1994 08:49:37 GMT\" body=x\n\
             GET /{status} -> {status}\nGET /{status} -> {status} cache-status~{reused}\n"
        );
    }
    check("cache", r#"{"routes": [{"match": {}, "heuristic_max": "1h"}]}"#, &lines);
}

#[test]
fn fields_of_a_connection_or_of_one_user_are_not_stored() {
    // §3.1, §5.2.2.4, §5.2.2.7; cache-tests: headers-*
    plain(
        r#"
        origin /no-cache 200 cache-control='no-cache="a, b"' cache-control=max-age=60 a=1 b=2 c=3 body=x
        GET /no-cache -> 200 a=1 b=2 c=3 cache-status~stored
        GET /no-cache -> 200 !a !b c=3 cache-status~hit
        origin /private 200 cache-control='private="set-cookie", max-age=60' set-cookie=a=b c=3 body=x
        GET /private -> 200 set-cookie=a=b cache-status~stored
        GET /private -> 200 !set-cookie c=3 cache-status~hit
        origin /hop 200 cache-control=max-age=60 keep-alive=x proxy-authenticate=x proxy-authentication-info=x \
            proxy-authorization=x proxy-connection=x te=x c=3 body=x
        GET /hop -> 200
        GET /hop -> 200 !keep-alive !proxy-authenticate !proxy-authentication-info !proxy-authorization \
            !proxy-connection !te c=3 cache-status~hit
        origin /kept 200 cache-control=max-age=60 test-header=1 x-test-header=2 content-foo=3 x-content-foo=4 \
            content-encoding=5 content-location=/bar content-md5=7 content-security-policy=8 clear-site-data=9 \
            etag='"10"' expires="Mon, 11 Jan 2038 11:11:11 GMT" public-key-pins=12 x-frame-options=13 \
            x-xss-protection=14 body=x
        GET /kept -> 200
        GET /kept -> 200 cache-control=max-age=60 test-header=1 x-test-header=2 content-foo=3 x-content-foo=4 \
            content-encoding=5 content-location=/bar content-md5=7 content-security-policy=8 clear-site-data=9 \
            etag='"10"' expires="Mon, 11 Jan 2038 11:11:11 GMT" public-key-pins=12 x-frame-options=13 \
            x-xss-protection=14 cache-status~hit
    "#,
    );
}

#[test]
fn a_newer_response_that_is_not_stored_leaves_the_older_one() {
    // cache-tests: cc-resp-no-store-old-new
    plain(
        r"
        origin 200 cache-control=max-age=60 a=1 body=x
        GET /a -> 200
        origin 200 cache-control=no-store a=2 body=y
        GET /a cache-control=no-cache -> 200 a=2
        GET /a -> 200 a=1 body=x cache-status~hit
    ",
    );
}

#[test]
fn varied_fields_are_compared_by_their_meaning() {
    // §4.1; cache-tests: vary-*
    plain(
        r#"
        origin 200 cache-control=max-age=60 vary="Foo, Bar, Baz" body=x
        GET /a foo=1 baz=789 -> 200 cache-status~uri-miss
        GET /a foo=1 baz=789 other=2 -> 200 cache-status~hit
        GET /a baz=789 foo=1 bar=abcde -> 200 cache-status~vary-miss
        GET /a -> 200 cache-status~vary-miss
        GET /a -> 200 cache-status~hit
        origin 200 cache-control=max-age=60 vary=foo body=x
        GET /b foo="1, 2" -> 200 cache-status~uri-miss
        GET /b foo="1, 2" -> 200 cache-status~hit
        GET /b -> 200 cache-status~vary-miss
        origin 200 cache-control=max-age=60 vary=accept-encoding vary=accept-language body=x
        GET /c accept-encoding="gzip, BR;q=1" accept-language="en, de" -> 200 cache-status~uri-miss
        GET /c accept-encoding="br,gzip" accept-language="eN,De" -> 200 cache-status~hit
        GET /c accept-encoding="br,gzip" accept-language="de, en" -> 200 cache-status~vary-miss
        origin 200 cache-control=max-age=60 vary=", *" body=x
        2 times GET /d -> 200 cache-status="weir; fwd=uri-miss; detail=vary"
    "#,
    );
}

#[test]
fn a_status_of_one_exchange_is_not_stored() {
    // §3, §3.3; RFC 9110 §15, RFC 6585, RFC 8470 §5.2
    let mut lines = String::new();
    for status in [206, 401, 407, 412, 416, 417, 421, 425, 426, 428, 429, 431, 511] {
        lines += &format!(
            "origin /{status} {status} cache-control=\"max-age=60, public\" body=x\n\
             2 times GET /{status} -> {status} body=x cache-status=\"weir; fwd=uri-miss; detail=status\"\n"
        );
    }
    plain(&lines);
}

#[test]
fn a_guess_is_made_only_where_nothing_was_said() {
    // §4.2.2, §5.2.2.9, §5.3
    let mut lines = String::new();
    let changed = r#"last-modified="Sun, 06 Nov 1994 08:49:37 GMT" body=x"#;
    for (path, response, is_reused) in [
        ("expired", "200 expires=0", false),
        ("past", r#"200 expires="Sun, 06 Nov 1994 08:49:37 GMT""#, false),
        ("spent", "200 cache-control=max-age=0", false),
        ("shared", "200 cache-control=s-maxage=0", false),
        ("checked", "200 cache-control=no-cache", false),
        ("made", "201 cache-control=no-transform", false),
        ("public", "201 cache-control=public", true),
        ("plain", "200 cache-control=no-transform", true),
        ("pragma", "200 pragma=no-cache", true),
        ("unchanged", r#"200 date="Sun, 06 Nov 1994 08:49:37 GMT""#, false),
    ] {
        let (status, again) = (&response[..3], if is_reused { "hit" } else { "fwd=" });
        lines += &format!(
            "origin /{path} {response} {changed}\nGET /{path} -> {status}\nGET /{path} -> {status} cache-status~{again}\n"
        );
    }
    check("cache", r#"{"routes": [{"match": {}, "heuristic_max": "1h"}]}"#, &lines);
}

#[test]
fn what_connection_names_is_of_the_connection() {
    // §3.1, RFC 9110 §7.6.1
    plain(
        r#"
        origin 200 cache-control=max-age=60 connection="X-Listed, close" x-listed=1 x-kept=2 body=x
        GET /a -> 200
        GET /a -> 200 !x-listed x-kept=2 body=x cache-status~hit
    "#,
    );
}
