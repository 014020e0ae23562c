//! Bodies: in chunks, collected, changed, too large; trailers; pauses.

use host::{Answer, Ending, Host, Plugin, Protocol, Request};

use crate::guest::guest;
use crate::said;

/// Logs each length that it sees of the request's body, and says `status` until the end.
fn watch(status: u32, finally: &str) -> Vec<u8> {
    guest(&format!(
        "(func (export \"proxy_on_request_body\") (param i32 i32 i32) (result i32)
           (call $say_number (local.get 1))
           (if (result i32) (local.get 2) (then {finally} (i32.const 0)) (else (i32.const {status}))))"
    ))
}

#[test]
fn chunks_pass_as_they_come_and_http1_ends_with_an_empty_one() {
    let mut host = Host::builder().plugin(Plugin::from_bytes("watch", watch(0, ""))).start().unwrap();
    let exchange = host.send(0, Request::post("/").chunk("ab").chunk("cde"));
    assert_eq!(said(&host), ["2", "3", "0"]);
    assert_eq!(exchange.upstream.unwrap().text(), "abcde");
    host.send(0, Request::post("/").chunk("ab").chunk("cde").protocol(Protocol::Http2));
    assert_eq!(said(&host)[3..], ["2", "3"], "HTTP/2 marks the last chunk");
}

#[test]
fn a_collected_body_is_seen_whole_and_may_be_replaced() {
    let replace = "(drop (call $buffer_set (i32.const 0) (i32.const 0) (i32.const 999) 'new'))
                   (drop (call $buffer_set (i32.const 0) (i32.const 3) (i32.const 0) '+'))
                   (call $say_number (call $buffer_set (i32.const 0) (i32.const 2) (i32.const 0) '?'))
                   (drop (call $buffer_get (i32.const 0) (i32.const 1) (i32.const 9) (i32.const 0) (i32.const 4)))
                   (call $say_result)";
    let mut host = Host::builder().plugin(Plugin::from_bytes("watch", watch(1, replace))).start().unwrap();
    let exchange = host.send(0, Request::post("/").chunk("ab").chunk("cde"));
    assert_eq!(said(&host), ["2", "5", "5", "2", "ew+"], "the middle cannot be changed");
    assert_eq!(exchange.upstream.unwrap().text(), "new+");
}

#[test]
fn a_collected_request_over_the_limit_is_413_and_a_response_500() {
    let mut host = Host::builder().plugin(Plugin::from_bytes("watch", watch(1, ""))).start().unwrap();
    let limit = 1024 * 1024;
    assert_eq!(host.send(0, Request::post("/").body(vec![b'x'; limit])).status(), Some(200));
    let exchange = host.send(0, Request::post("/").body(vec![b'x'; limit + 1]));
    assert_eq!((exchange.status(), exchange.text().as_str()), (Some(413), "Payload Too Large"));

    let module = guest("(func (export \"proxy_on_response_body\") (param i32 i32 i32) (result i32) (i32.const 1))");
    let mut host = Host::builder()
        .plugin(Plugin::from_bytes("collect", module).allow_on_headers_stop_iteration(true))
        .plugin(Plugin::from_bytes("hold", hold_response_headers()).allow_on_headers_stop_iteration(true))
        .buffer_limit(10)
        .upstream(|_| Answer::status(200).body("more than ten bytes"))
        .start()
        .unwrap();
    let exchange = host.send(0, Request::get("/"));
    assert_eq!((exchange.status(), exchange.details.as_str()), (Some(500), "response_payload_too_large"));
}

