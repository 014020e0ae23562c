//! One worker's part in a fleet: what it wants of Redis, who waits for it, what came back.
//!
//! No host is known here. Somebody else carries questions ([`Desk::question`]) and answers ([`Desk::receive`]), wakes it in
//! time, and goes on with the requests that it releases.

mod purse;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use policy::allowance;
use policy::state::{Fault, Form, Reply};
use policy::{Fingerprint, Instant};

use self::purse::Purse;
use crate::block::{Blocks, Known, Take};
use crate::charge::{Store, Swap, Undecided};
use crate::contact::Contact;
use crate::fleet::{Fleet, Terms, term};
use crate::limit::Limits;
use crate::script::{self, Answer, Grant, Want, hex};

/// How many buckets one question is about at most.
pub const BATCH: usize = 64;
/// How many requests of a worker wait at most. Each holds a stream of Envoy's, for no longer than the budget.
pub const PARKED_MAX: usize = 1024;
/// As soon as the host can.
const AT_ONCE: Duration = Duration::from_millis(1);
/// When what is counted in no fixed window ends to be good.
const NEVER: Instant = Instant::from_nanos(u64::MAX);
/// How often a value is swapped in before giving up.
const ATTEMPTS: u32 = 16;

/// A bucket of the fleet, as one request meets it.
#[derive(Clone, Debug)]
pub struct Bucket<'a> {
    /// Where the proxy keeps what it holds of it: a key of shared data.
    pub slot: String,
    /// Whose it is.
    pub print: Fingerprint,
    /// The rule's name.
    pub rule: &'a str,
    /// Whether all callers of the rule share it.
    pub is_shared: bool,
    /// Its limits.
    pub limits: &'a Limits,
    /// What the request costs.
    pub cost: u32,
    /// How long requests wait for it in line; none where they do not.
    pub patience: Duration,
}

impl Bucket<'_> {
    /// Its name in Redis.
    fn name(&self) -> String {
        let shared = allowance::in_store(self.rule);
        if self.is_shared { shared } else { [shared, hex(&self.print.to_bytes())].join(":") }
    }
}

/// A request that waits for an answer; `T` is what becomes known of it when it goes on.
#[derive(Clone, Debug)]
pub struct Parked<T = ()> {
    /// Its stream's context.
    pub context: u32,
    /// When it came.
    pub since: Instant,
    /// Where that is left for it.
    pub told: Rc<RefCell<Option<T>>>,
    /// The question that it waits for.
    batch: u64,
}

struct Flight {
    token: u32,
    batch: u64,
    asked_at: Instant,
    wants: Vec<Want>,
}

/// One worker's desk.
pub struct Desk<T = ()> {
    /// The question that is being filled.
    batch: u64,
    wants: Vec<Want>,
    is_asked: bool,
    flight: Option<Flight>,
    parked: Vec<Parked<T>>,
    purses: Vec<Purse>,
    /// Of whose buckets an answer spoke.
    heard: Vec<Fingerprint>,
    /// How the next question names the script.
    pub form: Form,
}

impl<T> Default for Desk<T> {
    fn default() -> Self {
        Self {
            batch: 0,
            wants: Vec::new(),
            is_asked: false,
            flight: None,
            parked: Vec::new(),
            purses: Vec::new(),
            heard: Vec::new(),
            form: Form::Digest,
        }
    }
}

impl<T> Desk<T> {
    /// Takes a request's tokens from what its own answer brought, or from what the proxy holds.
    ///
    /// # Errors
    /// [`Undecided`] where the store fails or is contended; then nothing was taken.
    pub fn take<S: Store>(&mut self, store: &mut S, fleet: &Fleet, bucket: &Bucket<'_>) -> Result<Take, Undecided> {
        if let Some(purse) = self.purse(store, bucket).filter(|purse| purse.tokens >= bucket.cost) {
            purse.tokens -= bucket.cost;
            return Ok(Take::Taken(purse.known, None));
        }
        let ahead = term(bucket.limits, bucket.cost, fleet.interval).map(|_| fleet.interval);
        let mut said = Take::Missing(0);
        update(store, &bucket.slot, &mut |blocks| {
            said = blocks.try_take(bucket.print, bucket.cost, ahead);
            matches!(said, Take::Taken(..))
        })?;
        if let Take::Taken(_, Some(more)) = said {
            self.want(fleet, bucket, 0, more);
        }
        Ok(said)
    }

