//! What becomes of flights, told as stories.

use super::*;
use crate::config::Config;
use crate::request::{Plan, plan};
use policy::{Headers, Seed};
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn at(seconds: u64) -> Instant {
    Instant::from_unix_seconds(seconds)
}

/// A story: a second, who (a number that is not zero), what it does with URL 7, and what it is told.
fn check(story: &[(u64, u64, &str, &str)]) {
    let mut table = Vec::new();
    for (second, who, deed, expected) in story {
        let now = at(*second);
        let told = match *deed {
            "boards" => match board(&mut table, 7, *who, now) {
                Boarding::Leads => "leads",
                Boarding::Follows => "follows",
                Boarding::Waits => "waits",
                Boarding::Alone => "alone",
            },
            "renews" => {
                if report(&mut table, 7, *who, Report::Flies, now) {
                    "done"
                } else {
                    "lost"
                }
            }
            "stores" => {
                if report(&mut table, 7, *who, Report::Lands, now) {
                    "done"
                } else {
                    "lost"
                }
            }
            "marks" => {
                if report(&mut table, 7, *who, Report::Marks(UNSTORED_FOR), now) {
                    "done"
                } else {
                    "lost"
                }
            }
            "looks" => {
                if standing(&table, 7, now) == Standing::Flying {
                    "flying"
                } else {
                    "ended"
                }
            }
            other => panic!("{other}"),
        };
        assert_eq!(told, *expected, "{who} {deed} at {second}");
    }
}

#[test]
fn one_leads_until_it_lands() {
    check(&[
        (100, 1, "boards", "leads"),
        (100, 2, "boards", "waits"),
        (101, 2, "looks", "flying"),
        (101, 1, "stores", "done"),
        (101, 2, "looks", "ended"),
        (102, 2, "boards", "leads"),
    ]);
}

#[test]
fn who_boards_just_after_a_landing_leads_and_is_to_look_once_more() {
    check(&[
        (100, 1, "boards", "leads"),
        (101, 1, "stores", "done"),
        (101, 1, "renews", "lost"),
        (101, 2, "boards", "follows"),
        (101, 3, "boards", "waits"),
        (101, 2, "marks", "done"),
        (101, 4, "boards", "alone"),
    ]);
    let mut table = Vec::new();
    assert_eq!(board(&mut table, 7, 1, at(100)), Boarding::Leads);
    assert!(report(&mut table, 7, 1, Report::Lands, at(100)));
    let nearly = LANDED_FOR.saturating_sub(Duration::from_millis(1));
    assert_eq!(board(&mut table.clone(), 7, 2, at(100) + nearly), Boarding::Follows);
    assert_eq!(board(&mut table.clone(), 8, 2, at(100)), Boarding::Leads, "another's landing is nothing to it");
    assert_eq!(board(&mut table, 7, 2, at(100) + LANDED_FOR), Boarding::Leads);
    assert_eq!(table.len(), LINE, "what has landed leaves nothing");
}

#[test]
fn an_answer_that_cannot_be_stored_lets_everybody_go_on_alone() {
    check(&[
        (100, 1, "boards", "leads"),
        (100, 1, "marks", "done"),
        (100, 2, "looks", "ended"),
        (100, 2, "boards", "alone"),
        (159, 3, "boards", "alone"),
        (160, 3, "boards", "leads"),
        (160, 4, "boards", "waits"),
    ]);
}

#[test]
fn a_leader_that_falls_silent_is_followed_by_one() {
    check(&[
        (100, 1, "boards", "leads"),
        (102, 1, "renews", "done"),
        (104, 2, "boards", "waits"),
        (105, 2, "looks", "ended"),
        (105, 2, "boards", "leads"),
        (105, 3, "boards", "waits"),
        (106, 1, "renews", "lost"),
        (106, 1, "marks", "lost"),
        (106, 3, "looks", "flying"),
        (107, 2, "stores", "done"),
    ]);
}

#[test]
fn who_read_the_clock_before_the_leader_wrote_its_line_waits_all_the_same() {
    check(&[
        (100, 1, "boards", "leads"),
        (99, 2, "looks", "flying"),
        (99, 2, "boards", "waits"),
        (100, 1, "marks", "done"),
        (99, 2, "boards", "alone"),
    ]);
}

