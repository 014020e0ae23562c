//! How an upstream says that it is asked too often, or is about to be.
//!
//! | word of `learn` | what is heard | for how long |
//! |---|---|---|
//! | `retry_after` | 403, 429 or 503 with `Retry-After` (RFC 9110 §10.2.3): seconds, or a date in any of HTTP's forms | as it says |
//! | `429` | that status | as `Retry-After` or a reset field says, else the default |
//! | `503` | that status: `MusicBrainz` says so | as with 429 |
//! | `ratelimit_headers` | nothing is left: `X-RateLimit-Remaining: 0` and its like with whatever stands before `RateLimit`, `RateLimit: "a";r=0;t=9` and its older forms | until the reset that stands beside it, else the default |
//! | `lastfm` | code 29 in the body, JSON or XML, whatever the status | the default |
//!
//! **A reset** is a number of seconds or a moment, and services do not say which. Nobody's window is thirty years long, so a
//! number from 10⁹ on is a moment in Unix seconds, and from 10¹¹ on in milliseconds. A moment is compared with the response's
//! own `Date` where it has one: then it does not matter how wrong the upstream's clock is, or ours.
//!
//! Whatever an upstream says counts for no longer than the `longest` that is configured, and what cannot be read as if it were
//! not there. A refusal counts for a second at least, since these fields count in seconds and are rounded down by some.

use std::time::Duration;

use policy::headers::Sole;
use policy::{Headers, Instant, date};

/// What is listened to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Learn(u8);

/// What was heard.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Signal {
    /// Whether a request was refused; if not, it was the last one that was not.
    pub is_refusal: bool,
    /// For how long the upstream wants to be left alone, where it says so.
    pub length: Option<Duration>,
}

/// A longer body is not Last.fm's refusal.
pub const BODY_BYTES_MAX: usize = 512;

/// A refusal counts for as long at least.
const SHORTEST: Duration = Duration::from_secs(1);
/// A number of seconds from here on is a moment: the year 2001.
const MOMENTS_FROM: u64 = 1_000_000_000;
/// A moment from here on is in milliseconds.
const MILLIS_FROM: u64 = 100_000_000_000;

impl Learn {
    /// `retry_after`
    pub const RETRY_AFTER: Self = Self(1);
    /// `ratelimit_headers`
    pub const FIELDS: Self = Self(2);
    /// `429`
    pub const TOO_MANY: Self = Self(4);
    /// `503`
    pub const UNAVAILABLE: Self = Self(8);
    /// `lastfm`
    pub const LASTFM: Self = Self(16);

