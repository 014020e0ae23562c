//! What becomes of bodies: long ones are sent from where they are kept, text is kept packed, too long ones only pass.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

use proxy::deadline::{Deadline, PATIENCE};
use proxy::message::Answer;
use proxy::{Client, Request};
use suite::{EnvoyStage, Scenario, check, check_chain};

use crate::storage::goes_on;
use crate::{PLAIN, plain};

#[test]
fn a_long_body_is_answered_whole_in_part_and_not_at_all() {
    plain(
        r#"
        origin 200 cache-control=max-age=600 content-type=text/plain etag='"v1"' body="0123456789abcdef"*2000
        GET /a -> 200 content-length=32000 body="0123456789abcdef"*2000 cache-status~stored
        6 times GET /a -> 200 content-length=32000 content-type=text/plain body="0123456789abcdef"*2000 cache-status~hit
        HEAD /a -> 200 content-length=32000 !body cache-status~hit
        GET /a range=bytes=16-25 -> 206 content-length=10 body=0123456789 cache-status~hit
        GET /a range=bytes=16- -> 206 content-length=31984 body="0123456789abcdef"*1999 cache-status~hit
        GET /a range=bytes=-6,0-4 -> 206 body~abcdef body~01234 cache-status~hit
        GET /a range=bytes=32000- -> 416 content-range="bytes */32000" !body cache-status~hit
        GET /a if-none-match='"v1"' -> 304 !body cache-status~hit
        saw 1
        origin /untyped 200 cache-control=max-age=600 body="0123456789abcdef"*2000
        GET /untyped -> 200
        2 times GET /untyped -> 200 !content-type content-length=32000 body="0123456789abcdef"*2000 cache-status~hit
        origin /missing 404 cache-control=max-age=600 content-type=text/html body="not here "*1000
        GET /missing -> 404
        2 times GET /missing -> 404 content-length=9000 content-type=text/html body="not here "*1000 cache-status~hit
    "#,
    );
}

#[test]
fn a_long_body_passes_the_filters_before_the_cache_at_its_length() {
    check_chain(
        &[("correlation", "{}"), ("cache", PLAIN)],
        r#"
        origin 200 cache-control=max-age=600 content-type=text/plain body="0123456789"*1000
        GET /a x-request-id=one -> 200
        GET /a x-request-id=two -> 200 x-request-id=two content-length=10000 body="0123456789"*1000 cache-status~hit
    "#,
    );
}

#[test]
fn a_validated_long_body_is_the_stored_one() {
    plain(
        r#"
        origin 200 cache-control=max-age=0 content-type=text/plain etag='"v1"' body="0123456789"*1000
        GET /a -> 200
        origin 304 cache-control=max-age=0 etag='"v1"'
        4 times GET /a -> 200 content-length=10000 body="0123456789"*1000 cache-status~validated
        origin 503 body="away for now"
        GET /a cache-control=stale-if-error=60 -> 200 content-length=10000 body="0123456789"*1000 cache-status~stale-if-error
    "#,
    );
}

/// How many bytes are held once one response of 60,000 bytes with this header is stored, and answers as it came.
fn held(config: &str, header: &str, body: &str) -> usize {
    let mut stage = Scenario::new(&[("cache", config)]).host().expect("the host starts");
    goes_on(
        &mut stage,
        &format!(
            "origin 200 cache-control=max-age=600 {header} body={body}
             GET /a -> 200 body={body}
             6 times GET /a -> 200 body={body} content-length=60000 cache-status~hit
             saw 1"
        ),
    );
    stage.host.shared_bytes("weir")
}

