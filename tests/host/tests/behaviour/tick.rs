//! Timers of root contexts.

use std::time::Duration;

use host::{Host, Plugin, Request};

use crate::guest::guest;
use crate::said;

#[test]
fn every_worker_ticks_by_the_clock_until_told_otherwise() {
    let module = guest(
        "(global $ticks (mut i32) (i32.const 0))
         (func (export \"proxy_on_configure\") (param i32 i32) (result i32)
           (drop (call $tick_every (i32.const 100)))
           (i32.const 1))
         (func (export \"proxy_on_tick\") (param i32)
           (global.set $ticks (i32.add (global.get $ticks) (i32.const 1)))
           (call $say_number (global.get $ticks))
           (if (i32.eq (global.get $ticks) (i32.const 2)) (then (drop (call $tick_every (i32.const 500)))))
           (if (i32.eq (global.get $ticks) (i32.const 3)) (then (drop (call $tick_every (i32.const 0))))))",
    );
    let mut host = Host::builder().workers(2).plugin(Plugin::from_bytes("tick", module)).start().unwrap();
    host.advance(Duration::from_millis(99));
    assert!(said(&host).is_empty());
    host.advance(Duration::from_millis(1));
    assert_eq!(said(&host), ["1", "1"]);
    host.step_back(Duration::from_hours(1));
    host.advance(Duration::from_millis(100));
    assert_eq!(said(&host)[2..], ["2", "2"], "timers do not notice a step back");
    host.advance(Duration::from_millis(499));
    assert_eq!(said(&host).len(), 4);
    host.advance(Duration::from_mins(1));
    assert_eq!(said(&host)[4..], ["3", "3"]);
}

#[test]
fn a_held_request_is_continued_or_answered_from_a_tick() {
    let module = guest(
        "(global $held (mut i32) (i32.const 0))
         (func (export \"proxy_on_configure\") (param i32 i32) (result i32)
           (drop (call $tick_every (i32.const 10)))
           (i32.const 1))
         (func (export \"proxy_on_request_headers\") (param i32 i32 i32) (result i32)
           (global.set $held (local.get 0))
           (i32.const 1))
         (func (export \"proxy_on_tick\") (param i32)
           (if (call $act_for (global.get $held)) (then (return)))
           (drop (call $header_get (i32.const 0) ':path' (i32.const 0) (i32.const 4)))
           (if (i32.eq (i32.load (i32.const 4)) (i32.const 1))
             (then (drop (call $continue (i32.const 0))))
             (else (call $reply (i32.const 503) 'waited'))))",
    );
    let mut host = Host::builder().plugin(Plugin::from_bytes("hold", module)).start().unwrap();
    let continued = host.send(0, Request::post("/").chunk("body"));
    host.advance(Duration::from_millis(10));
    let arrival = host.exchange(continued.stream).upstream.expect("it went on");
    assert_eq!(arrival.text(), "body");
    let answered = host.send(0, Request::get("/answer")).stream;
    host.advance(Duration::from_millis(10));
    assert_eq!(host.exchange(answered).status(), Some(503));
    host.advance(Duration::from_secs(1));
}
