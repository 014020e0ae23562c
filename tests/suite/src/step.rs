//! What a line of a scenario asks for: the parser's result and the player's input.

use std::net::Ipv4Addr;
use std::time::Duration;

use regex::bytes::Regex;

use crate::word::Template;

/// One line, with what a failure report needs.
#[derive(Debug)]
pub struct Line {
    /// Counted from 1.
    pub number: usize,
    /// As written, without the indentation.
    pub text: String,
    /// What it asks for.
    pub step: Step,
}

/// What a line asks for.
#[derive(Debug)]
pub enum Step {
    /// `GET /path … -> 200 …`
    Exchange {
        /// `3 times`: how often, one after the other.
        times: usize,
        /// Whether it may be tried again.
        patience: Patience,
        /// What is sent.
        request: Request,
        /// What comes back.
        expected: Vec<Expectation>,
    },
    /// `start GET /path … as a`
    Start {
        /// What `finish` and `leave` call it.
        label: String,
        /// What is sent.
        request: Request,
    },
    /// `finish a -> 200 …`
    Finish {
        /// Of the request in flight.
        label: String,
        /// What comes back.
        expected: Vec<Expectation>,
    },
    /// `leave a`: the client goes away.
    Leave {
        /// Of the request in flight.
        label: String,
    },
    /// `origin …`: how the upstream answers from here on.
    Origin {
        /// On this path alone.
        path: Option<String>,
        /// How.
        reply: Reply,
    },
    /// `release`, `release /path`
    Release {
        /// On this path alone.
        path: Option<String>,
    },
    /// `saw 3`; `saw nothing` is zero.
    SawCount(usize),
    /// `saw GET /path …`
    Saw(Vec<Expectation>),
    /// `advance 61s`
    Advance(Duration),
    /// `back 5s`
    Back(Duration),
    /// `state wasm.key=value …`
    State(Vec<Expectation>),
    /// `metric NAME{label=value} 3`
    Metric(Metric),
    /// `log~"text"`, `!log~"text"`
    Log {
        /// What the log contains.
        text: Template,
        /// Or must not contain.
        wanted: bool,
    },
}

/// Whether the first answer has to be the expected one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Patience {
    /// It has.
    None,
    /// `eventually`: the request is sent again until the answer is the expected one, for some seconds.
    Eventually,
}

/// A client's request.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// As in `GET`.
    pub method: String,
    /// As in `/path?query`.
    pub path: Template,
    /// In the order of the line.
    pub headers: Vec<(Vec<u8>, Template)>,
    /// One with a length; several as chunks.
    pub body: Vec<Template>,
    /// Sent after a chunked body.
    pub trailers: Vec<(Vec<u8>, Template)>,
    /// `@2`: the host's worker, counted from 1.
    pub worker: Option<usize>,
    /// `from:127.0.0.2`: the client's address.
    pub from: Option<Ipv4Addr>,
}

/// How the upstream answers.
#[derive(Clone, Debug)]
pub struct Reply {
    /// As in 200.
    pub status: u16,
    /// In the order of the line.
    pub headers: Vec<(Vec<u8>, Template)>,
    /// One with a length; several as chunks.
    pub body: Vec<Template>,
    /// Sent after a chunked body.
    pub trailers: Vec<(Vec<u8>, Template)>,
    /// How the answer ends.
    pub fate: Fate,
    /// `hold`: nothing is answered before `release`.
    pub held: bool,
}

/// How an upstream's answer ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// As it should.
    Whole,
    /// `cut`: the connection closes in the middle of the body.
    Cut,
    /// `reset`: the connection is reset before anything is answered.
    Reset,
}

/// What a message has to be like in one respect.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// Which part of the message.
    pub subject: Subject,
    /// What is true of it.
    pub test: Test,
}

/// A part of a message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Subject {
    /// An answer's status, or how the answer was lost.
    Status,
    /// A request's method.
    Method,
    /// A request's path and query.
    Path,
    /// All values of one header, or of one state.
    Header(Vec<u8>),
    /// All values of one trailer.
    Trailer(Vec<u8>),
    /// The whole body.
    Body,
    /// `body.error.code`: one member of a JSON body.
    Member(Vec<String>),
}

/// What is true of a part.
#[derive(Clone, Debug)]
pub enum Test {
    /// `!name`
    Absent,
    /// `name=*`
    Present,
    /// `name=a name=b`: these values and no other, in this order.
    Is(Vec<Template>),
    /// `name!=value`: it is there, and no value is this one.
    IsNot(Template),
    /// `name~part`: a value contains this.
    Contains(Template),
    /// `!name~part`: no value contains this.
    Lacks(Template),
    /// `name~/regex/`: a value matches; named groups become variables.
    Matches(Regex),
    /// `name<=60`
    AtMost(f64),
    /// `name>=60`
    AtLeast(f64),
    /// `2xx`: the status is of this hundred.
    Hundred(u16),
}

/// A metric's expected value.
#[derive(Clone, Debug)]
pub struct Metric {
    /// Without prefix, as in `cache_hits_total`.
    pub name: String,
    /// Those of the line: a series with more labels counts too.
    pub labels: Vec<(String, String)>,
    /// What the sum of these series is.
    pub value: Amount,
}

/// What a metric's value is.
#[derive(Clone, Copy, Debug)]
pub enum Amount {
    /// `3`
    Exactly(f64),
    /// `>=3`
    AtLeast(f64),
    /// `<=3`
    AtMost(f64),
}

impl Amount {
    /// Whether a measured value is the expected one.
    pub fn holds(self, value: f64) -> bool {
        match self {
            Self::Exactly(expected) => (value - expected).abs() < 1e-9,
            Self::AtLeast(expected) => value >= expected,
            Self::AtMost(expected) => value <= expected,
        }
    }
}
