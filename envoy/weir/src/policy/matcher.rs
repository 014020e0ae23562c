//! Which requests a route is about.
//!
//! Written out (`{prefix: /api/, methods: [GET]}`), or as one line: `GET /api/v1/content/{id}`. In the line, methods
//! are joined by `|` or left out, `{name}` stands for one segment, and `/*` at the end for everything below. Whatever else looks
//! like a pattern is refused: it would be taken by its letters, and never match what was meant.

use policy::Headers;
use policy::route::{RawMatch, Target};

use crate::complaint;
use crate::diagnostic::{Mistakes, Span};
use crate::draft::Draft;
use crate::reader::Fields;
use crate::yaml::{Node, Value};

/// A route's predicates, valid by the code that filters match with.
#[derive(Clone, Debug)]
pub struct Matcher {
    /// The path.
    pub pattern: Pattern,
    /// Methods; none stands for all.
    pub methods: Vec<String>,
    /// Hosts, or `*.` and a name; none stands for all.
    pub hosts: Vec<String>,
    /// Headers by name, and the value that each must have, alone.
    pub headers: Vec<(String, String)>,
    /// The same, as filters evaluate it.
    pub rule: policy::Match,
    /// The same, as filters read it.
    pub draft: Draft,
}

/// What a path is compared with; see [`RawMatch`] for the rules.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Pattern {
    /// Every path.
    Any,
    /// This path.
    Exact(String),
    /// What lies below this path, which ends in `/`.
    Below(String),
    /// This path and what lies below it.
    AtOrBelow(String),
    /// A path with variable segments, `{name}` each, and perhaps `/*` at the end for all that lies below.
    Template(String),
}

impl Matcher {
    /// Reads the value of `match`.
    pub fn read(node: &Node, mistakes: &mut Mistakes) -> Option<Self> {
        let draft = if let Value::Text { text, .. } = &node.value {
            if let Some(meant) = joined_otherwise(text) {
                mistakes.add(&node.span, "methods are joined by `|`", format!("did you mean `{meant}`?"));
                return None;
            }
            line(text, node)
        } else {
            let mut fields = Fields::of(node, "a match, or a line like `GET /path`", mistakes)?;
            let before = mistakes.len();
            for key in ["path", "prefix", "template", "methods", "hosts", "headers"] {
                if let Some(Node { value: Value::List(items), span }) = fields.optional(key)
                    && items.is_empty()
                {
                    let expected = format!("leave `{key}` out where any will do");
                    mistakes.add(span, format!("`{key}` is an empty list"), expected);
                }
            }
            fields.finish(mistakes);
            if mistakes.len() > before {
                return None;
            }
            Draft::of(node)
        };
        Self::of_draft(draft, mistakes)
    }

    /// Reads what `match` stands for, written out.
    pub fn of_draft(draft: Draft, mistakes: &mut Mistakes) -> Option<Self> {
        if let Some((span, wrong, expected)) = unmeant(&draft) {
            mistakes.add(&span, wrong, expected);
            return None;
        }
        let parse = |json: &[u8]| {
            let raw: RawMatch = policy::config::read(json)?;
            Ok((raw.clone(), policy::Match::try_from(raw)?))
        };
        let (raw, rule) = complaint::read(draft.clone(), parse, mistakes)?;
        // Envoy joins repeated headers with commas before it compares: a value without one cannot be made up that way.
        if let Some((name, _)) = raw.headers.iter().find(|(_, value)| value.contains(',')) {
            let span = draft.locate(&format!("headers.{name}"));
            mistakes.add(
                &span,
                "a value to match cannot have a comma",
                "Envoy would match repeated headers with it, too",
            );
        }
        Some(Self {
            pattern: Pattern::of(&raw),
            methods: raw.methods,
            hosts: raw.hosts,
            headers: raw.headers.into_iter().collect(),
            rule,
            draft,
        })
    }

    /// Whether a request of this route would also match `other`: tried with one request made from this route.
    pub fn reaches(&self, other: &Self) -> bool {
        let method = self.methods.first().or(other.methods.first()).map_or("GET", String::as_str);
        let host = self.hosts.first().or(other.hosts.first()).map_or("a", String::as_str).replace('*', "a");
        let path = self.pattern.sample();
        let mut pairs: Vec<(&[u8], &[u8])> =
            vec![(b":method", method.as_bytes()), (b":authority", host.as_bytes()), (b":path", path.as_bytes())];
        pairs
            .extend(self.headers.iter().chain(&other.headers).map(|(name, value)| (name.as_bytes(), value.as_bytes())));
        let headers = Headers::from_pairs(&pairs);
        other.rule.matches(&Target::of(&headers))
    }
}

