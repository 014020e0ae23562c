//! What a filter may call, by the names of Proxy-Wasm 0.2.1, with the answers that `proxy-wasm-cpp-host` gives.

mod buffer;
mod callout;
mod control;
mod data;
mod header;
mod measure;

use wasmtime::{Caller, Linker};

use crate::status::Status;
use crate::vm::Guest;

/// The filter that calls, and its memory.
pub(crate) type Filter<'a> = Caller<'a, Guest>;

/// What an import answers: a status, or a trap of the filter's own allocator.
pub(crate) type Answer = wasmtime::Result<u32>;

/// Why an import did not do what it was asked.
pub(crate) enum Refusal {
    /// The filter is told.
    Status(Status),
    /// The filter's allocator trapped.
    Trap(wasmtime::Error),
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

/// Binds every import of the module `env`.
pub(crate) fn bind(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    buffer::bind(linker)?;
    callout::bind(linker)?;
    control::bind(linker)?;
    data::bind(linker)?;
    header::bind(linker)?;
    measure::bind(linker)
}

/// The status that the filter gets.
pub(crate) fn answer(done: Result<(), Refusal>) -> Answer {
    match done {
        Ok(()) => Ok(0),
        Err(Refusal::Status(status)) => Ok(status as u32),
        Err(Refusal::Trap(trap)) => Err(trap),
    }
}

/// Copies bytes out of the filter's memory.
pub(crate) fn read(filter: &Filter, pointer: u32, length: u32) -> Result<Vec<u8>, Status> {
    let memory = filter.data().memory.ok_or(Status::InvalidMemoryAccess)?;
    let (start, length) = (pointer as usize, length as usize);
    let bytes = memory.data(filter).get(start..).and_then(|rest| rest.get(..length));
    bytes.map(<[u8]>::to_vec).ok_or(Status::InvalidMemoryAccess)
}

/// Writes bytes into the filter's memory.
pub(crate) fn write(filter: &mut Filter, pointer: u32, bytes: &[u8]) -> Result<(), Status> {
    let memory = filter.data().memory.ok_or(Status::InvalidMemoryAccess)?;
    memory.write(filter, pointer as usize, bytes).map_err(|_| Status::InvalidMemoryAccess)
}

/// Writes a number into the filter's memory.
pub(crate) fn write_number(filter: &mut Filter, pointer: u32, number: u32) -> Result<(), Status> {
    write(filter, pointer, &number.to_le_bytes())
}

/// Hands bytes to the filter: in memory that it allocates, or as a null pointer where there are none.
pub(crate) fn hand(filter: &mut Filter, bytes: &[u8], pointer_at: u32, length_at: u32) -> Result<(), Refusal> {
    let pointer = if bytes.is_empty() { 0 } else { allocate(filter, bytes)? };
    write_number(filter, pointer_at, pointer)?;
    Ok(write_number(filter, length_at, length(bytes.len()))?)
}

/// Copies bytes into memory that the filter allocates.
fn allocate(filter: &mut Filter, bytes: &[u8]) -> Result<u32, Refusal> {
    let allocate = filter.data().allocate.clone().ok_or(Status::InvalidMemoryAccess)?;
    let pointer = allocate.call(&mut *filter, length(bytes.len())).map_err(Refusal::Trap)?;
    if pointer == 0 {
        return Err(Status::InvalidMemoryAccess.into());
    }
    write(filter, pointer, bytes)?;
    Ok(pointer)
}

/// A length as the filter counts it.
pub(crate) fn length(length: usize) -> u32 {
    u32::try_from(length).expect("what passes to a filter is smaller than its memory")
}
