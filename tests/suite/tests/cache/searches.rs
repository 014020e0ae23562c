//! Searches whose bodies do not come, or come in floods: what waits for them, and for how long.

use std::time::Duration;

use host::Ending;
use proxy::deadline::{Deadline, PATIENCE};
use proxy::{Client, Reply};
use suite::{HostStage, Scenario};

use crate::storage::goes_on;

const SEARCHES: &str = r#"{"routes": [
    {"match": {"prefix": "/search"}, "ttl": "1h", "body": {"key": "json", "max": "16KiB", "wait": "500ms"}}
]}"#;

fn stage() -> HostStage {
    let mut stage = Scenario::new(&[("cache", SEARCHES)]).host().expect("the host starts");
    goes_on(&mut stage, "origin 200 body=x");
    stage
}

/// A search whose body goes on.
fn begun(body: &str) -> host::Request {
    host::Request::post("/search").header("host", "test").header("content-type", "application/json").chunk(body).open()
}

/// Ends a search; it has passed for this reason.
#[track_caller]
fn passes(stage: &mut HostStage, stream: host::StreamId, detail: &str) {
    let answer = stage.host.finish(stream, None);
    assert_eq!(answer.header("cache-status"), Some(format!("weir; fwd=bypass; detail={detail}")), "{stream:?}");
}

#[test]
fn a_search_waits_for_its_body_until_its_deadline() {
    let mut stage = stage();
    let slow = stage.host.open(0, begun(r#"{"a":"#));
    stage.host.advance(Duration::from_millis(400));
    assert_eq!(stage.host.arrivals().len(), 0, "the upstream is asked before the body is whole");
    stage.host.chunk(slow, "1}");
    let answer = stage.host.finish(slow, None);
    assert_eq!(answer.header("cache-status").as_deref(), Some("weir; fwd=uri-miss; stored"));

    let late = stage.host.open(0, begun(r#"{"a":"#));
    stage.host.advance(Duration::from_millis(700));
    stage.host.chunk(late, "1}");
    passes(&mut stage, late, "wait");
    goes_on(&mut stage, "POST /search content-type=application/json body='{\"a\":1}' -> 200 cache-status~hit");
}

#[test]
fn a_clock_that_steps_back_holds_no_search_back() {
    let mut stage = stage();
    let slow = stage.host.open(0, begun("["));
    stage.host.step_back(Duration::from_hours(1));
    stage.host.advance(Duration::from_millis(200));
    stage.host.chunk(slow, "]");
    passes(&mut stage, slow, "wait");
}

#[test]
fn a_client_that_leaves_gives_its_place_back() {
    let mut stage = stage();
    for _ in 0..3000 {
        let slow = stage.host.open(0, begun("["));
        assert_eq!(stage.host.disconnect(slow).ending, Ending::Disconnected);
    }
    goes_on(&mut stage, "POST /search content-type=application/json body='[]' @1 -> 200 cache-status~stored");
    assert_eq!(stage.host.arrivals().len(), 1);
}

#[test]
fn a_flood_of_searches_that_wait_is_bounded() {
    // Whoever comes when 2,048 wait, or 32 MiB are held back for them, does not wait.
    is_bounded(SEARCHES, 2048);
    is_bounded(&SEARCHES.replace("16KiB", "64KiB"), 512);
    is_bounded(&SEARCHES.replace("16KiB", "1KiB"), 2048);
}

#[track_caller]
fn is_bounded(config: &str, most: usize) {
    let mut stage = Scenario::new(&[("cache", config)]).host().expect("the host starts");
    goes_on(&mut stage, "origin 200 body=x");
    let slow: Vec<_> = (0..most + 50).map(|_| stage.host.open(0, begun("["))).collect();
    for stream in &slow[most..] {
        passes(&mut stage, *stream, "busy");
    }
    // Half a list is no JSON.
    for stream in &slow[..10] {
        passes(&mut stage, *stream, "body");
    }
    stage.host.advance(Duration::from_millis(700));
    for stream in &slow[10..most] {
        passes(&mut stage, *stream, "wait");
    }
    goes_on(
        &mut stage,
        "POST /search content-type=application/json body='[]' @1 -> 200 cache-status~stored
         POST /search content-type=application/json body='[]' @1 -> 200 cache-status~hit",
    );
}

#[test]
fn what_stands_in_anothers_place_answers_nobody() {
    let config = r#"{"routes": [{"match": {}, "ttl": "1h", "isolate": "user", "body": {"key": "json"}}]}"#;
    let mut stage = Scenario::new(&[("cache", config)]).host().expect("the host starts");
    // (how it is asked for, and the only answer to that)
    let asked = [
        ("GET /a x-weir-user=alice", "one"),
        ("GET /a x-weir-user=bob", "two"),
        ("POST /a x-weir-user=alice content-type=application/json body={}", "three"),
        ("POST /a x-weir-user=alice content-type=application/json body=[]", "four"),
        ("POST /a x-weir-user=bob content-type=application/json body={}", "five"),
        ("GET /b x-weir-user=alice", "six"),
        ("GET /a host=other x-weir-user=alice", "seven"),
    ];
    let ask = |stage: &mut HostStage| {
        for (request, body) in asked {
            goes_on(stage, &format!("origin 200 body={body}\n{request} -> 200 body={body}"));
        }
    };
    ask(&mut stage);
    let objects = crate::storage::objects(&stage);
    assert_eq!(objects.len(), asked.len());
    // As if all keys had one fingerprint: each object in each place, under the ticket that is asked for.
    for turn in 1..objects.len() {
        for (index, (place, own)) in objects.iter().enumerate() {
            let mut other = objects[(index + turn) % objects.len()].1.clone();
            other[28..36].copy_from_slice(&own[28..36]);
            stage.host.set_shared_data("weir", place, other);
        }
        ask(&mut stage);
        for (place, own) in &objects {
            stage.host.set_shared_data("weir", place, own.clone());
        }
    }
}

#[test]
fn envoy_lets_a_search_pass_whose_body_does_not_come() {
    let stage = Scenario::new(&[("cache", SEARCHES)]).envoy().expect("Envoy starts");
    stage.origin.answer(None, Reply::status(200).body("x"));
    let head = "POST /search HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: 7\r\n\r\n";
    let mut client = Client::connect(stage.envoy.address()).expect("Envoy listens");
    client.send_bytes(head.as_bytes());
    client.send_bytes(br#"{"a":"#);
    // Nothing more comes until the upstream has been asked, or else nothing ever does.
    assert!(Deadline::after(PATIENCE).wait_until(|| {
        let stats = stage.envoy.stats();
        stats.lines().any(|line| line.starts_with("cluster.origin.upstream_rq_total: ") && !line.ends_with(": 0"))
    }));
    client.send_bytes(b"1}");
    let answer = client.receive().expect("Envoy answers");
    assert_eq!(answer.text("cache-status").as_deref(), Some("weir; fwd=bypass; detail=wait"));
    let received = stage.origin.received();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].body.concat(), br#"{"a":1}"#);

    // A client that leaves while it waits is nobody's loss.
    for _ in 0..20 {
        let mut client = Client::connect(stage.envoy.address()).expect("Envoy listens");
        client.send_bytes(head.as_bytes());
        client.reset();
    }
    let mut client = Client::connect(stage.envoy.address()).expect("Envoy listens");
    for expected in ["stored", "hit"] {
        client.send_bytes([head, r#"{"a":2}"#].concat().as_bytes());
        let answer = client.receive().expect("Envoy answers");
        assert!(answer.text("cache-status").unwrap_or_default().contains(expected), "{answer:?}");
    }
}
