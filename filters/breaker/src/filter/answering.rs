//! What a client gets where its upstream is not asked: the configured fallback, or a refusal.

use std::rc::Rc;
use std::time::Duration;

use policy::handover::{DETAILS_PREFIX, header, state};
use policy::{Headers, Rejection};
use shell::headers::Map;
use shell::{Action, HostError, foreign, headers, reply, stream};

use super::{Filter, Plugin};
use crate::config::Found;
use crate::fallback::{Answer, Fallback};

/// Why an upstream is not asked.
#[derive(Clone, Copy)]
pub(super) enum Refusal {
    /// Its breaker is open, or half-open with probes enough.
    Open {
        /// It may be worth another try after this long.
        retry_after: Duration,
    },
    /// Its bulkhead is full.
    Full,
}

impl Filter {
    /// Answers in an upstream's place, or lets another one do so.
    pub(super) fn stand_in(
        &mut self,
        plugin: &Rc<Plugin>,
        index: usize,
        refusal: Refusal,
        headers: &Headers,
    ) -> Action {
        let Some(upstream) = plugin.config.breakers.get(index) else { return Action::Continue };
        let meters = plugin.meters.get(index);
        if let Some(meters) = meters {
            match refusal {
                Refusal::Open { .. } => meters.refusals.increment(),
                Refusal::Full => meters.crowded.increment(),
            }
        }
        let action = match &upstream.fallback {
            None => None,
            Some(Fallback::Static(answer)) => Some(send(answer, refusal)),
            Some(Fallback::Upstream { name, breaker }) => self.divert(plugin, name, *breaker, headers),
        };
        if let (Some(action), Some(meters)) = (action, meters) {
            meters.fallbacks.increment();
            return action;
        }
        let upstream = upstream.name.clone();
        let rejection = match refusal {
            Refusal::Open { retry_after } => Rejection::BreakerOpen { upstream, retry_after },
            Refusal::Full => Rejection::BulkheadFull { upstream },
        };
        shell::reject(&rejection, headers, &[])
    }

    /// Sends the request to another upstream, where that one's own breaker lets it.
    fn divert(&mut self, plugin: &Rc<Plugin>, name: &str, breaker: Option<usize>, headers: &Headers) -> Option<Action> {
        self.is_diverted = true;
        let found = breaker.map(|upstream| Found { upstream, route: None });
        if found.is_none_or(|found| self.board(plugin, found, headers).is_ok()) {
            match route_to(name) {
                Ok(()) => return Some(Action::Continue),
                Err(error) => log::error!("no way to {name}: {error}"),
            }
            self.disembark(plugin);
        }
        self.is_diverted = false;
        None
    }

    /// Marks what another upstream has answered: it is no answer to keep.
    pub(super) fn mark(&self) {
        if !self.is_diverted {
            return;
        }
        for (name, value) in [(header::FALLBACK, "upstream"), ("cache-control", "no-store")] {
            if let Err(error) = headers::set(Map::Response, name, value) {
                log::error!("{error}");
            }
        }
    }
}

/// Has the host look for a route again, now that the request says what it is to match.
fn route_to(name: &str) -> Result<(), HostError> {
    stream::set_state(state::FALLBACK, name)?;
    foreign::call("clear_route_cache", b"").map(|_| ())
}

fn send(answer: &Answer, refusal: Refusal) -> Action {
    let wait = match refusal {
        Refusal::Open { retry_after } => policy::rejection::whole_seconds(retry_after),
        Refusal::Full => 1,
    };
    let wait = wait.to_string();
    let mut pairs: Vec<_> = answer.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    if answer.wants_retry_after() {
        pairs.push(("retry-after", &wait));
    }
    reply::send(answer.status, &[DETAILS_PREFIX, "fallback"].concat(), &pairs, &answer.body)
}
