//! The HTTP filters: Weir's as Wasm, and Envoy's router.

use policy::handover::{header, state};
use serde_json::{Value as Json, json};

use crate::envoy::{NAME, Plan, guard, reply, set, tracing, typed};
use crate::translate::Filter;

/// All filters of a listener, in the order in which a request meets them.
pub fn chain(plan: &Plan<'_>) -> Vec<Json> {
    let mut chain: Vec<_> = guard::secured(plan.policy)
        .into_iter()
        .chain([reply::correlated()])
        .chain(tracing::told(plan.policy))
        .collect();
    for filter in plan.filters {
        chain.push(wasm(plan, filter));
        match filter.name {
            // A preflight shows no credential, and is nobody's attempt.
            "correlation" => chain.extend(guard::shared(plan.policy)),
            "auth" => chain.push(caller()),
            _ => {}
        }
    }
    chain.push(json!({
        "name": "envoy.filters.http.router",
        "typed_config": typed("envoy.extensions.filters.http.router.v3.Router", json!({})),
    }));
    chain
}

fn wasm(plan: &Plan<'_>, filter: &Filter) -> Json {
    let file = plan.wasm.join(format!("{}.wasm", filter.module));
    // One id for all: shared data is one space, in which a filter's keys begin with its name.
    let config = plugin(filter, NAME, &json!({"local": {"filename": file.to_string_lossy()}}));
    json!({"name": filter.name, "typed_config": config})
}

/// One filter as Envoy's Wasm filter has it, in a virtual machine of this id and with this code.
pub(crate) fn plugin(filter: &Filter, vm_id: &str, code: &Json) -> Json {
    let mut machine = json!({"vm_id": vm_id, "runtime": "envoy.wasm.runtime.v8", "code": code});
    if !filter.variables.is_empty() {
        set(&mut machine, "environment_variables", json!({"host_env_keys": filter.variables}));
    }
    let config = json!({
        "name": filter.name,
        "root_id": filter.root,
        "vm_config": machine,
        "configuration": typed("google.protobuf.StringValue", json!({"value": filter.config.to_string()})),
        // A filter that crashed answers 503 until it is back; open, it would let everybody in.
        "failure_policy": "FAIL_RELOAD",
        "reload_config": {"backoff": {"base_interval": "0.1s", "max_interval": "5s"}},
        // Without it, a request whose headers are held back would hold back its body for ever.
        "allow_on_headers_stop_iteration": true,
    });
    typed("envoy.extensions.filters.http.wasm.v3.Wasm", json!({"config": config}))
}

/// Keeps who calls for the access log: the headers that say so are taken off before a request leaves for a third party.
pub(crate) fn caller() -> Json {
    let keep = |key: &str, header: &str| {
        json!({
            "object_key": key,
            "factory_key": "envoy.string",
            "format_string": {"text_format_source": {"inline_string": format!("%REQ({header})%")}, "omit_empty_values": true},
            "skip_if_empty": true,
        })
    };
    let keys = [keep(state::USER, header::USER), keep(state::TIER, header::TIER)];
    let kind = "envoy.extensions.filters.http.set_filter_state.v3.Config";
    json!({"name": "caller", "typed_config": typed(kind, json!({"on_request_headers": keys}))})
}

/// Switches filters off on a route that they have nothing to do with.
pub fn switched_off(names: &[&str]) -> Json {
    let off =
        |name: &&str| ((*name).to_owned(), typed("envoy.config.route.v3.FilterConfig", json!({"disabled": true})));
    names.iter().map(off).collect::<serde_json::Map<_, _>>().into()
}
