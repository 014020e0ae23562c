//! The request's way: it is answered from the store, or forwarded with what is to be asked about the store.

use policy::{Instant, Rejection};
use shell::Action;

use super::boarding::{Boarded, Claim, Waited};
use super::fetching::Fetch;
use super::refresh::Refreshing;
use super::store::{self, Known, Seen};
use super::validating::Held;
use super::{Filter, Phase, Plugin, Question, report};
use crate::entry::Entry;
use crate::flight::{Id, Role};
use crate::invalidation::Invalidation;
use crate::request::{Inquiry, Purpose};
use crate::selection::{self, Verdict};
use crate::status::{self, Forward, Source};

/// A request that is to be decided about.
pub(super) struct Asking {
    pub(super) inquiry: Inquiry,
    pub(super) claim: Option<Claim>,
    /// Whose a hit is where the second level has been asked, or is not to be.
    pub(super) fetched: Option<Source>,
    /// Where it has waited for another's answer.
    pub(super) waited: Option<Waited>,
}

/// Whose what answers is, and whether the request has waited for it.
type Way = (Source, Option<Waited>);

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

    /// Answers a request from the store, asks the second level, holds it until another's answer is there, or forwards it.
    pub(super) fn ask(&mut self, plugin: &Plugin, mut inquiry: Inquiry, proof: Option<&[u8]>) -> Action {
        if plugin.is_refresh(&inquiry, proof) {
            inquiry.purpose = Purpose::Refresh;
        }
        self.decide(plugin, Asking { inquiry, claim: None, fetched: None, waited: None })
    }

    /// Goes on with a request for which the second level has been asked: what that had is in the store now.
    pub(super) fn settle(&mut self, plugin: &Plugin, fetch: Fetch) -> Action {
        let source = if fetch.sent.is_adopted { Source::Fleet } else { Source::Own };
        let Fetch { inquiry, claim, .. } = fetch;
        self.decide(plugin, Asking { inquiry, claim, fetched: Some(source), waited: None })
    }

    /// Decides about a request, which may have been held until now.
    pub(super) fn decide(&mut self, plugin: &Plugin, asking: Asking) -> Action {
        let Asking { mut inquiry, mut claim, fetched, waited } = asking;
        let now = shell::now();
        let (Some(route), Some(meters)) = (plugin.config.routes.get(inquiry.route), plugin.meters.get(inquiry.route))
        else {
            return self.pass(Forward::Bypass, None, None);
        };
        let (mut known, seen, variant) = plugin.look_up(&inquiry).unwrap_or_else(|error| {
            log::warn!("store not readable: {error}");
            meters.read_errors.increment();
            // Whatever was seen, nothing is stored that might have been invalidated.
            (Known::Nothing, Seen::default(), 0)
        });
        let (id, way) = (Id::of(inquiry.print, variant), (fetched.unwrap_or(Source::Own), waited));
        let why = match plugin.judge(&mut known, &inquiry, route, now) {
            Verdict::Use(hit) => return self.answer(plugin, &inquiry, &known, (hit, way), now),
            Verdict::Refresh(hit) => {
                if claim.is_none() && !inquiry.is_refresh() {
                    match plugin.refresh(&inquiry, &known, id, now) {
                        Refreshing::Beside => return self.answer(plugin, &inquiry, &known, (hit, way), now),
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
        let is_alone = claim.is_some() || inquiry.is_refresh() || waited.is_some_and(|waited| waited.is_enough(&known));
        let role = if is_alone || !why.is_collapsible() { Role::None } else { Role::of(&inquiry, route) };
        if role != Role::None && known.may_answer_others() {
            let leads = role == Role::Leader || Held::replaces_conditions(&inquiry, &known, now);
            match if leads { plugin.board.board(id, now) } else { plugin.board.join(id, now) } {
                Boarded::Leads(taken) => claim = Some(taken),
                Boarded::Follows(taken) => {
                    return self.decide(plugin, Asking { inquiry, claim: Some(taken), fetched, waited });
                }
                Boarded::Waits => {
                    let waited = waited.unwrap_or(Waited::begin(now, seen.sight.next, why));
                    match self.wait(plugin, inquiry, id, waited, now) {
                        None => return Action::Pause,
                        Some(given_back) => inquiry = given_back,
                    }
                }
                Boarded::Alone => {}
            }
        }
        if fetched.is_none()
            && let Some(sent) = plugin.fetch(&inquiry, &known, seen, now)
        {
            self.phase = Phase::Fetched(Box::new(Fetch { inquiry, claim, sent }));
            return Action::Pause;
        }
        let held = if inquiry.said.only_if_cached { None } else { Held::take(plugin, &inquiry, known, now) };
        self.forward(plugin, Question { inquiry, why, asked: now, seen, held, claim, refuted: None })
    }

    /// Forwards a request that the store has no answer to.
    fn forward(&mut self, plugin: &Plugin, question: Question) -> Action {
        let inquiry = &question.inquiry;
        if let Some(meters) = plugin.meters.get(inquiry.route)
            && !inquiry.is_refresh()
        {
            meters.misses.increment();
        }
        if inquiry.said.only_if_cached {
            let status = status::own(&plugin.config.name, "only-if-cached");
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
        (hit, (source, waited)): (selection::Hit, Way),
        now: Instant,
    ) -> Action {
        let Known::Object(found) = known else { return self.pass(Forward::Bypass, Some("unreadable"), None) };
        let entry = Entry::parse(&found.bytes).and_then(|entry| entry.headers().map(|headers| (entry, headers)));
        let Some((entry, stored)) = entry else {
            // It would stand in the way until it is too old.
            if let Err(failure) = store::remove(&plugin.config.arena, inquiry.print, found.ticket) {
                plugin.note_unwritten(inquiry.route, &failure);
            }
            return self.pass(Forward::Bypass, Some("unreadable"), None);
        };
        if found.is_use_news {
            report(store::touch(&plugin.config.arena, inquiry.print, found.ticket));
        }
        if let Some(meters) = plugin.meters.get(inquiry.route)
            && !inquiry.is_refresh()
        {
            meters.hits.increment();
        }
        let stored = selection::Stored { status: entry.facts.status, headers: &stored, body: entry.body };
        let member = match waited {
            Some(waited) => status::collapsed(&plugin.config.name, waited.why, hit.ttl),
            None => status::hit(&plugin.config.name, hit.ttl, source),
        };
        let answer = selection::answer(&stored, inquiry, hit.age, &member, now);
        if matches!((source, waited), (Source::Own, None)) {
            plugin.remember(inquiry, found, &entry, hit, &answer);
        }
        self.send(inquiry.is_head, &answer, &found.bytes, entry.body)
    }
}
