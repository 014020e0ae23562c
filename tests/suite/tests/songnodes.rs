//! The policy of six real providers, in a real Envoy in front of the sandbox, which keeps their limits and knows no secrets but
//! those of this test.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unwrap_used)]

#[path = "page/gateway.rs"]
mod gateway;
#[path = "songnodes/secrecy.rs"]
mod secrecy;
#[path = "songnodes/tls.rs"]
mod tls;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gateway::Way;
use proxy::envoy::Options;
use proxy::{Answer, Envoy, Request, client};
use sandbox::{Fault, Limit, Sandbox, Settings, Upstream};
use suite::module;
use weir::document::{self, Reading};
use weir::envoy::{Plan, bootstrap};

/// Variables of the environment and what they hold.
const SECRETS: [(&str, &str); 7] = [
    ("SPOTIFY_CLIENT_ID", "spotify-client-4711"),
    ("SPOTIFY_CLIENT_SECRET", "hush/of+spotify-0815"),
    ("BEATPORT_CLIENT_ID", "beatport-client-4712"),
    ("BEATPORT_CLIENT_SECRET", "hush-of-beatport-0816"),
    ("LASTFM_API_KEY", "hush-of-lastfm-0817"),
    ("DISCOGS_KEY", "discogs-key-4713"),
    ("DISCOGS_SECRET", "hush-of-discogs-0818"),
];

/// One test at a time: what leaves in time must not arrive late because of another.
static TURN: Mutex<()> = Mutex::new(());

struct Show {
    envoy: Envoy,
    sandbox: Sandbox,
    bootstrap: String,
    recordings: Vec<String>,
    /// Everything that a client was told.
    told: Mutex<Vec<String>>,
    _turn: MutexGuard<'static, ()>,
}

