//! Local replies and closed streams.

use host::{Answer, Ending, Host, Plugin, Request};

use crate::guest::{guest, map};
use crate::said;

/// Marks every response that passes it.
fn mark(name: &str) -> Vec<u8> {
    guest(&format!(
        "(func (export \"proxy_on_request_headers\") (param i32 i32 i32) (result i32) (i32.const 0))
         (func (export \"proxy_on_response_headers\") (param i32 i32 i32) (result i32)
           (drop (call $header_add (i32.const 2) 'x-passed' '{name}'))
           (i32.const 0))
         (func (export \"proxy_on_log\") (param i32) (call $say '{name}'))"
    ))
}

#[test]
fn a_reply_to_a_request_passes_the_filters_that_have_seen_it() {
    let headers = map(&[("x-why", "tired")]);
    let module = guest(&format!(
        "(func (export \"proxy_on_request_headers\") (param i32 i32 i32) (result i32)
           (drop (call $send (i32.const 429) 'too many' 'no' {headers} (i32.const -1)))
           (i32.const 0))
         (func (export \"proxy_on_response_headers\") (param i32 i32 i32) (result i32)
           (drop (call $header_add (i32.const 2) 'x-passed' 'reply'))
           (i32.const 0))"
    ));
    let mut host = Host::builder()
        .plugin(Plugin::from_bytes("first", mark("first")))
        .plugin(Plugin::from_bytes("reply", module))
        .plugin(Plugin::from_bytes("last", mark("last")))
        .start()
        .unwrap();
    let exchange = host.send(0, Request::get("/"));
    let response = exchange.response();
    assert_eq!((response.status(), response.text().as_str()), (429, "no"));
    let passed: Vec<_> = response.headers.all("x-passed").collect();
    assert_eq!(passed, [b"reply".as_slice(), b"first"], "in reverse, and without the filter that never saw it");
    assert_eq!(response.header("x-why").as_deref(), Some("tired"));
    assert_eq!(response.header("content-type").as_deref(), Some("text/plain"));
    assert_eq!(response.header("content-length").as_deref(), Some("2"));
    assert_eq!(exchange.details, "too_many");
    assert_eq!(exchange.upstream, None);
    assert_eq!(said(&host), ["first", "last"], "every filter logs it");
}

#[test]
fn a_reply_to_a_response_goes_past_the_remaining_filters() {
    let module = guest(
        "(func (export \"proxy_on_response_headers\") (param i32 i32 i32) (result i32)
           (call $reply (i32.const 200) 'stored')
           (i32.const 1))",
    );
    let mut host = Host::builder()
        .plugin(Plugin::from_bytes("outer", mark("outer")))
        .plugin(Plugin::from_bytes("cache", module))
        .plugin(Plugin::from_bytes("inner", mark("inner")))
        .upstream(|_| Answer::status(304))
        .start()
        .unwrap();
    let exchange = host.send(0, Request::get("/"));
    assert_eq!((exchange.status(), exchange.text().as_str()), (Some(200), "stored"));
    assert_eq!(exchange.header("x-passed"), None, "what the upstream sent is replaced as a whole");
    assert_eq!(exchange.ending, Ending::Complete);
}

#[test]
fn a_reply_after_the_headers_were_sent_cuts_the_stream_off() {
    let module = guest(
        "(func (export \"proxy_on_response_body\") (param i32 i32 i32) (result i32)
           (call $reply (i32.const 500) 'too late')
           (i32.const 1))",
    );
    let mut host = Host::builder()
        .plugin(Plugin::from_bytes("late", module))
        .upstream(|_| Answer::status(200).chunk("x"))
        .start()
        .unwrap();
    let exchange = host.send(0, Request::get("/"));
    assert_eq!((exchange.status(), exchange.text().as_str(), exchange.ending), (Some(200), "", Ending::Reset));
}

#[test]
fn a_reply_to_a_body_and_to_head_keep_to_http() {
    let module = guest(
        "(func (export \"proxy_on_request_headers\") (param i32 i32 i32) (result i32)
           (if (local.get 2) (then (call $reply (i32.const 403) 'no')))
           (i32.const 0))
         (func (export \"proxy_on_request_body\") (param i32 i32 i32) (result i32)
           (call $reply (i32.const 400) (i32.const 0) (i32.const 0))
           (i32.const 0))",
    );
    let mut host = Host::builder().plugin(Plugin::from_bytes("reply", module)).start().unwrap();
    let exchange = host.send(0, Request::post("/").chunk("a").chunk("b"));
    assert_eq!((exchange.status(), exchange.header("content-type")), (Some(400), None));
    let exchange = host.send(0, Request::new("HEAD", "/"));
    let length = exchange.header("content-length");
    assert_eq!((exchange.status(), exchange.text().as_str(), length.as_deref()), (Some(403), "", Some("2")));
}

#[test]
fn a_stream_may_be_closed_in_any_phase() {
    for callback in ["request", "response"] {
        let module = guest(&format!(
            "(func (export \"proxy_on_{callback}_headers\") (param i32 i32 i32) (result i32)
               (drop (call $close (i32.const 0)))
               (i32.const 1))"
        ));
        let mut host = Host::builder().plugin(Plugin::from_bytes("close", module)).start().unwrap();
        let exchange = host.send(0, Request::get("/"));
        assert_eq!((exchange.ending, exchange.status()), (Ending::Reset, None), "{callback}");
    }
}

#[test]
fn a_reply_to_a_call_of_grpc_is_a_code_in_the_headers() {
    let headers = map(&[("content-type", "application/json"), ("x-why", "tired")]);
    let module = guest(&format!(
        "(func (export \"proxy_on_request_headers\") (param i32 i32 i32) (result i32)
           (drop (call $send (i32.const 503) 'tired' '100% no' {headers} (i32.const -1)))
           (i32.const 0))"
    ));
    let mut host = Host::builder().plugin(Plugin::from_bytes("reply", module)).start().unwrap();
    for content_type in ["application/grpc", "application/grpc+proto"] {
        let exchange = host.send(0, Request::get("/").header("content-type", content_type));
        let response = exchange.response();
        assert_eq!((response.status(), response.text().as_str()), (200, ""));
        let expected = [
            ("content-type", Some("application/grpc")),
            ("grpc-status", Some("14")),
            ("grpc-message", Some("100%25 no")),
            ("x-why", Some("tired")),
            ("content-length", None),
        ];
        for (name, value) in expected {
            assert_eq!(response.header(name).as_deref(), value, "{name}");
        }
    }
    let plain = host.send(0, Request::get("/").header("content-type", "application/grpc-web"));
    assert_eq!(plain.response().status(), 503);
}
