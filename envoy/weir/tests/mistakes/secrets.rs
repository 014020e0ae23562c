//! Secrets that are missing, that are no good, or that stand where everybody reads them.

use std::path::Path;

use weir::document::{self, Reading};
use weir::report;

use super::{GOOD, check_added, check_upstream, mistakes};

/// Every mistake, where these are all variables that there are.
pub(super) fn with_variables(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let variable = |name: &str| variables.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned());
    let reading = Reading { variable: Some(&variable), ..Reading::default() };
    let Err(report) = document::read(Path::new("p.yaml"), text.as_bytes(), &reading) else { return Vec::new() };
    let said = report.mistakes.iter().map(|one| {
        let (line, _) = report.position(&one.span);
        format!("{} {line} {} | {}", one.code.number(), one.wrong, one.expected)
    });
    said.collect()
}

#[test]
fn every_missing_variable_is_told_with_its_place() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/songnodes.yaml");
    let text = std::fs::read_to_string(file).unwrap();
    let said = with_variables(&text, &[]);
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with('#'));
    let wanted: Vec<_> = lines
        .flat_map(|(index, line)| line.split("env: ").skip(1).map(move |rest| (index + 1, rest)))
        .filter_map(|(line, rest)| Some((line, rest.split([',', '}']).next()?.to_owned())))
        .collect();
    assert!(wanted.len() > 1);
    assert_eq!(said.len(), wanted.len(), "{said:#?} {wanted:?}");
    for (line, name) in wanted {
        let is_told = |one: &&String| one.starts_with(&format!("E006 {line} ")) && one.contains(&name);
        assert_eq!(said.iter().filter(is_told).count(), 1, "{line} {name}: {said:#?}");
    }
}

