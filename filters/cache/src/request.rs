//! What a request asks of the cache, read from its headers once.

use policy::handover::header;
use policy::headers::Sole;
use policy::method::is_unsafe;
use policy::route::{Target, without_query};
use policy::{Fingerprint, Headers, Seed};

use crate::config::{Config, Found, Isolation, KeyDigest, Route};
use crate::gathering::{self, Gathering};
use crate::invalidation::Invalidation;
use crate::status::Forward;
use crate::{directive, key};

/// What is to be done with a request.
#[derive(Debug)]
pub enum Plan {
    /// It is forwarded, and nothing of it is this cache's matter: its route keeps nothing.
    Leave,
    /// It is forwarded, and its response is not stored.
    Pass {
        /// Why.
        why: Forward,
        /// More of why, as a token.
        detail: Option<&'static str>,
        /// What becomes unusable once this request has succeeded.
        invalidates: Option<Box<Invalidation>>,
    },
    /// It may be answered from the store.
    Ask(Inquiry),
    /// The same, once its body is known.
    Gather(Gathering),
}

impl Plan {
    /// The same of a request that is part of one for this path and query.
    #[must_use]
    pub fn part_of(mut self, whole: Option<Vec<u8>>) -> Self {
        match (&mut self, whole) {
            (Self::Pass { invalidates: Some(invalidation), .. }, Some(whole)) => invalidation.part_of(whole),
            (Self::Gather(gathering), whole) => gathering.whole = whole,
            _ => {}
        }
        self
    }
}

/// A request that may be answered from the store.
#[derive(Debug)]
pub struct Inquiry {
    /// Which route it is of, as an index.
    pub route: usize,
    /// Its headers.
    pub headers: Headers,
    /// Its primary key.
    pub key: Vec<u8>,
    /// The fingerprint of its key.
    pub print: Fingerprint,
    /// Its `Cache-Control`.
    pub said: directive::Request,
    /// Who asks.
    pub caller: Caller,
    /// Whether it is a `HEAD`.
    pub is_head: bool,
    /// What it is for.
    pub purpose: Purpose,
    /// It has neither a range nor a precondition.
    pub wants_whole: bool,
    /// It is no search either, and has no directives.
    pub is_plain: bool,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// To see what is at a URL.
    Look,
    /// To search, as a `POST` with its body in the key: nothing validates its answer, and whoever refreshes it needs the body.
    Search,
    /// This cache's own, which wants no stored answer but a new one.
    Refresh,
}

impl Inquiry {
    /// Whether it has its body in the key.
    pub fn is_search(&self) -> bool {
        self.purpose == Purpose::Search
    }

    /// Whether it is this cache's own.
    pub fn is_refresh(&self) -> bool {
        self.purpose == Purpose::Refresh
    }
}

/// Who asks, as far as a cache has to know (RFC 9111 §3.5).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Caller {
    /// Nobody in particular.
    Anonymous,
    /// Somebody whom `auth` knows.
    Known,
    /// Somebody with a credential that only the upstream can judge.
    Unjudged,
}

impl Caller {
    /// Whether the caller's identity keeps responses from being stored and reused unless they allow it.
    pub const fn is_particular(self, route: &Route) -> bool {
        match self {
            Self::Anonymous => false,
            Self::Known => !route.admits_known(),
            Self::Unjudged => true,
        }
    }
}

/// The fields of a request that decide whether the cache has anything to do with it.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each says that one field is there")]
struct Fields<'a> {
    method: &'a [u8],
    scheme: &'a [u8],
    authority: &'a [u8],
    target: &'a [u8],
    /// The first of the fields that only the upstream can answer.
    beyond: Option<&'static str>,
    authorization: bool,
    user: bool,
    /// It has directives for caches.
    directives: bool,
    /// It wants a part, or nothing where nothing has changed.
    wishes: bool,
}

impl<'a> Fields<'a> {
    fn read(headers: &'a Headers) -> Self {
        let mut fields = Self::default();
        for (name, value) in headers {
            match name {
                b":method" => fields.method = value,
                b":scheme" => fields.scheme = value,
                b":authority" => fields.authority = value,
                b":path" => fields.target = value,
                b"authorization" => fields.authorization = true,
                // RFC 9111 §4.3.2: these two are for the origin alone.
                b"if-match" | b"if-unmodified-since" => fields.beyond = Some("precondition"),
                b"upgrade" => fields.beyond = Some("upgrade"),
                b"cache-control" | b"pragma" => fields.directives = true,
                b"if-none-match" | b"if-modified-since" | b"range" => fields.wishes = true,
                name => fields.user |= name == header::USER.as_bytes(),
            }
        }
        fields
    }
}

/// Whose key purges what the request names: that of the first route that keeps what a `GET` or a search of this URL is
/// answered with, whichever route a `PURGE` itself would take. `None` where that route, if any, has no key.
pub fn purge_key<'a>(config: &'a Config, headers: &Headers) -> Option<&'a KeyDigest> {
    let of = |method| route(config, method, headers).and_then(|route| route.purge_key.as_ref());
    of(b"GET".as_slice()).or_else(|| of(b"POST"))
}

