//! A request that says what another said in the same second: it is answered as that was, unless something has happened since.

use std::rc::{Rc, Weak};

use policy::Headers;
use shell::Action;
use shell::shared::{self, Version};

use super::store::Object;
use super::{Filter, Plugin};
use crate::entry::{Entry, Facts};
use crate::key::Vary;
use crate::request::Inquiry;
use crate::selection::{Answer, Body, Hit};

/// A moment of the store, as far as one response of it is concerned: whatever is stored, invalidated or purged makes it another.
#[derive(PartialEq)]
pub(super) struct Moment {
    set: Version,
    purges: u64,
    hit: Hit,
}

/// An answer that can be given again.
pub(super) struct Repeatable {
    route: usize,
    is_head: bool,
    /// Where the set is kept.
    set: String,
    facts: Facts,
    answer: Answer,
    /// What is at hand in this worker's memory; it goes when that does.
    entry: Weak<Vec<u8>>,
    body_bytes: usize,
}

impl Filter {
    /// Answers a request as another was answered; `None` where none said the same, or the moment has passed.
    pub(super) fn repeat(&mut self, plugin: &Plugin, headers: &Headers, ends: bool) -> Option<Action> {
        let repetitions = plugin.repetitions.borrow();
        let (then, again) = repetitions.find(headers).filter(|_| ends)?;
        let entry = again.entry.upgrade()?;
        let (route, meters) = (plugin.config.routes.get(again.route)?, plugin.meters.get(again.route)?);
        let hit = Hit::reckon(&again.facts, route, shell::now()).filter(|hit| *hit == then.hit)?;
        plugin.look().ok()?;
        let (_, set) = shared::read(&again.set).ok()?;
        if *then != (Moment { set, purges: plugin.purges.number(), hit }) {
            return None;
        }
        meters.hits.increment();
        let stored = entry.get(entry.len().checked_sub(again.body_bytes)?..)?;
        Some(self.send(again.is_head, &again.answer, &entry, stored))
    }
}

impl Plugin {
    /// Remembers an answer where nothing but the moment decides about it: the request has no wishes of its own, and what
    /// answers is fresh, has been used often enough that no further use changes its set, and is at hand.
    pub(super) fn remember(&self, inquiry: &Inquiry, found: &Object, entry: &Entry<'_>, hit: Hit, answer: &Answer) {
        let is_settled = found.varies_alike && !found.is_use_news && !found.is_softened && hit.ttl > 0;
        let is_at_hand = Rc::strong_count(&found.bytes) > 1;
        let (true, Body::Stored(_)) = (inquiry.is_plain && is_settled && is_at_hand, &answer.body) else { return };
        let Some(vary) = Vary::from_bytes(entry.parts.vary) else { return };
        let moment = Moment { set: found.set, purges: self.purges.number(), hit };
        let varied: Vec<_> = vary.names().collect();
        let bytes = answer.headers.as_bytes().len();
        self.repetitions.borrow_mut().keep(&inquiry.headers, &varied, moment, bytes, || Repeatable {
            route: inquiry.route,
            is_head: inquiry.is_head,
            set: self.config.arena.directory(self.config.arena.set_of(inquiry.print)),
            facts: entry.facts,
            answer: answer.clone(),
            entry: Rc::downgrade(&found.bytes),
            body_bytes: entry.body.len(),
        });
    }
}
