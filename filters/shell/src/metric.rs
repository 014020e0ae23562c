//! Metrics: defined once per VM by their full name, then used by number.
//!
//! Metrics never fail a request. One that the host will not define is switched off, and says so once in the log.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::time::Duration;

use policy::metric::{BOUNDS, Carry};

use crate::abi;

/// Counts up.
#[derive(Clone, Copy, Debug)]
pub struct Counter(Option<u32>);

/// Says how much there is.
#[derive(Clone, Copy, Debug)]
pub struct Gauge(Option<u32>);

/// Collects how long something takes, as Prometheus reads histograms: cumulative buckets, a sum in seconds and a count.
///
/// They are counters of the host's. Its own histograms take whole numbers and know no unit, so that in seconds they say
/// nothing of what is shorter than one, and their sum is that of buckets.
#[derive(Debug)]
pub struct Times {
    /// How many took at most as long as each of [`BOUNDS`] says.
    within: [Counter; BOUNDS.len()],
    /// How many there were: under the name of the last bucket, and of the count.
    all: [Counter; 2],
    seconds: Counter,
    /// What this worker has not yet counted of the sum: less than a second.
    carry: Cell<Carry>,
}

impl Counter {
    /// The counter of this name and these labels.
    pub fn new(name: &str, labels: &[(&str, &str)]) -> Self {
        Self(define(0, &policy::metric::name(name, labels)))
    }

    /// Counts one more.
    pub fn increment(self) {
        self.add(1);
    }

    /// Counts `n` more.
    pub fn add(self, n: u32) {
        if let Some(id) = self.0.filter(|_| n > 0) {
            // SAFETY: no pointers. A number that the host does not know changes nothing.
            unsafe { abi::proxy_increment_metric(id, i64::from(n)) };
        }
    }
}

impl Counter {
    /// What it has come to, over all workers and every filter that counts under this name.
    pub fn value(self) -> u64 {
        let mut value = 0;
        if let Some(id) = self.0 {
            // SAFETY: the pointer is valid for the call. A number that the host does not know leaves it as it is.
            unsafe { abi::proxy_get_metric(id, &raw mut value) };
        }
        value
    }
}

impl Gauge {
    /// The gauge of this name and these labels.
    pub fn new(name: &str, labels: &[(&str, &str)]) -> Self {
        Self(define(1, &policy::metric::name(name, labels)))
    }

    /// Says that there is `value` now.
    pub fn set(self, value: u64) {
        if let Some(id) = self.0 {
            // SAFETY: no pointers. A number that the host does not know changes nothing.
            unsafe { abi::proxy_record_metric(id, value) };
        }
    }
}

impl Times {
    /// The histogram of this name and these labels.
    pub fn new(name: &str, labels: &[(&str, &str)]) -> Self {
        let part = |part: &str| [name, part].concat();
        let bucket = |bound| Counter::new(&part("_bucket"), &[labels, &[("le", bound)]].concat());
        Self {
            within: BOUNDS.map(|(bound, _)| bucket(bound)),
            all: [bucket("+Inf"), Counter::new(&part("_count"), labels)],
            seconds: Counter::new(&part("_sum"), labels),
            carry: Cell::default(),
        }
    }

    /// Adds one time.
    pub fn record(&self, time: Duration) {
        let mut carry = self.carry.get();
        self.seconds.add(carry.add(time));
        self.carry.set(carry);
        let reached = self.within.iter().zip(BOUNDS).filter(|(_, (_, millis))| time <= Duration::from_millis(*millis));
        for counter in reached.map(|(counter, _)| counter).chain(&self.all) {
            counter.increment();
        }
    }
}

fn define(kind: u32, name: &str) -> Option<u32> {
    let mut id = 0;
    // SAFETY: both pointers are valid for the call.
    let status = unsafe { abi::proxy_define_metric(kind, name.as_ptr(), name.len(), &raw mut id) };
    match abi::check("proxy_define_metric", status) {
        Ok(()) => Some(id),
        Err(error) => {
            log::error!("no metric {name}: {error}");
            None
        }
    }
}
