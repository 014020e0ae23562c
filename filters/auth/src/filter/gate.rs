//! What a worker has at hand for every request: the configuration, its memory, its verifier, its counters.

use std::cell::RefCell;

use policy::Seed;
use policy::handover::{header, state};
use shell::HostError;
use shell::headers::Map;
use shell::metric::Counter;

use super::counted::Counted;
use super::denial::Denials;
use crate::config::{ANONYMOUS, Config};
use crate::credential::{Shown, without_cookie};
use crate::identity::Identity;
use crate::judge::{Decision, Judge};
use crate::memory::Memory;
use crate::request::Request;
use crate::source::{Place, Source};

/// What all requests of a worker share.
pub(super) struct Gate {
    pub(super) config: Config,
    reads_queries: bool,
    memory: RefCell<Memory>,
    verifier: Counted,
    allowed: Counter,
    anonymous: Counter,
    forbidden: Counter,
    refused: Counter,
    denials: Denials,
}

impl Gate {
    pub(super) fn new(config: Config) -> Self {
        // Each worker has its own memory, so its fingerprints need not be those of other workers.
        let memory = Memory::new(Seed::from_random(shell::random()), config.slots, config.lifetime)
            .with_refused(config.refused_slots, config.refused_for);
        let request = |outcome| Counter::new("api_gateway_auth_requests_total", &[("outcome", outcome)]);
        Self {
            reads_queries: config.sources.iter().any(|source| source.place == Place::Query),
            config,
            memory: RefCell::new(memory),
            verifier: Counted::new(),
            allowed: request("allowed"),
            anonymous: request("anonymous"),
            forbidden: request("forbidden"),
            refused: request("refused"),
            denials: Denials::new(),
        }
    }

    pub(super) fn judge(&self, request: &Request<'_>) -> Decision {
        let mut memory = self.memory.borrow_mut();
        let now = shell::now();
        let mut judge = Judge { config: &self.config, memory: &mut memory, verifier: &self.verifier, now };
        let route = self.config.route(&request.target);
        let decision = judge.judge(route, &request.shown);
        if !route.allow.is_empty() {
            self.denials.record(&self.config, route, &decision, now);
        }
        decision
    }

    pub(super) fn count(&self, decision: &Decision) {
        match decision {
            Decision::Unjudged => {}
            Decision::Anonymous => self.anonymous.increment(),
            Decision::Allowed(_) => self.allowed.increment(),
            Decision::Forbidden(_) => self.forbidden.increment(),
            Decision::Missing | Decision::Refused(_) => self.refused.increment(),
        }
    }

    /// Leaves the access log a query without credentials, whatever becomes of the request. A path that goes nowhere loses
    /// them too, for logs that know no better.
    pub(super) fn conceal(&self, request: &Request<'_>, decision: &Decision) -> Result<(), HostError> {
        if !self.reads_queries || request.path.len() == request.target.path.len() {
            return Ok(());
        }
        let clean = request.path_without(|_| false);
        let path = clean.as_deref().unwrap_or(request.path);
        let query = path.get(request.target.path.len() + 1..).unwrap_or_default();
        shell::stream::set_state(state::QUERY, query)?;
        match (decision, &clean) {
            (Decision::Missing | Decision::Refused(_), Some(path)) => shell::headers::set(Map::Request, ":path", path),
            _ => Ok(()),
        }
    }

    /// Replaces what the client claims by what is known of it.
    pub(super) fn hand_on(&self, request: &Request<'_>, decision: &Decision) -> Result<(), HostError> {
        for name in &request.claimed {
            shell::headers::remove(Map::Request, name)?;
        }
        match decision {
            Decision::Anonymous => shell::headers::add(Map::Request, header::TIER, ANONYMOUS),
            Decision::Allowed(verified) => {
                if let Shown::One(credential) = request.shown
                    && !credential.source.forward
                {
                    strip(request, credential.source)?;
                }
                self.introduce(&verified.identity)
            }
            Decision::Unjudged | Decision::Forbidden(_) | Decision::Missing | Decision::Refused(_) => Ok(()),
        }
    }

    /// The client's own headers of these names are gone by now, so adding is setting.
    fn introduce(&self, identity: &Identity) -> Result<(), HostError> {
        shell::headers::add(Map::Request, header::USER, &identity.user)?;
        shell::headers::add(Map::Request, header::TIER, &identity.tier)?;
        if let Some(roles) = &identity.roles {
            shell::headers::add(Map::Request, header::ROLES, roles)?;
        }
        for (index, value) in &identity.handed {
            if let Some(attribute) = self.config.attributes.get(*index) {
                shell::headers::add(Map::Request, &attribute.header, value)?;
            }
        }
        Ok(())
    }
}

/// Takes the credential out of the request, and nothing beside it.
fn strip(request: &Request<'_>, source: &Source) -> Result<(), HostError> {
    match source.place {
        Place::Header => shell::headers::remove(Map::Request, &source.name),
        Place::Query => match request.path_without(|other| other != source) {
            Some(path) => shell::headers::set(Map::Request, ":path", path),
            None => Ok(()),
        },
        Place::Cookie => {
            let cookies = request.target.headers.all("cookie");
            shell::headers::remove(Map::Request, "cookie")?;
            for left in cookies.filter_map(|header| without_cookie(header, &source.name)) {
                shell::headers::add(Map::Request, "cookie", left)?;
            }
            Ok(())
        }
    }
}
