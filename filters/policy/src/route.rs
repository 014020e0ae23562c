//! Which requests a rule is about: by path, method, host and headers.
//!
//! Envoy has no configuration per route for Wasm filters, so filters match routes themselves, on the path that Envoy
//! has already normalised. What matches here is what `weir render` writes as Envoy's own route.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::config::ConfigError;
use crate::fields::Fields;
use crate::headers::{Headers, Sole};
use crate::json::Json;

/// Predicates that must all hold; one without any predicate matches every request.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Match {
    path: PathPattern,
    methods: Vec<String>,
    hosts: Vec<HostPattern>,
    headers: Vec<(String, String)>,
}

/// [`Match`] as a configuration writes it.
///
/// `path`, `prefix` and `template` exclude each other. A `prefix` that ends in `/` matches what lies below it, any
/// other matches itself and what lies below it: `/api` never matches `/apis`. In a `template`, `{name}` stands for one
/// segment, and `/*` at the end for all that lies below. Nowhere else may `*`, `{` or `}` stand: whoever writes them
/// means more than these letters. `hosts` are names without a port, or `*.` and a name for all below it. `headers` are exact
/// values; a header that is repeated has none, since Envoy's routes would see its values joined.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawMatch {
    /// The whole path.
    pub path: Option<String>,
    /// What the path begins with.
    pub prefix: Option<String>,
    /// The path with variable segments.
    pub template: Option<String>,
    /// Methods, in upper case; none stands for all.
    pub methods: Vec<String>,
    /// Hosts; none stands for all.
    pub hosts: Vec<String>,
    /// Headers by name in lower case, and the value that each must have, alone.
    pub headers: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, Eq, PartialEq)]
enum PathPattern {
    #[default]
    Any,
    Exact(String),
    /// Without its final slash; `below_only` tells whether it had one.
    Prefix {
        base: String,
        below_only: bool,
    },
    Template(Vec<Segment>),
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Segment {
    Literal(String),
    Variable,
    /// This one and whatever follows, as the last.
    Rest,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum HostPattern {
    Exact(String),
    /// The part from the dot on: `.example.com`.
    Below(String),
}

/// The parts of a request that a [`Match`] looks at.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The method.
    pub method: &'a [u8],
    /// Host and port.
    pub authority: &'a [u8],
    /// The path without query and fragment.
    pub path: &'a [u8],
    /// Everything else.
    pub headers: &'a Headers,
}

impl<'a> Target<'a> {
    /// Takes the parts out of a request's headers; what is missing is empty.
    pub fn of(headers: &'a Headers) -> Self {
        let mut target = Self { method: b"", authority: b"", path: b"", headers };
        for (name, value) in headers {
            match name {
                b":method" => target.method = value,
                b":authority" => target.authority = value,
                b":path" => target.path = without_query(value),
                _ => {}
            }
        }
        target
    }
}

/// A request target's path: what comes before `?` and `#`.
pub fn without_query(target: &[u8]) -> &[u8] {
    let end = target.iter().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(target.len());
    target.get(..end).unwrap_or(target)
}

impl Match {
    /// Whether every predicate holds.
    pub fn matches(&self, target: &Target<'_>) -> bool {
        let method = self.methods.is_empty() || self.methods.iter().any(|method| method.as_bytes() == target.method);
        method
            && self.is_about(target.authority, target.path)
            && self.headers.iter().all(|(name, expected)| target.headers.sole(name) == Sole::Value(expected.as_bytes()))
    }

    /// Whether some request for a URL, by its host and port and its path without query, can match.
    pub fn is_about(&self, authority: &[u8], path: &[u8]) -> bool {
        self.path.matches(path) && (self.hosts.is_empty() || self.hosts.iter().any(|host| host.matches(authority)))
    }

    /// The headers that decide, too, in the order of their names, each with the value that it must have; mostly none.
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// Whether requests of this method, in upper case, can match.
    pub fn admits(&self, method: &str) -> bool {
        self.methods.is_empty() || self.methods.iter().any(|own| own == method)
    }
}

impl PathPattern {
    fn matches(&self, path: &[u8]) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => path == exact.as_bytes(),
            Self::Prefix { base, below_only } => match path.strip_prefix(base.as_bytes()) {
                Some([]) => !below_only,
                Some([next, ..]) => *next == b'/',
                None => false,
            },
            Self::Template(segments) => {
                let Some(path) = path.strip_prefix(b"/") else { return false };
                let mut parts = path.split(|&byte| byte == b'/');
                segments.iter().all(|segment| parts.next().is_some_and(|part| segment.matches(part)))
                    && (segments.last() == Some(&Segment::Rest) || parts.next().is_none())
            }
        }
    }
}

impl Segment {
    fn matches(&self, part: &[u8]) -> bool {
        match self {
            Self::Literal(text) => text.as_bytes() == part,
            Self::Variable => !part.is_empty(),
            Self::Rest => true,
        }
    }
}

