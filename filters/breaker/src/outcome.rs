//! What an answer, or the lack of one, says about the upstream.
//!
//! A status alone does not: the request may have been answered by a filter behind this one (bad input, a hit in a
//! cache), or by Envoy for a reason of its own (no such route, its own limit of connections). Envoy says which in
//! `response.code_details`. Only what the upstream said, or what Envoy says of having tried it, counts; everything else
//! leaves the breaker as it was, successes included: a refusal of bad input must not pass for a sign of life.

use crate::state::Outcome;
use crate::status::{self, Statuses};

/// Reads `:status`. An answer without one is nobody's success.
pub fn of_status(statuses: &Statuses, status: Option<&[u8]>) -> Outcome {
    let status = status.and_then(|bytes| std::str::from_utf8(bytes).ok()).and_then(status::status);
    match status {
        Some(status) if !statuses.contains(status) => Outcome::Success,
        _ => Outcome::Failure,
    }
}

/// Whether it was the upstream that answered, or Envoy because it could not reach it, as `response.code_details` tells.
pub fn is_of_upstream(details: Option<&[u8]>) -> bool {
    // A host that does not tell: then the status is all there is.
    let Some(details) = details else { return true };
    // Envoy refused to open one more connection, which is its own limit.
    let own_limit = details.ends_with(b"{overflow}");
    let ours = ["via_upstream", "no_healthy_upstream", "response_timeout"];
    let tried = ours.iter().any(|known| known.as_bytes() == details)
        || details.starts_with(b"upstream_")
        || details.starts_with(b"dns_resolution_failure");
    tried && !own_limit
}

/// What a stream that ended before any answer says, by Envoy's `response.flags`: a failure where Envoy says that the
/// upstream let it down, nothing where the client left, or where nobody knows.
pub fn of_flags(flags: Option<u64>) -> Outcome {
    match flags {
        Some(flags) if flags & CLIENT_LEFT == 0 && flags & UPSTREAM_FAILED != 0 => Outcome::Failure,
        _ => Outcome::Abandoned,
    }
}

/// Envoy's `DownstreamConnectionTermination`.
const CLIENT_LEFT: u64 = 0x4000;
/// Envoy's `UpstreamRequestTimeout`, `UpstreamRemoteReset`, `UpstreamConnectionFailure`,
/// `UpstreamConnectionTermination`, `UpstreamMaxStreamDurationReached` and `UpstreamProtocolError`.
const UPSTREAM_FAILED: u64 = 0x4 | 0x10 | 0x20 | 0x40 | 0x8_0000 | 0x80_0000;

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_status_is_a_failure_where_the_operator_says_so() {
        for (status, expected) in [
            (Some("200"), Outcome::Success),
            (Some("404"), Outcome::Success),
            (Some("429"), Outcome::Success),
            (Some("500"), Outcome::Failure),
            (Some("504"), Outcome::Failure),
            (Some(""), Outcome::Failure),
            (Some("2000"), Outcome::Failure),
            (None, Outcome::Failure),
        ] {
            assert_eq!(of_status(&Statuses::default(), status.map(str::as_bytes)), expected, "{status:?}");
        }
        assert_eq!(of_status(&Statuses::default(), Some(b"\xff\xfe")), Outcome::Failure);
    }

    #[test]
    fn only_the_upstream_and_attempts_at_it_count() {
        for (details, expected) in [
            ("via_upstream", true),
            ("no_healthy_upstream", true),
            ("response_timeout", true),
            ("upstream_per_try_timeout", true),
            ("upstream_reset_before_response_started{connection_termination}", true),
            ("upstream_reset_before_response_started{remote_connection_failure|refused}", true),
            ("dns_resolution_failure{x}", true),
            ("upstream_reset_before_response_started{overflow}", false),
            ("weir_bad_request", false),
            ("route_not_found", false),
            ("cluster_not_found", false),
            ("direct_response", false),
            ("request_payload_too_large", false),
            ("response_payload_too_large", false),
            ("maintenance_mode", false),
            ("", false),
        ] {
            assert_eq!(is_of_upstream(Some(details.as_bytes())), expected, "{details}");
        }
        assert!(is_of_upstream(None));
        assert!(!is_of_upstream(Some(b"\xff\xfe")));
    }

    #[test]
    fn a_client_that_leaves_says_nothing_about_the_upstream() {
        for (flags, expected) in [
            (None, Outcome::Abandoned),
            (Some(0), Outcome::Abandoned),
            (Some(0x4000), Outcome::Abandoned),
            (Some(0x4000 | 0x40), Outcome::Abandoned),
            (Some(0x4), Outcome::Failure),
            (Some(0x40), Outcome::Failure),
            (Some(0x100), Outcome::Abandoned),
        ] {
            assert_eq!(of_flags(flags), expected, "{flags:?}");
        }
    }
}
