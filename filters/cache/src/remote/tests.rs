//! What the second level is asked, and what is made of its answers.

use super::*;
use policy::state::RawStore;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn store(dialect: &str) -> Store {
    Store::new(RawStore { dialect: Some(dialect.to_owned()), ..RawStore::default() }, None).unwrap()
}

/// What stands before an object.
const HEAD_OF: &str = "170000000000000017000000011700000000000002";

fn texts(values: &[&str]) -> Reply {
    Reply::List(values.iter().map(|text| Reply::Bytes(text.as_bytes().to_vec())).collect())
}

#[test]
fn keys_are_the_same_on_every_proxy() {
    let webdis = store("webdis");
    let key = key(&webdis, "weir", print(b"GET http a /"));
    assert!(key.starts_with("weir:cache:weir:2:{") && key.ends_with('}') && key.len() == 52, "{key}");
    assert!(key[19..51].bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert_eq!(print(b"GET http a /"), print(b"GET http a /"));
    assert_ne!(print(b"GET http a /"), print(b"GET http a /b"));
    assert_ne!(variant(b"a", b"1"), variant(b"a", b"2"));
    assert_eq!(variant(b"a", b"1").len(), 16);
    assert_eq!(stream(&webdis, "weir"), "weir:cache:weir:purges");
}

#[test]
fn an_object_survives_either_dialect() {
    let object: Vec<u8> = (0..=255).collect();
    for dialect in ["webdis", "upstash"] {
        let store = store(dialect);
        let stored = [b"E", HEAD_OF.as_bytes(), store.pack(&object).as_ref()].concat();
        assert_eq!(Found::read(&store, Reply::Bytes(stored)), Ok(Found::Object(object.clone())), "{dialect}");
    }
    assert!(store("upstash").pack(&object).is_ascii());
}

#[test]
fn what_is_no_value_of_ours_is_none() {
    let store = store("webdis");
    assert_eq!(Found::read(&store, Reply::Nil), Ok(Found::Nothing));
    assert_eq!(Found::read(&store, Reply::Bytes(b"T1700000000000000".to_vec())), Ok(Found::Nothing));
    let variants = Found::Variants { nonce: "0123456789abcdef".to_owned(), vary: b"accept".to_vec() };
    let stored = format!("V{HEAD_OF}0123456789abcdefaccept");
    assert_eq!(Found::read(&store, Reply::Bytes(stored.into())), Ok(variants));
    let short = format!("V{HEAD_OF}0123456789abcde");
    for value in ["", "X", "E", "E1700000000000000", "V", &short] {
        assert_eq!(Found::read(&store, Reply::Bytes(value.into())), Err(Fault::Malformed), "{value}");
    }
    assert_eq!(Found::read(&store, Reply::Int(1)), Err(Fault::Malformed));
    let upstash = self::store("upstash");
    assert_eq!(Found::read(&upstash, Reply::Bytes(format!("E{HEAD_OF}?").into())), Err(Fault::Malformed));
}

#[test]
fn orders_come_with_their_places() {
    let feed = Feed::read(texts(&[
        "1700000000000-2",
        "1700000000000-0",
        "2",
        "1700000000123456",
        "1700000000000-0",
        "tag=a",
        "1700000000000-2",
        "everything",
    ]));
    let at = |count: u64| (1_700_000_000_000 << 16) | count;
    let orders = vec![(at(0), b"tag=a".to_vec()), (at(2), b"everything".to_vec())];
    assert_eq!(feed, Ok(Feed { newest: at(2), horizon: 0, time: 1_700_000_000_123_456, orders }));
    assert_eq!(id(at(2)), "1700000000000-2");
    assert_eq!(Feed::read(texts(&["0-0", "0-0", "0", "0"])), Ok(Feed::default()));
    assert_eq!(Feed::read(texts(&["9-0", "5-0", "9500", "0"])).map(|feed| feed.horizon), Ok(5 << 16));
    for malformed in [
        &["0-0"][..],
        &["0-0", "0-0", "0"],
        &["0-0", "0-0", "x", "0"],
        &["0-0", "0-0", "0", "x"],
        &["0", "0-0", "0", "0"],
        &["0-0", "0-0", "0", "0", "1-0"],
        &["x-0", "0-0", "0", "0"],
    ] {
        assert_eq!(Feed::read(texts(malformed)), Err(Fault::Malformed), "{malformed:?}");
    }
    assert_eq!(Feed::read(Reply::Nil), Err(Fault::Malformed));
}

/// Redis compares them as texts.
#[test]
fn orders_and_moments_are_texts_in_their_own_order() {
    let rows = [
        (0, 0),
        (0, 9),
        (9, 10),
        (10, 0),
        (1_700_000_000, 1),
        (1_700_000_000, crate::level::MOMENT_MAX),
        (u32::MAX, 0),
    ];
    let texts = rows.map(|(date, asked)| order(date, asked));
    assert!(texts.is_sorted() && texts.iter().all(|text| text.len() == 26), "{texts:?}");
    assert_eq!(moment(7), "0000000000000007");
}
