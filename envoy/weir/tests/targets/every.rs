//! Every scalar of upstreams and routes changed, one at a time: what `weir check` takes, each target says, notes or refuses.

use serde_json::{Value as Json, json};
use weir::diagnostic::Mistakes;
use weir::document::{self, Document, Reading};
use weir::draft::Draft;
use weir::schema::{self, POLICY};
use weir::{envoygateway, istio, prerequisite, yaml};

use super::inward::code;
use super::leaf::{choices, kind, names, others, scalars};
use super::{in_envoy_gateway, place, plan};

/// What upstreams and routes can say, as far as both targets have a way for it.
const SAID: &str = "
version: 1
identity:
  jwt: [{issuer: https://id.example/, audiences: [gateway], jwks: {url: https://id.example/jwks.json}}]
permissions: {editors: {role: editor}, strong: {claim: amr, contains: mfa}}
tiers: {anonymous: {per_second: 5}, pro: {per_second: 50}}
upstreams:
  api:
    url: https://api.example:8443/v1
    headers: {user-agent: 100% weir}
    timeout: 10s
    connect_timeout: 250ms
    retry: {times: 2, wait: 100ms, longest_wait: 1s, per_try: 3s, statuses: [503], methods: [GET, PUT], budget: 30}
    pool: {connections: 10, pending: 20, requests: 30}
    limit: [{rate: 10/s, burst: 20, queue: {max_wait: 5s, max_requests: 50}}]
    slow_down: {learn: [retry_after, 503, ratelimit_headers], longest: 1h, default: 10s}
    breaker: {consecutive_failures: 3, open_for: 5s, fallback: {stale: 1d, upstream: plain}}
  plain: {url: http://api.example:8080, retry: off, pool: {connections: 11}}
  near: {url: http://near.shop.svc.cluster.local, internal: true, breaker: {fallback: {static: {status: 203, body: '[]'}}}}
  spotify:
    url: https://api.spotify.com/v1
    profile: spotify
    answer_max: 4096
    retry: {times: 4, methods: [GET]}
    credentials:
      oauth2: {token_url: https://accounts.spotify.com/api/token, client_id: {env: WEIR_SECRET}, client_secret: {env: WEIR_SECRET}}
routes:
- match: {prefix: /api, methods: [GET, POST], hosts: [a.example, '*.b.example'], headers: {x-kind: a}}
  upstream: api
  strip: /api
  auth: off
  limit: off
- {match: 'GET /things/{id}', upstream: api, auth: optional, timeout: 1500ms, cost: 3, cache: {isolate: user}}
- {match: PUT /things, upstream: near, auth: required, allow: [editors, strong], accepts: {body_max: 8KiB, types: [application/json]}}
- {match: GET /below/*, upstream: plain, auth: off, cache: {data_type: things, ttl: 1h, shared: true, l2: false}}
- {match: 'GET /music/track/{id}', upstream: spotify, strip: /music}
- {match: 'GET /inner/{id}', upstream: near, inside: true}
- {match: POST /orders, auth: off, compose: {name: orders, deadline: 5s, steps: [{name: a, call: GET /inner/a}], answer: '${a}'}}
";

fn read(policy: &Json) -> Option<Document> {
    let variable = |_: &str| Some("dGhlIHNlY3JldCBvZiB0aGUgdGVzdHMsIGluIGJhc2U2NHVybA".to_owned());
    let reading = Reading { variable: Some(&variable), ..Reading::default() };
    document::read(std::path::Path::new("p.yaml"), policy.to_string().as_bytes(), &reading).ok()
}

/// All that is told of a policy there, beside what is told of any.
fn told(document: &Document) -> [Json; 2] {
    let plan = plan(document);
    let settings = istio::Settings { place: place(), selector: ("istio".to_owned(), "x".to_owned()) };
    let of_istio = istio::objects(&plan, &settings).map(|objects| {
        let notes = prerequisite::of_istio(&plan, &objects, &place());
        (objects, notes)
    });
    let of_gateway = envoygateway::objects(&plan, &in_envoy_gateway(Some(code()))).map(|objects| {
        let notes = prerequisite::of_envoy_gateway(&plan, &objects);
        (objects, notes)
    });
    [json!(of_istio), json!(of_gateway)]
}

/// So many valid values of each are tried.
const OTHERS_MAX: usize = 2;

#[test]
fn whatever_of_an_upstream_or_a_route_is_changed_is_told_to_each_target() {
    let root = yaml::parse(SAID, &mut Mistakes::default()).unwrap();
    let policy = Draft::of(&root).to_json();
    let before = told(&read(&policy).unwrap());
    assert!(before.iter().all(|told| told.get("Ok").is_some()), "{before:?}");
    let mut words = names(&policy);
    choices(&schema::of(POLICY).unwrap(), &mut words);
    let mut places = Vec::new();
    scalars(&policy, "", &mut places);
    let (mut valid, mut silent) = (0, Vec::new());
    for at in places.iter().filter(|at| ["/upstreams/", "/routes/"].iter().any(|part| at.starts_with(part))) {
        let was = policy.pointer(at).unwrap();
        let changed = others(was, &words).into_iter().filter_map(|other| {
            let mut policy = policy.clone();
            *policy.pointer_mut(at).unwrap() = other.clone();
            Some((other, read(&policy)?))
        });
        for (other, document) in changed.take(OTHERS_MAX) {
            valid += 1;
            let after = told(&document);
            let targets = ["Istio", "Envoy Gateway"].into_iter().zip(before.iter().zip(&after));
            let same = targets.filter(|(_, (before, after))| before == after);
            silent.extend(same.map(|(target, _)| format!("{target}: {} {was} -> {other}", kind(at))));
        }
    }
    assert!(silent.is_empty(), "{} of {valid}:\n{}", silent.len(), silent.join("\n"));
    assert!(valid > 100, "{valid}");
}
