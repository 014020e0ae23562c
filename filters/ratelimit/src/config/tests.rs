//! What an operator reads about a mistake, and what a right configuration does.

mod fleet;

use super::*;
use crate::debt::Buckets;
use policy::{Headers, Instant};
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const TIERS: &str = r#"{
    "anonymous": {"per_second": 5, "per_minute": 100, "burst": 10},
    "free": {"per_second": 10, "per_minute": 200, "burst": 20},
    "pro": {"per_second": 50, "per_minute": 1000, "burst": 100},
    "enterprise": {"per_second": 200, "per_minute": 5000, "burst": 400}
}"#;

fn rule(members: &str) -> String {
    format!(r#"{{"rules": [{{"name": "a", "key": ["user"], {members}}}]}}"#)
}

fn tier(members: &str) -> String {
    format!(r#"{{"tiers": {{"anonymous": {{{members}}}}}}}"#)
}

/// A rule for all callers together that says this of an empty bucket.
fn queue(when_empty: &str) -> String {
    let limit = format!(r#"{{"rate": "1/s", "when_empty": {when_empty}}}"#);
    format!(r#"{{"rules": [{{"name": "a", "key": ["upstream"], "upstream": "a", "limit": {limit}}}]}}"#)
}

#[test]
fn a_queue_says_for_how_long_and_for_how_many() {
    let said = |json: &str| Config::from_json(json.as_bytes()).unwrap().rules[0].allowance.plans[0].queue;
    let terms = |json: &str| said(&queue(json)).unwrap();
    let short = terms(r#"{"queue": {"max_wait": "250ms"}}"#);
    assert_eq!((short.max_wait.as_millis(), short.max_requests.get()), (250, 100));
    let long = terms(r#"{ "queue": {"max_wait": "4m", "max_requests": 1000} }"#);
    assert_eq!((long.max_wait.as_secs(), long.max_requests.get()), (240, 1000));
    assert_eq!(said(&queue(r#""refuse""#)), None);
    // A tier says it for its callers, and in the shadow nobody waits.
    let tiered = r#"{"tiers": {"anonymous": {"per_day": 1, "when_empty": {"queue": {"max_wait": "1s"}}}},
        "rules": [{"name": "a", "key": ["user"], "tiers": true, "shadow": false}]}"#;
    assert_eq!(said(tiered).map(|terms| terms.max_wait.as_secs()), Some(1));
    assert_eq!(said(&tiered.replace("false", "true")), None);
}

#[test]
fn a_priority_is_the_tiers_and_that_of_an_unknown_one_is_the_anonymous() {
    let json = r#"{"tiers": {"anonymous": {"per_day": 1, "priority": 2}, "free": {"per_day": 1},
        "pro": {"per_day": 1, "priority": 9}}}"#;
    let priorities = Config::from_json(json.as_bytes()).unwrap().priorities;
    let of = |tiers: &[&[u8]]| {
        let pairs: Vec<_> = tiers.iter().map(|tier| (&b"x-weir-tier"[..], *tier)).collect();
        priorities.of(&Headers::from_pairs(&pairs))
    };
    assert_eq!((of(&[b"pro"]), of(&[b"free"]), of(&[b"gold"]), of(&[])), (9, 0, 2, 2));
    assert_eq!((of(&[b"pro", b"pro"]), of(&[b"\xff"])), (2, 2));
    assert!(priorities.any());
    assert!(!Config::from_json(format!(r#"{{"tiers": {TIERS}}}"#).as_bytes()).unwrap().priorities.any());
}

#[test]
fn a_mistake_is_said_with_its_place() {
    let limit = r#""limit": {"rate": "1/s"}"#;
    let keyed = |key: &str| format!(r#"{{"rules": [{{"name": "a", "key": {key}, {limit}}}]}}"#);
    let named = |name: &str| format!(r#"{{"rules": [{{"name": {name:?}, "key": ["user"], {limit}}}]}}"#);
    let two = r#"{"rules": [{"name": "a", "key": ["user"], "limit": {"rate": "1/s"}}, {"name": "a", "key": ["user"], "limit": {"rate": "1/s"}}]}"#;
    let costly = r#"{"tiers": {"anonymous": {"per_second": 5}}, "rules": [{"name": "a", "key": ["user"], "tiers": true, "cost": 6}]}"#;
    for (json, expected) in [
        (r#"{"rule": []}"#.into(), "rule: unknown field `rule`"),
        (r#"{"slots": 0}"#.into(), "slots: must be from 1 to 65536"),
        (r#"{"slots": 65537}"#.into(), "slots: must be from 1 to 65536"),
        (r#"{"undecided": "maybe"}"#.into(), r#"undecided: must be "allow" or "refuse", got "maybe""#),
        (tier(""), "tiers.anonymous: needs one of per_second, per_minute, per_hour and per_day"),
        (tier(r#""per_second": 0"#), "tiers.anonymous.per_second: must be at least 1"),
        (tier(r#""per_second": 5, "burst": 0"#), "tiers.anonymous.burst: must be at least 1"),
        (tier(r#""per_minute": 5, "burst": 1"#), "tiers.anonymous.burst: needs per_second"),
        (tier(r#""per_second": 1000001"#), "tiers.anonymous.per_second: must be at most a million a second"),
        (tier(r#""per_week": 1"#), "tiers.anonymous.per_week: unknown field `per_week`"),
        (r#"{"tiers": {"pro": {"per_day": 1}}}"#.into(), r#"tiers: must have "anonymous""#),
        (r#"{"tiers": {"a b": {"per_day": 1}}}"#.into(), "tiers.a b: must be 1 to 64 letters, digits"),
        (named(""), r#"rules[0].name: must be 1 to 64 letters, digits, `-`, `_` or `.`, got """#),
        (named("a/b"), "rules[0].name: must be 1 to 64 letters"),
        (two.into(), r#"rules[1].name: is the name of rules[0] too, got "a""#),
        (keyed("[]"), "rules[0].key: must name user, address, upstream, header:name or another part of a request"),
        (keyed(r#"["caller"]"#), r#"rules[0].key[0]: must be user, api_key, tier, address, header:name, path, method or upstream, got "caller""#),
        (keyed(r#"["user", "user"]"#), "rules[0].key[1]: is there twice"),
        (keyed(r#"["upstream"]"#), "rules[0].key[0]: needs the rule's `upstream`"),
        (keyed(r#"["header:X-Key"]"#), r#"rules[0].key[0]: must be a header name in lower case, got "X-Key""#),
        (rule(r#""headers": true"#), "rules[0]: needs a limit, or tiers: true"),
        (rule(r#""tiers": true"#), "rules[0].tiers: needs the document's `tiers`"),
        (rule(r#""tiers": true, "limit": {"rate": "1/s"}"#), "rules[0].limit: must be left out where the tiers say it"),
        (rule(r#""limit": {}"#), "rules[0].limit: needs a rate, or a count and a window"),
        (rule(r#""limit": {"rate": "1/w"}"#), r#"rules[0].limit.rate: must be a rate like "10/s""#),
        (rule(r#""limit": {"rate": "1/s", "burst": 0}"#), "rules[0].limit.burst: must be at least 1"),
        (rule(r#""limit": {"rate": "1/s", "burst": -1}"#), "rules[0].limit.burst: invalid value: integer `-1`"),
        (rule(r#""limit": {"rate": "1/d", "burst": 400}"#), "rules[0].limit.burst: must come back within a year at 1 in 1d"),
        (rule(r#""limit": {"rate": "1/s", "when_empty": "wait"}"#), r#"rules[0].limit.when_empty: must be "refuse" or {"queue": {…}}, got "wait""#),
        (tier(r#""per_day": 1, "when_empty": "wait""#), r#"tiers.anonymous.when_empty: must be "refuse" or"#),
        (queue("{}"), "rules[0].limit.when_empty"),
        (queue(r#"{"queue": {"max_wait": "1s"}, "max_wait": "1s"}"#), "rules[0].limit.when_empty"),
        (queue(r#"{"line": {}}"#), "rules[0].limit.when_empty.line: unknown field `line`"),
        (queue(r#"{"queue": {}}"#), "rules[0].limit.when_empty.queue: missing field `max_wait`"),
        (queue(r#"{"queue": {"max_wait": "1s", "requests": 1}}"#), "rules[0].limit.when_empty.queue.requests: unknown field"),
        (queue(r#"{"queue": {"max_wait": "0"}}"#), "rules[0].limit.when_empty.queue.max_wait: must be from"),
        (queue(r#"{"queue": {"max_wait": "5m"}}"#), "rules[0].limit.when_empty.queue.max_wait: must be from"),
        (queue(r#"{"queue": {"max_wait": "1s", "max_requests": 0}}"#), "rules[0].limit.when_empty.queue.max_requests: must be from 1 to 1000"),
        (queue(r#"{"queue": {"max_wait": "1s", "max_requests": 1001}}"#), "rules[0].limit.when_empty.queue.max_requests: must be from 1 to 1000"),
        (tier(r#""per_second": 5, "priority": 10"#), "tiers.anonymous.priority: must be from 0 to 9"),
        (rule(r#""limit": {"rate": "1/s"}, "cost": 0"#), "rules[0].cost: must be at least 1"),
        (
            rule(r#""limit": {"rate": "1/s"}, "cost": 2"#),
            "rules[0].limit.rate: must be at least what a request costs, 2, got 1",
        ),
        (costly.into(), "rules[0].cost: tiers.anonymous.per_second: must be at least what a request costs, 6, got 5"),
        (rule(r#""limit": {"rate": "1/s"}, "match": []"#), "rules[0].match: must not be empty"),
        (rule(r#""limit": {"rate": "1/s"}, "match": {"path": "a"}"#), "rules[0].match.path: must begin with /"),
        (
            rule(r#""limit": {"rate": "1/s"}, "match": [{}, {"paths": "/"}]"#),
            "rules[0].match[1].paths: unknown field `paths`",
        ),
        (rule(r#""limit": {"rate": "1/s"}, "match": 3"#), "rules[0].match: invalid type: integer `3`"),
        (
            r#"{"tiers": {"anonymous": {"per_day": 1}}, "rules": [{"name": "a", "key": ["upstream"], "upstream": "b", "tiers": true}]}"#
                .into(),
            "rules[0].tiers: must be left out where all callers share one bucket",
        ),
    ] {
        refused(&json, expected);
    }
}

#[track_caller]
fn refused(json: &str, expected: &str) {
    let said = Config::from_json(json.as_bytes()).unwrap_err().to_string();
    assert!(said.starts_with(expected), "{json}\n{said}");
}

#[test]
fn a_mistake_in_routes_is_said_with_its_place() {
    let routed = |routes: &str| rule(&format!(r#""limit": {{"rate": "1/s"}}, "routes": {routes}"#));
    for (json, expected) in [
        (routed("[]"), "rules[0].routes: must not be empty; leave it out for every request"),
        (routed(r#"[{"match": {}}]"#), "rules[0].routes[0]: missing field `upstream`"),
        (routed(r#"[{"upstream": "a b"}]"#), "rules[0].routes[0].upstream: must be 1 to 64 letters"),
        (routed(r#"[{"upstream": "b", "count": 1}]"#), "rules[0].routes[0].count: unknown field `count`"),
        (
            routed(r#"[{"upstream": "b"}, {"upstream": "b", "count_allowed": "no"}]"#),
            "rules[0].routes[1].count_allowed: invalid type: string \"no\", expected a boolean",
        ),
        (routed(r#"[{"upstream": "b", "match": {"path": "a"}}]"#), "rules[0].routes[0].match.path: must begin with /"),
        (
            routed(r#"[{"upstream": "b", "match": {"paths": "/"}}]"#),
            "rules[0].routes[0].match.paths: unknown field `paths`",
        ),
        (
            routed(r#"[{"upstream": "b"}], "match": {}"#),
            "rules[0].match: must be left out where the rule has routes, which say it each",
        ),
        (
            routed(r#"[{"upstream": "b"}], "upstream": "b""#),
            "rules[0].upstream: must be left out where the rule has routes, which say it each",
        ),
        (
            r#"{"rules": [{"name": "a", "key": ["upstream"], "routes": [{"upstream": "b"}], "limit": {"rate": "1/s"}}]}"#
                .into(),
            "rules[0].key[0]: needs the rule's `upstream`",
        ),
    ] {
        refused(&json, expected);
    }
}

#[test]
fn no_configuration_limits_nothing() {
    let config = Config::from_json(b"").unwrap();
    let (priorities, upstreams) = (Priorities::default(), Vec::new());
    let nothing =
        Config { rules: Vec::new(), undecided: WhenUndecided::Refuse, priorities, upstreams, store: None, fleet: None };
    assert_eq!(config, nothing);
}

/// What the first rule lets pass at once in a tier, and what it tells clients.
fn check(config: &Config, tier: Option<&[u8]>, expected: (u32, &str)) {
    let pairs: Vec<(&[u8], &[u8])> = tier.iter().map(|tier| (b"x-weir-tier".as_slice(), *tier)).collect();
    let nobody = policy::Fingerprint::from_bytes([0; 16]);
    let plan = config.rules[0].allowance.plan(nobody, &Headers::from_pairs(&pairs)).unwrap();
    let (now, mut buckets, mut passed) = (Instant::from_unix_seconds(1000), Buckets::default(), 0);
    while !plan.limits.try_take(&mut buckets, now, NonZeroU32::MIN).is_denied() {
        passed += 1;
    }
    assert_eq!((passed, plan.policy.as_str()), expected, "{tier:?}");
}

#[test]
fn a_tier_has_the_limits_of_its_table_and_an_unknown_one_is_anonymous() {
    let rules = r#"[{"name": "c", "key": ["user"], "tiers": true}]"#;
    let config = Config::from_json(format!(r#"{{"tiers": {TIERS}, "rules": {rules}}}"#).as_bytes()).unwrap();
    let anonymous = (10, r#""c-second";q=10;w=2, "c-minute";q=100;w=60"#);
    for (tier, expected) in [
        (None, anonymous),
        (Some(b"anonymous".as_slice()), anonymous),
        (Some(b"gold"), anonymous),
        (Some(b""), anonymous),
        (Some(b"\xff\xfe"), anonymous),
        (Some(b"free"), (20, r#""c-second";q=20;w=2, "c-minute";q=200;w=60"#)),
        (Some(b"pro"), (100, r#""c-second";q=100;w=2, "c-minute";q=1000;w=60"#)),
        (Some(b"enterprise"), (400, r#""c-second";q=400;w=2, "c-minute";q=5000;w=60"#)),
    ] {
        check(&config, tier, expected);
    }
}

#[test]
fn a_provider_is_limited_for_all_callers_and_not_told_to_clients() {
    for (rate, burst, expected) in [
        ("10/s", 20, (20, r#""p-second";q=20;w=2"#)),
        ("1/s", 1, (1, r#""p-second";q=1;w=1"#)),
        ("3/s", 3, (3, r#""p-second";q=3;w=1"#)),
    ] {
        let json = format!(
            r#"{{"rules": [{{"name": "p", "key": ["upstream"], "upstream": "spotify",
                "limit": {{"rate": {rate:?}, "burst": {burst}, "when_empty": "refuse"}}}}]}}"#
        );
        let config = Config::from_json(json.as_bytes()).unwrap();
        check(&config, None, expected);
        let rule = &config.rules[0];
        assert!(!rule.is_shown());
        assert_eq!(rule.accounts().map(|account| account.provider.as_str()).collect::<Vec<_>>(), ["spotify"]);
        assert_eq!(rule.shared_bucket().unwrap().0, "weir.ratelimit.p");
    }
}

#[test]
fn headers_are_read_only_where_a_rule_looks_at_them() {
    for (members, expected) in [
        (r#""key": ["address"]"#, false),
        (r#""key": ["address"], "match": {}"#, false),
        (r#""key": ["upstream"], "upstream": "b""#, false),
        (r#""key": ["address"], "match": {"prefix": "/api/"}"#, true),
        (r#""key": ["address"], "routes": [{"upstream": "b"}]"#, false),
        (r#""key": ["address"], "routes": [{"upstream": "b", "match": {"path": "/"}}]"#, true),
        (r#""key": ["user"]"#, true),
        (r#""key": ["address", "header:x-device"]"#, true),
    ] {
        let json = format!(r#"{{"rules": [{{"name": "a", {members}, "limit": {{"rate": "1/s"}}}}]}}"#);
        assert_eq!(Config::from_json(json.as_bytes()).unwrap().reads_headers(), expected, "{members}");
    }
}

#[test]
fn a_request_is_counted_under_the_upstream_of_the_route_that_matched_first() {
    let routes = r#""routes": [
        {"match": {"template": "/api/spotify/{id}", "methods": ["GET"]}, "upstream": "spotify", "count_allowed": false},
        {"match": {"prefix": "/api/"}, "upstream": "inventory"},
        {"match": {"path": "/api/spotify/1"}, "upstream": "never"}]"#;
    let spotify = ("spotify", false);
    for (members, request, expected) in [
        (routes, "GET /api/spotify/1", Some(spotify)),
        (routes, "GET /api/spotify/1?a", Some(spotify)),
        (routes, "POST /api/spotify/1", Some(("inventory", true))),
        (routes, "GET /api/other", Some(("inventory", true))),
        (routes, "GET /other", None),
        (r#""routes": [{"upstream": "b"}]"#, "GET /other", Some(("b", true))),
        (r#""cost": 1"#, "GET /other", Some(("a", true))),
        (r#""upstream": "b""#, "GET /other", Some(("b", true))),
        (r#""match": [{"path": "/x"}, {"path": "/y"}], "upstream": "b""#, "GET /y", Some(("b", true))),
        (r#""match": [{"path": "/x"}, {"path": "/y"}], "upstream": "b""#, "GET /z", None),
    ] {
        let json = rule(&format!(r#""limit": {{"rate": "1/s"}}, {members}"#));
        let config = Config::from_json(json.as_bytes()).unwrap();
        let (method, path) = request.split_once(' ').unwrap();
        let headers = Headers::from_pairs(&[(b":method".as_slice(), method.as_bytes()), (b":path", path.as_bytes())]);
        let account = config.rules[0].account(&policy::route::Target::of(&headers));
        let found = account.map(|account| (account.provider.as_str(), account.allowed));
        assert_eq!(found, expected, "{members} {request}");
    }
}

#[test]
fn a_mistake_in_a_limit_is_said_with_its_place() {
    let limit = r#""limit": {"rate": "1/s"}"#;
    let keyed = |key: &str| format!(r#"{{"rules": [{{"name": "a", "key": {key}, {limit}}}]}}"#);
    let overridden = |text: &str| rule(&format!(r#"{limit}, "overrides": {text}"#));
    for (json, expected) in [
        (
            rule(r#""limit": {"rate": "1/s", "algorithm": "leaky"}"#),
            r#"rules[0].limit.algorithm: must be "token_bucket""#,
        ),
        (
            rule(r#""limit": {"rate": "1/s", "algorithm": "fixed_window", "burst": 2}"#),
            "rules[0].limit.burst: is a token",
        ),
        (rule(r#""limit": {"count": 90}"#), "rules[0].limit: needs a rate, or a count and a window"),
        (rule(r#""limit": {"count": 90, "window": "500ms"}"#), "rules[0].limit.window: must be whole seconds"),
        (
            rule(r#""limit": {"count": 9, "window": "400d", "algorithm": "fixed_window"}"#),
            "rules[0].limit.count: must come",
        ),
        (rule(r#""limit": {"rate": "1/s", "rate": "2/s"}"#), "rules[0].limit.rate: duplicate field `rate`"),
        (rule(r#""limits": []"#), "rules[0].limits: must not be empty"),
        (rule(r#""limits": [{"rate": "1/s"}, {"rates": "1/m"}]"#), "rules[0].limits[1].rates: unknown field `rates`"),
        (rule(&format!(r#"{limit}, "limits": [{{"rate": "1/s"}}]"#)), "rules[0].limit: must be left out"),
        (tier(r#""per_minute": 5, "algorithm": "sliding""#), "tiers.anonymous.algorithm: must be"),
        (keyed(r#"["address/129"]"#), "rules[0].key[0]: must be address, address/64"),
        (keyed(r#"["address/33/64"]"#), "rules[0].key[0]: must be address, address/64"),
        (keyed(r#"["address", "address/48"]"#), "rules[0].key[1]: is there twice"),
        (keyed(r#"["path"]"#), "rules[0].key: has `path`, so every match needs a path, prefix or template"),
        (overridden(r#"[{"key": ["a"]}]"#), "rules[0].overrides[0]: needs a limit, limits or a tier, one of them"),
        (overridden(r#"[{"key": [], "limit": {"rate": "1/s"}}]"#), "rules[0].overrides[0].key: must have what"),
        (overridden(r#"[{"key": ["a"], "tier": "pro"}]"#), "rules[0].overrides[0].tier: must be one of"),
        (
            overridden(r#"[{"key": ["a"], "limit": {"rate": "0/s"}}]"#),
            "rules[0].overrides[0].limit.rate: must be a rate",
        ),
        (
            overridden(r#"[{"key": ["a"], "limit": {"rate": "1/s"}}, {"key": ["a"], "limit": {"rate": "2/s"}}]"#),
            "rules[0].overrides[1].key: has an override before this one",
        ),
        (
            rule(r#""limit": {"rate": "3/s"}, "routes": [{"upstream": "b", "cost": 4}]"#),
            "rules[0].limit.rate: must be at least what a request costs, 4, got 3",
        ),
    ] {
        refused(&json, expected);
    }
}

#[test]
fn several_limits_of_any_algorithm_hold_at_once() {
    let limits = r#""limits": [{"rate": "10/s", "burst": 20}, {"count": 90, "window": "30s", "algorithm": "sliding_window"},
        {"rate": "7/d", "algorithm": "fixed_window"}, {"rate": "8/d", "algorithm": "sliding_window"}]"#;
    let config = Config::from_json(rule(limits).as_bytes()).unwrap();
    let policy = r#""a-second";q=20;w=2, "a-30s";q=90;w=30, "a-day";q=7;w=86400, "a-day-2";q=8;w=86400"#;
    check(&config, None, (7, policy));
    let tiers = r#"{"tiers": {"anonymous": {"per_second": 5, "per_minute": 9, "burst": 10, "algorithm": "sliding_window"}},
        "rules": [{"name": "c", "key": ["user"], "tiers": true}]}"#;
    let config = Config::from_json(tiers.as_bytes()).unwrap();
    check(&config, None, (9, r#""c-second";q=10;w=2, "c-minute";q=9;w=60"#));
}

#[test]
fn who_is_named_has_limits_of_its_own() {
    let json = r#"{"tiers": {"anonymous": {"per_hour": 1}, "pro": {"per_hour": 9}}, "rules": [
        {"name": "c", "key": ["user", "address/48", "method"], "tiers": true, "overrides": [
            {"key": ["alice", "2001:db8:1:2::3", "GET"], "tier": "pro"},
            {"key": ["alice", "192.0.2.1", "GET"], "limits": [{"rate": "4/h"}]}]}]}"#;
    let mut config = Config::from_json(json.as_bytes()).unwrap();
    let seed = policy::Seed::from_random([3; 16]);
    config.rules.iter_mut().for_each(|rule| rule.bind(&seed));
    for (user, address, method, most) in [
        ("alice", "[2001:db8:1:ffff::1]:5", "GET", 9),
        ("alice", "[2001:db8:2::1]:5", "GET", 1),
        ("alice", "192.0.2.1:80", "GET", 4),
        ("alice", "192.0.2.1:80", "POST", 1),
        ("bob", "192.0.2.1:80", "GET", 1),
    ] {
        let headers =
            Headers::from_pairs(&[(b"x-weir-user".as_slice(), user.as_bytes()), (b":method", method.as_bytes())]);
        let client = crate::key::Client::parse(Some(address.as_bytes()));
        let rule = &config.rules[0];
        let (plan, _) = rule.charge(&rule.routes[0].account, Some(&seed), &headers, &|| &client).unwrap();
        assert_eq!(plan.limits.iter().next().unwrap().terms.most().get(), most, "{user} {address} {method}");
    }
}
