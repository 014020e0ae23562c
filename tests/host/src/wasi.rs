//! The part of WASI preview 1 that a `wasm32-wasip1` module of Rust imports, answered as Envoy does.

use wasmtime::Linker;

use crate::clock;
use crate::imports::{Filter, length, read, write, write_number};
use crate::log::Level;
use crate::status::Status;
use crate::vm::Guest;

const SUCCESS: u32 = 0;
const BADF: u32 = 8;
const FAULT: u32 = 21;
const INVAL: u32 = 28;
const NOENT: u32 = 44;
const NOSYS: u32 = 52;
const NOTSUP: u32 = 58;

/// The most random bytes that Envoy gives at once.
const RANDOM_MAX: u32 = 64 * 1024;

fn errno(done: Result<(), Status>) -> u32 {
    done.map_or(FAULT, |()| SUCCESS)
}

fn clock_time_get(mut filter: Filter, clock: u32, _precision: u64, time_at: u32) -> u32 {
    let now = match clock {
        0 => filter.data().world.clock.wall,
        1 => filter.data().world.clock.monotonic,
        _ => return NOTSUP,
    };
    errno(write(&mut filter, time_at, &clock::nanoseconds(now).to_le_bytes()))
}

fn clock_res_get(mut filter: Filter, clock: u32, resolution_at: u32) -> u32 {
    if clock > 1 { NOTSUP } else { errno(write(&mut filter, resolution_at, &1_u64.to_le_bytes())) }
}

fn random_get(mut filter: Filter, buffer: u32, buffer_length: u32) -> u32 {
    if buffer_length > RANDOM_MAX {
        return INVAL;
    }
    let bytes = filter.data_mut().world.random_bytes(buffer_length as usize);
    errno(write(&mut filter, buffer, &bytes))
}

/// The variables as `NAME=value` with a zero after each.
fn variables(guest: &Guest) -> Vec<Vec<u8>> {
    guest.environment.iter().map(|(name, value)| format!("{name}={value}\0").into_bytes()).collect()
}

fn environ_sizes_get(mut filter: Filter, count_at: u32, bytes_at: u32) -> u32 {
    let variables = variables(filter.data());
    let bytes = variables.iter().map(Vec::len).sum();
    let count = write_number(&mut filter, count_at, length(variables.len()));
    errno(count.and_then(|()| write_number(&mut filter, bytes_at, length(bytes))))
}

fn environ_get(mut filter: Filter, pointers: u32, mut buffer: u32) -> u32 {
    for (place, variable) in (0_u32..).zip(variables(filter.data())) {
        let written = write_number(&mut filter, pointers.wrapping_add(place * 4), buffer)
            .and_then(|()| write(&mut filter, buffer, &variable));
        if written.is_err() {
            return FAULT;
        }
        buffer = buffer.wrapping_add(length(variable.len()));
    }
    SUCCESS
}

fn nothing_given(mut filter: Filter, count_at: u32, bytes_at: u32) -> u32 {
    errno(write_number(&mut filter, count_at, 0).and_then(|()| write_number(&mut filter, bytes_at, 0)))
}

/// What is written to stdout is logged as information, to stderr as an error.
fn fd_write(mut filter: Filter, fd: u32, vectors: u32, vectors_length: u32, written_at: u32) -> u32 {
    let level = match fd {
        1 => Level::Info,
        2 => Level::Error,
        _ => return BADF,
    };
    let mut text = Vec::new();
    for vector in 0..vectors_length {
        let piece = read(&filter, vectors.wrapping_add(vector.wrapping_mul(8)), 8).and_then(|vector| {
            let number = |at: usize| u32::from_le_bytes([vector[at], vector[at + 1], vector[at + 2], vector[at + 3]]);
            read(&filter, number(0), number(4))
        });
        let Ok(piece) = piece else { return FAULT };
        text.extend(piece);
    }
    if !text.is_empty() {
        filter.data_mut().write_log(level, text.strip_suffix(b"\n").unwrap_or(&text));
    }
    errno(write_number(&mut filter, written_at, length(text.len())))
}

fn fd_fdstat_get(mut filter: Filter, fd: u32, stat_at: u32) -> u32 {
    if fd != 1 && fd != 2 {
        return BADF;
    }
    let mut stat = [0; 24];
    stat[8] = 64;
    errno(write(&mut filter, stat_at, &stat))
}

fn poll_oneoff(mut filter: Filter, _in: u32, _out: u32, _subscriptions: u32, events_at: u32) -> u32 {
    errno(write_number(&mut filter, events_at, 0))
}

/// Binds what modules import from WASI.
pub(crate) fn bind(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    let wasi = "wasi_snapshot_preview1";
    linker.func_wrap(wasi, "clock_time_get", clock_time_get)?;
    linker.func_wrap(wasi, "clock_res_get", clock_res_get)?;
    linker.func_wrap(wasi, "random_get", random_get)?;
    linker.func_wrap(wasi, "environ_sizes_get", environ_sizes_get)?;
    linker.func_wrap(wasi, "environ_get", environ_get)?;
    linker.func_wrap(wasi, "args_sizes_get", nothing_given)?;
    linker.func_wrap(wasi, "args_get", |_: u32, _: u32| SUCCESS)?;
    linker.func_wrap(wasi, "fd_write", fd_write)?;
    linker.func_wrap(wasi, "fd_fdstat_get", fd_fdstat_get)?;
    linker.func_wrap(wasi, "poll_oneoff", poll_oneoff)?;
    linker.func_wrap(wasi, "sched_yield", || SUCCESS)?;
    linker.func_wrap(wasi, "proc_exit", |code: u32| -> wasmtime::Result<()> {
        Err(wasmtime::Error::msg(format!("proc_exit({code})")))
    })?;
    refuse(linker, wasi)
}

/// Files and sockets, of which there are none.
fn refuse(linker: &mut Linker<Guest>, wasi: &str) -> wasmtime::Result<()> {
    linker.func_wrap(wasi, "fd_close", |_: u32| SUCCESS)?;
    linker.func_wrap(wasi, "fd_seek", |_: u32, _: u64, _: u32, _: u32| SUCCESS)?;
    linker.func_wrap(wasi, "fd_read", |_: u32, _: u32, _: u32, _: u32| NOSYS)?;
    linker.func_wrap(wasi, "fd_fdstat_set_flags", |_: u32, _: u32| NOSYS)?;
    linker.func_wrap(wasi, "fd_filestat_get", |_: u32, _: u32| BADF)?;
    linker.func_wrap(wasi, "fd_prestat_get", |_: u32, _: u32| BADF)?;
    linker.func_wrap(wasi, "fd_prestat_dir_name", |_: u32, _: u32, _: u32| NOSYS)?;
    linker.func_wrap(wasi, "path_filestat_get", |_: u32, _: u32, _: u32, _: u32, _: u32| NOTSUP)?;
    linker
        .func_wrap(wasi, "path_open", |_: u32, _: u32, _: u32, _: u32, _: u32, _: u64, _: u64, _: u32, _: u32| NOENT)?;
    Ok(())
}
