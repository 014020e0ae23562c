//! One proxy that meets logged requests again: its limits are the filters' own, on a clock that the log moves.
//!
//! What a log does not say is taken as it was. Who called was found out then, and is believed; whether a permission that is
//! asked for now would have been there is not known, and what was refused for its credential, or for what it asked, stays so. An answer is stored for the
//! time that the policy itself says; where the answer says it, or the key has a body in it, the log's own word counts.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use auth::route::Mode;
use cache::request::Plan;
use cache::status::Forward;
use guard::request::Verdict;
use policy::handover::header;
use policy::route::Target;
use policy::{Headers, Instant};
use ratelimit::charge::{self, Charge, Store, Swap, Undecided};
use ratelimit::key::Client;
use ratelimit::rule::{Asked, Rule};

use crate::facts::{limit, with};
use crate::gateway::{Gateway, SEED};
use crate::policy::Route;
use crate::replay::line::{Line, Refusal};
use crate::replay::shelf::Shelf;
use crate::replay::tally::Fate;
use crate::translate::{cache as caches, ratelimit as limits};

/// The proxy.
pub struct Simulation<'g> {
    gateway: &'g Gateway<'g>,
    memory: Memory,
    shelf: Shelf,
    /// When those who wait are sent, by the name of the rule.
    lines: HashMap<&'g str, VecDeque<(Instant, Charge<'g>)>>,
}

/// Where buckets are: as many as the filters' tables have slots.
#[derive(Default)]
struct Memory {
    values: HashMap<String, Vec<u8>>,
    now: Instant,
}

impl Store for Memory {
    type Version = ();

    fn read(&mut self, key: &str) -> Result<(Vec<u8>, ()), Undecided> {
        Ok((self.values.get(key).cloned().unwrap_or_default(), ()))
    }

    fn swap(&mut self, key: &str, value: &[u8], (): ()) -> Result<Swap, Undecided> {
        self.values.insert(key.to_owned(), value.to_vec());
        Ok(Swap::Done)
    }

    fn now(&mut self) -> Instant {
        self.now
    }
}

/// What limits say to a request.
enum Answer {
    Passes,
    Waits,
    Refused,
}

/// The scheme and host of requests whose log says neither.
const PLACE: [(&[u8], &[u8]); 2] = [(b":scheme", b"http"), (b":authority", b"any.invalid")];

impl<'g> Simulation<'g> {
    /// One that has seen nothing yet.
    pub fn new(gateway: &'g Gateway<'g>) -> Self {
        Self { gateway, memory: Memory::default(), shelf: Shelf::default(), lines: HashMap::new() }
    }

    /// Meets one request: the place of its route, and what would have become of it.
    pub fn meet(&mut self, line: &Line) -> (Option<usize>, Fate) {
        // The filters take a clock that steps back for what it is; a log is only written in another order.
        self.memory.now = self.memory.now.max(line.at);
        self.send_due();
        let mut pairs: Vec<(&[u8], &[u8])> = PLACE.to_vec();
        pairs.extend([(b":method".as_slice(), line.method.as_bytes()), (b":path", line.target.as_bytes())]);
        let sent = Headers::from_pairs(&pairs);
        let target = Target::of(&sent);
        // What the proxy answers itself, and what no client reaches, meets no limit.
        let found =
            self.gateway.route(&target).filter(|(_, route)| !route.inside && self.gateway.own(&target).is_none());
        let Some((place, route)) = found else { return (None, Fate::Unrouted) };
        (Some(place), self.pass(line, route, &sent))
    }

