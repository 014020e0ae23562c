//! `weir diff`: what is different is found, told together, and nothing else is.

// A test stops by panicking.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[path = "diff/every.rs"]
mod every;
#[path = "leaf/mod.rs"]
mod leaf;

use std::path::Path;
use std::process::Command;

use serde_json::Value as Json;
use weir::diff::{Difference, compare};
use weir::document::{self, Document, Reading};
use weir::gateway::Gateway;

const OLD: &str = "
version: 1
identity:
  api_keys: {keys: [{id: a, sha256: 1b705e0d8c4b9c2c0015b29a5189de79cb3c649e07682bbd173d97deb8a03b95, scopes: [write]}]}
permissions: {writers: {scope: write}}
tiers: {anonymous: {per_second: 5, burst: 10}, free: {per_second: 10}}
upstreams:
  a: {url: http://127.0.0.1:1/v1, internal: true, breaker: {consecutive_failures: 5}}
  b: {url: https://b.example, limit: {rate: 1/s}}
routes:
- {match: 'GET /a/{id}', upstream: a, auth: optional}
- {match: PUT /a, upstream: a, allow: writers}
- {match: GET /b/*, upstream: b, auth: optional, cache: {ttl: 1h, shared: true}}
";

fn read(text: &str) -> Document {
    document::read(Path::new("p.yaml"), text.as_bytes(), &Reading::default())
        .unwrap_or_else(|report| panic!("{}", report.render(false)))
}

fn difference(new: &str) -> Difference {
    let (old, new) = (read(OLD), read(new));
    let gateway = |document| Gateway::of(document, &|_| None).unwrap();
    compare(&gateway(&old), &gateway(&new))
}

/// A policy with something replaced: each change as its filter, what is gone and what has come, and the examples.
#[track_caller]
fn check(from: &str, to: &str, expected: &[(&str, &str, &str, &[&str])]) {
    assert!(OLD.contains(from), "{from}");
    let difference = difference(&OLD.replace(from, to));
    let found: Vec<_> = difference
        .changes
        .iter()
        .map(|change| (change.filter, change.gone.join("; "), change.come.join("; "), change.examples.clone()))
        .collect();
    let expected: Vec<_> = expected
        .iter()
        .map(|(filter, gone, come, examples)| {
            (
                *filter,
                (*gone).to_owned(),
                (*come).to_owned(),
                examples.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>(),
            )
        })
        .collect();
    assert_eq!(found, expected, "{}", difference.to_text());
    assert_eq!(difference.everywhere, []);
}

#[test]
fn what_means_the_same_is_no_difference() {
    check("{per_second: 5, burst: 10}", "{burst: 10, per_second: 5}", &[]);
    check("per_second: 10}", "per_second: 10, burst: 10}", &[]);
    check("breaker: {consecutive_failures: 5}", "breaker: {open_for: 60s}", &[]);
    check("https://b.example", "https://b.example:443/", &[]);
    check("- {match: PUT /a,", "- {match: {path: /a, methods: [PUT]},", &[]);
    check("limit: {rate: 1/s}", "limit: {rate: 1/s, burst: 1}, timeout: 30s", &[]);
}

#[test]
fn a_credential_that_stands_in_a_policy_is_told_to_be_another_and_not_shown() {
    let with = |secret: &str| {
        let headers = format!("b: {{url: https://b.example, headers: {{x-api-key: {secret}, x-open: b}},");
        read(&OLD.replace("b: {url: https://b.example,", &headers))
    };
    let told = |old: &Document, new: &Document| {
        let gateway = |document| Gateway::of(document, &|_| None).unwrap();
        compare(&gateway(old), &gateway(new)).to_text()
    };
    let changed = told(&with("first-secret"), &with("second-secret"));
    assert!(changed.contains("  - x-api-key: not shown\n  + x-api-key: another, not shown\n"), "{changed}");
    let added = told(&read(OLD), &with("first-secret"));
    assert!(added.contains("  + with x-open: b\n  + with a credential in `x-api-key`, not shown\n"), "{added}");
    assert!(![changed, added].iter().any(|text| text.contains("-secret")));
}

#[test]
fn each_change_is_told_with_requests_that_it_is_about() {
    check(
        "{per_second: 5, burst: 10}",
        "{per_second: 5, burst: 20}",
        &[(
            "ratelimit",
            "anonymous: `client`: 10 at once, one more every 200ms",
            "anonymous: `client`: 20 at once, one more every 200ms",
            &["GET /a/~id", "PUT /a", "GET /b/"],
        )],
    );
    check(
        "{scope: write}",
        "{role: writer}",
        &[(
            "auth",
            "a credential is required, allows `writers`: scope write",
            "a credential is required, allows `writers`: role writer",
            &["PUT /a"],
        )],
    );
    check(
        "ttl: 1h",
        "ttl: 2h",
        &[(
            "cache",
            "`default`, 200 for 1h, for all callers alike",
            "`default`, 200 for 2h, for all callers alike",
            &["GET /b/", "GET /b/~", "GET /b/~/~"],
        )],
    );
    check(
        "limit: {rate: 1/s}",
        "timeout: 5s, limit: {rate: 1/s}, retry: off",
        &[(
            "envoy",
            "within 30s (5s to connect), 100 connections, 1024 waiting, 1024 under way at most; 3 retries of GET/HEAD/OPTIONS on 429/500/502/503/504, 10s each, after 1s to 1m, 20 % of the requests under way at most",
            "within 5s (5s to connect), 100 connections, 1024 waiting, 1024 under way at most; without retries",
            &["GET /b/", "GET /b/~", "GET /b/~/~"],
        )],
    );
    check(
        "- {match: PUT /a, upstream: a, allow: writers}\n",
        "",
        &[("envoy", "a route", "no route: 404", &["PUT /a"])],
    );
    check("PUT /a,", "PUT|POST /a,", &[("envoy", "no route: 404", "a route", &["POST /a"])]);
}

#[test]
fn a_route_that_comes_between_changes_only_what_it_takes() {
    let route = "- {match: GET /a/new, upstream: a, auth: required}\n- {match: 'GET /a/{id}'";
    check(
        "- {match: 'GET /a/{id}'",
        route,
        &[("auth", "a credential is optional", "a credential is required", &["GET /a/new"])],
    );
}

#[test]
fn what_is_said_of_everything_is_told_once() {
    let told = difference(&format!("{OLD}clients: {{idle_timeout: 1m}}\ncache: {{budget_bytes: 8MiB}}\n"));
    let pair = |name: &str, before: &str, after: &str| (name.to_owned(), before.to_owned(), after.to_owned());
    assert_eq!(
        told.everywhere,
        [pair("cache.budget_bytes", "nothing", "\"8MiB\""), pair("clients.idle_timeout", "\"5m\"", "\"1m\"")]
    );
    assert_eq!(told.changes, []);
    let told = difference(&OLD.replace("id: a, sha256: 1b", "id: b, sha256: 2b"));
    let expected = [
        pair("auth.api_keys.keys[a]", r#"{"id":"a","scopes":["write"]}"#, "nothing"),
        pair("auth.api_keys.keys[b]", "nothing", r#"{"id":"b","scopes":["write"]}"#),
    ];
    assert_eq!(told.everywhere, expected, "no digest is shown");
    let told = difference(&OLD.replace("sha256: 1b", "sha256: 2b"));
    assert_eq!(told.everywhere, [pair("auth.api_keys.keys[a].sha256", "not shown", "another, not shown")]);
}

#[test]
fn what_only_the_proxy_itself_asks_for_is_told() {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/demo.yaml");
    let demo = std::fs::read_to_string(demo).unwrap();
    let route = "{match: \"GET /api/v1/products/{id}\", upstream: inventory,";
    assert!(demo.contains(route));
    let (old, new) = (read(&demo), read(&demo.replace(route, &route.replace("inventory", "pricing"))));
    let gateway = |document| Gateway::of(document, &|name| std::env::var(name).ok()).unwrap();
    let told = compare(&gateway(&old), &gateway(&new));
    let filters: Vec<_> = told.changes.iter().map(|change| (change.filter, change.routes.join(", "))).collect();
    let inside = "GET /api/v1/products/{id} inside".to_owned();
    assert_eq!(filters, [("breaker", inside.clone()), ("envoy", inside)], "{}", told.to_text());
}

#[test]
fn the_exit_code_says_whether_there_is_a_difference() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("old.yaml", OLD);
    write("new.yaml", &OLD.replace("1/s", "2/s"));
    write("bad.yaml", "version: 2\n");
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        let output = command.current_dir(folder.path()).arg("diff").args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(run(&["old.yaml", "old.yaml"]), (Some(0), "no request is treated differently\n".to_owned()));
    let (code, said) = run(&["old.yaml", "new.yaml"]);
    let expected = "\
quota
  - `b`: 1 at once, one more every 1s
  + `b`: 2 at once, one more every 500ms
  on GET /b/*
    GET /b/
    GET /b/~
    GET /b/~/~
";
    assert_eq!((code, said.as_str()), (Some(1), expected));
    let (_, said) = run(&["old.yaml", "new.yaml", "--format", "json"]);
    let json: Json = serde_json::from_str(&said).unwrap();
    assert_eq!(json["changes"][0]["routes"][0], "GET /b/*");
    assert_eq!(run(&["old.yaml", "bad.yaml"]).0, Some(2));
    assert_eq!(run(&["old.yaml", "nowhere.yaml"]).0, Some(2));
}

#[test]
fn what_the_proxy_answers_itself_is_asked_before_routes() {
    let changes = |old: &str, new: &str| {
        let (old, new) = (read(&format!("{OLD}{old}")), read(&format!("{OLD}{new}")));
        let gateway = |document| Gateway::of(document, &|_| None).unwrap();
        let changes = compare(&gateway(&old), &gateway(&new)).changes.into_iter();
        changes
            .map(|one| [one.filter, &one.gone.join("; "), &one.come.join("; "), &one.examples.join(", ")].join(" | "))
            .collect::<Vec<_>>()
    };
    let (health, admin) = ("- {match: GET /health, upstream: a}\n", "admin: {}\n");
    let both = format!("{health}{admin}");
    assert_eq!(changes(&both, admin), [""; 0]);
    assert_eq!(changes(health, ""), ["envoy | a route | no route: 404 | GET /health"]);
    let others = "envoy | no route: 404 | the proxy's own answer | GET /metrics, GET /admin/status";
    assert_eq!(changes(health, &both), ["envoy | a route | the proxy's own answer | GET /health", others]);
    assert_eq!(
        changes(&both, health),
        [
            "envoy | the proxy's own answer | a route | GET /health",
            "envoy | the proxy's own answer | no route: 404 | GET /metrics, GET /admin/status"
        ]
    );
}

#[test]
fn a_route_that_no_request_reaches_makes_no_difference() {
    for path in ["/%61b", "/x//y", "/q%2fz"] {
        let new = format!("{OLD}- {{match: GET {path}, upstream: a}}\n");
        assert_eq!(difference(&new), Difference::default(), "{path}");
    }
}
