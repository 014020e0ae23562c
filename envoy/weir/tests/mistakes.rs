//! What an operator reads about a broken policy: every mistake, with line, column and what was expected.

// A test stops by panicking.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[path = "mistakes/guard.rs"]
mod guard;
#[path = "mistakes/identity.rs"]
mod identity;
#[path = "mistakes/limits.rs"]
mod limits;
#[path = "mistakes/operation.rs"]
mod operation;
#[path = "mistakes/secrets.rs"]
mod secrets;
#[path = "mistakes/through.rs"]
mod through;
#[path = "mistakes/trap.rs"]
mod trap;
#[path = "mistakes/words.rs"]
mod words;

use std::path::Path;

use weir::document::{self, Reading};

/// A policy that is good, for rows that spoil one part of it.
const GOOD: &str = "\
version: 1
upstreams:
  a: {url: http://127.0.0.1:1}
routes:
- {match: GET /a, upstream: a}
";

/// Every mistake of a policy as `line:column wrong | expected`.
fn mistakes(text: &[u8]) -> Vec<String> {
    let Err(refused) = document::read(Path::new("policy.yaml"), text, &Reading::default()) else { return Vec::new() };
    let said = refused.mistakes.iter().map(|mistake| {
        let (line, column) = refused.position(&mistake.span);
        format!("{line}:{column} {} | {}", mistake.wrong, mistake.expected)
    });
    said.collect()
}

#[track_caller]
fn check(rows: &[(&str, &[&str])]) {
    for (text, expected) in rows {
        assert_eq!(mistakes(text.as_bytes()), *expected, "\n{text}");
    }
}

/// Rows that add lines to the good policy; lines are counted from its end.
#[track_caller]
fn check_added(rows: &[(&str, &[&str])]) {
    assert_eq!(mistakes(GOOD.as_bytes()), [""; 0]);
    for (added, expected) in rows {
        assert_eq!(mistakes(format!("{GOOD}{added}\n").as_bytes()), *expected, "\n{added}");
    }
}

/// Rows that put another upstream in the place of the good one.
#[track_caller]
fn check_upstream(rows: &[(&str, &[&str])]) {
    for (upstream, expected) in rows {
        let text = GOOD.replace("{url: http://127.0.0.1:1}", upstream);
        assert_eq!(mistakes(text.as_bytes()), *expected, "\n{upstream}");
    }
}

/// Rows that put another route in the place of the good one.
#[track_caller]
fn check_route(rows: &[(&str, &[&str])]) {
    for (route, expected) in rows {
        let text = GOOD.replace("{match: GET /a, upstream: a}", route);
        assert_eq!(mistakes(text.as_bytes()), *expected, "\n{route}");
    }
}

#[test]
fn an_upstream_that_no_route_leads_to_is_checked_too() {
    let text =
        GOOD.replace("routes:", "  b: {url: http://127.0.0.1:2, limit: {rate: 10/x}, breaker: {window: 0}}\nroutes:");
    let said = mistakes(text.as_bytes());
    assert!(said.iter().any(|mistake| mistake.starts_with("4:") && mistake.contains("10/x")), "{said:?}");
    assert!(said.iter().any(|mistake| mistake.starts_with("4:") && mistake.contains("window")), "{said:?}");
}

#[test]
fn what_is_not_a_policy_is_said_at_its_place() {
    check(&[
        ("", &["1:1 the file is empty | expected a policy"]),
        ("version: 1\n  x: 2\n", &["2:4 this is not YAML: mapping values are not allowed in this context | "]),
        ("[1]\n", &["1:1 a list is not a mapping | expected the keys of a policy"]),
        (
            "{}\n",
            &[
                "1:1 `version` is missing | expected the key `version` here",
                "1:1 `upstreams` is missing | expected the key `upstreams` here",
                "1:1 `routes` is missing | expected the key `routes` here",
            ],
        ),
    ]);
    assert_eq!(mistakes(b"version: 1\nlisten: \xff\xfe\n"), ["2:9 this is not UTF-8 | expected text"]);
}

#[test]
fn a_key_of_the_policy_is_checked_by_its_type() {
    check_added(&[
        ("upstream: {}", &["6:1 unknown key `upstream` | did you mean `upstreams`?"]),
        ("version: 1", &["6:1 `version` stands here twice | the second one"]),
        ("listen: 8080", &["6:9 `8080` is not an address | expected an IP address and a port, like 127.0.0.1:8080"]),
        (
            "admin: 0.0.0.0:9901",
            &["6:8 the administration port must not be reachable from outside | \
               expected a loopback address, like 127.0.0.1:9901"],
        ),
        ("state: {store: disk}", &["6:16 `disk` is not known here | expected `memory` or `redis`"]),
        ("state: {store: redis}", &["6:1 `url` is missing | expected the key `url` here"]),
        ("state: {store: memory, url: http://a}", &["6:24 unknown key `url` | expected `store`"]),
        (
            "state: {store: redis, url: 'redis://a', dialect: resp}",
            &[
                "6:28 `redis://a` is not an upstream's URL | expected http:// or https://",
                "6:50 `resp` is not known here | expected `webdis` or `upstash`",
            ],
        ),
        (
            "state: {store: redis, url: http://a, password: secret}",
            &["6:48 a secret does not stand in a policy | say `{env: NAME}`"],
        ),
        (
            "state: {store: redis, url: http://a, password: {env: WEIR_NO_SUCH}}",
            &["6:54 the environment has no variable `WEIR_NO_SUCH` | set it"],
        ),
        (
            "state: {store: redis, url: http://a, token: {env: PATH}}",
            &[
                "6:38 unknown key `token` | expected `store`, `url`, `dialect`, `user`, `password`, `timeout` or `prefix`",
            ],
        ),
        ("state: {store: redis, url: http://a, timeout: 2m}", &["6:47 `2m` is out of range | expected 1ms to 1m"]),
        ("state: {}", &["6:1 `store` is missing | expected the key `store` here"]),
        (
            "clients: {connections: 0, idle_timeout: 5, header_bytes: 1MiB}",
            &[
                "6:24 `0` is out of range | expected a whole number from 1 to 1000000",
                "6:41 `5` is not a length of time | expected a number and a unit like 250ms, 30s, 5m, 12h or 30d",
                "6:58 `1MiB` is out of range | expected 1KiB to 96KiB",
            ],
        ),
        ("correlation: {client_id: accept}", &["6:15 unknown key `client_id` | did you mean `client_ids`?"]),
        (
            "correlation: {agents: [GPTBot, x], client_ids: trust}",
            &["6:48 unknown variant `trust` | expected `accept` or `replace`"],
        ),
        ("cache: {refresh: {cluster: a}}", &["6:19 `cluster` is not said here | it is the proxy's own way back in"]),
        ("cache: {routes: []}", &["6:9 `routes` is not said here | each route has a `cache`"]),
        (
            "tiers: {free: {per_second: 0}, Anonymous: {}}",
            &[
                "6:28 `per_second`: must be at least 1 | ",
                "6:32 `Anonymous` is not a name | expected at most 64 of a-z 0-9 _ -, a letter first",
            ],
        ),
        (
            "examples: [{title: t, request: /a}]",
            &["6:32 this is not a request | expected a method and a path, like `GET /api/v1/genres`"],
        ),
    ]);
}

#[test]
fn an_upstream_is_checked_by_envoy_and_by_the_filters() {
    check_upstream(&[
        ("{}", &["3:3 `url` is missing | expected the key `url` here"]),
        ("{url: ftp://a/}", &["3:12 `ftp://a/` is not an upstream's URL | expected http:// or https://"]),
        (
            "{url: https://user:secret@a/, tmeout: 5s}",
            &[
                "3:12 a URL is no place for a password | say it in `headers`, `credentials` or `state`, as `{env: NAME}`",
                "3:36 unknown key `tmeout` | did you mean `timeout`?",
            ],
        ),
        (
            "{url: http://a, breaker: {consecutive_failures: 0}}",
            &["3:54 `consecutive_failures`: must be at least 1 | "],
        ),
        (
            "{url: http://a, breaker: {open_for: soon}}",
            &["3:42 invalid value: string \"soon\" | \
               expected a length of time like \"250ms\", \"30s\", \"5m\", \"12h\" or \"30d\", at most ten years"],
        ),
        ("{url: http://a, breaker: {opn_for: 5s}}", &["3:32 unknown key `opn_for` | did you mean `open_for`?"]),
        (
            "{url: http://a, breaker: {bulkhead: 0, fallback: {upstream: b, static: {}}}}",
            &[
                "3:42 `bulkhead`: must be at least 1 | ",
                "3:45 `fallback`: must be one of static and upstream | ",
                "3:66 there is no upstream `b` | expected `a`",
            ],
        ),
        (
            "{url: http://a, breaker: {fallback: {stale: 1d, static: {status: 99}}}}",
            &[
                "3:50 nothing is stored of this upstream | expected a route to it with a `cache`",
                "3:71 `status`: must be a whole number from 200 to 599 | ",
            ],
        ),
        ("{url: http://a, breaker: {fallback: {upstream: a}}}", &["3:53 `upstream`: must be another upstream | "]),
        (
            "{url: http://a, retry: {budget: 101}}",
            &["3:38 `101` is out of range | expected a whole number from 1 to 100"],
        ),
        (
            "{url: http://a, retry: {times: 0, wait: 2m, longest_wait: 1m}}",
            &[
                "3:37 `0` is out of range | expected a whole number from 1 to 10",
                "3:64 `longest_wait` is shorter than `wait` | expected at least 2m",
            ],
        ),
        (
            "{url: http://a, headers: {X-A: b, x-weir-user: me, x-b: {env: WEIR_NO_SUCH_VARIABLE}}}",
            &[
                "3:32 `X-A` is not a header name | must be a header name in lower case, got \"X-A\"",
                "3:40 `x-weir-user` cannot be set here | the gateway sets it itself",
                "3:68 the environment has no variable `WEIR_NO_SUCH_VARIABLE` | set it, or give a `default` beside it",
            ],
        ),
    ]);
}

#[test]
fn a_route_is_checked_against_the_rest_of_the_policy() {
    check_route(&[
        ("{match: GET /a, upstream: b}", &["5:29 there is no upstream `b` | expected `a`"]),
        ("{upstream: a}", &["5:4 `match` is missing | expected the key `match` here"]),
        ("{match: get /a, upstream: a}", &["5:11 `methods`: \"get\" is wrong here | must be a method in upper case"]),
        ("{match: {path: /a, prefx: /b}, upstream: a}", &["5:22 unknown key `prefx` | did you mean `prefix`?"]),
        ("{match: {path: /a, prefix: /b}, upstream: a}", &["5:4 has more than one of path, prefix and template | "]),
        (
            "{match: GET /a, upstream: a, auth: requierd}",
            &["5:38 `requierd` is not one of `required`, `optional` or `off` | did you mean `required`?"],
        ),
        (
            "{match: GET /a, upstream: a, auth: required}",
            &["5:11 `auth: required` needs an `identity` | nobody's tokens are accepted by this policy"],
        ),
        (
            "{match: GET /a, upstream: a, strip: /b}",
            &["5:39 not every path of this route begins with `/b` | expected whole segments at the beginning of `/a`"],
        ),
        ("{match: GET /a, upstream: a, cache: {ttl: 0s, statuses: [200]}}", &["5:45 `ttl`: must be at least 1s | "]),
        (
            "{match: GET /a, upstream: a, cache: {isolate: user}}",
            &["5:49 `isolate: user` has nobody to tell apart | an `identity`, by which callers are told apart"],
        ),
        (
            "{match: GET /a, upstream: a, cache: {isolate: tier, shared: true}}",
            &[
                "5:49 `isolate: tier` has nobody to tell apart | an `identity`, by which callers are told apart",
                "5:49 `isolate`: must be none where all callers are answered alike (`shared`) | ",
            ],
        ),
        (
            "{match: GET /a, upstream: a, cache: {body: {key: json}}}",
            &["5:40 `body`: needs a route that matches POST | "],
        ),
        (
            "{match: GET|POST /a, upstream: a, cache: {isolate: none, body: {key: json, max: 1MiB}}}",
            &["5:83 `max`: must be from 1 to 64KiB | "],
        ),
        (
            "{match: GET /a, upstream: a, cache: {ttl: 1h, statuses: [404], negative: 5m}}",
            &["5:76 `negative`: must be the only lifetime of 404 and 410 | "],
        ),
        (
            "{match: GET /a, upstream: a, cache: {query: {ignore: [utm_*, 'a&b']}}}",
            &["5:64 `ignore`: must be a parameter's name, or its beginning and * | "],
        ),
        (
            "{match: GET /a, upstream: a}\n- {match: GET /a, upstream: a}",
            &["6:11 this route is never reached: one before it matches the same requests | take one of the two out"],
        ),
    ]);
}

#[test]
fn all_mistakes_are_said_at_once() {
    check(&[(
        "\
version: 2
listen: localhost
identity: {jwt: [{issuer: https://id/, audience: [x]}]}
tiers: {free: {per_second: 5}}
upstreams:
  spotify:
    url: http://127.0.0.1:9400/spotify?x
    breaker: {consecutive_failures: 0}
  pricing: {url: http://127.0.0.1:9400/, breaker: {failure_rate: 120}}
routes:
- match: GET /api/spotify/*
  upstream: spotfy
  cache: {ttl: 30 days}
- {match: GET /b, upstream: pricing, cache: {data_type: x, tll: 5s}, auth: off}
",
        &[
            "1:10 `2` is not known here | expected `1`",
            "2:9 `localhost` is not an address | expected an IP address and a port, like 127.0.0.1:8080",
            "3:19 `audiences` is missing | expected the key `audiences` here",
            "3:19 `jwks` is missing | expected the key `jwks` here",
            "3:40 unknown key `audience` | did you mean `audiences`?",
            "4:9 `tiers`: must have \"anonymous\", which stands for callers without a tier | ",
            "7:10 `http://127.0.0.1:9400/spotify?x` is not an upstream's URL | expected no query and no fragment",
            "8:37 `consecutive_failures`: must be at least 1 | ",
            "9:66 `failure_rate`: 120 is wrong here | must be 1 to 100 percent",
            "12:13 there is no upstream `spotfy` | did you mean `spotify`?",
            "13:16 `ttl`: must be a length of time like \"250ms\" or \"30s\", at most 3650d | ",
            "14:60 unknown key `tll` | did you mean `ttl`?",
        ],
    )]);
}

#[test]
fn the_page_shows_each_mistake_under_its_line() {
    let text = "version: 1\nlisten: nowhere\nupstreams: {a: {url: http://a}}\nroutes: [{match: GET /, upstream: c}]\n";
    let refused = document::read(Path::new("p.yaml"), text.as_bytes(), &Reading::default()).unwrap_err();
    let expected = "\
error[E004]: `nowhere` is not an address
 --> p.yaml:2:9
  |
2 | listen: nowhere
  |         ^^^^^^^ expected an IP address and a port, like 127.0.0.1:8080

error[E005]: there is no upstream `c`
 --> p.yaml:4:35
  |
4 | routes: [{match: GET /, upstream: c}]
  |                                   ^ expected `a`
  |
  = note: Requests that are sent to an upstream that is not there are answered with 503.

p.yaml: 2 mistakes
";
    assert_eq!(refused.render(false), expected);
}

#[test]
fn what_is_wrong_with_a_provider_is_said_where_it_stands() {
    check_upstream(&[
        ("{url: http://127.0.0.1:1, profile: acousticbrainz}", &[]),
        (
            "{url: http://127.0.0.1:1, profile: acousticbrain}",
            &[
                "3:41 `profile`: \"acousticbrain\" is wrong here | must be one of spotify, musicbrainz, lastfm, beatport, discogs, acousticbrainz",
            ],
        ),
        (
            "{url: http://127.0.0.1:1, profile: lastfm, credentials: {query: {name: k, env: WEIR_NO_SUCH}}}",
            &["3:85 `env`: the environment has no variable WEIR_NO_SUCH | set it"],
        ),
        (
            "{url: http://127.0.0.1:1, user_agent: a}",
            &["3:44 `user_agent` means nothing here | expected a `profile` beside it"],
        ),
        (
            "{url: http://127.0.0.1:1, profile: acousticbrainz, internal: true}",
            &["3:41 a provider is a third party | take `internal` off"],
        ),
    ]);
}
