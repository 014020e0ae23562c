//! Tests of the module around this one.

use super::*;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const SEED: Seed = Seed::from_random([7; 16]);

fn planned(method: &str, path: &str, more: &[(&str, &str)], has_body: bool) -> Plan {
    let config = Config::from_json(
        br#"{"routes": [{"match": {"path": "/own"}, "shared": true}, {"match": {"prefix": "/api/"}}]}"#,
    );
    let own = [(":method", method), (":scheme", "http"), (":authority", "a"), (":path", path)];
    let lines = own.iter().chain(more);
    let pairs: Vec<_> = lines.map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    plan(&config.unwrap(), &SEED, Headers::from_pairs(&pairs), has_body)
}

fn asked(method: &str, path: &str, more: &[(&str, &str)]) -> Inquiry {
    match planned(method, path, more, false) {
        Plan::Ask(inquiry) => inquiry,
        other => panic!("{method} {path}: {other:?}"),
    }
}

#[test]
fn a_get_and_a_head_ask_for_the_same() {
    let (get, head) = (asked("GET", "/api/a?b", &[]), asked("HEAD", "/api/a?b", &[]));
    assert_eq!((get.key.as_slice(), get.route, get.is_head), (b"GET http a /api/a?b".as_slice(), 1, false));
    assert_eq!((head.key, head.print, head.is_head), (get.key, get.print, true));
}

#[test]
fn what_a_cache_cannot_answer_passes() {
    type Row =
        (&'static str, &'static str, &'static [(&'static str, &'static str)], bool, Forward, Option<&'static str>);
    let rows: [Row; 8] = [
        ("GET", "/other", &[], false, Forward::Bypass, None),
        ("OPTIONS", "/api/a", &[], false, Forward::Method, None),
        ("TRACE", "/api/a", &[], false, Forward::Method, None),
        ("GET", "/api/a", &[("if-match", "\"a\"")], false, Forward::Bypass, Some("precondition")),
        ("GET", "/api/a", &[("if-unmodified-since", "")], false, Forward::Bypass, Some("precondition")),
        ("GET", "/api/a", &[("upgrade", "websocket")], false, Forward::Bypass, Some("upgrade")),
        ("GET", "/api/a", &[], true, Forward::Bypass, Some("content")),
        ("GET", "", &[], false, Forward::Bypass, None),
    ];
    for (method, path, more, has_body, expected, reason) in rows {
        match planned(method, path, more, has_body) {
            Plan::Pass { why, detail, invalidates: None } => {
                assert_eq!((why, detail), (expected, reason), "{method} {path} {more:?}");
            }
            other => panic!("{method} {path} {more:?}: {other:?}"),
        }
    }
}

#[test]
fn an_unsafe_request_invalidates_whatever_its_route() {
    // RFC 9111 §4.4
    let own = Box::new(Invalidation::new(b"http", b"a", b"/api/a"));
    for method in ["POST", "PUT", "DELETE", "PATCH", "UNHEARD-OF"] {
        let Plan::Pass { why, invalidates, .. } = planned(method, "/api/a", &[], true) else { panic!("{method}") };
        assert_eq!((why, invalidates), (Forward::Method, Some(own.clone())), "{method}");
        let plan = planned(method, "/other", &[], true);
        assert!(matches!(plan, Plan::Pass { invalidates: Some(_), .. }), "{method}");
    }
}

#[test]
fn a_post_that_is_no_search_ends_what_it_is_part_of() {
    let config = Config::from_json(br#"{"routes": [{"match": {}, "ttl": "1h", "body": {"key": "json", "max": 9}}]}"#);
    let config = config.unwrap();
    let planned = |more: &[(&'static [u8], &'static [u8])]| {
        let own: [(&[u8], &[u8]); 4] =
            [(b":method", b"POST"), (b":scheme", b"http"), (b":authority", b"h"), (b":path", b"/s?q")];
        let headers = Headers::from_pairs(&[&own, more].concat());
        plan(&config, &SEED, headers, true).part_of(Some(b"/whole".to_vec()))
    };
    let mut expected = Invalidation::new(b"http", b"h", b"/s?q");
    expected.part_of(b"/whole".to_vec());
    let json: (&[u8], &[u8]) = (b"content-type", b"application/json");
    for more in [&[][..], &[json, (b"if-match", b"*")], &[json, (b"content-encoding", b"gzip")]] {
        let Plan::Pass { why: Forward::Bypass, invalidates, .. } = planned(more) else { panic!("{more:?}") };
        assert_eq!(invalidates.as_deref(), Some(&expected), "{more:?}");
    }
    let is_too_long = |plan| matches!(plan, Plan::Pass { detail: Some("size"), invalidates: None, .. });
    assert!(is_too_long(planned(&[json, (b"content-length", b"10")])));
    for (body, is_search) in [(b"[1]", true), (b"[1;", false)] {
        let Plan::Gather(gathering) = planned(&[json]) else { panic!("JSON is waited for") };
        let ended = gathering.complete(&SEED, body).err();
        assert_eq!(ended.as_deref(), Some(&expected).filter(|_| !is_search));
    }
}

#[test]
fn a_route_that_keeps_nothing_leaves_all_but_what_changes_something() {
    let config = Config::from_json(
        br#"{"routes": [{"match": {"path": "/a/b", "headers": {"x-a": "1"}}, "keeps": false}, {"match": {"prefix": "/a/"}},
            {"match": {}, "keeps": false}]}"#,
    );
    let config = config.unwrap();
    let planned = |line: &str| {
        let [method, path, a] = [0, 1, 2].map(|index| line.split(' ').nth(index).unwrap_or_default().as_bytes());
        let pairs: [(&[u8], &[u8]); 5] =
            [(b":method", method), (b":scheme", b"http"), (b":authority", b"h"), (b":path", path), (b"x-a", a)];
        match plan(&config, &SEED, Headers::from_pairs(&pairs), false) {
            Plan::Leave => "left",
            Plan::Pass { invalidates: Some(_), .. } => "ends",
            Plan::Pass { .. } => "passes",
            Plan::Ask(_) => "asks",
            Plan::Gather(_) => "gathers",
        }
    };
    for (line, expected) in [
        ("GET /a/b 1", "left"),
        ("GET /a/b 2", "asks"),
        ("GET /a/c 1", "asks"),
        ("GET /b 1", "left"),
        ("HEAD /b 1", "left"),
        ("OPTIONS /b 1", "left"),
        ("OPTIONS /a/c 1", "passes"),
        ("PUT /a/b 1", "ends"),
        ("DELETE /b 1", "ends"),
    ] {
        assert_eq!(planned(line), expected, "{line}");
    }
}

