//! What a request asks of the cache, read from its headers once.

use policy::handover::header;
use policy::headers::Sole;
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

/// Whether a method may change what is stored: what is not known to be safe is not (RFC 9110 §9.2.1, RFC 9111 §4.4). A
/// tunnel changes nothing.
pub fn is_unsafe(method: &[u8]) -> bool {
    !matches!(method, b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE" | b"CONNECT")
}

/// Says what is to be done with a request; `has_body` tells whether anything follows its headers.
pub fn plan(config: &Config, seed: &Seed, headers: Headers, has_body: bool) -> Plan {
    let pass = |why, detail| Plan::Pass { why, detail, invalidates: None };
    let fields = Fields::read(&headers);
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
        method if is_unsafe(method) => {
            let invalidates = Some(Box::new(Invalidation::new(fields.scheme, authority, fields.target)));
            return Plan::Pass { why: Forward::Method, detail: None, invalidates };
        }
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
    if let Some(field) = fields.beyond {
        return pass(Forward::Bypass, Some(field));
    }
    let bytes_max = match search {
        Some(search) => gathering::expect(search, &headers, has_body),
        // RFC 9110 §9.3.1: content in a GET has no meaning that a key could show.
        None if has_body => Err("content"),
        None => Ok(0),
    };
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
    let inquiry = Inquiry { route, headers, key, print, said, caller, is_head, purpose, wants_whole };
    match wait {
        Some(wait) => Plan::Gather(Gathering { inquiry, bytes_max, wait }),
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
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const SEED: Seed = Seed::from_random([7; 16]);

    fn planned(method: &str, path: &str, more: &[(&str, &str)], has_body: bool) -> Plan {
        let config = Config::from_json(
            br#"{"routes": [{"match": {"path": "/own"}, "shared": true}, {"match": {"prefix": "/api/"}}]}"#,
        );
        let own = [(":method", method), (":scheme", "http"), (":authority", "a"), (":path", path)];
        let lines = own.iter().chain(more);
        let pairs: Vec<_> = lines.map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        plan(&config.unwrap(), &SEED, Headers::from_pairs(&pairs), has_body)
    }

    fn asked(method: &str, path: &str, more: &[(&str, &str)]) -> Inquiry {
        match planned(method, path, more, false) {
            Plan::Ask(inquiry) => inquiry,
            other => panic!("{method} {path}: {other:?}"),
        }
    }

    #[test]
    fn a_get_and_a_head_ask_for_the_same() {
        let (get, head) = (asked("GET", "/api/a?b", &[]), asked("HEAD", "/api/a?b", &[]));
        assert_eq!((get.key.as_slice(), get.route, get.is_head), (b"GET http a /api/a?b".as_slice(), 1, false));
        assert_eq!((head.key, head.print, head.is_head), (get.key, get.print, true));
    }

    #[test]
    fn what_a_cache_cannot_answer_passes() {
        type Row =
            (&'static str, &'static str, &'static [(&'static str, &'static str)], bool, Forward, Option<&'static str>);
        let rows: [Row; 8] = [
            ("GET", "/other", &[], false, Forward::Bypass, None),
            ("OPTIONS", "/api/a", &[], false, Forward::Method, None),
            ("TRACE", "/api/a", &[], false, Forward::Method, None),
            ("GET", "/api/a", &[("if-match", "\"a\"")], false, Forward::Bypass, Some("precondition")),
            ("GET", "/api/a", &[("if-unmodified-since", "")], false, Forward::Bypass, Some("precondition")),
            ("GET", "/api/a", &[("upgrade", "websocket")], false, Forward::Bypass, Some("upgrade")),
            ("GET", "/api/a", &[], true, Forward::Bypass, Some("content")),
            ("GET", "", &[], false, Forward::Bypass, None),
        ];
        for (method, path, more, has_body, expected, reason) in rows {
            match planned(method, path, more, has_body) {
                Plan::Pass { why, detail, invalidates: None } => {
                    assert_eq!((why, detail), (expected, reason), "{method} {path} {more:?}");
                }
                other => panic!("{method} {path} {more:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn an_unsafe_request_invalidates_whatever_its_route() {
        // RFC 9111 §4.4
        let own = Box::new(Invalidation::new(b"http", b"a", b"/api/a"));
        for method in ["POST", "PUT", "DELETE", "PATCH", "UNHEARD-OF"] {
            let Plan::Pass { why, invalidates, .. } = planned(method, "/api/a", &[], true) else { panic!("{method}") };
            assert_eq!((why, invalidates), (Forward::Method, Some(own.clone())), "{method}");
            let plan = planned(method, "/other", &[], true);
            assert!(matches!(plan, Plan::Pass { invalidates: Some(_), .. }), "{method}");
        }
    }

    #[test]
    fn a_route_that_keeps_nothing_leaves_all_but_what_changes_something() {
        let config = Config::from_json(
            br#"{"routes": [{"match": {"path": "/a/b", "headers": {"x-a": "1"}}, "keeps": false}, {"match": {"prefix": "/a/"}},
                {"match": {}, "keeps": false}]}"#,
        );
        let config = config.unwrap();
        let planned = |line: &str| {
            let [method, path, a] = [0, 1, 2].map(|index| line.split(' ').nth(index).unwrap_or_default().as_bytes());
            let pairs: [(&[u8], &[u8]); 5] =
                [(b":method", method), (b":scheme", b"http"), (b":authority", b"h"), (b":path", path), (b"x-a", a)];
            match plan(&config, &SEED, Headers::from_pairs(&pairs), false) {
                Plan::Leave => "left",
                Plan::Pass { invalidates: Some(_), .. } => "ends",
                Plan::Pass { .. } => "passes",
                Plan::Ask(_) => "asks",
                Plan::Gather(_) => "gathers",
            }
        };
        for (line, expected) in [
            ("GET /a/b 1", "left"),
            ("GET /a/b 2", "asks"),
            ("GET /a/c 1", "asks"),
            ("GET /b 1", "left"),
            ("HEAD /b 1", "left"),
            ("OPTIONS /b 1", "left"),
            ("OPTIONS /a/c 1", "passes"),
            ("PUT /a/b 1", "ends"),
            ("DELETE /b 1", "ends"),
        ] {
            assert_eq!(planned(line), expected, "{line}");
        }
    }

    #[test]
    fn whose_key_purges_is_said_by_the_first_route_that_keeps_something() {
        let (one, other) = ("41".repeat(32), "42".repeat(32));
        let config = format!(
            r#"{{"routes": [{{"match": {{}}, "keeps": false}}, {{"match": {{"prefix": "/a/", "methods": ["GET"]}}, "purge_key_sha256": "{one}"}},
                {{"match": {{"prefix": "/s", "methods": ["POST"]}}, "body": {{"key": "json"}}, "purge_key_sha256": "{other}"}},
                {{"match": {{"prefix": "/n"}}}}]}}"#
        );
        let config = Config::from_json(config.as_bytes()).unwrap();
        for (path, expected) in [("/a/1", Some(0x41)), ("/s", Some(0x42)), ("/n", None), ("/o", None)] {
            let pairs: [(&[u8], &[u8]); 3] =
                [(b":method", b"PURGE"), (b":authority", b"h"), (b":path", path.as_bytes())];
            let key = purge_key(&config, &Headers::from_pairs(&pairs)).map(|key| key[0]);
            assert_eq!(key, expected, "{path}");
        }
    }

    #[test]
    fn a_route_that_headers_choose_has_keys_of_its_own() {
        let key = |routes: &str, value: &str| {
            let config =
                Config::from_json(format!(r#"{{"routes": [{routes}, {{"match": {{}}}}]}}"#).as_bytes()).unwrap();
            let pairs: [(&[u8], &[u8]); 5] = [
                (b":method", b"GET"),
                (b":scheme", b"http"),
                (b":authority", b"h"),
                (b":path", b"/x"),
                (b"x-a", value.as_bytes()),
            ];
            match plan(&config, &SEED, Headers::from_pairs(&pairs), false) {
                Plan::Ask(inquiry) => inquiry.key,
                other => panic!("{other:?}"),
            }
        };
        let of = |more: &str| key(&format!(r#"{{"match": {{"headers": {{"x-a": "1"{more}"#), "1");
        let (plain, first) = (key(r#"{"match": {"path": "/y"}}"#, "1"), of("}}, \"upstream\": \"a\"}"));
        assert_eq!((plain.as_slice(), key::url(&first)), (b"GET http h /x".as_slice(), Some(plain.as_slice())));
        // A place in the configuration, a path or a lifetime says nothing of whose answers these are; headers and upstream do.
        assert_eq!(of("}, \"path\": \"/x\"}, \"upstream\": \"a\", \"ttl\": \"1h\"}"), first);
        assert_ne!(of("}}, \"upstream\": \"b\"}"), first);
        let two = r#"{"match": {"headers": {"x-a": "2"}}, "upstream": "a"}"#;
        assert_ne!(key(two, "2"), first);
        assert_eq!(key(&format!(r#"{two}, {{"match": {{"headers": {{"x-a": "1"}}}}, "upstream": "a"}}"#), "1"), first);
    }

    #[test]
    fn a_caller_is_known_by_what_auth_says() {
        let (user, credential) = (("x-weir-user", "alice"), ("authorization", "Bearer x"));
        for (more, expected, particular) in [
            (vec![], Caller::Anonymous, [false, false]),
            (vec![user], Caller::Known, [false, true]),
            (vec![credential], Caller::Unjudged, [true, true]),
            (vec![credential, user], Caller::Known, [false, true]),
        ] {
            let config = Config::from_json(br#"{"routes": [{"match": {}, "shared": true}, {"match": {}}]}"#).unwrap();
            let caller = asked("GET", "/own", &more).caller;
            assert_eq!(caller, expected);
            assert_eq!([0, 1].map(|route: usize| caller.is_particular(&config.routes[route])), particular);
        }
    }
}
