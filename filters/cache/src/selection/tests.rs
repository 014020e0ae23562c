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
    let plain = plain.iter().filter(|(name, _)| request.iter().all(|(other, _)| other != name));
    let request = headers(&plain.chain(request).collect::<Vec<_>>());
    let Plan::Ask(inquiry) = request::plan(&config, &Seed::from_random([7; 16]), request, false) else {
        panic!("the request passes")
    };
    let parts = Parts { key: &inquiry.key, vary: b"", values: b"" };
    let mut bytes = entry::begin(facts, &parts, &headers(&stored.iter().collect::<Vec<_>>()), 4);
    bytes.extend_from_slice(b"body");
    act(&Entry::parse(&bytes).unwrap(), &inquiry, &config.routes[0])
}

fn judged(route: &str, request: Lines<'_>, facts: &Facts, later: u64) -> Verdict {
    let now = Instant::from_unix_seconds(STORED + later);
    played(route, request, facts, &[], |entry, inquiry, route| judge(entry, inquiry, route, now))
}

/// For how long what is used is fresh, or why it is not used as it is.
fn verdict(route: &str, request: Lines<'_>, facts: &Facts, later: u64) -> Result<i64, Forward> {
    match judged(route, request, facts, later) {
        Verdict::Use(hit) => Ok(hit.ttl),
        Verdict::Refresh(_) => panic!("{request:?} refreshes"),
        Verdict::Validate(why) | Verdict::Ignore(why) => Err(why),
    }
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
        let verdict = played("", &[], &fresh, &[], |entry, inquiry, route| judge(entry, inquiry, route, now));
        assert_eq!(verdict, Verdict::Validate(Forward::Stale), "{back}");
    }
}

#[test]
fn a_stale_response_is_refreshed_beside_validated_or_ignored() {
    use Forward::{Bypass, Request, Stale};
    use Verdict::{Ignore, Refresh, Use, Validate};
    let lax = Terms { while_revalidate: 20, ..Terms::default() };
    let strict = Terms { forbids_stale: true, ..lax };
    let unsure = Terms { needs_validation: true, ..lax };
    let personal = Terms { relies_on_shared: true, ..lax };
    let hit = |age, ttl| Hit { age, ttl };
    // (section, directives, terms, seconds later, verdict); 10 s old on arrival, fresh for 60 s.
    let rows = [
        ("RFC 5861 §3 fresh", "", lax, 49, Use(hit(59, 1))),
        ("RFC 5861 §3", "", lax, 50, Refresh(hit(60, 0))),
        ("RFC 5861 §3", "", lax, 69, Refresh(hit(79, -19))),
        ("RFC 5861 §3 past its bound", "", lax, 70, Validate(Stale)),
        ("§4.2.4 forbidden", "", strict, 50, Validate(Stale)),
        ("§5.2.1.2 by the client's leave", "max-stale=100", lax, 69, Use(hit(79, -19))),
        ("§5.2.1.3 what is stale is not fresh for long", "min-fresh=1", lax, 50, Validate(Stale)),
        ("§5.2.1.4", "no-cache", lax, 50, Validate(Request)),
        ("§5.2.1.1", "max-age=60", lax, 50, Validate(Request)),
        ("§5.2.1.1 young enough, but stale", "max-age=61", lax, 50, Validate(Stale)),
        ("§5.2.1.2 stale, by the client's leave", "max-age=80, max-stale=20", lax, 69, Use(hit(79, -19))),
        ("§5.2.1.2 and no longer than that", "max-age=80, max-stale=19", lax, 69, Validate(Stale)),
        ("§5.2.1.2 whatever the response allows", "max-stale=19", lax, 69, Validate(Stale)),
        ("§5.2.2.4", "", unsure, 0, Validate(Stale)),
        ("§5.2.2.4", "max-stale", unsure, 60, Validate(Stale)),
        ("§3.5", "", personal, 50, Ignore(Bypass)),
    ];
    for (section, directives, terms, later, expected) in rows {
        let verdict = judged("", &[("cache-control", directives)], &facts(60, terms), later);
        assert_eq!(verdict, expected, "{section}: {directives}");
    }
    let user = &[("x-weir-user", "alice")];
    assert_eq!(judged("", user, &facts(60, lax), 50), Ignore(Request), "§3.5");
}

