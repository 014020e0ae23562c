//! How a metric with labels is named, so that Envoy's Prometheus endpoint shows it with labels.
//!
//! A Wasm metric has a name and nothing else. Envoy takes labels out of a name where a `stats_tags` expression of the
//! bootstrap finds them; `weir render` writes one expression for each label of [`LABELS`]. The convention is
//! `name_<label>_=<value>;`, which no metric of Envoy's own matches.

use std::fmt::Write;

/// Every label that a metric of Weir may carry.
pub const LABELS: [&str; 6] = ["provider", "status", "data_type", "operation", "outcome", "source"];

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
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' | '/' => c,
            _ => '_',
        }));
        full.push(';');
    }
    full
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
        assert_eq!(name("m", &[("provider", &"x".repeat(1000))]).len(), "m_provider_=".len() + 64 + 1);
    }
}
