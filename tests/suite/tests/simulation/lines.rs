//! Proxies whose requests wait in lines that never end.

use std::time::Duration;

use policy::Instant;
use policy::state::{Fault, Reply};
use ratelimit::Config;
use ratelimit::block::Take;
use ratelimit::contact::Contact;
use ratelimit::desk::Desk;

use crate::model::Redis;
use crate::{Dice, Shared, bucket, excess};

/// What passes where every proxy has a line that never ends, and for how many each was sent; one answer in `lost` is lost.
fn stand_in_line(limit: &str, proxies: usize, seconds: u64, lost: u64) -> (Vec<u64>, Vec<usize>, f64) {
    let json = format!(
        r#"{{"state": {{}}, "rules": [{{"name": "rule", "key": ["upstream"], "upstream": "u", "scope": "fleet", "limit": {limit}}}]}}"#
    );
    let config = Config::from_json(json.as_bytes()).unwrap();
    let (fleet, limits) = (config.fleet.as_ref().unwrap(), config.rules[0].shared_bucket().unwrap().1.limits);
    let patience = Duration::from_mins(4);
    let bucket = bucket(limits, patience);
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

#[test]
fn a_fixed_window_holds_no_more_of_lines_than_of_others() {
    for lost in [0, 5] {
        let limit = r#"{"count": 20, "window": "1s", "algorithm": "fixed_window"}"#;
        let (passed, _, _) = stand_in_line(limit, 40, 20, lost);
        let of_window = |window: u64| passed.iter().filter(|&&at| at / 1_000_000 == window).count();
        let held: Vec<_> = (0..20).map(of_window).collect();
        assert!(held.iter().all(|count| *count <= 20) && passed.len() > 200, "{held:?}");
    }
}
