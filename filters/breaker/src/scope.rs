//! Whose failures count together: all of an upstream's, or those of one route, one host, or one value of a header.

use std::borrow::Cow;
use std::num::NonZeroU32;

use policy::{Fingerprint, Headers, Seed};

use crate::set;
use crate::state::State;

/// What an upstream has a breaker for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Scope {
    /// One for all.
    Upstream,
    /// One for each of its routes.
    Route,
    /// One for each host that requests name, in a table of so many slots.
    Host(NonZeroU32),
    /// One for each value of this header, in a table of so many slots. Requests without it share one.
    Header(String, NonZeroU32),
}

/// Where in shared data the state of one breaker is.
#[derive(Debug)]
pub struct Place<'a> {
    /// Under this key.
    pub key: Cow<'a, str>,
    print: Option<Fingerprint>,
}

impl Scope {
    /// Whether it takes the proxy's seed to say which breaker is a request's.
    pub const fn is_hashed(&self) -> bool {
        matches!(self, Self::Host(_) | Self::Header(..))
    }

    /// Which of the table's breakers is a request's, where there is a table.
    pub fn print(&self, seed: &Seed, headers: &Headers) -> Option<Fingerprint> {
        match self {
            Self::Upstream | Self::Route => None,
            Self::Host(_) => {
                let host = headers.first(":authority").unwrap_or_default().to_ascii_lowercase();
                Some(seed.fingerprint([host.as_slice()]))
            }
            Self::Header(name, _) => Some(seed.fingerprint(headers.all(name))),
        }
    }

    /// Where one slot of the table below this key is.
    pub fn slot(key: &str, slot: u32) -> String {
        [key, "/", &slot.to_string()].concat()
    }

    /// Where all slots of the table below this key are.
    pub fn table(&self, key: &str) -> impl Iterator<Item = String> {
        let slots = if let Self::Host(slots) | Self::Header(_, slots) = self { slots.get() } else { 0 };
        (0..slots).map(move |slot| Self::slot(key, slot))
    }

    /// Where the breaker of a print is, whose route has its state under `key` or its table below it.
    pub fn place<'a>(&self, key: &'a str, print: Option<Fingerprint>) -> Place<'a> {
        let key = match (self, print) {
            (Self::Host(slots) | Self::Header(_, slots), Some(print)) => {
                Cow::Owned(Self::slot(key, print.slot(*slots)))
            }
            _ => Cow::Borrowed(key),
        };
        Place { key, print }
    }
}

impl Place<'_> {
    /// The place as a log can name it: below the upstream's name, the route's, or a number that only this proxy knows.
    pub fn name(&self, upstream_key: &str, upstream: &str) -> String {
        let below = match self.print {
            Some(print) => {
                let number = print.to_bytes().first_chunk().copied().unwrap_or_default();
                format!("/{:08x}", u32::from_le_bytes(number))
            }
            None => self.key.strip_prefix(upstream_key).unwrap_or_default().to_owned(),
        };
        [upstream, &below].concat()
    }

    /// Reads the state out of the value under the key.
    pub fn read(&self, bytes: &[u8]) -> State {
        self.print.map_or_else(|| State::read(bytes), |print| set::read(bytes, print))
    }

    /// Writes the state into the value under the key.
    pub fn write(&self, state: &State, bytes: &mut Vec<u8>) {
        match self.print {
            Some(print) => set::write(bytes, print, state),
            None => state.write(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const SEED: Seed = Seed::from_random([7; 16]);
    const SLOTS: NonZeroU32 = NonZeroU32::MIN.saturating_add(15);

    /// Whether two requests meet one breaker.
    fn same(scope: &Scope, one: &[(&[u8], &[u8])], other: &[(&[u8], &[u8])]) -> bool {
        let print = |pairs| scope.print(&SEED, &Headers::from_pairs(pairs));
        print(one) == print(other)
    }

    #[test]
    fn hosts_are_told_apart_whatever_their_case() {
        let scope = Scope::Host(SLOTS);
        assert!(same(&scope, &[(b":authority", b"a.example")], &[(b":authority", b"A.Example")]));
        assert!(!same(&scope, &[(b":authority", b"a.example")], &[(b":authority", b"b.example")]));
    }

    #[test]
    fn values_are_told_apart_and_who_has_none_shares_one() {
        let scope = Scope::Header("x-tenant".to_owned(), SLOTS);
        assert!(same(&scope, &[(b"x-tenant", b"a")], &[(b"x-tenant", b"a"), (b"x", b"y")]));
        assert!(!same(&scope, &[(b"x-tenant", b"a")], &[(b"x-tenant", b"A")]));
        assert!(!same(&scope, &[(b"x-tenant", b"a")], &[(b"x-tenant", b"a"), (b"x-tenant", b"b")]));
        assert!(same(&scope, &[], &[(b"x", b"y")]));
        assert!(!same(&scope, &[], &[(b"x-tenant", b"")]));
    }

    #[test]
    fn a_table_has_so_many_keys_and_no_more() {
        let scope = Scope::Header("x-tenant".to_owned(), SLOTS);
        let mut keys = std::collections::BTreeSet::new();
        for tenant in 0..1000_u32 {
            let tenant = tenant.to_le_bytes();
            let headers = Headers::from_pairs(&[(b"x-tenant", &tenant)]);
            keys.insert(scope.place("weir.breaker.s", scope.print(&SEED, &headers)).key.into_owned());
        }
        assert_eq!(keys.len(), 16);
        assert!(keys.contains("weir.breaker.s/0"), "{keys:?}");
    }

    #[test]
    fn a_log_names_the_route_and_never_the_value() {
        let name = |scope: &Scope, key: &str, print| scope.place(key, print).name("weir.breaker.s", "s");
        assert_eq!(name(&Scope::Upstream, "weir.breaker.s", None), "s");
        assert_eq!(name(&Scope::Route, "weir.breaker.s/search", None), "s/search");
        let scope = Scope::Header("x-api-key".to_owned(), SLOTS);
        let print = scope.print(&SEED, &Headers::from_pairs(&[(b"x-api-key", b"secret")]));
        let name = name(&scope, "weir.breaker.s", print);
        assert!(name.len() == 10 && name.starts_with("s/"), "{name}");
    }

    #[test]
    fn without_a_table_the_key_is_the_place() {
        for scope in [Scope::Upstream, Scope::Route] {
            assert_eq!(scope.print(&SEED, &Headers::default()), None);
            let place = scope.place("weir.breaker.s", None);
            let (mut bytes, state) = (Vec::new(), State { trips: 3, ..State::default() });
            place.write(&state, &mut bytes);
            assert_eq!(
                (place.key.as_ref(), place.read(&bytes), State::read(&bytes)),
                ("weir.breaker.s", state.clone(), state)
            );
        }
    }
}
