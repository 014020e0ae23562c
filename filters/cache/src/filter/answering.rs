//! Sending what is stored: in the upstream's place, or in the place of what it has answered.

use std::ops::Range;
use std::rc::Rc;

use policy::handover::{CACHE_HIT, CACHE_RESTORED, header};
use policy::headers::Sole;
use policy::{Headers, Instant};
use shell::headers::{self, Map};
use shell::stream::{self, Buffer};
use shell::{Action, reply};

use super::correction::Correction;
use super::{Filter, Phase, report};
use crate::request::Inquiry;
use crate::selection::{self, Answer, Body, Stored};

/// The host copies the body of a reply several times over before it goes to the client, and one that takes the place of
/// another's once: beyond this length, that is cheaper than the header that it has to change for it.
const DIRECT_BYTES_MAX: usize = 4 << 10;
/// What stands for a body until it is replaced.
const PLACEHOLDER: &[u8] = b"-";

/// An upstream's answer that is replaced.
pub(super) struct Replaced<'a> {
    /// Its headers.
    pub(super) response: &'a Headers,
    /// Whether nothing follows them.
    pub(super) is_bodyless: bool,
}

/// What replaces it.
pub(super) struct Restored<'a> {
    /// What is stored.
    pub(super) stored: Stored<'a>,
    /// The entry that its body is the end of.
    pub(super) entry: &'a Rc<Vec<u8>>,
    /// How old that is, in seconds.
    pub(super) age: u32,
    /// What `Cache-Status` says.
    pub(super) member: String,
}

/// Bytes that take the place of a body: part of what is kept, or of nothing.
#[derive(Default)]
pub(super) struct Substitute {
    bytes: Rc<Vec<u8>>,
    part: Range<usize>,
}

impl Substitute {
    /// So much of the body of an `entry` that is `body_bytes` long.
    fn of(entry: &Rc<Vec<u8>>, body_bytes: usize, part: &Range<usize>) -> Self {
        let before = entry.len().saturating_sub(body_bytes);
        Self { bytes: entry.clone(), part: before + part.start..before + part.end }
    }

    /// Puts them in the place of the body that is passing. What comes after them is replaced by nothing.
    pub(super) fn put(self) -> Self {
        report(stream::replace(Buffer::ResponseBody, self.bytes.get(self.part.clone()).unwrap_or_default()));
        Self::default()
    }
}

/// Sets right what the host has made of an answer, whose body may be still to come.
pub(super) fn mend(correction: Correction, later: Option<Substitute>) -> Phase {
    report(correction.apply());
    let Some(substitute) = later else { return Phase::Idle };
    report(headers::set(Map::Response, "content-length", substitute.part.len().to_string()));
    Phase::Replaced(substitute)
}

impl Filter {
    /// Answers in the request phase, with what the `entry` holds.
    pub(super) fn send(&mut self, is_head: bool, answer: &Answer, entry: &Rc<Vec<u8>>, stored: &[u8]) -> Action {
        // Of a 304 nothing but headers is sent; of a HEAD's answer the host sends the length of the body alone.
        let body = answer.body.of(stored);
        let (body, later) = match &answer.body {
            Body::Stored(part) if !is_head && body.len() > DIRECT_BYTES_MAX => {
                (PLACEHOLDER, Some(Substitute::of(entry, stored.len(), part)))
            }
            _ => (body, None),
        };
        self.phase = Phase::Answered(Correction::of(&answer.headers, body), later);
        reply::send_whole(answer.status, CACHE_HIT, &answer.headers, body)
    }

    /// Answers in the response phase. Headers and body change in their places, so that the filters before this one see
    /// and complete the answer as any other; only a body that is to come where the upstream sends none cannot be put
    /// there. Then the host is asked to reply, which ends the response for the other filters: they add nothing to it.
    ///
    /// `None` where the host could not send the answer as it is.
    pub(super) fn replace(
        &mut self,
        inquiry: &Inquiry,
        with: &Restored<'_>,
        replaced: &Replaced<'_>,
        now: Instant,
    ) -> Option<Action> {
        let answer = selection::answer(&with.stored, inquiry, with.age, &with.member, now);
        let bytes = answer.body.of(with.stored.body);
        // Cookies are this exchange's, whoever's the answer is.
        let mut more: Vec<(&[u8], &[u8])> = Vec::new();
        for cookie in replaced.response.all("set-cookie") {
            more.push((b"set-cookie", cookie));
        }
        let is_body_sent = !inquiry.is_head && !bytes.is_empty();
        if is_body_sent && !has_body(replaced) {
            return send_directly(inquiry, &answer, more, bytes);
        }
        let (status, length) = (answer.status.to_string(), bytes.len().to_string());
        more.push((b":status", status.as_bytes()));
        if !matches!(answer.status, 204 | 304) {
            more.push((b"content-length", length.as_bytes()));
        }
        report(headers::replace_all(Map::Response, &selection::compose(&answer.headers, |_| true, &more)));
        if !replaced.is_bodyless {
            self.phase = Phase::Replaced(match &answer.body {
                Body::Stored(part) if is_body_sent => Substitute::of(with.entry, with.stored.body.len(), part),
                _ if is_body_sent => Substitute { part: 0..bytes.len(), bytes: Rc::new(bytes.to_vec()) },
                _ => Substitute::default(),
            });
        }
        Some(Action::Continue)
    }
}

/// Whether a body is sure to come: one that was never announced may be empty.
fn has_body(replaced: &Replaced<'_>) -> bool {
    let is_announced = match replaced.response.sole("content-length") {
        Sole::Value(length) => length.iter().any(|digit| (b'1'..=b'9').contains(digit)),
        Sole::Absent | Sole::Repeated => false,
    };
    !replaced.is_bodyless && is_announced
}

/// Has the host reply. It would make a text of a body without a type, and no later callback could mend that.
fn send_directly<'a>(
    inquiry: &'a Inquiry,
    answer: &'a Answer,
    mut more: Vec<(&'a [u8], &'a [u8])>,
    body: &[u8],
) -> Option<Action> {
    answer.headers.first("content-type")?;
    // Who has a correlation id has `correlation` before it, which would have said these.
    if let Some(correlation) = inquiry.headers.first(header::CORRELATION_ID) {
        more.push((header::CORRELATION_ID.as_bytes(), correlation));
        more.push((header::REQUEST_ID.as_bytes(), inquiry.headers.first(header::REQUEST_ID).unwrap_or(correlation)));
    }
    let headers = selection::compose(&answer.headers, |_| true, &more);
    Some(reply::send_whole(answer.status, CACHE_RESTORED, &headers, body))
}
