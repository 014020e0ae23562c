//! What everybody writes once: braces without quotes, parts that are left empty, words in the wrong place.

use super::*;

#[test]
fn a_value_that_needs_quotes_is_said_to() {
    let quotes = "put the whole value in quotes, like \"GET /a/{id}\"";
    let braces = "this is not YAML: while parsing a flow mapping, did not find expected ',' or '}'";
    check_route(&[
        ("{match: GET /a/{id}, upstream: a}", &[&format!("5:18 {braces} | {quotes}")]),
        ("{match: /a/{id}/b, upstream: a}", &[&format!("5:14 {braces} | {quotes}")]),
        (
            "{match: GET /a, upstream: [a}",
            &["5:31 this is not YAML: while parsing a flow sequence, expected ',' or ']' | "],
        ),
    ]);
    check_added(&[(
        "guard: {cors: {origins: [*]}}",
        &[&format!(
            "6:26 this is not YAML: while scanning an anchor or alias, did not find expected alphabetic or numeric character | {quotes}"
        )],
    )]);
}

#[test]
fn merge_keys_are_said_not_to_be_known() {
    let said =
        "merge keys are not known here | write the keys out here: an alias stands for a whole value and nothing less";
    check_upstream(&[
        ("{url: http://a, <<: {timeout: 5s}}", &[&format!("3:22 {said}")]),
        (
            "{url: http://a, headers: {'<<': a}}",
            &["3:32 `<<` is not a header name | must be a header name in lower case, got \"<<\""],
        ),
    ]);
}

#[test]
fn what_is_left_empty_is_said_to_be() {
    for key in ["correlation", "ratelimit", "compose", "cache", "breaker"] {
        let said = format!("6:1 nothing is not a mapping | expected the keys of `{key}`");
        check_added(&[(&format!("{key}:"), &[&said])]);
    }
    check_added(&[
        ("guard:", &["6:1 nothing is not a mapping | expected the keys of `guard`; `{}` stands for its defaults"]),
        ("permissions:", &["6:1 nothing is not a mapping | expected rules by name"]),
        (
            "tiers: {anonymous: }",
            &[
                "6:9 nothing is not a mapping | expected the limits of a tier",
                "6:9 `anonymous`: needs one of per_second, per_minute, per_hour and per_day | ",
            ],
        ),
    ]);
    check_upstream(&[
        ("{url: http://a, breaker: }", &["3:22 nothing is not a mapping | expected the keys of `breaker`, or `off`"]),
        ("{url: http://a, limit: }", &["3:22 nothing is not a mapping | expected the keys of a limit, or `off`"]),
        ("{url: http://a, limit: [~]}", &["3:30 nothing is not a mapping | expected the keys of a limit, or `off`"]),
        (
            "{url: http://a, breaker: {fallback: {static: }}}",
            &["3:43 `static`: nothing stands here | expected a mapping"],
        ),
        ("{url: http://a, breaker: {fallback: off}}", &["3:42 `fallback`: must be an object | expected a mapping"]),
    ]);
    check_route(&[
        (
            "{match: GET /a, upstream: a, cache: }",
            &["5:32 nothing is not a mapping | expected the keys of `cache`, or `off`"],
        ),
        (
            "{match: GET /a, upstream: a, accepts: }",
            &["5:32 nothing is not a mapping | expected the keys of `accepts`"],
        ),
        (
            "{match: GET /a, upstream: a, compose: }",
            &["5:32 nothing is not a mapping | expected the keys of `compose`"],
        ),
        (
            "{match: GET /a, upstream: a, allow: }",
            &["5:32 nothing stands here | expected a rule, the name of a permission, or a list of them"],
        ),
    ]);
}

#[test]
fn what_is_off_is_not_there() {
    check_upstream(&[("{url: http://a, breaker: off, limit: off, slow_down: off, retry: off}", &[])]);
    check_route(&[("{match: GET /a, upstream: a, cache: off}", &[])]);
    let text = GOOD.replace("http://127.0.0.1:1}", "http://127.0.0.1:1, breaker: off, limit: off, slow_down: off}");
    let text = text.replace("upstream: a}", "upstream: a, cache: off}");
    let document = |text: &str| document::read(Path::new("p.yaml"), text.as_bytes(), &Reading::default()).unwrap();
    let configs =
        |text: &str| document(text).filters.into_iter().map(|filter| (filter.name, filter.config)).collect::<Vec<_>>();
    assert_eq!(configs(&text), configs(GOOD));
}

