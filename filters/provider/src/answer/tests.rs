//! What answers become that nobody wanted.

use super::*;
use crate::config::Config;
use crate::profile;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// The moment at which `Thu, 01 Jan 1970 00:16:40 GMT` is now.
const NOW: Instant = Instant::from_unix_seconds(1000);

fn provider(name: &str) -> Provider {
    let json = format!(
        r#"{{"providers": {{"{name}": {{"user_agent": "t/1 (a@b.c)", "credentials": {{"bearer": {{"env": "E"}}}}}}}}}}"#
    );
    let variables = |_: &str| Some("key-of-ours".to_owned());
    Config::with_environment(json.as_bytes(), &variables).ok().unwrap().providers.remove(0)
}

fn verdict(name: &str, shape: Shape, is_raw: bool, status: u16, retry_after: Option<&str>, body: &[u8]) -> Verdict {
    let expected = Expectation { provider: 0, shape, question: None, is_raw };
    let pairs: Vec<(&[u8], &[u8])> =
        retry_after.iter().map(|value| (b"retry-after".as_slice(), value.as_bytes())).collect();
    let provider = provider(name);
    judge(&provider, &provider.forms, &expected, status, &Headers::from_pairs(&pairs), body, NOW)
}

#[test]
fn a_refusal_means_what_the_provider_means() {
    let seconds = |seconds| Rejection::RateLimited { retry_after: Duration::from_secs(seconds) };
    let away = |seconds: Option<u64>| Rejection::Unavailable { retry_after: seconds.map(Duration::from_secs) };
    let busy = r#"{"error": "Your requests are exceeding the allowable rate limit. Please see …"}"#;
    for (name, status, retry_after, body, rejection, trouble) in [
        ("spotify", 404, None, "", Rejection::NotFound, None),
        ("spotify", 410, None, "", Rejection::NotFound, None),
        ("spotify", 401, None, "{}", Rejection::Proxy, Some(Trouble::Denied)),
        ("spotify", 403, None, "{}", Rejection::Proxy, Some(Trouble::Denied)),
        ("spotify", 429, Some("7"), "{}", seconds(7), None),
        ("spotify", 429, Some(" 8 "), "{}", seconds(8), None),
        ("spotify", 429, Some("Thu, 01 Jan 1970 00:16:49 GMT"), "{}", seconds(9), None),
        ("spotify", 429, Some("Thu, 01 Jan 1970 00:00:49 GMT"), "{}", seconds(0), None),
        ("spotify", 429, Some("18446744073709551615"), "{}", seconds(86_400), None),
        ("spotify", 429, Some("soon"), "{}", seconds(5), None),
        ("spotify", 429, None, "{}", seconds(5), None),
        ("spotify", 503, Some("3"), "{}", away(Some(3)), None),
        ("spotify", 503, None, "<html>", away(None), None),
        ("spotify", 504, None, "", Rejection::Timeout, None),
        ("spotify", 500, None, "", Rejection::Proxy, Some(Trouble::Failed)),
        ("spotify", 302, None, "", Rejection::Proxy, Some(Trouble::Failed)),
        ("spotify", 206, None, "", Rejection::Proxy, Some(Trouble::Failed)),
        ("spotify", 0, None, "", Rejection::Proxy, Some(Trouble::Failed)),
        ("musicbrainz", 503, None, busy, seconds(1), None),
        ("musicbrainz", 503, None, r#"{"error": "busy"}"#, away(None), None),
        ("musicbrainz", 200, None, busy, Rejection::Proxy, Some(Trouble::Unreadable)),
        ("lastfm", 200, None, r#"{"error": 6, "message": "x"}"#, Rejection::NotFound, None),
        ("lastfm", 200, None, r#"{"error": "6"}"#, Rejection::NotFound, None),
        ("lastfm", 400, None, r#"{"error": 6}"#, Rejection::NotFound, None),
        ("lastfm", 200, None, r#"{"error": 10}"#, Rejection::Proxy, Some(Trouble::Denied)),
        ("lastfm", 200, None, r#"{"error": 26}"#, Rejection::Proxy, Some(Trouble::Denied)),
        ("lastfm", 200, None, r#"{"error": 11}"#, away(None), None),
        ("lastfm", 200, None, r#"{"error": 29}"#, seconds(2), None),
        ("lastfm", 200, None, r#"{"error": 999}"#, Rejection::Proxy, Some(Trouble::Failed)),
        ("lastfm", 500, None, "<lfm/>", Rejection::Proxy, Some(Trouble::Failed)),
    ] {
        for is_raw in [false, true] {
            let shape = profile::find(name).unwrap().lookups[0].shape;
            let found = verdict(name, shape, is_raw && status != 200, status, retry_after, body.as_bytes());
            assert_eq!(found, Verdict::Refused(rejection.clone(), trouble), "{name} {status} {body}");
        }
    }
}

#[test]
fn what_is_no_answer_is_not_passed_on() {
    let deep = "[".repeat(100_000);
    let track = profile::find("spotify").unwrap().lookups[0].shape;
    for body in
        ["", "null", "[]", "<html>", "{", r#"{"id": 1e999}"#, r#"{"a": 1, "a": 2}"#, "\u{feff}{}", deep.as_str()]
    {
        for (shape, is_raw) in [(track, false), (track, true), (Shape::Own, false), (Shape::Own, true)] {
            let found = verdict("spotify", shape, is_raw, 200, None, body.as_bytes());
            assert_eq!(found, Verdict::Refused(Rejection::Proxy, Some(Trouble::Unreadable)), "{body:.20}");
        }
    }
    assert!(matches!(verdict("spotify", track, false, 200, None, b"{\"a\": \"\xff\"}"), Verdict::Refused(..)));
}

#[test]
fn a_body_that_stays_loses_our_secrets_and_nothing_else() {
    let good = |text: &str| Verdict::Good(text.as_bytes().to_vec());
    let (said, left) = (r#"{"a" :"key-of-ours", "b": [1]}"#, r#"{"a" :"***", "b": [1]}"#);
    assert_eq!(verdict("spotify", Shape::Own, false, 200, None, said.as_bytes()), good(left));
    let track = profile::find("spotify").unwrap().lookups[0].shape;
    assert_eq!(verdict("spotify", track, true, 200, None, said.as_bytes()), good(left));
    let said = r#"{"id": "1", "name": "key-of-ours"}"#;
    let left = r#"{"provider":"spotify","id":"1","name":"***","artists":[]}"#;
    assert_eq!(verdict("spotify", track, false, 200, None, said.as_bytes()), good(left));
}

#[test]
fn an_answer_that_would_not_fit_is_none() {
    let track = profile::find("spotify").unwrap().lookups[0].shape;
    let body = |length: usize| format!(r#"{{"id": "1", "name": "{}"}}"#, "x".repeat(length));
    assert!(matches!(verdict("spotify", track, false, 200, None, body(1000).as_bytes()), Verdict::Good(_)));
    let found = verdict("spotify", track, false, 200, None, body(RESULT_BYTES_MAX).as_bytes());
    assert_eq!(found, Verdict::Refused(Rejection::Proxy, Some(Trouble::TooLong)));
}
