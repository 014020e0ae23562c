//! The cache: what is stored, what is reused and by whom, and what the answers then say.
//!
//! The tables under `cache/` are named for the RFC that they are about. The public suite <https://cache-tests.fyi>, run
//! against Envoy with this filter (`heuristic_max` one hour, its cases of July 2026), passes but for these. By intent:
//! cookies are not stored (`headers-store-Set-Cookie`, `-Set-Cookie2`, `other-set-cookie`), parts are not stored
//! (`partial-store-partial-*`), the order of languages counts (`vary-normalise-lang-*`), fields of unknown syntax are
//! compared as they are (`vary-normalise-space`), a `POST` stores nothing where no route calls it a search (`method-POST`), and a `Date` is no
//! `Last-Modified` that is earlier (`conditional-lm-fresh-no-lm`). By Envoy: repeated fields come joined without a
//! blank, interim responses do not pass, and neither does `M-SEARCH` or an unknown transfer coding.
//! Without a way back into the proxy (`refresh`), `stale-while-revalidate` lets one request wait for the refresh, which the
//! suite's only request then is.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unwrap_used)]

use suite::{check, check_chain, refuses};

#[path = "cache/bodies.rs"]
mod bodies;
#[path = "cache/callers.rs"]
mod callers;
#[path = "cache/crowd.rs"]
mod crowd;
#[path = "cache/ending.rs"]
mod ending;
#[path = "cache/fleet.rs"]
mod fleet;
#[path = "cache/flight.rs"]
mod flight;
#[path = "cache/followers.rs"]
mod followers;
#[path = "cache/forced.rs"]
mod forced;
#[path = "cache/foreign.rs"]
mod foreign;
#[path = "cache/leader.rs"]
mod leader;
#[path = "cache/level.rs"]
mod level;
#[path = "cache/parts.rs"]
mod parts;
#[path = "cache/purge.rs"]
mod purge;
#[path = "cache/refresh.rs"]
mod refresh;
#[path = "cache/repetition.rs"]
mod repetition;
#[path = "cache/rfc5861.rs"]
mod rfc5861;
#[path = "cache/rfc9110_conditions.rs"]
mod rfc9110_conditions;
#[path = "cache/rfc9110_ranges.rs"]
mod rfc9110_ranges;
#[path = "cache/rfc9111_invalidation.rs"]
mod rfc9111_invalidation;
#[path = "cache/rfc9111_parsing.rs"]
mod rfc9111_parsing;
#[path = "cache/rfc9111_replacing.rs"]
mod rfc9111_replacing;
#[path = "cache/rfc9111_reusing.rs"]
mod rfc9111_reusing;
#[path = "cache/rfc9111_storing.rs"]
mod rfc9111_storing;
#[path = "cache/rfc9111_validation.rs"]
mod rfc9111_validation;
#[path = "cache/rfc9211.rs"]
mod rfc9211;
#[path = "cache/rfc9213.rs"]
mod rfc9213;
#[path = "cache/routes.rs"]
mod routes;
#[path = "cache/script.rs"]
mod script;
#[path = "cache/searches.rs"]
mod searches;
#[path = "cache/stale.rs"]
mod stale;
#[path = "cache/storage.rs"]
mod storage;
mod store;
#[path = "cache/through.rs"]
mod through;

/// One route for everything, by the responses' own words.
const PLAIN: &str = r#"{"routes": [{"match": {}, "upstream": "spotify", "data_type": "search_results"}]}"#;

/// The lines, to the filter with [`PLAIN`].
#[track_caller]
fn plain(lines: &str) {
    check("cache", PLAIN, lines);
}

#[test]
fn a_fresh_response_answers_on_every_worker() {
    plain(
        r#"
        origin 200 cache-control=max-age=60 content-type=a/b etag='"v1"' link=one link=two body=stored
        GET /a @1 -> 200 body=stored cache-status="weir; fwd=uri-miss; stored" !age
        saw GET /a
        4 times GET /a -> 200 body=stored cache-control=max-age=60 content-type=a/b etag='"v1"' link=one link=two age<=5 \
            content-length=6 date=* cache-status~/^weir; hit; ttl=[56]\d$/
        GET /a @2 -> 200 body=stored age=*
        saw nothing
        metric api_gateway_cache_hits_total{provider=spotify,data_type=search_results} 5
        metric api_gateway_cache_misses_total{provider=spotify,data_type=search_results} 1
        metric api_gateway_cache_errors_total{provider=spotify} 0
    "#,
    );
}

