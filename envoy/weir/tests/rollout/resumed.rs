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