impl Pattern {
    /// One path that matches.
    fn sample(&self) -> String {
        match self {
            Self::Any => "/x".to_owned(),
            Self::Exact(path) | Self::AtOrBelow(path) => path.clone(),
            Self::Below(path) => format!("{path}x"),
            Self::Template(template) => {
                let is_open = |part: &str| part.starts_with('{') || part == "*";
                let segment = |part: &str| if is_open(part) { "x".to_owned() } else { part.to_owned() };
                template.split('/').map(segment).collect::<Vec<_>>().join("/")
            }
        }
    }

    fn of(raw: &RawMatch) -> Self {
        match (&raw.path, &raw.prefix, &raw.template) {
            (Some(path), ..) => Self::Exact(path.clone()),
            (None, Some(prefix), _) if prefix == "/" => Self::Any,
            (None, Some(prefix), _) if prefix.ends_with('/') => Self::Below(prefix.clone()),
            (None, Some(prefix), _) => Self::AtOrBelow(prefix.clone()),
            (None, None, Some(template)) => Self::Template(template.clone()),
            (None, None, None) => Self::Any,
        }
    }

    /// The part of every matching path that is the same: what a route can strip off its beginning.
    pub fn literal(&self) -> &str {
        match self {
            Self::Any => "/",
            Self::Exact(path) | Self::Below(path) | Self::AtOrBelow(path) => path,
            Self::Template(template) => template.split('{').next().unwrap_or_default(),
        }
    }
}

/// What was meant by several methods that are joined by something else.
fn joined_otherwise(text: &str) -> Option<String> {
    let (methods, path) = text.split_at(text.find('/')?);
    let words: Vec<_> = methods.split([',', ' ', '|']).filter(|word| !word.is_empty()).collect();
    let is_plain = methods.split_once(' ').is_some_and(|(first, rest)| !first.contains(',') && rest.trim().is_empty());
    let are_words = words.iter().all(|word| word.bytes().all(|byte| byte.is_ascii_uppercase()));
    (words.len() > 1 && are_words && !is_plain).then(|| format!("{} {path}", words.join("|")))
}

/// `GET|HEAD /path/{id}` as the mapping that it stands for.
fn line(text: &str, node: &Node) -> Draft {
    let span = &node.span;
    let mut draft = Draft::object(span);
    let (methods, path) = text.split_once(' ').unwrap_or(("", text));
    if !methods.is_empty() {
        let methods = methods.split('|').map(|method| Draft::leaf(method, span)).collect();
        draft.set("methods", Draft::list(methods, span));
    }
    let path = path.trim_start();
    let (key, path) = match path.strip_suffix('*') {
        _ if path.contains(['{', '}']) => ("template", path),
        Some(below) if below.ends_with('/') => ("prefix", below),
        _ => ("path", path),
    };
    draft.set(key, Draft::leaf(path, span));
    draft
}

/// What of a path looks as if it stood for more than its letters and does not, where it is, and what would.
fn unmeant(draft: &Draft) -> Option<(Span, String, String)> {
    const OPEN: &str =
        "`{name}` in a `template` stands for one segment, and `/*` at the end of one, or a `prefix`, for all below";
    let json = draft.to_json();
    let said = |key| json.get(key).and_then(serde_json::Value::as_str).map(|text| (key, text));
    let (key, text) = ["path", "prefix", "template"].into_iter().find_map(said)?;
    let found = |wrong, expected: &str| Some((draft.locate(key), wrong, expected.to_owned()));
    let closed = if key == "template" { text.strip_suffix("/*").unwrap_or(text) } else { text };
    if closed.contains('*') {
        return found("`*` stands for nothing here".to_owned(), OPEN);
    }
    if key != "template" && text.contains(['{', '}']) {
        let rest = if key == "prefix" { format!("{}/*", text.trim_end_matches('/')) } else { text.to_owned() };
        return found(format!("`{key}` has no variables"), &format!("say `template: {rest}`"));
    }
    let word = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let is_variable = |part: &str| part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).is_some_and(word);
    let part = closed.split('/').find(|part| part.contains(['{', '}']) && !is_variable(part))?;
    let expected = "a variable is a whole segment like `{id}`, of A-Z a-z 0-9 _; it takes no expression";
    found(format!("`{part}` is not a variable"), expected)
}
