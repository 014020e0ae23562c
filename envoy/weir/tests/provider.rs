//! Providers in a policy: their tokens, their secrets, and what cannot be said of them.

// A test stops by panicking.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use ::provider::profile;
use serde_json::Value as Json;
use weir::document::{self, Document, Reading};
use weir::envoy::{Plan, bootstrap, internal};
use weir::{gateway, translate};

/// What every variable of the environment holds here.
const SECRET: &str = "hush-of-the-environment";
/// What every file with a secret holds here.
const FILED: &str = "hush-of-a-file";

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn read(file: &Path, text: &str, sandbox: Option<&str>) -> Result<Document, Vec<String>> {
    let variable = |name: &str| (name != "NONE").then(|| SECRET.to_owned());
    let reading = Reading { sandbox, variable: Some(&variable) };
    document::read(file, text.as_bytes(), &reading).map_err(|refused| {
        let said = refused.mistakes.iter().map(|mistake| {
            let (line, column) = refused.position(&mistake.span);
            format!("{line}:{column} {} | {}", mistake.wrong, mistake.expected)
        });
        said.collect()
    })
}

fn rendered(document: &Document) -> Json {
    let wasm = std::env::var_os("WEIR_WASM_DIR").map_or_else(|| repository("target/wasm"), PathBuf::from);
    bootstrap::standalone(&Plan { policy: &document.policy, filters: &document.filters, wasm: &wasm })
}

fn songnodes(sandbox: Option<&str>) -> Document {
    let file = repository("envoy/policies/songnodes.yaml");
    read(&file, &std::fs::read_to_string(&file).unwrap(), sandbox).unwrap()
}

fn clusters(bootstrap: &Json) -> Vec<&Json> {
    bootstrap.pointer("/static_resources/clusters").unwrap().as_array().unwrap().iter().collect()
}

fn provider(document: &Document) -> &Json {
    &document.filters.iter().find(|filter| filter.name == "provider").unwrap().config
}

/// The environment that Envoy is started with.
fn environment(document: &Document) -> Vec<(String, String)> {
    let names = document.filters.iter().flat_map(|filter| filter.variables.iter());
    let mut variables: Vec<_> = names.map(|name| (name.clone(), SECRET.to_owned())).collect();
    for secret in document.policy.files() {
        variables.push((secret.variable.clone(), secret.read().unwrap()));
    }
    variables
}

#[track_caller]
fn accepted(document: &Document) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bootstrap.json");
    std::fs::write(&file, rendered(document).to_string()).unwrap();
    let mut envoy = Command::new(proxy::envoy::program());
    envoy.envs(environment(document));
    envoy.args(["--mode", "validate", "--log-level", "warning", "--use-dynamic-base-id", "--config-path"]).arg(file);
    let output = envoy.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && !said.contains("[warning]") && !said.contains("[error]"), "{said}");
}

#[test]
fn real_providers_are_spoken_to_over_verified_tls() {
    let document = songnodes(None);
    let bootstrap = rendered(&document);
    let hosts = [
        ("spotify", "api.spotify.com"),
        ("musicbrainz", "musicbrainz.org"),
        ("lastfm", "ws.audioscrobbler.com"),
        ("beatport", "api.beatport.com"),
        ("discogs", "api.discogs.com"),
        ("acousticbrainz", "acousticbrainz.org"),
        ("oauth.https.accounts.spotify.com.443", "accounts.spotify.com"),
        ("oauth.https.api.beatport.com.443", "api.beatport.com"),
    ];
    let is_inside = |cluster: &&Json| internal::NAMES.iter().any(|name| cluster["name"] == **name);
    let found: Vec<_> = clusters(&bootstrap).into_iter().filter(|cluster| !is_inside(cluster)).collect();
    assert_eq!(found.len(), hosts.len());
    for (name, host) in hosts {
        let cluster = found.iter().find(|cluster| cluster["name"] == name).unwrap();
        let endpoint = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
        let address = cluster.pointer(endpoint).unwrap();
        assert_eq!((address["address"].as_str(), address["port_value"].as_u64()), (Some(host), Some(443)));
        let tls = cluster.pointer("/transport_socket/typed_config").unwrap();
        assert_eq!(tls["sni"], host);
        let validation = tls.pointer("/common_tls_context/validation_context").unwrap();
        assert_eq!(validation.pointer("/match_typed_subject_alt_names/0/matcher/exact").unwrap(), host);
        assert!(validation.pointer("/trusted_ca/filename").unwrap().as_str().unwrap().starts_with("/etc/"));
    }
    accepted(&document);
}

