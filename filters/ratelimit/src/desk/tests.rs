//! One question at a time, and whoever has waited for an answer is the first to spend it.

use std::collections::BTreeMap;

use super::*;
use crate::contact::Contact;
use crate::limit::tests::limits;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[derive(Default)]
struct Shared(BTreeMap<String, Vec<u8>>);

const NOW: Instant = Instant::from_unix_seconds(1_000);

impl Store for Shared {
    type Version = ();

    fn read(&mut self, key: &str) -> Result<(Vec<u8>, ()), Undecided> {
        Ok((self.0.get(key).cloned().unwrap_or_default(), ()))
    }

    fn swap(&mut self, key: &str, value: &[u8], (): ()) -> Result<Swap, Undecided> {
        self.0.insert(key.to_owned(), value.to_vec());
        Ok(Swap::Done)
    }

    fn now(&mut self) -> Instant {
        NOW
    }
}

fn fleet() -> Fleet {
    let rule = r#"{"name": "rule", "key": ["user"], "limit": {"rate": "1/s"}}"#;
    let json = format!(r#"{{"state": {{}}, "scope": "fleet", "rules": [{rule}]}}"#);
    let config = crate::Config::from_json(json.as_bytes()).unwrap();
    config.fleet.unwrap()
}

fn bucket(limits: &Limits) -> Bucket<'_> {
    let print = Fingerprint::from_bytes([7; 16]);
    Bucket { slot: "slot".into(), print, rule: "rule", is_shared: true, limits, cost: 1, patience: Duration::ZERO }
}

/// Lets so many wait, and says what is asked for them.
fn ask(desk: &mut Desk, bucket: &Bucket<'_>, waiting: u32) -> Vec<String> {
    for context in 0..waiting {
        desk.want(&fleet(), bucket, 1, 0);
        desk.park(context, NOW, Rc::default());
    }
    desk.question(&fleet(), &Contact::new([1; 16]), "p", false).unwrap()
}

fn reply(grant: &str) -> Reply {
    ending(grant, 0)
}

/// The same of a fixed window that ends in so many microseconds.
fn ending(grant: &str, ends_in: u32) -> Reply {
    Reply::Bytes(format!("1 {} {grant} {ends_in}", "01".repeat(16)).into())
}

#[test]
fn those_who_wait_are_asked_for_together_and_spend_what_comes() {
    let (limits, mut desk, mut shared) = (limits("10/h"), Desk::<()>::default(), Shared::default());
    let bucket = bucket(&limits);
    let words = ask(&mut desk, &bucket, 3);
    assert_eq!(words[..4], ["3", "weir:fleet", "weir:fleet:seed", "weir:limit:rule"]);
    assert_eq!(words[7..], ["1", "3", "0", "0", "0", "0", "1", "hour", "0", "360000000000", "10"]);
    desk.sent(5, NOW);
    assert!(desk.question(&fleet(), &Contact::new([1; 16]), "p", true).is_none(), "one at a time");
    let (answer, released) = desk.receive(&mut shared, Ok(reply("2 0 1000000 0 3600000000 0")));
    assert_eq!((answer.is_ok(), released.len()), (true, 3));
    let said: Vec<_> = (0..3).map(|_| desk.take(&mut shared, &fleet(), &bucket).unwrap()).collect();
    assert!(matches!(said[..], [Take::Taken(..), Take::Taken(..), Take::Refused(_)]), "{said:?}");
}

#[test]
fn what_nobody_waits_for_any_more_goes_back() {
    let (limits, mut desk, mut shared) = (limits("10/h"), Desk::<()>::default(), Shared::default());
    ask(&mut desk, &bucket(&limits), 2);
    desk.sent(5, NOW);
    desk.receive(&mut shared, Ok(reply("2 0 0 8 0 0"))).0.unwrap();
    desk.close(&mut shared, NOW + Duration::from_millis(3));
    let words = desk.question(&fleet(), &Contact::new([1; 16]), "p", false).unwrap();
    assert_eq!(words[7..11], ["1", "0", "2", "3000"]);
}

