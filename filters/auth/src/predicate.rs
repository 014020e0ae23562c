//! One thing that may be true of a caller.
//!
//! Whatever a caller's claims are, a predicate is either true or false: a claim that is missing, null or of another type
//! than is asked for makes it false, and is no error.

use crate::json::Json;
use crate::subject::{Kind, Subject};

/// Claims are not nested deeper than this.
const NAMES_MAX: usize = 8;
/// So many values may be asked for at once.
const VALUES_MAX: usize = 64;
/// From here on, a double leaves whole numbers out.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// One thing that may be true of a caller.
pub(crate) enum Predicate {
    Role(String),
    Scope(String),
    Tier(String),
    Issuer(String),
    Credential(Kind),
    Claim(Path, Test),
}

/// Where a claim is: the names of the members that lead to it, from the outside in.
pub(crate) struct Path(Vec<String>);

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
            Self::Claim(path, test) => path.find(subject).is_some_and(|claim| test.holds(claim)),
        }
    }

    /// What the log says of it: words of the configuration, none of the caller's.
    pub(crate) fn describe(&self, said: &mut String) {
        let (kind, value) = match self {
            Self::Role(role) => ("role ", role.as_str()),
            Self::Scope(scope) => ("scope ", scope.as_str()),
            Self::Tier(tier) => ("tier ", tier.as_str()),
            Self::Issuer(issuer) => ("issuer ", issuer.as_str()),
            Self::Credential(kind) => ("credential ", kind.word()),
            Self::Claim(path, test) => {
                let outer = path.0.split_last().map_or([].as_slice(), |(_, outer)| outer);
                said.push_str(test.word());
                for name in outer {
                    said.push_str(name);
                    said.push('.');
                }
                ("", path.0.last().map_or("", String::as_str))
            }
        };
        said.push_str(kind);
        said.push_str(value);
    }
}

impl Path {
    /// Names with dots between them, or a list of names where the names themselves have dots.
    #[inline(never)]
    pub(crate) fn read(json: &Json) -> Result<Self, &'static str> {
        let mut names = Vec::new();
        match json {
            Json::Text(text) => names.extend(text.split('.').map(str::to_owned)),
            Json::List(list) => names.extend(list.iter().map(|name| match name {
                Json::Text(name) => name.clone(),
                _ => String::new(),
            })),
            _ => {}
        }
        match names.as_slice() {
            [name] if is_time(name) => Err("must be another claim than exp, nbf and iat"),
            [_, ..] if names.len() <= NAMES_MAX && !names.iter().any(String::is_empty) => Ok(Self(names)),
            _ => Err("must be 1 to 8 names with dots between them, or a list of names"),
        }
    }

    fn find<'a>(&self, subject: &Subject<'a>) -> Option<&'a Json> {
        let (last, outer) = self.0.split_last()?;
        let mut members = subject.claims?;
        for name in outer {
            let Json::Object(inner) = members.find(name)? else { return None };
            members = inner;
        }
        members.find(last).filter(|json| **json != Json::Null)
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

/// Whether it is a claim that the parser takes out of the others.
pub(crate) fn is_time(name: &str) -> bool {
    matches!(name, "exp" | "nbf" | "iat")
}

fn is_scalar(json: &Json) -> bool {
    match json {
        Json::Text(_) | Json::Bool(_) => true,
        Json::Number(number) => number.abs() < EXACT,
        _ => false,
    }
}

fn kind(json: &Json) -> Result<Kind, &'static str> {
    let kind = Kind::ALL.into_iter().find(|kind| matches!(json, Json::Text(word) if word == kind.word()));
    kind.ok_or("must be token, api_key or none")
}