/// The route of a request that keeps what one with this method is answered with.
pub fn route<'a>(config: &'a Config, method: &[u8], headers: &Headers) -> Option<&'a Route> {
    let fields = Fields::read(headers);
    let (authority, path) = (fields.authority, without_query(fields.target));
    let target = Target { method, authority, path, headers };
    config.routes.iter().find(|route| route.matches.matches(&target))
}

/// Says what is to be done with a request; `has_body` tells whether anything follows its headers.
pub fn plan(config: &Config, seed: &Seed, headers: Headers, has_body: bool) -> Plan {
    let pass = |why, detail| Plan::Pass { why, detail, invalidates: None };
    let fields = Fields::read(&headers);
    // What may change something, whatever the reason to let it pass.
    let change = |why, detail| Plan::Pass { why, detail, invalidates: Some(Box::new(Invalidation::of(&headers))) };
    if fields.scheme.is_empty() || fields.authority.is_empty() || fields.target.is_empty() {
        return pass(Forward::Bypass, None);
    }
    let (method, authority, path) = (fields.method, fields.authority, without_query(fields.target));
    let target = Target { method, authority, path, headers: &headers };
    let found = config.find(&target);
    let search = match found {
        Found::Route(_, route) if method == b"POST" => route.search.as_ref(),
        _ => None,
    };
    match method {
        b"GET" | b"HEAD" => {}
        b"POST" if search.is_some() => {}
        method if is_unsafe(method) => return change(Forward::Method, None),
        _ if matches!(found, Found::Idle) => return Plan::Leave,
        _ => return pass(Forward::Method, None),
    }
    let (route, kept) = match found {
        Found::Route(index, route) => (index, route),
        Found::Idle => return Plan::Leave,
        Found::Nowhere => return pass(Forward::Bypass, None),
    };
    // What a GET of another route is answered with says nothing about this one.
    if method == b"HEAD"
        && !matches!(config.find(&Target { method: b"GET", ..target }), Found::Route(get, _) if get == route)
    {
        return pass(Forward::Bypass, Some("head"));
    }
    let bytes_max = match (fields.beyond, search) {
        (Some(field), _) => Err(field),
        (None, Some(search)) => gathering::expect(search, &headers, has_body),
        // RFC 9110 §9.3.1: content in a GET has no meaning that a key could show.
        (None, None) if has_body => Err("content"),
        (None, None) => Ok(0),
    };
    // A POST that is no search is as unsafe as on any other route; one that is too long is a search all the same.
    if let Err(detail) = bytes_max
        && search.is_some()
        && detail != gathering::TOO_LONG
    {
        return change(Forward::Bypass, Some(detail));
    }
    let (bytes_max, key) = match bytes_max.and_then(|bytes_max| Ok((bytes_max, primary(kept, &fields, &headers)?))) {
        Ok(known) => known,
        Err(detail) => return pass(Forward::Bypass, Some(detail)),
    };
    let caller = match (fields.user, fields.authorization) {
        (true, _) => Caller::Known,
        (false, true) => Caller::Unjudged,
        (false, false) => Caller::Anonymous,
    };
    let (is_head, wait) = (method == b"HEAD", search.map(|search| search.wait));
    let print = seed.fingerprint([key.as_slice()]);
    let said = if fields.directives {
        directive::Request::parse(headers.all("cache-control"), headers.all("pragma"))
    } else {
        directive::Request::default()
    };
    let purpose = if wait.is_some() { Purpose::Search } else { Purpose::Look };
    let wants_whole = !fields.wishes;
    let is_plain = wants_whole && wait.is_none() && !fields.directives;
    let inquiry = Inquiry { route, headers, key, print, said, caller, is_head, purpose, wants_whole, is_plain };
    match wait {
        Some(wait) => Plan::Gather(Gathering { inquiry, bytes_max, wait, whole: None }),
        None => Plan::Ask(inquiry),
    }
}

/// The key of a request on its route, without a body.
fn primary(route: &Route, fields: &Fields<'_>, headers: &Headers) -> Result<Vec<u8>, &'static str> {
    let target = route.normalise(fields.target);
    let mut key = key::primary(fields.scheme, fields.authority, &target);
    if key::url(&key).is_some() {
        // No host lets such a URL through; if one did, it could be another's key.
        return Err("target");
    }
    if let Some(mark) = &route.mark {
        key::isolate(&mut key, b'R', mark);
    }
    if let Some(isolation) = route.isolation {
        // Whom `auth` has not named cannot be told from others.
        match headers.sole(isolation.header()) {
            Sole::Value(name) if !name.is_empty() => key::isolate(&mut key, isolation.kind(), name),
            _ => return Err("isolate"),
        }
        // An API key may be called like a user.
        if let (Isolation::User, Some(api_key)) = (isolation, headers.first(header::API_KEY)) {
            key::isolate(&mut key, b'K', api_key);
        }
    }
    Ok(key)
}

#[cfg(test)]
mod tests;
