//! `/metrics` of a running gateway: what it shows, to whom, and that those who read it without end keep no operator waiting.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unwrap_used)]

#[path = "page/gateway.rs"]
mod gateway;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use proxy::Request;
use proxy::deadline::{Deadline, PATIENCE};
use serde_json::Value;

use gateway::Gateway;

/// The demo's.
const KEY: &str = "sandbox-key-to-operate";
/// So many read the metrics, each again as soon as it has them.
const READERS: usize = 16;

#[test]
fn the_gateway_shows_its_metrics_and_nothing_else_of_envoy_s_administration() {
    let gateway = Gateway::start();
    assert_eq!(gateway.ask("/api/v1/genres").status, 200);
    let mut last = String::new();
    let wanted = [
        "# TYPE api_gateway_rate_limit_requests_total counter\n",
        "api_gateway_circuit_breaker_state{provider=\"spotify\"} 0\n",
        "api_gateway_cache_misses_total{provider=\"discovery\",data_type=\"genres\"} 1\n",
        "envoy_http_downstream_rq_time_bucket{",
    ];
    // Histograms appear with Envoy's next interval, and breakers take stock once a second.
    let is_shown = Deadline::after(PATIENCE).wait_until(|| {
        let answer = gateway.ask("/metrics");
        assert_eq!((answer.status, answer.text("content-type").unwrap().starts_with("text/plain")), (200, true));
        last = String::from_utf8(answer.body).unwrap();
        wanted.iter().all(|line| last.contains(line))
    });
    assert!(is_shown, "{last}");
    let head = gateway.send(&Request::new("HEAD", "/metrics"));
    assert_eq!((head.status, head.body.len()), (200, 0));
    for (method, path) in [
        ("POST", "/metrics"),
        ("GET", "/metrics/"),
        ("GET", "/metrics/../stats"),
        ("GET", "/metrics/../config_dump"),
        ("GET", "/stats"),
    ] {
        let answer = gateway.send(&Request::new(method, path));
        assert!((400..500).contains(&answer.status), "{method} {path}: {}", answer.status);
    }
}

#[test]
fn those_who_read_the_metrics_without_end_keep_no_operator_waiting() {
    let gateway = Gateway::start();
    let (is_over, read) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..READERS {
            scope.spawn(|| {
                while !is_over.load(Relaxed) {
                    let status = gateway.ask("/metrics").status;
                    // Who is one too many is told to come again.
                    assert!(status == 200 || status == 503, "{status}");
                    read.fetch_add(usize::from(status == 200), Relaxed);
                }
            });
        }
        let is_told = Deadline::after(PATIENCE).wait_until(|| read.load(Relaxed) > 0);
        let told: Vec<_> = (0..20)
            .map(|_| {
                let answer = gateway.send(&Request::get("/admin/status").header("x-admin-key", KEY));
                let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
                (answer.status, body["upstreams"].as_array().map(Vec::len).unwrap_or_default())
            })
            .collect();
        is_over.store(true, Relaxed);
        assert!(is_told, "the metrics are shown meanwhile");
        // How many hosts there are is asked of the same administration.
        assert!(told.iter().all(|(status, upstreams)| *status == 200 && *upstreams > 5), "{told:?}");
    });
}
