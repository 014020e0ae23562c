//! `weir rollout`: a policy for a fleet, step by step, which goes back by itself where it makes something worse.
//!
//! 1. The policy is checked; [`fleet`] says which proxies there are, and how many have moved after each step.
//! 2. All proxies are asked whether they could be moved. Where one could not, nothing begins.
//! 3. Each step moves proxies as `weir apply` does. One that refuses, or cannot be moved after all, ends the rollout: all go back,
//!    since nobody would go on to judge those that have moved.
//! 4. While a step moves and until the next, the statistics of all proxies are read every second ([`sample`]), between two
//!    moves and then for as long as `--watch` says, and on until those that have moved have answered `--least` requests since,
//!    each of them, and Envoy has brought their latencies up to date twice: the first time tells mostly of what was answered
//!    before. Those few that nobody asks are waited for no longer than `--patience`, where nobody asks the others either, or
//!    nobody ever asked them; then the rollout stops where it is, and goes on where it is started again.
//! 5. As soon as [`jury`] and [`verdict`] find one that has moved, or all of them together, worse than before and than the others,
//!    all go back at once: a bad policy harms its step, for as long as `--least` requests or two updates of latencies take, and a
//!    change. One that answers nothing for ten seconds ([`hearing`]) has all go back, too.
//! 6. A proxy that somebody else changes meanwhile is theirs: the rollout ends, all others go back, and it is left as it is.
//!
//! [`state`] remembers what has been done, so that the command may die at any time; whoever goes on moves those again for which
//! something else is rendered by then, and going back (`back.rs`) asks for no policy. [`istio`] renders the same steps for those
//! whose proxies Istio configures.

mod back;
pub mod chance;
pub mod fleet;
pub mod hearing;
pub mod istio;
pub mod jury;
pub mod sample;
pub mod state;
pub mod verdict;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;

use crate::apply::{self, Failure, Outcome, Target};
use crate::document::Document;
use crate::rollout::back::{Back, Serving};
use crate::rollout::fleet::{Proxy, Steps};
use crate::rollout::sample::Sample;
use crate::rollout::state::{File, Move, State};
use crate::run;
use crate::say;
use crate::xds::digest;
use crate::xds::folder::{Folder, Lock};
use crate::xds::rendering::Rendering;

/// What `weir rollout` is told.
#[derive(Args, Debug)]
pub struct Options {
    /// The policy.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The fleet: `proxies`, each with its `name`, `xds_dir` and `admin`.
    #[arg(long, value_name = "FILE", required_unless_present = "istio")]
    fleet: Option<PathBuf>,
    /// How many proxies have moved after each step.
    #[arg(long, default_value = "1,25%,100%")]
    steps: Steps,
    /// How long each step is watched.
    #[arg(long, default_value = "30s", value_parser = apply::period)]
    watch: Duration,
    /// How many requests it takes to judge.
    #[arg(long, default_value_t = 100)]
    least: u64,
    /// How long a step may wait for them.
    #[arg(long, default_value = "10m", value_parser = apply::period)]
    patience: Duration,
    /// How long the filters of the policy before are kept at least, for what their requests still ask for.
    #[arg(long, default_value = "10s", value_parser = apply::period)]
    linger: Duration,
    /// Brings everything back that a rollout has moved so far.
    #[arg(long)]
    back: bool,
    /// Where it is remembered how far this has come [default: beside the fleet's file].
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// The folder of the filters' `.wasm` files.
    #[arg(long, value_name = "DIR", default_value = run::FILTERS)]
    filters: PathBuf,
    /// Stands for the sandbox's address in the policy.
    #[arg(long, value_name = "URL")]
    sandbox: Option<String>,
    /// Where the fleet is Istio's.
    #[command(flatten)]
    istio: istio::Place,
}

/// How a rollout ends that has stopped where it is.
const HELD: u8 = 4;

/// How it went.
enum End {
    /// It has been done: all have moved, or are back as they were told to.
    Done,
    /// Nothing can be judged for want of requests.
    Held(String),
}

