//! The request's way: it is answered from the store, or forwarded with what is to be asked about the store.

use policy::{Instant, Rejection};
use proxy_wasm::types::Action;

use super::fetching::Fetch;
use super::refresh::{Claim, Refreshing};
use super::store::{self, Known, Seen};
use super::validating::Held;
use super::{Filter, Phase, Plugin, Question, report};
use crate::entry::Entry;
use crate::invalidation::Invalidation;
use crate::request::Inquiry;
use crate::selection::{self, Verdict};
use crate::status::{self, Forward, Source};

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

    /// Answers a request from the store, asks the second level, or forwards it.
    pub(super) fn ask(&mut self, plugin: &Plugin, inquiry: Inquiry) -> Action {
        self.decide(plugin, inquiry, None, None)
    }

    /// Goes on with a request for which the second level has been asked: what that had is in the store now.
    pub(super) fn settle(&mut self, plugin: &Plugin, fetch: Fetch) -> Action {
        let source = if fetch.sent.is_adopted { Source::Fleet } else { Source::Own };
        self.decide(plugin, fetch.inquiry, fetch.claim, Some(source))
    }

    /// Where the second level has been asked, `fetched` says whose a hit then is.
    fn decide(
        &mut self,
        plugin: &Plugin,
        inquiry: Inquiry,
        mut claim: Option<Claim>,
        fetched: Option<Source>,
    ) -> Action {
        let now = shell::now();
        let (Some(route), Some(meters)) = (plugin.config.routes.get(inquiry.route), plugin.meters.get(inquiry.route))
        else {
            return self.pass(Forward::Bypass, None, None);
        };
        let (mut known, seen) = plugin.look_up(&inquiry).unwrap_or_else(|error| {
            log::warn!("store not readable: {error}");
            meters.read_errors.increment();
            // Whatever was seen, nothing is stored that might have been invalidated.
            (Known::Nothing, Seen::default())
        });
        let source = fetched.unwrap_or(Source::Own);
        let why = match plugin.judge(&mut known, &inquiry, route, now) {
            Verdict::Use(hit) => return self.answer(plugin, &inquiry, &known, hit, source, now),
            Verdict::Refresh(hit) => {
                if claim.is_none() {
                    match plugin.refresh(&inquiry, &known, now) {
                        Refreshing::Beside => return self.answer(plugin, &inquiry, &known, hit, source, now),
                        Refreshing::ByThisRequest(taken) => claim = Some(taken),
                    }
                }
                Forward::Stale
            }
            Verdict::Validate(reason) => reason,
            Verdict::Ignore(reason) => {
                known = Known::Nothing;
                reason
            }
        };
        if fetched.is_none()
            && let Some(sent) = plugin.fetch(&inquiry, &known, seen, now)
        {
            self.phase = Phase::Fetched(Box::new(Fetch { inquiry, claim, sent }));
            return Action::Pause;
        }
        let held = if inquiry.said.only_if_cached { None } else { Held::take(plugin, &inquiry, known, now) };
        self.forward(plugin, Question { inquiry, why, asked: now, seen, held, claim })
    }

    /// Forwards a request that the store has no answer to.
    fn forward(&mut self, plugin: &Plugin, question: Question) -> Action {
        let inquiry = &question.inquiry;
        if let Some(meters) = plugin.meters.get(inquiry.route) {
            meters.misses.increment();
        }
        if inquiry.said.only_if_cached {
            let status = status::refused(&plugin.config.name);
            return shell::reject(&Rejection::NotStored, &inquiry.headers, &[("cache-status", status.as_str())]);
        }
        self.phase = Phase::Asked(Box::new(question));
        Action::Continue
    }

    /// Answers with what is stored, as it is.
    fn answer(
        &mut self,
        plugin: &Plugin,
        inquiry: &Inquiry,
        known: &Known,
        hit: selection::Hit,
        source: Source,
        now: Instant,
    ) -> Action {
        let Known::Object(found) = known else { return self.pass(Forward::Bypass, Some("unreadable"), None) };
        let entry = Entry::parse(&found.bytes).and_then(|entry| entry.headers().map(|headers| (entry, headers)));
        let Some((entry, stored)) = entry else { return self.pass(Forward::Bypass, Some("unreadable"), None) };
        if found.is_use_news {
            report(store::touch(&plugin.config.arena, inquiry.print, found.ticket));
        }
        if let Some(meters) = plugin.meters.get(inquiry.route) {
            meters.hits.increment();
        }
        let stored = selection::Stored { status: entry.facts.status, headers: &stored, body: entry.body };
        let member = status::hit(&plugin.config.name, hit.ttl, source);
        let answer = selection::answer(&stored, inquiry, hit.age, &member, now);
        self.send(inquiry, &answer, &found.bytes, entry.body)
    }
}
