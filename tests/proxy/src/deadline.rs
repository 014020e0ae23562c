//! Waiting for a condition, and no longer than until a deadline.

use std::thread;
use std::time::{Duration, Instant};

/// How long a test waits for something that should take milliseconds.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How long between two looks at a condition that cannot wake its waiter.
const PAUSE: Duration = Duration::from_millis(5);

/// The moment at which waiting ends.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// So long from now.
    pub fn after(patience: Duration) -> Self {
        Self(Instant::now() + patience)
    }

    /// What is left; `None` when it has passed.
    pub fn left(self) -> Option<Duration> {
        self.0.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }

    /// Asks again and again until there is an answer; `None` when the deadline came first.
    pub fn wait_for<T>(self, mut answer: impl FnMut() -> Option<T>) -> Option<T> {
        loop {
            if let Some(answer) = answer() {
                return Some(answer);
            }
            thread::sleep(PAUSE.min(self.left()?));
        }
    }

    /// Asks until the condition is true; `false` when the deadline came first.
    pub fn wait_until(self, mut condition: impl FnMut() -> bool) -> bool {
        self.wait_for(|| condition().then_some(())).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_with_the_answer_or_with_the_deadline() {
        let mut asked = 0;
        let answer = Deadline::after(PATIENCE).wait_for(|| {
            asked += 1;
            (asked == 3).then_some("here")
        });
        assert_eq!((answer, asked), (Some("here"), 3));
        assert!(!Deadline::after(Duration::from_millis(20)).wait_until(|| false));
        assert!(
            Deadline::after(Duration::ZERO).wait_until(|| true),
            "a condition that holds is seen even when it is late"
        );
    }
}
