//! The second level on a clock of the test's: how soon a purge leaves for the fleet, and how long a request waits.

use std::time::Duration;

use host::{Answer, Arrival, Metric, StreamId};
use proxy::Reply;
use suite::stage::Stage;
use suite::{HostStage, Scenario};

use crate::purge::KEY;
use crate::store::PASSWORD;

/// How often every worker looks for what is to be done beside the requests.
const TICK: Duration = Duration::from_millis(100);
/// How often the fleet's purges are read by default.
const REFRESH: Duration = Duration::from_millis(500);
const MILLISECOND: Duration = Duration::from_millis(1);
/// What stands in every question for the stream of orders, and an answer without any.
pub(crate) const FEED: &str = "purges";
pub(crate) const NO_ORDERS: &str = "*4\r\n$3\r\n0-0\r\n$3\r\n0-0\r\n$1\r\n0\r\n$16\r\n1700000000000000\r\n";

/// What stands under a URL whose responses vary: a floor, an order, a number, by what.
const VARIES: &str = "$65\r\nV1700000000000000170000000017000000000000000123456789abcdefx-kind\r\n";

/// A proxy whose second level is as it is by default, and answers when the test has it answer; it has read the fleet's purges.
fn stage(workers: usize) -> HostStage {
    let config = format!(
        r#"{{"state": {{"env": "STATE_PASSWORD", "path": "/store", "timeout": "10s"}}, "l2": {{}},
            "routes": [{{"match": {{"prefix": "/notes/"}}, "isolate": "tier"}},
                {{"match": {{}}, "purge_key_sha256": "{KEY}"}}]}}"#
    );
    let scenario = Scenario::new(&[("cache", &config)]).environment("STATE_PASSWORD", PASSWORD).cluster("state");
    let mut stage = scenario.workers(workers).host().expect("the host starts");
    stage.answer(Some("/store"), Reply::status(200).held());
    stage.host.advance(TICK);
    says(&mut stage, FEED, NO_ORDERS);
    stage
}

/// What the store has been asked and has not answered, of the questions with these words in them.
pub(crate) fn asked(stage: &HostStage, words: &str) -> Vec<Arrival> {
    let mut held = stage.host.held();
    held.retain(|arrival| String::from_utf8_lossy(&arrival.body).contains(words));
    held
}

/// Has the store answer the only question with these words.
pub(crate) fn says(stage: &mut HostStage, words: &str, reply: &str) {
    let asked = asked(stage, words);
    assert_eq!(asked.len(), 1, "{words}: {:?}", stage.host.held());
    stage.host.release(asked[0].call, Answer::status(200).body(reply));
}

fn purge(stage: &mut HostStage, worker: usize, order: &str) {
    let request = host::Request::new("PURGE", "/").header("x-purge-key", "open sesame").header("x-purge", order);
    let answer = stage.host.send(worker, request).response.expect("a purge is answered at once");
    assert_eq!(answer.status(), 200);
}

#[test]
fn a_purge_leaves_for_the_fleet_with_the_next_tick_whichever_worker_was_told() {
    for worker in [0, 1, 2] {
        for pause in [0, 1, 50, 99, 250, 400] {
            let mut stage = stage(3);
            stage.host.advance(Duration::from_millis(pause));
            for arrival in asked(&stage, FEED) {
                stage.host.release(arrival.call, Answer::status(200).body(NO_ORDERS));
            }
            purge(&mut stage, worker, "tag=worker");
            stage.host.advance(TICK + MILLISECOND);
            let sent = asked(&stage, "worker").len();
            assert_eq!(sent, 1, "told to worker {worker}, {pause} ms after the last: {:?}", stage.host.held());
        }
    }
}

#[test]
fn a_purge_while_the_fleet_is_asked_leaves_with_the_answer() {
    for worker in [0, 1] {
        let mut stage = stage(2);
        stage.host.advance(REFRESH + TICK);
        purge(&mut stage, worker, "tag=late");
        assert_eq!(asked(&stage, "late").len(), 0);
        says(&mut stage, FEED, NO_ORDERS);
        assert_eq!(asked(&stage, "late").len(), 1, "told to worker {worker}: {:?}", stage.host.held());
        says(&mut stage, "late", NO_ORDERS);
        assert_eq!(asked(&stage, FEED).len(), 0, "it is told once");
    }
}

#[test]
fn what_others_purge_is_read_within_a_turn_and_a_tick() {
    let mut stage = stage(2);
    for turn in 0..5 {
        stage.host.advance(REFRESH + TICK);
        assert_eq!(asked(&stage, FEED).len(), 1, "turn {turn}");
        says(&mut stage, FEED, NO_ORDERS);
    }
}

#[test]
fn an_order_that_the_store_does_not_take_is_not_pressed_upon_it() {
    let mut stage = stage(2);
    purge(&mut stage, 0, "tag=a");
    let mut sent = 0;
    for _ in 0..50 {
        stage.host.advance(TICK);
        for arrival in stage.host.held() {
            sent += 1;
            stage.host.release(arrival.call, Answer::status(503));
        }
    }
    assert!((8..=14).contains(&sent), "in five seconds, {sent} times");
}

