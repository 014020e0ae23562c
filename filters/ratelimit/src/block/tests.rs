//! What a proxy holds is spent once, by whoever is in time, and never after it has lapsed.

use super::*;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const TERM: Duration = Duration::from_millis(200);
const INTERVAL: Duration = Duration::from_millis(50);

fn at(millis: u64) -> Instant {
    Instant::from_unix_seconds(1_000) + Duration::from_millis(millis)
}

fn print(number: u8) -> Fingerprint {
    Fingerprint::from_bytes([number; 16])
}

/// Plays lines of `milliseconds grant TOKENS`, `milliseconds refuse MILLISECONDS`, or `milliseconds take COST taken|refused|missing`.
fn check(story: &str) {
    let mut bytes = Vec::new();
    for line in story.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<_> = line.split_whitespace().collect();
        let (now, number): (_, u32) = (at(words[0].parse().unwrap()), words[2].parse().unwrap());
        let mut blocks = Blocks::read(&bytes, now);
        match words[1] {
            "take" => {
                let said = match blocks.try_take(print(1), number, None) {
                    Take::Taken(..) => "taken",
                    Take::Refused(_) => "refused",
                    Take::Missing(_) => "missing",
                };
                assert_eq!(said, words[3], "{line}");
            }
            "grant" => {
                let grant = Grant { granted: number, ..Grant::default() };
                blocks.receive(print(1), &grant, 0, now, TERM);
            }
            _ => {
                let grant = Grant { wait: Duration::from_millis(number.into()), ..Grant::default() };
                blocks.receive(print(1), &grant, 0, now, TERM);
            }
        }
        blocks.write(&mut bytes);
    }
}

#[test]
fn tokens_are_spent_once_and_lapse() {
    check("0 take 1 missing\n 0 grant 3\n 1 take 2 taken\n 1 take 2 missing\n 1 take 1 taken\n 1 take 1 missing");
    check("0 grant 3\n 199 take 1 taken\n 200 take 1 missing");
}

#[test]
fn what_a_fixed_window_has_counted_lapses_with_it() {
    for (due, is_before) in [(0, true), (30, true), (50, false)] {
        let due = Duration::from_millis(due);
        let grant = Grant { granted: 9, due, ends_in: Duration::from_millis(50), ..Grant::default() };
        let mut blocks = Blocks::read(&[], at(10));
        blocks.receive(print(1), &grant, 0, at(0), TERM);
        let mut is_good = |millis| {
            blocks.now = at(millis);
            matches!(blocks.try_take(print(1), 1, None), Take::Taken(..))
        };
        assert_eq!((is_good(49), is_good(50), is_good(70)), (is_before, false, false), "{due:?}");
    }
}

#[test]
fn an_older_part_is_spent_first_and_lapses_for_itself() {
    check("0 grant 3\n 150 grant 3\n 160 take 5 taken\n 160 take 2 missing\n 160 take 1 taken");
    check("0 grant 3\n 150 grant 3\n 210 take 4 missing\n 210 take 3 taken");
}

#[test]
fn what_comes_back_lapses_no_later_than_it_would_have() {
    // Of what was leased at 0, two are taken at 10; at 150 more is leased, and they come back into what is older.
    let grant = Grant { granted: 3, ..Grant::default() };
    for (back_at, until, held) in [(20, 200, 3), (160, 200, 6), (160, 160, 4), (160, 350, 6), (240, 200, 4)] {
        let mut blocks = Blocks::read(&[], at(0));
        blocks.receive(print(1), &grant, 0, at(0), TERM);
        blocks.now = at(10);
        let Take::Taken(known, _) = blocks.try_take(print(1), 2, None) else { panic!("three are there") };
        assert_eq!(known.until, at(200));
        if back_at > 150 {
            blocks.now = at(150);
            blocks.receive(print(1), &grant, 0, at(150), TERM);
        }
        blocks.now = at(back_at);
        let came = blocks.give_back(print(1), 2, at(until));
        assert_eq!(came, until > back_at, "{back_at} {until}");
        assert_eq!(blocks.find(print(1)).map(|block| block.tokens()), Some(held), "{back_at} {until}");
        let mut bytes = Vec::new();
        blocks.write(&mut bytes);
        // When the older part has lapsed, all of it has.
        let mut late = Blocks::read(&bytes, at(200));
        assert_eq!(matches!(late.try_take(print(1), 4, None), Take::Taken(..)), until == 350, "{back_at} {until}");
    }
    assert!(!Blocks::read(&[], at(0)).give_back(print(1), 1, at(100)), "of a caller who was forgotten");
}

#[test]
fn what_was_taken_by_whom_nobody_knows_is_good_as_long_as_all_that_was_there() {
    let mut blocks = Blocks::read(&[], at(0));
    blocks.receive(print(1), &Grant { granted: 1, ..Grant::default() }, 0, at(0), TERM);
    assert_eq!(blocks.good_until(print(1), at(10)), Some(at(200)));
    blocks.now = at(150);
    blocks.receive(print(1), &Grant { granted: 1, ..Grant::default() }, 0, at(150), TERM);
    assert_eq!(blocks.good_until(print(1), at(160)), Some(at(200)), "the older part may have been it");
    assert_eq!(blocks.good_until(print(1), at(210)), Some(at(350)));
    assert_eq!(blocks.good_until(print(1), at(140)), None, "more has come since");
}