    /// Its words.
    pub const WORDS: [(&'static str, Self); 5] = [
        ("retry_after", Self::RETRY_AFTER),
        ("ratelimit_headers", Self::FIELDS),
        ("429", Self::TOO_MANY),
        ("503", Self::UNAVAILABLE),
        ("lastfm", Self::LASTFM),
    ];

    /// This and another.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether another is part of this.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether a response of this status can say anything in its headers. The dear reading of all of them is saved where not.
    pub fn hears(self, status: Option<&[u8]>) -> bool {
        self.has(Self::FIELDS) || matches!(status, Some(b"403" | b"429" | b"503"))
    }
}

/// What the headers of a response say at `now`.
pub fn heard(learn: Learn, response: &Headers, now: Instant) -> Option<Signal> {
    let status = response.first(":status");
    let their_now = match response.sole("date") {
        Sole::Value(value) => date::parse(value, now.unix_seconds()),
        Sole::Absent | Sole::Repeated => None,
    };
    let their_now = their_now.unwrap_or(now.unix_seconds());
    let fields = if learn.has(Learn::FIELDS) { fields(response, their_now) } else { Fields::default() };
    let mut told = None;
    if learn.has(Learn::RETRY_AFTER) && learn.hears(status) {
        told = response.all("retry-after").filter_map(|value| length(value, their_now)).max();
    }
    let is_refusal = match status {
        Some(b"429") => learn.has(Learn::TOO_MANY) || told.is_some(),
        Some(b"503") => learn.has(Learn::UNAVAILABLE) || told.is_some(),
        Some(b"403") => told.is_some(),
        _ => false,
    };
    if is_refusal {
        return Some(Signal { is_refusal, length: told.or(fields.reset).map(|length| length.max(SHORTEST)) });
    }
    // A window that begins anew at once has nothing to wait for.
    (fields.is_spent && fields.reset != Some(Duration::ZERO)).then_some(Signal { is_refusal, length: fields.reset })
}

/// Whether this is the whole body of Last.fm's refusal: code 29, in JSON or in XML.
pub fn is_lastfm_refusal(body: &[u8]) -> bool {
    let body = body.trim_ascii();
    if body.len() > BODY_BYTES_MAX {
        return false;
    }
    // Quotes inside a JSON text are escaped, so this is a member's name wherever it stands.
    let (name, colon): (&[u8], &[u8]) = match body.first() {
        Some(b'{') => (b"\"error\"", b":"),
        Some(b'<') => (b"<error code=\"", b""),
        _ => return false,
    };
    let found = body.windows(name.len()).position(|window| window == name);
    let after = found.and_then(|start| body.get(start + name.len()..)).map(<[u8]>::trim_ascii_start);
    let code = after.and_then(|rest| rest.strip_prefix(colon)).map(<[u8]>::trim_ascii_start);
    code.and_then(|rest| rest.strip_prefix(b"29")).is_some_and(|rest| !rest.first().is_some_and(u8::is_ascii_digit))
}

/// What fields about a limit say together.
#[derive(Clone, Copy, Debug, Default)]
struct Fields {
    is_spent: bool,
    /// The latest of all resets.
    reset: Option<Duration>,
}

impl Fields {
    fn note(&mut self, is_spent: bool, reset: Option<Duration>) {
        self.is_spent |= is_spent;
        self.reset = self.reset.max(reset);
    }
}

fn fields(response: &Headers, their_now: u64) -> Fields {
    let mut fields = Fields::default();
    for (name, value) in response {
        let is_any = |ends: [&[u8]; 2]| ends.iter().any(|end| name.ends_with(end));
        if is_any([b"ratelimit-remaining", b"rate-limit-remaining"]) {
            fields.note(seconds(value) == Some(0), None);
        } else if is_any([b"ratelimit-reset", b"rate-limit-reset"]) || name.ends_with(b"ratelimit-reset-after") {
            fields.note(false, length(value, their_now));
        } else if name == b"ratelimit" {
            structured(value, their_now, &mut fields);
        }
    }
    fields
}

/// Reads `RateLimit`: items like `"a";r=0;t=9` (draft-ietf-httpapi-ratelimit-headers-10), or members like `remaining=0,
/// reset=9` (-07). Of items, only those with nothing left count.
fn structured(value: &[u8], their_now: u64, fields: &mut Fields) {
    let (mut is_spent, mut reset) = (false, None);
    for part in value.split(|byte| matches!(byte, b',' | b';')).map(<[u8]>::trim_ascii) {
        let mut sides = part.splitn(2, |&byte| byte == b'=');
        match (sides.next(), sides.next()) {
            (Some(b"r" | b"remaining"), Some(left)) => is_spent = seconds(left) == Some(0),
            (Some(b"t" | b"reset"), Some(text)) => reset = length(text, their_now),
            // The name of the next item.
            (_, None) => (is_spent, reset) = (false, None),
            _ => {}
        }
        if is_spent {
            fields.note(true, reset);
        }
    }
}

/// How long it is until what `text` says: a number of seconds, a moment in Unix seconds or milliseconds, or a date.
fn length(text: &[u8], their_now: u64) -> Option<Duration> {
    let moment = match seconds(text) {
        Some(length) if length < MOMENTS_FROM => return Some(Duration::from_secs(length)),
        Some(millis) if millis >= MILLIS_FROM => millis.div_ceil(1000),
        Some(moment) => moment,
        None => date::parse(text, their_now)?,
    };
    Some(Duration::from_secs(moment.saturating_sub(their_now)))
}

/// A number of any length, rounded up; `None` for a sign, an exponent or anything else.
fn seconds(text: &[u8]) -> Option<u64> {
    let mut parts = text.trim_ascii().splitn(2, |&byte| byte == b'.');
    let (whole, fraction) = (parts.next()?, parts.next());
    let all_digits = |digits: &[u8]| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    if !all_digits(whole) || fraction.is_some_and(|fraction| !all_digits(fraction)) {
        return None;
    }
    let number = |number: u64, digit: &u8| number.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    let above = fraction.is_some_and(|fraction| fraction.iter().any(|&digit| digit != b'0'));
    Some(whole.iter().fold(0, number).saturating_add(u64::from(above)))
}

#[cfg(test)]
mod tests;
