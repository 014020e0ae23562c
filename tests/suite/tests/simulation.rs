//! Hundreds of proxies on one Redis, in time that the test owns: what a fleet admits, and what it leaves unused.
//!
//! Each proxy is a [`Desk`] over shared data of its own, as a worker has it; Redis is the script's arithmetic ([`model`]), which
//! another test compares with the script itself. Answers take a random time, get lost on either way, and proxies die.

#![allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod model;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use policy::state::{Fault, Reply};
use policy::{Fingerprint, Instant};
use ratelimit::Config;
use ratelimit::block::Take;
use ratelimit::charge::{Store, Swap, Undecided};
use ratelimit::contact::Contact;
use ratelimit::desk::{Bucket, Desk};
use ratelimit::fleet::{Fleet, term};
use ratelimit::limit::Limits;

use model::Redis;

/// One proxy's shared data, and its clock, which nobody else has.
#[derive(Default)]
struct Shared {
    value: Vec<u8>,
    version: u32,
    now: Instant,
}

impl Store for Shared {
    type Version = u32;

    fn read(&mut self, _key: &str) -> Result<(Vec<u8>, u32), Undecided> {
        Ok((self.value.clone(), self.version))
    }

    fn swap(&mut self, _key: &str, value: &[u8], version: u32) -> Result<Swap, Undecided> {
        assert_eq!(version, self.version, "a proxy of one worker");
        (self.value, self.version) = (value.to_vec(), version + 1);
        Ok(Swap::Done)
    }

    fn now(&mut self) -> Instant {
        self.now
    }
}

/// One proxy with one worker.
struct Proxy {
    desk: Desk,
    shared: Shared,
    /// How far its clock is from the truth.
    skew: Duration,
    /// What is on its way: when it comes, and what it says.
    flight: Option<(u64, Result<Reply, Fault>)>,
    /// What is refused behind the limit: when, and until when what it has paid was good.
    refused: Vec<(u64, Instant)>,
    is_dead: bool,
}

/// What a run is about.
#[derive(Clone, Copy)]
struct Run {
    limit: &'static str,
    proxies: usize,
    /// How often each proxy is asked, in a second.
    demand: f64,
    seconds: u64,
    /// One in so many answers is lost after Redis has paid; 0 for none.
    lost: u32,
    /// So many of a hundred that pass are refused by a limit behind, within a third of a second, and give back what they have paid.
    refused: u64,
}

/// A linear congruential generator: the same numbers each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// The microseconds in which requests passed.
fn play(run: &Run, fleet: &Fleet, limits: &Limits) -> Vec<u64> {
    const STEP: u64 = 1_000;
    let (mut redis, mut dice, mut passed) = (Redis::default(), Dice(7), Vec::new());
    let proxy = |index: usize| Proxy {
        desk: Desk::default(),
        shared: Shared::default(),
        skew: Duration::from_secs(index as u64 * 3600),
        flight: None,
        refused: Vec::new(),
        is_dead: false,
    };
    let mut proxies: Vec<_> = (0..run.proxies).map(proxy).collect();
    let bucket = || Bucket {
        slot: "slot".into(),
        print: Fingerprint::from_bytes([7; 16]),
        rule: "rule",
        is_shared: true,
        limits,
        cost: 1,
        patience: Duration::ZERO,
    };
    let contact = Contact::new([1; 16]);
    for micros in (STEP..run.seconds * 1_000_000).step_by(STEP as usize) {
        for proxy in proxies.iter_mut().filter(|proxy| !proxy.is_dead) {
            let now = Instant::from_nanos(micros * 1_000) + proxy.skew + Duration::from_secs(1);
            proxy.shared.now = now;
            let mut pass = |proxy: &mut Proxy, dice: &mut Dice, until: Instant| {
                if dice.roll(100) < run.refused {
                    proxy.refused.push((micros + dice.roll(2) * dice.roll(300_000), until));
                } else {
                    passed.push(micros);
                }
            };
            while let Some(index) = proxy.refused.iter().position(|(at, _)| *at <= micros) {
                let (_, until) = proxy.refused.swap_remove(index);
                proxy.desk.give_back(&mut proxy.shared, fleet, &bucket(), until);
            }
            if let Some((_, reply)) = proxy.flight.take_if(|(at, _)| *at <= micros) {
                let (_, released) = proxy.desk.receive(&mut proxy.shared, reply);
                for parked in released {
                    if let Ok(Take::Taken(known, _)) = proxy.desk.take(&mut proxy.shared, fleet, &bucket()) {
                        pass(proxy, &mut dice, known.until);
                    }
                    drop(parked);
                }
                proxy.desk.close(&mut proxy.shared, now);
            }
            let chance = (run.demand * STEP as f64 / 1e6 * 1e6) as u64;
            if dice.roll(1_000_000) < chance {
                match proxy.desk.take(&mut proxy.shared, fleet, &bucket()).unwrap() {
                    Take::Taken(known, _) => pass(proxy, &mut dice, known.until),
                    Take::Refused(_) => {}
                    Take::Missing(ahead) => {
                        proxy.desk.want(fleet, &bucket(), 1, ahead);
                        proxy.desk.park(1, now, Rc::new(RefCell::new(None)));
                    }
                }
            }
            if proxy.flight.is_none()
                && let Some(words) = proxy.desk.question(fleet, &contact, "p", false)
            {
                proxy.desk.sent(1, now);
                let reply = redis.run(&words, micros);
                let is_lost = run.lost > 0 && dice.roll(u64::from(run.lost)) == 0;
                let reply = if is_lost { Err(Fault::Lost) } else { Ok(reply) };
                // A proxy dies with what it holds; a tenth of them do.
                proxy.is_dead = is_lost && dice.roll(10) == 0;
                proxy.flight = Some((micros + STEP + dice.roll(20_000), reply));
            }
        }
    }
    passed
}

