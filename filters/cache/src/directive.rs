//! `Cache-Control` (RFC 9111 §5.2), read so that a mistake never makes a response more reusable than it was meant to
//! be.
//!
//! A number that is no number, or that is said twice with different values, makes a response stale and a request
//! unwilling (§4.2.1: "caches are encouraged to consider responses that have invalid freshness information to be
//! stale"). A field that cannot be taken apart at all (a quote that is not closed, a name that is no token) counts as
//! `no-store`: what is behind the mistake may have been just that. Unknown directives are ignored (§5.2.3).

use policy::Headers;

use crate::targeted;

/// More names of fields that are not to be kept make the whole response so.
const WITHHELD_MAX: usize = 32;

/// The largest number of seconds that is told apart (RFC 9111 §1.2.2); about 68 years.
pub const SECONDS_MAX: u32 = i32::MAX as u32;

/// What a response's `Cache-Control` says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a directive that is there or not")]
pub struct Response {
    /// §5.2.2.5; also where the field is malformed.
    pub no_store: bool,
    /// §5.2.2.4, about the whole response.
    pub no_cache: bool,
    /// §5.2.2.7, about the whole response.
    pub private: bool,
    /// The fields that `no-cache="…"` and `private="…"` are about: the rest may be kept without them. In lower case.
    pub withheld: Vec<Vec<u8>>,
    /// §5.2.2.9
    pub public: bool,
    /// §5.2.2.2
    pub must_revalidate: bool,
    /// §5.2.2.8
    pub proxy_revalidate: bool,
    /// §5.2.2.3
    pub must_understand: bool,
    /// §5.2.2.1
    pub max_age: Option<u32>,
    /// §5.2.2.10
    pub s_maxage: Option<u32>,
    /// RFC 5861 §3
    pub stale_while_revalidate: Option<u32>,
    /// RFC 5861 §4
    pub stale_if_error: Option<u32>,
    /// It was said to caches like this one alone: `Expires` does not count beside it (RFC 9213 §2.2).
    pub targeted: bool,
}

/// What a request's `Cache-Control` says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Request {
    /// §5.2.1.5
    pub no_store: bool,
    /// §5.2.1.4
    pub no_cache: bool,
    /// §5.2.1.7
    pub only_if_cached: bool,
    /// §5.2.1.1
    pub max_age: Option<u32>,
    /// §5.2.1.3
    pub min_fresh: Option<u32>,
    /// §5.2.1.2: for how long it may have been stale; any time where no number is said.
    pub max_stale: Option<u32>,
    /// RFC 5861 §4: for how long it may have been stale where the upstream fails.
    pub stale_if_error: Option<u32>,
}

impl Response {
    /// What a response says to this cache: in `CDN-Cache-Control` where it is readable and not empty (RFC 9213), else
    /// in `Cache-Control`.
    pub fn of(response: &Headers) -> Self {
        let mut field = Vec::new();
        for line in response.all("cdn-cache-control") {
            if !field.is_empty() {
                field.push(b',');
            }
            field.extend_from_slice(line);
        }
        let members = match targeted::parse(&field) {
            Ok(Some(members)) => members,
            Ok(None) => return Self::parse(response.all("cache-control")),
            // As a field that cannot be taken apart: it may say just that.
            Err(targeted::Excessive) => {
                return Self { targeted: true, no_store: true, private: true, ..Self::default() };
            }
        };
        let mut said = Self { targeted: true, ..Self::default() };
        for (name, argument) in &members {
            // Of members of one name, the parser has kept the last (RFC 8941 §3.2).
            said.hear(name, argument.as_deref());
        }
        said
    }

    /// Reads all lines of `Cache-Control`.
    pub fn parse<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut said = Self::default();
        for line in lines {
            let whole = each(line, &mut |name, argument| said.hear(name, argument));
            if whole.is_err() {
                // Not even what `must-understand` would lift.
                (said.no_store, said.private) = (true, true);
            }
        }
        said
    }

    fn hear(&mut self, name: &[u8], argument: Option<&[u8]>) {
        match name {
            b"no-store" => self.no_store = true,
            b"no-cache" => self.no_cache |= !self.withhold(argument),
            b"private" => self.private |= !self.withhold(argument),
            b"public" => self.public = true,
            b"must-revalidate" => self.must_revalidate = true,
            b"proxy-revalidate" => self.proxy_revalidate = true,
            b"must-understand" => self.must_understand = true,
            b"max-age" => number(&mut self.max_age, argument),
            b"s-maxage" => number(&mut self.s_maxage, argument),
            b"stale-while-revalidate" => number(&mut self.stale_while_revalidate, argument),
            b"stale-if-error" => number(&mut self.stale_if_error, argument),
            _ => {}
        }
    }

    /// Takes down the fields that a directive is about. It is about the whole response where it names none, where the
    /// names cannot be read, and where the rest would be no response without them.
    fn withhold(&mut self, argument: Option<&[u8]>) -> bool {
        let mut names = Vec::new();
        for name in argument.unwrap_or_default().split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            let name = name.to_ascii_lowercase();
            let is_vital = matches!(name.as_slice(), b"content-encoding" | b"content-type" | b"vary");
            if is_vital || !name.iter().all(|&byte| is_token(byte)) {
                return false;
            }
            if !name.is_empty() {
                names.push(name);
            }
        }
        let names_any = !names.is_empty();
        if self.withheld.len() + names.len() > WITHHELD_MAX {
            return false;
        }
        self.withheld.append(&mut names);
        names_any
    }

    /// Whether the response itself says for how long it is fresh, or that it may be reused (RFC 9111 §3).
    pub const fn is_explicit(&self) -> bool {
        self.public || self.max_age.is_some() || self.s_maxage.is_some()
    }

    /// Whether a shared cache may keep the response although its request carried credentials (RFC 9111 §3.5).
    pub const fn allows_credentials(&self) -> bool {
        self.public || self.must_revalidate || self.s_maxage.is_some()
    }

    /// Whether the response must never be used once it is stale, not even by a client that would take it.
    pub const fn forbids_stale(&self) -> bool {
        // §5.2.2.10: s-maxage means proxy-revalidate too.
        self.must_revalidate || self.proxy_revalidate || self.no_cache || self.s_maxage.is_some()
    }
}

