//! Faults on demand, as the peer meets them on the wire, and the counts and records of what was received.

use std::{
    io::ErrorKind,
    time::{Duration, Instant},
};

use sandbox::{Fault, Sandbox, Upstream};
use serde_json::json;

use crate::client::{exchange, get, post, send, written};

const PLAIN: &str = "/plain?bytes=100";
const GENRES: &str = "/discovery/api/v1/genres";

#[test]
fn a_status_meets_the_next_requests_only() {
    let sandbox = Sandbox::start();
    sandbox.fault(Upstream::Discovery, Fault::status(503).header("retry-after", "2").body("down").times(2));
    let first = get(&sandbox, GENRES, &[]);
    assert_eq!((first.status, first.header("retry-after"), first.text()), (503, Some("2"), "down".to_owned()));
    assert_eq!((get(&sandbox, GENRES, &[]).status, get(&sandbox, GENRES, &[]).status), (503, 200));
    assert_eq!(sandbox.count(Upstream::Discovery), 3);
}

#[test]
fn latency_holds_one_answer_back_and_no_other() {
    let sandbox = Sandbox::start();
    let wait = Duration::from_millis(150);
    sandbox.fault(Upstream::Plain, Fault::latency(wait).times(1));
    let start = Instant::now();
    assert_eq!(get(&sandbox, PLAIN, &[]).status, 200);
    assert!(start.elapsed() >= wait);
    sandbox.fault(Upstream::Plain, Fault::status(504).after(wait).times(1));
    let start = Instant::now();
    assert_eq!(get(&sandbox, PLAIN, &[]).status, 504);
    assert!(start.elapsed() >= wait);
    assert_eq!(get(&sandbox, PLAIN, &[]).status, 200);
}

#[test]
fn a_reset_is_a_tcp_reset() {
    let sandbox = Sandbox::start();
    for target in [PLAIN, GENRES] {
        sandbox.fault(Upstream::Plain, Fault::reset().times(1));
        sandbox.fault(Upstream::Discovery, Fault::reset().times(1));
        let (bytes, ended) = exchange(sandbox.address(), &written("GET", target, &[], ""));
        assert_eq!(bytes, b"", "nothing is answered");
        assert_eq!(ended.expect_err("no orderly end").kind(), ErrorKind::ConnectionReset);
        sandbox.reset();
        assert_eq!(get(&sandbox, target, &[]).status, 200);
    }
}

#[test]
fn a_body_that_is_cut_breaks_its_promise() {
    let sandbox = Sandbox::start();
    for (target, upstream, sent) in
        [(PLAIN, Upstream::Plain, 10), (GENRES, Upstream::Discovery, 0), (PLAIN, Upstream::Plain, 100)]
    {
        sandbox.fault(upstream, Fault::cut(sent).times(1));
        let (bytes, _) = exchange(sandbox.address(), &written("GET", target, &[], ""));
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").expect("a whole head");
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let promised = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        assert_eq!(body.len() as u64, sent);
        assert!(promised.parse::<u64>().unwrap() > sent);
    }
}

#[test]
fn a_fault_meets_only_the_path_it_names() {
    let sandbox = Sandbox::start();
    sandbox.fault(Upstream::Inventory, Fault::status(500).on("/stock/release"));
    let reserve = r#"{"productId": "TEST-001", "quantity": 1, "orderId": "A"}"#;
    assert_eq!(post(&sandbox, "/inventory/api/v1/stock/reserve", &[], reserve).status, 201);
    assert_eq!(post(&sandbox, "/inventory/api/v1/stock/release", &[], "{}").status, 500);
    sandbox.clear_faults(Upstream::Inventory);
    assert_eq!(post(&sandbox, "/inventory/api/v1/stock/release", &[], "{}").status, 400);
}

