//! The filter's configuration.

use std::time::Duration;

use policy::config::each;
use policy::fields::Fields;
use policy::json::Json;
use policy::route::Target;
use policy::state::Variables;
use policy::{ConfigError, Match, Period};

use crate::credential::Credential;
use crate::grant::Grant;
use crate::profile::{self, Profile};
use crate::secret::Forms;

/// What an operator decides; see [`Config::from_json`] for how it is written.
pub struct Config {
    /// The providers.
    pub providers: Vec<Provider>,
    /// Whether requests are only judged here, and what is good goes on as it is.
    pub checks_only: bool,
    routes: Vec<Route>,
}

/// A provider. It holds secrets, so it has no `Debug`.
pub struct Provider {
    /// Its name: in answers and in logs.
    pub name: String,
    /// What is known of its kind.
    pub profile: &'static Profile,
    /// What the paths of its own requests begin with; without a slash at the end.
    pub base: String,
    /// How it is told which program asks.
    pub user_agent: String,
    /// How it is told who asks.
    pub credential: Credential,
    /// The forms in which our secrets may come back.
    pub forms: Forms,
    /// A longer answer is none.
    pub answer_bytes_max: usize,
    /// Where a request goes once more whose token was refused.
    pub again: Option<Again>,
}

/// How a request is sent once more by the filter itself.
pub struct Again {
    /// Envoy's cluster that leads back into the proxy.
    pub cluster: String,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// Which requests are for which provider.
pub struct Route {
    rule: Match,
    /// Whose, as an index.
    pub provider: usize,
    /// What comes before the part of a path that is the same for all providers; without a slash at the end.
    pub strip: String,
}

const ANSWER_BYTES: u32 = 2 << 20;
const ANSWER_BYTES_LEAST: u32 = 1 << 10;
const ANSWER_BYTES_MOST: u32 = 64 << 20;
const TIMEOUT: Duration = Duration::from_secs(10);
const TIMEOUT_MAX: Period = Period::of_seconds(3600);
const NAME_LENGTH_MAX: usize = 64;
pub(crate) const USER_AGENT: &str = concat!("weir/", env!("CARGO_PKG_VERSION"));

impl Config {
    /// Reads a configuration where there is no environment to take secrets from, to check it:
    ///
    /// - `providers`: by name,
    ///   - `profile`: the name of one of the [profiles](crate::profile), as in `spotify`. Default: the provider's own.
    ///   - `base`: what the paths of its own requests begin with, as in `"/v1"`. Default: nothing.
    ///   - `credentials`: how it is told who asks (see [`Credential::read`]). Needed where the profile says so.
    ///   - `user_agent`: how it is told which program asks, as in `"name/1.0 (https://contact.example)"`. Needed
    ///     where the profile says so. Default: `"weir/<version>"`.
    ///   - `answer_max`: a longer answer, in bytes, is none: 1,024 to 67,108,864. Default: 2,097,152.
    ///   - `again`: by which way a request goes once more whose token was refused: `cluster`, which leads back into this proxy
    ///     and to this filter, and `timeout` (default: `10s`). The provider's limit stands on that way, so the second request is
    ///     counted as the first was. Without it, the client is asked to come again.
    /// - `routes`: which requests are for which provider; the first that matches counts, and what matches none passes. Each
    ///   has a `match` (see [`policy::route::RawMatch`]), a `provider`, and `strip`: what comes before `/search` or
    ///   `/track/{id}`, as in `"/api/spotify"` (default: nothing).
    /// - `checks_only`: what cannot be asked is refused here as ever, and anything else goes on as it is, to this filter a second
    ///   time: for a place before whatever counts requests or holds them back. Then there is nothing to say of a provider but its
    ///   `profile`. Default: `false`.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn from_json(json: &[u8]) -> Result<Self, ConfigError> {
        Self::read(json, None)
    }

    /// Reads a configuration whole: `variables` answers with the text of a variable.
    ///
    /// # Errors
    /// The first mistake, with its place, and nothing of what a variable holds.
    pub fn with_environment(json: &[u8], variables: Variables<'_>) -> Result<Self, ConfigError> {
        Self::read(json, Some(variables))
    }

    fn read(json: &[u8], variables: Option<Variables<'_>>) -> Result<Self, ConfigError> {
        let mut fields = Fields::read(json)?;
        let checks_only = fields.flag("checks_only")?.unwrap_or_default();
        let mut providers = Vec::new();
        for (name, json) in fields.object("providers")?.rest() {
            let read = |fields| {
                if checks_only { Provider::judged(&name, fields) } else { Provider::read(&name, fields, variables) }
            };
            let provider = Fields::of(json).and_then(read);
            providers.push(provider.map_err(|mistake| mistake.inside(&name).inside("providers"))?);
        }
        let routes = fields.list("routes")?.unwrap_or_default();
        let routes = each("routes", routes, |json| Route::read(json, &providers))?;
        fields.end_of(&["providers", "routes", "checks_only"])?;
        Ok(Self { providers, checks_only, routes })
    }

    /// The route that a request takes.
    pub fn find(&self, target: &Target<'_>) -> Option<&Route> {
        self.routes.iter().find(|route| route.rule.matches(target))
    }
}

