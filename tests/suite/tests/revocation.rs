//! Revocation: how a token stops being good before it expires, on every worker and soon.

// A test stops by panicking.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod store;
mod tokens;

use std::time::{Duration, Instant};

use policy::state::{Fault, RawStore, Reply, Store as Bridge};
use proxy::deadline::{Deadline, PATIENCE};
use proxy::{Client, Redis, Request, Upstash};
use store::{PASSWORD, Store};
use suite::stage::Stage;
use suite::{EnvoyStage, HostStage, Scenario, check};
use tokens::{Algorithm, mint};

/// More than refresh, timeout and two ticks, which is the bound; the rest is what a busy machine may take.
const BOUND: Duration = Duration::from_millis(200 + 1000 + 200);

/// The configuration of a filter that believes [`tokens::ISSUER`], and more of it.
fn config(more: &str) -> String {
    format!(r#"{{"issuers": [{}], {more}}}"#, tokens::issuer())
}

/// One that follows the state store.
fn following(more: &str) -> String {
    let state = r#""state": {"env": "STATE_PASSWORD", "timeout": "1s"}"#;
    config(&format!(r#"{state}, "revocation": {{"refresh": "200ms"{more}}}"#))
}

/// Revokes something.
fn add(store: &Store, fields: &[&str]) {
    let command = [&["XADD", "weir:revoked", "*"], fields].concat();
    store.redis.call(&command).unwrap();
}

/// Four workers that follow the store.
fn followed(store: &Store, config: &str) -> Scenario {
    store.scenario("auth", config).workers(4)
}

/// Sends a token on a connection of its own and says what it is answered.
fn status(stage: &EnvoyStage, token: &str) -> u16 {
    let mut client = Client::connect(stage.envoy.address()).unwrap();
    client.send(&Request::get("/").header("authorization", format!("Bearer {token}")));
    client.receive().unwrap().status
}

/// Waits until so many new connections in a row are all answered so: the kernel spreads them over the workers.
fn settles(stage: &EnvoyStage, token: &str, expected: u16) -> Duration {
    let since = Instant::now();
    let settled = Deadline::after(PATIENCE).wait_until(|| (0..40).all(|_| status(stage, token) == expected));
    assert!(settled, "expected {expected}, got {}\n{}", status(stage, token), stage.envoy.log());
    since.elapsed()
}

#[test]
fn what_the_configuration_lists_is_refused() {
    let claims = |more: &str| mint(Algorithm::Hs256, &format!(r#""sub": "alice", {more}"#));
    let (listed, other) = (claims(r#""jti": "t-1", "iat": 1767000001"#), claims(r#""jti": "t-2", "iat": 1767000001"#));
    let (old, undated) = (claims(r#""jti": "t-3", "iat": 1766999999"#), claims(r#""jti": "t-4""#));
    let key = mint(Algorithm::Es256, r#""sub": "bob", "iat": 1767000001"#);
    let config = config(
        r#""revoked": {"tokens": ["t-1"], "subjects": [{"sub": "alice", "before": 1767000000}], "keys": ["ES256"]}"#,
    );
    let lines = format!(
        r#"
        GET / authorization="Bearer {listed}" -> 401 body.error.code=AUTH_FAILED \
            www-authenticate='Bearer realm="weir", error="invalid_token"'
        log~"credential refused: token_revoked"
        3 times GET / authorization="Bearer {other}" -> 200
        GET / authorization="Bearer {old}" -> 401
        GET / authorization="Bearer {undated}" -> 401
        GET / authorization="Bearer {key}" -> 401
        "#
    );
    check("auth", &config, &lines);
}

#[test]
fn what_redis_revokes_every_worker_refuses_within_the_bound() {
    let store = Store::start();
    let stage = followed(&store, &following("")).envoy().unwrap();
    let subject = |name: &str| mint(Algorithm::Hs256, &format!(r#""sub": "{name}", "jti": "jti-{name}""#));
    let (alice, bob, carol) = (subject("alice"), subject("bob"), subject("carol"));
    let key = mint(Algorithm::Es256, r#""sub": "dora""#);
    for token in [&alice, &bob, &carol, &key] {
        settles(&stage, token, 200);
    }
    for (fields, token) in [
        (&["token", "jti-alice", "until", "4102444800"][..], &alice),
        (&["subject", "bob"], &bob),
        (&["key", "ES256", "issuer", tokens::ISSUER], &key),
    ] {
        add(&store, fields);
        let took = settles(&stage, token, 401);
        assert!(took <= BOUND, "{took:?} for {fields:?}\n{}", stage.envoy.log());
    }
    settles(&stage, &carol, 200);
    add(&store, &["key", "ES256", "issuer", tokens::ISSUER, "until", "0"]);
    settles(&stage, &key, 200);
}

#[test]
fn what_was_known_holds_while_the_store_is_away_and_no_longer_than_configured() {
    let mut store = Store::start();
    add(&store, &["subject", "alice", "before", "4102444800"]);
    let stage = followed(&store, &following(r#", "unavailable_after": "2s""#)).envoy().unwrap();
    let (alice, bob) = (mint(Algorithm::Hs256, r#""sub": "alice""#), mint(Algorithm::Hs256, r#""sub": "bob""#));
    settles(&stage, &bob, 200);
    settles(&stage, &alice, 401);
    store.redis.kill();
    assert_eq!((status(&stage, &alice), status(&stage, &bob)), (401, 200));
    settles(&stage, &bob, 503);
    // What is revoked is revoked, whoever is away.
    settles(&stage, &alice, 401);
    assert!(stage.envoy.wait_for_log("the store is away"));
    // It comes back, and has lost everything.
    store.redis.restart().unwrap();
    settles(&stage, &bob, 200);
    settles(&stage, &alice, 401);
    assert!(stage.envoy.wait_for_log("has lost what was read from it"));
    add(&store, &["subject", "bob"]);
    settles(&stage, &bob, 401);
    for line in ["the store is away", "does not answer", "has lost what was read"] {
        assert_eq!(stage.envoy.log().matches(line).count(), 1, "{line}\n{}", stage.envoy.log());
    }
}

#[test]
fn a_store_that_is_away_may_stop_nothing() {
    let store = Store::start();
    let config = following(r#", "unavailable_after": "200ms", "when_unavailable": "continue""#);
    let scenario = Scenario::new(&[("auth", &config)]).environment("STATE_PASSWORD", "wrong");
    let scenario = scenario.cluster_at("state", store.webdis.address()).envoy_only("the host reaches no Redis");
    let stage = scenario.envoy().unwrap();
    settles(&stage, &mint(Algorithm::Hs256, r#""sub": "alice""#), 200);
    assert!(stage.envoy.wait_for_log("state does not answer: access denied"));
}

#[test]
fn a_flood_of_revocations_is_read_in_pages_and_swept_when_it_has_ended() {
    let store = Store::start();
    let script = "for i=1,20000 do redis.call('XADD',KEYS[1],'*','token',ARGV[1]..i,'until',ARGV[2]) end";
    store.redis.call(&["EVAL", script, "1", "weir:revoked", "t-", "4102444800"]).unwrap();
    store.redis.call(&["EVAL", script, "1", "weir:revoked", "old-", "1000000000"]).unwrap();
    let first = followed(&store, &following(r#", "entries_max": 20000"#)).workers(2).envoy().unwrap();
    let second = followed(&store, &following(r#", "entries_max": 20000"#)).workers(2).envoy().unwrap();
    let token = |jti: &str| mint(Algorithm::Hs256, &format!(r#""sub": "alice", "jti": "{jti}""#));
    for stage in [&first, &second] {
        settles(stage, &token("none"), 200);
        settles(stage, &token("t-20000"), 401);
        settles(stage, &token("t-1"), 401);
    }
    let length = || store.redis.call(&["XLEN", "weir:revoked"]).unwrap();
    let swept = Deadline::after(PATIENCE * 3).wait_until(|| length() == proxy::redis::Value::Integer(20_000));
    assert!(swept, "{:?}", length());
}

#[test]
fn more_revocations_than_fit_stop_requests_until_there_is_room() {
    let store = Store::start();
    add(&store, &["token", "a"]);
    add(&store, &["token", "b"]);
    let stop = followed(&store, &following(r#", "entries_max": 2"#)).workers(2).envoy().unwrap();
    let go_on =
        followed(&store, &following(r#", "entries_max": 2, "when_full": "continue""#)).workers(2).envoy().unwrap();
    let token = |jti: &str| mint(Algorithm::Hs256, &format!(r#""sub": "alice", "jti": "{jti}""#));
    settles(&stop, &token("c"), 200);
    add(&store, &["token", "c"]);
    settles(&stop, &token("other"), 503);
    settles(&stop, &token("a"), 401);
    settles(&go_on, &token("a"), 401);
    settles(&go_on, &token("c"), 200);
}

/// An answer of the store's script, as webdis gives it: the newest id, the broom's place, then six texts for each entry.
fn raw_answer(newest: &str, entries: &[[&str; 6]]) -> String {
    let texts = [newest, "0-0"].into_iter().chain(entries.iter().flatten().copied());
    let texts: Vec<String> = texts.map(|text| format!("${}\r\n{text}\r\n", text.len())).collect();
    format!("*{}\r\n{}", texts.len(), texts.concat())
}

/// One as a line says it.
fn answer(newest: &str, entries: &[[&str; 6]]) -> String {
    raw_answer(newest, entries).replace("\r\n", "\\r\\n").replace('$', "\\$")
}

/// The lines are played on `workers` workers; whatever is asked at `/` goes to the script of the store, too.
fn scripted(config: &str, workers: usize, lines: &str) {
    let scenario = Scenario::new(&[("auth", config)]).environment("STATE_PASSWORD", PASSWORD).cluster("state");
    scenario.workers(workers).check(lines);
}

#[test]
fn a_store_answers_and_every_worker_takes_over() {
    let (alice, bob) = (mint(Algorithm::Hs256, r#""sub": "alice""#), mint(Algorithm::Hs256, r#""sub": "bob""#));
    let config = following("").replace(r#""timeout""#, r#""path": "/store", "timeout""#);
    let revoked = answer("1767225600000-0", &[["1767225600000-0", "subject", "alice", "", "4102444800", "4102444800"]]);
    let lines = format!(
        r#"
        origin /store 200 body="{revoked}"
        eventually GET / authorization="Bearer {bob}" @1 -> 200
        eventually GET / authorization="Bearer {bob}" @2 -> 200
        GET / authorization="Bearer {alice}" @1 -> 401
        GET / authorization="Bearer {alice}" @2 -> 401
        metric api_gateway_auth_revocations 1
        log~"revocations: known"
        "#
    );
    scripted(&config, 2, &lines);
}

#[test]
fn what_a_store_must_not_answer_leaves_nothing_known() {
    let token = mint(Algorithm::Hs256, r#""sub": "alice""#);
    let config = following("").replace(r#""timeout""#, r#""path": "/store", "timeout""#);
    for (reply, said) in [
        ("200 body=\"-NOAUTH Authentication required.\\r\\n\"", "access denied"),
        ("200 body=\"-LOADING Redis is loading\\r\\n\"", "Redis is loading"),
        ("200 body=\"-READONLY no\\r\\n\"", "Redis is read-only"),
        ("200 body=\"*2\\r\\n\\$3\\r\\n0-0\\r\\n\"", "the answer is not of this dialect"),
        ("200 body=\"<html>\"", "the answer is not of this dialect"),
        ("200 body=abcdef cut", "no whole answer"),
        ("500 body=x", "status 500"),
        ("403", "access denied"),
        ("reset", "status 503"),
    ] {
        let lines = format!(
            r#"
            origin /store {reply}
            advance 1s
            GET / authorization="Bearer {token}" -> 503 body.error.code=SERVICE_UNAVAILABLE retry-after=1
            GET / -> 401
            GET / authorization="Bearer x" -> 401
            log~"revocations: state does not answer: {said}"
            GET / authorization="Bearer {token}" -> 503
            "#
        );
        scripted(&config, 1, &lines);
    }
}

#[test]
fn a_clock_that_steps_back_keeps_what_is_known_and_stops_no_questions() {
    let (alice, bob) = (mint(Algorithm::Hs256, r#""sub": "alice""#), mint(Algorithm::Hs256, r#""sub": "bob""#));
    let config = following(r#", "unavailable_after": "1m""#).replace(r#""timeout""#, r#""path": "/store", "timeout""#);
    let row = |millis: &str, user| [millis, "subject", user, "", "4102444800", "4102444800"].map(str::to_owned);
    let of = |rows: &[[String; 6]]| {
        let rows: Vec<[&str; 6]> = rows.iter().map(|row| row.each_ref().map(String::as_str)).collect();
        answer(rows.last().unwrap()[0], &rows)
    };
    let (first, second) = (of(&[row("5-0", "alice")]), of(&[row("6-0", "bob")]));
    let lines = format!(
        r#"
        origin /store 200 body="{first}"
        eventually GET / authorization="Bearer {bob}" @1 -> 200
        eventually GET / authorization="Bearer {bob}" @2 -> 200
        back 1h
        GET / authorization="Bearer {bob}" @1 -> 200
        GET / authorization="Bearer {alice}" @1 -> 401
        origin /store 200 body="{second}"
        eventually GET / authorization="Bearer {bob}" @1 -> 401
        eventually GET / authorization="Bearer {bob}" @2 -> 401
        back 1h
        origin /store reset
        advance 59s
        GET / authorization="Bearer {alice}" @2 -> 401
        advance 3s
        GET / authorization="Bearer {alice}" @2 -> 401
        log~"the store is away"
        "#
    );
    scripted(&config, 2, &lines);
}

#[test]
fn another_worker_follows_the_store_when_the_first_dies_asking_it() {
    let bob = mint(Algorithm::Hs256, r#""sub": "bob""#);
    let config = following(r#", "unavailable_after": "1m""#).replace(r#""timeout""#, r#""path": "/store", "timeout""#);
    let scenario = Scenario::new(&[("auth", &config)]).environment("STATE_PASSWORD", PASSWORD).cluster("state");
    let mut stage = scenario.workers(2).host().unwrap();
    Stage::answer(&mut stage, Some("/store"), proxy::Reply::status(200).held());
    let status = |stage: &mut HostStage, worker| {
        let request = host::Request::new("GET", "/").header("authorization", format!("Bearer {bob}"));
        stage.host.send(worker, request).response.map(|response| response.status())
    };
    stage.host.advance(Duration::from_millis(200));
    let [leader] = stage.host.held().iter().map(|arrival| arrival.worker).collect::<Vec<_>>()[..] else {
        panic!("one leads")
    };
    let survivor = 1 - leader;
    stage.host.crash(leader, "auth");
    let reply = raw_answer("6-0", &[["6-0", "subject", "bob", "", "4102444800", "4102444800"]]);
    Stage::answer(&mut stage, Some("/store"), proxy::Reply::status(200).body(reply));
    assert_eq!(status(&mut stage, survivor), Some(503), "nobody has read anything yet");
    // The lease, one refresh, the timeout of the store and two ticks.
    stage.host.advance(Duration::from_millis(1000 + 200 + 1000 + 200));
    assert_eq!(status(&mut stage, survivor), Some(401), "{:?}", stage.host.log());
}

/// Asks a bridge as the filters do, without a proxy between.
fn ask(bridge: &Bridge, address: std::net::SocketAddr, words: &[&[u8]]) -> Result<Reply, Fault> {
    let asked = bridge.request(words)?;
    let mut request = Request::new("POST", "/").body(asked.body);
    for (name, value) in asked.headers.iter().filter(|(name, _)| !name.starts_with(':')) {
        request = request.header(*name, *value);
    }
    let answer = proxy::client::call(address, &request).unwrap();
    bridge.reply(answer.status, &answer.body)
}

#[test]
fn any_bytes_survive_the_way_to_redis_and_back() {
    let store = Store::start();
    let upstash = Upstash::start(store.redis.address(), PASSWORD);
    for (dialect, address) in [("webdis", store.webdis.address()), ("upstash", upstash.address())] {
        let raw = |env: &str| RawStore { dialect: Some(dialect.into()), env: Some(env.into()), ..RawStore::default() };
        let secret = |name: &str| Some(if name == "GOOD" { PASSWORD.to_owned() } else { "wrong".to_owned() });
        let bridge = Bridge::new(raw("GOOD"), Some(&secret)).ok().unwrap();
        let ask = |words: &[&[u8]]| ask(&bridge, address, words);
        let text: &[u8] = "/ % \0 \r\n .raw . \" \\ é + ? # &".as_bytes();
        let any: Vec<u8> = (0..=255).collect();
        for value in [text, b"", &any] {
            let is_text = std::str::from_utf8(value).is_ok();
            let set = b"return redis.call('SET',KEYS[1],ARGV[1])";
            let stored = ask(&[b"EVAL", set, b"1", b"k/%.raw", value]);
            if dialect == "upstash" && !is_text {
                assert_eq!(stored, Err(Fault::Unsendable));
                continue;
            }
            assert_eq!(stored, Ok(Reply::Status("OK".into())), "{dialect}");
            assert_eq!(ask(&[b"GET", b"k/%.raw"]), Ok(Reply::Bytes(value.to_vec())), "{dialect}");
        }
        let bytes = b"return string.char(0,255,13,10,37,47)";
        assert_eq!(ask(&[b"EVAL", bytes, b"0"]), Ok(Reply::Bytes(b"\0\xff\r\n%/".to_vec())), "{dialect}");
        let list = Reply::List(vec![Reply::Bytes(b"a".to_vec()), Reply::Bytes(Vec::new())]);
        assert_eq!(ask(&[b"EVAL", b"return {'a',''}", b"0"]), Ok(list), "{dialect}");
        assert_eq!(ask(&[b"GET", b"none"]), Ok(Reply::Nil), "{dialect}");
        assert_eq!(ask(&[b"EVALSHA", b"abc", b"0"]), Err(Fault::NoScript), "{dialect}");
        let read_only = b"return redis.error_reply('READONLY no')";
        assert_eq!(ask(&[b"EVAL", read_only, b"0"]), Err(Fault::ReadOnly), "{dialect}");
        let stranger = Bridge::new(raw("BAD"), Some(&secret)).ok().unwrap();
        assert_eq!(self::ask(&stranger, address, &[b"GET", b"k"]), Err(Fault::Denied), "{dialect}");
    }
    let shipped = RawStore { env: Some("E".into()), ..RawStore::default() };
    let bridge = Bridge::new(shipped, Some(&|_| Some(PASSWORD.into()))).ok().unwrap();
    for command in [&[&b"FLUSHALL"[..]][..], &[b"SET", b"k", b"v"], &[b"SCRIPT", b"FLUSH"], &[b"KEYS", b"*"]] {
        assert_eq!(ask(&bridge, store.webdis.address(), command), Err(Fault::Denied), "no filter needs it");
    }
}

#[test]
fn a_bridge_of_the_other_dialect_revokes_as_well() {
    let redis = Redis::start().unwrap();
    let upstash = Upstash::start(redis.address(), PASSWORD);
    let config = following("").replace(r#""timeout""#, r#""dialect": "upstash", "timeout""#);
    let scenario = Scenario::new(&[("auth", &config)]).environment("STATE_PASSWORD", PASSWORD);
    let stage =
        scenario.cluster_at("state", upstash.address()).envoy_only("the host reaches no Redis").envoy().unwrap();
    let token = mint(Algorithm::Hs256, r#""sub": "José", "jti": "t-1""#);
    settles(&stage, &token, 200);
    redis.call(&["XADD", "weir:revoked", "*", "subject", "José"]).unwrap();
    settles(&stage, &token, 401);
}
