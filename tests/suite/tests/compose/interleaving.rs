//! Every way in which an order of three items can go, with the module that ships in the test host: each call in turn is answered
//! well, refused, fails before or after it was done, or is silent or late, those that take back no less than those that go forward; the
//! client leaves at any of them or stays, and the deadline of the whole comes at any of them. 35,859 stories with the deadline of a
//! policy that names none, and 9,394 with one that comes before that of any call; [`super::reckoning`] says that it must be so many.
//!
//! A story is a sequence of choices, and all sequences are played, depth first: each story is played from its beginning, makes the
//! choices that it is told, takes the first of whatever comes after those, and leaves behind how many there were. What is left out
//! is what cannot make a difference:
//! - Once a call has failed, the order is to be taken back. Each call of that fails once at most, and then goes well: that no
//!   number of failures does harm but the last is what `fate.rs` shows.
//! - What is priced is not reserved: a price fails before it was done.
//! - A client leaves when a call has arrived and before it is answered. Between two calls the filter does nothing, and knows no more
//!   of its client than before; one who was answered has left.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use host::{Answer, Arrival, CallId, Ending, Exchange, Host, Plugin, Request, StreamId};
use serde_json::Value;

use super::PRODUCTS;

const ITEMS: &str =
    r#"{"items":[{"productId":"a","quantity":1},{"productId":"b","quantity":1},{"productId":"c","quantity":1}]}"#;

/// The step of the clock. No call is due to be late in less.
const STEP: Duration = Duration::from_secs(1);
/// A step's deadline is five seconds.
const LATE: Duration = Duration::from_secs(7);
/// A story is over within so many steps.
const STEPS_MAX: usize = 120;

/// What becomes of one call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fate {
    /// Done, and said so.
    Well,
    /// Not done, and said so.
    Refused,
    /// Not done, and nobody can know.
    FailsBefore,
    /// Done, and the answer is lost.
    FailsAfter,
    /// Not done, and never answered.
    SilentBefore,
    /// Done, and never answered.
    SilentAfter,
    /// Done, and answered when nobody counts on it any more.
    Late,
    /// Another request with this key is under way, the upstream says.
    Conflict,
}

use Fate::{Conflict, FailsAfter, FailsBefore, Late, Refused, SilentAfter, SilentBefore, Well};

/// What may become of an order's first calls.
pub(crate) struct Fates {
    /// Of one that reserves.
    pub reservation: &'static [Fate],
    /// Of one that asks for a price.
    pub price: &'static [Fate],
    /// When the client is answered at the latest, in seconds.
    pub deadline: u64,
}

/// Fifteen seconds are the deadline of a composition that names none.
const ANY: Fates = Fates {
    reservation: &[Well, Refused, FailsBefore, FailsAfter, SilentBefore, SilentAfter, Late],
    price: &[Well, Refused, FailsBefore, FailsAfter, SilentBefore],
    deadline: 15,
};

/// What is still under way when time is up for the whole.
const CUT_OFF: Fates =
    Fates { reservation: &[Well, SilentBefore, SilentAfter, Late], price: &[Well, SilentBefore], deadline: 2 };

/// The sequence of choices of one story, each with how many there were.
#[derive(Debug, Default)]
struct Choices {
    made: Vec<(usize, usize)>,
    told: usize,
}

impl Choices {
    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        if self.told == self.made.len() {
            self.made.push((0, of.len()));
        }
        let (choice, all) = self.made[self.told];
        assert_eq!(all, of.len(), "a story is played as it was before");
        self.told += 1;
        of[choice]
    }

    /// Goes on to the next sequence; `false` after the last.
    fn next(&mut self) -> bool {
        assert_eq!(self.told, self.made.len(), "a story is played as it was before");
        self.told = 0;
        while let Some((choice, all)) = self.made.pop() {
            if choice + 1 < all {
                self.made.push((choice + 1, all));
                return true;
            }
        }
        false
    }
}

/// An inventory that counts, and knows repeated requests by their keys.
#[derive(Default)]
struct Inventory {
    by_key: BTreeMap<String, String>,
    /// What is reserved: the product of each reservation.
    open: BTreeMap<String, String>,
}

