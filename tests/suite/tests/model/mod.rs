//! The arithmetic of the script that Redis runs, for one bucket with one limit.

use policy::state::Reply;

/// One bucket.
#[derive(Default)]
pub(crate) struct Redis {
    full_at: u64,
}

impl Redis {
    /// Runs the script on the words of a command, at this microsecond.
    pub(crate) fn run(&mut self, words: &[String], micros: u64) -> Reply {
        let buckets = words[2].parse::<usize>().unwrap() - 2;
        let arguments = &words[3 + buckets + 2..];
        let said = format!("1 {}", arguments[2]);
        let grant = if buckets == 1 { self.grant(&arguments[3..], micros) } else { String::new() };
        Reply::Bytes((said + &grant).into_bytes())
    }

    fn grant(&mut self, arguments: &[String], micros: u64) -> String {
        assert_eq!(arguments[6], "1", "one limit");
        let number = |place: usize| arguments[place].parse::<f64>().unwrap();
        let [least, want, back, held, reserve, patience] = [0, 1, 2, 3, 4, 5].map(number);
        let (refill, burst) = (number(8) / 1000.0, number(9));
        let (now, window) = (micros as f64, refill * burst);
        let mut debt = (self.full_at as f64 - now).max(0.0).min(window + patience);
        if back > 0.0 {
            debt = (debt - (back * refill - held).max(0.0)).max(0.0);
        }
        let room = window - reserve;
        let fit = want.min(((room - debt) / refill + 1e-9).floor()).max(0.0);
        let mut fit = fit - fit % least + 0.0;
        let mut due = (debt + least * refill - room - 1e-9 * refill).ceil().max(0.0) + 0.0;
        if fit > 0.0 || want < least || due > patience {
            due = 0.0;
        } else {
            fit = least;
        }
        debt = (debt + fit * refill).ceil();
        let delay = (debt + least * refill - room - 1e-9 * refill).ceil().max(0.0) + 0.0;
        let left = ((room - debt) / refill + 1e-9).floor().max(0.0) + 0.0;
        if fit > 0.0 || back > 0.0 {
            self.full_at = (now + debt) as u64;
        }
        format!(" {fit:.0} {due:.0} {delay:.0} {left:.0} {debt:.0} 0")
    }
}
