//! `weir apply` and `weir rollback`: another policy for an Envoy that runs, without a request lost.
//!
//! The policy is checked, rendered and loaded beside the one that serves ([`change`]), and takes over where all of it has been
//! accepted. Otherwise the one that serves goes on, and the reason is said. Buckets, breakers and what is cached are in shared
//! data, which both policies' filters have in common; each keeps what its own configuration means by the same name.

pub mod change;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;

use crate::check;
use crate::command;
use crate::diagnostic::Report;
use crate::document::{self, Document, Reading};
use crate::envoy::Plan;
use crate::lint;
use crate::run;
use crate::run::admin::Admin;
use crate::say;
use crate::secret;
use crate::xds::BOOTSTRAP;
use crate::xds::folder::{Folder, Kept, Lock, Version};
use crate::xds::rendering::Rendering;

/// How long Envoy may take for each step of a change.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long it may take to say what it has.
const ANSWER: Duration = Duration::from_secs(5);

/// What `weir apply` is told.
#[derive(Args, Debug)]
pub struct Options {
    /// The policy.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where it runs.
    #[command(flatten)]
    place: Place,
    /// The folder of the filters' `.wasm` files.
    #[arg(long, value_name = "DIR", default_value = run::FILTERS)]
    filters: PathBuf,
    /// Stands for the sandbox's address in the policy.
    #[arg(long, value_name = "URL")]
    sandbox: Option<String>,
}

/// Where a policy runs, or is to run.
#[derive(Args, Debug)]
pub struct Place {
    /// The folder that Envoy follows; where there is nothing in it, everything that an Envoy is started with is written.
    #[arg(long, value_name = "DIR")]
    xds_dir: PathBuf,
    /// Envoy's administration interface [default: where it last was, or where the folder's bootstrap has it].
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<SocketAddr>,
    /// How long the filters of the policy before are kept for what their requests still ask for.
    #[arg(long, default_value = "10s", value_parser = period)]
    linger: Duration,
}

/// Reads a time like `30s`.
pub(crate) fn period(text: &str) -> Result<Duration, String> {
    let period = policy::Period::parse(text).ok_or_else(|| "expected a time like 30s".to_owned())?;
    Ok(period.length())
}

/// A folder, and the Envoy that follows it.
#[derive(Clone, Debug)]
pub struct Target {
    /// The folder.
    pub folder: Folder,
    /// The administration interface of its Envoy, where that is not where [`Folder::addresses`] says.
    pub admin: Option<SocketAddr>,
}

/// What became of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The files are there; no Envoy runs on them yet.
    Begun(u64),
    /// It serves already.
    Unchanged(u64),
    /// It serves after so long.
    Serves(u64, Duration),
}

/// Why nothing has changed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Failure {
    /// The policy has mistakes, which have been said.
    Mistakes,
    /// It could not be tried.
    Unable(String),
    /// Envoy, or a filter, refused it.
    Refused(String),
}

impl Failure {
    /// How the command ends.
    pub const fn code(&self) -> u8 {
        match self {
            Self::Mistakes => 1,
            Self::Unable(_) => 2,
            Self::Refused(_) => 3,
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Unable(error.to_string())
    }
}

/// Brings a policy to Envoy: 0 where it serves, 1 where it has mistakes, 2 where it could not be tried, 3 where Envoy refused it.
pub fn main(options: &Options) -> ExitCode {
    let name = options.file.display().to_string();
    let done = read(&options.file, options.sandbox.as_deref()).and_then(|document| {
        let target = Target::at(&options.place)?;
        let outcome = target.apply(&name, |folder| render(&document, &options.filters, folder))?;
        Ok((target, name.clone(), outcome))
    });
    end(&options.place, &name, done)
}

/// Brings the policy before back.
pub fn back(place: &Place) -> ExitCode {
    let done = Target::at(place).and_then(|target| {
        let (name, outcome) = target.back()?;
        Ok((target, name, outcome))
    });
    end(place, "the policy before", done)
}

/// Says what became of it, and clears up in the end.
fn end(place: &Place, name: &str, done: Result<(Target, String, Outcome), Failure>) -> ExitCode {
    let folder = place.xds_dir.display();
    let settled = done.map(|(target, name, outcome)| {
        match outcome {
            Outcome::Begun(number) => {
                say::progress(format_args!(
                    "{folder}: version {number} is {name}; start Envoy with -c {folder}/{BOOTSTRAP}"
                ));
                return;
            }
            Outcome::Unchanged(number) => {
                say::progress(format_args!("{folder}: version {number} is {name}, and serves already"));
            }
            Outcome::Serves(number, after) => {
                say::progress(format_args!(
                    "{folder}: version {number} is {name}, and serves after {} ms",
                    after.as_millis()
                ));
            }
        }
        std::thread::sleep(place.linger);
        target.settle();
    });
    let Err(failure) = settled else { return ExitCode::SUCCESS };
    match &failure {
        Failure::Mistakes => say::complain(format_args!("weir: {name} was not tried; what ran before runs on")),
        Failure::Unable(reason) => say::complain(format_args!("weir: {reason}")),
        Failure::Refused(reason) => say::complain(format_args!("weir: {reason}; what ran before runs on")),
    }
    ExitCode::from(failure.code())
}

/// Reads a policy and looks for traps in it; all that is found is said.
///
/// # Errors
/// Mistakes, or a file that cannot be read.
pub fn read(file: &Path, sandbox: Option<&str>) -> Result<Document, Failure> {
    let bytes = document::bytes(file)
        .map_err(|error| Failure::Unable(format!("{} cannot be read: {error}", file.display())))?;
    let document = command::load(file, &Reading { sandbox, ..Reading::default() }).ok_or(Failure::Mistakes)?;
    let mistakes = check::traps(&document, None);
    let is_bad = lint::any_error(&mistakes);
    if !mistakes.is_empty() {
        let text = secret::shown(&String::from_utf8_lossy(&bytes));
        // Whoever cannot hear it learns by how the command ends.
        let _ = say::found(&Report { name: file.display().to_string(), text, mistakes });
    }
    if is_bad { Err(Failure::Mistakes) } else { Ok(document) }
}

/// Renders a policy for a folder.
///
/// # Errors
/// Filters that are not there.
pub fn render(document: &Document, filters: &Path, folder: &Folder) -> io::Result<Rendering> {
    let plan = Plan { policy: &document.policy, filters: &document.filters, wasm: filters };
    Rendering::of(&plan, folder)
}

impl Target {
    fn at(place: &Place) -> Result<Self, Failure> {
        Self::new(&place.xds_dir, place.admin)
    }

