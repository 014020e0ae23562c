//! Calls under way: one is counted before it is sent, and until its stream has ended, whatever way.

use std::cell::Cell;
use std::rc::Rc;

use shell::HostError;
use shell::shared::{self, Change, Failure};

use super::Plugin;
use super::keeper::ATTEMPTS;
use crate::bulkhead::{Bulkhead, Entry, Limit};

/// A worker's own calls to one upstream.
#[derive(Default)]
pub(super) struct Calls {
    under_way: Cell<u32>,
    /// Whether shared data says something else.
    is_unsaid: Cell<bool>,
}

/// A call that counts: until this is dropped.
pub(super) struct Seat {
    plugin: Rc<Plugin>,
    index: usize,
}

/// Why a call does not begin.
pub(super) enum NoSeat {
    /// There are too many already.
    Full,
    /// Nobody knows how many there are.
    Unknown(HostError),
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some((bulkhead, calls)) = self.plugin.bulkhead(self.index) else { return };
        calls.under_way.set(calls.under_way.get().saturating_sub(1));
        self.plugin.settle(bulkhead, calls);
    }
}

impl Plugin {
    /// Counts one more call; none, where the upstream has no bulkhead.
    pub(super) fn seat(self: &Rc<Self>, index: usize) -> Result<Option<Seat>, NoSeat> {
        let Some((bulkhead, calls)) = self.bulkhead(index) else { return Ok(None) };
        let under_way = calls.under_way.get();
        let asked = shared::update(&bulkhead.key, ATTEMPTS, |bytes| {
            let mut state = Bulkhead::read(bytes);
            let entry = state.enter(self.worker, under_way, bulkhead.most, shell::now());
            if entry == Entry::Full {
                return Change::Keep(entry);
            }
            state.write(bytes);
            Change::Store(entry)
        });
        match asked {
            Ok(Entry::Free) => {
                calls.under_way.set(under_way.saturating_add(1));
                Ok(Some(Seat { plugin: Rc::clone(self), index }))
            }
            // Whoever loses so often in a row is one of very many.
            Ok(Entry::Full) | Err(Failure::Contended) => Err(NoSeat::Full),
            Err(Failure::Host(error)) => Err(NoSeat::Unknown(error)),
        }
    }

    /// Says again what is under way, and shows how much that is.
    pub(super) fn beat(&self) {
        for index in 0..self.calls.len() {
            let Some((bulkhead, calls)) = self.bulkhead(index) else { continue };
            if calls.under_way.get() > 0 || calls.is_unsaid.get() {
                self.settle(bulkhead, calls);
            }
            let stored = shared::read(&bulkhead.key).map(|(bytes, _)| bytes).unwrap_or_default();
            if let Some(meters) = self.meters.get(index) {
                meters.calls.set(Bulkhead::read(&stored).calls().into());
            }
        }
    }

    fn settle(&self, bulkhead: &Limit, calls: &Calls) {
        let said = shared::update(&bulkhead.key, ATTEMPTS, |bytes| {
            let mut state = Bulkhead::read(bytes);
            state.settle(self.worker, calls.under_way.get(), shell::now());
            state.write(bytes);
            Change::Store(())
        });
        calls.is_unsaid.set(said.is_err());
        if let Err(failure) = said {
            log::warn!("calls under way are not settled until the next beat: {failure:?}");
        }
    }

    fn bulkhead(&self, index: usize) -> Option<(&Limit, &Calls)> {
        self.config.breakers.get(index)?.bulkhead.as_ref().zip(self.calls.get(index))
    }
}
