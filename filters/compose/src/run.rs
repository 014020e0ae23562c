//! One composition under way: events in, actions out.
//!
//! ```text
//!   forward ──all steps ended──────────────────────────► ended, answered
//!      │ a required step failed, or the whole is late
//!      ▼
//!   undoing ──everything is taken back, or given up────► ended, answered on the way
//! ```
//!
//! What a step with an `undo` did is known when its answer comes. From the moment it is sent until then it is a *doubt*: the
//! upstream may have done it. So before it leaves, the doubt is written down ([`Action::Keep`]), and whoever goes on with the
//! work, this worker or another after its death, knows what there may be to take back ([`crate::undo`]). An order is
//! confirmed by forgetting what was written down, and after that by telling the client.
//!
//! A call whose deadline has passed is a failure, but it is listened to for [`LISTENED_FOR`] longer where it can be taken back: the upstream
//! may yet say that it did it.

mod forward;

use std::rc::Rc;
use std::time::Duration;

use policy::{Instant, RequestId};

use crate::batch;
use crate::failure::{Failure, Outcome};
use crate::plan::{Call, Composition};
use crate::undo::{Given, Undo};
use crate::value::Value;

/// How long a call that can be taken back is listened to after its deadline.
pub const LISTENED_FOR: Duration = Duration::from_secs(30);

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Write down what there may be to take back, before anything that follows.
    Keep,
    /// There is nothing to take back any more.
    Forget,
    /// Send a request.
    Send(Request),
    /// Answer the client.
    Answer(Answer),
    /// Something was not taken back, or may not have been: somebody has to look.
    Alarm(String),
}

/// A request to an upstream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// By which its answer is told.
    pub token: u32,
    /// The method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The body; empty where there is none.
    pub body: String,
    /// By which the upstream knows it when it comes again.
    pub key: Option<String>,
    /// How long its answer is waited for.
    pub timeout: Duration,
}

/// What the client gets.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// What the composition makes, and the steps that failed without harm.
    Made(Value, Vec<String>),
    /// It failed, at this step if at one.
    Failed(Failure, Option<String>),
}

/// What the request says.
#[derive(Clone, Debug, PartialEq)]
pub struct Inputs {
    /// Of itself; see [`crate::plan::REQUEST`].
    pub request: Value,
    /// In its path.
    pub path: Value,
    /// In its body.
    pub body: Value,
}

/// A composition under way.
#[derive(Debug)]
pub struct Run {
    plan: Rc<Composition>,
    pub(crate) inputs: Inputs,
    /// Unlike that of any other: part of the keys of its calls.
    pub(crate) id: String,
    tracks: Vec<Track>,
    calls: Vec<Flying>,
    undo: Undo,
    next: u32,
    deadline: Instant,
    phase: Phase,
    is_answered: bool,
    /// What the answers to the calls of a batch take of [`batch::ANSWERS_BYTES_MAX`].
    answer_bytes: usize,
}

#[derive(Debug, PartialEq)]
enum Phase {
    Forward,
    /// With what the client is told when everything was tried.
    Undoing(Failure, Option<String>),
    Ended,
}

/// How far a step is.
#[derive(Debug)]
enum Track {
    Waiting,
    Begun(Begun),
    Done { value: Value, has_failed: bool },
}

#[derive(Debug)]
struct Begun {
    /// What is asked for.
    elements: Vec<Value>,
    /// For each value of the list, which element it is.
    places: Vec<usize>,
    is_list: bool,
    next: usize,
    results: Vec<Option<Result<Value, Failure>>>,
}

#[derive(Debug)]
struct Flying {
    token: u32,
    step: usize,
    element: usize,
    /// When it has failed.
    deadline: Instant,
    is_late: bool,
}

impl Run {
    /// A run that is to begin, of a request that came `since`; `id` is unlike that of any other.
    pub fn new(plan: &Rc<Composition>, inputs: Inputs, id: String, since: Instant, undo_for: Duration) -> Self {
        Self {
            inputs,
            id,
            tracks: plan.steps.iter().map(|_| Track::Waiting).collect(),
            calls: Vec::new(),
            undo: Undo::new(undo_for),
            next: 0,
            deadline: since + plan.deadline,
            phase: Phase::Forward,
            is_answered: false,
            answer_bytes: 0,
            plan: Rc::clone(plan),
        }
    }

