//! Everything that the command line says, and what becomes of it where nobody can write it down.
//!
//! Whoever reads may have had enough (`| head`), which is no mistake, and a disk may be full. What a command is there for
//! ([`product`]) is then missing, so the command fails. What it tells on its way ([`progress`], [`complain`]) may be lost: a change
//! goes on to its end, and a rollout back, whether or not anybody hears of it.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use crate::diagnostic::Report;

/// How a command ends whose product could not be written.
const UNWRITTEN: u8 = 2;

/// What a command is there for could not be written, which has been said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Unwritten;

impl From<Unwritten> for ExitCode {
    fn from(_: Unwritten) -> Self {
        Self::from(UNWRITTEN)
    }
}

/// Writes what a command is there for on standard output, as it is.
///
/// # Errors
/// It could not be written.
pub fn product(text: impl Display) -> Result<(), Unwritten> {
    written(io::stdout().lock(), &text.to_string())
}

/// The same at the end of a command, which then ends so, or with 2.
pub fn last(text: impl Display, code: ExitCode) -> ExitCode {
    product(text).map_or_else(ExitCode::from, |()| code)
}

/// Shows what was found in a file on standard error, where that is what the command is there for.
///
/// # Errors
/// It could not be written.
pub fn found(report: &Report) -> Result<(), Unwritten> {
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    written(io::stderr().lock(), &report.render(colour))
}

/// Says how far something has come, in a line on standard output.
pub fn progress(text: impl Display) {
    // Who cannot hear it is no reason to stop.
    let _ = writeln!(io::stdout(), "{text}");
}

/// Says what is wrong, or whatever else is not the product, in a line on standard error.
pub fn complain(text: impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

fn written(mut place: impl Write, text: &str) -> Result<(), Unwritten> {
    match place.write_all(text.as_bytes()).and_then(|()| place.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain(format_args!("weir: the answer cannot be written: {error}"));
            Err(Unwritten)
        }
        _ => Ok(()),
    }
}
