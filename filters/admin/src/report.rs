//! What is told of limits, breakers and caches.

use policy::allowance::{self, Allowance};
use policy::health::{self, Health};

use crate::config::Data;
use crate::json::Writer;

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
    let mut list = Writer::list();
    for line in health::read(bytes).filter(|line| line.is_current(now)) {
        list.push(&breaker(&line));
    }
    Writer::object().raw("circuit_breakers", &list.end()).end()
}

/// All limits of the present.
pub fn limits(bytes: &[u8], now: u64) -> String {
    let mut list = Writer::list();
    for line in allowance::read(bytes).filter(|line| line.is_current(now)) {
        list.push(&limit(&line));
    }
    Writer::object().raw("rate_limits", &list.end()).end()
}

fn limit(line: &Allowance<'_>) -> String {
    let mut providers = Writer::list();
    for name in line.providers.split(',').filter(|name| *name != "-") {
        providers.push(&crate::json::quoted(name));
    }
    let object = Writer::object()
        .text("name", line.rule)
        .raw("providers", &providers.end())
        .text("policy", line.policy)
        .text("kept_by", if line.is_fleet { "fleet" } else { "proxy" })
        .text("per", if line.slots == 0 { "upstream" } else { "caller" });
    let object = match line.shared {
        Some([most, tokens]) => object.number("tokens", tokens.into()).number("most", most.into()),
        None => object,
    };
    object.number("waiting", line.waiting.into()).number("cooling_seconds", line.cooling.into()).end()
}

/// How often some routes of a cache were asked and answered, of which each pair of numbers tells hits and misses.
pub fn cache(data: &[Data], counts: &[[u64; 2]]) -> String {
    let mut list = Writer::list();
    let [mut all_hits, mut all_misses] = [0_u64; 2];
    for (data, [hits, misses]) in data.iter().zip(counts) {
        all_hits = all_hits.saturating_add(*hits);
        all_misses = all_misses.saturating_add(*misses);
        let labels = Writer::object().text("provider", &data.provider).text("data_type", &data.data_type);
        list.push(&rates(labels, *hits, *misses));
    }
    rates(Writer::object().raw("caches", &list.end()), all_hits, all_misses)
}

fn rates(object: Writer, hits: u64, misses: u64) -> String {
    let asked = hits.saturating_add(misses);
    let percent = hits.saturating_mul(100).checked_div(asked).unwrap_or(0);
    object.number("hits", hits).number("misses", misses).number("hit_percent", percent).end()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn limits_are_told_as_they_stand() {
        let lines = b"100 spotify spotify 0 20 17 3 12 proxy \"s\";q=20\n100 client a,b 2048 - - 0 0 fleet x\n";
        let expected = concat!(
            r#"{"rate_limits":[{"name":"spotify","providers":["spotify"],"policy":"\"s\";q=20","kept_by":"proxy","#,
            r#""per":"upstream","tokens":17,"most":20,"waiting":3,"cooling_seconds":12},"#,
            r#"{"name":"client","providers":["a","b"],"policy":"x","kept_by":"fleet","per":"caller","waiting":0,"#,
            r#""cooling_seconds":0}]}"#
        );
        assert_eq!(limits(lines, 100), expected);
        assert_eq!(limits(lines, 200), r#"{"rate_limits":[]}"#);
    }

    #[test]
    fn a_cache_s_numbers_are_told_each_and_together() {
        let data = |name: &str| Data { provider: name.to_owned(), data_type: "x".to_owned() };
        let told = cache(&[data("a"), data("b")], &[[3, 1], [0, 0]]);
        let expected = concat!(
            r#"{"caches":[{"provider":"a","data_type":"x","hits":3,"misses":1,"hit_percent":75},"#,
            r#"{"provider":"b","data_type":"x","hits":0,"misses":0,"hit_percent":0}],"hits":3,"misses":1,"hit_percent":75}"#
        );
        assert_eq!(told, expected);
    }
}
