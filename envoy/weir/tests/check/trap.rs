//! Traps by the part of a policy that makes them, each beside what is no trap.

use weir::code::Code;

use super::{filled, said};

/// What is found where one thing is added: each finding's code, what is wrong, and the fix.
fn found(parts: &[(&str, &str)]) -> Vec<(Code, String, String)> {
    said(&filled(parts)).into_iter().map(|one| (one.code, one.wrong.clone(), one.fix())).collect()
}

#[test]
fn a_path_is_spelled_as_envoy_spells_it() {
    for (matched, fix) in [
        ("GET /%61b", Some("spell the path `/ab`")),
        ("GET /%7Euser", Some("spell the path `/~user`")),
        ("GET /x//y", Some("spell the path `/x/y`")),
        ("GET /x/../y", Some("spell the path `/y`")),
        ("/x/./*", Some("spell the path `/x/`")),
        ("{prefix: /x/%62}", Some("spell the path `/x/b`")),
        ("{path: '/a|b'}", Some("spell the path `/a%7Cb`")),
        ("'GET /x//{id}/%41/~1'", Some("spell the path `/x/{id}/A/~1`")),
        ("GET /q%2fz", Some("take it out")),
        ("GET /q%00", Some("take it out")),
        ("GET /a%20b/", None),
        ("'GET /x/{a}/{b}'", None),
        ("/x/*", None),
        ("{prefix: /x}", None),
        ("{}", None),
    ] {
        let found = found(&[("ROUTES", &format!("- {{match: {matched}, upstream: a}}"))]);
        let found: Vec<_> = found.iter().map(|(code, _, fix)| (*code, fix.as_str())).collect();
        assert_eq!(found, fix.map(|fix| (Code::OtherSpelling, fix)).into_iter().collect::<Vec<_>>(), "{matched}");
    }
}

#[test]
fn a_route_for_what_the_proxy_answers_itself_is_found_where_it_does() {
    let never = |route: &str| format!("`{route}` is never reached: the proxy answers it itself");
    let partly = |route: &str| format!("`{route}` does not get `GET /metrics`, which the proxy answers itself");
    for (admin, matched, expected) in [
        ("admin: {}", "GET /health", Some(never("GET /health"))),
        ("admin: {}", "/health/*", Some(never("/health/*"))),
        ("admin: {}", "'POST /admin/{what}'", Some(never("POST /admin/{what}"))),
        ("admin: {}", "GET|HEAD /metrics", Some(never("GET|HEAD /metrics"))),
        ("admin: {}", "GET|POST /metrics", Some(partly("GET|POST /metrics"))),
        ("admin: {}", "/metrics", Some(partly("/metrics"))),
        ("admin: {}", "POST /metrics", None),
        ("admin: {}", "/metrics/*", None),
        ("admin: {}", "GET /healthy", None),
        ("admin: {}", "'GET /{any}'", None),
        ("admin: {}", "/*", None),
        ("admin: 127.0.0.1:9901", "GET /health", None),
        ("", "GET /health", None),
    ] {
        let route = format!("- {{match: {matched}, upstream: a}}");
        let found = found(&[("ROUTES", &route), ("MORE", admin)]);
        let found: Vec<_> = found.into_iter().map(|(code, wrong, _)| (code, wrong)).collect();
        let expected = expected.map(|wrong| (Code::OwnAnswer, wrong));
        assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{admin} {matched}");
    }
    // What a composition asks for comes in where nothing is answered so.
    let inside = "- {match: GET /health, upstream: a, inside: true}";
    assert_eq!(found(&[("ROUTES", inside), ("MORE", "admin: {}")]), []);
}

#[test]
fn a_secret_may_be_read_by_nobody_on_its_way() {
    let state = |url: &str, more: &str| format!("state: {{store: redis, url: '{url}'{more}}}");
    let password = ", password: {env: WEIR_SECRET}";
    let token = ", dialect: upstash, token: {env: WEIR_SECRET}";
    for (url, more, is_found) in [
        ("http://redis.example:7379", password, true),
        ("http://192.0.2.1:7379", token, true),
        ("http://redis.example:7379", "", false),
        ("https://redis.example", token, false),
        ("http://localhost:7379", password, false),
        ("http://127.0.0.1:7379", password, false),
        ("http://[::1]:7379", password, false),
    ] {
        let codes: Vec<_> = found(&[("MORE", &state(url, more))]).into_iter().map(|(code, ..)| code).collect();
        assert_eq!(codes, [Code::PlainSecret].get(..usize::from(is_found)).unwrap(), "{url}{more}");
    }
    for (url, token_url, expected) in [
        ("https://p.example", "https://id.example/", 0),
        ("https://p.example", "http://127.0.0.1:1/", 0),
        ("https://p.example", "http://id.example/", 1),
        ("http://p.example", "http://id.example/", 2),
    ] {
        let secret = "{env: WEIR_SECRET}";
        let grant = format!("{{token_url: '{token_url}', client_id: {secret}, client_secret: {secret}}}");
        let provider = format!("profile: spotify, limit: {{rate: 1/s}}, credentials: {{oauth2: {grant}}}");
        let upstream = format!("p: {{url: '{url}', {provider}}}");
        let found = found(&[("UPSTREAMS", &upstream), ("ROUTES", "- {match: GET /p, upstream: p}")]);
        let codes: Vec<_> = found.into_iter().map(|(code, ..)| code).collect();
        assert_eq!(codes, vec![Code::PlainSecret; expected], "{url} {token_url}");
    }
}

