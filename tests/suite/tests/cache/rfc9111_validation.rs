//! RFC 9111 §4.3: what is stored is validated, freshened, and answers what the client's own preconditions ask.

use proxy::{Client, Reply, Request};
use suite::{Scenario, check, check_chain};

use crate::{PLAIN, plain};

#[test]
fn a_stale_response_is_asked_about_and_answers_when_it_is_confirmed() {
    // §4.3.1, §4.3.3, §4.3.4; cache-tests: conditional-etag-strong-generate, 304-etag-update-response-*
    plain(
        r#"
        origin 200 cache-control=max-age=60 age=60 etag='"v1"' last-modified="Sun, 06 Nov 1994 08:49:37 GMT" \
            content-type=a/b x-old=1 x-new=1 link=1 link=2 body=stored
        GET /a -> 200 cache-status="weir; fwd=uri-miss; stored"
        saw GET /a !if-none-match !if-modified-since
        origin 304 cache-control=max-age=60 etag='"v1"' x-new=2 link=3 content-length=99 set-cookie=a=b
        GET /a -> 200 body=stored content-type=a/b content-length=6 x-old=1 x-new=2 link=3 set-cookie=a=b age=* date=* \
            cache-status="weir; fwd=stale; fwd-status=304; ttl=60; stored; detail=validated"
        saw GET /a if-none-match='"v1"' if-modified-since="Sun, 06 Nov 1994 08:49:37 GMT"
        GET /a -> 200 body=stored content-type=a/b x-old=1 x-new=2 link=3 !set-cookie cache-status~hit
        saw nothing
    "#,
    );
}

#[test]
fn what_a_304_withholds_from_others_is_for_who_has_asked() {
    // §5.2.2.4, §5.2.2.7, §3.2
    plain(
        r#"
        origin 200 cache-control='max-age=60, no-cache="x-fresh", private="x-own"' age=60 etag='"v1"' content-type=a/b \
            x-fresh=1 x-own=1 x-kept=1 body=stored
        GET /a -> 200 x-fresh=1 x-own=1
        GET /a cache-control="max-stale" -> 200 !x-fresh !x-own x-kept=1 cache-status~hit
        origin 304 cache-control='max-age=60, no-cache="x-fresh", private="x-own"' etag='"v1"' x-fresh=2 x-own=2
        GET /a -> 200 body=stored x-fresh=2 x-own=2 x-kept=1 cache-status~validated
        GET /a -> 200 body=stored !x-fresh !x-own x-kept=1 cache-status~hit
        origin 304 etag='"v1"'
        GET /a cache-control=no-cache -> 200 body=stored !x-fresh !x-own cache-status~validated
    "#,
    );
}

#[test]
fn what_is_confirmed_is_confirmed_of_all_that_would_have_answered() {
    // §4.3.4: the URL's `Vary` has changed, and both responses answer the last request but one.
    plain(
        r#"
        origin 200 cache-control=max-age=60 vary=a etag='"v1"' content-type=a/b x-new=1 body=stored
        GET /a a=1 b=1 -> 200 cache-status~stored
        origin 200 cache-control=max-age=60 vary=b etag='"v1"' content-type=a/b x-new=1 body=stored
        GET /a a=2 b=1 -> 200 cache-status="weir; fwd=vary-miss; stored"
        origin 304 cache-control=max-age=60 vary=b etag='"v1"' x-new=2
        GET /a a=1 b=1 cache-control=no-cache -> 200 x-new=2 cache-status~fwd-status=304
        GET /a a=1 b=1 -> 200 x-new=2 cache-status~hit
        origin 200 cache-control=max-age=60 vary=b etag='"v2"' content-type=a/b x-new=3 body=asked
        GET /a a=1 b=2 -> 200 x-new=3 body=asked cache-status~fwd=
    "#,
    );
}

#[test]
fn a_default_that_does_not_say_that_it_varies_answers_nobody_who_has_better() {
    // §4.1, and that the upstream's last word about a request counts.
    plain(
        r#"
        origin 200 cache-control=max-age=60 vary=a etag='"v1"' content-type=a/b body=one
        GET /a a=1 -> 200 cache-status~stored
        origin 200 cache-control=max-age=60 content-type=a/b body=default
        GET /a -> 200 body=default cache-status="weir; fwd=vary-miss; stored"
        GET /a a=1 -> 200 body=one cache-status~hit
        GET /a a=2 -> 200 body=default cache-status~hit
        GET /a -> 200 body=default cache-status~hit
        GET /a a=1 cache-control=no-cache -> 200 body=default cache-status="weir; fwd=request; stored"
        2 times GET /a a=1 -> 200 body=default cache-status~hit
    "#,
    );
}

