//! Changes: made in shared data, where the filter that it is about listens, and said in the log.

use policy::allowance;
use policy::purge::{self, Pulse};
use policy::{Headers, Rejection, RequestId, queue};
use shell::Action;
use shell::shared::{self, Change as Edit, Failure};

use super::admitting::address;
use super::telling::{send, stored, waits};
use super::{Filter, Plugin};
use crate::audit::Change;
use crate::credential::Who;
use crate::json::Writer;
use crate::request::Ask;

/// How often a change is tried again when other workers were faster.
pub(super) const ATTEMPTS: u32 = 16;

impl Filter {
    /// Makes a change, and answers; or has it wait for the store.
    pub(super) fn change(
        &mut self,
        plugin: &Plugin,
        ask: Ask,
        who: &Who,
        headers: &Headers,
    ) -> Result<Action, Rejection> {
        let blank = Change {
            who: who.name(),
            from: address(),
            request_id: headers.first(policy::handover::header::REQUEST_ID).and_then(RequestId::parse),
            what: "",
            target: String::new(),
            before: String::new(),
            after: String::new(),
        };
        match ask {
            Ask::ResetLimits(name) => {
                let (action, pending) = plugin.reset_limits(&name, &blank)?;
                self.pending = pending;
                Ok(action)
            }
            Ask::Drain(name) => drain(&name, &blank),
            Ask::Level(level) => {
                let (action, pending) = plugin.level(level, blank)?;
                self.pending = pending;
                Ok(action)
            }
            Ask::Purge(order) => plugin.purge(&order, blank),
            Ask::Order(command) => {
                let ordered = plugin.order(&command, &blank)?;
                self.pending = ordered.1;
                Ok(ordered.0)
            }
            _ => Err(Rejection::Internal),
        }
    }
}

impl Plugin {
    /// Has the cache purge: before anything is looked for that is asked for from now on.
    fn purge(&self, order: &[u8], blank: Change) -> Result<Action, Rejection> {
        let Some(cache) = &self.config.cache else { return Err(Rejection::NotFound) };
        let asked = shared::update(&purge::inbox(&cache.name), ATTEMPTS, |inbox| {
            purge::ask(inbox, order);
            Edit::Store(())
        });
        let rung = asked.and_then(|()| {
            shared::update(&purge::pulse(&cache.name), ATTEMPTS, |bytes| {
                let mut pulse = Pulse::from_bytes(bytes);
                pulse.ring();
                *bytes = pulse.to_bytes();
                Edit::Store(())
            })
        });
        rung.map_err(unchanged)?;
        let after = String::from_utf8_lossy(order).into_owned();
        let change = Change { what: "cache", target: cache.name.clone(), before: "stored".to_owned(), after, ..blank };
        log::warn!("{}", change.line());
        // Where the store is away, the fleet hears of it when that is back; nobody can promise it now.
        let is_heard = cache.is_shared && self.contact().is_ok_and(|contact| !contact.is_missing());
        Ok(send(200, &change.body(if is_heard { "fleet" } else { "proxy" })))
    }
}

/// Sends all away who wait for a rule, or an upstream: they are answered as those who have waited for too long.
fn drain(name: &str, blank: &Change) -> Result<Action, Rejection> {
    let (lines, now) = (stored(allowance::KEY)?, shell::now().unix_seconds());
    let meant: Vec<_> = allowance::read(&lines).filter(|line| line.is_current(now) && line.is_called(name)).collect();
    if meant.is_empty() {
        return Err(Rejection::NotFound);
    }
    let mut list = Writer::list();
    for line in &meant {
        let mut dismissed = 0;
        for key in waits(line) {
            dismissed += dismiss(&key).map_err(unchanged)?;
        }
        let before = [&dismissed.to_string(), " waiting"].concat();
        let (target, after) = (line.rule.to_owned(), "drained".to_owned());
        let change = Change { what: "queue", target, before, after, ..blank.clone() };
        log::warn!("{}", change.line());
        list.push(&change.body("proxy"));
    }
    Ok(send(200, &Writer::object().raw("queues", &list.end()).end()))
}

fn dismiss(key: &str) -> Result<u32, Failure> {
    shared::update(key, ATTEMPTS, |line| match queue::dismiss(line) {
        0 => Edit::Keep(0),
        dismissed => Edit::Store(dismissed),
    })
}

/// What an operator is told whose change was not made.
pub(super) fn unchanged(failure: Failure) -> Rejection {
    log::error!("not changed: {failure:?}");
    Rejection::Unavailable { retry_after: None }
}
