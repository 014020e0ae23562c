//! Breakers in shared data: whether a call may pass, and how it ended.

use std::time::Duration;

use policy::{Fingerprint, Headers, Instant};
use shell::headers::{self, Map};
use shell::shared::{self, Change, Failure};
use shell::{HostError, stream};

use super::Plugin;
use crate::config::{Found, Upstream};
use crate::grpc;
use crate::limits::Order;
use crate::outcome::{self, Author};
use crate::scope::{Place, Scope};
use crate::state::{Decision, End, Mode, Outcome, Permit, Phase, Recorded, State};
use crate::window::Window;

/// How often a change is tried again when other workers were faster. Workers are few and changes are quick: who loses so
/// often in a row is one of very many, and what it had to say is said by the others.
pub(super) const ATTEMPTS: u32 = 16;

/// What a breaker says to a call.
pub(super) enum Admission {
    /// Let it pass.
    Pass(Flight),
    /// Refuse it.
    Refuse { retry_after: Duration },
}

/// A call on its way.
pub(super) struct Flight {
    found: Found,
    print: Option<Fingerprint>,
    /// The host, where each has a breaker: it cannot be asked for any more when the answer comes.
    host: Vec<u8>,
    /// What was ordered of the upstream, where it has several breakers.
    order: Option<Order>,
    permit: Permit,
    /// Since when, where slow calls are watched.
    since: Option<Instant>,
    is_grpc: bool,
    /// What it is if the rest of its answer goes well, once there are headers.
    seen: Option<Outcome>,
}

/// What was heard of a call's end.
struct News {
    outcome: Outcome,
    /// Who says so, where that has been asked.
    author: Option<Author>,
    retry_after: Duration,
}

impl News {
    /// What needs no asking, as the upstream cannot have said it.
    const fn sure(outcome: Outcome) -> Self {
        Self { outcome, author: Some(Author::Upstream), retry_after: Duration::ZERO }
    }
}

impl Plugin {
    /// Asks a breaker what it is, and whether a call may pass. A closed one is read and not written.
    pub(super) fn admit(&self, found: Found, headers: &Headers) -> Result<(Mode, Admission), HostError> {
        let refused = Ok((Mode::HalfOpen, Admission::Refuse { retry_after: Duration::ZERO }));
        let Some(upstream) = self.config.breakers.get(found.upstream) else { return refused };
        let print = self.seed.as_ref().and_then(|seed| upstream.scope.print(seed, headers));
        let Some((_, place)) = self.config.place(found, print) else { return refused };
        let host = host(upstream, headers);
        let order = order_of_all(upstream)?;
        let asked = shared::update(&place.key, ATTEMPTS, |bytes| {
            let before = read(upstream, &place, bytes, order);
            let mut state = before.clone();
            let is_closed = matches!(state.phase, Phase::Closed { .. });
            let now = if is_closed { Instant::EPOCH } else { shell::now() };
            let decision = state.admit(&upstream.limits, now);
            let was_open_for = if let Phase::Open { length, .. } = before.phase { Some(length) } else { None };
            let answer = (was_open_for, state.mode(&upstream.limits), decision);
            keep_or_store(&place, &before, &state, bytes, answer)
        });
        let (was_open_for, mode, decision) = match asked {
            Ok(answer) => answer,
            // Only a breaker that is not closed is written here, so there are probes enough.
            Err(Failure::Contended) => return refused,
            Err(Failure::Host(error)) => return Err(error),
        };
        if let (Some(length), Mode::HalfOpen) = (was_open_for, mode) {
            log::info!("{}: half-open after {length:?}", label(upstream, &place, &host));
            self.show(upstream, found.upstream, mode);
        }
        let admission = match decision {
            Decision::Refuse { retry_after } => Admission::Refuse { retry_after },
            Decision::Pass(permit) => {
                let since = upstream.limits.slow_after().map(|_| shell::now());
                let is_grpc = grpc::is_grpc(headers.first("content-type"));
                Admission::Pass(Flight { found, print, host, order, permit, since, is_grpc, seen: None })
            }
        };
        Ok((mode, admission))
    }

