//! A scenario's stage: a real Envoy between real connections.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use proxy::child::Failure;
use proxy::deadline::Deadline;
use proxy::{Answer, Client, Envoy, Lost, Options, Origin, Reply};
use serde_json::Value;

use crate::bootstrap::bootstrap;
use crate::scenario::Scenario;
use crate::series;
use crate::stage::{Sending, Stage, Ticket};
use crate::step::Metric;
use crate::verdict::Seen;

/// Between two attempts of `eventually`.
const PAUSE: Duration = Duration::from_millis(100);

/// Envoy, its upstream and its clients.
#[derive(Debug)]
pub struct EnvoyStage {
    /// The proxy.
    pub envoy: Envoy,
    /// Its upstream.
    pub origin: Origin,
    access_log: PathBuf,
    clients: BTreeMap<Ticket, Client>,
    tickets: usize,
    /// How long to wait for what happens beside a request.
    patience: Duration,
    /// The port of the last client whose request ended.
    last_port: Option<u16>,
}

impl EnvoyStage {
    /// Starts Envoy with the scenario's chain; `states` are the filter states that can be asked for.
    pub(crate) fn start(scenario: &Scenario, states: &[String]) -> Result<Self, String> {
        let origin = Origin::start();
        let envoy = start(scenario, &origin, states).map_err(|failure| failure.to_string())?;
        let access_log = envoy.folder().join("access.log");
        Ok(Self {
            envoy,
            origin,
            access_log,
            clients: BTreeMap::new(),
            tickets: 0,
            patience: scenario.waits(),
            last_port: None,
        })
    }

    /// The line that Envoy wrote about the connection from this port.
    fn access(&self, port: u16) -> Option<Value> {
        let log = fs::read_to_string(&self.access_log).ok()?;
        let mut entries = log.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        entries.find(|entry| entry["port"] == port)
    }
}

/// Starts Envoy alone, with the whole log in the failure.
pub(crate) fn start(scenario: &Scenario, origin: &Origin, states: &[String]) -> Result<Envoy, Failure> {
    let options = Options { concurrency: scenario.worker_count(), ..Options::default() };
    Envoy::start_with(&bootstrap(scenario, origin.address().port(), states), &options)
}

impl Stage for EnvoyStage {
    fn name(&self) -> &'static str {
        "Envoy"
    }

    fn start(&mut self, sending: &Sending) -> Result<Ticket, String> {
        // A connection for each request: the kernel spreads them over the workers, and the access log tells them apart.
        let source = sending.from.unwrap_or(Ipv4Addr::LOCALHOST);
        let mut client = Client::connect_from(source, self.envoy.address()).map_err(|lost| lost.to_string())?;
        client.send(&sending.request);
        self.tickets += 1;
        self.clients.insert(Ticket(self.tickets), client);
        Ok(Ticket(self.tickets))
    }

    fn finish(&mut self, ticket: Ticket) -> Result<Seen, String> {
        let mut client = self.clients.remove(&ticket).ok_or("this request has ended already")?;
        self.last_port = Some(client.port());
        match client.receive() {
            Ok(answer) => Ok(seen(answer)),
            Err(Lost::Closed) => Ok(Seen { status: "reset".to_owned(), ..Seen::default() }),
            Err(lost) => Err(format!("expected an answer, got none: {lost}")),
        }
    }

    fn leave(&mut self, ticket: Ticket) -> Result<(), String> {
        let mut client = self.clients.remove(&ticket).ok_or("this request has ended already")?;
        let port = client.port();
        self.last_port = Some(port);
        client.reset();
        // Envoy has noticed when it has written its line.
        let noticed = Deadline::after(self.patience).wait_until(|| self.access(port).is_some());
        if noticed { Ok(()) } else { Err("Envoy has not noticed that the client left".to_owned()) }
    }

    fn answer(&mut self, path: Option<&str>, reply: Reply) {
        self.origin.answer(path, reply);
    }

    fn release(&mut self, path: Option<&str>) {
        self.origin.release(path);
    }

    fn received(&mut self, count: usize) -> Vec<Seen> {
        self.origin.wait_for(count, self.patience);
        let requests = self.origin.received().into_iter();
        let seen = requests.map(|request| Seen {
            method: request.method,
            path: request.target,
            headers: request.headers,
            body: request.body.concat(),
            trailers: request.trailers,
            ..Seen::default()
        });
        seen.collect()
    }

    fn state(&mut self, key: &str) -> Result<Option<Vec<u8>>, String> {
        let port = self.last_port.ok_or("no request has ended yet")?;
        let entry = Deadline::after(self.patience).wait_for(|| self.access(port));
        let entry = entry.ok_or("Envoy wrote no line about the request into its access log")?;
        Ok(entry["states"][key].as_str().map(|state| state.as_bytes().to_vec()))
    }

    fn expect_metric(&mut self, metric: &Metric) -> Result<(), String> {
        let mut outcome = Ok(());
        Deadline::after(self.patience).wait_until(|| {
            outcome = series::judge(metric, &series::read(&self.envoy));
            outcome.is_ok()
        });
        outcome
    }

    fn logged(&mut self, text: &[u8], wanted: bool) -> bool {
        let text = String::from_utf8_lossy(text).into_owned();
        let patience = if wanted { self.patience } else { Duration::ZERO };
        Deadline::after(patience).wait_until(|| self.envoy.log().contains(&text))
    }

    fn log(&self) -> String {
        self.envoy.log()
    }

    fn advance(&mut self, _by: Duration) -> Result<(), String> {
        Err("Envoy's clock cannot be moved".to_owned())
    }

    fn go_back(&mut self, _by: Duration) -> Result<(), String> {
        Err("Envoy's clock cannot be moved".to_owned())
    }

    fn pause(&mut self) {
        std::thread::sleep(PAUSE);
    }
}

fn seen(answer: Answer) -> Seen {
    let status = if answer.cut { "cut".to_owned() } else { answer.status.to_string() };
    Seen { status, headers: answer.headers, body: answer.body, trailers: answer.trailers, ..Seen::default() }
}
