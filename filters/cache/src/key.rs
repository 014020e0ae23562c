//! Cache keys (RFC 9111 §2) and the request fields that select among several responses of one URL (§4.1).
//!
//! The primary key is `GET`, scheme, authority, path and query, written out: a fingerprint finds the place, and the
//! whole key decides. What a request says in the fields that `Vary` names is written out too, in a form in which
//! requests that mean the same are the same bytes, as far as §4.1 allows and no farther.
//!
//! ```text
//! GET scheme authority target                                    what every key begins with
//!     LF kind length:4 name ...                                  of which route, where headers choose it; whose it is,
//!                                                                where that tells callers apart
//!     LF B body                                                  that it is a search, in its canonical form
//! ```
//! So the URL of every key can be told, and purges of a URL take whatever is kept of it.

pub use policy::purge::key::{parts, primary};
pub use policy::stored::tag;
use policy::{Headers, Seed};

use crate::directive::is_token;

/// Longer lists of field names are not stored.
pub const VARY_LENGTH_MAX: usize = 128;

/// Fields whose values have no case and no blanks that matter (RFC 9110 §12.5.2 to §12.5.4).
const CASELESS: [&str; 3] = ["accept-charset", "accept-encoding", "accept-language"];
/// Those of them in which the order says nothing. That of languages is a preference to some (§12.5.4).
const ORDERLESS: [&str; 2] = ["accept-charset", "accept-encoding"];

/// Longer lists are compared as they are.
const LIST_MAX: usize = 32;

/// Says in a key whose answers it is about: of which route, of which caller; `kind` is for one kind of name each.
pub fn isolate(key: &mut Vec<u8>, kind: u8, name: &[u8]) {
    key.extend([BESIDE, kind]);
    key.extend(u32::try_from(name.len()).unwrap_or(u32::MAX).to_le_bytes());
    key.extend_from_slice(name);
}

/// Makes a key that of a `POST` with a body of this form. It comes last, so that its end is the key's.
pub fn search(key: &mut Vec<u8>, form: &[u8]) {
    key.extend([BESIDE, b'B']);
    key.extend_from_slice(form);
}

/// What begins that which a key has beside its URL; no URL has it, since no header has.
const BESIDE: u8 = b'\n';

/// The key of the URL alone; `None` where that is the key already.
pub fn url(key: &[u8]) -> Option<&[u8]> {
    let at = key.iter().position(|&byte| byte == BESIDE)?;
    key.get(..at)
}

/// The cell of the URL of a key, by which orders name what directories do not know of.
pub fn cell(key: &[u8]) -> u16 {
    crate::tag::cell(url(key).unwrap_or(key))
}

/// Something with its name.
pub(crate) type Named<'a> = (&'a [u8], &'a [u8]);

/// So many things are sorted in a moment, in the order of whoever wants it to take longer.
const SORTED_MAX: usize = 256;

/// Puts things into the order of their names, those of one name in theirs; `None` where they are too many.
pub(crate) fn ordered<'n, 'a>(things: &[(&'n [u8], &'a [u8])]) -> Option<Vec<(&'n [u8], &'a [u8])>> {
    if things.len() > SORTED_MAX {
        return None;
    }
    let mut sorted: Vec<(&[u8], &[u8])> = Vec::with_capacity(things.len());
    for thing in things {
        let at = sorted.partition_point(|other| other.0 <= thing.0);
        sorted.insert(at, *thing);
    }
    Some(sorted)
}

/// The field names of a response's `Vary`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Vary(String);

impl Vary {
    /// Reads all lines of the field; `None` where no other request can be known to match: `*`, a name that is no token,
    /// or more names than are kept.
    ///
    /// `authorization` counts as `*`: `auth` may have taken that field away, and then all callers look alike.
    pub fn parse<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Option<Self> {
        Self::read(&mut lines.into_iter())
    }