/// Holds the response's headers, and collects its body.
fn hold_response_headers() -> Vec<u8> {
    guest(
        "(func (export \"proxy_on_response_headers\") (param i32 i32 i32) (result i32) (i32.const 1))
         (func (export \"proxy_on_response_body\") (param i32 i32 i32) (result i32) (i32.const 1))",
    )
}

#[test]
fn a_response_collected_over_the_limit_after_its_headers_is_cut_off() {
    let module = guest("(func (export \"proxy_on_response_body\") (param i32 i32 i32) (result i32) (i32.const 1))");
    let mut host = Host::builder()
        .plugin(Plugin::from_bytes("collect", module))
        .buffer_limit(10)
        .upstream(|_| Answer::status(200).body("more than ten bytes"))
        .start()
        .unwrap();
    let exchange = host.send(0, Request::get("/"));
    assert_eq!((exchange.status(), exchange.ending), (Some(200), Ending::Reset), "its headers had been sent");
}

#[test]
fn paused_headers_stop_the_body_unless_the_plugin_allows_it() {
    let module = || {
        guest(
            "(func (export \"proxy_on_request_headers\") (param i32 i32 i32) (result i32) (i32.const 1))
             (func (export \"proxy_on_request_body\") (param i32 i32 i32) (result i32)
               (call $say_number (local.get 1))
               (if (result i32) (local.get 2)
                 (then (drop (call $header_set (i32.const 0) ':path' '/late')) (i32.const 0))
                 (else (i32.const 1))))",
        )
    };
    let mut host = Host::builder().plugin(Plugin::from_bytes("pause", module())).start().unwrap();
    assert!(host.send(0, Request::post("/").chunk("ab")).is_waiting());
    assert!(said(&host).is_empty(), "the body waits too");

    let plugin = Plugin::from_bytes("pause", module()).allow_on_headers_stop_iteration(true);
    let mut host = Host::builder().plugin(plugin).start().unwrap();
    let exchange = host.send(0, Request::post("/").chunk("ab").chunk("c"));
    assert_eq!(said(&host), ["2", "3", "3"], "the end adds an empty chunk to what is collected");
    let arrival = exchange.upstream.expect("the end of the body let it go on");
    assert_eq!((arrival.path(), arrival.text().as_str()), ("/late", "abc"));
}

#[test]
fn trailers_pass_both_ways_and_may_be_paused_and_added() {
    let module = guest(
        "(func (export \"proxy_on_request_trailers\") (param i32 i32) (result i32)
           (drop (call $header_get (i32.const 1) 't' (i32.const 0) (i32.const 4)))
           (call $say_result)
           (i32.const 0))
         (func (export \"proxy_on_response_body\") (param i32 i32 i32) (result i32)
           (if (local.get 2) (then (drop (call $header_add (i32.const 3) 'added' 'yes'))))
           (i32.const 0))
         (func (export \"proxy_on_response_trailers\") (param i32 i32) (result i32)
           (drop (call $header_set (i32.const 3) 't' 'changed'))
           (i32.const 0))",
    );
    let mut host = Host::builder()
        .plugin(Plugin::from_bytes("trailers", module))
        .upstream(|request| match request.path() {
            "/with" => Answer::status(200).chunk("x").trailer("t", "from upstream"),
            _ => Answer::status(200).chunk("x"),
        })
        .start()
        .unwrap();
    let exchange = host.send(0, Request::post("/with").chunk("a").trailer("t", "from client"));
    assert_eq!(said(&host), ["from client"]);
    assert_eq!(exchange.upstream.as_ref().unwrap().trailers.as_ref().unwrap().text("t"), Some("from client"));
    assert_eq!(exchange.response().trailers.as_ref().unwrap().text("t"), Some("changed"));
    let exchange = host.send(0, Request::get("/without"));
    assert_eq!(exchange.response().trailers.as_ref().unwrap().text("added"), Some("yes"));
    assert_eq!((exchange.text().as_str(), exchange.ending), ("x", Ending::Complete));
}

#[test]
fn a_request_is_sent_piece_by_piece() {
    let mut host = Host::builder().plugin(Plugin::from_bytes("watch", watch(0, ""))).start().unwrap();
    let stream = host.send(0, Request::post("/").open()).stream;
    assert!(host.chunk(stream, "ab").is_waiting());
    let exchange = host.finish(stream, None);
    assert_eq!((said(&host), exchange.status()), (vec!["2", "0"], Some(200)));
}

#[test]
fn a_response_is_held_in_every_phase_and_continued_later() {
    for phase in ["headers", "body", "trailers"] {
        let parameters = if phase == "trailers" { "i32 i32" } else { "i32 i32 i32" };
        let module = guest(&format!(
            "(global $held (mut i32) (i32.const 0))
             (func (export \"proxy_on_configure\") (param i32 i32) (result i32)
               (drop (call $tick_every (i32.const 10)))
               (i32.const 1))
             (func (export \"proxy_on_response_{phase}\") (param {parameters}) (result i32)
               (global.set $held (local.get 0))
               (i32.const 1))
             (func (export \"proxy_on_tick\") (param i32)
               (if (call $act_for (global.get $held)) (then (return)))
               (drop (call $continue (i32.const 1))))"
        ));
        let mut host = Host::builder()
            .plugin(Plugin::from_bytes("hold", module))
            .upstream(move |_| {
                let answer = Answer::status(200).chunk("ab").chunk("c");
                // Trailers that the filter lets pass would continue a held body.
                if phase == "body" { answer } else { answer.trailer("t", "1") }
            })
            .start()
            .unwrap();
        let stream = host.send(0, Request::get("/")).stream;
        let held = host.exchange(stream);
        assert!(held.is_waiting(), "{phase}");
        assert_eq!(held.response.is_some(), phase != "headers", "{phase}: what came before has been sent");
        host.advance(std::time::Duration::from_millis(10));
        let exchange = host.exchange(stream);
        assert_eq!((exchange.text().as_str(), exchange.ending), ("abc", Ending::Complete), "{phase}");
        assert_eq!(exchange.response().trailers.is_some(), phase != "body", "{phase}");
    }
}

#[test]
fn a_request_is_held_in_its_body_without_collecting_it() {
    let module = guest(
        "(global $held (mut i32) (i32.const 0))
         (func (export \"proxy_on_configure\") (param i32 i32) (result i32)
           (drop (call $tick_every (i32.const 10)))
           (i32.const 1))
         (func (export \"proxy_on_request_body\") (param i32 i32 i32) (result i32)
           (global.set $held (local.get 0))
           (call $say_number (local.get 1))
           (i32.const 2))
         (func (export \"proxy_on_tick\") (param i32)
           (if (call $act_for (global.get $held)) (then (return)))
           (drop (call $continue (i32.const 0))))",
    );
    let mut host = Host::builder().plugin(Plugin::from_bytes("hold", module)).buffer_limit(3).start().unwrap();
    let stream = host.send(0, Request::post("/").chunk("abc").chunk("de")).stream;
    assert_eq!(said(&host), ["3", "2", "0"], "each chunk is seen alone, and none is too large");
    host.advance(std::time::Duration::from_millis(10));
    assert_eq!(host.exchange(stream).upstream.unwrap().text(), "abcde");
}
