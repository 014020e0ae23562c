//! What the gateway calls: a `ServiceEntry` for what is outside of the mesh, a `DestinationRule` for everything.

use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::envoy::set;
use crate::istio::Settings;
use crate::kubernetes;
use crate::policy::upstream::{Address, Name, Pool};
use crate::policy::{Policy, Upstream};

/// One thing that is called.
pub struct Service {
    /// The name of its cluster in the policy.
    pub name: String,
    address: Address,
    pool: Pool,
    connect_timeout: Duration,
    /// How many percent of the requests under way may be retries.
    retries: Option<u64>,
}

/// So long may a connection take to where keys and tokens come from.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// The upstreams, the state store, where issuers publish their keys, and where providers give tokens.
pub fn all(policy: &Policy) -> Vec<Service> {
    let upstreams = policy.upstreams.iter().chain(policy.state.as_ref().map(|state| &state.upstream));
    let publishers = policy.identity.iter().flat_map(|identity| &identity.publishers);
    let publishers = publishers.map(|publisher| Service::aside(&publisher.cluster, &publisher.address));
    let endpoints = policy.upstreams.iter().filter_map(|upstream| upstream.provider.as_ref()?.endpoint.as_ref());
    let endpoints = endpoints.map(|endpoint| Service::aside(&endpoint.cluster, &endpoint.address));
    upstreams.map(Service::of).chain(publishers).chain(endpoints).collect()
}

/// The objects of all services. Istio has one entry and one rule for a host, with a part of its own for each port beyond that of the
/// first service there.
///
/// # Errors
/// Two services at one port of a host, of which one alone speaks TLS: Istio knows them as one.
pub fn objects(services: &[Service], settings: &Settings) -> Result<Vec<Json>, String> {
    let mut objects = Vec::new();
    for (index, service) in services.iter().enumerate() {
        let same = |other: &&Service| other.host() == service.host();
        if services.iter().take(index).any(|other| same(&other)) {
            continue;
        }
        // What is said of a port counts for the first service there.
        let mut ports: Vec<&Service> = Vec::new();
        for other in services.iter().filter(same) {
            match ports.iter().find(|first| first.address.port == other.address.port) {
                Some(first) if first.address.tls != other.address.tls => return Err(at_odds(first, other)),
                Some(_) => {}
                None => ports.push(other),
            }
        }
        objects.extend(service.entry(&ports, settings));
        objects.push(service.rule(&ports, settings));
    }
    Ok(objects)
}

fn at_odds(one: &Service, other: &Service) -> String {
    format!(
        "`{}` and `{}` are one port of one host, {}, which Istio calls with TLS or without: say https of both, or http",
        one.name,
        other.name,
        one.address.authority()
    )
}

/// What Istio makes of several services at one host that no object can say otherwise.
pub fn notes(policy: &Policy) -> Vec<String> {
    let services = all(policy);
    let mut notes = Vec::new();
    for (index, service) in services.iter().enumerate() {
        let mut before = services.iter().take(index).filter(|other| other.host() == service.host()).peekable();
        let Some(first) = before.peek().copied() else { continue };
        let twin = before.find(|other| other.address.port == service.address.port);
        if let Some(twin) = twin.filter(|twin| twin.told() != service.told()) {
            notes.push(format!(
                "`{}` and `{}` are one port of one host, so Istio calls both as the former says: its `pool`, `connect_timeout` and \
                 `retry.budget` count for the two together",
                twin.name, service.name
            ));
        } else if twin.is_none() && service.retries.is_some() {
            notes.push(format!(
                "Istio may know a `retry.budget` of a whole host alone, and `{}` is at another port than `{}`: its retries may have none",
                service.name, first.name
            ));
        }
    }
    notes
}

impl Service {
    fn of(upstream: &Upstream) -> Self {
        Self {
            name: upstream.name.value.clone(),
            address: upstream.address.clone(),
            pool: upstream.pool,
            connect_timeout: upstream.connect_timeout.length(),
            retries: upstream.retry.as_ref().map(|retry| retry.budget),
        }
    }

