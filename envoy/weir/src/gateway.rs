//! A policy as its filters see it: each filter's configuration, read by the filter's own code, to be asked what it would do.
//!
//! What is explained, compared and replayed here is decided by the code that runs in Envoy; this is only its host.

use policy::route::Target;
use policy::state::Variables;
use policy::{ConfigError, Seed};

use crate::document::Document;
use crate::policy::operation::Own;
use crate::policy::{Matcher, Policy, Route};
use crate::translate::{Filter, guard as guards, provider as providers, ratelimit as limits};

/// Under which fingerprints are taken: nobody sends anything here to make two of them equal.
pub const SEED: Seed = Seed::from_random([0; 16]);

/// All filters of a policy.
pub struct Gateway<'d> {
    /// The policy.
    pub policy: &'d Policy,
    /// Its filters as they were translated.
    pub filters: &'d [Filter],
    /// Who is known by which ids.
    pub correlation: correlation::Config,
    /// Who is let in.
    pub auth: auth::Config,
    /// How often an address may try, where that is limited.
    pub front: Option<ratelimit::Config>,
    /// What any request may be.
    pub guard: Option<guard::Config>,
    /// What bodies may say.
    pub bodies: Option<guard::Config>,
    /// Who is told how the proxy is, where anybody is.
    pub admin: Option<admin::Config>,
    /// How often callers may ask.
    pub callers: ratelimit::Config,
    /// Which answers are made of several, where any is.
    pub compose: Option<compose::Config>,
    /// What is kept.
    pub cache: cache::Config,
    /// What the upstreams can be asked at all that have their own interface hidden.
    pub input: Option<provider::Config>,
    /// How often upstreams may be asked.
    pub quota: ratelimit::Config,
    /// Which upstreams are left alone.
    pub breaker: breaker::Config,
    /// Which upstreams have their own interface hidden.
    pub provider: Option<provider::Config>,
}

impl<'d> Gateway<'d> {
    /// Has each filter read its configuration once more.
    ///
    /// # Errors
    /// What a filter has against it; a document that was read with the same variables has nothing of the kind.
    pub fn of(document: &'d Document, variable: Variables<'_>) -> Result<Self, ConfigError> {
        let Document { policy, filters } = document;
        let json = |name: &str| {
            let found = filters.iter().find(|filter| filter.name == name);
            found.map(|filter| filter.config.to_string().into_bytes())
        };
        let needed = |name: &str| json(name).unwrap_or_default();
        let limiter = |json: &[u8]| {
            let mut config = ratelimit::Config::with_environment(json, variable)?;
            config.rules.iter_mut().for_each(|rule| rule.bind(&SEED));
            Ok::<_, ConfigError>(config)
        };
        let mut auth = auth::Config::with_environment(&needed("auth"), variable)?;
        auth.seal(SEED);
        Ok(Self {
            policy,
            filters,
            correlation: correlation::Config::from_json(&needed("correlation"))?,
            auth,
            front: json(limits::FRONT).map(|json| limiter(&json)).transpose()?,
            guard: json(guards::NAME).map(|json| guard::Config::from_json(&json)).transpose()?,
            bodies: json(guards::BODIES).map(|json| guard::Config::from_json(&json)).transpose()?,
            admin: json("admin").map(|json| admin::Config::with_environment(&json, variable)).transpose()?,
            callers: limiter(&needed("ratelimit"))?,
            compose: json("compose").map(|json| compose::Config::from_json(&json)).transpose()?,
            cache: cache::Config::with_environment(&needed("cache"), Some(variable))?,
            input: json(providers::INPUT).map(|json| provider::Config::from_json(&json)).transpose()?,
            quota: limiter(&needed("quota"))?,
            breaker: breaker::Config::from_json(&needed("breaker"))?,
            provider: json("provider").map(|json| provider::Config::with_environment(&json, variable)).transpose()?,
        })
    }

    /// The route that a request takes, and its place in the policy.
    pub fn route(&self, target: &Target<'_>) -> Option<(usize, &'d Route)> {
        self.policy.routes.iter().enumerate().find(|(_, route)| route.matcher.rule.matches(target))
    }

    /// What of a client's request the proxy answers itself, before any route.
    pub fn own(&self, target: &Target<'_>) -> Option<Own> {
        self.policy.operation.as_ref().and_then(|_| Own::of(target))
    }

    /// The route that a call of the proxy's own takes: composed ones answer clients alone.
    pub fn route_inside(&self, target: &Target<'_>) -> Option<&'d Route> {
        self.policy.routes.iter().find(|route| route.compose.is_none() && route.matcher.rule.matches(target))
    }

    /// Whether such a call takes another route than a client's request, or the same to another end.
    pub fn is_apart(&self, target: &Target<'_>) -> bool {
        self.route(target).is_some_and(|(_, route)| route.inside || route.compose.is_some())
    }
}

/// A route as somebody wrote it: `GET|HEAD /path`.
pub fn written(route: &Route) -> String {
    written_matcher(&route.matcher)
}

/// What requests must be like, the same way.
pub fn written_matcher(matcher: &Matcher) -> String {
    let mut line = matcher.methods.join("|");
    if !line.is_empty() {
        line.push(' ');
    }
    match &matcher.pattern {
        crate::policy::Pattern::Any => line.push_str("/*"),
        crate::policy::Pattern::Below(prefix) => line.push_str(&format!("{prefix}*")),
        crate::policy::Pattern::AtOrBelow(prefix) => line.push_str(&format!("{prefix}[/*]")),
        crate::policy::Pattern::Exact(path) | crate::policy::Pattern::Template(path) => line.push_str(path),
    }
    for host in &matcher.hosts {
        line.push_str(&format!(" host={host}"));
    }
    for (name, value) in &matcher.headers {
        line.push_str(&format!(" {name}={value}"));
    }
    line
}
