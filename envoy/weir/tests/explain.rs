//! `weir explain`: what is said is what the filters decide.

// A test stops by panicking.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[path = "explain/served.rs"]
mod served;
mod serving;

use std::path::Path;
use std::process::Command;

use policy::Instant;
use sandbox::{Claims, Sandbox};
use serde_json::Value as Json;
use weir::document::{self, Reading};
use weir::explain::request::Request;
use weir::explain::verdict::Caller;
use weir::explain::walk::{Walk, walk};
use weir::gateway::Gateway;

fn now() -> Instant {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Instant::from_unix_seconds(since.as_secs())
}

fn demo() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/demo.yaml");
    std::fs::read_to_string(file).unwrap()
}

/// What becomes of a request under a policy.
fn explained(policy: &str, line: &str, headers: &[&str], body: Option<&str>, caller: Option<&str>) -> Walk {
    let document = document::read(Path::new("p.yaml"), policy.as_bytes(), &Reading::default()).unwrap();
    let gateway = Gateway::of(&document, &|name| std::env::var(name).ok()).unwrap();
    let headers: Vec<_> = headers.iter().map(|header| (*header).to_owned()).collect();
    let request = Request::parse(line, &headers, body).unwrap();
    let caller = caller.map(|caller| Caller::parse(caller, "free"));
    walk(&gateway, &request, caller.as_ref(), now())
}

/// What one filter does with it.
#[track_caller]
fn check(line: &str, headers: &[&str], body: Option<&str>, filter: &str, does: &str) {
    let walk = explained(&demo(), line, headers, body, None);
    let step = walk.steps.iter().find(|step| step.filter == filter);
    let step = step.unwrap_or_else(|| panic!("no {filter} in {}", walk.to_text()));
    assert_eq!(step.does.as_deref(), Some(does), "{}", walk.to_text());
}

const KEY: &str = "x-api-key: sandbox-key-of-the-scraper";
const JSON: &str = "content-type: application/json";

#[test]
fn a_credential_that_stands_in_a_policy_is_not_shown() {
    let policy = "version: 1\nupstreams: {a: {url: https://a.example, headers: {authorization: Bearer AAAA, x-open: b}}}\n\
                  routes: [{match: GET /a, upstream: a}]\n";
    let text = explained(policy, "GET /a", &[], None, None).to_text();
    assert!(
        text.contains("with x-open: b\n") && text.contains("with a credential in `authorization`, not shown\n"),
        "{text}"
    );
    assert!(!text.contains("AAAA"), "{text}");
}

