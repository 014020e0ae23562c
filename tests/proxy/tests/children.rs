//! Envoy, Redis and webdis start, answer, report why they do not, and never outlive their test.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unwrap_used)]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use proxy::deadline::{Deadline, PATIENCE};
use proxy::redis::Value;
use proxy::{Client, Envoy, Lost, Origin, Redis, Reply, Request, Webdis, client};
use serde_json::json;

/// A listener that passes everything on to one address.
fn bootstrap(upstream: u16) -> String {
    let endpoint =
        json!({"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": upstream}}}});
    let router = json!({"name": "router", "typed_config":
        {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}});
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "test",
        "http_filters": [router],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"],
            "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "origin"}}]}]},
    });
    json!({"static_resources": {
        "listeners": [{"name": "main", "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
            "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}]}],
        "clusters": [{"name": "origin", "load_assignment": {"cluster_name": "origin",
            "endpoints": [{"lb_endpoints": [endpoint]}]}}],
    }})
    .to_string()
}

#[test]
fn envoy_serves_and_says_what_it_counts() {
    let origin = Origin::start();
    origin.answer(None, Reply::status(201).header("x-a", "1").body("hello"));
    let envoy = Envoy::start(&bootstrap(origin.address().port())).unwrap_or_else(|failure| panic!("{failure}"));
    let answer = client::call(envoy.address(), &Request::get("/a").header("x-b", "2")).expect("an answer");
    assert_eq!((answer.status, answer.text("x-a").as_deref(), &answer.body[..]), (201, Some("1"), &b"hello"[..]));
    let received = origin.received();
    assert_eq!((received.len(), received[0].first("x-b")), (1, Some(&b"2"[..])));
    assert_eq!(envoy.stat("http.test.downstream_rq_total"), Some(1));
    assert!(envoy.prometheus().contains("envoy_http_downstream_rq_total"));
    assert!(envoy.allocated_bytes() > Some(100_000));
    assert!(envoy.resident_bytes() > Some(1 << 20));
    assert!(envoy.cpu_time().is_some());
    assert_eq!(envoy.listener("main"), Some(envoy.address()));
    let (id, folder) = (envoy.id(), envoy.folder().to_owned());
    drop(envoy);
    assert!(!Path::new(&format!("/proc/{id}")).exists(), "Envoy ends with its value");
    assert!(!folder.exists(), "and so does its folder");
}

#[test]
fn a_refused_configuration_is_reported_with_the_log() {
    let failure = Envoy::start("static_resources: {listeners: 7}").expect_err("Envoy refuses this");
    assert!(failure.reason.starts_with("Envoy ended (exit status: 1) before "), "{failure}");
    assert!(failure.log.contains("listeners"), "{failure}");
}

#[test]
fn a_client_that_nobody_answers_is_told_so() {
    let origin = Origin::start();
    let envoy = Envoy::start(&bootstrap(origin.address().port())).unwrap_or_else(|failure| panic!("{failure}"));
    origin.answer(None, Reply::status(200).held());
    let mut client = Client::connect(envoy.address()).expect("a connection");
    client.set_patience(Duration::from_millis(50));
    assert_eq!(client.call(&Request::get("/")), Err(Lost::Late));
    let address = envoy.address();
    drop(envoy);
    assert_eq!(client.receive(), Err(Lost::Closed));
    assert!(matches!(client::call(address, &Request::get("/")), Err(Lost::Refused(_))));
}

#[test]
fn redis_and_webdis_survive_a_restart() {
    let mut redis = Redis::start().unwrap_or_else(|failure| panic!("{failure}"));
    let mut webdis = Webdis::start(redis.port(), &json!({})).unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(redis.call(&["SET", "key", "a b"]).expect("an answer"), Value::Status("OK".to_owned()));
    assert_eq!(
        redis.call(&["MGET", "key", "none"]).expect("an answer"),
        Value::List(vec![Value::Bytes(b"a b".to_vec()), Value::Nothing])
    );
    assert!(matches!(redis.call(&["NOSUCH"]).expect("an answer"), Value::Error(_)));
    let read = |webdis: &Webdis| client::call(webdis.address(), &Request::get("/GET/key")).expect("an answer").body;
    assert_eq!(read(&webdis), br#"{"GET":"a b"}"#);

    redis.kill();
    assert!(redis.call(&["PING"]).is_err());
    redis.restart().unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(redis.call(&["SET", "key", "c"]).expect("an answer"), Value::Status("OK".to_owned()));
    let back = Deadline::after(PATIENCE).wait_until(|| read(&webdis) == br#"{"GET":"c"}"#);
    assert!(back, "webdis finds Redis again:\n{}", webdis.log());

    let address = webdis.address();
    webdis.kill();
    assert!(matches!(client::call(address, &Request::get("/GET/key")), Err(Lost::Refused(_))));
    webdis.restart().unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(read(&webdis), br#"{"GET":"c"}"#);
}

/// Played by a process of its own, which is then killed.
#[test]
#[ignore = "started by the test below"]
fn redis_is_started_and_left_alone() {
    let redis = Redis::start().unwrap_or_else(|failure| panic!("{failure}"));
    println!("redis {}", redis.id());
    std::thread::park_timeout(PATIENCE);
}

#[test]
fn a_child_ends_when_its_tests_process_is_killed() {
    use std::io::{BufRead, BufReader};
    let mut other = Command::new(std::env::current_exe().expect("this program has a path"))
        .args(["--ignored", "--exact", "--nocapture", "redis_is_started_and_left_alone"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program starts");
    let mut lines = BufReader::new(other.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
    let id = lines.find_map(|line| line.rsplit_once("redis ")?.1.parse::<u32>().ok()).expect("Redis is running");
    let status = format!("/proc/{id}/status");
    assert!(Path::new(&status).exists());
    other.kill().expect("it is running");
    other.wait().expect("it was running");
    let gone = || !std::fs::read_to_string(&status).is_ok_and(|status| !status.contains("State:\tZ"));
    assert!(Deadline::after(PATIENCE).wait_until(gone), "Redis {id} is still there");
    let _ = std::fs::remove_dir_all(std::env::temp_dir().join(format!("weir-redis-{}-0", other.id())));
}
