//! A YAML document as a tree in which every key and value knows its place, within fixed limits.
//!
//! Only what a policy needs is accepted: one document of mappings with text keys, lists and scalars. Anchors work, but
//! what aliases expand to counts towards the limit, so a small file cannot become a large tree. A key that stands
//! twice is a mistake: the parsers downstream would silently take one of them. So is a merge key (`<<`), which YAML 1.2
//! does not have.

use std::borrow::Cow;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};

use crate::code::Code;
use crate::diagnostic::{Mistakes, Span};

/// A value and its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where a mistake about this value is shown: a scalar itself, else the key or the first line.
    pub span: Span,
    /// What it is.
    pub value: Value,
}

/// The kinds of value that are told apart while parsing; what a scalar means depends on who reads it.
#[derive(Clone, Debug)]
pub enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// A scalar; `plain` where it has no quotes, and so may be a number or a boolean.
    Text {
        /// The characters, without quotes and escapes.
        text: String,
        /// Whether it stands there without quotes.
        plain: bool,
    },
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order of the file.
    Map(Vec<Entry>),
}

/// One key of a mapping and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key is.
    pub span: Span,
    /// The value.
    pub node: Node,
}

/// The largest file that is read.
pub const BYTES_MAX: usize = 1 << 20;
const NODES_MAX: usize = 50_000;
const DEPTH_MAX: usize = 32;

/// Reads one document. What is not YAML, or more than the limits allow, is one mistake and no tree; keys that repeat, and
/// merge keys, are mistakes beside a tree.
pub fn parse(text: &str, mistakes: &mut Mistakes) -> Option<Node> {
    if text.len() > BYTES_MAX {
        mistakes.add_as(Code::Syntax, &(0..0), "the file is too large", "a policy has at most 1 MiB");
        return None;
    }
    let mut loader = Loader::new(text);
    match loader.document() {
        Ok(node) => {
            for (span, wrong, expected) in loader.odd_keys {
                mistakes.add_as(Code::Syntax, &span, wrong, expected);
            }
            Some(node)
        }
        Err((span, wrong, expected)) => {
            mistakes.add_as(Code::Syntax, &span, wrong, expected);
            None
        }
    }
}

type Complaint = (Span, String, &'static str);

struct Loader<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    text: &'a str,
    /// The byte at which each character starts, since the parser counts characters.
    starts: Vec<usize>,
    anchors: Vec<(usize, Node)>,
    /// Keys that stand twice, and merge keys.
    odd_keys: Vec<Complaint>,
    nodes: usize,
}

impl<'a> Loader<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            parser: Parser::new_from_str(text),
            text,
            starts: text.char_indices().map(|(start, _)| start).collect(),
            anchors: Vec::new(),
            odd_keys: Vec::new(),
            nodes: 0,
        }
    }

    fn document(&mut self) -> Result<Node, Complaint> {
        loop {
            match self.next()? {
                (Event::DocumentStart(_), _) => break,
                (Event::StreamEnd, span) => return Err((span, "the file is empty".into(), "expected a policy")),
                _ => {}
            }
        }
        let (event, span) = self.next()?;
        let root = self.node(event, span, 0)?;
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(root),
                (Event::DocumentStart(_), span) => {
                    return Err((span, "there is a second document".into(), "a policy is one document"));
                }
                _ => {}
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), Complaint> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, self.byte(span.start)..self.byte(span.end))),
            Some(Err(error)) => {
                let at = self.byte(*error.marker());
                Err((at..at + 1, format!("this is not YAML: {}", error.info()), hint(self.text, at)))
            }
            None => Ok((Event::StreamEnd, self.text.len()..self.text.len())),
        }
    }

    fn byte(&self, marker: Marker) -> usize {
        self.starts.get(marker.index()).copied().unwrap_or(self.text.len())
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Complaint> {
        self.nodes += 1;
        if depth > DEPTH_MAX || self.nodes > NODES_MAX {
            return Err((span, "the policy is too large".into(), "more levels or values than any policy needs"));
        }
        let (anchor, node) = match event {
            Event::Alias(id) => return self.alias(id, &span),
            Event::Scalar(text, style, anchor, tag) => {
                untagged(tag.is_some(), &span)?;
                (anchor, scalar(text, style, span))
            }
            Event::SequenceStart(anchor, tag) => {
                untagged(tag.is_some(), &span)?;
                (anchor, self.list(span, depth)?)
            }
            Event::MappingStart(anchor, tag) => {
                untagged(tag.is_some(), &span)?;
                (anchor, self.map(span, depth)?)
            }
            _ => return Err((span, "this is not a value".into(), "expected a mapping, a list or a scalar")),
        };
        if anchor > 0 {
            self.anchors.push((anchor, node.clone()));
        }
        Ok(node)
    }

    fn alias(&mut self, id: usize, span: &Span) -> Result<Node, Complaint> {
        let Some((_, node)) = self.anchors.iter().rev().find(|(anchor, _)| *anchor == id) else {
            return Err((span.clone(), "this alias has no anchor before it".into(), ""));
        };
        let node = node.clone();
        self.nodes += size(&node);
        if self.nodes > NODES_MAX {
            return Err((span.clone(), "the aliases expand to too many values".into(), "a policy has at most 50000"));
        }
        Ok(node)
    }

    fn list(&mut self, span: Span, depth: usize) -> Result<Node, Complaint> {
        let mut items: Vec<Node> = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => break,
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
        Ok(Node { span, value: Value::List(items) })
    }

    fn map(&mut self, span: Span, depth: usize) -> Result<Node, Complaint> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (key, key_span, plain) = match self.next()? {
                (Event::MappingEnd, _) => break,
                (Event::Scalar(text, style, _, None), span) => (text.into_owned(), span, style == ScalarStyle::Plain),
                (_, span) => return Err((span, "this key is not text".into(), "keys are plain words")),
            };
            let (event, value_span) = self.next()?;
            let mut node = self.node(event, value_span, depth + 1)?;
            if !matches!(node.value, Value::Text { .. }) {
                node.span = key_span.clone();
            }
            if plain && key == "<<" {
                let expected = "write the keys out here: an alias stands for a whole value and nothing less";
                self.odd_keys.push((key_span, "merge keys are not known here".into(), expected));
            } else if entries.iter().any(|entry| entry.key == key) {
                self.odd_keys.push((key_span.clone(), format!("`{key}` stands here twice"), "the second one"));
            } else {
                entries.push(Entry { key, span: key_span, node });
            }
        }
        // A block mapping begins without a character of its own.
        let span = entries.first().map_or(span, |first| first.span.clone());
        Ok(Node { span, value: Value::Map(entries) })
    }
}

