//! A real Redis.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;

use crate::child::{Child, Failure};
use crate::deadline::{Deadline, PATIENCE};
use crate::folder::Folder;

/// How often another port is tried: between choosing one and listening on it, another process may take it.
const PORTS_MAX: usize = 5;

/// What Redis answers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Value {
    /// `+OK`
    Status(String),
    /// `-ERR …`
    Error(String),
    /// `:1`
    Integer(i64),
    /// `$5`, bytes.
    Bytes(Vec<u8>),
    /// No value.
    Nothing,
    /// `*2`, a list.
    List(Vec<Value>),
}

/// A running Redis, without persistence.
#[derive(Debug)]
pub struct Redis {
    child: Child,
    port: u16,
    arguments: Vec<OsString>,
}

impl Redis {
    /// Starts an empty one and waits until it answers.
    pub fn start() -> Result<Self, Failure> {
        on_free_port(|port| {
            let folder = Folder::new("redis");
            let config =
                format!("bind 127.0.0.1\nport {port}\nsave \"\"\nappendonly no\ndir {}\n", folder.path().display());
            let arguments = vec![folder.write("redis.conf", config.as_bytes()).into()];
            let child = Child::start("redis-server", Path::new("redis-server"), &arguments, &[], folder)?;
            let mut redis = Self { child, port, arguments };
            redis.wait()?;
            Ok(redis)
        })
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        self.child.kill();
    }

    /// Lets it hang: it answers nobody, and connections to it stay open.
    pub fn pause(&self) -> std::io::Result<()> {
        self.child.signal("STOP")
    }

    /// Lets it go on after [`Redis::pause`].
    pub fn resume(&self) -> std::io::Result<()> {
        self.child.signal("CONT")
    }

    /// Starts it again on the same port, empty.
    pub fn restart(&mut self) -> Result<(), Failure> {
        self.child.replace(Path::new("redis-server"), &self.arguments)?;
        self.wait()
    }

    /// Runs one command, as in `["SET", "key", "value"]`.
    pub fn call(&self, command: &[&str]) -> std::io::Result<Value> {
        call(self.address(), command)
    }

    /// All that it has logged.
    pub fn log(&self) -> String {
        self.child.log()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn wait(&mut self) -> Result<(), Failure> {
        let address = self.address();
        let answers = || (call(address, &["PING"]).ok()? == Value::Status("PONG".to_owned())).then_some(());
        self.child.wait_for("its first answer", Deadline::after(PATIENCE), answers)
    }
}

/// Starts something on a port that was free a moment ago, and on another one where it was taken meanwhile.
pub fn on_free_port<T>(start: impl Fn(u16) -> Result<T, Failure>) -> Result<T, Failure> {
    let mut tries = 1;
    loop {
        let port = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
        let port = port.map_err(|error| Failure { reason: format!("no port is free: {error}"), log: String::new() })?;
        match start(port.port()) {
            Err(failure) if failure.log.contains("already in use") && tries < PORTS_MAX => tries += 1,
            outcome => return outcome,
        }
    }
}

pub(crate) fn call(address: SocketAddr, command: &[&str]) -> std::io::Result<Value> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let words = command.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect::<Vec<_>>().concat();
    stream.write_all(format!("*{}\r\n{words}", command.len()).as_bytes())?;
    value(&mut BufReader::new(stream))
}

/// Reads one answer (RESP 2).
fn value(reader: &mut impl BufRead) -> std::io::Result<Value> {
    let malformed = |line: &str| std::io::Error::other(format!("not an answer of Redis: {line}"));
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let Some((kind, rest)) = line.trim_end().split_at_checked(1) else { return Err(malformed(&line)) };
    let number = || rest.parse::<i64>().map_err(|_| malformed(&line));
    match kind {
        "+" => Ok(Value::Status(rest.to_owned())),
        "-" => Ok(Value::Error(rest.to_owned())),
        ":" => Ok(Value::Integer(number()?)),
        "$" => {
            let Ok(length) = usize::try_from(number()?) else { return Ok(Value::Nothing) };
            let mut bytes = vec![0; length + 2];
            reader.read_exact(&mut bytes)?;
            bytes.truncate(length);
            Ok(Value::Bytes(bytes))
        }
        "*" => {
            let Ok(count) = usize::try_from(number()?) else { return Ok(Value::Nothing) };
            (0..count).map(|_| value(reader)).collect::<Result<_, _>>().map(Value::List)
        }
        _ => Err(malformed(&line)),
    }
}
