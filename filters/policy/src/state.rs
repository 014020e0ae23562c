//! The state store: a Redis behind an HTTP bridge, spoken to beside the requests and never on a request's way.
//!
//! A bridge has one of two dialects. [`Dialect::Webdis`] takes one command as the body of a `POST`, each word
//! percent-encoded, and answers in Redis's own protocol (`.raw`): binary-safe both ways, as long as a list in an answer
//! holds nothing but texts and numbers, since webdis leaves out of a list what is nil, a status or a list itself. Scripts
//! therefore answer with one text or a flat list of texts. [`Dialect::Upstash`] takes a JSON array of text and answers
//! with JSON whose texts are base64: binary-safe in answers, while a command has to be UTF-8.
//!
//! This module knows no host: it makes a [`Request`] of a command and a [`Reply`] or a [`Fault`] of what came back.
//! `shell::state` carries them.

pub mod base64;
mod json;
mod resp;
mod script;

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;

use crate::fields::Fields;
use crate::{ConfigError, Period};

pub use self::script::{Form, Script};

/// A longer answer is none.
pub const ANSWER_BYTES_MAX: usize = 2 << 20;
/// Lists in an answer are nested no deeper than this.
const DEPTH_MAX: u32 = 4;
/// How long an answer may take where nothing is said.
const TIMEOUT: Duration = Duration::from_millis(250);
/// A longer wait would keep a leader busy for nothing.
const TIMEOUT_MAX: Duration = Duration::from_mins(1);

/// A store as a configuration writes it; every member has a default. A filter with a reader of its own fills it by hand.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawStore {
    /// The cluster that leads to the bridge; `state`.
    pub cluster: Option<String>,
    /// `webdis` (the default) or `upstash`.
    pub dialect: Option<String>,
    /// What the paths of the bridge begin with; `/`.
    pub path: Option<String>,
    /// What the bridge is called in `Host`; the cluster's name.
    pub authority: Option<String>,
    /// Whose password `env` is, for webdis; `weir`.
    pub user: Option<String>,
    /// The variable that holds webdis's password or Upstash's token; without it, none is sent.
    pub env: Option<String>,
    /// How long an answer may take; `250ms`.
    pub timeout: Option<String>,
    /// What the keys of the store begin with, a colon after it; `weir`.
    pub prefix: Option<String>,
}

impl RawStore {
    /// Reads one from an object that has nothing but its members.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn read(mut fields: Fields) -> Result<Self, ConfigError> {
        let raw = Self {
            cluster: fields.text("cluster")?,
            dialect: fields.text("dialect")?,
            path: fields.text("path")?,
            authority: fields.text("authority")?,
            user: fields.text("user")?,
            env: fields.text("env")?,
            timeout: fields.text("timeout")?,
            prefix: fields.text("prefix")?,
        };
        fields.end()?;
        Ok(raw)
    }
}

/// How a bridge is spoken to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Dialect {
    /// <https://webd.is>
    Webdis,
    /// The REST interface of Upstash, and of what copies it.
    Upstash,
}

/// A store, ready to be spoken to. It holds a secret, so it has no `Debug`.
#[derive(Clone)]
pub struct Store {
    /// The cluster that leads to the bridge.
    pub cluster: String,
    /// How long an answer may take.
    pub timeout: Duration,
    dialect: Dialect,
    path: String,
    authority: String,
    authorization: Option<String>,
    prefix: String,
}

/// One HTTP request; its method is `POST`. It holds a secret, so it has no `Debug`.
pub struct Request<'a> {
    /// All headers, those that begin with a colon included.
    pub headers: Vec<(&'static str, &'a str)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What Redis says to a command.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reply {
    /// No value.
    Nil,
    /// A word like `OK`.
    Status(String),
    /// A number.
    Int(i64),
    /// A text of any bytes.
    Bytes(Vec<u8>),
    /// Several of them.
    List(Vec<Self>),
}

/// Why there is no answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fault {
    /// A word of the command cannot be said in the store's dialect.
    Unsendable,
    /// The answer is longer than [`ANSWER_BYTES_MAX`], broke off, or never came.
    Lost,
    /// The bridge, or Envoy in its place, answered with this status; 503 where nobody is there, 504 after the timeout.
    Status(u16),
    /// What goes to the store by way of the proxy itself was answered by the proxy with this status: it may not go there now, or
    /// nobody is there.
    Refused(u16),
    /// The answer is not of the store's dialect.
    Malformed,
    /// Redis wants a password, or another one, or forbids the command (`NOAUTH`, `WRONGPASS`, `NOPERM`).
    Denied,
    /// Redis is loading its data (`LOADING`).
    Loading,
    /// Redis is a replica and was told to write (`READONLY`).
    ReadOnly,
    /// Redis does not know the script (`NOSCRIPT`).
    NoScript,
    /// Another error of Redis.
    Redis(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unsendable => "the command is not text",
            Self::Lost => "no whole answer",
            Self::Status(status) => return write!(f, "status {status}"),
            Self::Refused(status) => return write!(f, "status {status} of this proxy"),
            Self::Malformed => "the answer is not of this dialect",
            Self::Denied => "access denied",
            Self::Loading => "Redis is loading",
            Self::ReadOnly => "Redis is read-only",
            Self::NoScript => "the script is not known",
            Self::Redis(error) => error,
        })
    }
}

impl Fault {
    /// The fault that an error of Redis stands for; its text is cut, since it may go to a log.
    fn of_redis(error: &[u8]) -> Self {
        let error = error.get(..error.len().min(200)).unwrap_or_default();
        match error.split(|&byte| byte == b' ').next().unwrap_or_default() {
            b"NOAUTH" | b"WRONGPASS" | b"NOPERM" => Self::Denied,
            b"LOADING" => Self::Loading,
            b"READONLY" => Self::ReadOnly,
            b"NOSCRIPT" => Self::NoScript,
            _ => Self::Redis(String::from_utf8_lossy(error).replace(char::is_control, " ")),
        }
    }
}

