//! The second level on a request's way: asked where this proxy has no answer, for as long as its budget lasts.
//!
//! A request asks from its own context: where its client has left, the answer is nobody's.

use std::time::Duration;

use policy::Instant;
use policy::state::Fault;
use shell::callout;

use super::Plugin;
use super::boarding::Claim;
use super::store::{Known, Seen};
use crate::config::{Level, Packing};
use crate::entry::Entry;
use crate::envelope::Envelope;
use crate::foreign;
use crate::key::{self, Vary};
use crate::purge::{Stamp, Standing, Subject};
use crate::remote::{self, Found};
use crate::request::Inquiry;

/// A request that waits.
pub(super) struct Fetch {
    pub(super) inquiry: Inquiry,
    pub(super) claim: Option<Claim>,
    pub(super) sent: Sent,
}

/// What it waits for.
pub(super) struct Sent {
    token: u32,
    key: String,
    until: Instant,
    /// The second question has been asked.
    is_variant: bool,
    /// What the level had is in the store.
    pub(super) is_adopted: bool,
    /// What the fleet's number is to be judged with.
    local: u32,
    seen: Seen,
    /// When what is stored here was made, and when it came in: what is not younger is of no use.
    newest: [u32; 2],
}

impl Plugin {
    /// Asks the second level, where that is worth it; `known` is what is stored here and does not answer as it is.
    pub(super) fn fetch(&self, inquiry: &Inquiry, known: &Known, seen: Seen, now: Instant) -> Option<Sent> {
        let (level, remote) = (self.config.level.as_ref()?, self.remote.as_ref()?);
        let is_remote = self.config.routes.get(inquiry.route).is_some_and(|route| route.is_remote);
        if !is_remote || inquiry.said.no_cache {
            return None;
        }
        let print = remote::print(&inquiry.key);
        let owes_purges = remote.is_open(print, self.purges.heard(), now)?;
        let key = remote::key(&level.store, &self.config.name, print);
        match send(level, &key, level.budget) {
            Ok(token) => {
                let local = if owes_purges { 0 } else { u32::MAX };
                let newest = match known {
                    Known::Object(found) => [found.envelope.moments[0], found.envelope.moments[1]],
                    Known::Nothing | Known::OtherVariants => [0; 2],
                };
                Some(Sent {
                    token,
                    key,
                    until: now + level.budget,
                    is_variant: false,
                    is_adopted: false,
                    local,
                    seen,
                    newest,
                })
            }
            Err(fault) => {
                remote.note(Some(&fault), now);
                None
            }
        }
    }

    /// Takes an answer in; says whether there is nothing more to wait for.
    pub(super) fn fetched(&self, fetch: &mut Fetch, token: u32, headers: usize, body_bytes: usize) -> bool {
        let (Some(level), Some(remote)) = (&self.config.level, &self.remote) else { return true };
        if token != fetch.sent.token {
            return false;
        }
        let now = shell::now();
        let found =
            shell::state::reply(&level.store, headers, body_bytes).and_then(|reply| Found::read(&level.store, reply));
        remote.note(found.as_ref().err(), now);
        let adopted = match found {
            Ok(Found::Variants { nonce, vary }) => match ask_variant(level, fetch, &nonce, &vary, now) {
                Some(token) => {
                    (fetch.sent.token, fetch.sent.is_variant) = (token, true);
                    return false;
                }
                None => None,
            },
            Ok(Found::Object(object)) => self.adopt(fetch, object),
            Ok(Found::Nothing) | Err(_) => None,
        };
        fetch.sent.is_adopted = adopted.is_some();
        let outcome = if fetch.sent.is_adopted { remote.hits } else { remote.misses };
        outcome.increment();
        true
    }

    /// Makes the fleet's object one of this proxy's, where it is what the request asks for and no purge has met it.
    fn adopt(&self, fetch: &Fetch, mut object: Vec<u8>) -> Option<()> {
        let Fetch { inquiry, sent: Sent { seen, local, newest, .. }, .. } = fetch;
        let mut envelope = Envelope::split(&mut object)?;
        let whole = foreign::read(&object, &mut envelope, self.config.object_bytes_max, shell::now())?;
        let [date, received, _] = envelope.moments;
        if [date, received] <= *newest {
            return None;
        }
        let entry = Entry::parse(&whole).filter(|entry| entry.parts.key == inquiry.key)?;
        let vary = entry.parts.vary.to_vec();
        let values = Vary::from_bytes(&vary)?.values(&inquiry.headers);
        if values != entry.parts.values {
            return None;
        }
        let route = self.config.routes.get(inquiry.route)?;
        let tags = &envelope.tags;
        let subject = Subject { key: &inquiry.key, provider: &route.upstream, data_type: &route.data_type, tags };
        let stamp = self.purges.look().ok()?;
        let judged = Stamp { local: *local, remote: envelope.stamp.remote };
        let ledger = self.purges.ledger();
        if ledger.standing_remote(&subject, judged) != Standing::Current {
            return None;
        }
        // A purge that this proxy was told of while it waited is not forgotten: it is younger than the question.
        envelope.stamp = Stamp { local: seen.stamp.local.min(stamp.local), remote: judged.remote };
        if self.config.packing != Packing::Everywhere {
            (object, envelope.plain) = (whole, 0);
        }
        envelope.append(&mut object);
        let variant = key::variant(&self.seed, &vary, &values);
        self.place(inquiry.print, variant, &vary, *seen, &mut object).ok()?.map(|_| ())
    }
}

fn ask_variant(level: &Level, fetch: &Fetch, nonce: &str, vary: &[u8], now: Instant) -> Option<u32> {
    let left = fetch.sent.until.since(now).min(level.budget);
    if left < Duration::from_millis(1) || fetch.sent.is_variant {
        return None;
    }
    let values = Vary::from_bytes(vary)?.values(&fetch.inquiry.headers);
    let key = [&fetch.sent.key, ":", nonce, &remote::variant(vary, &values)].concat();
    send(level, &key, left).ok()
}

fn send(level: &Level, key: &str, budget: Duration) -> Result<u32, Fault> {
    let request = level.store.request(&[b"GET", key.as_bytes()])?;
    let sent = callout::send(&level.store.cluster, &request.headers, &request.body, budget);
    sent.map_err(|_| Fault::Status(503))
}
