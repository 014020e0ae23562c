//! A change whose author was killed between listeners and routes.

use std::fs;

use proxy::{Origin, Reply};
use serde_json::Value as Json;

use crate::gateway::Gateway;
use crate::modules::only;
use crate::plain;

#[test]
fn what_a_killed_change_has_left_is_mended_by_the_policy_that_serves() {
    let origin = Origin::start();
    origin.answer(None, Reply::status(200).body("x"));
    let none = only(&[]);
    let old = plain(&origin, "/one");
    let gateway = Gateway::start(&old, none.path());
    let read =
        |name: &str| -> Json { serde_json::from_slice(&fs::read(gateway.folder().join(name)).unwrap()).unwrap() };
    let names = ["listeners.json", "bootstrap.json"];
    let state = || [read(names[0])["resources"].clone(), read(names[1])];
    let wanted = state();
    gateway.apply(&format!("{old}clients: {{connections: 9, idle_timeout: 6m}}\n"), &[]).serves();
    let left = names.map(|name| fs::read(gateway.folder().join(name)).unwrap());
    gateway.rollback().serves();
    assert_eq!(state(), wanted);

    // As the other change left it: what serves is the old policy, by the listener of the new one.
    for (name, bytes) in names.into_iter().zip(left) {
        let new = gateway.folder().join("new");
        fs::write(&new, bytes).unwrap();
        fs::rename(&new, gateway.folder().join(name)).unwrap();
    }
    assert_ne!(state(), wanted);
    gateway.apply(&old, &[]).serves();
    assert_eq!(state(), wanted);
    assert_eq!(gateway.get("/one").status, 200);
    gateway.apply(&old, &[]).ended(0, "and serves already");
    gateway.rollback().ended(2, "there is nothing to go back to");
}