/// What to do where YAML took one of its own signs for more than a part of a value.
fn hint(text: &str, at: usize) -> &'static str {
    let Some((before, after)) = text.split_at_checked(at) else { return "" };
    let is_within = before.ends_with(|c: char| !c.is_whitespace() && !matches!(c, '{' | '[' | ',' | ':'));
    let is_within_braces = is_within && after.starts_with(['{', '[']);
    if is_within_braces || after.starts_with(['*', '&', '%', '@', '`', '!']) {
        "put the whole value in quotes, like \"GET /a/{id}\""
    } else {
        ""
    }
}

fn untagged(tagged: bool, span: &Span) -> Result<(), Complaint> {
    if tagged {
        Err((span.clone(), "tags have no meaning here".into(), "expected a value without `!`"))
    } else {
        Ok(())
    }
}

fn scalar(text: Cow<'_, str>, style: ScalarStyle, span: Span) -> Node {
    let plain = style == ScalarStyle::Plain;
    let value = if plain && matches!(text.as_ref(), "" | "~" | "null" | "Null" | "NULL") {
        Value::Null
    } else {
        Value::Text { text: text.into_owned(), plain }
    };
    Node { span, value }
}

fn size(node: &Node) -> usize {
    match &node.value {
        Value::Null | Value::Text { .. } => 1,
        Value::List(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Map(entries) => 1 + entries.iter().map(|entry| size(&entry.node)).sum::<usize>(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(text: &str) -> Vec<(usize, String)> {
        let mut mistakes = Mistakes::default();
        parse(text, &mut mistakes);
        mistakes.in_order().into_iter().map(|mistake| (mistake.span.start, mistake.wrong)).collect()
    }

    #[test]
    fn places_are_bytes_even_after_wide_characters() {
        let mut mistakes = Mistakes::default();
        let node = parse("é: ü\nb: {c: [1, \"2\"]}\n", &mut mistakes).unwrap();
        let Value::Map(entries) = node.value else { panic!("a mapping") };
        assert_eq!((entries[0].span.clone(), entries[0].node.span.clone()), (0..2, 4..6));
        assert_eq!(entries[1].span, 7..8);
        let Value::Map(inner) = &entries[1].node.value else { panic!("a mapping") };
        let Value::List(items) = &inner[0].node.value else { panic!("a list") };
        assert!(matches!(&items[0].value, Value::Text { plain: true, .. }));
        assert!(matches!(&items[1].value, Value::Text { plain: false, .. }));
        assert_eq!(items[1].span, 18..21);
    }

    #[test]
    fn a_key_that_stands_twice_is_a_mistake() {
        assert_eq!(mistakes("a: 1\nb: 2\na: 3\n"), [(10, "`a` stands here twice".into())]);
        assert_eq!(mistakes("x: {a: 1, a: 3}\n"), [(10, "`a` stands here twice".into())]);
    }

    #[test]
    fn what_is_no_single_plain_document_is_refused() {
        for (text, at, wrong) in [
            ("", 0, "the file is empty"),
            ("a: 1\n---\nb: 2\n", 5, "there is a second document"),
            ("a: !!str 1\n", 3, "tags have no meaning here"),
            ("? [a]\n: 1\n", 2, "this key is not text"),
            ("a: *b\n", 3, "this is not YAML: while parsing node, found unknown anchor"),
            ("a: [1\nb: 2\n", 7, "this is not YAML: "),
        ] {
            let found = mistakes(text);
            assert_eq!(found.len(), 1, "{text:?}: {found:?}");
            assert!(found[0].0 == at && found[0].1.starts_with(wrong), "{text:?}: {found:?}");
        }
    }

    #[test]
    fn aliases_cannot_make_a_small_file_large() {
        let lines = (1..9).map(|level| {
            let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
            format!("a{level}: &a{level} [{aliases}]")
        });
        let first = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]".to_owned();
        let bomb = std::iter::once(first).chain(lines).collect::<Vec<_>>().join("\n");
        assert_eq!(mistakes(&bomb)[0].1, "the aliases expand to too many values");
        let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
        assert_eq!(mistakes(&deep)[0].1, "the policy is too large");
        assert!(mistakes("a: &x {b: 1}\nc: *x\n").is_empty());
    }
}
