//! An HTTP/1.1 server that answers as the test says, and remembers what it received.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::deadline::{Deadline, PATIENCE};
use crate::message::{Field, Request, encode_chunk, encode_fields, encode_rest};
use crate::wire::{Body, Framing, Wire};

/// How long a connection may stay idle: longer than any test.
const IDLE: Duration = Duration::from_hours(1);

/// How the origin answers.
#[derive(Clone, Debug)]
pub struct Reply {
    /// As in 200.
    pub status: u16,
    /// In their order.
    pub headers: Vec<Field>,
    /// None, one with a length, or several as chunks.
    pub body: Vec<Vec<u8>>,
    /// Sent after a chunked body.
    pub trailers: Vec<Field>,
    /// How it ends.
    pub fate: Fate,
    /// Whether it waits for [`Origin::release`].
    pub held: bool,
}

/// How an answer ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// As it should.
    Whole,
    /// The connection closes in the middle of the body.
    Cut,
    /// The connection is reset before anything is answered.
    Reset,
}

impl Reply {
    /// A status without headers and body.
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), trailers: Vec::new(), fate: Fate::Whole, held: false }
    }

    /// The same with one more header.
    #[must_use]
    pub fn header(mut self, name: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same with one more part of the body.
    #[must_use]
    pub fn body(mut self, part: impl Into<Vec<u8>>) -> Self {
        self.body.push(part.into());
        self
    }

    /// The same, but nothing is answered before [`Origin::release`].
    #[must_use]
    pub fn held(mut self) -> Self {
        self.held = true;
        self
    }

    /// The bytes on the wire, as far as they are sent.
    pub(crate) fn encode(&self, bodiless: bool) -> Vec<u8> {
        let mut bytes = format!("HTTP/1.1 {} -\r\n", self.status).into_bytes();
        if bodiless {
            let mut headers = self.headers.clone();
            if crate::message::first(&headers, "content-length").is_none() && !matches!(self.status, 204 | 304) {
                let length = self.body.iter().map(Vec::len).sum::<usize>();
                headers.push((b"content-length".to_vec(), length.to_string().into_bytes()));
            }
            encode_rest(&mut bytes, &headers, &[], &[], false);
        } else if self.fate == Fate::Cut && self.body.len() > 1 {
            encode_fields(&mut bytes, &self.headers);
            bytes.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
            self.body.iter().for_each(|part| encode_chunk(&mut bytes, part));
        } else {
            encode_rest(&mut bytes, &self.headers, &self.body, &self.trailers, true);
            if self.fate == Fate::Cut {
                let missing = self.body.iter().map(Vec::len).sum::<usize>().div_ceil(2);
                bytes.truncate(bytes.len() - missing);
            }
        }
        bytes
    }
}

/// What the test has said and the origin has seen.
#[derive(Debug)]
struct State {
    general: Reply,
    paths: BTreeMap<Vec<u8>, Reply>,
    received: Vec<Request>,
    /// When each of them had come whole.
    arrivals: Vec<Instant>,
    /// How many of these are not held any more, whatever their answers say.
    released: usize,
    connections: Vec<TcpStream>,
    closing: bool,
}

impl State {
    fn reply(&self, path: &[u8]) -> &Reply {
        self.paths.get(path).unwrap_or(&self.general)
    }
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A server on a thread of its own, on a port that the kernel chose.
#[derive(Debug)]
pub struct Origin {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Origin {
    /// Starts one that answers 200 with an empty body.
    ///
    /// # Panics
    /// When the machine has no port left.
    pub fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port on the loopback");
        let address = listener.local_addr().expect("a bound listener has an address");
        let state = State {
            general: Reply::status(200),
            paths: BTreeMap::new(),
            received: Vec::new(),
            arrivals: Vec::new(),
            released: 0,
            connections: Vec::new(),
            closing: false,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accept(&listener, &accepting));
        Self { address, shared }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers like this from here on: on one path (without query), or on all that have no answer of their own.
    pub fn answer(&self, path: Option<&str>, reply: Reply) {
        let mut state = self.shared.lock();
        match path {
            Some(path) => drop(state.paths.insert(path.into(), reply)),
            None => state.general = reply,
        }
        self.shared.changed.notify_all();
    }

