//! What a successful unsafe request makes unusable (RFC 9111 §4.4): what is stored for its own URL, and for those of
//! the same origin that the response names.

use policy::Headers;
use policy::route::without_query;

use crate::config::{Config, Route};
use crate::{admission, key, reference};

/// What is kept of a URL under one primary key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Kept {
    /// The key, without what a route adds to it to tell callers and bodies apart.
    pub key: Vec<u8>,
    /// Whether a route adds any such thing: then only a purge reaches all that is kept.
    pub is_scattered: bool,
}

/// All that routes may keep of the URL with this primary key, whatever a request for it says in its headers: the URL as it
/// is, and as they normalise it.
pub fn kept(config: &Config, key: &[u8]) -> Vec<Kept> {
    let mut all = vec![Kept { key: key.to_vec(), is_scattered: false }];
    let Some([scheme, authority, target]) = key::parts(key) else { return all };
    for route in keepers(config, authority, target) {
        let key = key::primary(scheme, authority, &route.normalise(target));
        let is_scattered = route.is_scattered();
        match all.iter_mut().find(|kept| kept.key == key) {
            Some(kept) => kept.is_scattered |= is_scattered,
            None => all.push(Kept { key, is_scattered }),
        }
    }
    all
}

/// The routes that may keep something of a URL: what a `GET` of it or a search there is answered with.
fn keepers<'c>(config: &'c Config, authority: &[u8], target: &[u8]) -> Vec<&'c Route> {
    let path = without_query(target);
    let mut keepers = config.keepers("GET", authority, path);
    keepers.extend(config.keepers("POST", authority, path).into_iter().filter(|route| route.search.is_some()));
    keepers
}

/// An unsafe request on its way.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Invalidation {
    scheme: Vec<u8>,
    authority: Vec<u8>,
    target: Vec<u8>,
    /// Path and query of the request that it is part of.
    whole: Option<Vec<u8>>,
}

impl Invalidation {
    /// By the request's own URL.
    pub fn new(scheme: &[u8], authority: &[u8], target: &[u8]) -> Self {
        Self { scheme: scheme.to_vec(), authority: authority.to_vec(), target: target.to_vec(), whole: None }
    }

    /// By the URL of a request with these headers.
    pub fn of(headers: &Headers) -> Self {
        let [scheme, authority, target] =
            [":scheme", ":authority", ":path"].map(|name| headers.first(name).unwrap_or_default());
        Self::new(scheme, authority, target)
    }

    /// Of a request that is part of one for this path and query of the same origin, whose URL it changes as well.
    pub fn part_of(&mut self, whole: Vec<u8>) {
        self.whole = Some(whole);
    }

