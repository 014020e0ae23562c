//! The preconditions that a cache evaluates (RFC 9111 §4.3.2, RFC 9110 §13): whether the client has the response
//! already, and whether the part it has is of the same response. What cannot be read does not match, and the whole
//! response is sent. `If-Match` and `If-Unmodified-Since` are for the origin alone.

use policy::headers::Sole;
use policy::{Headers, date};

/// Whether preconditions are evaluated for responses of this status (RFC 9110 §13.2.1): a client has validators of these.
pub const fn is_for(status: u16) -> bool {
    matches!(status, 200 | 203 | 204)
}

/// Whether a client has what is stored: `If-None-Match`, and only without that `If-Modified-Since` (RFC 9110 §13.2.2).
/// `now` is in seconds since the epoch.
pub fn is_unmodified(request: &Headers, stored: &Headers, now: u64) -> bool {
    let mut lines = request.all("if-none-match").peekable();
    if lines.peek().is_some() {
        let tag = entity_tag(stored).map(opaque);
        return lines.any(|line| line.trim_ascii() == b"*" || tag.is_some_and(|tag| lists(line, tag)));
    }
    let Some(since) = moment(request, "if-modified-since", now) else { return false };
    let changed = match stored.first("last-modified") {
        Some(_) => moment(stored, "last-modified", now),
        None => moment(stored, "date", now),
    };
    changed.is_some_and(|changed| changed <= since)
}

/// Whether the parts that a request asks for are of what is stored (`If-Range`, RFC 9110 §13.1.5): only by a strong
/// validator, exactly.
pub fn is_same_whole(request: &Headers, stored: &Headers, now: u64) -> bool {
    let said = match request.sole("if-range") {
        Sole::Absent => return true,
        Sole::Repeated => return false,
        Sole::Value(said) => said.trim_ascii(),
    };
    if said.ends_with(b"\"") {
        return !said.starts_with(b"W/") && entity_tag(stored) == Some(said);
    }
    let (asked, changed, made) =
        (date::parse(said, now), moment(stored, "last-modified", now), moment(stored, "date", now));
    // RFC 9110 §8.8.2.2: what was changed in the second in which it was sent may have changed again.
    asked.is_some() && asked == changed && changed < made
}

/// The entity tag of a response, where it has one that can be read.
pub fn entity_tag(response: &Headers) -> Option<&[u8]> {
    let Sole::Value(tag) = response.sole("etag") else { return None };
    let tag = tag.trim_ascii();
    let inner = opaque(tag).strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    (!inner.contains(&b'"')).then_some(tag)
}

/// Whether two tags are the same but for their strength (RFC 9110 §8.8.3.2).
pub fn is_weakly_same(one: &[u8], other: &[u8]) -> bool {
    opaque(one) == opaque(other)
}

/// The moment in a field, in seconds since the epoch.
fn moment(headers: &Headers, name: &'static str, now: u64) -> Option<u64> {
    match headers.sole(name) {
        Sole::Value(value) => date::parse(value, now),
        Sole::Absent | Sole::Repeated => None,
    }
}

/// The opaque part of an entity tag, with its quotes.
fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
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
