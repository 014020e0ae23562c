//! What a policy says of an upstream that fails, as the breaker and Envoy's retries have it.

use serde_json::json;

use super::{demo, manager, read, read_by, rendered};

#[test]
fn each_service_of_the_demo_has_the_breaker_that_it_was_promised() {
    let document = demo();
    let breakers = read_by(&document, "breaker")["breakers"].as_object().unwrap();
    let mut seen = 0;
    for (names, expected) in [
        (
            &["spotify", "musicbrainz", "lastfm", "beatport", "discogs", "acousticbrainz"][..],
            json!({"consecutive_failures": 5, "open_for": "60s", "close_after": 2}),
        ),
        (&["inventory", "pricing"], json!({"consecutive_failures": 5, "open_for": "60s", "close_after": 3})),
        (&["discovery"], json!({"failure_rate": 50, "minimum_calls": 20, "open_for": "3s"})),
        (&["sona"], json!({"failure_rate": 40, "minimum_calls": 10, "open_for": "2s", "bulkhead": 100})),
        (&["sync", "auth"], json!({"failure_rate": 50, "minimum_calls": 10, "open_for": "2s"})),
    ] {
        for name in names {
            assert_eq!(breakers[*name], expected, "{name}");
            seen += 1;
        }
    }
    assert_eq!(breakers.len(), seen, "{breakers:?}");
}

#[test]
fn a_retry_is_what_the_policy_says_and_nothing_else() {
    let policy = "version: 1\nupstreams:\n  \
        usual: {url: https://a.example}\n  \
        said: {url: https://b.example, timeout: 10s, slow_down: {learn: [retry_after, 503]}, retry: {times: 4, wait: 50ms, \
        longest_wait: 20s, per_try: 2s, statuses: [500, 503], methods: [GET, PUT]}}\n\
        routes: [{match: /a, upstream: usual}, {match: /b, upstream: said}]\n";
    let bootstrap = rendered(&read("retries.yaml", policy));
    let routes = manager(&bootstrap).pointer("/route_config/virtual_hosts/0/routes").unwrap().as_array().unwrap();
    let methods = |regex: &str| json!([{"name": ":method", "string_match": {"safe_regex": {"regex": regex}}}]);
    for (upstream, expected) in [
        (
            "usual",
            json!({
                "retry_on": "gateway-error,reset,connect-failure,refused-stream,retriable-status-codes",
                "num_retries": 3,
                "per_try_timeout": "10s",
                "retriable_status_codes": [429, 500, 502, 503, 504],
                "retriable_request_headers": methods("GET|HEAD|OPTIONS"),
                "retry_back_off": {"base_interval": "1s", "max_interval": "60s"},
                "rate_limited_retry_back_off": {
                    "reset_headers": [{"name": "retry-after", "format": "SECONDS"}], "max_interval": "15s",
                },
            }),
        ),
        (
            "said",
            json!({
                "retry_on": "reset,connect-failure,refused-stream,retriable-status-codes",
                "num_retries": 4,
                "per_try_timeout": "2s",
                "retriable_status_codes": [500],
                "retriable_request_headers": methods("GET|PUT"),
                "retry_back_off": {"base_interval": "0.050s", "max_interval": "20s"},
                "rate_limited_retry_back_off": {
                    "reset_headers": [{"name": "retry-after", "format": "SECONDS"}], "max_interval": "5s",
                },
            }),
        ),
    ] {
        let route = routes.iter().find(|route| route["route"]["cluster"] == upstream).unwrap();
        assert_eq!(route["route"]["retry_policy"], expected, "{upstream}");
    }
}