    /// What is left of a run whose worker died: everything that it may have done is taken back.
    pub fn resume(
        plan: &Rc<Composition>,
        inputs: Inputs,
        id: String,
        given: Vec<Given>,
        now: Instant,
        undo_for: Duration,
    ) -> Self {
        let mut run = Self::new(plan, inputs, id, now, undo_for);
        run.phase = Phase::Undoing(Failure::abandoned(), None);
        run.is_answered = true;
        run.undo.take_over(given, now);
        run
    }

    /// The composition.
    pub fn plan(&self) -> &Rc<Composition> {
        &self.plan
    }

    /// Whether there is nothing more to do or to hear.
    pub fn has_ended(&self) -> bool {
        self.phase == Phase::Ended
    }

    /// What there may be to take back.
    pub fn kept(&self) -> Vec<Given> {
        self.undo.given()
    }

    /// Goes on with whatever can be done now: at the beginning, and when a deadline may have passed.
    pub fn go_on(&mut self, now: Instant, actions: &mut Vec<Action>) {
        self.expire(now, actions);
        self.advance(now, actions);
    }

    /// Takes in what a call came to.
    pub fn hear(&mut self, token: u32, outcome: &Outcome, now: Instant, actions: &mut Vec<Action>) {
        if let Some(at) = self.calls.iter().position(|call| call.token == token) {
            let call = self.calls.swap_remove(at);
            self.conclude(&call, outcome, now, actions);
        } else {
            self.undo.hear(token, outcome, &self.plan, now, actions);
        }
        self.go_on(now, actions);
    }

    /// Ends it, where nothing can have been done that matters to anybody but a client who has left.
    pub fn abandon(&mut self) {
        if !self.plan.has_undo() {
            self.phase = Phase::Ended;
        }
    }

    /// When [`Run::go_on`] is due.
    pub fn due(&self) -> Option<Instant> {
        let overall = (!self.is_answered || self.phase == Phase::Forward).then_some(self.deadline);
        let calls = self.calls.iter().filter(|call| !call.is_late).map(|call| call.deadline);
        overall.into_iter().chain(calls).chain(self.undo.due()).min()
    }

    /// Turns what is late into failures.
    fn expire(&mut self, now: Instant, actions: &mut Vec<Action>) {
        if self.phase == Phase::Forward && now >= self.deadline {
            if self.plan.batch().is_some() {
                self.give_up_calls();
            } else {
                self.fail(Failure::late(), None, now);
            }
        }
        while self.phase == Phase::Forward {
            let late = self.calls.iter_mut().find(|call| !call.is_late && now >= call.deadline);
            let Some(call) = late else { break };
            let (step, element) = (call.step, call.element);
            call.is_late = true;
            self.settle(step, element, Err(Failure::late()), now);
        }
        if self.phase != Phase::Forward {
            // Nobody waits for what cannot be taken back.
            self.calls.retain(|call| self.plan.steps.get(call.step).is_some_and(|step| step.undo.is_some()));
            self.calls.iter_mut().for_each(|call| call.is_late = true);
        }
        if now >= self.deadline {
            self.answer_failure(actions);
        }
    }

    /// Takes in the end of a call of a step.
    fn conclude(&mut self, call: &Flying, outcome: &Outcome, now: Instant, actions: &mut Vec<Action>) {
        let plan = Rc::clone(&self.plan);
        let Some(step) = plan.steps.get(call.step) else { return };
        let has_undo = step.undo.is_some();
        let was_sure = outcome.is_sure();
        let result = match &step.call {
            Call::Item => {
                self.room_for(call, outcome).and_then(|()| batch::response(outcome, self.request_id().as_ref(), now))
            }
            Call::Written { .. } if has_undo => outcome.done(),
            Call::Written { .. } => outcome.read(),
        };
        if has_undo {
            match &result {
                Ok(answer) => {
                    let undo = self.undo_of(step, call.element, answer).ok();
                    self.undo.did(&step.name, call.element, answer.clone(), undo, now);
                }
                Err(_) if was_sure => self.undo.did_not(&step.name, call.element),
                Err(failure) => self.undo.may_have(step, call.element, failure, &plan, now, actions),
            }
        }
        if call.is_late || self.phase != Phase::Forward {
            return;
        }
        let result = result.and_then(|answer| {
            let element = self.element(call.step, call.element);
            let made = self.fill(step, element.as_ref(), &[("self", &answer)], |scope| step.answer.fill(scope));
            made.map_err(|unfilled| Failure::unusable(&unfilled.0))
        });
        self.settle(call.step, call.element, result, now);
    }