    fn pass(&mut self, line: &Line, route: &Route, sent: &Headers) -> Fate {
        let (gateway, client) = (self.gateway, Client::parse(Some(line.address.as_bytes())));
        if let Some(front) = gateway.front.as_ref().filter(|_| limits::is_fronted(gateway.policy, route))
            && matches!(self.charge(&limit::asked(front, sent), sent, &client).0, Answer::Refused)
        {
            return Fate::Limited;
        }
        // Its body is in no log; of its headers, the path is. Nobody has been asked who it is, so nobody pays.
        if gateway
            .guard
            .as_ref()
            .is_some_and(|guard| matches!(guard::request::judge(guard, sent, true), Verdict::Refuse(_)))
        {
            return Fate::Refused;
        }
        let Some(headers) = self.judge(line, sent) else { return Fate::Refused };
        let mut paid = Vec::new();
        if limits::concerns(gateway.policy, route) {
            let (answer, taken) = self.charge(&limit::asked(&gateway.callers, &headers), &headers, &client);
            if matches!(answer, Answer::Refused) {
                return Fate::Limited;
            }
            paid = taken;
        }
        let stored = route.cache.as_ref().map(|_| self.look(line, &headers));
        if stored.as_ref().is_some_and(|stored| stored.is_hit) {
            return Fate::Cached;
        }
        if line.refusal == Refusal::Bad {
            // It never left, so that it costs its upstream's limit nothing.
            return Fate::Refused;
        }
        let mut fate = Fate::Sent;
        if limits::has_quota(gateway.policy, route) {
            match self.charge(&limit::asked(&gateway.quota, &headers), &headers, &client).0 {
                Answer::Passes => {}
                Answer::Waits => fate = Fate::Waited,
                Answer::Refused => {
                    // What the second limit refuses costs the first nothing.
                    let now = self.memory.now;
                    for charge in &paid {
                        charge::give_back(&mut self.memory, charge, now);
                    }
                    return Fate::Limited;
                }
            }
        }
        if let Some(keep) = stored.and_then(|stored| stored.keep) {
            self.shelf.put(keep.0, self.memory.now, keep.1);
        }
        if caches::concerns(gateway.policy, route) {
            self.end(line, &headers);
        }
        fate
    }

    /// Ends what is stored of a URL that a request changes; which others the answer named is in no log.
    fn end(&mut self, line: &Line, headers: &Headers) {
        let plan = cache::request::plan(&self.gateway.cache, &SEED, headers.clone(), false);
        // A POST on a route of searches is taken for one: no log has its body.
        let Plan::Pass { why: Forward::Method, invalidates: Some(invalidation), .. } = plan else { return };
        let status = status(line).to_string();
        for ended in invalidation.voided(&self.gateway.cache, &Headers::from_pairs(&[(b":status", status.as_bytes())]))
        {
            self.shelf.end(SEED.fingerprint([ended.key.as_slice()]), self.memory.now);
        }
    }

    /// The request as `auth` lets it pass; `None` where it does not.
    fn judge(&self, line: &Line, sent: &Headers) -> Option<Headers> {
        let auth = self.gateway.auth.route(&Target::of(sent));
        let was_refused = line.was_refused() && matches!(line.status, 401 | 403);
        match (auth.mode, &line.user) {
            (Mode::Off, _) => Some(sent.clone()),
            (Mode::Required, None) => None,
            _ if was_refused => None,
            (Mode::Optional, None) if auth.forbids(self.gateway.auth.anonymous) => None,
            (Mode::Optional, None) => Some(with(sent, &[(header::TIER, auth::config::ANONYMOUS.as_bytes())])),
            (Mode::Required | Mode::Optional, Some(user)) => {
                let tier = line.tier.as_deref().unwrap_or(&self.gateway.auth.default_tier);
                Some(with(sent, &[(header::USER, user.as_bytes()), (header::TIER, tier.as_bytes())]))
            }
        }
    }

