//! What is kept in shared data: runs that may have to be taken back, and answers by their idempotency keys.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use policy::handover::header;
use policy::{Headers, Instant};
use shell::shared::{self, Change, Failure};

use super::delivery::Written;
use super::engine::{Plugin, Prepared, Running};
use crate::idempotency::{self, Kept, Key, Verdict, WAYS};
use crate::journal::{self, Entry, Slot};
use crate::plan::Composition;

/// An answer that could not be kept yet.
pub(super) struct Unkept {
    key: Key,
    answer: Kept,
    lifetime: Duration,
    since: Instant,
}

/// How often a change is tried again when other workers were faster.
const ATTEMPTS: u32 = 16;

fn slot_key(slot: u32) -> String {
    format!("weir.compose.run.{slot}")
}

/// Changes a value as one step; `change` says whether it did. One piece of code for all who do.
fn change(key: &str, change: &mut dyn FnMut(&mut Vec<u8>) -> bool) -> bool {
    let mut has_changed = false;
    let changed = shared::update(key, ATTEMPTS, |stored| {
        has_changed = change(stored);
        if has_changed { Change::Store(()) } else { Change::Keep(()) }
    });
    match changed {
        Ok(()) => has_changed,
        Err(failure) => {
            log::error!("{key}: {failure:?}");
            false
        }
    }
}

/// Empties a slot.
pub(super) fn clear_slot(slot: u32) {
    super::report(shared::overwrite(&slot_key(slot), b""));
}

impl Plugin {
    /// Writes a run down in a free slot; `None` where there is none.
    pub(super) fn take_slot(&self, running: &Running, now: Instant) -> Option<u32> {
        let bytes = journal::held(&entry(running).to_bytes(), self.asker, now);
        let slots = self.config.journal_slots;
        let first = u32::from_le_bytes(shell::random()) % slots;
        (0..slots).map(|step| (first + step) % slots).find(|slot| {
            let Ok((stored, version)) = shared::read(&slot_key(*slot)) else { return false };
            stored.is_empty() && shared::store(&slot_key(*slot), &bytes, version).is_ok()
        })
    }

    /// Writes a run down as it is now; `Err` where it is not, since another worker has taken the run over or the store failed.
    pub(super) fn write_down(&self, running: &Running, now: Instant) -> Result<(), ()> {
        let Some(slot) = running.slot else { return Ok(()) };
        self.replace(slot, &journal::held(&entry(running).to_bytes(), self.asker, now))
    }

    /// Strikes a run out: it is done, or taken back. `Err` where it still stands there, for another worker to take it back.
    pub(super) fn strike_out(&self, running: &mut Running) -> Result<(), ()> {
        let Some(slot) = running.slot.take() else { return Ok(()) };
        self.replace(slot, b"")
    }

    /// Puts this in the place of what stands in a slot of this worker's; `Err` where that did not happen.
    fn replace(&self, slot: u32, bytes: &[u8]) -> Result<(), ()> {
        let has_changed = change(&slot_key(slot), &mut |stored| {
            let is_own = journal::is_own(stored, self.asker);
            if is_own {
                bytes.clone_into(stored);
            }
            is_own
        });
        if has_changed { Ok(()) } else { Err(()) }
    }

    /// Says that this worker's runs have a worker, and that their keys are theirs.
    pub(super) fn renew(&self, runs: &BTreeMap<u32, Running>, now: Instant) {
        for running in runs.values() {
            if let Some(slot) = running.slot {
                change(&slot_key(slot), &mut |stored| {
                    let is_own = journal::is_own(stored, self.asker);
                    if is_own {
                        *stored = journal::held(journal::content(stored), self.asker, now);
                    }
                    is_own
                });
            }
            if let Some(key) = &running.key {
                change(&self.set_key(key), &mut |set| idempotency::renew(set, key, now));
            }
        }
    }

    /// The runs that have lost their worker, which are this one's now.
    pub(super) fn lost(&self, runs: &BTreeMap<u32, Running>, now: Instant) -> Vec<(u32, Box<Entry>)> {
        let mut lost = Vec::new();
        let slots = if self.config.has_undo() { self.config.journal_slots } else { 0 };
        for slot in 0..slots {
            let Ok((stored, version)) = shared::read(&slot_key(slot)) else { continue };
            let is_running = runs.values().any(|running| running.slot == Some(slot));
            match journal::look(&stored, self.asker, is_running, now) {
                Slot::Free | Slot::Held => {}
                Slot::Lost(taken, entry) => match shared::store(&slot_key(slot), &taken, version) {
                    Ok(()) => lost.push((slot, entry)),
                    Err(Failure::Contended) => {}
                    Err(Failure::Host(error)) => log::error!("{error}"),
                },
                Slot::Unreadable => {
                    self.alarm("a run that was written down cannot be read");
                    clear_slot(slot);
                }
            }
        }
        lost
    }

