//! How everything is, all together.

use policy::health::{self, Health};

use crate::contact::Contact;
use crate::json::Writer;
use crate::report;

/// How everything is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Overall {
    /// Well.
    Healthy,
    /// Some upstream is not asked, or only now and then; all else is well.
    Degraded,
    /// The store is not there that the proxy shares with a fleet.
    Unhealthy,
}

impl Overall {
    /// What follows from the store and the breakers, as of `now` in seconds since the Unix epoch.
    pub fn of(contact: Contact, breakers: &[u8], now: u64) -> Self {
        let is_sick = |line: Health<'_>| matches!(line.mode, "open" | "half_open" | "forced_open");
        if contact.is_missing() {
            Self::Unhealthy
        } else if health::read(breakers).filter(|line| line.is_current(now)).any(is_sick) {
            Self::Degraded
        } else {
            Self::Healthy
        }
    }

    /// The status that it is told with.
    pub const fn status(self) -> u16 {
        match self {
            Self::Healthy | Self::Degraded => 200,
            Self::Unhealthy => 503,
        }
    }

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// What is told of it.
pub fn body(overall: Overall, contact: Contact, breakers: &[u8], now: u64) -> String {
    let mut each = Writer::object();
    for line in health::read(breakers).filter(|line| line.is_current(now)) {
        each = each.raw(line.name, &report::breaker(&line));
    }
    Writer::object()
        .text("status", overall.as_str())
        .text("redis", contact.as_str())
        .raw("circuit_breakers", &each.end())
        .end()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_breaker_degrades_and_a_missing_store_is_ill() {
        for (contact, lines, expected) in [
            (Contact::Unused, "", Overall::Healthy),
            (Contact::Unused, "100 a closed 1 0 0\n100 b disabled 1 0 0\n100 c metrics_only 1 0 0\n", Overall::Healthy),
            (Contact::Connected, "100 a closed 1 0 0\n100 b open 1 1 0\n", Overall::Degraded),
            (Contact::Unused, "100 a half_open 1 0 1\n", Overall::Degraded),
            (Contact::Unused, "100 a forced_open 1 0 1\n", Overall::Degraded),
            (Contact::Unused, "80 a open 1 0 1\n", Overall::Healthy),
            (Contact::Away, "100 a closed 1 0 0\n", Overall::Unhealthy),
            (Contact::Unknown, "", Overall::Unhealthy),
        ] {
            let overall = Overall::of(contact, lines.as_bytes(), 100);
            assert_eq!(overall, expected, "{lines}");
            assert_eq!(overall.status(), if expected == Overall::Unhealthy { 503 } else { 200 });
        }
    }

    #[test]
    fn all_breakers_of_the_present_are_told() {
        let lines = b"100 a closed 7 0 0\n10 gone open 1 1 0\n100 b open 9 2 1\n";
        let expected = concat!(
            r#"{"status":"degraded","redis":"not_configured","circuit_breakers":"#,
            r#"{"a":{"name":"a","state":"closed","seconds":7,"open":0,"half_open":0},"#,
            r#""b":{"name":"b","state":"open","seconds":9,"open":2,"half_open":1}}}"#
        );
        assert_eq!(body(Overall::Degraded, Contact::Unused, lines, 100), expected);
    }
}
