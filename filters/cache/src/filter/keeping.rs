//! The response's way into the store, or out of it.

use policy::handover::header;
use policy::method::is_unsafe;
use policy::{Fingerprint, Headers, Instant, part};
use shell::headers::{self, Map};
use shell::shared::Failure;
use shell::stream::{self, Buffer};

use super::boarding::Claim;
use super::store::{self, Seen};
use super::{Plugin, Question};
use crate::admission::{Admitted, Refusal};
use crate::config::Packing;
use crate::flight::UNSTORED_FOR;
use crate::invalidation::{Invalidation, Kept};
use crate::key;
use crate::level::Clock;
use crate::recording::Recording;
use crate::status::Forward;
use crate::tag::Tags;

/// A response on its way.
pub(super) struct Copy {
    route: usize,
    print: Fingerprint,
    variant: u64,
    seen: Seen,
    recording: Recording,
    /// When its request was sent.
    asked: Instant,
    /// Others wait until it is in its place.
    claim: Option<Claim>,
}

impl Copy {
    /// Copies `size` bytes of the body that are passing.
    pub(super) fn append(self, size: usize) -> Option<Self> {
        if size == 0 {
            return Some(self);
        }
        let piece = stream::bytes(Buffer::ResponseBody, 0, size).ok().filter(|piece| piece.len() == size);
        self.extend(piece.as_deref())
    }

    /// Copies a body that is here already.
    pub(super) fn complete(self, body: &[u8]) -> Option<Self> {
        self.extend(Some(body))
    }

    fn extend(mut self, piece: Option<&[u8]>) -> Option<Self> {
        if let Some(recording) = piece.and_then(|piece| self.recording.append(piece)) {
            return Some(Self { recording, ..self });
        }
        mark(&mut self.claim);
        None
    }

    /// Stores nothing, as no answer of this kind will be.
    pub(super) fn give_up(mut self) {
        mark(&mut self.claim);
    }
}

fn mark(claim: &mut Option<Claim>) {
    if let Some(claim) = claim {
        claim.mark(UNSTORED_FOR);
    }
}

impl Plugin {
    /// Begins the copy of a response that is to be stored with these tags.
    pub(super) fn begin(&self, question: &mut Question, admitted: &Admitted, tags: Tags) -> Result<Copy, Refusal> {
        let inquiry = &question.inquiry;
        let labels = (tags, question.seen.stamp);
        let values = admitted.vary.values(&inquiry.headers);
        let bytes_max = self.config.object_bytes_max;
        let recording = Recording::begin(admitted, &inquiry.key, &values, labels, bytes_max, &self.ledger)?;
        let variant = key::variant(&self.seed, admitted.vary.as_bytes(), &values);
        let (route, print, seen, mut claim) = (inquiry.route, inquiry.print, question.seen, question.claim.take());
        // What was stale before and has come stale again leads nobody to an answer of his own, either.
        let is_vain =
            question.why == Forward::Stale && admitted.facts.came_stale() && admitted.facts.terms.while_revalidate == 0;
        if !is_vain {
            claim = claim.map(Claim::unmarked);
        }
        Ok(Copy { route, print, variant, seen, recording, asked: question.asked, claim })
    }

    /// Puts a response that has passed whole into its place.
    pub(super) fn keep(&self, copy: Copy) {
        let Copy { route, print, variant, seen, recording, asked, claim: _claim } = copy;
        if !recording.is_whole() {
            return;
        }
        let (mut object, vary) = recording.finish(self.config.packing == Packing::Everywhere);
        match self.place(print, variant, &vary, seen, &mut object) {
            Ok(Some(place)) => self.share(route, print, place, &object, asked),
            Ok(None) => {}
            Err(failure) => self.note_unwritten(route, &failure),
        }
    }

    /// Takes down that the store could not be written.
    pub(super) fn note_unwritten(&self, route: usize, failure: &Failure) {
        log::warn!("store not writable: {failure:?}");
        self.meters.get(route).map_or(self.unrouted, |meters| meters.write_errors).increment();
    }

    /// Drops what is stored of an answer that the upstream no longer gives.
    pub(super) fn drop_stored(&self, question: &Question, ticket: u64) {
        let inquiry = &question.inquiry;
        // From the second level it would come back; what its own question has brought may go there.
        let is_shared = self.config.routes.get(inquiry.route).is_some_and(|route| route.is_remote);
        let asked = |clock: Clock| clock.earliest(question.asked);
        let forgotten = if is_shared { self.forget_before(&inquiry.key, &asked) } else { Ok(()) };
        if let Err(failure) = forgotten.and_then(|()| store::remove(&self.config.arena, inquiry.print, ticket)) {
            self.note_unwritten(inquiry.route, &failure);
        }
    }

    /// Takes off what a request says of the one that it is part of: the path and query of that, where this proxy has said so.
    pub(super) fn take_whole(&self, headers: &Headers) -> Option<Vec<u8>> {
        if !headers.first(":method").is_some_and(is_unsafe) {
            return None;
        }
        let said = headers.first(header::PART_OF)?;
        super::report(headers::remove(Map::Request, header::PART_OF));
        part::read(&self.seed, said).map(<[u8]>::to_vec)
    }

    /// Makes what a successful request names unusable (RFC 9111 §4.4).
    pub(super) fn invalidate(&self, invalidation: &Invalidation) {
        let response = headers::read(Map::Response).unwrap_or_else(|error| {
            log::error!("response headers: {error}");
            Headers::default()
        });
        let mut ended = Ok(());
        for Kept { key, is_scattered } in invalidation.voided(&self.config, &response) {
            ended = ended.and(if is_scattered {
                self.end_key(&key)
            } else {
                let forgotten = self.forget_remote(&key);
                let print = self.seed.fingerprint([key.as_slice()]);
                forgotten.and_then(|()| store::invalidate(&self.config.arena, print))
            });
        }
        if let Err(failure) = ended {
            log::error!("not invalidated: {failure:?}");
            self.unrouted.increment();
        }
    }
}
