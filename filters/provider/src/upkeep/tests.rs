//! The life of a token, as stories.

use policy::fields::Fields;

use super::*;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// With a timeout of 5 seconds, a wait of 5, a leeway of 10, replaced 60 before the end.
fn grant() -> Grant {
    let json = r#"{"token_url": "http://id.example/", "cluster": "id", "client_id": {"env": "A"}, "client_secret": {"env": "A"}}"#;
    Grant::read(Fields::read(json.as_bytes()).unwrap(), None).ok().unwrap()
}

/// Plays a story: lines of a second, what happens, and what is found. Stored bytes are all that passes between lines.
fn check(story: &str) {
    let grant = grant();
    let mut stored = Vec::new();
    for line in story.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (second, words) = line.split_once(' ').unwrap();
        let now = Instant::from_unix_seconds(second.parse().unwrap());
        let mut upkeep = Upkeep::read(&stored);
        let (event, expected) = words.split_once(" -> ").unwrap_or((words, ""));
        let words: Vec<&str> = event.split_whitespace().collect();
        let number = |at: usize| words.get(at).map_or(0, |word| word.parse::<u64>().unwrap());
        let mut token = None;
        let found = match words.first().copied().unwrap() {
            "due" => upkeep.is_due(&grant, now).to_string(),
            "usable" => upkeep.is_usable(now).to_string(),
            "token" => String::from_utf8(Upkeep::token(&stored).to_vec()).unwrap(),
            "prospect" => match upkeep.prospect(&grant, Instant::from_unix_seconds(number(1)), now) {
                Prospect::Now => "now".to_owned(),
                Prospect::Soon => "soon".to_owned(),
                Prospect::In(time) => time.as_secs().to_string(),
            },
            "begin" => {
                upkeep.begin(now);
                String::new()
            }
            "fail" => {
                upkeep.fail(now, Some(Duration::from_secs(number(1))), 0);
                String::new()
            }
            "refuse" => format!("{:?}", upkeep.refuse(number(1), now)),
            "doubt" => upkeep.doubt(number(1), now).to_string(),
            "succeed" => {
                upkeep.succeed(&grant, now, Duration::from_secs(number(1)), 0);
                token = Some(format!("token-{}", upkeep.generation).into_bytes());
                String::new()
            }
            other => panic!("{other}"),
        };
        assert_eq!(found, expected.trim(), "{line}");
        upkeep.write(&mut stored, token.as_deref());
    }
}

#[test]
fn a_token_is_fetched_at_once_and_replaced_before_its_end() {
    check(
        "1000 due -> true
         1000 usable -> false
         1000 prospect 1000 -> soon
         1000 begin
         1000 due -> false
         1001 prospect 1000 -> soon
         1002 succeed 3600
         1002 usable -> true
         1002 token -> token-1
         1002 prospect 1000 -> now
         4529 due -> false
         4530 due -> true
         4530 begin
         4531 token -> token-1
         4531 usable -> true
         4531 succeed 3600
         4590 token -> token-2
         4590 usable -> true",
    );
}

#[test]
fn a_token_is_never_shown_after_its_end() {
    check(
        "1000 begin
         1003 succeed 100
         1089 usable -> true
         1090 usable -> false
         1090 due -> true",
    );
    // A quarter of a short life is the most that is taken off on either side.
    check(
        "1000 begin
         1000 succeed 8
         1003 due -> false
         1004 due -> true
         1005 usable -> true
         1006 usable -> false",
    );
    // One that has ended before it came is none, and the next is not asked for at once.
    check(
        "1000 begin
         1003 succeed 2
         1003 usable -> false
         1003 due -> false
         1004 due -> true",
    );
}

#[test]
fn pauses_grow_while_the_endpoint_is_down_and_the_token_ends() {
    check(
        "1000 begin
         1000 succeed 100
         1065 begin
         1065 fail
         1065 due -> false
         1066 due -> true
         1066 begin
         1067 fail
         1068 due -> false
         1069 due -> true
         1069 usable -> true
         1089 begin
         1089 fail
         1089 usable -> true
         1090 usable -> false
         1090 prospect 1090 -> soon
         1093 begin
         1093 fail
         1094 prospect 1094 -> 7
         1101 begin
         1101 fail 120
         1102 prospect 1102 -> 119
         1221 due -> true
         1221 begin
         1221 fail 100000
         1222 prospect 1222 -> 599",
    );
}

#[test]
fn a_worker_that_dies_in_flight_is_replaced() {
    check(
        "1000 begin
         1005 due -> false
         1006 due -> true
         1006 begin
         1007 due -> false
         1007 succeed 100
         1008 usable -> true",
    );
}

