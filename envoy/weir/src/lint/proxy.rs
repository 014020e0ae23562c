//! Envoy itself: whether this one knows all that is rendered for it.

use std::fmt;
use std::str::FromStr;

use crate::code::Code;
use crate::diagnostic::{Mistakes, Span};
use crate::gateway::Gateway;
use crate::policy::Policy;

/// A version of Envoy, as far as it matters: `1.40` or `1.40.2`.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Version {
    major: u32,
    minor: u32,
}

/// The oldest one that what is rendered was tried with.
pub const OLDEST: Version = Version { major: 1, minor: 37 };
/// The newest one.
pub const NEWEST: Version = Version { major: 1, minor: 40 };

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.strip_prefix('v').unwrap_or(text).split('.').map(str::parse);
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(Ok(major)), Some(Ok(minor)), None | Some(Ok(_)), None) => Ok(Self { major, minor }),
            _ => Err("expected a version of Envoy, like 1.40".to_owned()),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// What a policy may ask for that an Envoy before this version refuses: with it, all of the configuration. Whatever is not
/// here is taken by each from [`OLDEST`] to [`NEWEST`], which the tests of what is rendered show.
fn needs(policy: &Policy) -> Vec<(&'static str, Version, &Span)> {
    // Custom tags by a format; 1.36 knows tags of headers, metadata and the environment.
    let tracing = policy.tracing.as_ref().map(|tracing| ("tracing", Version { major: 1, minor: 37 }, &tracing.span));
    tracing.into_iter().collect()
}

/// Looks for what such a proxy would lack.
pub fn look(gateway: &Gateway<'_>, envoy: Option<Version>, found: &mut Mistakes) {
    let Some(version) = envoy else { return };
    let fix = format!("use Envoy {OLDEST} to {NEWEST}");
    let mut is_known = version >= OLDEST;
    for (what, since, at) in needs(gateway.policy).into_iter().filter(|(_, since, _)| version < *since) {
        let wrong = format!("Envoy {version} refuses what `{what}` is rendered to, which {since} brought");
        found.add_as(Code::OldEnvoy, at, wrong, fix.as_str());
        is_known = true;
    }
    if !is_known {
        let wrong = format!("Envoy {version} is older than any that what is rendered was tried with");
        found.add_as(Code::OldEnvoy, &gateway.policy.span, wrong, fix);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_compared_as_numbers() {
        let version = |text: &str| text.parse::<Version>();
        assert_eq!(version("1.40"), Ok(NEWEST));
        assert_eq!(version("v1.37.2"), Ok(OLDEST));
        assert!(version("1.9").unwrap() < OLDEST && version("2.0").unwrap() > NEWEST);
        for text in ["", "1", "1.x", "1.40.0.1", "latest"] {
            assert!(version(text).is_err(), "{text}");
        }
        assert_eq!(OLDEST.to_string(), "1.37");
    }
}
