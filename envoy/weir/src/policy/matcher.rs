//! Which requests a route is about.
//!
//! Written out (`{prefix: /api/, methods: [GET]}`), or as one line: `GET /api/v1/content/{id}`. In the line, methods
//! are joined by `|` or left out, `{name}` stands for one segment, and `/*` at the end for everything below.

use policy::Headers;
use policy::route::{RawMatch, Target};

use crate::complaint;
use crate::diagnostic::Mistakes;
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
    /// A path with variable segments, `{name}` each.
    Template(String),
}

impl Matcher {
    /// Reads the value of `match`.
    pub fn read(node: &Node, mistakes: &mut Mistakes) -> Option<Self> {
        let draft = if let Value::Text { text, .. } = &node.value {
            line(text, node)
        } else {
            let mut fields = Fields::of(node, "a match, or a line like `GET /path`", mistakes)?;
            let before = mistakes.len();
            for key in ["path", "prefix", "template", "methods", "hosts", "headers"] {
                fields.optional(key);
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
                let segment = |part: &str| if part.starts_with('{') { "x".to_owned() } else { part.to_owned() };
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
        Some(below) if below.ends_with('/') => ("prefix", below),
        _ if path.contains(['{', '}']) => ("template", path),
        _ => ("path", path),
    };
    draft.set(key, Draft::leaf(path, span));
    draft
}
