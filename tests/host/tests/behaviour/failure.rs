//! Machines that crash.

use std::time::Duration;

use host::{Answer, Ending, FailurePolicy, Host, Level, Plugin, Request};

use crate::guest::guest;
use crate::said;

/// Counts requests in its own memory and in shared data, and traps on `/trap`.
fn fragile() -> Vec<u8> {
    guest(
        "(global $seen (mut i32) (i32.const 0))
         (func (export \"proxy_on_request_headers\") (param i32 i32 i32) (result i32)
           (global.set $seen (i32.add (global.get $seen) (i32.const 1)))
           (call $say_number (global.get $seen))
           (drop (call $shared_set 'survives' 'yes' (i32.const 0)))
           (drop (call $header_get (i32.const 0) ':path' (i32.const 0) (i32.const 4)))
           (if (i32.eq (i32.load (i32.const 4)) (i32.const 5)) (then unreachable))
           (i32.const 0))
         (func (export \"proxy_on_response_headers\") (param i32 i32 i32) (result i32) (i32.const 0))",
    )
}

#[test]
fn a_trap_fails_its_stream_and_the_next_gets_a_new_machine() {
    let mut host = Host::builder().workers(2).plugin(Plugin::from_bytes("fragile", fragile())).start().unwrap();
    assert_eq!(host.send(0, Request::get("/")).status(), Some(200));
    let exchange = host.send(0, Request::get("/trap"));
    assert_eq!((exchange.status(), exchange.text().as_str()), (Some(503), ""));
    assert_eq!(exchange.details, "wasm_fail_stream");
    let line = host.log().iter().find(|line| line.level == Level::Error).expect("the crash is logged");
    assert!(line.text.contains("proxy_on_request_headers") && line.text.contains("unreachable"), "{line}");
    assert_eq!(host.send(0, Request::get("/")).status(), Some(200));
    assert_eq!(said(&host), ["1", "2", "1"], "its memory is gone");
    assert_eq!(host.shared_data("weir", "survives"), Some(&b"yes"[..]));
}

#[test]
fn streams_of_a_crashed_machine_fail_when_they_go_on() {
    let mut host =
        Host::builder().plugin(Plugin::from_bytes("fragile", fragile())).upstream(|_| Answer::held()).start().unwrap();
    let stream = host.send(0, Request::get("/")).stream;
    host.crash(0, "fragile");
    assert!(host.exchange(stream).is_waiting());
    host.release(host.held()[0].call, Answer::status(200).body("x"));
    let exchange = host.exchange(stream);
    assert_eq!((exchange.status(), exchange.ending), (Some(503), Ending::Complete));
}

#[test]
fn the_failure_policy_decides_what_comes_after() {
    for (policy, status) in [(FailurePolicy::Reload, 200), (FailurePolicy::Closed, 503), (FailurePolicy::Open, 200)] {
        let plugin = Plugin::from_bytes("fragile", fragile()).failure_policy(policy);
        let mut host = Host::builder().plugin(plugin).start().unwrap();
        let expected = if policy == FailurePolicy::Open { 200 } else { 503 };
        assert_eq!(host.send(0, Request::get("/trap")).status(), Some(expected), "{policy:?}");
        assert_eq!(host.send(0, Request::get("/")).status(), Some(status), "{policy:?}");
        let seen = if policy == FailurePolicy::Reload { vec!["1", "1"] } else { vec!["1"] };
        assert_eq!(said(&host), seen, "{policy:?}");
    }
}

#[test]
fn a_replacement_waits_for_its_backoff() {
    let backoff = Duration::from_secs(1);
    let plugin = Plugin::from_bytes("fragile", fragile());
    let mut host = Host::builder().plugin(plugin).reload_backoff(backoff).start().unwrap();
    host.crash(0, "fragile");
    assert_eq!(host.send(0, Request::get("/")).status(), Some(503));
    host.advance(backoff);
    assert_eq!(host.send(0, Request::get("/")).status(), Some(200));
}

#[test]
fn a_filter_that_wants_more_than_its_memory_does_not_get_it() {
    let module = guest(
        "(func (export \"proxy_on_request_headers\") (param i32 i32 i32) (result i32)
           (call $say_number (i32.eq (memory.grow (i32.const 16376)) (i32.const -1)))
           (call $say_number (i32.eq (memory.grow (i32.const 16)) (i32.const -1)))
           (i32.const 0))",
    );
    let mut host = Host::builder().plugin(Plugin::from_bytes("grow", module)).start().unwrap();
    host.send(0, Request::get("/"));
    assert_eq!(said(&host), ["0", "1"], "a gibibyte in all");
    assert_eq!(host.memory_bytes(0, "grow"), 16380 * 65536);
}
