//! Tests of the module around this one.

use super::*;
use policy::fields::Fields;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Refreshed every 100 seconds, with a timeout of 2, kept for 1000, a cooldown of 30.
fn fetch() -> Fetch {
    let json = r#"{"url": "http://id.example/", "cluster": "id", "refresh": "100s", "keep": "1000s"}"#;
    Fetch::read(Fields::read(json.as_bytes()).unwrap()).unwrap()
}

/// Plays a story: lines of a second, what happens, and what is found. Stored bytes are all that passes between lines.
fn check(story: &str) {
    let fetch = fetch();
    let mut stored = Vec::new();
    for line in story.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (second, words) = line.split_once(' ').unwrap();
        let now = Instant::from_unix_seconds(second.parse().unwrap());
        let mut upkeep = Upkeep::read(&stored);
        let until = |moment: Instant| moment.since(now).as_secs().to_string();
        let (event, expected) = words.split_once(" -> ").unwrap_or((words, ""));
        let found = match event.trim() {
            "due" => upkeep.is_due(&fetch, now).to_string(),
            "usable" => upkeep.is_usable(&fetch, now).to_string(),
            "ask" => upkeep.ask(&fetch, now).to_string(),
            "next" => until(upkeep.next(&fetch, now, false)),
            "next of an asker" => until(upkeep.next(&fetch, now, true)),
            "version" => upkeep.version.to_string(),
            "begin" => {
                upkeep.begin(now);
                String::new()
            }
            "fail" => {
                upkeep.fail(now, 0);
                String::new()
            }
            "another" => {
                upkeep.succeed(&fetch, now, upkeep.version + 1, None, 0);
                String::new()
            }
            "the same" => {
                upkeep.succeed(&fetch, now, upkeep.version.max(1), None, 0);
                String::new()
            }
            other => panic!("{other}"),
        };
        assert_eq!(found, expected.trim(), "{line}");
        upkeep.write(&mut stored);
    }
}

#[test]
fn a_set_is_fetched_at_once_and_then_before_it_is_stale() {
    check(
        "1000 due -> true
         1000 usable -> false
         1000 begin
         1000 due -> false
         1001 next -> 0
         1001 another
         1001 version -> 1
         1001 usable -> true
         1001 due -> false
         1100 next -> 1
         1101 due -> true
         1101 begin
         1102 the same
         1102 version -> 1
         1202 begin
         1202 another
         1202 version -> 2",
    );
}

#[test]
fn pauses_grow_while_the_issuer_is_down_and_the_set_ends() {
    check(
        "1000 begin
         1000 another
         1100 begin
         1100 fail
         1100 next -> 1
         1101 begin
         1101 fail
         1101 next -> 2
         1103 begin
         1103 fail
         1103 next -> 4
         1107 begin
         1107 fail
         1115 begin
         1115 fail
         1131 begin
         1131 fail
         1163 begin
         1163 fail
         1163 next -> 60
         1223 begin
         1223 fail
         1223 next -> 60
         1999 usable -> true
         2000 usable -> false
         2000 begin
         2000 the same
         2000 usable -> true
         2000 next -> 100
         2100 begin
         2100 fail
         2100 next -> 1",
    );
}

#[test]
fn asking_brings_one_fetch_in_a_cooldown() {
    check(
        "1000 begin
         1000 another
         1001 next of an asker -> 0
         1001 ask -> true
         1001 ask -> false
         1001 due -> true
         1001 begin
         1002 ask -> false
         1002 next of an asker -> 0
         1002 the same
         1002 ask -> false
         1002 due -> false
         1002 next of an asker -> 29
         1030 ask -> false
         1031 ask -> true
         1031 due -> true",
    );
}

#[test]
fn an_attempt_whose_leader_died_is_lost_after_its_lease() {
    check(
        "1000 begin
         1002 due -> false
         1002 next -> 0
         1003 due -> true
         1003 begin
         1004 due -> false
         1004 another
         1004 due -> false",
    );
}

#[test]
fn a_clock_that_steps_back_holds_nothing_up() {
    check(
        "9000 begin
         9000 another
         9001 ask -> true
         9001 begin
         100 due -> true
         100 begin
         101 due -> false
         101 the same
         101 usable -> true
         101 due -> false
         101 next -> 100
         102 ask -> true
         102 begin
         103 the same
         104 ask -> false
         132 ask -> true",
    );
}

#[test]
fn bytes_that_nobody_wrote_are_a_set_that_was_never_tried() {
    for stored in [&b""[..], b"x", &[0; 71], &[0; 73], &[0; 72]] {
        assert_eq!(Upkeep::read(stored), Upkeep::default());
    }
    let mut upkeep = Upkeep::read(&[0xff; NUMBERS * 8]);
    upkeep.begin(Instant::from_unix_seconds(1));
    upkeep.fail(Instant::from_unix_seconds(1), 255);
    assert!(upkeep.next(&fetch(), Instant::from_unix_seconds(1), true) <= Instant::from_unix_seconds(2));
}

#[test]
fn the_issuer_may_shorten_the_time_and_randomness_takes_a_tenth() {
    let (fetch, now) = (fetch(), Instant::from_unix_seconds(1000));
    for (age, spread, expected) in [
        (None, 0, 100),
        (None, 255, 90),
        (Some(60), 0, 60),
        (Some(60), 255, 54),
        (Some(0), 0, 30),
        (Some(u64::MAX), 0, 100),
    ] {
        let mut upkeep = Upkeep::default();
        upkeep.begin(now);
        upkeep.succeed(&fetch, now, 1, age.map(Duration::from_secs), spread);
        let seconds = upkeep.next(&fetch, now, false).since(now).as_secs_f64().round();
        assert!((seconds - f64::from(expected)).abs() < 0.5, "{age:?} {spread}: {seconds}");
    }
}

#[test]
fn max_age_is_found_among_directives() {
    for (value, expected) in [
        (&b"max-age=60"[..], Some(60)),
        (b"public, Max-Age=5, must-revalidate", Some(5)),
        (b"s-maxage=5", None),
        (b"max-age=", None),
        (b"max-age=x", None),
        (b"max-age=99999999999999999999", Some(u64::MAX)),
        (b"\xff\xfe", None),
        (b"", None),
    ] {
        assert_eq!(max_age(value), expected.map(Duration::from_secs), "{value:?}");
    }
}

#[test]
fn a_documents_content_is_its_version() {
    assert_eq!(version(b"a"), version(b"a"));
    assert_ne!(version(b"a"), version(b"b"));
    assert_ne!(version(b""), 0);
}

#[test]
fn what_operators_are_told_of_a_key_set_is_what_is_stored() {
    use policy::credential::Age;
    let (at, mut stored) = (Instant::from_unix_seconds(1000), Vec::new());
    let upkeep = Upkeep { version: 7, fetched: at, failures: 2, ..Upkeep::default() };
    upkeep.write(&mut stored);
    assert_eq!(Age::of_keys(&stored), Age { fetched: Some(at), ends: None, failures: 2 });
    Upkeep { version: 0, ..upkeep }.write(&mut stored);
    assert_eq!(Age::of_keys(&stored).fetched, None);
}
