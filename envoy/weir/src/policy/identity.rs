//! Whose tokens and keys are accepted: the mapping `identity`, which is the auth filter's configuration without its routes.

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
    /// Headers in which callers show credentials or in which claims are handed on.
    pub headers: Vec<String>,
    /// Whether credentials are read from queries.
    pub reads_queries: bool,
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
const HANDED_ON: [&str; 12] = [
    "api_keys",
    "claims",
    "default_tier",
    "forward",
    "hand_on",
    "leeway",
    "realm",
    "remember",
    "revocation",
    "revoked",
    "token_bytes_max",
    "tokens",
];
/// Where API keys are read unless the policy says otherwise.
const KEY_HEADER: &str = "x-api-key";

impl Identity {
    /// Reads the mapping `identity`.
    pub fn read(node: &Node, surroundings: &Surroundings<'_>, mistakes: &mut Mistakes) -> Option<Self> {
        let before = mistakes.len();
        let mut fields = Fields::of(node, "`identity`", mistakes)?;
        let mut identity = Self {
            draft: Draft::object(&fields.span),
            variables: Vec::new(),
            headers: Vec::new(),
            reads_queries: false,
            publishers: Vec::new(),
            whole: false,
        };
        let keys = member(node, "api_keys");
        let issuers = if keys.is_some() { fields.optional("jwt") } else { fields.required("jwt", mistakes) };
        if let Some(node) = issuers {
            let items = reader::items(node, "issuers of tokens", mistakes).unwrap_or_default();
            let issuers = items.iter().filter_map(|item| identity.issuer(item, surroundings, mistakes)).collect();
            identity.draft.set("issuers", Draft::list(issuers, &node.span));
        }
        identity.read_places(node);
        if let Some(keys) = keys {
            identity.headers.extend(text(keys, "header").or_else(|| Some(KEY_HEADER.to_owned())));
            identity.reads_queries |= member(keys, "query").is_some();
            identity.variables.extend(member(keys, "pepper").and_then(|pepper| text(pepper, "env")));
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

    /// Notes where tokens are read and claims are handed on. Whether that is well said, the filter says.
    fn read_places(&mut self, node: &Node) {
        let from = member(node, "tokens").and_then(|tokens| member(tokens, "from"));
        for list in [from, member(node, "hand_on")].into_iter().flatten() {
            let Value::List(items) = &list.value else { continue };
            self.headers.extend(items.iter().filter_map(|item| text(item, "header")));
            self.reads_queries |= items.iter().any(|item| member(item, "query").is_some());
        }
    }

    fn issuer(&mut self, node: &Node, surroundings: &Surroundings<'_>, mistakes: &mut Mistakes) -> Option<Draft> {
        let mut fields = Fields::of(node, "an issuer of tokens", mistakes)?;
        let mut issuer = Draft::object(&fields.span);
        for key in ["issuer", "audiences"] {
            if let Some(node) = fields.required(key, mistakes) {
                issuer.set(key, Draft::of(node));
            }
        }
        for key in ["algorithms", "typ", "max_age", "require_expiry", "required_claims", "user_prefix"] {
            if let Some(node) = fields.optional(key) {
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
            self.variables.extend(text(key, "env"));
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

/// The files with key sets that a policy names, be the rest of it right or not.
pub fn key_sets(policy: &Node) -> Vec<&str> {
    let issuers = member(policy, "identity").and_then(|identity| member(identity, "jwt"));
    let issuers = issuers.map_or([].as_slice(), |issuers| match &issuers.value {
        Value::List(items) => items,
        _ => &[],
    });
    let file = |issuer| reader::scalar(member(member(issuer, "jwks")?, "file")?);
    issuers.iter().filter_map(file).collect()
}

/// The value under a key of a mapping.
fn member<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    let Value::Map(entries) = &node.value else { return None };
    entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
}

/// The scalar under a key of a mapping.
fn text(node: &Node, key: &str) -> Option<String> {
    member(node, key).and_then(reader::scalar).map(str::to_owned)
}
