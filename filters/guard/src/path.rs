//! Paths that are another path to whoever decodes them.
//!
//! What decides about a request (a route, a permission, a limit) and what serves it may decode a path differently often. So a
//! path is refused when decoding it, as often as it can be, ever changes its segments: what is decided then holds for all readers.

use policy::route::without_query;

/// A path that is escaped more often than this is refused as such.
const ROUNDS_MAX: usize = 4;

/// What is wrong with a path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Trick {
    /// A segment `.` or `..`, with parameters or without.
    DotSegment,
    /// A slash or a backslash that is escaped, or a backslash that is not.
    Slash,
    /// A control character, NUL among them.
    Control,
    /// A `%` that begins no escape.
    Escape,
    /// UTF-8 that is longer than it needs to be, which lenient readers take for another character.
    Overlong,
    /// It is escaped again and again.
    Depth,
}

impl Trick {
    /// What its sender is told.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::DotSegment => "path: must have no segment . or ..",
            Self::Slash => "path: must have no escaped slash and no backslash",
            Self::Control => "path: must have no control character",
            Self::Escape => "path: every % must begin an escape",
            Self::Overlong => "path: must be UTF-8 in its shortest form",
            Self::Depth => "path: must not be escaped so often",
        }
    }
}

/// Looks for what is wrong with a request target; its query is not looked at.
///
/// # Errors
/// The first trick that is found.
pub fn inspect(target: &[u8]) -> Result<(), Trick> {
    let path = without_query(target);
    segments(path)?;
    if !path.contains(&b'%') {
        return Ok(());
    }
    let mut path = path.to_vec();
    for round in 0..ROUNDS_MAX {
        let Some(decoded) = decode(&path, round)? else { return Ok(()) };
        overlong(&decoded)?;
        segments(&decoded)?;
        path = decoded;
    }
    Err(Trick::Depth)
}

/// What no path may say in plain.
fn segments(path: &[u8]) -> Result<(), Trick> {
    for &byte in path {
        unstructured(byte)?;
    }
    let is_dots = |segment: &[u8]| {
        // What follows a semicolon is a parameter to some servers, and cut off.
        let name = segment.split(|&byte| byte == b';').next().unwrap_or_default();
        matches!(name, b"." | b"..")
    };
    if path.split(|&byte| byte == b'/').any(is_dots) { Err(Trick::DotSegment) } else { Ok(()) }
}

fn unstructured(byte: u8) -> Result<(), Trick> {
    match byte {
        b'\\' => Err(Trick::Slash),
        0..=0x1f | 0x7f => Err(Trick::Control),
        _ => Ok(()),
    }
}

/// The path with its escapes decoded once; `None` where there are none. Only the first round's are the client's own: a `%` that
/// comes of an escape may be one.
fn decode(path: &[u8], round: usize) -> Result<Option<Vec<u8>>, Trick> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    let mut is_changed = false;
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = if byte == b'%' { escape(after) } else { None };
        match escaped {
            Some(b'/' | b'\\') => return Err(Trick::Slash),
            Some(value) => {
                unstructured(value)?;
                decoded.push(value);
                rest = after.get(2..).unwrap_or_default();
                is_changed = true;
            }
            None if byte == b'%' && round == 0 => return Err(Trick::Escape),
            None => {
                decoded.push(byte);
                rest = after;
            }
        }
    }
    Ok(is_changed.then_some(decoded))
}

fn escape(digits: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*digits.get(at)?).to_digit(16);
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

fn overlong(path: &[u8]) -> Result<(), Trick> {
    let is_overlong =
        |pair: &[u8]| matches!(pair, [0xc0 | 0xc1, 0x80..=0xbf] | [0xe0, 0x80..=0x9f] | [0xf0, 0x80..=0x8f]);
    if path.windows(2).any(is_overlong) { Err(Trick::Overlong) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
