//! Workers that change one state at the same time, each by compare-and-swap.
//!
//! Every order in which the reads and the swaps of a few workers can follow each other is played. A worker whose swap finds
//! another version reads again, as the shell does it.

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use std::time::Duration;

use super::{START, limits};
use crate::limits::Limits;
use crate::state::{Decision, End, Outcome, Permit, Recorded, State};

const FAILURE: End = End { outcome: Outcome::Failure, took: Duration::ZERO, retry_after: Duration::ZERO };
const SUCCESS: End = End { outcome: Outcome::Success, ..FAILURE };

/// A value of shared data.
#[derive(Clone, Default)]
struct Stored {
    bytes: Vec<u8>,
    version: u32,
}

/// What a worker wants to change, and where it is with that.
#[derive(Clone)]
struct Worker<'a> {
    wants: Wants<'a>,
    /// What it has read and decided, and at which version.
    decided: Option<(u32, Option<Vec<u8>>, Answer)>,
    answer: Option<Answer>,
}

#[derive(Clone)]
enum Wants<'a> {
    ToPass,
    ToTell(Permit, &'a End),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Answer {
    Asked(Decision),
    Told(Recorded),
}

impl Worker<'_> {
    fn new(wants: Wants<'_>) -> Worker<'_> {
        Worker { wants, decided: None, answer: None }
    }

    /// Reads, or swaps what it has read.
    fn step(&mut self, stored: &mut Stored, limits: &Limits) {
        let now = START + Duration::from_secs(10);
        let Some((version, bytes, answer)) = self.decided.take() else {
            let before = State::read(&stored.bytes);
            let mut state = before.clone();
            let answer = match self.wants {
                Wants::ToPass => Answer::Asked(state.admit(limits, now)),
                Wants::ToTell(permit, end) => Answer::Told(state.record(limits, now, permit, end, || [0; 4])),
            };
            let mut bytes = Vec::new();
            state.write(&mut bytes);
            self.decided = Some((stored.version, (state != before).then_some(bytes), answer));
            return;
        };
        if let Some(bytes) = bytes {
            if version != stored.version {
                return;
            }
            *stored = Stored { bytes, version: version + 1 };
        }
        self.answer = Some(answer);
    }
}

/// Plays every order, and shows each of them what the workers were told and what is stored then. Returns how many there are.
fn every_order(
    stored: &Stored,
    workers: &[Worker<'_>],
    limits: &Limits,
    seen: &mut impl FnMut(&[Answer], &State),
) -> u32 {
    let mut orders = 0;
    for index in 0..workers.len() {
        if workers[index].answer.is_none() {
            let (mut stored, mut workers) = (stored.clone(), workers.to_vec());
            workers[index].step(&mut stored, limits);
            orders += every_order(&stored, &workers, limits, seen);
        }
    }
    if orders > 0 {
        return orders;
    }
    let answers: Vec<Answer> = workers.iter().filter_map(|worker| worker.answer).collect();
    seen(&answers, &State::read(&stored.bytes));
    1
}

/// A breaker that may turn half-open, with one place for a probe, or with as many as are said.
fn open(places: u32) -> (Limits, Stored) {
    let limits = limits(&format!(
        r#"{{"consecutive_failures": 1, "open_for": "10s", "half_open_requests": {places}, "close_after": {places}}}"#
    ));
    let mut state = State::default();
    let Decision::Pass(permit) = state.admit(&limits, START) else { panic!("refused") };
    state.record(&limits, START, permit, &FAILURE, || [0; 4]);
    let mut stored = Stored::default();
    state.write(&mut stored.bytes);
    (limits, stored)
}

fn passed(answers: &[Answer]) -> Vec<Permit> {
    let permit =
        |answer: &Answer| if let Answer::Asked(Decision::Pass(permit)) = answer { Some(*permit) } else { None };
    answers.iter().filter_map(permit).collect()
}

#[test]
fn of_workers_that_race_for_the_last_probe_one_gets_it() {
    for places in [1, 2] {
        let (limits, stored) = open(places);
        let workers = vec![Worker::new(Wants::ToPass); 3];
        let orders = every_order(&stored, &workers, &limits, &mut |answers, state| {
            let permits = passed(answers);
            assert_eq!(permits.len(), places as usize, "{answers:?}");
            assert!(permits.iter().all(|one| permits.iter().filter(|other| *other == one).count() == 1), "{permits:?}");
            assert_eq!(state.generation, 2);
        });
        assert!(orders > 90, "only {orders} orders");
    }
}

#[test]
fn a_probe_s_end_and_a_call_that_asks_meet_in_any_order() {
    let (limits, mut stored) = open(1);
    let mut first = Worker::new(Wants::ToPass);
    first.step(&mut stored, &limits);
    first.step(&mut stored, &limits);
    let permit = passed(&[first.answer.unwrap()])[0];
    for (end, closes) in [(&SUCCESS, true), (&FAILURE, false)] {
        let workers = [Worker::new(Wants::ToTell(permit, end)), Worker::new(Wants::ToPass)];
        every_order(&stored, &workers, &limits, &mut |answers, state| {
            let Answer::Told(recorded) = answers[0] else { panic!("{answers:?}") };
            assert_eq!(recorded == Recorded::Closed, closes, "{answers:?}");
            assert_eq!(state.generation, 3);
            assert!(closes || passed(answers).is_empty(), "{answers:?}");
        });
    }
}

#[test]
fn of_failures_that_race_each_counts_once() {
    let limits = limits(r#"{"consecutive_failures": 3, "open_for": "10s"}"#);
    let Decision::Pass(permit) = State::default().admit(&limits, START) else { panic!("refused") };
    let workers = vec![Worker::new(Wants::ToTell(permit, &FAILURE)); 3];
    every_order(&Stored::default(), &workers, &limits, &mut |answers, state| {
        let opened = answers.iter().filter(|answer| matches!(answer, Answer::Told(Recorded::Opened { .. }))).count();
        assert_eq!((opened, state.generation), (1, 1), "{answers:?}");
    });
}
