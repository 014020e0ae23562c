//! The log, as lines that a test can look through.

use std::fmt;

/// How serious a line is, in Proxy-Wasm's order.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Level {
    /// For following every step.
    Trace,
    /// For finding a mistake.
    Debug,
    /// Worth knowing.
    Info,
    /// Looks wrong.
    Warn,
    /// Is wrong; a crash is logged so.
    Error,
    /// Something has failed for good.
    Critical,
}

impl Level {
    /// The level of this number in Proxy-Wasm.
    pub(crate) const fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::Trace,
            1 => Self::Debug,
            2 => Self::Info,
            3 => Self::Warn,
            4 => Self::Error,
            5 => Self::Critical,
            _ => return None,
        })
    }
}

/// One line of the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Line {
    /// How serious.
    pub level: Level,
    /// The plugin that wrote it; empty where no plugin was running yet.
    pub plugin: String,
    /// The worker; `None` for the main thread, on which each configuration is tried first.
    pub worker: Option<usize>,
    /// The text; what is not UTF-8 is replaced.
    pub text: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { level, plugin, text, .. } = self;
        match self.worker {
            Some(worker) => write!(f, "[{level:?}] worker {worker} {plugin}: {text}"),
            None => write!(f, "[{level:?}] main {plugin}: {text}"),
        }
    }
}
