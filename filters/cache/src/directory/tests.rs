//! What a directory keeps, what it gives up, and what it refuses.

use super::*;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const SHARE: u32 = 64_000;
const NOW: u32 = 1_000_000;

fn offer(tag: u64, bytes: u32) -> Record<'static> {
    let (received, expires, date) = (NOW, NOW + 60, NOW);
    Record {
        tag,
        variant: 0,
        ticket: 0,
        former: 0,
        bytes,
        received,
        expires,
        date,
        uses: 0,
        is_main: false,
        slot: 0,
        is_softened: false,
        vary: b"",
    }
}

/// Stores as a worker does that asked just now.
fn store(bytes: &mut Vec<u8>, offer: Record<'_>) -> Placement {
    let (_, seen) = find(bytes, offer.tag, |_| 0);
    store_late(bytes, offer, seen)
}

fn store_late(bytes: &mut Vec<u8>, offer: Record<'_>, seen: u64) -> Placement {
    let mut directory = Directory::parse(bytes);
    let placement = directory.place(offer, Sight { next: seen, found: 0 }, SHARE, NOW);
    let written = directory.to_bytes();
    *bytes = written;
    placement
}

fn edit<T>(bytes: &mut Vec<u8>, change: impl FnOnce(&mut Directory<'_>) -> T) -> T {
    let mut directory = Directory::parse(bytes);
    let answer = change(&mut directory);
    let written = directory.to_bytes();
    *bytes = written;
    answer
}

fn found(bytes: &[u8], tag: u64) -> Option<Record<'_>> {
    match find(bytes, tag, |_| 0).0 {
        Found::Record(record) => Some(record),
        Found::Nothing | Found::OtherVariants => None,
    }
}

#[test]
fn what_was_placed_is_found() {
    let mut bytes = Vec::new();
    assert_eq!(find(&bytes, 7, |_| 0), (Found::Nothing, 0));
    let placed = store(&mut bytes, offer(7, 100));
    assert_eq!(placed, Placement::Placed { slot: 0, ticket: 1, emptied: vec![] });
    assert_eq!(found(&bytes, 7), Some(Record { ticket: 1, ..offer(7, 100) }));
    assert_eq!(find(&bytes, 8, |_| 0), (Found::Nothing, 2));
    assert_eq!(bytes.len(), HEAD + RECORD);
}

#[test]
fn a_second_response_takes_the_firsts_slot() {
    let mut bytes = Vec::new();
    store(&mut bytes, offer(7, 100));
    store(&mut bytes, offer(8, 100));
    assert_eq!(store(&mut bytes, offer(7, 300)), Placement::Placed { slot: 0, ticket: 3, emptied: vec![] });
    assert_eq!(found(&bytes, 7).map(|record| (record.bytes, record.ticket)), Some((300, 3)));
    assert!(!edit(&mut bytes, |directory| directory.holds(1)));
    // Until its object is there, the first answers; one that a purge has made stale does not.
    assert_eq!(found(&bytes, 7).map(|record| record.former), Some(1));
    edit(&mut bytes, |directory| directory.soften(7));
    store(&mut bytes, offer(7, 300));
    assert_eq!(found(&bytes, 7).map(|record| record.former), Some(0));
}

#[test]
fn variants_stand_side_by_side() {
    // RFC 9111 §4.1
    let mut bytes = Vec::new();
    for variant in [10, 11] {
        store(&mut bytes, Record { variant, vary: b"accept", ..offer(7, 100) });
    }
    let ask = |bytes: &[u8], variant| match find(bytes, 7, |vary| if vary == b"accept" { variant } else { 0 }).0 {
        Found::Record(record) => Some(record.variant),
        Found::OtherVariants => None,
        Found::Nothing => panic!("the URL is known"),
    };
    assert_eq!(ask(&bytes, 10), Some(10));
    assert_eq!(ask(&bytes, 11), Some(11));
    assert_eq!(ask(&bytes, 12), None);
}

