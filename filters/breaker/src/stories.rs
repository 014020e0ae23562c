//! Stories of breakers: who asks, who answers, what the breaker is then.

use std::collections::BTreeMap;
use std::time::Duration;

use policy::{Instant, Period};

use crate::config::Config;
use crate::limits::{Limits, Order};
use crate::state::{Decision, End, Outcome, Permit, Phase, Recorded, State};

mod fleet;
mod life;
mod opening;
mod order;
mod race;
mod rate;

/// When every story begins.
pub(crate) const START: Instant = Instant::from_unix_seconds(1_800_000_000);

struct Story {
    limits: Limits,
    /// As it is in shared data: every line reads it and writes it.
    stored: Vec<u8>,
    now: Instant,
    permits: BTreeMap<String, Permit>,
    recorded: Recorded,
    random: [u8; 4],
}

/// Plays a story to a breaker. A line is a time since the story's start (which may be before the line above), then:
///
/// ```text
/// ok | fail | drop [took 5s] [says 9s] [× 5]
///                           a call is let through and ends so, after so long and with this `Retry-After`
/// send a                    a call is let through and is on its way
/// a ok | fail | drop …      it ends so
/// refuse [60s]              a call is refused and may try again after so long
/// force disabled            an operator orders it; `force nothing` takes the order back
/// follow 60s | nothing      other proxies have opened theirs, and it opens for so long, or stays what it is
/// votes | silent            whether it has a vote in its fleet
/// is closed                 what the breaker is
/// has 5 calls 3 failed 2 slow
///                           what its window holds
/// because …                 why the breaker opened at the line above
/// exceeds …                 why it would have opened at the line above
/// ```
pub(crate) fn check(breaker: &str, story: &str) {
    check_with([0xff; 4], breaker, story);
}

/// The same with other randomness.
pub(crate) fn check_with(random: [u8; 4], breaker: &str, story: &str) {
    let mut played = Story {
        limits: limits(breaker),
        stored: Vec::new(),
        now: START,
        permits: BTreeMap::new(),
        recorded: Recorded::Ignored,
        random,
    };
    for line in story.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (time, rest) = words.split_first().unwrap();
        played.now = START + Period::parse(time).unwrap().length();
        played.play(line, rest);
    }
}

pub(crate) fn limits(breaker: &str) -> Limits {
    let json = format!(r#"{{"breakers": {{"spotify": {breaker}}}}}"#);
    Config::from_json(json.as_bytes()).unwrap().breakers.remove(0).limits
}

/// A call's end, and how many such calls there are.
fn end(words: &[&str]) -> Option<(End, u32)> {
    let (how, rest) = words.split_first()?;
    let outcome = match *how {
        "ok" => Outcome::Success,
        "fail" => Outcome::Failure,
        "drop" => Outcome::Abandoned,
        _ => return None,
    };
    let mut end = End { outcome, took: Duration::ZERO, retry_after: Duration::ZERO };
    let mut times = 1;
    for pair in rest.chunks(2) {
        match *pair {
            ["took", length] => end.took = Period::parse(length)?.length(),
            ["says", length] => end.retry_after = Period::parse(length)?.length(),
            ["×", count] => times = count.parse().ok()?,
            _ => return None,
        }
    }
    Some((end, times))
}

impl Story {
    fn play(&mut self, line: &str, words: &[&str]) {
        match *words {
            ["is", mode] => assert_eq!(State::read(&self.stored).mode(&self.limits).as_str(), mode, "{line}"),
            ["because", ref cause @ ..] => {
                let Recorded::Opened { cause: why, .. } = self.recorded else { panic!("{line}: {:?}", self.recorded) };
                assert_eq!(why.to_string(), cause.join(" "), "{line}");
            }
            ["exceeds", ref cause @ ..] => {
                let Recorded::Exceeded(why) = self.recorded else { panic!("{line}: {:?}", self.recorded) };
                assert_eq!(why.to_string(), cause.join(" "), "{line}");
            }
            ["has", ref totals @ ..] => {
                let Phase::Closed { window, .. } = State::read(&self.stored).phase else {
                    panic!("{line}: not closed")
                };
                let held = window.totals();
                let held = format!("{} calls {} failed {} slow", held.calls, held.failures, held.slow);
                assert_eq!(held, totals.join(" "), "{line}");
            }
            ["refuse", ref after @ ..] => {
                let Decision::Refuse { retry_after } = self.ask() else { panic!("{line}: it passed") };
                let expected = after.first().map_or(Duration::ZERO, |text| Period::parse(text).unwrap().length());
                assert_eq!(retry_after, expected, "{line}");
            }
            ["follow", length] => {
                let mut state = State::read(&self.stored);
                let followed = state.follow(&self.limits, self.now, || self.random);
                assert_eq!(followed, Period::parse(length).map(Period::length), "{line}");
                state.write(&mut self.stored);
            }
            ["votes" | "silent"] => {
                let votes = State::read(&self.stored).votes(&self.limits, self.now);
                assert_eq!(votes, words == ["votes"], "{line}");
            }
            ["force", word] => {
                let order = Order::parse(word.as_bytes());
                assert_eq!(order.is_none(), word == "nothing", "{line}");
                let mut state = State::read(&self.stored);
                state.force(order);
                state.write(&mut self.stored);
            }
            ["send", name] => {
                let permit = self.pass(line);
                self.permits.insert(name.to_owned(), permit);
            }
            ref words => self.call(line, words),
        }
    }

    /// A call that ends, of now or of a line above.
    fn call(&mut self, line: &str, words: &[&str]) {
        if let Some((ended, times)) = end(words) {
            for _ in 0..times {
                let permit = self.pass(line);
                self.end(permit, &ended);
            }
            return;
        }
        let ended = words.split_first().and_then(|(name, words)| Some((self.permits.get(*name)?, end(words)?)));
        let Some((permit, (ended, _))) = ended else { panic!("not a line of a story: {line}") };
        self.end(*permit, &ended);
    }

    fn pass(&mut self, line: &str) -> Permit {
        match self.ask() {
            Decision::Pass(permit) => permit,
            Decision::Refuse { retry_after } => panic!("{line}: refused for {retry_after:?}"),
        }
    }

    fn ask(&mut self) -> Decision {
        let mut state = State::read(&self.stored);
        let decision = state.admit(&self.limits, self.now);
        state.write(&mut self.stored);
        decision
    }

    fn end(&mut self, permit: Permit, end: &End) {
        let mut state = State::read(&self.stored);
        self.recorded = state.record(&self.limits, self.now, permit, end, || self.random);
        state.write(&mut self.stored);
    }
}
