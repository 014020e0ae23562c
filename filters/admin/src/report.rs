//! What is told of limits, lines, breakers, caches, credentials, configurations and logs: each a list.

use policy::allowance::{self, Allowance};
use policy::credential::Age;
use policy::health::{self, Health};
use policy::queue::Crowd;
use policy::{Instant, level};

use crate::config::Data;
use crate::json::{Writer, quoted};

/// One breaker.
pub fn breaker(line: &Health<'_>) -> String {
    Writer::object()
        .text("name", line.name)
        .text("state", line.mode)
        .number("seconds", line.seconds)
        .number("open", line.open.into())
        .number("half_open", line.half_open.into())
        .end()
}

/// All breakers of the present.
pub fn breakers(bytes: &[u8], now: u64) -> String {
    list(health::read(bytes).filter(|line| line.is_current(now)).map(|line| breaker(&line)))
}

/// All limits of the present; `crowd` says who waits for one.
pub fn limits(bytes: &[u8], now: u64, crowd: impl Fn(&Allowance<'_>) -> Crowd) -> String {
    list(allowance::read(bytes).filter(|line| line.is_current(now)).map(|line| limit(&line, crowd(&line).requests)))
}

fn limit(line: &Allowance<'_>, waiting: u32) -> String {
    let names = line.providers.split(',').filter(|name| *name != "-");
    let object = Writer::object()
        .text("name", line.rule)
        .raw("providers", &list(names.map(quoted)))
        .text("policy", line.policy)
        .text("kept_by", if line.is_fleet { "fleet" } else { "proxy" })
        .text("per", if line.slots == 0 { "upstream" } else { "caller" });
    let object = match line.shared {
        Some([most, tokens]) => object.number("tokens", tokens.into()).number("most", most.into()),
        None => object,
    };
    object.number("waiting", waiting.into()).number("cooling_seconds", line.cooling.into()).end()
}

/// The lines of all limits for which anybody waits, or could: those that all callers share, and those that each has.
pub fn queues(bytes: &[u8], now: u64, crowd: impl Fn(&Allowance<'_>) -> Crowd) -> String {
    let lines = allowance::read(bytes).filter(|line| line.is_current(now));
    list(lines.map(|line| (crowd(&line), line)).filter(|(crowd, _)| crowd.requests > 0).map(|(crowd, line)| {
        Writer::object()
            .text("name", line.rule)
            .text("per", if line.slots == 0 { "upstream" } else { "caller" })
            .number("waiting", crowd.requests.into())
            .number("callers", crowd.callers.into())
            .number("longest", crowd.longest.into())
            .end()
    }))
}

/// What a cache holds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Stock {
    /// So many responses.
    pub entries: u64,
    /// Of so many bytes, as they are kept.
    pub bytes: u64,
}

/// How often some routes of a cache were asked and answered, of which each pair of numbers tells hits and misses; and what it holds.
pub fn cache(data: &[Data], counts: &[[u64; 2]], stock: Stock) -> String {
    let [mut all_hits, mut all_misses] = [0_u64; 2];
    let caches = list(data.iter().zip(counts).map(|(data, [hits, misses])| {
        all_hits = all_hits.saturating_add(*hits);
        all_misses = all_misses.saturating_add(*misses);
        let labels = Writer::object().text("provider", &data.provider).text("data_type", &data.data_type);
        rates(labels, *hits, *misses).end()
    }));
    let all = rates(Writer::object().raw("caches", &caches), all_hits, all_misses);
    all.number("entries", stock.entries).number("bytes", stock.bytes).end()
}

fn rates(object: Writer, hits: u64, misses: u64) -> Writer {
    let asked = hits.saturating_add(misses);
    let percent = hits.saturating_mul(100).checked_div(asked).unwrap_or(0);
    object.number("hits", hits).number("misses", misses).number("hit_percent", percent)
}

/// A credential that was fetched: `kind` says what it is, and `name` whose.
pub fn credential(kind: &str, name: &str, age: Age, now: Instant) -> String {
    let object = Writer::object().text("kind", kind).text("name", name);
    let object = match age.fetched {
        Some(fetched) => object.text("state", "present").number("age_seconds", now.since(fetched).as_secs()),
        None => object.text("state", "missing"),
    };
    let object = match age.ends {
        Some(ends) => object.number("ends_in_seconds", ends.since(now).as_secs()),
        None => object,
    };
    object.number("failures", age.failures).end()
}

/// With what a plugin runs: the digest of what it has read, and of what it was to read; `None` where nobody knows.
pub fn configuration(plugin: &str, expected: Option<&str>, actual: Option<&str>) -> String {
    let digest = |digest: Option<&str>| digest.map_or_else(|| "null".to_owned(), quoted);
    let state = match (expected, actual) {
        (_, None) => "missing",
        (None, _) => "unknown",
        (Some(expected), Some(actual)) if expected == actual => "same",
        _ => "different",
    };
    Writer::object()
        .text("plugin", plugin)
        .text("state", state)
        .raw("running_sha256", &digest(actual))
        .raw("expected_sha256", &digest(expected))
        .end()
}

/// How much each filter says in the log; `stored` tells what an operator has said of it.
pub fn levels(stored: impl Fn(&str) -> &'static str) -> String {
    list(
        level::FILTERS
            .into_iter()
            .map(|filter| Writer::object().text("filter", filter).text("level", stored(filter)).end()),
    )
}

/// Elements that are written already, as a list.
pub fn list(elements: impl Iterator<Item = String>) -> String {
    let mut list = Writer::list();
    elements.for_each(|element| list.push(&element));
    list.end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const LINES: &[u8] = b"100 spotify spotify 0 20 17 3 12 proxy \"s\";q=20\n100 client a,b 2048 - - - 0 fleet x\n";

    /// Of those that share a line, as many as are told; of those who have one each, three of two callers.
    fn crowd(line: &Allowance<'_>) -> Crowd {
        match line.waiting {
            Some(requests) => Crowd { requests, callers: 1, longest: requests },
            None => Crowd { requests: 3, callers: 2, longest: 2 },
        }
    }

    #[test]
    fn limits_are_told_as_they_stand() {
        let expected = concat!(
            r#"[{"name":"spotify","providers":["spotify"],"policy":"\"s\";q=20","kept_by":"proxy","#,
            r#""per":"upstream","tokens":17,"most":20,"waiting":3,"cooling_seconds":12},"#,
            r#"{"name":"client","providers":["a","b"],"policy":"x","kept_by":"fleet","per":"caller","waiting":3,"#,
            r#""cooling_seconds":0}]"#
        );
        assert_eq!(limits(LINES, 100, crowd), expected);
        assert_eq!(limits(LINES, 200, crowd), "[]");
    }

    #[test]
    fn lines_are_told_where_anybody_waits() {
        let expected = concat!(
            r#"[{"name":"spotify","per":"upstream","waiting":3,"callers":1,"longest":3},"#,
            r#"{"name":"client","per":"caller","waiting":3,"callers":2,"longest":2}]"#
        );
        assert_eq!(queues(LINES, 100, crowd), expected);
        assert_eq!(queues(LINES, 100, |_| Crowd::default()), "[]");
    }

    #[test]
    fn a_cache_s_numbers_are_told_each_and_together() {
        let data = |name: &str| Data { provider: name.to_owned(), data_type: "x".to_owned() };
        let told = cache(&[data("a"), data("b")], &[[3, 1], [0, 0]], Stock { entries: 7, bytes: 900 });
        let expected = concat!(
            r#"{"caches":[{"provider":"a","data_type":"x","hits":3,"misses":1,"hit_percent":75},"#,
            r#"{"provider":"b","data_type":"x","hits":0,"misses":0,"hit_percent":0}],"hits":3,"misses":1,"#,
            r#""hit_percent":75,"entries":7,"bytes":900}"#
        );
        assert_eq!(told, expected);
    }

    #[test]
    fn a_credential_has_an_age_or_is_missing() {
        let now = Instant::from_unix_seconds(1000);
        let [fetched, ends] = [now.before(Duration::from_secs(70)), now + Duration::from_secs(30)].map(Some);
        let told = |age| credential("token", "spotify", age, now);
        assert_eq!(
            told(Age { fetched, ends, failures: 1 }),
            r#"{"kind":"token","name":"spotify","state":"present","age_seconds":70,"ends_in_seconds":30,"failures":1}"#
        );
        assert_eq!(told(Age::default()), r#"{"kind":"token","name":"spotify","state":"missing","failures":0}"#);
    }

    #[test]
    fn a_configuration_is_that_which_was_meant_or_another() {
        for (expected, actual, state) in [
            (Some("a"), Some("a"), "same"),
            (Some("a"), Some("b"), "different"),
            (None, Some("b"), "unknown"),
            (Some("a"), None, "missing"),
        ] {
            let told = configuration("cache", expected, actual);
            assert!(told.starts_with(&format!(r#"{{"plugin":"cache","state":"{state}","running_sha256":"#)), "{told}");
        }
        assert!(configuration("cache", None, Some("b")).ends_with(r#""running_sha256":"b","expected_sha256":null}"#));
    }

    #[test]
    fn every_filter_has_a_level() {
        let told = levels(|filter| if filter == "cache" { "debug" } else { level::USUAL });
        assert!(told.contains(r#"{"filter":"cache","level":"debug"}"#), "{told}");
        assert_eq!(told.matches("info").count(), level::FILTERS.len() - 1);
    }
}
