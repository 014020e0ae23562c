//! Whose bucket a request takes from: the user, the client's address, a header, the upstream, or these together.

use std::net::{IpAddr, Ipv6Addr};

use policy::handover::header;
use policy::{Fingerprint, Headers, Seed};

/// What one bucket belongs to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Key(Vec<Part>);

/// One part of a key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Part {
    /// The user that `auth` found; a caller without one is known by its address.
    User,
    /// The client's address.
    Address,
    /// Every value of a header, by its name in lower case; a caller that sends none is known by its address, so that
    /// leaving the header out evades nothing.
    Header(String),
    /// The upstream: the same for every caller of a rule.
    Upstream,
}

impl Key {
    /// A key of these parts.
    pub const fn new(parts: Vec<Part>) -> Self {
        Self(parts)
    }

    /// Whether all callers share one bucket.
    pub fn is_shared(&self) -> bool {
        self.0.iter().all(|part| *part == Part::Upstream)
    }

    /// Whether it is made of headers.
    pub fn reads_headers(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::User | Part::Header(_)))
    }

    /// The fingerprint of a request's key. Client-chosen bytes are used for nothing else. `address` is asked only
    /// where the key needs it.
    pub fn fingerprint<'a>(&self, seed: &Seed, headers: &Headers, address: impl FnOnce() -> &'a Client) -> Fingerprint {
        let mut parts: Vec<&[u8]> = Vec::with_capacity(2 * self.0.len());
        let mut by_address = false;
        for part in &self.0 {
            let (tag, name) = match part {
                Part::User => (USER, header::USER),
                Part::Header(name) => (name.as_bytes(), name.as_str()),
                Part::Address => {
                    by_address = true;
                    continue;
                }
                Part::Upstream => continue,
            };
            let before = parts.len();
            parts.extend(headers.all(name).flat_map(|value| [tag, value]));
            by_address |= parts.len() == before;
        }
        if by_address {
            parts.extend([ADDRESS, address().as_bytes()]);
        }
        seed.fingerprint(parts)
    }
}

// A colon begins no header's name, so these are no header's tags.
const USER: &[u8] = b":user";
const ADDRESS: &[u8] = b":address";

/// A client's network address, without the port.
///
/// Of IPv6 only the first 64 bits count: that is what one customer is given, who could otherwise call from
/// 2⁶⁴ addresses.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Client(Vec<u8>);

impl Client {
    /// Reads the property `source.address`: `192.0.2.1:5000`, `[2001:db8::1]:5000`. What is no IP address (a pipe, an
    /// internal listener) counts as it stands, and what the host does not know is one client.
    pub fn parse(property: Option<&[u8]>) -> Self {
        let text = property.unwrap_or_default();
        match std::str::from_utf8(text).ok().and_then(address) {
            Some(IpAddr::V4(v4)) => Self(v4.octets().to_vec()),
            Some(IpAddr::V6(v6)) => Self(network(v6).to_vec()),
            None => Self(text.to_vec()),
        }
    }

    /// What tells it from others: 4 bytes for IPv4, 8 for IPv6, and text for anything else.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

fn address(text: &str) -> Option<IpAddr> {
    let without_port = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((inside, _)) => inside,
        None if text.bytes().filter(|byte| *byte == b':').count() == 1 => text.split_once(':')?.0,
        None => text,
    };
    // `::ffff:192.0.2.1` is an IPv4 client on a socket for both.
    without_port.parse().ok().map(|address: IpAddr| address.to_canonical())
}

