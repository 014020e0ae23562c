//! The client credentials grant of OAuth 2.0 (RFC 6749 §4.4): how a token is asked for, and how patiently.

use std::time::Duration;

use policy::fields::Fields;
use policy::state::{Variables, base64};
use policy::{ConfigError, Period, Seed, Url};

use crate::secret::Secret;
use crate::target::encoded;

/// An answer takes no longer than this.
const TIMEOUT_MAX: Period = Period::of_seconds(30);
/// A client waits no longer than this.
const WAIT_MAX: Period = Period::of_seconds(60);
/// Nobody needs a new token longer before the old one ends.
const REFRESH_BEFORE_MAX: Period = Period::of_seconds(3600);
/// No token is thought to hold for less than it says by more than this.
const LEEWAY_MAX: Period = Period::of_seconds(300);
/// A worker holds no more requests than this.
const WAITING_MAX: u32 = 65_536;

/// How a provider's tokens are fetched. It holds secrets, so it has no `Debug`.
pub struct Grant {
    /// Envoy's cluster that leads to the token endpoint.
    pub cluster: String,
    /// How long one answer of the endpoint may take.
    pub timeout: Duration,
    /// How long a request may wait for a token.
    pub wait: Duration,
    /// How many requests of one worker may wait for one.
    pub waiting_max: usize,
    /// How long before its end a token is replaced.
    pub refresh_before: Duration,
    /// How much earlier than it says a token is taken to end.
    pub leeway: Duration,
    /// What proves that we may have a token.
    pub client_secret: Secret,
    url: Url,
    authorization: Option<Secret>,
    body: Secret,
}

impl Grant {
    /// Reads `oauth2`:
    ///
    /// - `token_url`: the token endpoint.
    /// - `cluster`: Envoy's cluster that leads there.
    /// - `client_id`, `client_secret`: `{"env", "default"}` each.
    /// - `style`: `basic` shows both in `Authorization` (RFC 6749 §2.3.1), `form` in the body. Default: `basic`.
    /// - `scope`: what the token is to be good for, words parted by blanks. Default: what the endpoint thinks fit.
    /// - `refresh_before`: how long before its end a token is replaced, at most a quarter of its life. Default: `1m`.
    /// - `leeway`: how much earlier than it says a token is taken to end, at most a quarter of its life. Default: `10s`.
    /// - `timeout`: how long an answer of the endpoint may take. Default: `5s`.
    /// - `wait`, `waiting_max`: how long a request may wait for a token, and how many of one worker may. Default: `5s`, 256.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn read(mut fields: Fields, variables: Option<Variables<'_>>) -> Result<Self, ConfigError> {
        let text = fields.needed("token_url")?;
        let reason = format!("must be like https://id.example/token, without blanks, user and fragment, got {text:?}");
        let url = Url::new(text).ok_or_else(|| ConfigError::at("token_url", reason))?;
        let cluster = fields.needed("cluster")?;
        if cluster.is_empty() {
            return Err(ConfigError::at("cluster", "must not be empty"));
        }
        let id = Secret::member(&mut fields, "client_id", variables)?;
        let secret = Secret::member(&mut fields, "client_secret", variables)?;
        let style = fields.text("style")?;
        let scope = fields.text("scope")?.unwrap_or_default();
        let in_form = match style.as_deref() {
            None | Some("basic") => false,
            Some("form") => true,
            Some(other) => return Err(ConfigError::at("style", format!("must be basic or form, got {other:?}"))),
        };
        // RFC 6749 §3.3.
        if !scope.bytes().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\')) {
            return Err(ConfigError::at("scope", "must be printable ASCII, no \" and no \\"));
        }
        let (authorization, body) = shown(&id, &secret, in_form, &scope);
        let mut period = |name: &str, longest: Period, usual: u64| -> Result<Duration, ConfigError> {
            let period = fields.period(name, longest)?.map_or(Duration::from_secs(usual), Period::length);
            let needed = period.is_zero() && name == "timeout";
            if needed { Err(ConfigError::at(name, "must be more than nothing")) } else { Ok(period) }
        };
        let grant = Self {
            cluster,
            timeout: period("timeout", TIMEOUT_MAX, 5)?,
            wait: period("wait", WAIT_MAX, 5)?,
            refresh_before: period("refresh_before", REFRESH_BEFORE_MAX, 60)?,
            leeway: period("leeway", LEEWAY_MAX, 10)?,
            waiting_max: fields.number("waiting_max", 0, WAITING_MAX)?.unwrap_or(256) as usize,
            client_secret: secret,
            url,
            authorization,
            body,
        };
        fields.end()?;
        Ok(grant)
    }

    /// The headers of a request for a token.
    pub fn headers(&self) -> Vec<(&str, &str)> {
        let mut headers = vec![
            (":method", "POST"),
            (":path", self.url.path()),
            (":authority", self.url.authority()),
            ("content-type", "application/x-www-form-urlencoded"),
            ("accept", "application/json"),
            ("user-agent", crate::config::USER_AGENT),
        ];
        headers.extend(self.authorization.as_ref().map(|value| ("authorization", value.text())));
        headers
    }

    /// Its body.
    pub fn body(&self) -> &[u8] {
        self.body.text().as_bytes()
    }

    /// The key of shared data under which its token is kept, and with a `suffix` what belongs to it. It is made of all that
    /// is said to the endpoint: a token survives a new configuration, and another secret begins anew.
    pub fn key(&self, suffix: &str) -> String {
        let authorization = self.authorization.as_ref().map_or("", Secret::text);
        let said = [self.cluster.as_str(), self.url.text(), authorization, self.body.text()].map(str::as_bytes);
        let print = Seed::from_random([0; 16]).fingerprint(said).to_bytes();
        ["weir.provider.token.", &base64::encode(&print), suffix].concat()
    }
}

/// How a client shows who it is: in a header and in the form, or in the form alone.
fn shown(id: &Secret, secret: &Secret, in_form: bool, scope: &str) -> (Option<Secret>, Secret) {
    let (id, secret) = (encoded(id.text()), encoded(secret.text()));
    let mut body = "grant_type=client_credentials".to_owned();
    if !scope.is_empty() {
        body.push_str("&scope=");
        body.push_str(&encoded(scope));
    }
    if in_form {
        return (None, Secret::of_parts(&[&body, "&client_id=", &id, "&client_secret=", &secret]));
    }
    let pair = base64::encode([id.as_str(), ":", &secret].concat().as_bytes());
    (Some(Secret::of_parts(&["Basic ", &pair])), Secret::of_parts(&[&body]))
}

#[cfg(test)]
mod tests;
