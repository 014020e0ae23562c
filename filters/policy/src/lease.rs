//! Who does what must be done once per proxy: a lease in shared data, held by one worker and lost by silence.
//!
//! The holder renews its lease well before the end; when it dies, the lease runs out and whoever asks next takes it. The
//! bytes are stored by compare-and-swap, so of two that find it free one gets it.

use std::time::Duration;

use crate::Instant;

/// How much of a lease must be gone before its holder renews it: a half.
const RENEWED_AFTER: u32 = 2;

/// What a stored lease says to one that asks for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Claim {
    /// It is the asker's own, and fresh.
    Held,
    /// The asker may have it by storing these bytes.
    Take([u8; 16]),
    /// Somebody else has it.
    Refused,
}

/// What `stored`, the bytes of a lease of this `length` (none where there is no lease yet), says to `asker` at `now`.
///
/// A lease that would last longer than `length` was written before the clock stepped back; it is no better than one that
/// has ended, or its holder's death would stop the work for as long as the step was wide.
pub fn claim(stored: &[u8], asker: u64, now: Instant, length: Duration) -> Claim {
    let take = Claim::Take(written(asker, now + length));
    let Some((holder, until)) = read(stored) else { return take };
    let left = until.since(now);
    match (holder == asker, left) {
        (_, Duration::ZERO) => take,
        (_, left) if left > length => take,
        (true, left) if left < length / RENEWED_AFTER => take,
        (true, _) => Claim::Held,
        (false, _) => Claim::Refused,
    }
}

fn written(holder: u64, until: Instant) -> [u8; 16] {
    let mut bytes = [0; 16];
    let (first, second) = bytes.split_at_mut(8);
    first.copy_from_slice(&holder.to_le_bytes());
    second.copy_from_slice(&until.as_nanos().to_le_bytes());
    bytes
}

fn read(stored: &[u8]) -> Option<(u64, Instant)> {
    let (holder, until) = stored.split_at_checked(8)?;
    let number = |bytes: &[u8]| bytes.try_into().ok().map(u64::from_le_bytes);
    Some((number(holder)?, Instant::from_nanos(number(until)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const LENGTH: Duration = Duration::from_secs(10);

    /// Rows of: a second, who asks, what it is told. What may be taken is.
    fn check(rows: &[(u64, u64, &str)]) {
        let mut stored = Vec::new();
        for (second, asker, expected) in rows {
            let told = match claim(&stored, *asker, Instant::from_unix_seconds(*second), LENGTH) {
                Claim::Held => "held",
                Claim::Refused => "refused",
                Claim::Take(bytes) => {
                    stored = bytes.to_vec();
                    "taken"
                }
            };
            assert_eq!(told, *expected, "{asker} at {second}");
        }
    }

    #[test]
    fn one_holds_it_and_renews_it_in_time() {
        check(&[
            (100, 1, "taken"),
            (100, 2, "refused"),
            (105, 1, "held"),
            (106, 1, "taken"),
            (115, 2, "refused"),
            (115, 1, "taken"),
        ]);
    }

    #[test]
    fn a_holder_that_falls_silent_loses_it_when_it_ends() {
        check(&[(100, 1, "taken"), (109, 2, "refused"), (110, 2, "taken"), (111, 1, "refused")]);
    }

    #[test]
    fn a_clock_that_steps_back_gives_nobody_a_longer_lease() {
        check(&[(1000, 1, "taken"), (5, 2, "taken"), (6, 1, "refused"), (15, 1, "taken")]);
    }

    #[test]
    fn bytes_that_are_no_lease_hold_nobody_off() {
        for stored in [&b""[..], b"x", &[0; 15], &[0xff; 17]] {
            assert!(matches!(claim(stored, 1, Instant::from_unix_seconds(1), LENGTH), Claim::Take(_)), "{stored:?}");
        }
    }
}
