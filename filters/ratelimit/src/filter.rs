//! The filter: fetches a request, asks the rules, acts on the answer.

mod bill;
mod cooldown;
mod fleet;
mod limiter;
mod lobby;
mod meters;
mod queue;
mod receipt;
mod report;
mod seat;

use std::cell::RefCell;
use std::rc::Rc;

use policy::Headers;
use policy::Instant;
use policy::Rejection;
use shell::headers::Map;
use shell::{Action, HttpContext, RootContext};

use self::cooldown::Heeded;
use self::limiter::{Decided, Limiter, Meanwhile, Unsettled};
use self::meters::Status;
use self::receipt::Receipts;
use crate::config::Config;
use crate::desk::Parked;
use crate::fields::{self, Fields};
use crate::limit::{Outcome, tighter};
use crate::rule::Asked;

#[cfg(not(feature = "linked"))]
shell::entry!(root);

/// This filter as one worker's plugin.
pub fn root(id: u32) -> Box<dyn RootContext> {
    Box::new(Root { id, limiter: None })
}

struct Root {
    id: u32,
    limiter: Option<Rc<Limiter>>,
}

struct Stream {
    id: u32,
    limiter: Option<Rc<Limiter>>,
    /// What the response will say.
    fields: Option<Fields>,
    /// Where that is left of a request that waits for Redis.
    told: Option<Told>,
    /// The upstream that is listened to when it answers.
    heeded: Heeded,
    /// What it has paid, which comes back where a limit behind this filter refuses it.
    receipts: Option<Receipts>,
}

/// What is left for the response of a request that has waited for Redis, once it goes on.
struct Passed {
    fields: Option<Fields>,
    receipts: Option<Receipts>,
}

type Told = Rc<RefCell<Option<Passed>>>;

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        let config = shell::configure(size, |json| Config::with_environment(json, &shell::environment));
        self.limiter = config.map(|config| Rc::new(Limiter::new(config)));
        if let Some(limiter) = &self.limiter {
            limiter.start();
        }
        self.limiter.is_some()
    }

    fn on_tick(&mut self) {
        shell::level::follow("ratelimit");
        let Some(limiter) = &self.limiter else { return };
        let late = limiter.tend();
        if !late.is_empty() {
            self.release(limiter, late);
        }
        limiter.tick(self.id);
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        let limiter = self.limiter.clone();
        Some(Box::new(Stream { id, limiter, fields: None, told: None, heeded: Heeded::None, receipts: None }))
    }

    fn on_http_call_response(&mut self, token: u32, headers: usize, body_bytes: usize, _trailers: usize) {
        let Some(limiter) = &self.limiter else { return };
        if let Some(released) = limiter.hear(token, headers, body_bytes) {
            self.release(limiter, released);
            limiter.look(self.id);
        } else {
            limiter.cooldowns.answered(&limiter.config, token, headers, body_bytes);
        }
    }
}

impl Root {
    /// Goes on with requests that have waited for Redis.
    fn release(&self, limiter: &Limiter, released: Vec<Parked<Passed>>) {
        for Parked { context, since, told, .. } in released {
            // A stream that cannot be selected has ended: its client did not wait.
            if shell::stream::select(context).is_err() {
                continue;
            }
            // Its own context cannot be reached from here; this one is for the while, and has no part in what is shared.
            let told = Some(told);
            let mut stream =
                Stream { id: context, limiter: None, fields: None, told, heeded: Heeded::None, receipts: None };
            let action = stream.pass(limiter, Some(since));
            if let Some(told) = stream.told.take() {
                told.replace(Some(Passed { fields: stream.fields.take(), receipts: stream.receipts.take() }));
            }
            if action == Action::Continue
                && let Err(error) = shell::stream::resume_request()
            {
                log::error!("request not resumed: {error}");
            }
        }
        if let Err(error) = shell::stream::select(self.id) {
            log::error!("no way back to the root context: {error}");
        }
        limiter.close();
    }
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let Some(limiter) = self.limiter.clone() else { return Action::Continue };
        self.pass(&limiter, None)
    }

    fn on_http_request_body(&mut self, _size: usize, _end_of_stream: bool) -> Action {
        self.hold()
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        self.hold()
    }

    fn on_http_response_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        if let Some(passed) = self.told.take().and_then(|told| told.take()) {
            (self.fields, self.receipts) = (passed.fields, passed.receipts);
        }
        if self.fields.is_none() && self.receipts.is_none() && self.heeded == Heeded::None {
            return Action::Continue;
        }
        // One call for all that is asked of them.
        let said = shell::headers::read(Map::Response).inspect_err(|error| log::warn!("{error}")).unwrap_or_default();
        let waits_for_body = self.listen(&said, end_of_stream);
        // What the answer gives back is said instead of what was taken.
        if let Some(fields) = self.take_back(&said).or_else(|| self.fields.take()) {
            tell(fields, &said);
        }
        if waits_for_body { Action::Pause } else { Action::Continue }
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.listen_to_body(size, end_of_stream)
    }
}

