//! The revocations of the state store: one worker asks, all take over what it was told.
//!
//! Shared data has two keys for each stream that is followed: the snapshot, and a pulse of 16 bytes (when the store was last
//! heard of, and the snapshot's generation), which every worker reads at each tick.

use std::cell::{Ref, RefCell};
use std::rc::Rc;
use std::time::Duration;

use policy::state::Fault;
use policy::{Instant, Seed};
use shell::lease::{Role, lead};
use shell::metric::{Counter, Gauge};
use shell::shared::{self, Version};
use shell::state::Errand;

use crate::config::Config;
use crate::feed::{SCRIPT, Snapshot, Taken, Watch};
use crate::revocation::settings::{Failing, Following};
use crate::revocation::{Revoked, Standing};

/// The lease is so many times as long as the time between two questions.
const LEASE_REFRESHES: u32 = 3;

/// What one worker knows, and its part in asking.
pub(super) struct Revocations {
    config: Rc<Config>,
    revoked: RefCell<Revoked>,
    inquiry: RefCell<Option<Inquiry>>,
}

/// One worker's part in asking the store.
struct Inquiry {
    /// The keys of shared data: the snapshot, the pulse, the lease.
    keys: [String; 3],
    seed: Seed,
    asker: u64,
    is_leader: bool,
    /// What the store is asked.
    asks: Errand,
    due: Instant,
    watch: Watch,
    /// Without its table, which is in use.
    read: Snapshot,
    is_failing: bool,
    meters: Meters,
}

struct Meters {
    good: Counter,
    failed: Counter,
    kept: Gauge,
    unknown: Gauge,
}

impl Revocations {
    pub(super) fn new(config: &Rc<Config>) -> Self {
        let mut revoked = Revoked::new(&config.seed, config.leeway, &config.revoked);
        let inquiry = config.following.as_ref().map(|following| Inquiry::new(config, following));
        if let (Some(following), Some(inquiry)) = (&config.following, &inquiry) {
            revoked.standing = inquiry.standing(following, Instant::EPOCH);
        }
        let revocations =
            Self { config: Rc::clone(config), revoked: RefCell::new(revoked), inquiry: RefCell::new(inquiry) };
        // After a reload, what the proxy knew is still there.
        revocations.take_over(shell::now());
        revocations
    }

    /// What is revoked, for one request.
    pub(super) fn known(&self) -> Ref<'_, Revoked> {
        self.revoked.borrow()
    }

    /// Takes over what is new; asks, where that is this worker's part and it is time.
    pub(super) fn tick(&self) {
        let now = shell::now();
        self.take_over(now);
        let mut inquiry = self.inquiry.borrow_mut();
        if let (Some(inquiry), Some(following)) = (inquiry.as_mut(), &self.config.following) {
            inquiry.ask_in_time(following, now);
        }
    }

    /// Reads the store's answer, if it is that.
    pub(super) fn received(&self, token: u32, headers: usize, body_bytes: usize) {
        let mut inquiry = self.inquiry.borrow_mut();
        let (Some(inquiry), Some(following)) = (inquiry.as_mut(), &self.config.following) else { return };
        let Some(reply) = inquiry.asks.hear(&following.store, token, headers, body_bytes) else { return };
        let now = shell::now();
        if matches!(reply, Err(Fault::NoScript)) {
            return inquiry.ask(following, now);
        }
        let mut revoked = self.revoked.borrow_mut();
        let outcome = reply.and_then(|reply| inquiry.learn(reply, following, &mut revoked, now));
        inquiry.report(following, &outcome);
        inquiry.settle(following, &mut revoked, now);
        if outcome.is_ok_and(|taken| taken.more) {
            inquiry.ask(following, now);
        }
    }

    fn take_over(&self, now: Instant) {
        let mut inquiry = self.inquiry.borrow_mut();
        let (Some(inquiry), Some(following)) = (inquiry.as_mut(), &self.config.following) else { return };
        let mut revoked = self.revoked.borrow_mut();
        inquiry.take_over(&mut revoked, now);
        inquiry.settle(following, &mut revoked, now);
    }
}

impl Inquiry {
    fn new(config: &Config, following: &Following) -> Self {
        let print = config.seed.fingerprint(following.store.identity()).to_bytes();
        let name = u64::from_le_bytes(print.first_chunk().copied().unwrap_or_default());
        let polls = |outcome| Counter::new("api_gateway_auth_revocation_polls_total", &[("outcome", outcome)]);
        Self {
            keys: ["", ".pulse", ".lease"].map(|part| format!("weir.auth.revoked.{name:016x}{part}")),
            seed: config.seed,
            asker: u64::from_le_bytes(shell::random()),
            is_leader: false,
            asks: Errand::new(&SCRIPT),
            due: Instant::EPOCH,
            watch: Watch::default(),
            read: Snapshot::default(),
            is_failing: false,
            meters: Meters {
                good: polls("good"),
                failed: polls("failed"),
                kept: Gauge::new("api_gateway_auth_revocations", &[]),
                unknown: Gauge::new("api_gateway_auth_revocations_unknown", &[]),
            },
        }
    }

