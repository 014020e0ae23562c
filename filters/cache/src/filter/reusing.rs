//! What is stored for a request, and whether it answers it.

use policy::Instant;
use shell::HostError;

use super::store::{self, Known, Seen};
use super::{Plugin, report, report_failure};
use crate::config::Route;
use crate::entry::Entry;
use crate::key::{self, Vary};
use crate::request::Inquiry;
use crate::selection::{self, Hit};
use crate::status::Forward;

impl Plugin {
    /// What a request comes to under a list of field names.
    pub(super) fn variant(&self, vary: &[u8], inquiry: &Inquiry) -> u64 {
        let values = Vary::from_bytes(vary).map(|vary| vary.values(&inquiry.headers));
        key::variant(&self.seed, vary, &values.unwrap_or_default())
    }

    /// What is stored for a request, and what has happened so far.
    pub(super) fn look_up(&self, inquiry: &Inquiry) -> Result<(Known, Seen), HostError> {
        let stamp = self.purges.look()?;
        let variant = |vary: &[u8]| self.variant(vary, inquiry);
        let (known, ticket) = store::look_up(&self.config.arena, inquiry.print, variant)?;
        Ok((known, Seen { ticket, stamp }))
    }

    /// The stored response that answers a request, or why it is forwarded.
    pub(super) fn reuse<'a>(
        &self,
        known: &'a Known,
        inquiry: &Inquiry,
        route: &Route,
        now: Instant,
    ) -> Result<(Entry<'a>, Hit), Forward> {
        let found = match known {
            Known::Nothing => return Err(Forward::UriMiss),
            Known::OtherVariants => return Err(Forward::VaryMiss),
            Known::Object(found) => found,
        };
        let entry = Entry::parse(&found.bytes).filter(|entry| entry.ticket == found.ticket);
        let mut entry = entry.filter(|entry| entry.parts.key == inquiry.key).ok_or(Forward::UriMiss)?;
        if !self.spared(inquiry, found, &mut entry.facts, now) {
            return Err(Forward::UriMiss);
        }
        let vary = Vary::from_bytes(entry.parts.vary).ok_or(Forward::UriMiss)?;
        if vary.values(&inquiry.headers) != entry.parts.values {
            return Err(Forward::VaryMiss);
        }
        let arena = &self.config.arena;
        if entry.facts.received.resident(now).is_none() {
            // The clock stepped back: when it comes to this moment again, the response would seem to be new.
            report_failure("store not writable", store::remove(arena, inquiry.print, found.ticket));
        }
        let hit = selection::judge(&entry, inquiry, route, now)?;
        if found.is_use_news {
            report(store::touch(arena, inquiry.print, found.ticket));
        }
        Ok((entry, hit))
    }
}
