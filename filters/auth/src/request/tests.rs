//! Tests of the module around this one.

use super::*;
use crate::sample;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const TOKENS: &str = r#","tokens":{"from":[{"header":"authorization"},{"header":"x-token"},{"cookie":"session"},
    {"query":"access_token"}]},"hand_on":[{"claim":"email","header":"x-user-email"}],
    "api_keys":{"query":"key","keys":[{"id":"a","sha256":"0000000000000000000000000000000000000000000000000000000000000000"}]}"#;

#[test]
fn one_pass_finds_everything() {
    let config = sample::config(TOKENS);
    let headers = Headers::from_pairs(&[
        (b":method", b"GET"),
        (b":path", b"/a?b=c"),
        (b":authority", b"test"),
        (b"x-weir-user", b"root"),
        (b"authorization", b"\xff\xfe"),
        (b"x-weir-user", b"root"),
        (b"x_weir-tier", b"enterprise"),
        (b"x-weir-roles", b""),
        (b"x-weir-api_key", b"stolen"),
        (b"x_user_email", b"root@example.com"),
        (b"x-weir-userx", b"kept"),
        (b"y-weir-user", b"kept"),
        (b"x-user-emails", b"kept"),
    ]);
    let request = Request::read(&headers, &config);
    assert_eq!((request.target.method, request.target.path), (b"GET".as_slice(), b"/a".as_slice()));
    assert_eq!((request.target.authority, request.path), (b"test".as_slice(), b"/a?b=c".as_slice()));
    let Shown::One(credential) = request.shown else { panic!("{:?}", request.shown) };
    assert_eq!((credential.source, credential.raw), (&Source::bearer(false), b"\xff\xfe".as_slice()));
    assert_eq!(request.claimed, ["x-weir-user", "x_weir-tier", "x-weir-roles", "x-weir-api_key", "x_user_email"]);
}

/// A path, further headers, and what they show.
type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);

/// What a request with these headers shows: the name of the source and the bytes there, `-` or `several`.
fn shown(config: &Config, path: &str, pairs: &[(&str, &str)]) -> String {
    let mut all: Vec<(&[u8], &[u8])> = vec![(b":path", path.as_bytes())];
    all.extend(pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
    let headers = Headers::from_pairs(&all);
    match Request::read(&headers, config).shown {
        Shown::Nothing => "-".to_owned(),
        Shown::One(credential) => format!("{} {}", credential.source.name, credential.raw.escape_ascii()),
        Shown::Several => "several".to_owned(),
    }
}

#[test]
fn a_credential_is_found_wherever_it_may_be() {
    let config = sample::config(TOKENS);
    let rows: [Row; 20] = [
        ("/", &[], "-"),
        ("/?Access_token=a&token=b", &[("cookie", "Session=a; sessions=b"), ("x-tokens", "c")], "-"),
        ("/access_token=a", &[("cookie", "")], "-"),
        ("/", &[("x-token", "t")], "x-token t"),
        ("/", &[("x-api-key", "k")], "x-api-key k"),
        ("/", &[("cookie", "a=b; session=t")], "session t"),
        ("/", &[("cookie", "session")], "session "),
        ("/", &[("cookie", "session=")], "session "),
        ("/?access_token=t", &[], "access_token t"),
        ("/?a=b&%61ccess_toke%6E=t%20", &[], "access_token t%20"),
        ("/?access_token", &[], "access_token "),
        ("/?key=k", &[], "key k"),
        ("/?access_token=t&access_token=t", &[], "several"),
        ("/?access_token=t&%61ccess_token=u", &[], "several"),
        ("/?access_token=t&key=k", &[], "several"),
        ("/?access_token=", &[("authorization", "Bearer t")], "several"),
        ("/", &[("cookie", "session=t; session=t")], "several"),
        ("/", &[("cookie", "session=t"), ("cookie", "session=u")], "several"),
        ("/", &[("x-token", "t"), ("x-token", "t")], "several"),
        ("/", &[("x-token", "t"), ("x-api-key", "k")], "several"),
    ];
    for (path, pairs, expected) in rows {
        assert_eq!(shown(&config, path, pairs), expected, "{path} {pairs:?}");
    }
}

#[test]
fn by_default_authorization_alone_is_looked_at() {
    let config = sample::config("");
    let pairs = [("x-token", "t"), ("x-api-key", "k"), ("cookie", "session=t")];
    assert_eq!(shown(&config, "/?access_token=t", &pairs), "-");
    assert_eq!(shown(&config, "/", &[("authorization", "Bearer a")]), "authorization Bearer a");
    assert_eq!(shown(&config, "/", &[("authorization", "Bearer a"); 3]), "several");
}

#[test]
fn a_path_without_credentials_keeps_the_rest() {
    let config = sample::config(TOKENS);
    for (path, all, token) in [
        ("/a?b=c", None, None),
        ("/a", None, None),
        ("/a?access_token=t", Some("/a"), Some("/a")),
        ("/a?key=k&b=%zz", Some("/a?b=%zz"), None),
        ("/a?key=k&%61ccess_token=t&b", Some("/a?b"), Some("/a?key=k&b")),
    ] {
        let headers = Headers::from_pairs(&[(b":path", path.as_bytes())]);
        let request = Request::read(&headers, &config);
        let text = |path: Option<Vec<u8>>| path.map(|path| String::from_utf8(path).unwrap());
        assert_eq!(text(request.path_without(|_| false)).as_deref(), all, "{path}");
        assert_eq!(text(request.path_without(|source| source.name == "key")).as_deref(), token, "{path}");
    }
}
