//! Hundreds of proxies on one Redis, in time that the test owns: what a fleet admits, and what it leaves unused.
//!
//! Each proxy is a [`Desk`], as a worker has it, or several over the shared data of one proxy; Redis is the script's arithmetic ([`model`]), which
//! another test compares with the script itself. Answers take a random time, get lost on either way, and proxies die.

#![allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[path = "simulation/lines.rs"]
mod lines;
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

/// One proxy's shared data, which its workers share, and its clock, which nobody else has.
#[derive(Default)]
struct Shared {
    value: Vec<u8>,
    version: u32,
    now: Instant,
    /// One in so many swaps is lost to another worker; 0 for none.
    contended: u32,
    swaps: u32,
}

impl Store for Shared {
    type Version = u32;

    fn read(&mut self, _key: &str) -> Result<(Vec<u8>, u32), Undecided> {
        Ok((self.value.clone(), self.version))
    }

    fn swap(&mut self, _key: &str, value: &[u8], version: u32) -> Result<Swap, Undecided> {
        assert_eq!(version, self.version, "workers take their turns");
        self.swaps += 1;
        if self.contended > 0 && self.swaps.is_multiple_of(self.contended) {
            return Ok(Swap::Lost);
        }
        (self.value, self.version) = (value.to_vec(), version + 1);
        Ok(Swap::Done)
    }

    fn now(&mut self) -> Instant {
        self.now
    }
}

/// One proxy.
struct Proxy {
    workers: Vec<Worker>,
    shared: Shared,
    /// How far its clock is from the truth.
    skew: Duration,
}

/// One of its workers, which asks for itself what its requests need.
#[derive(Default)]
struct Worker {
    desk: Desk,
    /// What is on its way: when it comes, and what it says.
    flight: Option<(u64, Result<Reply, Fault>)>,
    /// What is refused behind the limit: when, and until when what it has paid was good.
    refused: Vec<(u64, Instant)>,
}

/// What a run is about.
#[derive(Clone, Copy)]
struct Run<'a> {
    limit: &'a str,
    proxies: usize,
    /// Of each proxy.
    workers: usize,
    /// How often each proxy is asked, in a second.
    demand: f64,
    seconds: u64,
    /// One in so many answers is lost after Redis has paid; 0 for none.
    lost: u32,
    /// So many of a hundred that pass are refused by a limit behind, within a third of a second, and give back what they have paid.
    refused: u64,
}

const RUN: Run<'static> = Run { limit: "", proxies: 200, workers: 1, demand: 2.0, seconds: 10, lost: 0, refused: 0 };

/// A linear congruential generator: the same numbers each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// How long a step of a run is, in microseconds.
const STEP: u64 = 1_000;

/// A run on its way.
struct Stage<'a> {
    run: &'a Run<'a>,
    fleet: &'a Fleet,
    bucket: Bucket<'a>,
    contact: Contact,
    redis: Redis,
    dice: Dice,
    /// The microseconds in which requests passed.
    passed: Vec<u64>,
}

impl Stage<'_> {
    /// One step of a worker; says whether its proxy dies of it.
    fn step(&mut self, worker: &mut Worker, shared: &mut Shared, micros: u64) -> bool {
        let now = shared.now;
        while let Some(index) = worker.refused.iter().position(|(at, _)| *at <= micros) {
            let (_, until) = worker.refused.swap_remove(index);
            worker.desk.give_back(shared, self.fleet, &self.bucket, until);
        }
        if let Some((_, reply)) = worker.flight.take_if(|(at, _)| *at <= micros) {
            let came = reply.is_ok();
            let (_, released) = worker.desk.receive(shared, reply);
            for parked in released {
                // Who gets nothing of an answer asks again; where none came, it has its share, which is no part of this.
                self.ask(worker, shared, micros, came.then_some(parked.since));
            }
            worker.desk.close(shared, now);
        }
        let chance = (self.run.demand * STEP as f64 / self.run.workers as f64) as u64;
        if self.dice.roll(1_000_000) < chance {
            self.ask(worker, shared, micros, Some(now));
        }
        let None = worker.flight else { return false };
        let Some(words) = worker.desk.question(self.fleet, &self.contact, "p", false) else { return false };
        worker.desk.sent(1, now);
        let reply = self.redis.run(&words, micros);
        let is_lost = self.run.lost > 0 && self.dice.roll(u64::from(self.run.lost)) == 0;
        let reply = if is_lost { Err(Fault::Lost) } else { Ok(reply) };
        // A proxy dies with what it holds; a tenth of them do.
        let dies = is_lost && self.dice.roll(10) == 0;
        worker.flight = Some((micros + STEP + self.dice.roll(20_000), reply));
        dies
    }

    /// A request that came at `since`, where it may wait for Redis.
    fn ask(&mut self, worker: &mut Worker, shared: &mut Shared, micros: u64, since: Option<Instant>) {
        match (worker.desk.take(shared, self.fleet, &self.bucket).unwrap(), since) {
            (Take::Taken(known, _), _) if self.dice.roll(100) < self.run.refused => {
                worker.refused.push((micros + self.dice.roll(2) * self.dice.roll(300_000), known.until));
            }
            (Take::Taken(..), _) => self.passed.push(micros),
            (Take::Missing(ahead), Some(since)) => {
                worker.desk.want(self.fleet, &self.bucket, 1, ahead);
                worker.desk.park(1, since, Rc::new(RefCell::new(None)));
            }
            (Take::Refused(_) | Take::Missing(_), _) => {}
        }
    }
}

