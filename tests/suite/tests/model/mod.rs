//! The arithmetic of the script that Redis runs, for one bucket with one limit.

#![allow(clippy::float_cmp, reason = "whole microseconds, as Lua has them")]

use policy::state::Reply;

/// One bucket: when it is full, or what a window has counted, with the microsecond at which each no longer counts.
#[derive(Default)]
pub(crate) struct Redis {
    full_at: u64,
    counts: Vec<[f64; 2]>,
}

/// What one bucket is asked, and of which limit.
struct Question {
    now: f64,
    least: f64,
    want: f64,
    back: f64,
    held: f64,
    reserve: f64,
    patience: f64,
    length: f64,
    most: f64,
}

/// What is given, when, and how it stands then: until as much more is there, what is left, until all is, and until the
/// window ends in which it is counted, where that is a fixed one.
struct Said {
    fit: f64,
    due: f64,
    short: f64,
    left: f64,
    debt: f64,
    ends: f64,
}

impl Question {
    /// What is given of `room`, and in what time, where `short` has to pass before there is enough.
    fn decide(&self, room: f64, short: f64) -> (f64, f64) {
        let fit = self.want.min(room).max(0.0);
        let (fit, due) = (fit - fit % self.least + 0.0, short.max(0.0) + 0.0);
        if fit > 0.0 || self.want < self.least || due > self.patience { (fit, 0.0) } else { (self.least, due) }
    }

    fn of_bucket(&self, full_at: &mut u64) -> Said {
        let Self { now, least, back, held, reserve, patience, length, most, .. } = *self;
        let window = length * most;
        let mut debt = (*full_at as f64 - now).max(0.0).min(window + patience);
        if back > 0.0 {
            debt = (debt - (back * length - held).max(0.0)).max(0.0);
        }
        let room = window - reserve;
        let fits = |debt: f64| ((room - debt) / length + 1e-9).floor();
        let short = |debt: f64| (debt + least * length - room - 1e-9 * length).ceil();
        let (fit, due) = self.decide(fits(debt), short(debt));
        debt = (debt + fit * length).ceil();
        if fit > 0.0 || back > 0.0 {
            *full_at = (now + debt) as u64;
        }
        Said { fit, due, short: short(debt), left: fits(debt), debt, ends: 0.0 }
    }

    fn of_window(&self, counts: &mut Vec<[f64; 2]>, is_sliding: bool) -> Said {
        let Self { now, least, back, held, patience, length, most, .. } = *self;
        let ends = |at: f64| if is_sliding { at + length } else { at + length - at % length };
        let (whence, mut gone) = (ends(now - held), back);
        let mut counted = counts.clone();
        for [until, count] in &mut counted {
            *until = until.min(ends(now + patience));
            if gone > 0.0 && *until >= whence && (is_sliding || *until == whence) {
                *count -= gone;
                gone = 0.0;
            }
        }
        counted.retain(|[until, count]| *until > now && *count > 0.0);
        let spent = |counted: &[[f64; 2]]| counted.iter().map(|[_, count]| count).sum::<f64>();
        let short = |counted: &[[f64; 2]]| {
            let mut excess = spent(counted) + least - most;
            if excess <= 0.0 {
                return 0.0;
            }
            let enough = |[_, count]: &&[f64; 2]| {
                excess -= count;
                excess <= 0.0
            };
            counted.iter().find(enough).map_or(length + patience, |[until, _]| until - now)
        };
        let (fit, due) = self.decide(most - spent(&counted), short(&counted));
        if fit > 0.0 {
            let (until, part) = (ends(now + due), if is_sliding { (length / 16.0).ceil() } else { length });
            let is_same = |last: f64| last >= until || (last / part).floor() == (until / part).floor();
            match counted.last_mut() {
                Some([last, count]) if is_same(*last) => (*last, *count) = (last.max(until), *count + fit),
                _ => counted.push([until, fit]),
            }
        }
        let said = Said {
            fit,
            due,
            short: short(&counted),
            left: most - spent(&counted),
            debt: counted.last().map_or(0.0, |[until, _]| until - now),
            ends: if is_sliding { 0.0 } else { ends(now + due) - now },
        };
        if fit > 0.0 || back > 0.0 {
            *counts = counted;
        }
        said
    }
}

impl Redis {
    /// Runs the script on how many keys there are, the keys, and its arguments, at this microsecond.
    pub(crate) fn run(&mut self, words: &[String], micros: u64) -> Reply {
        let keys = words[0].parse::<usize>().unwrap();
        let (buckets, arguments) = (keys - 2, &words[1 + keys..]);
        let said = format!("1 {}", arguments[2]);
        let grant = if buckets == 1 { self.grant(&arguments[3..], micros) } else { String::new() };
        Reply::Bytes((said + &grant).into_bytes())
    }

    fn grant(&mut self, arguments: &[String], micros: u64) -> String {
        assert_eq!(arguments[6], "1", "one limit");
        let number = |place: usize| arguments[place].parse::<f64>().unwrap();
        let [least, want, back, held, reserve, patience] = [0, 1, 2, 3, 4, 5].map(number);
        let (length, most) = (number(9) / 1000.0, number(10));
        let asked = Question { now: micros as f64, least, want, back, held, reserve, patience, length, most };
        let Said { fit, due, short, left, debt, ends } = match arguments[8].as_str() {
            "0" => asked.of_bucket(&mut self.full_at),
            kind => asked.of_window(&mut self.counts, kind == "1"),
        };
        let (short, left) = (short.max(0.0) + 0.0, left.max(0.0) + 0.0);
        format!(" {fit:.0} {due:.0} {short:.0} {left:.0} {debt:.0} 0 {ends:.0}")
    }
}
