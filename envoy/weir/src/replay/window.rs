//! Puts a log's lines into the order in which their requests came, as far as it can remember them: a line is written when its
//! request ends, so some lines later than it came.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use policy::Instant;

use crate::replay::line::Line;

/// How many lines are remembered.
const LINES_MAX: usize = 8192;
/// How many bytes of what they say.
const BYTES_MAX: usize = 32 << 20;

/// The lines that an earlier one may still come after.
#[derive(Debug, Default)]
pub struct Window {
    /// The earliest comes first; of two at once, the one that was written first.
    heap: BinaryHeap<Reverse<Entry>>,
    bytes: usize,
    written: u64,
}

impl Window {
    /// Remembers a line.
    pub fn push(&mut self, line: Line) {
        self.bytes += line.bytes();
        self.written += 1;
        self.heap.push(Reverse(Entry { written: self.written, line }));
    }

    /// The earliest line, where there are more than can be remembered.
    pub fn pop_surplus(&mut self) -> Option<Line> {
        if self.heap.len() > LINES_MAX || self.bytes > BYTES_MAX { self.pop() } else { None }
    }

    /// The earliest line.
    pub fn pop(&mut self) -> Option<Line> {
        let Reverse(Entry { line, .. }) = self.heap.pop()?;
        self.bytes -= line.bytes();
        Some(line)
    }
}

/// A line, and as which it was written.
#[derive(Debug)]
struct Entry {
    written: u64,
    line: Line,
}

impl Entry {
    const fn place(&self) -> (Instant, u64) {
        (self.line.at, self.written)
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place().cmp(&other.place())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(seconds: u64, path_bytes: usize) -> Line {
        let path = "x".repeat(path_bytes.saturating_sub(1));
        let said = format!(
            r#"{{"timestamp":"1970-01-01T00:{:02}:{:02}Z","method":"GET","path":"/{path}","status":200}}"#,
            seconds / 60,
            seconds % 60
        );
        Line::parse(said.as_bytes()).unwrap()
    }

    #[test]
    fn so_many_lines_are_remembered_and_so_much_of_what_they_say() {
        for (path_bytes, most) in [(1, LINES_MAX), (60 << 10, BYTES_MAX / (60 << 10))] {
            let (mut window, line) = (Window::default(), line(0, path_bytes));
            let mut surplus = 0;
            for _ in 0..2 * most {
                window.push(line.clone());
                surplus += usize::from(window.pop_surplus().is_some());
            }
            assert!(window.bytes <= BYTES_MAX, "{}", window.bytes);
            let kept = std::iter::from_fn(|| window.pop()).count();
            assert_eq!((kept + surplus, window.bytes), (2 * most, 0));
            assert!(kept <= most && kept > most * 9 / 10, "{kept} of {most}");
        }
    }

    #[test]
    fn lines_come_out_by_their_time_and_then_as_they_were_written() {
        let mut window = Window::default();
        for (seconds, path_bytes) in [(5, 1), (3, 2), (5, 3), (4, 4)] {
            window.push(line(seconds, path_bytes));
        }
        assert_eq!(window.pop_surplus(), None);
        let paths: Vec<_> = std::iter::from_fn(|| window.pop()).map(|line| line.target.len()).collect();
        assert_eq!(paths, [2, 4, 1, 3]);
    }
}
