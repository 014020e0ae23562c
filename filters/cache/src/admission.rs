//! Which responses are stored (RFC 9111 §3), and what of them (§3.1).
//!
//! A response that is of no use is not stored: it is not fresh, has no validator, and may not be used when it is stale.

use policy::handover::header;
use policy::headers::Sole;
use policy::{Headers, Instant, date};

use crate::config::{Despite, Forced, Route};
use crate::directive;
use crate::entry::{Facts, Terms};
use crate::freshness::{self, Received};
use crate::key::Vary;
use crate::request::Inquiry;
use crate::validation::Conditions;

/// A response that is to be stored.
#[derive(Debug, Eq, PartialEq)]
pub struct Admitted {
    /// What is known of it.
    pub facts: Facts,
    /// The names that select it.
    pub vary: Vary,
    /// The headers that are stored.
    pub headers: Headers,
    /// How long its body is, where it says so.
    pub length: Option<u64>,
    /// When it was made, in seconds since the epoch.
    pub date: u64,
}

/// Why a response is not stored.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// Its request was a `HEAD`, or said `no-store`.
    Request,
    /// Its status.
    Status,
    /// It says `no-store`, or its `Cache-Control` cannot be read.
    NoStore,
    /// It is for one user.
    Private,
    /// Its request carried credentials, and it does not allow that (§3.5).
    Credentials,
    /// It sets cookies.
    SetCookie,
    /// No other request can be known to match it.
    Vary,
    /// It is not fresh, and could not be validated either.
    Unfresh,
    /// It is larger than what is kept, or than what the worker copies at a time.
    Size,
    /// Its length cannot be told.
    Length,
}

impl Refusal {
    /// As a token for `Cache-Status`.
    pub const fn token(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Status => "status",
            Self::NoStore => "no-store",
            Self::Private => "private",
            Self::Credentials => "credentials",
            Self::SetCookie => "set-cookie",
            Self::Vary => "vary",
            Self::Unfresh => "not-fresh",
            Self::Size => "size",
            Self::Length => "length",
        }
    }
}

/// Whether responses of this status can be stored at all.
///
/// Not the interim ones; not those that answer the request's own preconditions or ranges (206, 304, 412, 416, 417); not
/// 428, 429, 431 and 511, which RFC 6585 forbids to store; and not those that tell one client what to do about its own
/// connection or credentials (401, 407, 408, 413, 415, 421, 425, 426).
pub const fn may_be_stored(status: u16) -> bool {
    let of_one_exchange = matches!(status, 206 | 304 | 412 | 416 | 417 | 428 | 429 | 431 | 511);
    let of_one_client = matches!(status, 401 | 407 | 408 | 413 | 415 | 421 | 425 | 426);
    200 <= status && status < 600 && !of_one_exchange && !of_one_client
}

/// The statuses whose meaning this cache knows: RFC 9110 §15.1 calls the first ten heuristically cacheable.
const fn is_understood(status: u16) -> bool {
    is_cacheable_by_default(status) || matches!(status, 201 | 202 | 302 | 303 | 307 | 400 | 403 | 500 | 502 | 503 | 504)
}

