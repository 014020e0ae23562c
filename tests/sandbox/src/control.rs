//! The control API: what a test or an operator tells the sandbox itself.
//!
//! | request | does |
//! |---|---|
//! | `GET /control/counts` | how many requests each upstream received |
//! | `GET /control/requests/{upstream}?last=N` | the last of them, with their headers |
//! | `GET`, `POST`, `DELETE /control/faults/{upstream}` | the faults that wait; adds one; takes all back |
//! | `GET`, `PATCH /control/settings` | limits, token lifetime, clients |
//! | `POST /control/tokens/revoke` | makes every provider token invalid |
//! | `POST /control/reset` | everything as at the start, except tokens |

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    response::Response,
    routing::{get, post},
};
use hyper::StatusCode;
use serde_json::{Map, Value, json};

use crate::{fault::Fault, params::Params, reply, settings::Change, upstream::Upstream, world::Shared};

/// The routes below `/control`.
pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/counts", get(counts))
        .route("/requests/{upstream}", get(requests))
        .route("/faults", get(all_faults).delete(clear_all_faults))
        .route("/faults/{upstream}", get(faults).post(add_fault).delete(clear_faults))
        .route("/settings", get(settings).patch(change_settings))
        .route("/tokens/revoke", post(revoke))
        .route("/reset", post(reset))
}

fn unknown(name: &str) -> Response {
    let names: Vec<_> = Upstream::ALL.iter().map(|upstream| upstream.name()).collect();
    reply::error(StatusCode::NOT_FOUND, &format!("no upstream is called {name}; there are {}", names.join(", ")))
}

fn written<T: serde::Serialize>(value: &T) -> Response {
    match serde_json::to_value(value) {
        Ok(value) => reply::ok(&value),
        Err(reason) => reply::error(StatusCode::INTERNAL_SERVER_ERROR, &reason.to_string()),
    }
}

fn done() -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

async fn counts(State(world): State<Shared>) -> Response {
    written(&world.journal.counts())
}

async fn requests(State(world): State<Shared>, Path(name): Path<String>, params: Params) -> Response {
    let Some(upstream) = Upstream::named(&name) else { return unknown(&name) };
    let Some(most) = params.number("last", usize::MAX, 0, usize::MAX) else {
        return reply::error(StatusCode::BAD_REQUEST, "last is a number");
    };
    written(&world.journal.last(upstream, most))
}

async fn all_faults(State(world): State<Shared>) -> Response {
    let waiting: Map<String, Value> = Upstream::ALL
        .into_iter()
        .map(|upstream| (upstream.name().to_owned(), json!(world.faults.list(upstream))))
        .collect();
    reply::ok(&Value::Object(waiting))
}

async fn clear_all_faults(State(world): State<Shared>) -> Response {
    for upstream in Upstream::ALL {
        world.faults.clear(upstream);
    }
    done()
}

async fn faults(State(world): State<Shared>, Path(name): Path<String>) -> Response {
    let Some(upstream) = Upstream::named(&name) else { return unknown(&name) };
    written(&world.faults.list(upstream))
}

async fn add_fault(State(world): State<Shared>, Path(name): Path<String>, body: Bytes) -> Response {
    let Some(upstream) = Upstream::named(&name) else { return unknown(&name) };
    // The content type is not looked at, so that `curl -d` is enough.
    let fault: Fault = match serde_json::from_slice(&body) {
        Ok(fault) => fault,
        Err(reason) => return reply::error(StatusCode::BAD_REQUEST, &reason.to_string()),
    };
    match world.faults.add(upstream, fault) {
        Ok(()) => done(),
        Err(refused) => reply::error(StatusCode::BAD_REQUEST, refused.0),
    }
}

async fn clear_faults(State(world): State<Shared>, Path(name): Path<String>) -> Response {
    let Some(upstream) = Upstream::named(&name) else { return unknown(&name) };
    world.faults.clear(upstream);
    done()
}

async fn settings(State(world): State<Shared>) -> Response {
    let now = world.settings().clone();
    written(&now)
}

async fn change_settings(State(world): State<Shared>, body: Bytes) -> Response {
    match serde_json::from_slice::<Change>(&body) {
        Ok(change) => {
            change.apply(&mut world.settings());
            done()
        }
        Err(reason) => reply::error(StatusCode::BAD_REQUEST, &reason.to_string()),
    }
}

async fn revoke(State(world): State<Shared>) -> Response {
    world.tokens.revoke_all();
    done()
}

async fn reset(State(world): State<Shared>) -> Response {
    world.reset();
    done()
}
