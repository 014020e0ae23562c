//! Tables of what RFC 9111 §4 lets a shared cache reuse.

use super::*;
use policy::Seed;

use crate::config::Config;
use crate::entry::{self, Facts, Parts, Terms};
use crate::freshness::Received;
use crate::request::{self, Plan};
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

type Lines<'a> = &'a [(&'a str, &'a str)];

/// The moment at which every stored response of these tests came in.
const STORED: u64 = 784_111_777;
const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

fn facts(lifetime: u32, terms: Terms) -> Facts {
    let received = Received { at: Instant::from_unix_seconds(STORED), age: 10 };
    Facts { status: 200, terms, received, lifetime }
}

fn headers(lines: &[&(&str, &str)]) -> Headers {
    let pairs: Vec<_> = lines.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    Headers::from_pairs(&pairs)
}

/// Plays a request against a stored response, `later` seconds after that came in.
fn played<T>(
    route: &str,
    request: Lines<'_>,
    facts: &Facts,
    stored: Lines<'_>,
    act: impl FnOnce(&Entry<'_>, &Inquiry, &Route) -> T,
) -> T {
    let config = Config::from_json(format!(r#"{{"routes": [{{"match": {{}}{route}}}]}}"#).as_bytes()).unwrap();
    let plain = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")];
    let request = headers(&plain.iter().chain(request).collect::<Vec<_>>());
    let Plan::Ask(inquiry) = request::plan(&config, &Seed::from_random([7; 16]), request, false) else {
        panic!("the request passes")
    };
    let parts = Parts { key: &inquiry.key, vary: b"", values: b"" };
    let mut bytes = entry::begin(facts, &parts, &headers(&stored.iter().collect::<Vec<_>>()), 4);
    bytes.extend_from_slice(b"body");
    act(&Entry::parse(&bytes).unwrap(), &inquiry, &config.routes[0])
}

fn verdict(route: &str, request: Lines<'_>, facts: &Facts, later: u64) -> Result<i64, Forward> {
    let now = Instant::from_unix_seconds(STORED + later);
    played(route, request, facts, &[], |entry, inquiry, route| judge(entry, inquiry, route, now)).map(|hit| hit.ttl)
}

#[test]
fn a_response_is_reused_while_it_is_fresh() {
    // RFC 9111 §4.2: it was 10 s old when it came, and is fresh for 60 s.
    let fresh = facts(60, Terms::default());
    for (later, expected) in [(0, Ok(50)), (49, Ok(1)), (50, Err(Forward::Stale)), (5000, Err(Forward::Stale))] {
        assert_eq!(verdict("", &[], &fresh, later), expected, "{later}");
    }
}

#[test]
fn a_requests_directives_are_heeded() {
    use Forward::{Request, Stale};
    let lax = Terms::default();
    let strict = Terms { forbids_stale: true, ..lax };
    // (section, directives, terms, seconds later, what happens); 10 s old on arrival, fresh for 60 s.
    let rows = [
        ("§5.2.1.1", "max-age=11", lax, 0, Ok(50)),
        ("§5.2.1.1", "max-age=11", lax, 1, Err(Request)),
        ("§5.2.1.1", "max-age=0", lax, 0, Err(Request)),
        ("§5.2.1.1 unreadable", "max-age=x", lax, 0, Err(Request)),
        ("§5.2.1.2", "max-stale=10", lax, 59, Ok(-9)),
        ("§5.2.1.2", "max-stale=10", lax, 60, Err(Stale)),
        ("§5.2.1.2 any", "max-stale", lax, 99_999, Ok(-99_949)),
        ("§5.2.1.2 none", "max-stale=0", lax, 50, Err(Stale)),
        ("§4.2.4 forbidden by the response", "max-stale", strict, 50, Err(Stale)),
        ("§4.2.4 but fresh", "max-stale", strict, 49, Ok(1)),
        ("§5.2.1.3", "min-fresh=50", lax, 0, Ok(50)),
        ("§5.2.1.3", "min-fresh=50", lax, 1, Err(Request)),
        ("§5.2.1.4", "no-cache", lax, 0, Err(Request)),
        ("§5.2.1.5 forbids storing alone", "no-store", lax, 0, Ok(50)),
        ("§5.2.1.7", "only-if-cached", lax, 0, Ok(50)),
        ("§5.2 malformed", "\"", lax, 0, Err(Request)),
    ];
    for (section, directives, terms, later, expected) in rows {
        let said = verdict("", &[("cache-control", directives)], &facts(60, terms), later);
        assert_eq!(said, expected, "{section}: {directives}");
    }
    assert_eq!(verdict("", &[("pragma", "no-cache")], &facts(60, lax), 0), Err(Request), "§5.4");
}

#[test]
fn people_are_not_mixed_up() {
    // RFC 9111 §3.5
    let (closed, open) = (Terms::default(), Terms { allows_credentials: true, ..Terms::default() });
    let personal = Terms { relies_on_shared: true, ..closed };
    let shared = r#", "shared": true"#;
    let (user, credential) = (&[("x-weir-user", "alice")][..], &[("authorization", "Bearer x")][..]);
    let rows = [
        ("", &[][..], closed, Ok(50)),
        ("", user, closed, Err(Forward::Request)),
        ("", user, open, Ok(50)),
        ("", credential, closed, Err(Forward::Request)),
        ("", credential, open, Ok(50)),
        (shared, user, closed, Ok(50)),
        (shared, credential, closed, Err(Forward::Request)),
        (shared, &[], personal, Ok(50)),
        (shared, user, personal, Ok(50)),
        // The route no longer says so.
        ("", &[], personal, Err(Forward::Bypass)),
    ];
    for (route, request, terms, expected) in rows {
        assert_eq!(verdict(route, request, &facts(60, terms), 0), expected, "{route} {request:?} {terms:?}");
    }
}

#[test]
fn a_forced_lifetime_counts_from_arrival_and_follows_the_route() {
    let forced = facts(3600, Terms { forced: true, ..Terms::default() });
    assert_eq!(verdict(r#", "ttl": "1h""#, &[], &forced, 0), Ok(3600));
    assert_eq!(verdict(r#", "ttl": "1h""#, &[], &forced, 3599), Ok(1));
    assert_eq!(verdict(r#", "ttl": "1h""#, &[], &forced, 3600), Err(Forward::Stale));
    assert_eq!(verdict(r#", "ttl": "1m""#, &[], &forced, 60), Err(Forward::Stale));
    assert_eq!(verdict(r#", "ttl": "2h""#, &[], &forced, 3600), Err(Forward::Stale));
    assert_eq!(verdict("", &[], &forced, 0), Err(Forward::Bypass));
}

#[test]
fn a_clock_that_stepped_back_makes_a_response_stale() {
    let fresh = facts(60, Terms::default());
    for back in [3, 3600, STORED] {
        let now = Instant::from_unix_seconds(STORED - back);
        let hit = played("", &[], &fresh, &[], |entry, inquiry, route| judge(entry, inquiry, route, now));
        assert_eq!(hit, Err(Forward::Stale), "{back}");
    }
}

fn answered(request: Lines<'_>, status: u16, stored: Lines<'_>) -> (u16, Vec<String>) {
    let facts = Facts { status, ..facts(60, Terms::default()) };
    let answer = played("", request, &facts, stored, |entry, inquiry, _| {
        answer(entry, inquiry, Hit { age: 10, ttl: 50 }, "weir").unwrap()
    });
    let line = |(name, value): (&[u8], &[u8])| format!("{}: {}", name.escape_ascii(), value.escape_ascii());
    (answer.status, answer.headers.iter().map(line).collect())
}

#[test]
fn a_hit_has_the_stored_headers_and_two_more() {
    let (status, lines) = answered(&[], 404, &[("content-type", "a/b"), ("link", "1"), ("link", "\u{e9}")]);
    assert_eq!(status, 404);
    assert_eq!(
        lines,
        ["content-type: a/b", "link: 1", "link: \\xc3\\xa9", "age: 10", "cache-status: weir; hit; ttl=50"]
    );
}

#[test]
fn a_precondition_is_answered_from_the_store() {
    let tagged: Lines<'_> = &[("etag", "\"a,b\""), ("last-modified", DATE)];
    let weak: Lines<'_> = &[("etag", "W/\"v1\"")];
    let dated: Lines<'_> = &[("last-modified", DATE)];
    let (later, earlier) = ("Sun, 06 Nov 1994 08:49:38 GMT", "Sun, 06 Nov 1994 08:49:36 GMT");
    let (inm, ims) = ("if-none-match", "if-modified-since");
    let rows: [(&str, Lines<'_>, u16, Lines<'_>, u16); 22] = [
        ("§13.1.2", &[(inm, "\"a,b\"")], 200, tagged, 304),
        ("§13.1.2 another", &[(inm, "\"a\"")], 200, tagged, 200),
        ("§13.1.2 one of several", &[(inm, "\"x\", W/\"y\" , \"a,b\"")], 200, tagged, 304),
        ("§13.1.2 in several lines", &[(inm, "\"x\""), (inm, "\"a,b\"")], 200, tagged, 304),
        ("§13.1.2 any", &[(inm, "*")], 200, tagged, 304),
        ("§13.1.2 any, without a tag", &[(inm, "*")], 200, dated, 304),
        ("§8.8.3.2 weak comparison", &[(inm, "\"v1\"")], 200, weak, 304),
        ("§8.8.3.2 weak comparison", &[(inm, "W/\"a,b\"")], 200, tagged, 304),
        ("§8.8.3 case counts", &[(inm, "w/\"v1\"")], 200, weak, 200),
        ("§8.8.3 quotes count", &[(inm, "v1")], 200, weak, 200),
        ("malformed", &[(inm, "\"v1")], 200, weak, 200),
        ("malformed", &[(inm, "")], 200, weak, 200),
        ("malformed tag", &[(inm, "\"a\"b\"")], 200, &[("etag", "\"a\"b\"")], 200),
        ("two tags", &[(inm, "\"a\"")], 200, &[("etag", "\"a\""), ("etag", "\"b\"")], 200),
        ("§13.1.3 the same", &[(ims, DATE)], 200, dated, 304),
        ("§13.1.3 later", &[(ims, later)], 200, dated, 304),
        ("§13.1.3 earlier", &[(ims, earlier)], 200, dated, 200),
        ("§13.1.3 no date", &[(ims, "soon")], 200, dated, 200),
        ("§13.1.3 two dates", &[(ims, DATE), (ims, DATE)], 200, dated, 200),
        ("RFC 9111 §4.3.2 by Date", &[(ims, DATE)], 200, &[("date", DATE)], 304),
        ("§13.2.2 If-None-Match alone counts", &[(inm, "\"x\""), (ims, later)], 200, tagged, 200),
        ("§13.2.1 not for an error", &[(inm, "*")], 404, tagged, 404),
    ];
    for (section, request, status, stored, expected) in rows {
        assert_eq!(answered(request, status, stored).0, expected, "{section}: {request:?} {stored:?}");
    }
}

#[test]
fn a_304_describes_no_content() {
    // RFC 9110 §15.4.5
    let stored: Lines<'_> = &[
        ("content-type", "a/b"),
        ("content-encoding", "br"),
        ("content-language", "en"),
        ("content-location", "/b"),
        ("content-security-policy", "x"),
        ("etag", "\"a\""),
        ("last-modified", DATE),
        ("cache-control", "max-age=60"),
        ("vary", "accept"),
        ("date", DATE),
    ];
    let (status, lines) = answered(&[("if-none-match", "\"a\"")], 200, stored);
    let names: Vec<_> = lines.iter().filter_map(|line| line.split(": ").next()).collect();
    let expected =
        ["content-location", "content-security-policy", "etag", "cache-control", "vary", "date", "age", "cache-status"];
    assert_eq!((status, names.as_slice()), (304, expected.as_slice()));
}
