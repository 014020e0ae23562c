//! The policy as it is rendered for the real hosts, which a second Envoy stands for, with certificates made here. Only two things are
//! changed in what is rendered: where the names lead, and which authority is trusted.

use std::path::Path;

use proxy::{Envoy, Request, client};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use sandbox::{Sandbox, Upstream};
use serde_json::{Value as Json, json};

use super::{SECRETS, TURN, rendered, settings, told};

/// A host, and what its certificate is like.
const HOSTS: [(&str, &str, Kind); 7] = [
    ("accounts.spotify.com", "/spotify-accounts/", Kind::Good),
    ("api.spotify.com", "/spotify/", Kind::Good),
    ("ws.audioscrobbler.com", "/lastfm/", Kind::Good),
    ("api.beatport.com", "/beatport/", Kind::Ended),
    ("musicbrainz.org", "/musicbrainz/", Kind::OfAnother),
    ("api.discogs.com", "/discogs/", Kind::OfUnknown),
    ("acousticbrainz.org", "/acousticbrainz/", Kind::Above),
];

#[derive(Clone, Copy, Eq, PartialEq)]
enum Kind {
    /// For this name, by the authority that is trusted.
    Good,
    /// The same, but its time is over.
    Ended,
    /// For another name.
    OfAnother,
    /// For this name, by an authority that nobody knows.
    OfUnknown,
    /// For all names of a domain that this one is, and not below it.
    Above,
}

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::default();
    // A certificate whose issuer has its own name would be taken for one that nobody has issued.
    params.distinguished_name.push(DnType::CommonName, "authority of this test");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// The chain of filters for those who say that they want this host, with its certificate, in front of the sandbox.
fn host(known: &Authority, unknown: &Authority, (name, path, kind): (&str, &str, Kind)) -> Json {
    let shown = match kind {
        Kind::OfAnother => "musicbrainz.example".to_owned(),
        Kind::Above => format!("*.{name}"),
        Kind::Good | Kind::Ended | Kind::OfUnknown => name.to_owned(),
    };
    let mut params = CertificateParams::new([shown]).unwrap();
    if kind == Kind::Ended {
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    }
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, if kind == Kind::OfUnknown { unknown } else { known }).unwrap();
    let pair = json!({
        "certificate_chain": {"inline_string": certificate.pem()}, "private_key": {"inline_string": key.serialize_pem()},
    });
    let tls = typed(
        "envoy.transport_sockets.tls",
        "extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        json!({"common_tls_context": {"tls_certificates": [pair], "alpn_protocols": ["h2", "http/1.1"]}}),
    );
    let route = json!({"match": {"prefix": "/"}, "route": {"cluster": "sandbox", "prefix_rewrite": path}});
    let router = typed("router", "extensions.filters.http.router.v3.Router", json!({}));
    let manager = typed(
        "http",
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        json!({
            "stat_prefix": name, "http_filters": [router],
            "route_config": {"virtual_hosts": [{"name": name, "domains": [name], "routes": [route]}]},
        }),
    );
    json!({"filter_chain_match": {"server_names": [name]}, "transport_socket": tls, "filters": [manager]})
}

/// All hosts behind one address, told apart by the name that a client says when it connects.
fn hosts(known: &Authority, unknown: &Authority, sandbox: &Sandbox) -> Envoy {
    let address = |port: u16| json!({"socket_address": {"address": "127.0.0.1", "port_value": port}});
    let inspector = typed("tls", "extensions.filters.listener.tls_inspector.v3.TlsInspector", json!({}));
    let listener = json!({
        "name": "hosts", "address": address(0), "listener_filters": [inspector],
        "filter_chains": HOSTS.map(|one| host(known, unknown, one)),
    });
    let endpoint = json!({"endpoint": {"address": address(sandbox.address().port())}});
    let cluster = json!({
        "name": "sandbox", "type": "STATIC",
        "load_assignment": {"cluster_name": "sandbox", "endpoints": [{"lb_endpoints": [endpoint]}]},
    });
    let bootstrap = json!({"static_resources": {"listeners": [listener], "clusters": [cluster]}});
    Envoy::start(&bootstrap.to_string()).unwrap_or_else(|failure| panic!("{failure}"))
}

