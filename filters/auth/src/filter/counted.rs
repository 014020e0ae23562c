//! Signature checks by the host where it can, each of them counted.

use shell::HostError;
use shell::metric::Counter;

use crate::algorithm::Algorithm;
use crate::delegate::{Answer, Delegate, FUNCTION};
use crate::key::Key;
use crate::verifier::{Verdict, Verifier};

/// The host's statuses for a function that it does not have.
const NOT_FOUND: u32 = 1;
const UNIMPLEMENTED: u32 = 12;

type HostCall = fn(&[u8]) -> Answer;

/// Checks signatures, and counts what it finds.
pub(super) struct Counted {
    inner: Delegate<HostCall>,
    genuine: Counter,
    forged: Counter,
}

impl Counted {
    pub(super) fn new() -> Self {
        let signature = |outcome| Counter::new("api_gateway_auth_signatures_total", &[("outcome", outcome)]);
        Self { inner: Delegate::new(ask_host), genuine: signature("genuine"), forged: signature("forged") }
    }
}

impl Verifier for Counted {
    fn verify(&self, key: &Key, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> Verdict {
        let verdict = self.inner.verify(key, algorithm, message, signature);
        match verdict {
            Verdict::Genuine => self.genuine.increment(),
            Verdict::Forged => self.forged.increment(),
        }
        verdict
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
