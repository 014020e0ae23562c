//! `Cache-Control` (RFC 9111 §5.2), read so that a mistake never makes a response more reusable than it was meant to be.
//!
//! A number that is no number, or that is said twice with different values, makes a response stale and a request
//! unwilling (§4.2.1: "caches are encouraged to consider responses that have invalid freshness information to be
//! stale"). A field that cannot be taken apart at all (a quote that is not closed, a name that is no token) counts as
//! `no-store`: what is behind the mistake may have been just that. Unknown directives are ignored (§5.2.3).

/// The largest number of seconds that is told apart (RFC 9111 §1.2.2); about 68 years.
pub const SECONDS_MAX: u32 = i32::MAX as u32;

/// What a response's `Cache-Control` says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a directive that is there or not")]
pub struct Response {
    /// §5.2.2.5; also where the field is malformed.
    pub no_store: bool,
    /// §5.2.2.4; with field names too, which is stricter than it asks for.
    pub no_cache: bool,
    /// §5.2.2.7; with field names too, which is stricter than it asks for.
    pub private: bool,
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
}

impl Response {
    /// Reads all lines of the field.
    pub fn parse<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut said = Self::default();
        for line in lines {
            let whole = each(line, &mut |name, argument| match name {
                b"no-store" => said.no_store = true,
                b"no-cache" => said.no_cache = true,
                b"private" => said.private = true,
                b"public" => said.public = true,
                b"must-revalidate" => said.must_revalidate = true,
                b"proxy-revalidate" => said.proxy_revalidate = true,
                b"must-understand" => said.must_understand = true,
                b"max-age" => said.max_age = Some(agreed(said.max_age, seconds(argument).unwrap_or(0))),
                b"s-maxage" => said.s_maxage = Some(agreed(said.s_maxage, seconds(argument).unwrap_or(0))),
                _ => {}
            });
            if whole.is_err() {
                // Not even what `must-understand` would lift.
                (said.no_store, said.private) = (true, true);
            }
        }
        said
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

/// Said twice, a response's number counts only where both agree (RFC 9111 §4.2.1).
fn agreed(before: Option<u32>, now: u32) -> u32 {
    if before.is_none_or(|before| before == now) { now } else { 0 }
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
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn response(lines: &[&str]) -> Response {
        Response::parse(lines.iter().map(|line| line.as_bytes()))
    }

    fn request(lines: &[&str], pragma: &[&str]) -> Request {
        Request::parse(lines.iter().map(|line| line.as_bytes()), pragma.iter().map(|line| line.as_bytes()))
    }

    #[test]
    fn a_responses_directives_are_read_as_the_rfc_says() {
        let none = Response::default();
        let max_age = |seconds| Response { max_age: Some(seconds), ..Response::default() };
        let unreadable = Response { no_store: true, private: true, ..Response::default() };
        let rows: [(&str, &[&str], Response); 22] = [
            ("§5.2 names have no case", &["Max-Age=5, PUBLIC"], Response { public: true, ..max_age(5) }),
            ("§5.2 several lines are one list", &["public", "max-age=5"], Response { public: true, ..max_age(5) }),
            ("§5.2 a quoted number is accepted", &["max-age=\"5\""], max_age(5)),
            ("§5.2.3 unknown directives are ignored", &["foo, bar=1, baz=\"no-store, x\", max-age=5"], max_age(5)),
            ("RFC 9110 §5.6.1 empty members are ignored", &[", ,max-age=5,,"], max_age(5)),
            ("§1.2.2 what is too large is very large", &["max-age=99999999999999999999"], max_age(SECONDS_MAX)),
            ("§4.2.1 no number is stale", &["max-age=abc"], max_age(0)),
            ("§4.2.1 no value is stale", &["max-age"], max_age(0)),
            ("§4.2.1 a sign is stale", &["max-age=-5"], max_age(0)),
            ("§4.2.1 a fraction is stale", &["max-age=5.5"], max_age(0)),
            ("§5.2 no blanks around =", &["max-age = 5"], max_age(0)),
            ("§4.2.1 two values are stale", &["max-age=5, max-age=6"], max_age(0)),
            ("§4.2.1 one value said twice is one", &["max-age=5", "max-age=5"], max_age(5)),
            ("§5.2.2.10", &["s-maxage=x, max-age=5"], Response { s_maxage: Some(0), ..max_age(5) }),
            ("§5.2.2.4 fields or not", &["no-cache=\"set-cookie, a\""], Response { no_cache: true, ..none.clone() }),
            ("§5.2.2.7 fields or not", &["private=x"], Response { private: true, ..none.clone() }),
            ("§5.2.2.5 an argument changes nothing", &["no-store=1"], Response { no_store: true, ..none.clone() }),
            ("a quote that is not closed", &["foo=\"a, max-age=5"], unreadable.clone()),
            ("an escaped quote does not close", &["foo=\"a\\\", max-age=5"], unreadable.clone()),
            ("a name that is no token", &["max-age=5; no-store x=1"], max_age(0)),
            ("a member without a name", &["=5"], unreadable.clone()),
            ("no text at all", &["\u{ff}"], unreadable),
        ];
        for (section, lines, expected) in rows {
            assert_eq!(response(lines), expected, "{section}: {lines:?}");
        }
        assert_eq!(response(&["no store"]), response(&["\u{ff}"]));
    }

    #[test]
    fn a_requests_directives_are_read_as_the_rfc_says() {
        let none = Request::default();
        let no_cache = Request { no_cache: true, ..none.clone() };
        let rows: [(&str, &[&str], &[&str], Request); 14] = [
            ("§5.2.1.1", &["max-age=0"], &[], Request { max_age: Some(0), ..none.clone() }),
            ("§5.2.1.1 no number", &["max-age=x"], &[], Request { max_age: Some(0), ..none.clone() }),
            ("§5.2.1.1 the least", &["max-age=9, max-age=5"], &[], Request { max_age: Some(5), ..none.clone() }),
            ("§5.2.1.2 any", &["max-stale"], &[], Request { max_stale: Some(SECONDS_MAX), ..none.clone() }),
            ("§5.2.1.2", &["max-stale=5"], &[], Request { max_stale: Some(5), ..none.clone() }),
            ("§5.2.1.2 no number", &["max-stale=x"], &[], Request { max_stale: Some(0), ..none.clone() }),
            ("§5.2.1.3", &["min-fresh=5, min-fresh=4"], &[], Request { min_fresh: Some(5), ..none.clone() }),
            ("§5.2.1.3 no number", &["min-fresh"], &[], Request { min_fresh: Some(SECONDS_MAX), ..none.clone() }),
            ("§5.2.1.4", &["no-cache"], &[], no_cache.clone()),
            ("§5.2.1.5", &["no-store"], &[], Request { no_store: true, ..none.clone() }),
            ("§5.2.1.7", &["only-if-cached"], &[], Request { only_if_cached: true, ..none.clone() }),
            ("§5.4 Pragma counts alone", &[], &["x, no-cache"], no_cache.clone()),
            (
                "§5.4 but not beside Cache-Control",
                &["max-stale=0"],
                &["no-cache"],
                Request { max_stale: Some(0), ..none.clone() },
            ),
            ("malformed", &["\"", "max-age=5"], &[], Request { no_store: true, max_age: Some(5), ..no_cache }),
        ];
        for (section, lines, pragma, expected) in rows {
            assert_eq!(request(lines, pragma), expected, "{section}: {lines:?} {pragma:?}");
        }
    }
}