    /// Hears the headers of an answer. Where those do not tell all, the call is still on its way.
    pub(super) fn hear_headers(&self, flight: Flight, is_last: bool) -> Option<Flight> {
        let upstream = self.config.breakers.get(flight.found.upstream)?;
        let header = |name| headers::first(Map::Response, name).ok().flatten();
        let status = header(":status");
        let code = if flight.is_grpc { header(grpc::STATUS) } else { None };
        let criteria = &upstream.criteria;
        let outcome = match &code {
            Some(code) => criteria.of_code(code),
            None => criteria.of_status(status.as_deref()),
        };
        let lacks_code = flight.is_grpc && code.is_none() && outcome == Outcome::Success;
        // An answer of gRPC that ends without a code has failed in a way that nobody knows.
        let outcome = if lacks_code { criteria.of_code(b"") } else { outcome };
        if !is_last && (lacks_code || criteria.is_whole && outcome == Outcome::Success) {
            return Some(Flight { seen: Some(outcome), ..flight });
        }
        let is_doubtful = outcome == Outcome::Failure || outcome::may_be_local(status.as_deref(), code.as_deref());
        let author = is_doubtful.then(author);
        let listens = author == Some(Author::Upstream) && outcome == Outcome::Failure;
        let retry_after = match if listens { header("retry-after") } else { None } {
            Some(value) => outcome::retry_after(&value, shell::now().unix_seconds()),
            None => Duration::ZERO,
        };
        self.record(&flight, &News { outcome, author, retry_after });
        None
    }

    /// Hears the trailers of an answer.
    pub(super) fn hear_trailers(&self, flight: Flight) -> Option<Flight> {
        let upstream = self.config.breakers.get(flight.found.upstream)?;
        if !flight.is_grpc {
            return Some(flight);
        }
        let code = headers::first(Map::ResponseTrailers, grpc::STATUS).ok().flatten();
        let outcome = upstream.criteria.of_code(&code.unwrap_or_default());
        self.record(&flight, &News { outcome, author: None, retry_after: Duration::ZERO });
        None
    }

    /// Hears that the stream has ended: with the last byte of its answer, or without any.
    pub(super) fn hear_end(&self, flight: &Flight) {
        let flags = stream::property(&["response", "flags"]).ok().flatten();
        let flags = flags.and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
        self.record(flight, &News::sure(outcome::of_flags(flags, flight.seen)));
    }

    /// Hears that a call was not sent after all.
    pub(super) fn abandon(&self, flight: &Flight) {
        self.record(flight, &News::sure(Outcome::Abandoned));
    }

    /// Tells a breaker how a call ended. Who answered is asked only where it makes a difference.
    fn record(&self, flight: &Flight, news: &News) {
        let Some((upstream, place)) = self.config.place(flight.found, flight.print) else { return };
        let mut author = news.author;
        let took = flight.since.map_or(Duration::ZERO, |since| shell::now().since(since));
        let told = shared::update(&place.key, ATTEMPTS, |bytes| {
            let before = read(upstream, &place, bytes, flight.order);
            let tell = |author: Option<Author>, now: Instant| {
                let outcome = author.unwrap_or(Author::Upstream).means(news.outcome);
                let end = End { outcome, took, retry_after: news.retry_after };
                let mut state = before.clone();
                let recorded = state.record(&upstream.limits, now, flight.permit, &end, shell::random);
                (state, outcome, recorded)
            };
            // Most calls change nothing, whenever they ended: neither the clock nor the author is asked then.
            let is_timeless = matches!(before.phase, Phase::Closed { window: Window::Calls(_), .. });
            let mut said = tell(author, if is_timeless { Instant::EPOCH } else { shell::now() });
            if said.0 != before && (author.is_none() || is_timeless) {
                author = author.or_else(|| Some(self::author()));
                said = tell(author, shell::now());
            }
            let (state, outcome, recorded) = said;
            keep_or_store(&place, &before, &state, bytes, (outcome, recorded))
        });
        match told {
            Ok((outcome, recorded)) => self.report(upstream, flight, &place, outcome, recorded),
            Err(failure) => {
                log::warn!("{}: one call's end is not recorded: {failure:?}", label(upstream, &place, &flight.host));
            }
        }
    }

