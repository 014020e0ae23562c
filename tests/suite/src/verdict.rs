//! Whether a message is what a line expects, and what to say where it is not.

use std::fmt::Write;

use proxy::message::Field;
use regex::bytes::Regex;
use serde_json::Value;

use crate::step::{Expectation, Subject, Test};
use crate::word::{Template, Variables};

/// A message as a proxy's client or upstream saw it.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// `200`, `cut` or `reset` of an answer; empty for a request.
    pub status: String,
    /// Empty for an answer.
    pub method: Vec<u8>,
    /// Empty for an answer.
    pub path: Vec<u8>,
    /// In their order; the authority is `host`.
    pub headers: Vec<Field>,
    /// Whole.
    pub body: Vec<u8>,
    /// In their order.
    pub trailers: Vec<Field>,
}

/// Every expectation that is not met, one text each; new variables are bound.
pub fn judge(expected: &[Expectation], seen: &Seen, variables: &mut Variables) -> Vec<String> {
    let mut faults = Vec::new();
    for expectation in expected {
        let values = seen.values(&expectation.subject);
        if let Err(wish) = test(&expectation.test, &values, variables) {
            let got = if values.is_empty() { "nothing".to_owned() } else { shown_all(&values) };
            faults.push(format!("{}: expected {wish}, got {got}", title(&expectation.subject)));
        }
    }
    faults
}

/// `Err` says what was wished for.
fn test(test: &Test, values: &[Vec<u8>], variables: &mut Variables) -> Result<(), String> {
    let demand = |holds: bool, wish: String| if holds { Ok(()) } else { Err(wish) };
    match test {
        Test::Absent => demand(values.is_empty(), "nothing".to_owned()),
        Test::Present => demand(!values.is_empty(), "something".to_owned()),
        Test::Is(templates) => is(templates, values, variables),
        Test::IsNot(template) => {
            let unwanted = template.render(variables)?;
            let holds = !values.is_empty() && !values.contains(&unwanted);
            demand(holds, format!("something other than {}", shown(&unwanted)))
        }
        Test::Contains(template) => {
            let part = template.render(variables)?;
            demand(values.iter().any(|value| contains(value, &part)), format!("something with {} in it", shown(&part)))
        }
        Test::Lacks(template) => {
            let part = template.render(variables)?;
            demand(!values.iter().any(|value| contains(value, &part)), format!("nothing with {} in it", shown(&part)))
        }
        Test::Matches(regex) => matches(regex, values, variables),
        Test::AtMost(most) => demand(number(values).is_some_and(|got| got <= *most), format!("at most {most}")),
        Test::AtLeast(least) => demand(number(values).is_some_and(|got| got >= *least), format!("at least {least}")),
        Test::Hundred(hundred) => {
            let within = f64::from(*hundred) * 100.0..f64::from(*hundred + 1) * 100.0;
            let holds = number(values).is_some_and(|got| within.contains(&got));
            demand(holds, format!("{hundred}xx"))
        }
    }
}

/// These values and no other; a new variable takes its value.
fn is(templates: &[Template], values: &[Vec<u8>], variables: &mut Variables) -> Result<(), String> {
    let mut wished = Vec::new();
    for (index, template) in templates.iter().enumerate() {
        if let (Some(name), Some(value)) = (template.variable(), values.get(index)) {
            variables.entry(name.to_owned()).or_insert_with(|| value.clone());
        }
        wished.push(template.render(variables)?);
    }
    // An empty body and no body are the same thing on the wire.
    let both_empty = values.is_empty() && wished == [Vec::<u8>::new()];
    if wished == values || both_empty { Ok(()) } else { Err(shown_all(&wished)) }
}

