//! What an answer, or the lack of one, says about the upstream.
//!
//! A status alone does not: the request may have been answered by a filter behind this one (bad input, a hit in a
//! cache), or by Envoy for a reason of its own (no such route, its own limit of connections). Envoy says which in
//! `response.code_details`. Only what the upstream said, or what Envoy says of having tried it, counts; everything else
//! leaves the breaker as it was, successes included: a refusal of bad input must not pass for a sign of life. Neither does a client that leaves before the
//! answer. Envoy's retries lie behind this filter: what counts is the last answer, once.
//!
//! **A failure** is a status of 500 or above (`failure_statuses`), a code of gRPC that says so (`failure_codes`), and whatever
//! Envoy answers in an upstream's place because it could not connect, was reset or timed out. `ignored_statuses` and
//! `ignored_codes` say nothing.
//!
//! **A call ends** with the headers of its answer, and it is slow by the time until then, since how fast the rest is read is
//! the client's doing. With `whole_answer` it ends with the last byte, and a body that breaks off is a failure. A call of
//! gRPC, which the request's `content-type` says it is, ends with its trailers.

use std::time::Duration;

use policy::date;

use crate::grpc::{self, Codes};
use crate::state::Outcome;
use crate::status::{self, Statuses};

/// Which answers of an upstream are failures, and which say nothing of it. The rest are successes.
#[derive(Debug)]
pub struct Criteria {
    /// Statuses that are failures.
    pub failures: Statuses,
    /// Statuses that say nothing, also where they are among the failures.
    pub ignored: Statuses,
    /// Codes of gRPC that are failures.
    pub grpc_failures: Codes,
    /// Codes of gRPC that say nothing, also where they are among the failures.
    pub grpc_ignored: Codes,
    /// Whether a call ends with its whole answer. If not, it ends with the headers of one.
    pub is_whole: bool,
}

/// Who made an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Author {
    /// The upstream, as far as anybody knows.
    Upstream,
    /// Envoy, since it could not reach the upstream, or did not hear from it.
    Attempt,
    /// Somebody who has not tried.
    Other,
}

impl Criteria {
    /// What `:status` says. An answer without one is nobody's success.
    pub fn of_status(&self, status: Option<&[u8]>) -> Outcome {
        let status = status.and_then(|bytes| std::str::from_utf8(bytes).ok()).and_then(status::status);
        match status {
            Some(status) if self.ignored.contains(status) => Outcome::Abandoned,
            Some(status) if !self.failures.contains(status) => Outcome::Success,
            _ => Outcome::Failure,
        }
    }

    /// What `grpc-status` says.
    pub fn of_code(&self, value: &[u8]) -> Outcome {
        let code = grpc::code(value);
        if self.grpc_ignored.contains(code) {
            Outcome::Abandoned
        } else if self.grpc_failures.contains(code) {
            Outcome::Failure
        } else {
            Outcome::Success
        }
    }
}

/// Whether an answer may be one that Envoy made for an upstream that failed: then its author is to be asked, whatever the
/// operator says of its status.
pub fn may_be_local(status: Option<&[u8]>, code: Option<&[u8]>) -> bool {
    status.is_none_or(|status| status.first() == Some(&b'5')) || code.is_some_and(|code| code != b"0")
}

/// Who made an answer, as `response.code_details` tells.
pub fn author(details: Option<&[u8]>) -> Author {
    // A host that does not tell: then the status is all there is.
    let Some(details) = details else { return Author::Upstream };
    if details == b"via_upstream" {
        return Author::Upstream;
    }
    // Envoy refused to open one more connection, which is its own limit.
    let own_limit = details.ends_with(b"{overflow}");
    let tried = matches!(details, b"no_healthy_upstream" | b"response_timeout")
        || details.starts_with(b"upstream_")
        || details.starts_with(b"dns_resolution_failure");
    if tried && !own_limit { Author::Attempt } else { Author::Other }
}

