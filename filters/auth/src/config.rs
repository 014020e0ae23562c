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
//! | `issuers[].jwks` | a JSON Web Key Set; keys of kty `oct` may name an environment variable instead of holding a secret; or how the issuer's set is fetched, with the members below | – |
//! | `….jwks.url` | where the issuer publishes its set; `http://` or `https://`, which Envoy's cluster makes of it | – |
//! | `….jwks.cluster` | Envoy's cluster that leads there | – |
//! | `….jwks.refresh` | how old the set may get before it is fetched again, up to a day; the issuer's `max-age` may shorten it, to 30 seconds at the least | `10m` |
//! | `….jwks.timeout` | how long one answer may take, up to 30 seconds | `2s` |
//! | `….jwks.keep` | how old the last good set may get while the issuer is down, up to 30 days | `24h` |
//! | `….jwks.cooldown` | the least time between two fetches that tokens of unknown keys cause, up to a day | `30s` |
//! | `….jwks.wait` | how long a request may wait for the first set, or for a new key, up to a minute | `2s` |
//! | `….jwks.waiting_max` | how many requests of each worker may wait for this issuer's keys, up to 65536 | `256` |
//! | `….jwks.bytes_max` | a longer document is refused, 256 to 1048576 | `65536` |
//! | `issuers[].algorithms` | the algorithms of this issuer's tokens, such as `["RS256"]`; a key for another is left out | what each key is for |
//! | `issuers[].typ` | what the header's `typ` may be; tokens without one are then refused | `JWT`, `at+jwt` or none |
//! | `issuers[].max_age` | how long after `iat`, which there must be then, a token is believed, at most 366 days | – |
//! | `issuers[].require_expiry` | whether there must be an `exp`; `false` needs a `max_age` | `true` |
//! | `issuers[].required_claims` | claims that there must be besides | `[]` |
//! | `issuers[].user_prefix` | what stands before this issuer's users in `x-weir-user`: where there are several issuers, one's `alice` need not be the other's | – |
//! | `permissions` | rules by name: what a caller must be, see below | `{}` |
//! | `routes` | the first that matches says `required`, `optional` or `off` in `auth`, and what its callers must be in `allow`: a rule, the name of a permission, or a list of which all must hold | `[]` |
//! | `default` | what holds where none matches | `required` |
//! | `realm` | what challenges name | `weir` |
//! | `leeway` | how far clocks may differ, at most 5 minutes | `30s` |
//! | `tokens.from` | where tokens are read: a list of `{"header": …}` with or without a `scheme` before the token, `{"cookie": …}` and `{"query": …}`; a browser sends a cookie on its own, so one that holds a token wants `SameSite` | `[{"header": "authorization", "scheme": "Bearer"}]` |
//! | `forward` | whether the upstream gets to see the token | `false` |
//! | `api_keys.keys` | for each key an `id`, its digest (`sha256`, or `hmac` under the pepper, in hexadecimal) and whom it stands for: `user` (else the `id`), `tier`, `roles`, `scopes`, `claims`, until it `expires` (`"2027-01-01T00:00:00Z"` or Unix seconds); several keys may have one `id`, so that one can follow another | – |
//! | `api_keys.header`, `.query` | where keys are read | `x-api-key`, – |
//! | `api_keys.pepper` | `env` names the variable with the HMAC key, 32 bytes or more in base64url | – |
//! | `api_keys.forward` | whether the upstream gets to see the key | `false` |
//! | `default_tier` | the tier of tokens and keys that have none | `free` |
//! | `claims` | the claims for `user`, `tier` and `roles`; `realm_access.roles` is a claim inside a claim, `["a.b"]` one whose name has a dot | `sub`, `tier`, `roles` |
//! | `hand_on` | a list of `claim` and `header`: the upstream gets the claim in that header, which no client can send itself | `[]` |
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
//! | `remember` | `slots` (genuine tokens kept by each worker, 0 to 65536) and `for` (how long at most, up to a day); `refused_slots` and `refused_for` (up to 5 minutes) for tokens that were refused | `1024`, `5m`, `256`, `10s` |
//!
//! A slot takes 48 bytes of a worker's memory, and a genuine token some 150 more with its user, tier and roles.
//!
//! # Rules
//! | rule | holds for callers |
//! |---|---|
//! | `{"role": "admin"}` | with this role |
//! | `{"scope": "catalog:write"}` | with this scope, among the words of the claim `scope` or in `scp` |
//! | `{"tier": "pro"}`, `{"issuer": "https://id.example/"}` | of this tier, with a token of this issuer |
//! | `{"credential": "token"}` | who show a `token`, an `api_key`, or `none` |
//! | `{"claim": "realm_access.roles", "contains": "x"}` | with a claim that is a list with this element, or a text with this word |
//! | `… "equals": true}`, `… "one_of": ["a", "b"]}` | with a claim of this value, of one of these values |
//! | `… "at_least": 18}`, `… "at_most": 65}` | with a number in this claim |
//! | `… "exists": true}` | with this claim, unless it is null |
//! | `{"all": […]}`, `{"any": […]}`, `{"not": {…}}` | for whom all of these rules hold, or any, or this one does not |
//!
//! A claim is named by the names that lead to it, with dots between them, or by a list of names where they have dots
//! themselves: `["a.b"]`; a URI is one name. A claim that is missing, null or of another type makes its rule false; so
//! `not` of it holds, for API keys and anonymous callers too, who have no claims. Names are compared byte for byte.
//!
//! Who shows a credential and may not is answered with 403, who shows none with 401, since one may help. With `"shadow": true`
//! beside it, a rule of a route or of `permissions` is decided, counted (`would_forbid`) and logged, and lets pass.
//! There may be 128 different rules, with as many predicates in all of them, nested 8 deep.