/// Moves a fleet: 0 where all of it has moved, 1 where the policy or the fleet's file has mistakes, 2 where it could not begin or a
/// proxy could not be brought back, 3 where all went back, 4 where too few requests came to judge by.
pub fn main(options: &Options) -> ExitCode {
    match roll(options) {
        Ok(End::Done) => ExitCode::SUCCESS,
        Ok(End::Held(reason)) => {
            say::complain(format_args!("weir: {reason}; what has moved stays, and the same command goes on"));
            ExitCode::from(HELD)
        }
        Err(failure) => {
            match &failure {
                Failure::Mistakes => {}
                Failure::Unable(reason) | Failure::Refused(reason) => say::complain(format_args!("weir: {reason}")),
            }
            ExitCode::from(failure.code())
        }
    }
}

fn roll(options: &Options) -> Result<End, Failure> {
    if let Some(folder) = &options.istio.istio {
        let document = apply::read(&options.file, options.sandbox.as_deref())?;
        istio::write(&document, &options.steps, &options.istio, folder)?;
        return Ok(End::Done);
    }
    let Some(fleet) = &options.fleet else { return Err(Failure::Unable("there is no fleet".to_owned())) };
    let proxies = fleet::read(fleet)?;
    let file = File::new(options.state.clone().unwrap_or_else(|| fleet.with_extension("rollout.json")));
    let taken = || Failure::Unable(format!("{}: another rollout is at work", file.path().display()));
    let _lock = Lock::take(&file.path().with_extension("lock"))?.ok_or_else(taken)?;
    let found = file.read()?;
    if let Some(end) = return_from(options, &proxies, &file, found.as_ref()) {
        return end;
    }
    let document = apply::read(&options.file, options.sandbox.as_deref())?;
    let policy = digest(&fs::read(&options.file)?);
    let state = match found {
        Some(state) if state.policy == policy => state,
        Some(_) => {
            let reason = "another policy is on its way: finish that, or bring it back with --back";
            return Err(Failure::Unable(format!("{}: {reason}", file.path().display())));
        }
        None => State { policy, reason: None, begun: BTreeMap::new(), moved: BTreeMap::new() },
    };
    let (brought, code) = (BTreeSet::new(), None);
    Rollout { options, document: &document, proxies: &proxies, file, state, brought, code }.run()
}

/// Goes back where it is told to, or was on its way back when it died. Neither asks for the policy: it may be gone, have got a
/// mistake, or need what only another environment has, and it is the one that is to be left.
fn return_from(
    options: &Options,
    proxies: &[Proxy],
    file: &File,
    found: Option<&State>,
) -> Option<Result<End, Failure>> {
    let Some(state) = found else {
        let nothing = || Failure::Unable(format!("{}: there is nothing to bring back", file.path().display()));
        return options.back.then(|| Err(nothing()));
    };
    let mut state = state.clone();
    let mut back = |reason: &str| Back { proxies, linger: options.linger, file, state: &mut state }.go(reason);
    if options.back {
        return Some(match back("it is called back") {
            Failure::Refused(_) => Ok(End::Done),
            failure => Err(failure),
        });
    }
    let reason = found?.reason.as_ref()?;
    let first = format!("a rollout is on its way back; {} is not tried", options.file.display());
    say::complain(format_args!("weir: {}: {first}", file.path().display()));
    Some(Err(back(reason)))
}

struct Rollout<'a> {
    options: &'a Options,
    document: &'a Document,
    proxies: &'a [Proxy],
    file: File,
    state: State,
    /// The proxies of which it is known that they have what is rendered now.
    brought: BTreeSet<&'a str>,
    /// The files of the filters' code that all of them have, once the first is rendered.
    code: Option<Vec<String>>,
}

