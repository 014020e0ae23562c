//! The parser takes the whole language, and says what is wrong with a line that is not of it.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unwrap_used)]

use suite::parser::parse;

/// The steps of these lines, as their names and numbers of lines.
fn steps(lines: &str) -> Vec<(usize, String)> {
    let lines = parse(lines).unwrap_or_else(|report| panic!("{report}"));
    let name = |debug: String| debug.split([' ', '(']).next().unwrap_or_default().to_owned();
    lines.iter().map(|line| (line.number, name(format!("{:?}", line.step)))).collect()
}

#[test]
fn every_kind_of_line_is_read() {
    let cases = [
        ("GET / -> 200", "Exchange"),
        (
            "POST /a?b=c x=1 x=2 body=a body=b trailer:t=1 @2 from:127.0.0.9 -> 2xx a=1 !b c~d e~/f g/ body~x",
            "Exchange",
        ),
        ("OPTIONS * -> *", "Exchange"),
        ("GET $path -> reset", "Exchange"),
        (r#"GET "/quoted path" x-a="a"*60000 -> cut"#, "Exchange"),
        ("20 times GET / -> 200", "Exchange"),
        ("eventually GET / -> 200 a>=1 a<=2 !b~c d!=e f=* g=$h body.a.0.b=1 trailer:x=y", "Exchange"),
        ("start GET /slow x=1 as a", "Start"),
        ("finish a -> 200", "Finish"),
        ("leave a", "Leave"),
        ("origin 200 x=1 body='{}' trailer:t=1", "Origin"),
        ("origin /path 503", "Origin"),
        ("origin 200 body=abc cut hold", "Origin"),
        ("origin /path reset", "Origin"),
        ("release", "Release"),
        ("release /path", "Release"),
        ("saw GET /path?q x=1 !y body=z", "Saw"),
        ("saw GET *", "Saw"),
        ("saw POST / !trailer:t", "Saw"),
        ("saw nothing", "SawCount"),
        ("saw 3", "SawCount"),
        ("advance 61s", "Advance"),
        ("back 250ms", "Back"),
        ("state wasm.a=1 !wasm.b", "State"),
        ("metric a_total{b=c,d=e} 3", "Metric"),
        ("metric a_total >=3", "Metric"),
        (r#"log~"some text""#, "Log"),
        ("!log~text", "Log"),
    ];
    for (line, name) in cases {
        assert_eq!(steps(line), [(1, name.to_owned())], "{line}");
    }
}

#[test]
fn comments_and_empty_lines_are_no_steps_and_long_lines_go_on() {
    let lines = "
        # a comment
        GET /  -> 200   # another

        GET / x=1 \\
            -> 200
        saw 2
    ";
    let expected = [(3, "Exchange"), (5, "Exchange"), (7, "SawCount")];
    assert_eq!(steps(lines), expected.map(|(number, name)| (number, name.to_owned())));
}

#[test]
fn a_line_that_is_not_of_the_language_is_refused_with_its_reason() {
    let cases = [
        ("GET /", "expected `-> status` at the end"),
        ("GET / ->", "expected a status after `->`"),
        ("GET / -> ok", "expected a status, 2xx, *, reset or cut after `->`, got `ok`"),
        ("get / -> 200", "expected a keyword or a method in capital letters, got `get`"),
        ("GET x=1 -> 200", "expected a path after the method"),
        ("GET -> 200", "expected `METHOD /path`"),
        ("GET / x -> 200", "expected `name=value`, got `x`"),
        ("GET / =x -> 200", "expected `name=value`, got `=x`"),
        ("GET / @0 -> 200", "`@` needs a worker, counted from 1"),
        ("GET / from:x -> 200", "`from:` needs an IPv4 address"),
        ("GET / -> 200 x", "expected `name=value`, `name~part`, `!name` …, got `x`"),
        ("GET / -> 200 !x=1", "after `!` comes a name, or `name~part`"),
        ("GET / -> 200 x~", "`~` needs what is to be contained"),
        ("GET / -> 200 x>=y", "expected a number, got `y`"),
        ("GET / -> 200 =1", "expected a name without variables"),
        ("0 times GET / -> 200", "0 times is never"),
        ("x times GET / -> 200", "expected a number before `times`"),
        ("start GET /", "expected `start METHOD /path … as label`"),
        ("finish -> 200", "expected a label and nothing else"),
        ("leave a b", "expected a label and nothing else"),
        ("origin", "expected a status, or `reset`"),
        ("origin x=1", "expected a status from 200 to 999, or `reset`"),
        ("origin 100", "expected a status from 200 to 999, or `reset`"),
        ("origin 200 cut", "`cut` needs a body that can be cut"),
        ("saw some", "expected `nothing`, a number, or a request"),
        ("advance 5", "expected a duration like 250ms, 61s, 5m, 2h or 30d, got `5`"),
        ("state", "expected `state wasm.key=value`"),
        ("state body=1", "filter state has keys only, neither a body nor trailers"),
        ("metric a", "expected `metric name{label=value} amount`"),
        ("metric a{b=c 1", "expected `}` at the end of the labels"),
        ("metric a{b} 1", "expected `label=value`, got `b`"),
        ("metric a many", "expected a number, got `many`"),
        ("log~", "expected one text after `log~`"),
        ("log~a b", "expected one text after `log~`"),
    ];
    for (line, reason) in cases {
        let report = parse(&format!("\n{line}")).expect_err(line);
        assert_eq!(report, format!("line 2: {line}\n  {reason}"));
    }
    assert!(parse("GET / -> 200 x~/(/").expect_err("no regex").contains("unclosed group"));
}