    /// A folder, which is made where it is not there.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn new(folder: &Path, admin: Option<SocketAddr>) -> Result<Self, Failure> {
        let said = |error: io::Error| Failure::Unable(format!("{}: {error}", folder.display()));
        Ok(Self { folder: Folder::open(folder).map_err(said)?, admin })
    }

    /// Has a policy of this name run.
    ///
    /// # Errors
    /// Why it does not; what ran before runs on.
    pub fn apply(&self, name: &str, render: impl FnOnce(&Folder) -> io::Result<Rendering>) -> Result<Outcome, Failure> {
        let lock = self.lock()?;
        let rendering = render(&self.folder)?;
        let number = self.folder.numbers()?.last().map_or(1, |last| last + 1);
        let current = self.folder.current().map(|version| Ok::<_, Failure>((version, self.kept(version.number)?)));
        let Some((version, serving)) = current.transpose()? else {
            self.folder.keep(&Kept { number, before: None, name: name.to_owned(), rendering: rendering.clone() })?;
            self.folder.begin(number, &rendering)?;
            return Ok(Outcome::Begun(number));
        };
        let is_same = serving.rendering == rendering;
        if is_same && self.is_whole(&rendering) {
            self.follows(version)?;
            return Ok(Outcome::Unchanged(version.number));
        }
        let before = if is_same { serving.before } else { Some(version.number) };
        let next = Kept { number, before, name: name.to_owned(), rendering };
        self.bring(&lock, version, &serving, &next)
    }

    /// Has the policy before run again; answers with its name.
    ///
    /// # Errors
    /// Why it does not; what ran before runs on.
    pub fn back(&self) -> Result<(String, Outcome), Failure> {
        let before = self.running()?.and_then(|serving| serving.before);
        let nothing = || Failure::Unable(format!("{}: there is nothing to go back to", self.folder.path().display()));
        self.back_to(before.ok_or_else(nothing)?)
    }

    /// Has the policy of this number run again; answers with its name.
    ///
    /// # Errors
    /// Why it does not; what ran before runs on.
    pub fn back_to(&self, number: u64) -> Result<(String, Outcome), Failure> {
        let lock = self.lock()?;
        let wanted = self.kept(number)?;
        let version = self.folder.current().ok_or_else(|| Failure::Unable("nothing runs".to_owned()))?;
        let serving = self.kept(version.number)?;
        if serving.rendering == wanted.rendering && self.is_whole(&wanted.rendering) {
            return Ok((wanted.name, Outcome::Unchanged(version.number)));
        }
        let next = self.folder.numbers()?.last().map_or(1, |last| last + 1);
        // Its own past is that of the policy that it is: two steps back lead to the one before that.
        let next = Kept { number: next, ..wanted };
        let outcome = self.bring(&lock, version, &serving, &next)?;
        Ok((next.name, outcome))
    }

    /// Empties the slot that is not used any more, unless somebody is about to use it. What cannot be emptied is said, and no more:
    /// the next change begins with it.
    pub fn settle(&self) {
        if let Err(Failure::Unable(reason) | Failure::Refused(reason)) = self.empty() {
            say::complain(format_args!("weir: unused filters stay: {}: {reason}", self.folder.path().display()));
        }
    }

