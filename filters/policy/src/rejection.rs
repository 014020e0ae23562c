//! What a client is told when a filter answers in the upstream's place: one mapping to status, code and text.
//!
//! The body says what a client may know. Why exactly (which claim, which rule) goes to the log and to
//! `%RESPONSE_CODE_DETAILS%` alone.

use std::time::Duration;

use crate::handover::DETAILS_PREFIX;
use crate::id::RequestId;

/// Why a request is answered by a filter.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Rejection {
    /// A limit is spent; the same request would pass after this long.
    RateLimited {
        /// Until the request would pass.
        retry_after: Duration,
    },
    /// What the request needs is away, be it an upstream or something that the decision depends on.
    Unavailable {
        /// Until it is worth asking again, where that is known.
        retry_after: Option<Duration>,
    },
    /// The breaker of this upstream is open.
    BreakerOpen {
        /// The upstream's name in the policy.
        upstream: String,
        /// Until the breaker lets a probe through.
        retry_after: Duration,
    },
    /// As many requests as may be are under way to this upstream.
    BulkheadFull {
        /// The upstream's name in the policy.
        upstream: String,
    },
    /// A credential was sent and is not good; `reason` is for the log alone.
    AuthFailed {
        /// What the client can do about it: the value of `WWW-Authenticate` (RFC 9110 §11.6.1).
        challenge: String,
        /// What is wrong with the credential, as one word with underscores.
        reason: &'static str,
    },
    /// No credential was sent where one is required.
    Unauthorized {
        /// What the client can do about it: the value of `WWW-Authenticate` (RFC 9110 §11.6.1).
        challenge: String,
    },
    /// The caller is known and may not.
    Forbidden,
    /// The request is malformed in a way that the client can mend.
    BadRequest {
        /// What to mend, as a sentence without a full stop.
        message: String,
    },
    /// The body is larger than anything that is wanted.
    TooLarge,
    /// There is no such thing.
    NotFound,
    /// The filter could not decide, and is told to refuse then.
    Internal,
    /// The upstream gave no usable answer.
    Proxy,
    /// The upstream took too long.
    Timeout,
    /// Only a stored response was wanted, and none can be used (RFC 9111 §5.2.1.7).
    NotStored,
    /// Work on the request's behalf failed.
    Failed {
        /// 400, 404, 409, 415, 422, 502, 503 or 504; any other is told as 502.
        status: u16,
        /// What failed, as a sentence without a full stop.
        message: String,
    },
}

/// The form of an answer's body.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Format {
    /// `{"error": {"code", "message", …}}`.
    #[default]
    Json,
    /// Problem details (RFC 9457), with the same facts.
    Problem,
}

/// A whole answer, ready to be sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// What the access log is told (`%RESPONSE_CODE_DETAILS%`).
    pub details: String,
}

impl Rejection {
    /// The HTTP status.
    pub const fn status(&self) -> u16 {
        self.facts().0
    }