#[test]
fn a_variable_that_is_there_and_no_good_must_hold_something_else() {
    const FIX: &str = "it is there, and must hold something else";
    let text = "\
version: 1
state: {store: redis, url: http://a, password: {env: BLANK}}
identity:
  api_keys:
    pepper: {env: SHORT}
    keys: [{id: a, hmac: b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c}]
upstreams:
  a: {url: http://a, profile: lastfm, credentials: {query: {name: k, env: SHORT}}}
  b: {url: http://a, profile: discogs, user_agent: a/1 (b@c.example), \
             credentials: {discogs: {key: {env: GOOD}, secret: {env: SHORT}}}}
  c: {url: http://a, profile: beatport, credentials: {bearer: {env: NONE}}}
routes: [{match: GET /a, upstream: a}]
";
    let length = "`env`: the secret must be 8 to 4096 visible ASCII characters, no \" and no \\";
    assert_eq!(
        with_variables(text, &[("BLANK", "a b"), ("SHORT", "short"), ("GOOD", "good-enough")]),
        [
            format!("E004 2 `env`: the variable BLANK must be printable ASCII without blanks | {FIX}"),
            format!("E004 5 `env`: must hold 32 bytes or more, in base64url without padding | {FIX}"),
            format!("E004 8 {length} | {FIX}"),
            format!("E004 9 {length} | {FIX}"),
            "E006 10 `env`: the environment has no variable NONE | set it".to_owned(),
        ]
    );
}

#[test]
fn a_secret_in_a_policy_is_refused_wherever_a_variable_is_named() {
    const WRONG: &str = "a secret does not stand in a policy";
    const FIX: &str = "say `{env: NAME}` or `{file: PATH}`";
    check_added(&[
        ("state: {store: redis, url: http://a, password: hunter2}", &[&format!("6:48 {WRONG} | say `{{env: NAME}}`")]),
        ("state: {store: redis, url: http://a, password: 12345}", &[&format!("6:48 {WRONG} | say `{{env: NAME}}`")]),
        (
            "identity: {api_keys: {pepper: hunter2, keys: [{id: a, \
             hmac: b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c}]}}",
            &[&format!("6:31 {WRONG} | say `{{env: NAME}}`")],
        ),
    ]);
    check_upstream(&[
        (
            "{url: http://a, profile: spotify, credentials: {oauth2: {token_url: http://a, \
             client_id: hunter2, client_secret: hunter3}}}",
            &[&format!("3:95 {WRONG} | {FIX}"), &format!("3:119 {WRONG} | {FIX}")],
        ),
        (
            "{url: http://a, profile: discogs, user_agent: a/1 (b@c.example), \
             credentials: {discogs: {key: hunter2, secret: {env: hunter-3}}}}",
            &[&format!("3:100 {WRONG} | {FIX}"), "3:123 this is not a variable's name | expected A-Z a-z 0-9 _"],
        ),
        ("{url: http://a, profile: beatport, credentials: {bearer: hunter2}}", &[&format!("3:63 {WRONG} | {FIX}")]),
        (
            "{url: http://a, profile: lastfm, credentials: {query: {name: k, value: hunter2}}}",
            &["3:53 `env`: is missing | expected the key `env` here, with a variable's name"],
        ),
        (
            "{url: 'https://hunter2@a/', headers: {x-a: {env: hunter-2}}}",
            &[
                "3:12 a URL is no place for a password | say it in `headers`, `credentials` or `state`, as `{env: NAME}`",
                "3:55 this is not a variable's name | expected A-Z a-z 0-9 _",
            ],
        ),
    ]);
}

#[test]
fn no_secret_is_in_anything_that_is_said_of_a_policy() {
    let digest = "b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c";
    for added in [
        "state: {password: hunter2}".to_owned(),
        "state: {store: redis, url: 'http://u:hunter2@a', token: hunter2, passwort: b}".to_owned(),
        "state: {store: redis, url: 'redis://u:hunter2@a', password: {env: 'hunter2!'}}".to_owned(),
        format!(
            "identity: {{api_keys: {{pepper: hunter2, keys: [{{id: a, hmac: {digest}}}, {{id: b, sha256: hunter2}}]}}}}"
        ),
        "identity: {api_keys: {keys: [{id: b, key: hunter2}]}}".to_owned(),
        "identity: {jwt: [{issuer: a, audiences: [], jwks: {url: 'https://u:hunter2@a/'}}]}".to_owned(),
        "identity: {jwt: [{issuer: a, audiences: [], jwks: {keys: [{kty: oct, k: hunter2}]}}]}".to_owned(),
        "tracing: {otlp: 'http://u:hunter2@a'}\nlistenn: 1".to_owned(),
        "sandbox: {'http://u:hunter2@a': a}".to_owned(),
        "examples: [{title: a, request: 'GET http://u:hunter2@a/'}]".to_owned(),
        "guard: {cors: {origins: ['https://u:hunter2@a']}}".to_owned(),
    ] {
        let text = format!("{GOOD}{added}\n");
        assert_ne!(mistakes(text.as_bytes()), [""; 0], "{added}");
        let report = document::read(Path::new("p.yaml"), text.as_bytes(), &Reading::default()).unwrap_err();
        let reports = [*report];
        let said = [
            reports[0].render(false),
            report::json(&reports).to_string(),
            report::sarif(&reports, 1).to_string(),
            report::github(&reports),
        ];
        assert!(said.iter().all(|said| !said.contains("hunter2")), "{}", said.join("\n"));
    }
    for upstream in [
        "{url: http://a, profile: spotify, credentials: {oauth2: {client_id: hunter2}}}",
        "{url: http://a, profile: spotify, credentials: {oauth2: {token_url: 'https://u:hunter2@a/'}}}",
        "{url: http://a, profile: spotify, credentials: hunter2}",
        "{url: http://a, profile: lastfm, credentials: {query: hunter2, tokenn: hunter2}}",
        "{url: http://a, credentials: {bearer: hunter2}}",
        "{url: http://a, headers: {authorization: hunter2, x-api-key: hunter2}, tmeout: 5s}",
    ] {
        let text = GOOD.replace("{url: http://127.0.0.1:1}", upstream);
        let report = document::read(Path::new("p.yaml"), text.as_bytes(), &Reading::default()).unwrap_err();
        assert!(!report.render(false).contains("hunter2"), "{}", report.render(false));
    }
}
