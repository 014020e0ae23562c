//! One worker's compositions: what they send, and what they hear.
//!
//! All of it happens in the root context, so that no call belongs to a client's stream. A request only leaves its run here, and has
//! the worker woken a millisecond later.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use policy::handover::header;
use policy::method::is_unsafe;
use policy::{Headers, Instant, Rejection, RequestId, Seed};
use shell::callout;
use shell::metric::Counter;
use shell::pulse::Pulse;

use super::delivery::{Client, Written};
use super::keeping::{Unkept, clear_slot};
use crate::config::Config;
use crate::failure::{Author, Failure, Outcome};
use crate::idempotency::{Kept, Key, Verdict};
use crate::plan::Composition;
use crate::run::{Action, Answer, Inputs, Request, Run};

/// How often a worker looks for runs that have lost theirs, and renews its own.
pub(super) const ROUND: Duration = Duration::from_secs(2);
/// How often it looks for the answer that a request with the same key waits for.
const LOOK: Duration = Duration::from_millis(20);
/// How often it tries to keep an answer that it could not keep.
const AGAIN: Duration = Duration::from_millis(500);

/// One worker's plugin.
pub(super) struct Plugin {
    pub(super) config: Config,
    pub(super) seed: Seed,
    /// The worker's own number.
    pub(super) asker: u64,
    runs: RefCell<BTreeMap<u32, Running>>,
    /// Which run's which call an answer is to.
    calls: RefCell<BTreeMap<u32, (u32, u32)>>,
    /// Requests whose key another one holds, each with when it came and how long it waits.
    waiting: RefCell<Vec<(Prepared, Instant, Instant)>>,
    pub(super) unkept: RefCell<Vec<Unkept>>,
    next: Cell<u32>,
    round: Cell<Instant>,
    pulse: Pulse,
    outcomes: BTreeMap<String, [Counter; 3]>,
    alarms: Counter,
    pub(super) forgotten: Counter,
}

/// A request that was read and found good.
pub(super) struct Prepared {
    pub(super) plan: Rc<Composition>,
    pub(super) inputs: Inputs,
    pub(super) headers: Vec<(String, String)>,
    pub(super) key: Option<Key>,
    pub(super) client: Rc<Client>,
}

/// A run with what is around it.
pub(super) struct Running {
    pub(super) run: Run,
    pub(super) headers: Vec<(String, String)>,
    pub(super) key: Option<Key>,
    /// Where it is written down.
    pub(super) slot: Option<u32>,
    client: Option<Rc<Client>>,
}

impl Plugin {
    /// Begins a worker.
    pub(super) fn new(config: Config) -> Option<Self> {
        let seed = shell::seed().map_err(|error| log::error!("no seed: {error:?}")).ok()?;
        let idle = if config.has_undo() { ROUND } else { Duration::ZERO };
        let pulse = Pulse::new(idle);
        pulse.start(shell::now());
        let counter = |name: &str, outcome| {
            Counter::new("api_gateway_compositions_total", &[("operation", name), ("outcome", outcome)])
        };
        let outcomes = config
            .names()
            .map(|name| (name.to_owned(), ["complete", "partial", "failed"].map(|outcome| counter(name, outcome))));
        Some(Self {
            seed,
            asker: u64::from_le_bytes(shell::random()) | 1,
            runs: RefCell::default(),
            calls: RefCell::default(),
            waiting: RefCell::default(),
            unkept: RefCell::default(),
            next: Cell::default(),
            round: Cell::new(Instant::EPOCH),
            pulse,
            outcomes: outcomes.collect(),
            alarms: Counter::new("api_gateway_compose_alarms_total", &[]),
            forgotten: Counter::new("api_gateway_compose_forgotten_total", &[]),
            config,
        })
    }

    /// Takes a request in; what it is to be answered at once, where it is not.
    pub(super) fn admit(&self, prepared: Prepared) -> Option<Written> {
        let now = shell::now();
        let refuse = |rejection: Rejection| Some(prepared.client.refusal(&rejection));
        let busy = Rejection::Unavailable { retry_after: Some(Duration::from_secs(1)) };
        if self.runs.borrow().len() + self.waiting.borrow().len() >= self.config.running_max {
            return refuse(busy);
        }
        match self.claim(&prepared, now) {
            Verdict::First => {}
            Verdict::Again(Kept { status: 0, .. }) => {
                return refuse(conflict("the first answer is too long to be repeated"));
            }
            Verdict::Again(kept) => return Some(Written::stored(kept)),
            Verdict::Different => {
                let message = "idempotency-key: was used for another request".to_owned();
                return refuse(Rejection::Failed { status: 422, message });
            }
            Verdict::UnderWay => {
                return match prepared.plan.keys.and_then(|keys| keys.wait) {
                    None => refuse(conflict("a request with this idempotency-key is under way")),
                    Some(wait) => {
                        let until = now + wait.min(prepared.plan.deadline);
                        self.waiting.borrow_mut().push((prepared, now, until));
                        self.pulse.wake_in(LOOK, now);
                        None
                    }
                };
            }
            Verdict::Full | Verdict::Instead => return refuse(busy),
        }
        self.start(prepared, now, now)
    }