impl Inventory {
    fn serve(&mut self, call: &Arrival) -> Answer {
        let body: Value = serde_json::from_slice(&call.body).expect("a call has a body of JSON");
        let text = |name: &str| body[name].as_str().expect("a text").to_owned();
        match call.path() {
            "/pricing/calculate" => Answer::status(200).body(r#"{"finalPrice":"1.10"}"#),
            "/inventory/release" => {
                self.open.remove(&text("reservationId"));
                Answer::status(200).body("{}")
            }
            "/inventory/reserve" => {
                let number = format!("RES-{}", self.by_key.len());
                let id = self.by_key.entry(key(call)).or_insert_with(|| {
                    let product = text("productId");
                    assert!(!self.open.values().any(|open| *open == product), "{product} is reserved twice");
                    self.open.insert(number.clone(), product);
                    number
                });
                Answer::status(201).body(format!(r#"{{"reservationId":"{id}"}}"#))
            }
            path => panic!("{path} is not what an order asks for"),
        }
    }

    fn knows(&self, call: &Arrival) -> bool {
        self.by_key.contains_key(&key(call))
    }
}

fn key(call: &Arrival) -> String {
    call.header("idempotency-key").expect("what can be taken back has a key")
}

/// One order, as far as it has come.
struct Story<'a> {
    host: &'a mut Host,
    fates: &'a Fates,
    choices: &'a mut Choices,
    stream: StreamId,
    inventory: Inventory,
    /// Calls that are not to be answered, or not before they are late.
    silent: BTreeMap<CallId, Option<(Duration, Answer)>>,
    /// The keys of reservations that were asked for.
    seen: BTreeSet<String>,
    /// The keys of calls that have failed while the order was taken back.
    failed: BTreeSet<String>,
    has_left: bool,
    calls: usize,
}

impl Story<'_> {
    /// What becomes of a call: of one that goes forward anything may, of one that takes back no more than one failure.
    fn fate(&mut self, call: &Arrival) -> Fate {
        let is_reservation = call.path() == "/inventory/reserve";
        if call.path() == "/pricing/calculate" {
            return self.choices.pick(self.fates.price);
        }
        if is_reservation && self.seen.insert(key(call)) {
            return self.choices.pick(self.fates.reservation);
        }
        if self.failed.contains(&key(call)) {
            return Well;
        }
        // What is known is answered as it was the first time.
        let fate = if is_reservation && !self.inventory.knows(call) {
            self.choices.pick(&[Well, FailsBefore, FailsAfter, SilentBefore, SilentAfter, Refused, Conflict])
        } else {
            self.choices.pick(&[Well, FailsBefore, FailsAfter, SilentBefore, SilentAfter])
        };
        if fate != Well {
            self.failed.insert(key(call));
        }
        fate
    }

    /// Decides on a call that has arrived.
    fn meet(&mut self, call: &Arrival) {
        self.calls += 1;
        if !self.has_left && self.host.exchange(self.stream).is_waiting() && self.choices.pick(&[false, true]) {
            self.has_left = true;
            self.host.disconnect(self.stream);
        }
        let fate = self.fate(call);
        let was_done = matches!(fate, Well | FailsAfter | SilentAfter | Late).then(|| self.inventory.serve(call));
        let answer = match (fate, was_done) {
            (Well, Some(good)) => good,
            (Late, Some(good)) => return drop(self.silent.insert(call.call, Some((self.host.now() + LATE, good)))),
            (SilentBefore | SilentAfter, _) => return drop(self.silent.insert(call.call, None)),
            (FailsBefore, _) => Answer::status(503).body("no"),
            (Refused, _) => Answer::status(422).body("no"),
            (Conflict, _) => Answer::status(409).body("under way"),
            _ => Answer::broken(),
        };
        self.host.release(call.call, answer);
    }

    /// Plays it to its end: nothing is written down as open, and the client was answered or has left.
    fn play(&mut self) {
        for _ in 0..STEPS_MAX {
            while let Some(call) = self.host.held().into_iter().find(|call| !self.silent.contains_key(&call.call)) {
                self.meet(&call);
            }
            let now = self.host.now();
            let late: Vec<_> = self.silent.iter().filter_map(|(call, late)| Some((*call, late.clone()?))).collect();
            let due: Vec<_> = late.into_iter().filter(|(_, (at, _))| *at <= now).collect();
            if due.is_empty() && self.is_over() {
                return;
            }
            for (call, (_, answer)) in &due {
                self.silent.insert(*call, None);
                self.host.release(*call, answer.clone());
            }
            if due.is_empty() {
                self.host.advance(STEP);
            }
        }
        panic!("it has no end: {:?}", self.choices);
    }

    fn is_over(&self) -> bool {
        let open = self.host.shared_data("weir", "weir.compose.run.0").unwrap_or_default();
        open.is_empty() && !self.host.exchange(self.stream).is_waiting()
    }
}

fn order(number: usize) -> Request {
    let request = Request::new("POST", "/api/v1/orders").header("x-weir-user", "alice");
    request.header("idempotency-key", format!("order-{number}")).body(ITEMS)
}

/// Plays one story; gives how many calls there were, and whether it was confirmed.
fn tell(host: &mut Host, fates: &Fates, number: usize, choices: &mut Choices) -> (usize, bool) {
    let stream = host.send(0, order(number)).stream;
    host.advance(Duration::from_millis(2));
    let mut story = Story {
        host,
        fates,
        choices,
        stream,
        inventory: Inventory::default(),
        silent: BTreeMap::new(),
        seen: BTreeSet::new(),
        failed: BTreeSet::new(),
        has_left: false,
        calls: 0,
    };
    story.play();
    let Story { host, choices, inventory, has_left, calls, .. } = story;
    let first = host.exchange(stream);
    // Under its key, everybody finds what became of it.
    let again = host.send(0, order(number));
    assert_eq!(again.ending, Ending::Complete, "{choices:?}: nobody knows what became of it");
    assert_eq!(first.ending, if has_left { Ending::Disconnected } else { Ending::Complete }, "{choices:?}");
    let said = |exchange: &Exchange| (exchange.status(), exchange.text());
    assert!(has_left || said(&first) == said(&again), "{choices:?}: {} is answered as {}", first.text(), again.text());
    let is_confirmed = again.status() == Some(200);
    let reserved: Vec<_> = inventory.open.values().map(String::as_str).collect();
    let expected: &[&str] = if is_confirmed { &["a", "b", "c"] } else { &[] };
    assert_eq!(reserved, expected, "{choices:?}: {:?}", host.log());
    if !host.held().is_empty() {
        // A price that nobody waits for any more.
        host.advance(LATE);
    }
    assert!(host.held().is_empty(), "{choices:?}: nobody is asked again");
    (calls, is_confirmed)
}

/// Plays every story; gives how many there were, how many calls in them, and how many were confirmed.
fn tell_all(fates: &Fates) -> (usize, usize, usize) {
    // One place for what is open: it is free again after each story, or the next would be refused.
    let config = PRODUCTS.replacen('{', r#"{"journal": 1, "#, 1);
    let deadline = format!(r#""name": "order", "deadline": "{}s","#, fates.deadline);
    let config = config.replacen(r#""name": "order","#, &deadline, 1);
    let plugin = Plugin::new("compose", suite::module::path("compose"));
    let plugin = plugin.configuration(config).allow_on_headers_stop_iteration(true);
    let builder = Host::builder().plugin(plugin).cluster("weir_internal", |_| Answer::held());
    let mut host = builder.start().unwrap_or_else(|error| panic!("{error}"));
    let (mut choices, mut stories, mut calls, mut confirmed) = (Choices::default(), 0, 0, 0);
    loop {
        let (of_it, is_confirmed) = tell(&mut host, fates, stories, &mut choices);
        stories += 1;
        calls += of_it;
        confirmed += usize::from(is_confirmed);
        host.forget();
        if !choices.next() {
            break;
        }
    }
    assert_eq!(host.metric("api_gateway_compose_alarms_total").unwrap_or_default(), 0, "nothing was given up");
    assert_eq!(stories, super::reckoning::stories(fates, 0, false), "each story is told, and once");
    (stories, calls, confirmed)
}

#[test]
fn whatever_comes_in_whatever_order_what_is_reserved_is_what_was_confirmed() {
    // It is confirmed where all goes well, whether the client leaves at one of its six calls or stays.
    assert_eq!(tell_all(&ANY), (35_859, 357_010, 7));
}

#[test]
fn wherever_time_is_up_for_the_whole_what_is_reserved_is_what_was_confirmed() {
    assert_eq!(tell_all(&CUT_OFF), (9_394, 92_004, 7));
}
