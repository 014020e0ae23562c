//! Requests, as many as asked, over a few connections that stay open; and what they cost Envoy.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Connections that are kept busy at once: enough that Envoy finds work whenever it looks.
const CONNECTIONS: usize = 16;
/// An answer that takes longer has been lost.
const DEADLINE: Duration = Duration::from_secs(10);

/// A client with its connections, which sends its requests in turn, again and again.
pub(crate) struct Client {
    connections: Vec<BufReader<TcpStream>>,
    requests: Vec<Vec<u8>>,
    next: usize,
    /// What every answer begins with.
    expected: String,
}

/// What a number of requests took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// The proxy's CPU time for each request, in microseconds.
    pub(crate) cpu_us: f64,
    /// Requests a second, by the wall clock.
    pub(crate) rps: f64,
    /// What all but a hundredth of the answers took at most, in microseconds, with so many requests under way.
    pub(crate) p99_us: f64,
}

impl Client {
    /// Connects to a proxy that answers with this status. There is one request for each of `headers`, which are added to it,
    /// a line each.
    pub(crate) fn connect(proxy: SocketAddr, path: &str, headers: &[String], status: u16) -> io::Result<Self> {
        let connections = (0..CONNECTIONS).map(|_| {
            let stream = TcpStream::connect(proxy)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(DEADLINE))?;
            Ok(BufReader::new(stream))
        });
        let lines = "user-agent: bench/1\r\naccept: */*\r\naccept-encoding: gzip\r\naccept-language: en\r\n";
        let request =
            |headers| format!("GET {path} HTTP/1.1\r\nhost: gateway.example\r\n{lines}{headers}\r\n").into_bytes();
        let requests = headers.iter().map(request).collect();
        Ok(Self {
            connections: connections.collect::<io::Result<_>>()?,
            requests,
            next: 0,
            expected: format!("HTTP/1.1 {status} "),
        })
    }

    /// Sends `requests` requests and reads their answers, all of which must have the status; says how long each took. Each
    /// connection asks again as soon as it is answered, so that Envoy always has work and never waits for a whole batch.
    pub(crate) fn play(&mut self, requests: usize) -> io::Result<Vec<Duration>> {
        let mut sent = Vec::with_capacity(self.connections.len());
        for connection in &mut self.connections {
            sent.push(Instant::now());
            connection.get_mut().write_all(turn(&self.requests, &mut self.next))?;
        }
        let mut took = Vec::with_capacity(requests + 2 * CONNECTIONS);
        while took.len() < requests {
            for (connection, sent) in self.connections.iter_mut().zip(&mut sent) {
                read_answer(connection, &self.expected)?;
                took.push(sent.elapsed());
                *sent = Instant::now();
                connection.get_mut().write_all(turn(&self.requests, &mut self.next))?;
            }
        }
        for (connection, sent) in self.connections.iter_mut().zip(sent) {
            read_answer(connection, &self.expected)?;
            took.push(sent.elapsed());
        }
        Ok(took)
    }

    /// Plays `requests` requests and measures what they cost the process `pid`.
    pub(crate) fn measure(&mut self, pid: u32, requests: usize) -> io::Result<Cost> {
        let (cpu_before, started) = (cpu_time(pid)?, Instant::now());
        let mut took = self.play(requests)?;
        let (cpu, wall) = (cpu_time(pid)?.saturating_sub(cpu_before), started.elapsed());
        took.sort_unstable();
        let (answered, p99) = (u32::try_from(took.len()).map_or(f64::NAN, f64::from), took[took.len() * 99 / 100]);
        Ok(Cost {
            cpu_us: cpu.as_secs_f64() * 1e6 / answered,
            rps: answered / wall.as_secs_f64(),
            p99_us: p99.as_secs_f64() * 1e6,
        })
    }
}

/// The request whose turn it is.
fn turn<'a>(requests: &'a [Vec<u8>], next: &mut usize) -> &'a [u8] {
    *next = (*next + 1) % requests.len();
    &requests[*next]
}

fn read_answer(connection: &mut BufReader<TcpStream>, expected: &str) -> io::Result<()> {
    let mut line = String::new();
    connection.read_line(&mut line)?;
    if !line.starts_with(expected) {
        return Err(io::Error::other(format!("expected {expected:?}, got {:?}", line.trim_end())));
    }
    let mut body_bytes = 0;
    loop {
        line.clear();
        connection.read_line(&mut line)?;
        if line.trim_end().is_empty() {
            break;
        }
        if let Some(length) = line.strip_prefix("content-length: ") {
            body_bytes = length.trim_end().parse().map_err(io::Error::other)?;
        }
    }
    let read = io::copy(&mut connection.by_ref().take(body_bytes), &mut io::sink())?;
    if read == body_bytes { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// The CPU time that all threads of a process have had, by the scheduler's own count in nanoseconds.
fn cpu_time(pid: u32) -> io::Result<Duration> {
    let mut nanos = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))?.flatten() {
        // A thread may end between the two reads; its time was small.
        let Ok(text) = fs::read_to_string(thread.path().join("schedstat")) else { continue };
        nanos += text.split_whitespace().next().and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    }
    if nanos == 0 { Err(io::Error::other("no CPU time in /proc")) } else { Ok(Duration::from_nanos(nanos)) }
}
