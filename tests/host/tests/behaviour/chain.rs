//! The order in which filters are called, and upstreams that take their time.

use std::fmt::Write as _;
use std::time::Duration;

use host::{Answer, Ending, Host, Plugin, Request};

use crate::guest::guest;
use crate::said;

/// Says the name of each callback.
fn chatty(name: &str) -> Plugin {
    let mut text = String::new();
    for (callback, parameters, result) in [
        ("context_create", 2, false),
        ("request_headers", 3, true),
        ("response_headers", 3, true),
        ("response_body", 3, true),
        ("log", 1, false),
        ("done", 1, true),
        ("delete", 1, false),
    ] {
        let parameters = "i32 ".repeat(parameters);
        let (result, value) = if result { ("(result i32)", "(i32.const 0)") } else { ("", "") };
        write!(
            text,
            "(func (export \"proxy_on_{callback}\") (param {parameters}) {result} (call $say '{name} {callback}') {value})"
        )
        .expect("a string takes it");
    }
    Plugin::from_bytes(name, guest(&text))
}

#[test]
fn filters_see_requests_in_order_responses_in_reverse_and_the_end_in_order() {
    let mut host = Host::builder()
        .plugin(chatty("a"))
        .plugin(chatty("b"))
        .upstream(|_| Answer::status(200).body("x"))
        .start()
        .unwrap();
    let started = said(&host).len();
    host.send(0, Request::get("/"));
    assert_eq!(
        said(&host)[started..],
        [
            "a context_create",
            "a request_headers",
            "b context_create",
            "b request_headers",
            "b response_headers",
            "a response_headers",
            "b response_body",
            "a response_body",
            "b response_body",
            "a response_body",
            "a log",
            "b log",
            "a done",
            "a delete",
            "b done",
            "b delete",
        ]
    );
}

#[test]
fn an_answer_takes_the_time_it_says_and_may_break_midway() {
    let second = Duration::from_secs(1);
    let mut host = Host::builder()
        .upstream(move |request| match request.path() {
            "/late" => Answer::new().after(second).head(200).chunk("a").after(second).chunk("b"),
            "/cut" => Answer::status(200).chunk("a").after(second).reset(),
            "/broken" => Answer::broken(),
            "/slow" => Answer::timeout(),
            "/empty" => Answer::unhealthy(),
            _ => Answer::unreachable(),
        })
        .start()
        .unwrap();
    let late = host.send(0, Request::get("/late"));
    let cut = host.send(0, Request::get("/cut"));
    assert!(late.is_waiting() && late.response.is_none());
    assert_eq!((cut.text().as_str(), cut.ending), ("a", Ending::Waiting));
    host.advance(second);
    let (late, cut) = (host.exchange(late.stream), host.exchange(cut.stream));
    assert_eq!((late.text().as_str(), late.ending), ("a", Ending::Waiting));
    assert_eq!((cut.text().as_str(), cut.ending), ("a", Ending::Reset));
    host.advance(second);
    let late = host.exchange(late.stream);
    assert_eq!((late.text().as_str(), late.ending), ("ab", Ending::Complete));
    for (path, status) in [("/broken", 503), ("/slow", 504), ("/empty", 503), ("/nowhere", 503)] {
        assert_eq!(host.send(0, Request::get(path)).status(), Some(status), "{path}");
    }
}

#[test]
fn requests_wait_side_by_side_until_the_test_answers() {
    let mut host = Host::builder().plugin(chatty("a")).upstream(|_| Answer::held()).workers(2).start().unwrap();
    let first = host.send(0, Request::get("/1"));
    let second = host.send(1, Request::get("/2"));
    let held = host.held();
    assert_eq!(held.iter().map(host::Arrival::path).collect::<Vec<_>>(), ["/1", "/2"]);
    host.release(held[1].call, Answer::status(202).chunk("x").hold());
    assert_eq!(host.exchange(second.stream).status(), Some(202));
    assert!(host.exchange(second.stream).is_waiting());
    host.release(held[0].call, Answer::status(201));
    host.release(held[1].call, Answer::new());
    assert_eq!(host.exchange(first.stream).status(), Some(201));
    assert_eq!(host.exchange(second.stream).ending, Ending::Complete);
}

#[test]
fn a_client_that_leaves_ends_its_stream_and_its_call() {
    let mut host = Host::builder().plugin(chatty("a")).upstream(|_| Answer::held()).start().unwrap();
    let stream = host.send(0, Request::get("/")).stream;
    let before = said(&host).len();
    assert_eq!(host.disconnect(stream).ending, Ending::Disconnected);
    assert_eq!(said(&host)[before..], ["a log", "a done", "a delete"]);
    assert!(host.held().is_empty());
}

#[test]
fn a_module_that_speaks_another_language_is_refused() {
    let module = wat::parse_str("(module)").unwrap();
    let error = Host::builder().plugin(Plugin::from_bytes("other", module)).start().err().expect("it is refused");
    assert_eq!((error.plugin.as_str(), error.reason.as_str()), ("other", "Missing or unknown Proxy-Wasm ABI version"));
    let error = Host::builder().plugin(Plugin::new("none", "/nowhere.wasm")).start().err().expect("it is refused");
    assert!(error.reason.starts_with("/nowhere.wasm: "), "{error}");
}