fn secret(name: &str) -> Option<String> {
    SECRETS.into_iter().find(|(known, _)| *known == name).map(|(_, text)| text.to_owned())
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The sandbox's, with secrets that are in no source but this one.
fn settings() -> Settings {
    let pair = |name: &str, word: &str| {
        let of = |part| secret(&format!("{name}_{part}")).unwrap();
        (of(if word.is_empty() { "KEY" } else { "CLIENT_ID" }), of(if word.is_empty() { "SECRET" } else { word }))
    };
    Settings {
        clients: BTreeMap::from([
            pair("SPOTIFY", "CLIENT_SECRET"),
            pair("BEATPORT", "CLIENT_SECRET"),
            pair("DISCOGS", ""),
        ]),
        api_keys: BTreeSet::from([secret("LASTFM_API_KEY").unwrap()]),
        ..Settings::default()
    }
}

/// What the policy is rendered to, changed by this, with the sandbox in the place of the real hosts or without.
fn rendered(sandbox: Option<&str>, change: impl FnOnce(String) -> String) -> serde_json::Value {
    let text = std::fs::read_to_string(repository("envoy/policies/songnodes.yaml")).expect("it is in the repository");
    let reading = Reading { sandbox, variable: Some(&secret) };
    let mut document = document::read(Path::new("songnodes.yaml"), change(text).as_bytes(), &reading)
        .unwrap_or_else(|refused| panic!("{}", refused.render(false)));
    document.policy.listen.value.set_port(0);
    bootstrap::standalone(&Plan { policy: &document.policy, filters: &document.filters, wasm: &module::folder() })
}

/// How Envoy is started, with what it is told in its environment.
fn told() -> Options {
    let environment = SECRETS.map(|(name, text)| (name.to_owned(), text.to_owned())).to_vec();
    Options { environment, log_level: "info,wasm:debug".to_owned(), ..Options::default() }
}

impl Show {
    fn start() -> Self {
        Self::start_with(|text| text)
    }

    /// With another policy.
    fn start_with(change: impl FnOnce(String) -> String) -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let sandbox = Sandbox::start_with(settings(), SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        let url = format!("http://{}", sandbox.address());
        let way = Way::open();
        let bootstrap = rendered(Some(&url), |text| secrecy::operated(&change(text), way.address)).to_string();
        let envoy = Envoy::start_with(&bootstrap, &told()).unwrap_or_else(|failure| panic!("{failure}"));
        way.leads_to.set(envoy.admin_address()).expect("it leads nowhere yet");
        let recordings = sandbox.recordings();
        Self { envoy, sandbox, bootstrap, recordings, told: Mutex::default(), _turn: turn }
    }

    fn send(&self, request: &Request) -> Answer {
        let answer = client::call(self.envoy.address(), request).expect("an answer");
        self.told.lock().unwrap().push(written(&answer));
        answer
    }

    /// The `n`th of the things that there are to ask a provider; no two are alike.
    fn ask(&self, provider: &str, n: usize) -> Answer {
        let request = if provider == "acousticbrainz" {
            Request::get(&format!("/api/acousticbrainz/features/{}", self.recordings[n]))
        } else {
            let body = format!(r#"{{"artist": "deadmau5", "title": "Strobe {n}", "limit": 3}}"#);
            let request = Request::new("POST", &format!("/api/{provider}/search"));
            request.header("content-type", "application/json").body(body.as_bytes())
        };
        self.send(&request)
    }

    fn counts(&self) -> Vec<u64> {
        Upstream::ALL.into_iter().map(|upstream| self.sandbox.count(upstream)).collect()
    }

    /// What the sandbox's limits have refused, as the gateway's clusters count it.
    fn refusals(&self) -> u64 {
        let is_refusal = |line: &&str| line.contains("upstream_rq_429:") || line.contains("upstream_rq_503:");
        let stats = self.envoy.stats();
        stats.lines().filter(is_refusal).filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    }

    /// How many requests its limit has let pass to a provider.
    fn counted(&self, provider: &str) -> u64 {
        let line = format!("api_gateway_rate_limit_requests_total_provider_={provider};_status_=allowed;: ");
        let stats = self.envoy.stats();
        stats
            .lines()
            .find_map(|stat| stat.strip_prefix("wasmcustom.").unwrap_or(stat).strip_prefix(&line)?.parse().ok())
            .expect(&stats)
    }
}

/// An answer as its client reads it.
fn written(answer: &Answer) -> String {
    let mut text = format!("{}\n", answer.status);
    for (name, value) in &answer.headers {
        text += &format!("{}: {}\n", String::from_utf8_lossy(name), String::from_utf8_lossy(value));
    }
    text + &String::from_utf8_lossy(&answer.body)
}

/// Two hundred requests, as many for each provider as it answers in the same time.
fn requests() -> Vec<(&'static str, usize)> {
    let shares = [
        ("spotify", 100),
        ("lastfm", 50),
        ("beatport", 20),
        ("musicbrainz", 10),
        ("discogs", 10),
        ("acousticbrainz", 10),
    ];
    let mut all: Vec<_> =
        shares.into_iter().flat_map(|(provider, share)| (0..share).map(move |n| (provider, n))).collect();
    // In the order in which each has the same part of its share behind it.
    let share = |provider: &str| shares.iter().find(|(name, _)| *name == provider).unwrap().1;
    all.sort_by_key(|(provider, n)| n * 1000 / share(provider));
    all
}

/// Has twenty callers send them; what each was answered.
fn by_twenty(show: &Show, requests: &[(&'static str, usize)]) -> Vec<(&'static str, u16, String)> {
    let next = Mutex::new(requests.iter());
    let answers = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                loop {
                    let Some((provider, n)) = next.lock().unwrap().next().copied() else { return };
                    let answer = show.ask(provider, n);
                    let cache = answer.text("cache-status").unwrap_or_default();
                    answers.lock().unwrap().push((provider, answer.status, cache));
                }
            });
        }
    });
    answers.into_inner().unwrap()
}