    fn read(lines: &mut dyn Iterator<Item = &[u8]>) -> Option<Self> {
        let mut names: Vec<String> = Vec::new();
        for member in lines.flat_map(|line| line.split(|&byte| byte == b',')) {
            let name = member.trim_ascii();
            if name == b"*" || !name.iter().all(|&byte| is_token(byte)) || name.len() > VARY_LENGTH_MAX {
                return None;
            }
            let name = std::str::from_utf8(name).ok()?.to_ascii_lowercase();
            if name == "authorization" {
                return None;
            }
            let at = names.iter().position(|other| *other >= name).unwrap_or(names.len());
            if !name.is_empty() && names.get(at) != Some(&name) {
                names.insert(at, name);
            }
        }
        let names = names.join(",");
        (names.len() <= VARY_LENGTH_MAX).then_some(Self(names))
    }

    /// Takes back what [`Vary::as_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        std::str::from_utf8(bytes).ok().map(|names| Self(names.to_owned()))
    }

    /// The names in lower case and in order, with commas between.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.split(',').filter(|name| !name.is_empty())
    }

    /// What a request says in these fields, written out. Requests of the same bytes are answered by the same response.
    pub fn values(&self, request: &Headers) -> Vec<u8> {
        let mut written = Vec::new();
        for name in self.names() {
            let caseless = CASELESS.contains(&name);
            let mut value = Vec::new();
            let mut absent = true;
            for line in request.all(name) {
                // §4.1: several lines of one field are one list.
                if !absent {
                    value.push(b',');
                }
                absent = false;
                if caseless {
                    let said = line.iter().filter(|byte| !matches!(byte, b' ' | b'\t'));
                    value.extend(said.map(u8::to_ascii_lowercase));
                } else {
                    value.extend_from_slice(line.trim_ascii());
                }
            }
            if ORDERLESS.contains(&name) && value.split(|&byte| byte == b',').count() <= LIST_MAX {
                value = sorted(&value);
            }
            // §4.1: what is absent matches only what is absent; an empty value is a value.
            written.push(u8::from(!absent));
            written.extend(u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes());
            written.extend(value);
        }
        written
    }
}

/// The members of a list, each once, without the weight that is meant where none is said (RFC 9110 §12.4.2).
fn sorted(list: &[u8]) -> Vec<u8> {
    let members = list.split(|&byte| byte == b',').filter(|member| !member.is_empty());
    let mut sorted: Vec<&[u8]> = Vec::new();
    for member in members {
        let member = member.strip_suffix(b";q=1").unwrap_or(member);
        let at = sorted.iter().position(|other| *other >= member).unwrap_or(sorted.len());
        if sorted.get(at) != Some(&member) {
            sorted.insert(at, member);
        }
    }
    sorted.join(&b',')
}