#[test]
fn a_head_is_answered_from_a_get_and_stores_nothing() {
    plain(
        r#"
        origin 200 cache-control=max-age=60 content-type=a/b body=stored
        HEAD /a -> 200 cache-status="weir; fwd=uri-miss; detail=request"
        GET /a -> 200 body=stored cache-status="weir; fwd=uri-miss; stored"
        saw 2
        HEAD /a -> 200 !body content-length=6 content-type=a/b age=* cache-status~hit
        saw nothing
    "#,
    );
}

#[test]
fn a_stale_response_is_fetched_anew() {
    plain(
        r#"
        origin 200 cache-control=max-age=60 body=one
        GET /a -> 200 body=one
        advance 59s
        GET /a -> 200 body=one age=59 cache-status="weir; hit; ttl=1"
        origin 200 cache-control=max-age=60 body=two
        advance 1s
        GET /a cache-control="max-stale=5" -> 200 body=one age=60 cache-status="weir; hit; ttl=0"
        GET /a -> 200 body=two cache-status="weir; fwd=stale; stored"
        GET /a -> 200 body=two age=0
    "#,
    );
}

#[test]
fn a_clock_that_steps_back_ends_a_response() {
    plain(
        r#"
        advance 1d
        origin 200 cache-control=max-age=60 body=one
        GET /a -> 200 body=one
        origin 200 cache-control=max-age=60 body=two
        back 1h
        GET /a -> 200 body=two cache-status="weir; fwd=stale; stored"
        GET /a -> 200 body=two cache-status~hit
        advance 61s
        GET /a -> 200 cache-status~fwd=stale
    "#,
    );
}

#[test]
fn what_a_response_says_decides_whether_it_is_stored() {
    plain(
        r#"
        origin /none 200 body=x
        origin /no-store 200 cache-control="max-age=60, no-store" body=x
        origin /private 200 cache-control="private, max-age=60" body=x
        origin /no-cache 200 cache-control=max-age=60 cache-control=no-cache body=x
        origin /expired 200 expires=0 body=x
        origin /old 200 cache-control=max-age=60 age=60 body=x
        origin /cookie 200 cache-control=max-age=60 set-cookie=a=b body=x
        origin /vary 200 cache-control=max-age=60 vary=* body=x
        origin /malformed 200 cache-control='max-age=60, x="' body=x
        origin /bytes 200 cache-control="max-age=60\xff\xfe" body=x
        origin /limited 429 cache-control=max-age=60 body=x
        origin /trailers 200 cache-control=max-age=60 body=x trailer:t=1
        2 times GET /none -> 200 body=x cache-status="weir; fwd=uri-miss; detail=not-fresh"
        2 times GET /no-store -> 200 cache-status="weir; fwd=uri-miss; detail=no-store"
        2 times GET /private -> 200 cache-status="weir; fwd=uri-miss; detail=private"
        2 times GET /no-cache -> 200 cache-status="weir; fwd=uri-miss; detail=not-fresh"
        2 times GET /expired -> 200 cache-status="weir; fwd=uri-miss; detail=not-fresh"
        2 times GET /old -> 200 cache-status="weir; fwd=uri-miss; detail=not-fresh"
        2 times GET /cookie -> 200 set-cookie=a=b cache-status="weir; fwd=uri-miss; detail=set-cookie"
        2 times GET /vary -> 200 cache-status="weir; fwd=uri-miss; detail=vary"
        2 times GET /malformed -> 200 cache-status="weir; fwd=uri-miss; detail=no-store"
        2 times GET /bytes -> 200 body=x cache-status="weir; fwd=uri-miss; detail=not-fresh"
        2 times GET /limited -> 429 cache-status="weir; fwd=uri-miss; detail=status"
        2 times GET /trailers -> 200 body=x trailer:t=1 cache-status~fwd=uri-miss
        saw 24
    "#,
    );
}

#[test]
fn errors_and_redirects_are_stored_by_their_own_words() {
    plain(
        r#"
        origin /gone 404 cache-control=max-age=60 content-type=application/json body='{"error": 1}'
        origin /moved 301 cache-control=max-age=60 location=/b
        origin /empty 200 cache-control=max-age=60 content-type=text/html
        origin /nothing 204 cache-control=max-age=60
        origin /untyped 200 cache-control=max-age=60 body=x
        GET /gone -> 404
        GET /gone -> 404 body.error=1 content-type=application/json cache-status~hit
        GET /moved -> 301
        GET /moved -> 301 location=/b !body cache-status~hit
        GET /empty -> 200
        GET /empty -> 200 content-type=text/html !body cache-status~hit
        GET /nothing -> 204
        GET /nothing -> 204 !body !content-type cache-status~hit
        GET /untyped -> 200 body=x !content-type
        GET /untyped -> 200 body=x !content-type content-length=1 cache-status~hit
        saw 5
    "#,
    );
}