/// A store that is full answers all else, and has room again at some time.
#[test]
fn an_order_that_a_full_store_refuses_waits_for_its_turn() {
    let mut stage = stage(2);
    purge(&mut stage, 0, "tag=full");
    let mut sent = 0;
    for _ in 0..50 {
        stage.host.advance(TICK);
        // Who asks is answered, so that the level is not taken for one that is away.
        asking(&mut stage);
        says(&mut stage, "GET/", "$-1\r\n");
        for arrival in asked(&stage, FEED) {
            sent += 1;
            stage.host.release(arrival.call, Answer::status(200).body("-OOM command not allowed\r\n"));
        }
    }
    assert!((9..=12).contains(&sent), "in five seconds, {sent} times");
}

/// Sends an unsafe request that succeeds.
fn put(stage: &mut HostStage, path: &str) {
    let answer = stage.host.send(0, host::Request::new("PUT", path)).response.expect("an answer");
    assert_eq!(answer.status(), 200);
}

/// How often `/kept` was asked for upstream.
fn fetches(stage: &mut HostStage) -> usize {
    stage.host.send(0, host::Request::get("/kept"));
    stage.host.arrivals().iter().filter(|arrival| arrival.stream.is_some() && arrival.path() == "/kept").count()
}

#[test]
fn a_level_that_is_away_costs_what_is_kept_once_for_many_urls() {
    let mut stage = stage(1);
    stage.answer(None, Reply::status(200).header("cache-control", "max-age=60").body("x"));
    let mut fetched = Vec::new();
    for number in 0..1200 {
        put(&mut stage, &format!("/{number}"));
        fetched.push(fetches(&mut stage));
        // Whoever asks is left without an answer, and goes on without the level.
        stage.host.advance(MILLISECOND * 20);
        for arrival in asked(&stage, "") {
            stage.host.release(arrival.call, Answer::status(503));
        }
    }
    // The 513th finds no room, and is ended with what shares its cell: what is kept here is not asked for anew.
    assert_eq!(fetched.last(), Some(&1), "{fetched:?}");
}

/// The orders that the store has been asked to take, and has not.
fn told(stage: &HostStage) -> Vec<String> {
    let asked = asked(stage, FEED);
    let body = asked.first().map(|arrival| String::from_utf8_lossy(&arrival.body).into_owned()).unwrap_or_default();
    // The command, the script, one key, the place, the page, and then the orders.
    body.trim_end_matches(".raw").split('/').skip(6).map(decoded).collect()
}

fn decoded(word: &str) -> String {
    let mut parts = word.split('%');
    let mut text = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        text.push(u8::from_str_radix(&part[..2], 16).unwrap());
        text.extend(&part.as_bytes()[2..]);
    }
    String::from_utf8(text).unwrap()
}

/// Has the store take them, and answer with them.
fn takes(stage: &mut HostStage) -> Vec<String> {
    let orders = told(stage);
    let mut words = vec![format!("1700000000000-{}", orders.len()), "1700000000000-1".into()];
    words.extend([orders.len().to_string(), "1700000000000000".into()]);
    for (number, order) in orders.iter().enumerate() {
        words.extend([format!("1700000000000-{}", number + 1), order.clone()]);
    }
    let words: Vec<_> = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
    says(stage, FEED, &format!("*{}\r\n{}", words.len(), words.concat()));
    orders
}

/// How many requests have been forwarded.
fn forwarded(stage: &HostStage) -> usize {
    stage.host.arrivals().iter().filter(|arrival| arrival.stream.is_some()).count()
}

#[test]
fn a_client_who_ends_a_long_url_takes_nothing_else_from_the_fleet() {
    for path in ["/notes/1", &format!("/notes/1?{}", "&".repeat(1400))] {
        let mut stage = stage(1);
        stage.answer(None, Reply::status(200).header("cache-control", "max-age=60").body("x"));
        let kept: Vec<_> = (2..20)
            .map(|number| host::Request::get(&format!("/notes/{number}")).header("x-weir-tier", "free"))
            .collect();
        for request in &kept {
            stage.host.open(0, request.clone());
            stage.host.poll();
            says(&mut stage, "GET/", "$-1\r\n");
        }
        put(&mut stage, path);
        stage.host.advance(TICK);
        let orders = takes(&mut stage);
        assert_eq!(orders.len(), 1, "{orders:?}");
        let before = forwarded(&stage);
        for request in kept {
            stage.host.open(0, request);
        }
        stage.host.poll();
        assert_eq!((asked(&stage, "GET/").len(), forwarded(&stage)), (0, before), "{orders:?}");
    }
}

