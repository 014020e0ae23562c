//! Plays the lines of a scenario on one stage, to the first that does not hold.

use std::collections::BTreeMap;
use std::fmt;

use proxy::message::Field;
use proxy::origin::Fate as OriginFate;
use proxy::{Reply, Request};

use crate::stage::{Sending, Stage, Ticket};
use crate::step::{self, Expectation, Fate, Line, Patience, Step, Subject};
use crate::verdict::{Seen, judge};
use crate::word::{Template, Variables};

/// How often `eventually` tries: with the stages' pauses of 100 ms, for ten seconds.
const ATTEMPTS_MAX: usize = 100;

/// The line that did not hold, and why.
#[derive(Debug)]
pub struct Fault {
    /// What a report calls the proxy.
    pub stage: &'static str,
    /// The line's number.
    pub line: usize,
    /// The line.
    pub text: String,
    /// What was expected and what came instead.
    pub reasons: Vec<String>,
    /// The message that was judged.
    pub seen: String,
    /// The end of the proxy's log.
    pub log: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}, line {}: {}", self.stage, self.line, self.text)?;
        self.reasons.iter().try_for_each(|reason| writeln!(formatter, "  {reason}"))?;
        for (title, text) in [("what came", &self.seen), ("log", &self.log)] {
            if !text.is_empty() {
                writeln!(formatter, "  {title}:\n    {}", text.replace('\n', "\n    "))?;
            }
        }
        Ok(())
    }
}

/// What is wrong with a line: the reasons, and the message that was judged.
type Wrong = (Vec<String>, String);

fn wrong(reason: String) -> Wrong {
    (vec![reason], String::new())
}

/// Plays every line, or says which one did not hold.
///
/// What the upstream has received before does not count, so several scenarios can follow each other on one stage.
pub fn play(stage: &mut dyn Stage, lines: &[Line]) -> Result<(), Box<Fault>> {
    let consumed = stage.received(0).len();
    let mut player = Player { stage, variables: Variables::new(), flying: BTreeMap::new(), consumed };
    for line in lines {
        if let Err((reasons, seen)) = player.step(&line.step) {
            let log = proxy::child::tail(&player.stage.log());
            let (stage, text) = (player.stage.name(), line.text.clone());
            return Err(Box::new(Fault { stage, line: line.number, text, reasons, seen, log }));
        }
    }
    Ok(())
}

struct Player<'a> {
    stage: &'a mut dyn Stage,
    variables: Variables,
    /// Requests in flight by label.
    flying: BTreeMap<String, Ticket>,
    /// How many of the upstream's requests earlier `saw` lines have looked at.
    consumed: usize,
}

