//! What is stored for a request, and what it is good for.

use policy::Instant;
use shell::HostError;

use super::store::{self, Known, Seen};
use super::{Plugin, report_failure};
use crate::config::Route;
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

    /// What is stored for a request, and what has happened so far.
    pub(super) fn look_up(&self, inquiry: &Inquiry) -> Result<(Known, Seen), HostError> {
        let stamp = self.purges.look()?;
        let variant = |vary: &[u8]| self.variant(vary, inquiry);
        let (known, ticket) = store::look_up(&self.config.arena, &self.recent, inquiry.print, variant)?;
        Ok((known, Seen { ticket, stamp }))
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
        let entry = Entry::parse(&found.bytes);
        let entry = entry.filter(|entry| entry.ticket == found.ticket && entry.parts.key == inquiry.key);
        let Some(entry) = entry else { return Verdict::Ignore(Forward::UriMiss) };
        let Some(vary) = Vary::from_bytes(entry.parts.vary) else { return Verdict::Ignore(Forward::UriMiss) };
        if vary.values(&inquiry.headers) != entry.parts.values {
            return Verdict::Ignore(Forward::VaryMiss);
        }
        if entry.facts.received.resident(now).is_none() {
            // The clock stepped back: when it comes to this moment again, the response would seem to be new.
            report_failure("store not writable", store::remove(&self.config.arena, inquiry.print, found.ticket));
        }
        selection::judge(&entry, inquiry, route, now)
    }
}