    fn empty(&self) -> Result<(), Failure> {
        let Some(_lock) = self.folder.lock()? else { return Ok(()) };
        let Some(version) = self.folder.current() else { return Ok(()) };
        Ok(change::retire(&self.folder, version, &self.kept(version.number)?.rendering)?)
    }

    /// Whether a change could begin. Where the folder's Envoy is, is known from then on.
    ///
    /// # Errors
    /// Nothing runs, somebody else is changing it, or no Envoy follows the folder.
    pub fn ready(&self) -> Result<(), Failure> {
        let nothing = || Failure::Unable("no policy runs there yet: `weir apply` brings the first".to_owned());
        let _lock = self.lock()?;
        let version = self.folder.current().ok_or_else(nothing)?;
        self.kept(version.number)?;
        Ok(self.folder.put_reached(self.follows(version)?.address())?)
    }

    /// What runs.
    ///
    /// # Errors
    /// What ran is not kept.
    pub fn running(&self) -> Result<Option<Kept>, Failure> {
        self.folder.current().map(|version| self.kept(version.number)).transpose()
    }

    /// Whether everything else in the folder is of the policy that serves, too. Who is killed in the midst of a change leaves the
    /// listeners, or what Envoy is started with, of one that never came to serve.
    fn is_whole(&self, serving: &Rendering) -> bool {
        let there = self.folder.listeners();
        there == serving.listeners(&there, &self.folder) && self.folder.read(BOOTSTRAP).as_ref() == Some(&serving.frame)
    }

    fn bring(&self, _lock: &Lock, version: Version, serving: &Kept, next: &Kept) -> Result<Outcome, Failure> {
        let started = Instant::now();
        let admin = self.follows(version)?;
        // What Envoy is started with may soon say another address, which it has when it is started anew.
        self.folder.put_reached(admin.address())?;
        self.folder.keep(next)?;
        let new = Version::new(next.number, version.slot.other());
        let change = change::Change { folder: &self.folder, admin: &admin, version: new, patience: PATIENCE };
        if let Err(failure) = change.bring(&serving.rendering, &next.rendering) {
            self.folder.forget(next.number);
            return Err(failure);
        }
        if serving.rendering.frame != next.rendering.frame {
            say::complain(format_args!(
                "weir: what only a start can change (the administration's address, the limit of connections) waits for it"
            ));
        }
        if let Err(error) = self.folder.sweep() {
            say::complain(format_args!("weir: what is not needed any more stays: {error}"));
        }
        Ok(Outcome::Serves(next.number, started.elapsed()))
    }

    fn lock(&self) -> Result<Lock, Failure> {
        let taken = || Failure::Unable(format!("{}: somebody else is changing it", self.folder.path().display()));
        self.folder.lock()?.ok_or_else(taken)
    }

    fn kept(&self, number: u64) -> Result<Kept, Failure> {
        let gone = || format!("{}: version {number} is not kept", self.folder.path().display());
        self.folder.kept(number).ok_or_else(|| Failure::Unable(gone()))
    }

    /// The administration interface of the folder's Envoy: where it was found, once [`Target::ready`] or a change has looked
    /// for it.
    pub fn interface(&self) -> Option<Admin> {
        self.interfaces().first().copied()
    }

    /// Where it may be.
    fn interfaces(&self) -> Vec<Admin> {
        let addresses = self.admin.map_or_else(|| self.folder.addresses(), |admin| vec![admin]);
        addresses.into_iter().map(Admin::at).collect()
    }

    /// Makes sure that there is an Envoy, and that it follows this folder.
    fn follows(&self, version: Version) -> Result<Admin, Failure> {
        let folder = self.folder.path().display();
        let interfaces = self.interfaces();
        if interfaces.is_empty() {
            return Err(Failure::Unable(format!("{folder}: say with --admin where its Envoy is")));
        }
        let deadline = Instant::now() + ANSWER;
        loop {
            let mut other = None;
            for admin in &interfaces {
                match admin.version(change::ROUTES) {
                    Some(text) if text == version.to_string() => return Ok(*admin),
                    Some(text) => other = other.or(Some((admin.address(), text))),
                    None => {}
                }
            }
            if Instant::now() < deadline {
                // It may have been started a moment ago, or be busy with a change whose author has died.
                std::thread::sleep(Duration::from_millis(50));
                continue;
            }
            return Err(Failure::Unable(if let Some((address, text)) = other {
                let reason = format!("the Envoy at {address} serves version {text:?}, and {folder} has {version}");
                format!("{reason}: it follows another folder, or has refused this one")
            } else {
                let asked: Vec<_> = interfaces.iter().map(|admin| admin.address().to_string()).collect();
                format!("no Envoy answers for {folder} at {}", asked.join(" or "))
            }));
        }
    }
}
