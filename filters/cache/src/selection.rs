//! Whether a stored response answers a request (RFC 9111 §4), and as what: whole, in part, or as 304 (§4.3.2).

use std::ops::Range;

use policy::headers::Sole;
use policy::{Headers, Instant};

use crate::config::{Forced, Route};
use crate::entry::{Entry, Facts};
use crate::key::Vary;
use crate::precondition;
use crate::range::{self, Selection};
use crate::request::Inquiry;
use crate::status::Forward;

/// How a stored response stands at a moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Hit {
    /// How old it is, in seconds.
    pub age: u32,
    /// For how many more seconds it is fresh; negative where it is stale.
    pub ttl: i64,
}

impl Hit {
    /// How a stored response stands now; `None` where nobody knows, because the clock stepped back.
    ///
    /// A lifetime of the route's that was shortened since the response was stored counts at once.
    pub fn reckon(facts: &Facts, route: &Route, now: Instant) -> Option<Self> {
        let age = facts.received.age(now)?;
        let (mut reckoned, mut lifetime) = (age, facts.lifetime);
        if facts.terms.forced {
            reckoned = facts.received.resident(now)?;
            lifetime = route.forced(facts.status).map_or(lifetime, |forced| forced.lifetime.min(lifetime));
        }
        Some(Self { age, ttl: i64::from(lifetime) - i64::from(reckoned) })
    }
}

/// What a stored response is good for, for one request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It answers.
    Use(Hit),
    /// It answers, and is to be refreshed beside (RFC 5861 §3).
    Refresh(Hit),
    /// It answers once the upstream has confirmed it, or where that fails.
    Validate(Forward),
    /// It is none of this request's business.
    Ignore(Forward),
}

/// Compares what a fingerprint has found with what a request asks for, in full: fingerprints of different keys may be one.
///
/// # Errors
/// In what it differs.
pub fn compare(entry: &Entry<'_>, inquiry: &Inquiry) -> Result<(), Forward> {
    if entry.parts.key != inquiry.key {
        return Err(Forward::UriMiss);
    }
    let vary = Vary::from_bytes(entry.parts.vary).ok_or(Forward::UriMiss)?;
    if vary.values(&inquiry.headers) == entry.parts.values { Ok(()) } else { Err(Forward::VaryMiss) }
}

/// Judges a stored response whose key and varied fields are those of the request.
pub fn judge(entry: &Entry<'_>, inquiry: &Inquiry, route: &Route, now: Instant) -> Verdict {
    let (terms, said) = (&entry.facts.terms, &inquiry.said);
    // A response that is here only because the route once admitted callers whom `auth` knows is of no use without that,
    // nor is one whose lifetime was the route's where the route has none any more, or overlooks less.
    let is_forced = |forced: &Forced| forced.despite.covers(terms.despite);
    let has_lifetime = !terms.forced || route.forced(entry.facts.status).is_some_and(is_forced);
    if (terms.relies_on_shared && !route.admits_known()) || !has_lifetime {
        return Verdict::Ignore(Forward::Bypass);
    }
    // §3.5
    if inquiry.caller.is_particular(route) && !terms.allows_credentials {
        return Verdict::Ignore(Forward::Request);
    }
    let Some(hit) = Hit::reckon(&entry.facts, route, now) else { return Verdict::Validate(Forward::Stale) };
    // §5.2.1.4. Ages are cut to whole seconds, so the bound itself has been passed.
    if said.no_cache || said.max_age.is_some_and(|max_age| hit.age >= max_age) {
        return Verdict::Validate(Forward::Request);
    }
    if terms.needs_validation {
        return Verdict::Validate(Forward::Stale);
    }
    // §5.2.1.3
    let is_too_short = said.min_fresh.is_some_and(|min_fresh| hit.ttl < i64::from(min_fresh));
    if hit.ttl > 0 {
        return if is_too_short { Verdict::Validate(Forward::Request) } else { Verdict::Use(hit) };
    }
    // §4.2.4 and §5.2.1.2.
    let (stale_for, may_be_stale) = (-hit.ttl, !terms.forbids_stale && !is_too_short);
    if may_be_stale && said.max_stale.is_some_and(|max| stale_for < i64::from(max)) {
        return Verdict::Use(hit);
    }
    // §5.2.1.1, §5.2.1.2: who says how old a response may be takes none that is stale for longer than he says.
    let says_how_stale = said.max_age.is_some() || said.max_stale.is_some();
    if may_be_stale && !says_how_stale && stale_for < i64::from(terms.while_revalidate) {
        return Verdict::Refresh(hit);
    }
    Verdict::Validate(Forward::Stale)
}

/// A stored response, ready to answer.
#[derive(Clone, Copy, Debug)]
pub struct Stored<'a> {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: &'a Headers,
    /// Its body.
    pub body: &'a [u8],
}

