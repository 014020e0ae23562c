//! A rollout that has died: it goes back without its policy, and goes on with what is rendered now.

use std::fs;

use proxy::deadline::Deadline;
use proxy::{Origin, Reply};
use serde_json::{Value as Json, json};

use crate::fleet::Fleet;
use crate::{GONE, policy};

/// Has a rollout of a policy with this timeout die when the first proxy has moved, and is watched.
fn die(fleet: &Fleet, policy: &str, timeout: &str) {
    let mut dying = fleet.command(policy, &["--steps", "1,100%", "--watch", "60s"]).spawn().unwrap();
    let watched = || fleet.runs(0).contains(&format!("\"{timeout}\""));
    assert!(Deadline::after(GONE).wait_until(watched));
    dying.kill().unwrap();
    dying.wait().unwrap();
    assert!(fleet.state().exists());
}

#[test]
fn going_back_takes_no_policy() {
    let origin = Origin::start();
    origin.answer(None, Reply::status(200).body("here"));
    let fleet = Fleet::start(2, &policy(origin.address(), ""));
    let better = policy(origin.address(), ", timeout: 9s");
    let is_back = || (0..2).all(|proxy| fleet.runs(proxy).contains("first.yaml")) && !fleet.state().exists();
    let mistake = "version: 1\nroutes: nowhere\n";

    // Somebody has edited it into a mistake, or has taken it away.
    for is_there in [true, false] {
        die(&fleet, &better, "9s");
        let mut command = fleet.command(mistake, &["--back"]);
        if !is_there {
            fs::remove_file(fleet.policy()).unwrap();
        }
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(0) && is_back(), "{said}");
        assert!(said.contains("weir: it is called back: going back") && !said.contains("policy.yaml"), "{said}");
    }
    assert_eq!(fleet.roll(mistake, &["--back"]).0, Some(2), "there is nothing to bring back");

    // It has died on its way back, which comes before anything else.
    die(&fleet, &better, "9s");
    let mut state: Json = serde_json::from_slice(&fs::read(fleet.state()).unwrap()).unwrap();
    state["reason"] = json!("edge-0: worse");
    fs::write(fleet.state(), state.to_string()).unwrap();
    let (code, said) = fleet.roll(mistake, &[]);
    assert!(code == Some(3) && is_back(), "{said}");
    for words in ["policy.yaml is not tried", "edge-0: worse: going back", "all proxies have what they had before"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(fleet.roll(mistake, &[]).0, Some(1), "it is read again");
}

#[test]
fn all_end_with_what_is_rendered_now() {
    let origin = Origin::start();
    origin.answer(None, Reply::status(200).body("here"));
    let fleet = Fleet::start(3, &policy(origin.address(), ""));
    let better = policy(origin.address(), ", timeout: 9s");
    let codes = || [0, 1, 2].map(|proxy| fleet.code(proxy));
    let [old, ..] = codes();

    // It dies, the filters are built anew, and it goes on.
    die(&fleet, &better, "9s");
    fleet.change_code();
    let (code, said) = fleet.roll(&better, &["--steps", "1,100%"]);
    assert_eq!(code, Some(0), "{said}");
    let [new, ..] = codes();
    assert!(old != new && codes().iter().all(|code| *code == new), "{:?}: {said}", codes());
    assert_eq!(said.matches("  edge-0: version 3 serves after ").count(), 1, "once more, in the first step: {said}");
    assert!(fleet.seen().iter().flat_map(|seen| &seen.statuses).all(|status| *status == 200), "no request is lost");

    // It dies while it brings the first something else once more: what serves is its own, whichever that is.
    let best = policy(origin.address(), ", timeout: 8s");
    die(&fleet, &best, "8s");
    let mut state: Json = serde_json::from_slice(&fs::read(fleet.state()).unwrap()).unwrap();
    state["moved"]["edge-0"]["to"].as_array_mut().unwrap().push(json!("of what it was about to have"));
    fs::write(fleet.state(), state.to_string()).unwrap();
    let (code, said) = fleet.roll(&best, &["--steps", "1,100%"]);
    assert!(code == Some(0) && !said.contains("edge-0: version"), "{said}");

    // They are built anew while a step is watched: the next would bring what nobody has watched.
    let rollout = fleet.command(&better, &["--steps", "1,100%", "--watch", "5s"]).spawn().unwrap();
    assert!(Deadline::after(GONE).wait_until(|| fleet.code(0) == new && fleet.runs(0).contains("\"9s\"")));
    fleet.change_code();
    let output = rollout.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("weir: edge-1: the filters have changed since this began"), "{said}");
    assert!(output.status.code() == Some(3) && said.contains("all proxies have what they had before"), "{said}");
    assert!(codes().iter().all(|code| *code == new) && !fleet.state().exists());
}

#[test]
fn a_fleet_that_says_no_addresses_is_found_whatever_the_policy_says() {
    let origin = Origin::start();
    origin.answer(None, Reply::status(200).body("here"));
    let fleet = Fleet::start(2, &policy(origin.address(), ""));
    fleet.leave_out_addresses();
    let elsewhere = |more: &str| policy(origin.address(), more) + "admin: 127.0.0.1:1\n";
    let (code, said) = fleet.roll(&elsewhere(", allow: [nobody]"), &[]);
    assert!(code == Some(3) && said.contains("all proxies have what they had before"), "{said}");
    assert!(said.contains(" requests are refused, and "), "it is heard where it is: {said}");
    assert!((0..2).all(|proxy| fleet.runs(proxy).contains("first.yaml")), "{said}");
    let (code, said) = fleet.roll(&elsewhere(""), &[]);
    assert!(code == Some(0) && said.ends_with("all 2 proxies have policy.yaml\n"), "{said}");
}
