//! One thing that may be true of a caller.
//!
//! Whatever a caller's claims are, a predicate is either true or false: a claim that is missing, null or of another type
//! than is asked for makes it false, and is no error.

use crate::claim::{EXACT, Path};
use crate::source::Kind;
use crate::subject::Subject;
use policy::json::Json;

/// So many values may be asked for at once.
const VALUES_MAX: usize = 64;

/// One thing that may be true of a caller.
pub(crate) enum Predicate {
    Role(String),
    Scope(String),
    Tier(String),
    Issuer(String),
    Credential(Option<Kind>),
    Claim(Path, Test),
}

/// What is asked of a claim.
pub(crate) enum Test {
    /// It is there, and not null.
    Exists,
    /// It is one of these values.
    OneOf(Vec<Json>),
    /// It is a list with this among its elements, or a text with this among its words.
    Contains(Json),
    /// It is a number, and not below this.
    AtLeast(f64),
    /// It is a number, and not above this.
    AtMost(f64),
}

impl Predicate {
    /// Reads what stands under a name that is about the caller itself; `None` where the name is none of these.
    #[inline(never)]
    pub(crate) fn read(name: &str, json: &Json) -> Result<Option<Self>, &'static str> {
        let kind: fn(String) -> Self = match name {
            "role" => Self::Role,
            "scope" => Self::Scope,
            "tier" => Self::Tier,
            "issuer" => Self::Issuer,
            "credential" => return kind(json).map(|kind| Some(Self::Credential(kind))),
            _ => return Ok(None),
        };
        // What separates one from the next is in none of them.
        let separator = match name {
            "scope" => ' ',
            "role" => ',',
            _ => '\n',
        };
        match json {
            Json::Text(text) if !text.is_empty() && !text.contains(separator) => Ok(Some(kind(text.clone()))),
            _ => Err("must be the name of one"),
        }
    }

    /// Whether it is true of this caller.
    pub(crate) fn holds(&self, subject: &Subject<'_>) -> bool {
        match self {
            Self::Role(role) => subject.roles.split(',').any(|found| found == role),
            Self::Scope(scope) => subject.scopes.contains(&scope.as_str()),
            Self::Tier(tier) => subject.tier == tier,
            Self::Issuer(issuer) => subject.issuer == issuer,
            Self::Credential(kind) => subject.kind == *kind,
            Self::Claim(path, test) => {
                let claim = subject.claims.and_then(|claims| path.find(claims));
                claim.is_some_and(|claim| *claim != Json::Null && test.holds(claim))
            }
        }
    }

    /// What the log says of it: words of the configuration, none of the caller's.
    pub(crate) fn describe(&self, said: &mut String) {
        let (kind, value) = match self {
            Self::Role(role) => ("role ", role.as_str()),
            Self::Scope(scope) => ("scope ", scope.as_str()),
            Self::Tier(tier) => ("tier ", tier.as_str()),
            Self::Issuer(issuer) => ("issuer ", issuer.as_str()),
            Self::Credential(kind) => ("credential ", word(*kind)),
            Self::Claim(path, test) => {
                said.push_str(test.word());
                path.describe(said);
                return;
            }
        };
        said.push_str(kind);
        said.push_str(value);
    }
}

impl Test {
    /// Reads what stands under a name that is about a claim; `None` where the name is none of these.
    #[inline(never)]
    pub(crate) fn read(name: &str, json: &Json) -> Result<Option<Self>, &'static str> {
        let test = match (name, json) {
            ("exists", Json::Bool(true)) => Self::Exists,
            ("exists", _) => return Err("must be true; not says the opposite"),
            ("equals", json) if is_scalar(json) => Self::OneOf(vec![json.clone()]),
            ("contains", json) if is_scalar(json) => Self::Contains(json.clone()),
            ("one_of", Json::List(list)) if list.len() <= VALUES_MAX && list.iter().all(is_scalar) => {
                Self::OneOf(list.clone())
            }
            ("one_of", _) => return Err("must be a list of at most 64 texts, numbers or booleans"),
            ("at_least", Json::Number(number)) if number.abs() < EXACT => Self::AtLeast(*number),
            ("at_most", Json::Number(number)) if number.abs() < EXACT => Self::AtMost(*number),
            ("at_least" | "at_most", _) => return Err("must be a number below 2^53"),
            ("equals" | "contains", _) => {
                return Err("must be a text, a number below 2^53, true or false");
            }
            _ => return Ok(None),
        };
        Ok(Some(test))
    }

    fn holds(&self, claim: &Json) -> bool {
        match (self, claim) {
            (Self::Exists, _) => true,
            (Self::OneOf(values), _) => values.contains(claim),
            (Self::Contains(value), Json::List(list)) => list.contains(value),
            (Self::Contains(Json::Text(value)), Json::Text(text)) => text.split(' ').any(|word| word == value),
            (Self::AtLeast(least), Json::Number(number)) => least <= number,
            (Self::AtMost(most), Json::Number(number)) => number <= most,
            _ => false,
        }
    }

    const fn word(&self) -> &'static str {
        match self {
            Self::Exists => "claim ",
            Self::OneOf(_) => "the right value of claim ",
            Self::Contains(_) => "the right element of claim ",
            Self::AtLeast(_) => "more of claim ",
            Self::AtMost(_) => "less of claim ",
        }
    }
}

fn is_scalar(json: &Json) -> bool {
    match json {
        Json::Text(_) | Json::Bool(_) => true,
        Json::Number(number) => number.abs() < EXACT,
        _ => false,
    }
}

/// The word for what a caller showed.
const fn word(kind: Option<Kind>) -> &'static str {
    match kind {
        None => "none",
        Some(Kind::Token) => "token",
        Some(Kind::ApiKey) => "api_key",
    }
}

fn kind(json: &Json) -> Result<Option<Kind>, &'static str> {
    let kinds = [None, Some(Kind::Token), Some(Kind::ApiKey)];
    let kind = kinds.into_iter().find(|kind| matches!(json, Json::Text(said) if said == word(*kind)));
    kind.ok_or("must be token, api_key or none")
}
