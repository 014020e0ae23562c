//! Where secrets are looked for, and in which forms: in all that anybody can see of the gateway, operators included.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use policy::state::base64;
use proxy::{Request, client};
use sandbox::Upstream;

use super::{SECRETS, Show, written};

/// The sandbox's key for operators, and its digest.
const KEY: &str = "sandbox-key-to-operate";
const DIGEST: &str = "77168e70b75da81e9704ebe9d95e1b80fa539eaf9cc54525cc17667117334eb0";

/// What Envoy's own administration shows.
const PAGES: [&str; 15] = [
    "config_dump?include_eds",
    "stats",
    "stats/prometheus",
    "stats/recentlookups",
    "clusters",
    "listeners",
    "server_info",
    "runtime",
    "certs",
    "memory",
    "contention",
    "help",
    "init_dump",
    "stats?format=json",
    "logging",
];

/// What the gateway answers beside its routes, and whether that is for operators alone.
const ROUTES: [(&str, bool); 13] = [
    ("/health", false),
    ("/health/live", false),
    ("/health/ready", false),
    ("/metrics", false),
    ("/admin/", false),
    ("/admin/status", true),
    ("/admin/rate-limits", true),
    ("/admin/queues", true),
    ("/admin/circuit-breakers", true),
    ("/admin/cache/stats", true),
    ("/admin/credentials", true),
    ("/admin/configurations", true),
    ("/admin/log-level", true),
];

/// The same policy with somebody who operates, and whose Envoy is asked by this address.
pub(super) fn operated(text: &str, admin: SocketAddr) -> String {
    let plain = "\nadmin: 127.0.0.1:9901\n";
    assert!(text.contains(plain), "the policy has nobody operate");
    text.replace(plain, &format!("\nadmin: {{listen: {admin}, operators: {{key_sha256: {DIGEST}}}}}\n"))
}

/// All forms in which this text may stand in another: as it is, percent-encoded with its slashes or without them, escaped as
/// JSON may escape it, all in either case, and what base64 makes of it, wherever it begins in what is encoded.
fn forms(text: &str) -> BTreeSet<String> {
    let escaped = |plain: &str, escape: fn(u8) -> String| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || plain.bytes().any(|other| other == byte);
        let one = |byte: u8| if is_plain(byte) { char::from(byte).to_string() } else { escape(byte) };
        text.bytes().map(one).collect::<String>()
    };
    let written = [
        text.to_owned(),
        text.replace('/', "\\/"),
        escaped("-._~", |byte| format!("%{byte:02X}")),
        escaped("-._~", |byte| format!("%{byte:02x}")),
        escaped("-._~/", |byte| format!("%{byte:02X}")),
        escaped("-._~/", |byte| format!("%{byte:02x}")),
        escaped("", |byte| format!("\\u{byte:04X}")),
        escaped("", |byte| format!("\\u{byte:04x}")),
        escaped("-._~/", |byte| format!("\\u{byte:04X}")),
        escaped("-._~/", |byte| format!("\\u{byte:04x}")),
    ];
    let encoded = written.iter().flat_map(|text| {
        (0..3).flat_map(|skipped| {
            let whole = &text.as_bytes()[skipped..];
            let standard = base64::encode(&whole[..whole.len() / 3 * 3]);
            [standard.replace('+', "-").replace('/', "_"), standard]
        })
    });
    let encoded: Vec<_> = encoded.collect();
    written.into_iter().chain(encoded).collect()
}

impl Show {
    /// The tokens that the providers were shown.
    pub(super) fn tokens(&self) -> BTreeSet<String> {
        let seen = [Upstream::Spotify, Upstream::Beatport].map(|upstream| self.sandbox.requests(upstream)).concat();
        let shown = seen.into_iter().flat_map(|request| request.headers);
        shown.filter_map(|(_, value)| value.strip_prefix("Bearer ").map(str::to_owned)).collect()
    }

    /// What nobody but its provider may see: secrets, the pairs that are shown to token endpoints, and tokens.
    fn secrets(&self) -> BTreeSet<String> {
        let text = |name: &str| SECRETS.into_iter().find(|(known, _)| *known == name).map(|(_, text)| text).unwrap();
        let pairs = ["SPOTIFY", "BEATPORT"]
            .map(|name| [text(&format!("{name}_CLIENT_ID")), text(&format!("{name}_CLIENT_SECRET"))].join(":"));
        let alone =
            SECRETS.into_iter().filter(|(name, _)| !name.ends_with("CLIENT_ID")).map(|(_, text)| text.to_owned());
        alone.chain(pairs).chain(self.tokens()).collect()
    }

    /// The forms that are looked for are those in which secrets do go about: each was sent to its provider in one of them.
    pub(super) fn knows_what_was_sent(&self) {
        let sent = format!("{:?}", Upstream::ALL.map(|upstream| self.sandbox.requests(upstream)));
        for secret in self.secrets().iter().filter(|secret| !secret.contains(':')) {
            assert!(forms(secret).iter().any(|form| sent.contains(form.as_str())), "{secret} in no form that is known");
        }
    }

    /// What the gateway answers operators, its own page included.
    fn operators_pages(&self) -> Vec<(String, String)> {
        let host = self.envoy.address().to_string();
        let entry = format!("/admin/cache/entry?url=http://{host}/api/acousticbrainz/features/{}", self.recordings[0]);
        let routes = ROUTES.into_iter().map(|(path, closed)| (path.to_owned(), closed)).chain([(entry, true)]);
        routes
            .map(|(path, closed)| {
                let ask = |request: Request| {
                    let answer =
                        client::call(self.envoy.address(), &request.header("host", host.as_str())).expect("an answer");
                    (answer.status, written(&answer))
                };
                let (refused, _) = ask(Request::get(&path));
                assert_eq!(refused, if closed { 401 } else { 200 }, "{path}");
                let (status, text) = ask(Request::get(&path).header("x-admin-key", KEY));
                assert_eq!(status, 200, "{path}: {text}");
                (path, text)
            })
            .collect()
    }

    /// Looks for every secret in all that anybody can see.
    pub(super) fn search(&self) {
        assert!(!self.tokens().is_empty());
        let operators = self.operators_pages();
        let status = &operators.iter().find(|(path, _)| path == "/admin/status").unwrap().1;
        assert!(status.contains(r#""kind":"token","name":"spotify""#), "it has something to tell: {status}");
        let mut seen: Vec<(String, String)> =
            vec![("bootstrap".into(), self.bootstrap.clone()), ("log".into(), self.envoy.log())];
        seen.extend(operators);
        seen.extend(PAGES.map(|page| (page.to_owned(), self.envoy.admin(&format!("/{page}")))));
        seen.extend(self.told.lock().unwrap().iter().map(|told| ("answer".to_owned(), told.clone())));
        assert!(
            seen.iter().any(|(page, text)| page.starts_with("config_dump") && text.contains("SPOTIFY_CLIENT_SECRET"))
        );
        let forms: BTreeSet<_> = self.secrets().iter().flat_map(|secret| forms(secret)).collect();
        for (place, text) in &seen {
            for form in &forms {
                assert!(!text.contains(form.as_str()), "{place} has {form}: {}", around(text, form));
            }
        }
    }
}

fn around(text: &str, part: &str) -> String {
    let at = text.find(part).unwrap_or_default();
    text.get(at.saturating_sub(200)..).unwrap_or_default().chars().take(400).collect()
}
