//! How a metric with labels is named, so that Envoy's Prometheus endpoint shows it with labels.
//!
//! A Wasm metric has a name and nothing else. Envoy takes labels out of a name where a `stats_tags` expression of the
//! bootstrap finds them; `weir render` writes one expression for each label of [`LABELS`]. The convention is
//! `name_<label>_=<value>;`, which no metric of Envoy's own matches.

use std::fmt::Write;
use std::time::Duration;

/// Every label that a metric of Weir may carry.
pub const LABELS: [&str; 8] = ["provider", "status", "data_type", "operation", "outcome", "source", "state", "le"];

/// The bounds of a histogram of times, as Prometheus writes them (`le`), and in milliseconds; what is longer than the last
/// is counted under `+Inf` alone.
pub const BOUNDS: [(&str, u64); 11] = [
    ("0.05", 50),
    ("0.1", 100),
    ("0.25", 250),
    ("0.5", 500),
    ("1", 1_000),
    ("2.5", 2_500),
    ("5", 5_000),
    ("10", 10_000),
    ("30", 30_000),
    ("60", 60_000),
    ("120", 120_000),
];

/// Longer label values are cut, so that a configured name cannot make an endless metric.
const VALUE_LENGTH_MAX: usize = 64;

/// The full name of a metric: `name` and its labels, in this order.
///
/// A character of a value that would end it early is replaced by `_`.
pub fn name(name: &str, labels: &[(&str, &str)]) -> String {
    let mut full = String::from(name);
    for (label, value) in labels {
        let _ = write!(full, "_{label}_=");
        full.extend(value.chars().take(VALUE_LENGTH_MAX).map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' | '/' | '+' => c,
            _ => '_',
        }));
        full.push(';');
    }
    full
}

/// A sum of times for a counter, which takes whole seconds: what is less than one is kept for the next.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Carry(Duration);

impl Carry {
    /// Adds a time; the whole seconds that have come together are to be counted now.
    pub fn add(&mut self, time: Duration) -> u32 {
        let all = self.0.saturating_add(time);
        self.0 = Duration::from_nanos(all.subsec_nanos().into());
        u32::try_from(all.as_secs()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn labels_follow_the_name() {
        let full = name("api_gateway_rate_limit_requests_total", &[("provider", "spotify"), ("status", "ok")]);
        assert_eq!(full, "api_gateway_rate_limit_requests_total_provider_=spotify;_status_=ok;");
        assert_eq!(name("plain", &[]), "plain");
    }

    #[test]
    fn a_value_cannot_end_early_or_grow_without_end() {
        assert_eq!(name("m", &[("provider", "a;b_=c\n")]), "m_provider_=a_b__c_;");
        assert_eq!(name("m", &[("le", "+Inf")]), "m_le_=+Inf;");
        assert_eq!(name("m", &[("provider", &"x".repeat(1000))]).len(), "m_provider_=".len() + 64 + 1);
    }
    #[test]
    fn fractions_of_seconds_are_counted_when_they_make_a_whole_one() {
        let mut carry = Carry::default();
        let counted = [400, 400, 400, 0, 2_900].map(|millis| carry.add(Duration::from_millis(millis)));
        assert_eq!((counted, carry), ([0, 0, 1, 0, 3], Carry(Duration::from_millis(100))));
        assert_eq!(carry.add(Duration::MAX), u32::MAX);
    }

    #[test]
    fn bounds_rise_and_are_written_as_what_they_are() {
        assert!(BOUNDS.is_sorted_by_key(|(_, millis)| *millis));
        for (written, millis) in BOUNDS {
            assert_eq!(written.parse(), Ok(Duration::from_millis(millis).as_secs_f64()));
        }
    }
}