/// The tag of what a request says in the fields of `vary`; zero where no field is named.
pub fn variant(seed: &Seed, vary: &[u8], values: &[u8]) -> u64 {
    if vary.is_empty() { 0 } else { tag(seed.fingerprint([vary, values])) }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn key(scheme: &str, authority: &str, target: &str) -> Vec<u8> {
        primary(scheme.as_bytes(), authority.as_bytes(), target.as_bytes())
    }

    #[test]
    fn urls_that_are_the_same_have_one_key() {
        // RFC 9110 §4.2.3
        assert_eq!(key("http", "Example.COM:80", "/a"), key("HTTP", "example.com", "/a"));
        assert_eq!(key("https", "example.com:443", "/a"), key("https", "example.com", "/a"));
    }

    #[test]
    fn urls_that_differ_have_keys_that_differ() {
        let urls = [
            ("http", "a", "/"),
            ("https", "a", "/"),
            ("http", "a:443", "/"),
            ("https", "a:80", "/"),
            ("http", "b", "/"),
            ("http", "a", "/?"),
            ("http", "a", "/A"),
            ("http", "a", "/a"),
            ("http", "a", "/a?b"),
            ("http", "a", "/a%2f"),
            ("http", "a", "/a%2F"),
        ];
        for (index, one) in urls.iter().enumerate() {
            for other in &urls[..index] {
                assert_ne!(key(one.0, one.1, one.2), key(other.0, other.1, other.2), "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn what_stands_beside_a_url_is_never_taken_for_something_else() {
        type Beside = (Option<(u8, &'static str)>, Option<&'static str>);
        let all: [Beside; 13] = [
            (None, None),
            (None, Some("{}")),
            (None, Some("")),
            (None, Some("U\u{1}\0\0\0a")),
            (Some((b'U', "a")), None),
            (Some((b'T', "a")), None),
            (Some((b'R', "a")), None),
            (Some((b'U', "a")), Some("{}")),
            (Some((b'U', "b")), Some("{}")),
            (Some((b'U', "a\nB{}")), None),
            (Some((b'U', "a\nB")), Some("{}")),
            (Some((b'U', "")), None),
            (Some((b'U', "ab")), None),
        ];
        let keys = all.map(|(name, body)| {
            let mut key = key("http", "a", "/s?q");
            if let Some((kind, name)) = name {
                isolate(&mut key, kind, name.as_bytes());
            }
            if let Some(body) = body {
                search(&mut key, body.as_bytes());
            }
            key
        });
        for (index, one) in keys.iter().enumerate() {
            assert!(keys[..index].iter().all(|other| other != one), "{:?}", all[index]);
            assert_eq!(url(one), (index > 0).then_some(b"GET http a /s?q".as_slice()));
        }
    }

    #[test]
    fn vary_is_read_as_a_list_of_names() {
        let rows: [(&[&str], Option<&str>); 11] = [
            (&[], Some("")),
            (&[""], Some("")),
            (&["Accept-Encoding"], Some("accept-encoding")),
            (&["B, a", "b,,C"], Some("a,b,c")),
            (&["*"], None),
            (&["accept, *"], None),
            (&["accept", "*"], None),
            (&["accept language"], None),
            (&["\"accept\""], None),
            (&["Authorization"], None),
            (&["\u{ff}"], None),
        ];
        for (lines, expected) in rows {
            let vary = Vary::parse(lines.iter().map(|line| line.as_bytes()));
            assert_eq!(vary.as_ref().map(|vary| vary.0.as_str()), expected, "{lines:?}");
        }
        let long = "a".repeat(VARY_LENGTH_MAX);
        assert!(Vary::parse([long.as_bytes()]).is_some());
        assert_eq!(Vary::parse([long.as_bytes(), b"b"]), None);
    }

    #[test]
    fn fields_are_compared_as_far_as_their_meaning_is_known() {
        // RFC 9111 §4.1: (Vary, one request, another, whether a response to one answers the other)
        type Lines = &'static [(&'static str, &'static str)];
        let rows: [(&str, Lines, Lines, bool); 15] = [
            ("", &[("x-a", "1")], &[("x-a", "2")], true),
            ("x-a", &[("x-a", "1")], &[("x-a", "1"), ("x-b", "2")], true),
            ("x-a", &[("x-a", "1")], &[("x-a", "2")], false),
            ("x-a", &[("x-a", "a")], &[("x-a", "A")], false),
            ("x-a", &[], &[("x-a", "")], false),
            ("x-a", &[], &[], true),
            ("x-a", &[("x-a", " 1\t")], &[("x-a", "1")], true),
            ("x-a", &[("x-a", "1"), ("x-a", "2")], &[("x-a", "1,2")], true),
            ("x-a", &[("x-a", "1"), ("x-a", "2")], &[("x-a", "2"), ("x-a", "1")], false),
            ("accept-encoding", &[("accept-encoding", "GZIP, br")], &[("accept-encoding", "gzip,br")], true),
            ("accept-encoding", &[("accept-encoding", "br,, gzip;q=1")], &[("accept-encoding", "gzip,br,br")], true),
            ("accept-language", &[("accept-language", "de, en")], &[("accept-language", "DE,en")], true),
            ("accept-language", &[("accept-language", "de, en")], &[("accept-language", "en, de")], false),
            ("accept-encoding", &[("accept-encoding", "gzip;q=0")], &[("accept-encoding", "gzip")], false),
            ("x-a,x-b", &[("x-a", "1")], &[("x-b", "1")], false),
        ];
        for (vary, one, other, expected) in rows {
            let vary = Vary::parse([vary.as_bytes()]).unwrap();
            let values = |lines: Lines| {
                let pairs: Vec<_> = lines.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
                vary.values(&Headers::from_pairs(&pairs))
            };
            assert_eq!(values(one) == values(other), expected, "{vary:?} {one:?} {other:?}");
        }
    }
}
