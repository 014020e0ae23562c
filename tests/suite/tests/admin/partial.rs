//! A change that is made in part, since shared data fails in the middle of it: what was made is said.

use policy::health::{self, Health};
use suite::Scenario;

use super::BY_ROLE;

#[test]
fn what_was_ordered_before_a_failure_is_in_the_log_and_the_rest_is_not() {
    let mut stage = Scenario::new(&[("admin", BY_ROLE)]).workers(1).host().expect("the host starts");
    let host = &mut stage.host;
    let mut lines = String::new();
    for name in ["first", "second", "third"] {
        let at = host.now().as_secs();
        Health { at, name, mode: "open", seconds: 7, open: 1, half_open: 0 }.write(&mut lines);
    }
    host.set_shared_data("weir", health::KEY, lines);
    host.limit_shared_changes(2);
    let request = host::Request::new("POST", "/admin/circuit-breakers/reset-all");
    let request = request.header("x-weir-user", "olga").header("x-weir-roles", "operator");
    let answer = host.send(0, request);
    assert_eq!(answer.status(), Some(503), "{}", answer.text());
    let audited: Vec<_> =
        host.log().iter().map(|line| line.text.as_str()).filter(|line| line.starts_with("audit ")).collect();
    let targets: Vec<_> =
        audited.iter().filter_map(|line| line.split(r#""target":""#).nth(1)?.split('"').next()).collect();
    assert_eq!(targets, ["first", "second"], "{audited:?}");
    for (name, is_ordered) in [("first", true), ("second", true), ("third", false)] {
        assert_eq!(host.shared_data("weir", policy::order::key(name)).is_some(), is_ordered, "{name}");
    }
}
