//! The request's way: it is answered from the store, or forwarded with what is to be asked about the store.

use policy::{Instant, Rejection};
use proxy_wasm::types::Action;

use super::refresh::Refreshing;
use super::store::{self, Known};
use super::validating::Held;
use super::{Filter, Phase, Plugin, Question, report, report_failure};
use crate::config::Route;
use crate::entry::Entry;
use crate::invalidation::Invalidation;
use crate::key::{self, Vary};
use crate::request::Inquiry;
use crate::selection::{self, Verdict};
use crate::status::{self, Forward};

impl Filter {
    pub(super) fn pass(
        &mut self,
        why: Forward,
        detail: Option<&'static str>,
        invalidates: Option<Box<Invalidation>>,
    ) -> Action {
        self.phase = Phase::Passed { why, detail, invalidates };
        Action::Continue
    }

    /// Answers a request from the store, or forwards it.
    pub(super) fn ask(&mut self, plugin: &Plugin, inquiry: Inquiry) -> Action {
        let now = shell::now();
        let (Some(route), Some(meters)) = (plugin.config.routes.get(inquiry.route), plugin.meters.get(inquiry.route))
        else {
            return self.pass(Forward::Bypass, None, None);
        };
        let lookup = store::look_up(&plugin.config.arena, inquiry.print, now, |vary| plugin.variant(vary, &inquiry));
        let (known, seen) = match lookup {
            Ok(lookup) => (lookup.known, lookup.seen),
            Err(error) => {
                log::warn!("store not readable: {error}");
                meters.read_errors.increment();
                // Whatever was seen, nothing is stored that might have been invalidated.
                (Known::Nothing, 0)
            }
        };
        let (mut why, mut claim) = (Forward::Stale, None);
        match plugin.judge(&known, &inquiry, route, now) {
            Verdict::Use(hit) => return self.answer(plugin, &inquiry, &known, hit, now),
            Verdict::Refresh(hit) => match plugin.refresh(&inquiry, &known, now) {
                Refreshing::Beside => return self.answer(plugin, &inquiry, &known, hit, now),
                Refreshing::ByThisRequest(taken) => claim = Some(taken),
            },
            Verdict::Validate(reason) => why = reason,
            Verdict::Ignore(reason) => return self.forward(plugin, inquiry, reason, None, seen, now),
        }
        let held = if inquiry.said.only_if_cached { None } else { Held::take(plugin, &inquiry, known, now) };
        let action = self.forward(plugin, inquiry, why, held, seen, now);
        if let Phase::Asked(question) = &mut self.phase {
            question.claim = claim;
        }
        action
    }

    /// Forwards a request that the store has no answer to.
    fn forward(
        &mut self,
        plugin: &Plugin,
        inquiry: Inquiry,
        why: Forward,
        held: Option<Held>,
        seen: u64,
        now: Instant,
    ) -> Action {
        if let Some(meters) = plugin.meters.get(inquiry.route) {
            meters.misses.increment();
        }
        if inquiry.said.only_if_cached {
            let status = status::refused(&plugin.config.name);
            return shell::reject(&Rejection::NotStored, &inquiry.headers, &[("cache-status", status.as_str())]);
        }
        self.phase = Phase::Asked(Box::new(Question { inquiry, why, asked: now, seen, held, claim: None }));
        Action::Continue
    }

    /// Answers with what is stored, as it is.
    fn answer(
        &mut self,
        plugin: &Plugin,
        inquiry: &Inquiry,
        known: &Known,
        hit: selection::Hit,
        now: Instant,
    ) -> Action {
        let entry = known.bytes().and_then(Entry::parse);
        let Some((entry, stored)) = entry.and_then(|entry| entry.headers().map(|headers| (entry, headers))) else {
            return self.pass(Forward::Bypass, Some("unreadable"), None);
        };
        if let Known::Object { ticket, is_use_news: true, .. } = known {
            report(store::touch(&plugin.config.arena, inquiry.print, *ticket, now));
        }
        if let Some(meters) = plugin.meters.get(inquiry.route) {
            meters.hits.increment();
        }
        let stored = selection::Stored { status: entry.facts.status, headers: &stored, body: entry.body };
        let member = status::hit(&plugin.config.name, hit.ttl);
        let answer = selection::answer(&stored, inquiry, hit.age, &member, now);
        self.send(&answer, entry.body)
    }
}

impl Plugin {
    /// What a request comes to under a list of field names.
    fn variant(&self, vary: &[u8], inquiry: &Inquiry) -> u64 {
        let values = Vary::from_bytes(vary).map(|vary| vary.values(&inquiry.headers));
        key::variant(&self.seed, vary, &values.unwrap_or_default())
    }

    /// What is stored is compared in full with the request, and judged.
    fn judge(&self, known: &Known, inquiry: &Inquiry, route: &Route, now: Instant) -> Verdict {
        let (bytes, ticket) = match known {
            Known::Nothing => return Verdict::Ignore(Forward::UriMiss),
            Known::OtherVariants => return Verdict::Ignore(Forward::VaryMiss),
            Known::Object { bytes, ticket, .. } => (bytes, *ticket),
        };
        let entry = Entry::parse(bytes).filter(|entry| entry.ticket == ticket && entry.parts.key == inquiry.key);
        let Some(entry) = entry else { return Verdict::Ignore(Forward::UriMiss) };
        let Some(vary) = Vary::from_bytes(entry.parts.vary) else { return Verdict::Ignore(Forward::UriMiss) };
        if vary.values(&inquiry.headers) != entry.parts.values {
            return Verdict::Ignore(Forward::VaryMiss);
        }
        if entry.facts.received.resident(now).is_none() {
            // The clock stepped back: when it comes to this moment again, the response would seem to be new.
            report_failure("store not writable", store::remove(&self.config.arena, inquiry.print, ticket));
        }
        selection::judge(&entry, inquiry, route, now)
    }
}
