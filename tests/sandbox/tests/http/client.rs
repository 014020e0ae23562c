//! A client that sees everything: one request on one connection, and the bytes that come back.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use base64ct::{Base64, Encoding};
use sandbox::{CLIENT_ID, CLIENT_SECRET, Sandbox, Upstream};
use serde_json::Value;

/// An answer, as far as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head that ends");
        let head = String::from_utf8_lossy(&bytes[..end]);
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status line");
        let headers =
            lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        Self { status, headers: headers.collect(), body: bytes[end + 4..].to_vec() }
    }

    /// The first value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a body of JSON")
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("a body of text")
    }
}

/// Sends bytes and reads until the other side ends: what came, and how it ended.
pub(crate) fn exchange(address: SocketAddr, request: &[u8]) -> (Vec<u8>, io::Result<()>) {
    let mut stream = TcpStream::connect(address).expect("a listening sandbox");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
    stream.write_all(request).expect("an open connection");
    let mut bytes = Vec::new();
    let ended = stream.read_to_end(&mut bytes).map(drop);
    (bytes, ended)
}

/// One request in HTTP/1.1, as bytes.
pub(crate) fn written(method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let length = body.len().to_string();
    let own = [("host", "sandbox.example"), ("connection", "close"), ("content-length", &length)];
    let lines: String = own.iter().chain(headers).flat_map(|(name, value)| [name, ": ", value, "\r\n"]).collect();
    format!("{method} {target} HTTP/1.1\r\n{lines}\r\n{body}").into_bytes()
}

/// Sends one request and reads its answer.
pub(crate) fn send(sandbox: &Sandbox, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let (bytes, ended) = exchange(sandbox.address(), &written(method, target, headers, body));
    ended.expect("an answer that ends in order");
    Answer::parse(&bytes)
}

/// `GET`.
pub(crate) fn get(sandbox: &Sandbox, target: &str, headers: &[(&str, &str)]) -> Answer {
    send(sandbox, "GET", target, headers, "")
}

/// `POST` of JSON.
pub(crate) fn post(sandbox: &Sandbox, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let headers = [&[("content-type", "application/json")], headers].concat();
    send(sandbox, "POST", target, &headers, body)
}

/// `Basic …` of an id and a secret.
pub(crate) fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", Base64::encode_string(format!("{id}:{secret}").as_bytes()))
}

/// `Bearer …` of a fresh token, for Spotify or Beatport.
pub(crate) fn bearer(sandbox: &Sandbox, upstream: Upstream) -> String {
    let path = match upstream {
        Upstream::Spotify => "/spotify-accounts/api/token",
        Upstream::Beatport => "/beatport/v4/auth/o/token/",
        other => panic!("{other:?} issues no tokens"),
    };
    let credentials = basic(CLIENT_ID, CLIENT_SECRET);
    let headers = [("authorization", credentials.as_str()), ("content-type", "application/x-www-form-urlencoded")];
    let answer = send(sandbox, "POST", path, &headers, "grant_type=client_credentials");
    assert_eq!(answer.status, 200, "{answer:?}");
    format!("Bearer {}", answer.json()["access_token"].as_str().expect("a token"))
}
