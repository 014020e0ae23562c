//! What happens while a step moves, or is watched: a bad policy, somebody else's change, and another fleet.

use std::fs::File;
use std::process::Stdio;
use std::time::Duration;

use proxy::deadline::Deadline;
use proxy::{Origin, Reply};

use crate::fleet::Fleet;
use crate::{GONE, policy, statuses};

#[test]
fn a_step_is_judged_while_it_moves_and_nobody_needs_to_hear_of_it() {
    let origin = Origin::start();
    origin.answer(None, Reply::status(200).body("here"));
    let fleet = Fleet::start(10, &policy(origin.address(), ""));
    let full = || -> Stdio { File::options().write(true).open("/dev/full").unwrap().into() };
    let unheard = |policy: &str| {
        let mut command = fleet.command(policy, &["--steps", "100%"]);
        command.stdout(full()).stderr(full()).status().unwrap().code()
    };

    assert_eq!(unheard(&policy(origin.address(), ", allow: [nobody]")), Some(3));
    let refused = statuses(&fleet.seen(), 403);
    assert!(refused[0] >= 30 && refused[9] == 0, "it goes back before all have moved: {refused:?}");
    assert!((0..10).all(|proxy| fleet.runs(proxy).contains("first.yaml")) && !fleet.state().exists());

    assert_eq!(unheard(&policy(origin.address(), ", timeout: 9s")), Some(0));
    assert!((0..10).all(|proxy| fleet.runs(proxy).contains("policy.yaml")) && !fleet.state().exists());
}

#[test]
fn what_somebody_else_has_brought_is_left_alone_and_nobody_is_forgotten() {
    let origin = Origin::start();
    origin.answer(None, Reply::status(200).body("here"));
    let fleet = Fleet::start(3, &policy(origin.address(), ""));
    let better = policy(origin.address(), ", timeout: 9s");
    let runs = |proxy: usize, name: &str| fleet.runs(proxy).contains(name);
    let both_moved = || Deadline::after(GONE).wait_until(|| runs(0, "policy.yaml") && runs(1, "policy.yaml"));

    // Somebody changes the first by hand, while two are watched.
    let rollout = fleet.command(&better, &["--steps", "2,100%", "--watch", "8s"]).spawn().unwrap();
    assert!(both_moved());
    // It has been looked at since.
    std::thread::sleep(Duration::from_secs(1));
    fleet.apply(0, &policy(origin.address(), ", timeout: 7s"));
    let output = rollout.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    for words in [
        "weir: edge-0: somebody else has brought version 3 (theirs.yaml) there: going back",
        "weir: edge-0: version 3 (theirs.yaml) is left as it is",
        "all others have what they had before",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(runs(0, "theirs.yaml") && runs(1, "first.yaml") && runs(2, "first.yaml") && !fleet.state().exists());

    // It dies, and one of those that it has moved is in the fleet's file no more.
    let mut dying = fleet.command(&better, &["--steps", "2,100%", "--watch", "60s"]).spawn().unwrap();
    assert!(both_moved());
    dying.kill().unwrap();
    dying.wait().unwrap();
    fleet.only(1);
    let (code, said) = fleet.roll(&better, &[]);
    assert!(code == Some(2) && said.contains("`edge-1` has been moved, and the fleet has it no more"), "{said}");
    assert!(runs(0, "policy.yaml") && fleet.state().exists());
    let (code, said) = fleet.roll(&better, &["--back"]);
    assert!(code == Some(2) && said.contains("1 of 2 are not back; the same command tries again"), "{said}");
    assert!(runs(0, "theirs.yaml") && runs(1, "policy.yaml") && fleet.state().exists());
    fleet.only(3);
    let (code, said) = fleet.roll(&better, &["--back"]);
    assert!(code == Some(0) && runs(1, "first.yaml") && !fleet.state().exists(), "{said}");
}
