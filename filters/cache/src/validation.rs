//! Validation (RFC 9111 §4.3): what the upstream is asked about a stored response, and what its answer does to it.

use policy::headers::Sole;
use policy::{Headers, Instant, date};

use crate::config::Route;
use crate::entry::Entry;
use crate::request::Inquiry;
use crate::selection::{Hit, Stored};
use crate::{admission, precondition};

/// The preconditions that a forwarded request bears in place of the client's own: those are evaluated here, against
/// what the upstream's answer leaves stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Conditions {
    /// `If-None-Match`
    pub tag: Option<Vec<u8>>,
    /// `If-Modified-Since`
    pub since: Option<Vec<u8>>,
}

impl Conditions {
    /// The validators of a stored response (§4.3.1); `None` where it has none, or its status is no success: then
    /// nothing is validated.
    pub fn of(status: u16, stored: &Headers, now: Instant) -> Option<Self> {
        let tag = precondition::entity_tag(stored).map(<[u8]>::to_vec);
        let since = match stored.sole("last-modified") {
            Sole::Value(value) => date::parse(value, now.unix_seconds()).map(|_| value.to_vec()),
            Sole::Absent | Sole::Repeated => None,
        };
        let can_be_confirmed = precondition::is_for(status) && (tag.is_some() || since.is_some());
        can_be_confirmed.then_some(Self { tag, since })
    }
}

/// What the upstream's answer means for a stored response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Finding {
    /// It is still what the upstream would send: the answer freshens it.
    Confirmed,
    /// It may be sent although the upstream is of another mind about validators: the answer changes nothing stored.
    Unchanged,
    /// The answer to a `HEAD` describes it (§4.3.5): the answer freshens it and goes to the client.
    Described,
    /// The answer to a `HEAD` describes something else.
    Contradicted,
    /// The upstream failed (RFC 5861 §4).
    Failed,
    /// The upstream sends something else instead (§4.3.3): the answer takes its place, or leaves it empty.
    Refuted,
    /// The answer takes its place, or has nothing to do with it.
    Replaced,
}

/// Reads an answer. `is_conditional` says that the request bore [`Conditions`].
pub fn find(
    inquiry: &Inquiry,
    route: &Route,
    is_conditional: bool,
    stored: &Stored<'_>,
    response: &Headers,
) -> Finding {
    match admission::status(response) {
        Some(304) if is_conditional && confirms(stored.headers, response) => Finding::Confirmed,
        Some(304) if is_conditional => Finding::Unchanged,
        _ if admission::is_makeshift(response) => Finding::Failed,
        Some(200) if inquiry.is_head => {
            if describes(stored, response) {
                Finding::Described
            } else {
                Finding::Contradicted
            }
        }
        Some(500 | 502 | 503 | 504) => Finding::Failed,
        // No error by RFC 5861, but for a route that says how long to do without an upstream.
        Some(429) if route.if_error > 0 => Finding::Failed,
        // A part, and a refusal of this one request, say nothing of the whole.
        Some(200..=205 | 207..=415 | 417..=428 | 430..=499) if is_conditional && !inquiry.is_head => Finding::Refuted,
        _ => Finding::Replaced,
    }
}

/// Whether what a 304 says is about what is stored (§4.3.4): a strong validator is the stored one, a weak one corresponds to it, and
/// where there is none, it is about what was asked for.
fn confirms(stored: &Headers, response: &Headers) -> bool {
    let [said, kept] = [response, stored].map(|headers| headers.first("etag").map(<[u8]>::trim_ascii));
    match (said, kept) {
        (Some(said), kept) if !said.starts_with(b"W/") => kept == Some(said),
        (Some(said), Some(kept)) => precondition::is_weakly_same(said, kept),
        (said, _) => match response.first("last-modified") {
            Some(date) => stored.first("last-modified") == Some(date),
            None => said.is_none(),
        },
    }
}

/// Whether what a `HEAD`'s answer of 200 says of the content is true of what is stored (§4.3.5): not where that was an error
/// or led elsewhere.
fn describes(stored: &Stored<'_>, response: &Headers) -> bool {
    let said = response.first("content-length");
    let is_as_long = said.is_none_or(|said| said == stored.body.len().to_string().as_bytes());
    stored.status == 200
        && is_as_long
        && ["etag", "last-modified"].iter().all(|name| match response.first(name) {
            Some(said) => stored.headers.first(name) == Some(said),
            None => true,
        })
}

/// The stored response as the answer freshens it (§3.2), to be judged as if it had just come: each field that the
/// answer has replaces all of that name, but for those of one exchange and those that describe the stored bytes.
pub fn freshened(status: u16, length: usize, stored: &Headers, answer: &Headers) -> Headers {
    let (status, length) = (status.to_string(), length.to_string());
    let says = |name: &[u8]| answer.iter().any(|(other, _)| other == name);
    let listed = admission::of_connection(answer);
    let is_taken = |name: &[u8]| {
        let is_listed = listed.iter().any(|listed| listed.eq_ignore_ascii_case(name));
        (!admission::is_of_one_exchange(name) || name == b"age") && !is_listed
    };
    let mut pairs: Vec<(&[u8], &[u8])> = vec![(b":status", status.as_bytes()), (b"content-length", length.as_bytes())];
    for (name, value) in stored {
        // A date that the answer does not repeat is of the earlier exchange.
        if name != b"date" && !(is_taken(name) && says(name)) {
            pairs.push((name, value));
        }
    }
    for (name, value) in answer {
        if is_taken(name) {
            pairs.push((name, value));
        }
    }
    Headers::from_pairs(&pairs)
}

/// Whether a freshened response says no more than before, but for its date: what is validated before each use need not
/// be stored anew then, which would take it away from other requests for a moment.
pub fn is_same(before: &Headers, after: &Headers) -> bool {
    let has = |pair: (&[u8], &[u8])| pair.0 == b"date" || before.iter().any(|other| other == pair);
    before.len() == after.len() && after.iter().all(has)
}

/// Whether a stored response may answer although the upstream failed (RFC 5861 §4).
pub fn rescue(entry: &Entry<'_>, inquiry: &Inquiry, route: &Route, now: Instant) -> Option<Hit> {
    let terms = &entry.facts.terms;
    // §5.2.1.4: a client that asks for validation asks for no answer without it.
    if terms.forbids_stale || terms.needs_validation || inquiry.said.no_cache {
        return None;
    }
    let hit = Hit::reckon(&entry.facts, route, now)?;
    let bound = terms.if_error.max(inquiry.said.stale_if_error.unwrap_or(0));
    (-hit.ttl <= i64::from(bound)).then_some(hit)
}

#[cfg(test)]
mod tests;
