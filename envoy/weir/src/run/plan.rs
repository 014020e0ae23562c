//! What is to be run: a checked policy with the command line's choices in it, and the programs and files it needs.

use std::env;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::command;
use crate::document::{Document, Reading};
use crate::envoy::Plan;
use crate::run::port::{self, Held};
use crate::run::{Failure, Options};
use crate::translate;

/// A policy and all that it is run with.
pub struct Launch<'a> {
    /// The command line.
    pub options: &'a Options,
    /// The policy that Envoy has, or is about to get.
    pub document: Document,
    /// Envoy.
    pub program: PathBuf,
    /// The folder of the filters, as an absolute path.
    filters: PathBuf,
    listen: SocketAddr,
    admin: SocketAddr,
    /// The port to serve at, until Envoy has it.
    held: Option<Held>,
}

impl<'a> Launch<'a> {
    /// Reads the policy and looks for everything that the run needs.
    ///
    /// # Errors
    /// What is missing, taken or wrong.
    pub fn new(options: &'a Options) -> Result<Self, Failure> {
        let document = read(options)?;
        let program = program(options)?;
        let filters = filters(&options.filters)?;
        let policy = &document.policy;
        let (listen, held) = port::hold(chosen(policy.listen.value, options.port), "--port")?;
        let admin = port::free(chosen(policy.admin.value, options.admin_port), "--admin-port")?;
        let mut launch = Self { options, document, program, filters, listen, admin, held: Some(held) };
        launch.document = launch.placed(launch.document_of()?);
        Ok(launch)
    }

    /// Lets the port go: Envoy has it.
    pub fn served(&mut self) {
        self.held = None;
    }

    /// Reads the policy again.
    ///
    /// # Errors
    /// What is wrong with it has been said.
    pub fn document_of(&self) -> Result<Document, Failure> {
        read(self.options)
    }

    /// The same policy at the ports that were chosen for this run. A port of the policy itself may change while it runs.
    pub fn placed(&self, mut document: Document) -> Document {
        let policy = &mut document.policy;
        if self.options.port.is_some() {
            policy.listen.value.set_port(self.listen.port());
        } else if policy.listen.value.port() == 0 {
            policy.listen.value = self.listen;
        }
        // Only a restart moves the administration interface.
        policy.admin.value = self.admin;
        document
    }

    /// What is rendered of a policy.
    pub fn plan_of<'d>(&'d self, document: &'d Document) -> Plan<'d> {
        Plan { policy: &document.policy, filters: &document.filters, wasm: &self.filters }
    }
}

fn read(options: &Options) -> Result<Document, Failure> {
    command::load(&options.file, &Reading { sandbox: options.sandbox.as_deref(), ..Reading::default() })
        .ok_or(Failure::Said)
}

fn chosen(mut address: SocketAddr, port: Option<u16>) -> SocketAddr {
    address.set_port(port.unwrap_or(address.port()));
    address
}

/// Envoy: the option, the environment, the project's own, the first on the path.
fn program(options: &Options) -> Result<PathBuf, Failure> {
    let said = options.envoy.clone().or_else(|| env::var_os("WEIR_ENVOY").map(PathBuf::from));
    if let Some(program) = said {
        let missing = || Failure::because(format!("there is no Envoy at {}", program.display()));
        return if program.is_file() { Ok(program) } else { Err(missing()) };
    }
    let own = PathBuf::from(".tools/envoy/bin/envoy");
    let path = env::var_os("PATH").unwrap_or_default();
    let elsewhere = env::split_paths(&path).map(|folder| folder.join("envoy"));
    let found = std::iter::once(own).chain(elsewhere).find(|program| program.is_file());
    found.ok_or_else(|| Failure::because("there is no Envoy here: `make envoy` fetches it, or name one with --envoy"))
}

fn filters(folder: &Path) -> Result<PathBuf, Failure> {
    for name in translate::MODULES {
        let file = folder.join(format!("{name}.wasm"));
        if !file.is_file() {
            let reason =
                format!("there is no {}: `make wasm` builds it, or name the folder with --filters", file.display());
            return Err(Failure::because(reason));
        }
    }
    folder.canonicalize().map_err(|error| Failure::because(format!("{}: {error}", folder.display())))
}
