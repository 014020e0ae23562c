//! Who refreshes a stale response while others are answered with it (RFC 5861 §3): one request of all workers.
//!
//! Where the configuration has a way back into this proxy, that is a request of the filter's own, and no client waits for it. It
//! enters through a listener that only this proxy's filters reach, passes the same filters as any other, and proves to the cache
//! there, by a header that nobody can make up who does not know the proxy's seed, that it wants no stored answer but a
//! new one. Otherwise, and for a search, which only its own body can repeat, it is the first request that finds the response stale.

use std::cell::RefCell;

use policy::handover::header;
use policy::{Headers, Instant};
use shell::callout;
use shell::headers::{self, Map};
use shell::metric::Counter;

use super::boarding::{Boarded, Claim};
use super::store::Known;
use super::{Plugin, report};
use crate::admission;
use crate::config::Refresh;
use crate::flight::{Id, UNREFRESHED_FOR};
use crate::request::Inquiry;

/// How a stale response comes to be refreshed.
pub(super) enum Refreshing {
    /// Without this request, which is answered at once.
    Beside,
    /// By this request, which waits for the upstream.
    ByThisRequest(Claim),
}

type Pairs = Vec<(String, String)>;

/// The refreshes of one worker.
pub(super) struct Refreshes {
    /// Those that wait for a tick: a callout cannot leave from a stream without being lost with it.
    due: RefCell<Vec<(Pairs, Claim)>>,
    /// Those that are under way, by their tokens.
    sent: RefCell<Vec<(u32, Claim)>>,
    done: Counter,
    failed: Counter,
    passed_over: Counter,
}

impl Refreshes {
    pub(super) fn new() -> Self {
        let counter = |outcome| Counter::new("api_gateway_cache_refreshes_total", &[("outcome", outcome)]);
        let (done, failed, passed_over) = (counter("done"), counter("failed"), counter("passed_over"));
        Self { due: RefCell::default(), sent: RefCell::default(), done, failed, passed_over }
    }

    /// Takes note of one that failed: it is not repeated at once.
    fn fail(&self, mut claim: Claim) {
        claim.mark(UNREFRESHED_FOR);
        self.failed.increment();
    }
}

impl Plugin {
    /// Sees to it that a stale response is refreshed, once at a time.
    pub(super) fn refresh(&self, inquiry: &Inquiry, known: &Known, id: Id, now: Instant) -> Refreshing {
        if !matches!(known, Known::Object(_)) || inquiry.said.only_if_cached {
            return Refreshing::Beside;
        }
        let Some(settings) = self.config.refresh.as_ref().filter(|_| !inquiry.is_search()) else {
            return match self.board.board(id, now) {
                Boarded::Leads(claim) | Boarded::Follows(claim) => Refreshing::ByThisRequest(claim),
                Boarded::Waits | Boarded::Alone => Refreshing::Beside,
            };
        };
        let under_way = self.refreshes.due.borrow().len() + self.refreshes.sent.borrow().len();
        if under_way >= settings.max {
            self.refreshes.passed_over.increment();
        } else if let Boarded::Leads(claim) | Boarded::Follows(claim) = self.board.board(id, now) {
            self.refreshes.due.borrow_mut().push((self.request_of(inquiry), claim));
            self.board.pulse.wake_in(std::time::Duration::ZERO, now);
        }
        Refreshing::Beside
    }

    /// The request that refreshes what answers another: the same, for the whole and without conditions.
    fn request_of(&self, inquiry: &Inquiry) -> Pairs {
        let listed = admission::of_connection(&inquiry.headers);
        let mut pairs = vec![(header::REFRESH.to_owned(), self.proof(&inquiry.key))];
        for (name, value) in &inquiry.headers {
            let is_listed = listed.iter().any(|listed| listed.eq_ignore_ascii_case(name));
            if let (Ok(name), Ok(value)) = (std::str::from_utf8(name), std::str::from_utf8(value))
                && !is_listed
                && is_handed_on(name)
            {
                let value = if name == ":method" { "GET" } else { value };
                pairs.push((name.to_owned(), value.to_owned()));
            }
        }
        pairs
    }

    /// What proves a refresh of this key.
    fn proof(&self, key: &[u8]) -> String {
        self.seed.proof([b"refresh".as_slice(), key])
    }

    /// Takes a proof off, which is none of the upstream's business, genuine or not; `None` where there is none.
    pub(super) fn take_proof(headers: &Headers) -> Option<Vec<u8>> {
        let proof = headers.first(header::REFRESH)?.to_vec();
        report(headers::remove(Map::Request, header::REFRESH));
        Some(proof)
    }

    /// Whether a request is this proxy's own refresh.
    pub(super) fn is_refresh(&self, inquiry: &Inquiry, proof: Option<&[u8]>) -> bool {
        proof.is_some_and(|proof| proof == self.proof(&inquiry.key).as_bytes())
    }

    /// Sends the refreshes that wait.
    pub(super) fn send_refreshes(&self) {
        let Some(Refresh { cluster, timeout, .. }) = &self.config.refresh else { return };
        for (headers, claim) in self.refreshes.due.take() {
            let pairs: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            match callout::send(cluster, &pairs, b"", *timeout) {
                Ok(token) => self.refreshes.sent.borrow_mut().push((token, claim)),
                Err(error) => {
                    log::warn!("refresh not sent: {error}");
                    self.refreshes.fail(claim);
                }
            }
        }
    }

    /// Takes in the end of a refresh; says whether it was one.
    pub(super) fn refreshed(&self, token: u32, headers: usize) -> bool {
        let claim = {
            let mut sent = self.refreshes.sent.borrow_mut();
            let Some(at) = sent.iter().position(|(other, _)| *other == token) else { return false };
            sent.swap_remove(at).1
        };
        // Its body is in the store, if anywhere.
        let said = callout::answer(headers, 0, 0).map(|answer| answer.headers);
        if said.is_some_and(|said| is_done(&said, &self.config.name)) {
            self.refreshes.done.increment();
        } else {
            self.refreshes.fail(claim);
        }
        true
    }
}

/// Whether the cache that a refresh has passed has stored its answer, or had a fresh one.
fn is_done(answer: &Headers, name: &str) -> bool {
    let mut members = answer.all("cache-status").flat_map(|line| line.split(|&byte| byte == b','));
    members.any(|member| {
        let mut words = member.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
        words.next() == Some(name.as_bytes()) && words.any(|word| word == b"stored" || word == b"hit")
    })
}

/// Whether a request's field is its refresh's, too.
fn is_handed_on(name: &str) -> bool {
    let is_own = matches!(
        name,
        "cache-control"
            | "pragma"
            | "range"
            | "if-range"
            | "if-none-match"
            | "if-modified-since"
            | "content-length"
            | "expect"
    );
    let is_pseudo = name.starts_with(':') && !matches!(name, ":method" | ":scheme" | ":authority" | ":path");
    let is_hop =
        matches!(name, "connection" | "keep-alive" | "proxy-connection" | "te" | "transfer-encoding" | "upgrade");
    !is_own && !is_pseudo && !is_hop && name != header::REFRESH
}
