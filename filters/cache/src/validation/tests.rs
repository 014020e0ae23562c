//! Tables of what validation does (RFC 9111 §4.3).

use super::*;
use policy::Seed;

use crate::config::Config;
use crate::entry::{self, Facts, Parts, Terms};
use crate::freshness::Received;
use crate::request::{self, Plan};
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

type Lines<'a> = &'a [(&'a str, &'a str)];

const NOW: Instant = Instant::from_unix_seconds(784_111_777);
const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

fn headers(lines: Lines<'_>) -> Headers {
    let pairs: Vec<_> = lines.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    Headers::from_pairs(&pairs)
}

fn config(route: &str) -> Config {
    Config::from_json(format!(r#"{{"routes": [{{"match": {{}}{route}}}]}}"#).as_bytes()).unwrap()
}

fn inquiry(config: &Config, method: &str, directives: &str) -> Inquiry {
    let lines =
        [(":method", method), (":scheme", "http"), (":authority", "a"), (":path", "/"), ("cache-control", directives)];
    match request::plan(config, &Seed::from_random([7; 16]), headers(&lines), false) {
        Plan::Ask(inquiry) => inquiry,
        _ => panic!("{method} passes"),
    }
}

#[test]
fn a_stored_response_is_asked_about_by_its_validators() {
    // §4.3.1: (section, status, stored, If-None-Match, If-Modified-Since)
    type Row<'a> = (&'a str, u16, Lines<'a>, Option<(Option<&'a str>, Option<&'a str>)>);
    let rows: [Row<'_>; 9] = [
        ("both", 200, &[("etag", "\"a\""), ("last-modified", DATE)], Some((Some("\"a\""), Some(DATE)))),
        ("a tag", 200, &[("etag", "W/\"a\"")], Some((Some("W/\"a\""), None))),
        ("a date", 203, &[("last-modified", DATE)], Some((None, Some(DATE)))),
        ("an unreadable tag", 200, &[("etag", "a"), ("last-modified", DATE)], Some((None, Some(DATE)))),
        ("an unreadable date", 200, &[("etag", "\"a\""), ("last-modified", "0")], Some((Some("\"a\""), None))),
        ("two tags", 200, &[("etag", "\"a\""), ("etag", "\"b\"")], None),
        ("none", 200, &[("date", DATE)], None),
        ("an error", 404, &[("etag", "\"a\"")], None),
        ("a redirection", 301, &[("etag", "\"a\"")], None),
    ];
    for (case, status, stored, expected) in rows {
        let conditions = Conditions::of(status, &headers(stored), NOW);
        let expected = expected.map(|(tag, since)| {
            let [tag, since] = [tag, since].map(|value| value.map(|value| value.as_bytes().to_vec()));
            Conditions { tag, since }
        });
        assert_eq!(conditions, expected, "{case}");
    }
}

#[test]
fn an_answer_is_read_as_what_it_means_for_what_is_stored() {
    // (section, method, whether validators were sent, stored, answer, finding)
    type Row<'a> = (&'a str, &'a str, bool, Lines<'a>, Lines<'a>, Finding);
    use Finding::{Confirmed, Contradicted, Described, Failed, Refuted, Replaced, Unchanged};
    let tagged: Lines<'_> = &[("etag", "\"a\""), ("last-modified", DATE)];
    let weak: Lines<'_> = &[("etag", "W/\"a\"")];
    let dated: Lines<'_> = &[("last-modified", DATE)];
    let rows: [Row<'_>; 31] = [
        ("§4.3.3", "GET", true, tagged, &[(":status", "304")], Confirmed),
        ("§4.3.4", "GET", true, tagged, &[(":status", "304"), ("etag", "\"a\"")], Confirmed),
        ("§4.3.4 weakly", "GET", true, tagged, &[(":status", "304"), ("etag", "W/\"a\"")], Confirmed),
        ("§4.3.4 of another", "GET", true, tagged, &[(":status", "304"), ("etag", "\"b\"")], Unchanged),
        ("§4.3.4 by date", "GET", true, dated, &[(":status", "304"), ("etag", "\"b\"")], Unchanged),
        ("§4.3.4 strong, not stored", "GET", true, weak, &[(":status", "304"), ("etag", "\"a\"")], Unchanged),
        ("§4.3.4 weak twice", "GET", true, weak, &[(":status", "304"), ("etag", "W/\"a\"")], Confirmed),
        ("§4.3.4 weak, not stored", "GET", true, dated, &[(":status", "304"), ("etag", "W/\"a\"")], Unchanged),
        ("§4.3.4 its date", "GET", true, tagged, &[(":status", "304"), ("last-modified", DATE)], Confirmed),
        ("§4.3.4 another date", "GET", true, tagged, &[(":status", "304"), ("last-modified", LATER)], Unchanged),
        ("§4.3.3 not asked for", "GET", false, tagged, &[(":status", "304")], Replaced),
        ("§4.3.3 a new one", "GET", true, tagged, &[(":status", "200")], Refuted),
        ("§4.3.3 gone", "GET", true, tagged, &[(":status", "404")], Refuted),
        ("§4.3.3 a part", "GET", true, tagged, &[(":status", "206")], Replaced),
        ("§4.3.3 no part", "GET", true, tagged, &[(":status", "416")], Replaced),
        ("§4.3.3 not asked about", "GET", false, tagged, &[(":status", "404")], Replaced),
        ("§4.3.3 without content", "HEAD", true, tagged, &[(":status", "404")], Replaced),
        ("no answer of its own", "GET", true, tagged, &[(":status", "200"), ("x-weir-fallback", "static")], Failed),
        ("no answer of its own", "HEAD", false, tagged, &[(":status", "200"), ("x-weir-fallback", "upstream")], Failed),
        (
            "no answer of its own",
            "GET",
            true,
            tagged,
            &[(":status", "304"), ("x-weir-fallback", "upstream")],
            Confirmed,
        ),
        ("RFC 5861 §4", "GET", true, tagged, &[(":status", "500")], Failed),
        ("RFC 5861 §4", "GET", false, tagged, &[(":status", "502")], Failed),
        ("RFC 5861 §4", "HEAD", true, tagged, &[(":status", "503")], Failed),
        ("RFC 5861 §4", "GET", true, tagged, &[(":status", "504")], Failed),
        ("RFC 5861 §4 no failure", "GET", true, tagged, &[(":status", "501")], Replaced),
        ("RFC 5861 §4 no failure", "GET", true, tagged, &[(":status", "429")], Replaced),
        ("§4.3.5", "HEAD", false, tagged, &[(":status", "200"), ("etag", "\"a\"")], Described),
        ("§4.3.5 nothing else said", "HEAD", false, tagged, &[(":status", "200")], Described),
        ("§4.3.5 another tag", "HEAD", false, tagged, &[(":status", "200"), ("etag", "\"b\"")], Contradicted),
        ("§4.3.5 another date", "HEAD", true, tagged, &[(":status", "200"), ("last-modified", LATER)], Contradicted),
        ("§4.3.5 not of an error", "HEAD", false, tagged, &[(":status", "404")], Replaced),
    ];
    let plain = config("");
    for (section, method, is_conditional, stored, answer, expected) in rows {
        let inquiry = inquiry(&plain, method, "");
        let found = find(&inquiry, &plain.routes[0], is_conditional, &kept(200, &headers(stored)), &headers(answer));
        assert_eq!(found, expected, "{section}: {method} {answer:?}");
    }
    let tagged = headers(tagged);
    let lengths = [("10", Described), ("11", Contradicted), ("x", Contradicted)];
    for (length, expected) in lengths {
        let answer = headers(&[(":status", "200"), ("content-length", length)]);
        let found = find(&inquiry(&plain, "HEAD", ""), &plain.routes[0], false, &kept(200, &tagged), &answer);
        assert_eq!(found, expected, "§4.3.5 {length}");
    }
    for (status, expected) in [(200, Described), (203, Contradicted), (301, Contradicted), (404, Contradicted)] {
        let (inquiry, silent) = (inquiry(&plain, "HEAD", ""), headers(&[(":status", "200")]));
        let found = find(&inquiry, &plain.routes[0], false, &kept(status, &tagged), &silent);
        assert_eq!(found, expected, "§4.3.5 of a {status}");
    }
    let patient = config(r#", "stale_if_error": "1h""#);
    let limited = headers(&[(":status", "429")]);
    let found = find(&inquiry(&patient, "GET", ""), &patient.routes[0], true, &kept(200, &tagged), &limited);
    assert_eq!(found, Failed);
}

/// A stored response with ten bytes of content.
fn kept(status: u16, headers: &Headers) -> Stored<'_> {
    Stored { status, headers, body: b"0123456789" }
}

#[test]
fn an_answer_freshens_what_is_stored() {
    // §3.2
    let stored = headers(&[
        ("date", DATE),
        ("etag", "\"a\""),
        ("cache-control", "max-age=1"),
        ("content-type", "a/b"),
        ("link", "1"),
        ("link", "2"),
        ("x-kept", "1"),
        ("x-hop", "1"),
    ]);
    let answer = headers(&[
        (":status", "304"),
        ("cache-control", "max-age=60"),
        ("content-length", "3"),
        ("connection", "x-hop"),
        ("x-hop", "2"),
        ("link", "3"),
        ("age", "5"),
        ("set-cookie", "a=b"),
        ("x-request-id", "7"),
        ("x-new", "1"),
    ]);
    let line = |(name, value): (&[u8], &[u8])| format!("{}: {}", name.escape_ascii(), value.escape_ascii());
    let lines: Vec<_> = freshened(200, 10, &stored, &answer).iter().map(line).collect();
    let expected = [
        ":status: 200",
        "content-length: 10",
        "etag: \"a\"",
        "content-type: a/b",
        "x-kept: 1",
        "x-hop: 1",
        "cache-control: max-age=60",
        "link: 3",
        "age: 5",
        "x-new: 1",
    ];
    let again = headers(&[("link", "2"), ("date", LATER), ("link", "1")]);
    for (before, expected) in [
        (&[("date", DATE), ("link", "1"), ("link", "2")][..], true),
        (&[("date", DATE), ("link", "1"), ("link", "3")], false),
        (&[("date", DATE), ("link", "1"), ("link", "2"), ("x", "")], false),
    ] {
        assert_eq!(is_same(&headers(before), &again), expected, "{before:?}");
    }
    assert_eq!(lines, expected.map(|line| line.replace('"', "\\\"")));
}

#[test]
fn a_failure_is_bridged_within_bounds() {
    let lax = Terms { if_error: 20, ..Terms::default() };
    let strict = Terms { forbids_stale: true, ..lax };
    let unsure = Terms { needs_validation: true, ..lax };
    // (section, directives, terms, seconds later, ttl); 10 s old on arrival, fresh for 60 s.
    let rows = [
        ("RFC 5861 §4", "", lax, 50, Some(0)),
        ("RFC 5861 §4", "", lax, 70, Some(-20)),
        ("RFC 5861 §4 past its bound", "", lax, 71, None),
        ("RFC 5861 §4 fresh, but not for this client", "max-age=5", lax, 20, Some(30)),
        ("RFC 5861 §4 by the request", "stale-if-error=30", lax, 80, Some(-30)),
        ("RFC 5861 §4 by the request", "stale-if-error=30", Terms::default(), 81, None),
        ("§5.2.1.4", "no-cache", lax, 50, None),
        ("§4.2.4", "", strict, 50, None),
        ("§4.2.4 whatever the request says", "stale-if-error=30", strict, 50, None),
        ("§5.2.2.4", "", unsure, 0, None),
    ];
    for (section, directives, terms, later, expected) in rows {
        let facts = Facts { status: 200, terms, received: Received { at: NOW, age: 10 }, lifetime: 60 };
        let parts = Parts { key: b"k", vary: b"", values: b"" };
        let bytes = entry::begin(&facts, &parts, &headers(&[]), 0);
        let config = config("");
        let inquiry = inquiry(&config, "GET", directives);
        let now = Instant::from_unix_seconds(784_111_777 + later);
        let hit = rescue(&Entry::parse(&bytes).unwrap(), &inquiry, &config.routes[0], now);
        assert_eq!(hit.map(|hit| hit.ttl), expected, "{section}: {directives}");
    }
    let early = Instant::from_unix_seconds(784_111_777 - 100);
    let facts = Facts { status: 200, terms: lax, received: Received { at: NOW, age: 10 }, lifetime: 60 };
    let bytes = entry::begin(&facts, &Parts { key: b"k", vary: b"", values: b"" }, &headers(&[]), 0);
    let config = config("");
    let hit = rescue(&Entry::parse(&bytes).unwrap(), &inquiry(&config, "GET", ""), &config.routes[0], early);
    assert_eq!(hit, None, "a clock that stepped back");
}

#[test]
fn a_lifetime_that_was_shortened_since_brings_the_bound_of_a_failure_nearer() {
    let terms = Terms { if_error: 20, forced: true, ..Terms::default() };
    let facts = Facts { status: 200, terms, received: Received { at: NOW, age: 0 }, lifetime: 60 };
    let bytes = entry::begin(&facts, &Parts { key: b"k", vary: b"", values: b"" }, &headers(&[]), 0);
    for (ttl, later, expected) in [
        ("60s", 80, Some(-20)),
        ("60s", 81, None),
        ("15s", 35, Some(-20)),
        ("15s", 36, None),
        ("2h", 80, Some(-20)),
        ("2h", 81, None),
    ] {
        let config = config(&format!(r#", "ttl": "{ttl}""#));
        let now = Instant::from_unix_seconds(784_111_777 + later);
        let hit = rescue(&Entry::parse(&bytes).unwrap(), &inquiry(&config, "GET", ""), &config.routes[0], now);
        assert_eq!(hit.map(|hit| hit.ttl), expected, "{ttl} {later}");
    }
}
