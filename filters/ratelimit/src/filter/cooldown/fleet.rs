//! One worker's part in telling the state store of cool-downs and hearing of them.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use policy::Instant;
use policy::state::Fault;
use shell::lease::{Role, lead};
use shell::shared;
use shell::state::Errand;

use crate::config::{Bridge, Config};
use crate::cooldown::{Cause, Gossip, Rest, SCRIPT, Upstream, lengths};
use crate::rule::PREFIX;

/// How long a worker is trusted to ask for all: several refreshes.
const LEASE: Duration = Duration::from_secs(1);

pub(super) struct Fleet {
    bridge: Bridge,
    /// The key of the lease, and this worker's number in it.
    lease: (String, u64),
    asks: Errand,
    /// What was known of each upstream when the store was last asked.
    known: RefCell<Vec<Option<Rest>>>,
    gossip: RefCell<Gossip>,
    is_failing: Cell<bool>,
}

impl Fleet {
    /// `None` where there is nobody to tell, or nothing to tell of.
    pub(super) fn new(config: &Config) -> Option<Self> {
        let bridge = config.store.clone().filter(|_| !config.upstreams.is_empty())?;
        // Whoever asks asks about all of its upstreams, so another set of them has another leader.
        let mut lease = [PREFIX, "cool.lease"].concat();
        for upstream in &config.upstreams {
            lease.push(':');
            lease.push_str(&upstream.name);
        }
        let asker = u64::from_le_bytes(shell::random());
        Some(Self {
            bridge,
            lease: (lease, asker),
            asks: Errand::new(&SCRIPT),
            known: RefCell::default(),
            gossip: RefCell::default(),
            is_failing: Cell::new(false),
        })
    }

    pub(super) fn tick(&self, config: &Config) {
        let now = shell::now();
        let (key, asker) = &self.lease;
        if lead(key, *asker, LEASE) != Ok(Role::Leader) {
            return;
        }
        if !self.asks.is_under_way(self.bridge.store(), now) {
            self.ask(config, now);
        }
    }

    fn ask(&self, config: &Config, now: Instant) {
        let store = self.bridge.store();
        let gossip = self.gossip.borrow();
        let (mut known, mut words) = (Vec::new(), vec![config.upstreams.len().to_string()]);
        for upstream in &config.upstreams {
            known.push(self::known(upstream, now));
            words.push(store.key(&["cool:", &upstream.name].concat()));
        }
        for (index, known) in known.iter().enumerate() {
            words.push(gossip.news(index, *known, now).to_string());
        }
        let words: Vec<_> = words.iter().map(String::as_bytes).collect();
        match self.asks.send(store, &words, now) {
            Ok(()) => *self.known.borrow_mut() = known,
            Err(fault) => self.report(Some(&fault)),
        }
    }

    /// The cool-downs that the fleet knows, if this is the answer to the question that is under way.
    pub(super) fn answered(
        &self,
        config: &Config,
        token: u32,
        headers: usize,
        body_bytes: usize,
    ) -> Vec<(usize, Rest)> {
        let reply = self.asks.hear(self.bridge.store(), token, headers, body_bytes);
        match reply.map(|reply| reply.and_then(lengths)) {
            Some(Ok(lengths)) => {
                self.report(None);
                return self.learn(config, &lengths);
            }
            Some(Err(Fault::NoScript)) => self.ask(config, shell::now()),
            Some(Err(fault)) => self.report(Some(&fault)),
            None => {}
        }
        Vec::new()
    }

    /// Takes in what is left of each cool-down, as the store says.
    fn learn(&self, config: &Config, lengths: &[Duration]) -> Vec<(usize, Rest)> {
        let (since, known) = (shell::now(), self.known.borrow());
        let mut learnt = Vec::new();
        for (index, ((upstream, known), left)) in config.upstreams.iter().zip(&*known).zip(lengths).enumerate() {
            self.gossip.borrow_mut().note(index, *known, *left);
            let rest = Rest { since, until: since + (*left).min(upstream.longest), cause: Cause::Fleet };
            if rest.replaces(*known, since) {
                learnt.push((index, rest));
            }
        }
        learnt
    }

    /// Says in the log what has changed.
    fn report(&self, fault: Option<&Fault>) {
        let was_failing = self.is_failing.replace(fault.is_some());
        let cluster = &self.bridge.store().cluster;
        match fault {
            Some(fault) if !was_failing => log::warn!("cool-downs: {cluster} does not answer: {fault}"),
            None if was_failing => log::info!("cool-downs: {cluster} answers again"),
            _ => {}
        }
    }
}

/// What this proxy knows of an upstream.
fn known(upstream: &Upstream, now: Instant) -> Option<Rest> {
    let (stored, _) = shared::read(&upstream.key).ok()?;
    Rest::read(&stored).map(|rest| rest.at(now, upstream.longest))
}
