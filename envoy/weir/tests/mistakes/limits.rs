//! What is wrong with limits: with waiting for them, and with what is learnt about them.

use super::*;

#[test]
fn what_is_wrong_with_waiting_is_said_where_it_stands() {
    for (limit, expected) in [
        ("{rate: 1/s, queue: {max_wait: 5m}}", "`max_wait`: must be from"),
        ("{rate: 1/s, queue: {max_wait: 5s, max_requests: 0}}", "`max_requests`: must be from 1 to 1000"),
        ("{rate: 1/s, queue: {max_wait: 5s, size: 3}}", "unknown key `size`"),
        ("{rate: 1/s, queue: {}}", "`max_wait` is missing"),
        ("{rate: 1/s, queue: {max_wait: 5s}, when_empty: refuse}", "`queue` and `when_empty` stand side by side"),
    ] {
        let text = GOOD.replace("routes:", &format!("  b: {{url: http://127.0.0.1:2, limit: {limit}}}\nroutes:"));
        let said = mistakes(text.as_bytes());
        assert!(matches!(&said[..], [one] if one.starts_with("4:") && one.contains(expected)), "{limit}: {said:?}");
    }
}

#[test]
fn a_wait_ends_before_envoy_closes_the_stream() {
    let one = "{rate: 1/s, queue: {max_wait: 10s}}";
    for limit in [one.to_owned(), format!("[{one}, {{rate: 5/m}}]")] {
        let text = GOOD
            .replace("routes:", &format!("  b: {{url: http://127.0.0.1:2, limit: {limit}}}\nroutes:"))
            .replace("{match: GET /a, upstream: a}", "{match: GET /a, upstream: b}");
        assert_eq!(mistakes(text.as_bytes()), [] as [&str; 0]);
        let said = mistakes(format!("clients: {{idle_timeout: 10s}}\n{text}").as_bytes());
        assert!(
            matches!(&said[..], [one] if one.starts_with("5:") && one.contains("nobody can wait for so long")),
            "{said:?}"
        );
    }
    let tiers = "clients: {idle_timeout: 10s}\ntiers: {anonymous: {per_second: 1, queue: {max_wait: 10s}}}\n";
    let said = mistakes(format!("{tiers}{GOOD}").as_bytes());
    assert!(
        matches!(&said[..], [one] if one.starts_with("2:") && one.contains("nobody can wait for so long")),
        "{said:?}"
    );
}

#[test]
fn a_limit_that_would_count_another_routes_requests_is_refused() {
    check(&[(
        "\
version: 1
upstreams:
  a: {url: http://127.0.0.1:1, limit: {rate: 1/s}}
  b: {url: http://127.0.0.1:1, limit: {rate: 1/s}}
  client: {url: http://127.0.0.1:1, limit: {rate: 1/s}}
routes:
- {match: GET /x/a, upstream: a}
- {match: GET /x/*, upstream: b}
",
        &[
            "5:3 `client` is the name of the callers' own limit | expected another name",
            "7:11 the limit of `b` would count these requests, too | \
             a later route matches them; make its `/x/` narrower",
        ],
    )]);
}

#[test]
fn what_cannot_be_learnt_is_said_at_its_place() {
    check(&[(
        "\
version: 1
upstreams:
  a: {url: http://127.0.0.1:1, slow_down: {learn: [429, 418], longest: 2d}}
  b: {url: http://127.0.0.1:1, slow_down: {learn: 429, lern: x}}
routes:
- {match: GET /x/a, upstream: a}
- {match: GET /x/*, upstream: b}
",
        &[
            "3:57 `learn`: \"418\" is wrong here | must be retry_after, ratelimit_headers, 429, 503 or lastfm",
            "3:72 `longest`: \"2d\" is wrong here | must be a length of time like \"30s\", at most a day",
            "4:51 `429` is not a list | expected a list of words like `retry_after` and `429`",
            "4:56 unknown key `lern` | did you mean `learn`?",
        ],
    )]);
}
