//! What a call came to, and what a client is told where that is a failure.

use policy::Rejection;

use crate::value::Value;

/// How a call ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// With an answer.
    Answer {
        /// Its status; 503 and 504 may be Envoy's own.
        status: u16,
        /// Its body.
        body: Vec<u8>,
        /// Its `retry-after`, where it has one.
        retry_after: Option<Vec<u8>>,
        /// Whose it is.
        by: Author,
    },
    /// With one that broke off, or is too long to be read.
    Lost,
    /// It was never sent.
    Unsent,
}

/// Who has made an answer. What was done, and what was taken back, is only for the upstream itself to say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Author {
    /// The upstream that a call is for.
    Upstream,
    /// The proxy, which has no route, stands in with a fallback or with what is stored, or refuses.
    Proxy,
}

/// Why a step, or a whole composition, failed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Failure {
    /// The upstream's status; 0 where there is none.
    pub status: u16,
    /// Why, for the client.
    pub reason: String,
    told: u16,
}

/// What the proxy itself says for an upstream that it does not ask, in the words of its errors.
const NOT_ASKED: [&str; 2] = ["CIRCUIT_BREAKER_OPEN", "RATE_LIMITED"];

impl Outcome {
    /// Whether it is known what the upstream has done. One that failed may have done it before, and so may one that waited in vain
    /// for the rest of a request (RFC 9110 §15.5.9, §15.6); a gateway may have handed it on. What the proxy says for it was done by
    /// nobody that is known.
    pub fn is_sure(&self) -> bool {
        match self {
            Self::Lost
            | Self::Answer { status: 408 | 500..=599, by: Author::Upstream, .. }
            | Self::Answer { status: 200..=299, by: Author::Proxy, .. } => false,
            Self::Answer { status: 408 | 500..=599, body, .. } => {
                let code = Value::parse(body).ok();
                let code = code.as_ref().and_then(|body| body.member("error")).and_then(|error| error.member("code"));
                code.and_then(Value::as_text).is_some_and(|code| NOT_ASKED.contains(&code))
            }
            Self::Answer { status: 200..=299, body, .. } => body.is_empty() || Value::parse(body).is_ok(),
            Self::Unsent | Self::Answer { .. } => true,
        }
    }

    /// The answer, where it is a good one and the upstream's own.
    pub fn done(&self) -> Result<Value, Failure> {
        match self {
            Self::Answer { status: 200..=299, by: Author::Proxy, .. } => Err(Failure::made_up()),
            _ => self.read(),
        }
    }

    /// The answer, where it is a good one.
    pub fn read(&self) -> Result<Value, Failure> {
        match self {
            Self::Answer { status: 200..=299, body, .. } if body.is_empty() => Ok(Value::Null),
            Self::Answer { status: 200..=299, body, .. } => {
                Value::parse(body).map_err(|fault| Failure::unusable(fault.text()))
            }
            Self::Answer { status, .. } => Err(Failure::of_status(*status)),
            Self::Lost => Err(Failure { status: 0, reason: "the upstream gave no whole answer".to_owned(), told: 502 }),
            Self::Unsent => Err(Failure { status: 0, reason: "the upstream cannot be reached".to_owned(), told: 503 }),
        }
    }
}

impl Failure {
    /// Nobody has done it, whatever was answered.
    fn made_up() -> Self {
        Self { status: 0, reason: "the upstream itself gave no answer".to_owned(), told: 503 }
    }

    /// It took too long.
    pub fn late() -> Self {
        Self { status: 504, reason: "it took too long".to_owned(), told: 504 }
    }

    /// Whoever did it was silent for too long, and another takes it back.
    pub fn abandoned() -> Self {
        Self { status: 0, reason: "it was interrupted, and is taken back".to_owned(), told: 503 }
    }

    fn of_status(status: u16) -> Self {
        let told = match status {
            400 | 404 | 409 | 422 | 504 => status,
            429 | 503 => 503,
            _ => 502,
        };
        Self { status, reason: format!("the upstream answered {status}"), told }
    }

    /// An answer of which nothing can be made.
    pub fn unusable(reason: &str) -> Self {
        Self { status: 0, reason: format!("the upstream gave no usable answer: {reason}"), told: 502 }
    }

    /// Nothing is left that is worth an answer.
    pub fn too_few() -> Self {
        Self { status: 0, reason: "no upstream gave a usable answer".to_owned(), told: 502 }
    }

    /// There is no room for its answer beside those of the same batch.
    pub fn no_room() -> Self {
        Self::unusable("the answers of the batch are too long together")
    }

    /// What the client is told; `step` is where it happened.
    pub fn rejection(&self, step: Option<&str>) -> Rejection {
        let message = match step {
            Some(step) => format!("{step} failed: {}", self.reason),
            None => self.reason.clone(),
        };
        Rejection::Failed { status: self.told, message }
    }
}
