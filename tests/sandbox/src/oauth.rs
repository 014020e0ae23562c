//! OAuth 2.0 client credentials (RFC 6749, section 4.4): tokens for Spotify and Beatport, issued and really checked.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::response::Response;
use base64ct::{Base64, Encoding};
use hyper::{
    HeaderMap, StatusCode,
    header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, PRAGMA, WWW_AUTHENTICATE},
};
use serde_json::{Value, json};

use crate::{
    digest,
    params::Params,
    reply,
    settings::{CLIENT_ID, STANDING_TOKEN},
    upstream::Upstream,
    world::World,
};

/// How many tokens are remembered.
const TOKENS_MAX: usize = 10_000;

/// What was granted with a token.
struct Grant {
    upstream: Upstream,
    client: String,
    expires_at: Instant,
}

/// Why a call is not let in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Denied {
    /// It carries no credential.
    Missing,
    /// Its credential is no bearer token.
    Malformed,
    /// Its token was never issued here, or has been revoked.
    Unknown,
    /// Its token is too old.
    Expired,
}

/// The tokens that are out.
#[derive(Default)]
pub(crate) struct Tokens(Mutex<HashMap<String, Grant>>);

impl Tokens {
    fn issue(&self, upstream: Upstream, client: &str, lifetime: Duration, now: Instant) -> String {
        let token = format!("BQ{}", fresh("token"));
        let mut grants = self.0.lock().expect("no holder of this lock panics");
        if grants.len() >= TOKENS_MAX {
            grants.retain(|_, grant| now < grant.expires_at);
            if grants.len() >= TOKENS_MAX {
                grants.clear();
            }
        }
        grants.insert(token.clone(), Grant { upstream, client: client.to_owned(), expires_at: now + lifetime });
        token
    }

    /// The client that a call's token was issued to.
    pub(crate) fn check(&self, upstream: Upstream, headers: &HeaderMap, now: Instant) -> Result<String, Denied> {
        let mut sent = headers.get_all(AUTHORIZATION).iter();
        let value = sent.next().ok_or(Denied::Missing)?;
        let value = value.to_str().map_err(|_| Denied::Malformed)?;
        let (scheme, token) = value.split_once(' ').ok_or(Denied::Malformed)?;
        if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() || sent.next().is_some() {
            return Err(Denied::Malformed);
        }
        if token == STANDING_TOKEN {
            return Ok(CLIENT_ID.to_owned());
        }
        let grants = self.0.lock().expect("no holder of this lock panics");
        let grant = grants.get(token).filter(|grant| grant.upstream == upstream).ok_or(Denied::Unknown)?;
        if grant.expires_at <= now { Err(Denied::Expired) } else { Ok(grant.client.clone()) }
    }

    /// Makes every token unknown.
    pub(crate) fn revoke_all(&self) {
        self.0.lock().expect("no holder of this lock panics").clear();
    }
}

/// Forty digits that no earlier call has given.
pub(crate) fn fresh(label: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    // `RandomState` is seeded by the operating system, so two sandboxes do not issue the same tokens.
    let salt = RandomState::new().hash_one(number);
    digest::hex(&format!("{label} {number} {salt}"), 40)
}

/// An error answer of a token endpoint (RFC 6749, section 5.2).
struct Refusal {
    error: &'static str,
    description: &'static str,
    by_header: bool,
}

impl Refusal {
    const fn new(error: &'static str, description: &'static str) -> Self {
        Self { error, description, by_header: false }
    }
}

/// Answers a request for a token for the API `upstream`; `more` is what the provider says beside the token.
pub(crate) fn grant(world: &World, upstream: Upstream, headers: &HeaderMap, body: &[u8], more: &Value) -> Response {
    let response = match client_of(world, headers, body) {
        Ok(client) => {
            let seconds = world.settings().token_seconds;
            let token = world.tokens.issue(upstream, &client, Duration::from_secs(seconds), Instant::now());
            let mut answer = json!({"access_token": token, "token_type": "Bearer", "expires_in": seconds});
            if let (Some(answer), Some(more)) = (answer.as_object_mut(), more.as_object()) {
                answer.extend(more.clone());
            }
            reply::ok(&answer)
        }
        Err(refusal) => refused(upstream, &refusal),
    };
    let mut response = response;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

fn refused(upstream: Upstream, refusal: &Refusal) -> Response {
    // RFC 6749 asks for 401 where the client used the Authorization header. Spotify answers 400 all the same.
    let unauthorized = refusal.error == "invalid_client" && refusal.by_header && upstream != Upstream::Spotify;
    let status = if unauthorized { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
    let mut response = reply::json(status, &json!({"error": refusal.error, "error_description": refusal.description}));
    if unauthorized {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"api\""));
    }
    response
}

