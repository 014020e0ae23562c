//! Rules that are paid together, by workers that race.

use std::num::NonZeroU32;

use policy::Fingerprint;

use super::*;
use crate::debt::Longest;
use crate::limit::Limits;
use crate::limit::tests::{limits, say};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const LONGEST: &Longest = &Longest::new();

/// Shared data, and a clock that goes on by a microsecond whenever somebody looks.
#[derive(Default)]
struct Shared {
    values: RefCell<BTreeMap<String, (Vec<u8>, u32)>>,
    micros: Cell<u64>,
}

/// One worker's view; `meanwhile` is what others do just before it swaps.
struct Worker<'a, F: FnMut(&str) -> Result<(), Undecided>> {
    shared: &'a Shared,
    meanwhile: F,
}

impl<F: FnMut(&str) -> Result<(), Undecided>> Store for Worker<'_, F> {
    type Version = u32;

    fn read(&mut self, key: &str) -> Result<(Vec<u8>, u32), Undecided> {
        Ok(self.shared.values.borrow().get(key).cloned().unwrap_or_default())
    }

    fn swap(&mut self, key: &str, value: &[u8], version: u32) -> Result<Swap, Undecided> {
        (self.meanwhile)(key)?;
        let mut values = self.shared.values.borrow_mut();
        let slot = values.entry(key.to_owned()).or_default();
        if slot.1 != version {
            return Ok(Swap::Lost);
        }
        *slot = (value.to_vec(), version + 1);
        Ok(Swap::Done)
    }

    fn now(&mut self) -> Instant {
        self.shared.micros.set(self.shared.micros.get() + 1);
        Instant::from_unix_seconds(1_000) + Duration::from_micros(self.shared.micros.get())
    }
}

fn charges<'a>(rules: &'a [(&str, Limits)]) -> Vec<Charge<'a>> {
    let print = Fingerprint::from_bytes([7; 16]);
    let taker = |limits| Taker { print, limits, longest: LONGEST, cost: NonZeroU32::MIN };
    rules
        .iter()
        .map(|(key, limits)| Charge { key: (*key).to_owned(), taker: taker(limits), shadow: key.starts_with("shadow") })
        .collect()
}

