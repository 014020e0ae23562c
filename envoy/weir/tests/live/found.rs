//! Where an Envoy's administration is, when a policy has brought another address, for which Envoy waits until it is started.

use std::fs;

use proxy::{Origin, Reply};
use serde_json::Value as Json;

use crate::gateway::Gateway;
use crate::modules::only;
use crate::plain;

#[test]
fn an_envoy_is_found_where_it_was_until_it_is_started_anew() {
    let origin = Origin::start();
    origin.answer(None, Reply::status(200).body("x"));
    let none = only(&[]);
    let mut gateway = Gateway::start(&plain(&origin, "/one"), none.path());
    gateway.name_own_address();
    let statuses = |gateway: &Gateway| ["/one", "/two", "/three"].map(|path| gateway.get(path).status);
    let elsewhere = |path: &str| format!("{}admin: 127.0.0.1:1\n", plain(&origin, path));

    let policy = gateway.write(&elsewhere("/two"));
    gateway.untold("apply", &[policy]).ended(0, "the administration's address");
    assert_eq!(statuses(&gateway), [404, 200, 404]);
    gateway.untold("apply", &[policy]).ended(0, "and serves already");
    gateway.untold("apply", &[gateway.write(&elsewhere("/three"))]).serves();
    assert_eq!(statuses(&gateway), [404, 404, 200]);
    gateway.untold("rollback", &[]).serves();
    gateway.untold("rollback", &[]).serves();
    assert_eq!(statuses(&gateway), [200, 404, 404]);
    gateway.untold("rollback", &["--admin", "127.0.0.1:1"]).ended(2, "there is nothing to go back to");

    // Nobody is where it was any more, and it is where the bootstrap says.
    gateway.untold("apply", &[gateway.write(&elsewhere("/two"))]).serves();
    gateway.restart();
    gateway.untold("rollback", &[]).serves();
    assert_eq!(statuses(&gateway), [200, 404, 404]);
    // Whoever says where it is means that place alone.
    let policy = gateway.write(&elsewhere("/two"));
    gateway.untold("apply", &[policy, "--admin", "127.0.0.1:1"]).ended(2, "no Envoy answers for ");
    gateway.untold("apply", &[policy]).serves();
}

#[test]
fn operators_are_answered_where_envoy_is_whatever_address_waits_for_a_start() {
    let origin = Origin::start();
    origin.answer(None, Reply::status(200).body("x"));
    let admin = only(&["admin"]);
    let with = |admin: &str| format!("{}admin: {admin}\n", plain(&origin, "/one"));
    let (gateway, port) = Gateway::start_where(|port| with(&format!("127.0.0.1:{port}")), admin.path());
    let statuses = || ["/one", "/metrics", "/health"].map(|path| gateway.get(path).status);
    assert_eq!(statuses(), [200, 404, 404]);
    gateway.apply(&with(&format!("{{listen: '127.0.0.1:{port}'}}")), &[]).serves();
    assert_eq!(statuses(), [200; 3]);

    gateway.apply(&with("{listen: '127.0.0.1:1'}"), &[]).ended(0, "the administration's address");
    assert_eq!(statuses(), [200; 3]);
    assert!(String::from_utf8_lossy(&gateway.get("/metrics").body).contains("envoy_server_live"));
    // Whatever is started on the folder now has them where it is itself.
    let bootstrap = fs::read(gateway.folder().join("bootstrap.json")).unwrap();
    let bootstrap: Json = serde_json::from_slice(&bootstrap).unwrap();
    let clusters = bootstrap.pointer("/static_resources/clusters").unwrap().as_array().unwrap();
    for cluster in clusters {
        let there = cluster.pointer("/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address").unwrap();
        assert_eq!((there, &there["socket_address"]["port_value"]), (&bootstrap["admin"]["address"], &1.into()));
    }
    assert_eq!(clusters.len(), 2);

    gateway.rollback().serves();
    assert_eq!(statuses(), [200; 3]);
    gateway.rollback().serves();
    assert_eq!(statuses(), [200, 404, 404]);
}
