//! What is counted and logged of callers that may not, or would not be allowed to.

use std::cell::Cell;

use policy::Instant;
use shell::metric::Counter;

use crate::config::Config;
use crate::judge::Decision;
use crate::route::Route;
use crate::throttle::Throttle;

/// The counters of denials, and the log's patience with those that are only tried.
pub(super) struct Denials {
    forbidden: Counter,
    would_forbid: Counter,
    throttle: Cell<Throttle>,
}

impl Denials {
    pub(super) fn new() -> Self {
        let denied = |outcome| Counter::new("api_gateway_auth_denied_total", &[("outcome", outcome)]);
        Self {
            forbidden: denied("forbidden"),
            would_forbid: denied("would_forbid"),
            throttle: Cell::new(Throttle::default()),
        }
    }

    /// Counts what a request lacks on its route, and says it in the log alone.
    pub(super) fn record(&self, config: &Config, route: &Route, decision: &Decision, now: Instant) {
        let granted = match decision {
            Decision::Anonymous => config.anonymous,
            Decision::Allowed(verified) | Decision::Forbidden(verified) => verified.granted,
            _ => return,
        };
        if matches!(decision, Decision::Forbidden(_)) {
            self.forbidden.increment();
        }
        let tried = route.unmet(granted).any(|demand| demand.shadow);
        if tried {
            self.would_forbid.increment();
        }
        let quiet = tried && !self.admits(now);
        for demand in route.unmet(granted) {
            if demand.shadow && quiet {
                continue;
            }
            let verb = if demand.shadow { "would be forbidden" } else { "forbidden" };
            let missing = config.permissions.lacking(demand, granted);
            log::info!("request {verb}: {} needs {missing}", demand.name);
        }
    }

    fn admits(&self, now: Instant) -> bool {
        let mut throttle = self.throttle.get();
        let admits = throttle.admits(now);
        self.throttle.set(throttle);
        admits
    }
}