#[test]
fn one_option_puts_the_sandbox_in_the_place_of_all_real_endpoints() {
    let document = songnodes(Some("http://127.0.0.2:77/"));
    let text = rendered(&document).to_string();
    for host in
        ["spotify.com", "musicbrainz.org", "audioscrobbler", "beatport.com", "discogs.com", "acousticbrainz.org"]
    {
        assert!(!text.contains(host), "{host}");
    }
    let config = provider(&document);
    assert_eq!(config.pointer("/providers/spotify/base").unwrap(), "/spotify/v1");
    assert_eq!(config.pointer("/providers/spotify/again/cluster").unwrap(), "weir_again");
    let url = "/providers/beatport/credentials/oauth2/token_url";
    assert_eq!(config.pointer(url).unwrap(), "http://127.0.0.2:77/beatport/v4/auth/o/token/");
    let endpoints =
        clusters(&rendered(&document)).iter().filter(|one| one["name"] == "oauth.http.127.0.0.2.77").count();
    assert_eq!(endpoints, 1, "both tokens come from one address");
    accepted(&document);
}

#[test]
fn a_refused_request_comes_in_again_past_the_cache_and_the_breaker_and_not_past_the_limit() {
    let bootstrap = rendered(&songnodes(None));
    let listeners = bootstrap.pointer("/static_resources/listeners").unwrap().as_array().unwrap();
    let chain = |name: &str| -> Vec<String> {
        let listener = listeners.iter().find(|listener| listener["name"] == name).unwrap();
        let filters = listener.pointer("/filter_chains/0/filters/0/typed_config/http_filters").unwrap();
        filters.as_array().unwrap().iter().map(|filter| filter["name"].as_str().unwrap().to_owned()).collect()
    };
    let (inner, again) = (chain("weir_internal"), chain("weir_again"));
    let expected: Vec<_> =
        inner.iter().filter(|name| !["cache", "input", "breaker"].contains(&name.as_str())).cloned().collect();
    assert_eq!(again, expected);
    assert!(again.iter().any(|name| name == "quota") && again.iter().any(|name| name == "provider"));
    // Where no tokens are fetched, nothing is ever sent a second time.
    let without =
        "version: 1\nupstreams: {a: {url: http://a, profile: acousticbrainz}}\nroutes: [{match: /*, upstream: a}]\n";
    let without = rendered(&read(Path::new("policy.yaml"), without, None).unwrap()).to_string();
    assert!(without.contains("weir_internal") && !without.contains("weir_again"));
}

#[test]
fn no_retry_shows_a_token_that_has_ended() {
    let with = |upstream: &str, oauth2: &str| {
        let policy = format!(
            "version: 1\nupstreams:\n  a: {{url: http://a, profile: spotify, {upstream} credentials: {{oauth2: {{token_url: 'http://i/', \
             client_id: {{env: ID}}, client_secret: {{env: ID}}{oauth2}}}}}}}\nclients: {{idle_timeout: 2h}}\nroutes: [{{match: /*, upstream: a}}]\n"
        );
        let document = read(Path::new("policy.yaml"), &policy, None)?;
        let leeway = provider(&document).pointer("/providers/a/credentials/oauth2/leeway").cloned();
        Ok::<_, Vec<String>>(leeway.map(|leeway| leeway.as_str().unwrap().to_owned()))
    };
    for (upstream, oauth2, expected) in [
        // The filter's own ten seconds will do, or nothing is sent a second time.
        ("timeout: 10s,", "", None),
        ("retry: off,", "", None),
        ("retry: off, timeout: 1h,", ", leeway: 1s", Some("1s")),
        ("", "", Some("30s")),
        ("timeout: 5m,", "", Some("5m")),
        ("", ", leeway: 30s", Some("30s")),
        ("", ", leeway: 1m", Some("1m")),
    ] {
        assert_eq!(with(upstream, oauth2).unwrap().as_deref(), expected, "{upstream} {oauth2}");
    }
    let wrong = "a retry could show a token that has ended";
    for (upstream, oauth2, expected) in [
        ("", ", leeway: 29s", "expected at least the `timeout` of `a`, 30s, or `retry: off`"),
        ("timeout: 1s,", ", leeway: 0s", "expected at least the `timeout` of `a`, 1s, or `retry: off`"),
        ("timeout: 301s,", "", "expected a `timeout` of at most 5m, or `retry: off`"),
    ] {
        let said = with(upstream, oauth2).unwrap_err();
        assert!(said.len() == 1 && said[0].contains(&format!("{wrong} | {expected}")), "{said:?}");
    }
    // What is no time at all is refused as that.
    assert!(with("", ", leeway: soon").unwrap_err().iter().all(|said| !said.contains(wrong)));
}

