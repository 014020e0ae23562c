//! What becomes of those who wait when the proxy's configuration is replaced, and when its shared data fails.

use std::time::Duration;

use host::{Answer, Host, Plugin, Request};

const SECOND: Duration = Duration::from_millis(1_001);

/// One call a second, for which others wait, to an upstream that is listened to.
fn config(rate: &str, undecided: &str) -> String {
    format!(
        r#"{{"undecided": "{undecided}",
        "upstreams": [{{"name": "p", "match": {{"prefix": "/p"}}, "learn": ["retry_after"]}}],
        "rules": [{{"name": "p", "match": {{"prefix": "/p"}}, "key": ["upstream"], "upstream": "p",
            "limit": {{"rate": "{rate}", "burst": 1, "when_empty": {{"queue": {{"max_wait": "9s"}}}}}}}}]}}"#
    )
}

/// A host of two workers; the upstream refuses what comes under `/p/busy`.
fn host(config: &str) -> Host {
    let plugin = Plugin::new("ratelimit", suite::module::path("ratelimit")).configuration(config);
    let answer = |path: &str| {
        if path == "/p/busy" { Answer::status(429).header("retry-after", "60") } else { Answer::status(200) }
    };
    Host::builder().workers(2).plugin(plugin).upstream(move |arrival| answer(arrival.path())).start().unwrap()
}

#[test]
fn a_reload_keeps_a_cool_down_in_force() {
    let mut host = host(&config("1/s", "refuse"));
    assert_eq!(host.send(0, Request::get("/p/busy")).status(), Some(429));
    host.reload("ratelimit", config("5/s", "refuse")).unwrap();
    for worker in [0, 1] {
        let refused = host.send(worker, Request::get("/p/1"));
        assert_eq!((refused.status(), refused.upstream.is_none()), (Some(429), true), "worker {worker}");
        assert_eq!(refused.response().header("retry-after").as_deref(), Some("60"));
    }
    // Its end is near enough to wait for.
    host.advance(Duration::from_secs(55));
    let waits = host.send(1, Request::get("/p/2")).stream;
    host.reload("ratelimit", config("5/s", "refuse")).unwrap();
    assert_eq!(host.exchange(waits).status(), None);
    host.advance(Duration::from_secs(6));
    assert_eq!(host.exchange(waits).status(), Some(200));
}

#[test]
fn those_who_wait_are_answered_as_configured_when_shared_data_fails() {
    for (undecided, expected) in [("refuse", 503), ("allow", 200)] {
        let mut host = host(&config("1/s", undecided));
        assert_eq!(host.send(0, Request::get("/p/1")).status(), Some(200));
        let waiting = [0, 1].map(|worker| host.send(worker, Request::get("/p/2")).stream);
        assert_eq!(waiting.map(|stream| host.exchange(stream).status()), [None, None]);
        host.fail_shared_data(true);
        host.advance(SECOND);
        assert_eq!(waiting.map(|stream| host.exchange(stream).status()), [Some(expected); 2], "{undecided}");
        assert_eq!(host.send(0, Request::get("/p/3")).status(), Some(expected), "{undecided}");
        host.fail_shared_data(false);
        host.advance(3 * SECOND);
        assert_eq!(host.send(1, Request::get("/p/4")).status(), Some(200), "{undecided}");
        let late = host.send(0, Request::get("/p/5")).stream;
        host.advance(SECOND);
        assert_eq!(host.exchange(late).status(), Some(200), "{undecided}");
    }
}
