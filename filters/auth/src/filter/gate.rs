//! What a worker has at hand for every request: the configuration, its memory, its verifier, its counters.

use std::cell::RefCell;

use policy::Seed;
use policy::handover::header;
use shell::HostError;
use shell::headers::Map;
use shell::metric::Counter;

use super::counted::Counted;
use super::denial::Denials;
use crate::config::{ANONYMOUS, Config};
use crate::identity::Identity;
use crate::judge::{Decision, Judge};
use crate::memory::Memory;
use crate::request::Request;

/// What all requests of a worker share.
pub(super) struct Gate {
    pub(super) config: Config,
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
        let decision = judge.judge(route, request.credential);
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

    /// Replaces what the client claims by what is known of it.
    pub(super) fn hand_on(&self, request: &Request<'_>, decision: &Decision) -> Result<(), HostError> {
        for name in &request.claimed {
            shell::headers::remove(Map::Request, name)?;
        }
        match decision {
            Decision::Anonymous => shell::headers::add(Map::Request, header::TIER, ANONYMOUS),
            Decision::Allowed(verified) => {
                if !self.config.forward {
                    shell::headers::remove(Map::Request, "authorization")?;
                }
                introduce(&verified.identity)
            }
            Decision::Unjudged | Decision::Forbidden(_) | Decision::Missing | Decision::Refused(_) => Ok(()),
        }
    }
}

/// The client's own headers of these names are gone by now, so adding is setting.
fn introduce(identity: &Identity) -> Result<(), HostError> {
    shell::headers::add(Map::Request, header::USER, &identity.user)?;
    shell::headers::add(Map::Request, header::TIER, &identity.tier)?;
    match &identity.roles {
        Some(roles) => shell::headers::add(Map::Request, header::ROLES, roles),
        None => Ok(()),
    }
}
