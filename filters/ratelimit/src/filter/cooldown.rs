//! Cool-downs in the host: what upstreams say, what all workers know of it, and what proxies tell each other.

mod fleet;

use std::num::NonZeroU32;
use std::time::Duration;

use policy::handover::header;
use policy::route::Target;
use policy::{Headers, Instant, Rejection};
use shell::Action;
use shell::headers::{self, Map};
use shell::metric::Counter;
use shell::shared::{self, Change};
use shell::stream::{self, Buffer};

use self::fleet::Fleet;
use super::Stream;
use super::limiter::Limiter;
use super::receipt::is_anothers;
use crate::bucket::Quota;
use crate::config::Config;
use crate::cooldown::{Rest, Upstream};
use crate::rule::{Asked, Rule};
use crate::set::{Set, Taker};
use crate::signal::{self, BODY_BYTES_MAX, Learn, Signal};

/// Whoever is outrun so often leaves it to those who were faster.
const ATTEMPTS: u32 = 16;

/// What a response is listened to for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Heeded {
    /// Nothing.
    None,
    /// The headers of this upstream's answer.
    Headers(usize),
    /// The body of its answer, whose headers wait.
    Body(usize),
}

/// What a worker has of all upstreams.
pub(super) struct Cooldowns {
    meters: Vec<Meter>,
    fleet: Option<Fleet>,
}

/// What is counted of one upstream.
struct Meter {
    refused: Counter,
    begun: Counter,
}

impl Cooldowns {
    pub(super) fn new(config: &Config) -> Self {
        let meter = |upstream: &Upstream| {
            let provider = ("provider", upstream.name.as_str());
            Meter {
                refused: Counter::new("api_gateway_rate_limit_requests_total", &[provider, ("status", "cooling")]),
                begun: Counter::new("api_gateway_rate_limit_cooldowns_total", &[provider]),
            }
        };
        Self { meters: config.upstreams.iter().map(meter).collect(), fleet: Fleet::new(config) }
    }

    /// Whether cool-downs are shared with other proxies, and ticks are needed for that.
    pub(super) const fn is_shared(&self) -> bool {
        self.fleet.is_some()
    }

    /// Asks and tells the state store, where that is this worker's part.
    pub(super) fn tick(&self, config: &Config) {
        if let Some(fleet) = &self.fleet {
            fleet.tick(config);
        }
    }

    /// Takes in the state store's answer, if it is that.
    pub(super) fn answered(&self, config: &Config, token: u32, headers: usize, body_bytes: usize) {
        let Some(fleet) = &self.fleet else { return };
        for (index, rest) in fleet.answered(config, token, headers, body_bytes) {
            self.begin(config, index, rest);
        }
    }

    /// Has an upstream left alone, unless it is for longer already.
    fn begin(&self, config: &Config, index: usize, rest: Rest) {
        let (Some(upstream), Some(meter)) = (config.upstreams.get(index), self.meters.get(index)) else { return };
        let now = rest.since;
        let begun = shared::update(&upstream.key, ATTEMPTS, |bytes| {
            let known = Rest::read(bytes).map(|known| known.at(now, upstream.longest));
            if !rest.replaces(known, now) {
                return Change::Keep(false);
            }
            *bytes = rest.to_bytes();
            Change::Store(known.is_none_or(|known| known.left(now).is_none()))
        });
        match begun {
            Ok(true) => {
                meter.begun.increment();
                let seconds = rest.until.since(now).as_millis().div_ceil(1000);
                log::warn!("{}: left alone for {seconds} s", upstream.name);
            }
            Ok(false) => {}
            Err(failure) => log::warn!("{}: not left alone: {failure:?}", upstream.name),
        }
    }
}

/// How long an upstream is still left alone. A cool-down that is over is cleared away by whoever comes first.
fn left(config: &Config, upstream: &Upstream) -> Option<Duration> {
    let (stored, version) = shared::read(&upstream.key).ok()?;
    let known = Rest::read(&stored)?;
    let now = shell::now();
    let rest = known.at(now, upstream.longest);
    if let Some(left) = rest.left(now) {
        if rest != known {
            // Whoever was faster has moved it likewise.
            let _ = shared::store(&upstream.key, &rest.to_bytes(), version);
        }
        return Some(left);
    }
    // First the buckets: who reads that it is over must find them empty.
    for rule in &config.rules {
        empty(rule, &upstream.name, &rest, now);
    }
    let _ = shared::store(&upstream.key, &[], version);
    None
}

impl Limiter {
    /// How long the upstream that a rule is about is still left alone.
    pub(super) fn cooling(&self, rule: &Rule) -> Option<Duration> {
        let of = |upstream: &&Upstream| rule.accounts().any(|account| account.provider == upstream.name);
        left(&self.config, self.config.upstreams.iter().find(of)?)
    }
}

