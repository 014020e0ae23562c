//! `weir run`: Envoy on a policy, from the first check to the last process.
//!
//! Before anything starts, the policy is checked and the ports are looked at. Envoy is then started on files in a folder
//! of its own ([`folder`]), which it follows, so a changed policy, or a changed key set that it names ([`watch`]), reaches
//! it without a restart ([`reload`]); a policy with a mistake never does. Every process that is started ends with this
//! one, however this one ends ([`child`]).

pub mod admin;
pub mod banner;
pub mod child;
pub mod event;
pub mod folder;
pub mod plan;
pub mod port;
pub mod reload;
pub mod watch;

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;

use crate::run::admin::Admin;
use crate::run::child::Child;
use crate::run::event::Event;
use crate::run::folder::Folder;
use crate::run::plan::Launch;
use crate::say;

/// Where `make wasm` puts the filters.
pub const FILTERS: &str = "target/wasm";

/// How long Envoy may take to start: it compiles nine modules, perhaps on a busy machine.
const START: Duration = Duration::from_mins(2);

/// What `weir run` is told.
#[derive(Args, Debug)]
pub struct Options {
    /// The policy.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The port to serve at, in place of the policy's; 0 takes any that is free.
    #[arg(long)]
    pub port: Option<u16>,
    /// The port of Envoy's administration interface, in place of the policy's; 0 takes any that is free.
    #[arg(long)]
    pub admin_port: Option<u16>,
    /// The program to run [default: `$WEIR_ENVOY`, `.tools/envoy/bin/envoy`, or `envoy` on the `PATH`].
    #[arg(long, value_name = "PATH")]
    pub envoy: Option<PathBuf>,
    /// The folder of the filters' `.wasm` files.
    #[arg(long, value_name = "DIR", default_value = FILTERS)]
    pub filters: PathBuf,
    /// How many workers Envoy has [default: one for each processor].
    #[arg(long)]
    pub concurrency: Option<u32>,
    /// Stands for the sandbox's address in the policy.
    #[arg(long, value_name = "URL")]
    pub sandbox: Option<String>,
    /// A command to start before Envoy and to stop after it; it says that it is ready with its first line.
    #[arg(long, value_name = "COMMAND")]
    pub beside: Vec<String>,
}

/// Why a run ended, or never began.
#[derive(Debug)]
pub enum Failure {
    /// It has been said already, at length.
    Said,
    /// This happened.
    Because(String),
}

impl Failure {
    /// What happened.
    pub fn because(reason: impl Into<String>) -> Self {
        Self::Because(reason.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Said => f.write_str("see above"),
            Self::Because(reason) => f.write_str(reason),
        }
    }
}

/// Runs until a signal or a failure; what it has to say goes to standard error, the access log to standard output.
pub fn main(options: &Options) -> bool {
    match run(options) {
        Ok(()) => true,
        Err(Failure::Said) => false,
        Err(Failure::Because(reason)) => {
            say::complain(format_args!("weir: {reason}"));
            false
        }
    }
}

fn run(options: &Options) -> Result<(), Failure> {
    // Signals first: one that comes while processes start must still end them.
    let events = event::listen(&options.file)?;
    let mut launch = Launch::new(options)?;
    // Dropped in the reverse order: Envoy ends before what it talks to.
    let mut beside = Vec::new();
    for command in &options.beside {
        beside.push(Child::beside(command, &events)?);
    }
    let folder = Folder::new(&launch)?;
    let mut envoy = Child::envoy(&launch, &folder)?;
    let admin = ready(&mut envoy, &folder, &events)?;
    launch.served();
    banner::print(&launch, admin.address());
    let mut reloader = reload::Reloader::new(&folder);
    loop {
        match events.next(reloader.due())? {
            Event::Stop => break,
            Event::Changed => reloader.reload(&mut launch),
            Event::Due => reloader.settle(),
            Event::ChildEnded => {
                envoy.check()?;
                beside.iter_mut().try_for_each(Child::check)?;
            }
        }
    }
    say::complain(format_args!("weir: stopping"));
    Ok(())
}

/// Waits until Envoy serves.
fn ready(envoy: &mut Child, folder: &Folder, events: &event::Events) -> Result<Admin, Failure> {
    let deadline = Instant::now() + START;
    while Instant::now() < deadline {
        envoy.check()?;
        if let Some(admin) = folder.admin().filter(Admin::is_ready)
            && let (Some(refusals), Some(listeners)) = (admin.refusals(), admin.listeners())
        {
            // A filter that it has refused would leave a listener that answers 500; a listener, nobody at the port.
            return if listeners == 0 || refusals.values().any(|count| *count > 0) {
                Err(Failure::because("Envoy did not accept the configuration; its log says why"))
            } else {
                Ok(admin)
            };
        }
        events.pause(Duration::from_millis(20))?;
    }
    Err(Failure::because("Envoy was not ready in time"))
}