/// A value matches; its named groups are bound, or equal what they are bound to.
fn matches(regex: &Regex, values: &[Vec<u8>], variables: &mut Variables) -> Result<(), String> {
    let wish = || format!("something that matches /{regex}/");
    let captures = values.iter().find_map(|value| regex.captures(value)).ok_or_else(wish)?;
    for name in regex.capture_names().flatten() {
        let Some(group) = captures.name(name) else { continue };
        let bound = variables.entry(name.to_owned()).or_insert_with(|| group.as_bytes().to_vec());
        if bound != group.as_bytes() {
            return Err(format!("{} with ${name} = {}", wish(), shown(bound)));
        }
    }
    Ok(())
}

fn contains(value: &[u8], part: &[u8]) -> bool {
    part.is_empty() || value.windows(part.len()).any(|window| window == part)
}

/// The only value, as a number.
fn number(values: &[Vec<u8>]) -> Option<f64> {
    match values {
        [value] => std::str::from_utf8(value).ok()?.trim().parse().ok(),
        _ => None,
    }
}

impl Seen {
    /// Every value of one part, in order.
    fn values(&self, subject: &Subject) -> Vec<Vec<u8>> {
        let of = |fields: &[Field], name: &[u8]| {
            let matching = fields.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name));
            matching.map(|(_, value)| value.clone()).collect()
        };
        let whole = |bytes: &[u8]| if bytes.is_empty() { Vec::new() } else { vec![bytes.to_vec()] };
        match subject {
            Subject::Status => whole(self.status.as_bytes()),
            Subject::Method => whole(&self.method),
            Subject::Path => whole(&self.path),
            Subject::Header(name) => of(&self.headers, name),
            Subject::Trailer(name) => of(&self.trailers, name),
            Subject::Body => whole(&self.body),
            Subject::Member(path) => member(&self.body, path).into_iter().collect(),
        }
    }

    /// The message in a few lines, for a report.
    pub fn summary(&self) -> String {
        let first = if self.status.is_empty() {
            [&self.method[..], b" ", &self.path].concat()
        } else {
            self.status.clone().into()
        };
        let mut text = first.escape_ascii().to_string();
        for (name, value) in &self.headers {
            let _ = write!(text, "\n{}: {}", name.escape_ascii(), shortened(value));
        }
        if !self.body.is_empty() {
            let _ = write!(text, "\n\n{}", shortened(&self.body));
        }
        for (name, value) in &self.trailers {
            let _ = write!(text, "\ntrailer {}: {}", name.escape_ascii(), shortened(value));
        }
        text
    }
}

/// A member of a JSON body, as text; text members without their quotes.
fn member(body: &[u8], path: &[String]) -> Option<Vec<u8>> {
    let whole: Value = serde_json::from_slice(body).ok()?;
    let found = path.iter().try_fold(&whole, |value, step| match value {
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        Value::Object(members) => members.get(step),
        _ => None,
    })?;
    Some(match found {
        Value::String(text) => text.clone().into_bytes(),
        other => other.to_string().into_bytes(),
    })
}

fn title(subject: &Subject) -> String {
    match subject {
        Subject::Status => "status".to_owned(),
        Subject::Method => "method".to_owned(),
        Subject::Path => "path".to_owned(),
        Subject::Header(name) => name.escape_ascii().to_string(),
        Subject::Trailer(name) => format!("trailer:{}", name.escape_ascii()),
        Subject::Body => "body".to_owned(),
        Subject::Member(path) => format!("body.{}", path.join(".")),
    }
}

fn shown_all(values: &[Vec<u8>]) -> String {
    values.iter().map(|value| shown(value)).collect::<Vec<_>>().join(" and ")
}

fn shown(value: &[u8]) -> String {
    format!("\"{}\"", shortened(value))
}

/// Printable, and no longer than a report can bear.
fn shortened(value: &[u8]) -> String {
    const BYTES_MAX: usize = 600;
    let start = value.get(..BYTES_MAX).unwrap_or(value);
    // JSON is easier to read with its quotes unescaped.
    let text = start.escape_ascii().to_string().replace("\\\"", "\"").replace("\\'", "'");
    if value.len() > BYTES_MAX { format!("{text}… ({} bytes)", value.len()) } else { text }
}
