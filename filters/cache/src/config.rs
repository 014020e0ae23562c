//! The cache's configuration.
//!
//! ```json
//! {
//!   "name": "weir",
//!   "budget_bytes": "64MiB",
//!   "object_bytes_max": "256KiB",
//!   "routes": [
//!     {"match": {"prefix": "/api/spotify/track/"}, "upstream": "spotify", "data_type": "track_metadata",
//!      "ttl": "30d", "statuses": [200], "negative": "5m", "despite": ["private"], "shared": true},
//!     {"match": {"prefix": "/search", "methods": ["GET", "POST"]}, "upstream": "discovery", "data_type": "search_results",
//!      "ttl": "7d", "isolate": "tier", "query": {"ignore": ["utm_*"], "sort": true},
//!      "body": {"key": "json", "max": "16KiB", "wait": "2s"}},
//!     {"match": {"prefix": "/products/"}, "upstream": "inventory", "heuristic_max": "5m"}
//!   ]
//! }
//! ```
//!
//! `name` is this cache's name in `Cache-Status` and the place of its entries: two caches of one proxy that would
//! answer the same URL differently need different names. `budget_bytes` bounds what all workers together keep,
//! `object_bytes_max` one stored response with its headers; both are a number or a text with `KiB`, `MiB` or `GiB`. What
//! is asked for again and again each worker keeps at hand besides, in up to 4 MiB of its own, or an eighth of the budget
//! where that is less, and the last answers to requests that say the same ([`crate::repetition`]). `compress` says where text is packed ([`crate::packing`]): in the second level alone (`"l2"`), which
//! costs no request anything; `"everywhere"`, so that the budget holds several times as much and each hit that is not at hand
//! costs its unpacking; `"never"`.
//!
//! The first route that matches a request is its route; a request without one passes. One that says nothing but `"keeps": false`
//! beside its `match` passes its requests, too: they are for no later route, and what they change ends as on any other
//! ([`table`]). What of a `match` the URL does not say, its `headers`, is told apart in keys ([`Route::mark`]). In a route, `upstream` and
//! `data_type` label the metrics. `ttl` makes responses with one of `statuses` fresh for that long from when they came
//! in, whatever the upstream says about freshness (`max-age`, `Expires`, `no-cache`, `must-revalidate`); `despite`
//! names what else is to be overlooked: `private`, `no-store`, and `set-cookie`, which stores the response without its
//! cookies; what is here for that answers as long as it is named. `negative` does the same for 404 and 410, which are then short-lived beside a long `ttl`, or alone forced.
//! `shared` says that all callers whom `auth` let through are answered alike, so that their identity does not
//! keep a response from being stored or reused. `isolate` says that they are not, but that what a `user`, or whoever is of
//! one `tier`, is answered with may answer the same once more: it is kept apart by the name, and the API key, that `auth` hands over, and
//! where `auth` has named nobody, the request passes. Both believe headers that `auth` alone keeps clients from setting, so they are for
//! chains in which it stands before the cache. `heuristic_max` lets a response that says nothing of freshness be fresh
//! for a tenth of its age since `Last-Modified`, up to that long; without it, such a response is stale at once.
//! `stale_while_revalidate` and `stale_if_error` say for how long a stale response may answer while one request
//! refreshes it, and where the upstream fails, unless it says so itself (RFC 5861) or forbids it (`must-revalidate`,
//! `proxy-revalidate`, `s-maxage`, `no-cache`: RFC 9111 §4.2.4; with `ttl`, it cannot).
//! `query` says what of a query does not matter: parameters to `ignore`, by their name or its beginning, and their order
//! (`sort`); see [`crate::query`]. `body` makes searches of the route's `POST`s: their answers are kept by the canonical form
//! of their JSON (see [`crate::canon`]) and answer no `GET`. For that, a search waits until its body has come, `wait` at
//! most; one that is longer than `max` passes as it comes, and so does whatever has no form, which is no search, and ends
//! what is kept of its URL where it succeeds.
//! `purge_key_sha256` is the digest of a key whose holder may purge (see [`crate::purge`]): `PURGE` with that key in
//! `x-purge-key` takes the URL that it names, or what `x-purge` says, as in `x-purge: tag=product-7&mode=soft`.
//!
//! `l2` shares what is stored with a fleet, through the Redis that `state` leads to (see [`crate::remote`]): a request whose
//! answer this proxy has not asks there and waits `budget` (`20ms`) at most; objects of up to `object_bytes_max` (`256KiB`) stay
//! there for `stale` (`10m`) longer than they are fresh; the fleet's purges are read every `refresh` (`500ms`). So a purge
//! is in force on every proxy after that, two ticks of 100 ms (it leaves with the first), and the store's own time for two answers. A
//! route with `"l2": false` keeps to this proxy. `through` is a path by which objects go there instead of straight: that of a request
//! which enters this proxy again as a refresh does (`refresh.cluster`), and which a route there sends to the same bridge, with whatever
//! stands before it, a breaker or a limit. What is refused on that way, or held up
//! for longer than the `timeout` of `state`, is tried again every second, for a minute. Questions,
//! what ends and what is purged go straight: nobody waits for a queue there, and nothing may hold up an end.
//!
//! `flight` bounds how requests wait that miss at once (see [`crate::flight`]): for `max_wait` (`5s`), `max_waiting` (1024) on one
//! worker. `refresh` has stale responses refreshed beside the requests that they answer, `max` (64) at a time on one worker,
//! each for `timeout` (`10s`) at most, through `cluster`, which must lead to a listener of this proxy that only its own filters
//! reach and whose chain has this cache (`weir render` writes one, `weir_internal`).
//!
//! `orders` has it hear what an operator orders through shared data ([`policy::purge`]): with it, every request reads a number
//! there, as it does where something else of the configuration lets anybody purge.
//!
//! `tag_fields` names the fields in which the upstream lists the tags of a response (`["cache-tag", "surrogate-key"]`);
//! `tag_fields_hidden` keeps these fields from clients.