#[test]
fn the_control_api_adds_lists_and_takes_back_faults() {
    let sandbox = Sandbox::start();
    let path = "/control/faults/spotify";
    let add = |body: &str| send(&sandbox, "POST", path, &[], body).status;
    assert_eq!(add(r#"{"status": 429, "headers": {"retry-after": "7"}, "body": "{}", "count": 5}"#), 204);
    assert_eq!(add(r#"{"latency_ms": 5}"#), 204);
    assert_eq!(add(r#"{"reset": true, "count": 1, "path": "/search", "method": "GET"}"#), 204);
    assert_eq!(add(r#"{"cut_after": 3}"#), 204);
    let listed = get(&sandbox, path, &[]).json();
    assert_eq!(listed[0], json!({"status": 429, "headers": {"retry-after": "7"}, "body": "{}", "count": 5}));
    assert_eq!((listed.as_array().unwrap().len(), &listed[3]), (4, &json!({"cut_after": 3})));
    let limited = get(&sandbox, "/spotify/v1/search", &[]);
    assert_eq!((limited.status, limited.header("retry-after")), (429, Some("7")));
    assert_eq!(get(&sandbox, "/control/faults", &[]).json()["spotify"][0]["count"], 4);
    assert_eq!(send(&sandbox, "DELETE", path, &[], "").status, 204);
    assert_eq!(get(&sandbox, path, &[]).json(), json!([]));
    for bad in ["{}", "[", r#"{"status": 1}"#, r#"{"latency": 5}"#] {
        assert_eq!(add(bad), 400, "{bad}");
    }
    assert_eq!(send(&sandbox, "POST", "/control/faults/nobody", &[], "{}").status, 404);
}

#[test]
fn what_was_received_can_be_read_back() {
    let sandbox = Sandbox::start();
    get(&sandbox, "/plain?bytes=1", &[("x-one", "a"), ("x-one", "b")]);
    let mut odd = written("GET", "/plain?bytes=2", &[], "");
    odd.splice(odd.len() - 2.., *b"x-odd: \xff\xfe\r\n\r\n");
    exchange(sandbox.address(), &odd).1.expect("an answer that ends in order");
    assert_eq!(get(&sandbox, "/control/counts", &[]).json()["plain"], 2);
    let recorded = get(&sandbox, "/control/requests/plain?last=1", &[]).json();
    assert_eq!((&recorded[0]["method"], &recorded[0]["path"]), (&json!("GET"), &json!("/plain?bytes=2")));
    let seen = sandbox.requests(Upstream::Plain);
    assert_eq!((seen[0].header_values("x-one"), seen[1].header("x-odd")), (vec!["a", "b"], Some(r"\xff\xfe")));
    assert_eq!(send(&sandbox, "POST", "/control/reset", &[], "").status, 204);
    assert_eq!((sandbox.count(Upstream::Plain), sandbox.requests(Upstream::Plain).len()), (0, 0));
    assert_eq!(get(&sandbox, "/control/requests/nobody", &[]).status, 404);
}

#[test]
fn a_reset_forgets_spent_budgets_and_changed_settings() {
    let sandbox = Sandbox::start();
    let change =
        r#"{"limits": {"acousticbrainz": {"requests": 1, "per_ms": 3600000, "burst": 1}}, "token_seconds": 9}"#;
    assert_eq!(send(&sandbox, "PATCH", "/control/settings", &[], change).status, 204);
    let ask = || get(&sandbox, "/acousticbrainz/api/v1/x/low-level", &[]).status;
    assert_eq!((ask(), ask()), (404, 429));
    assert_eq!(get(&sandbox, "/control/settings", &[]).json()["token_seconds"], 9);
    send(&sandbox, "POST", "/control/reset", &[], "");
    assert_eq!((ask(), ask()), (404, 404));
    assert_eq!(get(&sandbox, "/control/settings", &[]).json()["token_seconds"], 3600);
    assert_eq!(send(&sandbox, "PATCH", "/control/settings", &[], r#"{"colour": 1}"#).status, 400);
}

#[test]
fn the_plain_origin_answers_what_it_is_asked_for() {
    let sandbox = Sandbox::start();
    let answer =
        get(&sandbox, "/plain?bytes=7&cache-control=public,+max-age=60&vary=accept&header=x-a:+1&header=x-a:2", &[]);
    assert_eq!((answer.status, answer.body.len()), (200, 7));
    assert_eq!((answer.header("cache-control"), answer.header("vary")), (Some("public, max-age=60"), Some("accept")));
    assert_eq!(answer.headers.iter().filter(|(name, _)| name == "x-a").count(), 2);
    assert_eq!(get(&sandbox, "/plain", &[]).body.len(), 500);
    assert_eq!(get(&sandbox, "/plain?status=418&bytes=0", &[]).status, 418);
    let head = send(&sandbox, "HEAD", "/plain?bytes=9", &[], "");
    assert_eq!((head.header("content-length"), head.body.len()), (Some("9"), 0));
    for bad in ["bytes=9999999", "status=99", "header=novalue", "cache-control=a%0d%0ab"] {
        assert_eq!(get(&sandbox, &format!("/plain?{bad}"), &[]).status, 400, "{bad}");
    }
}

#[test]
fn a_path_of_nobody_is_not_found() {
    let sandbox = Sandbox::start();
    for path in ["/", "/nobody/v1", "/control/nothing"] {
        assert_eq!(get(&sandbox, path, &[]).status, 404, "{path}");
    }
}

#[test]
fn a_large_header_is_taken() {
    let sandbox = Sandbox::start();
    let large = "x".repeat(60 * 1024);
    assert_eq!(get(&sandbox, PLAIN, &[("x-large", &large)]).status, 200);
    assert_eq!(sandbox.requests(Upstream::Plain)[0].header("x-large").map(str::len), Some(large.len()));
}

#[test]
fn the_port_is_free_again_once_the_sandbox_is_dropped() {
    let sandbox = Sandbox::start();
    let address = sandbox.address();
    assert_eq!(sandbox.url(Upstream::Spotify), format!("http://{address}/spotify/v1"));
    drop(sandbox);
    drop(Sandbox::start_with(sandbox::Settings::default(), address).expect("the same port"));
}
