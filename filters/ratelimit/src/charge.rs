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
    /// Whether its refusal refuses nothing.
    pub shadow: bool,
}

impl Charge<'_> {
    /// Whether an outcome of it turns the request away.
    pub fn refuses(&self, outcome: &Outcome<'_>) -> bool {
        outcome.is_denied() && !self.shadow
    }
}

/// Takes all charges, where every rule allows it; otherwise takes none. One outcome for each charge, in their order:
/// where one of them denies (and not only in the shadow), nothing was taken from those that allow, either.
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
    let any_denied = charges.iter().zip(&outcomes).any(|(charge, outcome)| charge.refuses(outcome));
    let mut taken = Vec::with_capacity(charges.len());
    for (index, ((set, charge), (mut bytes, version))) in sets.iter().zip(charges).zip(slots).enumerate() {
        let Some(outcome) = outcomes.get_mut(index) else { break };
        if any_denied || outcome.is_denied() {
            // Nothing was taken from the set of a refusal.
            if outcome.is_denied() && set.upkeep() == Upkeep::Due {
                set.write(&mut bytes);
                store.swap(&charge.key, &bytes, version)?;
            }
            continue;
        }
        set.write(&mut bytes);
        let retaken = match store.swap(&charge.key, &bytes, version) {
            Ok(Swap::Done) => Ok(*outcome),
            Ok(Swap::Lost) => retake(store, charge),
            Err(Undecided) => Err(Undecided),
        };
        match retaken {
            Ok(retaken) => *outcome = retaken,
            // What only watches stops nothing, whatever happens to it.
            Err(Undecided) if charge.shadow => continue,
            Err(Undecided) => {}
        }
        if retaken.is_err() || charge.refuses(outcome) {
            for taken in taken {
                give_back(store, taken, now);
            }
            retaken?;
            break;
        }
        if !outcome.is_denied() {
            taken.push(charge);
        }
    }
    Ok(as_they_stand(outcomes, charges))
}

/// What every rule would say, without taking anything.
///
/// # Errors
/// [`Undecided`] where the store fails.
pub fn look<'a, S: Store>(store: &mut S, charges: &[Charge<'a>]) -> Result<Vec<Outcome<'a>>, Undecided> {
    let mut outcomes = Vec::with_capacity(charges.len());
    for charge in charges {
        let (bytes, _) = store.read(&charge.key)?;
        outcomes.push(Set::read(&bytes, store.now()).try_take(&charge.taker));
    }
    Ok(outcomes)
}

/// Where one charge was denied, the others have not taken anything either.
pub fn as_they_stand<'a>(outcomes: Vec<Outcome<'a>>, charges: &[Charge<'a>]) -> Vec<Outcome<'a>> {
    if !charges.iter().zip(&outcomes).any(|(charge, outcome)| charge.refuses(outcome)) {
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
pub fn give_back<S: Store>(store: &mut S, charge: &Charge<'_>, taken_at: Instant) {
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
mod tests;