#[test]
fn the_most_recent_response_is_selected() {
    // RFC 9111 §4: by Date, not by when it was stored.
    let mut bytes = Vec::new();
    store(&mut bytes, Record { variant: 5, vary: b"a", date: NOW + 1, ..offer(7, 1) });
    store(&mut bytes, Record { variant: 5, vary: b"b", date: NOW, ..offer(7, 2) });
    assert!(matches!(find(&bytes, 7, |_| 5).0, Found::Record(Record { vary: b"a", .. })));
    store(&mut bytes, Record { variant: 5, vary: b"c", date: NOW + 1, ..offer(7, 3) });
    assert!(matches!(find(&bytes, 7, |_| 5).0, Found::Record(Record { vary: b"c", .. })));
    // §4.3.4: what is confirmed for a request is confirmed of all that answer it.
    let Found::Record(Record { ticket, .. }) = find(&bytes, 7, |_| 5).0 else { panic!() };
    store(&mut bytes, Record { variant: 6, vary: b"b", ..offer(7, 4) });
    store(&mut bytes, Record { variant: 5, vary: b"b", ..offer(8, 5) });
    let mut directory = Directory::parse(&bytes);
    let mut rivals = 0;
    while let Some(rival) = rival(&directory.to_bytes(), 7, ticket, |_| 5) {
        directory.remove(rival);
        rivals += 1;
    }
    assert_eq!(rivals, 2, "those under `a` and `b`, of this URL and request");
    let bytes = directory.to_bytes();
    assert!(matches!(find(&bytes, 7, |_| 5).0, Found::Record(record) if record.ticket == ticket));
    assert!(matches!(find(&bytes, 7, |_| 6).0, Found::Record(Record { vary: b"b", .. })));
    assert!(matches!(find(&bytes, 8, |_| 5).0, Found::Record(_)));
}

#[test]
fn one_that_varies_is_preferred_to_one_that_does_not_say_so() {
    // RFC 9111 §4.1: whoever sends a default without `Vary` means nobody who asks for more.
    let varied = Record { variant: 5, vary: b"a", date: NOW - 9, ..offer(7, 1) };
    let mut bytes = Vec::new();
    store(&mut bytes, varied);
    store(&mut bytes, offer(7, 2));
    let ask = |bytes: &[u8], variant| match find(bytes, 7, |vary| if vary.is_empty() { 0 } else { variant }).0 {
        Found::Record(record) => record.bytes,
        other => panic!("{other:?}"),
    };
    assert_eq!((ask(&bytes, 5), ask(&bytes, 6)), (1, 2));
    // Where the upstream has answered the same request without `Vary`, that is so from now on.
    let placed = edit(&mut bytes, |directory| directory.place(offer(7, 3), Sight { next: 3, found: 1 }, SHARE, NOW));
    assert_eq!(placed, Placement::Placed { slot: 1, ticket: 3, emptied: vec![0] });
    assert_eq!((ask(&bytes, 5), ask(&bytes, 6)), (3, 3));
    // What was found may stand in for itself, or be gone.
    for found in [3, 3, 0] {
        let placed = edit(&mut bytes, |directory| directory.place(offer(7, 4), Sight { next: 9, found }, SHARE, NOW));
        assert!(matches!(placed, Placement::Placed { slot: 1, emptied, .. } if emptied.is_empty()), "{found}");
    }
}

#[test]
fn a_late_and_older_response_replaces_nothing() {
    let mut bytes = Vec::new();
    store(&mut bytes, Record { date: NOW, ..offer(7, 1) });
    assert_eq!(store_late(&mut bytes, Record { date: NOW - 1, ..offer(7, 2) }, 1), Placement::Outdated);
    assert_eq!(found(&bytes, 7).map(|record| record.bytes), Some(1));
    // One that was asked for afterwards is newer, whatever an origin's clock says.
    assert!(matches!(store(&mut bytes, Record { date: NOW - 1, ..offer(7, 2) }), Placement::Placed { .. }));
}