    /// Takes the tokens of a request that waits in line, from what the proxy holds. Where this worker is to ask for them, it does, and
    /// for all that `wanted` says those in line need.
    ///
    /// # Errors
    /// [`Undecided`] where the store fails or is contended; then nothing was taken.
    pub fn claim<S: Store>(
        &mut self,
        store: &mut S,
        fleet: &Fleet,
        bucket: &Bucket<'_>,
        wanted: u32,
    ) -> Result<Take, Undecided> {
        let ahead = term(bucket.limits, bucket.cost, fleet.interval).map(|_| fleet.interval);
        let mut said = Take::Missing(0);
        update(store, &bucket.slot, &mut |blocks| {
            said = blocks.claim(bucket.print, bucket.cost, ahead, fleet.budget);
            !matches!(said, Take::Refused(_))
        })?;
        match said {
            Take::Missing(more) => self.want(fleet, bucket, 0, more.max(wanted)),
            Take::Taken(_, Some(more)) => self.want(fleet, bucket, 0, more),
            _ => {}
        }
        Ok(said)
    }

    /// Whose answers have come since this was last asked.
    pub fn heard(&mut self) -> Vec<Fingerprint> {
        std::mem::take(&mut self.heard)
    }

    /// What the proxy holds, without taking any of it.
    ///
    /// # Errors
    /// [`Undecided`] where the store fails.
    pub fn look<S: Store>(&mut self, store: &mut S, fleet: &Fleet, bucket: &Bucket<'_>) -> Result<Take, Undecided> {
        if let Some(purse) = self.purse(store, bucket).filter(|purse| purse.tokens >= bucket.cost) {
            return Ok(Take::Taken(purse.known, None));
        }
        let (bytes, _) = store.read(&bucket.slot)?;
        let ahead = term(bucket.limits, bucket.cost, fleet.interval).map(|_| fleet.interval);
        Ok(Blocks::read(&bytes, store.now()).try_take(bucket.print, bucket.cost, ahead))
    }

    /// Notes that a request needs so many tokens, and that so many more will be needed soon.
    pub fn want(&mut self, fleet: &Fleet, bucket: &Bucket<'_>, need: u32, ahead: u32) {
        self.add(Want { need, ahead, ..wanted(fleet, bucket) });
    }

    /// What only looks ahead or comes back is left out where there is no room: tokens lapse then. What comes back leaves half of it to
    /// those who need something.
    fn add(&mut self, want: Want) {
        let same = |other: &&mut Want| other.name == want.name;
        if let Some(other) = self.wants.iter_mut().find(same) {
            other.need = other.need.saturating_add(want.need);
            other.ahead = other.ahead.max(want.ahead);
            other.least = other.least.min(want.least);
            // Two that were held differently long come back as the one that was held longer.
            (other.back, other.held) = (other.back.saturating_add(want.back), other.held.max(want.held));
        } else if want.need > 0 || self.wants.len() < if want.ahead > 0 { BATCH } else { BATCH / 2 } {
            self.wants.push(want);
        }
    }

    /// Lets a request wait for the answer to what it wants.
    pub fn park(&mut self, context: u32, since: Instant, told: Rc<RefCell<Option<T>>>) {
        self.is_asked = true;
        self.parked.push(Parked { context, since, told, batch: self.batch });
    }

    /// Whether one more request may wait.
    pub fn has_room(&self) -> bool {
        self.parked.len() < PARKED_MAX && self.wants.len() < BATCH
    }

    /// Whether the request of this context waits.
    pub fn holds(&self, context: u32) -> bool {
        self.parked.iter().any(|parked| parked.context == context)
    }

    /// How soon this worker is to be woken.
    pub fn next(&self, fleet: &Fleet) -> Duration {
        if self.flight.is_none() && (self.is_asked || !self.wants.is_empty()) {
            AT_ONCE
        } else if self.parked.is_empty() {
            fleet.interval
        } else {
            (fleet.budget / 20).max(AT_ONCE)
        }
    }

    /// What to have the script run with now, where there is something to ask and no answer is awaited. With `idle`, it is asked even
    /// where nothing is wanted: the fleet hears of this proxy, and this proxy of the fleet.
    pub fn question(&mut self, fleet: &Fleet, contact: &Contact, proxy: &str, idle: bool) -> Option<Vec<String>> {
        let is_due = self.flight.is_none() && (idle || self.is_asked || !self.wants.is_empty());
        is_due.then(|| {
            let mut words = vec![(self.wants.len() + 2).to_string()];
            words.extend([fleet.store.key("fleet"), fleet.store.key("fleet:seed")]);
            words.extend(self.wants.iter().map(|want| fleet.store.key(&want.name)));
            words.extend(script::arguments(proxy, contact.seed, &self.wants));
            words
        })
    }

    /// Notes that the question was sent under this token.
    pub fn sent(&mut self, token: u32, now: Instant) {
        let wants = std::mem::take(&mut self.wants);
        self.is_asked = false;
        self.flight = Some(Flight { token, batch: self.batch, asked_at: now, wants });
        self.batch += 1;
    }

    /// Whether this is the token of the answer that is awaited.
    pub fn awaits(&self, token: u32) -> bool {
        self.flight.as_ref().is_some_and(|flight| flight.token == token)
    }

