//! One worker's part in what is done once per proxy: orders, votes, and the stock of all breakers.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use policy::health::KEY;
use policy::order::{self, Heard, Order};
use policy::state::{Fault, Store};
use policy::{Instant, Seed};
use shell::lease::{Role, lead};
use shell::metric::Counter;
use shell::shared::{self, Change, Failure};
use shell::state::Errand;

use super::Plugin;
use super::keeper::ATTEMPTS;
use crate::bulkhead::BEAT;
use crate::config::{Config, Upstream};
use crate::fleet::{Answer, LIFETIME, Memory, News, PROXIES_MAX, SCRIPT, Verdict};
use crate::health::{self, Round, STOCK, Tally};
use crate::limits::Cause;
use crate::scope::Scope;
use crate::state::{Mode, State};

/// How long a worker is trusted to do it for all.
const LEASE: Duration = Duration::from_secs(1);

/// What a worker knows for its part.
pub(super) struct Watch {
    /// The key of the lease, and this worker's number in it.
    lease: String,
    asker: u64,
    /// When calls under way were last said, and when stock was last taken.
    beaten: Cell<Instant>,
    stocked: Cell<Instant>,
    /// What the store is asked.
    asks: Errand,
    is_failing: Cell<bool>,
    /// One for each of the configuration's breakers.
    rounds: RefCell<Vec<Round>>,
}

impl Watch {
    pub(super) fn new(config: &Config, asker: u64) -> Self {
        // Whoever leads does so for all upstreams of a configuration, so another set of them has another leader.
        let names = config.breakers.iter().map(|upstream| upstream.name.as_str());
        let names: Vec<_> = names.collect();
        Self {
            lease: ["weir.breaker/lease/", &names.join(",")].concat(),
            asker,
            beaten: Cell::default(),
            stocked: Cell::default(),
            asks: Errand::new(&SCRIPT),
            is_failing: Cell::default(),
            rounds: RefCell::new(vec![Round::default(); names.len()]),
        }
    }
}

impl Plugin {
    /// Does what is due.
    pub(super) fn watch(&self) {
        let now = shell::now();
        let watch = &self.watch;
        if is_due(&watch.beaten, BEAT, now) {
            self.beat();
        }
        if lead(&watch.lease, watch.asker, LEASE) != Ok(Role::Leader) {
            return;
        }
        for (index, upstream) in self.config.breakers.iter().enumerate() {
            self.hear(index, upstream, None);
        }
        if is_due(&watch.stocked, STOCK, now) {
            self.take_stock(now);
        }
        if let Some(bridge) = &self.config.store
            && !watch.asks.is_under_way(&bridge.0, now)
        {
            self.ask(&bridge.0, now);
        }
    }

    /// Asks the store about all upstreams, and tells it of them.
    fn ask(&self, store: &Store, now: Instant) {
        let breakers = &self.config.breakers;
        let mut words = vec![(breakers.len() * 2 + 1).to_string(), store.key("breaker:proxies")];
        let mut votes = Vec::with_capacity(breakers.len());
        for upstream in breakers {
            words.push(store.key(&["breaker:open:", &upstream.name].concat()));
            words.push(store.key(&order::store_key(&upstream.name)));
            votes.push(vote(upstream, now).to_owned());
        }
        words.extend([self.name.clone(), LIFETIME.as_millis().to_string(), PROXIES_MAX.to_string()]);
        words.extend(votes);
        let words: Vec<_> = words.iter().map(String::as_bytes).collect();
        if let Err(fault) = self.watch.asks.send(store, &words, now) {
            self.complain(store, Some(&fault));
        }
    }

    /// Takes in the store's answer, if it is that.
    pub(super) fn answered(&self, token: u32, headers: usize, body_bytes: usize) {
        let Some(bridge) = &self.config.store else { return };
        let Some(reply) = self.watch.asks.hear(&bridge.0, token, headers, body_bytes) else { return };
        match reply.and_then(|reply| Answer::read(reply, self.config.breakers.len())) {
            Ok(answer) => {
                self.complain(&bridge.0, None);
                for ((index, upstream), news) in self.config.breakers.iter().enumerate().zip(&answer.news) {
                    self.hear(index, upstream, Some((news, answer.proxies)));
                }
            }
            Err(Fault::NoScript) => self.ask(&bridge.0, shell::now()),
            Err(fault) => self.complain(&bridge.0, Some(&fault)),
        }
    }

    /// Hears what the store says of an upstream, or without it, what is ordered of this proxy alone.
    fn hear(&self, index: usize, upstream: &Upstream, news: Option<(&News, u32)>) {
        let key = ["weir.breaker/fleet/", &upstream.name].concat();
        let local = if news.is_none() { shared::read(&order::key(&upstream.name)) } else { Ok(Default::default()) };
        let (Ok((stored, version)), Ok((local, _))) = (shared::read(&key), local) else { return };
        let mut memory = Memory::from_bytes(&stored);
        let before = memory.clone();
        let heard = match news {
            Some((news, _)) => memory.store.hear(&news.order),
            None => memory.local.hear(&local),
        };
        let verdict = match (news, upstream.quorum) {
            (Some((news, proxies)), Some(quorum)) => memory.count(quorum, news.votes, proxies),
            _ => Verdict::Nothing,
        };
        // Where another worker was faster, it does what there is to do.
        if memory == before || shared::store(&key, &memory.to_bytes(), version).is_err() {
            return;
        }
        let name = &upstream.name;
        match heard {
            Heard::Nothing => {}
            Heard::Force(order) => {
                if let Err(failure) = self.force(index, upstream, order) {
                    log::error!("{name}: not ordered yet: {failure:?}");
                    // As if it had not been heard: it will be, once more.
                    let _ = shared::overwrite(&key, &before.to_bytes());
                }
            }
            Heard::Garbage => log::warn!("{name}: an order that is none is not followed"),
        }
        match (verdict, news) {
            (Verdict::Open(votes), Some((_, proxies))) => self.follow(index, upstream, Cause::Fleet { votes, proxies }),
            (Verdict::Garbage, _) => log::warn!("{name}: the votes in the store cannot be read"),
            _ => {}
        }
    }

