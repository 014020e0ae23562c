//! Requests of a filter to a cluster.

use std::time::Duration;

use wasmtime::Linker;

use super::{Answer, Filter, Refusal, answer, read, write_number};
use crate::answer::{Arrival, CallId};
use crate::event::Event;
use crate::pairs;
use crate::status::Status;
use crate::vm::Guest;
use crate::world::Caller;

/// Callouts over HTTP count in fours; the low bits are for gRPC's.
const TOKEN_STEP: u32 = 4;

/// A span of the filter's memory.
type Span = (u32, u32);

fn call(
    filter: &mut Filter,
    cluster: Span,
    [headers, body, trailers]: [Span; 3],
    timeout: u32,
    token_at: u32,
) -> Result<(), Refusal> {
    let cluster = String::from_utf8_lossy(&read(filter, cluster.0, cluster.1)?).into_owned();
    let body = read(filter, body.0, body.1)?;
    let mut headers = pairs::read(&read(filter, headers.0, headers.1)?);
    let trailers = pairs::read(&read(filter, trailers.0, trailers.1)?);
    write_number(filter, token_at, 0)?;
    let guest = filter.data_mut();
    let complete = [":path", ":method", ":authority"].into_iter().all(|name| headers.first(name).is_some());
    let cluster_has_hosts = *guest.world.clusters.get(&cluster).ok_or(Status::BadArgument)?;
    if i32::try_from(timeout).is_err() || !complete {
        return Err(Status::BadArgument.into());
    }
    if !cluster_has_hosts {
        return Err(Status::InternalFailure.into());
    }
    if !body.is_empty() {
        headers.set("content-length", body.len().to_string());
    }
    guest.callouts_made += TOKEN_STEP;
    let token = guest.callouts_made;
    // The machine on the main thread is gone before its callout leaves.
    if let Some(worker) = guest.worker {
        let trailers = Some(trailers).filter(|trailers| !trailers.is_empty());
        let arrival = Arrival { call: CallId(0), cluster, worker, stream: None, headers, body, trailers };
        // Callouts belong to the root context, whichever context makes them: the filter finds the way back.
        let caller = Caller::Callout { vm: guest.vm, context: guest.root(), token };
        let call = guest.world.call(caller, arrival);
        if timeout > 0 {
            guest.world.post_in(Duration::from_millis(timeout.into()), Event::Expire(call));
        }
    }
    Ok(write_number(filter, token_at, token)?)
}

/// Binds the imports of this file.
pub(super) fn bind(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        "proxy_http_call",
        |mut filter: Filter,
         cluster: u32,
         cluster_length: u32,
         headers: u32,
         headers_length: u32,
         body: u32,
         body_length: u32,
         trailers: u32,
         trailers_length: u32,
         timeout: u32,
         token_at: u32|
         -> Answer {
            let message = [(headers, headers_length), (body, body_length), (trailers, trailers_length)];
            answer(call(&mut filter, (cluster, cluster_length), message, timeout, token_at))
        },
    )?;
    // gRPC is not spoken here: every cluster is unknown to it.
    linker.func_wrap(
        "env",
        "proxy_grpc_call",
        |_: u32, _: u32, _: u32, _: u32, _: u32, _: u32, _: u32, _: u32, _: u32, _: u32, _: u32, _: u32| {
            Status::Unimplemented as u32
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_grpc_stream",
        |_: u32, _: u32, _: u32, _: u32, _: u32, _: u32, _: u32, _: u32, _: u32| Status::Unimplemented as u32,
    )?;
    linker.func_wrap("env", "proxy_grpc_send", |_: u32, _: u32, _: u32, _: u32| Status::BadArgument as u32)?;
    linker.func_wrap("env", "proxy_grpc_cancel", |_: u32| Status::BadArgument as u32)?;
    linker.func_wrap("env", "proxy_grpc_close", |_: u32| Status::BadArgument as u32)?;
    Ok(())
}