    /// Answers what it holds, on one path or on all, and holds nothing more there.
    pub fn release(&self, path: Option<&str>) {
        let mut state = self.shared.lock();
        if let Some(path) = path {
            let mut reply = state.reply(path.as_bytes()).clone();
            reply.held = false;
            state.paths.insert(path.into(), reply);
        } else {
            state.general.held = false;
            state.paths.values_mut().for_each(|reply| reply.held = false);
        }
        self.shared.changed.notify_all();
    }

    /// Answers what it holds by now, and goes on to hold what comes.
    pub fn release_received(&self) {
        let mut state = self.shared.lock();
        state.released = state.received.len();
        self.shared.changed.notify_all();
    }

    /// Every request that it has received so far.
    pub fn received(&self) -> Vec<Request> {
        self.shared.lock().received.clone()
    }

    /// When each of these came.
    pub fn arrivals(&self) -> Vec<Instant> {
        self.shared.lock().arrivals.clone()
    }

    /// Waits until it has received so many in all; answers how many it has then.
    pub fn wait_for(&self, count: usize, patience: Duration) -> usize {
        let state = self.shared.lock();
        let waiting = self.shared.changed.wait_timeout_while(state, patience, |state| state.received.len() < count);
        waiting.unwrap_or_else(PoisonError::into_inner).0.received.len()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closing = true;
        for connection in &state.connections {
            let _ = connection.shutdown(Shutdown::Both);
        }
        self.shared.changed.notify_all();
        drop(state);
        // Wakes the thread that accepts, so that it sees the end and frees the port.
        let _ = TcpStream::connect(self.address);
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        let Ok(stream) = stream else { return };
        let mut state = shared.lock();
        if state.closing {
            return;
        }
        if let Ok(copy) = stream.try_clone() {
            state.connections.push(copy);
        }
        drop(state);
        let shared = Arc::clone(shared);
        thread::spawn(move || serve(stream, &shared));
    }
}

/// Answers one connection's requests until it ends.
fn serve(stream: TcpStream, shared: &Shared) {
    let _ = stream.set_nodelay(true);
    let mut wire = Wire::new(stream);
    while let Some(request) = receive(&mut wire) {
        let bodiless = request.method == b"HEAD";
        let path = request.path().to_vec();
        let mut state = shared.lock();
        let reply = state.reply(&path).clone();
        let place = state.received.len();
        state.received.push(request);
        state.arrivals.push(Instant::now());
        shared.changed.notify_all();
        let held =
            |state: &mut State| !state.closing && reply.held && state.reply(&path).held && place >= state.released;
        drop(shared.changed.wait_while(state, held));
        let stream = wire.stream();
        if reply.fate == Fate::Reset {
            let _ = SockRef::from(&*stream).set_linger(Some(Duration::ZERO));
            break;
        }
        let bodiless = bodiless || matches!(reply.status, 204 | 304);
        if stream.write_all(&reply.encode(bodiless)).is_err() || reply.fate == Fate::Cut {
            break;
        }
    }
    // The connection closes with its last handle, which is this function's.
    let peer = wire.stream().peer_addr().ok();
    shared.lock().connections.retain(|connection| connection.peer_addr().ok() != peer);
}

/// The next request, whole; `None` when the connection ends.
pub(crate) fn receive(wire: &mut Wire) -> Option<Request> {
    let head = wire.head(Deadline::after(IDLE)).ok()?;
    let mut words = head.start.split(|byte| *byte == b' ');
    let (method, target) = (words.next()?.to_vec(), words.next()?.to_vec());
    let mut body = Body::default();
    wire.body(head.framing(Framing::None), Deadline::after(PATIENCE), &mut body).ok()?;
    let parts = if body.bytes.is_empty() { Vec::new() } else { vec![body.bytes] };
    Some(Request { method, target, headers: head.fields, body: parts, trailers: body.trailers })
}