/// The most that a stretch of time held beyond the limit, in tokens: `passed` in it less `burst + rate × length`.
fn excess(passed: &[u64], refill: f64, burst: f64) -> f64 {
    // GCRA over what has passed: the debt of a bucket that never refuses.
    let (mut full_at, mut most) = (0.0_f64, f64::MIN);
    for &micros in passed {
        full_at = full_at.max(micros as f64) + refill;
        most = most.max((full_at - micros as f64) / refill - burst);
    }
    most
}

/// Plays a run, and says the filter's configuration too.
fn played(run: &Run) -> (Vec<u64>, Config) {
    let json = format!(
        r#"{{"state": {{}}, "rules": [{{"name": "rule", "key": ["upstream"], "upstream": "u", "scope": "fleet", "limit": {}}}]}}"#,
        run.limit
    );
    let config = Config::from_json(json.as_bytes()).unwrap();
    let passed = play(run, config.fleet.as_ref().unwrap(), config.rules[0].shared_bucket().unwrap().1.limits);
    (passed, config)
}

fn check(run: &Run, least: f64) {
    let (passed, config) = played(run);
    let fleet = config.fleet.as_ref().unwrap();
    let limits = config.rules[0].shared_bucket().unwrap().1.limits;
    let quota = *limits.first().terms.bucket().unwrap();
    let refill = quota.refill().as_nanos() as f64 / 1e3;
    let over = excess(&passed, refill, f64::from(quota.burst().get()));
    // Of a fast limit, a reserve covers the time from the grant on. Of a slow one, a token is spent when its answer comes.
    let is_fast = term(limits, 1, fleet.interval).is_some();
    let way = if is_fast { 0.0 } else { 21_000.0 / refill };
    assert!(over <= way + 1e-3, "{}: {over} tokens too many, of {}", run.limit, passed.len());
    let most = f64::from(quota.burst().get()) + run.seconds as f64 * 1e6 / refill;
    let offered = run.demand * run.proxies as f64 * run.seconds as f64;
    let used = passed.len() as f64 / most.min(offered);
    assert!(passed.len() as f64 <= most, "{}: {} of {most}", run.limit, passed.len());
    assert!(used >= least, "{}: {used} of {most} or {offered} used", run.limit);
}

