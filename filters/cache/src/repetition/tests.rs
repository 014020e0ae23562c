//! Tests of the module around this one.

use super::*;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

type Lines<'a> = &'a [(&'a str, &'a str)];

fn request(path: &str, lines: Lines<'_>) -> Headers {
    let own = [(":authority", "a"), (":path", path), (":method", "GET")];
    let pairs: Vec<_> = own.iter().chain(lines).map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    Headers::from_pairs(&pairs)
}

fn repetitions(routes: &str) -> Repetitions<u32, &'static str> {
    Repetitions::new(&Config::from_json(format!(r#"{{"routes": [{routes}]}}"#).as_bytes()).unwrap())
}

/// Remembers an answer to a request, as one that is given for the second time.
fn keep(kept: &mut Repetitions<u32, &'static str>, request: &Headers, varied: &[&str], moment: u32) {
    for _ in 0..2 {
        kept.keep(request, varied, moment, 100, || "answer");
    }
}

#[test]
fn what_is_given_twice_at_a_moment_is_remembered() {
    let (mut kept, request) = (repetitions(r#"{"match": {}}"#), request("/a", &[]));
    for (moment, expected) in [(1, None), (1, Some((&1, &"answer"))), (2, None), (1, None), (1, Some((&1, &"answer")))]
    {
        kept.keep(&request, &[], moment, 100, || "answer");
        assert_eq!(kept.find(&request), expected, "{moment}");
    }
}

#[test]
fn a_request_that_says_anything_else_is_another() {
    let said: Lines<'_> = &[("accept", "*/*"), ("user-agent", "curl"), ("x-weir-user", "alice")];
    let by_agent = r#"{"match": {"headers": {"user-agent": "curl"}}}"#;
    let by_user = r#"{"match": {}, "isolate": "user"}"#;
    let idle_by_agent = r#"{"match": {"headers": {"user-agent": "wget"}}, "keeps": false}"#;
    // (routes, what decides besides, the path, what else is said, whether that is the same)
    let rows: [(&str, &[&str], &str, Lines<'_>, bool); 15] = [
        (r#"{"match": {}}"#, &[], "/a", said, true),
        (r#"{"match": {}}"#, &[], "/b", said, false),
        (r#"{"match": {}}"#, &[], "/a", &[("accept", "*/*"), ("user-agent", "wget/2"), ("x-weir-user", "bob")], true),
        (r#"{"match": {}}"#, &[], "/a", &[("accept", "*/*"), ("user-agent", ""), ("x-weir-user", "")], true),
        (r#"{"match": {}}"#, &[], "/a", &[("accept", "*"), ("user-agent", "curl"), ("x-weir-user", "alice")], false),
        (r#"{"match": {}}"#, &[], "/a", &[("accept", "*/*"), ("user-agent", "curl")], false),
        (r#"{"match": {}}"#, &[], "/a", &[("accept", "*/*"), ("x-weir-user", "alice"), ("user-agent", "curl")], false),
        (r#"{"match": {}}"#, &[], "/a", &[said[0], said[1], said[2], ("range", "bytes=0-1")], false),
        (r#"{"match": {}}"#, &["user-agent"], "/a", &[said[0], ("user-agent", "wget"), said[2]], false),
        (r#"{"match": {}}"#, &["user-agent"], "/a", &[said[0], said[1], ("x-weir-user", "bob")], true),
        (by_agent, &[], "/a", &[said[0], ("user-agent", "wget"), said[2]], false),
        (idle_by_agent, &[], "/a", &[said[0], ("user-agent", "wget"), said[2]], false),
        (by_user, &[], "/a", &[said[0], said[1], ("x-weir-user", "bob")], false),
        (by_user, &[], "/a", &[said[0], ("user-agent", "wget"), said[2]], true),
        (r#"{"match": {}, "isolate": "tier"}"#, &[], "/a", &[said[0], said[1], ("x-weir-user", "bob")], true),
    ];
    for (routes, varied, path, other, expected) in rows {
        let mut kept = repetitions(routes);
        keep(&mut kept, &request("/a", said), varied, 1);
        assert_eq!(kept.find(&request(path, other)).is_some(), expected, "{routes} {varied:?} {path} {other:?}");
    }
}

#[test]
fn who_is_told_apart_by_user_is_told_apart_by_key() {
    let mut kept = repetitions(r#"{"match": {}, "isolate": "user"}"#);
    keep(&mut kept, &request("/a", &[(header::API_KEY, "one")]), &[], 1);
    assert!(kept.find(&request("/a", &[(header::API_KEY, "two")])).is_none());
    let mut kept = repetitions(r#"{"match": {}, "isolate": "tier"}"#);
    keep(&mut kept, &request("/a", &[(header::API_KEY, "one"), (header::TIER, "pro")]), &[], 1);
    assert!(kept.find(&request("/a", &[(header::API_KEY, "two"), (header::TIER, "pro")])).is_some());
    assert!(kept.find(&request("/a", &[(header::API_KEY, "one"), (header::TIER, "free")])).is_none());
}

#[test]
fn a_flood_of_addresses_and_of_long_requests_is_bounded() {
    let mut kept = repetitions(r#"{"match": {}}"#);
    for number in 0..10_000 {
        keep(&mut kept, &request(&format!("/{number}"), &[]), &[], 1);
    }
    let taken: usize = kept
        .places
        .iter()
        .filter_map(|place| place.kept.as_ref())
        .map(|(words, _)| words.headers.as_bytes().len())
        .sum();
    assert!(kept.places.len() == PLACES && (PLACES * 32..PLACES * BYTES_MAX).contains(&taken), "{taken}");
    let long = "a".repeat(BYTES_MAX);
    let many: Vec<_> = (0..64).map(|_| ("a", "b")).collect();
    for lines in [&[("long", long.as_str())], many.as_slice()] {
        let request = request("/a", lines);
        keep(&mut kept, &request, &[], 1);
        assert!(kept.find(&request).is_none());
    }
    let short = request("/a", &[]);
    for _ in 0..2 {
        kept.keep(&short, &[], 2, BYTES_MAX, || "a long answer");
    }
    assert!(kept.find(&short).is_none());
    assert!(kept.find(&Headers::from_pairs(&[])).is_none());
}
