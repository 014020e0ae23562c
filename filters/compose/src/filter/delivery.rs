//! The clients who wait, and how they are answered.

use std::cell::Cell;

use policy::rejection::Format;
use policy::{Headers, Rejection, RequestId};
use shell::{reply, stream};

use crate::run::Answer;

/// A client who waits. Its stream has one end of this, and the run the other.
pub(super) struct Client {
    context: u32,
    /// Whether its stream has ended, or it was answered.
    pub(super) has_left: Cell<bool>,
    format: Format,
    request_id: Option<RequestId>,
}

/// An answer as it is sent and stored.
pub(super) struct Written {
    pub(super) status: u16,
    pub(super) completeness: String,
    pub(super) body: Vec<u8>,
    /// Beside `x-weir-completeness`.
    headers: Vec<(&'static str, String)>,
    details: String,
}

/// The header that says whether all steps succeeded.
const COMPLETENESS: &str = "x-weir-completeness";

/// What an answer that is made says of itself.
fn made() -> Vec<(&'static str, String)> {
    vec![("content-type", "application/json".to_owned())]
}

impl Client {
    pub(super) fn new(context: u32, headers: &Headers, request_id: Option<RequestId>) -> Self {
        Self { context, has_left: Cell::new(false), format: Format::of(headers.first("accept")), request_id }
    }

    /// Writes what a run came to.
    pub(super) fn write(&self, status: u16, answer: &Answer) -> Written {
        match answer {
            Answer::Made(value, failed) => Written {
                status,
                completeness: completeness(failed),
                body: value.to_json().into_bytes(),
                headers: made(),
                details: "weir_composed".to_owned(),
            },
            Answer::Failed(failure, step) => self.refusal(&failure.rejection(step.as_deref())),
        }
    }

    /// Writes a refusal.
    pub(super) fn refusal(&self, rejection: &Rejection) -> Written {
        let reply = rejection.reply(self.request_id.as_ref(), self.format);
        Written {
            status: reply.status,
            completeness: String::new(),
            body: reply.body,
            headers: reply.headers,
            details: reply.details,
        }
    }

    /// Answers, from the root context `root`, if there still is somebody to answer.
    pub(super) fn answer(&self, root: u32, written: &Written) {
        if self.has_left.replace(true) || stream::select(self.context).is_err() {
            return;
        }
        written.send();
        super::report(stream::select(root));
    }
}

impl Written {
    /// One that was stored.
    pub(super) fn stored(status: u16, completeness: String, body: Vec<u8>) -> Self {
        Self { status, completeness, body, headers: made(), details: "weir_composed".to_owned() }
    }

    /// Answers the current stream.
    pub(super) fn send(&self) {
        let completeness = Some((COMPLETENESS, self.completeness.as_str())).filter(|(_, said)| !said.is_empty());
        let headers: Vec<_> =
            self.headers.iter().map(|(name, value)| (*name, value.as_str())).chain(completeness).collect();
        reply::send(self.status, &self.details, &headers, &self.body);
    }
}

fn completeness(failed: &[String]) -> String {
    match failed {
        [] => "complete".to_owned(),
        failed => format!("partial; failed=\"{}\"", failed.join(", ")),
    }
}
