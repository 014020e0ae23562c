//! A bridge that speaks Upstash's REST dialect in front of a real Redis: `POST /` with a JSON array of words.
//!
//! <https://upstash.com/docs/redis/features/restapi>: `Authorization: Bearer`, `Upstash-Encoding: base64`, `{"result": …}` or
//! `{"error": …}`. Of the rest of it, nothing.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::{Value as Json, json};

use crate::message::Request;
use crate::origin::{Reply, receive};
use crate::redis::{Value, call};
use crate::wire::Wire;

/// A running bridge on a port that the kernel chose.
#[derive(Debug)]
pub struct Upstash {
    address: SocketAddr,
    closing: Arc<AtomicBool>,
}

impl Upstash {
    /// Starts one in front of the Redis at `redis`; it demands this token.
    ///
    /// # Panics
    /// When the machine has no port left.
    pub fn start(redis: SocketAddr, token: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port on the loopback");
        let address = listener.local_addr().expect("a bound listener has an address");
        let closing = Arc::new(AtomicBool::new(false));
        let (ends, bearer) = (Arc::clone(&closing), format!("Bearer {token}"));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                if ends.load(Ordering::Relaxed) {
                    return;
                }
                let bearer = bearer.clone();
                thread::spawn(move || serve(stream, redis, &bearer));
            }
        });
        Self { address, closing }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Upstash {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts, so that it sees the end and frees the port.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(stream: TcpStream, redis: SocketAddr, bearer: &str) {
    let mut wire = Wire::new(stream);
    while let Some(request) = receive(&mut wire) {
        let (status, body) = answer(&request, redis, bearer);
        let reply = Reply::status(status).header("content-type", "application/json").body(body.to_string());
        if wire.stream().write_all(&reply.encode(false)).is_err() {
            return;
        }
    }
}

fn answer(request: &Request, redis: SocketAddr, bearer: &str) -> (u16, Json) {
    if request.first("authorization") != Some(bearer.as_bytes()) {
        return (401, json!({"error": "Unauthorized"}));
    }
    let words: Vec<String> = match serde_json::from_slice(&request.body.concat()) {
        Ok(words) if request.method == b"POST" && request.path() == b"/" => words,
        _ => return (400, json!({"error": "ERR failed to parse command"})),
    };
    let encoded = request.first("upstash-encoding") == Some(b"base64");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match call(redis, &words) {
        Ok(Value::Error(error)) => (400, json!({"error": error})),
        Ok(value) => (200, json!({"result": result(&value, encoded)})),
        Err(error) => (500, json!({"error": error.to_string()})),
    }
}

fn result(value: &Value, encoded: bool) -> Json {
    let text = |bytes: &[u8]| if encoded { base64(bytes) } else { String::from_utf8_lossy(bytes).into_owned() };
    match value {
        Value::Status(status) if status == "OK" => json!("OK"),
        Value::Status(word) | Value::Error(word) => json!(text(word.as_bytes())),
        Value::Integer(number) => json!(number),
        Value::Bytes(bytes) => json!(text(bytes)),
        Value::Nothing => Json::Null,
        Value::List(list) => list.iter().map(|value| result(value, encoded)).collect(),
    }
}

/// RFC 4648 §4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let letter = char::from(ALPHABET[bits >> (18 - 6 * place) & 63]);
            text.push(if place <= chunk.len() { letter } else { '=' });
        }
    }
    text
}
