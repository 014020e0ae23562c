//! A scenario: a chain of filters, what surrounds it, and which proxies it is played to.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use crate::envoy::EnvoyStage;
use crate::host::HostStage;
use crate::parser;
use crate::player::play;
use crate::stage::Stage;
use crate::step::{Line, Step, Subject};

/// The cluster behind every path that has no route of its own.
pub const CLUSTER: &str = "origin";

/// How long something may take that happens beside a request: a metric, a line of a log, a callout.
const PATIENCE: Duration = Duration::from_secs(5);

/// Which proxies a scenario is played to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Proxies {
    #[default]
    Both,
    Host,
    Envoy,
}

/// A chain of filters and its surroundings. [`crate::check`] is the short form of the usual case.
#[derive(Clone, Debug)]
#[must_use]
pub struct Scenario {
    chain: Vec<(String, String)>,
    variables: Vec<(String, String)>,
    workers: usize,
    routes: Vec<(String, String)>,
    clusters: Vec<(String, Option<SocketAddr>)>,
    proxies: Proxies,
    patience: Duration,
    request_timeout: Option<Duration>,
    way_back: Option<String>,
}

impl Scenario {
    /// Filters in the order of the request's way, each with its JSON configuration.
    pub fn new(chain: &[(&str, &str)]) -> Self {
        Self {
            chain: chain.iter().map(|(name, config)| ((*name).to_owned(), (*config).to_owned())).collect(),
            variables: Vec::new(),
            workers: 2,
            routes: Vec::new(),
            clusters: vec![(CLUSTER.to_owned(), None)],
            proxies: Proxies::Both,
            patience: PATIENCE,
            request_timeout: None,
            way_back: None,
        }
    }

    /// Adds an environment variable of the filters' virtual machines.
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// How many workers the proxies have; two unless said otherwise.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Adds a cluster for callouts, which is the scenario's upstream too.
    pub fn cluster(self, name: &str) -> Self {
        self.with_cluster(name, None)
    }

    /// Adds a cluster for callouts, which is something real, as a webdis; the host has no such thing.
    pub fn cluster_at(self, name: &str, address: SocketAddr) -> Self {
        self.with_cluster(name, Some(address))
    }

    fn with_cluster(mut self, name: &str, address: Option<SocketAddr>) -> Self {
        if !self.clusters.iter().any(|(known, _)| known == name) {
            self.clusters.push((name.to_owned(), address));
        }
        self
    }

    /// Sends the paths with this prefix to a cluster of this name.
    pub fn route(mut self, prefix: &str, cluster: &str) -> Self {
        self.routes.push((prefix.to_owned(), cluster.to_owned()));
        self.cluster(cluster)
    }

    /// Adds a cluster for callouts that leads back into the same chain, as `weir render envoy` makes one.
    pub fn back(mut self, name: &str) -> Self {
        self.way_back = Some(name.to_owned());
        self.envoy_only("the host has no listener inside")
    }

    /// How long Envoy is given for what happens beside a request; five seconds unless said otherwise.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Has Envoy answer with 504 what it has not sent on after this time.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = Some(timeout);
        self.envoy_only("the host has no such timer")
    }

    /// Plays to the host alone, for the given reason.
    ///
    /// # Panics
    /// When there is no reason.
    pub fn host_only(mut self, reason: &str) -> Self {
        assert!(!reason.trim().is_empty(), "why is Envoy left out?");
        self.proxies = Proxies::Host;
        self
    }

    /// Plays to Envoy alone, for the given reason.
    ///
    /// # Panics
    /// When there is no reason.
    pub fn envoy_only(mut self, reason: &str) -> Self {
        assert!(!reason.trim().is_empty(), "why is the host left out?");
        self.proxies = Proxies::Envoy;
        self
    }

    /// Plays the lines (see [`crate::parser`]) to every proxy.
    ///
    /// # Panics
    /// When a line does not hold, with a report that says what came instead.
    pub fn check(&self, lines: &str) {
        if let Err(report) = self.outcome(lines) {
            panic!("{report}");
        }
    }

    /// Plays the lines to every proxy; `Err` is the report.
    pub fn outcome(&self, lines: &str) -> Result<(), String> {
        let lines = parser::parse(lines)?;
        let moves_clock = lines.iter().any(|line| matches!(line.step, Step::Advance(_) | Step::Back(_)));
        if moves_clock && self.proxies == Proxies::Envoy {
            return Err("Envoy's clock cannot be moved".to_owned());
        }
        if self.proxies != Proxies::Envoy && self.clusters.iter().any(|(_, address)| address.is_some()) {
            return Err("the host cannot reach a real cluster: play to Envoy alone".to_owned());
        }
        let mut report = String::new();
        if self.proxies != Proxies::Envoy {
            append(&mut report, self.host().and_then(|mut stage| on(&mut stage, &lines)));
        }
        if self.proxies != Proxies::Host && !moves_clock {
            append(&mut report, self.envoy_for(&lines).and_then(|mut stage| on(&mut stage, &lines)));
        }
        if report.is_empty() { Ok(()) } else { Err(report) }
    }

    /// The chain in Envoy, with an upstream, for tests that no scenario can express.
    pub fn envoy(&self) -> Result<EnvoyStage, String> {
        self.envoy_for(&[])
    }

    /// The chain in the host, for tests that no scenario can express.
    pub fn host(&self) -> Result<HostStage, String> {
        HostStage::start(self)
    }

    fn envoy_for(&self, lines: &[Line]) -> Result<EnvoyStage, String> {
        EnvoyStage::start(self, &state_keys(lines))
    }

    /// The cluster that leads back into the chain.
    pub(crate) fn way_back(&self) -> Option<&str> {
        self.way_back.as_deref()
    }

    /// Names and configurations of the filters.
    pub(crate) fn chain(&self) -> &[(String, String)] {
        &self.chain
    }

    /// The environment of the virtual machines.
    pub(crate) fn variables(&self) -> &[(String, String)] {
        &self.variables
    }

    /// How long to wait for what happens beside a request.
    pub(crate) fn waits(&self) -> Duration {
        self.patience
    }

    /// How long a request may take to be sent on, where that is bounded.
    pub(crate) fn request_time(&self) -> Option<Duration> {
        self.request_timeout
    }

    /// How many workers there are.
    pub(crate) fn worker_count(&self) -> usize {
        self.workers
    }

    /// Prefixes and their clusters, the longest first; the last one takes everything.
    pub(crate) fn routes(&self) -> Vec<(String, String)> {
        let mut routes = self.routes.clone();
        routes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        routes.push(("/".to_owned(), CLUSTER.to_owned()));
        routes
    }

    /// The names of all clusters, and where they are if not the scenario's upstream.
    pub(crate) fn clusters(&self) -> &[(String, Option<SocketAddr>)] {
        &self.clusters
    }
}

fn on(stage: &mut dyn Stage, lines: &[Line]) -> Result<(), String> {
    play(stage, lines).map_err(|fault| fault.to_string())
}

fn append(report: &mut String, outcome: Result<(), String>) {
    if let Err(fault) = outcome {
        let _ = write!(report, "\n{fault}");
    }
}

/// The filter state that the lines ask for, which Envoy has to be told in advance.
fn state_keys(lines: &[Line]) -> Vec<String> {
    let mut keys = Vec::new();
    for line in lines {
        let Step::State(expected) = &line.step else { continue };
        for expectation in expected {
            if let Subject::Header(key) = &expectation.subject {
                keys.push(String::from_utf8_lossy(key).into_owned());
            }
        }
    }
    keys.sort();
    keys.dedup();
    keys
}
