//! The client sends any bytes, and the origin answers in every way an upstream can.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unwrap_used)]

use std::time::Duration;

use proxy::deadline::PATIENCE;
use proxy::origin::Fate;
use proxy::{Client, Lost, Origin, Reply, Request, client};

#[test]
fn bytes_of_any_kind_and_repeated_headers_arrive_as_they_were_sent() {
    let origin = Origin::start();
    origin.answer(None, Reply::status(200).header("a", b"\xff\xfe".to_vec()).header("a", "2").body(b"\0\xff".to_vec()));
    let long = vec![b'x'; 60_000];
    let request =
        Request::get("/p?q").header("b", long.clone()).header("b", "").header("B", b"\x80".to_vec()).body("in");
    let answer = client::call(origin.address(), &request).expect("an answer");
    let values = |fields: &[(Vec<u8>, Vec<u8>)], name: &[u8]| -> Vec<Vec<u8>> {
        let matching = fields.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name));
        matching.map(|(_, value)| value.clone()).collect()
    };
    assert_eq!(values(&answer.headers, b"a"), [b"\xff\xfe".to_vec(), b"2".to_vec()]);
    assert_eq!(answer.body, b"\0\xff");
    let received = origin.received().remove(0);
    assert_eq!(values(&received.headers, b"b"), [long, Vec::new(), b"\x80".to_vec()]);
    assert_eq!((&received.target[..], received.body), (&b"/p?q"[..], vec![b"in".to_vec()]));
}

#[test]
fn chunks_and_trailers_go_both_ways() {
    let origin = Origin::start();
    let mut reply = Reply::status(200).body("ab").body("c");
    reply.trailers = vec![(b"t".to_vec(), b"1".to_vec())];
    origin.answer(Some("/c"), reply);
    let mut request = Request::new("POST", "/c?x");
    request.body = vec![b"d".to_vec(), b"ef".to_vec()];
    request.trailers = vec![(b"u".to_vec(), b"2".to_vec())];
    let answer = client::call(origin.address(), &request).expect("an answer");
    assert_eq!((&answer.body[..], answer.trailers, answer.cut), (&b"abc"[..], vec![(b"t".into(), b"1".into())], false));
    let received = origin.received().remove(0);
    assert_eq!((received.body, received.trailers), (vec![b"def".to_vec()], vec![(b"u".into(), b"2".into())]));
}

#[test]
fn pipelined_requests_are_answered_in_order_on_one_connection() {
    let origin = Origin::start();
    origin.answer(Some("/a"), Reply::status(200).body("first"));
    origin.answer(Some("/b"), Reply::status(404));
    let mut client = Client::connect(origin.address()).expect("a connection");
    client.send(&Request::new("HEAD", "/a"));
    client.send(&Request::get("/a"));
    client.send(&Request::get("/b"));
    let head = client.receive().expect("an answer");
    assert_eq!((head.text("content-length").as_deref(), &head.body[..]), (Some("5"), &b""[..]));
    assert_eq!(client.receive().expect("an answer").body, b"first");
    assert_eq!(client.receive().expect("an answer").status, 404);
}

#[test]
fn a_held_answer_comes_when_it_is_released() {
    let origin = Origin::start();
    origin.answer(Some("/slow"), Reply::status(200).body("late").held());
    let mut client = Client::connect(origin.address()).expect("a connection");
    client.send(&Request::get("/slow?x"));
    assert_eq!(origin.wait_for(1, PATIENCE), 1);
    assert_eq!(client::call(origin.address(), &Request::get("/")).expect("an answer").status, 200);
    client.set_patience(Duration::from_millis(30));
    assert_eq!(client.receive(), Err(Lost::Late));
    client.set_patience(PATIENCE);
    origin.release(Some("/slow"));
    assert_eq!(client.receive().expect("an answer").body, b"late");
    assert_eq!(client::call(origin.address(), &Request::get("/slow")).expect("an answer").status, 200);
}

#[test]
fn an_answer_may_be_cut_or_reset() {
    let origin = Origin::start();
    let with = |reply: Reply, fate| Reply { fate, ..reply };
    origin.answer(Some("/cut"), with(Reply::status(200).body("abcdef"), Fate::Cut));
    origin.answer(Some("/chunks"), with(Reply::status(200).body("ab").body("cd"), Fate::Cut));
    origin.answer(Some("/reset"), with(Reply::status(200), Fate::Reset));
    let answer = client::call(origin.address(), &Request::get("/cut")).expect("an answer");
    assert_eq!((&answer.body[..], answer.cut), (&b"abc"[..], true));
    let answer = client::call(origin.address(), &Request::get("/chunks")).expect("an answer");
    assert_eq!((&answer.body[..], answer.cut), (&b"abcd"[..], true));
    assert_eq!(client::call(origin.address(), &Request::get("/reset")), Err(Lost::Closed));
}

#[test]
fn an_origin_that_is_dropped_lets_its_clients_go() {
    let origin = Origin::start();
    origin.answer(None, Reply::status(200).held());
    let mut client = Client::connect(origin.address()).expect("a connection");
    client.send(&Request::get("/"));
    assert_eq!(origin.wait_for(1, PATIENCE), 1);
    assert_eq!(origin.wait_for(2, Duration::from_millis(20)), 1);
    let address = origin.address();
    drop(origin);
    assert_eq!(client.receive(), Err(Lost::Closed));
    let mut gone = || matches!(client::call(address, &Request::get("/")), Err(Lost::Refused(_)));
    assert!(proxy::deadline::Deadline::after(PATIENCE).wait_until(&mut gone));
}
