//! A fleet of ten Envoys: a good policy reaches all of them, a bad one harms the first and is gone.

// A test stops by panicking.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[path = "live/address.rs"]
mod address;
#[path = "rollout/fleet.rs"]
mod fleet;
#[path = "rollout/meanwhile.rs"]
mod meanwhile;
#[path = "live/modules.rs"]
mod modules;
#[path = "rollout/past.rs"]
mod past;
#[path = "rollout/resumed.rs"]
mod resumed;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::ops::RangeInclusive;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use fleet::{Fleet, PEPPER, Seen};
use proxy::deadline::Deadline;
use proxy::{Origin, Reply};
use serde_json::Value as Json;
use weir::xds::folder::Folder;

const PROXIES: usize = 10;
/// A bad policy is gone after so long: until thirty requests are answered, or Envoy's histograms are brought up to date (five
/// seconds where its bootstrap is not of our making), looked at every second, and a change back on a busy machine.
const GONE: Duration = Duration::from_secs(30);

/// A server that takes its time, and whose answers are told by their status from those of any other.
fn slow_origin() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut request = [0; 4096];
                while stream.read(&mut request).is_ok_and(|bytes| bytes > 0) {
                    thread::sleep(Duration::from_millis(400));
                    if stream.write_all(b"HTTP/1.1 203 Late\r\ncontent-length: 0\r\n\r\n").is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

fn policy(origin: SocketAddr, more: &str) -> String {
    // The digest of `sandbox-key-of-the-scraper`.
    let key = "1b705e0d8c4b9c2c0015b29a5189de79cb3c649e07682bbd173d97deb8a03b95";
    format!(
        "version: 1\nlisten: 127.0.0.1:0\n\
         identity: {{api_keys: {{header: x-key, keys: [{{id: a, sha256: {key}}}]}}}}\n\
         permissions: {{nobody: {{role: nobody}}}}\n\
         upstreams: {{up: {{url: 'http://{origin}', internal: true}}}}\n\
         routes: [{{match: /*, upstream: up, auth: required{more}}}]\n"
    )
}

/// How many of the requests since were answered so, at each proxy.
fn statuses(seen: &[Seen], status: u16) -> Vec<usize> {
    within(seen, &(status..=status))
}

/// How many were answered by any of these.
fn within(seen: &[Seen], statuses: &RangeInclusive<u16>) -> Vec<usize> {
    seen.iter().map(|seen| seen.statuses.iter().filter(|found| statuses.contains(found)).count()).collect()
}

#[test]
fn a_good_policy_reaches_all_and_a_bad_one_harms_the_first_step_and_is_gone() {
    let origin = Origin::start();
    origin.answer(None, Reply::status(200).body("here"));
    let good = policy(origin.address(), "");
    let fleet = Fleet::start(PROXIES, &good);

    // Every request is refused.
    let (code, said) = fleet.roll(&policy(origin.address(), ", allow: [nobody]"), &[]);
    assert!(code == Some(3) && said.contains("edge-0: 100.0 % of "), "{said}");
    assert!(
        said.contains(" requests are refused, and ") && said.contains(" before, 0.0 % elsewhere: going back"),
        "{said}"
    );
    assert!(said.contains("all proxies have what they had before"), "{said}");
    let seen = fleet.seen();
    let refused = statuses(&seen, 403);
    assert!(refused[0] >= 30 && refused[1..].iter().all(|count| *count == 0), "{refused:?}");
    assert!(seen[0].harmed < GONE, "{:?}", seen[0].harmed);
    let others = seen.iter().flat_map(|seen| &seen.statuses).filter(|status| ![200, 403].contains(*status)).count();
    assert_eq!(others, 0, "whatever is changed, and back, no request is lost");

    // Every request is answered, late.
    fleet.forget();
    let (code, said) = fleet.roll(&policy(slow_origin(), ""), &[]);
    assert!(code == Some(3) && said.contains(" requests are slow, and "), "{said}");
    assert!(!fleet.state().exists());
    let seen = fleet.seen();
    let late = statuses(&seen, 203);
    assert!(late[0] >= 30 && late[1..].iter().all(|count| *count == 0), "{late:?}");
    assert!(seen[0].harmed < GONE, "{:?}", seen[0].harmed);
    assert_eq!(within(&seen, &(0..=199)).iter().sum::<usize>() + within(&seen, &(204..=599)).iter().sum::<usize>(), 0);

    // Nothing is where every request is sent to.
    fleet.forget();
    let (code, said) = fleet.roll(&policy("127.0.0.1:1".parse().unwrap(), ""), &[]);
    assert!(
        code == Some(3) && said.contains("edge-0: 100.0 % of ") && said.contains(" requests are errors, and "),
        "{said}"
    );
    let seen = fleet.seen();
    let errors = within(&seen, &(500..=599));
    assert!(errors[0] >= 30 && errors[1..].iter().all(|count| *count == 0), "{errors:?}");
    assert!(seen[0].harmed < GONE, "{:?}", seen[0].harmed);

    // The command dies, and another policy must wait for whoever goes on.
    fleet.forget();
    let better = policy(origin.address(), ", timeout: 9s");
    let mut dying = fleet.command(&better, &[]).spawn().unwrap();
    let moved = |proxy: usize| fleet.runs(proxy).contains("policy.yaml") && fleet.runs(proxy).contains("\"9s\"");
    assert!(Deadline::after(Duration::from_secs(30)).wait_until(|| moved(1)), "the second step has begun");
    dying.kill().unwrap();
    dying.wait().unwrap();
    assert!(fleet.state().exists() && !moved(9));
    let (code, said) = fleet.roll(&good, &[]);
    assert!(code == Some(2) && said.contains("another policy is on its way"), "{said}");
    let (code, said) = fleet.roll(&better, &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("step 3 of 3: 10 of 10 proxies") && said.ends_with("all 10 proxies have policy.yaml\n"),
        "{said}"
    );
    assert!((0..PROXIES).all(moved) && !fleet.state().exists());
    let seen = fleet.seen();
    let answers: usize = statuses(&seen, 200).iter().sum();
    let all: usize = seen.iter().map(|seen| seen.statuses.len()).sum();
    assert!(answers == all && all > 500, "{answers} of {all} requests");

    // Nobody asks: nothing is said for or against it.
    fleet.rest();
    let (code, said) = fleet.roll(&good, &["--patience", "3s"]);
    assert!(code == Some(4) && said.contains("edge-0 has answered only "), "{said}");
    let (code, said) = fleet.roll(&good, &["--back"]);
    assert!(code == Some(0) && said.contains("back after "), "{said}");
    assert!((0..PROXIES).all(moved));
    assert_eq!(fleet.roll(&good, &["--back"]).0, Some(2));
}

#[test]
fn who_is_lost_and_what_envoy_refuses_or_dies_of_goes_back() {
    let origin = Origin::start();
    origin.answer(None, Reply::status(200).body("here"));
    let good = policy(origin.address(), "");
    let mut fleet = Fleet::start(3, &good);
    let moved = |fleet: &Fleet, proxy: usize| fleet.runs(proxy).contains("policy.yaml");

    // It listens where nobody looks for it.
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let started = Instant::now();
    let (code, said) = fleet.roll(&good.replace("127.0.0.1:0", &elsewhere.to_string()), &[]);
    assert!(code == Some(3) && said.contains("edge-0: ") && said.contains(" were to come: going back"), "{said}");
    assert!(started.elapsed() < GONE, "{:?}", started.elapsed());
    let seen = fleet.seen();
    let lost = |seen: &Seen| seen.statuses.iter().filter(|status| **status != 200).count();
    assert!(seen[1..].iter().all(|seen| lost(seen) == 0 && !seen.statuses.is_empty()));
    fleet.find(0);
    let serves = || {
        fleet.forget();
        thread::sleep(Duration::from_millis(500));
        fleet.seen().iter().all(|seen| seen.statuses.len() > 4 && lost(seen) == 0)
    };
    assert!(Deadline::after(GONE).wait_until(serves));

    // The first has the secret that it needs, the second has not.
    let hash = "b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c";
    let peppered = good.replace(
        "header: x-key, keys: [",
        &format!("header: x-key, pepper: {{env: {}}}, keys: [{{id: b, hmac: {hash}}}, ", PEPPER.0),
    );
    fleet.forget();
    let (code, said) = fleet.roll(&peppered, &[]);
    assert!(code == Some(3) && said.contains("step 2 of 2: 3 of 3 proxies"), "{said}");
    let refusal = "weir: edge-1: Envoy has refused the filter `auth`";
    assert!(said.contains(refusal) && said.contains(PEPPER.0) && said.contains(": going back"), "{said}");
    assert!((0..3).all(|proxy| !moved(&fleet, proxy)) && !fleet.state().exists());
    assert!(fleet.seen().iter().all(|seen| lost(seen) == 0), "no request is lost");

    // One dies.
    let mut rollout = fleet.command(&policy(origin.address(), ", timeout: 9s"), &["--steps", "2", "--watch", "60s"]);
    let rollout = rollout.spawn().unwrap();
    assert!(Deadline::after(GONE).wait_until(|| moved(&fleet, 0) && moved(&fleet, 1)));
    fleet.kill(1);
    let output = rollout.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("weir: edge-1 has not answered for 10 s: going back"), "{said}");
    assert!(output.status.code() == Some(2) && said.contains("1 of 2 are not back; the same command tries again"));
    assert!(!moved(&fleet, 0) && fleet.state().exists());
    assert!(lost(&fleet.seen()[0]) == 0, "no request is lost where Envoy lives");
}

