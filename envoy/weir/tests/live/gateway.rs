//! An Envoy that follows a folder, and the commands that change it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use proxy::child::Failure;
use proxy::redis::on_free_port;
use proxy::{Envoy, Options, Request, client, message::Answer};
use tempfile::TempDir;

use crate::address::name_address;

/// An Envoy, and what it follows.
pub(crate) struct Gateway {
    envoy: Envoy,
    place: TempDir,
    /// Where its filters are, where no command says otherwise.
    filters: PathBuf,
}

/// What a command has said, and how it ended.
pub(crate) struct Said(Output);

impl Gateway {
    /// Starts an Envoy on a policy, with the filters of a folder.
    pub(crate) fn start(policy: &str, filters: &Path) -> Self {
        Self::start_with(policy, filters, &Options::default())
    }

    /// The same, of an Envoy that is started so.
    pub(crate) fn start_with(policy: &str, filters: &Path, options: &Options) -> Self {
        Self::try_start(policy, filters, options).unwrap_or_else(|failure| panic!("{failure}"))
    }

    /// The same, of one whose administration is where its policy says, on this port.
    pub(crate) fn start_where(policy: impl Fn(u16) -> String, filters: &Path) -> (Self, u16) {
        let start = |admin_port| {
            let options = Options { admin_port, ..Options::default() };
            Ok((Self::try_start(&policy(admin_port), filters, &options)?, admin_port))
        };
        on_free_port(start).unwrap_or_else(|failure| panic!("{failure}"))
    }

    fn try_start(policy: &str, filters: &Path, options: &Options) -> Result<Self, Failure> {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("first.yaml"), policy).unwrap();
        let folder = place.path().join("xds");
        let begun =
            program(place.path()).args(["apply", "first.yaml", "--xds-dir", "xds", "--filters"]).arg(filters).output();
        Said(begun.unwrap()).ended(0, "version 1 is first.yaml; start Envoy with -c xds/bootstrap.json");
        let bootstrap = fs::read_to_string(folder.join("bootstrap.json")).unwrap();
        let envoy = Envoy::start_with(&bootstrap, options)?;
        Ok(Self { envoy, place, filters: filters.to_path_buf() })
    }

    /// Has another Envoy take the place of this one, started on what is in the folder.
    pub(crate) fn restart(&mut self) {
        let bootstrap = fs::read_to_string(self.folder().join("bootstrap.json")).unwrap();
        self.envoy = Envoy::start(&bootstrap).unwrap_or_else(|failure| panic!("{failure}"));
        self.name_own_address();
    }

    /// Has the folder's bootstrap say where the Envoy's administration is, as it does where a test's Envoy keeps to it.
    pub(crate) fn name_own_address(&self) {
        name_address(&self.folder(), self.envoy.admin_address());
    }

    /// A command that is not told where the Envoy is.
    pub(crate) fn untold(&self, command: &str, more: &[&str]) -> Said {
        let mut program = program(self.place.path());
        program.args([command, "--xds-dir", "xds", "--linger", "300ms"]).args(more);
        if command == "apply" {
            program.arg("--filters").arg(&self.filters);
        }
        Said(program.output().unwrap())
    }

    /// Writes a policy; answers with its file.
    pub(crate) fn write(&self, policy: &str) -> &'static str {
        fs::write(self.place.path().join("policy.yaml"), policy).unwrap();
        "policy.yaml"
    }

    /// Where it serves.
    pub(crate) fn address(&self) -> SocketAddr {
        self.envoy.listener("weir").unwrap()
    }

    /// What it follows.
    pub(crate) fn folder(&self) -> PathBuf {
        self.place.path().join("xds")
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        self.envoy.log()
    }

    /// What it answers.
    pub(crate) fn get(&self, path: &str) -> Answer {
        client::call(self.address(), &Request::get(path))
            .unwrap_or_else(|lost| panic!("{path}: {lost}\n{}", self.log()))
    }

    /// A command on a policy.
    pub(crate) fn command(&self, command: &str, policy: &str, more: &[&str]) -> Command {
        fs::write(self.place.path().join("policy.yaml"), policy).unwrap();
        let mut program = self.program(command, more);
        program.arg("policy.yaml");
        if !more.contains(&"--filters") {
            program.arg("--filters").arg(&self.filters);
        }
        program
    }

    /// Brings a policy.
    pub(crate) fn apply(&self, policy: &str, more: &[&str]) -> Said {
        Said(self.command("apply", policy, more).output().unwrap())
    }

    /// Brings the one before back.
    pub(crate) fn rollback(&self) -> Said {
        Said(self.program("rollback", &[]).output().unwrap())
    }

    fn program(&self, command: &str, more: &[&str]) -> Command {
        let mut program = program(self.place.path());
        program.arg(command).args(["--xds-dir", "xds", "--linger", "300ms"]).args(more);
        if !more.contains(&"--admin") {
            program.arg("--admin").arg(self.envoy.admin_address().to_string());
        }
        program
    }
}

fn program(place: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.current_dir(place).env("WEIR_TEST_PEPPER", "dGhlIHBlcHBlciBvZiB0aGUgdGVzdHMsIGxvbmcgZW5vdWdo");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl Said {
    /// It has ended so, and said this.
    #[track_caller]
    pub(crate) fn ended(&self, code: i32, words: &str) {
        let said = String::from_utf8_lossy(&self.0.stdout) + String::from_utf8_lossy(&self.0.stderr);
        assert!(
            self.0.status.code() == Some(code) && said.contains(words),
            "not {code} with {words:?}: {:?}\n{said}",
            self.0.status
        );
    }

    /// The policy serves.
    #[track_caller]
    pub(crate) fn serves(&self) {
        self.ended(0, "and serves after");
    }
}
