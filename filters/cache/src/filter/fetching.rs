//! The second level on a request's way: asked where this proxy has no answer, for as long as its budget lasts.
//!
//! A request asks from its own context: where its client has left, the answer is nobody's.

use std::time::Duration;

use policy::Instant;
use policy::state::Fault;
use shell::callout;

use super::store::{self, Known};
use super::{Plugin, Question};
use crate::config::Level;
use crate::entry::Entry;
use crate::envelope::Envelope;
use crate::key::{self, Vary};
use crate::purge::{Stamp, Standing, Subject};
use crate::remote::{self, Found};

/// A request that waits.
pub(super) struct Fetch {
    pub(super) question: Box<Question>,
    token: u32,
    key: String,
    until: Instant,
    /// The second question has been asked.
    is_variant: bool,
    /// What the fleet's number is to be judged with.
    local: u32,
}

/// What an answer comes to.
pub(super) enum Step {
    /// It is no answer to this question.
    Wait,
    /// There is no object.
    Nothing,
    /// There is this one.
    Found(Known),
}

impl Plugin {
    /// Asks the second level, where that is worth it.
    pub(super) fn fetch(&self, question: Box<Question>, now: Instant) -> Result<Fetch, Box<Question>> {
        let (Some(level), Some(remote)) = (&self.config.level, &self.remote) else { return Err(question) };
        let is_remote = self.config.routes.get(question.inquiry.route).is_some_and(|route| route.is_remote);
        if !is_remote || question.inquiry.said.no_cache {
            return Err(question);
        }
        let print = remote::print(&question.inquiry.key);
        let Some(owes_purges) = remote.is_open(print, self.purges.heard(), now) else { return Err(question) };
        let key = remote::key(&level.store, &self.config.name, print);
        match send(level, &key, level.budget) {
            Ok(token) => {
                let local = if owes_purges { 0 } else { u32::MAX };
                Ok(Fetch { question, token, key, until: now + level.budget, is_variant: false, local })
            }
            Err(fault) => {
                remote.note::<()>(&Err(fault), now);
                Err(question)
            }
        }
    }

    /// Takes an answer in.
    pub(super) fn fetched(&self, fetch: &mut Fetch, token: u32, headers: usize, body_bytes: usize) -> Step {
        let (Some(level), Some(remote)) = (&self.config.level, &self.remote) else { return Step::Nothing };
        if token != fetch.token {
            return Step::Wait;
        }
        let now = shell::now();
        let found =
            shell::state::reply(&level.store, headers, body_bytes).and_then(|reply| Found::read(&level.store, reply));
        remote.note(&found, now);
        let known = match found {
            Ok(Found::Variants { nonce, vary }) => match ask_variant(level, fetch, &nonce, &vary, now) {
                Some(token) => {
                    (fetch.token, fetch.is_variant) = (token, true);
                    return Step::Wait;
                }
                None => None,
            },
            Ok(Found::Object(object)) => self.adopt(fetch, object),
            Ok(Found::Nothing) | Err(_) => None,
        };
        let outcome = if known.is_some() { remote.hits } else { remote.misses };
        outcome.increment();
        known.map_or(Step::Nothing, Step::Found)
    }

    /// Makes the fleet's object one of this proxy's, where it is what the request asks for and no purge has met it.
    fn adopt(&self, fetch: &Fetch, mut object: Vec<u8>) -> Option<Known> {
        let Question { inquiry, seen, .. } = &*fetch.question;
        let mut envelope = Envelope::split(&mut object)?;
        let entry = Entry::parse(&object).filter(|entry| entry.parts.key == inquiry.key)?;
        let vary = entry.parts.vary.to_vec();
        let values = Vary::from_bytes(&vary)?.values(&inquiry.headers);
        if values != entry.parts.values || object.len() > self.config.object_bytes_max {
            return None;
        }
        let route = self.config.routes.get(inquiry.route)?;
        let tags = &envelope.tags;
        let subject = Subject { key: &inquiry.key, provider: &route.upstream, data_type: &route.data_type, tags };
        let stamp = self.purges.look().ok()?;
        let judged = Stamp { local: fetch.local, remote: envelope.stamp.remote };
        let ledger = self.purges.ledger();
        if ledger.standing_remote(&subject, judged) != Standing::Current {
            return None;
        }
        // A purge that this proxy was told of while it waited is not forgotten: it is younger than the question.
        envelope.stamp = Stamp { local: seen.stamp.local.min(stamp.local), remote: judged.remote };
        envelope.append(&mut object);
        let variant = key::variant(&self.seed, &vary, &values);
        let (_, ticket) = self.place(inquiry.print, variant, &vary, *seen, &mut object).ok()??;
        let envelope = Envelope::split(&mut object)?;
        let (is_use_news, is_softened) = (false, false);
        Some(Known::Object(store::Object { bytes: object, envelope, ticket, is_use_news, is_softened }))
    }
}

fn ask_variant(level: &Level, fetch: &Fetch, nonce: &str, vary: &[u8], now: Instant) -> Option<u32> {
    let left = fetch.until.since(now).min(level.budget);
    if left < Duration::from_millis(1) || fetch.is_variant {
        return None;
    }
    let values = Vary::from_bytes(vary)?.values(&fetch.question.inquiry.headers);
    let key = [&fetch.key, ":", nonce, &remote::variant(vary, &values)].concat();
    send(level, &key, left).ok()
}

fn send(level: &Level, key: &str, budget: Duration) -> Result<u32, Fault> {
    let request = level.store.request(&[b"GET", key.as_bytes()])?;
    let sent = callout::send(&level.store.cluster, &request.headers, &request.body, budget);
    sent.map_err(|_| Fault::Status(503))
}
