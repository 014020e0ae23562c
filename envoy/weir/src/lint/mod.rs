//! The traps in a policy that is valid: what does not do what it looks like, or does more than was wanted.
//!
//! One file for each part of the house that can catch fire: [`reach`] (routes), [`trust`] (who is let in), [`pace`] (limits,
//! queues, retries and time), [`store`] (what the cache gives to whom), [`terms`] (what providers ask),
//! [`guard`] (what it lets in), [`proxy`] (which Envoy), [`caller`] (who can be what is asked for). Each looks at the policy, and
//! asks the filters' own configurations where those know better; none decides anything that a filter decides.

pub mod caller;
pub mod guard;
pub mod pace;
pub mod proxy;
pub mod reach;
pub mod store;
pub mod terms;
pub mod trust;

use crate::code::Severity;
use crate::diagnostic::{Mistake, Mistakes};
use crate::gateway::Gateway;

pub use proxy::Version;

/// Looks for every trap, for an Envoy of a certain version where one is named.
pub fn look(gateway: &Gateway<'_>, envoy: Option<Version>) -> Vec<Mistake> {
    let mut found = Mistakes::default();
    reach::look(gateway, &mut found);
    trust::look(gateway, &mut found);
    caller::look(gateway, &mut found);
    pace::look(gateway, &mut found);
    store::look(gateway, &mut found);
    terms::look(gateway, &mut found);
    guard::look(gateway, &mut found);
    proxy::look(gateway, envoy, &mut found);
    found.in_order()
}

/// Whether any of these is an error.
pub fn any_error(found: &[Mistake]) -> bool {
    found.iter().any(|one| one.code.severity() == Severity::Error)
}
