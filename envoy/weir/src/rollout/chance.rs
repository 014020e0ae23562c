//! What chance explains of a difference between two shares: Fisher's exact test.
//!
//! Were a share the same in both samples, the errors of both would be spread over all requests of both at random, so that how many
//! fall to the one is hypergeometric. That holds for two errors in a hundred requests as it does for millions, where a normal
//! approximation takes two errors for a miracle as soon as the other sample has none.

/// Terms of a sum that are smaller than this part of it are left out.
const NEGLIGIBLE: f64 = 1e-12;
/// No sum has more terms: their ratio falls from one to the next, and a thousandth below one is far within this.
const TERMS_MAX: u32 = 1_000_000;
/// From here on, Stirling's series is as exact as a number is.
const STIRLING_FROM: u64 = 16;

/// How probable it is that `mine`, some of so many, has that many or more of what it and `theirs` have together, were the share
/// the same in both. It is 1 where `mine` has no greater share.
pub fn explains(mine: (u64, u64), theirs: (u64, u64)) -> f64 {
    // Counts that are read one after the other may be ahead of what they are of.
    let ((some, all), (their_some, their_all)) = ((mine.0.min(mine.1), mine.1), (theirs.0.min(theirs.1), theirs.1));
    let (together, everything) = (some + their_some, all + their_all);
    if number(some) * number(their_all) <= number(their_some) * number(all) {
        return 1.0;
    }
    let first = choices(all, some) + choices(their_all, their_some) - choices(everything, together);
    let (mut term, mut sum) = (1.0, 1.0);
    for more in (some..together.min(all)).zip(0..TERMS_MAX).map(|(more, _)| more) {
        let ratio = number(all - more) / number(more + 1) * number(together - more)
            / number((their_all + more + 1).saturating_sub(together));
        term *= ratio;
        sum += term;
        if term < NEGLIGIBLE * sum {
            break;
        }
    }
    (first.exp() * sum).min(1.0)
}

/// The logarithm of the number of ways to choose some of all.
fn choices(all: u64, some: u64) -> f64 {
    factorial(all) - factorial(some) - factorial(all - some)
}

/// The logarithm of the factorial of a count.
fn factorial(count: u64) -> f64 {
    if count < STIRLING_FROM {
        return (1..=count).map(|factor| number(factor).ln()).sum();
    }
    let n = number(count);
    let series = 1.0 / (12.0 * n) - 1.0 / (360.0 * n.powi(3)) + 1.0 / (1260.0 * n.powi(5));
    n.mul_add(n.ln(), -n) + 0.5 * (std::f64::consts::TAU * n).ln() + series
}

#[allow(clippy::cast_precision_loss, reason = "nobody counts so many requests")]
fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pascal's triangle.
    fn exactly(all: u64, some: u64) -> f64 {
        if some > all { 0.0 } else { (0..some).fold(1.0, |ways, n| ways * number(all - n) / number(n + 1)) }
    }

    #[test]
    fn a_tail_is_what_counting_all_cases_says() {
        for (all, their_all) in [(1, 1), (4, 4), (5, 9), (9, 5), (12, 30), (30, 12)] {
            for some in 0..=all {
                for their_some in (0..=their_all).filter(|their_some| some * their_all > their_some * all) {
                    let together = some + their_some;
                    let cases = some..=together.min(all);
                    let cases = cases.map(|mine| exactly(all, mine) * exactly(their_all, together - mine));
                    let expected = cases.sum::<f64>() / exactly(all + their_all, together);
                    let found = explains((some, all), (their_some, their_all));
                    let row = (some, all, their_some, their_all);
                    assert!((found / expected - 1.0).abs() < 1e-8, "{row:?}: {found} for {expected}");
                }
            }
        }
    }

    #[test]
    fn known_tails_are_found() {
        for (mine, theirs, expected) in [
            // The lady who tasted tea.
            ((3, 4), (1, 4), 17.0 / 70.0),
            // Two errors in a hundred, where nobody had any: a matter of every fourth time.
            ((2, 100), (0, 100), 0.2487),
            ((2, 100), (36, 36_000), 0.0050),
            ((5, 100), (36, 36_000), 1.02e-7),
            ((0, 100), (0, 100), 1.0),
            ((1, 100), (10, 1000), 1.0),
            ((0, 0), (1, 100), 1.0),
            ((1, 100), (0, 0), 1.0),
            // Four standard deviations of millions.
            ((1_004_000, 100_000_000), (1_000_000_000, 100_000_000_000), 2.95e-5),
        ] {
            let found = explains(mine, theirs);
            assert!((found / expected - 1.0).abs() < 0.05, "{mine:?} beside {theirs:?}: {found} for {expected}");
        }
        // More errors than requests, for a moment.
        assert!(explains((101, 100), (0, 100)) < 1e-50);
    }
}