/// What a response of ten bytes answers.
fn answered(request: Lines<'_>, status: u16, stored: Lines<'_>) -> (u16, Vec<String>, Vec<u8>) {
    let facts = Facts { status, ..facts(60, Terms::default()) };
    let now = Instant::from_unix_seconds(STORED + 20);
    let body = b"0123456789";
    let answer = played("", request, &facts, stored, |entry, inquiry, _| {
        let stored = Stored { status, headers: &entry.headers().unwrap(), body };
        answer(&stored, inquiry, 10, "weir; hit; ttl=50", now)
    });
    let line = |(name, value): (&[u8], &[u8])| format!("{}: {}", name.escape_ascii(), value.escape_ascii());
    let lines = answer.headers.iter().map(line).collect();
    (answer.status, lines, answer.body.of(body).to_vec())
}

#[test]
fn a_hit_has_the_stored_headers_and_two_more() {
    let (status, lines, body) = answered(&[], 404, &[("content-type", "a/b"), ("link", "1"), ("link", "\u{e9}")]);
    assert_eq!((status, body.as_slice()), (404, b"0123456789".as_slice()));
    assert_eq!(
        lines,
        ["content-type: a/b", "link: 1", "link: \\xc3\\xa9", "age: 10", "cache-status: weir; hit; ttl=50"]
    );
}

#[test]
fn a_part_is_answered_from_a_stored_whole() {
    // (section, request, status and headers stored, status, Content-Range, body)
    type Row<'a> = (&'a str, Lines<'a>, u16, Lines<'a>, u16, Option<&'a str>, &'a str);
    let tagged: Lines<'_> = &[
        ("content-type", "a/b"),
        ("etag", "\"a\""),
        ("last-modified", "Sun, 06 Nov 1994 08:49:36 GMT"),
        ("date", DATE),
    ];
    let weak: Lines<'_> = &[("content-type", "a/b"), ("etag", "W/\"a\""), ("last-modified", DATE), ("date", DATE)];
    let range = ("range", "bytes=2-4");
    let rows: [Row<'_>; 22] = [
        ("§14.2", &[range], 200, tagged, 206, Some("bytes 2-4/10"), "234"),
        ("§14.1.2 suffix", &[("range", "bytes=-1")], 200, tagged, 206, Some("bytes 9-9/10"), "9"),
        ("§15.5.17", &[("range", "bytes=10-")], 200, tagged, 416, Some("bytes */10"), ""),
        ("§14.2 unknown unit", &[("range", "lines=1-2")], 200, tagged, 200, None, "0123456789"),
        ("§14.2 said twice", &[range, range], 200, tagged, 200, None, "0123456789"),
        ("§14.2 for GET alone", &[(":method", "HEAD"), range], 200, tagged, 200, None, "0123456789"),
        ("§14.2 for what succeeded", &[range], 404, tagged, 404, None, "0123456789"),
        ("§14.2 for a 200 alone", &[range], 203, tagged, 203, None, "0123456789"),
        ("§13.2.1", &[("if-none-match", "\"a\"")], 203, tagged, 304, None, ""),
        ("§13.2.1", &[("if-modified-since", DATE)], 204, tagged, 304, None, ""),
        ("§13.2.1 but not of an error", &[("if-none-match", "\"a\"")], 410, tagged, 410, None, "0123456789"),
        ("§13.2.2 preconditions first", &[range, ("if-none-match", "\"a\"")], 200, tagged, 304, None, ""),
        ("§13.2.2 then ranges", &[range, ("if-none-match", "\"b\"")], 200, tagged, 206, Some("bytes 2-4/10"), "234"),
        ("§13.1.5 by tag", &[range, ("if-range", "\"a\"")], 200, tagged, 206, Some("bytes 2-4/10"), "234"),
        ("§13.1.5 another tag", &[range, ("if-range", "\"b\"")], 200, tagged, 200, None, "0123456789"),
        ("§13.1.5 strong alone", &[range, ("if-range", "W/\"a\"")], 200, weak, 200, None, "0123456789"),
        ("§13.1.5 on both sides", &[range, ("if-range", "\"a\"")], 200, weak, 200, None, "0123456789"),
        (
            "§13.1.5 by date",
            &[range, ("if-range", "Sun, 06 Nov 1994 08:49:36 GMT")],
            200,
            tagged,
            206,
            Some("bytes 2-4/10"),
            "234",
        ),
        ("§13.1.5 another date", &[range, ("if-range", DATE)], 200, tagged, 200, None, "0123456789"),
        ("§8.8.2.2 a weak date", &[range, ("if-range", DATE)], 200, weak, 200, None, "0123456789"),
        ("§13.1.5 unreadable", &[range, ("if-range", "a")], 200, tagged, 200, None, "0123456789"),
        ("§13.1.5 twice", &[range, ("if-range", "\"a\""), ("if-range", "\"a\"")], 200, tagged, 200, None, "0123456789"),
    ];
    for (section, request, status, stored, expected, place, content) in rows {
        let (status, lines, body) = answered(request, status, stored);
        let said = lines.iter().find_map(|line| line.strip_prefix("content-range: "));
        assert_eq!((status, said, body.as_slice()), (expected, place, content.as_bytes()), "{section}: {request:?}");
    }
    let (status, lines, body) = answered(&[("range", "bytes=0-1,9-")], 200, tagged);
    let kinds: Vec<_> = lines.iter().filter(|line| line.starts_with("content-type")).collect();
    assert_eq!((status, kinds.len(), body.starts_with(b"\r\n--")), (206, 1, true), "§15.3.7.2");
    assert!(kinds[0].starts_with("content-type: multipart/byteranges; boundary="));
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
    let (status, lines, body) = answered(&[("if-none-match", "\"a\"")], 200, stored);
    assert!(body.is_empty());
    let names: Vec<_> = lines.iter().filter_map(|line| line.split(": ").next()).collect();
    let expected =
        ["content-location", "content-security-policy", "etag", "cache-control", "vary", "date", "age", "cache-status"];
    assert_eq!((status, names.as_slice()), (304, expected.as_slice()));
}

