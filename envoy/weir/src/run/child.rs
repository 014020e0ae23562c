//! Processes that end with this one, however it ends.
//!
//! Each leads a process group of its own, so that a Ctrl-C in the terminal reaches this process alone, which then ends the
//! groups one after the other. If this process is killed, the kernel kills each child (`PR_SET_PDEATHSIG`).

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, getpid, getppid, kill_process_group, set_parent_process_death_signal};

use crate::run::Failure;
use crate::run::event::Events;
use crate::run::folder::Folder;
use crate::run::plan::Launch;
use crate::say;

/// How long a process may take to end before it is killed.
const END: Duration = Duration::from_secs(5);
/// How long Envoy keeps the connections of a listener that another has taken the place of.
const DRAIN: Duration = Duration::from_secs(30);
/// How long a command may take until its first line.
const FIRST_LINE: Duration = Duration::from_secs(30);

/// A process group of ours.
#[derive(Debug)]
pub struct Child {
    name: String,
    process: std::process::Child,
}

impl Child {
    /// Starts Envoy on the files of a folder.
    ///
    /// # Errors
    /// It does not start.
    pub fn envoy(launch: &Launch<'_>, folder: &Folder) -> Result<Self, Failure> {
        let mut command = Command::new(&launch.program);
        command.arg("--config-path").arg(folder.bootstrap());
        command.arg("--admin-address-path").arg(folder.admin_file());
        // Another Envoy on this machine is none of our business, nor are we of its.
        command.args(["--disable-hot-restart", "--log-level", "warning"]);
        // A line of the access log is seen when it is written, not ten seconds later.
        command.args(["--file-flush-interval-msec", "100"]);
        // Where a change needs another listener, the first answer after it asks its client to close the connection.
        command.args(["--drain-strategy", "immediate", "--drain-time-s"]).arg(DRAIN.as_secs().to_string());
        for secret in launch.document.policy.files() {
            let text = secret
                .read()
                .map_err(|error| Failure::because(format!("{} cannot be read: {error}", secret.file.display())))?;
            command.env(&secret.variable, text);
        }
        if let Some(workers) = launch.options.concurrency {
            command.arg("--concurrency").arg(workers.to_string());
        }
        Self::start("Envoy", command)
    }

    /// Starts a command for a shell, and waits for its first line.
    ///
    /// # Errors
    /// It does not start, or ends before it is ready.
    pub fn beside(text: &str, events: &Events) -> Result<Self, Failure> {
        let mut command = Command::new("/bin/sh");
        // Without `exec`, it would be the shell that ends with us, and not the command.
        command.arg("-c").arg(OsString::from(format!("exec {text}"))).stdout(Stdio::piped());
        let mut child = Self::start(text, command)?;
        let (first, ready) = mpsc::channel();
        if let Some(output) = child.process.stdout.take() {
            thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    say::complain(line);
                    let _ = first.send(());
                }
            });
        }
        let deadline = Instant::now() + FIRST_LINE;
        while ready.try_recv().is_err() {
            child.check()?;
            if Instant::now() > deadline {
                return Err(Failure::because(format!("`{text}` did not say that it is ready")));
            }
            events.pause(Duration::from_millis(10))?;
        }
        Ok(child)
    }

    fn start(name: &str, mut command: Command) -> Result<Self, Failure> {
        command.stdin(Stdio::null()).process_group(0);
        let parent = getpid();
        tie(&mut command, parent);
        let process = command.spawn().map_err(|error| Failure::because(format!("{name} does not start: {error}")))?;
        Ok(Self { name: name.to_owned(), process })
    }

    /// Says so if it has ended.
    ///
    /// # Errors
    /// It has ended.
    pub fn check(&mut self) -> Result<(), Failure> {
        match self.process.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(Failure::because(format!("{} has ended ({status})", self.name))),
            Err(error) => Err(Failure::because(format!("{}: {error}", self.name))),
        }
    }

    fn signal(&self, signal: Signal) {
        let group = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw);
        // A group that is gone needs no signal.
        let _ = group.map(|group| kill_process_group(group, signal));
    }

    fn wait(&mut self, length: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + length;
        loop {
            match self.process.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(5)),
                Ok(None) | Err(_) => return None,
            }
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.signal(Signal::TERM);
        self.wait(END);
        // Whatever it has left behind in its group, too.
        self.signal(Signal::KILL);
        self.wait(END);
    }
}

/// Makes the kernel kill the process when `parent` ends.
#[allow(unsafe_code)]
fn tie(command: &mut Command, parent: Pid) {
    let tied = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // The parent may have ended before the signal was asked for.
        if getppid() == Some(parent) { Ok(()) } else { Err(io::ErrorKind::Interrupted.into()) }
    };
    // SAFETY: between fork and exec only two system calls are made, and nothing is allocated.
    unsafe { command.pre_exec(tied) };
}
