//! The clock, randomness, the environment and output of WASI.

use std::time::Duration;

use host::{Host, Level, Plugin, Request};

use crate::guest::guest;
use crate::said;

#[test]
fn the_clock_is_the_tests_and_steps_back_for_the_wall_alone() {
    let module = guest(
        "(func $read (param i32)
           (drop (call $clock (local.get 0) (i64.const 0) (i32.const 8)))
           (call $say_number (i32.wrap_i64 (i64.div_u (i64.load (i32.const 8)) (i64.const 1000000000)))))
         (func (export \"proxy_on_request_headers\") (param i32 i32 i32) (result i32)
           (call $read (i32.const 0))
           (call $read (i32.const 1))
           (i32.const 0))",
    );
    let start = Duration::from_secs(1_000_000);
    let mut host = Host::builder().clock(start).plugin(Plugin::from_bytes("clock", module)).start().unwrap();
    host.send(0, Request::get("/"));
    host.advance(Duration::from_mins(1));
    host.step_back(Duration::from_secs(90));
    host.send(0, Request::get("/"));
    assert_eq!(said(&host), ["1000000", "0", "999970", "60"]);
    assert_eq!(host.now(), Duration::from_secs(999_970));
}

#[test]
fn randomness_is_the_same_for_the_same_seed() {
    let draw = |seed| {
        let module = guest(
            "(func (export \"proxy_on_request_headers\") (param i32 i32 i32) (result i32)
               (drop (call $random (i32.const 8) (i32.const 4)))
               (call $say_number (i32.load (i32.const 8)))
               (call $say_number (call $random (i32.const 8) (i32.const 65537)))
               (i32.const 0))",
        );
        let mut host = Host::builder().seed(seed).plugin(Plugin::from_bytes("random", module)).start().unwrap();
        host.send(0, Request::get("/"));
        host.send(0, Request::get("/"));
        said(&host).iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()
    };
    let drawn = draw(7);
    assert_eq!(drawn, draw(7));
    assert_ne!(drawn, draw(8));
    assert_ne!(drawn[0], drawn[2]);
    assert_eq!(drawn[1], "28", "more than 64 KiB at once are refused");
}

#[test]
fn the_environment_is_the_plugins_and_output_is_logged() {
    let module = guest(
        "(func (export \"proxy_on_request_headers\") (param i32 i32 i32) (result i32)
           (drop (call $environ_sizes (i32.const 0) (i32.const 4)))
           (drop (call $environ (i32.const 128) (i32.const 256)))
           (i32.store (i32.const 8) (i32.load (i32.const 128)))
           (i32.store (i32.const 12) (i32.sub (i32.load (i32.const 4)) (i32.const 1)))
           (drop (call $fd_write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 0)))
           (drop (call $fd_write (i32.const 2) (i32.const 8) (i32.const 1) (i32.const 0)))
           (call $say_number (call $fd_write (i32.const 3) (i32.const 8) (i32.const 1) (i32.const 0)))
           (i32.const 0))",
    );
    let plugin = Plugin::from_bytes("environment", module).environment("KEY", "secret");
    let mut host = Host::builder().plugin(plugin).start().unwrap();
    host.send(0, Request::get("/"));
    assert_eq!(said(&host), ["KEY=secret", "8"]);
    let errors: Vec<_> = host.log().iter().filter(|line| line.level == Level::Error).collect();
    assert_eq!((errors.len(), errors[0].text.as_str(), errors[0].plugin.as_str()), (1, "KEY=secret", "environment"));
}

#[test]
fn an_exit_is_a_crash() {
    let module = guest(
        "(func (export \"proxy_on_request_headers\") (param i32 i32 i32) (result i32)
           (call $exit (i32.const 1))
           (i32.const 0))",
    );
    let mut host = Host::builder().plugin(Plugin::from_bytes("exit", module)).start().unwrap();
    assert_eq!(host.send(0, Request::get("/")).status(), Some(503));
    assert!(host.log().iter().any(|line| line.text.contains("proc_exit(1)")));
}
