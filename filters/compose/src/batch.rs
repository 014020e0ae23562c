//! A batch: several requests of a client's in one, each answered as if it had come alone.
//!
//! What may be asked for is a list of the operator's, by method and path. A path is taken only as the proxy itself would write
//! it: what a later hop could read as another path, by dots, slashes or escapes, is refused, so that what was compared with the
//! list is what is asked for. Requests that say the same (method, path, and body, in whatever order its members stand) are one.

use policy::config::each;
use policy::fields::Fields;
use policy::json::Json;
use policy::rejection::Format;
use policy::route::{Target, without_query};
use policy::{ConfigError, Headers, Instant, Match, Rejection, RequestId, date};

use crate::failure::{Failure, Outcome};
use crate::value::{Fault, Value};

/// All answers of one batch together, in bytes. One that does not fit any more is none.
pub const ANSWERS_BYTES_MAX: usize = 1 << 20;
/// A longer path, with its query, is refused.
const PATH_BYTES_MAX: usize = 2048;
const MOST: u32 = 100;
/// How long the client of an upstream that says 429 and nothing else is to wait.
const UNSAID: std::time::Duration = std::time::Duration::from_secs(1);

/// What a batch may hold.
#[derive(Debug)]
pub struct Batch {
    most: usize,
    calls: Vec<Match>,
    /// The cluster that its calls go to, where it is another than that of all compositions.
    pub cluster: Option<String>,
}

impl Batch {
    /// Reads `most`, `calls` and `cluster`; see [`crate::Config::from_json`].
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn read(json: Json) -> Result<Self, ConfigError> {
        let mut fields = Fields::of(json)?;
        let calls = fields.list("calls")?.unwrap_or_default();
        if calls.is_empty() {
            return Err(ConfigError::at("calls", "is missing: it says what may be asked for"));
        }
        let batch = Self {
            most: fields.number("most", 1, MOST)?.unwrap_or(50) as usize,
            calls: each("calls", calls, call)?,
            cluster: fields.text("cluster")?,
        };
        fields.end_of(&["most", "calls", "cluster"])?;
        Ok(batch)
    }

    /// How many requests it may hold.
    pub const fn most(&self) -> usize {
        self.most
    }

    /// The requests in a body, in one spelling, or what is wrong with them and where.
    ///
    /// # Errors
    /// For the client: `requests[3].path: must …`.
    pub fn requests(&self, body: &Value) -> Result<Value, String> {
        let Value::Object(members) = body else { return Err("body: must be an object".to_owned()) };
        if let Some((name, _)) = members.iter().find(|(name, _)| name != "requests") {
            return Err([&shown(name), ": is unknown, expected requests"].concat());
        }
        let items = body.member("requests").ok_or("requests: is missing")?.items().ok_or("requests: must be a list")?;
        if !(1..=self.most).contains(&items.len()) {
            return Err(format!("requests: must have 1 to {} items, has {}", self.most, items.len()));
        }
        let mut requests = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            requests.push(self.request(item).map_err(|(member, reason)| {
                let member = if member.is_empty() { String::new() } else { [".", &member].concat() };
                format!("requests[{index}]{member}: {reason}")
            })?);
        }
        Ok(Value::List(requests))
    }

    /// One request; `Err` is the member that is wrong, and why.
    fn request(&self, item: &Value) -> Result<Value, (String, String)> {
        let wrong = |member: &str, reason: &str| (member.to_owned(), reason.to_owned());
        let Value::Object(members) = item else { return Err(wrong("", "must be an object")) };
        if let Some((name, _)) = members.iter().find(|(name, _)| !matches!(name.as_str(), "method" | "path" | "body")) {
            return Err((shown(name), "is unknown, expected method, path or body".to_owned()));
        }
        let text = |name: &str| {
            let value = item.member(name).ok_or_else(|| wrong(name, "is missing"))?;
            value.as_text().ok_or_else(|| wrong(name, "must be a text"))
        };
        let (method, path) = (text("method")?, text("path")?);
        if !self.calls.iter().any(|call| call.admits(method)) {
            return Err(wrong("method", "must be one that a batch may send, in upper case"));
        }
        if !is_plain(path) {
            return Err(wrong(
                "path",
                "must be a path as it is sent, with neither host nor dots, slashes or escapes that lead elsewhere",
            ));
        }
        let headers = Headers::default();
        let target = Target {
            method: method.as_bytes(),
            authority: b"",
            path: without_query(path.as_bytes()),
            headers: &headers,
        };
        if !self.calls.iter().any(|call| call.matches(&target)) {
            return Err(wrong("path", "is not what a batch may ask for"));
        }
        let mut request = vec![("method".to_owned(), Value::text(method)), ("path".to_owned(), Value::text(path))];
        match item.member("body") {
            Some(_) if matches!(method, "GET" | "HEAD") => return Err(wrong("body", "there must be none")),
            Some(body) => request.push(("body".to_owned(), sorted(body))),
            None => {}
        }
        Ok(Value::Object(request))
    }
}

/// Reads what may be asked for: a path and its methods. Whose host, and with which headers, is not a client's to choose.
fn call(json: Json) -> Result<Match, ConfigError> {
    let fields = Fields::of(json)?;
    for name in ["hosts", "headers"] {
        if fields.has(name) {
            return Err(ConfigError::at(name, "is not known of what a batch asks for"));
        }
    }
    if !fields.has("methods") {
        return Err(ConfigError::at("methods", "is missing"));
    }
    Match::read(fields)
}

