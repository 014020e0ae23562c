//! What a run may have to take back, in reverse order, until it is done or given up.
//!
//! Each thing is tried once, the last first, then again after a wait that doubles: one that cannot be taken back now does not
//! hold up the others. A thing in doubt is first asked for: the same request again, by whose key the upstream knows it, is answered as
//! the first was, and then there is something to take back. Where the upstream knows no keys, a doubt stays one, and is cried out.

use std::time::Duration;

use policy::Instant;

use crate::failure::{Author, Failure, Outcome};
use crate::plan::{Composition, Step};
use crate::run::Action;
use crate::value::Value;

/// The first wait between two tries, and the longest.
const WAIT: Duration = Duration::from_millis(200);
const WAIT_MAX: Duration = Duration::from_secs(30);
/// For so long, a call whose answer was never heard may still be under way at the upstream.
const UNDER_WAY: Duration = Duration::from_secs(30);

/// Method, path and body of a request.
pub type Filled = (String, String, String);

/// A call of a step, and what it was answered, where that is known. It says itself what is to be sent for it, and is not at the
/// mercy of what the steps are called, and in which order they stand, when another worker with another policy takes it over.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    /// The step's name.
    pub step: String,
    /// Which of its calls.
    pub element: usize,
    /// What takes it back where its answer is known, or else the call itself; `None` where that is still to be filled in.
    pub next: Option<Filled>,
    /// The upstream's answer.
    pub answer: Option<Value>,
}

impl Given {
    /// Cries out what becomes of it.
    pub fn alarm(&self, plan: &str, said: &str) -> Action {
        let answer = self.answer.as_ref().map_or_else(|| "unknown".to_owned(), Value::to_json);
        Action::Alarm(format!("{}[{}] of {plan} {said}: {answer}", self.step, self.element))
    }
}

#[derive(Debug)]
struct Thing {
    given: Given,
    /// Its own call has not ended.
    is_pending: bool,
    tries: u32,
    due: Instant,
    since: Instant,
    flying: Option<u32>,
}

/// What there may be to take back.
#[derive(Debug)]
pub struct Undo {
    things: Vec<Thing>,
    tried_for: Duration,
    is_begun: bool,
}

impl Undo {
    /// Nothing yet; what is to be taken back is tried for so long.
    pub const fn new(tried_for: Duration) -> Self {
        Self { things: Vec::new(), tried_for, is_begun: false }
    }

    /// What there may be, in the order in which it was done.
    pub fn given(&self) -> Vec<Given> {
        self.things.iter().map(|thing| thing.given.clone()).collect()
    }

    /// Takes over what another worker may have done.
    pub fn take_over(&mut self, given: Vec<Given>, now: Instant) {
        self.is_begun = true;
        let thing = |given| Thing { given, is_pending: false, tries: 0, due: now, since: now, flying: None };
        self.things = given.into_iter().map(thing).collect();
    }

    /// A call leaves.
    pub fn sends(&mut self, step: &str, element: usize, call: Filled) {
        let given = Given { step: step.to_owned(), element, next: Some(call), answer: None };
        let epoch = Instant::EPOCH;
        self.things.push(Thing { given, is_pending: true, tries: 0, due: epoch, since: epoch, flying: None });
    }

    /// From now on things are taken back.
    pub fn begin(&mut self, now: Instant) {
        self.is_begun = true;
        for thing in &mut self.things {
            (thing.due, thing.since) = (now, now);
        }
    }

    fn find(&mut self, step: &str, element: usize) -> Option<&mut Thing> {
        self.things.iter_mut().find(|thing| thing.given.step == step && thing.given.element == element)
    }

    /// A call was answered with this, and that takes it back.
    pub fn did(&mut self, step: &str, element: usize, answer: Value, undo: Option<Filled>, now: Instant) {
        if let Some(thing) = self.find(step, element) {
            thing.given.answer = Some(answer);
            thing.given.next = undo;
            thing.is_pending = false;
            (thing.due, thing.since) = (now, now);
        }
    }

