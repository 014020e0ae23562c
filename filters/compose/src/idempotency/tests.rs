//! Tests of what a key says, and of what is forgotten when there is no room.

use super::*;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const DAY: Duration = Duration::from_hours(24);

fn key(id: u8, content: u8, holder: u64) -> Key {
    own_key(id, 1, content, holder)
}

fn own_key(id: u8, owner: u8, content: u8, holder: u64) -> Key {
    let [id, owner, content] = [id, owner, content].map(|byte| Fingerprint::from_bytes([byte; 16]));
    Key { id, owner, content, holder }
}

fn at(seconds: u64) -> Instant {
    Instant::from_unix_seconds(seconds)
}

fn answer(status: u16, body: &[u8]) -> Kept {
    let content_type = if status < 400 { "application/json" } else { "application/problem+json" }.to_owned();
    Kept { status, content_type, completeness: "complete".to_owned(), body: body.to_vec() }
}

#[test]
fn a_repeated_request_gets_the_first_answer() {
    let mut set = Vec::new();
    assert_eq!(claim(&mut set, &key(1, 1, 5), at(100), DAY), Verdict::First);
    assert_eq!(claim(&mut set, &key(1, 1, 6), at(101), DAY), Verdict::UnderWay);
    assert_eq!(claim(&mut set, &key(1, 2, 6), at(101), DAY), Verdict::Different);
    assert!(!keep(&mut set, &key(1, 1, 6), answer(500, b""), at(102), DAY));
    assert!(keep(&mut set, &key(1, 1, 5), answer(201, b"{1}"), at(102), DAY));
    let again = Verdict::Again(answer(201, b"{1}"));
    assert_eq!(claim(&mut set, &key(1, 1, 6), at(103), DAY), again);
    assert_eq!(claim(&mut set, &key(1, 2, 6), at(103), DAY), Verdict::Different);
    assert_eq!(claim(&mut set, &key(1, 1, 6), at(101 + 86_400), DAY), again);
    assert_eq!(claim(&mut set, &key(1, 1, 6), at(103 + 86_400), DAY), Verdict::First);
}

#[test]
fn a_holder_that_falls_silent_loses_its_key_and_one_that_renews_does_not() {
    let mut set = Vec::new();
    claim(&mut set, &key(1, 1, 5), at(100), DAY);
    assert!(renew(&mut set, &key(1, 1, 5), at(108)));
    assert_eq!(claim(&mut set, &key(1, 1, 6), at(117), DAY), Verdict::UnderWay);
    assert_eq!(claim(&mut set, &key(1, 1, 6), at(118), DAY), Verdict::First);
    assert!(!renew(&mut set, &key(1, 1, 5), at(119)));
    assert!(forget(&mut set, &key(1, 1, 6)) && set.is_empty());
}

#[test]
fn a_flood_of_keys_displaces_answers_and_never_work() {
    let mut set = Vec::new();
    for id in 0..8 {
        assert_eq!(claim(&mut set, &key(id, 1, 5), at(100), DAY), Verdict::First);
    }
    assert_eq!(claim(&mut set, &key(8, 1, 5), at(100), DAY), Verdict::Full);
    keep(&mut set, &key(3, 1, 5), answer(200, &vec![7; ANSWER_BYTES_MAX + 1]), at(100), DAY);
    assert_eq!(claim(&mut set, &key(3, 1, 9), at(100), DAY), Verdict::Again(Kept::default()));
    assert_eq!(claim(&mut set, &key(8, 1, 5), at(100), DAY), Verdict::Instead);
    assert_eq!(claim(&mut set, &key(9, 1, 5), at(100), DAY), Verdict::Full);
    assert!(set.len() < 2048);
}

/// Has a key's request answered at once.
fn answered(set: &mut Vec<u8>, key: &Key, status: u16, seconds: u64) -> Verdict {
    let verdict = claim(set, key, at(seconds), DAY);
    keep(set, key, answer(status, b"{}"), at(seconds), DAY);
    verdict
}

