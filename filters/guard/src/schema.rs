//! JSON Schema, as far as it is offered: draft 2020-12, compiled once and applied to each body within a bound.
//!
//! Offered are, of the core `$defs`, `$ref` to a place in the same schema (`#/…`), `$schema` (2020-12) and `$comment`; all
//! applicators but `unevaluatedItems`, `unevaluatedProperties` and `$dynamicRef`; all of the validation vocabulary; of the
//! annotations `title`, `description`, `default`, `examples`, `deprecated`, `readOnly` and `writeOnly`, which say nothing here; and
//! `format`, which is asserted, for `date`, `date-time`, `ipv4`, `ipv6` and `uuid`. Everything else is a mistake in a configuration:
//! a keyword that is passed over would look as if it were checked.
//!
//! Other than in the specification:
//! - Numbers are doubles (RFC 8259 §6): beyond 2^53, neighbours are equal.
//! - `pattern` and `patternProperties` know what the crate `regex-lite` does: no look-around, no back-references, no classes of
//!   Unicode; `\d`, `\w` and `\s` are of ASCII. What it does not know is a mistake. A match takes time by the text's length alone.
//! - An object with a name that stands twice, or with more than 256 members, is no JSON here.

mod compile;
mod format;
mod order;
mod part;
mod pattern;
mod value;

use policy::ConfigError;
use policy::json::Json;

use crate::schema::format::Format;
use crate::schema::pattern::Pattern;

pub use crate::schema::part::KEYWORDS;

/// A schema that can be applied.
#[derive(Clone, Debug)]
pub struct Schema {
    /// The first is the whole one's.
    nodes: Vec<Node>,
}

/// What does not fit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Misfit {
    /// Where, as a JSON Pointer (RFC 6901); empty for the whole. Of long names, the beginning.
    pub place: String,
    /// What is wrong there.
    pub reason: String,
}

/// Which of a schema's parts.
type Id = usize;

/// One of a schema's parts: what all of it asks.
#[derive(Clone, Debug, Default)]
struct Node(Vec<Rule>);

/// What one keyword, or a few that belong together, ask.
#[derive(Clone, Debug)]
enum Rule {
    Never,
    Type { allowed: u8, told: String },
    Enum(Vec<Json>),
    Number(Bound, f64),
    MultipleOf(f64),
    Length { least: usize, most: usize },
    Pattern(Pattern),
    Format(Format),
    Size { least: usize, most: usize },
    Unique,
    Items { first: Vec<Id>, rest: Option<Id> },
    Contains { item: Id, least: usize, most: usize },
    Members { least: usize, most: usize },
    Required(Vec<String>),
    DependentRequired(Vec<(String, Vec<String>)>),
    DependentSchemas(Vec<(String, Id)>),
    Properties(Properties),
    Names(Id),
    All(Vec<Id>),
    Any(Vec<Id>),
    One(Vec<Id>),
    Not(Id),
    If { condition: Id, met: Option<Id>, unmet: Option<Id> },
}

/// The schemas of an object's members.
#[derive(Clone, Debug)]
struct Properties {
    /// By name, sorted.
    named: Vec<(String, Id)>,
    patterns: Vec<(Pattern, Id)>,
    /// Of those that are neither.
    rest: Option<Id>,
}

/// On which side of a number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Bound {
    Least,
    Above,
    Most,
    Below,
}

impl Schema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn compile(json: &Json) -> Result<Self, ConfigError> {
        compile::compile(json)
    }

    /// Checks a value.
    ///
    /// # Errors
    /// The first place that does not fit.
    pub fn check(&self, value: &Json) -> Result<(), Misfit> {
        value::check(self, value)
    }
}

#[cfg(test)]
mod tests;