    /// A call did nothing, or nothing of it is left.
    pub fn did_not(&mut self, step: &str, element: usize) {
        self.things.retain(|thing| thing.given.step != step || thing.given.element != element);
    }

    /// Nobody knows what a call did.
    pub fn may_have(
        &mut self,
        step: &Step,
        element: usize,
        failure: &Failure,
        plan: &Composition,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        if step.is_repeatable {
            if let Some(thing) = self.find(&step.name, element) {
                thing.is_pending = false;
                (thing.due, thing.since) = (now, now);
            }
            return;
        }
        self.did_not(&step.name, element);
        let (step, plan, reason) = (&step.name, &plan.name, &failure.reason);
        actions.push(Action::Alarm(format!(
            "{step}[{element}] of {plan} may have been done and cannot be taken back: {reason}"
        )));
    }

    /// The next thing to take back now, the last first; one at a time. Without an answer, it is to be asked for.
    pub fn next(&self, now: Instant) -> Option<Given> {
        if self.things.iter().any(|thing| thing.flying.is_some()) {
            return None;
        }
        let open = self.things.iter().rev().filter(|thing| !thing.is_pending && (thing.due <= now || thing.tries == 0));
        let thing = open.min_by_key(|thing| thing.tries)?;
        Some(thing.given.clone())
    }

    /// What takes it back, or asks for it, has left.
    pub fn sent(&mut self, step: &str, element: usize, token: u32) {
        if let Some(thing) = self.find(step, element) {
            thing.flying = Some(token);
        }
    }

    /// Takes in what became of that.
    pub fn hear(&mut self, token: u32, outcome: &Outcome, plan: &Composition, now: Instant, actions: &mut Vec<Action>) {
        let tried_for = self.tried_for;
        let Some(at) = self.things.iter().position(|thing| thing.flying == Some(token)) else { return };
        let Some(thing) = self.things.get_mut(at) else { return };
        thing.flying = None;
        // A route that is missing here says nothing of what is there.
        let status = match outcome {
            Outcome::Answer { status, by: Author::Upstream, .. } => *status,
            _ => 0,
        };
        let is_good = (200..=299).contains(&status);
        let is_over = match (&thing.given.answer, is_good) {
            (Some(_), true) => true,
            // What is not known there, or is gone, need not be taken back.
            (Some(_), false) => matches!(status, 404 | 410),
            (None, true) => match outcome.read() {
                Ok(answer) => {
                    (thing.given.answer, thing.given.next) = (Some(answer), None);
                    (thing.tries, thing.due) = (0, now);
                    actions.push(Action::Keep);
                    return;
                }
                Err(_) => false,
            },
            // It is refused now, and so it was not done then: the upstream would know its key. A conflict may be with the first
            // one, as long as that may be under way (draft-ietf-httpapi-idempotency-key-header §2.7).
            (None, false) => match status {
                409 => now.since(thing.since) >= UNDER_WAY,
                _ => matches!(status, 400 | 404 | 410 | 422),
            },
        };
        if is_over {
            self.things.remove(at);
            actions.push(Action::Keep);
            return;
        }
        thing.tries += 1;
        thing.due = now + (WAIT * 2_u32.saturating_pow(thing.tries.min(16) - 1)).min(WAIT_MAX);
        if now.since(thing.since) >= tried_for {
            let said = format!("was not taken back in {} tries", thing.tries);
            actions.push(thing.given.alarm(&plan.name, &said));
            self.things.remove(at);
        }
    }

    /// Whether everything has been tried once that can be.
    pub fn has_tried_all(&self) -> bool {
        self.things.iter().all(|thing| thing.is_pending || thing.tries > 0)
    }

    /// Whether nothing is left.
    pub const fn is_over(&self) -> bool {
        self.things.is_empty()
    }

    /// When something is to be tried again.
    pub fn due(&self) -> Option<Instant> {
        let is_idle = self.is_begun && self.things.iter().all(|thing| thing.flying.is_none());
        let open = self.things.iter().filter(|thing| !thing.is_pending).map(|thing| thing.due);
        if is_idle { open.min() } else { None }
    }
}
