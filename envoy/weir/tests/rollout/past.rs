//! A fleet without a past.

use proxy::{Origin, Reply};

use crate::fleet::Fleet;
use crate::policy;

#[test]
fn where_there_is_nothing_to_compare_with_nobody_says_that_all_is_well() {
    let origin = Origin::start();
    origin.answer(None, Reply::status(200).body("here"));
    let fleet = Fleet::start(1, &policy(origin.address(), ""));
    // Every request is refused, of which there soon are as many as it takes to judge; before, there were fewer.
    let refusing = policy(origin.address(), ", allow: [nobody]");
    let (code, said) = fleet.roll(&refusing, &["--least", "300", "--watch", "2s", "--patience", "60s"]);
    assert!(code == Some(4) && said.contains("there is nothing to compare with"), "{code:?} {said}");
    assert!(said.contains("what has moved stays"), "{said}");
    let (code, said) = fleet.roll(&refusing, &["--least", "300", "--back"]);
    assert!(code == Some(0) && !fleet.state().exists(), "{code:?} {said}");
}
