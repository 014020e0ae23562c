//! One worker's part in telling the state store of cool-downs and hearing of them.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use policy::Instant;
use policy::state::Fault;
use shell::lease::{Role, lead};
use shell::{shared, state};

use crate::config::{Bridge, Config};
use crate::cooldown::{Cause, Gossip, Rest, SCRIPT, Upstream, lengths};
use crate::rule::PREFIX;

/// How long a worker is trusted to ask for all: several refreshes.
const LEASE: Duration = Duration::from_secs(1);

pub(super) struct Fleet {
    bridge: Bridge,
    /// The key of the lease, and this worker's number in it.
    lease: (String, u64),
    /// The question that is under way, when it is given up, and what was told with it.
    asked: RefCell<Option<Question>>,
    gossip: RefCell<Gossip>,
    is_failing: Cell<bool>,
}

struct Question {
    token: u32,
    until: Instant,
    known: Vec<Option<Rest>>,
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
            asked: RefCell::default(),
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
        let patience = self.bridge.store().timeout * 2;
        let is_waiting = |question: &Question| now < question.until && question.until.since(now) <= patience;
        if !self.asked.borrow().as_ref().is_some_and(is_waiting) {
            self.ask(config, now, patience);
        }
    }

    fn ask(&self, config: &Config, now: Instant, patience: Duration) {
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
        let mut command = vec![b"EVAL".as_slice(), SCRIPT.as_bytes()];
        command.extend(words.iter().map(String::as_bytes));
        match state::send(store, &command) {
            Ok(token) => *self.asked.borrow_mut() = Some(Question { token, until: now + patience, known }),
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
        let question = self.asked.borrow_mut().take_if(|question| question.token == token);
        let Some(question) = question else { return Vec::new() };
        let reply = state::reply(self.bridge.store(), headers, body_bytes).and_then(lengths);
        match reply {
            Ok(lengths) => {
                self.report(None);
                self.learn(config, &question, &lengths)
            }
            Err(fault) => {
                self.report(Some(&fault));
                Vec::new()
            }
        }
    }

    /// Takes in what is left of each cool-down, as the store says.
    fn learn(&self, config: &Config, question: &Question, lengths: &[Duration]) -> Vec<(usize, Rest)> {
        let since = shell::now();
        let mut learnt = Vec::new();
        for (index, ((upstream, known), left)) in config.upstreams.iter().zip(&question.known).zip(lengths).enumerate()
        {
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
