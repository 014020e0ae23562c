//! Routes that are composed, and routes for their calls alone: which listener has them, and what is said of mistakes.

// A test stops by panicking.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::path::Path;
use std::time::Duration;

use compose::failure::{Author, Outcome};
use compose::run::{Action, Answer, Inputs, Run};
use serde_json::Value;
use weir::document::{self, Document, Reading};
use weir::envoy::{Plan, bootstrap};

/// What is said of a policy; nothing where it is good.
fn said_of(policy: &str) -> String {
    let read = document::read(Path::new("p"), policy.as_bytes(), &Reading::default());
    read.map_or_else(|refused| refused.render(false), |_| String::new())
}

fn read(routes: &str) -> Result<Document, String> {
    let policy = format!("version: 1\nupstreams:\n  a: {{url: 'http://127.0.0.1:1'}}\nroutes:\n{routes}");
    document::read(Path::new("p"), policy.as_bytes(), &Reading::default()).map_err(|refused| refused.render(false))
}

const GOOD: &str = "
  - {match: 'GET /x/{id}', compose: {name: x, steps: [{name: s, call: 'GET /x/${path/id}'}], answer: '${s}'}}
  - {match: 'GET /x/{id}', upstream: a, inside: true}
  - {match: GET /y, upstream: a}
";

#[test]
fn what_is_inside_is_no_clients_and_what_is_composed_is_not_inside() {
    let document = read(GOOD).unwrap();
    let plan = Plan { policy: &document.policy, filters: &document.filters, wasm: Path::new("w") };
    let rendered = bootstrap::standalone(&plan);
    let listeners = rendered["static_resources"]["listeners"].as_array().unwrap();
    let parts = |listener: &Value| {
        let manager = &listener["filter_chains"][0]["filters"][0]["typed_config"];
        let routes = manager["route_config"]["virtual_hosts"][0]["routes"].as_array().unwrap();
        let ends = routes.iter().map(|route| match &route["direct_response"]["status"] {
            Value::Null => route["route"]["cluster"].as_str().unwrap().to_owned(),
            status => status.to_string(),
        });
        let filters = manager["http_filters"].as_array().unwrap();
        (ends.collect::<Vec<_>>(), filters.iter().any(|filter| filter["name"] == "compose"))
    };
    let ends = |ends: &[&str]| ends.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(parts(&listeners[0]), (ends(&["503", "404", "a"]), true));
    assert_eq!(parts(&listeners[1]), (ends(&["a", "a"]), false));
}

#[test]
fn a_mistake_in_a_composition_is_shown_where_it_stands() {
    for (wrong, right, said) in [
        ("'GET /x/${path/ix}'", "'GET /x/${path/id}'", "${path/ix}: path has no ix"),
        ("answer: '${t}'", "answer: '${s}'", "${t}: there is no t here, only request, path, s"),
        ("inside: true, upstream: nobody", "upstream: a, inside: true", "there is no upstream `nobody`"),
        ("compose: {nmae: x, name: x,", "compose: {name: x,", "did you mean `name`?"),
        ("cache: {}, compose: {name: x,", "compose: {name: x,", "this means nothing where an answer is composed"),
    ] {
        let report = read(&GOOD.replacen(right, wrong, 1)).err().unwrap_or_else(|| panic!("{wrong} is good"));
        assert!(report.contains(said), "{wrong}: {report}");
    }
}

/// An order whose templates name something of everything that there is to name.
const NAMING: &str = "version: 1
upstreams:
  a: {url: 'http://127.0.0.1:1'}
routes:
  - match: 'POST /orders/{id}'
    compose:
      name: order
      body: {object: {items: {list: {object: {sku: {id: 9}}}, length: [1, 9]}}}
      steps:
        - name: reserve
          each: '${body/items}'
          call: 'POST /reserve/${item/sku}'
          body: {first: ['${body/items/0/sku}'], of: '${path/id}', for: '${request/user?\"\"}'}
          undo: {call: 'POST /release/${item/sku}', body: {id: '${self/id}'}}
        - name: price
          after: [reserve]
          call: 'GET /price/${reserve/0/id}'
          required: false
          failure: {why: '${error/reason}'}
        - name: note
          call: 'GET /note/${path/id}?of=${request/id}'
          answer: '${self/text}'
      answer: {all: '${reserve}', sum: {$sum: '${reserve}', of: /amount}, price: '${price}'}
  - {match: {prefix: /}, upstream: a, inside: true}