    /// The code that programs go by.
    pub const fn code(&self) -> &'static str {
        self.facts().1
    }

    /// The whole answer, in the form that the client asked for.
    pub fn reply(&self, request_id: Option<&RequestId>, format: Format) -> Reply {
        let (status, code, title) = self.facts();
        let message = self.message();
        let retry_after = self.retry_after();
        let request_id = request_id.map(RequestId::as_str);
        let mut body = String::with_capacity(BODY);
        if format == Format::Json {
            body.push_str("{\"error\":");
            member(&mut body, '{', "code", code);
            member(&mut body, ',', "message", &message);
        } else {
            member(&mut body, '{', "type", "about:blank");
            member(&mut body, ',', "title", title);
            body.push_str(",\"status\":");
            body.push_str(&status.to_string());
            member(&mut body, ',', "detail", &message);
            member(&mut body, ',', "code", code);
        }
        if let Some(seconds) = retry_after {
            body.push_str(",\"retry_after\":");
            body.push_str(&seconds.to_string());
        }
        if let Some(id) = request_id {
            member(&mut body, ',', "request_id", id);
        }
        body.push_str(if format == Format::Json { "}}" } else { "}" });
        let mut headers = vec![("content-type", format.content_type().to_owned())];
        headers.extend(retry_after.map(|seconds| ("retry-after", seconds.to_string())));
        if let Self::AuthFailed { challenge, .. } | Self::Unauthorized { challenge } = self {
            headers.push(("www-authenticate", challenge.clone()));
        }
        Reply { status, headers, body: body.into_bytes(), details: self.details() }
    }

    const fn facts(&self) -> (u16, &'static str, &'static str) {
        match self {
            Self::RateLimited { .. } => (429, "RATE_LIMITED", "Too Many Requests"),
            Self::Unavailable { .. } | Self::BulkheadFull { .. } => (503, "SERVICE_UNAVAILABLE", "Service Unavailable"),
            Self::BreakerOpen { .. } => (503, "CIRCUIT_BREAKER_OPEN", "Service Unavailable"),
            Self::AuthFailed { .. } => (401, "AUTH_FAILED", "Unauthorized"),
            Self::Unauthorized { .. } => (401, "UNAUTHORIZED", "Unauthorized"),
            Self::Forbidden => (403, "FORBIDDEN", "Forbidden"),
            Self::BadRequest { .. } => (400, "BAD_REQUEST", "Bad Request"),
            Self::TooLarge => (413, "BAD_REQUEST", "Content Too Large"),
            Self::NotFound => (404, "NOT_FOUND", "Not Found"),
            Self::Internal => (500, "INTERNAL_ERROR", "Internal Server Error"),
            Self::Proxy => (502, "PROXY_ERROR", "Bad Gateway"),
            Self::Timeout | Self::NotStored => (504, "TIMEOUT", "Gateway Timeout"),
            Self::Failed { status, .. } => match *status {
                400 => (400, "BAD_REQUEST", "Bad Request"),
                404 => (404, "NOT_FOUND", "Not Found"),
                409 => (409, "CONFLICT", "Conflict"),
                415 => (415, "BAD_REQUEST", "Unsupported Media Type"),
                422 => (422, "UNPROCESSABLE", "Unprocessable Content"),
                503 => (503, "SERVICE_UNAVAILABLE", "Service Unavailable"),
                504 => (504, "TIMEOUT", "Gateway Timeout"),
                _ => (502, "PROXY_ERROR", "Bad Gateway"),
            },
        }
    }

    fn message(&self) -> String {
        match self {
            Self::RateLimited { .. } => "Too many requests".into(),
            Self::Unavailable { .. } => "The service is not available".into(),
            Self::BreakerOpen { upstream, .. } => format!("Circuit breaker open for service: {upstream}"),
            Self::BulkheadFull { upstream } => format!("Too many requests under way to service: {upstream}"),
            Self::AuthFailed { .. } => "The credential is not valid".into(),
            Self::Unauthorized { .. } => "A credential is required".into(),
            Self::Forbidden => "Not allowed".into(),
            Self::BadRequest { message } | Self::Failed { message, .. } => message.clone(),
            Self::TooLarge => "The body is too large".into(),
            Self::NotFound => "Not found".into(),
            Self::Internal => "Internal error".into(),
            Self::Proxy => "The upstream gave no usable answer".into(),
            Self::Timeout => "The upstream took too long".into(),
            Self::NotStored => "No stored response can be used, and no other was wanted".into(),
        }
    }

    fn retry_after(&self) -> Option<u64> {
        let wait = match self {
            Self::RateLimited { retry_after } | Self::BreakerOpen { retry_after, .. } => *retry_after,
            Self::Unavailable { retry_after } => (*retry_after)?,
            // One of them may end at any moment.
            Self::BulkheadFull { .. } => Duration::ZERO,
            _ => return None,
        };
        Some(whole_seconds(wait))
    }

    fn details(&self) -> String {
        let code = self.code().to_ascii_lowercase();
        match self {
            Self::AuthFailed { reason, .. } => format!("{DETAILS_PREFIX}{code}{{{reason}}}"),
            Self::NotStored => format!("{DETAILS_PREFIX}{code}{{not_stored}}"),
            Self::BulkheadFull { .. } => format!("{DETAILS_PREFIX}{code}{{bulkhead_full}}"),
            _ => format!("{DETAILS_PREFIX}{code}"),
        }
    }
}

/// A wait as `Retry-After` says it: whole seconds, rounded up and at least one, so that who waits for that long is not
/// turned away again.
pub fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1)
}

impl Format {
    /// The form that `accept`, the request's `Accept` header, asks for: problem details only where they are named.
    pub fn of(accept: Option<&[u8]>) -> Self {
        let accept = accept.and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default();
        let asked = accept.split(',').any(|range| {
            let mut parts = range.split(';').map(str::trim);
            let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("application/problem+json"));
            named && !parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
        });
        if asked { Self::Problem } else { Self::Json }
    }

    const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Problem => "application/problem+json",
        }
    }
}

/// About as long as most bodies are.
const BODY: usize = 192;