    /// What the response makes unusable: nothing where it is an error.
    pub fn voided(&self, config: &Config, response: &Headers) -> Vec<Kept> {
        if !admission::status(response).is_some_and(|status| (200..400).contains(&status)) {
            return Vec::new();
        }
        let own = key::primary(&self.scheme, &self.authority, &self.target);
        let named = ["location", "content-location"]
            .into_iter()
            .filter_map(|name| reference::resolve(response.first(name)?, &self.scheme, &self.authority, &self.target));
        let whole = self.whole.as_ref().map(|whole| key::primary(&self.scheme, &self.authority, whole));
        let mut keys = Vec::new();
        for key in named.chain(whole).chain([own]) {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        // What is ended is remembered, and soon told to the fleet, both within bounds: not of what nobody keeps.
        let may_be_kept = |key: &&Vec<u8>| {
            key::parts(key).is_some_and(|[_, authority, target]| !keepers(config, authority, target).is_empty())
        };
        keys.iter().filter(may_be_kept).flat_map(|key| kept(config, key)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn what_succeeds_ends_what_it_names() {
        // RFC 9111 §4.4: (status, Location, Content-Location, the targets of what is unusable)
        let rows: [(&str, &str, &str, &[&str]); 9] = [
            ("200", "", "", &["/a/b"]),
            ("201", "/new", "", &["/new", "/a/b"]),
            ("204", "", "c", &["/a/c", "/a/b"]),
            ("303", "/x", "/y", &["/x", "/y", "/a/b"]),
            ("200", "/x", "/x", &["/x", "/a/b"]),
            ("200", "http://other/x", "//h/y", &["/y", "/a/b"]),
            ("200", "/a/b", "", &["/a/b"]),
            ("404", "/x", "/y", &[]),
            ("500", "/x", "/y", &[]),
        ];
        let config = Config::from_json(br#"{"routes": [{"match": {}}]}"#).unwrap();
        for (status, location, content, expected) in rows {
            let mut pairs = vec![(b":status".as_slice(), status.as_bytes())];
            for (name, value) in [(b"location".as_slice(), location), (b"content-location", content)] {
                if !value.is_empty() {
                    pairs.push((name, value.as_bytes()));
                }
            }
            let voided = Invalidation::new(b"http", b"h", b"/a/b").voided(&config, &Headers::from_pairs(&pairs));
            let url = |target: &&str| kept(target, false);
            assert_eq!(voided, expected.iter().map(url).collect::<Vec<_>>(), "{status} {location} {content}");
        }
    }

    #[test]
    fn what_is_part_of_a_request_ends_what_that_names() {
        let config = Config::from_json(
            br#"{"routes": [{"match": {"path": "/orders"}, "query": {"ignore": ["a"]}}, {"match": {"prefix": "/a/"}}]}"#,
        );
        let config = config.unwrap();
        for (status, whole, expected) in [
            ("200", "/orders", &["/orders"][..]),
            ("200", "/orders?a=1", &["/orders?a=1", "/orders"]),
            ("200", "/a/b", &["/a/b"]),
            ("201", "/a/c", &["/a/c"]),
            ("200", "/nobody", &[]),
            ("500", "/orders", &[]),
        ] {
            let mut invalidation = Invalidation::new(b"http", b"h", b"/part");
            invalidation.part_of(whole.as_bytes().to_vec());
            let voided = invalidation.voided(&config, &Headers::from_pairs(&[(b":status", status.as_bytes())]));
            let url = |target: &&str| kept(target, false);
            assert_eq!(voided, expected.iter().map(url).collect::<Vec<_>>(), "{status} {whole}");
        }
    }

    #[test]
    fn what_nobody_keeps_does_not_end() {
        let config = Config::from_json(
            br#"{"routes": [{"match": {"path": "/a/private", "methods": ["GET"]}, "keeps": false}, {"match": {"prefix": "/a/"}},
                {"match": {"headers": {"x-a": "1"}, "path": "/b"}}, {"match": {}, "keeps": false}, {"match": {"path": "/c"}}]}"#,
        );
        let config = config.unwrap();
        for (target, is_ended) in [("/a/b", true), ("/a/private", false), ("/b", true), ("/c", false)] {
            let headers = Headers::from_pairs(&[(b":status", b"200")]);
            let voided = Invalidation::new(b"http", b"h", target.as_bytes()).voided(&config, &headers);
            assert_eq!(!voided.is_empty(), is_ended, "{target}");
            assert!(voided.iter().all(|kept| kept.is_scattered == (target == "/b")), "{target}");
        }
    }

    fn kept(target: &str, is_scattered: bool) -> Kept {
        Kept { key: key::primary(b"http", b"h", target.as_bytes()), is_scattered }
    }

    #[test]
    fn a_url_is_kept_as_each_route_says_that_may_be_asked_for_it() {
        let config = Config::from_json(
            br#"{"routes": [
                {"match": {"prefix": "/a", "hosts": ["other"]}, "isolate": "tier"},
                {"match": {"prefix": "/a", "headers": {"x-kind": "1"}}, "query": {"ignore": ["c"]}},
                {"match": {"prefix": "/a", "methods": ["GET"]}, "query": {"sort": true}},
                {"match": {"prefix": "/a", "methods": ["POST"]}, "query": {"ignore": ["d"]}},
                {"match": {"prefix": "/s", "methods": ["POST"]}, "ttl": "1h", "body": {"key": "json"}, "query": {"sort": true}},
                {"match": {"prefix": "/u/"}, "isolate": "user"},
                {"match": {}, "query": {}}
            ]}"#,
        );
        let config = config.unwrap();
        let rows: [(&str, &[(&str, bool)]); 6] = [
            ("/a", &[("/a", true)]),
            ("/a?d&c", &[("/a?d&c", false), ("/a?d", true), ("/a?c&d", false)]),
            ("/s?d&c", &[("/s?d&c", false), ("/s?c&d", true)]),
            ("/s", &[("/s", true)]),
            ("/u/1?%41", &[("/u/1?%41", true)]),
            ("/other?%41", &[("/other?%41", false), ("/other?A", false)]),
        ];
        for (target, expected) in rows {
            let expected: Vec<_> = expected.iter().map(|(target, is_scattered)| kept(target, *is_scattered)).collect();
            assert_eq!(super::kept(&config, &kept(target, false).key), expected, "{target}");
        }
        assert_eq!(super::kept(&config, b"x").len(), 1);
    }
}