impl Shared {
    /// A request of a worker that nobody disturbs; what each rule said, without the times.
    fn request(&self, charges: &[Charge<'_>]) -> Vec<String> {
        self.disturbed(charges, |_| Ok(())).unwrap()
    }

    fn disturbed(
        &self,
        charges: &[Charge<'_>],
        meanwhile: impl FnMut(&str) -> Result<(), Undecided>,
    ) -> Result<Vec<String>, Undecided> {
        let outcomes = settle(&mut Worker { shared: self, meanwhile }, charges)?;
        Ok(outcomes.iter().map(|outcome| say(outcome).rsplit_once(' ').unwrap().0.to_owned()).collect())
    }
}

#[test]
fn a_request_that_one_rule_refuses_takes_from_none() {
    let rules = [("clients", limits("5/h")), ("provider", limits("1/h"))];
    let (shared, charges) = (Shared::default(), charges(&rules));
    assert_eq!(shared.request(&charges), ["allow hour 4", "allow hour 0"]);
    let before = shared.values.borrow().clone();
    for _ in 0..3 {
        assert_eq!(shared.request(&charges), ["allow hour 4", "deny hour 0"]);
    }
    assert_eq!(*shared.values.borrow(), before);
    assert_eq!(shared.request(&charges[..1]), ["allow hour 3"]);
}

#[test]
fn who_loses_the_last_token_to_another_worker_gives_back_what_it_took() {
    let rules = [("clients", limits("5/h")), ("provider", limits("1/h"))];
    let (shared, charges) = (Shared::default(), charges(&rules));
    let mut others = 1;
    let said = shared.disturbed(&charges, |key| {
        if key == "provider" && others > 0 {
            others -= 1;
            assert_eq!(shared.request(&charges[1..]), ["allow hour 0"]);
        }
        Ok(())
    });
    assert_eq!(said.unwrap(), ["allow hour 5", "deny hour 0"]);
    // The microseconds for which the token was held are the whole loss.
    shared.micros.set(1_000);
    assert_eq!(shared.request(&charges[..1]), ["allow hour 4"]);
}

#[test]
fn who_loses_every_time_is_undecided_and_takes_nothing() {
    let rules = [("clients", limits("5/h")), ("provider", limits("1000/h"))];
    let (shared, charges) = (Shared::default(), charges(&rules));
    let mut rivals = 0;
    let said = shared.disturbed(&charges, |key| {
        if key == "provider" {
            rivals += 1;
            shared.request(&charges[1..]);
        }
        Ok(())
    });
    assert_eq!((said, rivals), (Err(Undecided), ATTEMPTS));
    shared.micros.set(1_000);
    assert_eq!(shared.request(&charges), ["allow hour 4", "allow hour 983"]);
}

#[test]
fn a_rule_in_the_shadow_refuses_nothing_and_takes_nothing_where_it_would_have() {
    let rules = [("clients", limits("9/h")), ("shadow", limits("1/h"))];
    let (shared, charges) = (Shared::default(), charges(&rules));
    assert_eq!(shared.request(&charges), ["allow hour 8", "allow hour 0"]);
    for left in [7, 6, 5] {
        assert_eq!(shared.request(&charges), [format!("allow hour {left}"), "deny hour 0".into()]);
    }
    let away = |key: &str| if key == "shadow" { Err(Undecided) } else { Ok(()) };
    assert_eq!(shared.disturbed(&charges[..1], away).unwrap(), ["allow hour 4"]);
    shared.values.borrow_mut().remove("shadow");
    assert_eq!(shared.disturbed(&charges, away).unwrap()[0], "allow hour 3");
    assert_eq!(shared.request(&charges), ["allow hour 2", "allow hour 0"]);
}

#[test]
fn a_refusal_takes_nothing_from_a_rule_in_the_shadow() {
    let rules = [("shadow", limits("9/h")), ("clients", limits("1/h"))];
    let (shared, charges) = (Shared::default(), charges(&rules));
    assert_eq!(shared.request(&charges), ["allow hour 8", "allow hour 0"]);
    let before = shared.values.borrow().clone();
    assert_eq!(shared.request(&charges), ["allow hour 8", "deny hour 0"]);
    assert_eq!(*shared.values.borrow(), before);
}

#[test]
fn a_store_that_fails_halfway_leaves_nothing_taken() {
    let rules = [("clients", limits("5/h")), ("provider", limits("5/h"))];
    let (shared, charges) = (Shared::default(), charges(&rules));
    let fails = |key: &str| if key == "provider" { Err(Undecided) } else { Ok(()) };
    assert_eq!(shared.disturbed(&charges, fails), Err(Undecided));
    shared.micros.set(1_000);
    assert_eq!(shared.request(&charges), ["allow hour 4", "allow hour 4"]);
}

#[test]
fn racing_workers_admit_exactly_what_the_buckets_hold() {
    for seed in 0..50_u32 {
        let rules = [("clients", limits("60/d")), ("provider", limits("50/d"))];
        let (shared, charges) = (Shared::default(), charges(&rules));
        let state = Cell::new(seed);
        let mut admitted = 0;
        let dice = || {
            state.set(state.get().wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
            state.get() >> 24
        };
        let passes = |said: &[String]| u32::from(said.iter().all(|word| word.starts_with("allow")));
        for _ in 0..200 {
            let mut rivals = 0;
            let said = shared.disturbed(&charges, |_| {
                // Up to three requests of other workers slip in, before any of the swaps.
                while dice() % 3 == 0 && rivals < 3 {
                    rivals += 1;
                    admitted += passes(&shared.request(&charges));
                }
                Ok(())
            });
            admitted += said.map_or(0, |said| passes(&said));
        }
        assert_eq!(admitted, 50, "seed {seed}");
        shared.micros.set(1_000_000);
        let left = shared.request(&charges[..1]);
        assert_eq!(left, ["allow hour 9".replace("hour", "day")], "seed {seed}");
    }
}

#[test]
fn a_refusal_after_the_clock_stepped_back_is_written() {
    let rules = [("clients", limits("1/h"))];
    let (shared, charges) = (Shared::default(), charges(&rules));
    shared.micros.set(5_000_000);
    shared.request(&charges);
    shared.micros.set(0);
    assert_eq!(shared.request(&charges), ["deny hour 0"]);
    shared.micros.set(3_600_000_000);
    assert_eq!(shared.request(&charges), ["allow hour 0"]);
}
