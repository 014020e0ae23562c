//! Where an Envoy's administration is, when a policy has brought another address, for which Envoy waits until it is started.

use proxy::{Origin, Reply};

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
