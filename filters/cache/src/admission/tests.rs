//! Tables of what RFC 9111 §3 lets a shared cache store.

use super::*;
use policy::Seed;

use crate::config::Config;
use crate::request::{self, Plan};
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const NOW: Instant = Instant::from_unix_seconds(784_111_777);

type Lines<'a> = &'a [(&'a str, &'a str)];

/// What becomes of a response of 200 to a plain GET, but for the headers given here.
fn judged(route: &str, request: Lines<'_>, response: Lines<'_>) -> Result<Admitted, Refusal> {
    let config = Config::from_json(format!(r#"{{"routes": [{{"match": {{}}{route}}}]}}"#).as_bytes()).unwrap();
    let plain = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")];
    let headers = |plain: Lines<'_>, own: Lines<'_>| {
        let rest = plain.iter().filter(|(name, _)| own.iter().all(|(other, _)| other != name));
        let pairs: Vec<_> = rest.chain(own).map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        Headers::from_pairs(&pairs)
    };
    match request::plan(&config, &Seed::from_random([7; 16]), headers(&plain, request), false) {
        Plan::Ask(inquiry) => {
            let response = headers(&[(":status", "200")], response);
            admit(&config.routes[0], &inquiry, &response, NOW, NOW)
        }
        _ => panic!("{request:?} passes"),
    }
}

fn check(route: &str, rows: &[(&str, Lines<'_>, Lines<'_>, Result<u32, Refusal>)]) {
    for (section, request, response, expected) in rows {
        let lifetime = judged(route, request, response).map(|admitted| admitted.facts.lifetime);
        assert_eq!(lifetime, *expected, "{section}: {route} {request:?} {response:?}");
    }
}

#[test]
fn a_response_is_stored_where_the_rfc_allows_it() {
    use Refusal::{Credentials, Length, NoStore, Private, Request, SetCookie, Unfresh, Vary};
    let bearer = [("authorization", "Bearer x")];
    let known = [("x-weir-user", "alice")];
    check(
        "",
        &[
            ("§3", &[], &[("cache-control", "max-age=5")], Ok(5)),
            ("§3", &[], &[("cache-control", "s-maxage=5, max-age=0")], Ok(5)),
            ("§3", &[], &[("expires", "Sun, 06 Nov 1994 08:49:38 GMT"), ("date", DATE)], Ok(1)),
            ("§3 by our clock where there is no Date", &[], &[("expires", "Sun, 06 Nov 1994 08:49:38 GMT")], Ok(1)),
            ("§4.2.2 no guess unless told", &[], &[("last-modified", "Sun, 06 Nov 1993 08:49:38 GMT")], Ok(0)),
            ("§3 nothing said", &[], &[], Err(Unfresh)),
            ("§4.2 older than fresh", &[], &[("cache-control", "max-age=5"), ("age", "5")], Err(Unfresh)),
            ("§4.2 nearly so", &[], &[("cache-control", "max-age=5"), ("age", "4")], Ok(5)),
            ("§5.2.2.4", &[], &[("cache-control", "max-age=5, no-cache")], Err(Unfresh)),
            ("§5.2.2.4 with a validator", &[], &[("cache-control", "max-age=5, no-cache"), ("etag", "\"a\"")], Ok(5)),
            ("§5.2.2.4 field names", &[], &[("cache-control", "max-age=5, no-cache=\"x\"")], Ok(5)),
            ("§5.2.2.5", &[], &[("cache-control", "max-age=5, no-store")], Err(NoStore)),
            (
                "§5.2.2.5 in another line",
                &[],
                &[("cache-control", "max-age=5"), ("cache-control", "no-store")],
                Err(NoStore),
            ),
            ("§5.2 malformed", &[], &[("cache-control", "max-age=5, x=\"")], Err(NoStore)),
            ("§5.2.2.3", &[], &[("cache-control", "max-age=5, no-store, must-understand")], Ok(5)),
            ("§5.2.2.7", &[], &[("cache-control", "max-age=5, private")], Err(Private)),
            ("§5.2.2.7 field names", &[], &[("cache-control", "max-age=5, private=\"x\"")], Ok(5)),
            ("§5.2.2.7 no names", &[], &[("cache-control", "max-age=5, private=\"\"")], Err(Private)),
            ("§5.2.2.9 public is no lifetime", &[], &[("cache-control", "public")], Err(Unfresh)),
            ("§5.2.1.5", &[("cache-control", "no-store")], &[("cache-control", "max-age=5")], Err(Request)),
            (
                "§5.2.1.4 no-cache may be stored",
                &[("cache-control", "no-cache")],
                &[("cache-control", "max-age=5")],
                Ok(5),
            ),
            ("§3 a HEAD has no body to store", &[(":method", "HEAD")], &[("cache-control", "max-age=5")], Err(Request)),
            ("§3.5", &bearer, &[("cache-control", "max-age=5")], Err(Credentials)),
            ("§3.5 s-maxage", &bearer, &[("cache-control", "s-maxage=5")], Ok(5)),
            ("§3.5 public", &bearer, &[("cache-control", "max-age=5, public")], Ok(5)),
            ("§3.5 must-revalidate", &bearer, &[("cache-control", "max-age=5, must-revalidate")], Ok(5)),
            (
                "§3.5 not proxy-revalidate",
                &bearer,
                &[("cache-control", "max-age=5, proxy-revalidate")],
                Err(Credentials),
            ),
            ("§3.5 whom auth knows", &known, &[("cache-control", "max-age=5")], Err(Credentials)),
            ("§3.5 whom auth knows", &known, &[("cache-control", "max-age=5, public")], Ok(5)),
            ("§4.1", &[], &[("cache-control", "max-age=5"), ("vary", "accept")], Ok(5)),
            ("§4.1 *", &[], &[("cache-control", "max-age=5"), ("vary", "accept, *")], Err(Vary)),
            ("§4.1 what auth took away", &[], &[("cache-control", "max-age=5"), ("vary", "Authorization")], Err(Vary)),
            ("§7.3 cookies", &[], &[("cache-control", "max-age=5"), ("set-cookie", "a=b")], Err(SetCookie)),
            (
                "§5.2.2.7 one user's cookies",
                &[],
                &[("cache-control", "max-age=5, private=\"set-cookie\""), ("set-cookie", "a=b")],
                Ok(5),
            ),
            ("RFC 9110 §8.6", &[], &[("cache-control", "max-age=5"), ("content-length", "1, 1")], Err(Length)),
        ],
    );
}

#[test]
fn what_is_not_fresh_is_stored_where_it_can_be_validated_or_used_stale() {
    use Refusal::{NoStore, Unfresh};
    check(
        "",
        &[
            ("§4.3.1 a validator is enough", &[], &[("etag", "\"a\"")], Ok(0)),
            ("§4.3.1 weak or not", &[], &[("etag", "W/\"a\""), ("cache-control", "max-age=0")], Ok(0)),
            ("§4.3.1 if it can be read", &[], &[("etag", "a")], Err(Unfresh)),
            ("§4.3.1 a date", &[], &[("last-modified", DATE)], Ok(0)),
            ("§4.3.1 no date", &[], &[("last-modified", "0")], Err(Unfresh)),
            ("§4.3.1 of a success", &[], &[(":status", "404"), ("etag", "\"a\"")], Err(Unfresh)),
            ("§3 not of a status that says nothing", &[], &[(":status", "302"), ("etag", "\"a\"")], Err(Unfresh)),
            ("RFC 5861 §4", &[], &[("cache-control", "max-age=5, stale-if-error=5"), ("age", "9")], Ok(5)),
            (
                "RFC 5861 §4 spent",
                &[],
                &[("cache-control", "max-age=5, stale-if-error=5"), ("age", "10")],
                Err(Unfresh),
            ),
            ("RFC 9213 §2.1", &[], &[("cache-control", "no-store"), ("cdn-cache-control", "max-age=5")], Ok(5)),
            ("RFC 9213 §2.1", &[], &[("cache-control", "max-age=5"), ("cdn-cache-control", "no-store")], Err(NoStore)),
            ("RFC 9213 §2.1", &[], &[("cache-control", "max-age=5"), ("cdn-cache-control", "Private")], Ok(5)),
            ("not Surrogate-Control", &[], &[("surrogate-control", "max-age=5")], Err(Unfresh)),
        ],
    );
}

#[test]
fn a_status_is_stored_where_its_meaning_allows_it() {
    let explicit = |status| judged("", &[], &[(":status", status), ("cache-control", "max-age=5")]).is_ok();
    for status in ["200", "203", "204", "300", "301", "302", "307", "308", "400", "403", "404", "405", "410", "414"] {
        assert!(explicit(status), "{status} with explicit freshness (RFC 9111 §3)");
    }
    assert!(explicit("500") && explicit("501") && explicit("503"), "RFC 9111 §3 names no status");
    for status in ["206", "304", "412", "416", "401", "407", "408", "421", "425", "428", "429", "431", "511"] {
        assert!(!explicit(status), "{status}");
    }
    assert!(!explicit("100") && !explicit("600") && !explicit("") && !explicit("abc"));
    // RFC 9111 §5.2.2.3
    let understood =
        |status| judged("", &[], &[(":status", status), ("cache-control", "max-age=5, must-understand")]).is_ok();
    assert!(understood("200") && !understood("299"));
}

#[test]
fn a_guess_is_made_where_it_is_allowed() {
    // RFC 9111 §4.2.2: a tenth of 1,000 s.
    let changed = ("last-modified", "Sun, 06 Nov 1994 08:32:57 GMT");
    let guess = r#", "heuristic_max": "1h""#;
    check(
        guess,
        &[
            ("§4.2.2", &[], &[changed], Ok(100)),
            ("§4.2.2 never beside max-age", &[], &[changed, ("cache-control", "max-age=5")], Ok(5)),
            ("RFC 9110 §15.1", &[], &[(":status", "404"), changed], Ok(100)),
            ("RFC 9110 §15.1", &[], &[(":status", "302"), changed], Err(Refusal::Unfresh)),
            ("RFC 9110 §15.1", &[], &[(":status", "502"), changed], Err(Refusal::Unfresh)),
            ("RFC 9110 §15.1", &[], &[(":status", "599"), changed], Err(Refusal::Unfresh)),
            ("§5.2.2.9", &[], &[(":status", "599"), changed, ("cache-control", "public")], Ok(100)),
            ("§5.2.2.9", &[], &[(":status", "302"), changed, ("cache-control", "public")], Ok(100)),
        ],
    );
}

#[test]
fn a_forced_lifetime_replaces_freshness_and_nothing_else() {
    use Refusal::{Credentials, NoStore, Private, Request, SetCookie, Unfresh, Vary};
    let ttl = r#", "ttl": "1h""#;
    check(
        ttl,
        &[
            ("nothing said", &[], &[], Ok(3600)),
            ("max-age", &[], &[("cache-control", "max-age=5")], Ok(3600)),
            ("max-age=0", &[], &[("cache-control", "max-age=0, must-revalidate, no-cache"), ("age", "9999")], Ok(3600)),
            ("Expires", &[], &[("expires", "0")], Ok(3600)),
            ("another status", &[], &[(":status", "404")], Err(Unfresh)),
            ("another status by its own words", &[], &[(":status", "404"), ("cache-control", "max-age=5")], Ok(5)),
            ("request no-store", &[("cache-control", "no-store")], &[], Err(Request)),
            ("no-store", &[], &[("cache-control", "no-store")], Err(NoStore)),
            ("private", &[], &[("cache-control", "private")], Err(Private)),
            ("set-cookie", &[], &[("set-cookie", "a=b")], Err(SetCookie)),
            ("vary", &[], &[("vary", "*")], Err(Vary)),
            ("credentials", &[("authorization", "x")], &[], Err(Credentials)),
            ("credentials", &[("x-weir-user", "alice")], &[], Err(Credentials)),
        ],
    );
    check(
        r#", "ttl": "1h", "statuses": [404], "despite": ["private", "no-store", "set-cookie"]"#,
        &[
            (
                "despite",
                &[],
                &[(":status", "404"), ("cache-control", "private, no-store"), ("set-cookie", "a=b")],
                Ok(3600),
            ),
            ("another status", &[], &[("cache-control", "private, max-age=5")], Err(Private)),
            ("request no-store", &[("cache-control", "no-store")], &[(":status", "404")], Err(Request)),
        ],
    );
    check(
        r#", "ttl": "1h", "shared": true"#,
        &[
            ("whom auth knows", &[("x-weir-user", "alice")], &[], Ok(3600)),
            ("whom only the upstream can judge", &[("authorization", "x")], &[], Err(Credentials)),
        ],
    );
}

#[test]
fn a_stored_response_knows_on_what_terms() {
    let terms = |route, request, directives| {
        judged(route, request, &[("cache-control", directives)]).map(|admitted| admitted.facts.terms).unwrap()
    };
    let known = [("x-weir-user", "alice")];
    assert_eq!(terms("", &[], "max-age=5"), Terms::default());
    assert!(terms("", &[], "max-age=5, must-revalidate").forbids_stale);
    assert!(terms("", &[], "s-maxage=5").forbids_stale && terms("", &[], "s-maxage=5").allows_credentials);
    assert!(terms(r#", "shared": true"#, &known, "max-age=5").relies_on_shared);
    assert!(!terms(r#", "shared": true"#, &known, "max-age=5, public").relies_on_shared);
    assert!(!terms(r#", "shared": true"#, &[], "max-age=5").relies_on_shared);
    assert!(terms(r#", "ttl": "1h""#, &[], "x").forced);
    // RFC 5861: the response's own bound first; a route that forces a lifetime says both.
    let bounds = |route, directives| {
        let terms = terms(route, &[], directives);
        (terms.while_revalidate, terms.if_error, terms.forbids_stale, terms.needs_validation)
    };
    let route = r#", "stale_while_revalidate": "7s", "stale_if_error": "9s""#;
    let forced = format!(r#"{route}, "ttl": "1h""#);
    for (route, directives, expected) in [
        ("", "max-age=5", (0, 0, false, false)),
        ("", "max-age=5, stale-while-revalidate=1, stale-if-error=2", (1, 2, false, false)),
        (route, "max-age=5", (7, 9, false, false)),
        (route, "max-age=5, stale-while-revalidate=1, stale-if-error=0", (1, 0, false, false)),
        (route, "max-age=5, must-revalidate", (7, 9, true, false)),
        (&forced, "no-cache, must-revalidate, stale-if-error=2", (7, 9, false, false)),
    ] {
        assert_eq!(bounds(route, directives), expected, "{route} {directives}");
    }
}

#[test]
fn fields_that_are_withheld_are_not_stored() {
    // RFC 9111 §5.2.2.4 and §5.2.2.7
    let said = ("cache-control", "max-age=5, no-cache=\"X-A, set-cookie\", private=x-b");
    let lines = [said, ("date", DATE), ("x-a", "1"), ("x-a", "2"), ("x-b", "3"), ("x-c", "4"), ("set-cookie", "a=b")];
    let headers = judged("", &[], &lines).unwrap().headers;
    let names: Vec<_> = headers.iter().map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect();
    assert_eq!(names, ["cache-control", "date", "x-c"]);
}

#[test]
fn headers_of_one_exchange_are_not_stored() {
    // RFC 9111 §3.1
    let admitted = judged(
        r#", "ttl": "1h", "despite": ["set-cookie"]"#,
        &[],
        &[
            ("date", DATE),
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("keep-alive", "5"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("trailer", "x"),
            ("te", "x"),
            ("proxy-authenticate", "Basic"),
            ("proxy-connection", "close"),
            ("set-cookie", "a=b"),
            ("age", "7"),
            ("content-length", "3"),
            ("x-envoy-upstream-service-time", "5"),
            ("x-request-id", "1"),
            ("etag", "\"v1\""),
            ("link", "a"),
            ("link", "\u{ff}"),
            ("cache-status", "origin; hit"),
        ],
    );
    let admitted = admitted.unwrap();
    let names: Vec<_> = admitted.headers.iter().map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect();
    assert_eq!(names, ["date", "etag", "link", "link", "cache-status"]);
    assert_eq!((admitted.length, admitted.date), (Some(3), NOW.unix_seconds()));
    assert_eq!(admitted.facts.received, Received { at: NOW, age: 7 });
}

#[test]
fn a_response_without_a_date_has_one_from_now_on() {
    // RFC 9110 §6.6.1
    for dates in [&[][..], &[("date", "soon")][..], &[("date", DATE), ("date", "soon")][..]] {
        let response: Vec<_> = dates.iter().copied().chain([("cache-control", "max-age=5")]).collect();
        let headers = judged("", &[], &response).unwrap().headers;
        assert_eq!(headers.all("date").collect::<Vec<_>>(), [DATE.as_bytes()]);
    }
}
