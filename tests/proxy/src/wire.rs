//! Reading HTTP/1.1 from a connection: heads, bodies by length, by chunks, and to the end of the connection.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;

use crate::deadline::Deadline;
use crate::message::{Field, first};

/// More than any head that a proxy lets pass.
const HEAD_BYTES_MAX: usize = 16 << 20;

/// Why nothing more could be read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Broken {
    /// The other side closed or reset the connection.
    Closed,
    /// The deadline passed.
    Late,
    /// What came is not HTTP/1.1.
    Malformed(String),
}

/// The first line and the fields of a message.
#[derive(Clone, Debug)]
pub struct Head {
    /// As in `HTTP/1.1 200 OK`.
    pub start: Vec<u8>,
    /// In their order.
    pub fields: Vec<Field>,
}

/// Where a body ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Framing {
    /// There is none.
    None,
    /// After so many bytes.
    Length(usize),
    /// After the last chunk.
    Chunks,
    /// With the connection.
    Connection,
}

impl Head {
    /// The framing that the fields announce; `otherwise` where they announce none.
    pub fn framing(&self, otherwise: Framing) -> Framing {
        let chunked =
            first(&self.fields, "transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case(b"chunked"));
        let length =
            first(&self.fields, "content-length").and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
        match (chunked, length) {
            (true, _) => Framing::Chunks,
            (false, Some(length)) => Framing::Length(length),
            (false, None) => otherwise,
        }
    }
}

/// A body as far as it came.
#[derive(Clone, Debug, Default)]
pub struct Body {
    /// Without framing.
    pub bytes: Vec<u8>,
    /// Those after the last chunk.
    pub trailers: Vec<Field>,
}

/// A connection being read.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Wire {
    /// Reads from this connection.
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// The connection, for writing.
    pub fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// The next message's head.
    pub fn head(&mut self, deadline: Deadline) -> Result<Head, Broken> {
        let start = self.line(deadline)?;
        Ok(Head { start, fields: self.fields(deadline)? })
    }

    /// The body that `framing` announces, into `body`, which keeps what came when the rest does not come.
    pub fn body(&mut self, framing: Framing, deadline: Deadline, body: &mut Body) -> Result<(), Broken> {
        match framing {
            Framing::None => Ok(()),
            Framing::Length(length) => self.take(length, deadline, &mut body.bytes),
            Framing::Connection => match self.take(usize::MAX, deadline, &mut body.bytes) {
                Err(Broken::Closed) => Ok(()),
                other => other,
            },
            Framing::Chunks => loop {
                let line = self.line(deadline)?;
                let size = std::str::from_utf8(&line).ok().and_then(|text| text.split(';').next());
                let size = size.and_then(|digits| usize::from_str_radix(digits.trim(), 16).ok());
                let size = size.ok_or_else(|| Broken::Malformed(format!("a chunk's size: {}", line.escape_ascii())))?;
                if size == 0 {
                    body.trailers = self.fields(deadline)?;
                    return Ok(());
                }
                self.take(size, deadline, &mut body.bytes)?;
                self.line(deadline)?;
            },
        }
    }

    /// Fields up to the empty line.
    fn fields(&mut self, deadline: Deadline) -> Result<Vec<Field>, Broken> {
        let mut fields = Vec::new();
        loop {
            let line = self.line(deadline)?;
            if line.is_empty() {
                return Ok(fields);
            }
            let colon = line.iter().position(|byte| *byte == b':');
            let colon = colon.ok_or_else(|| Broken::Malformed(format!("a header: {}", line.escape_ascii())))?;
            fields.push((line[..colon].to_vec(), line[colon + 1..].trim_ascii().to_vec()));
        }
    }

    /// A line without its end.
    fn line(&mut self, deadline: Deadline) -> Result<Vec<u8>, Broken> {
        let mut searched = 0;
        loop {
            if let Some(at) = self.buffer[searched..].iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.buffer.drain(..=searched + at).collect();
                line.pop();
                line.pop_if(|byte| *byte == b'\r');
                return Ok(line);
            }
            searched = self.buffer.len();
            if searched > HEAD_BYTES_MAX {
                return Err(Broken::Malformed("a line without an end".to_owned()));
            }
            self.fill(deadline)?;
        }
    }

    /// So many bytes, each appended as soon as it has come.
    fn take(&mut self, mut wanted: usize, deadline: Deadline, into: &mut Vec<u8>) -> Result<(), Broken> {
        loop {
            let here = wanted.min(self.buffer.len());
            into.extend(self.buffer.drain(..here));
            wanted -= here;
            if wanted == 0 {
                return Ok(());
            }
            self.fill(deadline)?;
        }
    }

    fn fill(&mut self, deadline: Deadline) -> Result<(), Broken> {
        let left = deadline.left().ok_or(Broken::Late)?;
        self.stream.set_read_timeout(Some(left)).map_err(|_| Broken::Closed)?;
        let mut bytes = [0; 16 << 10];
        match self.stream.read(&mut bytes) {
            Ok(0) => Err(Broken::Closed),
            Ok(count) => {
                self.buffer.extend_from_slice(&bytes[..count]);
                Ok(())
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Err(Broken::Late),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            Err(_) => Err(Broken::Closed),
        }
    }
}
