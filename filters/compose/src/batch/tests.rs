//! Tests of batches: what is taken, what is sent, and what is told.

use std::rc::Rc;
use std::time::Duration;

use super::*;
use crate::Config;
use crate::failure::Author;
use crate::plan::Composition;
use crate::run::{Action, Answer, Inputs, Run};
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn plan(more: &str) -> Rc<Composition> {
    let calls =
        r#"[{"methods": ["POST"], "template": "/api/{provider}/search"}, {"methods": ["GET"], "prefix": "/api/"}]"#;
    let json = format!(
        r#"{{"compositions": [{{"name": "b", "match": {{"path": "/b"}}, {more} "batch": {{"most": 4, "calls": {calls}}}}}]}}"#
    );
    Rc::clone(Config::from_json(json.as_bytes()).unwrap().named("b").unwrap())
}

/// What is said of a body: what is wrong with it, or the requests in one spelling.
fn said(body: &str) -> String {
    plan("").read_body(body.as_bytes()).map_or_else(|wrong| wrong, |requests| requests.to_json())
}

fn of_path(path: &str) -> String {
    said(&format!(r#"{{"requests":[{{"method":"GET","path":{}}}]}}"#, Value::text(path).to_json()))
}

#[test]
fn what_is_wrong_with_a_batch_is_named() {
    let one = |item: &str| format!(r#"{{"requests":[{{"method":"GET","path":"/api/a"}},{item}]}}"#);
    let five = ["1"; 5].join(",");
    for (body, expected) in [
        ("[]".to_owned(), "body: must be an object"),
        ("{".to_owned(), "body: is not JSON"),
        ("{}".to_owned(), "requests: is missing"),
        (r#"{"requests":{}}"#.to_owned(), "requests: must be a list"),
        (r#"{"requests":[]}"#.to_owned(), "requests: must have 1 to 4 items, has 0"),
        (format!(r#"{{"requests":[{five}]}}"#), "requests: must have 1 to 4 items, has 5"),
        (r#"{"requests":[1],"deadline":1}"#.to_owned(), "deadline: is unknown, expected requests"),
        (one("1"), "requests[1]: must be an object"),
        (one(r#"{"path":"/api/a"}"#), "requests[1].method: is missing"),
        (one(r#"{"method":"GET"}"#), "requests[1].path: is missing"),
        (one(r#"{"method":1,"path":"/api/a"}"#), "requests[1].method: must be a text"),
        (one(r#"{"method":"GET","path":[]}"#), "requests[1].path: must be a text"),
        (
            one(r#"{"method":"get","path":"/api/a"}"#),
            "requests[1].method: must be one that a batch may send, in upper case",
        ),
        (
            one(r#"{"method":"PUT","path":"/api/a"}"#),
            "requests[1].method: must be one that a batch may send, in upper case",
        ),
        (one(r#"{"method":"GET","path":"/other"}"#), "requests[1].path: is not what a batch may ask for"),
        (one(r#"{"method":"POST","path":"/api/a"}"#), "requests[1].path: is not what a batch may ask for"),
        (one(r#"{"method":"GET","path":"/api/a","body":{}}"#), "requests[1].body: there must be none"),
        (
            one(r#"{"method":"GET","path":"/api/a","headers":{}}"#),
            "requests[1].headers: is unknown, expected method, path or body",
        ),
    ] {
        assert_eq!(said(&body), expected, "{body}");
    }
}

#[test]
fn a_path_leads_where_it_says_or_nowhere() {
    for path in [
        "/api/a",
        "/api/a/b",
        "/api/a/",
        "/api/a?raw=true",
        "/api/a?q=/../x&u=http://x",
        "/api/a%20b",
        "/api/%C3%A9",
        "/api/a:b@c;d=e",
    ] {
        assert!(of_path(path).starts_with('['), "{path}: {}", of_path(path));
    }
    let long = format!("/api/{}", "a".repeat(PATH_BYTES_MAX));
    for path in [
        "",
        "api/a",
        "http://x/api/a",
        "//x/api/a",
        "/api//a",
        "/api/../admin",
        "/api/./a",
        "/api/..",
        "/api/.",
        "/api/%2e%2e/a",
        "/api/.%2E/a",
        "/api/a%2fb",
        "/api/a%5Cb",
        "/api/a\\b",
        "/api/a%00",
        "/api/a%",
        "/api/a%2",
        "/api/a%zz",
        "/api/a#b",
        "/api/a b",
        "/api/a\n",
        "/api/é",
        "/api/a?%",
        "/api/a?b c",
        &long,
    ] {
        assert!(
            of_path(path).starts_with("requests[0].path: must be a path as it is sent"),
            "{path}: {}",
            of_path(path)
        );
    }
    assert_eq!(of_path("/api"), "requests[0].path: is not what a batch may ask for");
    assert_eq!(of_path("/apis/a"), "requests[0].path: is not what a batch may ask for");
}

#[test]
fn what_a_batch_may_ask_for_is_a_list_of_paths_and_methods() {
    for (batch, expected) in [
        ("{}", "batch.calls: is missing: it says what may be asked for"),
        (r#"{"calls": [{"path": "/a"}]}"#, "batch.calls[0].methods: is missing"),
        (
            r#"{"calls": [{"methods": ["GET"], "hosts": ["a"]}]}"#,
            "batch.calls[0].hosts: is not known of what a batch asks for",
        ),
        (r#"{"calls": [{"methods": ["GET"], "path": "a"}]}"#, "batch.calls[0].path: must begin with /"),
        (r#"{"calls": [{"methods": ["GET"]}], "most": 101}"#, "batch.most: must be a whole number from 1 to 100"),
        (r#"{"calls": [{"methods": ["GET"]}], "at_once": 1}"#, "batch.at_once: unknown field"),
        (r#"{"calls": [{"methods": ["GET"]}]}, "steps": []"#, "steps: unknown field"),
    ] {
        let json = format!(r#"{{"compositions": [{{"name": "b", "match": {{}}, "batch": {batch}}}]}}"#);
        let said = Config::from_json(json.as_bytes()).unwrap_err().to_string();
        assert!(said.starts_with(&format!("compositions[0].{expected}")), "{batch}: {said}");
    }
}

fn at(seconds: u64) -> Instant {
    Instant::from_unix_seconds(seconds)
}

fn answer(status: u16, body: &[u8], retry_after: Option<&str>) -> Outcome {
    Outcome::Answer {
        status,
        body: body.to_vec(),
        retry_after: retry_after.map(|text| text.as_bytes().to_vec()),
        by: Author::Upstream,
    }
}

#[test]
fn an_answer_is_told_as_it_came() {
    let id = RequestId::parse(b"r-1");
    let limited =
        r#"{"error":{"code":"RATE_LIMITED","message":"Too many requests","retry_after":7,"request_id":"r-1"}}"#;
    for (outcome, expected) in [
        (answer(200, br#"{"b": 1.50, "a":[ ]}"#, None), r#"{"status":200,"body":{"b": 1.50, "a":[ ]}}"#.to_owned()),
        (answer(204, b"", None), r#"{"status":204,"body":null}"#.to_owned()),
        (answer(200, b"OK\n", None), r#"{"status":200,"body":"OK\n"}"#.to_owned()),
        (answer(429, limited.as_bytes(), Some("7")), format!(r#"{{"status":429,"retry_after":7,"body":{limited}}}"#)),
        (answer(429, b"slow", Some("7")), format!(r#"{{"status":429,"retry_after":7,"body":{limited}}}"#)),
        (
            answer(503, b"", Some("Thu, 01 Jan 1970 00:02:10 GMT")),
            r#"{"status":503,"retry_after":30,"body":{"error":{"code":"SERVICE_UNAVAILABLE","message":"the upstream answered 503","request_id":"r-1"}}}"#.to_owned(),
        ),
        (
            answer(504, b"upstream request timeout", Some("soon")),
            r#"{"status":504,"body":{"error":{"code":"TIMEOUT","message":"the upstream answered 504","request_id":"r-1"}}}"#.to_owned(),
        ),
    ] {
        let told = response(&outcome, id.as_ref(), at(100)).unwrap();
        assert_eq!(told.to_json(), expected);
        assert_eq!(is_failure(&told), !expected.starts_with(r#"{"status":2"#));
    }
    for (status, code) in [
        (400, "BAD_REQUEST"),
        (403, "FORBIDDEN"),
        (404, "NOT_FOUND"),
        (405, "BAD_REQUEST"),
        (413, "BAD_REQUEST"),
        (500, "INTERNAL_ERROR"),
        (507, "PROXY_ERROR"),
    ] {
        let told = response(&answer(status, b"<html>", None), None, at(100)).unwrap().to_json();
        assert!(told.starts_with(&format!(r#"{{"status":{status},"body":{{"error":{{"code":"{code}""#)), "{told}");
    }
    for outcome in [answer(200, b"\xff", None), answer(200, &b"[".repeat(40), None), Outcome::Lost] {
        let failure = response(&outcome, None, at(100)).unwrap_err();
        let told = unanswered(&failure, id.as_ref()).to_json();
        assert!(told.starts_with(r#"{"status":502,"body":{"error":{"code":"PROXY_ERROR""#), "{told}");
    }
}

/// A batch under way, with what it does in words.
struct Story {
    run: Run,
    actions: Vec<Action>,
}

impl Story {
    fn begin(more: &str, body: &str) -> Self {
        let plan = plan(more);
        let body = plan.read_body(body.as_bytes()).unwrap();
        let inputs = Inputs { request: Value::object([("id", Value::text("r-1"))]), path: Value::Null, body };
        let mut run = Run::new(&plan, inputs, "run".to_owned(), at(100), Duration::ZERO);
        let mut actions = Vec::new();
        run.go_on(at(100), &mut actions);
        Self { run, actions }
    }

    fn hear(&mut self, token: u32, outcome: &Outcome) {
        self.run.hear(token, outcome, at(101), &mut self.actions);
    }

    fn words(&mut self) -> Vec<String> {
        let word = |action: Action| match action {
            Action::Send(request) => {
                format!("{} {} {} {}", request.token, request.method, request.path, request.body).trim_end().to_owned()
            }
            Action::Answer(Answer::Made(value, failed)) => format!("{} {failed:?}", value.to_json()),
            other => format!("{other:?}"),
        };
        std::mem::take(&mut self.actions).into_iter().map(word).collect()
    }
}

const THREE: &str = r#"{"requests":[{"method":"POST","path":"/api/a/search","body":{"b":1,"a":{"d":2,"c":3}}},
    {"method":"GET","path":"/api/a?x"},{"path":"/api/a/search","body":{"a":{"c":3,"d":2},"b":1},"method":"POST"},{"method":"GET","path":"/api/b"}]}"#;

#[test]
fn equal_requests_are_sent_once_and_answered_in_their_places() {
    let mut story = Story::begin("\"at_once\": 2,", THREE);
    let search = r#"1 POST /api/a/search {"a":{"c":3,"d":2},"b":1}"#;
    assert_eq!(story.words(), [search, "2 GET /api/a?x"]);
    story.hear(2, &answer(404, b"{}", None));
    assert_eq!(story.words(), ["3 GET /api/b"]);
    story.hear(1, &answer(200, b"1", None));
    story.hear(3, &answer(200, b"3", None));
    let (one, two, three) = (r#"{"status":200,"body":1}"#, r#"{"status":404,"body":{}}"#, r#"{"status":200,"body":3}"#);
    assert_eq!(story.words(), [format!(r#"{{"responses":[{one},{two},{one},{three}]}} ["requests"]"#)]);
    assert!(story.run.has_ended());
}

#[test]
fn what_is_not_done_in_time_is_504_and_the_rest_is_told() {
    let mut story = Story::begin("\"at_once\": 2, \"deadline\": \"5s\",", THREE);
    story.hear(1, &answer(200, b"1", None));
    story.words();
    assert_eq!(story.run.due(), Some(at(105)));
    story.run.go_on(at(105), &mut story.actions);
    let late = r#"{"status":504,"body":{"error":{"code":"TIMEOUT","message":"it took too long","request_id":"r-1"}}}"#;
    let one = r#"{"status":200,"body":1}"#;
    assert_eq!(story.words(), [format!(r#"{{"responses":[{one},{late},{one},{late}]}} ["requests"]"#)]);
    assert!(story.run.has_ended());
    story.hear(2, &answer(200, b"2", None));
    assert!(story.words().is_empty());
}

#[test]
fn answers_that_are_too_long_together_are_left_out() {
    let mut story = Story::begin("", THREE);
    story.words();
    let text = |bytes: usize| answer(200, &b"x".repeat(bytes), None);
    story.hear(1, &text(ANSWERS_BYTES_MAX / 2));
    story.hear(2, &text(1));
    story.hear(3, &answer(200, b"", None));
    let told = story.words().pop().unwrap();
    assert!(told.len() < ANSWERS_BYTES_MAX + 1000, "{}", told.len());
    assert_eq!(
        told.matches(r#"{"status":502,"body":{"error":{"code":"PROXY_ERROR","#).count(),
        1,
        "what does not fit any more"
    );
}

#[test]
fn a_batch_whose_client_has_left_sends_nothing_more() {
    let mut story = Story::begin("\"at_once\": 1,", THREE);
    assert_eq!(story.words().len(), 1);
    story.run.abandon();
    assert!(story.run.has_ended());
}
