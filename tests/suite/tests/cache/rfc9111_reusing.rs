//! RFC 9111 §4, §4.2.3, §4.2.4, §5.2.1: what is reused, for whom, and what it says of its age.

use crate::plain;

#[test]
fn what_a_hit_says_of_time_is_true() {
    // §4, §5.1; cache-tests: other-age-*, other-date-update*
    plain(
        r#"
        origin 200 cache-control=max-age=60 age=30 date="Sun, 06 Nov 2094 08:49:37 GMT" expires="Sun, 06 Nov 2094 08:49:37 GMT" body=x
        GET /a -> 200
        GET /a -> 200 age>=30 age<=40 date="Sun, 06 Nov 2094 08:49:37 GMT" expires="Sun, 06 Nov 2094 08:49:37 GMT" \
            cache-status~/^weir; hit; ttl=[23]\d$/
    "#,
    );
}

#[test]
fn what_an_answer_took_to_come_is_part_of_its_age() {
    // §4.2.3: corrected_age_value is what it says of its age, and what has passed since it was asked for.
    plain(
        r"
        origin /a 200 cache-control=max-age=60 age=10 body=x hold
        start GET /a as first
        saw GET /a
        origin /b 200 cache-control=max-age=60 body=y
        GET /b -> 200
        eventually GET /b -> 200 age>=1 cache-status~hit
        release
        finish first -> 200 body=x !cache-status~hit
        GET /a -> 200 body=x age>=11 age<=40 cache-status~/^weir; hit; ttl=(4\d|[23]\d)$/
    ",
    );
    plain(
        r#"
        origin 200 cache-control=max-age=60 content-type=a/b etag='"v1"' body=x hold
        start GET /a as first
        saw GET /a
        advance 5s
        release
        finish first -> 200
        GET /a -> 200 age=5 cache-status="weir; hit; ttl=55"
        advance 55s
        origin 304 cache-control=max-age=60 etag='"v1"' hold
        start GET /a as second
        saw GET /a if-none-match='"v1"'
        advance 7s
        release
        finish second -> 200 age=7 cache-status="weir; fwd=stale; fwd-status=304; ttl=53; stored; detail=validated"
        GET /a -> 200 age=7 cache-status="weir; hit; ttl=53"
        advance 53s
        origin 200 cache-control=max-age=60 body=late hold
        start GET /a as third
        saw GET /a
        advance 61s
        release
        finish third -> 200 body=late
        GET /a -> 200 cache-status~fwd=
    "#,
    );
}

#[test]
fn a_client_takes_what_is_stale_only_where_the_response_lets_it() {
    // §4.2.4, §5.2.1.2, §5.2.1.7
    let mut lines = String::new();
    let rows = [
        ("plain", "max-age=1", true),
        ("must", "max-age=1, must-revalidate", false),
        ("proxy", "max-age=1, proxy-revalidate", false),
        ("shared", "s-maxage=1", false),
        ("checked", "max-age=1, no-cache", false),
    ];
    for (path, said, _) in rows {
        lines += &format!(
            "origin /{path} 200 cache-control=\"{said}\" age=100 content-type=a/b etag='\"v1\"' body=x\n\
             GET /{path} -> 200 cache-status~stored\n"
        );
    }
    lines += "saw 5\n";
    for (path, _, is_usable) in rows {
        lines +=
            &format!("GET /{path} cache-control=only-if-cached -> 504 cache-status=\"weir; detail=only-if-cached\"\n");
        for (stale, is_enough) in [("max-stale", true), ("max-stale=1000", true), ("max-stale=5", false)] {
            let answer = if is_usable && is_enough {
                "200 body=x age>=100 !warning cache-status~/^weir; hit; ttl=-\\d+$/"
            } else {
                "504"
            };
            lines += &format!("GET /{path} cache-control=\"only-if-cached, {stale}\" -> {answer}\n");
        }
    }
    lines += r#"
        GET /plain cache-control="only-if-cached, max-stale, max-age=50" -> 504
        GET /plain cache-control="only-if-cached, max-stale, no-cache" -> 504
        GET /other cache-control="only-if-cached, max-stale" -> 504
        saw nothing
    "#;
    plain(&lines);
}

#[test]
fn of_several_that_would_do_the_youngest_answers() {
    // §4: by Date, not by the order in which they came.
    plain(
        r#"
        origin 200 cache-control=max-age=60 vary=a date="Sun, 06 Nov 2094 08:49:38 GMT" body=younger
        GET /a a=1 b=2 -> 200 cache-status~stored
        origin 200 cache-control=max-age=60 vary=b date="Sun, 06 Nov 2094 08:49:37 GMT" body=older
        GET /a a=2 b=1 -> 200 cache-status~stored
        GET /a a=2 b=1 cache-control=only-if-cached -> 200 body=older
        GET /a a=1 b=1 -> 200 body=younger cache-status~hit
    "#,
    );
}
