//! What requests are sent to: an address, and how much patience, how many connections and retries it gets.

use std::net::IpAddr;
use std::time::Duration;

use policy::Period;
use url::{Host, Url};

use crate::diagnostic::{Mistakes, Span};
use crate::draft::Draft;
use crate::policy::Surroundings;
use crate::policy::fallback::{self, Fallback};
use crate::policy::header::{self, Header};
use crate::policy::limit;
use crate::policy::provider::Provider;
use crate::policy::slowdown::SlowDown;
use crate::reader::{self, Fields, Spanned};
use crate::yaml::{Entry, Node};

/// A service behind the gateway.
#[derive(Debug)]
pub struct Upstream {
    /// Its name: Envoy's cluster, the metrics' `provider`, the breaker.
    pub name: Spanned<String>,
    /// Where it is.
    pub address: Address,
    /// Whether it is one of ours: it learns who calls, and keeps the client's host name and credentials.
    pub internal: bool,
    /// Headers set on every request to it.
    pub headers: Vec<Header>,
    /// How long an answer may take, retries included.
    pub timeout: Period,
    /// How long a connection may take.
    pub connect_timeout: Period,
    /// Whether and how Envoy tries again.
    pub retry: Option<Retry>,
    /// How much may be under way at once.
    pub pool: Pool,
    /// The breaker's configuration, as the filter reads it.
    pub breaker: Option<Draft>,
    /// What stands in while the breaker is open, as far as the filter does not read it.
    pub fallback: Fallback,
    /// The limit on requests to it, as the filter reads it.
    pub limit: Option<Draft>,
    /// How it says that it is asked too often.
    pub slow_down: Option<SlowDown>,
    /// What the provider filter is told of it, where its own interface is hidden behind the common one.
    pub provider: Option<Provider>,
}

/// An upstream's URL, taken apart.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Address {
    /// Whether it speaks TLS.
    pub tls: bool,
    /// Its host name or address.
    pub host: Name,
    /// Its port.
    pub port: u16,
    /// What its paths begin with; without a slash at the end.
    pub base: String,
}

impl Address {
    /// What stands in `Host`: the host, and the port where it is not the usual one.
    pub fn authority(&self) -> String {
        let host = match &self.host {
            Name::Domain(name) => name.clone(),
            Name::Ip(IpAddr::V4(ip)) => ip.to_string(),
            Name::Ip(IpAddr::V6(ip)) => format!("[{ip}]"),
        };
        let usual = if self.tls { 443 } else { 80 };
        if self.port == usual { host } else { format!("{host}:{}", self.port) }
    }
}

/// A host.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Name {
    /// To be resolved.
    Domain(String),
    /// Known already.
    Ip(IpAddr),
}

/// How Envoy tries again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Retry {
    /// How often, after the first try.
    pub times: u64,
    /// The first pause; each further one is twice as long at most, and drawn at random.
    pub wait: Period,
    /// The longest pause.
    pub longest_wait: Period,
    /// How long one try may take.
    pub per_try: Period,
    /// The statuses on which it tries again.
    pub statuses: Vec<u64>,
    /// The methods that may be sent twice.
    pub methods: Vec<String>,
    /// How many percent of the requests under way may be retries; three may be in any case.
    pub budget: u64,
}

/// How much may be under way at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pool {
    /// Connections.
    pub connections: u64,
    /// Requests that wait for a connection.
    pub pending: u64,
    /// Requests, waiting and under way.
    pub requests: u64,
}

const PATIENCE: std::ops::RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_hours(1);
const STATUSES: [u64; 5] = [429, 500, 502, 503, 504];
/// RFC 9110 §9.2.1 without `TRACE`: what can be sent twice without harm.
const SAFE: [&str; 3] = ["GET", "HEAD", "OPTIONS"];

impl Default for Retry {
    fn default() -> Self {
        Self {
            times: 3,
            wait: Period::of_seconds(1),
            longest_wait: Period::of_seconds(60),
            per_try: Period::of_seconds(10),
            statuses: STATUSES.to_vec(),
            methods: SAFE.map(str::to_owned).to_vec(),
            budget: 20,
        }
    }
}

