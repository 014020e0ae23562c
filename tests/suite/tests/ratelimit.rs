//! The ratelimit filter: one budget for all workers, whose bucket a request takes from, what clients are told, and what
//! floods, hostile bytes and a clock that steps back do to it: nothing.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use suite::{Scenario, check, refuses};

/// One rule for everybody, with these members.
fn rule(members: &str) -> String {
    format!(r#"{{"rules": [{{"name": "clients", {members}}}]}}"#)
}

const TIERS: &str = r#"{
    "tiers": {
        "anonymous": {"per_hour": 1},
        "free": {"per_second": 1000, "per_hour": 2},
        "pro": {"per_hour": 4}
    },
    "rules": [{"name": "clients", "key": ["user"], "tiers": true, "upstream": "discovery"}]
}"#;

#[test]
fn a_key_of_once_an_hour_is_used_up_on_every_worker() {
    check(
        "ratelimit",
        r#"{"rules": [{"name": "keys", "key": ["header:x-api-key"], "limit": {"rate": "1/h"}}]}"#,
        "
        GET /  x-api-key=alice @1  -> 200
        GET /  x-api-key=alice @2  -> 429 retry-after=3600
        GET /  x-api-key=bob       -> 200
        ",
    );
}

#[test]
fn a_caller_spends_one_quota_on_every_worker() {
    check(
        "ratelimit",
        &rule(r#""key": ["header:x-api-key"], "limit": {"rate": "2/h"}"#),
        r"
        GET / x-api-key=alice @1 -> 200 x-ratelimit-limit=2 x-ratelimit-remaining=1 x-ratelimit-reset>=1
        GET / x-api-key=alice @2 -> 200 x-ratelimit-remaining=0
        GET / x-api-key=alice @1 x-request-id=r1 -> 429 retry-after>=1795 retry-after<=1800 x-ratelimit-remaining=0 \
            body.error.code=RATE_LIMITED body.error.retry_after>=1795 body.error.request_id=r1 content-type=application/json
        GET / x-api-key=alice @2 accept=application/problem+json -> 429 content-type=application/problem+json body.status=429
        GET / x-api-key=bob -> 200 x-ratelimit-remaining=1
        saw 3
        metric api_gateway_rate_limit_requests_total{provider=clients,status=allowed} 3
        metric api_gateway_rate_limit_requests_total{provider=clients,status=limited} 2
    ",
    );
}

#[test]
fn a_response_names_every_policy_and_the_tightest_limit() {
    check(
        "ratelimit",
        TIERS,
        r#"
        GET / x-weir-user=u1 x-weir-tier=free -> 200 \
            ratelimit-policy='"clients-second";q=1000;w=1, "clients-hour";q=2;w=3600' \
            ratelimit~/^"clients-hour";r=1;t=1(800|79\d)$/ \
            x-ratelimit-limit=2 x-ratelimit-remaining=1 !retry-after
        GET / x-weir-user=u1 x-weir-tier=free -> 200 ratelimit~/^"clients-hour";r=0;t=3(600|59\d)$/
        GET / x-weir-user=u1 x-weir-tier=free -> 429 ratelimit~/^"clients-hour";r=0;t=1(800|79\d)$/ retry-after<=1800 \
            ratelimit-policy='"clients-second";q=1000;w=1, "clients-hour";q=2;w=3600'
    "#,
    );
}

#[test]
fn the_gateways_fields_replace_the_upstreams() {
    check(
        "ratelimit",
        &rule(r#""key": ["address"], "limit": {"rate": "9/h"}"#),
        r#"
        origin 200 x-ratelimit-limit=1 x-ratelimit-limit=2 ratelimit='"theirs";r=1' x-other=1
        GET / -> 200 x-ratelimit-limit=9 ratelimit!='"theirs";r=1' x-other=1
    "#,
    );
}

#[test]
fn a_tier_says_how_much_and_an_unknown_one_is_anonymous() {
    check(
        "ratelimit",
        TIERS,
        "
        2 times GET / x-weir-user=a x-weir-tier=free -> 200
        GET / x-weir-user=a x-weir-tier=free -> 429
        4 times GET / x-weir-user=b x-weir-tier=pro -> 200
        GET / x-weir-user=b x-weir-tier=pro -> 429
        GET / x-weir-user=c x-weir-tier=gold -> 200
        GET / x-weir-user=c x-weir-tier=gold -> 429
        GET / from:127.0.0.2 -> 200
        GET / from:127.0.0.2 -> 429
        GET / from:127.0.0.3 -> 200
        metric api_gateway_rate_limit_requests_total{provider=discovery,status=allowed} 9
    ",
    );
}

#[test]
fn an_address_is_one_caller_from_every_port() {
    check(
        "ratelimit",
        &rule(r#""key": ["address"], "limit": {"rate": "2/h"}"#),
        "
        2 times GET / x-weir-user=a -> 200
        GET / x-weir-user=b -> 429
        GET / from:127.0.0.2 -> 200
    ",
    );
}

#[test]
fn all_callers_share_an_upstreams_bucket() {
    check(
        "ratelimit",
        r#"{"rules": [{"name": "p", "match": [{"prefix": "/api/spotify/"}, {"path": "/spotify"}], "key": ["upstream"],
            "upstream": "spotify", "limit": {"rate": "2/h", "burst": 3}}]}"#,
        "
        GET /api/spotify/track/1 x-weir-user=a -> 200 !x-ratelimit-limit !ratelimit !ratelimit-policy
        metric api_gateway_rate_limit_tokens{provider=spotify} 2
        GET /spotify?x x-weir-user=b from:127.0.0.2 -> 200
        GET /api/spotify/track/1 -> 200
        GET /api/spotify/track/1 -> 429 retry-after<=1800 !x-ratelimit-limit
        2 times GET /api/spotify -> 200
        metric api_gateway_rate_limit_tokens{provider=spotify} 0
        metric api_gateway_rate_limit_requests_total{provider=spotify,status=limited} 1
    ",
    );
}

