//! A policy that changes under an Envoy that runs: no request is lost, what filters remember is kept, and what is refused changes
//! nothing.

// A test stops by panicking.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[path = "live/address.rs"]
mod address;
#[path = "live/found.rs"]
mod found;
#[path = "live/gateway.rs"]
mod gateway;
#[path = "live/interrupted.rs"]
mod interrupted;
#[path = "live/modules.rs"]
mod modules;
#[path = "render/older.rs"]
mod older;
#[path = "live/watched.rs"]
mod watched;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use gateway::Gateway;
use modules::{filters, only, with_other_code};
use proxy::{Client, Options, Origin, Reply, Request};

/// How long a load keeps its connections, in seconds: changes come while they are open.
const LOAD: &str = "4";

/// Requests that come again and again until they are counted.
struct Load {
    enough: Arc<AtomicBool>,
    sent: JoinHandle<(usize, String)>,
}

impl Load {
    fn start(gateway: &Gateway, protocol: &[&str], path: &str) -> Self {
        let mut command = Command::new("h2load");
        command.args(protocol).args(["-t", "1", "-D", LOAD]).arg(format!("http://{}{path}", gateway.address()));
        command.stdin(Stdio::null()).stderr(Stdio::null());
        let enough = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&enough);
        let send = move || {
            let (mut good, mut lost) = (0, String::new());
            while lost.is_empty() && !stop.load(Relaxed) {
                let said = command.output().expect("h2load, of Debian's nghttp2-client").stdout;
                let (more, wrong) = read(&String::from_utf8_lossy(&said));
                good += more;
                lost = wrong;
            }
            (good, lost)
        };
        Self { enough, sent: thread::spawn(send) }
    }

    /// How many were answered with 2xx, and the report where something else became of one.
    fn counted(self) -> (usize, String) {
        self.enough.store(true, Relaxed);
        self.sent.join().unwrap()
    }
}

/// A report of h2load's.
fn read(said: &str) -> (usize, String) {
    let line = |start: &str| said.lines().find(|line| line.starts_with(start)).unwrap_or_default().to_owned();
    let (requests, statuses) = (line("requests: "), line("status codes: "));
    let good = statuses.trim_start_matches("status codes: ").split(' ').next().unwrap().parse().unwrap_or(0);
    let report = [requests, statuses].join(", ");
    let bad = ["failed", "errored", "timeout", "3xx", "4xx", "5xx"];
    let bad = bad.iter().any(|word| !report.contains(&format!(" 0 {word}")));
    (good, if bad { report } else { String::new() })
}

