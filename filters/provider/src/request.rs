//! What a client asks for: read and checked as a whole before anything is sent.

use policy::Rejection;
use policy::fields::Fields;
use policy::headers::Sole;
use policy::route::{Target, without_query};

use crate::profile::{Lookup, Profile, Search};
use crate::track::Question;

/// A longer body is refused: what a search may say fits in here several times, however it is escaped.
pub const BODY_BYTES_MAX: usize = 16 << 10;

/// Longer words are no artist and no title.
const WORDS_LENGTH_MAX: usize = 256;
const LIMIT_MAX: u32 = 50;
const LIMIT: u32 = 10;
/// So much is said again of a member that nobody knows.
const MEMBER_LENGTH_MAX: usize = 32;

/// What a path asks a provider for.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// What of it.
    pub what: What<'a>,
    /// Whether the provider's own answer is wanted.
    pub is_raw: bool,
}

impl Asked<'_> {
    /// What is said again beside several tracks, of a look-up.
    pub fn question(&self) -> Option<Question> {
        match self.what {
            What::Lookup(lookup, id) => Some(Question::Id { kind: lookup.word, id: id.to_owned() }),
            What::Search(_) => None,
        }
    }
}

/// What can be asked for.
#[derive(Clone, Copy)]
pub enum What<'a> {
    /// A search, whose words come in the body.
    Search(&'static Search),
    /// What is known under an id.
    Lookup(&'static Lookup, &'a str),
}

/// Reads a request's method and path, of which `strip` is what comes before the part that is the same for all providers.
///
/// # Errors
/// What its client is told.
pub fn read<'a>(
    profile: &'static Profile,
    target: &Target<'a>,
    whole_path: &'a [u8],
    strip: &str,
) -> Result<Asked<'a>, Rejection> {
    let path = std::str::from_utf8(target.path).ok().and_then(|path| path.strip_prefix(strip)?.strip_prefix('/'));
    let path = path.ok_or(Rejection::NotFound)?;
    let what = match path.split_once('/') {
        None if path == "search" && target.method == b"POST" => {
            What::Search(profile.search.as_ref().ok_or(Rejection::NotFound)?)
        }
        Some((word, id)) if target.method == b"GET" => {
            let lookup = profile.lookups.iter().find(|lookup| lookup.word == word).ok_or(Rejection::NotFound)?;
            if !lookup.id.fits(id) {
                return Err(refused("id", lookup.id.described()));
            }
            What::Lookup(lookup, id)
        }
        _ => return Err(Rejection::NotFound),
    };
    let query = whole_path.get(without_query(whole_path).len()..).unwrap_or_default();
    let is_raw = match query {
        b"" | b"?" | b"?raw=false" => false,
        b"?raw=true" => true,
        _ => return Err(refused("query", "there is no other parameter than raw=true and raw=false")),
    };
    Ok(Asked { what, is_raw })
}

/// Checks what the headers say of a body that is to come.
///
/// # Errors
/// What the client is told.
pub fn check_body(target: &Target<'_>, is_bodyless: bool) -> Result<(), Rejection> {
    if is_bodyless {
        return Err(refused("body", "is missing"));
    }
    match target.headers.sole("content-type") {
        Sole::Value(kind) if is_json(kind) => {}
        _ => return Err(refused("content-type", "must be application/json")),
    }
    if !matches!(target.headers.sole("content-encoding"), Sole::Absent | Sole::Value(b"identity")) {
        return Err(refused("content-encoding", "the body must not be compressed"));
    }
    let length = target.headers.first("content-length").and_then(|length| std::str::from_utf8(length).ok());
    match length.map(str::parse::<usize>) {
        Some(Ok(length)) if length > BODY_BYTES_MAX => Err(Rejection::TooLarge),
        _ => Ok(()),
    }
}

fn is_json(kind: &[u8]) -> bool {
    let name = kind.split(|&byte| byte == b';').next().unwrap_or_default();
    name.trim_ascii().eq_ignore_ascii_case(b"application/json")
}

/// Reads a search's body.
///
/// # Errors
/// What its client is told.
pub fn search(body: &[u8]) -> Result<Question, Rejection> {
    let object = if body.is_empty() { b"null" } else { body };
    let mut fields = Fields::read(object)
        .map_err(|mistake| refused("body", &["must be a JSON object: ", &mistake.reason].concat()))?;
    let (artist, title) = (words(&mut fields, "artist")?, words(&mut fields, "title")?);
    let limit = fields.number("limit", 1, LIMIT_MAX).map_err(|mistake| refused(&mistake.path, &mistake.reason))?;
    if let Some((name, _)) = fields.rest().next() {
        let shown: String = name.chars().take(MEMBER_LENGTH_MAX).collect();
        return Err(refused(&shown, "is not known here: there are artist, title and limit"));
    }
    Ok(Question::Search { artist, title, limit: limit.unwrap_or(LIMIT) })
}

fn words(fields: &mut Fields, name: &str) -> Result<String, Rejection> {
    let words = fields.needed(name).map_err(|mistake| refused(&mistake.path, &mistake.reason))?;
    let wrong = if words.trim().is_empty() {
        "must not be empty"
    } else if words.chars().count() > WORDS_LENGTH_MAX {
        "must be at most 256 characters"
    } else if words.chars().any(char::is_control) {
        "must have no control characters"
    } else {
        return Ok(words);
    };
    Err(refused(name, wrong))
}

/// Tells a client what to mend, and where.
pub(crate) fn refused(field: &str, reason: &str) -> Rejection {
    Rejection::BadRequest { message: [field, ": ", reason].concat() }
}

#[cfg(test)]
mod tests;
