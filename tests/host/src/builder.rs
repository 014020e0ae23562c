//! How a host is put together.

use std::collections::HashMap;
use std::time::Duration;

use crate::answer::{Answer, Arrival};
use crate::clock::Clock;
use crate::fleet;
use crate::host::{Answers, Host};
use crate::log::Level;
use crate::plugin::{Plugin, StartError};
use crate::world::World;

/// The cluster that routes lead to unless a request says otherwise.
pub(crate) const DEFAULT_CLUSTER: &str = "upstream";

/// What a host is made of; begin with [`Host::builder`].
pub struct Builder {
    workers: usize,
    world: World,
    upstream: Answers,
    clusters: HashMap<String, Answers>,
    reload_backoff: Duration,
}

impl Default for Builder {
    fn default() -> Self {
        let mut world = World::default();
        world.clusters.insert(DEFAULT_CLUSTER.to_owned(), true);
        Self {
            workers: 1,
            world,
            upstream: Box::new(|_| Answer::status(200)),
            clusters: HashMap::new(),
            reload_backoff: Duration::ZERO,
        }
    }
}

impl Builder {
    /// How many workers; one unless set.
    #[must_use]
    pub const fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Where the wall clock starts, since the Unix epoch; 2026-01-01 unless set.
    #[must_use]
    pub const fn clock(mut self, wall: Duration) -> Self {
        self.world.clock = Clock::starting_at(wall);
        self
    }

    /// What the filters' randomness is drawn from.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.world.random = seed;
        self
    }

    /// The least level that is logged, and that filters are told; everything unless set.
    #[must_use]
    pub const fn log_level(mut self, level: Level) -> Self {
        self.world.log_level = level;
        self
    }

    /// Adds a filter to the end of the chain, the upstream's end.
    #[must_use]
    pub fn plugin(mut self, plugin: Plugin) -> Self {
        self.world.plugins.push(plugin);
        self
    }

    /// What answers every cluster that has no answers of its own; 200 without a body unless set.
    #[must_use]
    pub fn upstream(mut self, answers: impl FnMut(&Arrival) -> Answer + Send + 'static) -> Self {
        self.upstream = Box::new(answers);
        self
    }

    /// A cluster for routes and callouts, and what answers it.
    #[must_use]
    pub fn cluster(mut self, name: &str, answers: impl FnMut(&Arrival) -> Answer + Send + 'static) -> Self {
        self.world.clusters.insert(name.to_owned(), true);
        self.clusters.insert(name.to_owned(), Box::new(answers));
        self
    }

    /// A cluster without a host: a callout to it fails at once with `InternalFailure`, a request is answered 503.
    #[must_use]
    pub fn cluster_without_hosts(mut self, name: &str) -> Self {
        self.world.clusters.insert(name.to_owned(), false);
        self.clusters.insert(name.to_owned(), Box::new(|_| Answer::unhealthy()));
        self
    }

    /// Whether there are foreign functions, `verify_signature` above all; there are unless unset.
    #[must_use]
    pub const fn foreign_functions(mut self, offered: bool) -> Self {
        self.world.foreign_functions = offered;
        self
    }

    /// How much of a body the chain may collect; 1 MiB unless set.
    #[must_use]
    pub const fn buffer_limit(mut self, bytes: usize) -> Self {
        self.world.buffer_limit = bytes;
        self
    }

    /// How long after its start a crashed machine is replaced; at once unless set. (Envoy waits about a second, and
    /// answers 503 until then.)
    #[must_use]
    pub const fn reload_backoff(mut self, wait: Duration) -> Self {
        self.reload_backoff = wait;
        self
    }

    /// Starts every plugin: on the main thread, where each may refuse its configuration, then on each worker.
    pub fn start(self) -> Result<Host, StartError> {
        let Self { workers, world, upstream, clusters, reload_backoff } = self;
        let mut host = Host::empty(workers, world, upstream, clusters, reload_backoff);
        for plugin in 0..host.world.plugins.len() {
            let compiled = fleet::compile(&host.world.plugins[plugin]).map_err(|reason| StartError {
                plugin: host.world.plugins[plugin].name.clone(),
                reason,
                log: Vec::new(),
            })?;
            host.compiled.push(compiled);
            host.start_plugin(plugin)?;
        }
        host.poll();
        Ok(host)
    }
}
