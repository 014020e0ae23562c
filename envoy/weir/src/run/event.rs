//! What a run waits for: signals, the end of a child, and a change of the policy's files.

use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::run::Failure;
use crate::run::watch::{Contents, Files};

/// Something happened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Event {
    /// The run is to end.
    Stop,
    /// The policy may have changed.
    Changed,
    /// A child has ended.
    ChildEnded,
    /// The time has come that was waited for.
    Due,
}

/// The events, in their order.
pub struct Events {
    receiver: Receiver<Event>,
    /// Events that came while something else was waited for.
    early: std::cell::RefCell<std::collections::VecDeque<Event>>,
}

/// How often the files are looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Begins to listen.
///
/// # Errors
/// What the operating system says.
pub fn listen(file: &Path) -> Result<Events, Failure> {
    let (sender, receiver) = mpsc::channel();
    let signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGCHLD]);
    let mut signals = signals.map_err(|error| Failure::because(format!("no signals: {error}")))?;
    let sender_of_signals = sender.clone();
    thread::spawn(move || {
        for signal in signals.forever() {
            let event = match signal {
                SIGCHLD => Event::ChildEnded,
                SIGHUP => Event::Changed,
                _ => Event::Stop,
            };
            if sender_of_signals.send(event).is_err() {
                return;
            }
        }
    });
    let mut files = Files::new(file);
    // Read here and not in the thread: a change right after the start must not be taken for the beginning.
    let contents = files.read();
    thread::spawn(move || watch(files, contents, &sender));
    Ok(Events { receiver, early: std::cell::RefCell::default() })
}

/// Tells of a change once the files have stopped changing: editors write in more than one step, or put another file in
/// the place of one.
fn watch(mut files: Files, mut known: Option<Contents>, sender: &Sender<Event>) {
    let mut seen = known.clone();
    loop {
        thread::sleep(LOOK);
        let contents = files.read();
        let settled = contents == seen;
        seen = contents;
        if settled && seen.is_some() && seen != known {
            known.clone_from(&seen);
            if sender.send(Event::Changed).is_err() {
                return;
            }
        }
    }
}

impl Events {
    /// The next event; [`Event::Due`] at `due`, if nothing else happens before.
    ///
    /// # Errors
    /// Nothing can come any more.
    pub fn next(&self, due: Option<Instant>) -> Result<Event, Failure> {
        if let Some(event) = self.early.borrow_mut().pop_front() {
            return Ok(event);
        }
        let event = match due {
            None => self.receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(due) => self.receiver.recv_timeout(due.saturating_duration_since(Instant::now())),
        };
        match event {
            Ok(event) => Ok(event),
            Err(RecvTimeoutError::Timeout) => Ok(Event::Due),
            Err(RecvTimeoutError::Disconnected) => Err(Failure::because("signals can no longer be received")),
        }
    }

    /// Waits for a while, unless the run is to end.
    ///
    /// # Errors
    /// The run is to end.
    pub fn pause(&self, length: Duration) -> Result<(), Failure> {
        match self.receiver.recv_timeout(length) {
            Ok(Event::Stop) => Err(Failure::because("stopped before Envoy was ready")),
            Ok(event) => {
                self.early.borrow_mut().push_back(event);
                Ok(())
            }
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => Err(Failure::because("signals can no longer be received")),
        }
    }
}