#[test]
fn a_clients_flood_of_ends_leaves_what_is_kept_and_what_an_operator_says() {
    let mut stage = stage(1);
    stage.answer(None, Reply::status(200).header("cache-control", "max-age=60").body("x"));
    fetches(&mut stage);
    stage.host.advance(MILLISECOND * 20);
    for number in 0..1000 {
        put(&mut stage, &format!("/notes/{number}"));
        put(&mut stage, "/notes/again");
    }
    purge(&mut stage, 0, "tag=operator");
    stage.host.advance(TICK);
    let orders = takes(&mut stage);
    assert!(orders.len() < 70 && orders.contains(&"tag=operator".into()), "{} {:?}", orders.len(), orders.last());
    assert_eq!(orders.iter().filter(|order| order.contains("again")).count(), 1);
    assert!(!orders.contains(&"everything".into()));
    assert_eq!(fetches(&mut stage), 1);
}

/// Whether the upstream has been asked.
fn is_forwarded(stage: &HostStage, stream: StreamId) -> bool {
    stage.host.arrivals().iter().any(|arrival| arrival.stream == Some(stream))
}

/// A request for which the store has just been asked, and has not answered.
fn asking(stage: &mut HostStage) -> StreamId {
    let stream = stage.host.open(0, host::Request::get("/a").header("x-kind", "1"));
    stage.host.poll();
    assert_eq!((asked(stage, "GET/").len(), is_forwarded(stage, stream)), (1, false));
    stream
}

/// By default that is 20 ms, to the millisecond: the host ends the question, no tick.
#[test]
fn nobody_waits_for_the_second_level_longer_than_the_budget() {
    let mut stage = stage(1);
    let stream = asking(&mut stage);
    stage.host.advance(Duration::from_millis(19));
    assert!(!is_forwarded(&stage, stream), "before the budget has passed");
    stage.host.advance(MILLISECOND);
    assert!(is_forwarded(&stage, stream), "{:?}", stage.host.held());
}

#[test]
fn the_budget_is_for_both_questions_about_what_varies() {
    for (first, left) in [(1, 19), (15, 5), (18, 2)] {
        let mut stage = stage(1);
        let stream = asking(&mut stage);
        stage.host.advance(Duration::from_millis(first));
        says(&mut stage, "GET/", VARIES);
        assert_eq!((asked(&stage, "0123456789abcdef").len(), is_forwarded(&stage, stream)), (1, false));
        stage.host.advance(Duration::from_millis(left - 1));
        assert!(!is_forwarded(&stage, stream), "before the budget has passed, {first} ms of which for the first");
        stage.host.advance(MILLISECOND);
        assert!(is_forwarded(&stage, stream), "{first} ms for the first question: {:?}", stage.host.held());
    }
}

#[test]
fn an_answer_that_leaves_no_time_for_the_second_question_ends_the_wait() {
    let mut stage = stage(1);
    let stream = asking(&mut stage);
    stage.host.advance(Duration::from_micros(19_500));
    says(&mut stage, "GET/", VARIES);
    assert!(is_forwarded(&stage, stream), "{:?}", stage.host.held());
}

/// What the store has been told to keep, and has not answered.
fn fills(stage: &HostStage) -> Vec<Arrival> {
    let mut scripts = asked(stage, "EVALSHA");
    scripts.retain(|arrival| !String::from_utf8_lossy(&arrival.body).contains(FEED));
    scripts
}

/// Asks for so many URLs, none of which the store has, and all of which are stored.
fn miss(stage: &mut HostStage, urls: std::ops::Range<usize>) {
    for number in urls {
        stage.host.open(0, host::Request::get(&format!("/{number}")));
        stage.host.poll();
        says(stage, "GET/", "$-1\r\n");
    }
    stage.host.advance(TICK);
}

/// What is written there is no client's request, so that no limit of the policy holds it back; these do.
#[test]
fn what_is_written_to_the_second_level_is_bounded_bears_the_password_and_pauses_while_it_is_away() {
    let mut stage = stage(1);
    stage.answer(None, Reply::status(200).header("cache-control", "max-age=60").body("x"));
    miss(&mut stage, 0..1100);
    let under_way = fills(&stage);
    assert_eq!(under_way.len(), 4);
    assert!(
        under_way.iter().all(|arrival| arrival.header("authorization").is_some_and(|said| said.starts_with("Basic ")))
    );
    // Of more than 1,024 that wait, the first are passed over.
    let metrics = stage.host.metrics();
    let mut passed_over =
        metrics.iter().filter(|(name, _)| name.contains("cache_remote_total") && name.contains("not_stored"));
    assert_eq!(passed_over.next().map(|(_, count)| count), Some(&Metric::Counter(76)), "{metrics:?}");
    // Each answer makes room for the next.
    stage.host.release(under_way[0].call, Answer::status(200).body("$2\r\nok\r\n"));
    assert_eq!(fills(&stage).len(), 4);
    // After the third that fails there is a pause of five seconds.
    let mut failed = 0;
    while let Some(arrival) = fills(&stage).first() {
        stage.host.release(arrival.call, Answer::status(503));
        failed += 1;
    }
    assert_eq!(failed, 6);
    stage.host.advance(TICK * 49);
    assert_eq!(fills(&stage).len(), 0, "while it is away");
    stage.host.advance(TICK * 2);
    assert_eq!(fills(&stage).len(), 4, "after the pause");
}