#[test]
fn no_stretch_of_time_holds_more_than_a_fast_limit_and_little_is_left_unused() {
    let busy = Run { limit: r#"{"rate": "1000/s"}"#, proxies: 300, demand: 20.0, seconds: 10, lost: 0, refused: 0 };
    check(&busy, 0.9);
    check(&Run { limit: r#"{"rate": "200/s", "burst": 400}"#, demand: 3.0, ..busy }, 0.9);
    check(&Run { limit: r#"{"rate": "5000/s"}"#, proxies: 3, demand: 900.0, seconds: 10, lost: 0, refused: 0 }, 0.95);
}

#[test]
fn a_slow_limit_is_spent_to_the_last_token_and_no_further() {
    check(
        &Run { limit: r#"{"rate": "500/d"}"#, proxies: 300, demand: 2.0, seconds: 10, lost: 0, refused: 0 },
        1.0 - 1e-3,
    );
    check(
        &Run { limit: r#"{"rate": "10/s", "burst": 20}"#, proxies: 200, demand: 2.0, seconds: 20, lost: 0, refused: 0 },
        0.9,
    );
    check(
        &Run { limit: r#"{"rate": "1/s", "burst": 1}"#, proxies: 100, demand: 1.0, seconds: 30, lost: 0, refused: 0 },
        0.9,
    );
}

/// The most that a stretch of this many microseconds held.
fn most_within(passed: &[u64], length: u64) -> usize {
    let within =
        |(index, micros): (usize, &u64)| passed[index..].iter().take_while(|&&at| at < micros + length).count();
    passed.iter().enumerate().map(within).max().unwrap_or(0)
}

#[test]
fn no_stretch_of_a_sliding_windows_length_holds_more_than_it_takes_and_every_window_is_filled() {
    for (limit, count, length, lost) in [
        (r#"{"count": 50, "window": "5s", "algorithm": "sliding_window"}"#, 50, 5_000_000, 0),
        (r#"{"count": 500, "window": "1d", "algorithm": "sliding_window"}"#, 500, 86_400_000_000, 0),
        (r#"{"count": 50, "window": "5s", "algorithm": "sliding_window"}"#, 50, 5_000_000, 4),
    ] {
        let run = Run { limit, proxies: 200, demand: 2.0, seconds: 20, lost, refused: 0 };
        let (passed, _) = played(&run);
        assert!(most_within(&passed, length) <= count, "{limit}: {}", most_within(&passed, length));
        // What a window was given is counted for up to a sixteenth longer, and as much longer as an answer may take.
        let windows = (20_000_000.0 / (length as f64 * 1.125 + 100_000.0)).ceil();
        let least = if lost == 0 { count as f64 * windows } else { 1.0 };
        assert!(passed.len() as f64 >= least, "{limit}: {} of {least}", passed.len());
    }
}

#[test]
fn a_fixed_window_of_redis_clock_takes_what_it_says() {
    let limit = r#"{"count": 50, "window": "5s", "algorithm": "fixed_window"}"#;
    let (passed, _) = played(&Run { limit, proxies: 200, demand: 2.0, seconds: 20, lost: 0, refused: 0 });
    // Answers take up to 21 ms: what passed by then was counted in the window before.
    let of_window = |window: u64| passed.iter().filter(|&&at| at.saturating_sub(21_000) / 5_000_000 == window).count();
    assert_eq!(passed.len(), 200);
    assert!((0..4).all(|window| of_window(window).abs_diff(50) <= 5), "{passed:?}");
}

#[test]
fn answers_that_get_lost_and_proxies_that_die_make_nothing_pass_that_was_not_paid() {
    for lost in [2, 10] {
        check(&Run { limit: r#"{"rate": "1000/s"}"#, proxies: 200, demand: 20.0, seconds: 10, lost, refused: 0 }, 0.1);
        check(&Run { limit: r#"{"rate": "300/h"}"#, proxies: 200, demand: 5.0, seconds: 10, lost, refused: 0 }, 0.1);
    }
}

#[test]
fn what_is_refused_behind_costs_a_limit_nothing_and_buys_nothing_twice() {
    // Who is refused late gives back less: what came back meanwhile is not given twice, and what has lapsed is lost.
    for (refused, least) in [(30, 0.5), (90, 0.1)] {
        let fast = Run { limit: r#"{"rate": "1000/s"}"#, proxies: 200, demand: 20.0, seconds: 10, lost: 0, refused };
        check_refunds(&fast, least);
        check_refunds(&Run { limit: r#"{"rate": "200/s", "burst": 400}"#, lost: 5, ..fast }, 0.0);
        check_refunds(&Run { limit: r#"{"rate": "500/d"}"#, demand: 2.0, ..fast }, 0.7);
        check_refunds(&Run { limit: r#"{"rate": "10/s", "burst": 20}"#, demand: 2.0, ..fast }, least);
    }
    let limit = r#"{"count": 50, "window": "5s", "algorithm": "sliding_window"}"#;
    let (passed, _) = played(&Run { limit, proxies: 200, demand: 2.0, seconds: 20, lost: 0, refused: 50 });
    assert!(most_within(&passed, 5_000_000) <= 50, "{}", most_within(&passed, 5_000_000));
    assert!(passed.len() >= 100, "{}", passed.len());
}

/// Plays a run whose requests are refused behind: no stretch holds more than the limit, and so much of it passes at least.
fn check_refunds(run: &Run, least: f64) {
    let (passed, config) = played(run);
    let fleet = config.fleet.as_ref().unwrap();
    let limits = config.rules[0].shared_bucket().unwrap().1.limits;
    let quota = *limits.first().terms.bucket().unwrap();
    let (refill, burst) = (quota.refill().as_nanos() as f64 / 1e3, f64::from(quota.burst().get()));
    let over = excess(&passed, refill, burst);
    let way = if term(limits, 1, fleet.interval).is_some() { 0.0 } else { 42_000.0 / refill };
    let used = passed.len() as f64 / (burst + run.seconds as f64 * 1e6 / refill);
    assert!(over <= way + 1e-3, "{}: {over} tokens too many, of {}", run.limit, passed.len());
    assert!(used >= least, "{}: {used} used", run.limit);
}

/// What passes where every proxy has a line that never ends, and for how many each was sent; one answer in `lost` is lost.
fn stand_in_line(limit: &str, proxies: usize, seconds: u64, lost: u64) -> (Vec<u64>, Vec<usize>, f64) {
    let json = format!(
        r#"{{"state": {{}}, "rules": [{{"name": "rule", "key": ["upstream"], "upstream": "u", "scope": "fleet", "limit": {limit}}}]}}"#
    );
    let config = Config::from_json(json.as_bytes()).unwrap();
    let (fleet, limits) = (config.fleet.as_ref().unwrap(), config.rules[0].shared_bucket().unwrap().1.limits);
    let patience = Duration::from_mins(4);
    let bucket = Bucket {
        slot: "slot".into(),
        print: Fingerprint::from_bytes([7; 16]),
        rule: "rule",
        is_shared: true,
        limits,
        cost: 1,
        patience,
    };
    let (mut redis, mut dice, contact) = (Redis::default(), Dice(7), Contact::new([1; 16]));
    let (mut passed, mut counts) = (Vec::new(), vec![0; proxies]);
    let mut line: Vec<_> = (0..proxies)
        .map(|_| (Desk::<()>::default(), Shared::default(), None::<(u64, u64, Result<Reply, Fault>)>))
        .collect();
    for micros in (1_000..seconds * 1_000_000).step_by(1_000) {
        for (index, (desk, shared, flight)) in line.iter_mut().enumerate() {
            shared.now = Instant::from_nanos(micros * 1_000) + Duration::from_secs(index as u64 * 3600 + 1);
            if let Some((_, _, reply)) = flight.take_if(|(at, ..)| *at <= micros) {
                desk.receive(shared, reply).0.ok();
            }
            while let Take::Taken(..) = desk.claim(shared, fleet, &bucket, 9).unwrap() {
                passed.push(micros);
                counts[index] += 1;
            }
            if flight.is_none()
                && let Some(words) = desk.question(fleet, &contact, "p", false)
            {
                desk.sent(1, shared.now);
                let way = dice.roll(20_000);
                let reply = redis.run(&words, micros);
                let reply = if lost > 0 && dice.roll(lost) == 0 { Err(Fault::Lost) } else { Ok(reply) };
                *flight = Some((micros + 1_000 + way, micros, reply));
            }
        }
    }
    let refill = limits.first().terms.pace().as_nanos() as f64 / 1e3;
    (passed, counts, refill)
}

#[test]
fn lines_take_turns_at_the_limits_pace_and_never_exceed_it() {
    for (limit, burst, proxies) in
        [(r#"{"rate": "1/s", "burst": 1}"#, 1.0, 7), (r#"{"rate": "10/s", "burst": 3}"#, 3.0, 40)]
    {
        let (passed, counts, refill) = stand_in_line(limit, proxies, 60, 0);
        let over = excess(&passed, refill, burst);
        assert!(over <= 22_000.0 / refill, "{limit}: {over}");
        let least = 0.97 * 60e6 / refill;
        assert!(passed.len() as f64 >= least, "{limit}: {} of {least}", passed.len());
        let (fewest, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        assert!(most - fewest <= 3, "{limit}: {counts:?}");
    }
}

#[test]
fn lines_whose_answers_get_lost_exceed_nothing_and_move_on() {
    let (passed, counts, refill) = stand_in_line(r#"{"rate": "10/s", "burst": 1}"#, 10, 60, 5);
    assert!(excess(&passed, refill, 1.0) <= 22_000.0 / refill, "{passed:?}");
    assert!(passed.len() > 300 && counts.iter().all(|count| *count > 10), "{counts:?}");
}
