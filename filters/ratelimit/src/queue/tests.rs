//! Who is sent before whom, and what becomes of tickets whose worker falls silent.

use super::*;
use crate::debt::Buckets;
use crate::limit::tests::limits;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const ALICE: u64 = 7;

/// A shared line as workers see it, one after the other.
#[derive(Default)]
struct Shared(Vec<u8>);

fn at(millis: u64) -> Instant {
    Instant::from_unix_seconds(1_000) + Duration::from_millis(millis)
}

fn ticket(worker: u64, context: u32, priority: u8) -> Ticket {
    Ticket { holder: Holder { worker, context }, caller: ALICE, priority, cost: NonZeroU32::MIN }
}

impl Shared {
    /// What a worker does to the line at a moment, and what it is told.
    fn at<T>(&mut self, millis: u64, act: impl FnOnce(&mut Line) -> T) -> T {
        let mut line = Line::read(&self.0, at(millis));
        let told = act(&mut line);
        line.write(&mut self.0);
        told
    }

    fn join(&mut self, millis: u64, worker: u64, context: u32, priority: u8) -> Joined {
        let max = NonZeroU32::new(5).unwrap();
        self.at(millis, |line| line.join(ticket(worker, context, priority), max))
    }

    /// The contexts that are called with so many tokens.
    fn call(&mut self, millis: u64, mut tokens: u32, worker: u64) -> Vec<u32> {
        self.at(millis, |line| {
            line.call(ALICE, &mut |cost| {
                let pays = tokens.checked_sub(cost.get());
                tokens = pays.unwrap_or(tokens);
                pays.is_some()
            });
            contexts(line.collect(ALICE, worker))
        })
    }
}

fn contexts(collected: Vec<(u32, Instant)>) -> Vec<u32> {
    collected.into_iter().map(|(context, _)| context).collect()
}

#[test]
fn equals_are_sent_as_they_came_whichever_worker_they_are_on() {
    let mut line = Shared::default();
    for (worker, context) in [(1, 10), (2, 20), (1, 11), (2, 21)] {
        assert_eq!(line.join(0, worker, context, 0), Joined::Waits);
    }
    assert_eq!(line.call(1, 1, 2), [] as [u32; 0]);
    assert_eq!(line.call(2, 1, 1), [10]);
    assert_eq!(line.call(3, 1, 2), [20]);
    assert_eq!(line.call(4, 9, 1), [11]);
    assert_eq!(line.call(5, 0, 2), [21]);
}

#[test]
fn a_higher_priority_goes_first_and_is_behind_its_equals() {
    let mut line = Shared::default();
    for (context, priority) in [(1, 0), (2, 5), (3, 9), (4, 5), (5, 0)] {
        line.join(0, 1, context, priority);
    }
    assert_eq!(line.call(1, 5, 1), [3, 2, 4, 1, 5]);
}

#[test]
fn who_comes_sees_those_before_it() {
    let mut line = Shared::default();
    assert_eq!(line.at(0, |line| line.ahead(ALICE, 0)), None);
    line.join(0, 1, 1, 5);
    line.join(0, 1, 2, 0);
    assert_eq!([0, 5, 6].map(|priority| line.at(0, |line| line.ahead(ALICE, priority))), [Some(2), Some(1), None]);
    assert_eq!(line.at(0, |line| line.before(ALICE, Holder { worker: 1, context: 2 })), 1);
    // Who was called has its token.
    line.call(1, 1, 7);
    assert_eq!(line.at(1, |line| (line.ahead(ALICE, 0), line.ahead(ALICE, 5))), (Some(1), None));
}

#[test]
fn a_full_line_takes_nobody_in_until_somebody_is_called_or_leaves() {
    let mut line = Shared::default();
    for context in 1..=5 {
        assert_eq!(line.join(0, 1, context, 0), Joined::Waits);
    }
    assert_eq!(line.join(0, 2, 6, 9), Joined::Full);
    assert_eq!(line.call(1, 1, 1), [1]);
    assert_eq!(line.join(1, 2, 6, 9), Joined::Waits);
    assert_eq!(line.join(1, 2, 7, 9), Joined::Full);
    assert_eq!(line.at(2, |line| line.leave(Holder { worker: 1, context: 3 })), None);
    assert_eq!(line.join(2, 2, 7, 9), Joined::Waits);
    assert_eq!(line.call(3, 9, 1), [2, 4, 5]);
    assert_eq!(line.call(3, 0, 2), [6, 7]);
}

#[test]
fn who_leaves_after_it_was_called_learns_what_was_paid() {
    let mut line = Shared::default();
    line.join(0, 1, 1, 0);
    line.call(40, 1, 2);
    let holder = Holder { worker: 1, context: 1 };
    assert_eq!(line.at(50, |line| line.leave(holder)), Some((NonZeroU32::MIN, at(40))));
    assert_eq!(line.at(50, |line| line.leave(holder)), None);
}

