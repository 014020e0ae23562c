//! A Redis that has forgotten the scripts of a fleet, or never knew them: whoever asks sends the same once more, at once and whole,
//! and then names the script again. Everything that is told to Redis here is told to one that has just forgotten.

// A test stops by panicking.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod store;
mod tokens;

use std::time::Duration;

use proxy::deadline::{Deadline, PATIENCE};
use proxy::redis::Value;
use proxy::{Reply, Request};
use store::{PASSWORD, Store};
use suite::stage::Stage;
use suite::{EnvoyStage, HostStage, Scenario};

const STATE: &str = r#""state": {"env": "STATE_PASSWORD", "timeout": "5s"}"#;
const COOLDOWN: &str =
    r#""upstreams": [{"name": "spotify", "match": {"prefix": "/spotify"}, "learn": ["retry_after"]}]"#;
const LIMIT: &str = r#""scope": "fleet", "fleet": {"budget": "5s"},
    "rules": [{"name": "users", "key": ["user"], "match": {"prefix": "/users"}, "limit": {"rate": "3/h"}}]"#;
const LEVEL: &str = r#""l2": {"budget": "1000ms", "refresh": "200ms"}, "routes": [{"match": {}, "purge_key_sha256": "41ef4bb0b23661e66301aac36066912dac037827b4ae63a7b1165a5aa93ed4eb"}]"#;
const BREAKER: &str = r#""breakers": {"spotify": {"fleet": {"quorum": 2}}}, "routes": [{"match": {"prefix": "/b"}, "upstream": "spotify"}]"#;
const OPERATORS: &str = r#""operators": {"role": "operator"}"#;

fn revocation() -> String {
    format!(r#""issuers": [{}], "revocation": {{"refresh": "200ms"}}"#, tokens::issuer())
}

fn with_state(members: &str) -> String {
    format!("{{{STATE}, {members}}}")
}

/// One proxy with these filters.
fn proxy(store: &Store, chain: &[(&str, &str)]) -> EnvoyStage {
    let chain: Vec<_> = chain.iter().map(|(filter, members)| (*filter, with_state(members))).collect();
    let chain: Vec<_> = chain.iter().map(|(filter, config)| (*filter, config.as_str())).collect();
    let scenario = Scenario::new(&chain).environment("STATE_PASSWORD", PASSWORD);
    let scenario = scenario.cluster_at("state", store.webdis.address()).envoy_only("the host reaches no Redis");
    scenario.envoy().unwrap_or_else(|report| panic!("{report}"))
}

fn forget(store: &Store) {
    assert_eq!(store.redis.call(&["SCRIPT", "FLUSH"]).unwrap(), Value::Status("OK".into()));
}

/// How often Redis was asked by this command, and how often it said no.
fn asked(store: &Store, command: &str) -> (u64, u64) {
    let Value::Bytes(text) = store.redis.call(&["INFO", "commandstats"]).unwrap() else { panic!("a text") };
    let text = String::from_utf8(text).unwrap();
    let of = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:")));
        let number = line.and_then(|line| line.split(',').find_map(|part| part.strip_prefix(name)));
        number.map_or(0, |number| number.parse().unwrap())
    };
    (of("calls="), of("failed_calls="))
}

fn status(stage: &EnvoyStage, request: &Request) -> u16 {
    proxy::client::call(stage.envoy.address(), request).map_or(0, |answer| answer.status)
}

/// Waits until so many new connections in a row are answered so: the kernel spreads them over the workers.
fn settles(stage: &EnvoyStage, request: &Request, expected: u16) {
    let settled = Deadline::after(PATIENCE).wait_until(|| (0..10).all(|_| status(stage, request) == expected));
    assert!(settled, "expected {expected}, got {}\n{}", status(stage, request), stage.envoy.log());
}

fn exists(store: &Store, key: &str) {
    let is_there = || store.redis.call(&["EXISTS", key]).unwrap() == Value::Integer(1);
    assert!(Deadline::after(PATIENCE).wait_until(is_there), "{key}");
}

