//! A real registry of images: Docker's own.

use std::net::SocketAddr;
use std::path::Path;

use crate::child::{Child, Failure};
use crate::client;
use crate::deadline::{Deadline, PATIENCE};
use crate::folder::Folder;
use crate::message::Request;
use crate::redis::on_free_port;

/// Who may use a registry.
#[derive(Clone, Debug)]
pub enum Access {
    /// Everybody.
    Anyone,
    /// Who is in a file of `htpasswd`, whose one line this is.
    Known(String),
    /// Whoever has been at this address for a token. Any token will do.
    Token(String),
}

/// A running registry.
#[derive(Debug)]
pub struct Registry {
    child: Child,
    port: u16,
}

impl Registry {
    /// Starts an empty one and waits until it answers.
    pub fn start(access: &Access) -> Result<Self, Failure> {
        on_free_port(|port| {
            let folder = Folder::new("registry");
            let auth = match access {
                Access::Anyone => String::new(),
                Access::Known(line) => {
                    let file = folder.write("htpasswd", line.as_bytes());
                    format!("auth: {{htpasswd: {{realm: tests, path: {}}}}}\n", file.display())
                }
                Access::Token(realm) => format!("auth: {{silly: {{realm: {realm:?}, service: registry-of-tests}}}}\n"),
            };
            let stored = folder.file("data");
            let config = format!(
                "version: 0.1\nlog: {{level: warn}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: 127.0.0.1:{port}}}\n{auth}",
                stored.display()
            );
            let arguments = ["serve".into(), folder.write("config.yml", config.as_bytes()).into()];
            let child = Child::start("docker-registry", Path::new("docker-registry"), &arguments, &[], folder)?;
            let mut registry = Self { child, port };
            registry.wait()?;
            Ok(registry)
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// All that it has logged.
    pub fn log(&self) -> String {
        self.child.log()
    }

    /// Any answer is one: who asks may have to say more.
    fn wait(&mut self) -> Result<(), Failure> {
        let address = self.address();
        let answers = || client::call(address, &Request::get("/v2/")).ok().map(drop);
        self.child.wait_for("its first answer", Deadline::after(PATIENCE), answers)
    }
}