/// The one bucket of all.
fn bucket(limits: &Limits, patience: Duration) -> Bucket<'_> {
    let print = Fingerprint::from_bytes([7; 16]);
    Bucket { slot: "slot".into(), print, rule: "rule", is_shared: true, limits, cost: 1, patience }
}

/// The microseconds in which requests passed.
fn play(run: &Run<'_>, fleet: &Fleet, limits: &Limits) -> Vec<u64> {
    let (bucket, contact) = (bucket(limits, Duration::ZERO), Contact::new([1; 16]));
    let (redis, dice) = (Redis::default(), Dice(7));
    let mut stage = Stage { run, fleet, bucket, contact, redis, dice, passed: Vec::new() };
    let contended = if run.workers > 1 { 3 } else { 0 };
    let proxy = |index: usize| Proxy {
        workers: (0..run.workers).map(|_| Worker::default()).collect(),
        shared: Shared { contended, ..Shared::default() },
        skew: Duration::from_secs(index as u64 * 3600),
    };
    let mut proxies: Vec<_> = (0..run.proxies).map(proxy).collect();
    for micros in (STEP..run.seconds * 1_000_000).step_by(STEP as usize) {
        proxies.retain_mut(|Proxy { workers, shared, skew }| {
            shared.now = Instant::from_nanos(micros * 1_000) + *skew + Duration::from_secs(1);
            !workers.iter_mut().any(|worker| stage.step(worker, shared, micros))
        });
    }
    stage.passed
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
fn played(run: &Run<'_>) -> (Vec<u64>, Config) {
    let json = format!(
        r#"{{"state": {{}}, "rules": [{{"name": "rule", "key": ["upstream"], "upstream": "u", "scope": "fleet", "limit": {}}}]}}"#,
        run.limit
    );
    let config = Config::from_json(json.as_bytes()).unwrap();
    let passed = play(run, config.fleet.as_ref().unwrap(), config.rules[0].shared_bucket().unwrap().1.limits);
    (passed, config)
}

fn check(run: &Run<'_>, least: f64) {
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
    let busy = Run { limit: r#"{"rate": "1000/s"}"#, proxies: 300, demand: 20.0, ..RUN };
    check(&busy, 0.9);
    check(&Run { limit: r#"{"rate": "200/s", "burst": 400}"#, demand: 3.0, ..busy }, 0.9);
    check(&Run { limit: r#"{"rate": "5000/s"}"#, proxies: 3, demand: 900.0, ..RUN }, 0.95);
}

#[test]
fn a_slow_limit_is_spent_to_the_last_token_and_no_further() {
    check(&Run { limit: r#"{"rate": "500/d"}"#, proxies: 300, ..RUN }, 1.0 - 1e-3);
    check(&Run { limit: r#"{"rate": "10/s", "burst": 20}"#, seconds: 20, ..RUN }, 0.9);
    check(&Run { limit: r#"{"rate": "1/s", "burst": 1}"#, proxies: 100, demand: 1.0, seconds: 30, ..RUN }, 0.9);
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
        let run = Run { limit, seconds: 20, lost, ..RUN };
        let (passed, _) = played(&run);
        assert!(most_within(&passed, length) <= count, "{limit}: {}", most_within(&passed, length));
        // What a window was given is counted for up to a sixteenth longer, and as much longer as an answer may take.
        let windows = (20_000_000.0 / (length as f64 * 1.125 + 100_000.0)).ceil();
        let least = if lost == 0 { count as f64 * windows } else { 1.0 };
        assert!(passed.len() as f64 >= least, "{limit}: {} of {least}", passed.len());
    }
}

#[test]
fn a_fixed_window_of_redis_clock_holds_no_more_than_it_says() {
    // One that is emptied at once, some to whose very end there is something left, and one whose answers get lost.
    for (window, seconds, demand, lost, least) in
        [("5s", 20, 2.0, 0, 1.0), ("1s", 40, 0.24, 0, 0.85), ("1s", 40, 0.3, 0, 0.9), ("1s", 40, 0.4, 4, 0.5)]
    {
        let limit = format!(r#"{{"count": 50, "window": "{window}", "algorithm": "fixed_window"}}"#);
        let limit = limit.as_str();
        let (passed, config) = played(&Run { limit, demand, seconds, lost, ..RUN });
        let length = config.rules[0].shared_bucket().unwrap().1.limits.first().terms.window().as_micros() as u64;
        let windows = seconds * 1_000_000 / length;
        let of_window = |window: u64| passed.iter().filter(|&&at| at / length == window).count();
        let held: Vec<_> = (0..=windows).map(of_window).collect();
        assert!(held.iter().all(|count| *count <= 50), "{limit}, {demand}: {held:?}");
        assert!(passed.len() as f64 >= least * 50.0 * windows as f64, "{limit}, {demand}: {held:?}");
    }
}

#[test]
fn answers_that_get_lost_and_proxies_that_die_make_nothing_pass_that_was_not_paid() {
    for lost in [2, 10] {
        check(&Run { limit: r#"{"rate": "1000/s"}"#, demand: 20.0, seconds: 10, lost, ..RUN }, 0.1);
        check(&Run { limit: r#"{"rate": "300/h"}"#, demand: 5.0, seconds: 10, lost, ..RUN }, 0.1);
    }
}

#[test]
fn workers_of_a_proxy_spend_what_any_of_them_has_leased_and_none_of_it_twice() {
    let busy = Run { limit: r#"{"rate": "1000/s"}"#, proxies: 300, workers: 2, demand: 20.0, ..RUN };
    check(&busy, 0.9);
    check(&Run { lost: 5, ..busy }, 0.1);
    check(&Run { limit: r#"{"rate": "10/s", "burst": 20}"#, demand: 2.0, ..busy }, 0.9);
    check_refunds(&Run { refused: 30, ..busy }, 0.5);
    for (lost, refused) in [(0, 0), (5, 30)] {
        for kind in ["sliding", "fixed"] {
            let limit = format!(r#"{{"count": 50, "window": "1s", "algorithm": "{kind}_window"}}"#);
            let run = Run { limit: &limit, demand: 0.3, lost, refused, ..busy };
            let (passed, _) = played(&run);
            let of_window = |window: u64| passed.iter().filter(|&&at| at / 1_000_000 == window).count();
            let most =
                if kind == "fixed" { (0..10).map(of_window).max().unwrap() } else { most_within(&passed, 1_000_000) };
            assert!(most <= 50 && passed.len() > 200, "{limit}: {most} of {}", passed.len());
        }
    }
}

#[test]
fn what_is_refused_behind_costs_a_limit_nothing_and_buys_nothing_twice() {
    // Who is refused late gives back less: what came back meanwhile is not given twice, and what has lapsed is lost.
    for (refused, least) in [(30, 0.5), (90, 0.1)] {
        let fast = Run { limit: r#"{"rate": "1000/s"}"#, demand: 20.0, seconds: 10, refused, ..RUN };
        check_refunds(&fast, least);
        check_refunds(&Run { limit: r#"{"rate": "200/s", "burst": 400}"#, lost: 5, ..fast }, 0.0);
        check_refunds(&Run { limit: r#"{"rate": "500/d"}"#, demand: 2.0, ..fast }, 0.7);
        check_refunds(&Run { limit: r#"{"rate": "10/s", "burst": 20}"#, demand: 2.0, ..fast }, least);
    }
    let limit = r#"{"count": 50, "window": "5s", "algorithm": "sliding_window"}"#;
    let (passed, _) = played(&Run { limit, seconds: 20, refused: 50, ..RUN });
    assert!(most_within(&passed, 5_000_000) <= 50, "{}", most_within(&passed, 5_000_000));
    assert!(passed.len() >= 100, "{}", passed.len());
}

/// Plays a run whose requests are refused behind: no stretch holds more than the limit, and so much of it passes at least.
fn check_refunds(run: &Run<'_>, least: f64) {
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