#[test]
fn what_a_request_says_decides_whether_a_response_is_reused() {
    plain(
        r#"
        GET /a cache-control=only-if-cached -> 504 body.error.code=TIMEOUT cache-status="weir; detail=only-if-cached"
        saw nothing
        origin 200 cache-control=max-age=60 body=x
        GET /a cache-control=no-store -> 200 cache-status="weir; fwd=uri-miss; detail=request"
        GET /a -> 200 cache-status="weir; fwd=uri-miss; stored"
        GET /a cache-control=no-store -> 200 cache-status~hit
        GET /a cache-control=only-if-cached -> 200 cache-status~hit
        GET /a cache-control=min-fresh=10 -> 200 cache-status~hit
        GET /a cache-control=max-age=100 -> 200 cache-status~hit
        saw 2
        GET /a cache-control=min-fresh=61 -> 200 cache-status="weir; fwd=request; stored"
        GET /a cache-control=max-age=0 -> 200 cache-status="weir; fwd=request; stored"
        GET /a cache-control=no-cache -> 200 cache-status="weir; fwd=request; stored"
        GET /a pragma=no-cache -> 200 cache-status="weir; fwd=request; stored"
        GET /a cache-control="\xff\xfe" -> 200 cache-status="weir; fwd=request; detail=request"
        GET /a cache-control='"' -> 200 cache-status="weir; fwd=request; detail=request"
        saw 6
        GET /a cache-control=foo cache-control="" pragma=no-cache -> 200 cache-status~hit
        saw nothing
    "#,
    );
}

#[test]
fn a_response_answers_the_requests_that_it_varies_by() {
    plain(
        r#"
        origin 200 cache-control=max-age=60 vary="Accept-Encoding, X-Kind" body=one
        GET /a accept-encoding="gzip, BR" x-kind=1 -> 200 body=one cache-status="weir; fwd=uri-miss; stored"
        origin 200 cache-control=max-age=60 vary="Accept-Encoding, X-Kind" body=two
        GET /a accept-encoding=gzip,br x-kind=1 -> 200 body=one cache-status~hit
        GET /a accept-encoding=gzip,br x-kind=2 -> 200 body=two cache-status="weir; fwd=vary-miss; stored"
        GET /a accept-encoding=gzip,br -> 200 cache-status="weir; fwd=vary-miss; stored"
        GET /a accept-encoding=gzip,br x-kind="" -> 200 cache-status="weir; fwd=vary-miss; stored"
        GET /a accept-encoding=gzip,br x-kind="\xff\xfe" -> 200 cache-status="weir; fwd=vary-miss; stored"
        GET /a accept-encoding=gzip,br x-kind="\xff\xfe" -> 200 body=two cache-status~hit
        GET /a accept-encoding=gzip,br x-kind=1 -> 200 body=one cache-status~hit
        saw 5
    "#,
    );
}

#[test]
fn urls_that_differ_are_answered_apart() {
    plain(
        r"
        origin 200 cache-control=max-age=60 body=x
        GET /a -> 200 cache-status~uri-miss
        GET /a? -> 200 cache-status~uri-miss
        GET /a?b -> 200 cache-status~uri-miss
        GET /A -> 200 cache-status~uri-miss
        GET /a host=other -> 200 cache-status~uri-miss
        GET /a host=test:80 -> 200 cache-status~hit
        GET /a host=TEST -> 200 cache-status~hit
        saw 5
    ",
    );
}

#[test]
fn what_a_cache_cannot_answer_passes() {
    check(
        "cache",
        r#"{"routes": [{"match": {"prefix": "/api/"}}]}"#,
        r#"
        origin 200 cache-control=max-age=60 body=abcdef
        GET /other -> 200 cache-status="weir; fwd=bypass"
        GET /api/a -> 200 cache-status~stored
        GET /api/a if-match='"a"' -> 200 cache-status="weir; fwd=bypass; detail=precondition"
        GET /api/a body=x -> 200 cache-status="weir; fwd=bypass; detail=content"
        OPTIONS /api/a -> 200 cache-status="weir; fwd=method"
        GET /api/a -> 200 cache-status~hit
        saw 5
    "#,
    );
}