impl Request {
    /// Reads all lines of the field and, where there are none, those of `Pragma` (RFC 9111 §5.4, RFC 7234 §5.4).
    pub fn parse<'a>(lines: impl IntoIterator<Item = &'a [u8]>, pragma: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut said = Self::default();
        let mut absent = true;
        for line in lines {
            absent = false;
            let whole = each(line, &mut |name, argument| match name {
                b"no-store" => said.no_store = true,
                b"no-cache" => said.no_cache = true,
                b"only-if-cached" => said.only_if_cached = true,
                b"max-age" => said.max_age = Some(least(said.max_age, seconds(argument).unwrap_or(0))),
                b"min-fresh" => {
                    let wish = seconds(argument).unwrap_or(SECONDS_MAX);
                    said.min_fresh = Some(said.min_fresh.unwrap_or(0).max(wish));
                }
                b"stale-if-error" => {
                    said.stale_if_error = Some(least(said.stale_if_error, seconds(argument).unwrap_or(0)));
                }
                b"max-stale" if argument.is_none() => said.max_stale = Some(least(said.max_stale, SECONDS_MAX)),
                b"max-stale" => said.max_stale = Some(least(said.max_stale, seconds(argument).unwrap_or(0))),
                _ => {}
            });
            if whole.is_err() {
                (said.no_store, said.no_cache) = (true, true);
            }
        }
        if absent {
            for line in pragma {
                let whole = each(line, &mut |name, _| said.no_cache |= name == b"no-cache");
                said.no_cache |= whole.is_err();
            }
        }
        said
    }
}

/// Seconds as RFC 9111 §1.2.2 writes them, cut at [`SECONDS_MAX`]; `None` where they are something else.
pub fn seconds(argument: Option<&[u8]>) -> Option<u32> {
    let digits = argument.filter(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit))?;
    Some(digits.iter().fold(0, |number: u32, digit| {
        number.saturating_mul(10).saturating_add(u32::from(digit - b'0')).min(SECONDS_MAX)
    }))
}

/// Takes a number. Said twice, a response's number counts only where both agree (RFC 9111 §4.2.1).
fn number(said: &mut Option<u32>, argument: Option<&[u8]>) {
    let now = seconds(argument).unwrap_or(0);
    *said = Some(if said.is_none_or(|before| before == now) { now } else { 0 });
}

fn least(before: Option<u32>, now: u32) -> u32 {
    before.map_or(now, |before| before.min(now))
}

struct Malformed;

/// Is given a directive's name in lower case, and its argument without its quotes.
type Visit<'a> = &'a mut dyn FnMut(&[u8], Option<&[u8]>);

/// The longest name of a directive that is known; longer ones are unknown.
const NAME_LENGTH_MAX: usize = 24;

/// Goes over the members of one line.
fn each(line: &[u8], visit: Visit<'_>) -> Result<(), Malformed> {
    let mut rest = line;
    while !rest.is_empty() {
        let (member, after) = split_member(rest)?;
        rest = after;
        let member = member.trim_ascii();
        if member.is_empty() {
            continue;
        }
        let (name, argument) = match member.iter().position(|&byte| byte == b'=') {
            Some(at) => (member.get(..at).unwrap_or_default(), member.get(at + 1..)),
            None => (member, None),
        };
        // A blank before `=` is a mistake: it makes the argument one that no directive takes.
        let argument = argument.map(|argument| if name.ends_with(b" ") { b" ".as_slice() } else { argument });
        let name = name.trim_ascii();
        if name.is_empty() || !name.iter().all(|&byte| is_token(byte)) {
            return Err(Malformed);
        }
        let mut lower = [0; NAME_LENGTH_MAX];
        if let Some(lower) = lower.get_mut(..name.len()) {
            lower.copy_from_slice(name);
            lower.make_ascii_lowercase();
            visit(lower, argument.map(unquoted));
        }
    }
    Ok(())
}

/// The bytes up to the first comma outside quotes, and those after it.
fn split_member(text: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                return Ok((text.get(..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default()));
            }
            _ => {}
        }
    }
    if quoted { Err(Malformed) } else { Ok((text, b"")) }
}

fn unquoted(argument: &[u8]) -> &[u8] {
    argument.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(argument)
}

/// Whether a byte may stand in a token (RFC 9110 §5.6.2).
pub const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        )
}

#[cfg(test)]
mod tests;
