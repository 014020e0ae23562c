//! What Envoy's administration interface is asked and told: how many hosts upstreams have, and how much is logged.

use policy::level;

use crate::json::Writer;

/// What is asked: the numbers of hosts of every cluster, a line for each.
pub const HOSTS: &str = "/stats?filter=membership_%28healthy%7Ctotal%29%24";

/// A longer answer is none.
pub const ANSWER_BYTES_MAX: usize = 1 << 20;

/// More clusters than this are not told.
const CLUSTERS_MAX: usize = 1024;

/// What the names of clusters begin with that lead back into the proxy.
const OWN: &str = "weir_";

/// One cluster's hosts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Hosts {
    healthy: u64,
    all: u64,
}

/// The clusters in an answer to [`HOSTS`], as a list, without the ways back into this proxy.
pub fn upstreams(answer: &[u8]) -> String {
    let mut clusters: Vec<(&str, Hosts)> = Vec::new();
    for (name, kind, count) in std::str::from_utf8(answer).unwrap_or_default().lines().filter_map(line) {
        let at = clusters.iter().position(|(known, _)| *known == name);
        if name.starts_with(OWN) || (at.is_none() && clusters.len() >= CLUSTERS_MAX) {
            continue;
        }
        let at = at.unwrap_or(clusters.len());
        if at == clusters.len() {
            clusters.push((name, Hosts::default()));
        }
        match clusters.get_mut(at) {
            Some((_, hosts)) if kind == "healthy" => hosts.healthy = count,
            Some((_, hosts)) => hosts.all = count,
            None => {}
        }
    }
    crate::report::list(clusters.into_iter().map(|(name, Hosts { healthy, all })| {
        Writer::object().text("name", name).number("healthy", healthy).number("hosts", all).end()
    }))
}

/// `cluster.NAME.membership_KIND: COUNT`; a name may have dots.
fn line(line: &str) -> Option<(&str, &str, u64)> {
    let (key, count) = line.strip_prefix("cluster.")?.split_once(": ")?;
    let (name, kind) = key.rsplit_once(".membership_")?;
    Some((name, kind, count.parse().ok()?))
}

/// What Envoy is told so that it drops nothing that a filter is to say; what it says of itself at its usual level stays.
pub fn logging(levels: impl Iterator<Item = &'static str>) -> &'static str {
    let rank = |word: &str| level::WORDS.iter().position(|known| *known == word).unwrap_or_default();
    let most = levels.max_by_key(|word| rank(word)).filter(|word| rank(word) > rank(level::USUAL));
    match most {
        Some("trace") => "/logging?wasm=trace",
        Some(_) => "/logging?wasm=debug",
        None => "/logging?wasm=info",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn hosts_are_told_for_each_cluster() {
        let answer = b"cluster.a.b.membership_healthy: 1\ncluster.a.b.membership_total: 2\n\
            cluster.weir_own.membership_healthy: 1\ncluster.c.membership_total: 3\ncluster.c.x: 3\nserver.live: 1\n\
            cluster.d.membership_total: -\n";
        let expected = r#"[{"name":"a.b","healthy":1,"hosts":2},{"name":"c","healthy":0,"hosts":3}]"#;
        assert_eq!(upstreams(answer), expected);
        assert_eq!(upstreams(b"\xff"), "[]");
        let many: Vec<_> = (0..2000).map(|number| format!("cluster.{number}.membership_total: 1\n")).collect();
        assert_eq!(upstreams(many.concat().as_bytes()).matches("name").count(), CLUSTERS_MAX);
    }

    #[test]
    fn envoy_lets_through_what_the_loudest_filter_says_and_never_less_than_usual() {
        for (levels, expected) in [
            (&["info", "error"][..], "/logging?wasm=info"),
            (&["error"], "/logging?wasm=info"),
            (&["info", "debug", "warn"], "/logging?wasm=debug"),
            (&["trace", "debug"], "/logging?wasm=trace"),
            (&[], "/logging?wasm=info"),
        ] {
            assert_eq!(logging(levels.iter().copied()), expected, "{levels:?}");
        }
    }
}
