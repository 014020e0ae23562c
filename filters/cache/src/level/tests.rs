//! What is owed to the second level, and what is known of it.

use super::*;
use crate::purge::{Ledger, Mode, Stamp, Standing, Subject};
use crate::tag::Tags;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const fn at(second: u64) -> Instant {
    Instant::from_unix_seconds(second)
}

#[test]
fn failures_in_a_row_begin_an_outage_and_an_answer_ends_it() {
    let mut level = Availability::default();
    assert!(!level.fail(at(100)) && !level.succeed());
    assert!(!level.fail(at(100)) && !level.fail(at(100)) && level.is_open(at(100)));
    assert!(level.fail(at(100)));
    assert!(!level.is_open(at(100)) && !level.is_open(at(104)) && level.is_open(at(105)));
    // One that still fails is left alone again, and is no news.
    assert!(!level.fail(at(105)));
    assert!(!level.is_open(at(109)));
    assert_eq!(Availability::from_bytes(&level.to_bytes()), level);
    assert!(level.succeed() && level.is_open(at(106)) && !level.succeed());
    assert_eq!(Availability::from_bytes(b"x"), Availability::default());
}

#[test]
fn a_clock_that_steps_back_ends_a_pause() {
    let mut level = Availability::default();
    for _ in 0..3 {
        level.fail(at(1000));
    }
    assert!(!level.is_open(at(1000)) && level.is_open(at(10)));
}

#[test]
fn orders_wait_until_the_fleet_has_been_told() {
    let mut backlog = Backlog::default();
    backlog.push(b"tag=a");
    backlog.push(b"tag=b");
    let told = backlog.end();
    backlog.push(b"tag=c");
    assert_eq!(Backlog::from_bytes(&backlog.to_bytes()), backlog);
    assert!(Backlog::has_orders(&backlog.to_bytes()));
    backlog.settle(told);
    assert_eq!(backlog.orders, [b"tag=c"]);
    backlog.settle(told);
    assert_eq!(backlog.orders.len(), 1);
    for number in 0..ORDERS_MAX {
        backlog.push(format!("tag=d{number}").as_bytes());
    }
    assert_eq!(backlog.orders, [b"everything"]);
    backlog.settle(backlog.end());
    assert!(backlog.orders.is_empty());
    assert!(!Backlog::has_orders(&backlog.to_bytes()) && !Backlog::has_orders(b""));
    assert_eq!(Backlog::from_bytes(b"").orders.len(), 0);
}

/// What a client has ended, as many URLs as that.
fn flood(urls: std::ops::Range<u32>) -> Backlog {
    let mut backlog = Backlog::default();
    for number in urls {
        let (target, key) = (format!("/{number}"), format!("GET http h /{number}"));
        backlog.push_ended(key.as_bytes(), &Order::of_url(b"http", b"h", target.as_bytes(), Mode::Hard));
    }
    backlog
}

/// What of so many URLs orders end that were read in their order.
fn ended(orders: &[Vec<u8>], urls: std::ops::Range<u32>) -> usize {
    let mut ledger = Ledger::default();
    for order in orders {
        ledger.apply(&Order::parse(order).unwrap(), Some(7));
    }
    let is_ended = |number: &u32| {
        let key = format!("GET http h /{number}");
        let subject = Subject { key: key.as_bytes(), provider: "", data_type: "", tags: &Tags::default() };
        ledger.standing_remote(&subject, Stamp::default()) == Standing::Gone
    };
    urls.filter(is_ended).count()
}

#[test]
fn a_flood_of_urls_is_told_by_their_cells_and_takes_no_more() {
    for (count, orders) in [(1, 1), (64, 64), (65, 65), (1000, 66), (3000, 70)] {
        let backlog = flood(0..count);
        assert!(backlog.orders.len() <= orders, "{count}: {}", backlog.orders.len());
        assert!(backlog.orders.iter().all(|order| order.len() <= CELLS_BYTES_MAX + 4), "{count}");
        assert_eq!(ended(&backlog.orders, 0..count), count as usize);
        assert_eq!(Backlog::from_bytes(&backlog.to_bytes()), backlog);
    }
    // A thousand URLs have some 790 of 2,048 cells.
    let others = ended(&flood(0..1000).orders, 1_000_000..1_010_000);
    assert!((3000..4500).contains(&others), "{others}");
    // An operator is heard beside them.
    let mut backlog = flood(0..3000);
    backlog.push(b"tag=a");
    assert!(backlog.orders.contains(&b"tag=a".to_vec()) && !backlog.orders.contains(&b"everything".to_vec()));
}

