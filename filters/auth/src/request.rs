//! What a request shows of itself, found in one pass over its headers.

use policy::Headers;
use policy::handover::header;
use policy::route::{Target, without_query};

use crate::attribute::Attribute;
use crate::config::Config;
use crate::credential::{Credential, Shown, cookies, is_named, parameters, without_parameters};
use crate::source::{Place, Source};

/// The parts of a request that matter here.
#[derive(Debug)]
pub struct Request<'a> {
    /// What routes are matched on.
    pub target: Target<'a>,
    /// What it shows of its caller.
    pub shown: Shown<'a>,
    /// The names under which the client claims to be somebody, each once.
    pub claimed: Vec<&'a str>,
    /// The path with its query.
    pub path: &'a [u8],
    sources: &'a [Source],
}

impl<'a> Request<'a> {
    /// Goes over the headers once.
    pub fn read(headers: &'a Headers, config: &'a Config) -> Self {
        let target = Target { method: b"", authority: b"", path: b"", headers };
        let sources = config.sources.as_slice();
        let mut request = Self { target, shown: Shown::Nothing, claimed: Vec::new(), path: b"", sources };
        for (name, value) in headers {
            match name {
                b":method" => request.target.method = value,
                b":authority" => request.target.authority = value,
                b":path" => {
                    (request.target.path, request.path) = (without_query(value), value);
                    if request.reads(Place::Query) {
                        parameters(value).for_each(|(name, raw)| request.look(Place::Query, name, raw));
                    }
                }
                b"cookie" => {
                    if request.reads(Place::Cookie) {
                        cookies(value).for_each(|(name, raw)| request.look(Place::Cookie, name, raw));
                    }
                }
                _ if is_handed_on(name, &config.attributes) => request.claim(name),
                _ => request.look(Place::Header, name, value),
            }
        }
        request
    }

    /// The path without any credential in its query, where there is one; `kept` says of which sources they stay.
    pub fn path_without(&self, kept: impl Fn(&Source) -> bool) -> Option<Vec<u8>> {
        let parameters = || self.sources.iter().filter(|source| source.place == Place::Query && !kept(source));
        if parameters().next().is_none() || self.path.len() == self.target.path.len() {
            return None;
        }
        let path = without_parameters(self.path, |name| parameters().any(|source| is_named(name, &source.name)));
        (path.len() != self.path.len()).then_some(path)
    }
}

impl<'a> Request<'a> {
    fn reads(&self, place: Place) -> bool {
        self.sources.iter().any(|source| source.place == place)
    }

    /// Takes note of whatever stands where a credential may be. What is empty or cannot be read stands there too.
    fn look(&mut self, place: Place, name: &[u8], raw: &'a [u8]) {
        let named = |source: &&Source| match place {
            _ if source.place != place => false,
            Place::Query => is_named(name, &source.name),
            Place::Header | Place::Cookie => source.name.as_bytes() == name,
        };
        if let Some(source) = self.sources.iter().find(named) {
            self.shown = match self.shown {
                Shown::Nothing => Shown::One(Credential { source, raw }),
                Shown::One(_) | Shown::Several => Shown::Several,
            };
        }
    }

    fn claim(&mut self, name: &'a [u8]) {
        let text = std::str::from_utf8(name).unwrap_or_default();
        if !self.claimed.contains(&text) {
            self.claimed.push(text);
        }
    }
}

/// Whether an upstream may take a header for one of those that only this filter sets.
fn is_handed_on(name: &[u8], attributes: &[Attribute]) -> bool {
    let own = || [header::USER, header::TIER, header::ROLES, header::API_KEY].into_iter();
    name.starts_with(b"x") && own().any(|own| is_alias(own.as_bytes(), name))
        || attributes.iter().any(|attribute| is_alias(attribute.header.as_bytes(), name))
}

/// Whether two names are the same to a server that turns `-` and `_` into one character, as many do.
pub(crate) fn is_alias(one: &[u8], other: &[u8]) -> bool {
    let fold = |byte: &u8| if *byte == b'_' { b'-' } else { *byte };
    one.len() == other.len() && one.iter().map(fold).eq(other.iter().map(fold))
}

#[cfg(test)]
mod tests;
