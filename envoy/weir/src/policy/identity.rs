//! Whose tokens are accepted: the mapping `identity`, which is the auth filter's configuration without its routes.

use std::fs;

use crate::diagnostic::Mistakes;
use crate::draft::Draft;
use crate::policy::Surroundings;
use crate::reader::{self, Fields};
use crate::yaml::{Node, Value};

/// Who may call, as far as the policy says.
#[derive(Debug)]
pub struct Identity {
    /// The auth filter's configuration, in which `issuers` are the policy's `jwt`, and nothing is said of routes.
    pub draft: Draft,
    /// The variables of the environment that hold keys.
    pub variables: Vec<String>,
    /// Whether nothing was wrong with it so far. What is missing has been said; the filter need not say it again.
    pub whole: bool,
}

/// Keys that the auth filter understands and the policy hands on as they are.
const HANDED_ON: [&str; 9] =
    ["realm", "leeway", "forward", "default_tier", "claims", "token_bytes_max", "remember", "revoked", "revocation"];

impl Identity {
    /// Reads the mapping `identity`.
    pub fn read(node: &Node, surroundings: &Surroundings<'_>, mistakes: &mut Mistakes) -> Option<Self> {
        let before = mistakes.len();
        let mut fields = Fields::of(node, "`identity`", mistakes)?;
        let mut identity = Self { draft: Draft::object(&fields.span), variables: Vec::new(), whole: false };
        if let Some(node) = fields.required("jwt", mistakes) {
            let items = reader::items(node, "issuers of tokens", mistakes).unwrap_or_default();
            let issuers = items.iter().filter_map(|item| identity.issuer(item, surroundings, mistakes)).collect();
            identity.draft.set("issuers", Draft::list(issuers, &node.span));
        }
        for key in HANDED_ON {
            if let Some(node) = fields.optional(key) {
                identity.draft.set(key, Draft::of(node));
            }
        }
        fields.finish(mistakes);
        identity.whole = mistakes.len() == before;
        Some(identity)
    }

    fn issuer(&mut self, node: &Node, surroundings: &Surroundings<'_>, mistakes: &mut Mistakes) -> Option<Draft> {
        let mut fields = Fields::of(node, "an issuer of tokens", mistakes)?;
        let mut issuer = Draft::object(&fields.span);
        for key in ["issuer", "audiences"] {
            if let Some(node) = fields.required(key, mistakes) {
                issuer.set(key, Draft::of(node));
            }
        }
        if let Some(node) = fields.required("jwks", mistakes) {
            issuer.set("jwks", self.key_set(node, surroundings, mistakes)?);
        }
        fields.finish(mistakes);
        Some(issuer)
    }

    /// A JSON Web Key Set, written here or in a file.
    fn key_set(&mut self, node: &Node, surroundings: &Surroundings<'_>, mistakes: &mut Mistakes) -> Option<Draft> {
        let mut fields = Fields::of(node, "a key set", mistakes)?;
        if let Some(file) = fields.optional("file") {
            fields.finish(mistakes);
            let name = reader::text(file, mistakes)?;
            let text = match fs::read_to_string(surroundings.folder.join(&name.value)) {
                Ok(text) => text,
                Err(error) => {
                    let expected = "expected a JSON Web Key Set, relative to this file";
                    mistakes.add(&name.span, format!("`{}` cannot be read: {error}", name.value), expected);
                    return None;
                }
            };
            return match serde_json::from_str::<serde_json::Value>(&text) {
                Ok(json) => Some(Draft::leaf(json, &name.span)),
                Err(error) => {
                    mistakes.add(&name.span, format!("`{}` is not JSON: {error}", name.value), "");
                    None
                }
            };
        }
        let keys = fields.required("keys", mistakes)?;
        fields.finish(mistakes);
        for key in reader::items(keys, "keys", mistakes)? {
            self.variables.extend(variable(key));
        }
        Some(Draft::of(node))
    }
}

/// The variable that a key names instead of holding its secret.
fn variable(key: &Node) -> Option<String> {
    let Value::Map(entries) = &key.value else { return None };
    let entry = entries.iter().find(|entry| entry.key == "env")?;
    reader::scalar(&entry.node).map(str::to_owned)
}
