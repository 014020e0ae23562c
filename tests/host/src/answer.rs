//! What an upstream receives, and the script of what it answers.

use std::collections::VecDeque;
use std::time::Duration;

use crate::headers::Headers;
use crate::request::Protocol;
use crate::stream::StreamId;

/// One request that reached an upstream, so that a held answer can be released.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CallId(pub(crate) u64);

/// A request as an upstream received it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Arrival {
    /// Its number, for [`Host::release`](crate::Host::release).
    pub call: CallId,
    /// The cluster it was sent to.
    pub cluster: String,
    /// The worker that sent it.
    pub worker: usize,
    /// The client's stream; `None` for a callout of a filter.
    pub stream: Option<StreamId>,
    /// The headers.
    pub headers: Headers,
    /// The whole body.
    pub body: Vec<u8>,
    /// The trailers.
    pub trailers: Option<Headers>,
}

impl Arrival {
    /// The method.
    pub fn method(&self) -> &str {
        self.headers.text(":method").unwrap_or_default()
    }

    /// The path with its query.
    pub fn path(&self) -> &str {
        self.headers.text(":path").unwrap_or_default()
    }

    /// The first value of a header as text; what is not UTF-8 is replaced.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers.first(name).map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// The body as text; what is not UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// How a request to an upstream fails.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Failure {
    /// The connection broke.
    Reset,
    /// No connection came about.
    Unreachable,
    /// The route's or the callout's time ran out.
    Timeout,
    /// No host of the cluster is healthy.
    Unhealthy,
}

/// One step of an answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Step {
    /// Nothing for so long.
    Wait(Duration),
    /// Nothing until the test releases it.
    Hold,
    /// The headers.
    Head(Headers),
    /// A piece of the body.
    Chunk(Vec<u8>),
    /// The trailers, and with them the end.
    Trailers(Headers),
    /// A failure, and with it the end.
    Fail(Failure),
}

/// What an upstream answers, step by step: `Answer::status(200).header(…).after(…).chunk(…).reset()`.
///
/// An answer ends after its last step, unless that is [`hold`](Self::hold) or a failure.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Answer {
    pub(crate) steps: VecDeque<Step>,
    pub(crate) protocol: Protocol,
}

impl Answer {
    /// An answer of this status without a body, at once.
    pub fn status(status: u16) -> Self {
        Self::default().then(Step::Head([(":status", status.to_string())].into_iter().collect()))
    }

    /// An answer with nothing in it yet: begin with a wait or a hold, and go on with [`head`](Self::head).
    pub fn new() -> Self {
        Self::default()
    }

    /// The test answers later, by [`Host::release`](crate::Host::release).
    pub fn held() -> Self {
        Self::default().hold()
    }

    /// The connection breaks before there are headers.
    pub fn broken() -> Self {
        Self::default().reset()
    }

    /// No connection comes about.
    pub fn unreachable() -> Self {
        Self::default().then(Step::Fail(Failure::Unreachable))
    }

    /// The time of the route (or of the callout) runs out at once.
    pub fn timeout() -> Self {
        Self::default().then(Step::Fail(Failure::Timeout))
    }

    /// The cluster has no healthy host.
    pub fn unhealthy() -> Self {
        Self::default().then(Step::Fail(Failure::Unhealthy))
    }

    /// Waits, by the test's clock, before what comes next.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        self.then(Step::Wait(wait))
    }

    /// Waits, for the test to release it, before what comes next.
    #[must_use]
    pub fn hold(self) -> Self {
        self.then(Step::Hold)
    }

    /// The headers, after a wait.
    #[must_use]
    pub fn head(self, status: u16) -> Self {
        self.then(Step::Head([(":status", status.to_string())].into_iter().collect()))
    }

    /// Adds a header.
    ///
    /// # Panics
    /// Where the answer has no head yet.
    #[must_use]
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.last_head().add(name, value);
        self
    }

    /// A whole body in one chunk, with its `content-length`.
    ///
    /// # Panics
    /// Where the answer has no head yet.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        self.last_head().set("content-length", body.len().to_string());
        if body.is_empty() { self } else { self.then(Step::Chunk(body)) }
    }

    /// A piece of the body.
    #[must_use]
    pub fn chunk(self, chunk: impl Into<Vec<u8>>) -> Self {
        self.then(Step::Chunk(chunk.into()))
    }

    /// Adds a trailer; they come last.
    #[must_use]
    pub fn trailer(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        if let Some(Step::Trailers(trailers)) = self.steps.back_mut() {
            trailers.add(name, value);
            return self;
        }
        self.then(Step::Trailers([(name, value)].into_iter().collect()))
    }

    /// The connection breaks here.
    #[must_use]
    pub fn reset(self) -> Self {
        self.then(Step::Fail(Failure::Reset))
    }

    /// The version of HTTP the answer comes in.
    #[must_use]
    pub const fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    fn then(mut self, step: Step) -> Self {
        self.steps.push_back(step);
        self
    }

    fn last_head(&mut self) -> &mut Headers {
        self.steps
            .iter_mut()
            .rev()
            .find_map(|step| if let Step::Head(headers) = step { Some(headers) } else { None })
            .expect("an answer begins with its status")
    }
}
