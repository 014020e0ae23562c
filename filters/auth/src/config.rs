//! The configuration: whom to believe, where a token is needed, what becomes of it.
//!
//! ```json
//! {
//!   "issuers": [{
//!     "issuer": "https://id.example/",
//!     "audiences": ["gateway"],
//!     "jwks": {"keys": [
//!       {"kty": "RSA", "kid": "2026-01", "n": "…", "e": "AQAB"},
//!       {"kty": "oct", "kid": "services", "alg": "HS256", "env": "WEIR_TOKEN_SECRET"}
//!     ]}
//!   }],
//!   "routes": [{"match": {"prefix": "/health"}, "auth": "off"}, {"match": {"prefix": "/api/"}, "auth": "optional"}],
//!   "default": "required"
//! }
//! ```
//!
//! | member | meaning | default |
//! |---|---|---|
//! | `issuers[].issuer` | what `iss` must be, byte for byte | – |
//! | `issuers[].audiences` | one of these must be in `aud`; an empty list accepts tokens that are for anybody | – |
//! | `issuers[].jwks` | a JSON Web Key Set; keys of kty `oct` may name an environment variable instead of holding a secret | – |
//! | `routes` | the first that matches says `required`, `optional` or `off` | `[]` |
//! | `default` | what holds where none matches | `required` |
//! | `realm` | what challenges name | `weir` |
//! | `leeway` | how far clocks may differ, at most 5 minutes | `30s` |
//! | `forward` | whether the upstream gets to see the token | `false` |
//! | `default_tier` | the tier of tokens that have none | `free` |
//! | `claims` | the names of the claims for `user`, `tier` and `roles` | `sub`, `tier`, `roles` |
//! | `token_bytes_max` | longer tokens are refused, 256 to 65536 | `8192` |
//! | `revoked` | what is revoked whatever the store says: `tokens` (each a `jti`, or `{"jti", "issuer"}`), `subjects` (a user, or `{"sub", "before", "issuer"}`, in seconds since the epoch) and `keys` (a `kid` or the id of an API key, or `{"kid", "issuer"}`) | `{}` |
//! | `state` | where the state store is: `cluster`, `dialect` (`webdis`, `upstash`), `path`, `authority`, `user`, `env` (the variable with webdis's password or Upstash's token), `timeout`, `prefix` | `state`, `webdis`, `/`, the cluster, `weir`, –, `250ms`, `weir` |
//! | `revocation` | follows the revocations in the state store (see [`crate::feed`]): the members below | – |
//! | `revocation.refresh` | how often, 100 ms to an hour | `1s` |
//! | `revocation.unavailable_after` | after how long without an answer the last one is too old | `5m` |
//! | `revocation.when_unavailable` | then, and before the first answer: `stop` answers a request whose credential is good with 503, `continue` lets it pass | `stop` |
//! | `revocation.keep` | for how long a token or a user stays revoked where the entry does not say: no token may live longer | `30d` |
//! | `revocation.entries_max` | how many are kept, 16 bytes each in every worker, 1 to 1000000 | `100000` |
//! | `revocation.when_full` | when there are more: `stop` or `continue`, as above | `stop` |
//! | `remember` | `slots` (tokens kept by each worker, 0 to 65536) and `for` (how long at most, up to a day) | `1024`, `5m` |

use std::time::Duration;

use policy::config::each;
use policy::route::Target;
use policy::{ConfigError, Period, Seed};

use crate::fields::Fields;
use crate::identity::is_safe;
use crate::issuer::Issuer;
use crate::key::Environment;
use crate::revocation::settings::{Following, Listed};
use crate::route::{Mode, Route};

/// How far clocks may differ.
const LEEWAY: Period = Period::of_seconds(30);
/// A longer leeway would make expiry meaningless.
const LEEWAY_MAX: Period = Period::of(Duration::from_mins(5));
/// More slots would take more memory than a worker should spend on them.
const SLOTS_MAX: u32 = 65_536;
/// How long a token is remembered at most.
const REMEMBERED: Period = Period::of(Duration::from_mins(5));
/// Tokens are checked again at least this often.
const REMEMBERED_MAX: Period = Period::of(Duration::from_hours(24));

/// A valid configuration. It holds secrets, so it has no `Debug`.
pub struct Config {
    /// Whose tokens are believed.
    pub issuers: Vec<Issuer>,
    /// What challenges name.
    pub realm: String,
    /// How far clocks may differ.
    pub leeway: Duration,
    /// Whether the upstream gets to see the token.
    pub forward: bool,
    /// The tier of tokens that have none.
    pub default_tier: String,
    /// Where an identity is read from.
    pub claims: Claims,
    /// Longer tokens are refused.
    pub token_bytes_max: usize,
    /// How many verified tokens each worker remembers.
    pub slots: u32,
    /// For how long at most.
    pub lifetime: Duration,
    /// What is revoked whatever the state store says.
    pub revoked: Vec<Listed>,
    /// How the revocations of the state store are followed, if at all.
    pub following: Option<Following>,
    /// Under which fingerprints of what may be revoked are taken: the proxy's, set by who has a host to ask.
    pub seed: Seed,
    routes: Vec<Route>,
    rest: Route,
}

