//! Whose tokens are accepted: the mapping `identity`, which is the auth filter's configuration without its routes.

use std::fs;

use crate::diagnostic::Mistakes;
use crate::draft::Draft;
use crate::policy::Surroundings;
use crate::policy::upstream::{Address, Name};
use crate::reader::{self, Fields};
use crate::yaml::{Node, Value};

/// Who may call, as far as the policy says.
#[derive(Debug)]
pub struct Identity {
    /// The auth filter's configuration, in which `issuers` are the policy's `jwt`, and nothing is said of routes.
    pub draft: Draft,
    /// The variables of the environment that hold keys.
    pub variables: Vec<String>,
    /// Where issuers publish their keys, each address once.
    pub publishers: Vec<Publisher>,
    /// Whether nothing was wrong with it so far. What is missing has been said; the filter need not say it again.
    pub whole: bool,
}

/// Where an issuer publishes its keys.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Publisher {
    /// Envoy's cluster. It is named after the address: whatever order issuers are in, and whatever a changed policy says
    /// of them, one issuer's keys are never fetched from another.
    pub cluster: String,
    /// The address.
    pub address: Address,
}

/// What a policy may say about keys that are fetched, as the auth filter reads it.
const FETCH: [&str; 7] = ["refresh", "timeout", "keep", "cooldown", "wait", "waiting_max", "bytes_max"];

/// Keys that the auth filter understands and the policy hands on as they are.
const HANDED_ON: [&str; 7] = ["realm", "leeway", "forward", "default_tier", "claims", "token_bytes_max", "remember"];

impl Identity {
    /// Reads the mapping `identity`.
    pub fn read(node: &Node, surroundings: &Surroundings<'_>, mistakes: &mut Mistakes) -> Option<Self> {
        let before = mistakes.len();
        let mut fields = Fields::of(node, "`identity`", mistakes)?;
        let mut identity =
            Self { draft: Draft::object(&fields.span), variables: Vec::new(), publishers: Vec::new(), whole: false };
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

    /// A JSON Web Key Set, written here, in a file, or published by the issuer.
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
        if let Some(url) = fields.optional("url") {
            for key in FETCH {
                let _ = fields.optional(key);
            }
            fields.finish(mistakes);
            return self.published(node, url, mistakes);
        }
        let keys = fields.required("keys", mistakes)?;
        fields.finish(mistakes);
        for key in reader::items(keys, "keys", mistakes)? {
            self.variables.extend(variable(key));
        }
        Some(Draft::of(node))
    }

    /// A key set that is fetched through a cluster of its own.
    fn published(&mut self, node: &Node, url: &Node, mistakes: &mut Mistakes) -> Option<Draft> {
        let text = reader::text(url, mistakes)?;
        let address = match Address::parse(&text.value) {
            Ok((address, _)) => Address { base: String::new(), ..address },
            Err(why) => {
                mistakes.add(&text.span, format!("`{}` is not the URL of a key set", text.value), why);
                return None;
            }
        };
        let host = match &address.host {
            Name::Domain(name) => name.clone(),
            Name::Ip(ip) => ip.to_string(),
        };
        let cluster = format!("jwks.{}.{host}.{}", if address.tls { "https" } else { "http" }, address.port);
        let mut draft = Draft::of(node);
        draft.set("cluster", Draft::leaf(cluster.as_str(), &text.span));
        let publisher = Publisher { cluster, address };
        if !self.publishers.contains(&publisher) {
            self.publishers.push(publisher);
        }
        Some(draft)
    }
}

/// The variable that a key names instead of holding its secret.
fn variable(key: &Node) -> Option<String> {
    let Value::Map(entries) = &key.value else { return None };
    let entry = entries.iter().find(|entry| entry.key == "env")?;
    reader::scalar(&entry.node).map(str::to_owned)
}