#[test]
fn a_refusal_is_remembered_until_it_ends_and_no_longer_than_some_seconds() {
    check("0 refuse 100\n 99 take 1 refused\n 100 take 1 missing");
    check("0 refuse 3600000\n 4999 take 1 refused\n 5000 take 1 missing");
}

#[test]
fn a_clock_that_steps_back_makes_what_it_finds_in_its_future_lapse() {
    check("1000 grant 3\n 0 take 1 missing\n 1000 take 1 missing");
    check("1000 refuse 60000\n 0 take 1 missing");
}

#[test]
fn who_leaves_less_than_a_half_asks_for_more_and_nobody_else_does() {
    let mut blocks = Blocks::read(&[], at(0));
    blocks.receive(print(1), &Grant { granted: 10, ..Grant::default() }, 0, at(0), TERM);
    blocks.now = at(50);
    let said: Vec<_> = (0..10).map(|_| blocks.try_take(print(1), 1, Some(INTERVAL))).collect();
    let asked: Vec<_> = said.iter().map(|take| if let Take::Taken(_, more) = take { *more } else { Some(0) }).collect();
    // Six in one interval: twelve in two.
    assert_eq!(asked, [None, None, None, None, None, Some(12), None, None, None, None]);
    assert_eq!(blocks.try_take(print(1), 1, Some(INTERVAL)), Take::Missing(20));
}

#[test]
fn whoever_was_heard_of_longest_ago_is_forgotten_with_its_tokens() {
    let mut bytes = Vec::new();
    for number in 0..100 {
        let mut blocks = Blocks::read(&bytes, at(u64::from(number)));
        blocks.receive(print(number), &Grant { granted: 1, ..Grant::default() }, 0, blocks.now, TERM);
        blocks.write(&mut bytes);
    }
    assert_eq!(bytes.len(), 1 + WAYS * NUMBERS * 8);
    let mut blocks = Blocks::read(&bytes, at(100));
    assert_eq!(blocks.try_take(print(0), 1, None), Take::Missing(0));
    assert!(matches!(blocks.try_take(print(99), 1, None), Take::Taken(..)));
}

#[test]
fn bytes_of_something_else_hold_nothing() {
    for bytes in [&b""[..], b"x", &[FORMAT], &[FORMAT; 50], &[0xff; 1000], &[FORMAT; 2000]] {
        assert_eq!(Blocks::read(bytes, at(0)).blocks, [], "{bytes:?}");
    }
}

#[test]
fn a_promise_is_spent_once_it_is_due_and_not_long_after() {
    let mut bytes = Vec::new();
    let mut at_millis = |millis: u64, grant: Option<Grant>| {
        let mut blocks = Blocks::read(&bytes, at(millis));
        let said = match grant {
            Some(grant) => {
                blocks.receive(print(1), &grant, 0, at(millis), TERM);
                None
            }
            None => Some(blocks.claim(print(1), 1, None, INTERVAL)),
        };
        blocks.write(&mut bytes);
        said
    };
    let wait = |said: Option<Take>| match said {
        Some(Take::Refused(known)) => known.reset_in.as_millis(),
        other => panic!("{other:?}"),
    };
    assert_eq!(at_millis(0, None), Some(Take::Missing(0)), "this worker is to ask");
    assert_eq!(wait(at_millis(1, None)), 10, "and no other is");
    assert_eq!(at_millis(50, None), Some(Take::Missing(0)), "unless no answer comes");
    let due = |millis| Duration::from_millis(millis);
    let promise = Grant { granted: 1, due: due(500), wait: due(1500), ..Grant::default() };
    at_millis(60, Some(promise));
    assert_eq!(wait(at_millis(61, None)), 499);
    assert_eq!(wait(at_millis(559, None)), 1);
    assert!(matches!(at_millis(560, None), Some(Take::Taken(known, None)) if known.notice == due(500)));
    // The next is asked for at once, though Redis has said that it is not there yet.
    assert_eq!(at_millis(560, None), Some(Take::Missing(0)));
    at_millis(561, Some(promise));
    assert_eq!(at_millis(1061 + 200, None), Some(Take::Missing(0)), "it has lapsed");
    // What is beyond all patience is refused.
    at_millis(1300, Some(Grant { wait: due(9000), ..Grant::default() }));
    assert_eq!(wait(at_millis(1400, None)), 8900);
}

#[test]
fn what_was_there_before_a_promise_is_spent_first() {
    let mut blocks = Blocks::read(&[], at(0));
    blocks.receive(print(1), &Grant { granted: 1, ..Grant::default() }, 0, at(0), TERM);
    let promise = Grant { granted: 1, due: Duration::from_millis(50), ..Grant::default() };
    blocks.receive(print(1), &promise, 0, at(0), TERM);
    assert!(matches!(blocks.claim(print(1), 1, None, INTERVAL), Take::Taken(..)));
    assert!(matches!(blocks.claim(print(1), 1, None, INTERVAL), Take::Refused(_)));
    // A clock that steps back makes a promise lapse like all else.
    let mut bytes = Vec::new();
    blocks.write(&mut bytes);
    assert_eq!(Blocks::read(&bytes, at(0).before(TERM)).claim(print(1), 1, None, INTERVAL), Take::Missing(0));
}