use std::borrow::Cow;
use std::num::NonZeroU32;

use policy::config::ConfigError;
use policy::fields::Fields;
use policy::json::Json;
use policy::state::Variables;
use policy::{Match, Period};
use sha2::{Digest as _, Sha256};

use crate::arena::Arena;
use crate::directive::SECONDS_MAX;
use crate::query::Query;

mod caller;
mod flight;
mod forced;
mod level;
mod search;
mod storage;
pub mod table;

pub use caller::Isolation;
pub use flight::{Flight, Refresh};
pub use forced::{Despite, Forced};
pub use level::Level;
pub use search::Search;
pub use storage::{KeyDigest, Packing, Tagging};
pub use table::{Found, Idle};

/// What a configuration may say.
const MEMBERS: [&str; 12] = [
    "name",
    "budget_bytes",
    "object_bytes_max",
    "compress",
    "tag_fields",
    "tag_fields_hidden",
    "state",
    "l2",
    "flight",
    "refresh",
    "orders",
    "routes",
];
/// What a route may say.
const ROUTE_MEMBERS: [&str; 17] = [
    "match",
    "keeps",
    "upstream",
    "data_type",
    "ttl",
    "statuses",
    "negative",
    "despite",
    "shared",
    "isolate",
    "query",
    "body",
    "heuristic_max",
    "stale_while_revalidate",
    "stale_if_error",
    "purge_key_sha256",
    "l2",
];

/// What a worker keeps at hand, at most.
const RECENT_BYTES_MAX: usize = 4 << 20;

/// A valid configuration.
#[derive(Debug)]
pub struct Config {
    /// This cache's name in `Cache-Status`.
    pub name: String,
    /// Where entries are kept, and how many bytes of them.
    pub arena: Arena,
    /// The longest stored response, with its headers.
    pub object_bytes_max: usize,
    /// Where bodies of text are packed.
    pub packing: Packing,
    /// How many bytes of entries each worker keeps at hand.
    pub recent_bytes_max: usize,
    /// How responses are called by the upstream.
    pub tagging: Tagging,
    /// Where a fleet shares what it stores.
    pub level: Option<Level>,
    /// How requests wait for another's answer.
    pub flight: Flight,
    /// How stale responses are refreshed beside the requests that they answer.
    pub refresh: Option<Refresh>,
    /// Whether an operator purges through shared data.
    pub hears_orders: bool,
    /// In the order in which they are tried.
    pub routes: Vec<Route>,
    /// Those between them that keep nothing.
    pub idle: Vec<Idle>,
}