impl HostPattern {
    fn matches(&self, authority: &[u8]) -> bool {
        let host = without_port(authority);
        match self {
            Self::Exact(name) => host.eq_ignore_ascii_case(name.as_bytes()),
            Self::Below(suffix) => host
                .len()
                .checked_sub(suffix.len())
                .filter(|&start| start > 0)
                .and_then(|start| host.get(start..))
                .is_some_and(|end| end.eq_ignore_ascii_case(suffix.as_bytes())),
        }
    }
}

fn without_port(authority: &[u8]) -> &[u8] {
    let port = authority.iter().rposition(|&byte| byte == b':').filter(|&colon| {
        let digits = authority.get(colon + 1..).unwrap_or_default();
        digits.iter().all(u8::is_ascii_digit)
    });
    port.and_then(|colon| authority.get(..colon)).unwrap_or(authority)
}

impl Match {
    /// Reads a match of an object that has nothing but its members.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn read(mut fields: Fields) -> Result<Self, ConfigError> {
        let mut headers = BTreeMap::new();
        for (name, json) in fields.object("headers")?.rest() {
            let Json::Text(value) = json else {
                return Err(ConfigError::at(name, "must be a string").inside("headers"));
            };
            headers.insert(name, value);
        }
        let raw = RawMatch {
            path: fields.text("path")?,
            prefix: fields.text("prefix")?,
            template: fields.text("template")?,
            methods: fields.texts("methods")?.unwrap_or_default(),
            hosts: fields.texts("hosts")?.unwrap_or_default(),
            headers,
        };
        fields.end()?;
        Self::try_from(raw)
    }
}

impl TryFrom<RawMatch> for Match {
    type Error = ConfigError;

    fn try_from(raw: RawMatch) -> Result<Self, ConfigError> {
        let path = match (raw.path, raw.prefix, raw.template) {
            (None, None, None) => PathPattern::Any,
            (Some(path), None, None) => PathPattern::Exact(absolute("path", path)?),
            (None, Some(prefix), None) => prefix_pattern(absolute("prefix", prefix)?),
            (None, None, Some(template)) => template_pattern(&template)?,
            _ => return Err(ConfigError::at("", "has more than one of path, prefix and template")),
        };
        for (index, method) in raw.methods.iter().enumerate() {
            if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-') {
                let reason = format!("must be a method in upper case, got {method:?}");
                return Err(ConfigError::at(format!("methods[{index}]"), reason));
            }
        }
        for name in raw.headers.keys() {
            lower_case(name).map_err(|mistake| mistake.inside("headers"))?;
        }
        let hosts = crate::config::each("hosts", raw.hosts, host_pattern)?;
        Ok(Self { path, methods: raw.methods, hosts, headers: raw.headers.into_iter().collect() })
    }
}

/// Accepts a header name as HTTP/2 and Envoy write it.
///
/// # Errors
/// Says what is wrong with `name`, without a path.
pub fn lower_case(name: &str) -> Result<(), ConfigError> {
    let token = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !name.is_empty() && name.bytes().all(token) {
        return Ok(());
    }
    Err(ConfigError::at("", format!("must be a header name in lower case, got {name:?}")))
}

fn absolute(field: &str, path: String) -> Result<String, ConfigError> {
    if path.starts_with('/') && is_literal(&path) {
        return Ok(path);
    }
    let reason =
        format!("must begin with / and have no query, fragment, space, unescaped byte, *, {{ or }}, got {path:?}");
    Err(ConfigError::at(field, reason))
}

/// Whether a path's text stands for itself.
fn is_literal(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#*{}".contains(&byte))
}

fn prefix_pattern(prefix: String) -> PathPattern {
    match prefix.strip_suffix('/') {
        Some("") => PathPattern::Any,
        Some(base) => PathPattern::Prefix { base: base.to_owned(), below_only: true },
        None => PathPattern::Prefix { base: prefix, below_only: false },
    }
}

fn template_pattern(template: &str) -> Result<PathPattern, ConfigError> {
    let word = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let above = template.strip_suffix("/*");
    let mut parts = above.unwrap_or(template).split('/');
    // What stands before the first slash: nothing, unless there is none.
    let mut is_good = parts.next() == Some("") && !template.is_empty();
    let mut segments = Vec::new();
    for part in parts {
        let name = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        is_good &= name.map_or_else(|| is_literal(part), word);
        segments.push(if name.is_some() { Segment::Variable } else { Segment::Literal(part.to_owned()) });
    }
    if !is_good {
        let reason =
            format!("must be / and segments, a variable being a whole one like {{id}}, or end in /*, got {template:?}");
        return Err(ConfigError::at("template", reason));
    }
    segments.extend(above.map(|_| Segment::Rest));
    Ok(PathPattern::Template(segments))
}

fn host_pattern(host: String) -> Result<HostPattern, ConfigError> {
    let name = host.strip_prefix("*.").unwrap_or(&host);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'[' | b']' | b':');
    if name.is_empty() || !name.bytes().all(plain) || without_port(name.as_bytes()) != name.as_bytes() {
        return Err(ConfigError::at("", format!("must be a host name without a port, or *. and one, got {host:?}")));
    }
    Ok(match host.strip_prefix('*') {
        Some(suffix) => HostPattern::Below(suffix.to_owned()),
        None => HostPattern::Exact(host),
    })
}

#[cfg(test)]
mod tests;