/// An answer, ready to be sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// The stored status, or 206, 304, 416.
    pub status: u16,
    /// The stored headers, `age` and `cache-status`; no `content-length`.
    pub headers: Headers,
    /// What follows them.
    pub body: Body,
}

/// The body of an answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Body {
    /// None.
    Empty,
    /// These bytes of the stored one.
    Stored(Range<usize>),
    /// These, made of parts of the stored one.
    Made(Vec<u8>),
}

impl Body {
    /// Its bytes.
    pub fn of<'a>(&'a self, stored: &'a [u8]) -> &'a [u8] {
        match self {
            Self::Empty => b"",
            Self::Stored(part) => stored.get(part.clone()).unwrap_or_default(),
            Self::Made(bytes) => bytes,
        }
    }
}

/// Makes the answer to a request of a stored response that is `age` seconds old; `member` is for `Cache-Status`.
pub fn answer(stored: &Stored<'_>, inquiry: &Inquiry, age: u32, member: &str, now: Instant) -> Answer {
    let (status, body, place) = select(stored, inquiry, now);
    let age = age.to_string();
    let mut more: Vec<(&[u8], &[u8])> = vec![(b"age", age.as_bytes()), (b"cache-status", member.as_bytes())];
    if let Some(place) = &place {
        more.push((b"content-range", place.as_bytes()));
    }
    let is_kept = match (status, &body) {
        (206, Body::Made(_)) => {
            more.push((b"content-type", range::MULTIPART_TYPE));
            is_beside_type
        }
        (304, Body::Empty) if stored.headers.first("etag").is_some() => is_in_304_with_tag,
        (304, Body::Empty) => is_in_304,
        (416, Body::Empty) => is_in_416,
        _ => |_: &[u8]| true,
    };
    Answer { status, headers: compose(stored.headers, is_kept, &more), body }
}

/// Headers out of others: those that are kept, and more.
pub(crate) fn compose<'a>(headers: &'a Headers, is_kept: fn(&[u8]) -> bool, more: &[(&'a [u8], &'a [u8])]) -> Headers {
    let mut pairs = Vec::with_capacity(headers.len() + more.len());
    for (name, value) in headers {
        if is_kept(name) {
            pairs.push((name, value));
        }
    }
    pairs.extend_from_slice(more);
    Headers::from_pairs(&pairs)
}

/// Which status and how much of the body a request is answered with, and where in the whole that is.
fn select(stored: &Stored<'_>, inquiry: &Inquiry, now: Instant) -> (u16, Body, Option<String>) {
    let length = stored.body.len();
    let whole = (stored.status, Body::Stored(0..length), None);
    // RFC 9110 §13.2.1: preconditions and ranges are for what would have succeeded.
    if !precondition::is_for(stored.status) || inquiry.wants_whole {
        return whole;
    }
    let now = now.unix_seconds();
    if precondition::is_unmodified(&inquiry.headers, stored.headers, now) {
        return (304, Body::Empty, None);
    }
    // RFC 9110 §14.2: for GET alone, of a 200, and after the preconditions.
    let Sole::Value(asked) = inquiry.headers.sole("range") else { return whole };
    if stored.status != 200 || inquiry.is_head || !precondition::is_same_whole(&inquiry.headers, stored.headers, now) {
        return whole;
    }
    match range::select(asked, length) {
        Selection::Part(part) => (206, Body::Stored(part.clone()), Some(range::content_range(&part, length))),
        Selection::Parts(parts) if range::is_divisible(stored.body) => {
            let content = range::multipart(stored.body, &parts, stored.headers.first("content-type"));
            (206, Body::Made(content), None)
        }
        Selection::Unsatisfiable => (416, Body::Empty, Some(range::unsatisfied(length))),
        Selection::Whole | Selection::Parts(_) => whole,
    }
}

/// Whether a header belongs into a 304 (RFC 9110 §15.4.5): not what describes the content that is not sent.
fn is_in_304(name: &[u8]) -> bool {
    const KEPT: [&[u8]; 3] = [b"content-location", b"content-security-policy", b"content-security-policy-report-only"];
    !name.starts_with(b"content-") || KEPT.contains(&name)
}

/// As [`is_in_304`], of a response with an entity tag: the date is of no use beside it.
fn is_in_304_with_tag(name: &[u8]) -> bool {
    name != b"last-modified" && is_in_304(name)
}

/// Whether a header is also of an answer that the request asked too much of (RFC 9110 §15.5.17).
fn is_in_416(name: &[u8]) -> bool {
    const OF_CONTENT: [&[u8]; 3] = [b"content-location", b"cache-control", b"expires"];
    is_in_304(name) && !OF_CONTENT.contains(&name)
}

/// Whether a header is also of an answer of several parts, which has a type of its own.
fn is_beside_type(name: &[u8]) -> bool {
    name != b"content-type"
}

#[cfg(test)]
mod tests;
