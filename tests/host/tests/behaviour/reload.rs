//! Configurations: refused, replaced.

use std::time::Duration;

use host::{Answer, Host, Plugin, Request};

use crate::guest::guest;
use crate::said;

/// Says its configuration when a request comes; refuses an empty one, and says why.
fn configured() -> Vec<u8> {
    guest(
        "(global $text (mut i32) (i32.const 0))
         (global $length (mut i32) (i32.const 0))
         (func (export \"proxy_on_configure\") (param i32 i32) (result i32)
           (if (i32.eqz (local.get 1)) (then (call $say 'it is empty') (return (i32.const 0))))
           (drop (call $buffer_get (i32.const 7) (i32.const 0) (local.get 1) (i32.const 0) (i32.const 4)))
           (global.set $text (i32.load (i32.const 0)))
           (global.set $length (i32.load (i32.const 4)))
           (i32.const 1))
         (func (export \"proxy_on_request_headers\") (param i32 i32 i32) (result i32)
           (call $say (global.get $text) (global.get $length))
           (call $say_number (call $buffer_get (i32.const 7) (i32.const 0) (i32.const 9) (i32.const 0) (i32.const 4)))
           (i32.const 0))
         (func (export \"proxy_on_done\") (param i32) (result i32) (call $say 'done') (i32.const 1))",
    )
}

#[test]
fn a_refused_configuration_is_an_error_with_what_was_logged() {
    let error = Host::builder().plugin(Plugin::from_bytes("strict", configured())).start().err().expect("it refuses");
    assert_eq!((error.plugin.as_str(), error.reason.as_str()), ("strict", "refused its configuration"));
    assert_eq!(error.log.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), ["it is empty"]);
    assert!(error.to_string().contains("it is empty"));
}

#[test]
fn a_new_configuration_serves_new_streams_and_a_refused_one_none() {
    let mut host = Host::builder()
        .plugin(Plugin::from_bytes("strict", configured()).configuration("one"))
        .upstream(|_| Answer::held())
        .start()
        .unwrap();
    let stream = host.send(0, Request::get("/")).stream;
    assert_eq!(said(&host), ["one", "1"], "the configuration is there while it is being configured");
    host.reload("strict", "").expect_err("it refuses");
    host.reload("strict", "two").unwrap();
    assert!(!said(&host).contains(&"done"), "a stream still uses the old one");
    host.release(host.held()[0].call, Answer::status(200));
    assert_eq!(host.exchange(stream).status(), Some(200));
    assert_eq!(said(&host)[2..], ["done", "done"], "the stream's context, then the old root's");
    host.send(0, Request::get("/"));
    assert_eq!(said(&host)[4..], ["two", "1"]);
}

#[test]
fn a_configuration_is_tried_on_the_main_thread_and_then_on_each_worker() {
    let host = Host::builder()
        .workers(2)
        .plugin(Plugin::from_bytes(
            "tried",
            guest(
                "(func (export \"proxy_on_vm_start\") (param i32 i32) (result i32) (call $say 'start') (i32.const 1))
             (func (export \"proxy_on_configure\") (param i32 i32) (result i32) (call $say 'configure') (i32.const 1))",
            ),
        ))
        .start()
        .unwrap();
    let lines: Vec<_> = host.log().iter().map(|line| (line.worker, line.text.as_str())).collect();
    let on = |worker| [(worker, "start"), (worker, "configure")];
    assert_eq!(lines, [on(None), on(Some(0)), on(Some(1))].concat());
}

#[test]
fn plugins_of_one_module_and_vm_id_share_a_machine_on_each_worker() {
    let module = || {
        guest(
            "(global $calls (mut i32) (i32.const 0))
             (func (export \"proxy_on_request_headers\") (param i32 i32 i32) (result i32)
               (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
               (call $say_number (global.get $calls))
               (i32.const 0))",
        )
    };
    let mut host = Host::builder()
        .workers(2)
        .plugin(Plugin::from_bytes("one", module()).configuration("1"))
        .plugin(Plugin::from_bytes("two", module()).configuration("2"))
        .plugin(Plugin::from_bytes("apart", module()).vm_id("other"))
        .start()
        .unwrap();
    host.send(0, Request::get("/"));
    host.send(1, Request::get("/"));
    assert_eq!(said(&host), ["1", "2", "1", "1", "2", "1"]);
    host.crash(0, "one");
    host.send(0, Request::get("/"));
    assert_eq!(said(&host)[6..], ["1", "2", "2"], "they crash together and are replaced together");
}

#[test]
fn a_root_context_that_is_not_done_lives_until_it_is() {
    let module = guest(
        "(func (export \"proxy_on_configure\") (param i32 i32) (result i32)
           (i32.const 1))
         (func (export \"proxy_on_done\") (param i32) (result i32)
           (drop (call $tick_every (i32.const 10)))
           (call $say 'not yet')
           (i32.const 0))
         (func (export \"proxy_on_tick\") (param i32)
           (drop (call $tick_every (i32.const 0)))
           (call $say_number (call $done))
           (call $say_number (call $done)))
         (func (export \"proxy_on_delete\") (param i32) (call $say 'deleted'))",
    );
    let mut host = Host::builder().plugin(Plugin::from_bytes("slow", module)).start().unwrap();
    host.reload("slow", "again").unwrap();
    assert_eq!(said(&host), ["not yet"]);
    host.advance(Duration::from_millis(10));
    assert_eq!(said(&host), ["not yet", "0", "1", "deleted"]);
}