#[test]
fn a_client_that_has_the_response_is_told_so() {
    plain(
        r#"
        origin 200 cache-control=max-age=60 content-type=a/b content-language=en etag='"v1"' \
            last-modified="Sun, 06 Nov 1994 08:49:37 GMT" body=stored
        GET /a -> 200
        saw 1
        GET /a if-none-match='W/"v1"' -> 304 !body !content-type !content-language !content-length etag='"v1"' \
            cache-control=max-age=60 age=* cache-status~hit
        GET /a if-none-match='"v0", "v1"' -> 304
        GET /a if-none-match='"v0"' if-modified-since="Sun, 06 Nov 1994 08:49:37 GMT" -> 200 body=stored
        GET /a if-none-match="\xff\xfe" -> 200 body=stored
        GET /a if-modified-since="Sun, 06 Nov 1994 08:49:37 GMT" -> 304
        GET /a if-modified-since="Sun, 06 Nov 1994 08:49:36 GMT" -> 200
        HEAD /a if-none-match='"v1"' -> 304
        saw nothing
    "#,
    );
}

#[test]
fn a_route_can_say_for_how_long() {
    check(
        "cache",
        r#"{"routes": [
            {"match": {"path": "/track"}, "upstream": "spotify", "data_type": "track_metadata", "ttl": "30d",
             "despite": ["private", "set-cookie"]},
            {"match": {"path": "/missing"}, "ttl": "5m", "statuses": [404]}
        ]}"#,
        r#"
        origin 200 cache-control="private, max-age=0" set-cookie=a=b age=7 body=one
        GET /track -> 200 set-cookie=a=b cache-status="weir; fwd=uri-miss; stored"
        advance 29d
        GET /track -> 200 body=one !set-cookie age=2505607 cache-control="private, max-age=0" cache-status="weir; hit; ttl=86400"
        advance 1d
        GET /track -> 200 cache-status="weir; fwd=stale; stored"
        metric api_gateway_cache_hits_total{provider=spotify,data_type=track_metadata} 1
        metric api_gateway_cache_misses_total{provider=spotify,data_type=track_metadata} 2
        GET /track cache-control=no-store -> 200 cache-status~hit
        origin 404 body=nobody
        GET /missing -> 404 cache-status="weir; fwd=uri-miss; stored"
        GET /missing -> 404 body=nobody cache-status~hit
        origin 200 body=somebody
        advance 5m
        2 times GET /missing -> 200 cache-status="weir; fwd=stale; detail=not-fresh"
    "#,
    );
}

#[test]
fn an_upstreams_own_cache_is_named_first() {
    plain(
        r#"
        origin 200 cache-control=max-age=60 age=5 cache-status="cdn; hit" body=x
        GET /a -> 200 cache-status="cdn; hit" cache-status="weir; fwd=uri-miss; stored"
        GET /a -> 200 age>=5 cache-status~/^cdn; hit$/ cache-status~/^weir; hit; ttl=5\d$/
    "#,
    );
}

#[test]
fn hostile_headers_fail_no_later_request() {
    plain(
        r#"
        origin 200 cache-control=max-age=60 vary="\xff\xfe" age="\xff" date="\xff" expires="\xff" etag="\xff\xfe" body=x
        2 times GET /a -> 200 body=x cache-status="weir; fwd=uri-miss; detail=vary"
        origin 200 cache-control=max-age=60 age="\xff" date="\xff" last-modified="\xff" etag="\xff\xfe" link="\xff" body=x
        GET /a if-none-match="\xff" if-modified-since="\xff" range="" -> 200 body=x cache-status~stored
        GET /a if-none-match="" cache-control="" cache-control="," range="" -> 200 body=x cache-status~hit
        GET /a if-none-match="\xff" if-modified-since="\xff" -> 200 body=x etag="\xff\xfe" link="\xff" cache-status~hit
        GET /a cache-control="x"*50000 -> 200 body=x cache-status~hit
        GET /a if-none-match="\"x\", "*5000 -> 200 body=x cache-status~hit
        GET /a -> 200 body=x cache-status~hit
    "#,
    );
}

#[test]
fn a_hit_passes_the_filters_before_the_cache() {
    check_chain(
        &[("correlation", "{}"), ("cache", PLAIN)],
        r"
        origin 200 cache-control=max-age=60 x-request-id=theirs body=x
        GET /a x-request-id=one -> 200 x-request-id=one
        GET /a x-request-id=two -> 200 x-request-id=two x-correlation-id=two cache-status~hit
    ",
    );
}

#[test]
fn a_mistake_is_refused_with_its_place() {
    refuses(
        "cache",
        r#"{"routes": [{"match": {}, "ttl": "soon"}]}"#,
        "configuration refused: routes[0].ttl: must be a length of time",
    );
}
