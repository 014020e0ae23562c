//! How cool-downs follow one another, and what a fleet tells its members.

use super::*;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const LONGEST: Duration = Duration::from_secs(100);

fn at(seconds: u64) -> Instant {
    Instant::from_unix_seconds(1_000 + seconds)
}

fn upstream() -> Upstream {
    Upstream {
        name: "a".into(),
        key: "a".into(),
        routes: vec![Match::default()],
        learn: Learn::TOO_MANY,
        longest: LONGEST,
        default: Duration::from_secs(5),
    }
}

fn refused(seconds: Option<u64>) -> Signal {
    Signal { is_refusal: true, length: seconds.map(Duration::from_secs) }
}

/// A refusal at one second after the start that lasts until another.
fn rest(since: u64, until: u64) -> Rest {
    Rest { since: at(since), until: at(until), cause: Cause::Refused }
}

#[test]
fn a_cool_down_is_as_long_as_was_said_and_no_longer_than_allowed() {
    for (said, expected) in [(Some(7), 7), (None, 5), (Some(1_000_000), 100), (Some(0), 0)] {
        let rest = upstream().rest(refused(said), at(0));
        assert_eq!(rest.until.since(at(0)).as_secs(), expected, "{said:?}");
    }
    let endless = Signal { is_refusal: false, length: Some(Duration::MAX) };
    assert_eq!(upstream().rest(endless, at(0)), Rest { since: at(0), until: at(100), cause: Cause::Spent });
}

#[test]
fn what_is_stored_is_read_back_and_anything_else_is_no_cool_down() {
    for cause in [Cause::Refused, Cause::Spent, Cause::Fleet] {
        let rest = Rest { cause, ..rest(1, 9) };
        let bytes = rest.to_bytes();
        assert_eq!(Rest::read(&bytes), Some(rest));
        for end in 0..bytes.len() {
            assert_eq!(Rest::read(&bytes[..end]), None);
        }
        assert_eq!(Rest::read(&[&bytes[..], b"x"].concat()), None);
    }
    assert_eq!(Rest::read(&[9; 17]), None);
}

#[test]
fn the_later_end_holds() {
    for (known, news, expected) in [
        (None, rest(0, 10), true),
        (Some(rest(0, 10)), rest(1, 9), false),
        (Some(rest(0, 10)), rest(1, 10), false),
        (Some(rest(0, 10)), rest(1, 11), true),
        // One that is over is none.
        (Some(rest(0, 1)), rest(1, 2), true),
        (None, rest(0, 1), false),
    ] {
        assert_eq!(news.replaces(known, at(1)), expected, "{known:?} {news:?}");
    }
    let heard = Rest { until: at(10) + Duration::from_millis(50), cause: Cause::Fleet, ..rest(1, 10) };
    assert!(!heard.replaces(Some(rest(0, 10)), at(1)));
    assert!(heard.replaces(None, at(1)));
}

#[test]
fn a_clock_that_steps_back_takes_the_end_with_it() {
    let known = rest(50, 60);
    assert_eq!(known.at(at(55), LONGEST), known);
    let moved = known.at(at(10), LONGEST);
    assert_eq!(moved, Rest { since: at(10), until: at(20), cause: Cause::Refused });
    assert_eq!(moved.left(at(19)), Some(Duration::from_secs(1)));
    assert_eq!(moved.left(at(20)), None);
    // A small step, which cannot be seen, makes nobody wait for longer than the whole.
    assert_eq!(known.at(at(50), LONGEST).left(at(50)), Some(Duration::from_secs(10)));
    // What another configuration allowed is cut to what this one does.
    assert_eq!(rest(0, 1_000).at(at(1), LONGEST).left(at(1)), Some(LONGEST));
}

#[test]
fn at_the_end_a_bucket_holds_one_request_and_what_has_come_back() {
    let second = Duration::from_secs(1);
    let over = rest(0, 10);
    for (now, tokens, refill, cost, expected) in [
        (10, 20, second, 1, 19),
        (10, 20, second, 5, 15),
        (13, 20, second, 1, 16),
        (60, 20, second, 1, 0),
        (10, 1, second, 1, 0),
        (10, 0, second, 1, 0),
        (10, 20, Duration::ZERO, 1, 0),
    ] {
        assert_eq!(over.surplus(at(now), tokens, refill, cost), expected, "{now} {tokens} {refill:?} {cost}");
    }
    assert_eq!(Rest { cause: Cause::Spent, ..over }.surplus(at(10), 20, second, 1), 0);
}

#[test]
fn the_fleet_is_told_once_of_what_was_learnt_here() {
    let mut gossip = Gossip::default();
    let known = rest(0, 10);
    assert_eq!(gossip.news(2, Some(known), at(4)), 6_000);
    // No answer: it is told again.
    assert_eq!(gossip.news(2, Some(known), at(5)), 5_000);
    gossip.note(2, Some(known), Duration::from_secs(5));
    assert_eq!(gossip.news(2, Some(known), at(6)), 0);
    assert_eq!(gossip.news(1, Some(known), at(6)), 4_000);
    assert_eq!(gossip.news(2, Some(rest(0, 11)), at(6)), 5_000);
    // It has lost its data.
    gossip.note(2, Some(known), Duration::ZERO);
    assert_eq!(gossip.news(2, Some(known), at(7)), 3_000);
    assert_eq!(gossip.news(2, Some(known), at(10)), 0);
    assert_eq!(gossip.news(2, None, at(7)), 0);
    assert_eq!(gossip.news(2, Some(Rest { cause: Cause::Fleet, ..known }), at(7)), 0);
}

#[test]
fn cool_downs_do_not_grow_on_their_way_through_the_fleet() {
    // Two proxies, whose answers take a second each: what comes back is never told again.
    let (first, mut known) = (rest(0, 60), None);
    let (mut ones, others) = (Gossip::default(), Gossip::default());
    let mut fleet = Instant::EPOCH;
    for second in 1..60 {
        let now = at(second);
        let told = ones.news(0, Some(first), now).max(others.news(0, known, now));
        // It arrives a second later.
        let arrived = at(second + 1);
        fleet = fleet.max(if told == 0 { Instant::EPOCH } else { arrived + Duration::from_millis(told) });
        let left = fleet.since(arrived);
        ones.note(0, Some(first), left);
        let heard = Rest { since: now, until: arrived + Duration::from_secs(1) + left, cause: Cause::Fleet };
        if heard.replaces(known, now) {
            known = Some(heard);
        }
    }
    assert!(known.unwrap().until <= at(62), "{known:?}");
}
