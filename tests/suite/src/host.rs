//! A scenario's stage: the wasmtime host, whose clock is the scenario's.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use host::{Answer, Arrival, CallId, Ending, Exchange, Headers, Host, Metric, Plugin, StreamId};
use proxy::Reply;
use proxy::message::{Field, first};
use proxy::origin::Fate;

use crate::module;
use crate::scenario::Scenario;
use crate::series;
use crate::stage::{Sending, Stage, Ticket};
use crate::step;
use crate::verdict::Seen;

/// Between two attempts of `eventually`, and two looks at what happens beside a request.
const PAUSE: Duration = Duration::from_millis(100);

/// The upstream's script: the same rules as those of [`proxy::Origin`].
#[derive(Debug)]
struct Script {
    general: Reply,
    paths: BTreeMap<String, Reply>,
    /// What is held: the path, and the answer to come.
    held: Vec<(CallId, String, Answer)>,
}

impl Script {
    fn reply(&self, path: &str) -> &Reply {
        self.paths.get(path).unwrap_or(&self.general)
    }

    /// The answer to a request, or the promise of one.
    fn answer(&mut self, arrival: &Arrival) -> Answer {
        let path = arrival.path().split('?').next().unwrap_or_default().to_owned();
        let reply = self.reply(&path);
        let (answer, held) = (answer(reply, arrival.method() == "HEAD"), reply.held);
        if held {
            self.held.push((arrival.call, path, answer));
            return Answer::held();
        }
        answer
    }

    /// What is held although no rule holds it any more.
    fn released(&mut self) -> Vec<(CallId, Answer)> {
        let held = std::mem::take(&mut self.held);
        let (still, free): (Vec<_>, Vec<_>) = held.into_iter().partition(|(_, path, _)| self.reply(path).held);
        self.held = still;
        free.into_iter().map(|(call, _, answer)| (call, answer)).collect()
    }
}

/// The host, its upstream and its clients.
pub struct HostStage {
    /// The proxy.
    pub host: Host,
    script: Arc<Mutex<Script>>,
    routes: Vec<(String, String)>,
    workers: usize,
    streams: BTreeMap<Ticket, StreamId>,
    tickets: usize,
    /// The last stream that ended.
    last: Option<StreamId>,
    /// How long to wait for what happens beside a request, by the host's clock.
    patience: Duration,
}

impl fmt::Debug for HostStage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("HostStage").field("script", &self.script).finish_non_exhaustive()
    }
}

impl HostStage {
    /// Starts the host with the scenario's chain.
    pub(crate) fn start(scenario: &Scenario) -> Result<Self, String> {
        let general = Reply::status(200);
        let script = Arc::new(Mutex::new(Script { general, paths: BTreeMap::new(), held: Vec::new() }));
        let answers = || {
            let script = Arc::clone(&script);
            move |arrival: &Arrival| lock(&script).answer(arrival)
        };
        let mut builder = Host::builder().workers(scenario.worker_count()).upstream(answers());
        for (name, config) in scenario.chain() {
            builder = builder.plugin(plugin(scenario, name, config));
        }
        for (name, _) in scenario.clusters() {
            builder = builder.cluster(name, answers());
        }
        let host = builder.start().map_err(|error| error.to_string())?;
        let (routes, workers) = (scenario.routes(), scenario.worker_count());
        Ok(Self {
            host,
            script,
            routes,
            workers,
            streams: BTreeMap::new(),
            tickets: 0,
            last: None,
            patience: scenario.waits(),
        })
    }

    /// Lets the clock go on, as long as there is patience, until this has happened.
    fn wait_until(&mut self, mut happened: impl FnMut(&mut Self) -> bool) -> bool {
        let mut waited = Duration::ZERO;
        loop {
            if happened(self) {
                return true;
            }
            if waited >= self.patience {
                return false;
            }
            self.host.advance(PAUSE);
            waited += PAUSE;
        }
    }

    /// Lets the upstream answer what no rule holds any more.
    fn answer_released(&mut self) {
        let released = lock(&self.script).released();
        for (call, answer) in released {
            // Nobody waits any more for an answer whose client has left.
            if self.host.held().iter().any(|arrival| arrival.call == call) {
                self.host.release(call, answer);
            }
        }
    }

