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

use std::rc::Rc;
use std::time::Duration;

use policy::Instant;

use crate::failure::{Failure, Outcome};
use crate::plan::{Call, Composition, Step};
use crate::template::Unfilled;
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
    /// A run that is to begin; `id` is unlike that of any other.
    pub fn new(plan: &Rc<Composition>, inputs: Inputs, id: String, now: Instant, undo_for: Duration) -> Self {
        Self {
            inputs,
            id,
            tracks: plan.steps.iter().map(|_| Track::Waiting).collect(),
            calls: Vec::new(),
            undo: Undo::new(undo_for),
            next: 0,
            deadline: now + plan.deadline,
            phase: Phase::Forward,
            is_answered: false,
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
            self.fail(Failure::late(), None, now);
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
        let result = outcome.read();
        if has_undo {
            match &result {
                Ok(answer) => self.undo.did(call.step, call.element, answer.clone(), now),
                Err(_) if was_sure => self.undo.did_not(call.step, call.element),
                Err(failure) => self.undo.may_have(call.step, call.element, failure, &plan, now, actions),
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

    /// Sends what can be sent, and ends what has ended.
    fn advance(&mut self, now: Instant, actions: &mut Vec<Action>) {
        while self.phase == Phase::Forward && self.launch(now, actions) {}
        if self.phase == Phase::Forward && self.tracks.iter().all(|track| matches!(track, Track::Done { .. })) {
            self.finish(now, actions);
        }
        if !matches!(self.phase, Phase::Undoing(..)) {
            return;
        }
        if self.undo.has_tried_all() {
            self.answer_failure(actions);
        }
        self.undo_next(now, actions);
        if self.undo.is_over() {
            self.calls.clear();
            self.phase = Phase::Ended;
            if self.plan.has_undo() {
                actions.push(Action::Forget);
            }
        }
    }

    /// Begins, feeds or ends one step; says whether anything has changed.
    fn launch(&mut self, now: Instant, actions: &mut Vec<Action>) -> bool {
        for index in 0..self.tracks.len() {
            let changed = match self.tracks.get(index) {
                Some(Track::Waiting) => self.begin(index, now),
                Some(Track::Begun(_)) => self.end(index, actions) || self.feed(index, now, actions),
                _ => false,
            };
            if changed || self.phase != Phase::Forward {
                return changed;
            }
        }
        false
    }

    /// Begins a step whose turn it is.
    fn begin(&mut self, index: usize, now: Instant) -> bool {
        let plan = Rc::clone(&self.plan);
        let Some(step) = plan.steps.get(index) else { return false };
        if !step.after.iter().all(|before| matches!(self.tracks.get(*before), Some(Track::Done { .. }))) {
            return false;
        }
        let begun = match &step.each {
            None => Ok(Begun::new(vec![Value::Null], false, false)),
            Some(each) => match self.fill(step, None, &[], |scope| each.fill(scope)) {
                Ok(Value::List(list)) => Ok(Begun::new(list, true, step.is_unique)),
                Ok(_) => Err(Failure::unusable("each is no list")),
                Err(unfilled) => Err(Failure::unusable(&unfilled.0)),
            },
        };
        match begun {
            Ok(begun) => *self.tracks.get_mut(index).unwrap_or(&mut Track::Waiting) = Track::Begun(begun),
            Err(failure) => self.fail(failure, Some(step.name.clone()), now),
        }
        true
    }

    /// Ends a step all of whose calls have ended.
    fn end(&mut self, index: usize, actions: &mut Vec<Action>) -> bool {
        let plan = Rc::clone(&self.plan);
        let (Some(step), Some(Track::Begun(begun))) = (plan.steps.get(index), self.tracks.get(index)) else {
            return false;
        };
        if begun.results.iter().any(Option::is_none) {
            return false;
        }
        let mut has_failed = false;
        let mut values = Vec::with_capacity(begun.places.len());
        for place in &begun.places {
            let Some(Some(result)) = begun.results.get(*place) else { continue };
            has_failed |= result.is_err();
            values.push(match result {
                Ok(value) => value.clone(),
                Err(failure) => self.of_failure(step, begun.elements.get(*place), failure),
            });
        }
        if step.undo.is_some() {
            // What it did is known now; nothing of it needs to be asked for again.
            actions.push(Action::Keep);
        }
        let value = if begun.is_list { Value::List(values) } else { values.pop().unwrap_or(Value::Null) };
        if let Some(track) = self.tracks.get_mut(index) {
            *track = Track::Done { value, has_failed };
        }
        true
    }

    /// What a failure of a step that is not required becomes.
    fn of_failure(&self, step: &Step, element: Option<&Value>, failure: &Failure) -> Value {
        let error = Value::object([
            ("step", Value::text(&step.name)),
            ("status", Value::number(u64::from(failure.status))),
            ("reason", Value::text(&failure.reason)),
        ]);
        let filled = self.fill(step, element, &[("error", &error)], |scope| step.failure.fill(scope));
        filled.unwrap_or(Value::Null)
    }

    /// Sends the next call of a step, where there is room for it.
    fn feed(&mut self, index: usize, now: Instant, actions: &mut Vec<Action>) -> bool {
        let plan = Rc::clone(&self.plan);
        let (Some(step), Some(Track::Begun(begun))) = (plan.steps.get(index), self.tracks.get(index)) else {
            return false;
        };
        let element = begun.next;
        let Some(item) = begun.elements.get(element) else { return false };
        let on_time = || self.calls.iter().filter(|call| !call.is_late);
        if on_time().count() >= plan.at_once || on_time().filter(|call| call.step == index).count() >= step.at_once {
            return false;
        }
        let item = begun.is_list.then(|| item.clone());
        let filled = self.fill(step, item.as_ref(), &[], |scope| written(&step.call, scope));
        if let Some(Track::Begun(begun)) = self.tracks.get_mut(index) {
            begun.next += 1;
        }
        let (path, body) = match filled {
            Ok(filled) => filled,
            Err(unfilled) => {
                self.settle(index, element, Err(Failure::unusable(&unfilled.0)), now);
                return true;
            }
        };
        let token = self.token();
        let has_undo = step.undo.is_some();
        if has_undo {
            self.undo.sends(index, element);
            actions.push(Action::Keep);
        }
        let timeout = if has_undo { step.deadline + LISTENED_FOR } else { step.deadline };
        let key = has_undo.then(|| self.key(step, element, "do"));
        actions.push(Action::Send(Request { token, method: step.call.method.clone(), path, body, key, timeout }));
        self.calls.push(Flying { token, step: index, element, deadline: now + step.deadline, is_late: false });
        true
    }

    fn token(&mut self) -> u32 {
        self.next = self.next.wrapping_add(1);
        self.next
    }

    /// By which an upstream knows a call when it comes again.
    fn key(&self, step: &Step, element: usize, what: &str) -> String {
        format!("{}-{}-{element}-{what}", self.id, step.name)
    }

    /// Everything has been answered.
    fn finish(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let mut failed = Vec::new();
        let mut good = 0;
        let mut scope: Vec<(&str, &Value)> = self.base();
        for (step, track) in self.plan.steps.iter().zip(&self.tracks) {
            let Track::Done { value, has_failed } = track else { continue };
            scope.push((&step.name, value));
            if *has_failed {
                failed.push(step.name.clone());
            } else {
                good += 1;
            }
        }
        let filled = self.plan.answer.fill(&scope);
        if good < self.plan.needs {
            let worst = Failure::too_few();
            return self.fail(worst, Some(failed.join(", ")), now);
        }
        match filled {
            Err(unfilled) => self.fail(Failure::unusable(&unfilled.0), Some("answer".to_owned()), now),
            Ok(value) => {
                self.phase = Phase::Ended;
                if self.plan.has_undo() {
                    actions.push(Action::Forget);
                }
                if !self.is_answered {
                    self.is_answered = true;
                    actions.push(Action::Answer(Answer::Made(value, failed)));
                }
            }
        }
    }

    /// Sends what takes the next thing back.
    fn undo_next(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let Some((step_index, element, answer)) = self.undo.next(now) else { return };
        let plan = Rc::clone(&self.plan);
        let Some(step) = plan.steps.get(step_index) else { return self.undo.did_not(step_index, element) };
        let item = match &step.each {
            Some(each) => {
                let list = self.fill(step, None, &[], |scope| each.fill(scope)).ok();
                list.as_ref().and_then(Value::items).and_then(|items| items.get(element)).cloned()
            }
            None => None,
        };
        let (call, what) = match &answer {
            Some(_) => (step.undo.as_ref(), "undo"),
            None => (Some(&step.call), "do"),
        };
        let Some(call) = call else { return self.undo.did_not(step_index, element) };
        let own: Vec<(&str, &Value)> = answer.iter().map(|answer| ("self", answer)).collect();
        match self.fill(step, item.as_ref(), &own, |scope| written(call, scope)) {
            Ok((path, body)) => {
                let token = self.token();
                let key = Some(self.key(step, element, what));
                self.undo.sent(step_index, element, token);
                let timeout = step.deadline;
                actions.push(Action::Send(Request { token, method: call.method.clone(), path, body, key, timeout }));
            }
            Err(Unfilled(reason)) => {
                self.undo.did_not(step_index, element);
                actions.push(Action::Alarm(format!(
                    "{}[{element}] of {} cannot be taken back: {reason}",
                    step.name, plan.name
                )));
            }
        }
    }

    fn base(&self) -> Vec<(&str, &Value)> {
        vec![("request", &self.inputs.request), ("path", &self.inputs.path), ("body", &self.inputs.body)]
    }

    /// Fills a template of a step in.
    fn fill<T>(
        &self,
        step: &Step,
        item: Option<&Value>,
        own: &[(&str, &Value)],
        fill: impl FnOnce(&[(&str, &Value)]) -> Result<T, Unfilled>,
    ) -> Result<T, Unfilled> {
        let mut scope = self.base();
        for place in &step.after {
            if let (Some(before), Some(Track::Done { value, .. })) =
                (self.plan.steps.get(*place), self.tracks.get(*place))
            {
                scope.push((&before.name, value));
            }
        }
        scope.extend(item.map(|item| ("item", item)));
        scope.extend(own);
        fill(&scope)
    }
}

/// Path and body of a call.
fn written(call: &Call, scope: &[(&str, &Value)]) -> Result<(String, String), Unfilled> {
    let body = match &call.body {
        Some(template) => template.fill(scope)?.to_json(),
        None => String::new(),
    };
    Ok((call.path.fill(scope, true)?, body))
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
