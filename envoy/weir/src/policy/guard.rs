//! What stands between strangers and everything else: the mapping `guard`.
//!
//! ```yaml
//! guard:
//!   body_max: 1MiB                                # of any request, where its route says nothing else; `off` for any length
//!   headers:                                      # on every answer; what is not said here has a default
//!     content-security-policy: "default-src 'self'"
//!     referrer-policy: {value: same-origin, replace: true}     # whatever the upstream says
//!     x-frame-options: off
//!   cors: {origins: [https://app.example, https://*.app.example], credentials: true}
//! ```
//!
//! `guard: {}` is the whole of it with its defaults. What a route takes is said there, under `accepts`; the guard filter reads it,
//! and `body_max`.

use std::time::Duration;

use policy::Period;

use crate::diagnostic::{Mistakes, Span};
use crate::draft::Draft;
use crate::reader::{self, Fields, Spanned};
use crate::yaml::{Entry, Node, Value};

/// What is guarded, and how.
#[derive(Debug)]
pub struct Guard {
    /// What the guard filter reads itself.
    pub options: Draft,
    /// What every answer says.
    pub headers: Vec<Said>,
    /// Which scripts of other places may ask, and for what.
    pub cors: Option<Cors>,
}

/// A header of every answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Said {
    /// The name, in lower case.
    pub name: String,
    /// The value.
    pub value: String,
    /// Whether it takes the place of what the upstream says.
    pub replaces: bool,
}

/// Cross-origin requests, as browsers ask for leave to send them.
#[derive(Debug)]
pub struct Cors {
    /// Whose scripts may ask.
    pub origins: Vec<Spanned<String>>,
    /// With which methods.
    pub methods: Vec<String>,
    /// With which request headers besides those that need no leave.
    pub headers: Vec<String>,
    /// Which response headers they may read besides those that need no leave.
    pub expose: Vec<String>,
    /// Whether cookies and the like go along.
    pub credentials: bool,
    /// How long a browser remembers the leave.
    pub max_age: Period,
}

