//! What is asked for, by method, path and query.
//!
//! | request | does |
//! |---|---|
//! | `GET /health`, `/health/live`, `/health/ready` | says how everything is, whether anything answers, and whether requests may come |
//! | `GET /admin/` | sends the [page](crate::page) |
//! | `GET /admin/status` | says all of the following at once |
//! | `GET /admin/rate-limits` | says how all limits stand ([`policy::allowance`]) |
//! | `POST /admin/rate-limits/{name}/reset` | fills the buckets of a rule, or of an upstream, at once on all workers; those of a fleet for all of its proxies, which hear of it within five seconds |
//! | `GET /admin/queues` | says who waits for tokens: how many requests, of how many callers, and the longest line of one |
//! | `POST /admin/queues/{name}/drain` | sends them away: each is answered 429 as if it had waited for too long, a tenth of a second later at the latest. None is sent, since the limit is the upstream's |
//! | `GET /admin/circuit-breakers` | says how all breakers stand ([`policy::health`]) |
//! | `POST /admin/circuit-breakers/{name}/reset`, `POST /admin/circuit-breakers/reset-all` | closes them, and forgets what they have seen |
//! | `POST /admin/circuit-breakers/{name}/force?state=forced_open&for=10m` | has one be as an [order](policy::order) says |
//! | `GET /admin/cache/stats` | says how often caches were asked, and answered, and what they hold |
//! | `GET /admin/cache/entry?url=https://host/path` | says what is kept under a URL, and since when, and for how long ([`crate::stock`]) |
//! | `POST /admin/cache/invalidate?provider=…` | purges, as an [order](policy::purge) says |
//! | `GET /admin/credentials` | says how old the tokens and key sets are that are fetched, and when they end ([`policy::credential`]) |
//! | `GET /admin/configurations` | says with what each plugin runs, by its digest, and whether that is what was rendered |
//! | `GET /admin/log-level`, `PUT /admin/log-level?filter=cache&level=debug` | says how much filters log, and changes it a second later at the latest ([`policy::level`]) |

use policy::Period;
use policy::order::Order;
use policy::{level, purge};

/// A request that this filter answers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Ask {
    /// The page for operators.
    Page,
    /// Everything that an operator is told, at once.
    Status,
    /// How everything is.
    Health,
    /// Whether anything answers.
    Live,
    /// Whether requests may come.
    Ready,
    /// How all limits stand.
    Limits,
    /// That the limits of this rule or upstream begin anew.
    ResetLimits(String),
    /// Who waits for tokens.
    Queues,
    /// That whoever waits for this rule or upstream is sent away.
    Drain(String),
    /// How all breakers stand.
    Breakers,
    /// That breakers do what is ordered.
    Order(Command),
    /// What caches were asked, and what they hold.
    Cache,
    /// What is cached for the URL with this primary key.
    Entry(Vec<u8>),
    /// That this is purged, as [`purge::Order`] writes it.
    Purge(Vec<u8>),
    /// How old credentials are.
    Credentials,
    /// What filters run with.
    Configurations,
    /// How much filters say in the log.
    Levels,
    /// That a filter says more, or less.
    Level(Level),
}

/// How much a filter is to say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Level {
    /// One of [`level::FILTERS`].
    pub filter: &'static str,
    /// One of [`level::WORDS`].
    pub word: &'static str,
}

/// What is ordered of breakers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Command {
    /// Of which upstream; of all, where none is named.
    pub upstream: Option<String>,
    /// What; without an order, that they close and forget.
    pub order: Option<Order>,
    /// For how long, where not for ever.
    pub lasting: Option<Period>,
    /// Whether it is for this proxy alone, though there is a fleet.
    pub is_local: bool,
}

/// Why a request is none of these.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Mistake {
    /// There is no such thing.
    Unknown,
    /// There is, and it is asked for in another way.
    Malformed(&'static str),
    /// The order to purge cannot be read.
    Purge(purge::Mistake),
}

/// Names are those of upstreams and rules; nothing else becomes part of a key.
const NAME_BYTES_MAX: usize = 64;
/// An order that ends by itself ends within a month.
const LASTING_MAX: Period = Period::of_seconds(31 * 86_400);
/// So that the store can count it.
const LASTING_MIN: Period = Period::of_seconds(1);

