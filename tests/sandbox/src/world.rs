//! Everything that a running sandbox remembers, in one place, so that one call can make it forget.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use crate::{
    catalog::Catalog,
    fault::Faults,
    identity::Identity,
    journal::Journal,
    library::Library,
    meter::{Charge, Meters, Verdict},
    oauth::Tokens,
    service::{auth::Preferences, inventory::Stock, sync::Lists},
    settings::Settings,
    upstream::Upstream,
};

/// The state that every route is given.
pub(crate) type Shared = Arc<World>;

/// What a running sandbox remembers.
pub(crate) struct World {
    initial: Settings,
    settings: Mutex<Settings>,
    pub(crate) faults: Faults,
    pub(crate) journal: Journal,
    pub(crate) meters: Meters,
    pub(crate) tokens: Tokens,
    pub(crate) identity: Identity,
    pub(crate) catalog: Catalog,
    pub(crate) library: Library,
    pub(crate) stock: Stock,
    pub(crate) lists: Lists,
    pub(crate) preferences: Preferences,
}

impl World {
    /// A world in which nothing has happened yet.
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            initial: settings.clone(),
            settings: Mutex::new(settings),
            faults: Faults::default(),
            journal: Journal::default(),
            meters: Meters::default(),
            tokens: Tokens::default(),
            identity: Identity::published(),
            catalog: Catalog::published(),
            library: Library::published(),
            stock: Stock::full(),
            lists: Lists::published(),
            preferences: Preferences::default(),
        }
    }

    /// The settings as they are now, to read or to change.
    pub(crate) fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().expect("no holder of this lock panics")
    }

    /// Charges one request to a caller of a provider. A provider without a limit answers everything.
    pub(crate) fn charge(&self, upstream: Upstream, caller: &str, window: Duration) -> Charge {
        let limit = self.settings().limit(upstream);
        limit.map_or(
            Charge { verdict: Verdict::Pass, limit: 1_000_000, remaining: 1_000_000, reset_in: window },
            |limit| self.meters.charge(upstream, caller, &limit, window, Instant::now()),
        )
    }

    /// Puts everything back to where it was at the start, except tokens: those that were issued stay good, because the
    /// one who asks for a fresh start is seldom the one who holds them.
    pub(crate) fn reset(&self) {
        *self.settings() = self.initial.clone();
        for upstream in Upstream::ALL {
            self.faults.clear(upstream);
        }
        self.journal.reset();
        self.meters.reset();
        self.stock.reset();
        self.lists.reset();
        self.preferences.reset();
    }
}