/// Reads the mapping `upstreams`.
pub fn read(node: &Node, surroundings: &Surroundings<'_>, mistakes: &mut Mistakes) -> Vec<Upstream> {
    let entries = reader::entries(node, "upstreams by name", mistakes).unwrap_or_default();
    let upstreams: Vec<_> = entries.iter().filter_map(|entry| upstream(entry, surroundings, mistakes)).collect();
    fallback::check(&upstreams, mistakes);
    for upstream in &upstreams {
        check_provider(upstream, mistakes);
    }
    upstreams
}

/// Notes what is said of a provider that the filter in front of it leaves nothing of.
fn check_provider(upstream: &Upstream, mistakes: &mut Mistakes) {
    let Some(slow_down) = upstream.slow_down.as_ref().filter(|_| upstream.provider.is_some()) else { return };
    for header in &slow_down.headers {
        let expected = "expected words that an answer of the common shape still says, like `retry_after`";
        mistakes.add(header, "no header of a provider's gets this far", expected);
    }
}

fn upstream(entry: &Entry, surroundings: &Surroundings<'_>, mistakes: &mut Mistakes) -> Option<Upstream> {
    reader::name(&entry.key, &entry.span, mistakes);
    let mut fields = Fields::of(&entry.node, "an upstream", mistakes)?;
    let address = fields.required("url", mistakes).and_then(|node| address(node, mistakes));
    let internal = fields.optional("internal").and_then(|node| reader::boolean(node, mistakes)).unwrap_or(false);
    let headers = fields.optional("headers").map(|node| header::read(node, surroundings, mistakes));
    let mut period = |key, default: u64, mistakes: &mut Mistakes| {
        let read = fields.optional(key).and_then(|node| reader::period(node, PATIENCE, mistakes));
        read.unwrap_or(Period::of_seconds(default))
    };
    let timeout = period("timeout", 30, mistakes);
    let connect_timeout = period("connect_timeout", 5, mistakes);
    let retry = match fields.optional("retry") {
        None if internal => None,
        None => Some(Retry::default()),
        Some(node) if reader::is_off(node) => None,
        Some(node) => retry(node, mistakes),
    };
    let pool = fields.optional("pool").map(|node| pool(node, mistakes));
    let mut unless_off = |key| fields.optional(key).filter(|node| !reader::is_off(node));
    let breaker = unless_off("breaker").and_then(|node| {
        let mut draft = reader::mapping(node, "the keys of `breaker`, or `off`", mistakes)?;
        let fallback = Fallback::take(node, &mut draft, mistakes);
        Some((draft, fallback))
    });
    let (breaker, fallback) = breaker.unzip();
    let limit = unless_off("limit").and_then(|node| limit::read(node, mistakes));
    let slow_down = unless_off("slow_down").and_then(|node| SlowDown::read(node, mistakes));
    let provider = Provider::read(&entry.key, &mut fields, internal, surroundings, mistakes);
    fields.finish(mistakes);
    // What names this upstream is not to be blamed for the mistake in it.
    let nowhere = Address { tls: false, host: Name::Domain("invalid".into()), port: 80, base: String::new() };
    Some(Upstream {
        name: Spanned::new(entry.key.clone(), entry.span.clone()),
        address: address.unwrap_or(nowhere),
        internal,
        headers: headers.unwrap_or_default(),
        timeout,
        connect_timeout,
        retry: retry.map(|retry| Retry { per_try: retry.per_try.min(timeout), ..retry }),
        pool: pool.unwrap_or(Pool { connections: 100, pending: 1024, requests: 1024 }),
        breaker,
        fallback: fallback.unwrap_or_default(),
        limit,
        slow_down,
        provider,
    })
}

/// Reads a URL that leads to a service.
pub fn address(node: &Node, mistakes: &mut Mistakes) -> Option<Address> {
    let text = reader::text(node, mistakes)?;
    let parsed = Address::parse(&text.value).and_then(|(address, url)| match url.query().or(url.fragment()) {
        Some(_) => Err("expected no query and no fragment"),
        None => Ok(address),
    });
    let refuse = |why| mistakes.add(&text.span, format!("`{}` is not an upstream's URL", text.value), why);
    parsed.map_err(refuse).ok()
}