    /// What filters ask now and then, beside the requests.
    fn aside(cluster: &str, address: &Address) -> Self {
        Self {
            name: cluster.to_owned(),
            address: address.clone(),
            pool: Pool { connections: 4, pending: 16, requests: 16 },
            connect_timeout: CONNECT_TIMEOUT,
            retries: None,
        }
    }

    /// What Envoy calls its cluster there.
    pub fn cluster(&self) -> String {
        format!("outbound|{}||{}", self.address.port, self.host())
    }

    /// The host that Istio knows it by. One that has only an address gets a name that nobody resolves.
    fn host(&self) -> String {
        match &self.address.host {
            Name::Domain(name) => name.clone(),
            Name::Ip(_) => format!("{}.internal", kubernetes::named(&self.name)),
        }
    }

    /// Whether the mesh knows it already.
    fn is_inside(&self) -> bool {
        matches!(&self.address.host, Name::Domain(name) if name.ends_with(".svc.cluster.local"))
    }

    /// Tells Istio of it; `None` where it knows.
    fn entry(&self, ports: &[&Self], settings: &Settings) -> Option<Json> {
        if self.is_inside() {
            return None;
        }
        // The gateway itself speaks TLS, so what it sees is HTTP.
        let port = |port: u16| json!({"number": port, "name": format!("http-{port}"), "protocol": "HTTP"});
        let mut numbers: Vec<_> = ports.iter().map(|service| service.address.port).collect();
        numbers.sort_unstable();
        let mut spec = json!({
            "hosts": [self.host()],
            "location": "MESH_EXTERNAL",
            "ports": numbers.into_iter().map(port).collect::<Vec<_>>(),
            "resolution": "DNS",
            "exportTo": ["."],
        });
        if let Name::Ip(ip) = &self.address.host {
            set(&mut spec, "resolution", "STATIC");
            set(&mut spec, "endpoints", json!([{"address": ip.to_string()}]));
        }
        let name = kubernetes::named(&self.name);
        Some(settings.place.object("networking.istio.io/v1", "ServiceEntry", &name, &spec))
    }

    /// How a host is called whose ports' first services these are, this one before all others.
    fn rule(&self, ports: &[&Self], settings: &Settings) -> Json {
        let mut traffic = self.traffic();
        if let Some(percent) = self.retries {
            set(&mut traffic, "retryBudget", json!({"percent": percent, "minRetryConcurrency": 3}));
        }
        let of_port = |service: &&Self| {
            let mut traffic = service.traffic();
            set(&mut traffic, "port", json!({"number": service.address.port}));
            traffic
        };
        let others: Vec<_> = ports.iter().skip(1).map(of_port).collect();
        if !others.is_empty() {
            set(&mut traffic, "portLevelSettings", others);
        }
        let spec = json!({"host": self.host(), "trafficPolicy": traffic, "exportTo": ["."]});
        settings.place.object("networking.istio.io/v1", "DestinationRule", &kubernetes::named(&self.name), &spec)
    }

    /// Its pool and TLS.
    fn traffic(&self) -> Json {
        let mut traffic = json!({
            "connectionPool": {
                "tcp": {
                    "maxConnections": self.pool.connections,
                    "connectTimeout": kubernetes::duration(self.connect_timeout),
                    "tcpKeepalive": {"probes": 3, "time": "60s", "interval": "10s"},
                },
                "http": {
                    "http1MaxPendingRequests": self.pool.pending,
                    "http2MaxRequests": self.pool.requests,
                    "idleTimeout": "90s",
                },
            },
        });
        if self.address.tls {
            let host = match &self.address.host {
                Name::Domain(name) => name.clone(),
                Name::Ip(ip) => ip.to_string(),
            };
            set(&mut traffic, "tls", json!({"mode": "SIMPLE", "sni": host, "subjectAltNames": [host]}));
        }
        traffic
    }

    /// What is said of how it is called.
    fn told(&self) -> (Json, Option<u64>) {
        (self.traffic(), self.retries)
    }
}