#[test]
fn what_a_refused_request_has_paid_goes_back_to_redis_where_nothing_is_leased_ahead() {
    for (text, held) in [("10/h", "3000"), ("10/h sliding", "203000")] {
        let (limits, mut desk, mut shared) = (limits(text), Desk::<()>::default(), Shared::default());
        let bucket = bucket(&limits);
        ask(&mut desk, &bucket, 1);
        desk.sent(5, NOW.before(Duration::from_millis(3)));
        desk.receive(&mut shared, Ok(reply("1 0 0 8 0 0"))).0.unwrap();
        let Ok(Take::Taken(known, None)) = desk.take(&mut shared, &fleet(), &bucket) else { panic!("{text}") };
        desk.close(&mut shared, NOW);
        assert_eq!(desk.question(&fleet(), &Contact::new([1; 16]), "p", false), None, "{text}: it was spent");
        desk.give_back(&mut shared, &fleet(), &bucket, known.until);
        let words = desk.question(&fleet(), &Contact::new([1; 16]), "p", false).unwrap();
        assert_eq!(words[7..11], ["1", "0", "1", held], "{text}");
        assert_eq!(desk.take(&mut shared, &fleet(), &bucket), Ok(Take::Missing(0)), "{text}: Redis gives it");
    }
}

#[test]
fn what_a_fixed_window_has_counted_is_spent_in_no_other() {
    for (ends_in, is_good) in [(20_000, false), (21_000, true), (0, true)] {
        let (limits, mut desk, mut shared) = (limits("10/m fixed"), Desk::<()>::default(), Shared::default());
        let bucket = bucket(&limits);
        ask(&mut desk, &bucket, 1);
        desk.sent(5, NOW.before(Duration::from_millis(20)));
        let (_, released) = desk.receive(&mut shared, Ok(ending("1 0 0 8 0 0", ends_in)));
        assert_eq!(released.len(), 1);
        let looked = desk.look(&mut shared, &fleet(), &bucket).unwrap();
        let said = desk.take(&mut shared, &fleet(), &bucket).unwrap();
        for said in [looked, said] {
            assert_eq!(matches!(said, Take::Taken(..)), is_good, "{ends_in}: {said:?}");
        }
        // It is asked for again, beside what is no longer good; a new answer is good for itself.
        ask(&mut desk, &bucket, 1);
        desk.sent(6, NOW);
        desk.receive(&mut shared, Ok(ending("1 0 0 8 0 0", 60_000_000))).0.unwrap();
        assert!(matches!(desk.take(&mut shared, &fleet(), &bucket), Ok(Take::Taken(..))), "{ends_in}");
        assert_eq!(desk.take(&mut shared, &fleet(), &bucket), Ok(Take::Missing(0)), "{ends_in}");
    }
}

#[test]
fn what_comes_back_leaves_room_for_those_who_need_something() {
    let (limits, mut desk, mut shared) = (limits("10/h"), Desk::<()>::default(), Shared::default());
    for caller in 0..=u8::try_from(BATCH).unwrap() {
        let bucket = Bucket { is_shared: false, print: Fingerprint::from_bytes([caller; 16]), ..bucket(&limits) };
        desk.give_back(&mut shared, &fleet(), &bucket, NOW);
    }
    assert!(desk.has_room());
    let words = desk.question(&fleet(), &Contact::new([1; 16]), "p", false).unwrap();
    assert_eq!(words[0], (2 + BATCH / 2).to_string());
}

#[test]
fn what_a_refused_request_has_paid_is_leased_again_until_it_would_have_lapsed() {
    let (limits, mut desk, mut shared) = (limits("1000/s"), Desk::<()>::default(), Shared::default());
    let bucket = bucket(&limits);
    ask(&mut desk, &bucket, 1);
    desk.sent(5, NOW);
    desk.receive(&mut shared, Ok(reply("1 0 0 8 0 0"))).0.unwrap();
    let Ok(Take::Taken(known, None)) = desk.take(&mut shared, &fleet(), &bucket) else { panic!("nothing taken") };
    desk.close(&mut shared, NOW);
    assert_eq!(known.until, NOW + Duration::from_millis(100));
    desk.give_back(&mut shared, &fleet(), &bucket, NOW);
    desk.give_back(&mut shared, &fleet(), &bucket, NOW + Duration::from_secs(1));
    let said = desk.take(&mut shared, &fleet(), &bucket);
    assert!(matches!(said, Ok(Take::Missing(_))), "one has lapsed, one is of another time: {said:?}");
    desk.give_back(&mut shared, &fleet(), &bucket, known.until);
    assert!(
        matches!(desk.take(&mut shared, &fleet(), &bucket), Ok(Take::Taken(again, None)) if again.until == known.until)
    );
}

