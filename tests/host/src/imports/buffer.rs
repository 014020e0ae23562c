//! Buffers: bodies, configurations, answers to callouts.

use wasmtime::Linker;

use super::{Answer, Filter, Refusal, answer, hand, length, read, write_number};
use crate::status::Status;
use crate::stream::{Body, Side};
use crate::vm::Guest;

/// The highest number of a buffer that Proxy-Wasm knows.
const KIND_MAX: u32 = 8;

impl Guest {
    /// The bytes of a buffer; nothing where there is no such buffer now.
    fn buffer(&self, kind: u32) -> Result<&[u8], Status> {
        match kind {
            0 => Ok(self.body(Side::Request)),
            1 => Ok(self.body(Side::Response)),
            // Of network filters, gRPC and foreign callbacks, which this host does not play: always empty.
            2 | 3 | 5 | 8 => Ok(&[]),
            4 => {
                let (_, response) =
                    self.answered.as_ref().filter(|(root, _)| *root == self.root()).ok_or(Status::NotFound)?;
                Ok(response.chunks.first().map_or(&[], Vec::as_slice))
            }
            6 => Ok(&self.vm_configuration),
            7 => self.configuration.as_deref().ok_or(Status::NotFound),
            _ => Err(Status::BadArgument),
        }
    }

    fn body(&self, side: Side) -> &[u8] {
        let Some((stream, filter)) = self.stream() else { return &[] };
        let stream = self.world.stream(stream);
        let view = stream.filters[filter].view(side);
        match view.body {
            Body::Absent => &[],
            Body::Passing => &view.passing,
            Body::Buffered => stream.way(side).buffered.as_deref().unwrap_or_default(),
        }
    }

    /// A body for changing.
    fn body_mut(&mut self, kind: u32) -> Result<&mut Vec<u8>, Status> {
        let side = match kind {
            0 => Side::Request,
            1 => Side::Response,
            _ => return self.buffer(kind).and(Err(Status::BadArgument)),
        };
        let (stream, filter) = self.stream().ok_or(Status::BadArgument)?;
        let stream = self.world.stream_mut(stream);
        match stream.filters[filter].view(side).body {
            Body::Absent => Err(Status::BadArgument),
            Body::Passing => Ok(&mut stream.filters[filter].view_mut(side).passing),
            Body::Buffered => stream.way_mut(side).buffered.as_mut().ok_or(Status::BadArgument),
        }
    }
}

fn copy_bytes(mut filter: Filter, kind: u32, start: u32, wanted: u32, bytes_at: u32, length_at: u32) -> Answer {
    let mut get = || -> Result<(), Refusal> {
        let buffer = filter.data().buffer(kind)?;
        let end = start.checked_add(wanted).ok_or(Status::BadArgument)? as usize;
        let part = buffer.get(start as usize..end.min(buffer.len())).unwrap_or_default().to_vec();
        hand(&mut filter, &part, bytes_at, length_at)
    };
    answer(get())
}

fn measure(mut filter: Filter, kind: u32, length_at: u32, flags_at: u32) -> Answer {
    let mut get = || -> Result<(), Refusal> {
        let length = length(filter.data().buffer(kind)?.len());
        write_number(&mut filter, length_at, length)?;
        Ok(write_number(&mut filter, flags_at, 0)?)
    };
    answer(get())
}

/// Replaces the beginning of a body, or adds to its end; the middle cannot be changed.
fn splice_bytes(mut filter: Filter, kind: u32, start: u32, removed: u32, bytes: u32, bytes_length: u32) -> Answer {
    let mut set = || -> Result<(), Refusal> {
        if kind > KIND_MAX {
            return Err(Status::BadArgument.into());
        }
        filter.data().buffer(kind)?;
        let bytes = read(&filter, bytes, bytes_length)?;
        let body = filter.data_mut().body_mut(kind)?;
        if start == 0 {
            let removed = body.len().min(removed as usize);
            body.splice(..removed, bytes);
        } else if start as usize >= body.len() {
            body.extend_from_slice(&bytes);
        } else {
            return Err(Status::BadArgument.into());
        }
        Ok(())
    };
    answer(set())
}

/// Binds the imports of this file.
pub(super) fn bind(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    linker.func_wrap("env", "proxy_get_buffer_bytes", copy_bytes)?;
    linker.func_wrap("env", "proxy_get_buffer_status", measure)?;
    linker.func_wrap("env", "proxy_set_buffer_bytes", splice_bytes)?;
    Ok(())
}
