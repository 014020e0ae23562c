//! What is known of a caller when it is asked whether it may.

use crate::source::Kind;
use policy::json::{Json, Members};

/// A caller, as predicates see it. What a kind of credential cannot say is empty.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// What it showed, if anything.
    pub kind: Option<Kind>,
    /// The issuer of its token.
    pub issuer: &'a str,
    /// Its tier.
    pub tier: &'a str,
    /// Its roles, comma-separated.
    pub roles: &'a str,
    /// Its scopes.
    pub scopes: Vec<&'a str>,
    /// All that its credential claims, except `exp`, `nbf` and `iat`.
    pub(crate) claims: Option<&'a Members>,
}

impl Subject<'_> {
    /// Somebody who showed nothing.
    pub const fn anonymous(tier: &'static str) -> Self {
        Self { kind: None, issuer: "", tier, roles: "", scopes: Vec::new(), claims: None }
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
