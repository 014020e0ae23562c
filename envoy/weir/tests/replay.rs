//! `weir replay`: what a log's requests would have met, by the filters' own limits.

// A test stops by panicking.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value as Json, json};
use weir::document::{self, Reading};
use weir::gateway::Gateway;
use weir::replay::tally::Counts;
use weir::replay::{Replayed, replay};

const POLICY: &str = "
version: 1
identity:
  api_keys: {keys: [{id: a, sha256: 1b705e0d8c4b9c2c0015b29a5189de79cb3c649e07682bbd173d97deb8a03b95}]}
tiers: {anonymous: {per_minute: 3}, pro: {per_minute: 6}}
upstreams:
  a: {url: http://127.0.0.1:1, internal: true}
  slow: {url: https://slow.example, limit: {rate: 1/s, burst: 1, queue: {max_wait: 2s, max_requests: 10}}}
  tight: {url: https://tight.example, limit: {rate: 1/m, burst: 1}}
routes:
- {match: GET /kept/*, upstream: a, auth: optional, limit: off, cache: {ttl: 10s, negative: 5s, shared: true}}
- {match: POST /kept/search, upstream: a, auth: optional, limit: off, cache: {ttl: 10s, shared: true, body: {key: json}}}
- {match: GET /mine, upstream: a}
- {match: GET /slow, upstream: slow, auth: optional, limit: off}
- {match: GET /tight, upstream: tight, auth: optional}
- {match: GET /a, upstream: a, auth: optional}
";

/// A line of a log: so many milliseconds after the epoch, `METHOD path`, and what else it says.
fn line(millis: u64, request: &str, more: &Json) -> String {
    let (method, target) = request.split_once(' ').unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut line = json!({
        "timestamp": format!("1970-01-02T00:{:02}:{:02}.{:03}Z", millis / 60_000, millis / 1000 % 60, millis % 1000),
        "method": method, "path": path, "query": query, "status": 200, "address": "192.0.2.1", "user_id": null,
    });
    for (key, value) in more.as_object().unwrap() {
        line[key] = value.clone();
    }
    line.to_string()
}

fn replayed(log: &str) -> Replayed {
    replayed_by(POLICY, log)
}

fn replayed_by(policy: &str, log: &str) -> Replayed {
    let document = document::read(Path::new("p.yaml"), policy.as_bytes(), &Reading::default()).unwrap();
    let gateway = Gateway::of(&document, &|_| None).unwrap();
    replay(&gateway, log.as_bytes()).unwrap()
}

/// The counts of the one route that these lines are for.
#[track_caller]
fn check(lines: &[(u64, &str, Json)], expected: Counts) {
    let log: Vec<_> = lines.iter().map(|(millis, request, more)| line(*millis, request, more)).collect();
    let replayed = replayed(&log.join("\n"));
    let sums = replayed.tally.by_route();
    let [(_, counts)] = sums.as_slice() else { panic!("{sums:?}") };
    assert_eq!((*counts, replayed.broken), (expected, 0));
}

#[test]
fn callers_are_limited_by_what_their_tier_holds() {
    let nobody = json!({});
    let pro = json!({"user_id": "alice", "tier": "pro"});
    let at = |millis, who: &Json| (millis, "GET /a", who.clone());
    let four = [at(0, &nobody), at(1, &nobody), at(2, &nobody), at(3, &nobody)];
    check(&four, Counts { requests: 4, sent: 3, limited: 1, ..Counts::default() });
    // One token comes back in 20 seconds.
    check(
        &[&four[..], &[at(20_001, &nobody)]].concat(),
        Counts { requests: 5, sent: 4, limited: 1, ..Counts::default() },
    );
    let many: Vec<_> = (0..8).map(|millis| at(millis, &pro)).collect();
    check(&many, Counts { requests: 8, sent: 6, limited: 2, ..Counts::default() });
    let was = json!({"status": 429, "details": "weir_rate_limited"});
    check(&[at(0, &was)], Counts { requests: 1, sent: 1, was_limited: 1, ..Counts::default() });
    let inside = [at(0, &nobody), at(1, &json!({"inside": true})), at(2, &json!({"inside": false}))];
    check(&inside, Counts { requests: 2, sent: 2, ..Counts::default() });
}

#[test]
fn what_is_kept_answers_until_its_time_is_over() {
    let of = |millis, path: &'static str, status: u16| (millis, path, json!({"status": status}));
    let lines = [
        of(0, "GET /kept/a", 200),
        of(9_000, "GET /kept/a", 200),
        of(9_500, "GET /kept/b", 200),
        of(11_000, "GET /kept/a", 200),
    ];
    check(&lines, Counts { requests: 4, sent: 3, cached: 1, ..Counts::default() });
    let lines = [
        of(0, "GET /kept/a", 404),
        of(4_000, "GET /kept/a", 404),
        of(6_000, "GET /kept/a", 500),
        of(6_500, "GET /kept/a", 500),
    ];
    check(&lines, Counts { requests: 4, sent: 3, cached: 1, ..Counts::default() });
    // A body is in no log: what it was answered with then is what counts.
    let hit = json!({"cache": "weir; hit; ttl=3"});
    let search = |millis, more: &Json| (millis, "POST /kept/search", more.clone());
    check(
        &[search(0, &json!({})), search(1, &hit)],
        Counts { requests: 2, sent: 1, cached: 1, was_cached: 1, ..Counts::default() },
    );
}

#[test]
fn what_is_changed_on_any_route_is_asked_for_anew() {
    let policy = POLICY.replace(
        "- {match: GET /mine,",
        "- {match: 'PUT|POST /kept/*', upstream: a, auth: optional, limit: off}\n- {match: GET /mine,",
    );
    let log = [
        (0, "GET /kept/a", 200),
        (1, "GET /kept/a", 200),
        (2, "PUT /kept/a", 500),
        (3, "GET /kept/a", 200),
        (4, "PUT /kept/a", 204),
        (5, "GET /kept/a", 200),
        (6, "POST /kept/b", 200),
        (7, "GET /kept/a", 200),
    ];
    let log: Vec<_> = log.iter().map(|(at, what, status)| line(*at, what, &json!({"status": status}))).collect();
    let replayed = replayed_by(&policy, &log.join("\n"));
    let sums = replayed.tally.by_route();
    let kept = sums.iter().find(|(route, _)| *route == "GET /kept/*").unwrap().1;
    assert_eq!(kept, Counts { requests: 5, sent: 2, cached: 3, ..Counts::default() });
}

#[test]
fn those_who_may_wait_are_sent_at_the_pace_of_their_limit() {
    let lines: Vec<_> = (0..5).map(|millis| (millis, "GET /slow", json!({}))).collect();
    check(&lines, Counts { requests: 5, sent: 3, waited: 2, limited: 2, ..Counts::default() });
    // Their turns are taken: whoever comes when one would be free waits behind them.
    let later = [&lines[..], &[(1_500, "GET /slow", json!({})), (9_000, "GET /slow", json!({}))]].concat();
    check(&later, Counts { requests: 7, sent: 5, waited: 3, limited: 2, ..Counts::default() });
}

#[test]
fn what_an_upstream_s_limit_refuses_costs_the_caller_nothing() {
    let tight = |millis| line(millis, "GET /tight", &json!({}));
    let free = |millis| line(millis, "GET /a", &json!({}));
    let log = [tight(0), tight(1), tight(2), tight(3), free(4), free(5), free(6)].join("\n");
    let replayed = replayed(&log);
    let sums = replayed.tally.by_route();
    assert_eq!(sums[0].1, Counts { requests: 4, sent: 1, limited: 3, ..Counts::default() });
    assert_eq!(sums[1].1, Counts { requests: 3, sent: 2, limited: 1, ..Counts::default() });
}

#[test]
fn what_never_left_costs_its_upstream_s_limit_nothing() {
    let bad = json!({"status": 400, "details": "weir_bad_request"});
    // The upstream's own word for it is another matter.
    let theirs = json!({"status": 400, "details": "via_upstream"});
    let at = |millis, more: &Json| (millis, "GET /tight", more.clone());
    let lines = [at(0, &bad), at(1, &bad), at(2, &theirs)];
    check(&lines, Counts { requests: 3, sent: 1, refused: 2, ..Counts::default() });
    let lines = [at(0, &theirs), at(1, &json!({}))];
    check(&lines, Counts { requests: 2, sent: 1, limited: 1, ..Counts::default() });
    // Its caller has asked, and pays.
    let lines = [at(0, &bad), at(1, &bad), at(2, &bad), at(3, &json!({}))];
    check(&lines, Counts { requests: 4, limited: 1, refused: 3, ..Counts::default() });
}

#[test]
fn what_the_guard_refuses_costs_nobody_anything() {
    let guarded = POLICY.replace("tiers:", "guard: {}\nadmin: {}\ntiers:");
    let at = |millis, path: &str| line(millis, path, &json!({"status": 400, "details": "weir_bad_request"}));
    let bad = (0..3).map(|millis| at(millis, "GET /kept/%252e%252e")).chain([at(3, "GET /tight/%2500")]);
    let log: Vec<_> = bad.chain((4..8).map(|millis| line(millis, "GET /a", &json!({})))).collect();
    let rows = |policy: &str, log: &str| -> Vec<Counts> {
        replayed_by(policy, log).tally.by_route().iter().map(|(_, counts)| *counts).collect()
    };
    let refused = Counts { requests: 3, refused: 3, ..Counts::default() };
    let sums = rows(&guarded, &log.join("\n"));
    assert_eq!(sums[0], refused);
    assert_eq!(sums.last(), Some(&Counts { requests: 1, ..Counts::default() }), "no route is for the fourth");
    assert_eq!(sums[1], Counts { requests: 4, sent: 3, limited: 1, ..Counts::default() });
    // Refused with the caller's limit unspent, on a route that has one.
    let log: Vec<_> = (0..3)
        .map(|millis| at(millis, "GET /a/%252e"))
        .chain((3..6).map(|millis| line(millis, "GET /a/b", &json!({}))))
        .collect();
    let below = guarded.replace("match: GET /a,", "match: GET /a/*,");
    let expected = Counts { requests: 6, sent: 3, refused: 3, ..Counts::default() };
    assert_eq!(rows(&below, &log.join("\n")), [expected]);
    // What the proxy answers itself is for no route, whatever routes match.
    let any = guarded.replace("match: GET /a,", "match: GET /*,");
    let log = line(0, "GET /health", &json!({}));
    assert_eq!(rows(&any, &log), [Counts { requests: 1, ..Counts::default() }]);
}

#[test]
fn who_showed_nothing_is_refused_where_a_credential_is_required() {
    let lines = [(0, "GET /mine", json!({})), (1, "GET /mine", json!({"user_id": "alice", "tier": "pro"}))];
    check(&lines, Counts { requests: 2, sent: 1, refused: 1, ..Counts::default() });
}

#[test]
fn lines_come_in_the_order_of_their_requests_and_broken_ones_are_counted() {
    let endless = format!("{{\"x\": \"{}\"}}", "y".repeat(200_000));
    let log = [
        line(5_000, "GET /kept/a", &json!({})),
        "not JSON".to_owned(),
        String::new(),
        endless,
        "{}".to_owned(),
        line(0, "GET /kept/a", &json!({})),
        line(6_000, "GET /nowhere", &json!({})),
    ];
    let replayed = replayed(&log.join("\n"));
    assert_eq!((replayed.lines, replayed.broken), (6, 3));
    let sums = replayed.tally.by_route();
    assert_eq!(sums[0], ("GET /kept/*", Counts { requests: 2, sent: 1, cached: 1, ..Counts::default() }));
    assert_eq!(sums[1], ("(no route)", Counts { requests: 1, ..Counts::default() }));
}

#[test]
fn lines_that_came_too_late_to_be_put_in_order_are_counted_and_told() {
    // A request a minute: none is limited.
    let log = |minutes: std::ops::Range<u64>| {
        let at = |minute: u64| {
            let timestamp = format!("1970-01-{:02}T{:02}:{:02}:00Z", 1 + minute / 1440, minute / 60 % 24, minute % 60);
            line(0, "GET /a", &json!({"timestamp": timestamp}))
        };
        minutes.map(at).collect::<Vec<_>>()
    };
    let (older, newer) = (log(0..9000), log(9000..18_000));
    let document = document::read(Path::new("p.yaml"), POLICY.as_bytes(), &Reading::default()).unwrap();
    let gateway = Gateway::of(&document, &|_| None).unwrap();
    for (log, late) in [([older.clone(), newer.clone()], 0), ([newer, older], 9000)] {
        let replayed = replayed(&log.concat().join("\n"));
        assert_eq!((replayed.late, replayed.to_json()["late"].as_u64()), (late, Some(late)));
        let told = "9000 lines came too late to be put in order: of several logs, give the oldest first\n";
        assert_eq!(replayed.to_text(&gateway, 1).contains(told), late > 0);
        assert_eq!(replayed.tally.by_route()[0].1.limited > 0, late > 0);
    }
}

#[test]
fn the_command_reads_a_file_or_its_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("p.yaml"), POLICY).unwrap();
    let log = [
        line(0, "GET /a", &json!({})),
        line(1000, "GET /a", &json!({"user_id": "alice\u{1b}[2J", "tier": "pro"})),
        "x".to_owned(),
    ]
    .join("\n");
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        command.current_dir(folder.path()).args(["replay", "p.yaml"]).args(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // One that does not read it may have ended by now.
        let _ = child.stdin.take().unwrap().write_all(log.as_bytes());
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, said) = run(&["-", "--top", "1"]);
    assert!(code == Some(0) && said.starts_with("2 requests within 1 s; 1 lines were none\n"), "{said}");
    assert!(said.ends_with("192.0.2.1 on GET /a\nand 1 more\n"), "{said}");
    let (_, said) = run(&["-"]);
    assert!(said.contains("alice\u{fffd}[2J on GET /a\n"), "{said}");
    let (_, said) = run(&["-", "--format", "json"]);
    let json: Json = serde_json::from_str(&said).unwrap();
    assert_eq!(json["clients"].as_array().unwrap().len(), 2);
    assert_eq!(run(&["nowhere.log"]).0, Some(1));
}
