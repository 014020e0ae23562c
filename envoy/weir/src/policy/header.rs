//! Request headers that an upstream wants, with values that may come from the environment.

use crate::code::Code;
use crate::diagnostic::{Mistakes, Span};
use crate::policy::Surroundings;
use crate::reader::{self, Fields};
use crate::yaml::{Entry, Node, Value};

/// A header that is set on every request to an upstream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Header {
    /// The name, in lower case.
    pub name: String,
    /// The value.
    pub value: Content,
    /// Where the policy says the value itself, and leaves it to no environment.
    pub written: Option<Span>,
}

/// Where a header's value comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Content {
    /// From the policy file.
    Literal(String),
    /// From this variable of Envoy's environment. The value itself is never written anywhere.
    Variable(String),
}

impl Content {
    /// The variable of the environment that it is read from, where it is from there.
    pub fn variable(&self) -> Option<&String> {
        match self {
            Self::Variable(name) => Some(name),
            Self::Literal(_) => None,
        }
    }
}

/// Reads a mapping of header names to values.
pub fn read(node: &Node, surroundings: &Surroundings<'_>, mistakes: &mut Mistakes) -> Vec<Header> {
    let entries = reader::entries(node, "header names and their values", mistakes).unwrap_or_default();
    entries.iter().filter_map(|entry| header(entry, surroundings, mistakes)).collect()
}

fn header(entry: &Entry, surroundings: &Surroundings<'_>, mistakes: &mut Mistakes) -> Option<Header> {
    if let Err(mistake) = policy::route::lower_case(&entry.key) {
        mistakes.add(&entry.span, format!("`{}` is not a header name", entry.key), mistake.reason);
        return None;
    }
    // Envoy makes these itself, and a filter relies on them.
    if entry.key == "host" || entry.key.starts_with("x-weir-") || entry.key == "content-length" {
        mistakes.add(&entry.span, format!("`{}` cannot be set here", entry.key), "the gateway sets it itself");
        return None;
    }
    let value = match &entry.node.value {
        Value::Map(_) => variable(&entry.node, surroundings, mistakes)?,
        _ => Content::Literal(reader::text(&entry.node, mistakes)?.value),
    };
    if let Content::Literal(text) = &value
        && text.chars().any(char::is_control)
    {
        mistakes.add(&entry.node.span, "the value has a control character", "expected one line of text");
        return None;
    }
    let written = (!matches!(entry.node.value, Value::Map(_))).then(|| entry.node.span.clone());
    Some(Header { name: entry.key.clone(), value, written })
}

fn variable(node: &Node, surroundings: &Surroundings<'_>, mistakes: &mut Mistakes) -> Option<Content> {
    let mut fields = Fields::of(node, "a value from the environment", mistakes)?;
    let name = fields.required("env", mistakes).and_then(|node| reader::text(node, mistakes));
    let default = fields.optional("default").and_then(|node| reader::text(node, mistakes));
    fields.finish(mistakes);
    let name = name?;
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !name.value.chars().all(word) {
        mistakes.add(&name.span, format!("`{}` is not a variable's name", name.value), "expected A-Z a-z 0-9 _");
        return None;
    }
    match ((surroundings.variable)(&name.value), default) {
        (Some(_), _) => Some(Content::Variable(name.value)),
        (None, Some(default)) => Some(Content::Literal(default.value)),
        (None, None) => {
            let wrong = format!("the environment has no variable `{}`", name.value);
            mistakes.add_as(Code::UnknownVariable, &name.span, wrong, "set it, or give a `default` beside it");
            None
        }
    }
}
