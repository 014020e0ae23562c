//! How one request takes its tokens under several rules: from all of their sets, or from none.
//!
//! Each rule has its own key of shared data, and the host swaps one key at a time. So a request
//!
//! 1. *looks*: reads every set, then the clock, and asks each. If one refuses, the request is refused, and nothing has been
//!    written: a refusal costs nobody anything;
//! 2. *takes*: swaps each changed set in, in the order of the rules. Where another worker was faster, this set
//!    is read and asked again, a bounded number of times;
//! 3. *gives back*: where such a set now refuses, or cannot be decided on, what was taken from the sets before
//!    it is put back, and the request is refused.
//!
//! **Exact**: no more is ever admitted than the buckets hold, because a request is admitted only after each of its
//! sets was swapped in with its tokens taken, and giving back returns no more than was taken (less what has come in
//! since). With one rule, which is the usual case, a request is refused only where its bucket lacks the tokens.
//!
//! **Bounded**: with several rules, a request that loses a race holds the tokens of its first rules for the few
//! microseconds between two swaps; others may be refused for them meanwhile. If giving back loses every one of its
//! attempts, these tokens are lost and come back with time: at most the request's own cost.

use policy::Instant;

use crate::limit::Outcome;
use crate::set::{Set, Taker, Upkeep};

/// How often a set is read and swapped in before giving up. Each failed attempt means that another worker succeeded, so with
/// two workers even two in a row are rare.
const ATTEMPTS: u32 = 16;

/// Where the sets are: shared data and a clock.
pub trait Store {
    /// What tells one state of a value from another.
    type Version: Copy;

    /// The value under `key`, empty where there is none.
    fn read(&mut self, key: &str) -> Result<(Vec<u8>, Self::Version), Undecided>;

    /// Replaces the value under `key` where its version still is `version`.
    fn swap(&mut self, key: &str, value: &[u8], version: Self::Version) -> Result<Swap, Undecided>;

    /// The time. It is asked for after a value was read.
    fn now(&mut self) -> Instant;
}

/// What became of a swap.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Swap {
    /// The value is in place.
    Done,
    /// Somebody else was faster, and the value is as that one left it.
    Lost,
}

/// The state is away, or others were faster each time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Undecided;

/// What one rule asks of one request.
#[derive(Clone, Debug)]
pub struct Charge<'a> {
    /// The key of shared data that the caller's set is under.
    pub key: String,
    /// Who takes what.
    pub taker: Taker<'a>,
}

/// Takes all charges, where every rule allows it; otherwise takes none. One outcome for each charge, in their order:
/// where one of them denies, nothing was taken from those that allow, either.
///
/// # Errors
/// [`Undecided`] where the store fails or is contended; then nothing was taken, either.
pub fn settle<'a, S: Store>(store: &mut S, charges: &[Charge<'a>]) -> Result<Vec<Outcome<'a>>, Undecided> {
    let mut slots = Vec::with_capacity(charges.len());
    for charge in charges {
        slots.push(store.read(&charge.key)?);
    }
    let now = store.now();
    let mut sets: Vec<_> = slots.iter().map(|(bytes, _)| Set::read(bytes, now)).collect();
    let mut outcomes: Vec<_> = sets.iter_mut().zip(charges).map(|(set, charge)| set.try_take(&charge.taker)).collect();
    let any_denied = outcomes.iter().any(Outcome::is_denied);
    for (index, ((set, charge), (mut bytes, version))) in sets.iter().zip(charges).zip(slots).enumerate() {
        let Some(outcome) = outcomes.get_mut(index) else { break };
        if any_denied {
            // Nothing was taken from the set of a refusal.
            if outcome.is_denied() && set.upkeep() == Upkeep::Due {
                set.write(&mut bytes);
                store.swap(&charge.key, &bytes, version)?;
            }
            continue;
        }
        set.write(&mut bytes);
        let retaken = match store.swap(&charge.key, &bytes, version) {
            Ok(Swap::Done) => continue,
            Ok(Swap::Lost) => retake(store, charge),
            Err(Undecided) => Err(Undecided),
        };
        if !matches!(retaken, Ok(Outcome::Allow(_))) {
            charges.iter().take(index).for_each(|taken| give_back(store, taken, now));
        }
        *outcome = retaken?;
        if outcome.is_denied() {
            break;
        }
    }
    Ok(as_they_stand(outcomes, charges))
}

/// What one charge would be told now; nothing is taken.
///
/// # Errors
/// [`Undecided`] where the store fails.
pub fn look<'a, S: Store>(store: &mut S, charge: &Charge<'a>) -> Result<Outcome<'a>, Undecided> {
    let (bytes, _) = store.read(&charge.key)?;
    Ok(Set::read(&bytes, store.now()).try_take(&charge.taker).untaken(charge.taker.cost))
}

/// Where one charge was denied, the others have not taken anything either.
fn as_they_stand<'a>(outcomes: Vec<Outcome<'a>>, charges: &[Charge<'a>]) -> Vec<Outcome<'a>> {
    if !outcomes.iter().any(Outcome::is_denied) {
        return outcomes;
    }
    outcomes.into_iter().zip(charges).map(|(outcome, charge)| outcome.untaken(charge.taker.cost)).collect()
}

/// Takes one charge whose set another worker has changed.
fn retake<'a, S: Store>(store: &mut S, charge: &Charge<'a>) -> Result<Outcome<'a>, Undecided> {
    for _ in 1..ATTEMPTS {
        let (mut bytes, version) = store.read(&charge.key)?;
        let mut set = Set::read(&bytes, store.now());
        let outcome = set.try_take(&charge.taker);
        if outcome.is_denied() {
            return Ok(outcome);
        }
        set.write(&mut bytes);
        if store.swap(&charge.key, &bytes, version)? == Swap::Done {
            return Ok(outcome);
        }
    }
    Err(Undecided)
}

/// Puts back what was taken at `taken_at`, if the store lets us.
pub(crate) fn give_back<S: Store>(store: &mut S, charge: &Charge<'_>, taken_at: Instant) {
    for _ in 0..ATTEMPTS {
        let Ok((mut bytes, version)) = store.read(&charge.key) else { return };
        let mut set = Set::read(&bytes, store.now());
        set.give_back(&charge.taker, taken_at);
        set.write(&mut bytes);
        match store.swap(&charge.key, &bytes, version) {
            Ok(Swap::Lost) => {}
            Ok(Swap::Done) | Err(Undecided) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::Limits;
    use crate::limit::tests::{limits, say};
    use crate::rate::PerUnit;
    use policy::Fingerprint;
    use std::cell::{Cell, RefCell};
    use std::collections::BTreeMap;
    use std::num::NonZeroU32;
    use std::time::Duration;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const LONGEST: PerUnit<Duration> = PerUnit([Duration::from_hours(24); 4]);

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
        let taker = |limits| Taker { print, limits, longest: &LONGEST, cost: NonZeroU32::MIN };
        rules.iter().map(|(key, limits)| Charge { key: (*key).to_owned(), taker: taker(limits) }).collect()
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
}