/// Writes a member of an object whose value is a text (RFC 8259 §7), behind what opens the object or ends the member before.
fn member(json: &mut String, mark: char, name: &str, value: &str) {
    json.push(mark);
    json.push('"');
    json.push_str(name);
    json.push_str("\":\"");
    for char in value.chars() {
        match char {
            '"' | '\\' => json.extend(['\\', char]),
            '\0'..' ' => {
                json.push_str("\\u00");
                let digits = [char as u32 >> 4, char as u32 & 15].map(|digit| char::from_digit(digit, 16));
                json.extend(digits.into_iter().flatten());
            }
            _ => json.push(char),
        }
    }
    json.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn body(rejection: &Rejection, format: Format) -> String {
        let id = RequestId::parse(b"r-1").unwrap();
        String::from_utf8(rejection.reply(Some(&id), format).body).unwrap()
    }

    #[test]
    fn every_rejection_has_the_contract_s_status_and_code() {
        let (retry_after, challenge) = (Duration::from_secs(1), String::from("Bearer"));
        let rows = [
            (Rejection::RateLimited { retry_after }, 429, "RATE_LIMITED"),
            (Rejection::Unavailable { retry_after: None }, 503, "SERVICE_UNAVAILABLE"),
            (Rejection::BreakerOpen { upstream: "sona".into(), retry_after }, 503, "CIRCUIT_BREAKER_OPEN"),
            (Rejection::BulkheadFull { upstream: "sona".into() }, 503, "SERVICE_UNAVAILABLE"),
            (Rejection::AuthFailed { challenge: challenge.clone(), reason: "expired" }, 401, "AUTH_FAILED"),
            (Rejection::Unauthorized { challenge }, 401, "UNAUTHORIZED"),
            (Rejection::Forbidden, 403, "FORBIDDEN"),
            (Rejection::BadRequest { message: "limit: must be 1 to 50".into() }, 400, "BAD_REQUEST"),
            (Rejection::TooLarge, 413, "BAD_REQUEST"),
            (Rejection::NotFound, 404, "NOT_FOUND"),
            (Rejection::Internal, 500, "INTERNAL_ERROR"),
            (Rejection::Proxy, 502, "PROXY_ERROR"),
            (Rejection::Timeout, 504, "TIMEOUT"),
            (Rejection::NotStored, 504, "TIMEOUT"),
        ];
        for (rejection, status, code) in rows {
            assert_eq!((rejection.status(), rejection.code()), (status, code));
            let said: serde_json::Value = serde_json::from_str(&body(&rejection, Format::Json)).unwrap();
            assert_eq!(said["error"]["code"], code);
            assert_eq!(said["error"]["request_id"], "r-1");
            let said: serde_json::Value = serde_json::from_str(&body(&rejection, Format::Problem)).unwrap();
            assert_eq!((said["status"].as_u64(), said["code"].as_str()), (Some(u64::from(status)), Some(code)));
        }
    }

    #[test]
    fn whatever_a_message_says_the_body_is_json() {
        let message = "a \"b\" \\ \n \u{1f} \u{7f} ü 🎵".to_owned();
        for format in [Format::Json, Format::Problem] {
            let said = body(&Rejection::BadRequest { message: message.clone() }, format);
            let said: serde_json::Value = serde_json::from_str(&said).unwrap();
            let text = said.pointer("/error/message").or(said.get("detail"));
            assert_eq!(text.and_then(serde_json::Value::as_str), Some(message.as_str()));
        }
    }

    #[test]
    fn the_body_is_the_contract_s() {
        let limited = Rejection::RateLimited { retry_after: Duration::from_millis(59_001) };
        let expected =
            r#"{"error":{"code":"RATE_LIMITED","message":"Too many requests","retry_after":60,"request_id":"r-1"}}"#;
        assert_eq!(body(&limited, Format::Json), expected);
        let reply = limited.reply(None, Format::Json);
        assert_eq!(reply.headers, [("content-type", "application/json".into()), ("retry-after", "60".into())]);
        assert_eq!(reply.details, crate::handover::RATE_LIMITED);
        assert!(!String::from_utf8(reply.body).unwrap().contains("request_id"));
    }

    #[test]
    fn a_wait_of_no_time_is_told_as_a_second() {
        let limited = Rejection::RateLimited { retry_after: Duration::ZERO };
        assert!(limited.reply(None, Format::Json).headers.contains(&("retry-after", "1".into())));
    }

    #[test]
    fn a_bad_credential_is_challenged_and_its_reason_kept_to_the_log() {
        let challenge = String::from(r#"Bearer realm="gateway", error="invalid_token""#);
        let reply = Rejection::AuthFailed { challenge: challenge.clone(), reason: "expired" }.reply(None, Format::Json);
        assert!(reply.headers.contains(&("www-authenticate", challenge)));
        assert_eq!(reply.details, "weir_auth_failed{expired}");
        assert!(!String::from_utf8(reply.body).unwrap().contains("expired"));
    }

    #[test]
    fn problem_details_come_only_where_they_are_asked_for() {
        for (accept, format) in [
            (None, Format::Json),
            (Some(b"*/*".as_slice()), Format::Json),
            (Some(b"application/problem+json"), Format::Problem),
            (Some(b"text/html, Application/Problem+JSON;q=0.5"), Format::Problem),
            (Some(b"application/problem+json; q=0"), Format::Json),
            (Some(b"application/problem+jsonx"), Format::Json),
            (Some(b"\xff\xfe"), Format::Json),
        ] {
            assert_eq!(Format::of(accept), format);
        }
    }
}
