//! A million clients that come once: what they may cost, and what they may not.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unwrap_used)]

use std::fmt::Write;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::{SocketAddr, TcpStream};

use suite::Scenario;

/// Rules, each with a key of its own, so that one request is as many clients.
const RULES: usize = 10;
/// Requests that are sent before their answers are read.
const BATCH: usize = 100;

/// Ten tables that have together twice as many slots as one has by default.
fn config() -> String {
    let rules: Vec<_> = (0..RULES)
        .map(|n| format!(r#"{{"name": "rule{n}", "key": ["header:x-key-{n}"], "limit": {{"rate": "1000/m"}}}}"#))
        .collect();
    format!(r#"{{"rules": [{}], "slots": 410}}"#, rules.join(","))
}

/// Sends requests `from` to `to`, each with ten keys that no other has; all must be answered with 200.
fn flood(proxy: SocketAddr, from: usize, to: usize) {
    let mut connection = BufReader::new(TcpStream::connect(proxy).expect("the proxy listens"));
    for batch in (from..to).step_by(BATCH) {
        let mut requests = String::new();
        for request in batch..to.min(batch + BATCH) {
            requests += "GET / HTTP/1.1\r\nhost: test\r\n";
            for rule in 0..RULES {
                let _ = write!(requests, "x-key-{rule}: {request}\r\n");
            }
            requests += "\r\n";
        }
        connection.get_mut().write_all(requests.as_bytes()).expect("the proxy reads");
        for _ in batch..to.min(batch + BATCH) {
            read_answer(&mut connection);
        }
    }
}

fn read_answer(connection: &mut BufReader<TcpStream>) {
    let mut line = String::new();
    connection.read_line(&mut line).expect("the proxy answers");
    assert!(line.starts_with("HTTP/1.1 200 "), "{line}");
    let mut length = 0;
    while line.trim_end() != "" {
        line.clear();
        connection.read_line(&mut line).expect("the proxy answers");
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.trim_end().parse().expect("a length is a number");
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).expect("the proxy sends the whole body");
}

#[test]
fn a_million_clients_leave_envoy_s_memory_where_a_thousand_left_it() {
    let config = config();
    let stage = Scenario::new(&[("ratelimit", &config)]).envoy().expect("Envoy starts");
    let resident = || stage.envoy.resident_bytes().expect("Envoy runs");
    let address = stage.envoy.address();
    for _ in 0..50 {
        flood(address, 0, 100);
    }
    let before = resident();
    std::thread::scope(|scope| {
        for half in [100..50_000, 50_000..100_000] {
            scope.spawn(move || flood(address, half.start, half.end));
        }
    });
    let after = resident();
    assert!(after * 10 <= before * 11, "a thousand keys left {before} bytes, a million left {after}");
}
