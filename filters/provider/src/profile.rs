//! What is different about each provider: its paths, its ids, its answers and its ways of saying no.
//!
//! A profile is data and small functions, one file for each; what happens with them is the same for all. The provider's [`terms`]
//! in it are for whoever writes a policy.

mod acousticbrainz;
mod beatport;
mod discogs;
mod lastfm;
mod musicbrainz;
mod spotify;
mod terms;

use std::time::Duration;

use policy::json::Json;

pub use terms::{Lifetime, Terms};

use crate::track::Track;
use crate::view::View;

/// Everything about a provider that is not configured.
pub struct Profile {
    /// Its name.
    pub name: &'static str,
    /// How its tracks are searched, where they can be.
    pub search: Option<Search>,
    /// What can be looked up by an id.
    pub lookups: &'static [Lookup],
    /// What it means by an answer, where that is not what the status says; it is shown the body where that is JSON.
    pub refusal: fn(u16, View<'_>) -> Option<Refusal>,
    /// How long it is left alone where it is asked too often and does not say for how long.
    pub pause: Duration,
    /// Whether it answers only those who say who they are with a credential.
    pub needs_credentials: bool,
    /// Whether it wants to know from `User-Agent` who asks.
    pub needs_user_agent: bool,
    /// What it asks of those who use it.
    pub terms: Terms,
}

/// How tracks are searched.
pub struct Search {
    /// The path behind the provider's base, with `{artist}`, `{title}` and `{limit}` in it.
    pub target: &'static str,
    /// How a client's words are written inside the query, before they are percent-encoded; empty where nothing of them is
    /// left that could be searched.
    pub phrase: fn(&str) -> String,
    /// The tracks in an answer; `None` where it is no answer.
    pub tracks: Tracks,
}

/// What can be looked up.
pub struct Lookup {
    /// The path's segment before the id.
    pub word: &'static str,
    /// Which ids there are.
    pub id: Id,
    /// The path behind the provider's base, with `{id}` in it.
    pub target: &'static str,
    /// What becomes of the answer.
    pub shape: Shape,
}

/// Finds the tracks in an answer.
pub type Tracks = for<'a> fn(View<'a>) -> Option<Vec<Track<'a>>>;

/// What becomes of an answer.
#[derive(Clone, Copy)]
pub enum Shape {
    /// One track in the common shape.
    Track(for<'a> fn(View<'a>) -> Option<Track<'a>>),
    /// Several.
    Tracks(Tracks),
    /// It stays as it is, as long as it is an object.
    Own,
}

/// What a provider means by not answering.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// There is no such thing.
    Missing,
    /// It cannot make anything of what it was asked for.
    Invalid,
    /// It is asked too often.
    TooOften,
    /// It does not accept who asks, which is our matter and not the client's.
    Denied,
    /// It is away for a while.
    Away,
    /// It took too long.
    Late,
    /// Anything else.
    Broken,
}

impl Refusal {
    /// What a status means that no profile knows better; `None` for a good one.
    pub const fn of_status(status: u16) -> Option<Self> {
        match status {
            200 => None,
            400 | 414 | 422 => Some(Self::Invalid),
            401 | 403 | 407 => Some(Self::Denied),
            404 | 410 => Some(Self::Missing),
            429 => Some(Self::TooOften),
            503 => Some(Self::Away),
            408 | 504 => Some(Self::Late),
            _ => Some(Self::Broken),
        }
    }
}

/// Which ids there are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Id {
    /// 22 letters and digits.
    Base62,
    /// A UUID, as `MusicBrainz` writes it.
    Mbid,
    /// An International Standard Recording Code: two letters, three letters or digits, seven digits.
    Isrc,
    /// A number.
    Number,
}

impl Id {
    /// Whether a text can be one.
    pub fn fits(self, text: &str) -> bool {
        let bytes = text.as_bytes();
        match self {
            Self::Base62 => bytes.len() == 22 && bytes.iter().all(u8::is_ascii_alphanumeric),
            Self::Mbid => {
                let dashed = |(at, byte): (usize, &u8)| match at {
                    8 | 13 | 18 | 23 => *byte == b'-',
                    _ => byte.is_ascii_hexdigit(),
                };
                bytes.len() == 36 && bytes.iter().enumerate().all(dashed)
            }
            Self::Isrc => {
                let fits = |(at, byte): (usize, &u8)| match at {
                    0 | 1 => byte.is_ascii_alphabetic(),
                    2..=4 => byte.is_ascii_alphanumeric(),
                    _ => byte.is_ascii_digit(),
                };
                bytes.len() == 12 && bytes.iter().enumerate().all(fits)
            }
            Self::Number => {
                (1..=12).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_digit) && !text.starts_with('0')
            }
        }
    }

    /// What a client is told who sent something else.
    pub const fn described(self) -> &'static str {
        match self {
            Self::Base62 => "must be 22 letters and digits",
            Self::Mbid => "must be a UUID like 7d357162-6c37-47f4-abcd-c74889a01919",
            Self::Isrc => "must be an ISRC like GBTDG0900141",
            Self::Number => "must be a number of up to 12 digits that does not begin with 0",
        }
    }
}

/// All profiles. A further one is a file beside the others, with a `mod` line above and a line here; nothing else counts them.
static ALL: &[&Profile] = &[
    &spotify::PROFILE,
    &musicbrainz::PROFILE,
    &lastfm::PROFILE,
    &beatport::PROFILE,
    &discogs::PROFILE,
    &acousticbrainz::PROFILE,
];

/// The profile of this name.
pub fn find(name: &str) -> Option<&'static Profile> {
    ALL.iter().copied().find(|profile| profile.name == name)
}

/// The names of all profiles.
pub fn names() -> Vec<&'static str> {
    ALL.iter().map(|profile| profile.name).collect()
}

/// A profile that goes by the status alone.
const fn as_the_status_says(_status: u16, _body: View<'_>) -> Option<Refusal> {
    None
}

/// The tracks of a list; `None` where it is none, or where nothing in it is a track. What is one of many and no track is
/// left out.
fn listed<'a>(list: View<'a>, read: fn(View<'a>) -> Option<Track<'a>>) -> Option<Vec<Track<'a>>> {
    let is_empty = list.list()?.iter().all(|element| *element == Json::Null);
    let found = list.each(read);
    (is_empty || !found.is_empty()).then_some(found)
}

/// Words as they are.
fn plain(words: &str) -> String {
    words.to_owned()
}

#[cfg(test)]
mod tests;