    /// What a request's key is in the table; `None` where it cannot be taken.
    pub(super) fn key(&self, plan: &Composition, headers: &Headers, key: &[u8], body: &[u8]) -> Option<Key> {
        let user = headers.first(header::USER).map(|user| (b"user", user));
        let user = user.or_else(|| headers.first(header::API_KEY).map(|key| (b"akey", key)));
        // Whoever is unknown may say that it is anybody: all of them have one share of the table.
        let (owner_kind, owner): (&[u8], &[u8]) = user.map_or((b"from", b""), |(kind, user)| (kind, user));
        let owner = self.seed.fingerprint([owner_kind, owner]);
        let (kind, user) = user.unwrap_or((b"from", headers.first("x-forwarded-for").unwrap_or_default()));
        let id = self.seed.fingerprint([plan.name.as_bytes(), kind, user, key]);
        let path = headers.first(":path")?;
        let content = self.seed.fingerprint([headers.first(":method")?, path, body]);
        Some(Key { id, owner, content, holder: u64::from_le_bytes(shell::random()) | 1 })
    }

    fn set_key(&self, key: &Key) -> String {
        let sets = self.config.key_slots.div_ceil(u32::try_from(WAYS).unwrap_or(1));
        format!("weir.compose.answers.{}", key.id.slot(NonZeroU32::new(sets).unwrap_or(NonZeroU32::MIN)))
    }

    /// What a request's key says to it.
    pub(super) fn claim(&self, prepared: &Prepared, now: Instant) -> Verdict {
        let (Some(key), Some(keys)) = (&prepared.key, prepared.plan.keys) else { return Verdict::First };
        if let Some(verdict) = self.unkept(key) {
            return verdict;
        }
        let mut verdict = Verdict::Full;
        let has_changed = change(&self.set_key(key), &mut |set| {
            verdict = idempotency::claim(set, key, now, keys.lifetime);
            matches!(verdict, Verdict::First | Verdict::Instead)
        });
        match verdict {
            // What could not be stored is not held.
            Verdict::First | Verdict::Instead if !has_changed => Verdict::Full,
            Verdict::Instead => {
                self.forgotten.increment();
                log::warn!("{}: `keys` are too few: an answer is forgotten before its time", prepared.plan.name);
                Verdict::First
            }
            verdict => verdict,
        }
    }

    /// Keeps what a request was answered, now or as soon as there is memory for it.
    pub(super) fn keep_answer(&self, running: &mut Running, written: &Written, now: Instant) {
        let (Some(key), Some(keys)) = (running.key.take(), running.run.plan().keys) else { return };
        let unkept = Unkept { key, answer: written.kept(), lifetime: keys.lifetime, since: now };
        if self.is_open(&unkept, now) {
            if self.unkept.borrow().len() < self.config.running_max {
                self.unkept.borrow_mut().push(unkept);
            } else {
                self.give_up();
            }
        }
    }

    /// Keeps what could not be kept before.
    pub(super) fn keep_again(&self, now: Instant) {
        let mut unkept = self.unkept.take();
        unkept.retain(|unkept| self.is_open(unkept, now));
        self.unkept.replace(unkept);
    }

    /// Keeps an answer; whether that is to be tried again.
    fn is_open(&self, unkept: &Unkept, now: Instant) -> bool {
        let Unkept { key, answer, lifetime, since } = unkept;
        let mut is_taken = false;
        let is_kept = change(&self.set_key(key), &mut |set| {
            is_taken = !idempotency::keep(set, key, answer.clone(), now, *lifetime);
            !is_taken
        });
        let is_in_vain = is_taken || now.since(*since) >= *lifetime;
        if !is_kept && is_in_vain {
            self.give_up();
        }
        !is_kept && !is_in_vain
    }

    fn give_up(&self) {
        self.alarm("an answer was not kept: its request is done again when it comes again with its idempotency-key");
    }

    /// What the key says that has an answer which could not be kept yet.
    fn unkept(&self, key: &Key) -> Option<Verdict> {
        let unkept = self.unkept.borrow();
        let own = unkept.iter().find(|unkept| unkept.key.id == key.id)?;
        let is_same = own.key.content == key.content;
        Some(if is_same { Verdict::Again(own.answer.clone()) } else { Verdict::Different })
    }

    /// Gives the key of a request back that has done nothing.
    pub(super) fn forget_key(&self, running: &Running) {
        if let Some(key) = &running.key {
            change(&self.set_key(key), &mut |set| idempotency::forget(set, key));
        }
    }
}

fn entry(running: &Running) -> Entry {
    Entry {
        plan: running.run.plan().name.clone(),
        id: running.run.id.clone(),
        inputs: running.run.inputs.clone(),
        given: running.run.kept(),
        headers: running.headers.clone(),
    }
}