impl Ask {
    /// Reads a request; `None` where it is none of this filter's business.
    pub fn read(method: &[u8], path: &[u8]) -> Option<Result<Self, Mistake>> {
        let at = path.iter().position(|&byte| byte == b'?').unwrap_or(path.len());
        let (path, query) = path.split_at_checked(at)?;
        let path = std::str::from_utf8(path).ok()?;
        let query = query.get(1..).unwrap_or_default();
        let rest = path.strip_prefix('/')?;
        let mut segments = rest.split('/');
        let first = segments.next()?;
        if !matches!(first, "health" | "admin") {
            return None;
        }
        let segments: Vec<&str> = segments.collect();
        Some(Self::named(first, &segments, query).and_then(|(ask, wanted)| wanted.accept(method).map(|()| ask)))
    }

    /// Whether anybody may ask for it.
    pub const fn is_open(&self) -> bool {
        matches!(self, Self::Health | Self::Live | Self::Ready)
    }

    /// Whether it is the page, which holds nothing that is anybody's: whoever may not ask for more is shown a form for a key.
    pub const fn is_page(&self) -> bool {
        matches!(self, Self::Page)
    }

    /// Whether it changes anything.
    pub const fn is_change(&self) -> bool {
        matches!(self, Self::ResetLimits(_) | Self::Drain(_) | Self::Order(_) | Self::Purge(_) | Self::Level(_))
    }

    fn named(first: &str, segments: &[&str], query: &[u8]) -> Result<(Self, Wanted), Mistake> {
        let known = match (first, segments) {
            ("health", []) => (Self::Health, Wanted::Read),
            ("health", ["live"]) => (Self::Live, Wanted::Read),
            ("health", ["ready"]) => (Self::Ready, Wanted::Read),
            ("admin", [] | [""]) => (Self::Page, Wanted::Read),
            ("admin", ["status"]) => (Self::Status, Wanted::Read),
            ("admin", ["rate-limits"]) => (Self::Limits, Wanted::Read),
            ("admin", ["rate-limits", name, "reset"]) => (Self::ResetLimits(named(name)?), Wanted::Change),
            ("admin", ["queues"]) => (Self::Queues, Wanted::Read),
            ("admin", ["queues", name, "drain"]) => (Self::Drain(named(name)?), Wanted::Change),
            ("admin", ["circuit-breakers"]) => (Self::Breakers, Wanted::Read),
            ("admin", ["circuit-breakers", "reset-all"]) => {
                (Self::Order(Command::read(None, query, false)?), Wanted::Change)
            }
            ("admin", ["circuit-breakers", name, "reset"]) => {
                (Self::Order(Command::read(Some(named(name)?), query, false)?), Wanted::Change)
            }
            ("admin", ["circuit-breakers", name, "force"]) => {
                (Self::Order(Command::read(Some(named(name)?), query, true)?), Wanted::Change)
            }
            ("admin", ["cache", "stats"]) => (Self::Cache, Wanted::Read),
            ("admin", ["cache", "entry"]) => (Self::Entry(url(query)?), Wanted::Read),
            ("admin", ["cache", "invalidate"]) => {
                purge::Order::parse(query).map_err(Mistake::Purge)?;
                (Self::Purge(query.to_vec()), Wanted::Change)
            }
            ("admin", ["credentials"]) => (Self::Credentials, Wanted::Read),
            ("admin", ["configurations"]) => (Self::Configurations, Wanted::Read),
            ("admin", ["log-level"]) if query.is_empty() => (Self::Levels, Wanted::Read),
            ("admin", ["log-level"]) => (Self::Level(Level::read(query)?), Wanted::Replacement),
            _ => return Err(Mistake::Unknown),
        };
        Ok(known)
    }
}

/// How something is asked for.
#[derive(Clone, Copy)]
enum Wanted {
    Read,
    Change,
    Replacement,
}

impl Wanted {
    fn accept(self, method: &[u8]) -> Result<(), Mistake> {
        match (self, method) {
            (Self::Read, b"GET" | b"HEAD") | (Self::Change, b"POST") | (Self::Replacement, b"PUT") => Ok(()),
            (Self::Read, _) => Err(Mistake::Malformed("This is asked for with GET")),
            (Self::Change, _) => Err(Mistake::Malformed("This is asked for with POST")),
            (Self::Replacement, _) => Err(Mistake::Malformed("This is asked for with PUT")),
        }
    }
}

