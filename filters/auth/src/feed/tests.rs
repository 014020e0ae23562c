//! Tests of the module around this one.

use std::time::Duration;

use super::*;
use crate::refusal::Refusal;
use crate::revocation::{Marks, Named, Revoked};
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const SEED: Seed = Seed::from_random([0; 16]);
const NOW: u64 = 1_800_000_000;

fn following(more: &str) -> Following {
    let json = format!(r#"{{"default": "off", "state": {{}}, "revocation": {{"keep": "100s"{more}}}}}"#);
    crate::Config::from_json(json.as_bytes()).ok().unwrap().following.unwrap()
}

fn at(seconds: u64) -> Instant {
    Instant::from_unix_seconds(seconds)
}

/// An answer of the script: the newest id, and entries of six words, `-` for an empty one.
fn answer(newest: &str, entries: &[&str]) -> Reply {
    let empty = |word: &str| if word == "-" { String::new() } else { word.to_owned() };
    let words = entries.iter().flat_map(|entry| entry.split(' ')).map(empty);
    let texts = [newest.to_owned(), "0-0".to_owned()].into_iter().chain(words);
    Reply::List(texts.map(|text| Reply::Bytes(text.into_bytes())).collect())
}

/// Whether a snapshot revokes a token of this id, this user and this key, of issuer `i`, issued when it says.
fn revokes(snapshot: &Snapshot, named: [&str; 3], issued: i64, now: u64) -> bool {
    let mut revoked = Revoked::new(&SEED, Duration::ZERO, &[]);
    revoked.fetched = snapshot.table.clone();
    let [token, subject, key] = named.map(Some);
    revoked.check(&Marks::of_token(&SEED, "i", &Named { token, subject, key }, Some(issued)), at(now))
        == Err(Refusal::Revoked)
}

#[test]
fn an_entry_means_what_the_layout_says() {
    let made = format!("{NOW}000-0");
    let last = i64::try_from(NOW).unwrap();
    // The entry; the token; when it was issued; how many seconds later it is asked for; whether it is revoked.
    let rows = [
        ("token t - - -", ["t", "u", "k"], last, 99, true),
        ("token t - - -", ["t", "u", "k"], last, 100, false),
        ("token t - - 1800000005", ["t", "u", "k"], last, 4, true),
        ("token t - - 1800000005", ["t", "u", "k"], last, 5, false),
        ("token t - - soon", ["t", "u", "k"], last, 99, true),
        ("token t j - -", ["t", "u", "k"], last, 0, false),
        ("token t i - -", ["t", "u", "k"], last, 0, true),
        ("token u - - -", ["t", "u", "k"], last, 0, false),
        ("subject u - - -", ["t", "u", "k"], last, 0, true),
        ("subject u - - -", ["t", "u", "k"], last + 1, 0, false),
        ("subject u - 1700000000 -", ["t", "u", "k"], 1_699_999_999, 0, true),
        ("subject u - 1700000000 -", ["t", "u", "k"], 1_700_000_000, 0, false),
        ("subject u - -1 -", ["t", "u", "k"], last, 0, true),
        ("key k - - -", ["t", "u", "k"], last, 900_000_000, true),
        ("key k - - 99999999999999999", ["t", "u", "k"], last, 900_000_000, true),
        ("key k - - 1800000005", ["t", "u", "k"], last, 5, false),
    ];
    for (entry, named, issued, later, expected) in rows {
        let mut snapshot = Snapshot::default();
        let reply = answer(&made, &[&format!("{made} {entry}")]);
        let taken = snapshot.take(reply, &following(""), &SEED, at(NOW)).unwrap();
        assert_eq!(taken, Taken { entries: 1, ..Taken::default() }, "{entry}");
        assert_eq!(revokes(&snapshot, named, issued, NOW + later), expected, "{entry} {issued} {later}");
    }
}

#[test]
fn what_cannot_be_understood_is_counted_and_passed_over() {
    let long = format!("2-0 token {} - - -", "x".repeat(512));
    let entries = ["1-0 tokn t - - -", &long, "3-0 token - - - -", "4-0 token t - - -"];
    let mut snapshot = Snapshot::default();
    let taken = snapshot.take(answer("4-0", &entries), &following(""), &SEED, at(0)).unwrap();
    assert_eq!(taken, Taken { entries: 4, unreadable: 3, ..Taken::default() });
    assert_eq!((snapshot.cursor, snapshot.table.entries().len()), (Id(4, 0), 1));
}

#[test]
fn an_answer_that_the_script_did_not_make_changes_nothing() {
    let bytes = |text: &str| Reply::Bytes(text.as_bytes().to_vec());
    let whole = [bytes("9-0"), bytes("0-0"), bytes("9-0"), bytes("token")];
    for reply in [
        Reply::Nil,
        bytes("9-0"),
        Reply::List(Vec::new()),
        Reply::List(vec![bytes("9-0")]),
        Reply::List(vec![bytes("9"), bytes("0-0")]),
        Reply::List(vec![bytes("9-0"), Reply::Int(0)]),
        Reply::List(vec![bytes("9-0"), bytes("0-0"), bytes("x"), bytes("token")]),
    ] {
        let mut snapshot = Snapshot::default();
        assert_eq!(snapshot.take(reply, &following(""), &SEED, at(0)), Err(Fault::Malformed));
        assert_eq!(snapshot, Snapshot::default());
    }
    let mut snapshot = Snapshot::default();
    let taken = snapshot.take(Reply::List(whole.to_vec()), &following(""), &SEED, at(0)).unwrap();
    assert_eq!((taken.unreadable, snapshot.table.entries().len()), (1, 0), "a row that is cut revokes nothing");
}

#[test]
fn a_full_page_is_followed_by_the_next() {
    let page = |from: usize| (from..from + PAGE).map(|n| format!("{n}-0 token {n} - - -")).collect::<Vec<_>>();
    let mut snapshot = Snapshot::default();
    for from in [1, 1 + PAGE] {
        let page = page(from);
        let entries: Vec<&str> = page.iter().map(String::as_str).collect();
        let taken = snapshot.take(answer("1000-0", &entries), &following(""), &SEED, at(0)).unwrap();
        assert_eq!(taken, Taken { entries: PAGE, more: true, ..Taken::default() });
    }
    let taken = snapshot.take(answer("1000-0", &[]), &following(""), &SEED, at(0)).unwrap();
    assert_eq!((taken, snapshot.table.entries().len()), (Taken::default(), 1000));
    assert_eq!(snapshot.arguments(&following("")), ["1000-0", "0-0", "100", "500"]);
}

#[test]
fn what_does_not_fit_is_read_again_when_there_is_room() {
    let following = following(r#", "entries_max": 2"#);
    let entries = ["1-0 token a - - 10", "2-0 token b - - -", "3-0 token c - - -"];
    let mut snapshot = Snapshot::default();
    snapshot.take(answer("3-0", &entries), &following, &SEED, at(0)).unwrap();
    assert_eq!((snapshot.cursor, snapshot.is_full), (Id(2, 0), true));
    snapshot.take(answer("3-0", &entries[2..]), &following, &SEED, at(20)).unwrap();
    assert_eq!((snapshot.cursor, snapshot.is_full), (Id(2, 0), true));
    // An hour after its end, the first has made room.
    snapshot.take(answer("3-0", &entries[2..]), &following, &SEED, at(3611)).unwrap();
    assert_eq!((snapshot.cursor, snapshot.is_full), (Id(3, 0), false));
}

#[test]
fn a_stream_that_lost_its_data_takes_nothing_back() {
    let mut snapshot = Snapshot::default();
    snapshot.take(answer("5-0", &["5-0 key k - - -"]), &following(""), &SEED, at(0)).unwrap();
    let taken = snapshot.take(answer("0-0", &[]), &following(""), &SEED, at(0)).unwrap();
    assert_eq!(taken, Taken { more: true, lost: true, ..Taken::default() });
    assert_eq!(snapshot.take(answer("0-0", &[]), &following(""), &SEED, at(0)).unwrap(), Taken::default());
    snapshot.take(answer("1-0", &["1-0 token t - - -"]), &following(""), &SEED, at(0)).unwrap();
    assert!(revokes(&snapshot, ["x", "u", "k"], 0, 0) && revokes(&snapshot, ["t", "u", "x"], 0, 0));
    assert_eq!(snapshot.cursor, Id(1, 0));
}

#[test]
fn a_snapshot_that_was_stored_is_the_same() {
    let mut snapshot = Snapshot { generation: 9, broom: Id(3, 4), is_full: true, ..Snapshot::default() };
    let entries = ["7-1 key k - - -", "7-2 token t - - 5", "7-3 subject u i 4 -"];
    snapshot.take(answer("7-3", &entries), &following(r#", "entries_max": 2"#), &SEED, at(0)).unwrap();
    let bytes = snapshot.to_bytes();
    assert_eq!(Snapshot::from_bytes(&bytes), Some(snapshot));
    for cut in [0, 10, 47, 50, bytes.len() - 1] {
        assert_eq!(Snapshot::from_bytes(&bytes[..cut]), None, "{cut}");
    }
    let mut unsorted = bytes.clone();
    unsorted[HEAD..].rotate_left(16);
    assert_eq!(Snapshot::from_bytes(&unsorted), None);
}

#[test]
fn silence_is_counted_from_the_last_answer_whatever_the_clock_does() {
    let patience = Duration::from_mins(1);
    let mut watch = Watch::default();
    assert!(!watch.is_current(at(1000), patience), "never heard of");
    // Rows of: now, when it was heard of, whether that is current.
    for (now, heard, current) in [
        (1000, 1000, true),
        (1060, 1000, true),
        (1061, 1000, false),
        (1070, 1065, true),
        // The clock steps back by 500 s, and the store is silent.
        (565, 1065, true),
        (625, 1065, true),
        (626, 1065, false),
        (627, 627, true),
    ] {
        watch.note(at(heard), at(now));
        assert_eq!(watch.is_current(at(now), patience), current, "at {now}");
    }
}
