//! Traces, played to one set, to LRU and to one who knows the future.

use std::collections::HashMap;

use super::*;
use crate::directory::{Directory, Found, Placement, Sight};
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const SHARE: u32 = 64_000;
const NOW: u32 = 1000;
const REQUESTS: usize = 15_000;

/// Key and size of each request.
type Trace = Vec<(u64, u32)>;

/// Xorshift: the same traces each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound
    }
}

/// Keys below `keys`, the nth as popular as 1/(n+1).
fn zipf(keys: u64, mut size: impl FnMut(u64) -> u32) -> Trace {
    let mut dice = Dice(88_172_645_463_325_252);
    let mut sums = Vec::new();
    let mut sum = 0;
    for key in 0..keys {
        sum += 1_000_000 / (key + 1);
        sums.push(sum);
    }
    (0..REQUESTS)
        .map(|_| {
            let at = dice.below(sum);
            let key = sums.partition_point(|&until| until <= at) as u64;
            (key, size(key))
        })
        .collect()
}

/// In the midst of a trace, runs of keys that nobody asks for again.
fn with_scans(trace: &Trace, every: usize, length: u64) -> Trace {
    let mut scanned = 1 << 40;
    let mut mixed = Vec::new();
    for (index, request) in trace.iter().enumerate() {
        mixed.push(*request);
        if index % every == 0 {
            mixed.extend((0..length).map(|step| (scanned + step, 1000)));
            scanned += length;
        }
    }
    mixed
}

fn ours(trace: &Trace) -> usize {
    let mut directory = Directory::default();
    let mut bytes = directory.to_bytes();
    let mut hits = 0;
    for &(tag, size) in trace {
        let (found, seen) = crate::directory::find(&bytes, tag, |_| 0);
        let used = match found {
            Found::Record(record) => {
                hits += 1;
                if !record.is_use_news() {
                    continue;
                }
                Some(record.ticket)
            }
            _ => None,
        };
        directory = Directory::parse(&bytes);
        if let Some(ticket) = used {
            directory.touch(ticket);
        } else {
            let record = Record { expires: NOW + 60, date: NOW, received: NOW, ..offer(tag, size) };
            assert!(matches!(
                directory.place(record, Sight { next: seen, found: 0 }, SHARE, NOW),
                Placement::Placed { .. }
            ));
        }
        let written = directory.to_bytes();
        bytes = written;
    }
    hits
}

const fn offer(tag: u64, bytes: u32) -> Record<'static> {
    let (variant, ticket, received, expires, date) = (0, 0, 0, 0, 0);
    let (uses, is_main, slot, is_softened) = (0, false, 0, false);
    Record {
        tag,
        variant,
        ticket,
        former: 0,
        bytes,
        received,
        expires,
        date,
        uses,
        is_main,
        slot,
        is_softened,
        vary: b"",
    }
}

/// A cache of the same room; `rank` says which of the held keys goes, as the largest number. It is told the key, when it was
/// last asked for, when it will be asked for next, and its size.
fn other(trace: &Trace, rank: impl Fn(usize, usize, u32) -> u64) -> usize {
    let mut next = vec![usize::MAX; trace.len()];
    let mut later = HashMap::new();
    for (index, (key, _)) in trace.iter().enumerate().rev() {
        next[index] = later.insert(*key, index).unwrap_or(usize::MAX);
    }
    let mut held: HashMap<u64, (usize, u32)> = HashMap::new();
    let (mut hits, mut total) = (0, 0);
    for (index, &(key, size)) in trace.iter().enumerate() {
        if held.insert(key, (index, size)).is_some() {
            hits += 1;
        } else {
            total += size;
        }
        while total > SHARE {
            let worst =
                held.iter().max_by_key(|(_, (last, size))| rank(*last, next[*last], *size)).map(|(key, _)| *key);
            total -= worst.and_then(|key| held.remove(&key)).map_or(0, |(_, size)| size);
        }
    }
    hits
}

/// Answered requests in percent: ours, the least recently used, the optimum (for one size; a good guess for several).
fn compare(name: &str, trace: &Trace) -> [usize; 3] {
    let percent = |hits: usize| hits * 100 / trace.len();
    let lru = other(trace, |last, _, _| (trace.len() - last) as u64);
    let optimum = other(trace, |last, next, size| (next.min(1 << 30) - last) as u64 * u64::from(size));
    let row = [percent(ours(trace)), percent(lru), percent(optimum)];
    println!("{name}: ours {}, LRU {}, optimum {}", row[0], row[1], row[2]);
    row
}

#[test]
fn popular_objects_stay() {
    let [ours, lru, optimum] = compare("zipf", &zipf(1000, |_| 1000));
    assert!(ours > lru && ours <= optimum, "{ours} {lru} {optimum}");
}

#[test]
fn scans_take_little_from_what_is_popular() {
    let plain = zipf(1000, |_| 1000);
    let [ours, lru, _] = compare("zipf with scans", &with_scans(&plain, 200, 100));
    assert!(ours > lru, "{ours} {lru}");
}

#[test]
fn a_loop_that_does_not_fit_is_answered_in_part() {
    let trace: Trace = (0..REQUESTS as u64).map(|step| (step % 80, 1000)).collect();
    let [ours, lru, _] = compare("loop", &trace);
    assert!(ours >= lru, "{ours} {lru}");
}

#[test]
fn many_small_objects_answer_more_than_few_large_ones() {
    let mut dice = Dice(2_463_534_242);
    let sizes: Vec<u32> = (0..1000).map(|_| 1000 << dice.below(5)).collect();
    let [ours, lru, _] = compare("mixed sizes", &zipf(1000, |key| sizes[usize::try_from(key).unwrap()]));
    assert!(ours > lru, "{ours} {lru}");
}

#[test]
fn interest_that_moves_on_is_followed() {
    let mut dice = Dice(521_288_629);
    let trace: Trace = zipf(1000, |_| 1000)
        .into_iter()
        .enumerate()
        .map(|(index, (key, size))| ((key + (index / 3000) as u64 * 300) % 1000 + dice.below(2), size))
        .collect();
    let [ours, lru, _] = compare("moving", &trace);
    assert!(ours + 2 >= lru, "{ours} {lru}");
}