#[test]
fn a_retry_is_late_by_the_time_that_its_request_has() {
    let by = |route: &str| format!("the first retry by `{route}` waits 1s, its time is over after 500ms");
    let to = "the first retry to `p` waits 1s, its time is over after 500ms".to_owned();
    for (timeout, routes, expected) in [
        ("5s", "- {match: GET /p, upstream: p, timeout: 500ms}", Some(by("GET /p"))),
        ("5s", "- {match: /p, upstream: p, timeout: 500ms}", Some(by("/p"))),
        ("5s", "- {match: GET /p, upstream: p, timeout: 2s}", None),
        // No request of these is ever sent again.
        ("5s", "- {match: POST /p, upstream: p, timeout: 500ms}", None),
        ("500ms", "- {match: GET /p, upstream: p, timeout: 2s}", None),
        ("500ms", "- {match: GET /p, upstream: p}", Some(to)),
    ] {
        let upstream = format!("p: {{url: https://p.example, timeout: {timeout}, retry: {{wait: 1s}}}}");
        let found = found(&[("UPSTREAMS", &upstream), ("ROUTES", routes)]);
        let found: Vec<_> = found.into_iter().map(|(code, wrong, _)| (code, wrong)).collect();
        let expected = expected.map(|wrong| (Code::RetryLate, wrong));
        assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{timeout} {routes}");
    }
}

#[test]
fn what_other_routers_take_for_a_variable_is_found() {
    for (matched, part) in [
        ("GET /a/:id", Some(":id")),
        ("'GET /a/{id}/:id'", Some(":id")),
        ("GET /a/*", None),
        ("GET /*", None),
        ("'GET /a/{id}'", None),
        // As Google's methods are called.
        ("GET /a/b:cancel", None),
    ] {
        let found = found(&[("ROUTES", &format!("- {{match: {matched}, upstream: a}}"))]);
        let found: Vec<_> = found.iter().map(|(code, wrong, _)| (*code, wrong.split('`').nth(1))).collect();
        let expected = part.map(|part| (Code::LiteralWildcard, Some(part)));
        assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{matched}");
    }
}

#[test]
fn a_route_goes_by_what_a_client_sends_and_filters_leave() {
    let keys = "api_keys: {header: x-key, keys: [{id: k, sha256: 1b705e0d8c4b9c2c0015b29a5189de79cb3c649e07682bbd173d97deb8a03b95}]}";
    let forwarded = keys.replacen("{header", "{forward: true, header", 1);
    let shown = "forward: true\n  hand_on: [{claim: org, header: x-org}]";
    let placed = "tokens: {from: [{cookie: session}, {header: x-token}]}";
    for (name, identity, is_found) in [
        ("x-key", keys, true),
        ("x-key", &forwarded, false),
        ("authorization", keys, true),
        ("authorization", "", true),
        ("authorization", shown, false),
        ("x-org", shown, true),
        ("x-org", "", false),
        ("cookie", placed, true),
        ("x-token", placed, true),
        ("authorization", placed, false),
        ("x-weir-tier", "", true),
        ("x-request-id", "", true),
        ("x-api-key", keys, false),
        ("x-preview", keys, false),
    ] {
        let route = format!("- {{match: {{path: /b, headers: {{{name}: one}}}}, upstream: a}}");
        let found = found(&[("IDENTITY", identity), ("ROUTES", &route)]);
        assert!(found.iter().all(|(_, wrong, fix)| !wrong.contains("=one") && !fix.contains("=one")), "{found:?}");
        let codes: Vec<_> = found.into_iter().map(|(code, ..)| code).collect();
        assert_eq!(codes, [Code::ChangedHeader].get(..usize::from(is_found)).unwrap(), "{name} {identity}");
    }
}

#[test]
fn a_credential_is_not_written_into_a_policy() {
    for (headers, is_found) in [
        ("{authorization: Bearer abc}", true),
        ("{x-api-key: abc}", true),
        ("{authorization: {env: WEIR_SECRET}}", false),
        ("{authorization: {env: WEIR_NOT_THERE, default: for-a-laptop}}", false),
        ("{user-agent: weir}", false),
    ] {
        let upstream = format!("p: {{url: https://p.example, headers: {headers}}}");
        let found = found(&[("UPSTREAMS", &upstream), ("ROUTES", "- {match: GET /p, upstream: p}")]);
        let codes: Vec<_> = found.into_iter().map(|(code, ..)| code).collect();
        assert_eq!(codes, [Code::LiteralSecret].get(..usize::from(is_found)).unwrap(), "{headers}");
    }
}

#[test]
fn what_is_kept_is_what_a_cache_can_answer() {
    for (method, more, is_found) in [
        ("POST ", "", true),
        ("DELETE ", "", true),
        ("POST ", ", body: {key: json}", false),
        ("GET|POST ", "", false),
        ("HEAD ", "", false),
        ("", "", false),
    ] {
        let route = format!("- {{match: {method}/b, upstream: a, cache: {{ttl: 1m, isolate: user{more}}}}}");
        let codes: Vec<_> = found(&[("ROUTES", &route)]).into_iter().map(|(code, ..)| code).collect();
        assert_eq!(codes, [Code::NeverStored].get(..usize::from(is_found)).unwrap(), "{method}{more}");
    }
}