#[test]
fn an_invalidation_also_meets_what_is_on_its_way() {
    let mut bytes = Vec::new();
    store(&mut bytes, offer(7, 100));
    store(&mut bytes, offer(8, 100));
    let (_, seen) = find(&bytes, 7, |_| 0);
    assert_eq!(edit(&mut bytes, |directory| directory.invalidate(7)), [0]);
    assert_eq!(found(&bytes, 7), None);
    assert!(found(&bytes, 8).is_some());
    assert_eq!(store_late(&mut bytes, offer(7, 100), seen), Placement::Outdated);
    assert!(matches!(store_late(&mut bytes, offer(9, 100), seen), Placement::Placed { .. }));
    assert!(matches!(store(&mut bytes, offer(7, 100)), Placement::Placed { .. }));
}

#[test]
fn a_softened_url_is_there_and_known_to_be_stale() {
    let mut bytes = Vec::new();
    store(&mut bytes, offer(7, 100));
    store(&mut bytes, offer(8, 100));
    let (_, seen) = find(&bytes, 7, |_| 0);
    edit(&mut bytes, |directory| directory.soften(7));
    assert_eq!(found(&bytes, 7), Some(Record { ticket: 1, is_softened: true, ..offer(7, 100) }));
    assert_eq!(found(&bytes, 8).map(|record| record.is_softened), Some(false));
    assert_eq!(store_late(&mut bytes, offer(7, 100), seen), Placement::Outdated);
    assert!(matches!(store(&mut bytes, offer(7, 100)), Placement::Placed { .. }));
    assert_eq!(found(&bytes, 7).map(|record| record.is_softened), Some(false));
}

#[test]
fn what_a_directory_may_have_forgotten_is_refused() {
    let mut bytes = Vec::new();
    store(&mut bytes, offer(1, 100));
    let (_, seen) = find(&bytes, 7, |_| 0);
    edit(&mut bytes, |directory| directory.invalidate(7));
    for other in 100..107 {
        edit(&mut bytes, |directory| directory.invalidate(other));
    }
    assert_eq!(store_late(&mut bytes, offer(9, 1), seen), Placement::Outdated);
    assert!(matches!(store(&mut bytes, offer(9, 1)), Placement::Placed { .. }));
}

#[test]
fn one_url_that_changes_often_has_no_other_forgotten() {
    let mut bytes = Vec::new();
    store(&mut bytes, offer(1, 100));
    let (_, seen) = find(&bytes, 7, |_| 0);
    edit(&mut bytes, |directory| directory.invalidate(6));
    for _ in 0..20 {
        edit(&mut bytes, |directory| directory.invalidate(7));
        edit(&mut bytes, |directory| directory.soften(8));
    }
    for met in 6..9 {
        assert_eq!(store_late(&mut bytes, offer(met, 1), seen), Placement::Outdated, "{met}");
    }
    assert!(matches!(store_late(&mut bytes, offer(9, 1), seen), Placement::Placed { .. }));
    let (_, seen) = find(&bytes, 7, |_| 0);
    edit(&mut bytes, |directory| directory.invalidate(6));
    assert_eq!(store_late(&mut bytes, offer(6, 1), seen), Placement::Outdated, "it has come to be the last");
    assert!(matches!(store_late(&mut bytes, offer(7, 1), seen), Placement::Placed { .. }));
}

#[test]
fn the_sum_of_all_entries_never_exceeds_the_share() {
    let mut bytes = Vec::new();
    let mut held = [0_u32; SLOTS as usize];
    for step in 0..20_000_u64 {
        let size = u32::try_from(step * 7919 % 61 * step % 9973).unwrap() + 1;
        if step % 3 == 0
            && let Some(record) = found(&bytes, step % 50)
        {
            let ticket = record.ticket;
            edit(&mut bytes, |directory| directory.touch(ticket));
        }
        if let Placement::Placed { slot, emptied, .. } = store(&mut bytes, offer(step % 97, size)) {
            for slot in emptied {
                held[usize::from(slot)] = 0;
            }
            held[usize::from(slot)] = size;
        }
        assert!(held.iter().sum::<u32>() <= SHARE, "step {step}");
    }
    let directory = Directory::parse(&bytes);
    assert_eq!(directory.order.records.iter().map(|record| record.bytes).sum::<u32>(), held.iter().sum::<u32>());
    assert!(bytes.len() <= HEAD + usize::from(SLOTS) * (RECORD + 128));
}