use std::time::Duration;

use policy::config::each;
use policy::route::Target;
use policy::{ConfigError, Period, Seed};

use crate::apikey::{ApiKeys, Grants};
use crate::attribute::{ATTRIBUTES_MAX, Attribute};
use crate::claim::Path;
use crate::identity::is_safe;
use crate::issuer::Issuer;
use crate::key::Environment;
use crate::permission::{Granted, Permissions};
use crate::request::is_alias;
use crate::revocation::settings::{Following, Listed};
use crate::route::{Mode, Route};
use crate::source::{self, Kind, Place, Source};
use crate::subject::Subject;
use policy::fields::Fields;

/// How far clocks may differ.
const LEEWAY: Period = Period::of_seconds(30);
/// A longer leeway would make expiry meaningless.
const LEEWAY_MAX: Period = Period::of(Duration::from_mins(5));
/// More slots would take more memory than a worker should spend on them.
const SLOTS_MAX: u32 = 65_536;
/// How long a token is remembered at most.
const REMEMBERED: Period = Period::of(Duration::from_mins(5));
/// How long a refused token is remembered: as long as a client that guesses may repeat itself.
const REFUSED: Period = Period::of_seconds(10);
/// Whoever was refused by mistake gets in after this at the latest.
const REFUSED_MAX: Period = Period::of(Duration::from_mins(5));
/// Tokens are checked again at least this often.
const REMEMBERED_MAX: Period = Period::of(Duration::from_hours(24));

