//! What is said of a request that is answered before its upstream is asked, beside what a real Envoy answers it.

use proxy::{Origin, Request, client};

use crate::{explained, serving};

const SERVICE: &str = "key-of-a-service-0123";
const OPERATOR: &str = "key-of-an-operator-01";

const POLICY: &str = "
version: 1
listen: 127.0.0.1:0
admin: {operators: {role: operator, key_sha256: KEY-OF-ADMIN}}
guard: {body_max: 2KiB, cors: {origins: ['https://app.example', 'https://*.b.example:8443']}}
identity:
  api_keys: {keys: [{id: service, sha256: KEY-OF-SERVICE}, {id: boss, roles: [operator], sha256: KEY-OF-ADMIN}]}
upstreams:
  own: {url: 'http://ORIGIN', internal: true}
routes:
  - match: POST /search
    upstream: own
    auth: optional
    accepts: {body_max: 1KiB, schema: {required: [query], properties: {limit: {maximum: 100}}}}
  - {match: POST /private, upstream: own, auth: required, accepts: {schema: {required: [id]}}}
  - {match: POST /text, upstream: own, auth: off, accepts: {types: [text/plain]}}
  - {match: POST /any, upstream: own, auth: off}
  - {match: GET /part, upstream: own, inside: true}
  - {match: GET /a/*, upstream: own, auth: off}
  - {match: 'GET /open/{tenant}/admin/*', upstream: own, auth: required}
  - {match: GET /open/*, upstream: own, auth: off}
";

const JSON: &str = "content-type: application/json";
const TEXT: &str = "content-type: text/plain";
const FROM: &str = "origin: https://app.example";
const FROM_BELOW: &str = "origin: https://x.y.b.example:8443";
const FROM_ELSEWHERE: &str = "origin: https://app.example.evil.example";
const LEAVE: &str = "access-control-request-method: POST";

/// What the last step says that the client is answered, or what the origin says.
fn status(does: &str) -> u16 {
    let said = does.strip_prefix("answers ").and_then(|rest| rest.get(..3)).and_then(|status| status.parse().ok());
    said.unwrap_or(200)
}

/// A request, its headers and its body; what it is answered, and by which filter.
type Row<'r> = (&'r str, &'r [&'r str], Option<&'r str>, u16, &'r str);

/// The policy in front of an origin.
fn policy(origin: &Origin) -> String {
    let digest = |key: &str| admin::credential::digest(key.as_bytes());
    let policy = POLICY.replace("ORIGIN", &origin.address().to_string());
    policy.replace("KEY-OF-SERVICE", &digest(SERVICE)).replace("KEY-OF-ADMIN", &digest(OPERATOR))
}

/// What is said of each request is what Envoy does.
#[track_caller]
fn check(rows: &[Row<'_>]) {
    let origin = Origin::start();
    let policy = policy(&origin);
    let envoy = serving::start(&policy);
    for &(line, headers, body, expected, filter) in rows {
        let walk = explained(&policy, line, headers, body, None);
        let last = walk.steps.last().unwrap();
        let said = status(last.does.as_deref().unwrap_or_default());
        assert_eq!((last.filter, said), (filter, expected), "{line} {}", walk.to_text());
        let (answer, _) = asked(&envoy, line, headers, body);
        // Nobody is where the policy says that Envoy is administered: here, that is wherever there is room.
        let expected = if line == "GET /metrics" { 502 } else { expected };
        let told = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.status, expected, "{line} {headers:?} in Envoy: {told}");
        // What reaches the origin reaches it as it is said.
        if expected == 200 && filter == "envoy" {
            let target = String::from_utf8_lossy(&origin.received().last().unwrap().target).into_owned();
            assert!(last.rules.contains(&format!("as {target}")), "{line}: {target} {}", walk.to_text());
        }
    }
}

#[test]
fn what_lies_below_a_variable_is_kept_from_a_wider_route() {
    let service = format!("x-api-key: {SERVICE}");
    check(&[
        ("GET /open/acme/admin/users", &[], None, 401, "auth"),
        ("GET /open/acme/admin/users/7?all", &[], None, 401, "auth"),
        ("GET /open/acme/admin/", &[], None, 401, "auth"),
        ("GET /open/acme/admin/users", &[&service], None, 200, "envoy"),
        ("GET /open/acme/admin", &[], None, 200, "envoy"),
        ("GET /open/acme/administrators", &[], None, 200, "envoy"),
        ("GET /open/acme/x/admin/users", &[], None, 200, "envoy"),
    ]);
}

#[test]
fn bodies_are_answered_as_it_is_said() {
    let service = format!("x-api-key: {SERVICE}");
    let long = "x".repeat(3000);
    let search = format!(r#"{{"query": "{}"}}"#, "x".repeat(1100));
    check(&[
        ("POST /search", &[JSON], Some(r#"{"query": "x", "limit": 100}"#), 200, "envoy"),
        ("POST /search", &[JSON], Some(r#"{"query": "x", "limit": 1000}"#), 400, "bodies"),
        ("POST /search", &[JSON], Some("{"), 400, "bodies"),
        ("POST /search", &[JSON], Some(&search), 413, "guard"),
        ("POST /search", &[TEXT], Some("{}"), 415, "bodies"),
        ("POST /search", &[], Some("{}"), 415, "bodies"),
        ("POST /search", &[JSON, "content-encoding: gzip"], Some("{}"), 415, "bodies"),
        ("POST /search", &[JSON], None, 400, "bodies"),
        ("POST /search", &[JSON, "x-api-key: wrong-key-0123456789"], Some("{}"), 401, "auth"),
        ("POST /private", &[JSON], Some("{}"), 401, "auth"),
        ("POST /private", &[JSON, &service], Some("{}"), 400, "bodies"),
        ("POST /private", &[JSON, &service], Some(r#"{"id": 1}"#), 200, "envoy"),
        ("POST /private", &[JSON], Some(&long), 413, "guard"),
        ("POST /text", &[TEXT], Some("x"), 200, "envoy"),
        ("POST /text", &[JSON], Some("x"), 415, "guard"),
        ("POST /text", &[JSON], None, 200, "envoy"),
        ("POST /any", &[], Some(&long), 413, "guard"),
        ("POST /nowhere", &[], Some(&long), 413, "guard"),
        ("POST /nowhere", &[], Some("x"), 404, "envoy"),
    ]);
}

#[test]
fn paths_are_answered_as_it_is_said() {
    check(&[
        ("GET /a/b", &[], None, 200, "envoy"),
        ("GET /a/%252e%252e", &[], None, 400, "guard"),
        ("GET /nowhere/%252e%252e", &[], None, 400, "guard"),
        ("GET /a/b/%2e%2e/c?d=%2f", &[], None, 200, "envoy"),
        ("GET //a///%41%7e", &[], None, 200, "envoy"),
        (r"GET /a\b", &[], None, 200, "envoy"),
        ("GET /a/b%2fc", &[], None, 400, "envoy"),
        ("GET /a/b%5Cc", &[], None, 400, "envoy"),
        ("GET /a/b#c", &[], None, 400, "envoy"),
        ("GET /a/b?c#d", &[], None, 400, "envoy"),
        ("GET /a/b%23c?d=%23", &[], None, 200, "envoy"),
        ("GET /a/b%00", &[], None, 400, "envoy"),
        ("GET /a/b//../c", &[], None, 200, "envoy"),
        ("GET /a//..//b", &[], None, 200, "envoy"),
        (r#"GET /a/"<>^`{|}?"<|"#, &[], None, 200, "envoy"),
        ("GET /a/%zz", &[], None, 400, "guard"),
        ("GET /part", &[], None, 404, "envoy"),
        ("GET /part/%252e", &[], None, 400, "guard"),
        ("OPTIONS /search", &[FROM], None, 404, "envoy"),
    ]);
}

#[test]
fn what_the_proxy_answers_itself_is_answered_as_it_is_said() {
    let (service, boss) = (format!("x-api-key: {SERVICE}"), format!("x-api-key: {OPERATOR}"));
    let (key, wrong) = (format!("x-admin-key: {OPERATOR}"), format!("x-admin-key: {SERVICE}"));
    check(&[
        ("GET /health", &[], None, 200, "admin"),
        ("GET /health/ready?x", &[], None, 200, "admin"),
        ("GET /health/dead", &[], None, 404, "admin"),
        ("POST /health", &[], None, 400, "admin"),
        ("GET /health/%252e", &[], None, 400, "guard"),
        ("GET /metrics", &[], None, 200, "envoy"),
        ("POST /metrics", &[], None, 404, "envoy"),
        ("GET /admin/", &[], None, 200, "admin"),
        ("GET /admin/status", &[], None, 401, "admin"),
        ("GET /admin/rate-limits", &[&service], None, 403, "admin"),
        ("GET /admin/rate-limits", &[&boss], None, 200, "admin"),
        ("GET /admin/rate-limits", &[&key], None, 200, "admin"),
        ("GET /admin/rate-limits", &[&wrong], None, 401, "admin"),
        ("GET /admin/nothing", &[&key], None, 404, "admin"),
        ("POST /admin/circuit-breakers/reset-all", &[&key, FROM], None, 403, "admin"),
    ]);
}

fn asked(envoy: &proxy::Envoy, line: &str, headers: &[&str], body: Option<&str>) -> (proxy::Answer, Option<String>) {
    let (method, path) = line.split_once(' ').unwrap();
    let mut request = Request::new(method, path).header("host", "localhost");
    for header in headers {
        let (name, value) = header.split_once(": ").unwrap();
        request = request.header(name, value);
    }
    let request = match body {
        Some(body) => request.body(body),
        None => request,
    };
    let answer = client::call(envoy.address(), &request).unwrap();
    let allowed = answer.text("access-control-allow-origin");
    (answer, allowed)
}

#[test]
fn a_real_envoy_gives_scripts_the_leave_that_is_said() {
    let origin = Origin::start();
    let policy = policy(&origin);
    let envoy = serving::start(&policy);
    let methods = "GET/HEAD/POST/PUT/PATCH/DELETE";
    for (line, headers, may, says) in [
        (
            "OPTIONS /search",
            [FROM, LEAVE],
            true,
            format!("answers 200: scripts of https://app.example may send {methods}"),
        ),
        (
            "OPTIONS /nowhere",
            [FROM, LEAVE],
            true,
            format!("answers 200: scripts of https://app.example may send {methods}"),
        ),
        (
            "OPTIONS /a/%252e",
            [FROM_BELOW, LEAVE],
            true,
            format!("answers 200: scripts of https://x.y.b.example:8443 may send {methods}"),
        ),
        (
            "OPTIONS /search",
            [FROM_ELSEWHERE, LEAVE],
            false,
            "answers 200 without leave: https://app.example.evil.example is none of the origins".to_owned(),
        ),
        ("GET /a/b", [FROM, JSON], true, "lets scripts of https://app.example read the answer".to_owned()),
        (
            "GET /a/b",
            [FROM_ELSEWHERE, JSON],
            false,
            "does not let scripts of https://app.example.evil.example read the answer".to_owned(),
        ),
    ] {
        let walk = explained(&policy, line, &headers, None, None);
        let cors = walk.steps.iter().find(|step| step.filter == "cors").unwrap();
        assert_eq!(cors.does.as_ref(), Some(&says), "{line} {}", walk.to_text());
        let (answer, allowed) = asked(&envoy, line, &headers, None);
        assert_eq!((answer.status, allowed.is_some()), (200, may), "{line} {headers:?}");
    }
    assert_eq!(origin.received().len(), 2);
}