/// Answers with the variable of a name, where there is one.
pub type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Store {
    /// Makes a store of what a configuration says; without `variables` there is no environment, and no secret.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn new(raw: RawStore, variables: Option<Variables<'_>>) -> Result<Self, ConfigError> {
        let dialect = match raw.dialect.as_deref() {
            None | Some("webdis") => Dialect::Webdis,
            Some("upstash") => Dialect::Upstash,
            Some(other) => return Err(ConfigError::at("dialect", format!("must be webdis or upstash, got {other:?}"))),
        };
        let word = |name: &str, given: Option<String>, default: &str| match given {
            None => Ok(default.to_owned()),
            Some(text) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(text),
            Some(_) => Err(ConfigError::at(name, "must be printable ASCII without blanks")),
        };
        let cluster = word("cluster", raw.cluster, "state")?;
        let path = word("path", raw.path, "/")?;
        if !path.starts_with('/') {
            return Err(ConfigError::at("path", "must begin with a slash"));
        }
        let user = word("user", raw.user, "weir")?;
        if user.contains(':') {
            return Err(ConfigError::at("user", "must have no colon"));
        }
        let authorization = match (raw.env, variables) {
            (Some(name), Some(variables)) => Some(authorization(dialect, &user, &name, variables)?),
            _ => None,
        };
        Ok(Self {
            dialect,
            path,
            authority: word("authority", raw.authority, &cluster)?,
            authorization,
            prefix: word("prefix", raw.prefix, "weir")?,
            timeout: timeout(raw.timeout.as_deref())?,
            cluster,
        })
    }

    /// The same store, with its keys and its secret, where another cluster leads to it and it has another path there.
    #[must_use]
    pub fn by(&self, cluster: &str, path: &str) -> Self {
        Self { cluster: cluster.to_owned(), path: path.to_owned(), ..self.clone() }
    }

    /// The name of a key of the store.
    pub fn key(&self, name: &str) -> String {
        format!("{}:{name}", self.prefix)
    }

    /// What makes this store another one than its neighbour, for the names of what is kept of it.
    pub fn identity(&self) -> [&[u8]; 4] {
        [self.cluster.as_bytes(), self.authority.as_bytes(), self.path.as_bytes(), self.prefix.as_bytes()]
    }

    /// Bytes of any kind as a word that the store's dialect can say.
    pub fn pack<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        match self.dialect {
            Dialect::Webdis => Cow::Borrowed(bytes),
            Dialect::Upstash => Cow::Owned(base64::encode(bytes).into_bytes()),
        }
    }

    /// Takes back what [`Store::pack`] gave; `None` where it did not.
    pub fn unpack(&self, word: &[u8]) -> Option<Vec<u8>> {
        match self.dialect {
            Dialect::Webdis => Some(word.to_vec()),
            Dialect::Upstash => base64::decode(word),
        }
    }

    /// The request that carries a command, as in `["SET", "key", "value", "PX", "1000"]`.
    ///
    /// # Errors
    /// [`Fault::Unsendable`] where the dialect is Upstash's and a word is not UTF-8.
    pub fn request(&self, command: &[&[u8]]) -> Result<Request<'_>, Fault> {
        let mut headers =
            vec![(":method", "POST"), (":path", self.path.as_str()), (":authority", self.authority.as_str())];
        headers.extend(self.authorization.as_deref().map(|value| ("authorization", value)));
        let body = match self.dialect {
            Dialect::Webdis => resp::command(command),
            Dialect::Upstash => {
                headers.extend([("content-type", "application/json"), ("upstash-encoding", "base64")]);
                json::command(command)?
            }
        };
        Ok(Request { headers, body })
    }

    /// Reads the answer to a command.
    ///
    /// # Errors
    /// Whatever kept Redis from answering, and what Redis says is wrong.
    pub fn reply(&self, status: u16, body: &[u8]) -> Result<Reply, Fault> {
        match self.dialect {
            Dialect::Webdis if status == 200 => resp::reply(body),
            // Upstash says with 400 that Redis said no.
            Dialect::Upstash if status == 200 || status == 400 => json::reply(body),
            _ if status == 401 || status == 403 => Err(Fault::Denied),
            _ => Err(Fault::Status(status)),
        }
    }
}

/// What `Authorization` says (RFC 7617, RFC 6750).
fn authorization(dialect: Dialect, user: &str, name: &str, variables: Variables<'_>) -> Result<String, ConfigError> {
    let wrong = |what: &str| ConfigError::at("env", format!("the variable {name} {what}"));
    let secret = variables(name).ok_or_else(|| wrong("is not set"))?;
    if secret.is_empty() || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong("must be printable ASCII without blanks"));
    }
    Ok(match dialect {
        Dialect::Webdis => format!("Basic {}", base64::encode(format!("{user}:{secret}").as_bytes())),
        Dialect::Upstash => format!("Bearer {secret}"),
    })
}

fn timeout(text: Option<&str>) -> Result<Duration, ConfigError> {
    let Some(text) = text else { return Ok(TIMEOUT) };
    let length = Period::parse(text).map(Period::length);
    length.filter(|length| !length.is_zero() && *length <= TIMEOUT_MAX).ok_or_else(|| {
        ConfigError::at("timeout", "must be a length of time like \"250ms\" or \"1s\", more than 0, at most 1m")
    })
}

#[cfg(test)]
mod tests;