#[test]
fn text_is_kept_packed_where_that_is_wanted_and_pays() {
    // Twenty bytes.
    let text = r#""{\"id\": \"41Xji81w\"}, "*3000"#;
    let everywhere = PLAIN.replacen('{', r#"{"compress": "everywhere", "#, 1);
    assert!(held(&everywhere, "content-type=application/json", text) < 10_000);
    for header in ["content-type=image/png", "", "content-type=text/html content-encoding=gzip"] {
        assert!(held(&everywhere, header, text) > 60_000, "{header}");
    }
    // Here, the second level alone would be.
    assert!(held(PLAIN, "content-type=text/html", text) > 60_000);
}

#[test]
fn what_workers_keep_at_hand_ends_when_what_is_stored_does() {
    let config = format!(r#"{{"routes": [{{"match": {{}}, "purge_key_sha256": "{}"}}]}}"#, crate::purge::KEY);
    check(
        "cache",
        &config,
        r#"
        origin 200 cache-control=max-age=600 cache-tag=t vary=x-kind content-type=text/plain body="first "*1000
        GET /a -> 200
        8 times GET /a -> 200 body="first "*1000 cache-status~hit
        GET /a x-kind=other -> 200 cache-status~vary-miss
        origin 200 cache-control=max-age=600 cache-tag=t vary=x-kind content-type=text/plain body="second "*1000
        GET /a cache-control=no-cache -> 200 cache-status~stored
        8 times GET /a -> 200 body="second "*1000 cache-status~hit
        origin 200 cache-control=max-age=600 cache-tag=t vary=x-kind content-type=text/plain body="third "*1000
        PURGE / x-purge-key="open sesame" x-purge=tag=t -> 200
        GET /a -> 200 body="third "*1000 cache-status~uri-miss
        8 times GET /a -> 200 body="third "*1000 cache-status~hit
        origin 200 cache-control=max-age=600 cache-tag=t vary=x-kind content-type=text/plain body="fourth "*1000
        POST /a body=x -> 200
        GET /a -> 200 body="fourth "*1000 cache-status~uri-miss
        8 times GET /a -> 200 body="fourth "*1000 cache-status~hit
        PURGE / x-purge-key="open sesame" x-purge=tag=t&mode=soft -> 200
        GET /a cache-control=only-if-cached -> 504
        GET /a cache-control=only-if-cached,max-stale -> 200 body="fourth "*1000 cache-status~hit
    "#,
    );
}

#[test]
fn what_workers_keep_at_hand_is_stale_in_its_time() {
    plain(
        r#"
        origin 200 cache-control=max-age=60 content-type=text/plain body="first "*1000
        GET /a -> 200
        8 times GET /a -> 200 body="first "*1000 cache-status~hit
        origin 200 cache-control=max-age=60 content-type=text/plain body="second "*1000
        advance 60s
        GET /a -> 200 body="second "*1000 cache-status~fwd=stale
        8 times GET /a -> 200 body="second "*1000 cache-status~hit
    "#,
    );
}

const PART: usize = 40_000;

/// An upstream that answers each request with `head` and one part of a body, and with the rest when it is told to.
fn halting(head: &'static str, parts: [Vec<u8>; 2]) -> (SocketAddr, mpsc::Sender<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port on the loopback");
    let address = listener.local_addr().expect("a bound listener has an address");
    let (go, told) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("Envoy connects");
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.extend(read_some(&mut stream));
            }
            stream.write_all(head.as_bytes()).expect("Envoy reads");
            stream.write_all(&parts[0]).expect("Envoy reads");
            if told.recv_timeout(PATIENCE).is_err() {
                return;
            }
            // Envoy has gone where its client has. It closes when that leaves, or the test ends.
            let _ = stream.write_all(&parts[1]).and_then(|()| stream.read(&mut [0]));
        }
    });
    (address, go)
}

/// A proxy with a cache of this configuration, in front of [`halting`] at `/long`.
fn in_front_of(upstream: SocketAddr, config: &str) -> EnvoyStage {
    Scenario::new(&[("cache", config)])
        .cluster_at("halting", upstream)
        .route("/long", "halting")
        .envoy_only("the host's upstream sends whole answers")
        .envoy()
        .expect("Envoy starts")
}

/// What the store has of `/long`.
fn stored(stage: &EnvoyStage) -> Answer {
    let asked = Request::get("/long").header("host", "test").header("cache-control", "only-if-cached");
    proxy::client::call(stage.envoy.address(), &asked).expect("Envoy answers")
}

const KNOWN: &str =
    "HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-type: text/plain\r\ncontent-length: 80010\r\n\r\n";
const UNKNOWN: &str =
    "HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n";

