//! How many stories of an order there must be, reckoned without the module: from what may become of a call, and from the order in
//! which calls are made.
//!
//! Forward, one call follows the other. Of what is to be taken back, each thing is tried once, the last first; the client is
//! answered then, or at the deadline, and can leave no more. After that, what becomes of one thing is nothing to the others, and
//! their numbers multiply.

use super::interleaving::{Fate, Fates};
use Fate::{Conflict, FailsAfter, FailsBefore, Late, Refused, SilentAfter, SilentBefore, Well};

/// After so many seconds a call has failed.
const CALL: u64 = 5;
/// A late answer comes after so many.
const LATE: u64 = 7;

/// What may have been done, as the filter and the inventory know it.
#[derive(Clone, Copy, PartialEq)]
enum Thing {
    /// Answered: it has to be released.
    Done,
    /// Done, and not answered: it is asked for again, and then released.
    Unheard,
    /// Not done, and not answered: it is asked for again, and is then done, or is not.
    Undone,
}

impl Thing {
    /// What may become of the call that is made for it first, and what is left of it then.
    fn fates(self) -> Vec<(Fate, Option<Self>)> {
        let faults = [FailsBefore, FailsAfter, SilentBefore, SilentAfter];
        // One that has failed goes well the second time.
        let mut fates: Vec<_> =
            faults.iter().map(|fault| (*fault, (self != Self::Done).then_some(Self::Done))).collect();
        fates.push((Well, (self != Self::Done).then_some(Self::Done)));
        if self == Self::Undone {
            fates.extend([(Refused, None), (Conflict, Some(Self::Done))]);
        }
        fates
    }

    /// In how many ways it may end.
    fn ways(self) -> usize {
        self.fates().into_iter().map(|(_, left)| left.map_or(1, Self::ways)).sum()
    }
}

/// Stories from the `call`th call of an order on, three reservations and three prices.
pub(crate) fn stories(fates: &Fates, call: usize, has_left: bool) -> usize {
    let of_call = |has_left| {
        let is_reservation = call < 3;
        let done = vec![Thing::Done; call.min(3)];
        let may_be = if is_reservation { fates.reservation } else { fates.price };
        let ways = may_be.iter().map(|fate| {
            let doubt = |thing: Thing| if is_reservation { [&done[..], &[thing]].concat() } else { done.clone() };
            let failed_at = CALL.min(fates.deadline);
            match fate {
                Well if call == 5 => 1,
                Well => stories(fates, call + 1, has_left),
                Refused => taken_back(fates, done.clone(), 0, has_left),
                FailsBefore => taken_back(fates, doubt(Thing::Undone), 0, has_left),
                FailsAfter => taken_back(fates, doubt(Thing::Unheard), 0, has_left),
                // Nobody knows of it before the client is answered.
                SilentBefore if is_reservation => {
                    Thing::Undone.ways() * taken_back(fates, done.clone(), failed_at, has_left)
                }
                SilentAfter => Thing::Unheard.ways() * taken_back(fates, done.clone(), failed_at, has_left),
                SilentBefore => taken_back(fates, done.clone(), failed_at, has_left),
                Late => late(fates, done.clone(), failed_at, has_left),
                Conflict => panic!("nothing is under way with a key that is new"),
            }
        });
        ways.sum::<usize>()
    };
    of_call(true) + if has_left { 0 } else { of_call(false) }
}

/// Ways to take these things back, the last first, from this second on.
fn taken_back(fates: &Fates, mut things: Vec<Thing>, now: u64, has_left: bool) -> usize {
    let all = things.iter().map(|thing| thing.ways()).product();
    if has_left || now >= fates.deadline {
        return all;
    }
    let Some(thing) = things.pop() else { return all };
    let stays = thing.fates().into_iter().map(|(fate, left)| {
        let (now, mut things) = (after(now, fate), things.clone());
        match left {
            // It has gone well: what is known now comes next.
            Some(known) if fate == Well => {
                things.push(known);
                taken_back(fates, things, now, false)
            }
            left => left.map_or(1, Thing::ways) * taken_back(fates, things, now, false),
        }
    });
    all + stays.sum::<usize>()
}

/// The same where there is one thing more, of which nobody hears before [`LATE`].
fn late(fates: &Fates, mut things: Vec<Thing>, now: u64, has_left: bool) -> usize {
    if now >= LATE && !has_left {
        things.push(Thing::Done);
        return taken_back(fates, things, now, has_left);
    }
    let all = Thing::Done.ways() * things.iter().map(|thing| thing.ways()).product::<usize>();
    if has_left || now >= fates.deadline {
        return all;
    }
    // Without any other, the client is answered before it comes.
    let Some(thing) = things.pop() else { return all };
    all + thing.fates().into_iter().map(|(fate, _)| late(fates, things.clone(), after(now, fate), false)).sum::<usize>()
}

fn after(now: u64, fate: Fate) -> u64 {
    if matches!(fate, SilentBefore | SilentAfter) { now + CALL } else { now }
}