impl Command {
    fn read(upstream: Option<String>, query: &[u8], is_forced: bool) -> Result<Self, Mistake> {
        let mut command = Self { upstream, order: None, lasting: None, is_local: false };
        for member in query.split(|&byte| byte == b'&').filter(|member| !member.is_empty()) {
            let at = member.iter().position(|&byte| byte == b'=').unwrap_or(member.len());
            let (name, value) = member.split_at_checked(at).unwrap_or_default();
            let value = value.get(1..).unwrap_or_default();
            match name {
                b"state" if is_forced && command.order.is_none() => {
                    let order = Order::parse(value).ok_or(Mistake::Malformed(STATES))?;
                    command.order = Some(order);
                }
                b"for" if is_forced && command.lasting.is_none() => {
                    let period = std::str::from_utf8(value).ok().and_then(Period::parse);
                    let period = period.filter(|period| (LASTING_MIN..=LASTING_MAX).contains(period));
                    command.lasting = Some(period.ok_or(Mistake::Malformed(LASTING))?);
                }
                b"reach" if value == b"proxy" => command.is_local = true,
                b"reach" if value == b"fleet" => {}
                _ => return Err(Mistake::Malformed("The query has a member that cannot be read")),
            }
        }
        if is_forced && command.order.is_none() { Err(Mistake::Malformed(STATES)) } else { Ok(command) }
    }

    /// The text of it, as [`policy::order`] has it; the mark tells it from the same order before.
    pub fn text(&self, mark: u64) -> String {
        [self.word(), " ", &mark.to_string()].concat()
    }

    /// What is ordered, in one word.
    pub const fn word(&self) -> &'static str {
        match self.order {
            Some(order) => order.as_str(),
            None => "reset",
        }
    }
}

const STATES: &str = "`state` must be automatic, disabled, forced_open or metrics_only";
const LASTING: &str = "`for` must be a length of time like 10m, from 1s to 31d";

const LEVEL: &str =
    "The query must be `filter=` and `level=`: a filter by its name, and error, warn, info, debug or trace";

impl Level {
    fn read(query: &[u8]) -> Result<Self, Mistake> {
        let said = |wanted: &[u8]| {
            let mut members = query.split(|&byte| byte == b'&').filter_map(|member| member.strip_prefix(wanted));
            members.next().filter(|_| members.next().is_none())
        };
        let known = |words: &[&'static str], said: &[u8]| words.iter().copied().find(|word| word.as_bytes() == said);
        let filter = said(b"filter=").and_then(|filter| known(&level::FILTERS, filter));
        let word = said(b"level=").and_then(|word| known(&level::WORDS, word));
        filter.zip(word).map(|(filter, word)| Self { filter, word }).ok_or(Mistake::Malformed(LEVEL))
    }
}

/// The primary key of the only URL that a query names.
fn url(query: &[u8]) -> Result<Vec<u8>, Mistake> {
    match purge::Order::parse(query).map_err(Mistake::Purge)?.scope {
        purge::Scope::Url(key) => Ok(key),
        _ => Err(Mistake::Malformed("The query must be `url=` with a whole URL, percent-encoded")),
    }
}

/// A name that can be one of an upstream or a rule.
fn named(name: &str) -> Result<String, Mistake> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let is_name = (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_plain);
    if is_name { Ok(name.to_owned()) } else { Err(Mistake::Unknown) }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn read(line: &str) -> Option<Result<Ask, Mistake>> {
        let (method, path) = line.split_once(' ').unwrap();
        Ask::read(method.as_bytes(), path.as_bytes())
    }

    fn command(upstream: Option<&str>, order: Option<Order>) -> Command {
        Command { upstream: upstream.map(str::to_owned), order, lasting: None, is_local: false }
    }

    #[test]
    fn what_can_be_asked_for_is_read() {
        for (line, expected) in [
            ("GET /health", Ask::Health),
            ("HEAD /health?x=y", Ask::Health),
            ("GET /health/live", Ask::Live),
            ("GET /health/ready", Ask::Ready),
            ("GET /admin/rate-limits", Ask::Limits),
            ("POST /admin/rate-limits/spotify/reset", Ask::ResetLimits("spotify".into())),
            ("GET /admin/circuit-breakers", Ask::Breakers),
            ("POST /admin/circuit-breakers/reset-all", Ask::Order(command(None, None))),
            ("POST /admin/circuit-breakers/a.b/reset", Ask::Order(command(Some("a.b"), None))),
            (
                "POST /admin/circuit-breakers/a/force?state=disabled",
                Ask::Order(command(Some("a"), Some(Order::Disabled))),
            ),
            (
                "POST /admin/circuit-breakers/a/force?for=10m&state=forced_open&reach=proxy",
                Ask::Order(Command {
                    lasting: Period::parse("10m"),
                    is_local: true,
                    ..command(Some("a"), Some(Order::ForcedOpen))
                }),
            ),
            ("GET /admin", Ask::Page),
            ("GET /admin/?x", Ask::Page),
            ("GET /admin/status", Ask::Status),
            ("GET /admin/queues", Ask::Queues),
            ("POST /admin/queues/spotify/drain", Ask::Drain("spotify".into())),
            ("GET /admin/credentials", Ask::Credentials),
            ("GET /admin/configurations", Ask::Configurations),
            ("GET /admin/log-level", Ask::Levels),
            ("PUT /admin/log-level?level=debug&filter=cache", Ask::Level(Level { filter: "cache", word: "debug" })),
            (
                "GET /admin/cache/entry?url=https://a.example/b%3fc=d",
                Ask::Entry(b"GET https a.example /b?c=d".to_vec()),
            ),
            ("GET /admin/cache/stats", Ask::Cache),
            ("POST /admin/cache/invalidate?provider=a&data_type=b", Ask::Purge(b"provider=a&data_type=b".to_vec())),
        ] {
            let ask = read(line).unwrap().unwrap();
            assert_eq!(ask, expected, "{line}");
            assert_eq!(ask.is_change(), !(line.starts_with("GET") || line.starts_with("HEAD")), "{line}");
            assert_eq!(ask.is_open(), line.contains("/health"), "{line}");
        }
    }