/// How responses to some requests are kept.
#[derive(Clone, Debug)]
pub struct Route {
    /// Which requests.
    pub matches: Match,
    /// Label of the metrics.
    pub upstream: String,
    /// Label of the metrics.
    pub data_type: String,
    /// Lifetimes that replace the upstream's.
    pub lifetimes: Vec<Forced>,
    /// By what callers are told apart.
    pub isolation: Option<Isolation>,
    /// What of a query does not matter.
    pub query: Option<Query>,
    /// Its `POST`s are searches, whose answers are kept by their bodies.
    pub search: Option<Search>,
    /// All callers whom `auth` let through are answered alike.
    pub shared: bool,
    /// The longest lifetime that may be guessed, in seconds.
    pub heuristic_max: u32,
    /// What holds for responses that do not say it themselves, in seconds (RFC 5861 §3).
    pub while_revalidate: u32,
    /// What holds for responses that do not say it themselves, in seconds (RFC 5861 §4).
    pub if_error: u32,
    /// Whoever shows the key with this digest may purge; without it, `PURGE` is a method like any other.
    pub purge_key: Option<KeyDigest>,
    /// What it stores goes to the second level, too, where there is one.
    pub is_remote: bool,
    /// What tells its keys from those of other routes that are about the same URLs, where headers decide between them: other
    /// proxies and later configurations have the same for the same headers and upstream.
    pub mark: Option<Mark>,
}

/// What stands for a route in keys.
pub type Mark = [u8; 16];

impl Config {
    /// Reads a configuration without an environment: what it says is checked, and no secret is read.
    ///
    /// # Errors
    /// The first mistake, with the place where it is.
    pub fn from_json(json: &[u8]) -> Result<Self, ConfigError> {
        Self::with_environment(json, None)
    }

    /// Reads a configuration; the second level's secret is one of the `variables`.
    ///
    /// # Errors
    /// The first mistake, with the place where it is.
    pub fn with_environment(json: &[u8], variables: Option<Variables<'_>>) -> Result<Self, ConfigError> {
        let mut fields = Fields::read(json)?;
        let name = fields.text("name")?.unwrap_or_else(|| "weir".to_owned());
        if !is_name(&name) {
            let reason = format!("must be a letter, then up to 31 letters, digits, - _ or ., got {name:?}");
            return Err(ConfigError::at("name", reason));
        }
        let object_bytes_max = bytes(&mut fields, "object_bytes_max", 256 << 10)?;
        let object_bytes_max = u32::try_from(object_bytes_max).ok().filter(|max| (1 << 10..=16 << 20).contains(max));
        let Some(object_bytes_max) = object_bytes_max else {
            return Err(ConfigError::at("object_bytes_max", "must be from 1KiB to 16MiB"));
        };
        let (budget, set_bytes) = (bytes(&mut fields, "budget_bytes", 64 << 20)?, Arena::set_bytes(object_bytes_max));
        let sets = u32::try_from(budget / u64::from(set_bytes)).ok().and_then(NonZeroU32::new);
        let Some(sets) = sets.filter(|_| budget <= 4 << 30) else {
            let reason = format!("must be from {set_bytes} for objects of this size to 4GiB");
            return Err(ConfigError::at("budget_bytes", reason));
        };
        let arena = Arena::new(&name, sets, object_bytes_max);
        let packing = Packing::read(&mut fields)?;
        let recent_bytes_max = usize::try_from(budget / 8).unwrap_or(usize::MAX).min(RECENT_BYTES_MAX);
        let (flight, refresh) = (Flight::read(&mut fields)?, Refresh::read(&mut fields)?);
        let level = Level::read(&mut fields, variables, refresh.as_ref().map(|refresh| refresh.cluster.as_str()))?;
        let tagging = Tagging::read(&mut fields)?;
        let hears_orders = fields.flag("orders")? == Some(true);
        let (routes, idle) = table::read(&mut fields)?;
        fields.end_of(&MEMBERS)?;
        let object_bytes_max = object_bytes_max as usize;
        Ok(Self {
            name,
            arena,
            object_bytes_max,
            packing,
            recent_bytes_max,
            tagging,
            level,
            flight,
            refresh,
            hears_orders,
            routes,
            idle,
        })
    }
}

impl Config {
    /// Whether what a request says in this field decides about it on some route.
    pub fn heeds(&self, field: &str) -> bool {
        let matches = self.routes.iter().map(|route| &route.matches).chain(self.idle.iter().map(|idle| &idle.matches));
        let is_matched = matches.flat_map(Match::headers).any(|(name, _)| name == field);
        is_matched || self.routes.iter().filter_map(|route| route.isolation).any(|isolation| isolation.heeds(field))
    }
}