    /// Does what an operator has ordered: with all of an upstream's breakers, as it goes before all that they have seen.
    fn force(&self, index: usize, upstream: &Upstream, order: Option<Order>) -> Result<(), Failure> {
        let mut mode = Mode::Closed;
        for key in self.config.keys(index) {
            let forced = shared::update(key, ATTEMPTS, |bytes| {
                let mut state = State::read(bytes);
                state.force(order.filter(|_| key == upstream.key));
                state.write(bytes);
                Change::Store(state.mode(&upstream.limits))
            })?;
            if key == upstream.key {
                mode = forced;
            }
        }
        for key in upstream.scope.table(&upstream.key) {
            if shared::read(&key).is_ok_and(|(bytes, _)| !bytes.is_empty()) {
                let _ = shared::overwrite(&key, b"");
            }
        }
        let order = order.map_or("what the configuration says", Order::as_str);
        log::warn!("{}: {} by order, {order}", upstream.name, mode.as_str());
        if let Some(meters) = self.meters.get(index) {
            meters.state.set(mode as u64);
        }
        Ok(())
    }

    /// Opens a breaker because others have opened theirs.
    fn follow(&self, index: usize, upstream: &Upstream, cause: Cause) {
        let now = shell::now();
        let followed = shared::update(&upstream.key, ATTEMPTS, |bytes| {
            let mut state = State::read(bytes);
            let length = state.follow(&upstream.limits, now, shell::random);
            state.write(bytes);
            if length.is_some() { Change::Store(length) } else { Change::Keep(None) }
        });
        match (followed, self.meters.get(index)) {
            (Ok(Some(length)), Some(meters)) => {
                log::warn!("{}: open for {length:?} after {cause}", upstream.name);
                meters.opens.increment();
                meters.state.set(Mode::Open as u64);
            }
            (Err(failure), _) => log::warn!("{}: not opened with the others: {failure:?}", upstream.name),
            _ => {}
        }
    }

    /// Says what all breakers are, and lets time pass for them.
    fn take_stock(&self, now: Instant) {
        let mut rounds = self.watch.rounds.borrow_mut();
        let breakers = self.config.breakers.iter().enumerate().zip(rounds.iter_mut());
        let tallies: Vec<_> = breakers
            .map(|((index, upstream), round)| (upstream.name.as_str(), self.count(index, upstream, round)))
            .collect();
        let passed = shared::update(KEY, ATTEMPTS, |bytes| Change::Store(health::write(bytes, now, &tallies)));
        let passed = passed.unwrap_or_default();
        for ((meters, (name, tally)), seconds) in self.meters.iter().zip(&tallies).zip(passed) {
            let mode = tally.mode();
            let labels = [("provider", *name), ("state", mode.as_str())];
            Counter::new("api_gateway_circuit_breaker_state_seconds_total", &labels).add(seconds);
            meters.state.set(mode as u64);
        }
    }

    /// Counts an upstream's breakers; of those in a table, a share at a time.
    fn count(&self, index: usize, upstream: &Upstream, round: &mut Round) -> Tally {
        let (mut tally, mut order) = (Tally::default(), None);
        for key in self.config.keys(index) {
            let mut state = State::read(&shared::read(key).unwrap_or_default().0);
            if key == upstream.key {
                order = state.order;
            }
            state.order = order;
            tally.count(&state, &upstream.limits);
        }
        if let Scope::Host(slots) | Scope::Header(_, slots) = &upstream.scope {
            for slot in round.slots(slots.get()) {
                let (bytes, _) = shared::read(&Scope::slot(&upstream.key, slot)).unwrap_or_default();
                round.found.count_slot(&bytes, order, &upstream.limits);
            }
            round.counted(slots.get());
            tally.add(round.last);
        }
        tally
    }

    /// Says in the log what has changed.
    fn complain(&self, store: &Store, fault: Option<&Fault>) {
        let was_failing = self.watch.is_failing.replace(fault.is_some());
        match fault {
            Some(fault) if !was_failing => log::warn!("breakers: {} does not answer: {fault}", store.cluster),
            None if was_failing => log::info!("breakers: {} answers again", store.cluster),
            _ => {}
        }
    }
}

/// What a proxy of this seed is called in its fleet.
pub(super) fn name(seed: Seed) -> u64 {
    let print = seed.fingerprint([b"breaker".as_slice()]).to_bytes();
    u64::from_le_bytes(print.first_chunk().copied().unwrap_or_default())
}

/// What a proxy says of an upstream's breaker.
fn vote(upstream: &Upstream, now: Instant) -> &'static str {
    if upstream.quorum.is_none() {
        return "-";
    }
    let (bytes, _) = shared::read(&upstream.key).unwrap_or_default();
    if State::read(&bytes).votes(&upstream.limits, now) { "1" } else { "0" }
}

/// Whether so much time has passed since the last time that it had.
fn is_due(last: &Cell<Instant>, every: Duration, now: Instant) -> bool {
    let due = now.since(last.get()) >= every || last.get() > now;
    if due {
        last.set(now);
    }
    due
}