#[test]
fn what_must_be_validated_is_validated_each_time() {
    // §5.2.2.4, §5.2.1.4; cache-tests: cc-resp-no-cache-revalidate(-fresh), ccreq-no-cache-etag, ccreq-no-cache-lm
    plain(
        r#"
        origin /a 200 cache-control="max-age=60, no-cache" etag='"v1"' content-type=a/b body=x
        GET /a -> 200 cache-status~stored
        origin /a 304 cache-control="max-age=60, no-cache"
        2 times GET /a -> 200 body=x cache-status="weir; fwd=stale; fwd-status=304; ttl=0; detail=validated"
        saw GET /a if-none-match='"v1"'
        origin /b 200 cache-control=max-age=60 last-modified="Sun, 06 Nov 1994 08:49:37 GMT" content-type=a/b body=y
        GET /b -> 200 cache-status~stored
        origin /b 304
        GET /b cache-control=no-cache -> 200 body=y cache-status~fwd=request cache-status~304
        saw GET /b !if-none-match if-modified-since="Sun, 06 Nov 1994 08:49:37 GMT"
        GET /b cache-control=max-age=0 -> 200 body=y cache-status~fwd=request
        GET /b -> 200 body=y cache-status~hit
        origin /c 200 etag='W/"weak"' content-type=a/b body=z
        GET /c -> 200 cache-status~stored
        origin /c 304
        GET /c -> 200 body=z etag='W/"weak"' cache-status~304
        saw GET /c if-none-match='W/"weak"'
        origin /d 200 cache-control=no-cache etag=unquoted content-type=a/b body=z
        2 times GET /d -> 200 cache-status="weir; fwd=uri-miss; detail=not-fresh"
    "#,
    );
}

#[test]
fn a_clients_own_preconditions_are_evaluated_after_validation() {
    // §4.3.2; cache-tests: conditional-lm-stale
    plain(
        r#"
        origin 200 cache-control=no-cache etag='"v1"' content-type=a/b body=stored
        GET /a -> 200 body=stored
        origin 304 cache-control=no-cache etag='"v1"'
        GET /a if-none-match='"v1"' -> 304 !body !content-type etag='"v1"' cache-status~fwd-status=304
        saw GET /a if-none-match='"v1"'
        GET /a if-none-match='"v0"' if-modified-since="Sun, 06 Nov 1994 08:49:37 GMT" -> 200 body=stored
        saw GET /a if-none-match='"v1"' !if-modified-since
        GET /a range="bytes=1-2" -> 206 body=to content-range="bytes 1-2/6"
        HEAD /a -> 200 !body content-length=6 content-type=a/b cache-status~fwd-status=304
        saw HEAD /a if-none-match='"v1"'
    "#,
    );
}

#[test]
fn a_client_that_asks_first_is_answered_by_the_upstream() {
    // §4.3.2: what is not stored cannot be compared; cache-tests: conditional-etag-forward
    plain(
        r#"
        origin 304 etag='"v1"' cache-control=max-age=60
        2 times GET /a if-none-match='"v1"' -> 304 etag='"v1"' cache-status="weir; fwd=uri-miss; detail=status"
        saw GET /a if-none-match='"v1"'
        origin 200 cache-control=max-age=60 etag='"v2"' body=x
        GET /a if-none-match='"v1"' -> 200 body=x cache-status~stored
        GET /a -> 200 body=x cache-status~hit
    "#,
    );
}

#[test]
fn a_304_of_another_response_changes_nothing_stored() {
    // §4.3.4
    plain(
        r#"
        origin 200 cache-control=no-cache etag='"v1"' content-type=a/b x-a=1 body=stored
        GET /a -> 200
        origin 304 cache-control=max-age=60 etag='"v2"' x-a=2
        2 times GET /a -> 200 body=stored etag='"v1"' x-a=1 !stored cache-status~fwd-status=304
    "#,
    );
}