/// A name that a client has made up, as far as it is repeated.
fn shown(name: &str) -> String {
    name.chars().take(64).collect()
}

/// Whether every hop reads a path, with its query, as the same one.
fn is_plain(path: &str) -> bool {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let is_sound = |text: &str| {
        let graphic = text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'#' | b'\\'));
        let mut escapes = text.split('%').skip(1);
        graphic
            && escapes.all(|after| after.get(..2).is_some_and(|two| two.bytes().all(|byte| byte.is_ascii_hexdigit())))
    };
    let is_segment = |segment: &str| {
        let lower = segment.to_ascii_lowercase();
        // A dot need not be escaped, and a slash, a backslash or a NUL in a segment is what no two hops agree on.
        let is_escaped = ["%2e", "%2f", "%5c", "%00"].iter().any(|escape| lower.contains(escape));
        !is_escaped && segment != "." && segment != ".."
    };
    let Some(below) = path.strip_prefix('/') else { return false };
    let segments = || below.split('/');
    // An empty segment is one that Envoy merges away; only the last may be empty, which is another path.
    let has_gap = segments().rev().skip(1).any(str::is_empty);
    path.len() + query.len() < PATH_BYTES_MAX
        && is_sound(path)
        && is_sound(query)
        && !has_gap
        && segments().all(is_segment)
}

/// A value with all members in the order of their names.
fn sorted(value: &Value) -> Value {
    match value {
        Value::List(items) => Value::List(items.iter().map(sorted).collect()),
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().map(|(name, value)| (name.clone(), sorted(value))).collect();
            members.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
            Value::Object(members)
        }
        other => other.clone(),
    }
}

/// What is sent for a request: method, path and body.
pub fn written(request: &Value) -> (String, String, String) {
    let text = |name| request.member(name).and_then(Value::as_text).unwrap_or_default().to_owned();
    (text("method"), text("path"), request.member("body").map(Value::to_json).unwrap_or_default())
}

/// What an answer becomes: its status, its body, and when to ask again. A body that is JSON stays as it was written; a failure's
/// that is none becomes an error of this proxy's; any other is a text.
///
/// # Errors
/// There is no whole answer, or none that can be told in JSON.
pub fn response(outcome: &Outcome, request_id: Option<&RequestId>, now: Instant) -> Result<Value, Failure> {
    let Outcome::Answer { status, body, retry_after, .. } = outcome else {
        return outcome.read();
    };
    let retry_after = retry_after.as_deref().and_then(|value| seconds(value, now));
    let value = match (Value::parse(body), std::str::from_utf8(body)) {
        _ if body.is_empty() && *status < 400 => Value::Null,
        (Ok(_), Ok(text)) => Value::Written(text.to_owned()),
        _ if *status >= 400 => error(&refusal(*status, retry_after), request_id),
        (Err(Fault::Malformed), Ok(text)) => Value::text(text),
        _ => return Err(Failure::unusable("is neither JSON nor text")),
    };
    Ok(element(*status, value, retry_after))
}

/// What stands for a request that was not answered.
pub fn unanswered(failure: &Failure, request_id: Option<&RequestId>) -> Value {
    let rejection = failure.rejection(None);
    element(rejection.status(), error(&rejection, request_id), None)
}

/// Whether a response says that its request has failed.
pub fn is_failure(response: &Value) -> bool {
    matches!(response.member("status"), Some(Value::Number(status)) if status.parse().is_ok_and(|status: u16| status >= 400))
}

fn element(status: u16, body: Value, retry_after: Option<u64>) -> Value {
    let mut members = vec![("status".to_owned(), Value::number(status.into()))];
    members.extend(retry_after.map(|seconds| ("retry_after".to_owned(), Value::number(seconds))));
    members.push(("body".to_owned(), body));
    Value::Object(members)
}

fn error(rejection: &Rejection, request_id: Option<&RequestId>) -> Value {
    let body = rejection.reply(request_id, Format::Json).body;
    String::from_utf8(body).map_or(Value::Null, Value::Written)
}

/// A status as an error of this proxy's.
fn refusal(status: u16, retry_after: Option<u64>) -> Rejection {
    match status {
        403 => Rejection::Forbidden,
        413 => Rejection::TooLarge,
        429 => Rejection::RateLimited { retry_after: retry_after.map_or(UNSAID, std::time::Duration::from_secs) },
        500 => Rejection::Internal,
        404 | 409 | 422 | 503 | 504 => Rejection::Failed { status, message: answered(status) },
        400..500 => Rejection::BadRequest { message: answered(status) },
        _ => Rejection::Failed { status: 502, message: answered(status) },
    }
}

fn answered(status: u16) -> String {
    format!("the upstream answered {status}")
}

/// `Retry-After` (RFC 9110 §10.2.3), seconds or a date, in seconds from now.
fn seconds(value: &[u8], now: Instant) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok();
    }
    let now = now.unix_seconds();
    date::parse(value, now).map(|then| then.saturating_sub(now))
}

#[cfg(test)]
mod tests;