impl<'a> Rollout<'a> {
    fn run(&mut self) -> Result<End, Failure> {
        if let Some(name) = self.state.missing(self.proxies).first() {
            let reason = format!("`{name}` has been moved, and the fleet has it no more");
            return Err(Failure::Unable(format!("{reason}: name it again, or bring the others back with --back")));
        }
        self.ask()?;
        if self.state.begun.is_empty() {
            self.state.begun = self.counts().into_iter().map(|(name, sample)| (name.to_owned(), sample)).collect();
        }
        let proxies = self.proxies;
        let steps = self.options.steps.of(proxies.len());
        for (index, count) in steps.iter().enumerate() {
            let moving = proxies.get(..*count).unwrap_or_default();
            say::progress(format_args!(
                "step {} of {}: {count} of {} proxies",
                index + 1,
                steps.len(),
                self.proxies.len()
            ));
            let mut step = self.begin(steps.len(), *count);
            for proxy in moving {
                self.bring(proxy)?;
                self.glance(&mut step)?;
            }
            let moved = Instant::now();
            let held = self.watch(&mut step, moving)?;
            // What somebody else has changed meanwhile was not watched.
            moving.iter().try_for_each(|proxy| self.bring(proxy))?;
            back::settle(self.proxies, &self.state, self.options.linger, moved);
            if let Some(reason) = held {
                return Ok(End::Held(reason));
            }
        }
        say::progress(format_args!("all {} proxies have {}", self.proxies.len(), self.options.file.display()));
        self.file.remove()?;
        Ok(End::Done)
    }

    /// Makes sure that all can be moved, before any is.
    fn ask(&mut self) -> Result<(), Failure> {
        let failed = at_once(self.proxies.iter().map(|proxy| (proxy, ())), |target, ()| target.ready());
        if failed == 0 {
            return Ok(());
        }
        Err(self.stop(&format!("{failed} of {} proxies cannot be moved", self.proxies.len())))
    }

    /// Moves a proxy. Where that fails, nobody is left on a policy that nobody goes on to judge.
    fn bring(&mut self, proxy: &'a Proxy) -> Result<(), Failure> {
        self.change(proxy).map_err(|failure| match of_proxy(proxy, failure) {
            Failure::Refused(reason) => self.back(&reason),
            Failure::Unable(reason) => self.stop(&reason),
            Failure::Mistakes => Failure::Mistakes,
        })
    }

    /// Changes a proxy that has something else than what is rendered now: what it had before, or what an earlier start of this
    /// rollout has brought, with other filters, say. What it is to have is written down first.
    fn change(&mut self, proxy: &'a Proxy) -> Result<(), Failure> {
        let serving = self.state.serving(proxy)?;
        let is_brought = self.brought.contains(proxy.name.as_str());
        match &serving {
            Serving::Other(what) => return Err(Failure::Unable(format!("somebody else has brought {what} there"))),
            // What is rendered later is of no concern: nobody has watched it.
            Serving::Moved(_) if is_brought => return Ok(()),
            Serving::Moved(what) if *what == self.render(&proxy.target.folder)?.digest() => {
                self.brought.insert(&proxy.name);
                return Ok(());
            }
            Serving::Moved(_) | Serving::Before => {}
        }
        let at = self.counted(proxy).unwrap_or_default();
        let outcome = proxy.target.apply(&self.options.file.display().to_string(), |folder| {
            let rendering = self.render(folder)?;
            let nothing = || io::Error::other("no policy runs there");
            let from = folder.current().ok_or_else(nothing)?.number;
            let moved = self.state.moved.entry(proxy.name.clone()).or_insert(Move { from, to: Vec::new(), at });
            let is_own = || folder.kept(from).is_some_and(|kept| moved.is_own(&kept.rendering.digest()));
            if moved.from != from && !is_own() {
                return Err(io::Error::other("somebody else has changed it a moment ago"));
            }
            let to = rendering.digest();
            if !moved.to.contains(&to) {
                moved.to.push(to);
            }
            self.file.write(&self.state)?;
            Ok(rendering)
        })?;
        self.brought.insert(&proxy.name);
        if let Outcome::Serves(number, after) = outcome {
            say::progress(format_args!("  {}: version {number} serves after {} ms", proxy.name, after.as_millis()));
            // What was answered while it moved is the past's.
            let counted = self.counted(proxy);
            if let (Some(moved), Some(at)) = (self.state.moved.get_mut(&proxy.name), counted) {
                moved.at = at;
            }
            self.file.write(&self.state)?;
        }
        Ok(())
    }

