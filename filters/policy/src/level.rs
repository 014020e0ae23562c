//! How much a filter says in the log, as an operator has told it: one word in shared data under [`key`].
//!
//! Every worker of a filter in [`FILTERS`] reads it with its ticks, a second later at the latest. Where nothing stands, it is [`USUAL`].
//! What Envoy itself drops, a filter says in vain: its component `wasm` must be at this level or below.

/// The filters that follow. `correlation` has nothing to say but errors, and nobody keeps `admin` from saying what was changed.
pub const FILTERS: [&str; 7] = ["guard", "auth", "ratelimit", "compose", "cache", "breaker", "provider"];

/// The words, from little to much; each begins with a letter of its own.
pub const WORDS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// What holds where nobody has said anything.
pub const USUAL: &str = "info";

/// The key of a filter's level.
pub fn key(filter: &str) -> String {
    ["weir.log.", filter].concat()
}

/// The word that stands there; [`USUAL`] where it is none.
pub fn read(stored: &[u8]) -> &'static str {
    WORDS.into_iter().find(|word| word.as_bytes() == stored).unwrap_or(USUAL)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_word_is_read_whole_or_is_the_usual() {
        for (stored, expected) in
            [("debug", "debug"), ("error", "error"), ("", "info"), ("de", "info"), ("DEBUG", "info")]
        {
            assert_eq!(read(stored.as_bytes()), expected, "{stored}");
        }
        assert!(WORDS.contains(&USUAL));
    }
}
