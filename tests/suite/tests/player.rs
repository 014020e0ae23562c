//! What a scenario promises holds on both proxies, and what it does not promise fails, with a report that helps.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unwrap_used)]

use std::time::Duration;

use suite::parser::parse;
use suite::player::play;
use suite::stage::Stage;
use suite::{Scenario, check_chain};

/// An empty chain: the proxy alone.
fn proxy_alone() -> Scenario {
    Scenario::new(&[])
}

/// The same, for lines that wait for what does not come.
fn impatient() -> Scenario {
    proxy_alone().patience(Duration::from_millis(200))
}

/// Plays the lines with each of the last ones in its place, which both proxies must refuse with its text.
#[track_caller]
fn fail(lines: &str, cases: &[(&str, &str)]) {
    let mut envoy = impatient().envoy().unwrap_or_else(|report| panic!("{report}"));
    let mut host = impatient().host().unwrap_or_else(|report| panic!("{report}"));
    for stage in [&mut envoy as &mut dyn Stage, &mut host] {
        for (line, expected) in cases {
            let lines = parse(&format!("{lines}\n{line}")).expect(line);
            let report = play(stage, &lines).expect_err(line).to_string();
            assert!(report.contains(line) && report.contains(expected), "{line}: expected \"{expected}\" in {report}");
        }
    }
}

#[test]
fn a_request_passes_both_ways() {
    check_chain(
        &[],
        r#"
        GET /path?q=1 x-a=1 x-a="2 \xff" -> 200 !body
        saw GET /path?q=1 x-a=1 x-a="2 \xff" !x-b host=test
        saw nothing
        origin 201 x-b=1 x-b=2 body='{"a": {"b": ["x", 3, null]}}'
        origin /other 404 body=gone
        POST / host=example.org body="x"*100000 -> 201 x-b=1 x-b=2 x-b~2 x-b!=3 !x-b~3 body~'"a"' body.a.b.0=x body.a.b.1=3 !body.a.c
        saw POST / body="x"*100000 host=example.org content-length=100000
        2 times GET /other?x -> 404 body=gone
        saw 2
        HEAD /other -> 404 content-length=4 !body
        saw HEAD *
    "#,
    );
}

#[test]
fn chunks_and_trailers_pass() {
    check_chain(
        &[],
        r"
        origin 200 body=abc body=def trailer:x-t=1 trailer:x-t=2
        POST / body=one body=two trailer:x-u=3 -> 200 body=abcdef trailer:x-t=1 trailer:x-t=2
        saw POST / body=onetwo trailer:x-u=3
        POST / body=one body=two -> 200
        saw POST / body=onetwo !trailer:x-u
    ",
    );
}

#[test]
fn variables_bind_once_and_hold_ever_after() {
    check_chain(
        &[],
        r#"
        origin 200 x-id=7 x-long=a-7-b
        GET / -> 200 x-id=$id x-long~/^a-(?<id>\d)-(?<letter>.)$/
        GET /${id} x-a="<${letter}>" -> 200 x-id=$id
        saw GET /7 x-a=<b>
    "#,
    );
}

#[test]
fn an_answer_may_break_off() {
    check_chain(
        &[],
        r"
        origin 200 body=abcdef cut
        GET / -> cut
        origin reset
        GET / -> 503
        origin 204
        GET / -> 204
    ",
    );
}

#[test]
fn requests_may_be_in_flight_at_the_same_time() {
    check_chain(
        &[],
        r"
        origin /slow 200 body=late hold
        origin /slower 201 hold
        start GET /slow as a
        start GET /slow as b
        start GET /slower as c
        saw 3
        GET / -> 200
        leave b
        release /slow
        finish a -> 200 body=late
        release
        finish c -> 201
        GET /slow -> 200
    ",
    );
}

#[test]
fn the_same_line_may_come_true_only_eventually() {
    check_chain(
        &[],
        r"
        origin 200 x-id=1
        eventually GET / -> 200 x-id=$id
        GET / -> 200 x-id=$id
    ",
    );
}