/// What a policy says of each provider's answers, by route: their data type, and how long they are kept.
fn kept(document: &Document) -> BTreeMap<String, Json> {
    let concerned =
        document.policy.routes.iter().filter(|route| translate::provider::concerns(&document.policy, route));
    let kept = concerned.map(|route| {
        let said = route.cache.as_ref().unwrap().to_json();
        let members = ["data_type", "ttl", "negative", "shared", "despite", "body"];
        let said: serde_json::Map<_, _> =
            members.iter().filter_map(|name| Some(((*name).to_owned(), said.get(name)?.clone()))).collect();
        (gateway::written(route), Json::Object(said))
    });
    kept.collect()
}

#[test]
fn the_demonstration_and_the_real_policy_before_the_sandbox_agree_on_the_providers() {
    let file = repository("envoy/policies/demo.yaml");
    let demo = read(&file, &std::fs::read_to_string(&file).unwrap(), None).unwrap();
    let real = songnodes(Some("http://127.0.0.1:9400"));
    assert_eq!(provider(&demo)["routes"], provider(&real)["routes"]);
    assert_eq!(kept(&demo), kept(&real));
    assert_eq!(kept(&demo).len(), 14);
    // Of each provider: where it is, what it is, by what it is told who asks, and where its tokens are.
    let said = |document: &Document, name: &str| {
        let one = provider(document).pointer(&format!("/providers/{name}")).unwrap().clone();
        let upstream = document.policy.upstream(name).unwrap();
        let credentials = one["credentials"].as_object().map(|all| all.keys().cloned().collect::<Vec<_>>());
        let endpoint = upstream.provider.as_ref().unwrap().endpoint.clone();
        let token_url = one.pointer("/credentials/oauth2/token_url").cloned();
        (one["profile"].clone(), one["base"].clone(), credentials, endpoint, token_url, upstream.address.clone())
    };
    let mut names = BTreeSet::new();
    for upstream in real.policy.upstreams.iter().filter(|upstream| upstream.provider.is_some()) {
        let name = &upstream.name.value;
        assert_eq!(said(&demo, name), said(&real, name));
        names.insert(name.as_str());
        let breaker = |document: &Document| document.policy.upstream(name).unwrap().breaker.as_ref().unwrap().to_json();
        assert_eq!(breaker(&demo), breaker(&real), "{name}");
        // The demonstration allows what the provider does; the real policy stays below it, and has callers wait.
        let terms = &profile::find(name).unwrap().terms;
        let limit = demo.policy.upstream(name).unwrap().limit.as_ref().unwrap().to_json();
        let expected = (format!("{}/s", terms.per_second), u64::from(terms.burst));
        assert_eq!(
            (limit["rate"].as_str().unwrap(), limit["burst"].as_u64().unwrap()),
            (expected.0.as_str(), expected.1)
        );
        let limits = real.policy.upstream(name).unwrap().limit.as_ref().unwrap();
        assert!(limits.items().iter().any(|limit| limit.has("queue")), "{name}");
    }
    assert_eq!(names, BTreeSet::from(["acousticbrainz", "beatport", "discogs", "lastfm", "musicbrainz", "spotify"]));
}