#[test]
fn a_304_that_forbids_to_store_ends_what_is_stored() {
    // §3.2, §5.2.2.5, §5.2.2.7
    plain(
        r#"
        origin 200 cache-control=no-cache etag='"v1"' content-type=a/b body=stored
        GET /a -> 200
        origin 304 cache-control=private etag='"v1"'
        GET /a -> 200 body=stored cache-control=private \
            cache-status="weir; fwd=stale; fwd-status=304; ttl=0; detail=validated"
        origin 200 body=new
        GET /a -> 200 body=new cache-status="weir; fwd=uri-miss; detail=not-fresh"
        saw GET /a !if-none-match
    "#,
    );
}

#[test]
fn a_head_freshens_what_it_describes_and_ends_what_it_contradicts() {
    // §4.3.5; cache-tests: head-200-freshness-update, head-200-update, head-200-retain, head-410-update
    plain(
        r#"
        origin 200 cache-control=max-age=60 age=60 etag='"v1"' content-type=a/b x-kept=1 x-new=1 body=stored
        GET /a -> 200
        origin 200 cache-control=max-age=60 etag='"v1"' content-length=6 x-new=2
        HEAD /a -> 200 x-new=2 content-length=6 cache-status="weir; fwd=stale; stored"
        GET /a -> 200 body=stored x-kept=1 x-new=2 content-type=a/b cache-status~hit
        origin 200 cache-control=max-age=60 etag='"v2"' content-length=6
        HEAD /a cache-control=no-cache -> 200 etag='"v2"'
        origin 200 body=new
        GET /a -> 200 body=new cache-status~uri-miss
    "#,
    );
}

#[test]
fn an_empty_response_is_validated_as_any_other() {
    plain(
        r#"
        origin /a 200 cache-control=no-cache etag='"v1"' content-type=a/b
        GET /a -> 200 !body
        origin /a 304
        GET /a -> 200 !body content-length=0 content-type=a/b cache-status~fwd-status=304
        origin /b 204 cache-control=no-cache etag='"v1"'
        GET /b -> 204
        origin /b 304
        GET /b -> 204 !body !content-length cache-status~fwd-status=304
        origin /untyped 200 cache-control=no-cache etag='"v1"' body=x
        2 times GET /untyped -> 200 body=x !content-type cache-status~stored
        saw GET /untyped !if-none-match
    "#,
    );
}

#[test]
fn each_variant_is_validated_by_its_own_validators() {
    // §4.1 and §4.3.1; cache-tests: conditional-etag-vary-headers
    plain(
        r#"
        origin 200 cache-control=no-cache vary=x-kind etag='"one"' content-type=a/b body=one
        GET /a x-kind=1 -> 200
        origin 200 cache-control=no-cache vary=x-kind etag='"two"' content-type=a/b body=two
        GET /a x-kind=2 -> 200 cache-status="weir; fwd=vary-miss; stored"
        origin 304 cache-control=max-age=60 vary=x-kind
        GET /a x-kind=1 -> 200 body=one cache-status~304
        saw GET /a if-none-match='"one"' x-kind=1
        GET /a x-kind=1 -> 200 body=one cache-status~hit
        GET /a x-kind=2 -> 200 body=two cache-status~304
        saw GET /a if-none-match='"two"' x-kind=2
    "#,
    );
}

#[test]
fn what_is_confirmed_is_not_confirmed_of_what_would_not_have_answered() {
    // §4.3.4: only what the request could have been answered with is looked through for the validator, weak or strong.
    plain(
        r#"
        origin 200 cache-control=max-age=1 age=100 vary=x-kind etag='"v1"' content-type=a/b body=one
        GET /a x-kind=1 -> 200 cache-status~stored
        origin 200 cache-control=max-age=1 age=100 vary=x-kind etag='"v1"' content-type=a/b body=two
        GET /a x-kind=2 -> 200 cache-status~stored
        origin 304 cache-control=max-age=60 vary=x-kind etag='"v1"'
        GET /a x-kind=1 -> 200 body=one cache-status~validated
        GET /a x-kind=1 -> 200 body=one cache-status~hit
        GET /a x-kind=2 cache-control=only-if-cached -> 504
        GET /a x-kind=2 -> 200 body=two cache-status~validated
        origin 200 cache-control=max-age=1 age=100 etag='W/"v1"' content-type=a/b body=weak
        GET /b -> 200 cache-status~stored
        origin 304 cache-control=max-age=60 etag='"v1"'
        2 times GET /b -> 200 body=weak etag='W/"v1"' cache-status~/^weir; fwd=stale; fwd-status=304; ttl=-\d+; detail=validated$/
        origin 304 cache-control=max-age=60 etag='W/"v1"'
        GET /b -> 200 body=weak cache-status~/fwd-status=304; ttl=60; stored/
        GET /b -> 200 body=weak cache-status~hit
    "#,
    );
}