#[test]
fn words_that_only_a_policy_has_are_known_where_they_may_stand() {
    check_upstream(&[
        (
            "{url: http://a, limit: {rate: 1/s, quue: {max_wait: 1s}}}",
            &["3:41 unknown key `quue` | did you mean `queue`?"],
        ),
        ("{url: http://a, limit: {rate: 1/s, scop: fleet}}", &["3:41 unknown key `scop` | did you mean `scope`?"]),
        ("{url: http://a, limit: {rate: 1/s, shadw: true}}", &["3:41 unknown key `shadw` | did you mean `shadow`?"]),
        (
            "{url: http://a, limit: {rate: 1/s, zzz: true}}",
            &[
                "3:41 unknown key `zzz` | expected `rate`, `count`, `window`, `burst`, `algorithm`, `when_empty`, `shadow`, `scope` or `queue`",
            ],
        ),
        (
            "{url: http://a, breaker: {fallback: {static: {}, stal: 1d}}}",
            &["3:55 unknown key `stal` | did you mean `stale`?"],
        ),
    ]);
    check_added(&[
        (
            "tiers: {anonymous: {per_second: 1, quue: {max_wait: 1s}}}",
            &["6:36 unknown key `quue` | did you mean `queue`?"],
        ),
        ("guard: {headrs: off}", &["6:9 unknown key `headrs` | did you mean `headers`?"]),
    ]);
}

#[test]
fn a_limit_says_once_what_becomes_of_requests_beyond_it() {
    let said = "`queue` and `when_empty` stand side by side | say one of them: `queue: {…}` is short for `when_empty: {queue: {…}}`";
    let both = "queue: {max_wait: 1s}, when_empty: refuse";
    check_upstream(&[(&format!("{{url: http://a, limit: {{rate: 1/s, {both}}}}}"), &[&format!("3:41 {said}")])]);
    check_added(&[
        (&format!("tiers: {{anonymous: {{per_second: 1, {both}}}}}"), &[&format!("6:36 {said}")]),
        (&format!("ratelimit: {{per_address: {{rate: 1/s, {both}}}}}"), &[&format!("6:38 {said}")]),
        (
            "tiers: {anonymous: {per_second: 1}}\nratelimit: {overrides: [{key: [a], limit: {rate: 1/s, queue: {max_wait: 1s}}}]}",
            &[],
        ),
    ]);
}

#[test]
fn no_mistake_is_said_that_follows_from_another() {
    check_added(&[(
        "tiers: {anonymous: {}}",
        &["6:9 `anonymous`: needs one of per_second, per_minute, per_hour and per_day | "],
    )]);
    check_upstream(&[(
        "{url: http://a, breaker: on}",
        &["3:31 `on` is not a mapping | expected the keys of `breaker`, or `off`"],
    )]);
}

#[test]
fn methods_that_are_joined_otherwise_are_recognised() {
    for (line, meant) in [
        ("GET,POST /a", "GET|POST /a"),
        ("GET, POST /a", "GET|POST /a"),
        ("GET POST /a", "GET|POST /a"),
        ("GET | PUT /a", "GET|PUT /a"),
    ] {
        let said = format!("5:11 methods are joined by `|` | did you mean `{meant}`?");
        check_route(&[(&format!("{{match: \"{line}\", upstream: a}}"), &[&said])]);
    }
    check_route(&[("{match: GET|POST  /a, upstream: a}", &[])]);
}

#[test]
fn what_is_empty_is_not_taken_for_everything() {
    check_route(&[
        (
            "{match: {path: /a, methods: []}, upstream: a}",
            &["5:22 `methods` is an empty list | leave `methods` out where any will do"],
        ),
        (
            "{match: {path: /a, hosts: []}, upstream: a}",
            &["5:22 `hosts` is an empty list | leave `hosts` out where any will do"],
        ),
        ("{match: POST /a, upstream: a, accepts: {body_max: 0}}", &[]),
        (
            "{match: POST /a, upstream: a, accepts: {body_max: 1025GiB}}",
            &["5:53 no body is so long | expected at most 1024GiB, or `off` for any length"],
        ),
    ]);
    check_added(&[
        (
            "guard: {body_max: 0KiB}",
            &[
                "6:19 no request could have a body | expected a length, or `off` for any; a route that takes none says it in its `accepts`",
            ],
        ),
        (
            "guard: {body_max: 99999999GiB}",
            &["6:19 no body is so long | expected at most 1024GiB, or `off` for any length"],
        ),
        ("guard: {body_max: 1024GiB}", &[]),
        ("guard: {body_max: off}", &[]),
        (
            "guard: {cors: {origins: []}}",
            &[
                "6:16 nobody's scripts may ask | expected an origin, or no `cors`: without it, no other place's scripts may ask",
            ],
        ),
    ]);
}

#[test]
fn clients_and_the_administration_are_not_served_at_one_address() {
    let said = |place: &str, at: &str| {
        format!("{place} clients and Envoy's administration would both be served at {at} | expected another port")
    };
    check_added(&[
        ("listen: 127.0.0.1:9901", &[&said("6:9", "127.0.0.1:9901")]),
        ("listen: 0.0.0.0:9901", &[&said("6:9", "127.0.0.1:9901")]),
        ("admin: 127.0.0.1:8080", &[&said("6:8", "127.0.0.1:8080")]),
        ("admin: {listen: '127.0.0.1:8080'}", &[&said("6:17", "127.0.0.1:8080")]),
        ("listen: 127.0.0.1:0\nadmin: 127.0.0.1:0", &[]),
        ("listen: 127.0.0.2:9901", &[]),
    ]);
}