";

#[test]
fn a_template_that_names_what_there_is_not_is_shown_where_it_stands() {
    assert_eq!(said_of(NAMING), "");
    for (right, wrong, said) in [
        // A step that there is not, that comes later, that is not waited for, and the step itself.
        (
            "all: '${reserve}'",
            "all: '${reserves}'",
            "there is no reserves here, only request, path, body, reserve, price, note",
        ),
        ("$sum: '${reserve}'", "$sum: '${prices}'", "there is no prices here"),
        (
            "'POST /reserve/${item/sku}'",
            "'POST /reserve/${price/sku}'",
            "there is no price here, only request, path, body, item",
        ),
        ("'${self/text}'", "'${reserve/0/text}'", "there is no reserve here, only request, path, body, self"),
        ("[reserve]", "[note]", "no step before this one"),
        ("'POST /reserve/${item/sku}'", "'POST /reserve/${self/sku}'", "there is no self here"),
        // What a step is called for, and what it is that is called for.
        ("'${body/items}'", "'${reserve}'", "there is no reserve here, only request, path, body"),
        ("'${body/items}'", "'${self/items}'", "there is no self here"),
        ("'${body/items}'", "'${item}'", "there is no item here"),
        ("'${body/items}'", "'${body/lines}'", "body has no lines"),
        ("'${body/items}'", "'${body/items/0}'", "must be a list"),
        ("'${body/items}'", "'${path/id}'", "must be a list"),
        ("'POST /reserve/${item/sku}'", "'POST /reserve/${item/id}'", "item has no id"),
        ("'GET /price/${reserve/0/id}'", "'GET /price/${item/id}'", "there is no item here"),
        // What takes it back knows nothing of what comes later, and its own value alone.
        ("'${self/id}'", "'${price/id}'", "there is no price here, only request, path, body, item, self"),
        ("'POST /release/${item/sku}'", "'POST /release/${item/id}'", "item has no id"),
        // The request: parameters, fields, members of the body.
        ("'${path/id}'", "'${path/number}'", "path has no number"),
        ("'${path/id}'", "'${param/id}'", "there is no param here"),
        ("'${request/user?\"\"}'", "'${request/name}'", "request has no name"),
        ("'${request/user?\"\"}'", "'${request/user/name}'", "request has no name"),
        ("'${body/items/0/sku}'", "'${body/items/9/sku}'", "body has no 9"),
        ("'${body/items/0/sku}'", "'${body/items/00/sku}'", "body has no 00"),
        ("'${body/items/0/sku}'", "'${body/items/-/sku}'", "body has no -"),
        ("'${body/items/0/sku}'", "'${body/items/0/sku/x}'", "body has no x"),
        ("'${body/items/0/sku}'", "'${body/items.0.sku}'", "body has no items.0.sku"),
        ("'${body/items/0/sku}'", "'${body#/items}'", "there is no body#"),
        ("'${error/reason}'", "'${error/text}'", "error has no text"),
        ("'${self/text}'", "'${error/text}'", "there is no error here"),
    ] {
        let policy = NAMING.replacen(right, wrong, 1);
        assert_ne!(policy, NAMING, "{right}");
        let report = said_of(&policy);
        // The mark stands below the value, which ends what was replaced.
        let (line, text) = policy.lines().enumerate().find(|(_, text)| text.contains(wrong)).unwrap();
        let value = wrong.split_once(": ").map_or(wrong, |(_, value)| value).trim_matches(['[', ']']);
        let place = format!("p:{}:{}\n", line + 1, text.find(value).unwrap() + 1);
        // Others may follow from it.
        let first = report.split("\n\n").next().unwrap();
        assert!(first.contains(said) && first.contains(&place), "{wrong}: {place}{report}");
    }
}

