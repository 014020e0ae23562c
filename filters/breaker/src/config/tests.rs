//! What configurations mean, and what is said of those that are wrong.

use std::time::Duration;

use policy::Headers;

use super::*;
use crate::limits::{Order, Rates, SlowRate};
use crate::state::Outcome;
use crate::window::Span;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn upstream(breaker: &str) -> Upstream {
    let json = format!(r#"{{"breakers": {{"spotify": {breaker}}}}}"#);
    Config::from_json(json.as_bytes()).unwrap().breakers.remove(0)
}

fn limits(breaker: &str) -> Limits {
    upstream(breaker).limits
}

fn seconds(limits: &Limits) -> (u64, u64) {
    (limits.open_for.as_secs(), limits.probe_timeout.as_secs())
}

#[test]
fn a_breaker_that_says_nothing_is_the_contract_s_for_providers() {
    let limits = limits("{}");
    assert_eq!(limits.consecutive_failures.map(NonZeroU32::get), Some(5));
    assert_eq!((limits.rates, limits.half_open_requests, limits.close_after), (None, 2, 2));
    assert_eq!(seconds(&limits), (60, 60));
}

#[test]
fn a_rate_takes_the_place_of_consecutive_failures() {
    let rate = |percent, window, minimum_calls| {
        Some(Rates { failures: Some(percent), slow: None, span: Span::Calls(window), minimum_calls })
    };
    let limits_of_a_rate = limits(r#"{"failure_rate": 50}"#);
    assert_eq!((limits_of_a_rate.consecutive_failures, limits_of_a_rate.rates), (None, rate(50, 100, 20)));
    for (json, expected) in [
        (r#"{"failure_rate": 50, "window": 10}"#, rate(50, 10, 10)),
        (r#"{"failure_rate": 40, "minimum_calls": 10}"#, rate(40, 100, 10)),
        (r#"{"failure_rate": 1, "minimum_calls": 500}"#, rate(1, 500, 500)),
        (r#"{"failure_rate": 100, "window": 1024, "minimum_calls": 1}"#, rate(100, 1024, 1)),
    ] {
        assert_eq!(limits(json).rates, expected, "{json}");
    }
    let both = limits(r#"{"failure_rate": 50, "consecutive_failures": 3}"#);
    assert_eq!(both.consecutive_failures.map(NonZeroU32::get), Some(3));
    assert!(both.rates.is_some());
}

#[test]
fn slow_calls_are_a_rate_like_failures() {
    let rates = limits(r#"{"slow_rate": 80, "slow_after": "2s"}"#).rates.unwrap();
    let slow = Some(SlowRate { percent: 80, after: Duration::from_secs(2) });
    assert_eq!(rates, Rates { failures: None, slow, span: Span::Calls(100), minimum_calls: 20 });
}

#[test]
fn a_window_of_seconds_has_sixty_parts_at_most() {
    for (window, step, buckets) in
        [("1s", 1, 1), ("10s", 1, 10), ("60s", 1, 60), ("61s", 2, 31), ("5m", 5, 60), ("1h", 60, 60)]
    {
        let rates = limits(&format!(r#"{{"failure_rate": 50, "window": "{window}", "minimum_calls": 7}}"#)).rates;
        let rates = rates.unwrap();
        assert_eq!((rates.span, rates.minimum_calls), (Span::Seconds { step, buckets }, 7), "{window}");
    }
}

#[test]
fn the_open_time_grows_only_where_there_is_a_longest() {
    let open = |breaker: &str| {
        let limits = limits(breaker);
        (limits.open_for.as_secs(), limits.open_growth, limits.open_for_max.as_secs(), limits.open_jitter)
    };
    assert_eq!(open("{}"), (60, 1000, 60, 0));
    assert_eq!(open(r#"{"open_for": "10s", "open_for_max": "5m"}"#), (10, 2000, 300, 0));
    assert_eq!(open(r#"{"open_for_max": "5m", "open_growth": 1.5, "open_jitter": 20}"#), (60, 1500, 300, 20));
    assert_eq!(open(r#"{"open_jitter": 50}"#), (60, 1000, 90, 50));
}

#[test]
fn a_breaker_listens_to_its_upstream_for_ten_minutes_unless_told_otherwise() {
    let listens = |breaker: &str| limits(breaker).retry_after_max.as_secs();
    assert_eq!((listens("{}"), listens(r#"{"retry_after_max": "0"}"#)), (600, 0));
}

#[test]
fn an_order_is_automatic_unless_there_is_one() {
    for (json, expected) in [
        ("{}", Order::Automatic),
        (r#"{"order": "automatic"}"#, Order::Automatic),
        (r#"{"order": "disabled"}"#, Order::Disabled),
        (r#"{"order": "forced_open"}"#, Order::ForcedOpen),
        (r#"{"order": "metrics_only"}"#, Order::MetricsOnly),
    ] {
        assert_eq!(limits(json).order, expected, "{json}");
    }
}

#[test]
fn what_counts_as_what_is_the_operator_s_to_say() {
    let criteria = |breaker: &str| upstream(breaker).criteria;
    let given = criteria(
        r#"{"failure_statuses": [429], "ignored_statuses": ["500-599"], "failure_codes": [8],
        "ignored_codes": [14], "whole_answer": true}"#,
    );
    assert_eq!(given.of_status(Some(b"429")), Outcome::Failure);
    assert_eq!(given.of_status(Some(b"503")), Outcome::Abandoned);
    assert_eq!((given.of_code(b"8"), given.of_code(b"14")), (Outcome::Failure, Outcome::Abandoned));
    assert_eq!((given.of_code(b"2"), given.is_whole), (Outcome::Success, true));
    let default = criteria("{}");
    assert_eq!((default.of_code(b"14"), default.of_code(b"8")), (Outcome::Failure, Outcome::Success));
    assert!(!default.is_whole);
}

#[test]
fn a_breaker_is_an_upstream_s_unless_it_is_for_less() {
    let slots = |count| NonZeroU32::new(count).unwrap();
    for (json, expected) in [
        ("{}", Scope::Upstream),
        (r#"{"per": "upstream"}"#, Scope::Upstream),
        (r#"{"per": "route"}"#, Scope::Route),
        (r#"{"per": "host"}"#, Scope::Host(slots(128))),
        (r#"{"per": {"header": "x-tenant"}, "scopes_max": 9}"#, Scope::Header("x-tenant".to_owned(), slots(2))),
    ] {
        assert_eq!(upstream(json).scope, expected, "{json}");
    }
}

#[test]
fn routes_have_keys_of_their_own_where_they_have_breakers_of_their_own() {
    let config = Config::from_json(
        br#"{"breakers": {"a": {"per": "route"}, "b": {}}, "routes": [
            {"match": {"path": "/1"}, "upstream": "a"},
            {"match": {"path": "/2"}, "upstream": "a", "name": "second"},
            {"match": {"path": "/3"}, "upstream": "b", "name": "third"}
        ]}"#,
    );
    let config = config.unwrap();
    for (path, expected) in [("/1", "weir.breaker.a/1"), ("/2", "weir.breaker.a/second"), ("/3", "weir.breaker.b")] {
        let headers = Headers::from_pairs(&[(b":path", path.as_bytes())]);
        let (_, place) = config.place(config.find(&Target::of(&headers)).unwrap(), None).unwrap();
        assert_eq!(place.key, expected);
    }
}

#[test]
fn the_first_route_that_matches_names_the_breaker() {
    let config = Config::from_json(
        br#"{"breakers": {"a": {}, "b": {}}, "routes": [
            {"match": {"prefix": "/b/"}, "upstream": "b"},
            {"match": {"methods": ["GET"]}, "upstream": "a"}
        ]}"#,
    );
    let config = config.unwrap();
    for (method, path, expected) in [("GET", "/b/x", Some("b")), ("GET", "/c", Some("a")), ("POST", "/c", None)] {
        let headers = Headers::from_pairs(&[(b":method", method.as_bytes()), (b":path", path.as_bytes())]);
        let found = config.find(&Target::of(&headers)).map(|found| config.breakers[found.upstream].name.as_str());
        assert_eq!(found, expected, "{method} {path}");
    }
    assert_eq!(config.breakers[1].key, "weir.breaker.b");
}

/// Compares what is said of configurations with mistakes with how it should begin.
fn refuses(cases: &[(String, &str)]) {
    for (json, expected) in cases {
        let said = Config::from_json(json.as_bytes()).unwrap_err().to_string();
        assert!(said.starts_with(expected), "{said}");
    }
}

/// A configuration with one breaker.
fn breaker(json: &str) -> String {
    format!(r#"{{"breakers": {{"s": {json}}}}}"#)
}

#[test]
fn a_mistake_says_where_it_is_and_what_would_be_right() {
    refuses(&[
        (breaker(r#"{"consecutive_failures": 0}"#), "breakers.s.consecutive_failures: must be at least 1"),
        (breaker(r#"{"failure_rate": 0}"#), "breakers.s.failure_rate: must be 1 to 100 percent, got 0"),
        (breaker(r#"{"failure_rate": 101}"#), "breakers.s.failure_rate: must be 1 to 100 percent, got 101"),
        (breaker(r#"{"window": 5}"#), "breakers.s.window: means nothing without failure_rate or slow_rate"),
        (
            breaker(r#"{"minimum_calls": 5}"#),
            "breakers.s.minimum_calls: means nothing without failure_rate or slow_rate",
        ),
        (breaker(r#"{"failure_rate": 5, "window": 1025}"#), "breakers.s.window: must be 1 to 1024 calls, got 1025"),
        (breaker(r#"{"failure_rate": 5, "window": 0}"#), "breakers.s.window: must be 1 to 1024 calls, got 0"),
        (
            breaker(r#"{"failure_rate": 5, "minimum_calls": 1025}"#),
            "breakers.s.minimum_calls: must be 1 to 1024 calls, got 1025",
        ),
        (
            breaker(r#"{"failure_rate": 5, "window": 10, "minimum_calls": 20}"#),
            "breakers.s.minimum_calls: must be 1 to 10, what the window can hold, got 20",
        ),
        (breaker(r#"{"open_for": "0"}"#), "breakers.s.open_for: must be longer than 0"),
        (breaker(r#"{"open_for": 60}"#), "breakers.s.open_for: invalid type, expected a length of"),
        (breaker(r#"{"probe_timeout": "0s"}"#), "breakers.s.probe_timeout: must be longer than 0"),
        (breaker(r#"{"half_open_requests": 0}"#), "breakers.s.half_open_requests: must be 1 to 100, got 0"),
        (breaker(r#"{"close_after": 101}"#), "breakers.s.close_after: must be 1 to 100, got 101"),
        (breaker(r#"{"failure_statuses": [503, "50x"]}"#), "breakers.s.failure_statuses[1]: must be a status like 503"),
        (
            r#"{"breakers": {"a": {}}, "routes": [{"upstream": "a", "name": "a b"}]}"#.into(),
            "routes[0].name: a name must be 1 to 64 of",
        ),
        (breaker(r#"{"failures": 3}"#), "breakers.s.failures: unknown field `failures`"),
        (r#"{"breakers": {"a b": {}}}"#.into(), "breakers.a b: a name must be 1 to 64 of"),
        (r#"{"breakers": {"": {}}}"#.into(), "breakers: a name must be 1 to 64 of"),
        (r#"{"routes": [{"upstream": "x"}]}"#.into(), r#"routes[0].upstream: no such breaker: "x""#),
        (r#"{"routes": [{}]}"#.into(), "routes[0]: missing field `upstream`"),
        (
            r#"{"breakers": {"a": {}}, "routes": [{"match": {"path": "x"}, "upstream": "a"}]}"#.into(),
            "routes[0].match.path: must begin with /",
        ),
        (r#"{"when_undecided": "open"}"#.into(), "when_undecided: unknown variant `open`"),
    ]);
}

#[test]
fn a_mistake_in_what_opens_it_says_so() {
    refuses(&[
        (breaker(r#"{"slow_rate": 5}"#), "breakers.s.slow_rate: means nothing without slow_after"),
        (breaker(r#"{"slow_after": "1s"}"#), "breakers.s.slow_after: means nothing without slow_rate"),
        (
            breaker(r#"{"slow_rate": 101, "slow_after": "1s"}"#),
            "breakers.s.slow_rate: must be 1 to 100 percent, got 101",
        ),
        (breaker(r#"{"slow_rate": 5, "slow_after": "0"}"#), "breakers.s.slow_after: must be longer than 0"),
        (
            breaker(r#"{"failure_rate": 5, "window": "1500ms"}"#),
            "breakers.s.window: must be whole seconds, 1s to 1h, got",
        ),
        (
            breaker(r#"{"failure_rate": 5, "window": "2h"}"#),
            "breakers.s.window: must be whole seconds, 1s to 1h, got 2h",
        ),
        (breaker(r#"{"failure_rate": 5, "window": "0"}"#), "breakers.s.window: must be whole seconds, 1s to 1h, got 0"),
        (
            breaker(r#"{"failure_rate": 5, "window": "x"}"#),
            "breakers.s.window: must be a number of calls, or a length of time",
        ),
        (
            breaker(r#"{"failure_rate": 5, "window": "9s", "minimum_calls": 0}"#),
            "breakers.s.minimum_calls: must be 1 to 1000000, what the window can hold, got 0",
        ),
        (breaker(r#"{"open_for_max": "59s"}"#), "breakers.s.open_for_max: must not be shorter than open_for"),
        (breaker(r#"{"open_growth": 2}"#), "breakers.s.open_growth: means nothing without open_for_max"),
        (breaker(r#"{"open_for_max": "1h", "open_growth": 0.9}"#), "breakers.s.open_growth: must be 1 to 10 times"),
        (breaker(r#"{"open_jitter": 91}"#), "breakers.s.open_jitter: must be 0 to 90, got 91"),
        (
            breaker(r#"{"order": "closed"}"#),
            "breakers.s.order: must be automatic, disabled, forced_open or metrics_only",
        ),
        (breaker(r#"{"failure_codes": [14, 0]}"#), "breakers.s.failure_codes[1]: must be 1 to 16, got 0"),
        (breaker(r#"{"ignored_codes": [17]}"#), "breakers.s.ignored_codes[0]: must be 1 to 16, got 17"),
        (breaker(r#"{"per": "client"}"#), "breakers.s.per: unknown variant `client`"),
        (breaker(r#"{"per": {"header": "X-A"}}"#), "breakers.s.per.header: must be a header name in lower case"),
        (breaker(r#"{"per": "host", "scopes_max": 0}"#), "breakers.s.scopes_max: must be 1 to 65536, got 0"),
        (breaker(r#"{"scopes_max": 9}"#), "breakers.s.scopes_max: means nothing without a host or a header in per"),
    ]);
}

#[test]
fn a_fleet_has_a_store_and_a_quorum() {
    let config = |breaker: &str| {
        let json = format!(r#"{{"state": {{"cluster": "redis"}}, "breakers": {{"s": {breaker}}}}}"#);
        Config::from_json(json.as_bytes())
    };
    for (breaker, expected) in [
        ("{}", None),
        (r#"{"fleet": {"quorum": 3}}"#, Some(Quorum::Proxies(3))),
        (r#"{"fleet": {"quorum": "50%"}}"#, Some(Quorum::Share(50))),
    ] {
        let config = config(breaker).unwrap();
        assert_eq!((config.breakers[0].quorum, format!("{:?}", config.store)), (expected, "Some(redis)".to_owned()));
    }
    for (breaker, expected) in [
        (r#"{"fleet": 2}"#, "breakers.s.fleet: must be an object"),
        (r#"{"fleet": {}}"#, "breakers.s.fleet.quorum: is missing"),
        (r#"{"fleet": {"quorum": 1}}"#, "breakers.s.fleet.quorum: must be a number of proxies, from 2"),
        (r#"{"fleet": {"quorum": 2, "of": 3}}"#, "breakers.s.fleet.of: unknown field"),
        (r#"{"fleet": {"quorum": 2}, "per": "host"}"#, "breakers.s.fleet: means nothing where an upstream has several"),
    ] {
        let said = config(breaker).unwrap_err().to_string();
        assert!(said.starts_with(expected), "{said}");
    }
    refuses(&[
        (breaker(r#"{"fleet": {"quorum": 2}}"#), "breakers.s.fleet: needs `state`, where its proxies meet"),
        (r#"{"state": {"cluster": 5}}"#.into(), "state.cluster: must be a string"),
        (r#"{"state": {"host": "redis"}}"#.into(), "state.host: is not known here"),
    ]);
}

#[test]
fn an_upstream_s_breakers_are_under_its_key_and_its_routes() {
    let config = Config::from_json(
        br#"{"breakers": {"a": {}, "b": {"per": "route"}}, "routes": [
            {"match": {"prefix": "/1"}, "upstream": "b", "name": "one"}, {"match": {"prefix": "/2"}, "upstream": "b"},
            {"upstream": "a"}
        ]}"#,
    );
    let config = config.unwrap();
    assert_eq!(config.keys(0).collect::<Vec<_>>(), ["weir.breaker.a"]);
    assert_eq!(config.keys(1).collect::<Vec<_>>(), ["weir.breaker.b", "weir.breaker.b/one", "weir.breaker.b/2"]);
    assert_eq!(config.keys(2).count(), 0);
}
