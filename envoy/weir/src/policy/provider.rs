//! A third party whose own interface is hidden behind the common one: what an upstream says of its `profile`.

use crate::diagnostic::Mistakes;
use crate::draft::Draft;
use crate::reader::Fields;
use crate::yaml::{Node, Value};

/// What the provider filter reads of an upstream.
#[derive(Debug)]
pub struct Provider {
    /// Its configuration, without `base`, which is the upstream's own.
    pub draft: Draft,
    /// The variables of the environment that hold its secrets.
    pub variables: Vec<String>,
}

/// Keys that the filter understands, and the policy hands on as they are.
const HANDED_ON: [&str; 3] = ["credentials", "user_agent", "answer_max"];

impl Provider {
    /// Takes what belongs to a provider out of an upstream's keys; without `profile`, there is none, and no such key.
    pub fn read(fields: &mut Fields<'_>, internal: bool, mistakes: &mut Mistakes) -> Option<Self> {
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
        let mut provider = Self { draft: Draft::object(&profile.span), variables: Vec::new() };
        provider.draft.set("profile", Draft::of(profile));
        for key in HANDED_ON {
            if let Some(node) = fields.optional(key) {
                provider.draft.set(key, Draft::of(node));
                provider.collect(node);
            }
        }
        Some(provider)
    }

    /// Notes the variables that are named by `env` at any depth. Whether that is well said, the filter says.
    fn collect(&mut self, node: &Node) {
        let Value::Map(entries) = &node.value else { return };
        for entry in entries {
            match &entry.node.value {
                Value::Text { text, .. } if entry.key == "env" => self.variables.push(text.clone()),
                _ => self.collect(&entry.node),
            }
        }
    }
}
