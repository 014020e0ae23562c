//! Tests of runs: stories, and every way in which an order of three items can go.

use super::*;
use crate::Config;
use crate::failure::Author;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const PRODUCTS: &str = include_str!("products.json");
const UNDO_FOR: Duration = Duration::from_mins(10);

fn begin(name: &str, path: &str, body: &str) -> Run {
    let config = Config::from_json(PRODUCTS.as_bytes()).unwrap();
    let value = |json: &str| Value::parse(json.as_bytes()).unwrap();
    let request = value(r#"{"id":"r","correlation_id":"0123456789abcdef","user":null,"tier":null}"#);
    let inputs = Inputs { request, path: value(path), body: value(body) };
    Run::new(config.named(name).unwrap(), inputs, "run".to_owned(), Instant::from_unix_seconds(100), UNDO_FOR)
}

fn good(body: &str) -> Outcome {
    Outcome::Answer { status: 200, body: body.as_bytes().to_vec(), retry_after: None, by: Author::Upstream }
}

fn bad(status: u16) -> Outcome {
    Outcome::Answer { status, body: Vec::new(), retry_after: None, by: Author::Upstream }
}

/// What a run does, one word each.
fn words(actions: &[Action]) -> Vec<String> {
    let word = |action: &Action| match action {
        Action::Keep => "keep".to_owned(),
        Action::Forget => "forget".to_owned(),
        Action::Send(request) => format!("{} {} {}", request.token, request.path, request.body).trim_end().to_owned(),
        Action::Answer(Answer::Made(value, failed)) => format!("{} {failed:?}", value.to_json()),
        Action::Answer(Answer::Failed(failure, step)) => {
            let rejection = failure.rejection(step.as_deref());
            let reply = rejection.reply(None, policy::rejection::Format::Json);
            let body = Value::parse(&reply.body).unwrap();
            let message = body.member("error").unwrap().member("message").unwrap().clone();
            format!("{} {}", reply.status, message.as_text().unwrap())
        }
        Action::Alarm(text) => format!("alarm: {text}"),
    };
    actions.iter().map(word).collect()
}

/// Plays outcomes by token, in this order, ten milliseconds apart, and compares what the run does.
#[track_caller]
fn check(mut run: Run, outcomes: &[(u32, Outcome)], expected: &[&str]) -> Run {
    let mut actions = Vec::new();
    let mut now = Instant::from_unix_seconds(100);
    run.go_on(now, &mut actions);
    for (token, outcome) in outcomes {
        now = now + Duration::from_millis(10);
        run.hear(*token, outcome, now, &mut actions);
    }
    assert_eq!(words(&actions), expected);
    run
}

const INVENTORY: &str = r#"{"id":"a","stockLevel":7}"#;
const PRICE: &str = r#"{"basePrice":"19.90","currency":"USD","more":1}"#;

#[test]
fn two_branches_run_at_once_and_either_may_be_missing() {
    let sent = ["1 /inventory/products/a", "2 /pricing/prices/a"];
    let product = || begin("product", r#"{"id":"a"}"#, "null");
    let whole = r#"{"id":"a","stockLevel":7,"currency":"USD","price":"19.90"} []"#;
    let no_price = r#"{"id":"a","stockLevel":7,"pricing_error":"the upstream answered 503"} ["pricing"]"#;
    let no_stock =
        r#"{"inventory_error":"the upstream gave no whole answer","currency":"USD","price":"19.90"} ["inventory"]"#;
    let malformed = r#"{"id":"a","stockLevel":7,"pricing_error":"the upstream gave no usable answer: there is no self/currency"} ["pricing"]"#;
    for (first, second, answer) in [
        ((2, good(PRICE)), (1, good(INVENTORY)), whole),
        ((1, good(INVENTORY)), (2, bad(503)), no_price),
        ((1, Outcome::Lost), (2, good(PRICE)), no_stock),
        ((1, good(INVENTORY)), (2, good(r#"{"basePrice":1}"#)), malformed),
        ((1, bad(404)), (2, bad(404)), "502 inventory, pricing failed: no upstream gave a usable answer"),
    ] {
        let run = check(product(), &[first, second], &[sent[0], sent[1], answer]);
        assert!(run.has_ended());
    }
}

#[test]
fn a_branch_that_is_late_is_missing() {
    let mut run = begin("product", r#"{"id":"a"}"#, "null");
    let mut actions = Vec::new();
    let at = Instant::from_unix_seconds;
    run.go_on(at(100), &mut actions);
    assert_eq!(run.due(), Some(at(105)));
    run.hear(2, &good(PRICE), at(101), &mut actions);
    run.go_on(at(105), &mut actions);
    let last = words(&actions).pop().unwrap();
    assert_eq!(last, r#"{"inventory_error":"it took too long","currency":"USD","price":"19.90"} ["inventory"]"#);
    assert!(run.has_ended());
}

#[test]
fn equal_values_are_asked_for_once_and_the_order_is_kept() {
    let run = begin("check", "{}", r#"{"productIds":["b","a","b"]}"#);
    let outcomes = [(1, good(r#"{"id":"b"}"#)), (4, good(PRICE)), (3, good(PRICE)), (2, bad(404))];
    let b = r#"{"id":"b","currency":"USD","price":"19.90"}"#;
    let a = r#"{"error":"the upstream answered 404","productId":"a","currency":"USD","price":"19.90"}"#;
    let answer = format!(r#"{{"products":[{b},{a},{b}]}} ["inventory"]"#);
    let sent = ["1 /inventory/products/b", "2 /inventory/products/a", "3 /pricing/prices/b", "4 /pricing/prices/a"];
    check(run, &outcomes, &[sent[0], sent[1], sent[2], sent[3], &answer]);
}

#[test]
fn no_more_calls_are_under_way_than_may_be() {
    let ids: Vec<_> = (0..100).map(|id| format!("\"{id}\"")).collect();
    let mut run = begin("check", "{}", &format!(r#"{{"productIds":[{}]}}"#, ids.join(",")));
    let (mut actions, mut flying, mut sent) = (Vec::new(), Vec::new(), 0);
    let now = Instant::from_unix_seconds(100);
    run.go_on(now, &mut actions);
    while !run.has_ended() {
        for action in actions.drain(..) {
            if let Action::Send(request) = action {
                flying.push(request.token);
                sent += 1;
            }
        }
        assert!(flying.len() <= 10);
        let token = flying.remove(sent % flying.len());
        run.hear(token, &good(PRICE), now, &mut actions);
    }
    assert_eq!((sent, flying.len()), (200, 0));
}

const ORDER: &str = r#"{"items":[{"productId":"a","quantity":2},{"productId":"b","quantity":1}]}"#;

#[test]
fn an_order_is_reserved_in_order_then_priced_then_confirmed() {
    let run = begin("order", "{}", ORDER);
    let outcomes = [
        (1, good(r#"{"reservationId":"R1"}"#)),
        (2, good(r#"{"reservationId":"R2"}"#)),
        (3, good(r#"{"finalPrice":"0.10"}"#)),
        (4, good(r#"{"finalPrice":0.2}"#)),
    ];
    check(
        run,
        &outcomes,
        &[
            "keep",
            r#"1 /inventory/reserve {"orderId":"ORDER-01234567","productId":"a","quantity":2}"#,
            "keep",
            r#"2 /inventory/reserve {"orderId":"ORDER-01234567","productId":"b","quantity":1}"#,
            "keep",
            r#"3 /pricing/calculate {"discountCodes":[],"productId":"a","quantity":2}"#,
            r#"4 /pricing/calculate {"discountCodes":[],"productId":"b","quantity":1}"#,
            "forget",
            r#"{"currency":"USD","items":[{"reservationId":"R1"},{"reservationId":"R2"}],"orderId":"ORDER-01234567","status":"CONFIRMED","totalPrice":0.30} []"#,
        ],
    );
}

#[test]
fn what_was_reserved_is_released_in_reverse_order() {
    let run = begin("order", "{}", ORDER);
    let outcomes = [
        (1, good(r#"{"reservationId":"R1"}"#)),
        (2, good(r#"{"reservationId":"R2"}"#)),
        (3, bad(404)),
        (4, bad(500)),
        (5, good("{}")),
    ];
    let run = check(
        run,
        &outcomes,
        &[
            "keep",
            r#"1 /inventory/reserve {"orderId":"ORDER-01234567","productId":"a","quantity":2}"#,
            "keep",
            r#"2 /inventory/reserve {"orderId":"ORDER-01234567","productId":"b","quantity":1}"#,
            "keep",
            r#"3 /pricing/calculate {"discountCodes":[],"productId":"a","quantity":2}"#,
            r#"4 /inventory/release {"reservationId":"R2"}"#,
            r#"5 /inventory/release {"reservationId":"R1"}"#,
            "keep",
            "404 price[0] failed: the upstream answered 404",
        ],
    );
    // The one that failed is tried again, until it has been for long enough.
    assert_eq!(run.due(), Some(Instant::from_unix_seconds(100) + Duration::from_millis(240)));
    let mut run = run;
    let (mut tries, mut said) = (1, Vec::new());
    while let Some(due) = run.due() {
        let mut actions = Vec::new();
        run.go_on(due, &mut actions);
        let [Action::Send(request)] = actions.as_slice() else { panic!("{actions:?}") };
        tries += 1;
        let token = request.token;
        run.hear(token, &bad(500), due, &mut said);
    }
    assert!(run.has_ended() && (20..40).contains(&tries), "{tries}");
    let alarm = format!("alarm: reserve[1] of order was not taken back in {tries} tries: {{\"reservationId\":\"R2\"}}");
    assert_eq!(words(&said), [alarm, "forget".to_owned()]);
}

/// What the first call of an order of one item comes to, and what the run then asks for, and says.
fn order_whose_reservation_is_answered(outcome: &Outcome) -> (Run, Vec<String>) {
    let mut run = begin("order", "{}", r#"{"items":[{"productId":"a","quantity":1}]}"#);
    let (now, mut actions) = (Instant::from_unix_seconds(100), Vec::new());
    run.go_on(now, &mut actions);
    actions.clear();
    run.hear(1, outcome, now, &mut actions);
    (run, words(&actions))
}

#[test]
fn what_an_upstream_may_have_done_before_it_failed_is_asked_for_and_released() {
    let again = r#"2 /inventory/reserve {"orderId":"ORDER-01234567","productId":"a","quantity":1}"#;
    for unsure in [bad(500), bad(502), bad(599), bad(408), Outcome::Lost, good("no JSON")] {
        let (mut run, said) = order_whose_reservation_is_answered(&unsure);
        assert_eq!(said, [again], "{unsure:?}");
        let (now, mut actions) = (Instant::from_unix_seconds(101), Vec::new());
        run.hear(2, &good(r#"{"reservationId":"R1"}"#), now, &mut actions);
        run.hear(3, &good("{}"), now, &mut actions);
        let said = words(&actions);
        assert_eq!(said[..2], ["keep", r#"3 /inventory/release {"reservationId":"R1"}"#], "{unsure:?}");
        assert!(run.has_ended() && said.contains(&"forget".to_owned()), "{said:?}");
    }
    let refused = |status, code: &str| {
        let body = format!(r#"{{"error":{{"code":"{code}"}}}}"#).into_bytes();
        Outcome::Answer { status, body, retry_after: None, by: Author::Proxy }
    };
    // The proxy's own refusals reach no upstream, and a client's error was found before anything was done.
    for sure in [bad(409), bad(404), refused(503, "CIRCUIT_BREAKER_OPEN"), refused(503, "RATE_LIMITED")] {
        let (run, said) = order_whose_reservation_is_answered(&sure);
        assert!(run.has_ended() && !said.contains(&again.to_owned()), "{sure:?}: {said:?}");
    }
    let own = Outcome::Answer {
        status: 503,
        body: br#"{"error":{"code":"RATE_LIMITED"}}"#.to_vec(),
        retry_after: None,
        by: Author::Upstream,
    };
    for unsure in [refused(503, "SERVICE_UNAVAILABLE"), own] {
        let (run, _) = order_whose_reservation_is_answered(&unsure);
        assert!(!run.has_ended(), "who knows what an upstream has done: {unsure:?}");
    }
}

/// An answer that the proxy itself has made.
fn made_up(status: u16, body: &str) -> Outcome {
    Outcome::Answer { status, body: body.as_bytes().to_vec(), retry_after: None, by: Author::Proxy }
}

#[test]
fn what_the_proxy_makes_up_neither_reserves_nor_releases() {
    let reserved = r#"{"reservationId":"R1"}"#;
    let (mut run, said) = order_whose_reservation_is_answered(&made_up(200, reserved));
    assert_eq!(said, [r#"2 /inventory/reserve {"orderId":"ORDER-01234567","productId":"a","quantity":1}"#]);
    // Asked for again and again, until the upstream itself says; then released, until it says so, too.
    let nobodys = [200, 201, 400, 404, 409, 410, 422].map(|status| made_up(status, reserved));
    let (mut token, mut now) = (2, Instant::from_unix_seconds(200));
    let release = Some("/inventory/release");
    for (path, answer, next) in [("/inventory/reserve", reserved, release), ("/inventory/release", "{}", None)] {
        let own = good(answer);
        for outcome in nobodys.iter().chain([&own]) {
            let mut actions = Vec::new();
            run.hear(token, outcome, now, &mut actions);
            now = now + Duration::from_secs(30);
            run.go_on(now, &mut actions);
            let sent = actions.iter().find_map(|action| match action {
                Action::Send(request) => Some(request.path.as_str()),
                _ => None,
            });
            assert_eq!(sent, if *outcome == own { next } else { Some(path) }, "{outcome:?}");
            token += 1;
        }
    }
    assert!(run.has_ended());
}

#[test]
fn a_conflict_may_be_with_the_first_request_for_thirty_seconds() {
    let (mut run, _) = order_whose_reservation_is_answered(&bad(500));
    let (mut token, mut now, mut last) = (2, Instant::from_unix_seconds(100), Instant::EPOCH);
    while !run.has_ended() {
        let mut actions = Vec::new();
        run.hear(token, &bad(409), now, &mut actions);
        last = now;
        let Some(due) = run.due().filter(|_| !run.has_ended()) else { break };
        now = due;
        run.go_on(now, &mut actions);
        let sent = actions.iter().rev().find_map(|action| match action {
            Action::Send(request) => Some(request),
            _ => None,
        });
        let sent = sent.expect("it is asked for again");
        assert_eq!(sent.path, "/inventory/reserve");
        token = sent.token;
    }
    let waited = last.since(Instant::from_unix_seconds(100));
    assert!(run.has_ended() && (30..60).contains(&waited.as_secs()), "{waited:?}");
    // One that is answered meanwhile is released.
    let (mut run, _) = order_whose_reservation_is_answered(&bad(500));
    let mut actions = Vec::new();
    run.hear(2, &bad(409), Instant::from_unix_seconds(100), &mut actions);
    run.go_on(Instant::from_unix_seconds(101), &mut actions);
    run.hear(3, &good(r#"{"reservationId":"R1"}"#), Instant::from_unix_seconds(102), &mut actions);
    assert!(words(&actions).contains(&r#"4 /inventory/release {"reservationId":"R1"}"#.to_owned()), "{actions:?}");
}

mod exhaustive;
