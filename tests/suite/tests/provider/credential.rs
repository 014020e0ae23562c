//! Secrets go to the provider, and to nobody else; what a client shows goes to nobody behind the gateway.

use suite::{Scenario, check};

use super::ALL;

#[test]
fn a_provider_sees_nothing_of_its_client() {
    check(
        "provider",
        ALL,
        r#"
        origin 200 body='{"id": "x", "name": "y", "artists": []}'
        GET /api/spotify/track/41Xji81wFy3cM7ggbGczQW authorization="Bearer of-the-client" cookie=a=b x-api-key=k \
            x-weir-user=alice user-agent=curl referer=http://a origin=http://a accept-language=de range=bytes=0-1 \
            if-none-match='"1"' te=trailers x-request-id=r-1 x-correlation-id=c-1 traceparent=t tracestate=s -> 200
        saw GET /v1/tracks/41Xji81wFy3cM7ggbGczQW authorization="Bearer token-of-spotify" x-request-id=r-1 x-correlation-id=c-1 \
            traceparent=t tracestate=s user-agent~weir !cookie !x-api-key !x-weir-user !referer !origin !accept-language !range \
            !if-none-match !te !x-forwarded-for
        "#,
    );
}

#[test]
fn a_client_sees_nothing_of_the_provider() {
    check(
        "provider",
        ALL,
        r#"
        origin 200 set-cookie=a=b server=nginx x-ratelimit-remaining=3 x-spotify=1 via=cdn etag='"1"' vary=accept-encoding \
            cache-control="private, max-age=60" content-type=text/x-own content-language=en access-control-allow-origin=* \
            body='{"id": "x", "name": "y", "artists": []}'
        GET /api/spotify/track/41Xji81wFy3cM7ggbGczQW -> 200 cache-control="private, max-age=60" content-type=application/json \
            !set-cookie !x-ratelimit-remaining !x-spotify !via !etag !vary !content-language !access-control-allow-origin
        origin 404 set-cookie=a=b x-ratelimit-remaining=3 cache-control=max-age=60 body=x
        GET /api/spotify/track/41Xji81wFy3cM7ggbGczQW -> 404 !set-cookie !x-ratelimit-remaining !cache-control
        "#,
    );
}

#[test]
fn a_secret_that_a_provider_repeats_is_taken_out() {
    check(
        "provider",
        ALL,
        r#"
        origin 200 cache-control="x=\"key-of-lastfm\"" expires=0 body='{"track": {"name": "a key-of-lastfm b", "url": "/?api_key=key-of-lastfm"}}'
        GET /api/lastfm/track/7d357162-6c37-47f4-abcd-c74889a01919 -> 200 body.name="a *** b" !cache-control expires=0
        GET "/api/lastfm/track/7d357162-6c37-47f4-abcd-c74889a01919?raw=true" -> 200 body='{"track": {"name": "a *** b", "url": "/?api_key=***"}}'
        origin 403 body='{"error": 10, "message": "Invalid API key key-of-lastfm"}'
        GET /api/lastfm/track/7d357162-6c37-47f4-abcd-c74889a01919 -> 502 !body~key-of-lastfm
        # In pieces, too.
        origin 200 body='{"a": "key-of-' body='lastfm"}' content-type=application/json
        GET "/api/lastfm/track/7d357162-6c37-47f4-abcd-c74889a01919?raw=true" -> 200 body='{"a": "***"}'
        # However it is escaped, by whatever stands before the provider.
        origin 200 body='{"a": "key\u002Dof\u002dlastfm", "b": "key%2Dof-lastfm", "c": "\u006bey-of-%6castfm"}'
        GET "/api/lastfm/track/7d357162-6c37-47f4-abcd-c74889a01919?raw=true" -> 200 body='{"a": "***", "b": "***", "c": "***"}'
        !log~"key-of-lastfm"
        "#,
    );
}

#[test]
fn secrets_come_from_the_environment() {
    let scenario =
        Scenario::new(&[("provider", ALL)]).environment("SPOTIFY", "token-of-env").environment("LASTFM", "k%y/of-env");
    scenario.check(
        r#"
        origin 200 body='{"id": "x", "name": "y", "artists": []}'
        GET /api/spotify/track/41Xji81wFy3cM7ggbGczQW -> 200
        saw GET /v1/tracks/41Xji81wFy3cM7ggbGczQW authorization="Bearer token-of-env"
        origin 200 body='{"a": "k%25y%2Fof-env", "b": "k%y\\/of-env"}'
        GET "/api/lastfm/track/7d357162-6c37-47f4-abcd-c74889a01919?raw=true" -> 200 body~/"a": "\*\*\*"/
        saw GET "/2.0/?method=track.getInfo&mbid=7d357162-6c37-47f4-abcd-c74889a01919&format=json&api_key=k%25y%2Fof-env"
        "#,
    );
}