const fn is_cacheable_by_default(status: u16) -> bool {
    matches!(status, 200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}

/// Says whether a response is stored. `asked` is when its request was forwarded, `now` when its headers came.
///
/// # Errors
/// The first reason not to.
pub fn admit(
    route: &Route,
    inquiry: &Inquiry,
    response: &Headers,
    asked: Instant,
    now: Instant,
) -> Result<Admitted, Refusal> {
    if inquiry.is_head {
        return Err(Refusal::Request);
    }
    admit_whole(route, inquiry, response, asked, now)
}

/// As [`admit`], for a response that is whole although its request was perhaps a `HEAD`: what is stored, freshened.
///
/// # Errors
/// The first reason not to.
pub fn admit_whole(
    route: &Route,
    inquiry: &Inquiry,
    response: &Headers,
    asked: Instant,
    now: Instant,
) -> Result<Admitted, Refusal> {
    if inquiry.said.no_store {
        return Err(Refusal::Request);
    }
    let status = status(response).filter(|&status| may_be_stored(status)).ok_or(Refusal::Status)?;
    let said = directive::Response::of(response);
    let forced = route.forced(status);
    let despite = permit(forced, &said, status, response)?;
    let particular = inquiry.caller.is_particular(route);
    if particular && !said.allows_credentials() {
        return Err(Refusal::Credentials);
    }
    let vary = Vary::parse(response.all("vary")).ok_or(Refusal::Vary)?;
    let dated = freshness::date(response, now);
    let received = Received::reckon(response, dated, asked, now);
    let date = dated.unwrap_or(now.unix_seconds());
    let lifetime = match forced {
        Some(forced) => forced.lifetime,
        // RFC 9110 §9.3.3: what answers a POST is kept where something says for how long.
        None if freshness::is_explicit(response, &said)
            || (is_cacheable_by_default(status) && !inquiry.is_search()) =>
        {
            freshness::lifetime(response, &said, date, now, route.heuristic_max)
        }
        None => return Err(Refusal::Unfresh),
    };
    let terms = Terms { despite, ..terms(route, inquiry, &said, forced.is_some()) };
    if forced.is_none() && !is_of_use(&terms, lifetime, received.age) {
        Conditions::of(status, response, now).filter(|_| !inquiry.is_search()).ok_or(Refusal::Unfresh)?;
    }
    let facts = Facts { status, terms, received, lifetime };
    let length = length(response)?;
    Ok(Admitted {
        facts,
        vary,
        headers: stored_headers(response, &said, dated.is_none().then_some(date)),
        length,
        date,
    })
}

/// What holds for the response's reuse.
fn terms(route: &Route, inquiry: &Inquiry, said: &directive::Response, forced: bool) -> Terms {
    // A route that says for how long a response is fresh says so about stale ones, too.
    let bound = |own: Option<u32>, routes: u32| own.filter(|_| !forced).unwrap_or(routes);
    Terms {
        forbids_stale: !forced && said.forbids_stale(),
        allows_credentials: said.allows_credentials(),
        relies_on_shared: inquiry.caller != crate::request::Caller::Anonymous && !said.allows_credentials(),
        forced,
        needs_validation: !forced && said.no_cache,
        despite: Despite::default(),
        while_revalidate: bound(said.stale_while_revalidate, route.while_revalidate),
        if_error: bound(said.stale_if_error, route.if_error),
    }
}

/// Whether a response can answer without being validated: fresh, or stale within its bounds.
fn is_of_use(terms: &Terms, lifetime: u32, age: u32) -> bool {
    !terms.needs_validation && age < lifetime.saturating_add(terms.stale_bound())
}

/// What forbids to store a response, whatever its freshness (RFC 9111 §3); where nothing does, what is overlooked for that.
fn permit(
    forced: Option<&Forced>,
    said: &directive::Response,
    status: u16,
    response: &Headers,
) -> Result<Despite, Refusal> {
    let allowed = forced.map(|forced| forced.despite).unwrap_or_default();
    // §5.2.2.3: who understands the status may overlook no-store; who does not must not store.
    if said.must_understand && !is_understood(status) {
        return Err(Refusal::Status);
    }
    let is_withheld = || said.withheld.iter().any(|name| name == b"set-cookie");
    let despite = Despite {
        private: said.private,
        no_store: said.no_store && !said.must_understand,
        set_cookie: response.first("set-cookie").is_some() && !is_withheld(),
    };
    if despite.no_store && !allowed.no_store || is_makeshift(response) {
        return Err(Refusal::NoStore);
    }
    if despite.private && !allowed.private {
        return Err(Refusal::Private);
    }
    if despite.set_cookie && !allowed.set_cookie {
        return Err(Refusal::SetCookie);
    }
    Ok(despite)
}

/// Whether somebody has answered in the upstream's place while its breaker or its bulkhead refused.
pub fn is_makeshift(response: &Headers) -> bool {
    response.first(header::FALLBACK).is_some()
}

/// The status of a response.
pub fn status(response: &Headers) -> Option<u16> {
    std::str::from_utf8(response.first(":status")?).ok()?.parse().ok()
}

/// The body's length as the response says it.
fn length(response: &Headers) -> Result<Option<u64>, Refusal> {
    match response.sole("content-length") {
        Sole::Absent => Ok(None),
        Sole::Value(digits) if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) => {
            let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
            number.map(Some).ok_or(Refusal::Size)
        }
        Sole::Value(_) | Sole::Repeated => Err(Refusal::Length),
    }
}

/// The headers that are stored (RFC 9111 §3.1): not those of the connection, not those that are made anew for each
/// answer, no cookies, none that the response withholds. A response without a usable `Date` has one from now on (RFC
/// 9110 §6.6.1).
fn stored_headers(response: &Headers, said: &directive::Response, missing_date: Option<u64>) -> Headers {
    let listed = of_connection(response);
    let is_stored = |name: &[u8]| {
        let is_replaced = missing_date.is_some() && name == b"date";
        let is_listed = listed.iter().any(|listed| listed.eq_ignore_ascii_case(name));
        let is_withheld = said.withheld.iter().any(|withheld| withheld == name);
        !is_of_one_exchange(name) && !is_replaced && !is_listed && !is_withheld
    };
    let date = missing_date.map(date::format);
    let mut pairs = Vec::with_capacity(response.len() + 1);
    for (name, value) in response {
        if is_stored(name) {
            pairs.push((name, value));
        }
    }
    if let Some(date) = &date {
        pairs.push((b"date", date.as_bytes()));
    }
    Headers::from_pairs(&pairs)
}

/// The fields that `Connection` names.
pub(crate) fn of_connection(response: &Headers) -> Vec<&[u8]> {
    let names = response.all("connection").flat_map(|line| line.split(|&byte| byte == b','));
    names.map(<[u8]>::trim_ascii).filter(|name| !name.is_empty()).collect()
}

/// The headers of a response that answers now: as [`admit_whole`] would have stored them, and those that it withholds from
/// others.
pub fn headers_for_use(response: &Headers, now: Instant) -> Headers {
    let missing_date = freshness::date(response, now).is_none().then_some(now.unix_seconds());
    stored_headers(response, &directive::Response::default(), missing_date)
}

/// Whether a header belongs to one exchange and not to the response as such.
pub(crate) fn is_of_one_exchange(name: &[u8]) -> bool {
    /// RFC 9110 §7.6.1 and RFC 9111 §3.1.
    const HOP: [&[u8]; 10] = [
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"proxy-authorization",
    ];
    /// Made anew for each answer: by this cache, by the host, by `correlation`. Cookies are one client's.
    const ANEW: [&[u8]; 6] =
        [b"age", b"content-length", b"x-request-id", b"x-correlation-id", b"set-cookie", b"set-cookie2"];
    // Of Envoy: how long the upstream took, how often it was tried.
    HOP.contains(&name) || ANEW.contains(&name) || name.starts_with(b":") || name.starts_with(b"x-envoy-")
}

#[cfg(test)]
mod tests;
