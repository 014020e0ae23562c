//! `weir replay`: what a policy would have done to the traffic in an access log.
//!
//! The log is read once, in bounded memory: lines are put into the order in which their requests came as far as a window of
//! them allows, and counted; what is no line of ours is counted, too.

pub mod line;
pub mod shelf;
pub mod simulation;
pub mod tally;
pub mod window;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use policy::Instant;
use serde_json::{Value as Json, json};

use crate::command;
use crate::document::Reading;
use crate::explain::Format;
use crate::gateway::{Gateway, written};
use crate::replay::line::Line;
use crate::replay::simulation::Simulation;
use crate::replay::tally::{COLUMNS, Tally};
use crate::replay::window::Window;
use crate::say;

/// What `weir replay` is told.
#[derive(Args, Debug)]
pub struct Options {
    /// The policy.
    #[arg(value_name = "POLICY")]
    file: PathBuf,
    /// The access log, as `weir run` writes it; `-` is standard input.
    #[arg(value_name = "LOG")]
    log: PathBuf,
    /// How many clients and their routes are shown.
    #[arg(long, value_name = "N", default_value_t = 20)]
    top: usize,
    /// How the answer is written.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Stands for the sandbox's address in the policy.
    #[arg(long, value_name = "URL")]
    sandbox: Option<String>,
}

/// A longer line is none of ours.
const LINE_BYTES_MAX: u64 = 64 << 10;

/// What came of a replay.
#[derive(Debug)]
pub struct Replayed {
    /// Who would have met what.
    pub tally: Tally,
    /// Lines that were read, but for those of requests that no client sent.
    pub lines: u64,
    /// Those of them that were no line of an access log.
    pub broken: u64,
    /// Those that were written so late that later requests had been met, and met as if they had come with the last of these.
    pub late: u64,
    /// When the first request came, and the last.
    pub span: Option<(Instant, Instant)>,
}

/// Replays a log and says what came of it, or what is wrong.
pub fn main(options: &Options) -> ExitCode {
    let reading = Reading { sandbox: options.sandbox.as_deref(), ..Reading::default() };
    let Some(document) = command::load(&options.file, &reading) else { return ExitCode::FAILURE };
    let variable = |name: &str| std::env::var(name).ok();
    let gateway = match Gateway::of(&document, &variable) {
        Ok(gateway) => gateway,
        Err(error) => {
            say::complain(format_args!("weir: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let replayed = open(&options.log).and_then(|log| replay(&gateway, log));
    match replayed {
        Ok(replayed) => {
            let text = match options.format {
                Format::Text => replayed.to_text(&gateway, options.top),
                Format::Json => format!("{:#}\n", replayed.to_json()),
            };
            say::last(text, ExitCode::SUCCESS)
        }
        Err(error) => {
            say::complain(format_args!("weir: {} cannot be read: {error}", options.log.display()));
            ExitCode::FAILURE
        }
    }
}

fn open(log: &Path) -> io::Result<Box<dyn BufRead>> {
    if log == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    Ok(Box::new(BufReader::new(File::open(log)?)))
}

/// Replays a log.
///
/// # Errors
/// What the operating system says about reading it.
pub fn replay(gateway: &Gateway<'_>, mut log: impl BufRead) -> io::Result<Replayed> {
    let tally = Tally::new(gateway.policy.routes.iter().map(written).collect());
    let mut replayed = Replayed { tally, lines: 0, broken: 0, late: 0, span: None };
    let mut simulation = Simulation::new(gateway);
    let mut window = Window::default();
    let mut bytes = Vec::new();
    while read_line(&mut log, &mut bytes)? {
        if bytes.trim_ascii().is_empty() {
            continue;
        }
        let line = Line::parse(&bytes);
        if line.as_ref().is_some_and(|line| line.is_inside) {
            continue;
        }
        replayed.lines += 1;
        match line {
            Some(line) => window.push(line),
            None => replayed.broken += 1,
        }
        while let Some(line) = window.pop_surplus() {
            replayed.meet(&mut simulation, &line);
        }
    }
    while let Some(line) = window.pop() {
        replayed.meet(&mut simulation, &line);
    }
    Ok(replayed)
}

/// Reads one line, of which no more is kept than a line of ours has, and says whether there was one.
fn read_line(log: &mut impl BufRead, bytes: &mut Vec<u8>) -> io::Result<bool> {
    bytes.clear();
    if log.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', bytes)? == 0 {
        return Ok(false);
    }
    if !bytes.ends_with(b"\n") && bytes.len() as u64 >= LINE_BYTES_MAX {
        // The rest goes piece by piece, and what was kept is no JSON.
        let mut rest = Vec::new();
        while log.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut rest)? > 0 && !rest.ends_with(b"\n") {
            rest.clear();
        }
    }
    Ok(true)
}

impl Replayed {
    fn meet(&mut self, simulation: &mut Simulation<'_>, line: &Line) {
        let (route, fate) = simulation.meet(line);
        let client = line.user.as_deref().unwrap_or(&line.address);
        self.tally.count(client, route, fate, (line.was_cached, line.was_refused() && line.status == 429));
        let (first, last) = self.span.unwrap_or((line.at, line.at));
        self.late += u64::from(line.at < last);
        self.span = Some((first.min(line.at), last.max(line.at)));
    }

    /// For people; the `top` clients.
    pub fn to_text(&self, gateway: &Gateway<'_>, top: usize) -> String {
        let (requests, seconds) = (self.lines - self.broken, self.seconds());
        let mut text = format!("{requests} requests within {seconds} s; {} lines were none\n", self.broken);
        if self.late > 0 {
            let late = self.late;
            text.push_str(&format!(
                "{late} lines came too late to be put in order: of several logs, give the oldest first\n"
            ));
        }
        let unsaid =
            |route: &crate::policy::Route| !route.matcher.hosts.is_empty() || !route.matcher.headers.is_empty();
        if gateway.policy.routes.iter().any(unsaid) {
            text.push_str("a log does not say hosts and headers: no request was for a route that asks for them\n");
        }
        text.push_str(&format!("\n{COLUMNS}  route\n"));
        for (route, counts) in self.tally.by_route() {
            text.push_str(&format!("{}  {route}\n", counts.to_columns()));
        }
        text.push_str(&format!("\n{COLUMNS}  client on route\n"));
        let rows = self.tally.by_client();
        for (client, route, counts) in rows.iter().take(top) {
            text.push_str(&format!("{}  {} on {route}\n", counts.to_columns(), visible(client)));
        }
        if rows.len() > top {
            text.push_str(&format!("and {} more\n", rows.len() - top));
        }
        text
    }

    /// For programs.
    pub fn to_json(&self) -> Json {
        let routes = self
            .tally
            .by_route()
            .into_iter()
            .map(|(route, counts)| json!({"route": route, "counts": counts.to_json()}));
        let clients = self
            .tally
            .by_client()
            .into_iter()
            .map(|(client, route, counts)| json!({"client": client, "route": route, "counts": counts.to_json()}));
        json!({
            "lines": self.lines,
            "broken": self.broken,
            "late": self.late,
            "seconds": self.seconds(),
            "routes": routes.collect::<Vec<_>>(),
            "clients": clients.collect::<Vec<_>>(),
        })
    }

    fn seconds(&self) -> u64 {
        self.span.map_or(0, |(first, last)| last.since(first).as_secs())
    }
}

/// A name that a client may have chosen, as a terminal may be shown it.
fn visible(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