/// A body of two parts as it comes under [`KNOWN`], and under [`UNKNOWN`].
fn halves() -> [[Vec<u8>; 2]; 2] {
    let part = |byte: u8, end: &str| [vec![byte; PART], end.as_bytes().to_vec()].concat();
    let chunk = |part: &[u8]| [format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat();
    let (first, second) = (part(b'a', "first"), part(b'b', "last!"));
    let chunks = [chunk(&first), [chunk(&second), b"0\r\n\r\n".to_vec()].concat()];
    [[first, second], chunks]
}

/// A client that has asked for `/long` and read as far as this.
fn client_until(stage: &EnvoyStage, end: [u8; 5]) -> (TcpStream, Vec<u8>) {
    let mut client = TcpStream::connect(stage.envoy.address()).expect("Envoy listens");
    client.write_all(b"GET /long HTTP/1.1\r\nhost: test\r\n\r\n").expect("Envoy reads");
    let mut came = Vec::new();
    read_until(&mut client, &mut came, end);
    (client, came)
}

fn read_until(client: &mut TcpStream, came: &mut Vec<u8>, end: [u8; 5]) {
    while !came.windows(5).any(|window| window == end) {
        came.extend(read_some(client));
    }
}

#[test]
fn a_body_that_is_too_long_passes_as_it_comes() {
    let config = r#"{"routes": [{"match": {}}], "object_bytes_max": "16KiB"}"#;
    let [whole, chunks] = halves();
    for (head, parts, expected) in
        [(KNOWN, whole, "weir; fwd=uri-miss; detail=size"), (UNKNOWN, chunks, "weir; fwd=uri-miss; stored")]
    {
        let (upstream, go) = halting(head, parts);
        let stage = in_front_of(upstream, config);
        // The first part is here, to its end, while the upstream has not sent the second.
        let (mut client, mut came) = client_until(&stage, *b"first");
        go.send(()).expect("the upstream waits");
        read_until(&mut client, &mut came, *b"last!");
        assert!(String::from_utf8_lossy(&came).contains(expected), "{}", String::from_utf8_lossy(&came[..400]));
        assert_eq!(stored(&stage).status, 504, "nothing was stored");
    }
}

#[test]
fn a_client_that_leaves_in_the_middle_of_a_body_spoils_nothing() {
    let [whole, chunks] = halves();
    let body = whole.concat();
    for (head, parts) in [(KNOWN, whole), (UNKNOWN, chunks)] {
        let (upstream, go) = halting(head, parts);
        let stage = in_front_of(upstream, PLAIN);
        let (leaver, _) = client_until(&stage, *b"first");
        let mut next = Client::connect(stage.envoy.address()).expect("Envoy listens");
        next.send(&Request::get("/long").header("host", "test"));
        let is = |name: &str, number| {
            assert!(Deadline::after(PATIENCE).wait_until(|| stage.envoy.stat(name) == Some(number)), "{name}");
        };
        is("wasmcustom.api_gateway_cache_held_total", 1);
        drop(leaver);
        is("http.weir.downstream_cx_destroy_remote_active_rq", 1);
        // The rest comes for nobody; who waited asks anew.
        assert_eq!(stored(&stage).status, 504, "a part is nothing");
        go.send(()).expect("the upstream waits");
        assert_eq!(stored(&stage).status, 504, "a part is nothing");
        go.send(()).expect("the upstream waits");
        let answer = next.receive().expect("Envoy answers");
        assert_eq!((answer.status, answer.body == body), (200, true));
        assert_eq!(answer.text("cache-status").as_deref(), Some("weir; fwd=uri-miss; stored"));
        let kept = stored(&stage);
        assert_eq!((kept.status, kept.body == body), (200, true));
    }
}

/// What comes next.
fn read_some(stream: &mut TcpStream) -> Vec<u8> {
    stream.set_read_timeout(Some(PATIENCE)).expect("a time above zero");
    let mut buffer = vec![0; 65_536];
    let read = stream.read(&mut buffer).expect("more comes in time");
    assert!(read > 0, "the connection ended");
    buffer.truncate(read);
    buffer
}