    fn report(&self, upstream: &Upstream, flight: &Flight, place: &Place<'_>, outcome: Outcome, recorded: Recorded) {
        let index = flight.found.upstream;
        let Some(meters) = self.meters.get(index) else { return };
        if outcome == Outcome::Failure && recorded != Recorded::Ignored {
            meters.failures.increment();
        }
        match recorded {
            Recorded::Ignored | Recorded::Counted => {}
            Recorded::Exceeded(cause) => {
                log::warn!("{}: would open after {cause}, but is to count only", label(upstream, place, &flight.host));
            }
            Recorded::Opened { cause, length } => {
                log::warn!("{}: open for {length:?} after {cause}", label(upstream, place, &flight.host));
                meters.opens.increment();
                self.show(upstream, index, Mode::Open);
            }
            Recorded::Closed => {
                let probes = upstream.limits.close_after;
                log::info!("{}: closed after {probes} probes succeeded", label(upstream, place, &flight.host));
                self.show(upstream, index, Mode::Closed);
            }
        }
    }

    /// Shows what an upstream's only breaker is; several have no state in common.
    fn show(&self, upstream: &Upstream, index: usize, mode: Mode) {
        if let Some(meters) = self.meters.get(index).filter(|_| upstream.scope == Scope::Upstream) {
            meters.state.set(mode as u64);
        }
    }
}

/// Who made the answer that is passing.
fn author() -> Author {
    outcome::author(stream::property(&["response", "code_details"]).ok().flatten().as_deref())
}

/// What an operator has ordered of an upstream that has several breakers. An only one has it in its own state.
fn order_of_all(upstream: &Upstream) -> Result<Option<Order>, HostError> {
    if upstream.scope == Scope::Upstream {
        return Ok(None);
    }
    let (bytes, _) = shared::read(&upstream.key)?;
    Ok(State::read(&bytes).order)
}

/// A breaker's state. Of several, none has an order of its own: what it was written under may be taken back by now.
fn read(upstream: &Upstream, place: &Place<'_>, bytes: &[u8], order_of_all: Option<Order>) -> State {
    let state = place.read(bytes);
    if upstream.scope == Scope::Upstream { state } else { State { order: order_of_all, ..state } }
}

/// Writes a state down where it has changed.
fn keep_or_store<T>(place: &Place<'_>, before: &State, after: &State, bytes: &mut Vec<u8>, answer: T) -> Change<T> {
    if before == after {
        return Change::Keep(answer);
    }
    place.write(after, bytes);
    Change::Store(answer)
}

/// The host that a request names, as far as a log needs it, where each has a breaker.
fn host(upstream: &Upstream, headers: &Headers) -> Vec<u8> {
    const LENGTH_MAX: usize = 64;
    if !matches!(upstream.scope, Scope::Host(_)) {
        return Vec::new();
    }
    let host = headers.first(":authority").unwrap_or_default();
    host.get(..LENGTH_MAX).unwrap_or(host).to_vec()
}

/// A breaker as the log names it: with the host where it is one's, and a fingerprint in a secret's place.
fn label(upstream: &Upstream, place: &Place<'_>, host: &[u8]) -> String {
    match &upstream.scope {
        Scope::Upstream => upstream.name.clone(),
        Scope::Host(_) => [&upstream.name, "/", &host.escape_ascii().to_string()].concat(),
        Scope::Route | Scope::Header(..) => place.name(&upstream.key, &upstream.name),
    }
}
