//! Where in a request a credential may be, and what kind it is there.

use policy::ConfigError;
use policy::route::lower_case;

use crate::attribute::is_reserved;
use policy::fields::Fields;
use policy::json::Json;

/// A request is looked through for no more than this.
const SOURCES_MAX: usize = 16;

/// What a credential is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A JSON Web Token.
    Token,
    /// A key that the configuration knows.
    ApiKey,
}

/// The parts of a request that have names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// A header; its name is in lower case.
    Header,
    /// A cookie; case matters.
    Cookie,
    /// A parameter of the query, by its decoded name; case matters.
    Query,
}

/// One place where a credential may be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Source {
    /// What it is there.
    pub kind: Kind,
    /// In which part of a request.
    pub place: Place,
    /// Under which name.
    pub name: String,
    /// What stands before it, in any case (RFC 9110 §11.1).
    pub scheme: Option<String>,
    /// Whether the upstream gets to see it.
    pub forward: bool,
}

impl Source {
    /// `Authorization: Bearer …`.
    pub fn bearer(forward: bool) -> Self {
        let scheme = Some("Bearer".to_owned());
        Self { kind: Kind::Token, place: Place::Header, name: "authorization".to_owned(), scheme, forward }
    }

    /// Reads one of `header`, `cookie` and `query`.
    pub(crate) fn read(json: Json, kind: Kind, forward: bool) -> Result<Self, ConfigError> {
        let mut fields = Fields::of(json)?;
        let mut found = None;
        for (member, place) in [("header", Place::Header), ("cookie", Place::Cookie), ("query", Place::Query)] {
            let Some(name) = fields.text(member)? else { continue };
            if found.replace((place, name)).is_some() {
                found = None;
                break;
            }
        }
        let Some((place, name)) = found else {
            return Err(ConfigError::at("", "must have one of header, cookie and query"));
        };
        let scheme = fields.text("scheme")?;
        fields.end()?;
        let mut source = Self::at(kind, place, name, forward)?;
        if let Some(scheme) = scheme {
            if place != Place::Header || !is_token(&scheme) {
                return Err(ConfigError::at("scheme", "must be one word, and stand beside a header"));
            }
            source.scheme = Some(scheme);
        } else if source.name == "authorization" && place == Place::Header {
            source.scheme = Some("Bearer".to_owned());
        }
        Ok(source)
    }

    /// One without a scheme.
    pub(crate) fn at(kind: Kind, place: Place, name: String, forward: bool) -> Result<Self, ConfigError> {
        let wrong = |member: &str, reason: String| Err(ConfigError::at(member, reason));
        match place {
            Place::Header => {
                lower_case(&name).map_err(|mistake| mistake.inside("header"))?;
                let own = name == "authorization" && kind == Kind::Token;
                if !own && is_reserved(&name) {
                    return wrong("header", format!("must be a header of its own, got {name:?}"));
                }
            }
            Place::Cookie if !is_token(&name) => {
                return wrong("cookie", format!("must be the name of a cookie, got {name:?}"));
            }
            Place::Query if name.is_empty() => return wrong("query", "must be the name of a parameter".to_owned()),
            Place::Cookie | Place::Query => {}
        }
        Ok(Self { kind, place, name, scheme: None, forward })
    }
}

/// Refuses two sources at one place, and more of them than a request should be looked through for.
pub(crate) fn check(sources: &[Source]) -> Result<(), ConfigError> {
    for (index, source) in sources.iter().enumerate() {
        let same = |other: &Source| other.place == source.place && other.name == source.name;
        if sources.iter().take(index).any(same) {
            let reason = format!("two credentials are read from the same place, {:?}", source.name);
            return Err(ConfigError::at("", reason));
        }
    }
    if sources.len() > SOURCES_MAX {
        return Err(ConfigError::at("", format!("credentials are read from more than {SOURCES_MAX} places")));
    }
    Ok(())
}

/// Whether a text is a token (RFC 9110 §5.6.2), as cookies and schemes are named.
fn is_token(text: &str) -> bool {
    lower_case(&text.to_ascii_lowercase()).is_ok()
}
