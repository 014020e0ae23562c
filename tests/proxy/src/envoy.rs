//! A real Envoy with a bootstrap of the test's choice.

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::child::{Child, Failure};
use crate::client;
use crate::deadline::{Deadline, PATIENCE};
use crate::folder::Folder;
use crate::message::Request;
use crate::process;

/// How long it may take to start: compiling several filters on a busy machine takes seconds.
const START: Duration = Duration::from_mins(1);

/// How Envoy is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which Envoy: [`program`], where nothing else is said.
    pub program: PathBuf,
    /// The number of workers.
    pub concurrency: usize,
    /// As in `warning,wasm:info`: the general level, then levels of components.
    pub log_level: String,
    /// Environment variables of the process.
    pub environment: Vec<(String, String)>,
    /// The administration's port, whatever the bootstrap says; the kernel's choice where it is 0.
    pub admin_port: u16,
    /// More arguments.
    pub arguments: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        let log_level = "warning,wasm:info,main:error".to_owned();
        let (environment, arguments) = (Vec::new(), Vec::new());
        Self { program: program(), concurrency: 2, log_level, environment, admin_port: 0, arguments }
    }
}

/// A running Envoy.
#[derive(Debug)]
pub struct Envoy {
    child: Child,
    admin: SocketAddr,
    listeners: Vec<(String, SocketAddr)>,
}

impl Envoy {
    /// Starts Envoy on a bootstrap (YAML or JSON) and waits until it serves.
    ///
    /// Its listeners should have port 0. The failure holds the whole log.
    pub fn start(bootstrap: &str) -> Result<Self, Failure> {
        Self::start_with(bootstrap, &Options::default())
    }

    /// Starts Envoy as the options say.
    pub fn start_with(bootstrap: &str, options: &Options) -> Result<Self, Failure> {
        let program = &options.program;
        if !program.is_file() {
            let reason = format!("Envoy is not at {}: run `make test`, or set WEIR_ENVOY", program.display());
            return Err(Failure { reason, log: String::new() });
        }
        let folder = Folder::new("envoy");
        let config = folder.write("bootstrap.yaml", bootstrap.as_bytes());
        let admin_file = folder.file("admin");
        let (level, components) = options.log_level.split_once(',').unwrap_or((&options.log_level, "wasm:info"));
        let port = options.admin_port;
        let admin = format!("admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}");
        let mut arguments: Vec<OsString> =
            vec!["--config-path".into(), config.into(), "--config-yaml".into(), admin.into()];
        arguments.extend(["--admin-address-path".into(), admin_file.clone().into(), "--use-dynamic-base-id".into()]);
        arguments.extend(["--concurrency".into(), options.concurrency.to_string().into()]);
        arguments.extend(["--log-level", level, "--component-log-level", components].map(OsString::from));
        // Access logs are read by tests; the default is ten seconds.
        arguments.extend(["--file-flush-interval-msec", "10"].map(OsString::from));
        arguments.extend(options.arguments.iter().map(OsString::from));
        let mut child = Child::start("Envoy", program, &arguments, &options.environment, folder)?;
        let deadline = Deadline::after(START);
        let admin = child.wait_for("its administration port", deadline, || {
            fs::read_to_string(&admin_file).ok()?.trim().parse::<SocketAddr>().ok()
        })?;
        child.wait_for("readiness", deadline, || {
            let answer = client::call(admin, &Request::get("/ready")).ok()?;
            (answer.status == 200).then_some(())
        })?;
        let listeners = child.wait_for("its listeners", deadline, || listeners(admin))?;
        Ok(Self { child, admin, listeners })
    }

    /// Where its first listener listens.
    ///
    /// # Panics
    /// When the bootstrap has no listener on a network address.
    pub fn address(&self) -> SocketAddr {
        self.listeners.first().expect("the bootstrap has a listener").1
    }

    /// Where the listener of this name listens.
    pub fn listener(&self, name: &str) -> Option<SocketAddr> {
        self.listeners.iter().find(|(listener, _)| listener == name).map(|(_, address)| *address)
    }

    /// Where its administration listens.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// What its administration answers to `GET path`.
    ///
    /// # Panics
    /// When it does not answer: Envoy has died.
    pub fn admin(&self, path: &str) -> String {
        let answer = client::call(self.admin, &Request::get(path));
        let answer =
            answer.unwrap_or_else(|lost| panic!("Envoy's {path}: {lost}\n{}", crate::child::tail(&self.log())));
        String::from_utf8_lossy(&answer.body).into_owned()
    }

    /// Sends `POST path` to its administration, as in `/quitquitquit`.
    pub fn command(&self, path: &str) -> Result<(), client::Lost> {
        client::call(self.admin, &Request::new("POST", path).body("")).map(drop)
    }

    /// Its statistics, `name: value` a line.
    pub fn stats(&self) -> String {
        self.admin("/stats")
    }

    /// Its statistics as Prometheus reads them.
    pub fn prometheus(&self) -> String {
        self.admin("/stats?format=prometheus")
    }

    /// One counter or gauge of [`Envoy::stats`], by its whole name; `None` where there is none.
    pub fn stat(&self, name: &str) -> Option<u64> {
        let stats = self.stats();
        stats.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")?.parse().ok())
    }

    /// The bytes that its allocator says are in use (`/memory`).
    pub fn allocated_bytes(&self) -> Option<u64> {
        let memory: Value = serde_json::from_str(&self.admin("/memory")).ok()?;
        memory.get("allocated")?.as_str()?.parse().ok()
    }

    /// Its resident memory, in bytes; `None` when it has ended.
    pub fn resident_bytes(&self) -> Option<u64> {
        process::resident_bytes(self.child.id())
    }

    /// The CPU time that it has used, in steps of 10 ms; `None` when it has ended.
    pub fn cpu_time(&self) -> Option<Duration> {
        process::cpu_time(self.child.id())
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// All that it has logged.
    pub fn log(&self) -> String {
        self.child.log()
    }

    /// Waits until its log contains a text; `false` when it does not come.
    pub fn wait_for_log(&self, text: &str) -> bool {
        Deadline::after(PATIENCE).wait_until(|| self.log().contains(text))
    }

    /// How it ended; `None` while it runs.
    pub fn ending(&mut self) -> Option<String> {
        self.child.ending()
    }

    /// The folder of its bootstrap, for files that it writes or watches.
    pub fn folder(&self) -> &Path {
        self.child.folder().path()
    }
}

/// `$WEIR_ENVOY`, or where `make` puts it.
pub fn program() -> PathBuf {
    let prepared = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/envoy/bin/envoy");
    std::env::var_os("WEIR_ENVOY").map_or_else(prepared, PathBuf::from)
}

/// Names and network addresses of the listeners; `None` where the administration does not say.
fn listeners(admin: SocketAddr) -> Option<Vec<(String, SocketAddr)>> {
    let answer = client::call(admin, &Request::get("/listeners?format=json")).ok()?;
    let parsed: Value = serde_json::from_slice(&answer.body).ok()?;
    let listener = |status: &Value| {
        let address = status.pointer("/local_address/socket_address")?;
        let text = format!("{}:{}", address.get("address")?.as_str()?, address.get("port_value")?);
        Some((status.get("name")?.as_str()?.to_owned(), text.parse().ok()?))
    };
    let Some(statuses) = parsed.get("listener_statuses") else { return Some(Vec::new()) };
    Some(statuses.as_array()?.iter().filter_map(listener).collect())
}
