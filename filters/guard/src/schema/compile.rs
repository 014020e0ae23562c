//! From a schema as it is written to one that can be applied.

use policy::ConfigError;
use policy::json::Json;

use crate::schema::part::{Part, wrong};
use crate::schema::{Id, Node, Rule, Schema};

/// Schemas within schemas, at most.
const DEPTH_MAX: usize = 32;
/// Parts of one schema, at most.
const NODES_MAX: usize = 4096;
/// What is known while a schema is compiled.
#[derive(Default)]
pub(super) struct Compiler {
    nodes: Vec<Node>,
    /// Where each part stands, by its JSON Pointer.
    places: Vec<(String, Id)>,
    /// Which parts refer to which places, and where that is said.
    pub(super) references: Vec<(Id, String, String)>,
}

/// Compiles a schema.
pub(super) fn compile(json: &Json) -> Result<Schema, ConfigError> {
    let mut compiler = Compiler::default();
    compiler.part(json, "", 0)?;
    for (from, pointer, path) in std::mem::take(&mut compiler.references) {
        let found = compiler.places.iter().find(|(place, _)| *place == pointer);
        let Some((_, to)) = found else {
            return Err(ConfigError::at(path, format!("there is no schema at #{pointer}")));
        };
        if let Some(node) = compiler.nodes.get_mut(from) {
            // One of which all must hold is what a reference is.
            node.0.push(Rule::All(vec![*to]));
        }
    }
    let schema = Schema { nodes: compiler.nodes };
    if (0..schema.nodes.len()).any(|id| is_endless(&schema, id)) {
        return Err(ConfigError::at("", "refers to itself without looking any deeper into a value"));
    }
    Ok(schema)
}

/// Whether a part leads to itself at the same place of a value.
fn is_endless(schema: &Schema, start: Id) -> bool {
    let mut seen = vec![false; schema.nodes.len()];
    let mut open = vec![start];
    while let Some(id) = open.pop() {
        for rule in schema.nodes.get(id).iter().flat_map(|node| &node.0) {
            for next in in_place(rule) {
                if next == start {
                    return true;
                }
                if let Some(seen) = seen.get_mut(next).filter(|seen| !**seen) {
                    *seen = true;
                    open.push(next);
                }
            }
        }
    }
    false
}

fn in_place(rule: &Rule) -> Vec<Id> {
    match rule {
        Rule::All(all) | Rule::Any(all) | Rule::One(all) => all.clone(),
        Rule::Not(not) => vec![*not],
        Rule::If { condition, met, unmet } => [Some(*condition), *met, *unmet].into_iter().flatten().collect(),
        Rule::DependentSchemas(all) => all.iter().map(|(_, id)| *id).collect(),
        _ => Vec::new(),
    }
}

impl Compiler {
    /// Compiles the part that stands at `pointer`, with all that it contains.
    pub(super) fn part(&mut self, json: &Json, pointer: &str, depth: usize) -> Result<Id, ConfigError> {
        let id = self.nodes.len();
        if depth > DEPTH_MAX || id >= NODES_MAX {
            return wrong("", "has too many schemas within schemas");
        }
        self.nodes.push(Node::default());
        self.places.push((pointer.to_owned(), id));
        let rules = match json {
            Json::Bool(true) => Vec::new(),
            Json::Bool(false) => vec![Rule::Never],
            Json::Object(members) => Part { compiler: self, members, pointer, depth, id }.rules()?,
            _ => return wrong("", "must be a schema: an object, true or false"),
        };
        if let Some(node) = self.nodes.get_mut(id) {
            node.0 = rules;
        }
        Ok(id)
    }
}

/// A fragment of a URI as the JSON Pointer that it stands for.
pub(super) fn unescaped(fragment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        if byte == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = after.get(2..)?;
        } else {
            bytes.push(byte);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}
