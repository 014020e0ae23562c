//! `weir check`: a bad policy for each thing that it can say, the shipped ones without any, and what programs are told.

// A test stops by panicking.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[path = "check/caller.rs"]
mod caller;
#[path = "check/finding.rs"]
mod finding;
#[path = "check/trap.rs"]
mod trap;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value as Json;
use weir::code::{Code, TABLE};
use weir::diagnostic::Mistake;
use weir::document::{self, Reading};
use weir::gateway::Gateway;
use weir::lint;

/// A policy without any trap, for rows that add one: `UPSTREAMS`, `ROUTES` and `MORE` stand for what they add.
const GOOD: &str = "
version: 1
identity:
  jwt:
  - issuer: i
    audiences: [AUDIENCE]
    jwks: {keys: [{kty: OKP, crv: Ed25519, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo}]}
  IDENTITY
permissions: {writers: {scope: write}, tried: {scope: x, shadow: true}}
upstreams:
  a: {url: http://127.0.0.1:1, internal: true}
  UPSTREAMS
routes:
- {match: GET /used, upstream: a, allow: [writers, tried]}
ROUTES
MORE
";

fn variable(name: &str) -> Option<String> {
    (name == "WEIR_SECRET").then(|| "dGhlIHNlY3JldCBvZiB0aGUgdGVzdHMsIGluIGJhc2U2NHVybA".to_owned())
}

/// Everything that is said of a policy for the newest Envoy.
fn said(text: &str) -> Vec<Mistake> {
    said_for("1.40", text)
}

/// Everything that is said of a policy for this Envoy.
fn said_for(envoy: &str, text: &str) -> Vec<Mistake> {
    let reading = Reading { variable: Some(&variable), ..Reading::default() };
    match document::read(Path::new("policy.yaml"), text.as_bytes(), &reading) {
        Ok(document) => lint::look(&Gateway::of(&document, &variable).unwrap(), envoy.parse().ok()),
        Err(report) => report.mistakes,
    }
}

fn filled(parts: &[(&str, &str)]) -> String {
    let mut text = GOOD.to_owned();
    for (place, added) in parts {
        text = text.replace(place, added);
    }
    for (place, usual) in [("AUDIENCE", "gateway"), ("IDENTITY", ""), ("UPSTREAMS", ""), ("ROUTES", ""), ("MORE", "")] {
        text = text.replace(place, usual);
    }
    text
}

#[test]
fn each_thing_that_can_be_said_is_said_of_a_policy_that_has_it_and_nothing_else() {
    assert_eq!(said(&filled(&[])), []);
    let rows = finding::rows();
    let mut misplaced = Vec::new();
    for (code, text, at, wrong) in &rows {
        // Which Envoy it is for is no part of a policy.
        let said = said_for(if *code == Code::OldEnvoy { "1.36" } else { "1.40" }, text);
        let [one] = said.as_slice() else { panic!("{} {text}\n{said:#?}", code.number()) };
        assert_eq!(one.code, *code, "{text}\n{one:?}");
        assert!(!one.code.why().is_empty() && !one.fix().is_empty());
        assert!(one.wrong.starts_with(wrong), "{}", one.wrong);
        let place = text.get(one.span.start..).unwrap();
        if !place.starts_with(at) {
            misplaced.push(format!("{}: {}", code.number(), place.lines().next().unwrap_or_default()));
        }
    }
    assert_eq!(misplaced, [""; 0]);
    let missing: Vec<_> = TABLE.iter().map(|row| row.0).filter(|code| rows.iter().all(|row| row.0 != *code)).collect();
    // That one is said of a file, not of a policy.
    assert_eq!(missing, [Code::UnreadableFile]);
}

#[test]
fn whatever_is_wrong_has_a_fix() {
    let rows = [
        ("breaker: {consecutive_failures: 0}", "it must be at least 1"),
        ("breaker: {fallback: {static: {}, upstream: a}}", "it must be one of static and upstream"),
        ("tymeout: 5s", "did you mean `timeout`?"),
    ];
    for (added, fix) in rows {
        let found = said(&filled(&[("UPSTREAMS", &format!("x: {{url: http://x.example, {added}}}"))]));
        assert!(found.iter().any(|one| one.fix() == fix), "{added}: {found:#?}");
    }
}

#[test]
fn one_low_limit_of_several_keeps_a_providers_terms() {
    let credentials =
        "{oauth2: {token_url: https://id.example/, client_id: {env: WEIR_SECRET}, client_secret: {env: WEIR_SECRET}}}";
    for (limits, expected) in [
        ("{rate: 10/s, burst: 20}", [].as_slice()),
        ("[{rate: 10/s, burst: 20}, {count: 1000, window: 30s, algorithm: sliding_window}]", &[]),
        ("{count: 10, window: 1s, algorithm: sliding_window}", &[]),
        ("{rate: 11/s, burst: 20}", &[Code::GenerousLimit]),
        ("{rate: 10/s, burst: 21}", &[Code::GenerousLimit]),
        ("[{rate: 11/s, burst: 5}, {rate: 5/s, burst: 21}]", &[Code::GenerousLimit]),
        ("{count: 280, window: 30s, algorithm: sliding_window}", &[Code::GenerousLimit]),
    ] {
        let upstream =
            format!("p: {{url: https://p.example, profile: spotify, limit: {limits}, credentials: {credentials}}}");
        let said = said(&filled(&[("UPSTREAMS", &upstream), ("ROUTES", "- {match: GET /p, upstream: p}")]));
        let codes: Vec<_> = said.iter().map(|one| one.code).collect();
        assert_eq!(codes, expected, "{limits}");
    }
}

#[test]
fn an_envoy_that_is_too_old_is_said_to_be() {
    let traced = filled(&[("MORE", "tracing: {otlp: http://127.0.0.1:4318}")]);
    let older = |version: &str| format!("Envoy {version} is older than any that what is rendered was tried with");
    let lacks = |version: &str| format!("Envoy {version} refuses what `tracing` is rendered to, which 1.37 brought");
    for (text, version, expected) in [
        (&filled(&[]), "1.36", Some(older("1.36"))),
        (&filled(&[]), "1.37.1", None),
        (&traced, "1.36", Some(lacks("1.36"))),
        (&traced, "1.37", None),
        (&traced, "1.40", None),
    ] {
        let document = document::read(Path::new("p"), text.as_bytes(), &Reading::default()).unwrap();
        let gateway = Gateway::of(&document, &variable).unwrap();
        let found = lint::look(&gateway, version.parse().ok());
        let found: Vec<_> = found.iter().map(|one| (one.code, one.wrong.clone())).collect();
        assert_eq!(found, expected.map(|wrong| (Code::OldEnvoy, wrong)).into_iter().collect::<Vec<_>>(), "{version}");
    }
}

#[test]
fn routes_that_together_take_all_of_another_s_requests_are_named_together() {
    let routes = "\
- {match: GET /b, upstream: a}
- {match: POST /b, upstream: a}
- {match: GET|POST /b, upstream: a}";
    let said = said(&filled(&[("ROUTES", routes)]));
    let found: Vec<_> = said.iter().map(|one| (one.code, one.wrong.as_str())).collect();
    let wrong = "`GET|POST /b` is never reached: `GET /b` and `POST /b` takes all of its requests";
    assert_eq!(found, [(Code::UnreachableRoute, wrong)]);
}

#[test]
fn a_special_case_before_the_general_one_is_no_finding() {
    let routes = "\
- {match: GET /b/new, upstream: a}
- {match: {path: /b/old, methods: [GET], headers: {x-k: v}}, upstream: a}
- {match: 'GET /b/{id}', upstream: a}
- {match: /b/*, upstream: a}
- {match: {}, upstream: a}";
    assert_eq!(said(&filled(&[("ROUTES", routes)])), []);
}

#[test]
fn answers_are_shared_without_a_word_where_that_is_meant_or_harms_nobody() {
    for (route, expected) in [
        ("auth: optional, cache: {ttl: 1h, shared: true}", [Code::SharedAnswers].as_slice()),
        ("auth: optional, cache: {shared: true}", &[Code::SharedAnswers]),
        ("auth: required, cache: {ttl: 1h, shared: true}", &[Code::SharedAnswers]),
        ("auth: optional, cache: {ttl: 1h, shared: true, isolate: none}", &[]),
        ("auth: required, cache: {ttl: 1h, shared: true, isolate: none}", &[]),
        // What an answer says of itself is no matter of meaning.
        ("auth: optional, cache: {ttl: 1h, shared: true, isolate: none, despite: [private]}", &[Code::SharedPrivate]),
        ("auth: required, cache: {ttl: 1h, isolate: tier, despite: [private]}", &[Code::SharedPrivate]),
        ("auth: optional, cache: {ttl: 1h, isolate: tier, despite: [private]}", &[Code::SharedPrivate]),
        ("auth: required, cache: {ttl: 1h, isolate: tier, despite: [set-cookie]}", &[]),
        ("auth: required, cache: {ttl: 1h, isolate: tier}", &[]),
        // Whom nobody knows is kept nothing for, and all others their own.
        ("auth: required, cache: {ttl: 1h, isolate: user, despite: [private]}", &[]),
        ("auth: optional, cache: {ttl: 1h, isolate: user, despite: [private]}", &[]),
        // Nobody is known, so nobody's own answer is stored.
        ("auth: off, cache: {ttl: 1h, shared: true}", &[]),
        ("auth: optional, cache: {ttl: 1h, isolate: user}", &[]),
        ("auth: optional, cache: {ttl: 1h}", &[]),
    ] {
        let found = said(&filled(&[("ROUTES", &format!("- {{match: GET /me, upstream: a, {route}}}"))]));
        assert_eq!(found.iter().map(|one| one.code).collect::<Vec<_>>(), expected, "{route}");
    }
    // Others are not told who calls.
    let parts = [
        ("UPSTREAMS", "p: {url: https://p.example}"),
        ("ROUTES", "- {match: GET /p, upstream: p, auth: required, cache: {ttl: 1h, shared: true}}"),
    ];
    assert_eq!(said(&filled(&parts)), []);
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Runs `weir check`: its answer and what it says on standard output and standard error.
fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    for name in ["BEATPORT_CLIENT_ID", "BEATPORT_CLIENT_SECRET", "DISCOGS_KEY", "DISCOGS_SECRET", "LASTFM_API_KEY"] {
        command.env(name, "not-a-secret");
    }
    command.env("SPOTIFY_CLIENT_ID", "not-a-secret").env("SPOTIFY_CLIENT_SECRET", "not-a-secret");
    let output = command.current_dir(folder).arg("check").args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn every_policy_that_ships_is_clean() {
    let folder = repository().join("envoy/policies");
    let policies = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut policies: Vec<_> =
        policies.filter(|name| Path::new(name).extension().is_some_and(|ending| ending == "yaml")).collect();
    policies.sort();
    assert!(policies.contains(&"demo.yaml".to_owned()), "{policies:?}");
    for policy in policies {
        let (code, said, complained) = run(&folder, &[&policy, "--deny", "warnings", "--envoy", "1.37"]);
        assert_eq!((code, complained.as_str()), (Some(0), ""), "{said}");
        assert!(said.starts_with(&format!("{policy}: good (")), "{said}");
    }
}

#[test]
fn a_pipeline_learns_by_the_exit_code_what_was_found() {
    let folder = tempfile::tempdir().unwrap();
    let warning = "version: 1\nratelimit: {undecided: allow}\nupstreams: {a: {url: http://127.0.0.1:1}}\nroutes: [{match: GET /a, upstream: a}]\n";
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("warning.yaml", warning);
    write("error.yaml", &format!("{warning}lisen: 1\n"));
    for (arguments, expected) in [
        (["warning.yaml"].as_slice(), 0),
        (&["warning.yaml", "--deny", "warnings"], 1),
        (&["warning.yaml", "--deny", "warnings", "--allow", "open-limit"], 0),
        (&["warning.yaml", "--envoy", "1.36"], 1),
        (&["error.yaml"], 1),
        (&["nowhere.yaml"], 2),
        (&["error.yaml", "nowhere.yaml"], 2),
        (&["nowhere.yaml", "error.yaml"], 2),
        (&["warning.yaml", "--allow", "E101"], 2),
    ] {
        for format in ["text", "json", "sarif", "github"] {
            let (code, said, complained) = run(folder.path(), &[arguments, &["--format", format]].concat());
            assert_eq!(code, Some(expected), "{arguments:?} {format}: {said}{complained}");
        }
    }
    let (_, said, complained) = run(folder.path(), &["warning.yaml"]);
    assert_eq!(said, "warning.yaml: good (1 upstreams, 1 routes)\n");
    assert!(complained.starts_with("warning[W202]: without its state"), "{complained}");
    let (_, said, _) = run(folder.path(), &["warning.yaml", "error.yaml", "--format", "json"]);
    let json: Json = serde_json::from_str(&said).unwrap();
    assert_eq!(json.pointer("/files/0/findings/0/code"), Some(&"W202".into()));
    assert_eq!(json.pointer("/files/1/findings/0/line"), Some(&5.into()));
    let (_, said, _) = run(folder.path(), &["warning.yaml", "--format", "sarif"]);
    let json: Json = serde_json::from_str(&said).unwrap();
    assert_eq!(json.pointer("/runs/0/results/0/ruleId"), Some(&"W202".into()));
    assert_eq!(json.pointer("/runs/0/invocations/0/executionSuccessful"), Some(&true.into()));
    let (_, said, _) = run(folder.path(), &["nowhere.yaml", "error.yaml", "--format", "json"]);
    let json: Json = serde_json::from_str(&said).unwrap();
    assert_eq!(json.pointer("/files/0/file"), Some(&"nowhere.yaml".into()));
    assert_eq!(json.pointer("/files/0/findings/0/code"), Some(&"E009".into()));
    assert_eq!(json.pointer("/files/1/findings/0/code"), Some(&"E002".into()));
    let (_, said, _) = run(folder.path(), &["nowhere.yaml", "--format", "sarif"]);
    let json: Json = serde_json::from_str(&said).unwrap();
    assert_eq!(json.pointer("/runs/0/results/0/ruleId"), Some(&"E009".into()));
    let ended = serde_json::json!({"executionSuccessful": false, "exitCode": 2});
    assert_eq!(json.pointer("/runs/0/invocations/0"), Some(&ended));
    let (_, said, _) = run(folder.path(), &["error.yaml", "--format", "github"]);
    let why = Code::UnknownKey.why();
    assert_eq!(
        said,
        format!(
            "::error file=error.yaml,line=5,col=1,title=E002 unknown-key::unknown key `lisen`: did you mean `listen`?%0A{why}\n"
        )
    );
}