impl Stream {
    /// Answers a request whose upstream wants to be left alone, or says for how long it has to wait where a rule lets it;
    /// the upstream's answer will be listened to.
    pub(super) fn leave_alone(
        &mut self,
        limiter: &Limiter,
        asked: &[Asked<'_>],
        headers: &Headers,
    ) -> Result<Option<Duration>, Action> {
        let index = limiter.config.upstream(&Target::of(headers));
        let Some((index, upstream)) = index.and_then(|index| Some((index, limiter.config.upstreams.get(index)?)))
        else {
            return Ok(None);
        };
        let cooling = left(&limiter.config, upstream);
        let may_wait =
            asked.iter().any(|(rule, account)| rule.queues() && rule.is_shared() && account.provider == upstream.name);
        if let Some(retry_after) = cooling.filter(|_| !may_wait) {
            if let Some(meter) = limiter.cooldowns.meters.get(index) {
                meter.refused.increment();
            }
            return Err(limiter.reject(
                &Rejection::RateLimited { retry_after },
                headers,
                &[(header::FALLBACK, "cooldown")],
            ));
        }
        self.heeded = Heeded::Headers(index);
        if upstream.learn.has(Learn::LASTFM)
            && let Err(error) = headers::remove(Map::Request, "accept-encoding")
        {
            log::debug!("the answer may be compressed and unreadable: {error}");
        }
        Ok(cooling)
    }

    /// Listens to the headers of an answer. Whether they must wait for the body.
    pub(super) fn listen(&mut self, said: &Headers, end_of_stream: bool) -> bool {
        let heeded = std::mem::replace(&mut self.heeded, Heeded::None);
        let (Heeded::Headers(index), Some(limiter)) = (heeded, &self.limiter) else { return false };
        let Some(upstream) = limiter.config.upstreams.get(index) else { return false };
        if let Some(signal) = heard(upstream.learn, said) {
            limiter.cooldowns.begin(&limiter.config, index, upstream.rest(signal, shell::now()));
        } else if upstream.learn.has(Learn::LASTFM) && !end_of_stream && is_upstreams(said) {
            self.heeded = Heeded::Body(index);
            return true;
        }
        false
    }

    /// Listens to the body of an answer, as far as it can be a refusal, and makes one a 429 before anybody sees it: a cache
    /// would keep it for a good answer.
    pub(super) fn listen_to_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        let (Heeded::Body(index), Some(limiter)) = (self.heeded, &self.limiter) else { return Action::Continue };
        if size <= BODY_BYTES_MAX && !end_of_stream {
            return Action::Pause;
        }
        self.heeded = Heeded::None;
        let is_refusal = size <= BODY_BYTES_MAX
            && stream::bytes(Buffer::ResponseBody, 0, size).is_ok_and(|body| signal::is_lastfm_refusal(&body));
        if let (true, Some(upstream)) = (is_refusal, limiter.config.upstreams.get(index)) {
            let rest = upstream.rest(Signal { is_refusal, length: None }, shell::now());
            limiter.cooldowns.begin(&limiter.config, index, rest);
            let seconds = rest.until.since(rest.since).as_millis().div_ceil(1000);
            let told = headers::set(Map::Response, ":status", "429")
                .and_then(|()| headers::set(Map::Response, "retry-after", seconds.to_string()));
            if let Err(error) = told {
                log::warn!("a refusal passes for an answer: {error}");
            }
        }
        Action::Continue
    }
}

/// What the headers of the current response say, where they are the upstream's own.
fn heard(learn: Learn, said: &Headers) -> Option<Signal> {
    // The clock is asked only where the status cannot rule everything out.
    let signal = learn.hears(said.first(":status")).then(|| signal::heard(learn, said, shell::now())).flatten();
    signal.filter(|_| is_upstreams(said))
}

/// Whether the upstream made the current response: what a filter behind this one says, or Envoy, or another upstream in its
/// place, is not its word.
fn is_upstreams(said: &Headers) -> bool {
    let details = stream::property(&["response", "code_details"]).ok().flatten();
    details.is_none_or(|details| details == b"via_upstream") && !is_anothers(said)
}

/// Empties the bucket that this proxy keeps for an upstream, as far as it would be more than the upstream's own at the end.
fn empty(rule: &Rule, upstream: &str, rest: &Rest, now: Instant) {
    let Some((key, taker)) =
        rule.shared_bucket().filter(|_| rule.accounts().any(|account| account.provider == upstream))
    else {
        return;
    };
    let Ok((mut bytes, version)) = shared::read(&key) else { return };
    // What a window has counted stays counted for the whole of it, which would be longer than the upstream asked for.
    let refills = taker.limits.iter().map(|limit| limit.terms.bucket().map(Quota::refill));
    let Some(refill) = refills.collect::<Option<Vec<_>>>().and_then(|refills| refills.into_iter().max()) else {
        return;
    };
    let mut set = Set::read(&bytes, now);
    let surplus = rest.surplus(now, set.tokens(&taker), refill, taker.cost.get());
    let Some(cost) = NonZeroU32::new(surplus) else { return };
    if !set.try_take(&Taker { cost, ..taker }).is_denied() {
        set.write(&mut bytes);
        // Where another worker was faster, it has emptied it, or taken some of it.
        let _ = shared::store(&key, &bytes, version);
    }
}
