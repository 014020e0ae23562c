//! What votes come to, and what a store may say.

use policy::order::{Heard, Order};

use super::*;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn quorum(json: &str) -> Result<Quorum, String> {
    Quorum::from_json(&serde_json::from_str(json).unwrap()).map_err(|mistake| mistake.to_string())
}

fn text(text: &str) -> Reply {
    Reply::Bytes(text.into())
}

#[test]
fn one_proxy_is_never_a_quorum() {
    for (json, rows) in [
        ("2", [(1, 2), (2, 2), (3, 2), (100, 2)]),
        ("3", [(1, 3), (2, 3), (3, 3), (100, 3)]),
        (r#""50%""#, [(1, 2), (2, 2), (3, 2), (100, 50)]),
        (r#""51%""#, [(1, 2), (4, 3), (5, 3), (1024, 523)]),
        (r#""1%""#, [(1, 2), (2, 2), (201, 3), (1024, 11)]),
        (r#""100%""#, [(1, 2), (2, 2), (3, 3), (1024, 1024)]),
    ] {
        for (proxies, needed) in rows {
            assert_eq!(quorum(json).unwrap().needed(proxies), needed, "{json} of {proxies}");
        }
    }
    for json in ["0", "1", "-2", "2.5", "1025", r#""0%""#, r#""101%""#, r#""50""#, r#""half""#, "null", "[2]"] {
        assert!(quorum(json).unwrap_err().starts_with("quorum: must be a number of proxies"), "{json}");
    }
}

/// How many of how many have a vote, one after the other, and what that means to one that needs two.
fn check(rows: &[(Option<u32>, u32, Verdict)]) {
    let mut memory = Memory::default();
    for (row, (votes, proxies, expected)) in rows.iter().enumerate() {
        assert_eq!(memory.count(Quorum::Proxies(2), *votes, *proxies), *expected, "row {row}");
        assert_eq!(Memory::from_bytes(&memory.to_bytes()), memory, "row {row}");
    }
}

#[test]
fn a_quorum_opens_once_until_there_is_another() {
    check(&[
        (Some(0), 3, Verdict::Nothing),
        (Some(1), 3, Verdict::Nothing),
        (Some(2), 3, Verdict::Open(2)),
        (Some(3), 3, Verdict::Nothing),
        (Some(2), 3, Verdict::Nothing),
        (Some(1), 3, Verdict::Nothing),
        (Some(2), 3, Verdict::Open(2)),
    ]);
}

#[test]
fn votes_that_nobody_can_read_are_said_once_and_change_nothing() {
    check(&[
        (None, 3, Verdict::Garbage),
        (None, 3, Verdict::Nothing),
        (Some(2), 3, Verdict::Open(2)),
        (None, 3, Verdict::Garbage),
        (Some(2), 3, Verdict::Nothing),
    ]);
}

#[test]
fn a_script_answers_with_texts() {
    let reply = Reply::List(["3", "2", "", "?", "forced_open"].map(text).into());
    let news = |votes, order: &str| News { votes, order: order.into() };
    let expected = Answer { proxies: 3, news: vec![news(Some(2), ""), news(None, "forced_open")] };
    assert_eq!(Answer::read(reply, 2), Ok(expected));
    for garbage in ["", "-1", "1.5", "1025", "99999999999", "\u{ff}"] {
        let answer = Answer::read(Reply::List([garbage, garbage, "x"].map(text).into()), 1).unwrap();
        assert_eq!((answer.proxies, answer.news[0].votes), (1, None), "{garbage}");
    }
}

#[test]
fn what_no_script_of_ours_says_is_no_answer() {
    for reply in [
        Reply::Nil,
        Reply::Int(3),
        text("3"),
        Reply::List(Vec::new()),
        Reply::List(vec![text("3"), text("0")]),
        Reply::List(["3", "0", "", "0", ""].map(text).into()),
        Reply::List(vec![Reply::Int(3), text("0"), text("")]),
        Reply::List(vec![text("3"), text("0"), Reply::Nil]),
    ] {
        assert_eq!(Answer::read(reply.clone(), 1), Err(Fault::Malformed), "{reply:?}");
    }
}

#[test]
fn what_was_heard_is_remembered() {
    let mut memory = Memory::default();
    assert_eq!(memory.store.hear(b"forced_open"), Heard::Force(Some(Order::ForcedOpen)));
    assert_eq!(memory.local.hear(b"reset 7"), Heard::Force(None));
    memory.count(Quorum::Share(50), Some(3), 4);
    let bytes = memory.to_bytes();
    assert_eq!(Memory::from_bytes(&bytes), memory);
    for end in 0..bytes.len() {
        assert_eq!(Memory::from_bytes(&bytes[..end]), Memory::default());
    }
    assert_eq!(Memory::from_bytes(&[&[9], &bytes[1..]].concat()), Memory::default());
}