/// The tier of callers that show no credential where none is needed.
pub const ANONYMOUS: &str = "anonymous";

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
    /// What is handed on beside it.
    pub attributes: Vec<Attribute>,
    /// Where in a request credentials may be.
    pub sources: Vec<Source>,
    /// The kinds of credentials that are accepted at all.
    pub kinds: Vec<Kind>,
    /// The keys that are known.
    pub api_keys: ApiKeys,
    /// Longer tokens are refused.
    pub token_bytes_max: usize,
    /// How many verified tokens each worker remembers.
    pub slots: u32,
    /// For how long at most.
    pub lifetime: Duration,
    /// How many refused tokens each worker remembers.
    pub refused_slots: u32,
    /// For how long; zero remembers none.
    pub refused_for: Duration,
    /// What callers may do.
    pub permissions: Permissions,
    /// What those may do who show nothing.
    pub anonymous: Granted,
    /// What is revoked whatever the state store says.
    pub revoked: Vec<Listed>,
    /// How the revocations of the state store are followed, if at all.
    pub following: Option<Following>,
    /// Under which fingerprints of what may be revoked are taken: the proxy's, set by who has a host to ask.
    pub seed: Seed,
    routes: Vec<Route>,
    rest: Route,
}

/// The claims that an identity is read from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Claims {
    /// The user id.
    pub user: Path,
    /// The tier.
    pub tier: Path,
    /// The roles.
    pub roles: Path,
}