#[test]
fn a_request_that_one_rule_refuses_costs_the_others_nothing() {
    check(
        "ratelimit",
        r#"{"rules": [
            {"name": "clients", "key": ["user"], "limit": {"rate": "3/h"}, "upstream": "spotify"},
            {"name": "provider", "match": {"prefix": "/spotify/"}, "key": ["upstream"], "upstream": "spotify",
             "limit": {"rate": "1/h"}}
        ]}"#,
        r#"
        GET /spotify/ x-weir-user=a -> 200 x-ratelimit-remaining=2 ratelimit-policy='"clients-hour";q=3;w=3600'
        5 times GET /spotify/ x-weir-user=a -> 429 retry-after>=3590 x-ratelimit-remaining=2
        GET /other x-weir-user=a -> 200 x-ratelimit-remaining=1
        GET /other x-weir-user=a -> 200 x-ratelimit-remaining=0
        GET /other x-weir-user=a -> 429
        metric api_gateway_rate_limit_requests_total{provider=spotify,status=allowed} 3
        metric api_gateway_rate_limit_requests_total{provider=spotify,status=limited} 6
    "#,
    );
}

#[test]
fn a_costly_request_takes_more() {
    check(
        "ratelimit",
        r#"{"rules": [
            {"name": "costly", "match": {"path": "/search"}, "key": ["user"], "limit": {"rate": "10/h"}, "cost": 4}
        ]}"#,
        "
        GET /search x-weir-user=a -> 200 x-ratelimit-remaining=6
        GET /search x-weir-user=a -> 200 x-ratelimit-remaining=2
        GET /search x-weir-user=a -> 429 x-ratelimit-remaining=2 retry-after<=720
        GET /other x-weir-user=a -> 200 !x-ratelimit-limit
    ",
    );
}

