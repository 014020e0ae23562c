//! What a successful unsafe request makes unusable (RFC 9111 §4.4): what is stored for its own URL, and for those of
//! the same origin that the response names.

use policy::{Fingerprint, Headers, Seed};

use crate::purge::{Mode, Order, Scope};
use crate::{admission, key, reference, remote};

/// A URL whose stored responses are unusable.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Voided {
    /// Its fingerprint in this proxy.
    pub print: Fingerprint,
    /// And in the fleet (see [`crate::remote`]).
    pub fleet: [u8; 16],
}

impl Voided {
    /// The URL of a primary key.
    pub fn of(seed: &Seed, key: &[u8]) -> Self {
        Self { print: seed.fingerprint([key]), fleet: remote::print(key) }
    }
}

/// An unsafe request on its way.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Invalidation {
    scheme: Vec<u8>,
    authority: Vec<u8>,
    target: Vec<u8>,
    /// Targets under which routes keep the same, and whether they keep more of it than can be named here.
    others: Vec<(Vec<u8>, bool)>,
}

impl Invalidation {
    /// By the request's own URL.
    pub fn new(scheme: &[u8], authority: &[u8], target: &[u8]) -> Self {
        Self { scheme: scheme.to_vec(), authority: authority.to_vec(), target: target.to_vec(), others: Vec::new() }
    }

    /// Adds a target under which a route keeps answers of the same URL. Where they are `scattered`, over callers or bodies,
    /// only a purge reaches them.
    pub fn add(&mut self, target: &[u8], scattered: bool) {
        match self.others.iter_mut().find(|(other, _)| other == target) {
            Some((_, known)) => *known |= scattered,
            None if scattered || target != self.target => self.others.push((target.to_vec(), scattered)),
            None => {}
        }
    }

    /// The targets of what only a purge reaches.
    pub fn scattered(&self) -> impl Iterator<Item = &[u8]> {
        self.others.iter().filter(|(_, scattered)| *scattered).map(|(target, _)| target.as_slice())
    }

    /// The order to purge one of them: its text, and what that says.
    pub fn order(&self, target: &[u8]) -> (Vec<u8>, Order) {
        let scope = Scope::Url(key::primary(&self.scheme, &self.authority, target));
        let text = Order::of_url(&self.scheme, &self.authority, target, Mode::Hard);
        (text, Order { scope, mode: Mode::Hard })
    }

    /// What the response makes unusable: nothing where it is an error.
    pub fn voided(&self, seed: &Seed, response: &Headers) -> Vec<Voided> {
        if !admission::status(response).is_some_and(|status| (200..400).contains(&status)) {
            return Vec::new();
        }
        let own = key::primary(&self.scheme, &self.authority, &self.target);
        let named = ["location", "content-location"].into_iter().filter_map(|name| {
            let key = reference::resolve(response.first(name)?, &self.scheme, &self.authority, &self.target)?;
            (key != own).then_some(key)
        });
        let mut keys: Vec<_> = named.collect();
        keys.dedup();
        for (target, _) in self.others.iter().filter(|(target, _)| *target != self.target) {
            keys.push(key::primary(&self.scheme, &self.authority, target));
        }
        keys.push(own);
        keys.iter().map(|key| Voided::of(seed, key)).collect()
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
        let seed = Seed::from_random([7; 16]);
        for (status, location, content, expected) in rows {
            let mut pairs = vec![(b":status".as_slice(), status.as_bytes())];
            for (name, value) in [(b"location".as_slice(), location), (b"content-location", content)] {
                if !value.is_empty() {
                    pairs.push((name, value.as_bytes()));
                }
            }
            let voided = Invalidation::new(b"http", b"h", b"/a/b").voided(&seed, &Headers::from_pairs(&pairs));
            let url = |target: &&str| Voided::of(&seed, &key::primary(b"http", b"h", target.as_bytes()));
            assert_eq!(voided, expected.iter().map(url).collect::<Vec<_>>(), "{status} {location} {content}");
        }
    }
}