#[test]
fn limits_and_cool_downs_of_a_fleet_outlive_what_redis_forgets() {
    let store = Store::start();
    let members = format!("{LIMIT}, {COOLDOWN}");
    let mut stages = [(); 2].map(|()| proxy(&store, &[("ratelimit", &members)]));
    let alice = Request::get("/users").header("x-weir-user", "alice");
    for (turn, expected) in [200, 200, 200, 429, 429].into_iter().enumerate() {
        forget(&store);
        assert_eq!(status(&stages[turn % 2], &alice), expected, "{turn}\n{}", stages[turn % 2].envoy.log());
    }
    let spotify = Request::get("/spotify");
    stages[0].answer(Some("/spotify"), Reply::status(429).header("retry-after", "300"));
    forget(&store);
    assert_eq!(status(&stages[0], &spotify), 429);
    forget(&store);
    settles(&stages[1], &spotify, 429);
    for stage in &stages {
        assert!(!stage.envoy.log().contains("does not answer"), "{}", stage.envoy.log());
    }
    // It is named whenever it was not just found to be unknown: by two proxies, of two scripts, at first and after each of seven times.
    let goes_on = || asked(&store, "evalsha").0 > 100;
    assert!(Deadline::after(PATIENCE).wait_until(goes_on));
    let ((whole, failed), (_, strange)) = (asked(&store, "eval"), asked(&store, "evalsha"));
    assert!(
        whole > 0 && failed == 0 && whole <= strange && strange <= 8 * 2 * 2,
        "{whole} whole for {strange} unknown"
    );
}