#[test]
fn an_answer_that_is_not_as_expected_is_reported() {
    let origin = r#"origin 200 x-a=1 x-b=2 x-b=3 body='{"m": 1}'"#;
    fail(
        origin,
        &[
            ("GET / -> 201", r#"status: expected "201", got "200""#),
            ("GET / -> 5xx", r#"status: expected 5xx, got "200""#),
            ("GET / -> reset", r#"status: expected "reset", got "200""#),
            ("GET / -> cut", r#"status: expected "cut", got "200""#),
            ("GET / -> 200 x-a=2", r#"x-a: expected "2", got "1""#),
            ("GET / -> 200 x-b=2", r#"x-b: expected "2", got "2" and "3""#),
            ("GET / -> 200 x-b=3 x-b=2", r#"x-b: expected "3" and "2", got "2" and "3""#),
            ("GET / -> 200 x-c=1", r#"x-c: expected "1", got nothing"#),
            ("GET / -> 200 x-c=*", "x-c: expected something, got nothing"),
            ("GET / -> 200 !x-a", r#"x-a: expected nothing, got "1""#),
            ("GET / -> 200 x-a!=1", r#"x-a: expected something other than "1", got "1""#),
            ("GET / -> 200 x-c!=1", r#"x-c: expected something other than "1", got nothing"#),
            ("GET / -> 200 x-a~2", r#"x-a: expected something with "2" in it, got "1""#),
            ("GET / -> 200 !x-b~3", r#"x-b: expected nothing with "3" in it, got "2" and "3""#),
            ("GET / -> 200 x-a~/^2$/", r#"x-a: expected something that matches /^2$/, got "1""#),
            ("GET / -> 200 x-a<=0", r#"x-a: expected at most 0, got "1""#),
            ("GET / -> 200 x-a>=2", r#"x-a: expected at least 2, got "1""#),
            ("GET / -> 200 x-b>=1", r#"x-b: expected at least 1, got "2" and "3""#),
            ("GET / -> 200 body=x", r#"body: expected "x", got "{"m": 1}""#),
            ("GET / -> 200 !body", r#"body: expected nothing, got "{"m": 1}""#),
            ("GET / -> 200 body.m=2", r#"body.m: expected "2", got "1""#),
            ("GET / -> 200 body.n=2", r#"body.n: expected "2", got nothing"#),
            ("GET / -> 200 trailer:t=1", r#"trailer:t: expected "1", got nothing"#),
            ("GET / -> 200 x-a=$a x-b=$a", r#"x-b: expected "1", got "2" and "3""#),
            ("GET / -> 200 x-a~/(?<a>.)/ x-b~/^(?<a>.)$/", r#"with $a = "1", got "2" and "3""#),
            ("GET / x=$nobody -> 200", "$nobody has no value yet"),
            ("3 times GET / -> 201", r#"status: expected "201", got "200""#),
        ],
    );
}

#[test]
fn an_upstream_that_did_not_see_what_was_expected_is_reported() {
    let request = "POST /a?b x-a=1 body=abc -> 200";
    fail(
        request,
        &[
            ("saw nothing", "expected 0 requests at the upstream since the last `saw`, got 1"),
            ("saw GET /a?b", r#"method: expected "GET", got "POST""#),
            ("saw POST /a", r#"path: expected "/a", got "/a?b""#),
            ("saw POST /a?b x-a=2", r#"x-a: expected "2", got "1""#),
            ("saw POST /a?b !x-a", r#"x-a: expected nothing, got "1""#),
            ("saw POST /a?b body=ab", r#"body: expected "ab", got "abc""#),
        ],
    );
}

#[test]
fn an_upstream_that_saw_too_little_is_reported() {
    fail("GET / -> 200", &[("saw 2", "expected 2 requests at the upstream since the last `saw`, got 1")]);
    fail("GET / -> 200\nsaw 1", &[("saw GET /", "expected a request at the upstream since the last `saw`, got none")]);
}

#[test]
fn requests_in_flight_are_called_by_their_names() {
    fail(
        "origin 200 hold\nstart GET / as a",
        &[
            ("finish b -> 200", "no request called `b` is in flight"),
            ("leave b", "no request called `b` is in flight"),
            ("start GET / as a", "a request called `a` is in flight already"),
        ],
    );
}

#[test]
fn state_metrics_and_the_log_are_looked_at() {
    fail(
        "GET / -> 200",
        &[
            ("state wasm.a=1", r#"wasm.a: expected "1", got nothing"#),
            ("metric a_total 1", "a_total: expected 1, got 0, of no metrics at all"),
            ("log~'no such text'", r#"expected "no such text" in the log"#),
        ],
    );
    check_chain(
        &[],
        "
        GET / -> 200
        state !wasm.a
        metric a_total 0
        !log~'no such text'
    ",
    );
}

#[test]
fn a_clock_that_can_be_moved_is_the_hosts() {
    let error = proxy_alone().envoy_only("to see it refused").outcome("advance 1s").expect_err("Envoy's clock");
    assert_eq!(error, "Envoy's clock cannot be moved");
    check_chain(
        &[],
        "
        GET / -> 200
        advance 61s
        back 5s
        GET / -> 200
    ",
    );
}

#[test]
fn a_report_names_the_proxy_the_line_and_the_answer() {
    let scenario = proxy_alone().envoy_only("to see its report");
    let report =
        scenario.outcome("\n  origin 200 x-a=1 body=hi\n  GET /  x=1 -> 404\n").expect_err("the status is 200");
    let lines: Vec<&str> = report.lines().collect();
    let expected =
        ["", "Envoy, line 3: GET /  x=1 -> 404", r#"  status: expected "404", got "200""#, "  what came:", "    200"];
    assert_eq!(lines[..5], expected, "{report}");
    assert!(lines.contains(&"    x-a: 1") && lines.contains(&"    hi"), "{report}");
}