#[test]
fn changes_of_configuration_and_code_under_load_lose_no_request() {
    let origin = Origin::start();
    origin.answer(None, Reply::status(200).header("cache-control", "max-age=60").body("{\"a\": 1}"));
    origin.answer(Some("/v1/plain/held"), Reply::status(200).body("held").held());
    let elsewhere = Origin::start();
    elsewhere.answer(None, Reply::status(200).body("{\"a\": 2}"));
    let policy_at = |timeout: &str, address: &str| {
        format!(
            "version: 1\nlisten: 127.0.0.1:0\ntiers: {{anonymous: {{per_second: 900000, burst: 900000}}}}\n\
             upstreams: {{up: {{url: 'http://{1}', internal: true, breaker: {{}}, limit: {{rate: 900000/s, burst: 900000}}, timeout: {timeout}}}}}\n\
             routes:\n- {{match: /plain/*, upstream: up, limit: off}}\n\
             - {{match: /kept/*, upstream: up, cache: {{data_type: x, ttl: 1h}}}}\n\
             - {{match: GET /composed, limit: off, compose: {{name: c, steps: [{{name: s, call: GET /inside{0}}}], answer: {{s: '${{s}}'}}}}}}\n\
             - {{match: GET /inside{0}, upstream: up, inside: true}}\n",
            timeout.len(),
            address,
        )
    };
    let policy = |timeout: &str| policy_at(timeout, &format!("{}/v1", origin.address()));
    let gateway = Gateway::start(&policy("2m"), &filters());
    // Two whose answers are still to come when all changes are over, the second over HTTP/2.
    let mut slow = Client::connect(gateway.address()).unwrap();
    slow.send(&Request::get("/plain/held"));
    let mut stream = Command::new("nghttp");
    stream.arg(format!("http://{}/plain/held", gateway.address())).stdin(Stdio::null());
    let stream = stream.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("nghttp, of nghttp2-client");
    assert_eq!(origin.wait_for(2, Duration::from_secs(20)), 2);
    let loads = [
        Load::start(&gateway, &["--h1", "-c", "8"], "/plain/x"),
        Load::start(&gateway, &["-c", "2", "-m", "8"], "/kept/x"),
        Load::start(&gateway, &["-c", "1", "-m", "4"], "/composed"),
    ];
    gateway.apply(&policy("10m"), &[]).serves();
    // One that takes two of the changes to be sent.
    let mut upload = Client::connect(gateway.address()).unwrap();
    upload.send_bytes(b"POST /plain/upload HTTP/1.1\r\nhost: test\r\ncontent-length: 6\r\n\r\nabc");
    let other = with_other_code(&["correlation", "breaker"]);
    gateway.apply(&policy("10m"), &["--filters", other.path().to_str().unwrap()]).serves();
    // The same upstream is elsewhere, and has other paths.
    gateway.apply(&policy_at("2m", &format!("{}/v2", elsewhere.address())), &[]).serves();
    upload.send_bytes(b"def");
    assert_eq!(upload.receive().unwrap().status, 200);
    gateway.rollback().serves();
    for load in loads {
        let (good, lost) = load.counted();
        assert!(lost.is_empty() && good > 100, "{good} are good: {lost}\n{}", gateway.log());
    }
    origin.release(None);
    let answer = slow.receive().unwrap();
    assert_eq!((answer.status, answer.body.as_slice(), answer.cut), (200, &b"held"[..], false));
    assert_eq!(stream.wait_with_output().unwrap().stdout, b"held");
    let sent = origin.received();
    let whole = sent.iter().find(|request| request.path() == b"/v1/plain/upload").unwrap();
    assert_eq!(whole.body.concat(), b"abcdef");
    assert!(
        sent.iter().all(|request| request.path().starts_with(b"/v1/")),
        "no route leads to another policy's upstream"
    );
    let sent = elsewhere.received();
    assert!(!sent.is_empty() && sent.iter().all(|request| request.path().starts_with(b"/v2/")));
    // Both connections are as good as new.
    assert_eq!(slow.call(&Request::get("/plain/x")).unwrap().status, 200);
    assert_eq!(upload.call(&Request::get("/kept/x")).unwrap().status, 200);
}

#[test]
fn another_listener_takes_over_under_load() {
    let origin = Origin::start();
    origin.answer(None, Reply::status(200).body("x"));
    origin.answer(Some("/held"), Reply::status(200).body("held").held());
    let policy = |idle: &str| {
        format!(
            "version: 1\nlisten: 127.0.0.1:0\nclients: {{idle_timeout: {idle}}}\n\
             upstreams: {{up: {{url: 'http://{}', internal: true, timeout: 2m}}}}\n\
             routes: [{{match: /*, upstream: up}}]\n",
            origin.address()
        )
    };
    let filters = only(&["correlation"]);
    let gateway = Gateway::start(&policy("5m"), filters.path());
    let mut slow = Client::connect(gateway.address()).unwrap();
    slow.send(&Request::get("/held"));
    assert_eq!(origin.wait_for(1, Duration::from_secs(20)), 1);
    let before = fs::read(gateway.folder().join("listeners.json")).unwrap();
    let mut stream = Command::new("nghttp");
    stream.arg(format!("http://{}/held", gateway.address())).stdin(Stdio::null());
    let stream = stream.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("nghttp, of nghttp2-client");
    assert_eq!(origin.wait_for(2, Duration::from_secs(20)), 2);
    let enough = AtomicBool::new(false);
    // h2load takes it for an error to be asked to connect anew.
    let ask = || {
        let (mut open, mut answers, mut connections) = (None, 0, 0);
        while !enough.load(Relaxed) {
            let mut client = open.take().unwrap_or_else(|| {
                connections += 1;
                Client::connect(gateway.address()).unwrap()
            });
            let answer = client.call(&Request::get("/x")).unwrap_or_else(|lost| panic!("{lost}\n{}", gateway.log()));
            assert_eq!(answer.status, 200);
            answers += 1;
            open = (answer.text("connection").as_deref() != Some("close")).then_some(client);
        }
        (answers, connections)
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        for idle in ["6m", "7m"] {
            gateway.apply(&policy(idle), &[]).serves();
        }
        thread::sleep(Duration::from_secs(1));
        enough.store(true, Relaxed);
        let all: Vec<(u32, u32)> = clients.into_iter().map(|client| client.join().unwrap()).collect();
        assert!(
            all.iter().all(|(answers, _)| *answers > 20) && all.iter().any(|(_, connections)| *connections > 1),
            "{all:?}"
        );
    });
    assert_ne!(fs::read(gateway.folder().join("listeners.json")).unwrap(), before);
    origin.release(None);
    assert_eq!(slow.receive().unwrap().body, b"held", "what is under way ends as it would have");
    assert_eq!(stream.wait_with_output().unwrap().stdout, b"held");
    assert_eq!(gateway.get("/x").status, 200);
}

