//! What crosses to a provider and back.

use policy::Rejection;
use policy::rejection::Format;

use super::*;
use crate::config::Config;
use crate::profile;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn provider(name: &str) -> Provider {
    let json = format!(
        r#"{{"providers": {{"{name}": {{"base": "/b", "user_agent": "t/1 (a@b.c)", "credentials": {{"header": {{"name": "x-key", "env": "E"}}}}}}}}}}"#
    );
    let variables = |_: &str| Some("key-of-ours".to_owned());
    Config::with_environment(json.as_bytes(), &variables).ok().unwrap().providers.remove(0)
}

/// The path of a search, or what its client is told.
fn searched(name: &str, artist: &str, title: &str) -> String {
    let question = Question::Search { artist: artist.into(), title: title.into(), limit: 7 };
    let search = profile::find(name).unwrap().search.as_ref().unwrap();
    match path(&provider(name), &What::Search(search), Some(&question)) {
        Ok(path) => path,
        Err(Rejection::BadRequest { message }) => message,
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn each_provider_is_searched_in_its_own_language() {
    for (name, artist, title, expected) in [
        (
            "spotify",
            "Daft Punk",
            "One More Time",
            "/b/search?q=artist%3A%22Daft%20Punk%22%20track%3A%22One%20More%20Time%22&type=track&limit=7",
        ),
        (
            "spotify",
            "a\" OR \"b",
            "x: year:1999  NOT",
            "/b/search?q=artist%3A%22a%20OR%20b%22%20track%3A%22x%20year%201999%20NOT%22&type=track&limit=7",
        ),
        ("spotify", "\":\"", "x", "artist: has nothing that could be searched"),
        ("spotify", "x", ": ", "title: has nothing that could be searched"),
        (
            "musicbrainz",
            "AC/DC",
            "T.N.T.",
            "/b/recording?query=artist%3A%22AC%2FDC%22%20AND%20recording%3A%22T.N.T.%22&fmt=json&limit=7",
        ),
        (
            "musicbrainz",
            "a\" OR artist:\"b",
            "c\\",
            "/b/recording?query=artist%3A%22a%5C%22%20OR%20artist%3A%5C%22b%22%20AND%20recording%3A%22c%5C%5C%22&fmt=json&limit=7",
        ),
        (
            "musicbrainz",
            "+-!(){}[]^~*?:",
            "&& || /",
            "/b/recording?query=artist%3A%22%2B-%21%28%29%7B%7D%5B%5D%5E~%2A%3F%3A%22%20AND%20recording%3A%22%26%26%20%7C%7C%20%2F%22&fmt=json&limit=7",
        ),
        (
            "lastfm",
            "Simon & Garfunkel",
            "50% \"off\"",
            "/b/?method=track.search&artist=Simon%20%26%20Garfunkel&track=50%25%20%22off%22&limit=7&format=json",
        ),
        ("beatport", "Âme", "Rej #2", "/b/catalog/tracks/?name=Rej%20%232&artist_name=%C3%82me&per_page=7"),
        ("discogs", "!!!", "???", "/b/database/search?type=release&artist=%21%21%21&track=%3F%3F%3F&per_page=7"),
    ] {
        assert_eq!(searched(name, artist, title), expected, "{name}");
    }
}

#[test]
fn nothing_of_a_client_goes_out_but_where_to_and_its_ids() {
    let client: Vec<(&[u8], &[u8])> = vec![
        (b":method", b"POST"),
        (b":path", b"/api/x/search"),
        (b":authority", b"gateway"),
        (b":scheme", b"https"),
        (b"authorization", b"Bearer of-the-client"),
        (b"x-key", b"of-the-client"),
        (b"cookie", b"a=b"),
        (b"user-agent", b"\xff"),
        (b"x-request-id", b"r"),
        (b"x-forwarded-for", b"10.0.0.1"),
        (b"content-length", b"99"),
        (b"content-type", b"application/json"),
        (b"transfer-encoding", b"chunked"),
        (b"traceparent", b"t"),
    ];
    let provider = provider("spotify");
    let shown = provider.credential.shown();
    let sent = request(&provider, &Headers::from_pairs(&client), "/b/x".into(), &shown, true);
    let mut lines: Vec<_> =
        sent.iter().map(|(n, v)| [String::from_utf8_lossy(n), String::from_utf8_lossy(v)].join("=")).collect();
    lines.sort();
    let expected = [
        ":authority=gateway",
        ":method=GET",
        ":path=/b/x",
        ":scheme=https",
        "accept-encoding=identity",
        "accept=application/json",
        "content-length=0",
        "traceparent=t",
        "user-agent=t/1 (a@b.c)",
        "x-envoy-original-path=/api/x/search",
        "x-key=key-of-ours",
        "x-request-id=r",
    ];
    assert_eq!(lines, expected);
    let shown = Shown { parameter: Some(("key", "a&b")), ..Shown::default() };
    let sent = request(&provider, &Headers::default(), "/b/x?c=d".into(), &shown, false);
    assert_eq!(sent.first(":path"), Some(b"/b/x?c=d&key=a%26b".as_slice()));
    assert_eq!((sent.first("content-length"), sent.first("x-key")), (None, None));
}

#[test]
fn what_may_leave_only_once_is_not_sent_again() {
    let provider = provider("spotify");
    let probe = Headers::from_pairs(&[(b"x-envoy-max-retries", b"0")]);
    for (client, is_brief, expected) in
        [(Headers::default(), false, 0), (Headers::default(), true, 1), (probe.clone(), false, 1), (probe, true, 1)]
    {
        let shown = Shown { is_brief, ..Shown::default() };
        let sent = request(&provider, &client, "/b/x".into(), &shown, false);
        assert_eq!(sent.all("x-envoy-max-retries").collect::<Vec<_>>(), vec![b"0"; expected]);
    }
}

#[test]
fn nothing_of_a_provider_comes_back_but_for_how_long_it_is_good() {
    let said: Vec<(&[u8], &[u8])> = vec![
        (b":status", b"200"),
        (b"server", b"x"),
        (b"set-cookie", b"a=b"),
        (b"cache-control", b"max-age=1"),
        (b"cache-control", b"x=key-of-ours"),
        (b"age", b"\xff"),
        (b"etag", b"\"1\""),
        (b"x-ratelimit-remaining", b"1"),
        (b"content-length", b"1"),
    ];
    let provider = provider("spotify");
    let handed = answer(&Headers::from_pairs(&said), &provider.forms, Some(12));
    let pairs: Vec<_> = handed.iter().collect();
    let expected: Vec<(&[u8], &[u8])> = vec![
        (b":status", b"200"),
        (b"content-type", b"application/json"),
        (b"content-length", b"12"),
        (b"cache-control", b"max-age=1"),
        (b"age", b"\xff"),
    ];
    assert_eq!(pairs, expected);
    assert_eq!(answer(&Headers::default(), &provider.forms, None).first("content-length"), None);
    let reply = Rejection::Proxy.reply(None, Format::Json);
    let handed = refusal(&reply, 5);
    assert_eq!(
        (handed.first(":status"), handed.first("content-length")),
        (Some(b"502".as_slice()), Some(b"5".as_slice()))
    );
    assert_eq!(handed.first("content-type"), Some(b"application/json".as_slice()));
}

#[test]
fn a_request_that_is_sent_once_more_is_its_clients_without_credentials() {
    let client = Headers::from_pairs(&[
        (b":method", b"POST"),
        (b":path", b"/api/x/search"),
        (b":authority", b"gateway.example"),
        (b"x-forwarded-proto", b"http"),
        (b"x-forwarded-for", b"10.0.0.1"),
        (b"x-envoy-max-retries", b"0"),
        (b"content-length", b"33"),
        (b"content-type", b"application/json"),
        (b"cache-control", b"only-if-cached"),
        (b"x-request-id", b"r-1"),
        (b"x-weir-tier", b"pro"),
        (b"tracestate", b"\xff"),
        (b"authorization", b"Bearer of-the-client"),
        (b"cookie", b"a=b"),
    ]);
    let expected = [
        ("cache-control", "no-store"),
        ("x-weir-again", "1"),
        (":method", "POST"),
        (":path", "/api/x/search"),
        (":authority", "gateway.example"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-for", "10.0.0.1"),
        ("content-type", "application/json"),
        ("x-request-id", "r-1"),
        ("x-weir-tier", "pro"),
    ];
    assert_eq!(again(&client), expected);
    let answer = Headers::from_pairs(&[
        (b":status", b"429"),
        (b"content-type", b"application/problem+json"),
        (b"retry-after", b"7"),
        (b"cache-control", b"no-store"),
        (b"cache-status", b"weir; fwd=miss"),
        (b"x-request-id", b"r-2"),
        (b"content-length", b"9"),
    ]);
    assert!(is_dressed(&answer) && !is_dressed(&Headers::from_pairs(&[(b"content-type", b"text/plain")])));
    let handed = delivered(&answer, 12);
    let expected: Vec<(&[u8], &[u8])> = vec![
        (b"content-length", b"12"),
        (b":status", b"429"),
        (b"content-type", b"application/problem+json"),
        (b"retry-after", b"7"),
        (b"cache-control", b"no-store"),
    ];
    assert_eq!(handed.iter().collect::<Vec<_>>(), expected);
    // Where no filter is left to say them, the ids are said here.
    let (status, handed) = alone(&handed, Some(&client));
    let expected: Vec<(&[u8], &[u8])> = vec![
        (b"content-type", b"application/problem+json"),
        (b"retry-after", b"7"),
        (b"cache-control", b"no-store"),
        (b"x-request-id", b"r-1"),
    ];
    assert_eq!((status, handed.iter().collect::<Vec<_>>()), (429, expected));
}
