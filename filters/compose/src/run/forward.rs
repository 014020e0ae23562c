//! What a run does next: the steps whose turn it is, the answer when all have ended, and what is taken back when one has failed.

use std::rc::Rc;
use std::time::Duration;

use policy::Instant;

use super::{Action, Answer, Begun, Flying, LISTENED_FOR, Phase, Request, Run, Track};
use crate::batch;
use crate::failure::Failure;
use crate::plan::{Call, Step};
use crate::template::Unfilled;
use crate::undo::Filled;
use crate::value::Value;

/// How long the answer to what takes something back is waited for, where its step is not there to say so.
const UNDO_TIMEOUT: Duration = Duration::from_secs(5);

impl Run {
    /// Sends what can be sent, and ends what has ended.
    pub(super) fn advance(&mut self, now: Instant, actions: &mut Vec<Action>) {
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
            has_failed |= match (result, &step.call) {
                (Ok(response), Call::Item) => batch::is_failure(response),
                _ => result.is_err(),
            };
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
        if matches!(step.call, Call::Item) {
            return batch::unanswered(failure, self.request_id().as_ref());
        }
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
        let (method, path, body) = match filled {
            Ok(filled) => filled,
            Err(unfilled) => {
                self.settle(index, element, Err(Failure::unusable(&unfilled.0)), now);
                return true;
            }
        };
        let token = self.token();
        let has_undo = step.undo.is_some();
        if has_undo {
            self.undo.sends(&step.name, element, (method.clone(), path.clone(), body.clone()));
            actions.push(Action::Keep);
        }
        let timeout = match step.call {
            _ if has_undo => step.deadline + LISTENED_FOR,
            // Nobody waits for what is late, and Envoy has no other way to hear that it is.
            Call::Item => self.deadline.since(now),
            Call::Written { .. } => step.deadline,
        };
        let key = has_undo.then(|| self.key(&step.name, element, "do"));
        actions.push(Action::Send(Request { token, method, path, body, key, timeout }));
        self.calls.push(Flying { token, step: index, element, deadline: now + step.deadline, is_late: false });
        true
    }

    fn token(&mut self) -> u32 {
        self.next = self.next.wrapping_add(1);
        self.next
    }

    /// By which an upstream knows a call when it comes again.
    fn key(&self, step: &str, element: usize, what: &str) -> String {
        format!("{}-{step}-{element}-{what}", self.id)
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

    /// Sends what takes the next thing back, or asks for it; what nothing can be sent for is cried out.
    fn undo_next(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let Some(given) = self.undo.next(now) else { return };
        let plan = Rc::clone(&self.plan);
        let step = plan.steps.iter().find(|step| step.name == given.step);
        // One that was taken over may be of a policy that is not this one.
        let filled = match (&given.next, &given.answer, step) {
            (Some(undo), Some(_), _) => Ok(undo.clone()),
            (Some(call), None, Some(step)) if step.is_repeatable => Ok(call.clone()),
            (_, None, Some(_)) => Err(Unfilled("its upstream knows no repeated call".to_owned())),
            (None, Some(answer), Some(step)) => self.undo_of(step, given.element, answer),
            (_, _, None) => Err(Unfilled("there is no such step any more".to_owned())),
        };
        match filled {
            Ok((method, path, body)) => {
                let token = self.token();
                let what = if given.answer.is_some() { "undo" } else { "do" };
                let key = Some(self.key(&given.step, given.element, what));
                self.undo.sent(&given.step, given.element, token);
                let timeout = step.map_or(UNDO_TIMEOUT, |step| step.deadline);
                actions.push(Action::Send(Request { token, method, path, body, key, timeout }));
            }
            Err(Unfilled(reason)) => {
                self.undo.did_not(&given.step, given.element);
                actions.push(given.alarm(&plan.name, &format!("cannot be taken back, since {reason}")));
            }
        }
    }

    /// What takes a call back that was answered with this.
    pub(super) fn undo_of(&self, step: &Step, element: usize, answer: &Value) -> Result<Filled, Unfilled> {
        let undo = step.undo.as_ref().ok_or_else(|| Unfilled("its step has no `undo` any more".to_owned()))?;
        let item = match &step.each {
            Some(each) => {
                let list = self.fill(step, None, &[], |scope| each.fill(scope))?;
                list.items().and_then(|items| items.get(element)).cloned()
            }
            None => None,
        };
        self.fill(step, item.as_ref(), &[("self", answer)], |scope| written(undo, scope))
    }

    fn base(&self) -> Vec<(&str, &Value)> {
        vec![("request", &self.inputs.request), ("path", &self.inputs.path), ("body", &self.inputs.body)]
    }

    /// Fills a template of a step in.
    pub(super) fn fill<T>(
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

/// Method, path and body of a call.
fn written(call: &Call, scope: &[(&str, &Value)]) -> Result<Filled, Unfilled> {
    let Call::Written { method, path, body } = call else {
        let item = scope.iter().find(|(name, _)| *name == "item");
        return item.map(|(_, request)| batch::written(request)).ok_or_else(|| Unfilled("there is no item".to_owned()));
    };
    let body = match body {
        Some(template) => template.fill(scope)?.to_json(),
        None => String::new(),
    };
    Ok((method.clone(), path.fill(scope, true)?, body))
}
