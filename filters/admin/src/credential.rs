//! Who asks: an operator, by a role or by a key, or nobody that anything is told.

use policy::Headers;
use policy::handover::header;
use policy::headers::Sole;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use crate::config::Operators;

/// The header that a key is shown in.
pub const KEY: &str = "x-admin-key";
/// Of a longer key, nothing is computed.
const KEY_BYTES_MAX: usize = 256;
/// A longer name is cut where it is logged.
const NAME_BYTES_MAX: usize = 256;

/// What a request's credential is worth.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Access {
    /// There are no operators.
    Off,
    /// It is this operator's.
    Granted(Who),
    /// There is none.
    Missing,
    /// It is a key that nobody has.
    Wrong,
    /// It is somebody's who is no operator.
    Refused,
}

/// An operator, as the log names one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Who {
    /// By the name that `auth` found.
    User(String),
    /// By the beginning of a key's digest, which tells nothing of the key.
    Key(String),
}

impl Who {
    /// In one line of text: `user alice`, `key 9f86d081`.
    pub fn name(&self) -> String {
        match self {
            Self::User(name) => ["user ", name].concat(),
            Self::Key(name) => ["key ", name].concat(),
        }
    }
}

/// Judges a request's credential. Who shows a key is judged by that alone.
pub fn judge(operators: &Operators, headers: &Headers) -> Access {
    if *operators == Operators::default() {
        return Access::Off;
    }
    match headers.sole(KEY) {
        Sole::Value(key) => return of_key(operators, key),
        Sole::Repeated => return Access::Wrong,
        Sole::Absent => {}
    }
    let (Some(role), Sole::Value(user)) = (&operators.role, headers.sole(header::USER)) else { return Access::Missing };
    let Sole::Value(roles) = headers.sole(header::ROLES) else { return Access::Refused };
    if roles.split(|&byte| byte == b',').any(|one| one == role.as_bytes()) {
        let name = user.get(..NAME_BYTES_MAX).unwrap_or(user);
        return Access::Granted(Who::User(String::from_utf8_lossy(name).into_owned()));
    }
    Access::Refused
}

fn of_key(operators: &Operators, key: &[u8]) -> Access {
    if key.len() > KEY_BYTES_MAX {
        return Access::Wrong;
    }
    let digest: [u8; 32] = Sha256::digest(key).into();
    // Each is compared, and each whole: how long it takes says nothing about any.
    let mut found = subtle::Choice::from(0);
    for known in &operators.keys {
        found |= known.ct_eq(&digest);
    }
    if bool::from(found) {
        return Access::Granted(Who::Key(hexadecimal(&digest, 4)));
    }
    Access::Wrong
}

/// The SHA-256 of something, in hexadecimal digits.
pub fn digest(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes), 32)
}

