//! The clients who wait, and how they are answered.

use std::cell::Cell;

use policy::rejection::Format;
use policy::{Headers, Rejection, RequestId};
use shell::{reply, stream};

use crate::idempotency::Kept;
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
    status: u16,
    completeness: String,
    body: Vec<u8>,
    /// Beside `x-weir-completeness`.
    headers: Vec<(&'static str, String)>,
    details: String,
}

/// What the log says of an answer that was composed.
const DETAILS: &str = "weir_composed";
/// The header that says whether all steps succeeded.
const COMPLETENESS: &str = "x-weir-completeness";

/// What an answer says of what it is.
const TYPE: &str = "content-type";

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
                headers: vec![(TYPE, "application/json".to_owned())],
                details: DETAILS.to_owned(),
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
    /// One that was kept.
    pub(super) fn stored(kept: Kept) -> Self {
        let Kept { status, content_type, completeness, body } = kept;
        Self { status, completeness, body, headers: vec![(TYPE, content_type)], details: DETAILS.to_owned() }
    }

    /// What is kept of it. A `retry-after` is about then, and no advice to whoever asks again.
    pub(super) fn kept(&self) -> Kept {
        let own = self.headers.iter().find(|(name, _)| *name == TYPE);
        let content_type = own.map(|(_, value)| value.clone()).unwrap_or_default();
        let (completeness, body) = (self.completeness.clone(), self.body.clone());
        Kept { status: self.status, content_type, completeness, body }
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