    /// Reads the pulse, and the snapshot where it is another one than is known here.
    fn take_over(&mut self, revoked: &mut Revoked, now: Instant) {
        let [snapshot, pulse, _] = &self.keys;
        let Some((heard, generation, _)) = read_pulse(pulse) else { return };
        if generation != self.read.generation {
            let Some(mut found) = shared::read(snapshot).ok().and_then(|(bytes, _)| Snapshot::from_bytes(&bytes))
            else {
                return;
            };
            revoked.fetched = std::mem::take(&mut found.table);
            self.read = found;
        }
        // Nothing counts as heard before everything was read.
        if heard != Instant::EPOCH {
            self.watch.note(heard, now);
        }
    }

    fn ask_in_time(&mut self, following: &Following, now: Instant) {
        // A clock that stepped back makes nobody wait for its return.
        if now < self.due && self.due.since(now) <= following.refresh {
            return;
        }
        self.due = now + following.refresh;
        let [_, _, lease] = &self.keys;
        let length = (following.refresh * LEASE_REFRESHES).max(Duration::from_secs(1));
        self.is_leader = lead(lease, self.asker, length) == Ok(Role::Leader);
        if self.is_leader && !self.asks.is_under_way(&following.store, now) {
            self.ask(following, now);
        }
    }

    fn ask(&mut self, following: &Following, now: Instant) {
        let key = following.store.key("revoked");
        let arguments = self.read.arguments(following);
        let [cursor, broom, keep, page] = arguments.each_ref().map(String::as_bytes);
        let words = [b"1", key.as_bytes(), cursor, broom, keep, page];
        if let Err(fault) = self.asks.send(&following.store, &words, now) {
            self.report(following, &Err(fault));
        }
    }

    /// Takes an answer over and shares it, unless another worker shared something else in between.
    fn learn(
        &mut self,
        reply: policy::state::Reply,
        following: &Following,
        revoked: &mut Revoked,
        now: Instant,
    ) -> Result<Taken, Fault> {
        let [snapshot, pulse, _] = &self.keys;
        let (heard, generation, version) = read_pulse(pulse).unwrap_or((Instant::EPOCH, 0, Version::ABSENT));
        if generation != self.read.generation {
            return Ok(Taken::default());
        }
        let before = self.read.clone();
        self.read.table = std::mem::take(&mut revoked.fetched);
        let taken = self.read.take(reply, following, &self.seed, now);
        let is_new = self.read.cursor != before.cursor
            || self.read.broom != before.broom
            || self.read.is_full != before.is_full
            || generation == 0;
        let shared = if taken.is_ok() && is_new {
            self.read.generation = u64::from_le_bytes(shell::random()).max(1);
            shared::overwrite(snapshot, &self.read.to_bytes()).is_ok()
        } else {
            true
        };
        revoked.fetched = std::mem::take(&mut self.read.table);
        let taken = taken?;
        if shared {
            let heard = if taken.more { heard } else { now };
            let mut bytes = heard.as_nanos().to_le_bytes().to_vec();
            bytes.extend(self.read.generation.to_le_bytes());
            // Where another worker was faster, this one takes over what it shared.
            let _ = shared::store(pulse, &bytes, version);
            if !taken.more {
                self.watch.note(heard, now);
            }
        }
        self.meters.kept.set(revoked.fetched.entries().len() as u64);
        Ok(taken)
    }

    /// Counts each answer, and says in the log what has changed.
    fn report(&mut self, following: &Following, taken: &Result<Taken, Fault>) {
        match taken {
            Ok(taken) => {
                self.meters.good.increment();
                if std::mem::take(&mut self.is_failing) {
                    log::info!("revocations: {} answers again", following.store.cluster);
                }
                if taken.lost {
                    log::warn!("revocations: the store has lost what was read from it, which holds all the same");
                }
                if taken.unreadable > 0 {
                    log::error!("revocations: {} entries revoke nothing, since they cannot be read", taken.unreadable);
                }
            }
            Err(fault) => {
                self.meters.failed.increment();
                if !std::mem::replace(&mut self.is_failing, true) {
                    log::warn!("revocations: {} does not answer: {fault}", following.store.cluster);
                }
            }
        }
    }

    fn standing(&self, following: &Following, now: Instant) -> Standing {
        let is_away = !self.watch.is_current(now, following.unavailable_after);
        let stops = (is_away && following.when_unavailable == Failing::Stop)
            || (self.read.is_full && following.when_full == Failing::Stop);
        if stops { Standing::Unknown(following.refresh.max(Duration::from_secs(1))) } else { Standing::Known }
    }

    /// Says whether what is known may be relied on; the leader says a change in the log.
    fn settle(&self, following: &Following, revoked: &mut Revoked, now: Instant) {
        let standing = self.standing(following, now);
        let has_changed = std::mem::replace(&mut revoked.standing, standing) != standing;
        if !self.is_leader {
            return;
        }
        let is_unknown = standing != Standing::Known;
        self.meters.unknown.set(u64::from(is_unknown));
        if has_changed && is_unknown {
            let why = if self.read.is_full { "there are more than fit" } else { "the store is away" };
            log::error!("revocations: {why}; requests with a credential are refused");
        } else if has_changed {
            log::info!("revocations: known");
        }
    }
}

/// When the store was heard of, the generation of the snapshot, and the version of both.
fn read_pulse(key: &str) -> Option<(Instant, u64, Version)> {
    let (bytes, version) = shared::read(key).ok()?;
    let (heard, generation) = bytes.split_at_checked(8)?;
    let number = |bytes: &[u8]| bytes.try_into().ok().map(u64::from_le_bytes);
    Some((Instant::from_nanos(number(heard)?), number(generation)?, version))
}