#[test]
fn what_a_request_has_is_kept_while_it_waits_for_the_rest() {
    let (limits, mut desk, mut shared) = (limits("10/h"), Desk::<()>::default(), Shared::default());
    let bucket = bucket(&limits);
    ask(&mut desk, &bucket, 1);
    desk.sent(5, NOW);
    desk.receive(&mut shared, Ok(reply("1 0 0 9 0 0"))).0.unwrap();
    assert!(matches!(desk.look(&mut shared, &fleet(), &bucket), Ok(Take::Taken(..))));
    desk.hold(&mut shared, &bucket);
    desk.close(&mut shared, NOW);
    assert_eq!(desk.question(&fleet(), &Contact::new([1; 16]), "p", false), None, "nothing goes back");
    assert!(matches!(desk.look(&mut shared, &fleet(), &bucket), Ok(Take::Taken(..))));
    // It has not come back for it.
    desk.close(&mut shared, NOW);
    let words = desk.question(&fleet(), &Contact::new([1; 16]), "p", false).unwrap();
    assert_eq!(words[7..10], ["1", "0", "1"]);
}

#[test]
fn a_redis_that_does_not_know_the_script_is_told_it() {
    let (limits, mut desk, mut shared) = (limits("10/h"), Desk::<()>::default(), Shared::default());
    let bucket = bucket(&limits);
    let first = ask(&mut desk, &bucket, 1);
    desk.sent(5, NOW);
    let (answer, released) = desk.receive(&mut shared, Err(Fault::NoScript));
    assert_eq!((answer, released.len()), (Err(Fault::NoScript), 0));
    let second = desk.question(&fleet(), &Contact::new([1; 16]), "p", false).unwrap();
    assert_eq!((desk.form, first), (Form::Source, second));
    desk.sent(6, NOW);
    assert_eq!(desk.receive(&mut shared, Ok(reply("1 0 0 9 0 0"))).1.len(), 1);
    assert_eq!(desk.form, Form::Digest);
}

#[test]
fn who_was_not_asked_for_yet_waits_no_more_once_redis_is_away_and_what_comes_back_still_does() {
    let (limits, mut desk) = (limits("10/h"), Desk::<()>::default());
    ask(&mut desk, &bucket(&limits), 2);
    desk.sent(5, NOW);
    desk.want(&fleet(), &bucket(&limits), 1, 7);
    desk.park(9, NOW, Rc::default());
    assert_eq!(desk.strand().iter().map(|parked| parked.context).collect::<Vec<_>>(), [9]);
    assert_eq!(desk.receive(&mut Shared::default(), Err(Fault::Lost)).1.len(), 2, "their answer was still to come");
    desk.give_back(&mut Shared::default(), &fleet(), &bucket(&limits), NOW);
    assert_eq!(desk.strand().len(), 0);
    let words = desk.question(&fleet(), &Contact::new([1; 16]), "p", false).unwrap();
    assert_eq!(words[7..10], ["1", "0", "1"]);
}

#[test]
fn a_fault_releases_everybody_and_so_does_the_budget() {
    let (limits, mut desk, mut shared) = (limits("10/h"), Desk::<()>::default(), Shared::default());
    ask(&mut desk, &bucket(&limits), 2);
    desk.sent(5, NOW);
    desk.park(9, NOW, Rc::default());
    assert_eq!(desk.receive(&mut shared, Err(Fault::Status(504))).1.len(), 3);
    desk.park(9, NOW, Rc::default());
    let budget = Duration::from_millis(100);
    assert_eq!(desk.late(budget, NOW + Duration::from_millis(99)).len(), 0);
    assert_eq!(desk.late(budget, NOW + budget).len(), 1);
    desk.park(9, NOW, Rc::default());
    assert_eq!(desk.late(budget, NOW.before(budget)).len(), 1, "the clock has stepped back");
}