#[test]
fn a_clock_that_steps_back_lets_nobody_wait_for_its_return() {
    check(&[
        (1000, 1, "boards", "leads"),
        (10, 2, "looks", "ended"),
        (10, 2, "boards", "leads"),
        (10, 3, "boards", "waits"),
        (11, 2, "marks", "done"),
        (11, 3, "boards", "alone"),
        (1, 4, "boards", "leads"),
    ]);
    check(&[(1000, 1, "boards", "leads"), (1000, 1, "marks", "done"), (900, 2, "boards", "leads")]);
}

#[test]
fn a_table_is_bounded_and_prefers_flights_to_marks() {
    let mut table = Vec::new();
    let now = at(100);
    let full = u64::try_from(LINES_MAX).unwrap();
    for number in 1..=full {
        assert_eq!(board(&mut table, number, 1, now), Boarding::Leads, "{number}");
    }
    assert_eq!(board(&mut table, full + 1, 1, now), Boarding::Alone);
    for (number, length) in [(3, 20), (5, 10), (9, 30)] {
        assert!(report(&mut table, number, 1, Report::Marks(Duration::from_secs(length)), now));
    }
    assert_eq!(board(&mut table, full + 1, 1, now), Boarding::Leads);
    assert_eq!(table.len(), LINES_MAX * LINE);
    assert_eq!(board(&mut table, 3, 1, now), Boarding::Alone, "not this mark gave way");
    assert_eq!(board(&mut table, 5, 1, now), Boarding::Leads, "but the one that ends first");
    assert!(report(&mut table, 5, 1, Report::Lands, now));
    assert_eq!(board(&mut table, full + 2, 1, now), Boarding::Leads);
    assert_eq!(board(&mut table, 9, 1, now), Boarding::Alone, "a landing gives way before a mark");
    // Whatever has ended makes room.
    assert_eq!(board(&mut table, 100, 1, at(104)), Boarding::Leads);
    assert_eq!(table.len() / LINE, 2, "a flight, and what is marked for longest");
}

#[test]
fn bytes_that_are_no_table_hold_nobody_off() {
    for bytes in [&b"x"[..], &[0xff; 24], &[0xff; 25], &[0; 24 * 100]] {
        let mut table = bytes.to_vec();
        assert_eq!(board(&mut table, u64::MAX, 1, at(100)), Boarding::Leads, "{bytes:?}");
        assert_eq!(table.len(), 24);
    }
}

#[test]
fn who_wants_what_is_not_everybodys_is_no_part_of_a_flight() {
    let config = Config::from_json(br#"{"routes": [{"match": {}}]}"#).unwrap();
    let role = |method: &str, more: &[(&str, &str)]| {
        let own = [(":method", method), (":scheme", "http"), (":authority", "a"), (":path", "/")];
        let lines = own.iter().chain(more);
        let pairs: Vec<_> = lines.map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        let seed = Seed::from_random([7; 16]);
        match plan(&config, &seed, Headers::from_pairs(&pairs), false) {
            Plan::Ask(inquiry) => Role::of(&inquiry, &config.routes[0]),
            Plan::Pass { .. } | Plan::Leave | Plan::Gather(_) => panic!("is not asked about"),
        }
    };
    for more in [("accept", "*/*"), ("cache-control", "max-stale=5")] {
        assert_eq!(role("GET", &[more]), Role::Leader, "{more:?}");
    }
    for more in [("if-none-match", "\"a\""), ("if-modified-since", "x")] {
        assert_eq!(role("GET", &[more]), Role::Follower, "{more:?}");
        assert_eq!(role("GET", &[more, ("range", "bytes=0-0")]), Role::None, "{more:?}");
        assert_eq!(role("GET", &[more, ("cache-control", "max-age=0")]), Role::None, "{more:?}");
    }
    assert_eq!(role("HEAD", &[]), Role::None);
    for value in ["no-cache", "no-store", "only-if-cached", "max-age=0", "min-fresh=1"] {
        assert_eq!(role("GET", &[("cache-control", value)]), Role::None, "{value}");
    }
    for name in ["range", "if-range", "authorization", "x-weir-user"] {
        assert_eq!(role("GET", &[(name, "x")]), Role::None, "{name}");
    }
}