    #[test]
    fn what_is_not_asked_of_this_filter_passes() {
        for line in ["GET /", "GET /healthy", "GET /administration", "GET /api/health", "OPTIONS *", "GET /\u{fffd}"] {
            assert_eq!(read(line), None, "{line}");
        }
        assert_eq!(Ask::read(b"GET", b"/admin/\xff"), None, "no route of ours is matched by it");
        assert_eq!(Ask::read(b"", b""), None);
    }

    #[test]
    fn what_cannot_be_read_changes_nothing() {
        let long = format!("POST /admin/rate-limits/{}/reset", "x".repeat(65));
        for line in [
            "GET /health/",
            "GET /admin/x",
            "GET /admin//",
            "POST /admin/queues//drain",
            "GET /admin/circuit-breakers/",
            "POST /admin/circuit-breakers/a/b/reset",
            "POST /admin/circuit-breakers//reset",
            "POST /admin/circuit-breakers/a%2fb/reset",
            "POST /admin/rate-limits/a b/reset",
            &long,
        ] {
            assert_eq!(read(line), Some(Err(Mistake::Unknown)), "{line}");
        }
        for line in [
            "POST /health",
            "GET /admin/circuit-breakers/a/reset",
            "DELETE /admin/cache/stats",
            "POST /admin/",
            "PUT /admin/status",
            "GET /admin/queues/a/drain",
            "POST /admin/log-level?filter=cache&level=debug",
            "GET /admin/log-level?filter=cache&level=debug",
            "PUT /admin/log-level?filter=cache",
            "PUT /admin/log-level?filter=nobody&level=debug",
            "PUT /admin/log-level?filter=cache&level=loud",
            "PUT /admin/log-level?filter=cache&level=debug&level=info",
            "GET /admin/cache/entry?tag=a",
            "GET /admin/cache/entry?prefix=/a",
            "POST /admin/circuit-breakers/a/force",
            "POST /admin/circuit-breakers/a/force?state=open",
            "POST /admin/circuit-breakers/a/force?state=disabled&state=disabled",
            "POST /admin/circuit-breakers/a/force?state=disabled&for=0",
            "POST /admin/circuit-breakers/a/force?state=disabled&for=32d",
            "POST /admin/circuit-breakers/a/reset?state=disabled",
            "POST /admin/circuit-breakers/a/reset?reach=all",
        ] {
            assert!(matches!(read(line), Some(Err(Mistake::Malformed(_)))), "{line}");
        }
        for line in [
            "POST /admin/cache/invalidate",
            "POST /admin/cache/invalidate?all",
            "GET /admin/cache/invalidate?",
            "GET /admin/cache/entry?url=/a",
        ] {
            assert!(matches!(read(line), Some(Err(Mistake::Purge(_)))), "{line}");
        }
    }

    #[test]
    fn an_order_has_a_mark_by_which_it_is_another_one() {
        let mut ear = policy::order::Ear::default();
        let forced = policy::order::Heard::Force(Some(Order::ForcedOpen));
        assert_eq!(ear.hear(command(None, Some(Order::ForcedOpen)).text(7).as_bytes()), forced);
        assert_eq!(ear.hear(command(None, Some(Order::ForcedOpen)).text(8).as_bytes()), forced);
        assert_eq!(ear.hear(command(None, None).text(u64::MAX).as_bytes()), policy::order::Heard::Force(None));
    }
}
