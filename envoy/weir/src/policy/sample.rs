//! Requests that stand for all that a route matches, so that routes can be compared by the filters' own matching.
//!
//! A sample has, in each place that a route leaves open, a word that no policy says: `~id` for the segment `{id}`, a method
//! and a host that nobody has named. Another route that matches it cannot have asked for anything in that place, so it
//! matches whatever stands there. And one that matches the samples of a prefix at every depth is open at its own end: others
//! are as long as they are. So a route whose samples are all taken by others is never reached.

use policy::Headers;
use policy::route::Target;

use crate::policy::{Matcher, Pattern};

/// One request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sample {
    /// The method.
    pub method: String,
    /// The host.
    pub host: String,
    /// The path.
    pub path: String,
    /// Further headers, by name and value.
    pub headers: Vec<(String, String)>,
}

/// Stands for a segment that has no name.
const SEGMENT: &str = "~";
/// Stands for the hosts that no policy names (RFC 6761 §6.4).
const HOST: &str = "any.invalid";
/// Those that differ where a route takes any, and one that stands for all others.
const METHODS: [&str; 8] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "ANY"];

impl Sample {
    /// One that asks any host for a path.
    pub fn of_path(path: &str) -> Self {
        Self { method: "GET".to_owned(), host: HOST.to_owned(), path: path.to_owned(), headers: Vec::new() }
    }

    /// The headers as filters see them.
    pub fn to_headers(&self) -> Headers {
        let mut pairs: Vec<(&[u8], &[u8])> = vec![
            (b":method", self.method.as_bytes()),
            (b":scheme", b"http"),
            (b":authority", self.host.as_bytes()),
            (b":path", self.path.as_bytes()),
        ];
        pairs.extend(self.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
        Headers::from_pairs(&pairs)
    }

    /// Whether a route is about it.
    pub fn is_of(&self, matcher: &Matcher) -> bool {
        matcher.rule.matches(&Target::of(&self.to_headers()))
    }

    /// As somebody writes a request down.
    pub fn shown(&self) -> String {
        let mut line = format!("{} {}", self.method, self.path);
        if self.host != HOST {
            line.push_str(&format!(" -H 'host: {}'", self.host));
        }
        for (name, value) in &self.headers {
            line.push_str(&format!(" -H '{name}: {value}'"));
        }
        line
    }
}

/// How many segments the longest path has that a route can ask for, and one more.
pub fn depth<'m>(matchers: impl IntoIterator<Item = &'m Matcher>) -> usize {
    let segments = |matcher: &Matcher| match &matcher.pattern {
        Pattern::Any => 0,
        Pattern::Exact(path) | Pattern::Below(path) | Pattern::AtOrBelow(path) | Pattern::Template(path) => {
            path.matches('/').count()
        }
    };
    matchers.into_iter().map(segments).max().unwrap_or(0) + 1
}

/// Samples of everything that a route matches.
pub fn all(matcher: &Matcher, depth: usize) -> Vec<Sample> {
    let mut samples = Vec::new();
    for path in paths(&matcher.pattern, depth) {
        for method in methods(matcher) {
            for host in hosts(matcher) {
                let (method, headers) = (method.to_owned(), matcher.headers.clone());
                samples.push(Sample { method, host, path: path.clone(), headers });
            }
        }
    }
    samples
}

/// Samples of what two routes both match; none where nothing is.
pub fn of_both(one: &Matcher, other: &Matcher, depth: usize) -> Vec<Sample> {
    let methods: Vec<_> = methods(one).into_iter().filter(|method| other.rule.admits(method)).collect();
    let mut headers = one.headers.clone();
    headers.extend(other.headers.iter().filter(|pair| !one.headers.contains(pair)).cloned());
    let others = paths(&other.pattern, depth);
    let mut samples = Vec::new();
    for path in paths(&one.pattern, depth) {
        for path in others.iter().filter_map(|other| merged(&path, other)) {
            for host in hosts(one).into_iter().chain(hosts(other)) {
                for method in &methods {
                    let (method, path) = ((*method).to_owned(), path.clone());
                    let sample = Sample { method, host: host.clone(), path, headers: headers.clone() };
                    if !samples.contains(&sample) && sample.is_of(one) && sample.is_of(other) {
                        samples.push(sample);
                    }
                }
            }
        }
    }
    samples
}

/// A path that is both, where each segment that one leaves open is what the other says.
fn merged(one: &str, other: &str) -> Option<String> {
    if one.matches('/').count() != other.matches('/').count() {
        return None;
    }
    let pick = |(one, other): (&str, &str)| match (one.starts_with('~'), other.starts_with('~')) {
        (true, _) => Some(other.to_owned()),
        (false, true) => Some(one.to_owned()),
        (false, false) => (one == other).then(|| one.to_owned()),
    };
    let segments: Option<Vec<_>> = one.split('/').zip(other.split('/')).map(pick).collect();
    Some(segments?.join("/"))
}