fn network(address: Ipv6Addr) -> [u8; 8] {
    let octets = address.octets();
    octets.first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const SEED: Seed = Seed::from_random([7; 16]);

    /// The key's fingerprint for a request with these headers from this address.
    fn print(key: &[Part], headers: &[(&str, &[u8])], from: &str) -> Fingerprint {
        let pairs: Vec<_> = headers.iter().map(|(name, value)| (name.as_bytes(), *value)).collect();
        let client = Client::parse(Some(from.as_bytes()));
        Key::new(key.to_vec()).fingerprint(&SEED, &Headers::from_pairs(&pairs), || &client)
    }

    #[test]
    fn an_address_is_known_without_its_port() {
        for (one, other, same) in [
            ("192.0.2.1:5000", "192.0.2.1:5001", true),
            ("192.0.2.1:5000", "192.0.2.1", true),
            ("192.0.2.1:5000", "192.0.2.2:5000", false),
            ("[::ffff:192.0.2.1]:80", "192.0.2.1:80", true),
            ("[2001:db8::1]:80", "[2001:db8::ffff:1]:81", true),
            ("[2001:db8::1]:80", "2001:db8::2", true),
            ("[2001:db8::1]:80", "[2001:db8:0:1::1]:80", false),
            ("/run/gateway.sock", "/run/gateway.sock", true),
            ("/run/gateway.sock", "/run/other.sock", false),
            ("envoy://one/", "envoy://two/", false),
            ("", "", true),
            ("", "192.0.2.1:80", false),
        ] {
            let client = |text: &str| Client::parse(Some(text.as_bytes()));
            assert_eq!(client(one) == client(other), same, "{one} {other}");
        }
        assert_eq!(Client::parse(None), Client::parse(Some(b"")));
        assert_eq!(Client::parse(Some(b"\xff\xfe")).as_bytes(), b"\xff\xfe");
    }

    #[test]
    fn a_user_is_the_same_from_everywhere_and_nobody_is_an_address() {
        let key = [Part::User];
        let alice = print(&key, &[("x-weir-user", b"alice")], "192.0.2.1:1");
        assert_eq!(alice, print(&key, &[("x-weir-user", b"alice"), ("x-other", b"1")], "192.0.2.2:1"));
        assert_ne!(alice, print(&key, &[("x-weir-user", b"bob")], "192.0.2.1:1"));
        let nobody = print(&key, &[], "192.0.2.1:1");
        assert_eq!(nobody, print(&key, &[], "192.0.2.1:2"));
        assert_ne!(nobody, print(&key, &[], "192.0.2.2:1"));
        assert_ne!(nobody, print(&key, &[("x-weir-user", &[192, 0, 2, 1])], "192.0.2.1:1"));
        assert_ne!(nobody, print(&key, &[("x-weir-user", b"")], "192.0.2.1:1"));
    }

    #[test]
    fn leaving_a_header_out_evades_nothing() {
        let key = [Part::Header("x-api-key".into())];
        let one = print(&key, &[("x-api-key", b"\xff\xfe")], "192.0.2.1:1");
        assert_eq!(one, print(&key, &[("x-api-key", b"\xff\xfe")], "192.0.2.2:1"));
        assert_ne!(one, print(&key, &[("x-api-key", b"\xff\xfe"), ("x-api-key", b"2")], "192.0.2.1:1"));
        assert_eq!(print(&key, &[], "192.0.2.1:1"), print(&key, &[("x-other", b"1")], "192.0.2.1:9"));
        assert_ne!(print(&key, &[], "192.0.2.1:1"), print(&key, &[], "192.0.2.2:1"));
    }

    #[test]
    fn parts_together_tell_more_callers_apart() {
        let key = [Part::Header("a".into()), Part::Header("b".into()), Part::Address, Part::Upstream];
        let both = print(&key, &[("a", b"1"), ("b", b"2")], "192.0.2.1:1");
        assert_eq!(both, print(&key, &[("b", b"2"), ("a", b"1")], "192.0.2.1:7"));
        for other in [
            print(&key, &[("a", b"2"), ("b", b"1")], "192.0.2.1:1"),
            print(&key, &[("a", b"1"), ("b", b"2")], "192.0.2.2:1"),
            print(&key, &[("a", b"1"), ("a", b"2")], "192.0.2.1:1"),
            print(&key, &[("a", b"12"), ("b", b"")], "192.0.2.1:1"),
        ] {
            assert_ne!(both, other);
        }
    }

    #[test]
    fn only_an_upstream_is_shared_by_all_callers() {
        assert!(Key::new(vec![Part::Upstream]).is_shared());
        assert!(!Key::new(vec![Part::Upstream, Part::User]).is_shared());
        let unasked = Headers::default();
        let address = || -> &Client { panic!("this key has no address") };
        Key::new(vec![Part::Upstream]).fingerprint(&SEED, &unasked, address);
    }
}