#[test]
fn whoever_cannot_be_moved_stops_a_rollout_before_it_begins_and_turns_one_back_that_has() {
    let origin = Origin::start();
    origin.answer(None, Reply::status(200).body("here"));
    let good = policy(origin.address(), "");
    let mut fleet = Fleet::start(4, &good);
    let better = policy(origin.address(), ", timeout: 9s");
    let begun = |fleet: &Fleet| (0..3).any(|proxy| fleet.runs(proxy).contains("policy.yaml"));

    // Somebody else is at work, one proxy follows nothing, and one has been down since yesterday: all are named.
    let folder = |fleet: &Fleet, proxy: usize| Folder::open(&fleet.folder(proxy)).unwrap();
    let lock = folder(&fleet, 1).lock().unwrap();
    let (routes, away) = (fleet.folder(2).join("routes/weir.json"), fleet.folder(2).join("away"));
    std::fs::rename(&routes, &away).unwrap();
    fleet.kill(3);
    let (code, said) = fleet.roll(&better, &[]);
    std::fs::rename(&away, &routes).unwrap();
    drop(lock);
    for words in [": somebody else is changing it", "edge-2: no policy runs there yet", "edge-3: no Envoy answers for "]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(code == Some(2) && said.contains("weir: 3 of 4 proxies cannot be moved; nothing has changed"), "{said}");
    assert!(!begun(&fleet) && !fleet.state().exists() && !said.contains("step"), "{said}");

    // Those that are left: one dies while it is moved, after another that has.
    fleet.only(3);
    let mut rollout = fleet.command(&better, &["--steps", "1,2,100%"]).spawn().unwrap();
    let version = fleet.folder(1).join("versions/2.json");
    assert!(Deadline::after(GONE).wait_until(|| version.exists()), "the second step has begun");
    fleet.kill(1);
    let died = Instant::now();
    assert!(Deadline::after(GONE).wait_until(|| rollout.try_wait().unwrap().is_some()));
    let output = rollout.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    // It has ended, or does not answer, as the moment is.
    assert!(said.contains("weir: edge-1: the Envoy at ") && said.contains(": going back"), "{said}");
    assert!(output.status.code() == Some(3) && said.contains("all proxies have what they had before"), "{said}");
    assert!(died.elapsed() < Duration::from_secs(15), "{:?}", died.elapsed());
    assert!(!fleet.runs(0).contains("policy.yaml") && !fleet.state().exists());
    assert_eq!(folder(&fleet, 1).current().map(|version| version.number), Some(1), "it starts on what it had");

    // What is found of a rollout that has begun goes back where it cannot go on.
    let (code, said) = fleet.roll(&better, &[]);
    assert!(code == Some(2) && said.contains("1 of 3 proxies cannot be moved; nothing has changed"), "{said}");
    fleet.only(1);
    let mut dying = fleet.command(&better, &["--watch", "60s"]).spawn().unwrap();
    assert!(Deadline::after(GONE).wait_until(|| fleet.runs(0).contains("policy.yaml")));
    dying.kill().unwrap();
    dying.wait().unwrap();
    fleet.only(3);
    let (code, said) = fleet.roll(&better, &[]);
    assert!(code == Some(3) && said.contains("weir: edge-1: no Envoy answers for "), "{said}");
    assert!(said.contains("1 of 3 proxies cannot be moved: going back"), "{said}");
    assert!(!fleet.runs(0).contains("policy.yaml") && !fleet.state().exists());
    assert!(
        fleet.seen()[0].statuses.iter().all(|status| *status == 200),
        "whatever is changed, and back, no request is lost"
    );
}

