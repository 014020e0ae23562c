//! An HTTP/1.1 client that sends any bytes: hostile headers, pipelined requests, half a request.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

use crate::deadline::{Deadline, PATIENCE};
use crate::message::{Answer, Request};
use crate::wire::{Body, Broken, Framing, Wire};

/// Why there was no answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Lost {
    /// Nobody listens there.
    Refused(String),
    /// The connection was closed or reset before an answer began.
    Closed,
    /// The deadline passed.
    Late,
    /// What came is not HTTP/1.1.
    Malformed(String),
}

impl fmt::Display for Lost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(reason) => write!(formatter, "no connection: {reason}"),
            Self::Closed => formatter.write_str("the connection was closed before an answer began"),
            Self::Late => formatter.write_str("no answer in time"),
            Self::Malformed(what) => write!(formatter, "not HTTP/1.1: {what}"),
        }
    }
}

impl From<Broken> for Lost {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Closed => Self::Closed,
            Broken::Late => Self::Late,
            Broken::Malformed(what) => Self::Malformed(what),
        }
    }
}

/// One connection, kept alive.
#[derive(Debug)]
pub struct Client {
    wire: Wire,
    patience: Duration,
    /// The methods of the requests that have no answer yet: an answer to `HEAD` has no body.
    pending: VecDeque<Vec<u8>>,
}

impl Client {
    /// Connects from 127.0.0.1.
    pub fn connect(address: SocketAddr) -> Result<Self, Lost> {
        Self::connect_from(Ipv4Addr::LOCALHOST, address)
    }

    /// Connects from another of the loopback's addresses, as another client.
    pub fn connect_from(source: Ipv4Addr, address: SocketAddr) -> Result<Self, Lost> {
        let refused = |error: io::Error| Lost::Refused(format!("{address}: {error}"));
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).map_err(refused)?;
        socket.bind(&SocketAddr::from((source, 0)).into()).map_err(refused)?;
        socket.connect_timeout(&address.into(), PATIENCE).map_err(refused)?;
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true).map_err(refused)?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(refused)?;
        Ok(Self { wire: Wire::new(stream), patience: PATIENCE, pending: VecDeque::new() })
    }

    /// How long [`Client::receive`] waits for an answer.
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// The port on this side, by which an access log knows the connection.
    ///
    /// # Panics
    /// When the connection has no address any more.
    pub fn port(&mut self) -> u16 {
        self.wire.stream().local_addr().expect("a connected socket has an address").port()
    }

    /// Sends a request and does not wait. What the other side no longer reads is its own matter: it may have answered.
    pub fn send(&mut self, request: &Request) {
        self.pending.push_back(request.method.clone());
        self.send_bytes(&request.encode());
    }

    /// Sends any bytes.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        let _ = self.wire.stream().write_all(bytes);
    }

    /// The next answer on this connection (interim ones left out).
    pub fn receive(&mut self) -> Result<Answer, Lost> {
        let deadline = Deadline::after(self.patience);
        let head = loop {
            let head = self.wire.head(deadline)?;
            let interim = status(&head.start)? < 200 && status(&head.start)? != 101;
            if !interim {
                break head;
            }
        };
        let status = status(&head.start)?;
        let bodiless = matches!(status, 204 | 304) || self.pending.pop_front().is_some_and(|method| method == b"HEAD");
        let framing = if bodiless { Framing::None } else { head.framing(Framing::Connection) };
        let mut body = Body::default();
        let cut = match self.wire.body(framing, deadline, &mut body) {
            Ok(()) => false,
            Err(Broken::Closed) => true,
            Err(other) => return Err(other.into()),
        };
        Ok(Answer { status, headers: head.fields, body: body.bytes, trailers: body.trailers, cut })
    }

    /// Sends a request and waits for its answer.
    pub fn call(&mut self, request: &Request) -> Result<Answer, Lost> {
        self.send(request);
        self.receive()
    }

    /// Goes away with a reset, as a client that crashes.
    pub fn reset(mut self) {
        let _ = SockRef::from(&*self.wire.stream()).set_linger(Some(Duration::ZERO));
    }

    /// Says that nothing more will be sent.
    pub fn finish_sending(&mut self) {
        let _ = self.wire.stream().shutdown(Shutdown::Write);
    }
}

/// Sends one request on a connection of its own.
pub fn call(address: SocketAddr, request: &Request) -> Result<Answer, Lost> {
    Client::connect(address)?.call(request)
}

/// The number in `HTTP/1.1 200 OK`.
fn status(start: &[u8]) -> Result<u16, Lost> {
    let text = std::str::from_utf8(start).ok().filter(|text| text.starts_with("HTTP/1."));
    let status = text.and_then(|text| text.split(' ').nth(1)?.parse().ok());
    status.ok_or_else(|| Lost::Malformed(start.escape_ascii().to_string()))
}
