//! Faults on demand: what an upstream is told to do wrong, how often and on which paths.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::upstream::Upstream;

/// How many faults may wait for one upstream.
const FAULTS_MAX: usize = 256;

/// One fault: it meets the next requests, in the order in which faults were added.
///
/// ```
/// use sandbox::Fault;
/// let brownout = Fault::status(503).header("retry-after", "2").times(5);
/// let slow = Fault::latency(std::time::Duration::from_millis(300)).on("/v1/search");
/// ```
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fault {
    /// How long the answer is held back, in milliseconds.
    #[serde(skip_serializing_if = "is_zero")]
    latency_ms: u64,
    /// The status that is answered in place of the real answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// Headers of that answer.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
    /// The body of that answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    /// Whether the connection is reset in place of an answer.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    reset: bool,
    /// How many bytes of the body are sent before the connection closes, of however many were promised.
    #[serde(skip_serializing_if = "Option::is_none")]
    cut_after: Option<u64>,
    /// How many requests it meets; without it, all of them until it is taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u32>,
    /// Only requests whose path and query contain this.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// Only requests of this method.
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What to do to the answer, once the latency has passed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Action {
    /// Nothing: the fault was the wait.
    Answer,
    /// Another answer in its place.
    Status { status: u16, headers: BTreeMap<String, String>, body: String },
    /// A TCP reset.
    Reset,
    /// Only so many bytes of the body.
    Cut { sent_bytes: u64 },
}

/// Why a fault cannot be had.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Refused(pub(crate) &'static str);

impl Fault {
    /// Holds answers back.
    pub fn latency(wait: Duration) -> Self {
        Self { latency_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX), ..Self::default() }
    }

    /// Answers with this status.
    pub fn status(status: u16) -> Self {
        Self { status: Some(status), ..Self::default() }
    }

    /// Resets the connection: the peer reads `ECONNRESET`.
    pub fn reset() -> Self {
        Self { reset: true, ..Self::default() }
    }

    /// Sends so many bytes of the body and closes the connection.
    pub fn cut(sent_bytes: u64) -> Self {
        Self { cut_after: Some(sent_bytes), ..Self::default() }
    }

    /// Adds a header to the answer of [`Fault::status`].
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Gives the answer of [`Fault::status`] a body.
    #[must_use]
    pub fn body(mut self, body: &str) -> Self {
        self.body = Some(body.to_owned());
        self
    }

    /// Holds the faulty answer back, too.
    #[must_use]
    pub fn after(mut self, wait: Duration) -> Self {
        self.latency_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        self
    }

    /// Meets only the next `count` requests.
    #[must_use]
    pub const fn times(mut self, count: u32) -> Self {
        self.count = Some(count);
        self
    }

    /// Meets only requests whose path and query contain `part`.
    #[must_use]
    pub fn on(mut self, part: &str) -> Self {
        self.path = Some(part.to_owned());
        self
    }

    /// Checks that it says one thing, and one that can be done.
    pub(crate) fn check(&self) -> Result<(), Refused> {
        let actions =
            usize::from(self.status.is_some()) + usize::from(self.reset) + usize::from(self.cut_after.is_some());
        let headers_valid = self.headers.iter().all(|(name, value)| {
            name.parse::<hyper::header::HeaderName>().is_ok() && value.parse::<hyper::header::HeaderValue>().is_ok()
        });
        if actions > 1 {
            return Err(Refused("only one of status, reset and cut_after"));
        }
        if actions == 0 && self.latency_ms == 0 {
            return Err(Refused("one of latency_ms, status, reset and cut_after is needed"));
        }
        if self.status.is_none() && (self.body.is_some() || !self.headers.is_empty()) {
            return Err(Refused("headers and body belong to a status"));
        }
        if self.status.is_some_and(|status| !(200..=599).contains(&status)) {
            return Err(Refused("status must be 200 to 599"));
        }
        if self.count == Some(0) {
            return Err(Refused("count must be at least 1"));
        }
        if headers_valid { Ok(()) } else { Err(Refused("headers must be header names and values")) }
    }

    fn meets(&self, method: &str, target: &str) -> bool {
        self.path.as_deref().is_none_or(|part| target.contains(part))
            && self.method.as_deref().is_none_or(|only| only == method)
    }

    fn plan(&self) -> (Duration, Action) {
        let action = match (self.status, self.reset, self.cut_after) {
            (Some(status), ..) => {
                Action::Status { status, headers: self.headers.clone(), body: self.body.clone().unwrap_or_default() }
            }
            (None, true, _) => Action::Reset,
            (None, false, Some(sent_bytes)) => Action::Cut { sent_bytes },
            (None, false, None) => Action::Answer,
        };
        (Duration::from_millis(self.latency_ms), action)
    }
}

