//! A stored response that waits for what the upstream says of it.

use std::rc::Rc;

use policy::{Headers, Instant};
use shell::Action;
use shell::headers::{self, Map};

use super::answering::{Replaced, Restored};
use super::store::{Known, Object};
use super::{Filter, Phase, Plugin, Question, report};
use crate::admission::{self, Admitted, Refusal};
use crate::config::Route;
use crate::entry::Entry;
use crate::flight::{FAILED_FOR, UNREFRESHED_FOR, UNSTORED_FOR};
use crate::recording::Hold;
use crate::request::Inquiry;
use crate::selection::{Hit, Stored};
use crate::status::{self, Fate, Forward};
use crate::tag::Tags;
use crate::validation::{self, Conditions, Finding};

/// A stored response that is held while its request is with the upstream: by then, another may have its place.
pub(super) struct Held {
    bytes: Rc<Vec<u8>>,
    ticket: u64,
    tags: Tags,
    is_conditional: bool,
    /// What a worker holds is bounded.
    _hold: Hold,
}

impl Held {
    /// Whether the upstream is asked about what is stored, and not about what the client has.
    pub(super) fn replaces_conditions(inquiry: &Inquiry, known: &Known, now: Instant) -> bool {
        let Known::Object(Object { bytes, .. }) = known else { return false };
        Entry::parse(bytes).is_some_and(|entry| conditions(inquiry, &entry, now).is_some())
    }

    /// Holds a stored response where the upstream's answer may leave it to answer, and asks about it.
    pub(super) fn take(plugin: &Plugin, inquiry: &Inquiry, known: Known, now: Instant) -> Option<Self> {
        let Known::Object(Object { bytes, envelope, ticket, .. }) = known else { return None };
        let entry = Entry::parse(&bytes)?;
        let conditions = conditions(inquiry, &entry, now);
        let can_rescue = entry.facts.terms.if_error > 0 || inquiry.said.stale_if_error.is_some();
        if conditions.is_none() && !can_rescue && !inquiry.is_head {
            return None;
        }
        let hold = plugin.ledger.hold(bytes.len())?;
        if let Some(conditions) = &conditions {
            ask(inquiry, conditions);
        }
        Some(Self { is_conditional: conditions.is_some(), bytes, ticket, tags: envelope.tags, _hold: hold })
    }
}

/// What is to be asked about a stored response.
fn conditions(inquiry: &Inquiry, entry: &Entry<'_>, now: Instant) -> Option<Conditions> {
    let stored = entry.headers()?;
    // An answer with a body needs a type: see `answering`.
    let can_answer = inquiry.is_head || entry.body.is_empty() || stored.first("content-type").is_some();
    // A POST has no preconditions that a 304 would answer (RFC 9110 §13.1.2).
    let can_ask = can_answer && !inquiry.is_search();
    Conditions::of(entry.facts.status, &stored, now).filter(|_| can_ask)
}

/// Puts the conditions into the request, in the place of the client's.
fn ask(inquiry: &Inquiry, conditions: &Conditions) {
    for (name, value) in [("if-none-match", &conditions.tag), ("if-modified-since", &conditions.since)] {
        report(match (value, inquiry.headers.first(name)) {
            (Some(value), None) => headers::add(Map::Request, name, value),
            (Some(value), Some(_)) => headers::set(Map::Request, name, value),
            (None, Some(_)) => headers::remove(Map::Request, name),
            (None, None) => Ok(()),
        });
    }
}

impl Question {
    /// Unless the answer turns out to be stored, those who wait for it go on alone.
    fn expect_nothing(&mut self, response: &Headers) {
        let has_failed = admission::status(response).is_none_or(|status| status >= 500 || status == 429);
        let length = match self.why {
            _ if has_failed => FAILED_FOR,
            // What could be stored before may be so again.
            Forward::Stale => UNREFRESHED_FOR,
            _ => UNSTORED_FOR,
        };
        if let Some(claim) = &mut self.claim {
            claim.mark(length);
        }
    }
}

impl Filter {
    /// Takes in the answer to a forwarded request.
    pub(super) fn hear(&mut self, plugin: &Plugin, mut question: Question, is_bodyless: bool) -> Action {
        let now = shell::now();
        let Some(route) = plugin.config.routes.get(question.inquiry.route) else { return Action::Continue };
        let response = match headers::read(Map::Response) {
            Ok(response) => response,
            Err(error) => {
                log::error!("response headers: {error}");
                plugin.tell(question.why, Fate::Passed(Some(Refusal::Length.token())));
                return Action::Continue;
            }
        };
        question.expect_nothing(&response);
        if let Some(held) = question.held.take() {
            let replaced = Replaced { response: &response, is_bodyless };
            if let Some(action) = self.consult(plugin, route, &mut question, &held, &replaced, now) {
                return action;
            }
        }
        let admitted = admission::admit(route, &question.inquiry, &response, question.asked, now);
        let begun = admitted.and_then(|mut admitted| {
            let tags = plugin.config.tagging.take(&mut admitted.headers);
            plugin.begin(&mut question, &admitted, tags)
        });
        match begun {
            Ok(copy) => {
                plugin.tell(question.why, Fate::Stored);
                if is_bodyless {
                    plugin.keep(copy);
                } else {
                    self.phase = Phase::Copied(Box::new(copy));
                }
            }
            Err(refusal) => {
                if let Some(ticket) = question.refuted {
                    plugin.drop_stored(&question, ticket);
                }
                plugin.tell(question.why, Fate::Passed(Some(refusal.token())));
            }
        }
        Action::Continue
    }

