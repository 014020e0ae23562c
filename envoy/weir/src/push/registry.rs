//! The OCI distribution protocol, as far as pushing needs it, and how a registry is shown who asks.
//!
//! A registry that wants to know says so with 401: `Basic` wants the credential itself, `Bearer` a token that another server gives
//! for it (or for nothing). A credential goes to the registry and to the server of tokens that it names, over TLS or on this machine,
//! and to nobody else an upload may be sent on to.

use std::cell::RefCell;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde_json::Value as Json;
use ureq::http::{Method, Request, Response, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body};
use url::Url;

use crate::push::Failure;
use crate::push::credential::Credential;
use crate::push::reference::Reference;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a call may take as a whole, the longest upload included.
const CALL: Duration = Duration::from_mins(5);
/// How often a call is made again that the registry, or what is before it, is too busy for.
const AGAIN: u32 = 3;
/// How long is waited before that at most, whatever the registry says.
const WAIT_LONGEST: Duration = Duration::from_secs(30);
/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: u64 = 1 << 20;
/// Characters of a registry's own words that are shown.
const WORDS_MAX: usize = 200;

/// One thing that a registry, or who gives tokens for it, is asked.
#[derive(Clone, Copy)]
struct Call<'a> {
    method: &'a Method,
    url: &'a Url,
    /// The media type of the body; empty where there is none to name.
    kind: &'a str,
    body: Option<&'a [u8]>,
}

impl<'a> Call<'a> {
    /// One that sends nothing.
    const fn bare(method: &'a Method, url: &'a Url) -> Self {
        Self { method, url, kind: "", body: None }
    }

    /// One that sends a body of this media type.
    const fn with(method: &'a Method, url: &'a Url, kind: &'a str, body: &'a [u8]) -> Self {
        Self { method, url, kind, body: Some(body) }
    }
}

/// One repository of a registry.
pub struct Registry {
    agent: Agent,
    /// `https://registry.example/v2/weir/auth/`
    base: Url,
    repository: String,
    credential: Option<Credential>,
    /// The value of the header, once the registry has asked for one.
    authorization: RefCell<Option<String>>,
}

