//! Shared data.

use host::{Host, Plugin, Request};

use crate::guest::guest;
use crate::said;

#[test]
fn a_write_overwrites_creates_or_compares_as_its_number_says() {
    let module = guest(
        "(func $write (param i32) (call $say_number (call $shared_set 'key' 'value' (local.get 0))))
         (func (export \"proxy_on_request_headers\") (param i32 i32 i32) (result i32)
           (call $say_number (call $shared_get 'key' (i32.const 0) (i32.const 4) (i32.const 8)))
           (call $write (i32.const -1))
           (call $write (i32.const -1))
           (drop (call $shared_get 'key' (i32.const 0) (i32.const 4) (i32.const 8)))
           (call $say_result)
           (call $write (i32.load (i32.const 8)))
           (call $write (i32.load (i32.const 8)))
           (call $write (i32.const 0))
           (i32.const 0))",
    );
    let mut host = Host::builder().plugin(Plugin::from_bytes("cas", module)).start().unwrap();
    host.send(0, Request::get("/"));
    // Absent: 1. Created: 0. Present: 8. Matched: 0. No longer: 8. Whatever is there: 0.
    assert_eq!(said(&host), ["1", "0", "8", "value", "0", "8", "0"]);
}

#[test]
fn workers_and_modules_share_a_space_and_spaces_are_apart() {
    let write = guest(
        "(func (export \"proxy_on_request_headers\") (param i32 i32 i32) (result i32)
           (call $shared_set 'key' 'written' (i32.const 0)))",
    );
    let read = guest(
        "(func (export \"proxy_on_request_headers\") (param i32 i32 i32) (result i32)
           (call $say_number (call $shared_get 'key' (i32.const 0) (i32.const 4) (i32.const 8)))
           (i32.const 0))",
    );
    let mut host = Host::builder()
        .workers(2)
        .plugin(Plugin::from_bytes("write", write).vm_id("one"))
        .plugin(Plugin::from_bytes("same", read.clone()).vm_id("one"))
        .plugin(Plugin::from_bytes("other", read).vm_id("two"))
        .start()
        .unwrap();
    host.send(0, Request::get("/"));
    host.send(1, Request::get("/"));
    assert_eq!(said(&host), ["0", "1", "0", "1"]);
    assert_eq!(host.shared_data("one", "key"), Some(&b"written"[..]));
    assert_eq!((host.shared_keys("one"), host.shared_keys("two")), (vec![b"key".to_vec()], Vec::new()));
    assert_eq!(host.shared_bytes("one"), 10);
    host.set_shared_data("two", "key", "by the test");
    host.send(0, Request::get("/"));
    assert_eq!(said(&host)[4..], ["0", "0"]);
}
