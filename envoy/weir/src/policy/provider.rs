//! A third party whose own interface is hidden behind the common one: what an upstream says of its `profile`.

use std::path::PathBuf;

use crate::diagnostic::Mistakes;
use crate::draft::Draft;
use crate::policy::Surroundings;
use crate::policy::upstream::{Address, Name};
use crate::reader::{self, Fields};
use crate::yaml::{Node, Value};

/// What the provider filter reads of an upstream.
#[derive(Debug)]
pub struct Provider {
    /// Its configuration, without what is the upstream's own.
    pub draft: Draft,
    /// The variables of the environment that hold its secrets.
    pub variables: Vec<String>,
    /// Those of them that stand for files.
    pub files: Vec<Secret>,
    /// Where its tokens are fetched, where they are.
    pub endpoint: Option<Endpoint>,
}

/// A secret in a file. What it holds is handed to Envoy in a variable of its environment, when it is started.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Secret {
    /// The variable.
    pub variable: String,
    /// The file.
    pub file: PathBuf,
}

impl Secret {
    /// What it holds now, without the end of its last line.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn read(&self) -> std::io::Result<String> {
        let text = std::fs::read_to_string(&self.file)?;
        Ok(text.trim_end_matches(['\r', '\n']).to_owned())
    }
}

/// A token endpoint.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Endpoint {
    /// Envoy's cluster, named after the address.
    pub cluster: String,
    /// Where it is.
    pub address: Address,
}

/// Keys that the filter understands, and the policy hands on as they are.
const HANDED_ON: [&str; 3] = ["credentials", "user_agent", "answer_max"];

impl Provider {
    /// Takes what belongs to a provider out of an upstream's keys; without `profile`, there is none, and no such key.
    pub fn read(
        name: &str,
        fields: &mut Fields<'_>,
        internal: bool,
        surroundings: &Surroundings<'_>,
        mistakes: &mut Mistakes,
    ) -> Option<Self> {
        let Some(profile) = fields.optional("profile") else {
            for key in HANDED_ON {
                if let Some(node) = fields.optional(key) {
                    mistakes.add(&node.span, format!("`{key}` means nothing here"), "expected a `profile` beside it");
                }
            }
            return None;
        };
        if internal {
            mistakes.add(&profile.span, "a provider is a third party", "take `internal` off");
        }
        let draft = Draft::object(&profile.span);
        let mut provider = Self { draft, variables: Vec::new(), files: Vec::new(), endpoint: None };
        provider.draft.set("profile", Draft::of(profile));
        for key in HANDED_ON {
            if let Some(node) = fields.optional(key) {
                let mut draft = Draft::of(node);
                if key == "credentials" {
                    provider.credentials(node, &mut draft, mistakes);
                    provider.secrets(node, &variable("WEIR", name), &mut draft, surroundings, mistakes);
                }
                provider.draft.set(key, draft);
            }
        }
        Some(provider)
    }

    /// Finds out where tokens are fetched: through a cluster of its own. Whether the rest is well said, the filter says.
    fn credentials(&mut self, node: &Node, draft: &mut Draft, mistakes: &mut Mistakes) {
        let Some(oauth2) = member(node, "oauth2") else { return };
        if let Some(cluster) = member(oauth2, "cluster") {
            mistakes.add(&cluster.span, "`cluster` is not said here", "it is made of `token_url`");
        }
        let Some(url) = member(oauth2, "token_url").and_then(|url| reader::text(url, mistakes)) else { return };
        let address = match Address::parse(&url.value) {
            Ok((address, _)) => Address { base: String::new(), ..address },
            Err(why) => {
                mistakes.add(&url.span, format!("`{}` is not the URL of a token endpoint", url.value), why);
                return;
            }
        };
        let host = match &address.host {
            Name::Domain(name) => name.clone(),
            Name::Ip(ip) => ip.to_string(),
        };
        let cluster = format!("oauth.{}.{host}.{}", if address.tls { "https" } else { "http" }, address.port);
        if let Some(mut grant) = draft.take("oauth2") {
            grant.set("cluster", Draft::leaf(cluster.as_str(), &url.span));
            draft.set("oauth2", grant);
        }
        self.endpoint = Some(Endpoint { cluster, address });
    }

    /// Notes the variables that are named by `env` at any depth, and puts one in the place of each `file`. What is said of a secret
    /// for the sandbox is its default there, and nothing elsewhere.
    fn secrets(
        &mut self,
        node: &Node,
        place: &str,
        draft: &mut Draft,
        surroundings: &Surroundings<'_>,
        mistakes: &mut Mistakes,
    ) {
        let Value::Map(entries) = &node.value else { return };
        if let Some(stand_in) = draft.has("env").then(|| draft.take("sandbox")).flatten()
            && surroundings.is_sandbox
        {
            draft.set("default", stand_in);
        }
        for entry in entries {
            match &entry.node.value {
                Value::Text { text, .. } if entry.key == "env" => self.variables.push(text.clone()),
                Value::Text { text, .. } if entry.key == "file" => {
                    if draft.take("file").is_none() || draft.has("env") {
                        mistakes.add(&entry.span, "a secret is in one place", "expected `env` or `file`");
                        continue;
                    }
                    let secret = Secret { variable: place.to_owned(), file: surroundings.folder.join(text) };
                    if let Err(error) = secret.read() {
                        let expected = "expected a file with the secret, relative to this file";
                        mistakes.add(&entry.node.span, format!("`{text}` cannot be read: {error}"), expected);
                    }
                    draft.set("env", Draft::leaf(place, &entry.node.span));
                    self.variables.push(secret.variable.clone());
                    self.files.push(secret);
                }
                Value::Map(_) => {
                    let Some(mut inner) = draft.take(&entry.key) else { continue };
                    let place = variable(place, &entry.key);
                    self.secrets(&entry.node, &place, &mut inner, surroundings, mistakes);
                    draft.set(&entry.key, inner);
                }
                _ => {}
            }
        }
    }
}

/// The name of a variable for what stands at this place.
fn variable(place: &str, key: &str) -> String {
    let name = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    format!("{place}_{key}").chars().map(name).collect()
}

/// The value under a key of a mapping.
fn member<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    let Value::Map(entries) = &node.value else { return None };
    entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
}
