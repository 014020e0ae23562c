//! What the second level holds that no proxy has written there: it is nobody's answer, and stops no worker.

use std::time::Duration;

use cache::entry::{self, Facts, Parts, Terms};
use cache::envelope::Envelope;
use cache::freshness::Received;
use host::Answer;
use policy::{Headers, Instant};
use proxy::Reply;
use suite::stage::Stage;
use suite::{HostStage, Scenario};

use crate::level::{FEED, NO_ORDERS, asked, says};
use crate::store::PASSWORD;

/// A cache of one set, with a second level that answers when the test has it answer.
fn stage() -> HostStage {
    let config = r#"{"state": {"env": "STATE_PASSWORD", "path": "/store", "timeout": "10s"}, "l2": {},
        "routes": [{"match": {}}], "budget_bytes": "200KiB", "object_bytes_max": "16KiB"}"#;
    let scenario = Scenario::new(&[("cache", config)]).environment("STATE_PASSWORD", PASSWORD).cluster("state");
    let mut stage = scenario.workers(1).host().expect("the host starts");
    stage.answer(Some("/store"), Reply::status(200).held());
    stage.answer(None, Reply::status(200).header("cache-control", "max-age=60").body("own"));
    stage.host.advance(Duration::from_millis(100));
    says(&mut stage, FEED, NO_ORDERS);
    stage
}

/// An answer of the store with an object for a path.
fn object(path: &str, vary: &[u8], values: &[u8], fields: &[(&[u8], &[u8])], age: u32) -> Vec<u8> {
    let received = Received { at: Instant::from_unix_seconds(1000), age };
    let facts = Facts { status: 200, terms: Terms::default(), received, lifetime: u32::MAX >> 1 };
    let key = format!("GET http gateway.test {path}");
    let parts = Parts { key: key.as_bytes(), vary, values };
    let mut value = [&b"E"[..], &[b'0'; 42]].concat();
    let mut object = entry::begin(&facts, &parts, &Headers::from_pairs(fields), 0);
    object.extend(b"foreign");
    Envelope { moments: [1000, 1000, u32::MAX], ..Envelope::default() }.append(&mut object);
    value.extend(object);
    [format!("${}\r\n", value.len()).as_bytes(), &value, b"\r\n"].concat()
}

/// What a request gets for which the store has this.
fn body(stage: &mut HostStage, path: &str, object: &[u8]) -> Vec<u8> {
    let stream = stage.host.open(0, host::Request::get(path));
    stage.host.poll();
    for question in asked(stage, "GET/") {
        stage.host.release(question.call, Answer::status(200).body(object));
    }
    stage.host.poll();
    stage.host.exchange(stream).response.map(|answer| answer.body()).unwrap_or_default()
}

#[test]
fn what_no_proxy_has_written_is_nobodys_answer_and_stops_no_worker() {
    const DATE: (&[u8], &[u8]) = (b"date", b"Thu, 01 Jan 1970 00:16:40 GMT");
    let mut stage = stage();
    let (long, absent) = (b"a".repeat(16_000), [0; 5]);
    for number in 0..20 {
        let path = format!("/long/{number}");
        assert_eq!(body(&mut stage, &path, &object(&path, &long, &absent, &[DATE], 0)), b"own", "{path}");
    }
    let sound = object("/sound", b"", b"", &[DATE], 0);
    assert_eq!(body(&mut stage, "/sound", &sound), b"foreign");
    for (path, hostile) in [
        ("/lines", object("/lines", b"", b"", &[DATE, (b"x-a", b"1\r\nset-cookie: a=b")], 0)),
        ("/length", object("/length", b"", b"", &[DATE, (b"content-length", b"3")], 0)),
        ("/age", object("/age", b"", b"", &[DATE], u32::MAX)),
        ("/other", object("/another", b"", b"", &[DATE], 0)),
        ("/cut", sound[..60].to_vec()),
        ("/noise", b"$50\r\nE00000000000000000000000000000000000000000000000000\r\n".to_vec()),
    ] {
        assert_eq!(body(&mut stage, path, &hostile), b"own", "{path}");
        assert_eq!(body(&mut stage, path, &hostile), b"own", "{path}, once it is this proxy's");
    }
}