impl Provider {
    /// One that is sent nothing from here.
    fn judged(name: &str, mut fields: Fields) -> Result<Self, ConfigError> {
        let profile = kind(name, &mut fields)?;
        fields.end_of(&["profile"])?;
        Ok(Self {
            name: name.to_owned(),
            profile,
            base: String::new(),
            user_agent: String::new(),
            credential: Credential::None,
            forms: Forms::default(),
            answer_bytes_max: 0,
            again: None,
        })
    }

    fn read(name: &str, mut fields: Fields, variables: Option<Variables<'_>>) -> Result<Self, ConfigError> {
        let profile = kind(name, &mut fields)?;
        let base = fields.text("base")?.unwrap_or_default();
        let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'{' | b'}');
        if !(base.is_empty() || base.starts_with('/') && base.bytes().all(plain)) {
            return Err(ConfigError::at("base", format!("must begin with / and have no query, got {base:?}")));
        }
        let user_agent = user_agent(profile, fields.text("user_agent")?)?;
        let (credential, forms) = match fields.any("credentials") {
            Some(json) => Fields::of(json)
                .and_then(|fields| Credential::read(fields, variables))
                .map_err(|mistake| mistake.inside("credentials"))?,
            None if profile.needs_credentials => {
                let kind = profile.name;
                return Err(ConfigError::at("credentials", format!("is missing, and {kind} answers nobody without")));
            }
            None => (Credential::None, Forms::default()),
        };
        let answer_max = fields.number("answer_max", ANSWER_BYTES_LEAST, ANSWER_BYTES_MOST)?.unwrap_or(ANSWER_BYTES);
        let again = fields.has("again").then(|| fields.object("again").and_then(Again::read));
        let again = again.transpose().map_err(|mistake| mistake.inside("again"))?;
        fields.end_of(&["profile", "base", "credentials", "user_agent", "answer_max", "again"])?;
        Ok(Self {
            name: name.to_owned(),
            profile,
            base: base.trim_end_matches('/').to_owned(),
            user_agent,
            credential,
            forms,
            answer_bytes_max: answer_max as usize,
            again,
        })
    }

    /// How its tokens are fetched, where they are.
    pub fn grant(&self) -> Option<&Grant> {
        match &self.credential {
            Credential::Grant(grant) => Some(grant),
            _ => None,
        }
    }
}

/// The profile of a provider of this name.
fn kind(name: &str, fields: &mut Fields) -> Result<&'static Profile, ConfigError> {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !(1..=NAME_LENGTH_MAX).contains(&name.len()) || !name.bytes().all(safe) {
        return Err(ConfigError::at("", "a provider's name must be 1 to 64 of A-Z a-z 0-9 - _ ."));
    }
    let said = fields.text("profile")?;
    let kind = said.as_deref().unwrap_or(name);
    profile::find(kind).ok_or_else(|| {
        ConfigError::at("profile", format!("must be one of {}, got {kind:?}", profile::names().join(", ")))
    })
}

impl Again {
    fn read(mut fields: Fields) -> Result<Self, ConfigError> {
        let again = Self {
            cluster: fields.needed("cluster")?,
            timeout: fields.period("timeout", TIMEOUT_MAX)?.map_or(TIMEOUT, Period::length),
        };
        if again.cluster.is_empty() || again.timeout.is_zero() {
            return Err(ConfigError::at("", "must have a cluster and some time"));
        }
        fields.end()?;
        Ok(again)
    }
}

/// Reads `user_agent`, which some providers want in the form of `name/version (contact)`.
fn user_agent(profile: &Profile, given: Option<String>) -> Result<String, ConfigError> {
    let wrong = |reason: String| Err(ConfigError::at("user_agent", reason));
    match given {
        None if profile.needs_user_agent => wrong(format!("is missing, and {} answers nobody without", profile.name)),
        None => Ok(USER_AGENT.to_owned()),
        Some(text) if !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) => {
            wrong("must be printable ASCII".to_owned())
        }
        Some(text) if text.trim().is_empty() || (profile.needs_user_agent && !says_who(&text)) => {
            wrong(format!("must be like \"name/1.0 (https://contact.example)\", got {text:?}"))
        }
        Some(text) => Ok(text),
    }
}

fn says_who(text: &str) -> bool {
    let Some((product, contact)) = text.split_once('(') else { return false };
    let named = product.split_once('/').is_some_and(|(name, version)| {
        !name.trim().is_empty() && version.starts_with(|first: char| first.is_ascii_alphanumeric())
    });
    named && contact.split_once(')').is_some_and(|(contact, _)| contact.contains(['@', '.']))
}

impl Route {
    fn read(json: Json, providers: &[Provider]) -> Result<Self, ConfigError> {
        let mut fields = Fields::of(json)?;
        let rule = Match::read(fields.object("match")?).map_err(|mistake| mistake.inside("match"))?;
        let name = fields.needed("provider")?;
        let provider = providers.iter().position(|provider| provider.name == name);
        let provider = provider.ok_or_else(|| ConfigError::at("provider", format!("no such provider: {name:?}")))?;
        let strip = fields.text("strip")?.unwrap_or_default();
        if !strip.is_empty() && !strip.starts_with('/') {
            return Err(ConfigError::at("strip", format!("must begin with /, got {strip:?}")));
        }
        fields.end_of(&["match", "provider", "strip"])?;
        Ok(Self { rule, provider, strip: strip.trim_end_matches('/').to_owned() })
    }
}

#[cfg(test)]
mod tests;
