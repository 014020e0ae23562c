//! What a filter does to its stream and to itself: continue, reply, close, act for another context, be done.

use wasmtime::Linker;

use super::{Answer, Filter, Refusal, answer, hand, length, read, write_number};
use crate::foreign;
use crate::pairs;
use crate::reply::Reply;
use crate::status::Status;
use crate::stream::{Body, Side};
use crate::vm::{Deferred, Guest, Place};

/// The direction of this number; 2 and 3 are those of network filters.
fn side(kind: u32) -> Result<Option<Side>, Status> {
    match kind {
        0 => Ok(Some(Side::Request)),
        1 => Ok(Some(Side::Response)),
        2 | 3 => Ok(None),
        _ => Err(Status::BadArgument),
    }
}

impl Guest {
    /// Continues a direction after the callback. What the filter saw of the request is gone then, whichever it continues.
    fn continue_stream(&mut self, kind: u32) -> Result<(), Status> {
        let Some(side) = side(kind)? else {
            return if kind == 2 { Ok(()) } else { Err(Status::Unimplemented) };
        };
        if let Some((stream, filter)) = self.stream() {
            self.deferred.push_back(Deferred::Continue { stream, filter, side });
            let view = self.world.stream_mut(stream).filters[filter].view_mut(Side::Request);
            view.headers = false;
            view.trailers = false;
            // Collected bytes stay reachable: Envoy finds them in the chain, not in the filter.
            if !view.buffering {
                view.body = Body::Absent;
            }
        }
        Ok(())
    }

    fn close_stream(&mut self, kind: u32) -> Result<(), Status> {
        if let (Some(_), Some((stream, _))) = (side(kind)?, self.stream()) {
            let state = self.world.stream_mut(stream);
            if state.details.is_empty() {
                "wasm_close_stream".clone_into(&mut state.details);
            }
            self.deferred.push_back(Deferred::Reset { stream });
        }
        Ok(())
    }
}

fn continue_stream(mut filter: Filter, kind: u32) -> Answer {
    answer(filter.data_mut().continue_stream(kind).map_err(Refusal::Status))
}

fn close_stream(mut filter: Filter, kind: u32) -> Answer {
    answer(filter.data_mut().close_stream(kind).map_err(Refusal::Status))
}

#[expect(clippy::too_many_arguments, reason = "the ABI's signature")]
fn send_local_response(
    mut filter: Filter,
    status: u32,
    details: u32,
    details_length: u32,
    body: u32,
    body_length: u32,
    headers: u32,
    headers_length: u32,
    _grpc_status: u32,
) -> Answer {
    let mut send = || -> Result<(), Refusal> {
        let details = read(&filter, details, details_length)?;
        let body = read(&filter, body, body_length)?;
        let headers = pairs::read(&read(&filter, headers, headers_length)?);
        let guest = filter.data_mut();
        if let Some((stream, _)) = guest.stream() {
            let details = String::from_utf8_lossy(&details).replace(char::is_whitespace, "_");
            let reply = Reply { status, headers, body, details };
            guest.deferred.push_back(Deferred::Reply { stream, reply });
        }
        guest.stopped = true;
        Ok(())
    };
    answer(send())
}

fn set_effective_context(mut filter: Filter, context: u32) -> u32 {
    let guest = filter.data_mut();
    if !guest.contexts.contains_key(&context) {
        return Status::BadArgument as u32;
    }
    guest.effective = context;
    0
}

fn done(mut filter: Filter) -> u32 {
    let guest = filter.data_mut();
    let context = guest.context();
    match guest.contexts.get_mut(&context) {
        Some(Place::Root { leaving, .. }) if *leaving => {
            *leaving = false;
            guest.deferred.push_back(Deferred::Leave { context });
            0
        }
        Some(_) | None => Status::NotFound as u32,
    }
}

fn last_status(mut filter: Filter, code_at: u32, text_at: u32, text_length_at: u32) -> Answer {
    let (code, text) = filter.data().status;
    let mut get = || -> Result<(), Refusal> {
        write_number(&mut filter, code_at, code)?;
        hand(&mut filter, text.as_bytes(), text_at, text_length_at)
    };
    answer(get())
}

fn call_foreign_function(
    mut filter: Filter,
    name: u32,
    name_length: u32,
    arguments: u32,
    arguments_length: u32,
    results_at: u32,
    results_length_at: u32,
) -> Answer {
    let mut call = || -> Result<(), Refusal> {
        let name = read(&filter, name, name_length)?;
        let arguments = read(&filter, arguments, arguments_length)?;
        if !filter.data().world.foreign_functions {
            return Err(Status::NotFound.into());
        }
        let called = foreign::call(&name, &arguments);
        // The pointers are written even where the function fails, as in Envoy.
        let results = called.as_deref().unwrap_or_default();
        if results_at != 0 && results_length_at != 0 {
            hand(&mut filter, results, results_at, results_length_at)?;
        } else if results_length_at != 0 {
            write_number(&mut filter, results_length_at, length(results.len()))?;
        }
        Ok(called.map(drop)?)
    };
    answer(call())
}

/// Binds the imports of this file.
pub(super) fn bind(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    linker.func_wrap("env", "proxy_continue_stream", continue_stream)?;
    linker.func_wrap("env", "proxy_continue_request", |filter: Filter| continue_stream(filter, 0))?;
    linker.func_wrap("env", "proxy_continue_response", |filter: Filter| continue_stream(filter, 1))?;
    linker.func_wrap("env", "proxy_close_stream", close_stream)?;
    linker.func_wrap("env", "proxy_send_local_response", send_local_response)?;
    linker.func_wrap("env", "proxy_clear_route_cache", || 0_u32)?;
    linker.func_wrap("env", "proxy_set_effective_context", set_effective_context)?;
    linker.func_wrap("env", "proxy_done", done)?;
    linker.func_wrap("env", "proxy_get_status", last_status)?;
    linker.func_wrap("env", "proxy_call_foreign_function", call_foreign_function)?;
    Ok(())
}