    /// Asks rules for a request's tokens; also gives what was paid where it passes.
    fn charge(&mut self, asked: &[Asked<'g>], headers: &Headers, client: &Client) -> (Answer, Vec<Charge<'g>>) {
        let charge = |(rule, account): &Asked<'g>| {
            let (_, charge) = rule.charge(account, Some(&SEED), headers, &|| client)?;
            Some((*rule, charge))
        };
        let (rules, charges): (Vec<&'g Rule>, Vec<Charge<'g>>) = asked.iter().filter_map(charge).unzip();
        let waiting = rules.iter().position(|rule| rule.queue().is_some());
        if let Some(place) = waiting
            && let (Some(rule), Some(own)) = (rules.get(place), charges.get(place))
            && let Some(answer) = self.wait(rule, own)
        {
            return (answer, Vec::new());
        }
        let Ok(outcomes) = charge::settle(&mut self.memory, &charges) else { return (Answer::Refused, Vec::new()) };
        let is_refused = charges.iter().zip(&outcomes).any(|(charge, outcome)| charge.refuses(outcome));
        if is_refused {
            return (Answer::Refused, Vec::new());
        }
        (Answer::Passes, charges)
    }

    /// Puts a request into a rule's line, where it cannot be sent now; `None` where it can.
    fn wait(&mut self, rule: &'g Rule, charge: &Charge<'g>) -> Option<Answer> {
        let (terms, now) = (rule.queue()?, self.memory.now);
        let outcome = charge::look(&mut self.memory, std::slice::from_ref(charge)).ok()?.pop()?;
        let line = self.lines.entry(rule.name()).or_default();
        let pace = charge.taker.limits.iter().map(|limit| limit.terms.pace()).max().unwrap_or_default();
        let free = if outcome.is_denied() { now + outcome.standing().reset_in } else { now };
        let due = line.back().map_or(free, |(last, _)| free.max(*last + pace));
        if due <= now && line.is_empty() {
            return None;
        }
        let is_full = u32::try_from(line.len()).is_ok_and(|length| length >= terms.max_requests.get());
        if is_full || due.since(now) > terms.max_wait {
            return Some(Answer::Refused);
        }
        line.push_back((due, charge.clone()));
        Some(Answer::Waits)
    }

    /// Pays for those whose turn has come meanwhile.
    fn send_due(&mut self) {
        let now = self.memory.now;
        for line in self.lines.values_mut() {
            while let Some((due, _)) = line.front()
                && *due <= now
                && let Some((due, charge)) = line.pop_front()
            {
                self.memory.now = due;
                // Its tokens have been counted on since it came.
                let _ = charge::settle(&mut self.memory, &[charge]);
            }
        }
        self.memory.now = now;
    }

    /// What is stored for a request, and under which key its answer would be.
    fn look(&mut self, line: &Line, headers: &Headers) -> Stored {
        let plan = cache::request::plan(&self.gateway.cache, &SEED, headers.clone(), line.method == "POST");
        let Plan::Ask(inquiry) = plan else {
            let is_search = matches!(plan, Plan::Gather(_)) || line.method == "POST";
            return Stored { is_hit: is_search && line.was_cached, keep: None };
        };
        let Some(kept) = self.gateway.cache.routes.get(inquiry.route) else { return Stored::default() };
        if kept.lifetimes.is_empty() || inquiry.caller.is_particular(kept) {
            return Stored { is_hit: line.was_cached, keep: None };
        }
        let lifetime = kept.forced(status(line)).map(|forced| Duration::from_secs(forced.lifetime.into()));
        let url = SEED.fingerprint([cache::key::url(&inquiry.key).unwrap_or(&inquiry.key)]);
        let is_hit = !inquiry.said.no_store && self.shelf.has(inquiry.print, url, self.memory.now);
        let keep = lifetime.filter(|_| !inquiry.is_head).map(|lifetime| (inquiry.print, lifetime));
        Stored { is_hit, keep }
    }
}

/// What the upstream answers: what a filter answered in its place says nothing of it.
fn status(line: &Line) -> u16 {
    if line.was_refused() || line.status == 0 { 200 } else { line.status }
}

/// What the cache has to say to a request.
#[derive(Default)]
struct Stored {
    is_hit: bool,
    keep: Option<(policy::Fingerprint, Duration)>,
}