#[test]
fn what_filters_remember_is_kept_where_its_meaning_is() {
    let origin = Origin::start();
    origin.answer(None, Reply::status(200).header("cache-control", "max-age=600").body("x"));
    origin.answer(Some("/sick"), Reply::status(503));
    let policy = |burst: u32, timeout: &str| {
        format!(
            "version: 1\nlisten: 127.0.0.1:0\ntiers: {{anonymous: {{per_day: {burst}}}}}\n\
             upstreams:\n  up: {{url: 'http://{0}', internal: true, timeout: {timeout}}}\n  \
             sick: {{url: 'http://{0}', internal: true, retry: off, breaker: {{consecutive_failures: 3, open_for: 10m}}}}\n\
             routes:\n- {{match: /limited, upstream: up}}\n- {{match: /sick, upstream: sick, limit: off}}\n\
             - {{match: /kept, upstream: up, limit: off, cache: {{data_type: x, shared: true}}}}\n",
            origin.address()
        )
    };
    let gateway = Gateway::start(&policy(10, "5s"), &filters());
    let left = |gateway: &Gateway| {
        let answer = gateway.get("/limited");
        (answer.status, answer.text("x-ratelimit-remaining").unwrap_or_default())
    };
    (0..4).for_each(|_| assert_eq!(gateway.get("/limited").status, 200));
    assert_eq!(left(&gateway), (200, "5".to_owned()));
    (0..3).for_each(|_| assert_eq!(gateway.get("/sick").status, 503));
    assert!(gateway.get("/kept").text("cache-status").unwrap().contains("stored"));
    let remembers = |gateway: &Gateway, when: &str| {
        let (sick, asked) = (gateway.get("/sick"), origin.received().len());
        assert!(String::from_utf8_lossy(&sick.body).contains("CIRCUIT_BREAKER_OPEN"), "{when}: {sick:?}");
        assert!(gateway.get("/kept").text("cache-status").unwrap().contains("; hit"), "{when}");
        assert_eq!(origin.received().len(), asked, "{when}: nobody asks the upstream");
    };
    remembers(&gateway, "before");

    gateway.apply(&policy(10, "6s"), &[]).serves();
    remembers(&gateway, "after another thing has changed");
    assert_eq!(left(&gateway), (200, "4".to_owned()), "half spent is half spent");

    let other = with_other_code(&["ratelimit", "breaker", "cache"]);
    gateway.apply(&policy(10, "6s"), &["--filters", other.path().to_str().unwrap()]).serves();
    remembers(&gateway, "after the code has changed");
    assert_eq!(left(&gateway), (200, "3".to_owned()), "other code finds what this has spent");

    // As full as it was, in proportion.
    gateway.apply(&policy(100, "6s"), &[]).serves();
    assert_eq!(left(&gateway), (200, "29".to_owned()));
    remembers(&gateway, "after a limit has changed");
    gateway.rollback().serves();
    assert_eq!(left(&gateway), (200, "1".to_owned()));
}