impl Default for Claims {
    fn default() -> Self {
        Self { user: Path::of("sub"), tier: Path::of("tier"), roles: Path::of("roles") }
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

    /// Takes over the proxy's seed, for fingerprints of what may be revoked.
    pub fn seal(&mut self, seed: Seed) {
        self.seed = seed;
        self.api_keys.mark(&seed);
    }

    /// The route that a request is on.
    pub fn route(&self, target: &Target<'_>) -> &Route {
        self.routes.iter().find(|route| route.matches(target)).unwrap_or(&self.rest)
    }

    fn read(json: &[u8], environment: &Environment<'_>) -> Result<Self, ConfigError> {
        let mut fields = Fields::read(json)?;
        let mut memory = fields.object("remember")?;
        let inside = |mistake: ConfigError| mistake.inside("remember");
        let named = fields.object("permissions")?;
        let mut permissions = Permissions::read(named).map_err(|mistake| mistake.inside("permissions"))?;
        let routes = routes(&mut fields, &mut permissions)?;
        let issuers = issuers(&mut fields, environment)?;
        let (default_tier, attributes) = (default_tier(&mut fields)?, attributes(&mut fields)?);
        let grants = Grants { default_tier: &default_tier, attributes: &attributes, permissions: &permissions };
        let api_keys = api_keys(&mut fields, &grants, environment)?;
        let forward = fields.flag("forward")?.unwrap_or(false);
        let sources = sources(&mut fields, !issuers.is_empty(), &api_keys, forward)?;
        let config = Self {
            kinds: [Kind::Token, Kind::ApiKey]
                .into_iter()
                .filter(|kind| sources.iter().any(|s| s.kind == *kind))
                .collect(),
            issuers,
            realm: realm(&mut fields)?,
            leeway: fields.period("leeway", LEEWAY_MAX)?.unwrap_or(LEEWAY).length(),
            forward,
            default_tier,
            claims: Claims::read(fields.object("claims")?).map_err(|mistake| mistake.inside("claims"))?,
            attributes,
            sources,
            api_keys,
            token_bytes_max: fields.number("token_bytes_max", 256, 65_536)?.unwrap_or(8192) as usize,
            slots: memory.number("slots", 0, SLOTS_MAX).map_err(inside)?.unwrap_or(1024),
            lifetime: memory.period("for", REMEMBERED_MAX).map_err(inside)?.unwrap_or(REMEMBERED).length(),
            refused_slots: memory.number("refused_slots", 0, SLOTS_MAX).map_err(inside)?.unwrap_or(256),
            refused_for: memory.period("refused_for", REFUSED_MAX).map_err(inside)?.unwrap_or(REFUSED).length(),
            anonymous: permissions.decide(&Subject::anonymous(ANONYMOUS)),
            permissions,
            revoked: Listed::read_all(fields.object("revoked")?).map_err(|mistake| mistake.inside("revoked"))?,
            following: Following::read(&mut fields, environment)?,
            seed: Seed::from_random([0; 16]),
            routes,
            rest: Route::of_the_rest(Mode::read(&mut fields, "default")?.unwrap_or(Mode::Required)),
        };
        memory.end().map_err(inside)?;
        fields.end()?;
        config.check()?;
        Ok(config)
    }

    /// Refuses what is wrong between members.
    fn check(&self) -> Result<(), ConfigError> {
        let needed = self.routes.iter().chain([&self.rest]).any(|route| route.mode != Mode::Off);
        if self.kinds.is_empty() && needed {
            let reason = "must name one, or api_keys some, as long as a route needs credentials";
            return Err(ConfigError::at("issuers", reason));
        }
        source::check(&self.sources).map_err(|mistake| mistake.inside("tokens.from"))?;
        for (index, attribute) in self.attributes.iter().enumerate() {
            let own = attribute.header.as_bytes();
            let taken = self.attributes.iter().take(index).any(|other| is_alias(other.header.as_bytes(), own));
            let credential = |source: &Source| source.place == Place::Header && is_alias(source.name.as_bytes(), own);
            if taken || self.sources.iter().any(credential) {
                let reason = format!("{:?} holds something else already", attribute.header);
                return Err(ConfigError::at(format!("hand_on[{index}].header"), reason));
            }
        }
        Ok(())
    }
}

impl Claims {
    fn read(mut fields: Fields) -> Result<Self, ConfigError> {
        let mut path = |member: &str, default: Path| match fields.any(member) {
            None => Ok(default),
            Some(json) => Path::read(json).map_err(|mistake| mistake.inside(member)),
        };
        let default = Self::default();
        let claims = Self {
            user: path("user", default.user)?,
            tier: path("tier", default.tier)?,
            roles: path("roles", default.roles)?,
        };
        fields.end()?;
        Ok(claims)
    }
}

fn attributes(fields: &mut Fields) -> Result<Vec<Attribute>, ConfigError> {
    let list = fields.list("hand_on")?.unwrap_or_default();
    if list.len() > ATTRIBUTES_MAX {
        return Err(ConfigError::at("hand_on", format!("must have {ATTRIBUTES_MAX} claims at most")));
    }
    each("hand_on", list, Attribute::read)
}

fn api_keys(fields: &mut Fields, grants: &Grants<'_>, environment: &Environment<'_>) -> Result<ApiKeys, ConfigError> {
    if !fields.has("api_keys") {
        return Ok(ApiKeys::default());
    }
    let keys = ApiKeys::read(fields.object("api_keys")?, grants, environment);
    keys.map_err(|mistake| mistake.inside("api_keys"))
}

/// All places where credentials are read. Where nobody issues tokens, none are.
fn sources(fields: &mut Fields, issued: bool, api_keys: &ApiKeys, forward: bool) -> Result<Vec<Source>, ConfigError> {
    let mut tokens = fields.object("tokens")?;
    let inside = |mistake: ConfigError| mistake.inside("tokens");
    let list = tokens.list("from").map_err(inside)?;
    tokens.end().map_err(inside)?;
    let mut sources = match list {
        None if issued => vec![Source::bearer(forward)],
        None => Vec::new(),
        Some(list) if issued && !list.is_empty() => {
            each("tokens.from", list, |json| Source::read(json, Kind::Token, forward))?
        }
        Some(_) => {
            return Err(ConfigError::at("tokens.from", "must have a place, and issuers somebody who issues tokens"));
        }
    };
    sources.extend(api_keys.sources.iter().cloned());
    Ok(sources)
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

fn routes(fields: &mut Fields, permissions: &mut Permissions) -> Result<Vec<Route>, ConfigError> {
    let mut routes = Vec::new();
    for (index, json) in fields.list("routes")?.unwrap_or_default().into_iter().enumerate() {
        let place = format!("routes[{index}]");
        routes.push(Route::read(json, &place, permissions).map_err(|mistake| mistake.inside(place))?);
    }
    Ok(routes)
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