    /// Begins a run of a request that came `since`; what its client is to be answered where there is no room for it.
    fn start(&self, prepared: Prepared, since: Instant, now: Instant) -> Option<Written> {
        let Prepared { plan, inputs, headers, key, client } = prepared;
        let id = RequestId::from_random(shell::random());
        let run = Run::new(&plan, inputs, id.as_str().to_owned(), since, self.config.undo_for);
        let mut running = Running { run, headers, key, slot: None, client: Some(client) };
        if plan.has_undo() {
            running.slot = self.take_slot(&running, now);
            if running.slot.is_none() {
                self.forget_key(&running);
                let busy = Rejection::Unavailable { retry_after: Some(Duration::from_secs(1)) };
                return running.client.map(|client| client.refusal(&busy));
            }
        }
        self.insert(running);
        self.pulse.wake_in(Duration::ZERO, now);
        None
    }

    fn insert(&self, running: Running) {
        let number = self.next.get().wrapping_add(1);
        self.next.set(number);
        self.runs.borrow_mut().insert(number, running);
    }

    /// Takes in an answer to a call.
    pub(super) fn answered(&self, root: u32, token: u32, headers: usize, body_bytes: usize) {
        let Some((number, own)) = self.calls.borrow_mut().remove(&token) else { return };
        let answer = callout::answer(headers, body_bytes, self.config.answer_bytes_max);
        let outcome = answer.map_or(Outcome::Lost, |answer| Outcome::Answer {
            status: answer.status,
            by: author(&answer.headers),
            retry_after: answer.headers.first("retry-after").map(<[u8]>::to_vec),
            body: answer.body,
        });
        let now = shell::now();
        self.drive(root, number, now, |run, actions| run.hear(own, &outcome, now, actions));
        self.sleep(now, false);
    }

    /// Does what is due.
    pub(super) fn tick(&self, root: u32) {
        let now = shell::now();
        if now.since(self.round.get()) >= ROUND || self.round.get() > now {
            self.round.set(now);
            self.renew(&self.runs.borrow(), now);
            let lost = self.lost(&self.runs.borrow(), now);
            for lost in lost {
                self.take_over(lost, now);
            }
        }
        // Before the runs go on, since it may begin one.
        self.look(root, now);
        let all: Vec<u32> = self.runs.borrow().keys().copied().collect();
        for number in all {
            self.drive(root, number, now, |run, actions| run.go_on(now, actions));
        }
        self.keep_again(now);
        self.sleep(now, true);
    }

    /// Goes on with what another worker has left.
    fn take_over(&self, (slot, entry): (u32, Box<crate::journal::Entry>), now: Instant) {
        let Some(plan) = self.config.named(&entry.plan) else {
            self.alarm(&format!(
                "{} is not composed any more, and {} of its calls stay done",
                entry.plan,
                entry.given.len()
            ));
            return clear_slot(slot);
        };
        log::warn!("{} {} has lost its worker: taking back what it may have done", entry.plan, entry.id);
        let crate::journal::Entry { id, inputs, given, headers, .. } = *entry;
        let run = Run::resume(plan, inputs, id, given, now, self.config.undo_for);
        self.insert(Running { run, headers, key: None, slot: Some(slot), client: None });
    }

    /// Looks whether those that wait for another's answer have it.
    fn look(&self, root: u32, now: Instant) {
        let waiting = self.waiting.take();
        for (prepared, since, until) in waiting {
            if prepared.client.has_left.get() {
                continue;
            }
            let client = Rc::clone(&prepared.client);
            let written = match self.claim(&prepared, now) {
                Verdict::UnderWay if now < until => {
                    self.waiting.borrow_mut().push((prepared, since, until));
                    continue;
                }
                Verdict::Again(kept) if kept.status != 0 => Some(Written::stored(kept)),
                Verdict::First => self.start(prepared, since, now),
                _ => Some(client.refusal(&conflict("a request with this idempotency-key is under way"))),
            };
            if let Some(written) = written {
                client.answer(root, &written);
            }
        }
    }

    /// Has the worker woken when something is due.
    fn sleep(&self, now: Instant, is_tick: bool) {
        let runs = self.runs.borrow();
        let due = runs.values().filter_map(|running| running.run.due()).min().map(|due| due.since(now));
        let look = (!self.waiting.borrow().is_empty()).then_some(LOOK);
        let round = (!runs.is_empty()).then_some(ROUND);
        let again = (!self.unkept.borrow().is_empty()).then_some(AGAIN);
        let due = due.into_iter().chain(look).chain(round).chain(again).min();
        match due {
            _ if is_tick => self.pulse.ticked(due, now),
            Some(due) => self.pulse.wake_in(due, now),
            None => {}
        }
    }

