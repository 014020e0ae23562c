//! What the filter logs, and what it panics of, goes to the host's log.
#![allow(unsafe_code)]

use std::panic;

use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::abi;

struct Logger;

/// The host's levels, as the ABI numbers them.
const CRITICAL: u32 = 5;

/// Begins, with the level that holds until [`crate::level`] says otherwise.
pub(crate) fn begin() {
    // It is called once, and a second logger would be the same.
    let _ = log::set_logger(&Logger);
    log::set_max_level(LevelFilter::Info);
    panic::set_hook(Box::new(|panic| say(CRITICAL, &panic.to_string())));
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let level = match record.level() {
            Level::Trace => 0,
            Level::Debug => 1,
            Level::Info => 2,
            Level::Warn => 3,
            Level::Error => 4,
        };
        say(level, &record.args().to_string());
    }

    fn flush(&self) {}
}

fn say(level: u32, message: &str) {
    // SAFETY: the pointer is valid for the call. Whom could one tell that nothing can be told?
    unsafe { abi::proxy_log(level, message.as_ptr(), message.len()) };
}
