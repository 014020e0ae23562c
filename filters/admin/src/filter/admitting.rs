//! Who is let in: operators, at the pace at which one guesses no key; and how often that was asked.

use policy::{Headers, Rejection};
use shell::metric::Counter;
use shell::shared::{self, Change as Edit};
use shell::stream;

use super::Plugin;
use super::acting::{ATTEMPTS, unchanged};
use super::telling::stored;
use crate::credential::{self, Access, Who};
use crate::guess;

/// What a client is told that has no credential, or a wrong one.
const CHALLENGE: &str = r#"ApiKey realm="admin""#;

/// How often operators have asked and ordered, and others were not let in, by why.
pub(super) struct Visits([(&'static str, Counter); 6]);

impl Visits {
    pub(super) fn new() -> Self {
        let visits = |outcome| (outcome, Counter::new("api_gateway_admin_requests_total", &[("outcome", outcome)]));
        Self(["asked", "ordered", "missing", "wrong", "forbidden", "limited"].map(visits))
    }

    pub(super) fn count(&self, word: &str) {
        if let Some((_, counter)) = self.0.iter().find(|(known, _)| *known == word) {
            counter.increment();
        }
    }
}

impl Plugin {
    /// Which operator this is.
    pub(super) fn operator(&self, headers: &Headers) -> Result<Who, Rejection> {
        let challenge = || CHALLENGE.to_owned();
        let access = credential::judge(&self.config.operators, headers);
        if matches!(access, Access::Wrong | Access::Granted(Who::Key(_))) {
            let slot = self.slot();
            if let Some(retry_after) = guess::wait(&stored(guess::KEY)?, slot, shell::now()) {
                self.visits.count("limited");
                return Err(Rejection::RateLimited { retry_after });
            }
            if access == Access::Wrong {
                note_guess(slot)?;
            }
        }
        let (word, rejection) = match access {
            Access::Granted(who) => return Ok(who),
            Access::Off => return Err(Rejection::NotFound),
            Access::Missing => ("missing", Rejection::Unauthorized { challenge: challenge() }),
            Access::Wrong => ("wrong", Rejection::AuthFailed { challenge: challenge(), reason: "admin_key" }),
            Access::Refused => ("forbidden", Rejection::Forbidden),
        };
        self.visits.count(word);
        Err(rejection)
    }

    /// Where the client's wrong guesses are noted. Nobody can tell which addresses share a slot.
    fn slot(&self) -> u32 {
        let address = address();
        let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
        self.seed.fingerprint([host.as_bytes()]).slot(guess::SLOTS)
    }
}

fn note_guess(slot: u32) -> Result<(), Rejection> {
    let noted = shared::update(guess::KEY, ATTEMPTS, |table| {
        guess::charge(table, slot, shell::now());
        Edit::Store(())
    });
    noted.map_err(unchanged)
}

/// The client's address, as the host writes it.
pub(super) fn address() -> String {
    let address = stream::property(&["source", "address"]).ok().flatten().unwrap_or_default();
    String::from_utf8_lossy(&address).into_owned()
}