impl Author {
    /// What an answer that seemed to be `outcome` is as this author's.
    pub const fn means(self, outcome: Outcome) -> Outcome {
        match self {
            Self::Upstream => outcome,
            Self::Attempt => Outcome::Failure,
            Self::Other => Outcome::Abandoned,
        }
    }
}

/// For how long an upstream wants to be left alone, by its `retry-after` (RFC 9110 §10.2.3): seconds or a date, seen at
/// `now`, in seconds since the Unix epoch. What cannot be read says nothing.
pub fn retry_after(value: &[u8], now: u64) -> Duration {
    let value = value.trim_ascii();
    let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    Duration::from_secs(if is_number {
        // More than fits is still a long time.
        std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok()).unwrap_or(u64::MAX)
    } else {
        date::parse(value, now).unwrap_or(now).saturating_sub(now)
    })
}

/// What a stream that has ended says, by Envoy's `response.flags`: a failure where Envoy says that the upstream let it down,
/// nothing where the client left, and else what was `seen` of an answer until then.
pub fn of_flags(flags: Option<u64>, seen: Option<Outcome>) -> Outcome {
    match flags {
        Some(flags) if flags & CLIENT_LEFT != 0 => Outcome::Abandoned,
        Some(flags) if flags & UPSTREAM_FAILED != 0 => Outcome::Failure,
        _ => seen.unwrap_or(Outcome::Abandoned),
    }
}

/// Envoy's `DownstreamConnectionTermination` and `DownstreamRemoteReset`.
const CLIENT_LEFT: u64 = 0x4000 | 0x1000_0000;
/// Envoy's `UpstreamRequestTimeout`, `UpstreamRemoteReset`, `UpstreamConnectionFailure`,
/// `UpstreamConnectionTermination`, `UpstreamMaxStreamDurationReached` and `UpstreamProtocolError`.
const UPSTREAM_FAILED: u64 = 0x4 | 0x10 | 0x20 | 0x40 | 0x8_0000 | 0x80_0000;

#[cfg(test)]
mod tests {
    use super::*;
    use policy::json::Json;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn criteria() -> Criteria {
        Criteria {
            failures: Statuses::default(),
            ignored: Statuses::new([404.0, 501.0].map(|status| status::range(&Json::Number(status)).unwrap()).into()),
            grpc_failures: Codes::FAILURES,
            grpc_ignored: Codes::new(&[2, 5]).unwrap(),
            is_whole: false,
        }
    }

    #[test]
    fn a_status_is_what_the_operator_says() {
        for (status, expected) in [
            (Some("200"), Outcome::Success),
            (Some("403"), Outcome::Success),
            (Some("404"), Outcome::Abandoned),
            (Some("429"), Outcome::Success),
            (Some("500"), Outcome::Failure),
            (Some("501"), Outcome::Abandoned),
            (Some("504"), Outcome::Failure),
            (Some(""), Outcome::Failure),
            (Some("2000"), Outcome::Failure),
            (None, Outcome::Failure),
        ] {
            assert_eq!(criteria().of_status(status.map(str::as_bytes)), expected, "{status:?}");
        }
        assert_eq!(criteria().of_status(Some(b"\xff\xfe")), Outcome::Failure);
    }

    #[test]
    fn a_code_of_grpc_is_what_the_operator_says() {
        for (code, expected) in [
            ("0", Outcome::Success),
            ("3", Outcome::Success),
            ("5", Outcome::Abandoned),
            ("14", Outcome::Failure),
            ("2", Outcome::Abandoned),
        ] {
            assert_eq!(criteria().of_code(code.as_bytes()), expected, "{code}");
        }
    }

