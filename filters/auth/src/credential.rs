//! One credential as a request shows it, and the same request without it.
//!
//! What is taken away is taken away exactly: of a cookie header the one cookie, of a query the one parameter; every byte
//! beside them stays what it was.

use std::borrow::Cow;

use crate::refusal::Refusal;
use crate::source::{Kind, Place, Source};

/// What a request shows of its caller.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Shown<'a> {
    /// No credential.
    Nothing,
    /// One.
    One(Credential<'a>),
    /// More than one, be they equal: whoever picks one of them picks another than the next hop may (RFC 6750 §2).
    Several,
}

/// One credential, not looked at yet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Credential<'a> {
    /// Where it was found.
    pub source: &'a Source,
    /// What stands there.
    pub raw: &'a [u8],
}

impl<'a> Credential<'a> {
    /// What it is.
    pub const fn kind(&self) -> Kind {
        self.source.kind
    }

    /// The token or key itself, without its scheme or its encoding.
    pub(crate) fn bytes(&self) -> Result<Cow<'a, [u8]>, Refusal> {
        let bytes = match (&self.source.scheme, self.source.place) {
            (Some(scheme), _) => Cow::Borrowed(after_scheme(self.raw, scheme)?),
            (None, Place::Query) => plain(self.raw).ok_or(Refusal::Malformed)?,
            (None, Place::Header | Place::Cookie) => Cow::Borrowed(self.raw),
        };
        // Envoy joins some headers that are repeated, other proxies join all; no token and no key has a comma.
        if self.source.place == Place::Header && bytes.contains(&b',') {
            return Err(Refusal::Repeated);
        }
        if bytes.is_empty() { Err(Refusal::Malformed) } else { Ok(bytes) }
    }
}

/// What stands behind a scheme, which may be in any case (RFC 9110 §11.1), and blanks.
fn after_scheme<'a>(value: &'a [u8], expected: &str) -> Result<&'a [u8], Refusal> {
    let end = value.iter().position(|&byte| byte == b' ').unwrap_or(value.len());
    let (scheme, rest) = value.split_at_checked(end).unwrap_or_default();
    if scheme.is_empty() {
        return Err(Refusal::Malformed);
    }
    if !scheme.eq_ignore_ascii_case(expected.as_bytes()) {
        return Err(Refusal::Scheme);
    }
    // What is not base64url is found when it is decoded; an empty token is no token.
    let start = rest.iter().position(|&byte| byte != b' ');
    start.and_then(|start| rest.get(start..)).ok_or(Refusal::Malformed)
}

/// The cookies of one `Cookie` header, by name and value (RFC 6265 §5.4). Blanks around either are no part of it; a
/// cookie without `=` is a name without a value.
pub fn cookies(header: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    header.split(|&byte| byte == b';').map(|cookie| {
        let (name, value) = halves(cookie);
        (name.trim_ascii(), value.trim_ascii())
    })
}

/// A `Cookie` header without the cookies of a name; `None` where nothing is left of it.
pub fn without_cookie(header: &[u8], name: &str) -> Option<Vec<u8>> {
    let kept = header.split(|&byte| byte == b';').filter(|cookie| halves(cookie).0.trim_ascii() != name.as_bytes());
    let kept: Vec<_> = kept.collect();
    // The blank behind a separator goes with the separator.
    let left = kept.join(&b';').trim_ascii_start().to_vec();
    Some(left).filter(|left| !left.is_empty())
}

/// The parameters of a path's query, by their names and values, both encoded.
pub fn parameters(path: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    query(path).1.split(|&byte| byte == b'&').map(halves)
}

/// A path without the parameters that are `unwanted`, by their encoded names; a query without parameters goes too.
pub fn without_parameters(path: &[u8], unwanted: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let (before, query, fragment) = query(path);
    let kept: Vec<_> = query.split(|&byte| byte == b'&').filter(|parameter| !unwanted(halves(parameter).0)).collect();
    let query = kept.join(&b'&');
    let mark: &[u8] = if query.is_empty() { b"" } else { b"?" };
    [before, mark, &query, fragment].concat()
}

/// Whether an encoded name, decoded, is this one. One that cannot be decoded is none.
pub fn is_named(encoded: &[u8], name: &str) -> bool {
    decoded(encoded).eq(name.bytes().map(Some))
}

/// What comes before the query, the query without its mark, and what comes behind it.
fn query(path: &[u8]) -> (&[u8], &[u8], &[u8]) {
    let end = path.iter().position(|&byte| byte == b'#').unwrap_or(path.len());
    let (path, fragment) = path.split_at_checked(end).unwrap_or((path, b""));
    let mark = path.iter().position(|&byte| byte == b'?').unwrap_or(path.len());
    let (before, query) = path.split_at_checked(mark).unwrap_or((path, b""));
    (before, query.get(1..).unwrap_or_default(), fragment)
}

fn halves(pair: &[u8]) -> (&[u8], &[u8]) {
    let end = pair.iter().position(|&byte| byte == b'=').unwrap_or(pair.len());
    let (name, value) = pair.split_at_checked(end).unwrap_or((pair, b""));
    (name, value.get(1..).unwrap_or_default())
}

/// What percent-encoding stands for; `None` where it is none.
fn plain(encoded: &[u8]) -> Option<Cow<'_, [u8]>> {
    if encoded.iter().all(|byte| !matches!(byte, b'%' | b'+')) {
        return Some(Cow::Borrowed(encoded));
    }
    decoded(encoded).collect::<Option<Vec<u8>>>().map(Cow::Owned)
}

/// The bytes that an encoded text stands for, as forms are encoded; one that is `None` stands for nothing.
fn decoded(encoded: &[u8]) -> impl Iterator<Item = Option<u8>> {
    let mut bytes = encoded.iter();
    std::iter::from_fn(move || {
        let digit = |byte: Option<&u8>| byte.and_then(|&byte| char::from(byte).to_digit(16));
        Some(match bytes.next()? {
            b'%' => match (digit(bytes.next()), digit(bytes.next())) {
                (Some(high), Some(low)) => u8::try_from(high * 16 + low).ok(),
                _ => None,
            },
            b'+' => Some(b' '),
            &byte => Some(byte),
        })
    })
}

#[cfg(test)]
mod tests;