#[test]
fn each_call_of_a_composition_has_a_route_that_is_not_composed() {
    for (call, is_taken) in [
        ("GET /x/${path/id}", true),
        ("GET /x/a", true),
        ("GET /x/a-${path/id}?q=/z/${path/id}", true),
        ("GET /y?z", true),
        ("GET /${path/id}", true),
        ("GET /y/$$/${path/id?\"/?\"}", false),
        ("POST /x/${path/id}", false),
        ("GET /x/", false),
        ("GET /x/a/", false),
        ("GET /y/", false),
        ("GET /z/${path/id}", false),
        ("GET /of/a", true),
        ("GET /composed", false),
    ] {
        let more = "  - {match: {prefix: /of, hosts: ['*.a'], headers: {x-k: v}}, upstream: a}
  - {match: GET /composed, compose: {name: y, steps: [{name: s, call: GET /y}], answer: '${s}'}}\n";
        for step in ["call: 'CALL'", "call: GET /y, undo: {call: 'CALL'}"] {
            let step = step.replace("CALL", call);
            let routes = GOOD.replacen("call: 'GET /x/${path/id}'", &step, 1) + more;
            let report = read(&routes).err().unwrap_or_default();
            let expected = if is_taken { String::new() } else { format!("no route takes the call `{call}`") };
            assert!(report.contains(&expected) && report.is_empty() == is_taken, "{step}: {report}");
        }
    }
}

#[test]
fn what_is_to_be_taken_back_is_the_upstreams_own_doing_and_done_once() {
    let policy = |upstream: &str, route: &str, step: &str| {
        format!(
            "version: 1\nupstreams:\n  a: {{url: 'http://127.0.0.1:1', {upstream}}}\nroutes:\n\
             - {{match: POST /orders, compose: {{name: x, steps: [{{name: s, call: POST /reserve, {step}}}], answer: '${{s}}'}}}}\n\
             - {{match: POST /reserve, upstream: a, inside: true}}\n\
             - {{match: POST /release, upstream: a, inside: true, {route}}}\n\
             - {{match: 'POST /*', upstream: a, cache: {{shared: true, body: {{key: json}}}}}}\n"
        )
    };
    let undo = "undo: {call: POST /release}";
    let fallback = "breaker: {consecutive_failures: 5, open_for: 60s, fallback: {static: {status: 200}}}";
    let stale = "breaker: {consecutive_failures: 5, open_for: 60s, fallback: {stale: 1h}}";
    let retry = "retry: {methods: [POST]}";
    for (upstream, route, step, said) in [
        ("", "", undo.to_owned(), ""),
        (fallback, "", String::new(), ""),
        (
            fallback,
            "",
            undo.to_owned(),
            "the call `POST /reserve` is one of a step with an `undo`, and would be answered by a `fallback`",
        ),
        (stale, "", undo.to_owned(), ""),
        (
            "",
            "cache: {shared: true, body: {key: json}}",
            undo.to_owned(),
            "the call `POST /release` is one of a step with an `undo`, and would be answered by what is stored",
        ),
        (retry, "", undo.to_owned(), "the call `POST /reserve` is one of a step with an `undo`, and may be retried"),
        // A 409 to the second try says nothing of the first.
        (
            retry,
            "",
            format!("{undo}, repeatable: true"),
            "the call `POST /reserve` is one of a step with an `undo`, and may be",
        ),
        (retry, "", String::new(), ""),
        ("retry: {}", "", undo.to_owned(), ""),
    ] {
        let policy = policy(upstream, route, &step);
        let report = said_of(&policy);
        assert!(report.contains(said) && report.is_empty() == said.is_empty(), "{policy}: {report}");
    }
}

