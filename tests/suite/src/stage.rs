//! What a proxy has to offer so that a scenario can be played on it.

use std::net::Ipv4Addr;
use std::time::Duration;

use proxy::{Reply, Request};

use crate::step::Metric;
use crate::verdict::Seen;

/// A request that is ready to be sent.
#[derive(Clone, Debug)]
pub struct Sending {
    /// What is sent.
    pub request: Request,
    /// The worker that is to take it, counted from 1.
    pub worker: Option<usize>,
    /// The client's address.
    pub from: Option<Ipv4Addr>,
}

/// A request in flight, until its answer is taken or its client leaves.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Ticket(pub usize);

/// A proxy with its filters, its upstream and its clients. Errors are texts for the report.
pub trait Stage {
    /// What a report calls it.
    fn name(&self) -> &'static str;

    /// Sends a request and does not wait for its answer.
    fn start(&mut self, sending: &Sending) -> Result<Ticket, String>;

    /// The answer to a request.
    fn finish(&mut self, ticket: Ticket) -> Result<Seen, String>;

    /// The client of a request disconnects.
    fn leave(&mut self, ticket: Ticket) -> Result<(), String>;

    /// Sets how the upstream answers, on one path or in general.
    fn answer(&mut self, path: Option<&str>, reply: Reply);

    /// Lets the upstream answer what it holds, on one path or on all.
    fn release(&mut self, path: Option<&str>);

    /// All that the upstream has received so far; waits a little for so many.
    fn received(&mut self, count: usize) -> Vec<Seen>;

    /// The filter state under this key (as `wasm.name`) at the end of the last request that ended.
    fn state(&mut self, key: &str) -> Result<Option<Vec<u8>>, String>;

    /// Waits a little until a metric has its expected value.
    fn expect_metric(&mut self, metric: &Metric) -> Result<(), String>;

    /// Whether the log contains a text; waits a little for one that is wanted.
    fn logged(&mut self, text: &[u8], wanted: bool) -> bool;

    /// The log so far.
    fn log(&self) -> String;

    /// Moves the clock forward.
    fn advance(&mut self, by: Duration) -> Result<(), String>;

    /// Moves the clock back.
    fn go_back(&mut self, by: Duration) -> Result<(), String>;

    /// Lets a moment pass between two attempts of `eventually`.
    fn pause(&mut self);
}
