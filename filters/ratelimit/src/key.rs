//! Whose bucket a request takes from: the user's, the client address's, a header's, the upstream's, or that of several
//! of these together.

use std::net::{IpAddr, Ipv6Addr};

use policy::handover::header;
use policy::headers::Sole;
use policy::{Fingerprint, Headers, Seed};

use crate::rule::{ANONYMOUS, Account};

/// What one bucket belongs to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Key(Vec<Part>);

/// One part of a key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Part {
    /// The user that `auth` found; a caller without one is known by its address.
    User,
    /// The API key that `auth` found, by its id; a caller without one is known by its address.
    ApiKey,
    /// The tier that `auth` found; a caller without one is anonymous.
    Tier,
    /// The client's address, or the network that it is in.
    Address(Prefixes),
    /// Every value of a header, by its name in lower case; a caller that sends none is known by its address, so that
    /// leaving the header out evades nothing.
    Header(String),
    /// The template, path or prefix of the route that matched; never the path itself, of which a client has many.
    Path,
    /// The method; those that RFC 9110 and RFC 5789 do not name are one.
    Method,
    /// The upstream: of a rule without routes, the same for every caller.
    Upstream,
}

/// How many bits of an address tell clients apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Prefixes {
    /// Of 32.
    pub v4: u8,
    /// Of 128.
    pub v6: u8,
}

impl Default for Prefixes {
    /// A whole IPv4 address, and of IPv6 what one customer is given, who could otherwise call from 2⁶⁴ addresses.
    fn default() -> Self {
        Self { v4: 32, v6: 64 }
    }
}

impl Prefixes {
    /// Reads what follows `address`: nothing, `/V6` or `/V4/V6`.
    pub fn parse(text: &str) -> Option<Self> {
        let bits = |text: &str, most: u8| text.parse().ok().filter(|bits| (1..=most).contains(bits));
        if text.is_empty() {
            return Some(Self::default());
        }
        let text = text.strip_prefix('/')?;
        match text.split_once('/') {
            Some((v4, v6)) => Some(Self { v4: bits(v4, 32)?, v6: bits(v6, 128)? }),
            None => Some(Self { v6: bits(text, 128)?, ..Self::default() }),
        }
    }
}

impl Key {
    /// A key of these parts.
    pub const fn new(parts: Vec<Part>) -> Self {
        Self(parts)
    }

    /// Its parts.
    pub fn parts(&self) -> &[Part] {
        &self.0
    }

    /// Whether all callers share one bucket.
    pub fn is_shared(&self) -> bool {
        self.0.iter().all(|part| *part == Part::Upstream)
    }

    /// Whether it is made of headers.
    pub fn reads_headers(&self) -> bool {
        self.0.iter().any(|part| !matches!(part, Part::Address(_) | Part::Path | Part::Upstream))
    }

    /// The fingerprint of a request's key. Client-chosen bytes are used for nothing else. `address` is asked only
    /// where the key needs it.
    pub fn fingerprint<'a>(
        &self,
        seed: &Seed,
        headers: &Headers,
        account: &Account,
        address: impl FnOnce() -> &'a Client,
    ) -> Fingerprint {
        let mut parts: Vec<&[u8]> = Vec::with_capacity(2 * self.0.len() + 2);
        let mut prefixes = None;
        for part in &self.0 {
            let tag = part.tag();
            let name = match part {
                Part::User => header::USER,
                Part::ApiKey => header::API_KEY,
                Part::Header(name) => name.as_str(),
                Part::Tier => {
                    parts.extend([tag, sole(headers, header::TIER).unwrap_or(ANONYMOUS.as_bytes())]);
                    continue;
                }
                Part::Path => {
                    parts.extend([tag, account.pattern.as_bytes()]);
                    continue;
                }
                Part::Method => {
                    parts.extend([tag, method(sole(headers, ":method").unwrap_or_default())]);
                    continue;
                }
                Part::Upstream => {
                    parts.extend([tag, account.provider.as_bytes()]);
                    continue;
                }
                Part::Address(own) => {
                    prefixes = Some(*own);
                    continue;
                }
            };
            let before = parts.len();
            parts.extend(headers.all(name).flat_map(|value| [tag, value]));
            if parts.len() == before {
                prefixes = prefixes.or(Some(Prefixes::default()));
            }
        }
        let network = prefixes.map(|prefixes| address().network(prefixes));
        if let Some(network) = &network {
            parts.extend([ADDRESS, network]);
        }
        seed.fingerprint(parts)
    }

    /// The fingerprint of the caller whose parts are these words, one for each part.
    pub fn fingerprint_of(&self, seed: &Seed, words: &[String]) -> Fingerprint {
        let mut parts: Vec<&[u8]> = Vec::with_capacity(2 * self.0.len());
        let mut network = None;
        for (part, word) in self.0.iter().zip(words) {
            match part {
                Part::Address(prefixes) => network = Some(Client::parse(Some(word.as_bytes())).network(*prefixes)),
                _ => parts.extend([part.tag(), word.as_bytes()]),
            }
        }
        if let Some(network) = &network {
            parts.extend([ADDRESS, network]);
        }
        seed.fingerprint(parts)
    }
}

impl Part {
    /// Tells the parts of a key apart. A colon begins no header's name, so the others are no header's tags.
    fn tag(&self) -> &[u8] {
        match self {
            Self::User => b":user",
            Self::ApiKey => b":api_key",
            Self::Tier => b":tier",
            Self::Address(_) => ADDRESS,
            Self::Header(name) => name.as_bytes(),
            Self::Path => b":path",
            Self::Method => b":method",
            Self::Upstream => b":upstream",
        }
    }
}

const ADDRESS: &[u8] = b":address";

fn sole<'a>(headers: &'a Headers, name: &'a str) -> Option<&'a [u8]> {
    match headers.sole(name) {
        Sole::Value(value) => Some(value),
        Sole::Absent | Sole::Repeated => None,
    }
}

/// A client that makes up methods gains nothing by it.
fn method(said: &[u8]) -> &[u8] {
    const KNOWN: [&[u8]; 9] = [b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"CONNECT", b"TRACE"];
    if KNOWN.contains(&said) { said } else { b"" }
}

/// A client's network address, without the port.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Client {
    /// An IP address.
    Ip(IpAddr),
    /// What is none: a pipe, an internal listener, or nothing that the host knows.
    Other(Vec<u8>),
}

impl Client {
    /// Reads the property `source.address`: `192.0.2.1:5000`, `[2001:db8::1]:5000`. What is no IP address counts as it
    /// stands, and what the host does not know is one client.
    pub fn parse(property: Option<&[u8]>) -> Self {
        let text = property.unwrap_or_default();
        let ip = std::str::from_utf8(text).ok().and_then(address);
        ip.map_or_else(|| Self::Other(text.to_vec()), Self::Ip)
    }

    /// What tells its network from others: 4 bytes for IPv4, 16 for IPv6, and text for anything else.
    pub fn network(&self, prefixes: Prefixes) -> Vec<u8> {
        match self {
            Self::Ip(IpAddr::V4(v4)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(prefixes.v4)).unwrap_or(0);
                (u32::from(*v4) & mask).to_be_bytes().to_vec()
            }
            Self::Ip(IpAddr::V6(v6)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(prefixes.v6)).unwrap_or(0);
                Ipv6Addr::from_bits(v6.to_bits() & mask).octets().to_vec()
            }
            Self::Other(text) => text.clone(),
        }
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

#[cfg(test)]
mod tests;
