//! Header maps: read, changed, replaced.

use wasmtime::Linker;

use super::{Answer, Filter, Refusal, answer, hand, length, read, write_number};
use crate::headers::Headers;
use crate::pairs;
use crate::status::Status;
use crate::stream::{Body, Side};
use crate::vm::Guest;

/// A map that a filter may ask for.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Map {
    Headers(Side),
    Trailers(Side),
    CalloutHeaders,
    CalloutTrailers,
    /// Of gRPC, which this host does not speak.
    Grpc,
}

fn map(number: u32) -> Result<Map, Status> {
    Ok(match number {
        0 => Map::Headers(Side::Request),
        1 => Map::Trailers(Side::Request),
        2 => Map::Headers(Side::Response),
        3 => Map::Trailers(Side::Response),
        4 | 5 => Map::Grpc,
        6 => Map::CalloutHeaders,
        7 => Map::CalloutTrailers,
        _ => return Err(Status::BadArgument),
    })
}

impl Guest {
    /// A map for reading: only while its phase lasts, or all of them again while the stream is logged.
    fn readable(&self, map: Map) -> Option<&Headers> {
        if let Map::CalloutHeaders | Map::CalloutTrailers = map {
            let (_, response) = self.answered.as_ref().filter(|(root, _)| *root == self.root())?;
            return if map == Map::CalloutHeaders { Some(&response.headers) } else { response.trailers.as_ref() };
        }
        let (stream, filter) = self.stream()?;
        let stream = self.world.stream(stream);
        let filter = &stream.filters[filter];
        match map {
            // Envoy's access log has no request trailers.
            Map::Trailers(Side::Request) if filter.logging => None,
            Map::Headers(side) => {
                stream.way(side).headers.as_ref().filter(|_| filter.logging || filter.view(side).headers)
            }
            Map::Trailers(side) => {
                stream.way(side).trailers.as_ref().filter(|_| filter.logging || filter.view(side).trailers)
            }
            Map::CalloutHeaders | Map::CalloutTrailers | Map::Grpc => None,
        }
    }

    /// A map for changing. Asking for trailers at the end of a body makes them.
    fn writable(&mut self, map: Map) -> Result<&mut Headers, Status> {
        let (Map::Headers(side) | Map::Trailers(side)) = map else { return Err(Status::BadArgument) };
        let (stream, filter) = self.stream().ok_or(Status::BadArgument)?;
        let stream = self.world.stream_mut(stream);
        let at_end = stream.filters[filter].end_of_stream;
        let view = stream.filters[filter].view_mut(side);
        if let Map::Headers(_) = map {
            let visible = view.headers;
            return stream.way_mut(side).headers.as_mut().filter(|_| visible).ok_or(Status::BadArgument);
        }
        let adds = !view.trailers && view.body != Body::Absent && at_end;
        view.trailers |= adds;
        let visible = view.trailers;
        let trailers = &mut stream.way_mut(side).trailers;
        if adds {
            trailers.get_or_insert_default();
        }
        trailers.as_mut().filter(|_| visible).ok_or(Status::BadArgument)
    }

    fn is_logging(&self) -> bool {
        self.stream().is_some_and(|(stream, filter)| self.world.stream(stream).filters[filter].logging)
    }
}

fn first_value(mut filter: Filter, kind: u32, name: u32, name_length: u32, value: u32, value_length: u32) -> Answer {
    let mut get = || -> Result<(), Refusal> {
        let map = map(kind)?;
        let name = read(&filter, name, name_length)?;
        let guest = filter.data();
        let absent = if guest.is_logging() { Status::NotFound } else { Status::BadArgument };
        let first = guest.readable(map).ok_or(absent)?.first(name).ok_or(Status::NotFound)?.to_vec();
        hand(&mut filter, &first, value, value_length)
    };
    answer(get())
}

fn copy_pairs(mut filter: Filter, kind: u32, pairs_at: u32, length_at: u32) -> Answer {
    let mut get = || -> Result<(), Refusal> {
        let map = map(kind)?;
        // A map that is not there reads as empty.
        let bytes = match filter.data().readable(map) {
            Some(headers) if !headers.is_empty() => pairs::write(headers.iter()),
            Some(_) | None => Vec::new(),
        };
        hand(&mut filter, &bytes, pairs_at, length_at)
    };
    answer(get())
}

fn measure(mut filter: Filter, kind: u32, size_at: u32) -> Answer {
    let mut get = || -> Result<(), Refusal> {
        let size = length(filter.data_mut().writable(map(kind)?)?.bytes());
        Ok(write_number(&mut filter, size_at, size)?)
    };
    answer(get())
}

/// Changes a map by a name and a value.
fn change(
    mut filter: Filter,
    kind: u32,
    (name, name_length): (u32, u32),
    (value, value_length): (u32, u32),
    change: fn(&mut Headers, Vec<u8>, Vec<u8>),
) -> Answer {
    let mut apply = || -> Result<(), Refusal> {
        let map = map(kind)?;
        let (name, value) = (read(&filter, name, name_length)?, read(&filter, value, value_length)?);
        change(filter.data_mut().writable(map)?, name, value);
        Ok(())
    };
    answer(apply())
}

fn replace_pairs(mut filter: Filter, kind: u32, pairs: u32, pairs_length: u32) -> Answer {
    let mut set = || -> Result<(), Refusal> {
        let map = map(kind)?;
        let pairs = pairs::read(&read(&filter, pairs, pairs_length)?);
        *filter.data_mut().writable(map)? = pairs;
        Ok(())
    };
    answer(set())
}

/// Binds the imports of this file.
pub(super) fn bind(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    linker.func_wrap("env", "proxy_get_header_map_value", first_value)?;
    linker.func_wrap("env", "proxy_get_header_map_pairs", copy_pairs)?;
    linker.func_wrap("env", "proxy_get_header_map_size", measure)?;
    linker.func_wrap("env", "proxy_set_header_map_pairs", replace_pairs)?;
    linker.func_wrap(
        "env",
        "proxy_add_header_map_value",
        |filter: Filter, kind: u32, name: u32, name_length: u32, value: u32, value_length: u32| {
            change(filter, kind, (name, name_length), (value, value_length), Headers::add)
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_replace_header_map_value",
        |filter: Filter, kind: u32, name: u32, name_length: u32, value: u32, value_length: u32| {
            change(filter, kind, (name, name_length), (value, value_length), Headers::set)
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_remove_header_map_value",
        |filter: Filter, kind: u32, name: u32, name_length: u32| {
            change(filter, kind, (name, name_length), (0, 0), |map, name, _| map.remove(name))
        },
    )?;
    Ok(())
}
