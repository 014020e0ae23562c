//! An order to purge, as it is written: the form of a query, as in `provider=spotify&data_type=search_results&mode=soft`.
//!
//! | member | what is purged |
//! |---|---|
//! | `everything` | everything |
//! | `provider=`, `data_type=` | what routes with this label store; with both, what has both |
//! | `prefix=` | the URLs that begin so: a path like `/api/`, of any host, or `https://host/path` |
//! | `tag=` | what bears one of these tags, parted by commas |
//! | `url=` | this URL alone, as `https://host/path?query` |
//! | `cell=` | what a fleet shares of the URLs of these cells, parted by commas, and what is kept apart by caller or by body |
//! | `mode=` | `hard` (the default): as if it had never been stored; `soft`: as if it had just become stale |
//!
//! One kind of scope an order. Values are percent-encoded where they have to be.
//!
//! `cell=` is how proxies tell each other of URLs that are too long or too many to be named. A proxy of an earlier version takes it
//! for `everything`, as it does whatever it cannot read.

use std::fmt;

use super::{key, tag};

/// A longer order is none.
const BYTES_MAX: usize = 4096;
/// More tags are not purged by one order.
const TAGS_MAX: usize = 256;
/// So much of a URL's path and query says what begins as it does.
const BEGINNING_MAX: usize = 1024;

/// What is to be purged, and how.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Order {
    /// What.
    pub scope: Scope,
    /// How.
    pub mode: Mode,
}

/// What is to be purged.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Scope {
    /// Everything.
    Everything,
    /// The URL with this [primary key](key::primary).
    Url(Vec<u8>),
    /// The URLs that begin so: the beginning of a key, or of a path.
    Prefix(Vec<u8>),
    /// What routes with these labels store; one of the two may be empty, which is any.
    Labels {
        /// The upstream's.
        provider: Vec<u8>,
        /// The data's.
        data_type: Vec<u8>,
    },
    /// What bears tags of these cells.
    Tags(Vec<u16>),
    /// What is not the [directories'](crate::stored) business of the URLs whose primary keys have these [cells](tag::cell).
    Cells(Vec<u16>),
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Mode {
    /// It is as if it had never been stored.
    #[default]
    Hard,
    /// It is as if it had just become stale.
    Soft,
}

/// Why a text is no order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mistake {
    /// It names nothing to purge.
    Empty,
    /// It is longer than 4 KiB, or names more than 256 tags.
    Long,
    /// It has a member that is none, twice the same, or one with a value that it cannot have.
    Member,
    /// It names two kinds of scope.
    Scopes,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "The order names nothing to purge",
            Self::Long => "The order is too long",
            Self::Member => "The order has a member that cannot be read",
            Self::Scopes => "The order names more than one kind of scope",
        })
    }
}

impl Order {
    /// Reads an order.
    ///
    /// # Errors
    /// Why it is none. Nothing is purged by half.
    pub fn parse(text: &[u8]) -> Result<Self, Mistake> {
        if text.len() > BYTES_MAX {
            return Err(Mistake::Long);
        }
        let mut mode = None;
        let mut scope: Option<Scope> = None;
        for member in text.split(|&byte| byte == b'&').filter(|member| !member.is_empty()) {
            let at = member.iter().position(|&byte| byte == b'=').unwrap_or(member.len());
            let (name, value) = member.split_at_checked(at).unwrap_or_default();
            let value = decode(value.get(1..).unwrap_or_default()).ok_or(Mistake::Member)?;
            if name == b"mode" {
                let meant = match value.as_slice() {
                    b"hard" => Mode::Hard,
                    b"soft" => Mode::Soft,
                    _ => return Err(Mistake::Member),
                };
                if mode.replace(meant).is_some() {
                    return Err(Mistake::Member);
                }
                continue;
            }
            let meant = Scope::read(name, value)?;
            scope = Some(match scope {
                None => meant,
                Some(known) => known.with(meant)?,
            });
        }
        Ok(Self { scope: scope.ok_or(Mistake::Empty)?, mode: mode.unwrap_or_default() })
    }

