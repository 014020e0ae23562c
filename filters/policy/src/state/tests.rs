//! Tests of the module around this one.

use super::*;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn store(dialect: &str) -> Store {
    let raw = RawStore { dialect: Some(dialect.into()), env: Some("SECRET".into()), ..RawStore::default() };
    Store::new(raw, Some(&|_| Some("p:w".into()))).ok().unwrap()
}

#[test]
fn a_store_is_read_from_json_or_filled_by_hand() {
    let raw = r#"{"cluster": "redis", "dialect": "upstash", "path": "/v1", "timeout": "1s", "prefix": "a"}"#;
    let store = Store::new(crate::config::read(raw.as_bytes()).unwrap(), None).ok().unwrap();
    assert_eq!(
        (store.cluster.as_str(), store.timeout, store.key("b")),
        ("redis", Duration::from_secs(1), "a:b".into())
    );
    let store = Store::new(RawStore::default(), None).ok().unwrap();
    assert_eq!((store.cluster.as_str(), store.timeout, store.key("b")), ("state", TIMEOUT, "weir:b".into()));
}

#[test]
fn a_mistake_is_said_with_its_place() {
    let rows = [
        (r#"{"dialect": "redis"}"#, r#"dialect: must be webdis or upstash, got "redis""#),
        (r#"{"cluster": ""}"#, "cluster: must be printable ASCII without blanks"),
        (r#"{"prefix": "a b"}"#, "prefix: must be printable ASCII without blanks"),
        (r#"{"authority": "a\nb"}"#, "authority: must be printable ASCII without blanks"),
        (r#"{"path": "v1"}"#, "path: must begin with a slash"),
        (r#"{"user": "a:b"}"#, "user: must have no colon"),
        (r#"{"env": "UNSET"}"#, "env: the variable UNSET is not set"),
        (r#"{"env": "BROKEN"}"#, "env: the variable BROKEN must be printable ASCII without blanks"),
        (r#"{"timeout": "0"}"#, r#"timeout: must be a length of time like "250ms" or "1s", more than 0, at most 1m"#),
    ];
    let variables = |name: &str| (name == "BROKEN").then(|| "a\nb".to_owned());
    for (json, expected) in rows {
        let mistake = Store::new(crate::config::read(json.as_bytes()).unwrap(), Some(&variables)).err().unwrap();
        assert_eq!(mistake.to_string(), expected, "{json}");
    }
}

#[test]
fn each_dialect_carries_a_command_and_its_credentials() {
    let words: [&[u8]; 3] = [b"SET", b"k/%.", b"\0\xff\r\n\""];
    let store_webdis = store("webdis");
    let request = store_webdis.request(&words).ok().unwrap();
    assert_eq!(request.body, b"SET/k%2F%25%2E/%00%FF%0D%0A%22.raw");
    assert!(request.headers.contains(&("authorization", "Basic d2VpcjpwOnc=")));
    assert!(request.headers.contains(&(":path", "/")) && request.headers.contains(&(":authority", "state")));

    let upstash = store("upstash");
    assert_eq!(upstash.request(&words).err(), Some(Fault::Unsendable));
    let request = upstash.request(&[b"SET", "k/%.é".as_bytes(), b"\0\r\n\"\\"]).ok().unwrap();
    assert_eq!(String::from_utf8(request.body).unwrap(), r#"["SET","k/%.é","\u0000\u000d\u000a\"\\"]"#);
    assert!(request.headers.contains(&("authorization", "Bearer p:w")));
    assert!(request.headers.contains(&("upstash-encoding", "base64")));
}

fn bytes(bytes: &[u8]) -> Reply {
    Reply::Bytes(bytes.to_vec())
}

#[test]
fn an_answer_of_webdis_is_read_whole_or_not_at_all() {
    let list = Reply::List(vec![bytes(b""), bytes(b"\0\xff\r\n"), Reply::Int(-7)]);
    let rows: [(&[u8], Result<Reply, Fault>); 20] = [
        (b"$-1\r\n", Ok(Reply::Nil)),
        (b"*-1\r\n", Ok(Reply::Nil)),
        (b"+OK\r\n", Ok(Reply::Status("OK".into()))),
        (b":12\r\n", Ok(Reply::Int(12))),
        (b"$7\r\nv/%\0\xff\r\n\r\n", Ok(bytes(b"v/%\0\xff\r\n"))),
        (b"*3\r\n$0\r\n\r\n$4\r\n\0\xff\r\n\r\n:-7\r\n", Ok(list)),
        (b"*0\r\n", Ok(Reply::List(Vec::new()))),
        (b"-NOAUTH Authentication required.\r\n", Err(Fault::Denied)),
        (b"-LOADING Redis is loading\r\n", Err(Fault::Loading)),
        (b"-READONLY You can't write\r\n", Err(Fault::ReadOnly)),
        (b"-NOSCRIPT No matching script\r\n", Err(Fault::NoScript)),
        (b"-ERR no\tsuch\r\n", Err(Fault::Redis("ERR no such".into()))),
        (b"", Err(Fault::Malformed)),
        (b"+OK", Err(Fault::Malformed)),
        (b"+OK\r\n+OK\r\n", Err(Fault::Malformed)),
        (b"$5\r\nab\r\n", Err(Fault::Malformed)),
        (b"$-2\r\n", Err(Fault::Malformed)),
        (b"*999999999999\r\n", Err(Fault::Malformed)),
        (b"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", Err(Fault::Malformed)),
        (b"{\"GET\":null}\r\n", Err(Fault::Malformed)),
    ];
    for (body, expected) in rows {
        assert_eq!(store("webdis").reply(200, body), expected, "{}", body.escape_ascii());
    }
}

#[test]
fn an_answer_of_upstash_is_read_whole_or_not_at_all() {
    let list = Reply::List(vec![bytes(b""), Reply::Nil, Reply::Int(-7), Reply::List(vec![bytes(b"\0\xff\r\n")])]);
    let rows = [
        (r#"{"result":null}"#, Ok(Reply::Nil)),
        (r#"{"result":"OK"}"#, Ok(Reply::Status("OK".into()))),
        (r#" { "result" : 12 } "#, Ok(Reply::Int(12))),
        (r#"{"result":"di8lAP8NCg=="}"#, Ok(bytes(b"v/%\0\xff\r\n"))),
        (r#"{"result":"\/\/\/\/"}"#, Ok(bytes(b"\xff\xff\xff"))),
        (r#"{"result":["",null,-7,["AP8NCg=="]]}"#, Ok(list)),
        (r#"{"result":[]}"#, Ok(Reply::List(Vec::new()))),
        (r#"{"error":"NOSCRIPT No \"script\""}"#, Err(Fault::NoScript)),
        (r#"{"error":"ERR a\nb \"c\""}"#, Err(Fault::Redis("ERR a b \"c\"".into()))),
        (r#"{"result":"plain text"}"#, Err(Fault::Malformed)),
        (r#"{"result":"AP8NCh=="}"#, Err(Fault::Malformed)),
        (r#"{"result":1.5}"#, Err(Fault::Malformed)),
        (r#"{"result":[1,]}"#, Err(Fault::Malformed)),
        (r#"{"result":[1"#, Err(Fault::Malformed)),
        (r#"{"result":"AAAA"#, Err(Fault::Malformed)),
        (r#"{"result":[[[[[1]]]]]}"#, Err(Fault::Malformed)),
        (r#"{"result":1}{}"#, Err(Fault::Malformed)),
        ("", Err(Fault::Malformed)),
        ("OK", Err(Fault::Malformed)),
    ];
    for (body, expected) in rows {
        assert_eq!(store("upstash").reply(200, body.as_bytes()), expected, "{body}");
    }
}

#[test]
fn a_status_is_no_answer() {
    for (dialect, status, expected) in [
        ("webdis", 403, Fault::Denied),
        ("webdis", 503, Fault::Status(503)),
        ("webdis", 400, Fault::Status(400)),
        ("upstash", 401, Fault::Denied),
        ("upstash", 504, Fault::Status(504)),
        ("upstash", 400, Fault::Malformed),
    ] {
        assert_eq!(store(dialect).reply(status, b"no"), Err(expected), "{dialect} {status}");
    }
    assert_eq!(store("upstash").reply(400, br#"{"error":"READONLY no"}"#), Err(Fault::ReadOnly));
}

#[test]
fn base64_reads_what_it_wrote_and_nothing_else() {
    for (plain, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
        assert_eq!(base64::encode(plain.as_bytes()), text);
        assert_eq!(base64::decode(text.as_bytes()).as_deref(), Some(plain.as_bytes()));
    }
    let all: Vec<u8> = (0..=255).collect();
    assert_eq!(base64::decode(base64::encode(&all).as_bytes()), Some(all));
    for text in ["Zg=", "Zg", "Z===", "Zh==", "Zg==Zg==", "Z g=", "Zm9-", "====", "Zm\n="] {
        assert_eq!(base64::decode(text.as_bytes()), None, "{text}");
    }
}
