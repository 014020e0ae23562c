//! Questions, answered out of shared data.

use policy::allowance::{self, Allowance};
use policy::handover::{DETAILS_PREFIX, shared::SEED};
use policy::queue::{self, Crowd};
use policy::{Instant, Rejection, health, level};
use shell::metric::Counter;
use shell::{Action, HostError, shared};

use super::Plugin;
use crate::config::{Data, Operators};
use crate::contact::{self, Contact};
use crate::health::Overall;
use crate::json::Writer;
use crate::request::Ask;
use crate::{page, report};

/// The counters of a cache's labels, as the cache has named them.
pub(super) fn counters(data: &Data) -> [Counter; 2] {
    let labels = [("provider", data.provider.as_str()), ("data_type", data.data_type.as_str())];
    ["api_gateway_cache_hits_total", "api_gateway_cache_misses_total"].map(|name| Counter::new(name, &labels))
}

impl Plugin {
    /// Answers what changes nothing, and what shared data can tell.
    pub(super) fn tell(&self, ask: &Ask) -> Result<Action, Rejection> {
        let now = shell::now();
        let seconds = now.unix_seconds();
        let body = match ask {
            Ask::Health => {
                let (contact, breakers) = (self.contact()?, stored(health::KEY)?);
                let overall = Overall::of(contact, &breakers, seconds);
                return Ok(send(overall.status(), &crate::health::body(overall, contact, &breakers, seconds)));
            }
            Ask::Live => r#"{"status":"live"}"#.to_owned(),
            Ask::Ready => {
                stored(SEED)?;
                r#"{"status":"ready"}"#.to_owned()
            }
            Ask::Limits => Limits::read(now)?.limits(),
            Ask::Queues => Limits::read(now)?.queues(),
            Ask::Breakers => report::breakers(&stored(health::KEY)?, seconds),
            Ask::Cache => return self.cache_stats().map(|body| send(200, &body)),
            Ask::Entry(key) => return self.entry(key, now).map(|body| send(200, &body)),
            Ask::Credentials => self.credentials(now)?,
            Ask::Configurations => self.configurations()?,
            Ask::Levels => report::levels(level_of),
            _ => return Err(Rejection::Internal),
        };
        let named = |name: &str| Writer::object().raw(name, &body).end();
        let body = match ask {
            Ask::Limits => named("rate_limits"),
            Ask::Queues => named("queues"),
            Ask::Breakers => named("circuit_breakers"),
            Ask::Credentials => named("credentials"),
            Ask::Configurations => named("configurations"),
            Ask::Levels => named("log_levels"),
            _ => body,
        };
        Ok(send(200, &body))
    }

    /// Sends the page, which knows nothing.
    pub(super) fn page(&self) -> Result<Action, Rejection> {
        if self.config.operators == Operators::default() {
            return Err(Rejection::NotFound);
        }
        let policy = page::policy();
        let headers = [
            ("content-type", "text/html; charset=utf-8"),
            ("cache-control", "no-store"),
            ("content-security-policy", &policy),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
        ];
        Ok(shell::reply::send(200, &[DETAILS_PREFIX, "admin"].concat(), &headers, page::PAGE.as_bytes()))
    }

    /// Everything at once; `upstreams` is what Envoy has said of its hosts, where it has been asked.
    pub(super) fn status(&self, upstreams: Option<&str>) -> Result<String, Rejection> {
        let now = shell::now();
        let seconds = now.unix_seconds();
        let (contact, breakers, limits) = (self.contact()?, stored(health::KEY)?, Limits::read(now)?);
        let overall = Overall::of(contact, &breakers, seconds);
        let cache = if self.config.cache.is_some() { self.cache_stats()? } else { "null".to_owned() };
        let status = Writer::object()
            .number("at", seconds)
            .text("health", overall.as_str())
            .text("redis", contact.as_str())
            .raw("circuit_breakers", &report::breakers(&breakers, seconds))
            .raw("rate_limits", &limits.limits())
            .raw("queues", &limits.queues())
            .raw("cache", &cache)
            .raw("credentials", &self.credentials(now)?)
            .raw("configurations", &self.configurations()?)
            .raw("log_levels", &report::levels(level_of))
            .raw("upstreams", upstreams.unwrap_or("null"));
        Ok(status.end())
    }

    /// Whether the store is there.
    pub(super) fn contact(&self) -> Result<Contact, Rejection> {
        if self.config.store.is_none() {
            return Ok(Contact::Unused);
        }
        Ok(Contact::read(&stored(contact::KEY)?, shell::now()))
    }
}

/// All limits, with who waits for each.
struct Limits {
    lines: Vec<u8>,
    crowds: Vec<(String, Crowd)>,
    now: u64,
}

impl Limits {
    fn read(now: Instant) -> Result<Self, Rejection> {
        let (lines, mut crowds) = (stored(allowance::KEY)?, Vec::new());
        for line in allowance::read(&lines).filter(|line| line.is_current(now.unix_seconds())) {
            let mut crowd = Crowd::default();
            for key in waits(&line) {
                crowd.add(&stored(&key)?, now);
            }
            crowds.push((line.rule.to_owned(), crowd));
        }
        Ok(Self { lines, crowds, now: now.unix_seconds() })
    }

    fn limits(&self) -> String {
        report::limits(&self.lines, self.now, |line| self.crowd(line))
    }

    fn queues(&self) -> String {
        report::queues(&self.lines, self.now, |line| self.crowd(line))
    }

    fn crowd(&self, line: &Allowance<'_>) -> Crowd {
        self.crowds.iter().find(|(rule, _)| rule == line.rule).map(|(_, crowd)| *crowd).unwrap_or_default()
    }
}

/// The keys under which requests may wait for a rule: of each slot, where its callers have lines of their own.
pub(super) fn waits(line: &Allowance<'_>) -> impl Iterator<Item = String> {
    let slots = if line.waiting.is_none() { line.slots } else { 0 };
    let shared = (line.slots == 0).then(|| queue::key(&allowance::key(line.rule)));
    shared.into_iter().chain((0..slots).map(|slot| queue::key(&allowance::slot(line.rule, slot))))
}

/// What an operator has said of a filter's log.
pub(super) fn level_of(filter: &str) -> &'static str {
    level::read(&stored(&level::key(filter)).unwrap_or_default())
}

/// What stands in shared data.
pub(super) fn stored(key: &str) -> Result<Vec<u8>, Rejection> {
    let failed = |error: HostError| {
        log::error!("{key}: {error}");
        Rejection::Unavailable { retry_after: None }
    };
    shared::read(key).map(|(bytes, _)| bytes).map_err(failed)
}

/// Answers with JSON that nobody keeps.
pub(super) fn send(status: u16, body: &str) -> Action {
    let headers = [("content-type", "application/json"), ("cache-control", "no-store")];
    shell::reply::send(status, &[DETAILS_PREFIX, "admin"].concat(), &headers, body.as_bytes())
}
