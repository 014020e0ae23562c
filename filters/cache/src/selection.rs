//! Whether a stored response answers a request (RFC 9111 §4), and as what: whole, or as 304 (§4.3.2).

use policy::headers::Sole;
use policy::{Headers, Instant, date};

use crate::config::Route;
use crate::entry::Entry;
use crate::request::Inquiry;
use crate::status::{self, Forward};

/// A stored response that answers a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Hit {
    /// How old it is, in seconds.
    pub age: u32,
    /// For how many more seconds it is fresh; negative where the client takes it stale.
    pub ttl: i64,
}

/// An answer, ready to be sent. The body is the stored one, unless the status is 304.
#[derive(Debug, Eq, PartialEq)]
pub struct Answer {
    /// The stored status, or 304.
    pub status: u16,
    /// The stored headers, `age` and `cache-status`.
    pub headers: Headers,
}

/// Judges a stored response whose key and varied fields are those of the request.
///
/// # Errors
/// Why the request is forwarded instead.
pub fn judge(entry: &Entry<'_>, inquiry: &Inquiry, route: &Route, now: Instant) -> Result<Hit, Forward> {
    let (facts, said) = (&entry.facts, &inquiry.said);
    // A response that is here only because the route once said that all callers are alike is of no use without that.
    if facts.terms.relies_on_shared && !route.shared {
        return Err(Forward::Bypass);
    }
    // §3.5
    if inquiry.caller.is_particular(route) && !facts.terms.allows_credentials {
        return Err(Forward::Request);
    }
    let age = facts.received.age(now).ok_or(Forward::Stale)?;
    let (lifetime, reckoned) = match (&route.forced, facts.terms.forced) {
        (_, false) => (facts.lifetime, age),
        (Some(forced), true) => {
            (facts.lifetime.min(forced.lifetime), facts.received.resident(now).ok_or(Forward::Stale)?)
        }
        (None, true) => return Err(Forward::Bypass),
    };
    let ttl = i64::from(lifetime) - i64::from(reckoned);
    // §5.2.1.4. Ages are cut to whole seconds, so the bound itself has been passed.
    if said.no_cache || said.max_age.is_some_and(|max_age| age >= max_age) {
        return Err(Forward::Request);
    }
    // §4.2, §4.2.4 and §5.2.1.2.
    let stale_for = -ttl;
    let accepted = said.max_stale.filter(|_| !facts.terms.forbids_stale).is_some_and(|max| stale_for < i64::from(max));
    if ttl <= 0 && !accepted {
        return Err(Forward::Stale);
    }
    // §5.2.1.3
    if said.min_fresh.is_some_and(|min_fresh| ttl < i64::from(min_fresh)) {
        return Err(Forward::Request);
    }
    Ok(Hit { age, ttl })
}

/// Makes the answer of a hit; `None` where the stored headers cannot be read.
pub fn answer(entry: &Entry<'_>, inquiry: &Inquiry, hit: Hit, name: &str) -> Option<Answer> {
    let stored = entry.headers()?;
    let (age, member) = (hit.age.to_string(), status::hit(name, hit.ttl));
    let own: [(&[u8], &[u8]); 2] = [(b"age", age.as_bytes()), (b"cache-status", member.as_bytes())];
    let unmodified = is_unmodified(&inquiry.headers, &stored, entry, hit);
    let has_tag = stored.first("etag").is_some();
    let kept = stored.iter().filter(|(name, _)| !unmodified || is_in_304(name, has_tag));
    let headers = Headers::from_pairs(&kept.chain(own).collect::<Vec<_>>());
    Some(Answer { status: if unmodified { 304 } else { entry.facts.status }, headers })
}

/// Whether a header belongs into a 304 (RFC 9110 §15.4.5): not what describes the content that is not sent.
fn is_in_304(name: &[u8], has_tag: bool) -> bool {
    match name {
        b"last-modified" => !has_tag,
        b"content-location" | b"content-security-policy" | b"content-security-policy-report-only" => true,
        _ => !name.starts_with(b"content-"),
    }
}

/// Evaluates the preconditions that a cache evaluates (RFC 9111 §4.3.2, RFC 9110 §13.2.2): `If-None-Match`, and only
/// without that `If-Modified-Since`. What cannot be read does not match, and the whole response is sent.
fn is_unmodified(request: &Headers, stored: &Headers, entry: &Entry<'_>, hit: Hit) -> bool {
    // RFC 9110 §13.2.1: preconditions are for what would have succeeded.
    if entry.facts.status != 200 {
        return false;
    }
    let mut lines = request.all("if-none-match").peekable();
    if lines.peek().is_some() {
        let tag = match stored.sole("etag") {
            Sole::Value(tag) => opaque(tag.trim_ascii()),
            Sole::Absent | Sole::Repeated => None,
        };
        return lines.any(|line| line.trim_ascii() == b"*" || tag.is_some_and(|tag| lists(line, tag)));
    }
    let now = entry.facts.received.at.unix_seconds() + u64::from(hit.age);
    let moment = |headers: &Headers, name| match headers.sole(name) {
        Sole::Value(value) => date::parse(value, now),
        Sole::Absent | Sole::Repeated => None,
    };
    let Some(since) = moment(request, "if-modified-since") else { return false };
    let changed = match stored.first("last-modified") {
        Some(_) => moment(stored, "last-modified"),
        None => moment(stored, "date"),
    };
    changed.is_some_and(|changed| changed <= since)
}

/// The opaque part of an entity tag, with its quotes: `W/` does not count in a weak comparison (RFC 9110 §8.8.3.2).
fn opaque(tag: &[u8]) -> Option<&[u8]> {
    let opaque = tag.strip_prefix(b"W/").unwrap_or(tag);
    let inner = opaque.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    (!inner.contains(&b'"')).then_some(opaque)
}

/// Whether a list of entity tags has one with this opaque part. Commas may stand in a tag.
fn lists(mut line: &[u8], opaque: &[u8]) -> bool {
    loop {
        line = line.trim_ascii_start();
        if let Some(rest) = line.strip_prefix(b",") {
            line = rest;
            continue;
        }
        let tag = line.strip_prefix(b"W/").unwrap_or(line);
        let Some(inner) = tag.strip_prefix(b"\"") else { return false };
        let Some(end) = inner.iter().position(|&byte| byte == b'"') else { return false };
        if tag.get(..end + 2) == Some(opaque) {
            return true;
        }
        line = inner.get(end + 1..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests;