/// The faults that wait for each upstream.
#[derive(Default)]
pub(crate) struct Faults {
    waiting: [Mutex<VecDeque<Fault>>; Upstream::COUNT],
    /// Whether there may be any: what nearly every request asks, without a lock.
    any: [AtomicBool; Upstream::COUNT],
}

impl Faults {
    /// Adds a fault behind those that wait already.
    pub(crate) fn add(&self, upstream: Upstream, fault: Fault) -> Result<(), Refused> {
        fault.check()?;
        let mut waiting = self.waiting[upstream.index()].lock().expect("no holder of this lock panics");
        if waiting.len() >= FAULTS_MAX {
            return Err(Refused("too many faults are waiting"));
        }
        waiting.push_back(fault);
        self.any[upstream.index()].store(true, Ordering::Release);
        Ok(())
    }

    /// Takes back every fault of an upstream.
    pub(crate) fn clear(&self, upstream: Upstream) {
        self.waiting[upstream.index()].lock().expect("no holder of this lock panics").clear();
        self.any[upstream.index()].store(false, Ordering::Release);
    }

    /// The faults that wait for an upstream.
    pub(crate) fn list(&self, upstream: Upstream) -> Vec<Fault> {
        self.waiting[upstream.index()].lock().expect("no holder of this lock panics").iter().cloned().collect()
    }

    /// The fault that meets this request, which is then used up once.
    pub(crate) fn take(&self, upstream: Upstream, method: &str, target: &str) -> Option<(Duration, Action)> {
        if !self.any[upstream.index()].load(Ordering::Acquire) {
            return None;
        }
        let mut waiting = self.waiting[upstream.index()].lock().expect("no holder of this lock panics");
        let at = waiting.iter().position(|fault| fault.meets(method, target))?;
        let fault = &mut waiting[at];
        let plan = fault.plan();
        match &mut fault.count {
            Some(1) => drop(waiting.remove(at)),
            Some(left) => *left -= 1,
            None => {}
        }
        Some(plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_met_in_order_and_as_often_as_asked() {
        let faults = Faults::default();
        faults.add(Upstream::Sona, Fault::status(503).times(2)).unwrap();
        faults.add(Upstream::Sona, Fault::reset().times(1)).unwrap();
        let met = || faults.take(Upstream::Sona, "GET", "/x").map(|(_, action)| action);
        let unavailable = Action::Status { status: 503, headers: BTreeMap::new(), body: String::new() };
        assert_eq!(met(), Some(unavailable.clone()));
        assert_eq!(met(), Some(unavailable));
        assert_eq!(met(), Some(Action::Reset));
        assert_eq!(met(), None);
        assert_eq!(faults.take(Upstream::Sync, "GET", "/x"), None);
    }

    #[test]
    fn a_fault_passes_over_the_requests_it_is_not_for() {
        let faults = Faults::default();
        faults.add(Upstream::Inventory, Fault::cut(3).on("/stock/release").times(1)).unwrap();
        assert_eq!(faults.take(Upstream::Inventory, "POST", "/inventory/api/v1/stock/reserve"), None);
        let met = faults.take(Upstream::Inventory, "POST", "/inventory/api/v1/stock/release");
        assert_eq!(met, Some((Duration::ZERO, Action::Cut { sent_bytes: 3 })));
    }

    #[test]
    fn a_fault_without_a_count_lasts_until_it_is_taken_back() {
        let faults = Faults::default();
        faults.add(Upstream::Plain, Fault::latency(Duration::from_millis(7))).unwrap();
        for _ in 0..3 {
            assert_eq!(faults.take(Upstream::Plain, "GET", "/"), Some((Duration::from_millis(7), Action::Answer)));
        }
        faults.clear(Upstream::Plain);
        assert_eq!(faults.take(Upstream::Plain, "GET", "/"), None);
    }

    #[test]
    fn a_fault_that_cannot_be_is_refused() {
        let cases = [
            ("{}", "one of latency_ms, status, reset and cut_after is needed"),
            (r#"{"status": 503, "reset": true}"#, "only one of status, reset and cut_after"),
            (r#"{"status": 42}"#, "status must be 200 to 599"),
            (r#"{"reset": true, "count": 0}"#, "count must be at least 1"),
            (r#"{"reset": true, "body": "x"}"#, "headers and body belong to a status"),
            (r#"{"status": 500, "headers": {"a b": "c"}}"#, "headers must be header names and values"),
        ];
        for (json, reason) in cases {
            let fault: Fault = serde_json::from_str(json).unwrap();
            assert_eq!(Faults::default().add(Upstream::Plain, fault), Err(Refused(reason)), "{json}");
        }
    }
}