impl Route {
    fn read(mut fields: Fields, matches: Match) -> Result<Self, ConfigError> {
        let upstream = label(&mut fields, "upstream")?;
        let data_type = label(&mut fields, "data_type")?;
        let shared = fields.flag("shared")? == Some(true);
        let query = if fields.has("query") { Some(fields.object("query")?) } else { None };
        let route = Self {
            mark: mark(&matches, &upstream),
            upstream,
            data_type,
            shared,
            isolation: Isolation::read(&mut fields, shared)?,
            search: Search::read(&mut fields, &matches)?,
            matches,
            heuristic_max: period(&mut fields, "heuristic_max")?.unwrap_or(0),
            while_revalidate: period(&mut fields, "stale_while_revalidate")?.unwrap_or(0),
            if_error: period(&mut fields, "stale_if_error")?.unwrap_or(0),
            purge_key: storage::digest(fields.text("purge_key_sha256")?)?,
            is_remote: fields.flag("l2")? != Some(false),
            lifetimes: Forced::read(&mut fields)?,
            query: query.map(Query::read).transpose().map_err(|mistake| mistake.inside("query"))?,
        };
        fields.end_of(&ROUTE_MEMBERS)?;
        Ok(route)
    }

    /// The lifetime that replaces the upstream's for responses of this status.
    pub fn forced(&self, status: u16) -> Option<&Forced> {
        self.lifetimes.iter().find(|forced| forced.statuses.contains(&status))
    }

    /// A request's target as its key has it.
    pub fn normalise<'a>(&self, target: &'a [u8]) -> Cow<'a, [u8]> {
        self.query.as_ref().map_or(Cow::Borrowed(target), |query| Cow::Owned(query.normalise(target)))
    }

    /// Whether callers whom `auth` knows are answered like any others, or like those whom a key tells from others.
    pub const fn admits_known(&self) -> bool {
        self.shared || self.isolation.is_some()
    }

    /// Whether one URL may have several keys, of which not all are known to whoever changes it.
    pub const fn is_scattered(&self) -> bool {
        self.isolation.is_some() || self.search.is_some() || self.mark.is_some()
    }
}

/// The mark of a route whose requests are chosen by their headers.
fn mark(matches: &Match, upstream: &str) -> Option<Mark> {
    let digest = matches.headers().iter().fold(Sha256::new_with_prefix(upstream), |digest, (name, value)| {
        // Neither names nor values of fields have such a byte.
        digest.chain_update([0]).chain_update(name).chain_update([0]).chain_update(value)
    });
    digest.finalize().first_chunk().copied().filter(|_| !matches.headers().is_empty())
}

fn label(fields: &mut Fields, name: &str) -> Result<String, ConfigError> {
    match fields.text(name)? {
        None => Ok("default".to_owned()),
        Some(label) if label.is_empty() => Err(ConfigError::at(name, "must not be empty")),
        Some(label) => Ok(label),
    }
}

/// The longest length of time that is told from a longer one: ten years.
const LONGEST: Period = Period::of_seconds(3650 * 86_400);

/// In seconds.
fn period(fields: &mut Fields, name: &str) -> Result<Option<u32>, ConfigError> {
    let length = fields.period(name, LONGEST)?.map(|period| period.length().as_secs());
    Ok(length.map(|seconds| u32::try_from(seconds).unwrap_or(SECONDS_MAX).min(SECONDS_MAX)))
}

/// A token of structured fields (RFC 8941 §3.3.4) that is also good as part of a key.
fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    name.starts_with(|first: char| first.is_ascii_alphabetic()) && name.len() <= 32 && name.bytes().all(plain)
}

/// A whole number that is exact as JSON has it.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be whole and in range")]
fn whole(json: &Json) -> Option<u64> {
    match json {
        Json::Number(number) if number.fract() == 0.0 && (0.0..9e15).contains(number) => Some(*number as u64),
        _ => None,
    }
}

/// A number of bytes: a number, or a text like `64MiB`.
fn bytes(fields: &mut Fields, name: &str, default: u64) -> Result<u64, ConfigError> {
    let Some(json) = fields.any(name) else { return Ok(default) };
    let scaled = match &json {
        Json::Text(text) => [("KiB", 10), ("MiB", 20), ("GiB", 30)].iter().find_map(|(unit, shift)| {
            let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
            number.checked_mul(1 << shift)
        }),
        json => whole(json),
    };
    scaled.ok_or_else(|| {
        ConfigError::at(name, r#"must be a number of bytes, or a text like "256KiB", "64MiB" or "1GiB""#)
    })
}

#[cfg(test)]
mod tests;