#[test]
fn callers_do_not_validate_what_is_not_theirs() {
    // §3.5
    plain(
        r#"
        origin 200 cache-control=no-cache etag='"v1"' content-type=a/b body=open
        GET /a -> 200 cache-status~stored
        GET /a authorization="Bearer a" -> 200 cache-status="weir; fwd=request; detail=credentials"
        saw GET /a !if-none-match
        GET /a authorization="Bearer a" if-none-match='"own"' -> 200
        saw GET /a if-none-match='"own"'
    "#,
    );
}

#[test]
fn a_validated_answer_has_the_ids_of_its_request() {
    check_chain(
        &[("correlation", "{}"), ("cache", PLAIN)],
        r#"
        origin 200 cache-control=no-cache etag='"v1"' content-type=a/b body=stored
        GET /a x-request-id=one -> 200 x-request-id=one
        origin 304 cache-control=no-cache x-request-id=theirs
        GET /a x-request-id=two -> 200 body=stored x-request-id=two x-correlation-id=two cache-status~304
        GET /a x-request-id=three if-none-match='"v1"' -> 304 x-request-id=three x-correlation-id=three
        HEAD /a x-request-id=four -> 200 x-request-id=four x-correlation-id=four content-length=6
    "#,
    );
}

#[test]
fn a_forced_lifetime_is_renewed_by_a_304() {
    check(
        "cache",
        r#"{"routes": [{"match": {}, "ttl": "1h"}]}"#,
        r#"
        origin 200 cache-control=no-store body=x
        GET /none -> 200 cache-status~no-store
        origin 200 cache-control=no-cache etag='"v1"' content-type=a/b body=stored
        GET /a -> 200
        GET /a -> 200 cache-status~hit
        advance 1h
        origin 304 etag='"v1"'
        GET /a -> 200 body=stored cache-status="weir; fwd=stale; fwd-status=304; ttl=3600; stored; detail=validated"
        GET /a -> 200 body=stored cache-status="weir; hit; ttl=3600"
    "#,
    );
}

#[test]
fn workers_that_validate_at_once_answer_alike() {
    let stage = Scenario::new(&[("cache", PLAIN)]).workers(4).envoy().expect("Envoy starts");
    let body = "0123456789".repeat(2000).into_bytes();
    let etag = |reply: Reply| reply.header("etag", "\"v1\"").header("cache-control", "no-cache");
    let first = etag(Reply::status(200)).header("content-type", "text/plain").body(body.clone());
    stage.origin.answer(None, first);
    let address = stage.envoy.address();
    let mut connection = Client::connect(address).expect("Envoy listens");
    assert_eq!(connection.call(&Request::get("/a")).expect("Envoy answers").status, 200);
    stage.origin.answer(None, etag(Reply::status(304)));
    std::thread::scope(|scope| {
        for client in 0..8 {
            let body = &body;
            scope.spawn(move || {
                let mut connection = Client::connect(address).expect("Envoy listens");
                for step in 0..40 {
                    let is_conditional = (client + step) % 3 == 0;
                    let mut request = Request::get("/a");
                    if is_conditional {
                        request = request.header("if-none-match", "\"v1\"");
                    }
                    let answer = connection.call(&request).expect("Envoy answers");
                    let expected = if is_conditional { (304, 0) } else { (200, body.len()) };
                    assert_eq!((answer.status, answer.body.len()), expected);
                    assert!(is_conditional || answer.body == *body);
                }
            });
        }
    });
    assert_eq!(stage.origin.received().len(), 1 + 8 * 40);
}

#[test]
fn an_answer_that_the_upstream_was_asked_about_is_no_hit() {
    // RFC 9211 §2.1
    plain(
        r#"
        origin 200 cache-control=max-age=60 content-type=text/plain etag='"v1"' body=stored
        GET /a -> 200
        GET /a -> 200 cache-status~hit
        origin 304 cache-control=max-age=60 etag='"v1"'
        GET /a cache-control=no-cache -> 200 body=stored cache-status~validated
        origin 503
        GET /a cache-control=no-cache -> 503
        GET /a cache-control=max-age=0,stale-if-error=60 -> 200 body=stored cache-status~stale-if-error
        metric api_gateway_cache_hits_total{provider=spotify} 1
        metric api_gateway_cache_misses_total{provider=spotify} 4
    "#,
    );
}
