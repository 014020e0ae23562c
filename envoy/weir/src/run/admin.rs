//! Envoy's administration interface, as far as a run asks it anything.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// More of an answer is not read.
const ANSWER_BYTES_MAX: u64 = 16 << 20;
const PATIENCE: Duration = Duration::from_secs(2);

/// The interface at its address.
#[derive(Clone, Copy, Debug)]
pub struct Admin(SocketAddr);

impl Admin {
    /// The interface at this address.
    pub const fn at(address: SocketAddr) -> Self {
        Self(address)
    }

    /// Its address.
    pub const fn address(&self) -> SocketAddr {
        self.0
    }

    /// Whether Envoy says that it serves.
    pub fn is_ready(&self) -> bool {
        self.ask("/ready").is_some_and(|body| body.trim() == "LIVE")
    }

    /// Whether anybody is at its address: whoever is busy answers late, and whoever has ended refuses.
    pub fn is_there(&self) -> bool {
        let refused = |error: std::io::Error| error.kind() == std::io::ErrorKind::ConnectionRefused;
        !TcpStream::connect_timeout(&self.0, PATIENCE).is_err_and(refused)
    }

    /// How many listeners serve; `None` where it does not answer.
    pub fn listeners(&self) -> Option<u64> {
        self.number("listener_manager.total_listeners_active")
    }

    /// How many listeners wait for something before they can serve; `None` where it does not answer.
    pub fn warming(&self) -> Option<u64> {
        self.number("listener_manager.total_listeners_warming")
    }

    /// The version of this kind that Envoy has taken over.
    pub fn version(&self, kind: &str) -> Option<String> {
        let name = format!("{kind}.version_text");
        let body = self.ask(&format!("/stats?type=TextReadouts&filter=^{name}$"))?;
        body.lines().find_map(|line| Some(line.strip_prefix(&name)?.trim_matches([':', ' ', '"']).to_owned()))
    }

    /// The versions of all that Envoy has taken over, by kind.
    pub fn versions(&self) -> HashMap<String, String> {
        let body = self.ask("/stats?type=TextReadouts&filter=version_text$").unwrap_or_default();
        let version = |line: &str| {
            let (kind, text) = line.split_once(".version_text: ")?;
            Some((kind.to_owned(), text.trim_matches('"').to_owned()))
        };
        body.lines().filter_map(version).collect()
    }

    /// How many updates Envoy has refused, by kind; `None` where it does not answer.
    pub fn refusals(&self) -> Option<HashMap<String, u64>> {
        let body = self.ask("/stats?filter=%5C.update_(rejected|failure)$")?;
        let mut counts = HashMap::new();
        for line in body.lines() {
            let Some((name, count)) = line.rsplit_once(": ") else { continue };
            let Some((kind, _)) = name.rsplit_once(".update_") else { continue };
            *counts.entry(kind.to_owned()).or_default() += count.trim().parse::<u64>().unwrap_or_default();
        }
        Some(counts)
    }

    /// What Envoy has against the last update of a resource (`dynamic_listeners`), where it says so.
    pub fn details(&self, resource: &str) -> Option<String> {
        let dump = self.ask(&format!("/config_dump?resource={resource}"))?;
        let dump: serde_json::Value = serde_json::from_str(&dump).ok()?;
        let mut configs = dump.get("configs")?.as_array()?.iter();
        configs.find_map(|config| Some(config.pointer("/error_state/details")?.as_str()?.trim().to_owned()))
    }

    /// All statistics whose names match, as Prometheus reads them.
    pub fn prometheus(&self, filter: &str) -> Option<String> {
        self.ask(&format!("/stats/prometheus?filter={filter}"))
    }

    fn number(&self, name: &str) -> Option<u64> {
        let body = self.ask(&format!("/stats?filter=^{name}$"))?;
        body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")?.trim().parse().ok())
    }

    /// The body of an answer with status 200.
    fn ask(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect_timeout(&self.0, PATIENCE).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.0).ok()?;
        let mut answer = String::new();
        stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
        head.starts_with("HTTP/1.1 200").then(|| if chunked { joined(body) } else { body.to_owned() })
    }
}

/// The chunks of a body (RFC 9112 §7.1) put together.
fn joined(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        let Some(chunk) = rest.get(..size).filter(|chunk| !chunk.is_empty()) else { break };
        whole.push_str(chunk);
        body = rest.get(size + 2..).unwrap_or_default();
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_put_together() {
        assert_eq!(joined("3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n"), "abc0123456789");
        assert_eq!(joined("ff\r\nabc"), "");
        assert_eq!(joined(""), "");
    }
}