    /// Does with what is held as the answer says; `None` where that has nothing to do with it.
    fn consult(
        &mut self,
        plugin: &Plugin,
        route: &Route,
        question: &mut Question,
        held: &Held,
        replaced: &Replaced<'_>,
        now: Instant,
    ) -> Option<Action> {
        let entry = Entry::parse(&held.bytes)?;
        let stored = entry.headers()?;
        let kept = Stored { status: entry.facts.status, headers: &stored, body: entry.body };
        let hit = Hit::reckon(&entry.facts, route, now);
        match validation::find(&question.inquiry, route, held.is_conditional, &kept, replaced.response) {
            Finding::Replaced => None,
            Finding::Refuted => {
                question.refuted = Some(held.ticket);
                None
            }
            Finding::Contradicted => {
                plugin.drop_stored(question, held.ticket);
                None
            }
            Finding::Described => {
                let (fate, _) = plugin.freshen(route, question, held, &kept, replaced.response, now);
                plugin.tell(question.why, fate);
                Some(Action::Continue)
            }
            Finding::Failed => {
                let hit = validation::rescue(&entry, &question.inquiry, route, now)?;
                let failure = admission::status(replaced.response).unwrap_or(503);
                let name = &plugin.config.name;
                let member = status::restored(name, question.why, failure, hit.ttl, false, "stale-if-error");
                let restored = Restored { stored: kept, entry: &held.bytes, age: hit.age, member };
                self.replace(&question.inquiry, &restored, replaced, now)
            }
            Finding::Unchanged => {
                let (age, ttl) = hit.map_or((0, 0), |hit| (hit.age, hit.ttl));
                let member = status::restored(&plugin.config.name, question.why, 304, ttl, false, "validated");
                self.replace(
                    &question.inquiry,
                    &Restored { stored: kept, entry: &held.bytes, age, member },
                    replaced,
                    now,
                )
            }
            Finding::Confirmed => {
                let (fate, fresh) = plugin.freshen(route, question, held, &kept, replaced.response, now);
                let (is_stored, name) = (fate == Fate::Stored, &plugin.config.name);
                let member = status::restored(name, question.why, 304, fresh.ttl, is_stored, "validated");
                let stored = Stored { headers: &fresh.headers, ..kept };
                self.replace(
                    &question.inquiry,
                    &Restored { stored, entry: &held.bytes, age: fresh.age, member },
                    replaced,
                    now,
                )
            }
        }
    }
}

/// A stored response after the upstream has confirmed it.
struct Fresh {
    headers: Headers,
    age: u32,
    ttl: i64,
}

impl Plugin {
    /// Brings what is stored up to date with an answer that describes it (RFC 9111 §3.2).
    fn freshen(
        &self,
        route: &Route,
        question: &mut Question,
        held: &Held,
        kept: &Stored<'_>,
        answer: &Headers,
        now: Instant,
    ) -> (Fate, Fresh) {
        self.drop_rivals(&question.inquiry, held.ticket);
        let mut freshened = validation::freshened(kept.status, kept.body.len(), kept.headers, answer);
        let said = self.config.tagging.take(&mut freshened);
        // Where they are hidden, they stand beside the stored headers.
        let tags = if said.is_empty() { held.tags.clone() } else { said };
        // What it withholds from others is for who has asked.
        let headers = admission::headers_for_use(&freshened, now);
        let admitted = admission::admit_whole(route, &question.inquiry, &freshened, question.asked, now);
        if let Ok(Admitted { facts, headers: stored, .. }) = &admitted
            && facts.terms.needs_validation
            && validation::is_same(kept.headers, stored)
        {
            return (Fate::Passed(None), Fresh { headers, age: facts.received.age, ttl: 0 });
        }
        let stored = admitted.and_then(|admitted| {
            let copy = self.begin(question, &admitted, tags)?.complete(kept.body).ok_or(Refusal::Size)?;
            Ok((copy, admitted))
        });
        match stored {
            Ok((copy, admitted)) => {
                self.keep(copy);
                let facts = admitted.facts;
                let spent = if facts.terms.forced { 0 } else { facts.received.age };
                // What is validated before each use is never fresh.
                let lifetime = if facts.terms.needs_validation { spent } else { facts.lifetime };
                let ttl = i64::from(lifetime) - i64::from(spent);
                (Fate::Stored, Fresh { headers, age: facts.received.age, ttl })
            }
            Err(refusal) => {
                // What must not be stored any more must not stay, either.
                if matches!(refusal, Refusal::NoStore | Refusal::Private | Refusal::Vary) {
                    self.drop_stored(question, held.ticket);
                }
                (Fate::Passed(Some(refusal.token())), Fresh { headers, age: 0, ttl: 0 })
            }
        }
    }
}