    fn element(&self, step: usize, element: usize) -> Option<Value> {
        match self.tracks.get(step) {
            Some(Track::Begun(begun)) if begun.is_list => begun.elements.get(element).cloned(),
            _ => None,
        }
    }

    /// Answers what of a batch is still to be answered: it is too late for it.
    fn give_up_calls(&mut self) {
        self.calls.clear();
        for track in &mut self.tracks {
            if let Track::Begun(begun) = track {
                begun.next = begun.elements.len();
                begun
                    .results
                    .iter_mut()
                    .for_each(|result| *result = Some(result.take().unwrap_or_else(|| Err(Failure::late()))));
            }
        }
    }

    /// Takes room for an answer of a batch, which is told in each of its places.
    fn room_for(&mut self, call: &Flying, outcome: &Outcome) -> Result<(), Failure> {
        let (Outcome::Answer { body, .. }, Some(Track::Begun(begun))) = (outcome, self.tracks.get(call.step)) else {
            return Ok(());
        };
        let places = begun.places.iter().filter(|place| **place == call.element).count();
        let bytes = self.answer_bytes.saturating_add(body.len().saturating_mul(places));
        if bytes > batch::ANSWERS_BYTES_MAX {
            return Err(Failure::no_room());
        }
        self.answer_bytes = bytes;
        Ok(())
    }

    /// The id of the request that all this is for.
    fn request_id(&self) -> Option<RequestId> {
        self.inputs.request.member("id").and_then(Value::as_text).and_then(|id| RequestId::parse(id.as_bytes()))
    }

    /// Takes note of what one call of a step came to, for good.
    fn settle(&mut self, index: usize, element: usize, result: Result<Value, Failure>, now: Instant) {
        let plan = Rc::clone(&self.plan);
        let Some(step) = plan.steps.get(index) else { return };
        if let (Err(failure), true) = (&result, step.is_required) {
            let of = match self.tracks.get(index) {
                Some(Track::Begun(begun)) if begun.is_list => format!("{}[{element}]", step.name),
                _ => step.name.clone(),
            };
            return self.fail(failure.clone(), Some(of), now);
        }
        if let Some(Track::Begun(begun)) = self.tracks.get_mut(index)
            && let Some(slot) = begun.results.get_mut(element)
            && slot.is_none()
        {
            *slot = Some(result);
        }
    }

    fn fail(&mut self, failure: Failure, step: Option<String>, now: Instant) {
        if self.phase == Phase::Forward {
            self.phase = Phase::Undoing(failure, step);
            self.undo.begin(now);
        }
    }

    fn answer_failure(&mut self, actions: &mut Vec<Action>) {
        if let Phase::Undoing(failure, step) = &self.phase
            && !self.is_answered
        {
            self.is_answered = true;
            actions.push(Action::Answer(Answer::Failed(failure.clone(), step.clone())));
        }
    }
}

impl Begun {
    fn new(list: Vec<Value>, is_list: bool, is_unique: bool) -> Self {
        let mut elements: Vec<Value> = Vec::new();
        let mut places = Vec::with_capacity(list.len());
        for value in list {
            let known = if is_unique { elements.iter().position(|known| *known == value) } else { None };
            places.push(known.unwrap_or(elements.len()));
            if known.is_none() {
                elements.push(value);
            }
        }
        let results = elements.iter().map(|_| None).collect();
        Self { elements, places, is_list, next: 0, results }
    }
}

#[cfg(test)]
mod tests;