/// Says in the response how the client stands, and nothing else under these names. `said` are its headers as they came.
fn tell(fields: Fields, said: &Headers) {
    // To replace a header, Envoy first makes an index of all; to read them once and to add costs less than five times that.
    let untold = said.iter().all(|(name, _)| !fields::NAMES.iter().any(|ours| ours.as_bytes() == name));
    for (name, value) in fields.into_pairs() {
        let told = if untold {
            shell::headers::add(Map::Response, name, value)
        } else {
            shell::headers::set(Map::Response, name, value)
        };
        if let Err(error) = told {
            log::debug!("no {name} in the response: {error}");
        }
    }
}

/// The client has its answer, or has left.
impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(limiter) = &self.limiter {
            limiter.leave(self.id);
        }
    }
}

impl Stream {
    /// Asks the rules about the current request, which came at `since` where it has waited for Redis, and acts on what they say.
    fn pass(&mut self, limiter: &Limiter, since: Option<Instant>) -> Action {
        let headers = match limiter.headers() {
            Ok(headers) => headers,
            Err(error) => {
                log::error!("request headers not readable: {error}");
                return limiter.give_up(&[], &Headers::default());
            }
        };
        let asked = limiter.asked(&headers);
        let cooling = match self.leave_alone(limiter, &asked, &headers) {
            Ok(cooling) => cooling,
            Err(refusal) => return refusal,
        };
        if asked.is_empty() {
            return Action::Continue;
        }
        match limiter.decide(self.id, &asked, &headers, Meanwhile { cooling, since }) {
            Ok(decided) => self.act(limiter, &asked, decided, &headers),
            Err(Unsettled::Undecided) => limiter.give_up(&asked, &headers),
            Err(Unsettled::Closed) => limiter.refuse(&asked, &headers),
            Err(Unsettled::Waits) => self.wait(limiter, since),
        }
    }

    /// Lets the request wait for what Redis says.
    fn wait(&mut self, limiter: &Limiter, since: Option<Instant>) -> Action {
        if let Some((fleet, member)) = limiter.fleet() {
            let told = self.told.get_or_insert_default();
            let now = shell::now();
            member.desk.borrow_mut().park(self.id, since.unwrap_or(now), Rc::clone(told));
            limiter.pulse.wake_in(member.next(fleet), now);
        }
        Action::Pause
    }

    /// What follows headers that wait must wait too: letting it pass would let the headers pass before it.
    fn hold(&self) -> Action {
        let waits = self.limiter.as_ref().is_some_and(|limiter| {
            let asks = || limiter.fleet().is_some_and(|(_, member)| member.desk.borrow().holds(self.id));
            limiter.lobby.has(self.id) || self.told.is_some() && asks()
        });
        if waits { Action::Pause } else { Action::Continue }
    }

    /// Lets the request pass or turns it away, and keeps in mind what its response is to say.
    fn act(&mut self, limiter: &Limiter, asked: &[Asked<'_>], decided: Decided<'_>, headers: &Headers) -> Action {
        let Decided { outcomes, plans, charges, waits, now } = decided;
        for ((rule, _), outcome) in asked.iter().zip(&outcomes) {
            limiter.meters.tokens(rule, outcome.standing().remaining);
        }
        let shown = asked.iter().zip(&outcomes).zip(plans).filter(|(((rule, _), _), _)| rule.is_shown());
        let fields = Fields::of(&mut shown.map(|((_, outcome), plan)| (*outcome, plan.policy.as_str())), now);
        if waits.is_some() {
            self.fields = fields;
            self.receipts = Some(limiter.receipts(asked, charges, &outcomes, (now, waits)));
            return Action::Pause;
        }
        let enforced = asked.iter().zip(&outcomes).filter(|((rule, _), _)| !rule.is_shadow());
        let Some(Outcome::Deny(worst)) = enforced.map(|(_, outcome)| *outcome).reduce(tighter) else {
            limiter.meters.count_pass(asked, &outcomes);
            self.fields = fields;
            self.receipts = Some(limiter.receipts(asked, charges, &outcomes, (now, None)));
            return Action::Continue;
        };
        limiter.meters.count(asked, Status::Limited);
        let pairs = fields.map(Fields::into_pairs);
        let extra: Vec<_> = pairs.iter().flatten().map(|(name, value)| (*name, value.as_str())).collect();
        limiter.reject(&Rejection::RateLimited { retry_after: worst.reset_in }, headers, &extra)
    }
}