    #[test]
    fn only_the_upstream_and_attempts_at_it_count() {
        for (details, expected) in [
            ("via_upstream", Author::Upstream),
            ("no_healthy_upstream", Author::Attempt),
            ("response_timeout", Author::Attempt),
            ("upstream_per_try_timeout", Author::Attempt),
            ("upstream_reset_before_response_started{connection_termination}", Author::Attempt),
            ("upstream_reset_before_response_started{remote_connection_failure|refused}", Author::Attempt),
            ("dns_resolution_failure{x}", Author::Attempt),
            ("upstream_reset_before_response_started{overflow}", Author::Other),
            ("weir_bad_request", Author::Other),
            ("route_not_found", Author::Other),
            ("cluster_not_found", Author::Other),
            ("direct_response", Author::Other),
            ("request_payload_too_large", Author::Other),
            ("response_payload_too_large", Author::Other),
            ("maintenance_mode", Author::Other),
            ("", Author::Other),
        ] {
            assert_eq!(author(Some(details.as_bytes())), expected, "{details}");
        }
        assert_eq!((author(None), author(Some(b"\xff\xfe"))), (Author::Upstream, Author::Other));
    }

    #[test]
    fn a_failed_attempt_is_a_failure_whatever_its_status() {
        for outcome in [Outcome::Success, Outcome::Failure, Outcome::Abandoned] {
            assert_eq!(Author::Upstream.means(outcome), outcome);
            assert_eq!(Author::Attempt.means(outcome), Outcome::Failure);
            assert_eq!(Author::Other.means(outcome), Outcome::Abandoned);
        }
        for (status, code, expected) in [
            (Some("200"), None, false),
            (Some("404"), None, false),
            (Some("503"), None, true),
            (None, None, true),
            (Some("200"), Some("0"), false),
            (Some("200"), Some("14"), true),
        ] {
            assert_eq!(
                may_be_local(status.map(str::as_bytes), code.map(str::as_bytes)),
                expected,
                "{status:?} {code:?}"
            );
        }
    }

    #[test]
    fn an_upstream_says_for_how_long_it_is_away() {
        const NOW: u64 = 784_111_777;
        for (value, expected) in [
            ("120", 120),
            (" 7 ", 7),
            ("0", 0),
            ("Sun, 06 Nov 1994 08:50:37 GMT", 60),
            ("Sun, 06 Nov 1994 08:49:00 GMT", 0),
            ("-5", 0),
            ("1.5", 0),
            ("", 0),
            ("soon", 0),
            ("18446744073709551616", u64::MAX),
            ("99999999999999999999999", u64::MAX),
        ] {
            assert_eq!(retry_after(value.as_bytes(), NOW), Duration::from_secs(expected), "{value}");
        }
        assert_eq!(retry_after(b"\xff\xfe", NOW), Duration::ZERO);
    }

    #[test]
    fn a_client_that_leaves_says_nothing_about_the_upstream() {
        for (flags, expected) in [
            (None, Outcome::Abandoned),
            (Some(0), Outcome::Abandoned),
            (Some(0x4000), Outcome::Abandoned),
            (Some(0x4000 | 0x40), Outcome::Abandoned),
            (Some(0x1000_0000), Outcome::Abandoned),
            (Some(0x4), Outcome::Failure),
            (Some(0x40), Outcome::Failure),
            (Some(0x100), Outcome::Abandoned),
        ] {
            assert_eq!(of_flags(flags, None), expected, "{flags:?}");
        }
    }

    #[test]
    fn an_answer_that_breaks_off_is_a_failure_and_one_that_ends_is_what_it_was() {
        for (flags, seen, expected) in [
            (Some(0), Outcome::Success, Outcome::Success),
            (Some(0), Outcome::Failure, Outcome::Failure),
            (None, Outcome::Success, Outcome::Success),
            (Some(0x40), Outcome::Success, Outcome::Failure),
            (Some(0x4000), Outcome::Success, Outcome::Abandoned),
        ] {
            assert_eq!(of_flags(flags, Some(seen)), expected, "{flags:?}");
        }
    }
}
