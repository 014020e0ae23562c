//! A child process with a log, which never outlives its test.
//!
//! A test may panic or be killed at any line, so a child ends in two ways: with the value that stands for it, and by
//! the kernel (`PR_SET_PDEATHSIG`) when the process that started it dies. The kernel watches the *thread* that
//! started it; all children are therefore started by one thread that lives as long as the process.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child as Running, Command, Stdio};
use std::sync::{OnceLock, mpsc};
use std::thread;

use crate::deadline::Deadline;
use crate::folder::Folder;

/// How many lines of a log a report shows.
const TAIL_LINES: usize = 25;

/// Why a child could not be started, with the end of its log.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What was attempted and what became of it.
    pub reason: String,
    /// The whole log.
    pub log: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}\n{}", self.reason, tail(&self.log))
    }
}

impl std::error::Error for Failure {}

/// The last lines of a log.
pub fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

/// A running program.
#[derive(Debug)]
pub struct Child {
    name: &'static str,
    running: Running,
    log: PathBuf,
    folder: Folder,
}

impl Child {
    /// Starts a program; both its outputs go to one log in `folder`.
    pub fn start(
        name: &'static str,
        program: &Path,
        arguments: &[OsString],
        environment: &[(String, String)],
        folder: Folder,
    ) -> Result<Self, Failure> {
        let log = folder.file("log");
        let failed = |error: io::Error| Failure {
            reason: format!("{name} ({}, by `setpriv` of util-linux) could not be started: {error}", program.display()),
            log: String::new(),
        };
        let file = File::options().create(true).append(true).open(&log).map_err(failed)?;
        let mut command = Command::new("setpriv");
        command.arg("--pdeathsig=KILL").arg(program).args(arguments);
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        command.current_dir(folder.path()).stdin(Stdio::null());
        command.stdout(file.try_clone().map_err(failed)?).stderr(file);
        let running = spawn(command).map_err(failed)?;
        Ok(Self { name, running, log, folder })
    }

    /// Waits until `ready` has an answer; fails when the program ends before or the deadline passes.
    pub fn wait_for<T>(
        &mut self,
        what: &str,
        deadline: Deadline,
        mut ready: impl FnMut() -> Option<T>,
    ) -> Result<T, Failure> {
        let answer = deadline.wait_for(|| match ready() {
            Some(answer) => Some(Ok(answer)),
            None => self.ending().map(Err),
        });
        match answer {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(ending)) => Err(self.failure(&format!("ended ({ending}) before {what}"))),
            None => Err(self.failure(&format!("did not come to {what} in time"))),
        }
    }

    /// A report about this child.
    pub fn failure(&self, what: &str) -> Failure {
        Failure { reason: format!("{} {what}", self.name), log: self.log() }
    }

    /// How it ended; `None` while it runs.
    pub fn ending(&mut self) -> Option<String> {
        self.running.try_wait().ok().flatten().map(|status| status.to_string())
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.running.id()
    }

    /// All that it has written to its standard outputs.
    pub fn log(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Where its files are.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Sends it a signal, by the name that `kill` knows: `STOP`.
    pub fn signal(&self, name: &str) -> io::Result<()> {
        let sent = Command::new("kill").args(["-s", name, &self.id().to_string()]).status()?;
        if sent.success() { Ok(()) } else { Err(io::Error::other(sent.to_string())) }
    }

    /// Ends it at once, and returns when it has ended.
    pub fn kill(&mut self) {
        let _ = self.running.kill();
        let _ = self.running.wait();
    }

    /// Ends it and keeps its folder, for a successor.
    pub fn replace(&mut self, program: &Path, arguments: &[OsString]) -> Result<(), Failure> {
        self.kill();
        let folder = std::mem::replace(&mut self.folder, Folder::new(self.name));
        *self = Self::start(self.name, program, arguments, &[], folder)?;
        Ok(())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

type Order = (Command, mpsc::Sender<io::Result<Running>>);

/// Starts a program from the thread that lives as long as this process.
fn spawn(command: Command) -> io::Result<Running> {
    static NURSERY: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
    let nursery = NURSERY.get_or_init(|| {
        let (orders, inbox) = mpsc::channel::<Order>();
        thread::spawn(move || {
            for (mut command, answer) in inbox {
                let _ = answer.send(command.spawn());
            }
        });
        orders
    });
    let (answer, outcome) = mpsc::channel();
    nursery.send((command, answer)).map_err(io::Error::other)?;
    outcome.recv().map_err(io::Error::other)?
}