#[test]
fn two_hundred_searches_keep_every_limit_and_the_second_round_asks_nobody() {
    let show = Show::start();
    let requests = requests();
    assert_eq!(requests.len(), 200);
    let first = by_twenty(&show, &requests);
    let wrong: Vec<_> = first.iter().filter(|(_, status, _)| *status != 200).collect();
    assert!(wrong.is_empty() && first.len() == 200, "{wrong:?}");
    assert_eq!(show.refusals(), 0, "no provider had to refuse anything");
    for (upstream, count) in [
        (Upstream::Spotify, 100),
        (Upstream::Lastfm, 50),
        (Upstream::Beatport, 20),
        (Upstream::Musicbrainz, 10),
        (Upstream::Discogs, 10),
        (Upstream::Acousticbrainz, 10),
        (Upstream::SpotifyAccounts, 1),
        (Upstream::BeatportAccounts, 1),
    ] {
        assert_eq!(show.sandbox.count(upstream), count, "{upstream:?}");
    }
    let before = show.counts();
    let second = by_twenty(&show, &requests);
    assert!(second.iter().all(|(_, _, cache)| cache.starts_with("weir; hit")), "{second:?}");
    assert_eq!(show.counts(), before);
    show.knows_what_was_sent();
    show.search();
}

#[test]
fn no_stretch_of_spotifys_rolling_window_is_overfull() {
    // A third of the time of both, so that it is spent within this test.
    let show = Show::start_with(|text| {
        assert!(text.contains("{count: 280, window: 30s, "));
        text.replace("{count: 280, window: 30s, ", "{count: 90, window: 10s, ")
    });
    show.sandbox.limit(Upstream::Spotify, Some(Limit::per_second(10, 20).rolling(10_000)));
    let begun = Instant::now();
    let answers = by_twenty(&show, &(0..150).map(|n| ("spotify", n)).collect::<Vec<_>>());
    assert!(answers.iter().all(|(_, status, _)| *status == 200), "{answers:?}");
    assert_eq!((show.refusals(), show.sandbox.count(Upstream::Spotify)), (0, 150));
    assert!(begun.elapsed() >= Duration::from_secs(10), "more than one window takes");
}

#[test]
fn an_endpoint_that_is_away_for_a_while_harms_nobody() {
    // It says that it is, closes connections, or says nothing.
    for fault in
        [Fault::status(503).body("hush-of-beatport-0816"), Fault::reset(), Fault::latency(Duration::from_hours(1))]
    {
        go_on_without_an_endpoint(fault);
    }
}

/// Spotify is asked while its token endpoint fails in this way, and after that.
fn go_on_without_an_endpoint(fault: Fault) {
    let url = "token_url: https://accounts.spotify.com/api/token\n";
    // So that who says nothing is asked again within this test.
    let show = Show::start_with(|text| {
        assert!(text.contains(url));
        text.replace(url, &format!("{url}        timeout: 1s\n"))
    });
    // Ends after nine seconds, and is replaced after three to six.
    show.sandbox.token_lifetime(Duration::from_secs(12));
    show.sandbox.revoke_tokens();
    assert_eq!(show.ask("spotify", 0).status, 200);
    let (begun, asked) = (Instant::now(), show.sandbox.count(Upstream::SpotifyAccounts));
    show.sandbox.fault(Upstream::SpotifyAccounts, fault);
    let ask_until = |from: usize, end: Duration| {
        let mut n = from;
        while begun.elapsed() < end {
            assert_eq!(show.ask("spotify", n).status, 200, "after {:?}", begun.elapsed());
            n += 1;
        }
        n
    };
    let n = ask_until(1, Duration::from_millis(6500));
    assert!(show.sandbox.count(Upstream::SpotifyAccounts) > asked, "it was asked while it was away");
    show.sandbox.clear_faults(Upstream::SpotifyAccounts);
    ask_until(n, Duration::from_secs(11));
    assert!(show.tokens().len() >= 2, "a new token came");
    // All that it has given is revoked: the request is sent once more with another token. A token that was being fetched may
    // come in between and be good for the first; its successor is an hour away.
    show.sandbox.token_lifetime(Duration::from_hours(1));
    let sent_by_revocation = |n| {
        show.sandbox.revoke_tokens();
        let (counted, seen) = (show.counted("spotify"), show.sandbox.count(Upstream::Spotify));
        assert_eq!(show.ask("spotify", n).status, 200);
        let sent = show.sandbox.count(Upstream::Spotify) - seen;
        assert_eq!(show.counted("spotify") - counted, sent, "each time that it was sent is counted");
        sent
    };
    assert!(sent_by_revocation(1000) == 2 || sent_by_revocation(1001) == 2);
    show.search();
}

