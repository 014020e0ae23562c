//! Shared queues.

use host::{Host, Plugin, Request};

use crate::guest::guest;
use crate::said;

/// Registers one queue on every worker; each request sends its path there; whoever is woken says it.
fn post() -> Vec<u8> {
    guest(
        "(func (export \"proxy_on_configure\") (param i32 i32) (result i32)
           (drop (call $queue_register 'mail' (i32.const 8)))
           (i32.const 1))
         (func (export \"proxy_on_request_headers\") (param i32 i32 i32) (result i32)
           (drop (call $header_get (i32.const 0) ':path' (i32.const 0) (i32.const 4)))
           (drop (call $queue_resolve 'weir' 'mail' (i32.const 8)))
           (drop (call $queue_push (i32.load (i32.const 8)) (i32.load (i32.const 0)) (i32.load (i32.const 4))))
           (call $say_number (call $queue_resolve (i32.const 0) (i32.const 0) 'none' (i32.const 12)))
           (i32.const 0))
         (func (export \"proxy_on_queue_ready\") (param i32 i32)
           (drop (call $queue_pop (local.get 1) (i32.const 0) (i32.const 4)))
           (call $say_result)
           (call $say_number (call $queue_pop (local.get 1) (i32.const 0) (i32.const 4)))
           (call $say_number (call $queue_pop (i32.const 99) (i32.const 0) (i32.const 4))))",
    )
}

#[test]
fn a_message_wakes_the_last_registrar_alone() {
    let mut host = Host::builder().workers(3).plugin(Plugin::from_bytes("post", post())).start().unwrap();
    host.send(0, Request::get("/hello"));
    // No such queue: 1. Empty: 7. No such token: 1.
    assert_eq!(said(&host), ["1", "/hello", "7", "1"]);
    let line = host.log().iter().find(|line| line.text == "/hello").unwrap();
    assert_eq!(line.worker, Some(2));
}

#[test]
fn a_request_is_woken_on_another_worker() {
    let module = guest(
        "(global $parked (mut i32) (i32.const 0))
         (func (export \"proxy_on_configure\") (param i32 i32) (result i32)
           (drop (call $queue_register 'wake' (i32.const 8)))
           (i32.const 1))
         (func (export \"proxy_on_request_headers\") (param i32 i32 i32) (result i32)
           (drop (call $header_get (i32.const 0) ':method' (i32.const 0) (i32.const 4)))
           (if (result i32) (i32.eq (i32.load (i32.const 4)) (i32.const 3))
             (then (global.set $parked (local.get 0)) (i32.const 1))
             (else
               (drop (call $queue_resolve 'weir' 'wake' (i32.const 8)))
               (call $queue_push (i32.load (i32.const 8)) 'go'))))
         (func (export \"proxy_on_queue_ready\") (param i32 i32)
           (drop (call $queue_pop (local.get 1) (i32.const 0) (i32.const 4)))
           (drop (call $act_for (global.get $parked)))
           (drop (call $continue (i32.const 0))))",
    );
    let mut host = Host::builder().workers(2).plugin(Plugin::from_bytes("park", module)).start().unwrap();
    let parked = host.send(1, Request::get("/")).stream;
    assert!(host.exchange(parked).is_waiting());
    host.send(0, Request::post("/"));
    assert_eq!(host.exchange(parked).status(), Some(200));
}