fn methods(matcher: &Matcher) -> Vec<&str> {
    if matcher.methods.is_empty() { METHODS.to_vec() } else { matcher.methods.iter().map(String::as_str).collect() }
}

fn hosts(matcher: &Matcher) -> Vec<String> {
    let host = |host: &String| host.replacen('*', "any", 1);
    if matcher.hosts.is_empty() { vec![HOST.to_owned()] } else { matcher.hosts.iter().map(host).collect() }
}

fn paths(pattern: &Pattern, depth: usize) -> Vec<String> {
    let below = |base: &str| {
        let from = base.matches('/').count();
        let mut paths = vec![format!("{base}/")];
        let mut path = base.to_owned();
        for _ in from..=depth {
            path.push('/');
            path.push_str(SEGMENT);
            paths.push(path.clone());
        }
        paths
    };
    match pattern {
        Pattern::Any => below(""),
        Pattern::Exact(path) => vec![path.clone()],
        Pattern::Below(prefix) => below(prefix.trim_end_matches('/')),
        Pattern::AtOrBelow(prefix) => [vec![prefix.clone()], below(prefix)].concat(),
        Pattern::Template(template) => {
            let segment = |part: &str| match part.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                Some(name) => format!("~{name}"),
                None => part.to_owned(),
            };
            let filled = |template: &str| template.split('/').map(segment).collect::<Vec<_>>().join("/");
            match template.strip_suffix("/*") {
                Some(base) => below(&filled(base)),
                None => vec![filled(template)],
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Mistakes;
    use crate::yaml;

    fn matcher(text: &str) -> Matcher {
        let mut mistakes = Mistakes::default();
        let node = yaml::parse(text, &mut mistakes).unwrap();
        let matcher = Matcher::read(&node, &mut mistakes).unwrap();
        assert!(mistakes.is_empty(), "{text}");
        matcher
    }

    /// Whether every sample of one is the other's, and whether some request is both's.
    #[track_caller]
    fn check(one: &str, other: &str, is_covered: bool, meets: bool) {
        let (one, other) = (matcher(one), matcher(other));
        let depth = depth([&one, &other]);
        let samples = all(&one, depth);
        assert!(samples.iter().all(|sample| sample.is_of(&one)), "{samples:?}");
        assert_eq!(samples.iter().all(|sample| sample.is_of(&other)), is_covered, "covered");
        assert_eq!(!of_both(&one, &other, depth).is_empty(), meets, "meets");
        assert_eq!(!of_both(&other, &one, depth).is_empty(), meets, "meets, the other way");
    }

    #[test]
    fn a_route_covers_another_where_it_matches_all_of_its_samples() {
        check("GET /a", "GET /a", true, true);
        check("GET /a", "/a", true, true);
        check("/a", "GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS /a", false, true);
        check("GET /a/b", "/a/{x}", true, true);
        check("/a/{x}", "GET /a/b", false, true);
        check("/a/{x}/c", "/a/b/{y}", false, true);
        check("/a/{x}/c", "/a/b/{y}/d", false, false);
        check("/a/{x}", "/a/*", true, true);
        check("/a/*", "/a/{x}", false, true);
        check("{prefix: /a}", "/a/*", false, true);
        check("/a/*", "{prefix: /a}", true, true);
        check("/a/b/*", "/a/*", true, true);
        check("/a/*", "/ab/*", false, false);
        check("GET /a", "POST /a", false, false);
        check("/a/{x}/*", "/a/*", true, true);
        check("/a/*", "/a/{x}/*", false, true);
        check("/a/{x}/c", "/a/{y}/*", true, true);
        check("/a/{x}/b/*", "/a/c/*", false, true);
        check("/a/c/b/*", "/a/{x}/b/*", true, true);
        check("/a/{x}/b/*", "/a/c/b", false, false);
        check("/a/{x}/b/*", "/a/{y}", false, false);
        check("{path: /a, hosts: ['*.x.example']}", "{path: /a, hosts: [b.x.example]}", false, true);
        check("{path: /a, hosts: [b.x.example]}", "{path: /a, hosts: ['*.x.example']}", true, true);
        check("{path: /a, headers: {x-k: v}}", "/a", true, true);
        check("/a", "{path: /a, headers: {x-k: v}}", false, true);
        check("{path: /a, headers: {x-k: v}}", "{path: /a, headers: {x-k: w}}", false, false);
        check("/*", "{}", true, true);
    }

    #[test]
    fn a_sample_is_shown_as_somebody_writes_it() {
        let of = |text: &str| all(&matcher(text), 1).remove(0).shown();
        assert_eq!(of("GET /a/{id}"), "GET /a/~id");
        assert_eq!(
            of("{path: /a, hosts: ['*.b.example'], headers: {x-k: v}}"),
            "GET /a -H 'host: any.b.example' -H 'x-k: v'"
        );
    }
}
