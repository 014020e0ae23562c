//! How old the credentials are that a proxy has fetched: tokens that it shows to upstreams, and keys by which it knows callers.
//!
//! A key set stands under [`keys`], and a token under a key that depends on secrets: under [`TOKENS`] is a line for each, its
//! provider and its key with a tab between. What stands there begins with numbers of eight bytes; this module knows which of
//! them are the moments that an operator asks about.

use crate::Instant;

/// Where the keys of tokens are said, for each provider.
pub const TOKENS: &str = "weir.provider/tokens";

/// The key of a key set that is fetched from this URL by this cluster, and with a `suffix` of what belongs to it.
pub fn keys(cluster: &str, url: &str, suffix: &str) -> String {
    ["weir.auth.keys.", cluster, " ", url, suffix].concat()
}

/// What is told of one credential.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Age {
    /// When it was fetched; `None` as long as there is none.
    pub fetched: Option<Instant>,
    /// When it ends, where it says so.
    pub ends: Option<Instant>,
    /// How many attempts to fetch another one have failed since.
    pub failures: u64,
}

impl Age {
    /// Of a token: generation, refused, issued, expires, due, tried, dropped, begun, ended, failures.
    pub fn of_token(stored: &[u8]) -> Self {
        let moment = |place| Instant::from_nanos(number(stored, place));
        let is_there = number(stored, 0) > 0 && number(stored, 0) != number(stored, 1);
        let there = |moment| Some(moment).filter(|_| is_there);
        Self { fetched: there(moment(2)), ends: there(moment(3)), failures: number(stored, 9) }
    }

    /// Of a key set: version, ended, fetched, due, tried, asked, begun, failures, wanted.
    pub fn of_keys(stored: &[u8]) -> Self {
        let fetched = Some(Instant::from_nanos(number(stored, 2))).filter(|_| number(stored, 0) > 0);
        Self { fetched, ends: None, failures: number(stored, 7) }
    }
}

/// Adds a line to what is said under [`TOKENS`]. Neither word has tabs or ends of lines.
pub fn say(lines: &mut String, name: &str, key: &str) {
    for part in [name, "\t", key, "\n"] {
        lines.push_str(part);
    }
}

/// The names and keys that are said there.
pub fn read(lines: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    std::str::from_utf8(lines).unwrap_or_default().lines().filter_map(|line| line.split_once('\t'))
}

fn number(stored: &[u8], place: usize) -> u64 {
    stored.get(place * 8..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn stored(numbers: &[u64]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
    }

    #[test]
    fn what_has_never_been_fetched_has_no_age() {
        for bytes in [vec![], vec![1], stored(&[0, 0, 5, 6, 0, 0, 0, 0, 0, 0])] {
            assert_eq!(Age::of_token(&bytes), Age::default());
            assert_eq!(Age::of_keys(&bytes), Age::default());
        }
        let refused = Age::of_token(&stored(&[3, 3, 5, 6, 0, 0, 0, 0, 0, 2]));
        assert_eq!(refused, Age { failures: 2, ..Age::default() }, "it is not shown any more");
    }

    #[test]
    fn names_and_keys_are_read_back() {
        let mut lines = String::new();
        say(&mut lines, "spotify", "weir.x");
        say(&mut lines, "https://id.example/", "weir.y cluster https://a/b");
        let expected = [("spotify", "weir.x"), ("https://id.example/", "weir.y cluster https://a/b")];
        assert_eq!(read(lines.as_bytes()).collect::<Vec<_>>(), expected);
        assert_eq!(read(b"\xff\ta\n").count() + read(b"alone\n").count(), 0);
    }
}