    /// Tells one run something, and does what it says.
    fn drive(&self, root: u32, number: u32, now: Instant, tell: impl FnOnce(&mut Run, &mut Vec<Action>)) {
        // Out of the table for the while: what the host calls back in between finds the table free.
        let Some(mut running) = self.runs.borrow_mut().remove(&number) else { return };
        if running.key.is_none() && running.client.as_ref().is_some_and(|client| client.has_left.get()) {
            running.run.abandon();
        }
        let mut actions = Vec::new();
        if !running.run.has_ended() {
            tell(&mut running.run, &mut actions);
        }
        let is_lost = self.perform(root, number, &mut running, actions, now).is_err();
        if is_lost {
            // Another worker has taken it over, and takes it back.
            self.conclude(root, &mut running, &Answer::Failed(Failure::abandoned(), None), now);
        } else if running.run.has_ended() {
            self.forget_key(&running);
        } else {
            self.runs.borrow_mut().insert(number, running);
        }
    }

    /// Does what a run says; `Err` where it is not this worker's any more.
    fn perform(
        &self,
        root: u32,
        number: u32,
        running: &mut Running,
        actions: Vec<Action>,
        now: Instant,
    ) -> Result<(), ()> {
        let mut actions = std::collections::VecDeque::from(actions);
        while let Some(action) = actions.pop_front() {
            match action {
                Action::Keep => self.write_down(running, now)?,
                Action::Forget => self.strike_out(running)?,
                Action::Send(request) => {
                    if let Err(own) = self.send(number, running, &request) {
                        let mut more = Vec::new();
                        running.run.hear(own, &Outcome::Unsent, now, &mut more);
                        actions.extend(more);
                    }
                }
                Action::Answer(answer) => self.conclude(root, running, &answer, now),
                Action::Alarm(text) => self.alarm(&text),
            }
        }
        Ok(())
    }

    /// Sends one call; `Err` is the run's own token of one that could not be sent.
    fn send(&self, number: u32, running: &Running, request: &Request) -> Result<(), u32> {
        let trace = running.headers.iter().find(|(name, _)| name == header::TRACEPARENT);
        let trace = trace.and_then(|(_, parent)| span(parent, shell::random()));
        let mut headers =
            vec![(":method", request.method.as_str()), (":path", &request.path), ("accept", "application/json")];
        for (name, value) in &running.headers {
            match (name.as_str(), &trace) {
                (header::TRACEPARENT, Some(trace)) => headers.push((header::TRACEPARENT, trace)),
                (header::PART_OF, _) if !is_unsafe(request.method.as_bytes()) => {}
                (name, _) => headers.push((name, value)),
            }
        }
        if !request.body.is_empty() {
            headers.push(("content-type", "application/json"));
        }
        headers.extend(request.key.as_deref().map(|key| ("idempotency-key", key)));
        let own = running.run.plan().batch().and_then(|batch| batch.cluster.as_deref());
        match callout::send(own.unwrap_or(&self.config.cluster), &headers, request.body.as_bytes(), request.timeout) {
            Ok(token) => {
                self.calls.borrow_mut().insert(token, (number, request.token));
                Ok(())
            }
            Err(error) => {
                log::error!("{} {} not sent: {error}", request.method, request.path);
                Err(request.token)
            }
        }
    }

    /// Answers the client, if there is one, and whoever comes with the same key.
    fn conclude(&self, root: u32, running: &mut Running, answer: &Answer, now: Instant) {
        let plan = running.run.plan();
        let [complete, partial, failed] =
            self.outcomes.get(&plan.name).map_or([None; 3], |outcomes| outcomes.map(Some));
        let outcome = match answer {
            Answer::Made(_, steps) if steps.is_empty() => complete,
            Answer::Made(..) => partial,
            Answer::Failed(..) => failed,
        };
        if let Some(counter) = outcome {
            counter.increment();
        }
        if let Answer::Failed(failure, step) = answer {
            let step = step.as_deref().unwrap_or("as a whole");
            log::warn!("{} failed: {step}: {} ({})", plan.name, failure.reason, failure.status);
        }
        let Some(client) = running.client.take() else { return };
        let written = client.write(plan.status, answer);
        self.keep_answer(running, &written, now);
        client.answer(root, &written);
    }

    /// Cries out what somebody has to look at.
    pub(super) fn alarm(&self, text: &str) {
        self.alarms.increment();
        log::error!("{text}");
    }
}

fn conflict(message: &str) -> Rejection {
    Rejection::Failed { status: 409, message: message.to_owned() }
}

/// Who has made an answer with these headers.
fn author(headers: &Headers) -> Author {
    let is_made_here = [header::LOCAL, header::FALLBACK].iter().any(|mark| headers.first(mark).is_some());
    if is_made_here { Author::Proxy } else { Author::Upstream }
}

/// A trace context (W3C, version 00) with a span of its own in the place of its parent's.
fn span(parent: &str, random: [u8; 8]) -> Option<String> {
    let (head, tail) = (parent.get(..36)?, parent.get(52..)?);
    let own = u64::from_le_bytes(random).max(1);
    (parent.starts_with("00-") && parent.len() == 55).then(|| format!("{head}{own:016x}{tail}"))
}