#[test]
fn a_url_that_no_order_can_name_is_told_by_its_cell() {
    let long = format!("/1?{}", "&".repeat(2000));
    for (authority, target) in [("h", long.as_str()), ("h", "/a b"), ("h", "/\u{7f}"), ("h/x", "/a"), ("", "/a")] {
        let key = key::primary(b"http", authority.as_bytes(), target.as_bytes());
        let mut backlog = Backlog::default();
        backlog.push_ended(&key, &Order::of_url(b"http", authority.as_bytes(), target.as_bytes(), Mode::Hard));
        assert_eq!(backlog.orders, [format!("cell={}", key::cell(&key)).into_bytes()], "{authority} {target}");
    }
}

#[test]
fn what_is_said_once_more_is_told_once_and_not_too_early() {
    let url = |number| Order::of_url(b"http", b"h", format!("/{number}").as_bytes(), Mode::Hard);
    for again in 0..100 {
        let mut backlog = flood(0..100);
        let (told, count) = (backlog.end(), backlog.orders.len());
        backlog.push_ended(format!("GET http h /{again}").as_bytes(), &url(again));
        assert_eq!(backlog.orders.len(), count, "{again}");
        backlog.settle(told);
        // It was on its way when it was said again: whoever has heard it has perhaps forgotten it since.
        assert_eq!(ended(&backlog.orders, again..again + 1), 1, "{again}");
        backlog.settle(backlog.end());
        assert!(backlog.orders.is_empty());
    }
}

#[test]
fn what_has_been_said_since_it_was_told_is_never_settled_with_it() {
    // What is under way, what is said meanwhile: nothing of the latter is gone after.
    for meanwhile in [0..1, 30..33, 60..70, 99..130, 0..100] {
        let mut backlog = flood(0..100);
        let told = backlog.end();
        for number in meanwhile.clone() {
            let key = format!("GET http h /{number}");
            backlog.push_ended(key.as_bytes(), &Order::of_key(key.as_bytes(), Mode::Hard));
        }
        backlog.push(b"tag=last");
        backlog.settle(told);
        assert_eq!(ended(&backlog.orders, meanwhile.clone()), meanwhile.len(), "{meanwhile:?}");
        assert_eq!(backlog.orders.last().map(Vec::as_slice), Some(&b"tag=last"[..]));
    }
}

#[test]
fn urls_are_forgotten_once_and_in_bounds() {
    let mut stored = Vec::new();
    assert!(forget(&mut stored, [1; 16], 7) && forget(&mut stored, [2; 16], 8) && forget(&mut stored, [1; 16], 9));
    assert_eq!(forgotten(&stored).collect::<Vec<_>>(), [([1; 16], 9), ([2; 16], 8)]);
    let one = stored[..FORGOTTEN].to_vec();
    settle(&mut stored, &one);
    assert_eq!((forgotten_at(&stored, [1; 16]), forgotten_at(&stored, [2; 16])), (None, Some(8)));
    let added = (0..1000_u128).filter(|number| forget(&mut stored, number.to_le_bytes(), 1)).count();
    assert_eq!((added, forgotten(&stored).count()), (FORGOTTEN_MAX - 1, FORGOTTEN_MAX));
}

#[test]
fn what_is_forgotten_once_more_meanwhile_is_not_settled() {
    for (again, stands) in [(9, 9), (7, 8), (3, 8), (u64::MAX, MOMENT_MAX)] {
        let mut stored = Vec::new();
        assert!(forget(&mut stored, [1; 16], 7));
        let under_way = stored.clone();
        assert!(forget(&mut stored, [1; 16], again));
        settle(&mut stored, &under_way);
        assert_eq!(forgotten(&stored).collect::<Vec<_>>(), [([1; 16], stands)], "{again}");
    }
}

#[test]
fn a_moment_lies_between_the_bounds_that_a_round_trip_allows() {
    let clock = Clock { told: 5_000_000_000, sent: at(100), heard: at(103) };
    assert_eq!(Clock::from_bytes(&clock.to_bytes()), Some(clock));
    assert_eq!(Clock::from_bytes(b""), None);
    // The store looked at its clock at some second between 100 and 103.
    for (moment, earliest, latest) in [(100, 4997, 5000), (103, 5000, 5003), (200, 5097, 5100), (90, 4987, 4990)] {
        let bounds = (clock.earliest(at(moment)), clock.latest(at(moment)));
        assert_eq!(bounds, (earliest * 1_000_000, latest * 1_000_000 + 2), "{moment}");
    }
    assert_eq!(Clock { told: u64::MAX, ..clock }.latest(at(1)), MOMENT_MAX);
    assert_eq!(Clock { told: 0, ..clock }.earliest(at(1)), 0);
}
