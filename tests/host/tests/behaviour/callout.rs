//! Callouts of filters.

use std::time::Duration;

use host::{Answer, Host, Plugin, Request};

use crate::guest::{guest, map};
use crate::said;

/// Calls `cluster` with this timeout when a request comes, holds the request, and continues it with the answer.
fn caller(cluster: &str, timeout: u32) -> Vec<u8> {
    let headers = map(&[(":method", "GET"), (":path", "/token"), (":authority", "id.test")]);
    guest(&format!(
        "(global $stream (mut i32) (i32.const 0))
         (func (export \"proxy_on_request_headers\") (param i32 i32 i32) (result i32)
           (global.set $stream (local.get 0))
           (call $say_number (call $call '{cluster}' {headers} 'ask' (i32.const 0) (i32.const 0)
             (i32.const {timeout}) (i32.const 8)))
           (i32.const 1))
         (func (export \"proxy_on_http_call_response\") (param i32 i32 i32 i32 i32)
           (call $say_number (local.get 2))
           (call $say_number (local.get 3))
           (call $say_number (local.get 4))
           (drop (call $act_for (global.get $stream)))
           (drop (call $buffer_get (i32.const 4) (i32.const 0) (local.get 3) (i32.const 0) (i32.const 4)))
           (if (local.get 3) (then (call $say_result)))
           (drop (call $continue (i32.const 0))))"
    ))
}

#[test]
fn an_answer_arrives_later_with_headers_body_and_trailers() {
    let mut host = Host::builder()
        .plugin(Plugin::from_bytes("caller", caller("id", 1000)))
        .cluster("id", |request| {
            assert_eq!((request.path(), request.text().as_str(), request.stream), ("/token", "ask", None));
            Answer::new()
                .after(Duration::from_millis(999))
                .head(200)
                .header("a", "b")
                .chunk("he")
                .chunk("llo")
                .trailer("t", "")
        })
        .start()
        .unwrap();
    let stream = host.send(0, Request::get("/")).stream;
    assert_eq!(said(&host), ["0"]);
    host.advance(Duration::from_millis(998));
    assert!(host.exchange(stream).is_waiting());
    host.advance(Duration::from_millis(1));
    assert_eq!(said(&host), ["0", "2", "5", "1", "hello"]);
    assert_eq!(host.exchange(stream).status(), Some(200));
}

#[test]
fn a_callout_to_no_cluster_or_without_a_path_fails_at_once() {
    let mut host = Host::builder().plugin(Plugin::from_bytes("caller", caller("nowhere", 1000))).start().unwrap();
    host.send(0, Request::get("/"));
    assert_eq!(said(&host), ["2"]);
    assert!(host.arrivals().is_empty());
}

#[test]
fn a_callout_that_fails_is_answered_as_a_client_would_be() {
    let cases = [
        (Answer::held(), ["3", "24", "0", "upstream request timeout"].as_slice()),
        (
            Answer::broken(),
            &[
                "3",
                "95",
                "0",
                "upstream connect error or disconnect/reset before headers. reset reason: connection termination",
            ],
        ),
        (
            Answer::unreachable(),
            &[
                "3",
                "98",
                "0",
                "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure",
            ],
        ),
        (Answer::status(200).chunk("x").reset(), &["0", "0", "0"]),
        (Answer::status(200).chunk("x").hold(), &["0", "0", "0"]),
    ];
    for (answer, expected) in cases {
        let shown = format!("{answer:?}");
        let mut host = Host::builder()
            .plugin(Plugin::from_bytes("caller", caller("id", 1000)))
            .cluster("id", move |_| answer.clone())
            .start()
            .unwrap();
        host.send(0, Request::get("/"));
        host.advance(Duration::from_secs(1));
        assert_eq!(said(&host)[1..], *expected, "{shown}");
    }
}

#[test]
fn a_callout_to_a_cluster_without_hosts_fails_at_once() {
    let mut host = Host::builder()
        .plugin(Plugin::from_bytes("caller", caller("empty", 1000)))
        .cluster_without_hosts("empty")
        .start()
        .unwrap();
    host.send(0, Request::get("/"));
    assert_eq!(said(&host), ["10"]);
}

#[test]
fn an_answer_for_a_stream_that_has_ended_finds_no_context() {
    let mut host = Host::builder()
        .plugin(Plugin::from_bytes("caller", caller("id", 0)))
        .cluster("id", |_| Answer::held())
        .start()
        .unwrap();
    let stream = host.send(0, Request::get("/")).stream;
    host.disconnect(stream);
    let held = host.held();
    assert_eq!(held.len(), 1, "the call belongs to the plugin, not to the stream");
    host.release(held[0].call, Answer::status(200));
    assert!(said(&host).ends_with(&["1", "0", "0"]), "the plugin is told; for the stream, nothing happens");
    assert!(host.exchange(stream).response.is_none());
}