/// The names of the claims that an identity is read from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Claims {
    /// The user id.
    pub user: String,
    /// The tier.
    pub tier: String,
    /// The roles.
    pub roles: String,
}

impl Default for Claims {
    fn default() -> Self {
        Self { user: "sub".into(), tier: "tier".into(), roles: "roles".into() }
    }
}

impl Config {
    /// Reads a configuration where there is no environment to take secrets from, to check it: keys that name a variable
    /// are left out.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn from_json(json: &[u8]) -> Result<Self, ConfigError> {
        Self::read(json, &Environment::Absent)
    }

    /// Reads a configuration whole: `environment` answers with the text of a variable.
    ///
    /// # Errors
    /// The first mistake, with its place; a variable that is not set is one.
    pub fn with_environment(json: &[u8], environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        Self::read(json, &Environment::Variables(environment))
    }

    /// The route that a request is on.
    pub fn route(&self, target: &Target<'_>) -> &Route {
        self.routes.iter().find(|route| route.matches(target)).unwrap_or(&self.rest)
    }

    fn read(json: &[u8], environment: &Environment<'_>) -> Result<Self, ConfigError> {
        let mut fields = Fields::read(json)?;
        let mut memory = fields.object("remember")?;
        let inside = |mistake: ConfigError| mistake.inside("remember");
        let config = Self {
            issuers: issuers(&mut fields, environment)?,
            realm: realm(&mut fields)?,
            leeway: fields.period("leeway", LEEWAY_MAX)?.unwrap_or(LEEWAY).length(),
            forward: fields.flag("forward")?.unwrap_or(false),
            default_tier: default_tier(&mut fields)?,
            claims: Claims::read(fields.object("claims")?).map_err(|mistake| mistake.inside("claims"))?,
            token_bytes_max: fields.number("token_bytes_max", 256, 65_536)?.unwrap_or(8192) as usize,
            slots: memory.number("slots", 0, SLOTS_MAX).map_err(inside)?.unwrap_or(1024),
            lifetime: memory.period("for", REMEMBERED_MAX).map_err(inside)?.unwrap_or(REMEMBERED).length(),
            revoked: Listed::read_all(fields.object("revoked")?).map_err(|mistake| mistake.inside("revoked"))?,
            following: Following::read(&mut fields, environment)?,
            seed: Seed::from_random([0; 16]),
            routes: each("routes", fields.list("routes")?.unwrap_or_default(), Route::read)?,
            rest: Route::of_the_rest(Mode::read(&mut fields, "default")?.unwrap_or(Mode::Required)),
        };
        memory.end().map_err(inside)?;
        fields.end()?;
        let needed = config.routes.iter().chain([&config.rest]).any(|route| route.mode != Mode::Off);
        if config.issuers.is_empty() && needed {
            return Err(ConfigError::at("issuers", "must name one, as long as a route needs tokens"));
        }
        Ok(config)
    }
}

impl Claims {
    fn read(mut fields: Fields) -> Result<Self, ConfigError> {
        let mut name = |member: &str, default: String| match fields.text(member)? {
            None => Ok(default),
            // What the parser takes out of the claims itself is not found among them.
            Some(name) if name.is_empty() || matches!(name.as_str(), "exp" | "nbf" | "iat") => {
                let reason = format!("must be the name of a claim that holds text, got {name:?}");
                Err(ConfigError::at(member, reason))
            }
            Some(name) => Ok(name),
        };
        let default = Self::default();
        let claims = Self {
            user: name("user", default.user)?,
            tier: name("tier", default.tier)?,
            roles: name("roles", default.roles)?,
        };
        fields.end()?;
        Ok(claims)
    }
}

fn issuers(fields: &mut Fields, environment: &Environment<'_>) -> Result<Vec<Issuer>, ConfigError> {
    let list = fields.list("issuers")?.unwrap_or_default();
    let issuers = each("issuers", list, |issuer| Issuer::read(issuer, environment))?;
    for (index, issuer) in issuers.iter().enumerate() {
        if issuers.iter().take(index).any(|other| other.name == issuer.name) {
            let reason = format!("{:?} is configured twice", issuer.name);
            return Err(ConfigError::at(format!("issuers[{index}].issuer"), reason));
        }
    }
    Ok(issuers)
}

fn realm(fields: &mut Fields) -> Result<String, ConfigError> {
    let realm = fields.text("realm")?.unwrap_or_else(|| "weir".to_owned());
    let quotable = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    if realm.is_empty() || !realm.bytes().all(quotable) {
        return Err(ConfigError::at("realm", "must be printable ASCII without quotes and backslashes"));
    }
    Ok(realm)
}

fn default_tier(fields: &mut Fields) -> Result<String, ConfigError> {
    let tier = fields.text("default_tier")?.unwrap_or_else(|| "free".to_owned());
    if !is_safe(&tier) {
        return Err(ConfigError::at("default_tier", "must be 1 to 256 bytes of text without control characters"));
    }
    Ok(tier)
}

#[cfg(test)]
mod tests;
