//! Who the caller is, in values that are safe to hand on in headers.

use crate::attribute::{Attribute, is_plain};
use crate::config::Claims;
use crate::refusal::Refusal;
use crate::source::Kind;
use policy::json::{Json, Members};

/// A longer user id, tier or role is refused.
const VALUE_BYTES_MAX: usize = 256;
/// A longer list of roles is refused.
const ROLES_BYTES_MAX: usize = 2048;

/// What a token or an API key says of its bearer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity {
    /// What says so.
    pub kind: Kind,
    /// The user id.
    pub user: String,
    /// The tier.
    pub tier: String,
    /// The roles, comma-separated; `None` where there are none.
    pub roles: Option<String>,
    /// The values of further headers, each by the index of its [`Attribute`]: written once, however often a token comes.
    pub handed: Vec<(usize, String)>,
}

impl Identity {
    /// Reads an identity from a token's claims.
    pub(crate) fn read(
        claims: &Claims,
        default_tier: &str,
        attributes: &[Attribute],
        members: &Members,
    ) -> Result<Self, Refusal> {
        let user = text(claims.user.find(members))?.ok_or(Refusal::User)?;
        let tier = text(claims.tier.find(members))?.unwrap_or_else(|| default_tier.to_owned());
        let roles = roles(claims.roles.find(members))?;
        Ok(Self { kind: Kind::Token, user, tier, roles, handed: Self::handed(attributes, members)? })
    }

    /// The values of the attributes that are there.
    pub(crate) fn handed(attributes: &[Attribute], members: &Members) -> Result<Vec<(usize, String)>, Refusal> {
        let mut handed = Vec::new();
        for (index, attribute) in attributes.iter().enumerate() {
            handed.extend(attribute.value(members)?.map(|value| (index, value)));
        }
        Ok(handed)
    }
}

fn text(member: Option<&Json>) -> Result<Option<String>, Refusal> {
    match member {
        None => Ok(None),
        Some(Json::Text(text)) if is_safe(text) => Ok(Some(text.clone())),
        Some(_) => Err(Refusal::Claim),
    }
}

/// A list of strings, or one string of words as `scope` is written (RFC 8693 §4.2).
fn roles(member: Option<&Json>) -> Result<Option<String>, Refusal> {
    match member {
        None => Ok(None),
        Some(Json::Text(words)) => joined(words.split(' ').filter(|word| !word.is_empty())),
        Some(Json::List(list)) => joined(list.iter().map(|json| match json {
            Json::Text(role) => role.as_str(),
            // As an empty name, it is refused.
            _ => "",
        })),
        Some(_) => Err(Refusal::Claim),
    }
}

/// Names with commas between them; `None` for none of them. A comma inside a name would make two of it.
pub(crate) fn joined<'a>(names: impl Iterator<Item = &'a str>) -> Result<Option<String>, Refusal> {
    let mut joined = String::new();
    for name in names {
        if !is_safe(name) || name.contains(',') || joined.len() + name.len() >= ROLES_BYTES_MAX {
            return Err(Refusal::Claim);
        }
        if !joined.is_empty() {
            joined.push(',');
        }
        joined.push_str(name);
    }
    Ok(Some(joined).filter(|joined| !joined.is_empty()))
}

/// Whether a text is the same after it went through a header: not empty, not too long, without control characters, and
/// without the blanks around it that HTTP strips.
pub(crate) fn is_safe(text: &str) -> bool {
    (1..=VALUE_BYTES_MAX).contains(&text.len()) && is_plain(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn read(json: &str) -> Result<Identity, Refusal> {
        Identity::read(&Claims::default(), "free", &[], &serde_json::from_str(json).unwrap())
    }

    #[test]
    fn an_identity_is_read_from_the_claims() {
        let long = format!(r#"{{"sub": "{}"}}"#, "x".repeat(256));
        let rows = [
            (r#"{"sub": "alice", "tier": "pro", "roles": ["a", "b c"]}"#, "alice", "pro", Some("a,b c")),
            (r#"{"sub": "alice", "roles": "a b  c"}"#, "alice", "free", Some("a,b,c")),
            (r#"{"sub": "auth0|José 7", "roles": [], "tier": "free"}"#, "auth0|José 7", "free", None),
            (r#"{"sub": "a", "roles": ""}"#, "a", "free", None),
            (&long, &long[9..265], "free", None),
        ];
        for (json, user, tier, roles) in rows {
            let identity = read(json).unwrap();
            let found = (identity.user.as_str(), identity.tier.as_str(), identity.roles.as_deref());
            assert_eq!(found, (user, tier, roles), "{json}");
        }
    }

    #[test]
    fn what_no_header_can_carry_unchanged_is_refused() {
        let long = format!(r#"{{"sub": "{}"}}"#, "x".repeat(257));
        let many = format!(r#"{{"sub": "a", "roles": [{}"z"]}}"#, r#""xxxxxxxxxxxxxxxx","#.repeat(200));
        for json in [
            r#"{"sub": ""}"#,
            r#"{"sub": 7}"#,
            r#"{"sub": null}"#,
            r#"{"sub": "a\r\nx-weir-tier: enterprise"}"#,
            r#"{"sub": "a\u0000"}"#,
            r#"{"sub": "a\u0085b"}"#,
            r#"{"sub": " a"}"#,
            r#"{"sub": "a", "tier": ["pro"]}"#,
            r#"{"sub": "a", "tier": "pro\n"}"#,
            r#"{"sub": "a", "roles": ["a,b"]}"#,
            r#"{"sub": "a", "roles": ["a", 7]}"#,
            r#"{"sub": "a", "roles": ["a", ""]}"#,
            r#"{"sub": "a", "roles": {"a": true}}"#,
            &long,
            &many,
        ] {
            assert_eq!(read(json), Err(Refusal::Claim), "{json}");
        }
        assert_eq!(read("{}"), Err(Refusal::User));
    }
}
