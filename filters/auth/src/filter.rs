//! The filter: fetches a request, asks [`judge`], acts on the answer.

use std::cell::RefCell;
use std::rc::Rc;

use policy::handover::header;
use policy::{Headers, Rejection, Seed};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use shell::HostError;
use shell::headers::Map;
use shell::metric::Counter;

use crate::algorithm::Algorithm;
use crate::config::Config;
use crate::delegate::{Answer, Delegate, FUNCTION};
use crate::identity::Identity;
use crate::judge::{Decision, judge};
use crate::key::Key;
use crate::memory::Memory;
use crate::request::Request;
use crate::verifier::{Verdict, Verifier};

/// The tier of callers that show no credential where none is needed.
const ANONYMOUS: &str = "anonymous";

/// The host's statuses for a function that it does not have.
const NOT_FOUND: u32 = 1;
const UNIMPLEMENTED: u32 = 12;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root { gate: None }));
}}

type HostCall = fn(&[u8]) -> Answer;

struct Root {
    gate: Option<Rc<Gate>>,
}

/// What all requests of a worker share.
struct Gate {
    config: Config,
    memory: RefCell<Memory>,
    verifier: Counted<Delegate<HostCall>>,
    allowed: Counter,
    anonymous: Counter,
    refused: Counter,
}

/// Counts the signature checks of the verifier inside.
struct Counted<Inner> {
    inner: Inner,
    genuine: Counter,
    forged: Counter,
}

struct Stream {
    gate: Option<Rc<Gate>>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        let config = shell::configure(size, |json| Config::with_environment(json, &shell::environment));
        self.gate = config.map(|config| Rc::new(Gate::new(config)));
        self.gate.is_some()
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream { gate: self.gate.clone() }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let headers = match shell::headers::read(Map::Request) {
            Ok(headers) => headers,
            Err(error) => return undecided(&Headers::default(), error),
        };
        // A host that makes streams without a configuration gets no stream through.
        let Some(gate) = &self.gate else { return shell::reject(&Rejection::Internal, &headers, &[]) };
        let request = Request::read(&headers);
        let decision = gate.judge(&request);
        gate.count(&decision);
        if let Some(rejection) = decision.rejection(&gate.config.realm) {
            if let Rejection::AuthFailed { reason, .. } = &rejection {
                log::info!("credential refused: {reason}");
            }
            return shell::reject(&rejection, &headers, &[]);
        }
        match gate.hand_on(&request, &decision) {
            Ok(()) => Action::Continue,
            Err(error) => undecided(&headers, error),
        }
    }
}

/// What cannot be read or written is not let through.
fn undecided(headers: &Headers, error: HostError) -> Action {
    log::error!("request refused: {error}");
    shell::reject(&Rejection::Internal, headers, &[])
}

impl Gate {
    fn new(config: Config) -> Self {
        // Each worker has its own memory, so its fingerprints need not be those of other workers.
        let memory = Memory::new(Seed::from_random(shell::random()), config.slots, config.lifetime);
        let request = |outcome| Counter::new("api_gateway_auth_requests_total", &[("outcome", outcome)]);
        let signature = |outcome| Counter::new("api_gateway_auth_signatures_total", &[("outcome", outcome)]);
        let inner: Delegate<HostCall> = Delegate::new(ask_host);
        Self {
            config,
            memory: RefCell::new(memory),
            verifier: Counted { inner, genuine: signature("genuine"), forged: signature("forged") },
            allowed: request("allowed"),
            anonymous: request("anonymous"),
            refused: request("refused"),
        }
    }

    fn judge(&self, request: &Request<'_>) -> Decision {
        let mode = self.config.mode(&request.target);
        let mut memory = self.memory.borrow_mut();
        judge(&self.config, &mut memory, request.credential, mode, shell::now(), &self.verifier)
    }

    fn count(&self, decision: &Decision) {
        match decision {
            Decision::Unjudged => {}
            Decision::Anonymous => self.anonymous.increment(),
            Decision::Allowed(_) => self.allowed.increment(),
            Decision::Missing | Decision::Refused(_) => self.refused.increment(),
        }
    }

    /// Replaces what the client claims by what is known of it.
    fn hand_on(&self, request: &Request<'_>, decision: &Decision) -> Result<(), HostError> {
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
            Decision::Unjudged | Decision::Missing | Decision::Refused(_) => Ok(()),
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

fn ask_host(question: &[u8]) -> Answer {
    match shell::foreign::call(FUNCTION, question) {
        Ok(answer) => Answer::Message(answer),
        Err(HostError { status: NOT_FOUND | UNIMPLEMENTED, .. }) => {
            log::info!("the host has no {FUNCTION}: signatures are checked here, more slowly");
            Answer::Lacking
        }
        Err(error) => {
            log::warn!("signature checked here, more slowly: {error}");
            Answer::Failed
        }
    }
}

impl<Inner: Verifier> Verifier for Counted<Inner> {
    fn verify(&self, key: &Key, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> Verdict {
        let verdict = self.inner.verify(key, algorithm, message, signature);
        match verdict {
            Verdict::Genuine => self.genuine.increment(),
            Verdict::Forged => self.forged.increment(),
        }
        verdict
    }
}
