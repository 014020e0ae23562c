//! What each upstream received: how many requests, and the last of them as they came.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use hyper::{HeaderMap, Method, Uri};
use serde::Serialize;

use crate::upstream::Upstream;

/// How many requests are kept for each upstream.
const KEPT_MAX: usize = 64;
/// How many bytes of one request's headers are kept.
const HEADERS_BYTES_MAX: usize = 128 * 1024;

/// One request as an upstream received it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Seen {
    /// The method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Names in lower case and values, in the order in which they came; repeated names stand together. What is not
    /// UTF-8 is written as `\xff`.
    pub headers: Vec<(String, String)>,
}

impl Seen {
    fn of(method: &Method, uri: &Uri, headers: &HeaderMap) -> Self {
        let mut room = HEADERS_BYTES_MAX;
        let kept = headers.iter().take_while(|(name, value)| {
            let size = name.as_str().len() + value.len();
            let fits = size <= room;
            room = room.saturating_sub(size);
            fits
        });
        Self {
            method: method.to_string(),
            path: uri.path_and_query().map_or_else(|| uri.path().to_owned(), ToString::to_string),
            headers: kept.map(|(name, value)| (name.to_string(), readable(value.as_bytes()))).collect(),
        }
    }

    /// The first value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Every value of a header.
    pub fn header_values(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }
}

fn readable(value: &[u8]) -> String {
    str::from_utf8(value).map_or_else(|_| value.escape_ascii().to_string(), ToOwned::to_owned)
}

/// The counts and the last requests of every upstream.
#[derive(Default)]
pub(crate) struct Journal {
    counts: [AtomicU64; Upstream::COUNT],
    /// How many requests are being answered, by all upstreams together, and how many were at most.
    under_way: AtomicU64,
    most_at_once: AtomicU64,
    last: [Mutex<VecDeque<Seen>>; Upstream::COUNT],
}

/// A request that is being answered, until this is dropped.
pub(crate) struct UnderWay<'a>(&'a AtomicU64);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Journal {
    /// Counts a request among those that are being answered.
    pub(crate) fn begin(&self) -> UnderWay<'_> {
        let now = self.under_way.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_at_once.fetch_max(now, Ordering::Relaxed);
        UnderWay(&self.under_way)
    }

    /// How many requests were being answered at a time, at most.
    pub(crate) fn most_at_once(&self) -> u64 {
        self.most_at_once.load(Ordering::Relaxed)
    }

    /// Writes down one request.
    pub(crate) fn record(&self, upstream: Upstream, method: &Method, uri: &Uri, headers: &HeaderMap) {
        let seen = Seen::of(method, uri, headers);
        let mut last = self.last[upstream.index()].lock().expect("no holder of this lock panics");
        self.counts[upstream.index()].fetch_add(1, Ordering::Relaxed);
        if last.len() == KEPT_MAX {
            last.pop_front();
        }
        last.push_back(seen);
    }

    /// How many requests an upstream received.
    pub(crate) fn count(&self, upstream: Upstream) -> u64 {
        self.counts[upstream.index()].load(Ordering::Relaxed)
    }

    /// How many requests each upstream received.
    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u64> {
        Upstream::ALL.into_iter().map(|upstream| (upstream.name(), self.count(upstream))).collect()
    }

    /// The last requests that an upstream received, oldest first, at most `most` of them.
    pub(crate) fn last(&self, upstream: Upstream, most: usize) -> Vec<Seen> {
        let last = self.last[upstream.index()].lock().expect("no holder of this lock panics");
        last.iter().skip(last.len().saturating_sub(most)).cloned().collect()
    }

    /// Forgets everything.
    pub(crate) fn reset(&self) {
        self.most_at_once.store(0, Ordering::Relaxed);
        for upstream in Upstream::ALL {
            let mut last = self.last[upstream.index()].lock().expect("no holder of this lock panics");
            self.counts[upstream.index()].store(0, Ordering::Relaxed);
            last.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn the_last_requests_are_kept_and_all_are_counted() {
        let journal = Journal::default();
        for number in 0..KEPT_MAX + 5 {
            let uri = format!("/plain?{number}").parse().unwrap();
            journal.record(Upstream::Plain, &Method::GET, &uri, &HeaderMap::new());
        }
        assert_eq!(journal.count(Upstream::Plain), KEPT_MAX as u64 + 5);
        assert_eq!(journal.last(Upstream::Plain, usize::MAX).len(), KEPT_MAX);
        let paths: Vec<_> = journal.last(Upstream::Plain, 2).into_iter().map(|seen| seen.path).collect();
        assert_eq!(paths, ["/plain?67", "/plain?68"]);
        journal.reset();
        assert_eq!((journal.count(Upstream::Plain), journal.last(Upstream::Plain, 9).len()), (0, 0));
    }

    #[test]
    fn bytes_that_are_not_text_can_still_be_read() {
        let mut headers = HeaderMap::new();
        headers.append("a", HeaderValue::from_bytes(b"\xff\xfe").unwrap());
        headers.append("a", HeaderValue::from_static("two"));
        let seen = Seen::of(&Method::GET, &"/".parse().unwrap(), &headers);
        assert_eq!(seen.header_values("a"), [r"\xff\xfe", "two"]);
        assert_eq!((seen.header("a"), seen.header("b")), (Some(r"\xff\xfe"), None));
    }

    #[test]
    fn a_request_of_enormous_headers_is_kept_in_part() {
        let mut headers = HeaderMap::new();
        for number in 0..3 {
            let name: HeaderName = format!("h{number}").parse().unwrap();
            headers.append(name, HeaderValue::from_bytes(&vec![b'x'; 60 * 1024]).unwrap());
        }
        assert_eq!(Seen::of(&Method::GET, &"/".parse().unwrap(), &headers).headers.len(), 2);
    }
}
