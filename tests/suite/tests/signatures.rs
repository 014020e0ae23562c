//! The table of signatures that the auth filter's own tests hold its verifiers to, shown to whole proxies as tokens.

#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::fmt::Write;

use host::{Host, Plugin, Request};
use suite::Scenario;

/// A line for each signature; its head says what is signed.
const TABLE: &str = include_str!("../../../filters/auth/src/verifier/tests/table.txt");
/// The keys, each named like its algorithm.
const KEYS: &str = include_str!("../../../filters/auth/src/verifier/tests/keys.json");

const CLAIMS: &str =
    "eyJpc3MiOiAiaHR0cHM6Ly9pZC5leGFtcGxlLyIsICJhdWQiOiAiZ2F0ZXdheSIsICJleHAiOiA0MTAyNDQ0ODAwLCAic3ViIjogImFsaWNlIn0";

/// A token, what is to be said of it, and what it is.
struct Row {
    token: String,
    status: u16,
    name: String,
}

fn rows() -> Vec<Row> {
    let rows: Vec<_> = TABLE.lines().filter(|line| !line.starts_with('#')).map(row).collect();
    assert!(rows.len() > 300, "the table has {} rows", rows.len());
    rows
}

fn row(line: &str) -> Row {
    let [algorithm, verdict, rest] = line.splitn(3, ' ').collect::<Vec<_>>()[..] else { panic!("no row: {line}") };
    let Some((signature, name)) = rest.split_once(". ") else { panic!("no row: {line}") };
    let header = text(format!(r#"{{"alg": "{algorithm}", "kid": "{algorithm}"}}"#).as_bytes());
    Row {
        token: format!("{header}.{CLAIMS}.{signature}"),
        status: if verdict == "genuine" { 200 } else { 401 },
        name: format!("{algorithm}: {name}"),
    }
}

/// Base64url without padding (RFC 4648 §5).
fn text(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits: Vec<_> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let digit = |six: &[u8]| (0..6).fold(0, |digit, bit| digit << 1 | usize::from(six.get(bit).copied().unwrap_or(0)));
    bits.chunks(6).map(|six| char::from(DIGITS[digit(six)])).collect()
}

fn config() -> String {
    format!(r#"{{"issuers": [{{"issuer": "https://id.example/", "audiences": ["gateway"], "jwks": {KEYS}}}]}}"#)
}

#[test]
fn a_proxy_says_of_every_signature_what_the_table_says() {
    let mut lines = String::new();
    let rows = rows();
    for Row { token, status, .. } in &rows {
        let _ = writeln!(lines, "GET / authorization=\"Bearer {token}\" @1 -> {status}");
    }
    let (genuine, forged): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.status == 200);
    let unsigned = forged.iter().filter(|row| row.token.ends_with('.')).count();
    let _ = writeln!(lines, "metric api_gateway_auth_requests_total{{outcome=allowed}} {}", genuine.len());
    let _ = writeln!(lines, "metric api_gateway_auth_requests_total{{outcome=refused}} {}", forged.len());
    let _ = writeln!(lines, "!log~\"checked here, more slowly\"");
    assert_eq!(unsigned, 12);
    Scenario::new(&[("auth", &config())]).workers(1).check(&lines);
}

/// As a host other than Envoy may be: the module's own arithmetic answers for all algorithms.
#[test]
fn a_host_without_crypto_says_of_every_signature_what_the_table_says() {
    let module = suite::module::path("auth");
    let plugin = Plugin::new("auth", module).configuration(config());
    let mut host = Host::builder().foreign_functions(false).plugin(plugin).start().unwrap();
    for Row { token, status, name } in rows() {
        let exchange = host.send(0, Request::get("/").header("authorization", format!("Bearer {token}")));
        assert_eq!(exchange.status(), Some(status), "{name}");
    }
}
