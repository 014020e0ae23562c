//! Metrics by their full names, shared by all machines, as in Envoy's store of stats.

use std::collections::BTreeMap;

use crate::status::Status;

/// The values that a histogram has taken in, in order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Histogram {
    /// Every value recorded.
    pub values: Vec<u64>,
}

/// One metric and its value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Metric {
    /// A sum that only grows.
    Counter(u64),
    /// A value that goes up and down.
    Gauge(u64),
    /// A distribution.
    Histogram(Histogram),
}

impl Metric {
    /// The value of a counter or gauge, the number of values of a histogram.
    pub const fn value(&self) -> u64 {
        match self {
            Self::Counter(value) | Self::Gauge(value) => *value,
            Self::Histogram(histogram) => histogram.values.len() as u64,
        }
    }
}

/// The kind of a metric, as numbered by Proxy-Wasm.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Where a metric is in the store; each machine has its own numbers that lead here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot(usize);

/// All metrics.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    slots: Vec<Metric>,
    names: BTreeMap<(String, Kind), usize>,
}

impl Metrics {
    /// The slot of this name and kind, made when it is new.
    pub(crate) fn define(&mut self, kind: Kind, name: &str) -> Slot {
        let Self { slots, names } = self;
        let slot = names.entry((name.to_owned(), kind)).or_insert_with(|| {
            slots.push(match kind {
                Kind::Counter => Metric::Counter(0),
                Kind::Gauge => Metric::Gauge(0),
                Kind::Histogram => Metric::Histogram(Histogram::default()),
            });
            slots.len() - 1
        });
        Slot(*slot)
    }

    /// Adds to a counter (more than nothing) or to a gauge (anything).
    pub(crate) fn increment(&mut self, Slot(slot): Slot, offset: i64) -> Result<(), Status> {
        match &mut self.slots[slot] {
            Metric::Counter(value) if offset > 0 => *value = value.wrapping_add(offset.unsigned_abs()),
            Metric::Gauge(value) => *value = value.wrapping_add_signed(offset),
            Metric::Counter(_) | Metric::Histogram(_) => return Err(Status::BadArgument),
        }
        Ok(())
    }

    /// Adds to a counter, sets a gauge, or records in a histogram.
    pub(crate) fn record(&mut self, Slot(slot): Slot, recorded: u64) {
        match &mut self.slots[slot] {
            Metric::Counter(value) => *value = value.wrapping_add(recorded),
            Metric::Gauge(value) => *value = recorded,
            Metric::Histogram(histogram) => histogram.values.push(recorded),
        }
    }

    /// The value of a counter or a gauge.
    pub(crate) fn read(&self, Slot(slot): Slot) -> Result<u64, Status> {
        match &self.slots[slot] {
            Metric::Counter(value) | Metric::Gauge(value) => Ok(*value),
            Metric::Histogram(_) => Err(Status::BadArgument),
        }
    }

    /// The metric of this name; where several kinds share it, the first of counter, gauge, histogram.
    pub(crate) fn find(&self, name: &str) -> Option<&Metric> {
        [Kind::Counter, Kind::Gauge, Kind::Histogram]
            .into_iter()
            .find_map(|kind| self.names.get(&(name.to_owned(), kind)).map(|slot| &self.slots[*slot]))
    }

    /// Every metric by name.
    pub(crate) fn all(&self) -> BTreeMap<String, Metric> {
        self.names.iter().map(|((name, _), slot)| (name.clone(), self.slots[*slot].clone())).collect()
    }
}