/// Asks for a secret that a filter needs.
fn secret(origin: &Origin) -> String {
    let hash = "b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c";
    format!(
        "{}identity: {{api_keys: {{header: x-key, pepper: {{env: WEIR_TEST_PEPPER}}, keys: [{{id: a, hmac: {hash}}}]}}}}\n",
        plain(origin, "/one")
    )
}

fn plain(origin: &Origin, path: &str) -> String {
    format!(
        "version: 1\nlisten: 127.0.0.1:0\nupstreams: {{up: {{url: 'http://{}', internal: true}}}}\n\
         routes: [{{match: {path}, upstream: up}}]\n",
        origin.address()
    )
}

#[test]
fn what_is_refused_leaves_the_policy_that_serves_and_says_why() {
    let origin = Origin::start();
    let auth = only(&["auth"]);
    let gateway = Gateway::start(&plain(&origin, "/one"), auth.path());
    let statuses = || ["/one", "/two"].map(|path| gateway.get(path).status);
    let old = [200, 404];
    assert_eq!(statuses(), old);
    let files = |name: &str| fs::read(gateway.folder().join(name)).unwrap();
    let before = ["clusters.json", "routes/weir.json", "filters/auth.b.json", "listeners.json"].map(files);

    gateway.apply(&plain(&origin, "two"), &[]).ended(1, "was not tried; what ran before runs on");
    gateway.rollback().ended(2, "there is nothing to go back to");
    gateway.apply(&plain(&origin, "/two"), &["--filters", "/nowhere"]).ended(2, "/nowhere/auth.wasm");
    gateway.apply(&plain(&origin, "/two"), &["--admin", "127.0.0.1:1"]).ended(2, "no Envoy answers");
    // This process has it in its environment, and Envoy has not.
    let refused = gateway.apply(&secret(&origin), &[]);
    refused.ended(3, "Envoy has refused the filter `auth` with its configuration");
    refused.ended(3, "of its environment, it needs WEIR_TEST_PEPPER; what ran before runs on");
    let moved = plain(&origin, "/two").replace("127.0.0.1:0", "192.0.2.1:80");
    gateway.apply(&moved, &[]).ended(3, "Envoy has refused the listener: ");
    assert_eq!(statuses(), old);
    let after = ["clusters.json", "routes/weir.json", "filters/auth.b.json", "listeners.json"].map(files);
    assert!(before == after, "everything is as it was");
    assert_eq!(fs::read_dir(gateway.folder().join("versions")).unwrap().count(), 1);

    gateway.apply(&plain(&origin, "/two"), &[]).serves();
    assert_eq!(statuses(), [404, 200]);
    gateway.apply(&plain(&origin, "/two"), &[]).ended(0, "and serves already");
    gateway.rollback().serves();
    assert_eq!(statuses(), old);
    gateway.rollback().ended(2, "there is nothing to go back to");
}

#[test]
fn a_folder_that_cannot_be_written_costs_no_policy_that_serves() {
    let origin = Origin::start();
    let none = only(&[]);
    let gateway = Gateway::start(&plain(&origin, "/one"), none.path());
    let statuses = || ["/one", "/two"].map(|path| gateway.get(path).status);
    let kept = || fs::read_dir(gateway.folder().join("versions")).unwrap().count();

    // Nobody writes a file where a folder is, not even root.
    let obstacle = gateway.folder().join(".bootstrap.json");
    fs::create_dir(&obstacle).unwrap();
    let frame = fs::read(gateway.folder().join("bootstrap.json")).unwrap();
    let other = format!("{}clients: {{connections: 9}}\n", plain(&origin, "/two"));
    gateway.apply(&other, &[]).ended(2, "Is a directory");
    assert_eq!((statuses(), kept()), ([200, 404], 1), "what cannot be done as a whole is not begun");
    fs::remove_dir(&obstacle).unwrap();
    // A change that is refused leaves what Envoy is started with as it was, too.
    let moved = other.replace("127.0.0.1:0", "192.0.2.1:80");
    gateway.apply(&moved, &[]).ended(3, "Envoy has refused the listener: ");
    assert_eq!(fs::read(gateway.folder().join("bootstrap.json")).unwrap(), frame);
    gateway.apply(&other, &[]).serves();
    assert_eq!((statuses(), kept()), ([404, 200], 2));
    assert_ne!(fs::read(gateway.folder().join("bootstrap.json")).unwrap(), frame);

    // What is left over cannot be taken away.
    fs::create_dir(gateway.folder().join("modules/obstacle")).unwrap();
    let swept = gateway.apply(&plain(&origin, "/three"), &[]);
    swept.serves();
    swept.ended(0, "what is not needed any more stays: ");
    gateway.rollback().serves();
    assert_eq!(statuses(), [404, 200]);
}