    /// The request as Envoy's connection manager would hand it to the first filter.
    fn request(&self, sending: &Sending) -> host::Request {
        let sent = &sending.request;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let path = text(&sent.target);
        let from = sending.from.unwrap_or(Ipv4Addr::LOCALHOST).to_string();
        let authority = sent.first("host").unwrap_or(b"test");
        let mut request = host::Request::new(&text(&sent.method), &path);
        request = request.header(":path", &sent.target).header(":authority", authority);
        let mut forwarded_for = Vec::new();
        for (name, value) in &sent.headers {
            if name.eq_ignore_ascii_case(b"x-forwarded-for") {
                forwarded_for.push(value.clone());
            } else if !name.eq_ignore_ascii_case(b"host") {
                request = request.header(name, value);
            }
        }
        forwarded_for.push(from.clone().into_bytes());
        request = request.header("x-forwarded-for", forwarded_for.join(&b','));
        request = request.header("x-forwarded-proto", "http").property("source.address", format!("{from}:50000"));
        if let Some((_, cluster)) = self.routes.iter().find(|(prefix, _)| path.starts_with(prefix)) {
            request = request.cluster(cluster);
        }
        request = match sent.body.as_slice() {
            [whole] if sent.trailers.is_empty() => request.body(whole.clone()),
            parts => parts.iter().fold(request, |request, part| request.chunk(part.clone())),
        };
        sent.trailers.iter().fold(request, |request, (name, value)| request.trailer(name, value))
    }
}

fn plugin(scenario: &Scenario, name: &str, config: &str) -> Plugin {
    let plugin = Plugin::new(name, module::path(name)).configuration(config).allow_on_headers_stop_iteration(true);
    scenario.variables().iter().fold(plugin, |plugin, (name, value)| plugin.environment(name, value))
}

/// What the host logs when it refuses the chain; `None` when it accepts it.
pub(crate) fn refusal(scenario: &Scenario) -> Option<String> {
    HostStage::start(scenario).err()
}

impl Stage for HostStage {
    fn name(&self) -> &'static str {
        "host"
    }

    fn start(&mut self, sending: &Sending) -> Result<Ticket, String> {
        let worker = sending.worker.unwrap_or(self.tickets % self.workers + 1);
        if worker > self.workers {
            return Err(format!("there are {} workers", self.workers));
        }
        let exchange = self.host.send(worker - 1, self.request(sending));
        self.tickets += 1;
        self.streams.insert(Ticket(self.tickets), exchange.stream);
        Ok(Ticket(self.tickets))
    }

    fn finish(&mut self, ticket: Ticket) -> Result<Seen, String> {
        let stream = self.streams.remove(&ticket).ok_or("this request has ended already")?;
        self.last = Some(stream);
        self.wait_until(|stage| seen(&stage.host.exchange(stream)).is_ok());
        seen(&self.host.exchange(stream))
    }

    fn leave(&mut self, ticket: Ticket) -> Result<(), String> {
        let stream = self.streams.remove(&ticket).ok_or("this request has ended already")?;
        self.last = Some(stream);
        self.host.disconnect(stream);
        Ok(())
    }

    fn answer(&mut self, path: Option<&str>, reply: Reply) {
        let mut script = lock(&self.script);
        match path {
            Some(path) => drop(script.paths.insert(path.to_owned(), reply)),
            None => script.general = reply,
        }
        drop(script);
        self.answer_released();
    }

    fn release(&mut self, path: Option<&str>) {
        let mut script = lock(&self.script);
        if let Some(path) = path {
            let mut reply = script.reply(path).clone();
            reply.held = false;
            script.paths.insert(path.to_owned(), reply);
        } else {
            script.general.held = false;
            script.paths.values_mut().for_each(|reply| reply.held = false);
        }
        drop(script);
        self.answer_released();
    }

    fn received(&mut self, count: usize) -> Vec<Seen> {
        self.wait_until(|stage| stage.host.arrivals().len() >= count);
        self.host.arrivals().iter().map(arrived).collect()
    }

    fn state(&mut self, key: &str) -> Result<Option<Vec<u8>>, String> {
        let stream = self.last.ok_or("no request has ended yet")?;
        Ok(self.host.filter_state(stream, key).map(<[u8]>::to_vec))
    }

    fn expect_metric(&mut self, metric: &step::Metric) -> Result<(), String> {
        #[allow(clippy::cast_precision_loss, reason = "a test counts to less than 2^52")]
        let value = |metric: &Metric| metric.value() as f64;
        let mut outcome = Ok(());
        self.wait_until(|stage| {
            let all = stage.host.metrics();
            let all: Vec<series::Series> = all.iter().map(|(name, metric)| (name.clone(), value(metric))).collect();
            outcome = series::judge(metric, &all);
            outcome.is_ok()
        });
        outcome
    }

    fn logged(&mut self, text: &[u8], wanted: bool) -> bool {
        let text = String::from_utf8_lossy(text).into_owned();
        if wanted { self.wait_until(|stage| stage.log().contains(&text)) } else { self.log().contains(&text) }
    }

    fn log(&self) -> String {
        self.host.log().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    fn advance(&mut self, by: Duration) -> Result<(), String> {
        self.host.advance(by);
        Ok(())
    }

    fn go_back(&mut self, by: Duration) -> Result<(), String> {
        self.host.step_back(by);
        Ok(())
    }

    fn pause(&mut self) {
        self.host.advance(PAUSE);
    }
}

