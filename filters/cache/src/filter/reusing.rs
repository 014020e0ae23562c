//! What is stored for a request, and what it is good for.

use policy::Instant;
use shell::{HostError, shared};

use super::Plugin;
use super::store::{self, Known, Seen};
use crate::config::Route;
use crate::directory;
use crate::entry::Entry;
use crate::key::{self, Vary};
use crate::request::Inquiry;
use crate::selection::{self, Verdict};
use crate::status::Forward;

impl Plugin {
    /// What a request comes to under a list of field names.
    fn variant(&self, vary: &[u8], inquiry: &Inquiry) -> u64 {
        let values = Vary::from_bytes(vary).map(|vary| vary.values(&inquiry.headers));
        key::variant(&self.seed, vary, &values.unwrap_or_default())
    }

    /// What is stored for a request, what has happened so far, and what the request comes to under the field names of what is
    /// stored; zero where that is nothing.
    pub(super) fn look_up(&self, inquiry: &Inquiry) -> Result<(Known, Seen, u64), HostError> {
        let stamp = self.look()?;
        let mut last = 0;
        let variant = |vary: &[u8]| {
            last = self.variant(vary, inquiry);
            last
        };
        let (known, sight) = store::look_up(&self.config.arena, &self.recent, inquiry.print, variant)?;
        Ok((known, Seen { sight, stamp }, last))
    }

    /// Drops what else would have answered this request: the answer that freshens one response says as much of it (RFC 9111
    /// §4.3.4), and a response that is gone has nothing to be brought up to date.
    pub(super) fn drop_rivals(&self, inquiry: &Inquiry, ticket: u64) {
        let (arena, tag) = (&self.config.arena, key::tag(inquiry.print));
        let directory = arena.directory(arena.set_of(inquiry.print));
        // Each that is dropped makes one less.
        while let Ok((bytes, _)) = shared::read(&directory)
            && let Some(rival) = directory::rival(&bytes, tag, ticket, |vary| self.variant(vary, inquiry))
        {
            if let Err(failure) = store::remove(arena, inquiry.print, rival) {
                return self.note_unwritten(inquiry.route, &failure);
            }
        }
    }

    /// What is stored is compared in full with the request, and judged by what purges have left of it.
    pub(super) fn judge(&self, known: &mut Known, inquiry: &Inquiry, route: &Route, now: Instant) -> Verdict {
        let found = match known {
            Known::Nothing => return Verdict::Ignore(Forward::UriMiss),
            Known::OtherVariants => return Verdict::Ignore(Forward::VaryMiss),
            Known::Object(found) => found,
        };
        if !self.spared(inquiry, route, found, now) {
            return Verdict::Ignore(Forward::UriMiss);
        }
        let entry = Entry::parse(&found.bytes).filter(|entry| entry.ticket == found.ticket);
        let Some(entry) = entry else { return Verdict::Ignore(Forward::UriMiss) };
        if let Err(difference) = selection::compare(&entry, inquiry) {
            return Verdict::Ignore(difference);
        }
        if entry.facts.received.resident(now).is_none() {
            // The clock stepped back: when it comes to this moment again, the response would seem to be new.
            if let Err(failure) = store::remove(&self.config.arena, inquiry.print, found.ticket) {
                self.note_unwritten(inquiry.route, &failure);
            }
        }
        selection::judge(&entry, inquiry, route, now)
    }
}