    /// Writes an order that takes what has this primary key: its URL alone or, where that would be no order, since it is too
    /// long, all URLs that begin as it does.
    pub fn of_key(key: &[u8], mode: Mode) -> Vec<u8> {
        let [scheme, authority, target] = key::parts(key).unwrap_or_default();
        let url = Self::of_url(scheme, authority, target, mode);
        if Self::parse(&url) == Ok(Self { scope: Scope::Url(key.to_vec()), mode }) {
            return url;
        }
        // Three bytes of an order write one of a URL at the most.
        let target = target.get(..BEGINNING_MAX).unwrap_or(target);
        let mut text = b"prefix=".to_vec();
        text.extend(Self::of_url(scheme, authority, target, mode).split_off(b"url=".len()));
        if Self::parse(&text).is_ok() { text } else { b"everything".to_vec() }
    }

    /// Writes an order that names one URL.
    pub fn of_url(scheme: &[u8], authority: &[u8], target: &[u8], mode: Mode) -> Vec<u8> {
        let mut text = b"url=".to_vec();
        for part in [scheme, b"://", authority, target] {
            encode(&mut text, part);
        }
        if mode == Mode::Soft {
            text.extend(b"&mode=soft");
        }
        text
    }
}

impl Scope {
    fn read(name: &[u8], value: Vec<u8>) -> Result<Self, Mistake> {
        if name == b"everything" {
            return if value.is_empty() { Ok(Self::Everything) } else { Err(Mistake::Member) };
        }
        if value.is_empty() {
            return Err(Mistake::Member);
        }
        match name {
            b"provider" => Ok(Self::Labels { provider: value, data_type: Vec::new() }),
            b"data_type" => Ok(Self::Labels { provider: Vec::new(), data_type: value }),
            b"prefix" if value.starts_with(b"/") => Ok(Self::Prefix(value)),
            b"prefix" => url(&value).map(Self::Prefix).ok_or(Mistake::Member),
            b"url" => url(&value).map(Self::Url).ok_or(Mistake::Member),
            b"tag" => {
                let cells: Vec<u16> = tag::split(&value).map(tag::cell).collect();
                if cells.len() > TAGS_MAX {
                    return Err(Mistake::Long);
                }
                if cells.is_empty() { Err(Mistake::Member) } else { Ok(Self::Tags(cells)) }
            }
            b"cell" => {
                let mut cells = Vec::new();
                for digits in value.split(|&byte| byte == b',') {
                    let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
                    cells.push(number.filter(|cell| *cell < tag::CELLS).ok_or(Mistake::Member)?);
                }
                Ok(Self::Cells(cells))
            }
            _ => Err(Mistake::Member),
        }
    }

    /// Both labels together are one scope; nothing else is.
    fn with(self, other: Self) -> Result<Self, Mistake> {
        match (self, other) {
            (Self::Labels { provider, data_type }, Self::Labels { provider: second, data_type: other })
                if provider.is_empty() != second.is_empty() && data_type.is_empty() != other.is_empty() =>
            {
                Ok(Self::Labels { provider: [provider, second].concat(), data_type: [data_type, other].concat() })
            }
            (Self::Labels { .. }, Self::Labels { .. }) => Err(Mistake::Member),
            _ => Err(Mistake::Scopes),
        }
    }
}

/// The primary key of an absolute URL.
fn url(text: &[u8]) -> Option<Vec<u8>> {
    let at = text.windows(3).position(|window| window == b"://")?;
    let (scheme, rest) = text.split_at_checked(at)?;
    let rest = rest.get(3..)?;
    let slash = rest.iter().position(|&byte| byte == b'/')?;
    let (authority, target) = rest.split_at_checked(slash)?;
    let is_good = matches!(scheme, b"http" | b"https") && !authority.is_empty() && !text.contains(&b' ');
    is_good.then(|| key::primary(scheme, authority, target))
}

fn encode(text: &mut Vec<u8>, bytes: &[u8]) {
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/' | b':') {
            text.push(byte);
        } else {
            let digit = |value: u8| char::from_digit(u32::from(value), 16).map_or(b'0', |digit| digit as u8);
            text.extend([b'%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
}

/// Undoes percent-encoding; `None` where a sign of it stands alone, or a control character comes out.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(&byte) = rest.next() {
        let byte = if byte == b'%' {
            let mut digit = || char::from(*rest.next()?).to_digit(16);
            u8::try_from(digit()? << 4 | digit()?).ok()?
        } else {
            byte
        };
        if byte.is_ascii_control() {
            return None;
        }
        bytes.push(byte);
    }
    Some(bytes)
}