#[test]
fn keys_of_one_fingerprint_are_told_apart() {
    let config = Config::from_json(
        br#"{"routes": [
            {"match": {"path": "/tier"}, "isolate": "tier"},
            {"match": {}, "isolate": "user", "body": {"key": "json"}}
        ]}"#,
    )
    .unwrap();
    let seed = Seed::from_random([7; 16]);
    let asked = |method: &str, host: &str, path: &str, user: &str, kind: &str, body: &str| {
        let lines = [
            (":method", method),
            (":scheme", "http"),
            (":authority", host),
            (":path", path),
            ("content-type", "application/json"),
            ("x-weir-user", user),
            ("x-weir-tier", user),
            ("x-kind", kind),
        ];
        let has_body = !body.is_empty();
        let inquiry = match request::plan(&config, &seed, headers(&lines.iter().collect::<Vec<_>>()), has_body) {
            Plan::Ask(inquiry) => inquiry,
            Plan::Gather(gathering) => gathering.complete(&seed, body.as_bytes()).unwrap(),
            Plan::Pass { .. } | Plan::Leave => panic!("{method} {path} passes"),
        };
        // A hasher that always says 0.
        Inquiry { print: policy::Fingerprint::from_bytes([0; 16]), ..inquiry }
    };
    let all = [
        asked("GET", "a", "/", "alice", "", ""),
        asked("GET", "b", "/", "alice", "", ""),
        asked("GET", "a", "/?", "alice", "", ""),
        asked("GET", "a", "/tier", "alice", "", ""),
        asked("GET", "a", "/", "bob", "", ""),
        asked("GET", "a", "/", "alice", "1", ""),
        asked("POST", "a", "/", "alice", "", "{}"),
        asked("POST", "a", "/", "alice", "", "[]"),
        asked("POST", "a", "/", "bob", "", "{}"),
        asked("POST", "a", "/?", "alice", "", "{}"),
    ];
    let vary = Vary::parse([b"x-kind".as_slice()]).unwrap();
    for (index, stored) in all.iter().enumerate() {
        let values = vary.values(&stored.headers);
        let parts = Parts { key: &stored.key, vary: vary.as_bytes(), values: &values };
        let object = entry::begin(&facts(60, Terms::default()), &parts, &Headers::default(), 0);
        let entry = Entry::parse(&object).unwrap();
        for (other, inquiry) in all.iter().enumerate() {
            assert_eq!(inquiry.print, stored.print);
            assert_eq!(compare(&entry, inquiry).is_ok(), index == other, "{index} {other}");
        }
    }
}