#[test]
fn a_flood_of_one_users_orders_displaces_failures_and_then_its_own() {
    let mut set = Vec::new();
    for (id, owner, status) in [(1, 1, 200), (2, 2, 201), (3, 3, 409), (4, 4, 200)] {
        assert_eq!(answered(&mut set, &own_key(id, owner, 1, 5), status, 100), Verdict::First);
    }
    for id in 10..100 {
        let verdict = answered(&mut set, &own_key(id, 9, 1, 5), 200, 200 + u64::from(id));
        assert_eq!(verdict, if id < 15 { Verdict::First } else { Verdict::Instead }, "{id}");
    }
    let mut again = |id, owner, holder| claim(&mut set, &own_key(id, owner, 1, holder), at(500), DAY);
    for (id, owner, status) in [(1, 1, 200), (2, 2, 201), (4, 4, 200), (99, 9, 200), (95, 9, 200)] {
        assert_eq!(again(id, owner, 6), Verdict::Again(answer(status, b"{}")), "{id}");
    }
    // The failure is done again, and takes the place of the flood's oldest.
    assert_eq!((again(3, 3, 6), again(95, 9, 6)), (Verdict::Instead, Verdict::Instead));
}

#[test]
fn a_set_of_as_many_users_as_it_has_places_forgets_the_oldest() {
    let mut set = Vec::new();
    for id in 1..=9 {
        let verdict = answered(&mut set, &own_key(id, id, 1, 5), 200, 100 + u64::from(id));
        assert_eq!(verdict, if id < 9 { Verdict::First } else { Verdict::Instead });
    }
    let mut again = |id| claim(&mut set, &own_key(id, id, 1, 6), at(110), DAY);
    assert_eq!((again(2), again(1)), (Verdict::Again(answer(200, b"{}")), Verdict::Instead));
}

#[test]
fn the_longest_answers_of_a_set_are_not_kept_where_there_is_no_room_for_all() {
    let mut set = Vec::new();
    answered(&mut set, &key(0, 1, 5), 200, 100);
    for id in 1..8 {
        claim(&mut set, &key(id, 1, 5), at(100), DAY);
        keep(&mut set, &key(id, 1, 5), answer(200, &vec![7; ANSWER_BYTES_MAX]), at(100), DAY);
        assert!(set.len() <= SET_BYTES_MAX, "{id}: {}", set.len());
    }
    assert_eq!(claim(&mut set, &key(0, 1, 6), at(100), DAY), Verdict::Again(answer(200, b"{}")));
}

#[test]
fn a_clock_that_steps_back_and_foreign_bytes_hold_nobody_off() {
    let mut set = Vec::new();
    claim(&mut set, &key(1, 1, 5), at(1_000_000), DAY);
    assert_eq!(claim(&mut set, &key(1, 1, 6), at(5), DAY), Verdict::First);
    let mut foreign = vec![0xff; 300];
    assert_eq!(claim(&mut foreign, &key(1, 1, 6), at(5), DAY), Verdict::First);
}

#[test]
fn a_key_is_a_short_text_in_quotes_or_a_word_without() {
    let long = [&b"\""[..], &[b'a'; 255], b"\""].concat();
    for (header, key) in [
        (&b"\"8e03978e-40d5\""[..], Some(&b"8e03978e-40d5"[..])),
        (b" abc ", Some(b"abc")),
        (b"\"a b,c\"", Some(b"a b,c")),
        (br#""a\"b\\""#, Some(br#"a"b\"#)),
        (&long, Some(&[b'a'; 255])),
        (b"\"\"", None),
        (b"\"", None),
        (b"", None),
        (b"a b", None),
        (b"a,b", None),
        (b"\xff", None),
        (b"\"\xc3\xa9\"", None),
        (b"\"\t\"", None),
        (b"\"\x7f\"", None),
        (b"\"a", None),
        (b"a\"", None),
        (br#""a"b""#, None),
        (br#""a\""#, None),
        (br#""a\b""#, None),
        (br#""a";b=1"#, None),
        (br#""a", "b""#, None),
        (&[b'a'; 256], None),
    ] {
        assert_eq!(parse(header).as_deref(), key, "{}", header.escape_ascii());
    }
}
