//! What is known of a caller when it is asked whether it may.

use crate::json::{Json, Members};

/// What a caller showed to say who it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Nothing.
    Nothing,
    /// A token.
    Token,
    /// An API key.
    ApiKey,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Nothing, Self::Token, Self::ApiKey];

    /// The word for it in a configuration.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Nothing => "none",
            Self::Token => "token",
            Self::ApiKey => "api_key",
        }
    }
}

/// A caller, as predicates see it. What a kind of credential cannot say is empty.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// What it showed.
    pub kind: Kind,
    /// The issuer of its token.
    pub issuer: &'a str,
    /// Its tier.
    pub tier: &'a str,
    /// Its roles, comma-separated.
    pub roles: &'a str,
    /// Its scopes.
    pub scopes: Vec<&'a str>,
    /// All that its token claims, except `exp`, `nbf` and `iat`.
    pub(crate) claims: Option<&'a Members>,
}

impl<'a> Subject<'a> {
    /// Whoever shows an API key to which the configuration gives a tier, roles (comma-separated) and scopes.
    pub const fn of_key(tier: &'a str, roles: &'a str, scopes: Vec<&'a str>) -> Self {
        Self { kind: Kind::ApiKey, issuer: "", tier, roles, scopes, claims: None }
    }

    /// Somebody who showed nothing.
    pub const fn anonymous(tier: &'static str) -> Self {
        Self { kind: Kind::Nothing, issuer: "", tier, roles: "", scopes: Vec::new(), claims: None }
    }
}

/// The scopes of a token: the words of `scope` (RFC 8693 §4.2), and `scp`, where some issuers list them.
pub(crate) fn scopes(claims: &Members) -> Vec<&str> {
    let mut found = Vec::new();
    for name in ["scope", "scp"] {
        match claims.find(name) {
            Some(Json::Text(words)) => found.extend(words.split(' ')),
            Some(Json::List(list)) => found.extend(list.iter().filter_map(|json| match json {
                Json::Text(text) => Some(text.as_str()),
                _ => None,
            })),
            _ => {}
        }
    }
    found
}
