//! The two slots of each filter: how a chain has both, and how routes choose one.

use std::fmt;

use serde_json::{Map, Value as Json, json};

use crate::envoy::{set, typed};
use crate::translate::ORDER;

/// The type of a Wasm filter's configuration.
pub const WASM: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
const FAULT: &str = "envoy.extensions.filters.http.fault.v3.HTTPFault";
const SWITCH: &str = "envoy.config.route.v3.FilterConfig";

/// Which of the two.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Slot {
    /// The one that Envoy starts on.
    A,
    /// The other.
    B,
}

impl Slot {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    /// The one that this is not.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// What something of this slot is called.
    pub fn of(self, name: &str) -> String {
        format!("{name}.{self}")
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "a",
            Self::B => "b",
        })
    }
}

/// What an unused slot holds: whoever comes here has no policy.
pub fn closed() -> Json {
    typed(FAULT, json!({"abort": {"http_status": 503, "percentage": {"numerator": 100}}}))
}

/// A chain with both slots of these filters, in their order, in the place of the filters that it has. `source` is where the filter
/// of this name comes from.
pub fn chain(filters: &[Json], names: &[&str], source: &dyn Fn(&str) -> Json) -> Vec<Json> {
    let place = |name: &Json| ORDER.iter().position(|known| name == *known);
    let mut left = names.iter().peekable();
    let mut chain = Vec::new();
    for (index, filter) in filters.iter().enumerate() {
        // All that come no later than this one; in front of the router, all that are left.
        let reached = if index + 1 == filters.len() { Some(ORDER.len()) } else { place(&filter["name"]) };
        while let Some(name) = left.next_if(|name| place(&Json::from(**name)) <= reached) {
            chain.extend(Slot::BOTH.map(|slot| entry(&slot.of(name), source)));
        }
        if !is_wasm(filter) {
            chain.push(filter.clone());
        }
    }
    chain
}

/// Whether a filter of a chain is one of ours.
pub fn is_wasm(filter: &Json) -> bool {
    filter.pointer("/typed_config/@type").is_some_and(|kind| kind == WASM)
}

/// The names of the filters that a chain has slots of.
pub fn names(chain: &[Json]) -> Vec<&'static str> {
    let has = |name: &&str| chain.iter().any(|entry| entry["name"] == Slot::A.of(name));
    ORDER.into_iter().filter(has).collect()
}

fn entry(name: &str, source: &dyn Fn(&str) -> Json) -> Json {
    let kinds = json!([WASM, format!("type.googleapis.com/{FAULT}")]);
    json!({
        "name": name,
        "disabled": true,
        "config_discovery": {"config_source": source(name), "type_urls": kinds},
    })
}

/// A table of routes that uses one slot of `filters`, whatever a request asks for: what no route of the policy matches is not
/// found by all of them.
pub fn routes(table: &Json, name: &str, filters: &[&str], slot: Slot) -> Json {
    let mut table = table.clone();
    set(&mut table, "name", name);
    let on = |name: &&str| (slot.of(name), typed(SWITCH, json!({"disabled": false, "config": {}})));
    set(&mut table, "typed_per_filter_config", filters.iter().map(on).collect::<Map<_, _>>());
    let Some(routes) = table.pointer_mut("/virtual_hosts/0/routes").and_then(Json::as_array_mut) else { return table };
    for route in routes.iter_mut() {
        let Some(Json::Object(switched)) = route.get_mut("typed_per_filter_config") else { continue };
        let of_slot =
            |(name, value): (String, Json)| (if ORDER.contains(&&*name) { slot.of(&name) } else { name }, value);
        *switched = std::mem::take(switched).into_iter().map(of_slot).collect();
    }
    routes.push(json!({"match": {"prefix": "/"}, "direct_response": {"status": 404}}));
    table
}
