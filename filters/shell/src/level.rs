//! How much the filter says in the log, as an operator has told it ([`policy::level`]).

use log::LevelFilter;
use policy::level;

use crate::shared;

/// Looks what holds for this filter now. A look costs a microsecond: once a tick, and not with every request.
pub fn follow(filter: &str) {
    let stored = shared::read(&level::key(filter)).map(|(stored, _)| stored).unwrap_or_default();
    log::set_max_level(match stored.first() {
        Some(b'e') => LevelFilter::Error,
        Some(b'w') => LevelFilter::Warn,
        Some(b'd') => LevelFilter::Debug,
        Some(b't') => LevelFilter::Trace,
        _ => LevelFilter::Info,
    });
}