/// The client that asks, once it has proved that it may.
fn client_of(world: &World, headers: &HeaderMap, body: &[u8]) -> Result<String, Refusal> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    // A body of another type is not read, and so says nothing.
    let form = if essence == "application/x-www-form-urlencoded" { Params::parse(body) } else { Params::default() };
    for name in ["grant_type", "client_id", "client_secret", "scope"] {
        if form.count(name) > 1 {
            return Err(Refusal::new("invalid_request", "a parameter is repeated"));
        }
    }
    let (client, secret, by_header) = match basic(headers)? {
        Some(_) if form.get("client_secret").is_some() => {
            return Err(Refusal::new("invalid_request", "the client authenticates in two ways"));
        }
        Some((client, secret)) => (client, secret, true),
        None => {
            let text = |name| form.get(name).unwrap_or_default().to_owned();
            (text("client_id"), text("client_secret"), false)
        }
    };
    if !world.settings().knows(&client, &secret) {
        return Err(Refusal { by_header, ..Refusal::new("invalid_client", "Invalid client") });
    }
    match form.get("grant_type") {
        Some("client_credentials") => Ok(client),
        Some(_) => Err(Refusal::new("unsupported_grant_type", "grant_type must be client_credentials")),
        None if essence == "application/x-www-form-urlencoded" => {
            Err(Refusal::new("unsupported_grant_type", "grant_type parameter is missing"))
        }
        None => Err(Refusal::new("invalid_request", "the body must be application/x-www-form-urlencoded")),
    }
}

/// Id and secret of HTTP Basic; both are form-encoded inside it (RFC 6749, section 2.3.1).
fn basic(headers: &HeaderMap) -> Result<Option<(String, String)>, Refusal> {
    let Some(value) = headers.get(AUTHORIZATION) else { return Ok(None) };
    let unreadable = || Refusal { by_header: true, ..Refusal::new("invalid_client", "Invalid client") };
    let (scheme, encoded) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(unreadable)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(unreadable());
    }
    let bytes = Base64::decode_vec(encoded.trim()).map_err(|_| unreadable())?;
    let text = String::from_utf8(bytes).map_err(|_| unreadable())?;
    let (client, secret) = text.split_once(':').ok_or_else(unreadable)?;
    Ok(Some((form_decoded(client), form_decoded(secret))))
}

/// Undoes form encoding in one value, whatever else stands in it.
fn form_decoded(value: &str) -> String {
    let escaped = value.replace('&', "%26").replace('=', "%3D");
    form_urlencoded::parse(escaped.as_bytes()).next().map_or_else(String::new, |(name, _)| name.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(token: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, format!("Bearer {token}").parse().unwrap())])
    }

    #[test]
    fn a_token_is_good_for_its_api_until_it_expires() {
        let (tokens, now, hour) = (Tokens::default(), Instant::now(), Duration::from_hours(1));
        let token = tokens.issue(Upstream::Spotify, "me", hour, now);
        let check = |upstream, at| tokens.check(upstream, &bearer(&token), at);
        assert_eq!(check(Upstream::Spotify, now), Ok("me".to_owned()));
        assert_eq!(check(Upstream::Beatport, now), Err(Denied::Unknown));
        assert_eq!(check(Upstream::Spotify, now + hour), Err(Denied::Expired));
        tokens.revoke_all();
        assert_eq!(tokens.check(Upstream::Spotify, &bearer(&token), now), Err(Denied::Unknown));
    }

    #[test]
    fn a_credential_that_is_no_bearer_token_is_told_apart() {
        let (tokens, now) = (Tokens::default(), Instant::now());
        assert_eq!(tokens.check(Upstream::Spotify, &HeaderMap::new(), now), Err(Denied::Missing));
        for value in ["Basic abc", "Bearer", "Bearer "] {
            let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(value))]);
            assert_eq!(tokens.check(Upstream::Spotify, &headers, now), Err(Denied::Malformed), "{value}");
        }
    }

    #[test]
    fn no_two_tokens_are_alike() {
        assert_ne!(fresh("a"), fresh("a"));
    }

    #[test]
    fn a_secret_may_hold_any_character() {
        assert_eq!(form_decoded("a%20b+c"), "a b c");
        assert_eq!(form_decoded("x&y=z"), "x&y=z");
        assert_eq!(form_decoded(""), "");
    }

    #[test]
    fn a_flood_of_tokens_is_bounded() {
        let (tokens, now) = (Tokens::default(), Instant::now());
        for _ in 0..=TOKENS_MAX {
            tokens.issue(Upstream::Spotify, "me", Duration::from_mins(1), now);
        }
        assert!(tokens.0.lock().unwrap().len() <= TOKENS_MAX);
    }
}
