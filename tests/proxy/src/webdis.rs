//! A real webdis: Redis as a web server.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

use crate::child::{Child, Failure};
use crate::client;
use crate::deadline::{Deadline, PATIENCE};
use crate::folder::Folder;
use crate::message::Request;
use crate::redis::on_free_port;

/// A running webdis.
#[derive(Debug)]
pub struct Webdis {
    child: Child,
    port: u16,
    arguments: Vec<OsString>,
}

impl Webdis {
    /// Starts one in front of a Redis. `settings` is the content of a `webdis.json`, as shipped; addresses, ports and
    /// the number of threads are the test's.
    pub fn start(redis_port: u16, settings: &Value) -> Result<Self, Failure> {
        on_free_port(|port| {
            let folder = Folder::new("webdis");
            let mut config = settings.clone();
            if !config.is_object() {
                config = json!({});
            }
            config["redis_host"] = json!("127.0.0.1");
            config["redis_port"] = json!(redis_port);
            config["http_host"] = json!("127.0.0.1");
            config["http_port"] = json!(port);
            config["threads"] = json!(1);
            config["daemonize"] = json!(false);
            config["logfile"] = json!(folder.file("webdis.log"));
            let arguments = vec![folder.write("webdis.json", config.to_string().as_bytes()).into()];
            let child = Child::start("webdis", Path::new("webdis"), &arguments, &[], folder)?;
            let mut webdis = Self { child, port, arguments };
            webdis.wait()?;
            Ok(webdis)
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        self.child.kill();
    }

    /// Starts it again on the same port.
    pub fn restart(&mut self) -> Result<(), Failure> {
        self.child.replace(Path::new("webdis"), &self.arguments)?;
        self.wait()
    }

    /// All that it has logged.
    pub fn log(&self) -> String {
        let file = std::fs::read(self.child.folder().file("webdis.log")).unwrap_or_default();
        self.child.log() + &String::from_utf8_lossy(&file)
    }

    /// Any answer is one: access rules may forbid what is asked.
    fn wait(&mut self) -> Result<(), Failure> {
        let address = self.address();
        let answers = || client::call(address, &Request::get("/PING")).ok().map(drop);
        self.child.wait_for("its first answer", Deadline::after(PATIENCE), answers)
    }
}
