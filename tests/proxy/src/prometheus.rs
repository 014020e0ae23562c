//! A real Prometheus, and `promtool`, which comes with it.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::child::{Child, Failure};
use crate::client;
use crate::deadline::{Deadline, PATIENCE};
use crate::folder::Folder;
use crate::message::Request;
use crate::redis::on_free_port;

/// How long between two looks at what it knows: it learns something new when it looks at its targets, no sooner.
const PAUSE: Duration = Duration::from_millis(100);

/// A running Prometheus.
#[derive(Debug)]
pub struct Prometheus {
    child: Child,
    address: SocketAddr,
}

impl Prometheus {
    /// Starts one on a configuration and the files that it names beside itself, and waits until it answers.
    pub fn start(config: &str, files: &[(&str, &[u8])]) -> Result<Self, Failure> {
        on_free_port(|port| {
            let folder = Folder::new("prometheus");
            for (name, bytes) in files {
                folder.write(name, bytes);
            }
            let address = SocketAddr::from(([127, 0, 0, 1], port));
            let arguments: Vec<OsString> = vec![
                "--config.file".into(),
                folder.write("prometheus.yml", config.as_bytes()).into(),
                "--storage.tsdb.path".into(),
                folder.file("data").into(),
                "--web.listen-address".into(),
                address.to_string().into(),
            ];
            let child = Child::start("prometheus", Path::new("prometheus"), &arguments, &[], folder)?;
            let mut prometheus = Self { child, address };
            let is_ready = || client::call(address, &Request::get("/-/ready")).is_ok_and(|answer| answer.status == 200);
            prometheus.child.wait_for("readiness", Deadline::after(PATIENCE), || is_ready().then_some(()))?;
            Ok(prometheus)
        })
    }

    /// The `data` of what its API answers to `GET /api/v1/<path>`; what it finds wrong with that otherwise.
    pub fn ask(&self, path: &str) -> Result<Value, String> {
        let answer = client::call(self.address, &Request::get(&format!("/api/v1/{path}")));
        let answer = answer.map_err(|lost| format!("{lost}\n{}", self.log()))?;
        let mut said: Value = serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
        match said.get("error").and_then(Value::as_str) {
            Some(error) => Err(error.to_owned()),
            None => Ok(said["data"].take()),
        }
    }

    /// The series that an expression is now, each with its labels (`metric`) and its value, which may be `NaN`.
    pub fn query(&self, expression: &str) -> Result<Vec<(Value, f64)>, String> {
        let mut data = self.ask(&format!("query?query={}", encoded(expression)))?;
        let number = |value: &Value| value.as_str()?.parse::<f64>().ok();
        let Value::Array(series) = data["result"].take() else { return Err(format!("no series: {data}")) };
        let mut found = Vec::new();
        for mut one in series {
            // A scalar is one moment and one number, a series has them as its value.
            let value = number(&one["value"][1]).ok_or_else(|| format!("no number: {one}"))?;
            found.push((one["metric"].take(), value));
        }
        Ok(found)
    }

    /// Waits until an expression is a number, of any series; what it was last where the deadline came first.
    pub fn wait_for_number(&self, expression: &str, deadline: Deadline) -> Result<(), String> {
        loop {
            let found = self.query(expression)?;
            if found.iter().any(|(_, value)| value.is_finite()) {
                return Ok(());
            }
            let Some(left) = deadline.left() else { return Err(format!("{found:?}")) };
            thread::sleep(PAUSE.min(left));
        }
    }

    /// All that it has logged.
    pub fn log(&self) -> String {
        self.child.log()
    }
}

/// Runs `promtool` in a folder; what it says where it finds something wrong.
pub fn promtool(folder: &Path, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("promtool").args(arguments).current_dir(folder).output();
    let output = output.map_err(|error| format!("promtool (of Debian's `prometheus`): {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

fn encoded(text: &str) -> String {
    let byte = |byte: u8| {
        if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_written_as_part_of_a_url() {
        assert_eq!(encoded(r#"sum(a{b="c d"}[5m])"#), "sum%28a%7Bb%3D%22c%20d%22%7D%5B5m%5D%29");
    }
}
