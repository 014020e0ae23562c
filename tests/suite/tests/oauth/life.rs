//! What no line can say: a worker that dies, a configuration that changes, shared data that is none.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unwrap_used)]

use std::time::Duration;

use suite::player::play;
use suite::{HostStage, Scenario, parser};

use super::{FOUND, SENT, TRACK, config, issues};

/// The chain in the host, where the endpoint has given the first token.
fn settled(config: &str) -> HostStage {
    let scenario = Scenario::new(&[("provider", config)]).cluster("id").environment("OTHER", "other-secret-of-ours");
    let mut stage = scenario.host().unwrap_or_else(|report| panic!("{report}"));
    let first = issues("token-0000000001", 3600);
    goes_on(
        &mut stage,
        &format!("{first}\norigin {FOUND}\neventually {TRACK} @1 -> 200\neventually {TRACK} @2 -> 200\nsaw {SENT}"),
    );
    stage
}

fn goes_on(stage: &mut HostStage, lines: &str) {
    play(stage, &parser::parse(lines).expect("lines")).unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn a_leader_that_dies_while_it_fetches_is_replaced() {
    let scenario = Scenario::new(&[("provider", &config(r#", "timeout": "2s", "wait": "10s""#, ""))]).cluster("id");
    let mut stage = scenario.host().unwrap_or_else(|report| panic!("{report}"));
    goes_on(&mut stage, "origin /token 200 hold");
    stage.host.advance(Duration::from_millis(200));
    let leader =
        stage.host.arrivals().iter().find(|arrival| arrival.cluster == "id").expect("a request for a token").worker;
    stage.host.crash(leader, "provider");
    let other = if leader == 0 { 2 } else { 1 };
    let token = issues("token-0000000002", 3600);
    goes_on(
        &mut stage,
        &format!(
            "{token}\norigin {FOUND}\n{TRACK} @{other} -> 200\nsaw {SENT} authorization=\"Bearer token-0000000002\""
        ),
    );
}

#[test]
fn another_secret_begins_anew_and_the_same_one_goes_on() {
    let mut stage = settled(&config("", ""));
    // The same credentials: the token stays.
    stage.host.reload("provider", config(r#", "wait": "9s""#, "")).expect("the configuration is good");
    goes_on(&mut stage, &format!("{TRACK} @1 -> 200\nsaw {SENT} authorization=\"Bearer token-0000000001\""));
    // Another secret, by the name of another variable.
    let other = config("", "").replace(r#"{"env": "SECRET", "default": "secret-of-ours"}"#, r#"{"env": "OTHER"}"#);
    let second = issues("token-0000000002", 3600);
    goes_on(&mut stage, &second);
    stage.host.reload("provider", other).expect("the configuration is good");
    goes_on(
        &mut stage,
        &format!(
            "eventually {TRACK} @1 -> 200\nsaw {SENT} authorization=\"Bearer token-0000000002\"\n!log~other-secret"
        ),
    );
    // One that there is not is refused, and the last good configuration stays.
    let none = config("", "").replace(r#"{"env": "SECRET", "default": "secret-of-ours"}"#, r#"{"env": "NONE"}"#);
    assert!(stage.host.reload("provider", none).is_err());
    goes_on(&mut stage, &format!("{TRACK} @2 -> 200\nsaw {SENT} authorization=\"Bearer token-0000000002\""));
}

#[test]
fn what_is_no_token_in_shared_data_is_not_shown() {
    let mut stage = settled(&config("", ""));
    let keys = stage.host.shared_keys("weir");
    let key = keys.into_iter().find(|key| key.starts_with(b"weir.provider.token.") && !key.ends_with(b"lease"));
    let key = key.expect("the token's");
    for (number, bytes) in [&b"x"[..], &[0xff; 4096], &[1; 80]].into_iter().enumerate() {
        goes_on(&mut stage, &issues(&format!("token-000000001{number}"), 3600));
        stage.host.set_shared_data("weir", &key, bytes.to_vec());
        stage.host.advance(Duration::from_secs(20));
        goes_on(
            &mut stage,
            &format!("eventually {TRACK} @1 -> 200\nsaw {SENT} authorization=\"Bearer token-000000001{number}\""),
        );
    }
}