fn typed(name: &str, kind: &str, mut config: Json) -> Json {
    config["@type"] = format!("type.googleapis.com/envoy.{kind}").into();
    json!({"name": name, "typed_config": config})
}

/// Has each name lead to this address, and no other authority trusted than the one in this file.
fn led_here(bootstrap: &mut Json, port: u16, authority: &Path) {
    let clusters = bootstrap.pointer_mut("/static_resources/clusters").and_then(Json::as_array_mut).unwrap();
    let mut count = 0;
    for cluster in clusters.iter_mut().filter(|cluster| cluster["type"] == "STRICT_DNS") {
        cluster["type"] = "STATIC".into();
        cluster.as_object_mut().unwrap().remove("dns_lookup_family");
        let endpoint = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
        *cluster.pointer_mut(endpoint).unwrap() = json!({"address": "127.0.0.1", "port_value": port});
        let trusted = "/transport_socket/typed_config/common_tls_context/validation_context/trusted_ca/filename";
        *cluster.pointer_mut(trusted).unwrap() = authority.to_str().unwrap().into();
        count += 1;
    }
    assert_eq!(count, HOSTS.len() + 1, "Beatport's tokens come from where its tracks do");
}

#[test]
fn a_real_host_is_believed_by_its_name_and_its_authority() {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let sandbox = Sandbox::start_with(settings(), ([127, 0, 0, 1], 0).into()).expect("a free port");
    let (known, unknown) = (authority(), authority());
    let hosts = hosts(&known, &unknown, &sandbox);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authority.pem");
    std::fs::write(&file, known.pem()).unwrap();
    // Without retries: a host that is not believed is not believed the second time.
    let mut bootstrap = rendered(None, |text| text.replace("timeout: *timeout", "timeout: *timeout\n    retry: off"));
    led_here(&mut bootstrap, hosts.address().port(), &file);
    let envoy = Envoy::start_with(&bootstrap.to_string(), &told()).unwrap_or_else(|failure| panic!("{failure}"));
    let recording = "7d357162-6c37-47f4-abcd-c74889a01919";
    for (path, expected) in [
        ("/api/spotify/track/41Xji81wFy3cM7ggbGczQW".to_owned(), 200),
        (format!("/api/lastfm/track/{recording}"), 200),
        // No token comes over a connection that is not trusted.
        ("/api/beatport/track/1".to_owned(), 503),
        (format!("/api/musicbrainz/track/{recording}"), 502),
        ("/api/discogs/release/1".to_owned(), 502),
        (format!("/api/acousticbrainz/track/{recording}"), 502),
    ] {
        let answer = client::call(envoy.address(), &Request::get(&path)).expect("an answer");
        assert_eq!(answer.status, expected, "{path}: {}", String::from_utf8_lossy(&answer.body));
    }
    let stats = envoy.stats();
    let count = |cluster: &str, name: &str| {
        let line = format!("cluster.{cluster}.ssl.{name}: ");
        let found = stats.lines().find_map(|stat| stat.strip_prefix(&line)?.parse::<u64>().ok());
        found.unwrap_or_else(|| panic!("{line}\n{stats}"))
    };
    for (cluster, name) in [
        ("musicbrainz", "fail_verify_san"),
        ("acousticbrainz", "fail_verify_san"),
        ("discogs", "fail_verify_error"),
        ("oauth.https.api.beatport.com.443", "fail_verify_error"),
    ] {
        assert!(count(cluster, name) > 0 && count(cluster, "handshake") == 0, "{cluster}");
    }
    for cluster in ["spotify", "lastfm", "oauth.https.accounts.spotify.com.443"] {
        assert!(count(cluster, "handshake") > 0, "{cluster}");
    }
    // Nobody else was told anything, a secret least of all.
    for (upstream, expected) in [
        (Upstream::SpotifyAccounts, 1),
        (Upstream::Spotify, 1),
        (Upstream::Lastfm, 1),
        (Upstream::BeatportAccounts, 0),
        (Upstream::Beatport, 0),
        (Upstream::Musicbrainz, 0),
        (Upstream::Discogs, 0),
        (Upstream::Acousticbrainz, 0),
    ] {
        assert_eq!(sandbox.count(upstream), expected, "{upstream:?}");
    }
    let hosts = SECRETS.iter().filter(|(_, secret)| hosts.log().contains(secret)).count();
    assert_eq!(hosts, 0);
}
