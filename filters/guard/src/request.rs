//! What is decided of a request by its headers, and of its body once there is one.

use policy::headers::Sole;
use policy::json::Json;
use policy::route::Target;
use policy::{Headers, Rejection};

use crate::config::{ANY, Config, Route};
use crate::path::{self, Trick};
use crate::schema::Misfit;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It passes, its body as it comes.
    Pass,
    /// It passes, as long as its body is no longer than this many bytes.
    Count(u64),
    /// Its body is held until it is whole, and checked as this route says, given as an index.
    Hold(usize),
    /// It is refused.
    Refuse(Refusal),
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// Its path is another path to others.
    Path(Trick),
    /// Its `Content-Length` is none.
    Length,
    /// Its body is too long.
    TooLarge,
    /// Its body is of a type that is not taken here.
    Type,
    /// Its body is compressed, so that nobody can tell what it says.
    Coding,
    /// It has no body, and must have one.
    Missing,
    /// It has trailers behind a body that is checked.
    Trailers,
}

/// Methods of requests that mean something without a body.
const BODYLESS: [&[u8]; 6] = [b"GET", b"HEAD", b"OPTIONS", b"DELETE", b"TRACE", b"CONNECT"];

/// Looks at the headers of a request; `is_bodyless` where they are all of it.
pub fn judge(config: &Config, headers: &Headers, is_bodyless: bool) -> Verdict {
    let whole = headers.first(":path").unwrap_or_default();
    if config.checks_paths
        && let Err(trick) = path::inspect(whole)
    {
        return Verdict::Refuse(Refusal::Path(trick));
    }
    if is_bodyless && !config.routes.iter().any(|route| route.schema.is_some()) {
        return Verdict::Pass;
    }
    let target = Target::of(headers);
    let found = config.routes.iter().enumerate().find(|(_, route)| route.rule.matches(&target));
    if is_bodyless {
        let is_missing = found.is_some_and(|(_, route)| route.schema.is_some()) && !BODYLESS.contains(&target.method);
        return if is_missing { Verdict::Refuse(Refusal::Missing) } else { Verdict::Pass };
    }
    match found {
        Some((index, route)) => of_route(route, index, headers),
        None => counted(headers, config.body_bytes_max),
    }
}

fn of_route(route: &Route, index: usize, headers: &Headers) -> Verdict {
    // A length that is too much is told first: the rest of the headers is not read for it.
    let counted = counted(headers, route.body_bytes_max);
    if matches!(counted, Verdict::Refuse(_)) {
        return counted;
    }
    let takes = |kind| route.types.iter().any(|range| range.takes(kind));
    if !route.types.is_empty() && !matches!(headers.sole("content-type"), Sole::Value(kind) if takes(kind)) {
        return Verdict::Refuse(Refusal::Type);
    }
    if route.schema.is_none() {
        return counted;
    }
    match headers.sole("content-encoding") {
        Sole::Absent | Sole::Value(b"identity") => Verdict::Hold(index),
        _ => Verdict::Refuse(Refusal::Coding),
    }
}

/// What is known of a body's length: what is announced, Envoy's own reader holds a client to.
fn counted(headers: &Headers, most: u64) -> Verdict {
    if most == ANY {
        return Verdict::Pass;
    }
    let length = match headers.sole("content-length") {
        Sole::Absent => return Verdict::Count(most),
        Sole::Repeated => None,
        Sole::Value(length) => {
            std::str::from_utf8(length).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
        }
    };
    match length.map(str::parse) {
        Some(Ok(length)) if length <= most => Verdict::Pass,
        // Digits alone that are no number are too many.
        Some(Ok(_)) => Verdict::Refuse(Refusal::TooLarge),
        Some(Err::<u64, _>(_)) if length.is_some_and(|text| !text.is_empty()) => Verdict::Refuse(Refusal::TooLarge),
        _ => Verdict::Refuse(Refusal::Length),
    }
}

/// Checks a whole body.
///
/// # Errors
/// What does not fit.
pub fn check(route: &Route, body: &[u8]) -> Result<(), Misfit> {
    let Some(schema) = &route.schema else { return Ok(()) };
    let json: Json = serde_json::from_slice(body)
        .map_err(|error| Misfit { place: String::new(), reason: format!("must be JSON: {error}") })?;
    schema.check(&json)
}

/// What the sender of a body that does not fit is told.
pub fn mend(misfit: Misfit) -> Rejection {
    let Misfit { place, reason } = misfit;
    let place = if place.is_empty() { "body".to_owned() } else { place };
    Rejection::BadRequest { message: [&place, ": ", &reason].concat() }
}

impl Refusal {
    /// The word by which it is counted.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Path(_) => "path",
            Self::Length | Self::TooLarge => "length",
            Self::Type | Self::Coding => "type",
            Self::Missing | Self::Trailers => "body",
        }
    }

    /// What its sender is told.
    pub fn rejection(self) -> Rejection {
        let bad = |message: &str| Rejection::BadRequest { message: message.to_owned() };
        let unsupported = |message: &str| Rejection::Failed { status: 415, message: message.to_owned() };
        match self {
            Self::Path(trick) => bad(trick.reason()),
            Self::Length => bad("content-length: must be one number"),
            Self::TooLarge => Rejection::TooLarge,
            Self::Type => unsupported("The body is of a type that is not taken here"),
            Self::Coding => unsupported("The body must not be compressed"),
            Self::Missing => bad("body: is missing"),
            Self::Trailers => bad("trailers: there must be none"),
        }
    }
}

#[cfg(test)]
mod tests;