#[test]
fn a_token_that_could_end_before_a_retry_is_shown_once() {
    let show = Show::start();
    for (n, life, asked, expected) in [(0, 3600, 2, 200), (10, 60, 1, 502)] {
        show.sandbox.token_lifetime(Duration::from_secs(life));
        if n > 0 {
            // The last token is refused, and the next one lives for so long.
            show.sandbox.revoke_tokens();
        }
        assert_eq!(show.ask("spotify", n).status, 200);
        let before = show.sandbox.count(Upstream::Spotify);
        show.sandbox.fault(Upstream::Spotify, Fault::status(502).times(1));
        assert_eq!(show.ask("spotify", n + 1).status, expected);
        assert_eq!(show.sandbox.count(Upstream::Spotify) - before, asked);
    }
}

#[test]
fn the_sample_client_finds_tracks_at_all_providers() {
    let show = Show::start();
    let python = repository(".tools/client/bin/python");
    assert!(python.is_file(), "`make client` installs what it needs");
    let mut client = std::process::Command::new(python);
    client.arg(repository("envoy/policies/enrich.py")).arg(format!("http://{}", show.envoy.address()));
    let output = client.output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    for line in [
        "spotify: deadmau5 - Strobe: deadmau5 - Strobe",
        "musicbrainz: deadmau5 - Strobe: deadmau5 - Strobe",
        "lastfm: deadmau5 - Strobe: deadmau5 - Strobe",
        "beatport: deadmau5 - Strobe: deadmau5 - Strobe",
        "discogs: deadmau5 - Strobe: deadmau5 - For Lack of a Better Name",
    ] {
        assert!(said.lines().any(|found| found == line), "{line}\n{said}");
    }
    assert_eq!(said.lines().count(), 10, "{said}");
    show.search();
}

#[test]
fn a_batch_waits_for_each_provider_beside_the_others_and_is_remembered() {
    let show = Show::start();
    let body = |provider: &str, n: usize| {
        let body = format!(r#"{{"artist": "deadmau5", "title": "Batch {n}", "limit": 3}}"#);
        format!(r#"{{"method": "POST", "path": "/api/{provider}/search", "body": {body}}}"#)
    };
    let shares = [("spotify", 8), ("lastfm", 5), ("beatport", 3), ("musicbrainz", 3), ("discogs", 3)];
    let mut items: Vec<_> =
        shares.iter().flat_map(|(provider, share)| (0..*share).map(move |n| body(provider, n))).collect();
    // Said twice, sent once.
    items.push(body("musicbrainz", 0));
    let request = Request::new("POST", "/api/batch").body(format!(r#"{{"requests": [{}]}}"#, items.join(",")));
    let mut counts = Vec::new();
    for round in 0..2 {
        let answer = show.send(&request);
        let told: serde_json::Value = serde_json::from_slice(&answer.body).expect("it is JSON");
        assert_eq!(
            (answer.status, answer.text("x-weir-completeness").as_deref()),
            (200, Some("complete")),
            "{round}: {told}"
        );
        let responses = told["responses"].as_array().unwrap();
        let providers: Vec<_> = responses.iter().map(|one| one["body"]["provider"].as_str().unwrap()).collect();
        let expected: Vec<_> =
            shares.iter().flat_map(|(provider, share)| vec![*provider; *share]).chain(["musicbrainz"]).collect();
        assert_eq!(providers, expected, "{round}");
        counts.push(show.counts());
    }
    assert_eq!(counts[0], counts[1], "the second round comes from the cache");
    assert_eq!((show.refusals(), show.sandbox.count(Upstream::Musicbrainz)), (0, 3));
    show.search();
}