#[test]
fn a_refused_token_is_dropped_once_and_a_newer_one_is_not() {
    check(
        "1000 begin
         1000 succeed 3600
         1001 refuse 1 -> Dropped
         1001 refuse 1 -> Known
         1001 usable -> false
         1001 due -> true
         1001 begin
         1002 refuse 1 -> Known
         1002 succeed 3600
         1002 token -> token-2
         1002 refuse 1 -> Known
         1002 usable -> true
         1003 refuse 2 -> Kept
         1003 usable -> true
         1012 refuse 2 -> Dropped
         1012 due -> true",
    );
    // What the endpoint's own trouble has put off stays put off.
    check(
        "1000 begin
         1000 succeed 100
         1065 begin
         1065 fail 60
         1070 refuse 1 -> Dropped
         1070 due -> false
         1070 prospect 1070 -> 55",
    );
}

#[test]
fn nobody_waits_longer_than_said() {
    check(
        "1000 begin
         1004 prospect 1000 -> soon
         1005 prospect 1000 -> 0
         1001 prospect 1002 -> 0",
    );
}

#[test]
fn a_clock_that_steps_back_makes_no_token_hold_for_longer() {
    check(
        "5000 begin
         5000 succeed 3600
         4000 usable -> false
         4000 due -> true
         4000 begin
         4000 succeed 3600
         4000 usable -> true",
    );
    // Where the token was asked for before the step and is not in the future now, a worker says so.
    check(
        "5000 begin
         5000 succeed 3600
         5600 doubt 7 -> false
         5600 doubt 1 -> true
         5600 doubt 1 -> false
         5600 usable -> false
         5600 due -> true",
    );
    // A flight of what is the future now holds nothing up, and no pause does.
    check(
        "5000 begin
         4000 due -> true
         4000 begin
         4001 fail 600
         2000 due -> true",
    );
}

#[test]
fn what_cannot_be_read_is_nothing() {
    assert_eq!(Upkeep::read(&[0xff; 100]), Upkeep::default());
    for stored in [&b""[..], b"short", &[7; 79]] {
        let upkeep = Upkeep::read(stored);
        assert_eq!((upkeep, Upkeep::token(stored)), (Upkeep::default(), &b""[..]));
    }
}

#[test]
fn proxies_that_started_together_do_not_go_on_together() {
    let (grant, now) = (grant(), Instant::from_unix_seconds(1000));
    let due = |spread| {
        let mut upkeep = Upkeep::default();
        upkeep.begin(now);
        upkeep.succeed(&grant, now, Duration::from_hours(1), spread);
        upkeep.due.since(now).as_secs()
    };
    assert_eq!((due(0), due(255)), (3530, 3470));
    let pause = |spread| {
        let mut upkeep = Upkeep::default();
        upkeep.begin(now);
        upkeep.fail(now, None, spread);
        upkeep.due.since(now).as_millis()
    };
    assert_eq!((pause(0), pause(255)), (1000, 500));
}

#[test]
fn what_operators_are_told_of_a_token_is_what_is_stored() {
    use policy::credential::Age;
    let (grant, mut stored) = (grant(), Vec::new());
    let at = Instant::from_unix_seconds(1000);
    let mut upkeep = Upkeep::default();
    upkeep.begin(at);
    upkeep.succeed(&grant, at, Duration::from_hours(1), 0);
    upkeep.write(&mut stored, Some(b"token"));
    let age = Age::of_token(&stored);
    assert_eq!((age.fetched, age.ends, age.failures), (Some(at), Some(upkeep.expires), 0));
    assert!(age.ends.is_some_and(|ends| ends > at));
    upkeep.fail(at, None, 0);
    upkeep.refused = upkeep.generation;
    upkeep.write(&mut stored, None);
    assert_eq!(Age::of_token(&stored), Age { fetched: None, ends: None, failures: 1 });
}

#[test]
fn a_token_that_cannot_have_all_its_leeway_is_brief() {
    let grant = grant();
    let leeway = grant.leeway;
    assert!(!leeway.is_zero());
    let at = Instant::from_nanos(1 << 40);
    for (life, expected) in [(leeway * 4, false), (leeway * 3, true), (leeway, true), (leeway * 100, false)] {
        let mut upkeep = Upkeep::default();
        upkeep.begin(at);
        upkeep.succeed(&grant, at, life, 0);
        assert_eq!(upkeep.is_brief(&grant), expected, "{life:?}");
    }
}