#[test]
fn each_filter_says_what_it_would_do() {
    let track = "GET /api/spotify/track/41Xji81wFy3cM7ggbGczQW";
    check(track, &[], None, "auth", "shows no credential, and passes as anonymous");
    check(track, &[], None, "provider", "sends `GET /spotify/v1/tracks/41Xji81wFy3cM7ggbGczQW`");
    check("GET /api/spotify/track/no-such-id", &[], None, "input", "answers 400 BAD_REQUEST");
    let of_key = "passes as `scraper`, tier `enterprise`, roles `service`, by the key `scraper`";
    check("GET /api/v1/user/profile", &[KEY], None, "auth", of_key);
    check("GET /api/v1/user/profile", &[], None, "auth", "answers 401 UNAUTHORIZED: it shows no credential");
    check("GET /api/v1/genres", &["x-api-key: wrong"], None, "auth", "answers 401 AUTH_FAILED: malformed_api_key");
    check(
        "PUT /api/v1/user/preferences",
        &[KEY],
        None,
        "auth",
        "answers 403 FORBIDDEN: it is of `scraper`, tier `enterprise`, roles `service`, by the key `scraper`, and `writers` needs scope write",
    );
    let dots = "answers 400 BAD_REQUEST: path: must have no segment . or ..";
    check("GET /api/v1/content/%252e%252e", &[], None, "guard", dots);
    let limit = Some(r#"{"query":"x","limit":1000}"#);
    check("POST /api/v1/search", &[JSON], limit, "bodies", "answers 400 BAD_REQUEST: /limit: must be at most 100");
    let not_taken = "answers 415 BAD_REQUEST: The body is of a type that is not taken here";
    check("POST /api/v1/search", &[], limit, "bodies", not_taken);
    let long = "x".repeat(300 << 10);
    check("POST /api/spotify/search", &[JSON], Some(&long), "guard", "answers 413 BAD_REQUEST: The body is too large");
    check("GET /health", &[], None, "admin", "answers anybody how the proxy is");
    check("GET /metrics", &[], None, "envoy", "answers with all metrics");
    check("GET /admin/status", &[], None, "admin", "answers 401 UNAUTHORIZED: A credential is required");
    check("GET /api/v1/recommendations", &[], None, "cache", "lets it pass: bypass (isolate)");
    check(
        "POST /api/v1/search/semantic",
        &[JSON],
        Some("{\"a\": 1, \"a\": 2}"),
        "cache",
        "lets it pass: its body has no canonical form, and drops what is stored of this URL once it has succeeded",
    );
    let search = r#"{"artist": "a", "title": "b"}"#;
    let path = "sends `GET /spotify/v1/search?q=artist%3A%22a%22%20track%3A%22b%22&type=track&limit=10`";
    check("POST /api/spotify/search", &[JSON], Some(search), "provider", path);
    let too_many = r#"{"artist": "a", "title": "b", "limit": 51}"#;
    check("POST /api/spotify/search", &[JSON], Some(too_many), "input", "answers 400 BAD_REQUEST");
    check(
        "GET /nowhere",
        &["x-request-id: abc-1", "user-agent: GPTBot"],
        None,
        "correlation",
        "keeps the request id `abc-1`, begins a trace, and knows the agent `GPTBot`",
    );
    check("GET /nowhere", &[], None, "envoy", "answers 404: no route of the policy is for it");
}

#[test]
fn what_ends_with_a_request_is_said_on_every_route() {
    let policy = format!(
        "version: 1\nupstreams: {{a: {{url: 'http://a.example', internal: true}}}}\nroutes:\n\
         - {{match: {{prefix: /a/, methods: [GET], headers: {{x-preview: '1'}}}}, upstream: a, auth: off, cache: {{ttl: 1h}}}}\n\
         - {{match: GET /a/*, upstream: a, auth: off, cache: {{ttl: 1h, purge_key_sha256: {}}}}}\n\
         - {{match: GET|HEAD /b, upstream: a, auth: off}}\n- {{match: /*, upstream: a, auth: off}}\n",
        "ab".repeat(32)
    );
    let ends = "lets it pass: method, and drops what is stored of this URL once it has succeeded";
    let idle = "keeps nothing, and ends what is kept of what it changes";
    let purges = "answers: it drops what is stored of this URL, or what `x-purge` says, for whoever has the key";
    for (line, headers, expected) in [
        ("PUT /a/1", &[] as &[&str], Some((idle, ends))),
        ("POST /orders", &[], Some((idle, ends))),
        ("PURGE /a/1", &[], Some((idle, purges))),
        ("PURGE /b", &[], Some((idle, ends))),
        ("GET /b", &[], None),
        ("GET /c", &[], None),
        ("OPTIONS /c", &[], None),
        ("HEAD /a/1", &[], None),
    ] {
        let walk = explained(&policy, line, headers, None, None);
        let step = walk.steps.iter().find(|step| step.filter == "cache");
        let said = step.map(|step| (step.rules[0].as_str(), step.does.as_deref().unwrap()));
        assert_eq!(said, expected, "{line}: {}", walk.to_text());
    }
    let walk = explained(&policy, "GET /a/1", &["x-preview: 1"], None, None);
    assert!(walk.to_text().contains("apart from what other routes keep of the same URL"), "{}", walk.to_text());
    let composed = "\nroutes:\n- {match: '/sum', auth: off, compose: {name: sum, steps: [{name: s, call: POST /a/1}], answer: '${s}'}}\n";
    let composed = policy.replacen("\nroutes:\n", composed, 1);
    let ends = "and calls that change anything end what is kept of its URL";
    assert!(explained(&composed, "POST /sum", &[], None, None).to_text().contains(ends));
    assert!(!explained(&composed, "GET /sum", &[], None, None).to_text().contains(ends));
    let none = policy
        .replace(", cache: {ttl: 1h}", "")
        .replace(&format!(", cache: {{ttl: 1h, purge_key_sha256: {}}}", "ab".repeat(32)), "");
    assert!(!explained(&none, "PUT /a/1", &[], None, None).to_text().contains("cache "), "nothing is kept");
}

#[test]
fn a_token_is_judged_as_the_filter_judges_it() {
    let token = Sandbox::start().token(&Claims { tier: "pro".to_owned(), ..Claims::default() });
    let header = format!("authorization: Bearer {token}");
    let walk = explained(&demo(), "GET /api/v1/user/profile", &[&header], None, None);
    let auth = walk.steps.iter().find(|step| step.filter == "auth").unwrap();
    assert!(auth.does.as_ref().unwrap().contains("tier `pro`"), "{}", walk.to_text());
    let limit = walk.steps.iter().find(|step| step.filter == "ratelimit").unwrap();
    assert_eq!(limit.rules, ["`client`: 100 at once, one more every 20ms, and 1000 at once, one more every 60ms"]);
    let forged = format!("{header}x");
    let walk = explained(&demo(), "GET /api/v1/user/profile", &[&forged], None, None);
    assert_eq!(walk.steps.last().unwrap().filter, "auth", "nothing comes behind a refusal");
}

#[test]
fn whoever_is_named_is_taken_for_who_they_are() {
    for (caller, limit) in
        [("alice/enterprise", "400 at once"), ("alice", "20 at once"), ("alice/unknown", "10 at once")]
    {
        let walk = explained(&demo(), "GET /api/v1/user/profile", &[], None, Some(caller));
        let rules = &walk.steps.iter().find(|step| step.filter == "ratelimit").unwrap().rules;
        assert!(rules[0].contains(limit), "{caller}: {rules:?}");
    }
}

#[test]
fn the_command_writes_for_people_and_for_programs() {
    let run = |arguments: &[&str]| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        let output = command.current_dir(folder).args(["explain", "demo.yaml"]).args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said, _) = run(&["GET /api/v1/genres?a=b", "-H", "accept: text/html"]);
    assert!(code == Some(0) && said.starts_with("route 34: GET /api/v1/genres\n"), "{said}");
    assert!(said.contains("             as /discovery/api/v1/genres?a=b\n"), "{said}");
    let (_, said, _) = run(&["GET /api/v1/genres", "--format", "json"]);
    let json: Json = serde_json::from_str(&said).unwrap();
    assert_eq!(json["route"]["place"], 34);
    let (code, _, complained) = run(&["genres"]);
    assert!(code == Some(1) && complained.starts_with("weir: `genres` is no request:"), "{complained}");
}