impl Address {
    /// Takes a URL apart.
    ///
    /// # Errors
    /// What was expected instead.
    pub fn parse(text: &str) -> Result<(Self, Url), &'static str> {
        let Ok(url) = Url::parse(text) else {
            return Err("expected http:// or https://, a host, and perhaps a port and a path");
        };
        let tls = match url.scheme() {
            "http" => false,
            "https" => true,
            _ => return Err("expected http:// or https://"),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a URL is no place for a password; use `headers` with a value from the environment");
        }
        let host = match url.host() {
            Some(Host::Domain(name)) => Name::Domain(name.to_owned()),
            Some(Host::Ipv4(ip)) => Name::Ip(ip.into()),
            Some(Host::Ipv6(ip)) => Name::Ip(ip.into()),
            None => return Err("expected a host"),
        };
        let port = url.port_or_known_default().unwrap_or(if tls { 443 } else { 80 });
        Ok((Self { tls, host, port, base: url.path().trim_end_matches('/').to_owned() }, url))
    }
}

fn retry(node: &Node, mistakes: &mut Mistakes) -> Option<Retry> {
    let default = Retry::default();
    let mut fields = Fields::of(node, "`retry`, or `off`", mistakes)?;
    let times = fields.optional("times").and_then(|node| reader::whole(node, 1..=10, mistakes));
    let mut period = |key, default, mistakes: &mut Mistakes| {
        fields.optional(key).and_then(|node| reader::period(node, PATIENCE, mistakes)).unwrap_or(default)
    };
    let wait = period("wait", default.wait, mistakes);
    let longest_wait = period("longest_wait", default.longest_wait.max(wait), mistakes);
    let per_try = period("per_try", default.per_try, mistakes);
    if let Some(node) = fields.optional("longest_wait").filter(|_| longest_wait < wait) {
        mistakes.add(&node.span, "`longest_wait` is shorter than `wait`", format!("expected at least {wait}"));
    }
    let statuses = fields.optional("statuses").and_then(|node| {
        let items = reader::items(node, "statuses", mistakes)?;
        Some(items.iter().filter_map(|item| reader::whole(item, 400..=599, mistakes)).collect())
    });
    let methods = fields.optional("methods").and_then(|node| methods(node, mistakes));
    let budget = fields.optional("budget").and_then(|node| reader::whole(node, 1..=100, mistakes));
    fields.finish(mistakes);
    Some(Retry {
        times: times.unwrap_or(default.times),
        wait,
        longest_wait,
        per_try,
        statuses: statuses.unwrap_or(default.statuses),
        methods: methods.unwrap_or(default.methods),
        budget: budget.unwrap_or(default.budget),
    })
}

fn methods(node: &Node, mistakes: &mut Mistakes) -> Option<Vec<String>> {
    let texts = reader::texts(node, "methods", mistakes)?;
    let upper = |text: &str| text.bytes().all(|byte| byte.is_ascii_uppercase());
    let wrong: Vec<&Span> = texts.iter().filter(|text| !upper(&text.value)).map(|text| &text.span).collect();
    for span in wrong {
        mistakes.add(span, "this is not a method", "expected upper case, like `GET`");
    }
    Some(texts.into_iter().map(|text| text.value).collect())
}

fn pool(node: &Node, mistakes: &mut Mistakes) -> Pool {
    let mut pool = Pool { connections: 100, pending: 1024, requests: 1024 };
    let Some(mut fields) = Fields::of(node, "`pool`", mistakes) else { return pool };
    for (key, slot) in
        [("connections", &mut pool.connections), ("pending", &mut pool.pending), ("requests", &mut pool.requests)]
    {
        let read = fields.optional(key).and_then(|node| reader::whole(node, 1..=100_000, mistakes));
        *slot = read.unwrap_or(*slot);
    }
    fields.finish(mistakes);
    pool
}