/// How an order of two products ends by a policy that is shipped, where each price is answered like this.
fn ordered(policy: &str, prices: [&str; 2]) -> Result<compose::value::Value, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies").join(policy);
    let variable = |_: &str| Some("dGhlIHNlY3JldCBvZiB0aGUgdGVzdHMsIGluIGJhc2U2NHVybA".to_owned());
    let reading = Reading { variable: Some(&variable), ..Reading::default() };
    let document = document::read(&path, &std::fs::read(&path).unwrap(), &reading);
    let document = document.map_err(|refused| refused.render(false)).unwrap();
    let filter = document.filters.iter().find(|filter| filter.name == "compose").unwrap();
    let config = compose::Config::from_json(filter.config.to_string().as_bytes()).unwrap();
    let value = |json: &str| compose::value::Value::parse(json.as_bytes()).unwrap();
    let inputs = Inputs {
        request: value(r#"{"correlation_id": "0123456789"}"#),
        path: value("{}"),
        body: value(r#"{"items": [{"productId": "a", "quantity": 1}, {"productId": "b", "quantity": 1}]}"#),
    };
    let now = policy::Instant::from_unix_seconds(100);
    let plan = config.named("order").unwrap();
    let mut run = Run::new(plan, inputs, "run".to_owned(), now, Duration::from_mins(1));
    let (mut actions, mut prices) = (Vec::new(), prices.into_iter());
    run.go_on(now, &mut actions);
    loop {
        let mut more = Vec::new();
        for action in actions {
            match action {
                Action::Send(request) => {
                    let is_price = request.path == "/api/v1/prices/calculate";
                    let body = if is_price { prices.next().unwrap() } else { r#"{"reservationId": "R"}"# };
                    let outcome =
                        Outcome::Answer { status: 200, body: body.into(), retry_after: None, by: Author::Upstream };
                    run.hear(request.token, &outcome, now, &mut more);
                }
                Action::Answer(Answer::Made(answer, _)) => return Ok(answer),
                Action::Answer(Answer::Failed(failure, _)) => return Err(failure.reason),
                Action::Keep | Action::Forget | Action::Alarm(_) => {}
            }
        }
        assert!(!more.is_empty(), "nothing more is done");
        actions = more;
    }
}

#[test]
fn a_price_without_a_currency_is_in_dollars_and_those_of_one_order_are_in_the_same() {
    for policy in ["demo.yaml", "products.yaml"] {
        for (prices, expected) in [
            ([r#"{"finalPrice": 1.1}"#, r#"{"finalPrice": 2}"#], Some(("3.1", "USD"))),
            (
                [r#"{"finalPrice": 1, "currency": "EUR"}"#, r#"{"finalPrice": 2, "currency": "EUR"}"#],
                Some(("3", "EUR")),
            ),
            ([r#"{"finalPrice": 1}"#, r#"{"finalPrice": 2, "currency": "USD"}"#], Some(("3", "USD"))),
            ([r#"{"finalPrice": 1}"#, r#"{"finalPrice": 2, "currency": "EUR"}"#], None),
            ([r#"{"finalPrice": 1}"#, r#"{"price": 2}"#], None),
        ] {
            let answer = ordered(policy, prices).map(|answer| {
                let json = |name: &str| answer.member(name).unwrap().to_json();
                (json("totalPrice"), json("currency"))
            });
            let expected = expected.map(|(total, currency)| (total.to_owned(), format!("{currency:?}")));
            assert_eq!(answer.clone().ok(), expected, "{policy} {prices:?}: {answer:?}");
        }
    }
}

const KEYS: &str = "{issuer: i, audiences: [a], jwks: {keys: [{kty: OKP, crv: Ed25519, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo}]}}";

/// A policy with a batch that may hold `calls`, beside routes of all kinds.
fn batch(demands: &str, calls: &str) -> String {
    format!(
        "version: 1\nupstreams:\n  a: {{url: 'http://127.0.0.1:1'}}\nidentity: {{jwt: [{KEYS}]}}\ntiers: {{anonymous: {{per_second: 5}}}}\n\
         permissions: {{writers: {{scope: write}}, readers: {{scope: read}}}}\nroutes:\n\
         - {{match: GET /open/special, auth: required, upstream: a}}\n\
         - {{match: GET /open/*, auth: optional, upstream: a}}\n\
         - {{match: 'GET /made/{{id}}', auth: optional, compose: {{name: x, steps: [{{name: s, call: GET /within/x}}], answer: '${{s}}'}}}}\n\
         - {{match: GET /within/*, upstream: a, inside: true}}\n\
         - {{match: POST /write/*, auth: required, allow: [writers, readers], upstream: a}}\n\
         - {{match: GET /free, auth: off, upstream: a}}\n\
         - {{match: POST /batch, {demands}, compose: {{name: b, batch: {{calls: {calls}}}}}}}\n"
    )
}

#[test]
fn a_batch_reaches_nothing_that_its_callers_could_not_ask_for() {
    for (demands, calls, said) in [
        ("auth: optional", "[GET /open/x]", ""),
        (
            "auth: optional",
            "['GET /{any}/x/y', GET /free]",
            "`GET /within/x/y` by `GET /within/*`, which is no client's",
        ),
        (
            "auth: optional",
            "[GET /open/*]",
            "`GET /open/special` by `GET /open/special`, which asks for more of a credential",
        ),
        ("auth: optional", "['GET /open/{x}']", "which asks for more of a credential"),
        ("auth: required", "[GET /open/*]", ""),
        ("auth: off", "[GET /free]", ""),
        ("auth: off", "[GET /open/x]", "which asks for more of a credential"),
        ("auth: optional", "[GET /*]", "which asks for more of a credential"),
        ("auth: required", "[GET /made/x]", "by `GET /made/{id}`, which is composed"),
        ("auth: required", "['GET /{any}/x']", "which is composed"),
        ("auth: required", "[POST /batch]", "by `POST /batch`, which is composed"),
        ("auth: required", "[POST /write/*]", "`POST /write/` by `POST /write/*`, which allows fewer callers"),
        ("auth: required, allow: writers", "[POST /write/x]", "which allows fewer callers"),
        ("auth: required, allow: [readers, writers]", "[POST /write/x]", ""),
        ("auth: optional", "GET /free", "must be a list"),
        ("auth: optional", "[]", "is missing: it says what may be asked for"),
        ("auth: optional", "[/free]", "methods"),
        ("auth: optional", "[GET free]", "must begin with /"),
        ("auth: optional", "[{path: /free, methods: [GET], hosts: [a]}]", "is not known of what a batch asks for"),
        ("auth: optional", "[GET /free], cluster: a", "`cluster` is not said here"),
    ] {
        let policy = batch(demands, calls);
        let report = said_of(&policy);
        assert!(report.contains(said) && report.is_empty() == said.is_empty(), "{demands} {calls}: {report}");
    }
}

#[test]
fn what_a_batch_asks_for_counts_for_its_caller_and_what_else_is_asked_inside_does_not() {
    let rendered = |policy: &str| {
        let document = document::read(Path::new("p"), policy.as_bytes(), &Reading::default()).ok().unwrap();
        let plan = Plan { policy: &document.policy, filters: &document.filters, wasm: Path::new("w") };
        let bootstrap = bootstrap::standalone(&plan);
        let listeners = bootstrap["static_resources"]["listeners"].as_array().unwrap().clone();
        let has = |listener: &Value| {
            let filters = &listener["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"];
            let has = |name: &str| filters.as_array().unwrap().iter().any(|filter| filter["name"] == name);
            (listener["name"].as_str().unwrap().to_owned(), has("auth"), has("ratelimit"))
        };
        let composed = document.filters.iter().find(|filter| filter.name == "compose").unwrap();
        let batches = composed.config["compositions"].as_array().unwrap().iter().filter_map(|one| one.get("batch"));
        let clusters = batches.map(|batch| batch["cluster"].clone()).collect::<Vec<_>>();
        (listeners.iter().map(has).collect::<Vec<_>>(), clusters)
    };
    let policy = batch("auth: optional", "[GET /open/x]");
    let (outer, inner) = (("weir".to_owned(), true, true), ("weir_internal".to_owned(), false, false));
    let charged = ("weir_batch".to_owned(), false, true);
    assert_eq!(rendered(&policy), (vec![outer.clone(), inner.clone(), charged], vec!["weir_batch".into()]));
    // Where nothing limits callers, there is nothing to count.
    let free = policy.replace("tiers: {anonymous: {per_second: 5}}\n", "");
    assert_eq!(rendered(&free), (vec![outer, inner], vec![Value::Null]));
}
