//! Envoy itself: whether this one knows all that is rendered for it.

use std::fmt;
use std::str::FromStr;

use crate::code::Code;
use crate::diagnostic::Mistakes;
use crate::gateway::Gateway;

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

/// Looks for what such a proxy would lack.
pub fn look(gateway: &Gateway<'_>, envoy: Option<Version>, found: &mut Mistakes) {
    if let Some(version) = envoy.filter(|version| *version < OLDEST) {
        let wrong = format!("Envoy {version} refuses what this policy is rendered to");
        let fix = format!("use Envoy {OLDEST} to {NEWEST}");
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
