//! Mistakes about who operates the proxy.

use super::{GOOD, check};

#[test]
fn what_is_wrong_with_operators_is_said_where_it_stands() {
    let rows = [
        (
            "admin: {operators: {role: operator}}",
            "6:27 nobody has a role in this policy | an `identity`, by which callers have roles",
        ),
        (
            "admin: {operators: {key_sha256: the-key-itself}}",
            "6:33 `key_sha256`: must be the SHA-256 of a key, in 64 hexadecimal digits | ",
        ),
        ("admin: {operators: {}}", "6:9 `operators`: must have a role or key_sha256; leave it out for nobody | "),
        ("admin: {operator: {}}", "6:9 unknown key `operator` | did you mean `operators`?"),
        (
            "admin: {listen: 0.0.0.0:9901}",
            "6:17 the administration port must not be reachable from outside | expected a loopback address, like 127.0.0.1:9901",
        ),
    ];
    for (text, expected) in rows {
        check(&[(&format!("{GOOD}{text}\n"), &[expected])]);
    }
}