    /// Renders the policy for a folder, with the same code for all: half a fleet must not have other filters than the rest, nor
    /// filters that no step has watched.
    fn render(&mut self, folder: &Folder) -> io::Result<Rendering> {
        let rendering = apply::render(self.document, &self.options.filters, folder)?;
        let code: Vec<_> = rendering.code().map(str::to_owned).collect();
        if *self.code.get_or_insert_with(|| code.clone()) == code {
            return Ok(rendering);
        }
        let filters = self.options.filters.display();
        Err(io::Error::other(format!("the filters have changed since this began ({filters})")))
    }

    /// What all proxies have counted, as far as they answer.
    fn counts(&self) -> BTreeMap<&'a str, Sample> {
        thread::scope(|scope| {
            let asked = self.proxies.iter().map(|proxy| (proxy.name.as_str(), scope.spawn(|| self.counted(proxy))));
            let asked: Vec<_> = asked.collect();
            asked.into_iter().filter_map(|(name, answer)| Some((name, answer.join().ok()??))).collect()
        })
    }

    /// What a proxy has counted since it was started.
    fn counted(&self, proxy: &Proxy) -> Option<Sample> {
        Sample::of(&proxy.target.interface()?, self.document.policy.listen.value)
    }

    /// Ends it where something could not be done: all go back, if any has moved.
    fn stop(&mut self, reason: &str) -> Failure {
        let has_moved = |proxy: &Proxy| {
            let from = self.state.moved.get(&proxy.name).map(|moved| moved.from);
            from.is_some() && proxy.target.folder.current().map(|version| version.number) != from
        };
        if self.proxies.iter().any(has_moved) {
            return self.back(reason);
        }
        match self.file.remove() {
            Err(error) if error.kind() != io::ErrorKind::NotFound => error.into(),
            _ => Failure::Unable(format!("{reason}; nothing has changed")),
        }
    }

    /// Brings everything back, all proxies at once, and says why.
    fn back(&mut self, reason: &str) -> Failure {
        let (proxies, linger) = (self.proxies, self.options.linger);
        Back { proxies, linger, file: &self.file, state: &mut self.state }.go(reason)
    }
}

/// Does something to several proxies at once; says of which it failed, and answers of how many.
fn at_once<'a, T: Send>(
    proxies: impl Iterator<Item = (&'a Proxy, T)>,
    act: impl Fn(&Target, T) -> Result<(), Failure> + Sync,
) -> usize {
    let act = &act;
    let failed: Vec<Failure> = thread::scope(|scope| {
        let begun: Vec<_> =
            proxies.map(|(proxy, with)| (proxy, scope.spawn(move || act(&proxy.target, with)))).collect();
        let ended = begun.into_iter().map(|(proxy, ending)| {
            let died = |_| Err(Failure::Unable("it could not be tried".to_owned()));
            ending.join().unwrap_or_else(died).map_err(|failure| of_proxy(proxy, failure)).err()
        });
        ended.flatten().collect()
    });
    for failure in &failed {
        if let Failure::Unable(reason) | Failure::Refused(reason) = failure {
            say::complain(format_args!("weir: {reason}"));
        }
    }
    failed.len()
}

fn of_proxy(proxy: &Proxy, failure: Failure) -> Failure {
    let named = |reason: String| format!("{}: {reason}", proxy.name);
    match failure {
        Failure::Mistakes => failure,
        Failure::Unable(reason) => Failure::Unable(named(reason)),
        Failure::Refused(reason) => Failure::Refused(named(reason)),
    }
}