#[test]
fn revocations_answers_and_purges_reach_a_fleet_whatever_redis_forgets() {
    let store = Store::start();
    let auth = proxy(&store, &[("auth", &revocation())]);
    let caches = [(); 2].map(|()| proxy(&store, &[("cache", LEVEL)]));
    let bearer = |name: &str| {
        let token = tokens::mint(tokens::Algorithm::Hs256, &format!(r#""sub": "{name}""#));
        Request::get("/").header("authorization", format!("Bearer {token}"))
    };
    settles(&auth, &bearer("alice"), 200);
    for name in ["alice", "bob"] {
        forget(&store);
        store.redis.call(&["XADD", "weir:revoked", "*", "subject", name]).unwrap();
        settles(&auth, &bearer(name), 401);
    }
    for turn in 0..3 {
        let [from, to] = [turn % 2, (turn + 1) % 2].map(|index| &caches[index]);
        let path = format!("/{turn}");
        from.origin.answer(Some(&path), Reply::status(203).header("cache-control", "max-age=600"));
        forget(&store);
        assert_eq!(status(from, &Request::get(&path)), 203);
        let shared = || store.redis.call(&["KEYS", "weir:cache:weir:2:{*"]).unwrap();
        let count = |value| if let Value::List(keys) = value { keys.len() } else { 0 };
        assert!(Deadline::after(PATIENCE).wait_until(|| count(shared()) == turn + 1), "{:?}", shared());
        to.origin.answer(Some(&path), Reply::status(500));
        settles(to, &Request::get(&path), 203);
    }
    let purge = Request::new("PURGE", "/").header("x-purge-key", "open sesame").header("x-purge", "everything");
    forget(&store);
    assert_eq!(status(&caches[0], &purge), 200);
    // What the other proxy holds is gone there, too, and may not come back from the store.
    caches[1].origin.answer(Some("/0"), Reply::status(404));
    settles(&caches[1], &Request::get("/0"), 404);
    for stage in caches.iter().chain([&auth]) {
        assert!(!stage.envoy.log().contains("does not answer"), "{}", stage.envoy.log());
    }
}

#[test]
fn an_operator_s_order_is_given_to_a_redis_that_has_forgotten_how() {
    let store = Store::start();
    let limit = LIMIT.replace("3/h", "1/h");
    let stage = proxy(&store, &[("admin", OPERATORS), ("ratelimit", &limit), ("breaker", BREAKER)]);
    let order = |path: &str| {
        let request = Request::new("POST", path).header("x-weir-user", "olga").header("x-weir-roles", "operator");
        forget(&store);
        assert_eq!(status(&stage, &request), 200, "{path}\n{}", stage.envoy.log());
    };
    exists(&store, "weir:breaker:proxies");
    order("/admin/circuit-breakers/spotify/force?state=forced_open&for=1h");
    exists(&store, "weir:breaker:order:spotify");
    forget(&store);
    settles(&stage, &Request::get("/b"), 503);
    order("/admin/circuit-breakers/spotify/reset");
    settles(&stage, &Request::get("/b"), 200);
    let alice = Request::get("/users").header("x-weir-user", "alice");
    settles(&stage, &alice, 429);
    let rules = Request::get("/admin/rate-limits").header("x-weir-user", "olga").header("x-weir-roles", "operator");
    let body = || proxy::client::call(stage.envoy.address(), &rules).map(|answer| answer.body).unwrap_or_default();
    assert!(Deadline::after(PATIENCE).wait_until(|| String::from_utf8_lossy(&body()).contains(r#""users""#)));
    order("/admin/rate-limits/users/reset");
    assert_eq!(status(&stage, &alice), 200, "{}", stage.envoy.log());
}

/// How each command names its script, and the words after that.
fn commands(stage: &HostStage) -> Vec<(String, String)> {
    let asked = stage.host.arrivals().iter().filter(|arrival| arrival.path() == "/store");
    asked
        .map(|arrival| {
            let text = arrival.text();
            let mut words = text.splitn(3, '/').map(str::to_owned);
            let (verb, _, rest) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
            (verb, rest)
        })
        .collect()
}

/// A text of Redis, or a list of them.
fn reply(texts: &[&str]) -> Reply {
    let rows: Vec<String> = texts.iter().map(|text| format!("${}\r\n{text}\r\n", text.len())).collect();
    Reply::status(200).body(if let [row] = &rows[..] {
        row.clone()
    } else {
        format!("*{}\r\n{}", rows.len(), rows.concat())
    })
}

#[test]
fn the_same_is_sent_whole_at_once_and_only_then() {
    let seed = format!("1 {}", "0".repeat(32));
    let cooldown = COOLDOWN.replace("]}]", "]}, {\"name\": \"b\", \"match\": {}, \"learn\": [\"429\"]}]");
    for (filter, members, good) in [
        ("ratelimit", LIMIT, &[seed.as_str()][..]),
        ("ratelimit", &cooldown, &["0", "0"]),
        ("auth", &revocation(), &["0-0", "0-0"]),
        ("cache", LEVEL, &["0-0", "0-0", "0"]),
        ("breaker", BREAKER, &["1", "0", ""]),
    ] {
        let config = with_state(members).replacen(r#""timeout""#, r#""path": "/store", "timeout""#, 1);
        let scenario = Scenario::new(&[(filter, &config)]).environment("STATE_PASSWORD", PASSWORD).cluster("state");
        let mut stage = scenario.workers(1).host().unwrap();
        stage.answer(Some("/store"), reply(good));
        stage.host.advance(Duration::from_secs(3));
        let before = commands(&stage).len();
        assert!(before > 0, "{filter}: {:?}", stage.host.log());
        stage.answer(Some("/store"), Reply::status(200).body("-NOSCRIPT No matching script.\r\n"));
        while commands(&stage).len() == before {
            stage.host.advance(Duration::from_millis(1));
        }
        let said = commands(&stage);
        let (named, rest) = said.split_at(before);
        assert!(named.iter().all(|(verb, _)| verb == "EVALSHA"), "{filter}: {named:?}");
        let verbs: Vec<_> = rest.iter().map(|(verb, _)| verb.as_str()).collect();
        assert_eq!(verbs, ["EVALSHA", "EVAL"], "{filter}: within the same millisecond, and once");
        assert_eq!(rest[0].1, rest[1].1, "{filter}: the same");
        stage.answer(Some("/store"), reply(good));
        stage.host.advance(Duration::from_secs(5));
        let said = commands(&stage);
        assert!(said.len() > before + 2 && said[before + 2..].iter().all(|(verb, _)| verb == "EVALSHA"), "{filter}");
    }
}
