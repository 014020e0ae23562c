//! What a worker has at hand for every request: the configuration, its memory, its verifier, its counters.

use std::cell::RefCell;
use std::rc::Rc;

use policy::Seed;
use policy::handover::header;
use shell::HostError;
use shell::headers::Map;
use shell::metric::Counter;

use super::counted::Counted;
use super::revocations::Revocations;
use crate::config::Config;
use crate::identity::Identity;
use crate::judge::{Decision, Judge};
use crate::memory::Memory;
use crate::request::Request;

/// The tier of callers that show no credential where none is needed.
const ANONYMOUS: &str = "anonymous";

/// What all requests of a worker share.
pub(super) struct Gate {
    pub(super) config: Rc<Config>,
    pub(super) revocations: Revocations,
    memory: RefCell<Memory>,
    verifier: Counted,
    allowed: Counter,
    anonymous: Counter,
    refused: Counter,
    unavailable: Counter,
}

impl Gate {
    /// `None`, with a line in the log, where the host has no seed to share.
    pub(super) fn new(mut config: Config) -> Option<Self> {
        let Ok(seed) = shell::seed() else {
            log::error!("no seed for fingerprints");
            return None;
        };
        config.seed = seed;
        let config = Rc::new(config);
        // Each worker has its own memory, so its fingerprints need not be those of other workers.
        let memory = Memory::new(Seed::from_random(shell::random()), config.slots, config.lifetime);
        let request = |outcome| Counter::new("api_gateway_auth_requests_total", &[("outcome", outcome)]);
        Some(Self {
            revocations: Revocations::new(&config),
            config,
            memory: RefCell::new(memory),
            verifier: Counted::new(),
            allowed: request("allowed"),
            anonymous: request("anonymous"),
            refused: request("refused"),
            unavailable: request("unavailable"),
        })
    }

    pub(super) fn judge(&self, request: &Request<'_>) -> Decision {
        let mut memory = self.memory.borrow_mut();
        let revoked = self.revocations.known();
        let (config, verifier, now) = (&*self.config, &self.verifier, shell::now());
        let mut judge = Judge { config, memory: &mut memory, verifier, revoked: &revoked, now };
        judge.judge(self.config.route(&request.target), request.credential)
    }

    pub(super) fn count(&self, decision: &Decision) {
        match decision {
            Decision::Unjudged => {}
            Decision::Anonymous => self.anonymous.increment(),
            Decision::Allowed(_) => self.allowed.increment(),
            Decision::Unavailable(_) => self.unavailable.increment(),
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
            Decision::Unjudged | Decision::Missing | Decision::Refused(_) | Decision::Unavailable(_) => Ok(()),
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