#[test]
fn tickets_of_a_worker_that_falls_silent_are_dropped_and_those_of_others_stay() {
    let mut line = Shared::default();
    line.join(0, 1, 1, 0);
    line.join(0, 2, 2, 0);
    assert!(!line.at(499, |line| line.show(2)));
    assert!(line.at(1500, |line| line.show(2)));
    assert_eq!(line.at(1999, |line| line.ahead(ALICE, 0)), Some(2));
    assert_eq!(line.at(2000, |line| line.ahead(ALICE, 0)), Some(1));
    // Worker 1 was only asleep.
    assert!(line.at(2001, |line| line.rejoin(ticket(1, 1, 0))));
    assert!(!line.at(2002, |line| line.rejoin(ticket(1, 1, 0))));
    assert_eq!(line.call(2003, 1, 1), [] as [u32; 0]);
    assert_eq!(line.call(2003, 1, 1), [1]);
    assert_eq!(line.call(2003, 0, 2), [2]);
}

#[test]
fn a_clock_that_steps_back_leaves_tickets_as_old_as_they_were() {
    let mut line = Shared::default();
    line.join(900_000, 1, 1, 0);
    assert_eq!(line.at(0, |line| line.ahead(ALICE, 0)), Some(1));
    assert_eq!(line.at(1999, |line| line.ahead(ALICE, 0)), Some(1));
    assert_eq!(line.at(2000, |line| line.ahead(ALICE, 0)), None);
}

#[test]
fn bytes_that_are_no_line_are_a_line_of_nobody() {
    let mut whole = Shared::default();
    whole.join(0, 1, 1, 3);
    for end in 0..whole.0.len() {
        assert_eq!(Line::read(whole.0.get(..end).unwrap(), at(0)).ahead(ALICE, 0), None, "{end}");
    }
    let other_version: Vec<u8> = whole.0.iter().map(|byte| byte ^ 0xff).collect();
    assert_eq!(Line::read(&other_version, at(0)).ahead(ALICE, 0), None);
    assert_eq!(Line::read(&whole.0, at(0)).ahead(ALICE, 3), Some(1));
}

#[test]
fn a_wait_is_as_long_as_the_tokens_of_all_before_take() {
    let limits = limits("2/s burst 4");
    let pace = limits.first().terms.pace();
    let (mut buckets, now) = (Buckets::default(), at(0));
    let mut said = |n: u32| limits.try_take(&mut buckets, now, NonZeroU32::new(n).unwrap());
    let two_left = said(2);
    assert_eq!([0, 2, 5].map(|ahead| wait(&two_left, ahead, pace).as_millis()), [0, 0, 1500]);
    said(2);
    let none = said(1);
    assert_eq!([0, 1, 10].map(|ahead| wait(&none, ahead, pace).as_millis()), [500, 1000, 5500]);
    assert!(wait(&none, u64::MAX, pace) > WAIT_MAX);
}

#[test]
fn callers_in_one_value_have_a_line_each_and_together_no_more_than_fits() {
    let mut line = Shared::default();
    let of = |caller, context| Ticket { caller, ..ticket(1, context, 0) };
    let two = NonZeroU32::new(2).unwrap();
    for (caller, context, expected) in [
        (1, 10, Joined::Waits),
        (2, 20, Joined::Waits),
        (1, 11, Joined::Waits),
        (1, 12, Joined::Full),
        (2, 21, Joined::Waits),
    ] {
        assert_eq!(line.at(0, |line| line.join(of(caller, context), two)), expected, "{context}");
    }
    assert_eq!([1, 2, 3].map(|caller| line.at(0, |line| line.ahead(caller, 0))), [Some(2), Some(2), None]);
    let mut tokens = 1;
    let called = line.at(1, |line| {
        line.call(2, &mut |_| std::mem::take(&mut tokens) > 0);
        (contexts(line.collect(1, 1)), contexts(line.collect(2, 1)))
    });
    assert_eq!(called, (vec![], vec![20]));
    let mut full = Shared::default();
    let joined = (0..=REQUESTS_MAX).map(|n| full.at(0, |line| line.join(of(n.into(), n), two)));
    assert_eq!(joined.filter(|joined| *joined == Joined::Waits).count(), 1000);
    assert_eq!(full.0.len(), 9 + 1000 * 33);
}

#[test]
fn whoever_an_operator_has_dismissed_is_not_called_and_stands_in_nobody_s_way() {
    let mut line = Shared::default();
    line.join(0, 1, 10, 0);
    line.join(0, 1, 11, 0);
    assert_eq!(policy::queue::dismiss(&mut line.0), 2);
    let holder = |context| Holder { worker: 1, context };
    let told = line.at(1, |line| (line.len(), line.ahead(ALICE, 0), line.is_dismissed(holder(10))));
    assert_eq!(told, (0, None, true));
    assert_eq!(line.join(2, 2, 20, 0), Joined::Waits);
    assert!(!line.at(2, |line| line.is_dismissed(Holder { worker: 2, context: 20 })));
    assert_eq!(line.call(3, 9, 2), [20]);
    assert_eq!(line.call(3, 9, 1), [] as [u32; 0]);
    // It goes as one that has not been paid for, and is not taken in again meanwhile.
    assert!(!line.at(4, |line| line.rejoin(ticket(1, 10, 0))));
    assert_eq!(line.at(4, |line| line.leave(holder(10))), None);
    assert!(!line.at(5, |line| line.is_dismissed(holder(10))));
}
