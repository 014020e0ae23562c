//! Whether the state store is there, as one worker has found it for all: one value of shared data under [`KEY`].
//!
//! One worker asks it every [`EVERY`]. What it was told longer than [`LAPSE`] ago says nothing of now, whichever way the clock
//! has gone since: nobody asks any more, or no answer has come.

use std::time::Duration;

use policy::Instant;

/// The key.
pub const KEY: &str = "weir.admin/store";
/// The key of the lease of who asks.
pub const LEASE: &str = "weir.admin/lease";
/// How often it is asked.
pub const EVERY: Duration = Duration::from_secs(1);
/// An answer is of use for so long.
const LAPSE: Duration = Duration::from_secs(5);

/// Whether the store is there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Contact {
    /// The proxy has none.
    Unused,
    /// It has answered.
    Connected,
    /// It has not.
    Away,
    /// Nobody has asked it lately.
    Unknown,
}

impl Contact {
    /// What was found, as it is stored.
    pub fn to_bytes(is_there: bool, at: Instant) -> Vec<u8> {
        let mut bytes = vec![u8::from(is_there)];
        bytes.extend(at.as_nanos().to_le_bytes());
        bytes
    }

    /// Reads what [`Contact::to_bytes`] wrote.
    pub fn read(bytes: &[u8], now: Instant) -> Self {
        let Some((is_there, at)) = bytes.split_first() else { return Self::Unknown };
        let Ok(at) = at.try_into().map(u64::from_le_bytes).map(Instant::from_nanos) else { return Self::Unknown };
        match (now.since(at).max(at.since(now)) <= LAPSE, is_there) {
            (true, 1) => Self::Connected,
            (true, _) => Self::Away,
            (false, _) => Self::Unknown,
        }
    }

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unused => "not_configured",
            Self::Connected => "connected",
            Self::Away => "away",
            Self::Unknown => "unknown",
        }
    }

    /// Whether something is missing that the proxy was told to use.
    pub const fn is_missing(self) -> bool {
        matches!(self, Self::Away | Self::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn what_was_found_holds_for_a_while_whichever_way_the_clock_went() {
        let at = Instant::from_unix_seconds(1000);
        for (second, there, away) in [
            (1000, Contact::Connected, Contact::Away),
            (1005, Contact::Connected, Contact::Away),
            (995, Contact::Connected, Contact::Away),
            (1006, Contact::Unknown, Contact::Unknown),
            (10, Contact::Unknown, Contact::Unknown),
        ] {
            let now = Instant::from_unix_seconds(second);
            assert_eq!(Contact::read(&Contact::to_bytes(true, at), now), there, "{second}");
            assert_eq!(Contact::read(&Contact::to_bytes(false, at), now), away, "{second}");
        }
        for bytes in [&b""[..], b"\x01", b"\x01\0\0\0\0\0\0\0\0\0"] {
            assert_eq!(Contact::read(bytes, at), Contact::Unknown);
        }
    }
}