    /// Takes in an answer: what nobody waits for goes to the proxy's blocks, and the rest is kept for those that do, who are
    /// released.
    ///
    /// # Errors
    /// Why there was none. Then everybody is released who has waited for it, unless Redis did not know the script: it will be
    /// asked again.
    pub fn receive<S: Store>(
        &mut self,
        store: &mut S,
        reply: Result<Reply, Fault>,
    ) -> (Result<Answer, Fault>, Vec<Parked<T>>) {
        let Some(flight) = self.flight.take() else { return (Err(Fault::Lost), Vec::new()) };
        let reply = self.form.hear(reply);
        if reply == Err(Fault::NoScript) {
            self.batch = flight.batch;
            self.parked.iter_mut().for_each(|parked| parked.batch = flight.batch);
            self.is_asked = true;
            let later = std::mem::replace(&mut self.wants, flight.wants);
            for want in later {
                self.add(want);
            }
            return (Err(Fault::NoScript), Vec::new());
        }
        let answer = reply.and_then(|reply| Answer::read(&reply, flight.wants.len()));
        if let Ok(answer) = &answer {
            for (want, grant) in flight.wants.iter().zip(&answer.grants) {
                self.keep(store, want, grant, flight.asked_at);
            }
        }
        let batch = if answer.is_ok() { flight.batch } else { u64::MAX };
        let released = self.release(|parked| parked.batch <= batch);
        if answer.is_err() {
            self.wants.clear();
            self.is_asked = false;
        }
        (answer, released)
    }

    /// Shares what an answer says of one bucket.
    fn keep<S: Store>(&mut self, store: &mut S, want: &Want, grant: &Grant, asked_at: Instant) {
        let Want { slot, print, need, terms, .. } = want;
        let kept = grant.granted.min(*need);
        self.heard.push(*print);
        // What cannot be shared is not spent.
        let _ = update(store, slot, &mut |blocks| {
            blocks.receive(*print, grant, kept, asked_at, terms.term);
            true
        });
        if kept > 0 {
            let known = Known {
                remaining: grant.left.saturating_add(grant.granted - kept),
                tight: usize::from(grant.tight),
                reset_in: grant.full_in,
                notice: Duration::ZERO,
                until: asked_at + terms.term,
            };
            let now = store.now();
            let ends_at = grant.good(NEVER, asked_at.min(now));
            let same =
                |purse: &&mut Purse| purse.want.print == *print && purse.want.slot == *slot && purse.ends_at > now;
            if let Some(purse) = self.purses.iter_mut().find(same) {
                purse.ends_at = purse.ends_at.min(ends_at);
                // Those that came first were held for longer, so less of all comes back.
                purse.tokens = purse.tokens.saturating_add(kept);
                purse.known = Known { until: purse.known.until, ..known };
                return;
            }
            let want = Want { need: 0, ahead: 0, back: 0, ..want.clone() };
            self.purses.push(Purse { want, tokens: kept, known, ends_at, is_held: false });
        }
    }

    /// Takes out those who have waited for the whole budget.
    pub fn late(&mut self, budget: Duration, now: Instant) -> Vec<Parked<T>> {
        // A clock that stepped back makes nobody wait for its return.
        self.release(|parked| now.since(parked.since) >= budget || parked.since > now)
    }

    /// Takes out those for whom nothing has been asked yet, and asks for nobody any more: another worker has found Redis away.
    pub fn strand(&mut self) -> Vec<Parked<T>> {
        let batch = self.batch;
        self.is_asked = false;
        self.wants.retain_mut(|want| {
            (want.need, want.ahead) = (0, 0);
            want.back > 0
        });
        self.release(|parked| parked.batch == batch)
    }

    fn release(&mut self, is_free: impl Fn(&Parked<T>) -> bool) -> Vec<Parked<T>> {
        let (free, parked) = std::mem::take(&mut self.parked).into_iter().partition(is_free);
        self.parked = parked;
        free
    }
}

/// What a request has to do with a bucket in Redis, where it needs nothing of it.
fn wanted(fleet: &Fleet, bucket: &Bucket<'_>) -> Want {
    Want {
        slot: bucket.slot.clone(),
        print: bucket.print,
        name: bucket.name(),
        terms: Terms::of(bucket.limits, bucket.cost, fleet, bucket.patience),
        least: bucket.cost,
        need: 0,
        ahead: 0,
        back: 0,
        held: Duration::ZERO,
    }
}

/// Changes the blocks under `slot` as one step, where `change` says that it has. One piece of code for all who do.
fn update<S: Store>(store: &mut S, slot: &str, change: &mut dyn FnMut(&mut Blocks) -> bool) -> Result<(), Undecided> {
    for _ in 0..ATTEMPTS {
        let (mut bytes, version) = store.read(slot)?;
        let mut blocks = Blocks::read(&bytes, store.now());
        if !change(&mut blocks) {
            return Ok(());
        }
        blocks.write(&mut bytes);
        if store.swap(slot, &bytes, version)? == Swap::Done {
            return Ok(());
        }
    }
    Err(Undecided)
}

#[cfg(test)]
mod tests;