#[test]
fn whose_key_purges_is_said_by_the_first_route_that_keeps_something() {
    let (one, other) = ("41".repeat(32), "42".repeat(32));
    let config = format!(
        r#"{{"routes": [{{"match": {{}}, "keeps": false}}, {{"match": {{"prefix": "/a/", "methods": ["GET"]}}, "purge_key_sha256": "{one}"}},
            {{"match": {{"prefix": "/s", "methods": ["POST"]}}, "body": {{"key": "json"}}, "purge_key_sha256": "{other}"}},
            {{"match": {{"prefix": "/n"}}}}]}}"#
    );
    let config = Config::from_json(config.as_bytes()).unwrap();
    for (path, expected) in [("/a/1", Some(0x41)), ("/s", Some(0x42)), ("/n", None), ("/o", None)] {
        let pairs: [(&[u8], &[u8]); 3] = [(b":method", b"PURGE"), (b":authority", b"h"), (b":path", path.as_bytes())];
        let key = purge_key(&config, &Headers::from_pairs(&pairs)).map(|key| key[0]);
        assert_eq!(key, expected, "{path}");
    }
}

#[test]
fn a_route_that_headers_choose_has_keys_of_its_own() {
    let key = |routes: &str, value: &str| {
        let config = Config::from_json(format!(r#"{{"routes": [{routes}, {{"match": {{}}}}]}}"#).as_bytes()).unwrap();
        let pairs: [(&[u8], &[u8]); 5] = [
            (b":method", b"GET"),
            (b":scheme", b"http"),
            (b":authority", b"h"),
            (b":path", b"/x"),
            (b"x-a", value.as_bytes()),
        ];
        match plan(&config, &SEED, Headers::from_pairs(&pairs), false) {
            Plan::Ask(inquiry) => inquiry.key,
            other => panic!("{other:?}"),
        }
    };
    let of = |more: &str| key(&format!(r#"{{"match": {{"headers": {{"x-a": "1"{more}"#), "1");
    let (plain, first) = (key(r#"{"match": {"path": "/y"}}"#, "1"), of("}}, \"upstream\": \"a\"}"));
    assert_eq!((plain.as_slice(), key::url(&first)), (b"GET http h /x".as_slice(), Some(plain.as_slice())));
    // A place in the configuration, a path or a lifetime says nothing of whose answers these are; headers and upstream do.
    assert_eq!(of("}, \"path\": \"/x\"}, \"upstream\": \"a\", \"ttl\": \"1h\"}"), first);
    assert_ne!(of("}}, \"upstream\": \"b\"}"), first);
    let two = r#"{"match": {"headers": {"x-a": "2"}}, "upstream": "a"}"#;
    assert_ne!(key(two, "2"), first);
    assert_eq!(key(&format!(r#"{two}, {{"match": {{"headers": {{"x-a": "1"}}}}, "upstream": "a"}}"#), "1"), first);
}

#[test]
fn a_caller_is_known_by_what_auth_says() {
    let (user, credential) = (("x-weir-user", "alice"), ("authorization", "Bearer x"));
    for (more, expected, particular) in [
        (vec![], Caller::Anonymous, [false, false]),
        (vec![user], Caller::Known, [false, true]),
        (vec![credential], Caller::Unjudged, [true, true]),
        (vec![credential, user], Caller::Known, [false, true]),
    ] {
        let config = Config::from_json(br#"{"routes": [{"match": {}, "shared": true}, {"match": {}}]}"#).unwrap();
        let caller = asked("GET", "/own", &more).caller;
        assert_eq!(caller, expected);
        assert_eq!([0, 1].map(|route: usize| caller.is_particular(&config.routes[route])), particular);
    }
}