impl Player<'_> {
    fn step(&mut self, step: &Step) -> Result<(), Wrong> {
        match step {
            Step::Exchange { times, patience: Patience::None, request, expected } => (0..*times)
                .try_for_each(|round| self.exchange(request, expected).map_err(|error| in_round(error, round))),
            Step::Exchange { request, expected, .. } => self.eventually(request, expected),
            Step::Start { label, request } => {
                let ticket = self.start(request)?;
                let taken = self.flying.insert(label.clone(), ticket);
                taken.map_or(Ok(()), |_| Err(wrong(format!("a request called `{label}` is in flight already"))))
            }
            Step::Finish { label, expected } => {
                let ticket = self.landed(label)?;
                let seen = self.stage.finish(ticket).map_err(wrong)?;
                self.judge(expected, &seen)
            }
            Step::Leave { label } => {
                let ticket = self.landed(label)?;
                self.stage.leave(ticket).map_err(wrong)
            }
            Step::Origin { path, reply } => {
                let reply = self.reply(reply).map_err(wrong)?;
                self.stage.answer(path.as_deref(), reply);
                Ok(())
            }
            Step::Release { path } => {
                self.stage.release(path.as_deref());
                Ok(())
            }
            Step::SawCount(count) => self.saw_count(*count),
            Step::Saw(expected) => self.saw(expected),
            Step::Advance(by) => self.stage.advance(*by).map_err(wrong),
            Step::Back(by) => self.stage.go_back(*by).map_err(wrong),
            Step::State(expected) => self.state(expected),
            Step::Metric(metric) => self.stage.expect_metric(metric).map_err(wrong),
            Step::Log { text, wanted } => self.log(text, *wanted),
        }
    }

    fn exchange(&mut self, request: &step::Request, expected: &[Expectation]) -> Result<(), Wrong> {
        let ticket = self.start(request)?;
        let seen = self.stage.finish(ticket).map_err(wrong)?;
        self.judge(expected, &seen)
    }

    fn eventually(&mut self, request: &step::Request, expected: &[Expectation]) -> Result<(), Wrong> {
        let before = self.variables.clone();
        let mut attempts = 1;
        loop {
            let outcome = self.exchange(request, expected);
            if outcome.is_ok() || attempts == ATTEMPTS_MAX {
                return outcome;
            }
            // What an attempt that failed has bound means nothing.
            self.variables.clone_from(&before);
            attempts += 1;
            self.stage.pause();
        }
    }

    fn start(&mut self, request: &step::Request) -> Result<Ticket, Wrong> {
        let sending = self.sending(request).map_err(wrong)?;
        self.stage.start(&sending).map_err(wrong)
    }

    /// The ticket of a request in flight, which then is no longer.
    fn landed(&mut self, label: &str) -> Result<Ticket, Wrong> {
        self.flying.remove(label).ok_or_else(|| wrong(format!("no request called `{label}` is in flight")))
    }

    fn judge(&mut self, expected: &[Expectation], seen: &Seen) -> Result<(), Wrong> {
        let reasons = judge(expected, seen, &mut self.variables);
        if reasons.is_empty() { Ok(()) } else { Err((reasons, seen.summary())) }
    }

    fn saw_count(&mut self, count: usize) -> Result<(), Wrong> {
        let received = self.stage.received(self.consumed + count);
        let new = received.get(self.consumed..).unwrap_or_default();
        self.consumed = received.len();
        if new.len() == count {
            return Ok(());
        }
        let paths = new.iter().map(|seen| format!("{} {}", seen.method.escape_ascii(), seen.path.escape_ascii()));
        let reason = format!("expected {count} requests at the upstream since the last `saw`, got {}", new.len());
        Err((vec![reason], paths.collect::<Vec<_>>().join("\n")))
    }

    fn saw(&mut self, expected: &[Expectation]) -> Result<(), Wrong> {
        let received = self.stage.received(self.consumed + 1);
        let is_new = received.len() > self.consumed;
        self.consumed = received.len();
        match received.last().filter(|_| is_new) {
            Some(seen) => self.judge(expected, seen),
            None => Err(wrong("expected a request at the upstream since the last `saw`, got none".to_owned())),
        }
    }

    /// Judges states as if they were headers.
    fn state(&mut self, expected: &[Expectation]) -> Result<(), Wrong> {
        let mut seen = Seen::default();
        for expectation in expected {
            let Subject::Header(key) = &expectation.subject else { continue };
            let state = self.stage.state(&String::from_utf8_lossy(key)).map_err(wrong)?;
            if !seen.headers.iter().any(|(known, _)| known == key) {
                seen.headers.extend(state.map(|state| (key.clone(), state)));
            }
        }
        self.judge(expected, &seen)
    }

    fn log(&mut self, text: &Template, wanted: bool) -> Result<(), Wrong> {
        let text = text.render(&self.variables).map_err(wrong)?;
        match (self.stage.logged(&text, wanted), wanted) {
            (true, true) | (false, false) => Ok(()),
            (false, true) => Err(wrong(format!("expected \"{}\" in the log", text.escape_ascii()))),
            (true, false) => Err(wrong(format!("expected a log without \"{}\"", text.escape_ascii()))),
        }
    }

    fn sending(&self, request: &step::Request) -> Result<Sending, String> {
        let prepared = Request {
            method: request.method.clone().into_bytes(),
            target: request.path.render(&self.variables)?,
            headers: self.fields(&request.headers)?,
            body: self.parts(&request.body)?,
            trailers: self.fields(&request.trailers)?,
        };
        Ok(Sending { request: prepared, worker: request.worker, from: request.from })
    }

    fn reply(&self, reply: &step::Reply) -> Result<Reply, String> {
        Ok(Reply {
            status: reply.status,
            headers: self.fields(&reply.headers)?,
            body: self.parts(&reply.body)?,
            trailers: self.fields(&reply.trailers)?,
            fate: match reply.fate {
                Fate::Whole => OriginFate::Whole,
                Fate::Cut => OriginFate::Cut,
                Fate::Reset => OriginFate::Reset,
            },
            held: reply.held,
        })
    }

    fn fields(&self, fields: &[(Vec<u8>, Template)]) -> Result<Vec<Field>, String> {
        fields.iter().map(|(name, value)| Ok((name.clone(), value.render(&self.variables)?))).collect()
    }

    fn parts(&self, parts: &[Template]) -> Result<Vec<Vec<u8>>, String> {
        parts.iter().map(|part| part.render(&self.variables)).collect()
    }
}

/// Says in which of several rounds a line did not hold.
fn in_round((mut reasons, seen): Wrong, round: usize) -> Wrong {
    if round > 0 {
        reasons.insert(0, format!("in round {}", round + 1));
    }
    (reasons, seen)
}