#[test]
fn istio_s_gateways_are_moved_by_labels() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("policy.yaml"), policy("127.0.0.1:1".parse().unwrap(), "")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.current_dir(place.path()).args(["rollout", "policy.yaml", "--istio", "steps", "--steps", "1,100%"]);
    assert!(command.status().unwrap().success());
    let list = |step: u32| -> Vec<Json> {
        let text = std::fs::read_to_string(place.path().join(format!("steps/step-{step}.json"))).unwrap();
        serde_json::from_str::<Json>(&text).unwrap()["items"].as_array().unwrap().clone()
    };
    let (first, second) = (list(1), list(2));
    assert!(!Path::new(&place.path().join("steps/step-3.json")).exists());
    let of_kind = |objects: &[Json], kind: &str| objects.iter().filter(|one| one["kind"] == kind).count();
    assert_eq!((of_kind(&first, "ServiceEntry"), of_kind(&second, "ServiceEntry")), (1, 0));
    assert_eq!((of_kind(&first, "DestinationRule"), of_kind(&second, "DestinationRule")), (1, 1));
    assert!(second.len() >= 8, "{}", second.len());
    for object in &second {
        let spec = &object["spec"];
        let labels = spec.pointer("/selector/matchLabels").or(spec.pointer("/workloadSelector/labels"));
        let labels = labels.or(spec.pointer("/workloadSelector/matchLabels")).unwrap();
        assert_eq!((&labels["istio"], &labels["weir-step"]), (&"ingressgateway".into(), &"2".into()));
        assert!(object["metadata"]["name"].as_str().unwrap().ends_with("-step-2"), "{object}");
    }
}