#[test]
fn older_envoys_follow_a_folder_as_the_newest_does() {
    let origin = Origin::start();
    origin.answer(None, Reply::status(200).body("x"));
    let filters = only(&["auth", "ratelimit"]);
    let policy = |timeout: &str, path: &str| {
        format!(
            "version: 1\nlisten: 127.0.0.1:0\ntiers: {{anonymous: {{per_day: 10}}}}\n\
             upstreams: {{up: {{url: 'http://{}', internal: true, timeout: {timeout}}}}}\n\
             routes: [{{match: /plain/*, upstream: up, limit: off}}, {{match: {path}, upstream: up}}]\n",
            origin.address()
        )
    };
    let follows = |program: PathBuf| {
        let options = Options { program, ..Options::default() };
        let gateway = Gateway::start_with(&policy("5s", "/one"), filters.path(), &options);
        let left = |path: &str| gateway.get(path).text("x-ratelimit-remaining");
        assert_eq!(left("/one").as_deref(), Some("9"));
        let load = Load::start(&gateway, &["-c", "2", "-m", "2"], "/plain/x");
        gateway.apply(&policy("6s", "/two"), &[]).serves();
        assert_eq!((gateway.get("/one").status, left("/two").as_deref()), (404, Some("8")));
        gateway.apply(&secret(&origin), &[]).ended(3, "Envoy has refused the filter `auth` with its configuration");
        assert_eq!(left("/two").as_deref(), Some("7"));
        gateway.rollback().serves();
        assert_eq!((left("/one").as_deref(), gateway.get("/two").status), (Some("6"), 404));
        let (good, lost) = load.counted();
        assert!(lost.is_empty() && good > 100, "{good} are good: {lost}\n{}", gateway.log());
    };
    thread::scope(|scope| older::older().into_iter().for_each(|program| drop(scope.spawn(|| follows(program)))));
}

#[test]
fn one_changes_at_a_time_and_whoever_dies_is_no_obstacle() {
    let origin = Origin::start();
    let none = only(&[]);
    let gateway = Gateway::start(&plain(&origin, "/one"), none.path());
    let other = only(&["correlation"]);
    let code = ["--filters", other.path().to_str().unwrap()];
    let held = weir::xds::folder::Folder::open(&gateway.folder()).unwrap();
    let lock = held.lock().unwrap();
    gateway.apply(&plain(&origin, "/two"), &[]).ended(2, "somebody else is changing it");
    drop(lock);
    // Killed at any moment: what serves is the one or the other, and the next one finds its way.
    for (moment, path) in [(30, "/two"), (120, "/three"), (250, "/four"), (500, "/five")] {
        let mut dying = gateway.command("apply", &plain(&origin, path), &code).spawn().unwrap();
        thread::sleep(Duration::from_millis(moment));
        dying.kill().unwrap();
        dying.wait().unwrap();
        let asked = ["/one", "/two", "/three", "/four", "/five"].map(|path| gateway.get(path).status);
        assert_eq!(asked.iter().filter(|status| **status == 200).count(), 1, "{asked:?}");
        assert_eq!(asked.iter().filter(|status| **status == 404).count(), 4, "{asked:?}");
    }
    for round in 0..12 {
        gateway.apply(&plain(&origin, &format!("/round{round}")), &[]).serves();
    }
    assert_eq!(gateway.get("/round11").status, 200);
    assert_eq!(fs::read_dir(gateway.folder().join("versions")).unwrap().count(), 10);
    let code = fs::read_dir(gateway.folder().join("modules")).unwrap().count();
    assert_eq!(code, 2, "code that nothing needs is gone");
}