#[test]
fn who_waits_as_long_as_told_passes() {
    check(
        "ratelimit",
        &rule(r#""key": ["user"], "limit": {"rate": "6/m", "burst": 1}"#),
        "
        GET / x-weir-user=a -> 200
        GET / x-weir-user=a -> 429 retry-after=10
        advance 9999ms
        GET / x-weir-user=a -> 429 retry-after=1
        advance 1ms
        GET / x-weir-user=a -> 200
    ",
    );
}

#[test]
fn a_clock_that_steps_back_gives_nothing_and_locks_nobody_out() {
    check(
        "ratelimit",
        &rule(r#""key": ["user"], "limit": {"rate": "6/m", "burst": 1}"#),
        "
        GET / x-weir-user=a @1 -> 200
        back 1d
        GET / x-weir-user=a @2 -> 429 retry-after=10
        advance 9s
        GET / x-weir-user=a @1 -> 429 retry-after=1
        advance 1s
        GET / x-weir-user=a @2 -> 200
    ",
    );
}

#[test]
fn any_bytes_in_any_header_are_a_caller_like_others() {
    let everywhere = r#"{"tiers": {"anonymous": {"per_hour": 2}}, "rules": [
        {"name": "clients", "key": ["user", "address", "header:x-device"], "tiers": true}]}"#;
    check(
        "ratelimit",
        everywhere,
        r#"
        GET / x-weir-user="\xff\xfe" x-weir-tier="\xff\xfe" x-device="\xff" -> 200 x-ratelimit-remaining=1
        GET / x-weir-user="\xff\xfe" x-weir-tier="\xff\xfe" x-device="\xff" -> 200 x-ratelimit-remaining=0
        GET / x-weir-user="\xff\xfe" x-weir-tier="\xff\xfe" x-device="\xff" accept="\xff" x-request-id="\xff" -> 429
        GET / x-weir-user="a"*50000 -> 200 x-ratelimit-remaining=1
        GET / x-weir-user="a"*50000 -> 200 x-ratelimit-remaining=0
        GET / x-weir-user= x-weir-tier= x-device= -> 200 x-ratelimit-remaining=1
        GET / x-weir-user=a x-weir-user=b x-weir-tier=a x-weir-tier=b x-device=c x-device=d -> 200 x-ratelimit-remaining=1
        GET / x-weir-user=a x-weir-user=b x-weir-tier=a x-weir-tier=b x-device=c x-device=d -> 200 x-ratelimit-remaining=0
        GET / -> 200
    "#,
    );
}

#[test]
fn a_request_that_no_rule_is_about_passes_untouched() {
    check(
        "ratelimit",
        r#"{"rules": [{"name": "a", "match": {"methods": ["POST"]}, "key": ["user"], "limit": {"rate": "1/h"}}]}"#,
        "
        3 times GET / -> 200 !x-ratelimit-limit !ratelimit
        POST / -> 200
        POST / -> 429
    ",
    );
}

#[test]
fn a_configuration_with_a_mistake_is_refused() {
    let cases = [
        (rule(r#""key": ["user"], "limit": {"rate": "1/s", "burst": 0}"#), "rules[0].limit.burst: must be at least 1"),
        (rule(r#""key": ["user"]"#), "rules[0]: needs a limit, or tiers: true"),
    ];
    for (config, expected) in cases {
        refuses("ratelimit", &config, &format!("configuration refused: {expected}"));
    }
}

#[test]
fn a_flood_of_new_callers_frees_nobody() {
    let flood: Vec<_> = (0..300).map(|client| format!("GET / x-api-key=flood-{client} -> *")).collect();
    let flood = flood.join("\n");
    // One slot, so that every caller shares it.
    let config =
        r#"{"rules": [{"name": "clients", "key": ["header:x-api-key"], "limit": {"rate": "3/h"}}], "slots": 1}"#;
    check(
        "ratelimit",
        config,
        &format!(
            "
        3 times GET / x-api-key=alice -> 200
        GET / x-api-key=alice -> 429
        {flood}
        GET / x-api-key=alice -> 429
    "
        ),
    );
}

#[test]
fn without_a_burst_left_a_day_is_a_day_on_three_workers() {
    let config = rule(r#""key": ["user"], "limit": {"rate": "50/d"}"#);
    Scenario::new(&[("ratelimit", &config)]).workers(3).check(
        "
        50 times GET / x-weir-user=a -> 200
        20 times GET / x-weir-user=a -> 429
    ",
    );
}

#[test]
fn of_ten_thousand_requests_at_once_exactly_the_limit_passes() {
    let config = r#"{"rules": [{"name": "all", "key": ["upstream"], "upstream": "u", "limit": {"rate": "700/d"}}]}"#;
    let scenario = Scenario::new(&[("ratelimit", config)]).workers(2).envoy_only("a load is no line");
    let stage = scenario.envoy().unwrap_or_else(|report| panic!("{report}"));
    let client = || {
        let mut client = proxy::Client::connect(stage.envoy.address()).expect("a connection");
        let mut statuses = (0..1250).map(|_| client.call(&proxy::Request::get("/")).map_or(0, |answer| answer.status));
        statuses.by_ref().fold([0, 0, 0], |[passed, limited, other], status| match status {
            200 => [passed + 1, limited, other],
            429 => [passed, limited + 1, other],
            _ => [passed, limited, other + 1],
        })
    };
    let counts: Vec<[u32; 3]> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..8).map(|_| scope.spawn(client)).collect();
        clients.into_iter().map(|client| client.join().expect("a client")).collect()
    });
    let sum = counts.iter().fold([0; 3], |sum, count| [0, 1, 2].map(|place| sum[place] + count[place]));
    assert_eq!(sum, [700, 9300, 0], "{}", stage.envoy.log());
}