impl Registry {
    /// Without TLS where the registry is on this machine, or where that is asked for.
    pub fn new(to: &Reference, credential: Option<Credential>, plain_http: bool) -> Result<Self, Failure> {
        let scheme = if plain_http || to.is_near() { "http" } else { "https" };
        let text = format!("{scheme}://{}/v2/{}/", to.registry, to.repository);
        let base = Url::parse(&text).map_err(|error| Failure::of(&text, error))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier);
        let tls = tls.unversioned_rustls_crypto_provider(provider).build();
        let mut config = Agent::config_builder()
            .tls_config(tls)
            .https_only(scheme == "https")
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(CALL))
            .user_agent(concat!("weir/", env!("CARGO_PKG_VERSION")));
        if to.is_near() {
            config = config.proxy(None);
        }
        let (agent, repository) = (config.build().new_agent(), to.repository.clone());
        Ok(Self { agent, base, repository, credential, authorization: RefCell::new(None) })
    }

    /// Whether the registry has these bytes already.
    pub fn has(&self, digest: &str) -> Result<bool, Failure> {
        let url = self.url(&format!("blobs/{digest}"))?;
        let answer = self.ask(Call::bare(&Method::HEAD, &url))?;
        match answer.status().as_u16() {
            200 => Ok(true),
            404 => Ok(false),
            _ => Err(refusal(&url, answer)),
        }
    }

    /// Sends bytes, in one piece.
    pub fn upload(&self, digest: &str, bytes: &[u8]) -> Result<(), Failure> {
        let begin = self.url("blobs/uploads/")?;
        let answer = self.ask(Call::with(&Method::POST, &begin, "", &[]))?;
        if answer.status() != 202 {
            return Err(refusal(&begin, answer));
        }
        let place = answer.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
        let place = place.ok_or_else(|| Failure::of(&begin, "it does not say where to send the bytes"))?;
        let mut place = begin.join(place).map_err(|error| Failure::of(place, error))?;
        place.query_pairs_mut().append_pair("digest", digest);
        let answer = self.ask(Call::with(&Method::PUT, &place, "application/octet-stream", bytes))?;
        if answer.status() == 201 { Ok(()) } else { Err(refusal(&place, answer)) }
    }

    /// Names an image, whose parts are there.
    pub fn name(&self, tag: &str, kind: &str, manifest: &[u8]) -> Result<(), Failure> {
        let url = self.url(&format!("manifests/{tag}"))?;
        let answer = self.ask(Call::with(&Method::PUT, &url, kind, manifest))?;
        if answer.status() == 201 { Ok(()) } else { Err(refusal(&url, answer)) }
    }

    fn url(&self, path: &str) -> Result<Url, Failure> {
        self.base.join(path).map_err(|error| Failure::of(path, error))
    }

    /// One call, and once more where the registry wants to know who calls.
    fn ask(&self, call: Call<'_>) -> Result<Response<Body>, Failure> {
        // Where an upload is sent on to, the place itself says that it may be written.
        let is_ours = call.url.origin() == self.base.origin();
        let known = self.authorization.borrow().clone().filter(|_| is_ours);
        let answer = self.send(call, known.as_deref())?;
        if answer.status() != 401 || !is_ours {
            return Ok(answer);
        }
        let challenges = answer.headers().get_all(header::WWW_AUTHENTICATE).iter();
        let Some(shown) = self.answer(challenges.filter_map(|value| value.to_str().ok()))? else { return Ok(answer) };
        *self.authorization.borrow_mut() = Some(shown.clone());
        self.send(call, Some(&shown))
    }

    /// One call, made again where the answer is to come back later: whatever is pushed may be pushed twice.
    fn send(&self, call: Call<'_>, authorization: Option<&str>) -> Result<Response<Body>, Failure> {
        let mut tried = 0;
        loop {
            let answer = self.send_once(call, authorization)?;
            let is_busy = matches!(answer.status().as_u16(), 429 | 502 | 503 | 504);
            if !is_busy || tried == AGAIN {
                return Ok(answer);
            }
            let said = answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            thread::sleep(said.map_or(Duration::from_secs(1 << tried), Duration::from_secs).min(WAIT_LONGEST));
            tried += 1;
        }
    }

    fn send_once(&self, call: Call<'_>, authorization: Option<&str>) -> Result<Response<Body>, Failure> {
        let Call { method, url, kind, body } = call;
        let mut request = Request::builder().method(method).uri(url.as_str());
        if let Some(value) = authorization {
            request = request.header(header::AUTHORIZATION, value);
        }
        if !kind.is_empty() {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        let sent = match body {
            Some(bytes) => request.body(bytes).map(|request| self.agent.run(request)),
            None => request.body(()).map(|request| self.agent.run(request)),
        };
        sent.map_err(|error| Failure::of(shown(url), error))?.map_err(|error| Failure::of(shown(url), error))
    }

    /// What a registry is shown that asks who calls; `None` where there is nothing to show.
    fn answer<'c>(&self, challenges: impl Iterator<Item = &'c str>) -> Result<Option<String>, Failure> {
        let challenges: Vec<_> = challenges.filter_map(|text| text.split_once(' ')).collect();
        let of = |scheme: &str| challenges.iter().find(|(name, _)| name.eq_ignore_ascii_case(scheme));
        if let Some((_, parameters)) = of("bearer") {
            return self.token(parameters).map(Some);
        }
        Ok(of("basic").and(self.credential.as_ref()).map(Credential::header))
    }

    /// Fetches a token where the registry says that there are some.
    fn token(&self, parameters: &str) -> Result<String, Failure> {
        let realm = parameter(parameters, "realm").unwrap_or_default();
        let mut url = Url::parse(&realm).map_err(|error| Failure::of(format!("realm `{realm}`"), error))?;
        if url.scheme() != "https" && self.base.scheme() == "https" {
            return Err(Failure::of(&url, "tokens would come without TLS"));
        }
        if let Some(service) = parameter(parameters, "service") {
            url.query_pairs_mut().append_pair("service", &service);
        }
        // What is asked for first may be less than what all of it needs.
        url.query_pairs_mut().append_pair("scope", &format!("repository:{}:pull,push", self.repository));
        let credential = self.credential.as_ref().map(Credential::header);
        let mut answer = self.send(Call::bare(&Method::GET, &url), credential.as_deref())?;
        if answer.status() != 200 {
            return Err(refusal(&url, answer));
        }
        let json: Json = serde_json::from_str(&text(&mut answer)).unwrap_or_default();
        let token = ["token", "access_token"].iter().find_map(|key| json.get(key)?.as_str());
        token.map(|token| format!("Bearer {token}")).ok_or_else(|| Failure::of(shown(&url), "it gives no token"))
    }
}

/// A parameter of a challenge, whose value may be quoted (RFC 9110, section 11.2).
fn parameter(parameters: &str, name: &str) -> Option<String> {
    let mut rest = parameters;
    loop {
        let (key, after) = rest.split_once('=')?;
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_at(after.find(',').unwrap_or(after.len())),
        };
        if key.trim_matches([',', ' ']).eq_ignore_ascii_case(name) {
            return Some(value.to_owned());
        }
        rest = next;
    }
}

/// An address without its query, in which a registry may have put what nobody else is to know.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.to_string()
}

fn text(answer: &mut Response<Body>) -> String {
    answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string().unwrap_or_default()
}

/// What a registry says that does not do what it is asked.
fn refusal(url: &Url, mut answer: Response<Body>) -> Failure {
    let json: Json = serde_json::from_str(&text(&mut answer)).unwrap_or_default();
    let first = json.get("errors").and_then(|errors| errors.get(0));
    let words = first.and_then(|error| ["message", "code"].iter().find_map(|key| error.get(key)?.as_str()));
    let words: String = words.unwrap_or_default().chars().filter(|c| !c.is_control()).take(WORDS_MAX).collect();
    let colon = if words.is_empty() { "" } else { ": " };
    Failure::of(shown(url), format!("the registry answers {}{colon}{words}", answer.status().as_u16()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_has_parameters_in_any_order_and_case() {
        let all = r#"Realm="https://a.example/token?x=1,2",service=registry,scope="repository:a:pull,push""#;
        assert_eq!(parameter(all, "realm").as_deref(), Some("https://a.example/token?x=1,2"));
        assert_eq!(parameter(all, "service").as_deref(), Some("registry"));
        assert_eq!(parameter(all, "scope").as_deref(), Some("repository:a:pull,push"));
        for text in ["", "realm", "realm=\"never ends", "=x"] {
            assert_eq!(parameter(text, "realm"), None, "{text}");
        }
    }
}