#[test]
fn answers_are_kept_as_the_profiles_say() {
    for (route, said) in kept(&songnodes(None)) {
        let mut words = route.split([' ', '/']).skip_while(|word| *word != "api").skip(1);
        let (name, word) = (words.next().unwrap(), words.next().unwrap());
        let lifetime =
            profile::find(name).unwrap().terms.lifetimes.iter().find(|lifetime| lifetime.word == word).unwrap();
        let expected = (Some(lifetime.data_type), Some(format!("{}d", lifetime.days)));
        assert_eq!((said["data_type"].as_str(), said["ttl"].as_str().map(str::to_owned)), expected, "{route}");
    }
}

#[test]
fn the_sandbox_knows_secrets_of_its_own_and_real_hosts_are_never_shown_them() {
    let file = repository("envoy/policies/songnodes.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let with_nothing =
        |sandbox| document::read(&file, text.as_bytes(), &Reading { sandbox, variable: Some(&|_: &str| None) });
    let document = with_nothing(Some("http://127.0.0.1:1")).ok().unwrap();
    let providers = &provider(&document)["providers"];
    let key = providers.pointer("/lastfm/credentials/query").unwrap();
    let expected = serde_json::json!({"name": "api_key", "env": "LASTFM_API_KEY", "default": sandbox::API_KEY});
    assert_eq!(*key, expected);
    let pair = providers.pointer("/discogs/credentials/discogs").unwrap();
    assert_eq!((&pair["key"]["default"], &pair["secret"]["default"]), (&"weir-sandbox".into(), &"not-a-secret".into()));
    let refused = with_nothing(None).err().unwrap();
    assert!(refused.mistakes.iter().any(|mistake| mistake.wrong.contains("the environment has no variable")));
    let real = provider(&songnodes(None)).to_string();
    assert!(!real.contains("default") && !real.contains("weir-sandbox") && !real.contains(sandbox::API_KEY));
}

const FILES: &str = "\
version: 1
upstreams:
  spot-ify:
    url: http://127.0.0.1:1/v1
    profile: spotify
    retry: {per_try: 7s}
    credentials:
      oauth2: {token_url: 'http://127.0.0.1:2/token?x=1', client_id: {env: ID}, client_secret: {file: secret.txt}}
routes:
- {match: /*, upstream: spot-ify}
";

#[test]
fn a_secret_in_a_file_is_handed_on_by_a_variable_and_written_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret.txt"), format!("{FILED}\n")).unwrap();
    let document = read(&folder.path().join("policy.yaml"), FILES, None).unwrap();
    let variable = "WEIR_SPOT_IFY_OAUTH2_CLIENT_SECRET";
    let secrets: Vec<_> = document.policy.files().map(|one| (one.variable.as_str(), one.read().unwrap())).collect();
    assert_eq!(secrets, [(variable, FILED.to_owned())]);
    let credentials = provider(&document).pointer("/providers/spot-ify/credentials/oauth2").unwrap();
    assert_eq!(credentials["client_secret"], serde_json::json!({"env": variable}));
    assert_eq!(credentials["cluster"], "oauth.http.127.0.0.1.2");
    let again = provider(&document).pointer("/providers/spot-ify/again").unwrap();
    assert_eq!(*again, serde_json::json!({"cluster": "weir_again", "timeout": "5m"}));
    assert!(!rendered(&document).to_string().contains(FILED));
    accepted(&document);
}

#[test]
fn what_is_wrong_with_a_providers_secrets_is_said_where_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret.txt"), "short").unwrap();
    let with = |credentials: &str| {
        let policy = "version: 1\nupstreams:\n  a: {url: http://127.0.0.1:1, profile: spotify, credentials: CREDENTIALS}\n\
                      routes: [{match: /*, upstream: a}]\n";
        let text = policy.replace("CREDENTIALS", credentials);
        read(&folder.path().join("policy.yaml"), &text, None).err().unwrap_or_default()
    };
    let client = "client_id: {env: A}, client_secret: {env: A}";
    for (credentials, expected) in [
        ("{oauth2: {CLIENT}}", "3:64 `token_url`: is missing | "),
        (
            "{oauth2: {token_url: ftp://a/, CLIENT}}",
            "3:84 `ftp://a/` is not the URL of a token endpoint | expected http:// or https://",
        ),
        (
            "{oauth2: {token_url: http://a/, cluster: b, CLIENT}}",
            "3:104 `cluster` is not said here | it is made of `token_url`",
        ),
        ("{oauth2: {token_url: http://a/, client_id: {env: A}}}", "`env`: is missing"),
        (
            "{oauth2: {token_url: http://a/, client_id: {env: NONE}, client_secret: {env: A}}}",
            "`env`: the environment has no variable NONE | ",
        ),
        ("{oauth2: {token_url: http://a/, style: post, CLIENT}}", "\"post\" is wrong here | must be basic or form"),
        ("{oauth2: {token_url: http://a/, wiat: 1s, CLIENT}}", "`wiat`: is not known here | "),
        ("{bearer: {file: none.txt}}", "`none.txt` cannot be read: "),
        ("{bearer: {file: secret.txt}}", "the secret must be 8 to 4096 visible ASCII characters"),
        ("{bearer: {env: A, file: secret.txt}}", "a secret is in one place | expected `env` or `file`"),
    ] {
        let said = with(&credentials.replace("CLIENT", client));
        assert!(said.iter().any(|mistake| mistake.contains(expected)), "{credentials}: {said:?}");
        assert!(said.iter().all(|mistake| !mistake.contains(SECRET) && !mistake.contains("short")), "{said:?}");
    }
}

#[test]
fn what_cannot_be_said_of_a_provider_is_refused() {
    let upstreams = |text: &str| {
        let policy = format!("version: 1\nupstreams:\n{text}\nroutes: [{{match: /*, upstream: a}}]\n");
        read(Path::new("policy.yaml"), &policy, None).err().unwrap_or_default()
    };
    let fallback = "breaker: {fallback: {upstream: b}}";
    for (text, expected) in [
        (
            format!("  a: {{url: http://a, profile: acousticbrainz, {fallback}}}\n  b: {{url: http://b}}"),
            &["3:78 no other upstream understands a provider's requests | expected `stale` or `static`"][..],
        ),
        (
            format!("  a: {{url: http://a, {fallback}}}\n  b: {{url: http://b, profile: acousticbrainz}}"),
            &["3:53 `b` understands only requests of its own | expected an upstream without a `profile`"],
        ),
        (format!("  a: {{url: http://a, {fallback}}}\n  b: {{url: http://b}}"), &[]),
        (
            "  a: {url: http://a, profile: acousticbrainz, slow_down: {learn: [429, ratelimit_headers]}}".to_owned(),
            &[
                "3:72 no header of a provider's gets this far | expected words that an answer of the common shape still says, like `retry_after`",
            ],
        ),
    ] {
        assert_eq!(upstreams(&text), expected, "{text}");
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("k"), FILED).unwrap();
    let one =
        |name: &str| format!("  {name}: {{url: http://a, profile: spotify, credentials: {{bearer: {{file: k}}}}}}\n");
    let text = format!("version: 1\nupstreams:\n{}{}routes: [{{match: /*, upstream: a-b}}]\n", one("a-b"), one("a_b"));
    let said = read(&folder.path().join("p"), &text, None).unwrap_err();
    let expected = "4:3 `a_b` and another upstream would both keep a secret in WEIR_A_B_BEARER | expected names that differ in more than punctuation";
    assert_eq!(said, [expected]);
}

#[test]
fn what_stands_in_for_an_address_is_checked() {
    let text = "version: 1\nsandbox: {ftp://a: /a, http://b: b}\nupstreams: {a: {url: http://a}}\nroutes: [{match: /*, upstream: a}]\n";
    let said = read(Path::new("p"), text, None).unwrap_err();
    assert_eq!(
        said,
        [
            "2:11 `ftp://a` is not an address | expected http:// or https://",
            "2:34 this is not a path of the sandbox | expected it to begin with `/`",
        ]
    );
}
