//! What the breakers of a proxy are, for whoever asks about its health: one value of shared data under [`KEY`].
//!
//! Once a second one worker takes stock and writes a line for each upstream that has a breaker:
//!
//! ```text
//! 1767225600 spotify open 1760 1 0
//! when       name    mode for  open half-open
//! ```
//!
//! `when` the stock was taken, in seconds since the Unix epoch, and for how many seconds the upstream has been in this mode.
//! An upstream with several breakers is in the mode of the worst of them (forced open, open, half-open, closed), and the last two say
//! how many there are of each. Of those that lie in a table, a share is counted at a time, so that they are of the last minute.
//! A line that nobody has written for [`LAPSE_SECONDS`] is of a configuration that is gone.

/// The key.
pub const KEY: &str = "weir.breaker/health";

/// A line is of no use after so many seconds.
pub const LAPSE_SECONDS: u64 = 10;

/// More lines than this are not read.
const LINES_MAX: usize = 4096;

/// One upstream's breakers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Health<'a> {
    /// When stock was taken, in seconds since the Unix epoch.
    pub at: u64,
    /// The upstream's name.
    pub name: &'a str,
    /// `closed`, `open`, `half_open`, `disabled`, `forced_open` or `metrics_only`.
    pub mode: &'a str,
    /// For so many seconds.
    pub seconds: u64,
    /// So many of its breakers are open.
    pub open: u32,
    /// So many are half-open.
    pub half_open: u32,
}

impl Health<'_> {
    /// Whether this is of the present.
    pub const fn is_current(&self, now: u64) -> bool {
        self.at.abs_diff(now) <= LAPSE_SECONDS
    }

    /// Writes the line behind whatever `text` holds.
    pub fn write(&self, text: &mut String) {
        for number in [Some(self.at), None, Some(self.seconds), Some(self.open.into()), Some(self.half_open.into())] {
            match number {
                Some(number) => text.push_str(&number.to_string()),
                None => text.extend([self.name, " ", self.mode]),
            }
            text.push(' ');
        }
        text.pop();
        text.push('\n');
    }
}

/// All lines, as far as they can be read.
pub fn read(bytes: &[u8]) -> impl Iterator<Item = Health<'_>> {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    text.lines().take(LINES_MAX).filter_map(line)
}

fn line(line: &str) -> Option<Health<'_>> {
    let mut words = line.split(' ');
    let at = words.next()?.parse().ok()?;
    let (name, mode) = (words.next()?, words.next()?);
    let seconds = words.next()?.parse().ok()?;
    let (open, half_open) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    words.next().is_none().then_some(Health { at, name, mode, seconds, open, half_open })
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn what_was_written_is_read_back() {
        let spotify = Health { at: 1_767_225_600, name: "spotify", mode: "open", seconds: 1760, open: 1, half_open: 0 };
        let sona = Health { name: "sona", mode: "closed", open: 0, half_open: u32::MAX, ..spotify };
        let mut text = String::new();
        spotify.write(&mut text);
        sona.write(&mut text);
        assert!(text.starts_with("1767225600 spotify open 1760 1 0\n"), "{text}");
        assert_eq!(read(text.as_bytes()).collect::<Vec<_>>(), [spotify, sona]);
    }

    #[test]
    fn what_is_no_line_says_nothing() {
        for text in [
            "",
            "\n",
            "1 a open 0 1",
            "1 a open 0 1 2 3",
            "x a open 0 1 2",
            "1 a open -1 1 2",
            "1 a open 0 1 99999999999",
        ] {
            assert_eq!(read(text.as_bytes()).count(), 0, "{text}");
        }
        assert_eq!(read(b"\xff\n1 a open 0 1 2\n").count(), 0);
        assert_eq!(read("1 a open 0 1 2\n".repeat(5000).as_bytes()).count(), LINES_MAX);
    }

    #[test]
    fn a_line_is_of_the_present_for_ten_seconds_whichever_way_the_clock_went() {
        let health = Health { at: 100, name: "a", mode: "closed", seconds: 0, open: 0, half_open: 0 };
        for (now, expected) in [(90, true), (100, true), (110, true), (111, false), (89, false), (0, false)] {
            assert_eq!(health.is_current(now), expected, "{now}");
        }
    }
}