#[test]
fn an_object_larger_than_the_share_has_no_place() {
    let mut bytes = Vec::new();
    assert!(matches!(store(&mut bytes, offer(1, SHARE)), Placement::Placed { .. }));
    assert_eq!(store(&mut bytes, offer(2, SHARE + 1)), Placement::Outdated);
    assert!(found(&bytes, 1).is_some());
}

#[test]
fn one_scan_does_not_empty_a_set() {
    let mut bytes = Vec::new();
    for tag in 0..40 {
        store(&mut bytes, offer(tag, 1000));
        let ticket = found(&bytes, tag).unwrap().ticket;
        edit(&mut bytes, |directory| directory.touch(ticket));
    }
    for tag in 1000..11_000 {
        store(&mut bytes, offer(tag, 1000));
    }
    assert!((0..40).all(|tag| found(&bytes, tag).is_some()));
    assert_eq!(Directory::parse(&bytes).order.records.len(), usize::from(SLOTS));
}

#[test]
fn what_is_no_longer_used_gives_way_at_last() {
    let mut bytes = Vec::new();
    for tag in (0..64).chain(100..500) {
        for _ in 0..2 {
            store(&mut bytes, offer(tag, 1000));
            let ticket = found(&bytes, tag).unwrap().ticket;
            edit(&mut bytes, |directory| directory.touch(ticket));
        }
    }
    assert!((0..64).all(|tag| found(&bytes, tag).is_none()));
}

#[test]
fn what_is_stale_or_from_the_future_goes_first() {
    for spent in [Record { expires: NOW, ..offer(5, 1000) }, Record { received: NOW + 3, ..offer(5, 1000) }] {
        let mut bytes = Vec::new();
        for tag in 0..64 {
            store(&mut bytes, if tag == 5 { spent } else { offer(tag, 1000) });
            let ticket = found(&bytes, tag).unwrap().ticket;
            edit(&mut bytes, |directory| directory.touch(ticket));
        }
        store(&mut bytes, offer(1000, 1000));
        assert_eq!(found(&bytes, 5), None);
        assert!((0..64).filter(|tag| *tag != 5).all(|tag| found(&bytes, tag).is_some()));
    }
}

#[test]
fn three_uses_are_written_down_and_outlast_a_replacement() {
    let mut bytes = Vec::new();
    store(&mut bytes, offer(1, 10));
    for uses in 0..5 {
        let record = found(&bytes, 1).unwrap();
        assert_eq!((record.uses, record.is_use_news()), (uses.min(3), uses < 3));
        let ticket = record.ticket;
        edit(&mut bytes, |directory| directory.touch(ticket));
    }
    store(&mut bytes, offer(1, 20));
    assert_eq!(found(&bytes, 1).map(|record| (record.uses, record.bytes)), Some((3, 20)));
}

#[test]
fn what_is_removed_or_cleared_is_gone() {
    let mut bytes = Vec::new();
    for tag in 1..4 {
        store(&mut bytes, offer(tag, 10));
    }
    assert_eq!(edit(&mut bytes, |directory| directory.remove(2)), Some(1));
    assert_eq!(edit(&mut bytes, |directory| directory.remove(2)), None);
    assert_eq!(found(&bytes, 2), None);
    assert_eq!(edit(&mut bytes, |directory: &mut Directory<'_>| directory.clear()), [0, 2]);
    // Tickets go on: an object of before is nobody's.
    assert!(matches!(store(&mut bytes, offer(1, 10)), Placement::Placed { ticket: 4, .. }));
}

#[test]
fn bytes_that_are_no_directory_are_an_empty_one() {
    let mut whole = Vec::new();
    store(&mut whole, Record { vary: b"accept", ..offer(7, 100) });
    for length in 0..whole.len() {
        assert_eq!(find(&whole[..length], 7, |_| 0).0, Found::Nothing, "{length}");
        assert!(Directory::parse(&whole[..length]).order.records.is_empty());
    }
    whole[0] = FORMAT + 1;
    assert_eq!(find(&whole, 7, |_| 0), (Found::Nothing, 0));
}