fn hexadecimal(bytes: &[u8], length: usize) -> String {
    let digits = bytes.iter().take(length).flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

/// Whether a browser says that it sends this for another site's page: the operator's own credential may be what `auth` has
/// read from a cookie.
pub fn is_foreign(headers: &Headers) -> bool {
    let is_here = match headers.sole("origin") {
        Sole::Absent => true,
        Sole::Repeated => false,
        Sole::Value(origin) => {
            let at = origin.windows(3).position(|window| window == b"://").map_or(0, |at| at + 3);
            origin.get(at..) == headers.first(":authority")
        }
    };
    let is_own = headers.all("sec-fetch-site").all(|site| matches!(site, b"same-origin" | b"none"));
    !(is_here && is_own)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const SECRET: &[u8] = b"a key of an operator";

    fn operators(role: Option<&str>, keys: &[&[u8]]) -> Operators {
        let keys = keys.iter().map(|key| Sha256::digest(key).into()).collect();
        Operators { role: role.map(str::to_owned), keys }
    }

    #[test]
    fn a_digest_is_written_as_sha256sum_does() {
        assert_eq!(digest(b"test"), "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08");
    }

    type Pairs<'a> = &'a [(&'a [u8], &'a [u8])];

    fn check(operators: &Operators, rows: &[(Pairs<'_>, Access)]) {
        for (pairs, expected) in rows {
            assert_eq!(judge(operators, &Headers::from_pairs(pairs)), *expected, "{pairs:?}");
        }
    }

    fn user(name: &str) -> Access {
        Access::Granted(Who::User(name.to_owned()))
    }

    const USER: &[u8] = header::USER.as_bytes();
    const ROLES: &[u8] = header::ROLES.as_bytes();
    const ADMIN_KEY: &[u8] = KEY.as_bytes();

    #[test]
    fn without_operators_nothing_helps() {
        let all: Pairs<'_> = &[(USER, b"a"), (ROLES, b"operator"), (ADMIN_KEY, SECRET)];
        check(&Operators::default(), &[(&[], Access::Off), (all, Access::Off)]);
    }

    #[test]
    fn a_role_is_one_of_those_that_auth_has_found_and_whole() {
        let operators = operators(Some("operator"), &[]);
        check(
            &operators,
            &[
                (&[], Access::Missing),
                (&[(ROLES, b"operator")], Access::Missing),
                (&[(USER, b"a")], Access::Refused),
                (&[(USER, b"a"), (ROLES, b"operators,oper,Operator, operator")], Access::Refused),
                (&[(USER, b"a"), (ROLES, b"operator"), (ROLES, b"operator")], Access::Refused),
                (&[(USER, b"a"), (USER, b"b"), (ROLES, b"operator")], Access::Missing),
                (&[(USER, b"a"), (ROLES, b"x,operator,y")], user("a")),
                (&[(USER, b"\xff"), (ROLES, b"operator")], user("\u{fffd}")),
                (&[(USER, b"a"), (ROLES, b"operator"), (ADMIN_KEY, SECRET)], Access::Wrong),
            ],
        );
    }

    #[test]
    fn a_key_is_known_by_its_digest_alone() {
        let operators = operators(None, &[b"another", SECRET]);
        let long = [b"x".as_slice(); 300].concat();
        let known = judge(&operators, &Headers::from_pairs(&[(ADMIN_KEY, SECRET)]));
        let Access::Granted(Who::Key(name)) = &known else { panic!("{known:?}") };
        assert!(name.len() == 8 && !SECRET.starts_with(name.as_bytes()));
        check(
            &operators,
            &[
                (&[], Access::Missing),
                (&[(USER, b"a"), (ROLES, b"operator")], Access::Missing),
                (&[(ADMIN_KEY, b"")], Access::Wrong),
                (&[(ADMIN_KEY, b"a key of an operatoR")], Access::Wrong),
                (&[(ADMIN_KEY, &operators.keys[1])], Access::Wrong),
                (&[(ADMIN_KEY, b"\xff\xfe\0")], Access::Wrong),
                (&[(ADMIN_KEY, &long)], Access::Wrong),
                (&[(ADMIN_KEY, SECRET), (ADMIN_KEY, SECRET)], Access::Wrong),
                (&[(ADMIN_KEY, SECRET)], known.clone()),
            ],
        );
    }

    #[test]
    fn a_page_of_another_site_is_told_by_what_the_browser_says() {
        for (pairs, expected) in [
            (&[][..], false),
            (&[("origin", "https://gateway.example")], false),
            (&[("origin", "https://evil.example")], true),
            (&[("origin", "null")], true),
            (&[("origin", "https://gateway.example"), ("origin", "https://gateway.example")], true),
            (&[("sec-fetch-site", "same-origin")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("sec-fetch-site", "cross-site")], true),
            (&[("sec-fetch-site", "same-site")], true),
        ] {
            let mut bytes: Vec<_> = pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
            bytes.push((b":authority", b"gateway.example"));
            assert_eq!(is_foreign(&Headers::from_pairs(&bytes)), expected, "{pairs:?}");
        }
    }
}
