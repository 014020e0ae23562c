//! Metrics: defined once per VM by their full name, then used by number.
//!
//! Metrics never fail a request. One that the host will not define is switched off, and says so once in the log.
#![allow(unsafe_code)]

use crate::abi;

/// Counts up.
#[derive(Clone, Copy, Debug)]
pub struct Counter(Option<u32>);

/// Says how much there is.
#[derive(Clone, Copy, Debug)]
pub struct Gauge(Option<u32>);

/// Collects how large values are; Envoy's buckets are made for milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Histogram(Option<u32>);

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
        record(self.0, value);
    }
}

impl Histogram {
    /// The histogram of this name and these labels.
    pub fn new(name: &str, labels: &[(&str, &str)]) -> Self {
        Self(define(2, &policy::metric::name(name, labels)))
    }

    /// Adds one value.
    pub fn record(self, value: u64) {
        record(self.0, value);
    }
}

fn record(id: Option<u32>, value: u64) {
    if let Some(id) = id {
        // SAFETY: no pointers. A number that the host does not know changes nothing.
        unsafe { abi::proxy_record_metric(id, value) };
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