fn lock(script: &Mutex<Script>) -> MutexGuard<'_, Script> {
    script.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The answer of a reply's description, as HTTP/1.1 would carry it.
fn answer(reply: &Reply, is_head: bool) -> Answer {
    if reply.fate == Fate::Reset {
        return Answer::broken();
    }
    let mut answer = Answer::status(reply.status);
    for (name, value) in &reply.headers {
        answer = answer.header(name, value);
    }
    let length: usize = reply.body.iter().map(Vec::len).sum();
    let measured = first(&reply.headers, "content-length").is_some();
    let whole = reply.body.len() <= 1 && reply.trailers.is_empty();
    if matches!(reply.status, 204 | 304) {
        return answer;
    }
    if !measured && (whole || is_head) {
        answer = answer.header("content-length", length.to_string());
    }
    if is_head {
        return answer;
    }
    if reply.fate == Fate::Cut && whole {
        let body = reply.body.concat();
        return answer.chunk(&body[..length / 2]).reset();
    }
    for part in reply.body.iter().filter(|part| !part.is_empty()) {
        answer = answer.chunk(part.clone());
    }
    if reply.fate == Fate::Cut {
        return answer.reset();
    }
    reply.trailers.iter().fold(answer, |answer, (name, value)| answer.trailer(name, value))
}

/// What the client has seen of an exchange.
fn seen(exchange: &Exchange) -> Result<Seen, String> {
    let status = match (exchange.ending, &exchange.response) {
        (Ending::Complete, Some(response)) => response.status().to_string(),
        (Ending::Reset, Some(_)) => "cut".to_owned(),
        (Ending::Reset | Ending::Disconnected | Ending::Complete, None) => "reset".to_owned(),
        (ending, _) => return Err(format!("expected an answer, got none: the request is {ending:?}")),
    };
    let response = exchange.response.clone().unwrap_or_default();
    let trailers = response.trailers.as_ref().map(fields).unwrap_or_default();
    Ok(Seen { status, headers: fields(&response.headers), body: response.body(), trailers, ..Seen::default() })
}

/// A request as the upstream has seen it.
fn arrived(arrival: &Arrival) -> Seen {
    let mut headers = fields(&arrival.headers);
    headers.extend(arrival.headers.first(":authority").map(|authority| (b"host".to_vec(), authority.to_vec())));
    Seen {
        method: arrival.headers.first(":method").unwrap_or_default().to_vec(),
        path: arrival.headers.first(":path").unwrap_or_default().to_vec(),
        headers,
        body: arrival.body.clone(),
        trailers: arrival.trailers.as_ref().map(fields).unwrap_or_default(),
        ..Seen::default()
    }
}

/// Headers without pseudo-headers.
fn fields(headers: &Headers) -> Vec<Field> {
    let ordinary = headers.iter().filter(|(name, _)| !name.starts_with(b":"));
    ordinary.map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
}
