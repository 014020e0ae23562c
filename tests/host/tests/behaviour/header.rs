//! Header maps.

use host::{Headers, Host, Plugin, Request};

use crate::guest::{guest, map};
use crate::said;

#[test]
fn headers_are_read_added_replaced_and_removed_on_both_ways() {
    let module = guest(
        "(func (export \"proxy_on_request_headers\") (param i32 i32 i32) (result i32)
           (drop (call $header_get (i32.const 0) 'X-One' (i32.const 0) (i32.const 4)))
           (call $say_result)
           (drop (call $header_add (i32.const 0) 'X-Two' '2'))
           (drop (call $header_set (i32.const 0) ':path' '/b'))
           (drop (call $header_remove (i32.const 0) 'x-ONE'))
           (i32.const 0))
         (func (export \"proxy_on_response_headers\") (param i32 i32 i32) (result i32)
           (drop (call $header_add (i32.const 2) 'x-answer' 'yes'))
           (i32.const 0))",
    );
    let mut host = Host::builder().plugin(Plugin::from_bytes("edit", module)).start().unwrap();
    let exchange = host.send(0, Request::get("/a").header("X-One", "first").header("x-one", "second"));
    assert_eq!(said(&host), ["first"], "only the first value");
    let arrival = exchange.upstream.as_ref().expect("it reached the upstream");
    assert_eq!((arrival.path(), arrival.header("x-two")), ("/b", Some("2".to_owned())));
    assert_eq!(arrival.header("x-one"), None);
    assert_eq!(exchange.header("x-answer").as_deref(), Some("yes"));
}

#[test]
fn a_map_out_of_its_phase_is_a_bad_argument_or_reads_as_empty() {
    let module = guest(
        "(func (export \"proxy_on_response_headers\") (param i32 i32 i32) (result i32)
           (call $say_number (call $header_get (i32.const 0) ':path' (i32.const 0) (i32.const 4)))
           (call $say_number (call $header_add (i32.const 0) 'a' 'b'))
           (call $say_number (call $header_get (i32.const 2) 'absent' (i32.const 0) (i32.const 4)))
           (call $say_number (call $header_get (i32.const 9) 'absent' (i32.const 0) (i32.const 4)))
           (i32.store (i32.const 4) (i32.const 77))
           (call $say_number (call $pairs_get (i32.const 0) (i32.const 0) (i32.const 4)))
           (call $say_number (i32.load (i32.const 4)))
           (i32.const 0))
         (func (export \"proxy_on_log\") (param i32)
           (call $say_number (call $header_get (i32.const 0) ':path' (i32.const 0) (i32.const 4)))
           (call $say_result)
           (call $say_number (call $header_get (i32.const 3) 'absent' (i32.const 0) (i32.const 4))))",
    );
    let mut host = Host::builder().plugin(Plugin::from_bytes("phase", module)).start().unwrap();
    host.send(0, Request::get("/a"));
    // Gone: 2. Not to be changed: 2. Absent: 1. No such map: 2. The pairs of no map: 0, of which none. In the log,
    // the request is back, and absent trailers are not found.
    assert_eq!(said(&host), ["2", "2", "1", "2", "0", "0", "0", "/a", "1"]);
}

#[test]
fn a_whole_map_is_replaced_and_what_cannot_be_read_replaces_it_by_nothing() {
    let source = |pairs: &str| {
        guest(&format!(
            "(func (export \"proxy_on_response_headers\") (param i32 i32 i32) (result i32)
               (call $say_number (call $pairs_set (i32.const 2) {pairs}))
               (call $say_number (call $pairs_size (i32.const 2) (i32.const 0)))
               (call $say_number (i32.load (i32.const 0)))
               (i32.const 0))"
        ))
    };
    let module = source(&map(&[(":status", "201"), ("a", "b")]));
    let mut host = Host::builder().plugin(Plugin::from_bytes("map", module)).start().unwrap();
    let exchange = host.send(0, Request::get("/"));
    let expected: Headers = [(":status", "201"), ("a", "b")].into_iter().collect();
    assert_eq!(exchange.response().headers, expected);
    assert_eq!(said(&host), ["0", "0", "12"]);

    let mut host = Host::builder().plugin(Plugin::from_bytes("map", source("'not a map'"))).start().unwrap();
    let exchange = host.send(0, Request::get("/"));
    assert_eq!(said(&host), ["0", "0", "0"]);
    assert_eq!(exchange.status(), Some(502), "a response needs its status");
}

#[test]
fn values_of_any_bytes_reach_the_filter_and_the_upstream() {
    let module = guest(
        "(func (export \"proxy_on_request_headers\") (param i32 i32 i32) (result i32)
           (drop (call $header_get (i32.const 0) 'x-raw' (i32.const 0) (i32.const 4)))
           (drop (call $header_add (i32.const 0) 'x-copy' (i32.load (i32.const 0)) (i32.load (i32.const 4))))
           (i32.const 0))",
    );
    let mut host = Host::builder().plugin(Plugin::from_bytes("raw", module)).start().unwrap();
    for raw in [&b"\xff\xfe"[..], b"", "x".repeat(50_000).as_bytes()] {
        let exchange = host.send(0, Request::get("/").header("x-raw", raw));
        assert_eq!(exchange.upstream.expect("it reached the upstream").headers.first("x-copy"), Some(raw));
    }
}

#[test]
fn names_that_envoy_knows_are_joined_and_host_is_the_authority() {
    let module = guest(
        "(func (export \"proxy_on_request_headers\") (param i32 i32 i32) (result i32)
           (drop (call $header_get (i32.const 0) 'authorization' (i32.const 0) (i32.const 4)))
           (call $say_result)
           (drop (call $header_get (i32.const 0) 'host' (i32.const 0) (i32.const 4)))
           (call $say_result)
           (i32.const 0))",
    );
    let mut host = Host::builder().plugin(Plugin::from_bytes("joined", module)).start().unwrap();
    let request = Request::get("/").header("Authorization", "a").header("authorization", "b").header("Host", "c");
    let exchange = host.send(0, request.header("x-own", "1").header("x-own", "2"));
    assert_eq!(said(&host), ["a,b", "c"]);
    assert_eq!(exchange.upstream.unwrap().headers.all("x-own").count(), 2, "others stay apart");
}

#[test]
fn what_the_codec_refuses_never_meets_a_filter() {
    let module = guest("(func (export \"proxy_on_request_headers\") (param i32 i32 i32) (result i32) unreachable)");
    let mut host = Host::builder().plugin(Plugin::from_bytes("trap", module)).start().unwrap();
    assert_eq!(host.send(0, Request::get("/").header("a", "b\nc")).status(), Some(400));
    assert_eq!(host.send(0, Request::get("/").header("a", vec![b'x'; 61 * 1024])).status(), Some(431));
    let many = (0..100).fold(Request::get("/"), |request, n| request.header(format!("h{n}"), ""));
    assert_eq!(host.send(0, many).status(), Some(431));
}

#[test]
fn a_request_without_its_path_is_answered_by_the_proxy() {
    let module = guest(
        "(func (export \"proxy_on_request_headers\") (param i32 i32 i32) (result i32)
           (call $header_remove (i32.const 0) ':path'))",
    );
    let mut host = Host::builder().plugin(Plugin::from_bytes("remove", module)).start().unwrap();
    assert_eq!(host.send(0, Request::get("/")).status(), Some(503));
}