/// What answers of an interface for programs say where nobody has said anything else. `Strict-Transport-Security` leaves other
/// hosts alone: only who owns them can promise TLS for all of them.
const HEADERS: [(&str, &str); 6] = [
    ("strict-transport-security", "max-age=31536000"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("x-frame-options", "DENY"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    (
        "permissions-policy",
        "accelerometer=(), camera=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), payment=(), usb=()",
    ),
];
/// Methods that scripts use where nobody has said any.
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
/// What of a request scripts say where nobody has said anything.
const REQUEST_HEADERS: [&str; 3] = ["authorization", "content-type", "x-request-id"];
/// What of an answer scripts read where nobody has said anything.
const RESPONSE_HEADERS: [&str; 3] = ["x-request-id", "x-correlation-id", "retry-after"];

impl Guard {
    /// Reads the mapping `guard`.
    pub fn read(node: &Node, mistakes: &mut Mistakes) -> Self {
        let options = reader::mapping(node, "the keys of `guard`; `{}` stands for its defaults", mistakes);
        let mut options = options.unwrap_or_else(|| Draft::object(&node.span));
        options.take("headers");
        options.take("cors");
        if options.has("routes") {
            mistakes.add(&options.locate_key("routes"), "`routes` is not said here", "each route has an `accepts`");
            options.remove("routes");
        }
        check_length(&options, mistakes);
        if of_bytes(&options) == Some(0) {
            let expected = "expected a length, or `off` for any; a route that takes none says it in its `accepts`";
            mistakes.add(&options.locate("body_max"), "no request could have a body", expected);
        }
        let headers = member(node, "headers").map_or_else(|| defaults(&[]), |node| headers(node, mistakes));
        let cors = member(node, "cors").and_then(|node| Cors::read(node, mistakes));
        Self { options, headers, cors }
    }
}

fn member<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    let Value::Map(entries) = &node.value else { return None };
    entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
}

/// The defaults of those that nothing is said of.
fn defaults(said: &[Entry]) -> Vec<Said> {
    let left = HEADERS.iter().filter(|(name, _)| said.iter().all(|entry| entry.key != *name));
    left.map(|(name, value)| Said { name: (*name).to_owned(), value: (*value).to_owned(), replaces: false }).collect()
}

/// A longer body than this is not meant.
const BODY_GIB_MAX: u64 = 1024;

/// Notes a `body_max` that is as good as none.
pub fn check_length(said: &Draft, mistakes: &mut Mistakes) {
    if of_bytes(said).is_some_and(|bytes| bytes > BODY_GIB_MAX << 30) {
        let expected = format!("expected at most {BODY_GIB_MAX}GiB, or `off` for any length");
        mistakes.add(&said.locate("body_max"), "no body is so long", expected);
    }
}

/// How many bytes `body_max` stands for, where the filter takes it.
fn of_bytes(said: &Draft) -> Option<u64> {
    let mut alone = Draft::object(said.span());
    alone.set("body_max", said.clone().take("body_max")?);
    let read = ::guard::Config::from_json(alone.to_json().to_string().as_bytes()).ok()?;
    Some(read.body_bytes_max).filter(|bytes| *bytes != ::guard::config::ANY)
}

fn headers(node: &Node, mistakes: &mut Mistakes) -> Vec<Said> {
    if reader::is_off(node) {
        return Vec::new();
    }
    let entries = reader::entries(node, "header names and their values", mistakes).unwrap_or_default();
    let mut headers = defaults(entries);
    headers.extend(entries.iter().filter_map(|entry| said(entry, mistakes)));
    headers
}

fn said(entry: &Entry, mistakes: &mut Mistakes) -> Option<Said> {
    if let Err(mistake) = policy::route::lower_case(&entry.key) {
        mistakes.add(&entry.span, format!("`{}` is not a header name", entry.key), mistake.reason);
        return None;
    }
    if reader::is_off(&entry.node) {
        let names = HEADERS.map(|(name, _)| name);
        if !names.contains(&entry.key.as_str()) {
            let wrong = format!("`{}` is not said in the first place", entry.key);
            mistakes.add(&entry.span, wrong, format!("expected {}", reader::one_of(&names)));
        }
        return None;
    }
    let (value, replaces) = if matches!(entry.node.value, Value::Map(_)) {
        let mut fields = Fields::of(&entry.node, "a header", mistakes)?;
        let value = fields.required("value", mistakes).and_then(|node| reader::text(node, mistakes));
        let replaces = fields.optional("replace").and_then(|node| reader::boolean(node, mistakes));
        fields.finish(mistakes);
        (value?, replaces.unwrap_or(false))
    } else {
        (reader::text(&entry.node, mistakes)?, false)
    };
    if value.value.chars().any(char::is_control) {
        mistakes.add(&value.span, "the value has a control character", "expected one line of text");
        return None;
    }
    Some(Said { name: entry.key.clone(), value: value.value, replaces })
}

impl Cors {
    /// Whether scripts of this origin may ask, by what [`crate::envoy::guard`] has Envoy compare.
    pub fn admits(&self, origin: &str) -> bool {
        let below = |scheme: &str, domain: &str| {
            let host = origin.strip_prefix(scheme).and_then(|rest| rest.strip_prefix("://"));
            let name = host.and_then(|host| host.strip_suffix(domain)).and_then(|name| name.strip_suffix('.'));
            let label = |label: &str| {
                let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
                !label.is_empty() && label.bytes().all(plain)
            };
            name.is_some_and(|name| name.split('.').all(label))
        };
        self.origins.iter().any(|known| match known.value.split_once("://*.") {
            Some((scheme, domain)) => below(scheme, domain),
            None => known.value == "*" || known.value == origin,
        })
    }

    fn read(node: &Node, mistakes: &mut Mistakes) -> Option<Self> {
        let mut fields = Fields::of(node, "`cors`", mistakes)?;
        let origins = fields.required("origins", mistakes).and_then(|node| origins(node, mistakes));
        let mut words = |key, default: &[&str], check: fn(&str) -> bool, mistakes: &mut Mistakes| {
            let Some(node) = fields.optional(key) else { return default.iter().copied().map(str::to_owned).collect() };
            let texts = reader::texts(node, key, mistakes).unwrap_or_default();
            for text in texts.iter().filter(|text| !check(&text.value)) {
                let wrong = format!("`{}` cannot stand here", text.value);
                mistakes.add(&text.span, wrong, "expected methods in upper case, or headers in lower case");
            }
            texts.into_iter().map(|text| text.value).collect::<Vec<_>>()
        };
        let is_method = |text: &str| text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
        let is_header = |text: &str| policy::route::lower_case(text).is_ok() && text != "*";
        let methods = words("methods", &METHODS, is_method, mistakes);
        let headers = words("headers", &REQUEST_HEADERS, is_header, mistakes);
        let expose = words("expose", &RESPONSE_HEADERS, is_header, mistakes);
        let credentials = fields.optional("credentials").and_then(|node| reader::boolean(node, mistakes));
        let ages = Duration::ZERO..=Duration::from_hours(24);
        let max_age = fields.optional("max_age").and_then(|node| reader::period(node, ages, mistakes));
        fields.finish(mistakes);
        let origins = origins?;
        let (credentials, max_age) = (credentials.unwrap_or(false), max_age.unwrap_or(Period::of_seconds(600)));
        Some(Self { origins, methods, headers, expose, credentials, max_age })
    }
}

fn origins(node: &Node, mistakes: &mut Mistakes) -> Option<Vec<Spanned<String>>> {
    if reader::items(node, "origins", mistakes)?.is_empty() {
        let expected = "expected an origin, or no `cors`: without it, no other place's scripts may ask";
        mistakes.add(&node.span, "nobody's scripts may ask", expected);
    }
    let origins = reader::texts(node, "origins", mistakes)?;
    for origin in &origins {
        check_origin(&origin.value, &origin.span, mistakes);
    }
    Some(origins)
}

/// Notes what no browser sends as an origin (RFC 6454 §6.2), and `null`, which stands for whatever hides where it comes from.
fn check_origin(origin: &str, span: &Span, mistakes: &mut Mistakes) {
    let host = origin.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https")).map(|(_, host)| host);
    let plain = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']')
    };
    let is_good = host.is_some_and(|host| {
        let name = host.strip_prefix("*.").unwrap_or(host);
        !name.is_empty() && name.bytes().all(plain)
    });
    if origin != "*" && !is_good {
        let expected =
            "expected `https://` and a host in lower case, with a port where it has one, or `*.` before its domain";
        mistakes.add(span, format!("`{origin}` is not an origin"), expected);
    }
}
