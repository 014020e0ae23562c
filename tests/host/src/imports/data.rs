//! Shared data, shared queues and properties.

use wasmtime::Linker;

use super::{Answer, Filter, Refusal, answer, hand, read, write_number};
use crate::event::Event;
use crate::queue::Listener;
use crate::status::Status;
use crate::vm::Guest;

fn read_shared(mut filter: Filter, key: u32, key_length: u32, value: u32, value_length: u32, cas: u32) -> Answer {
    let mut get = || -> Result<(), Refusal> {
        let key = read(&filter, key, key_length)?;
        let guest = filter.data();
        if guest.world.shared.is_away {
            return Err(Status::InternalFailure.into());
        }
        let (found, version) = guest.world.shared.read(&guest.space, &key).cloned().ok_or(Status::NotFound)?;
        hand(&mut filter, &found, value, value_length)?;
        Ok(write_number(&mut filter, cas, version)?)
    };
    answer(get())
}

fn write_shared(mut filter: Filter, key: u32, key_length: u32, value: u32, value_length: u32, cas: u32) -> Answer {
    let mut set = || -> Result<(), Refusal> {
        let (key, value) = (read(&filter, key, key_length)?, read(&filter, value, value_length)?);
        let Guest { world, space, .. } = filter.data_mut();
        if world.shared.is_away || world.shared.writes_left == Some(0) {
            return Err(Status::InternalFailure.into());
        }
        if let Some(left) = &mut world.shared.writes_left {
            *left -= 1;
        }
        world.shared.overtake(space, &key)?;
        Ok(world.shared.write(space, &key, value, cas)?)
    };
    answer(set())
}

fn register_queue(mut filter: Filter, name: u32, name_length: u32, token_at: u32) -> Answer {
    let mut register = || -> Result<(), Refusal> {
        let name = read(&filter, name, name_length)?;
        let guest = filter.data_mut();
        let listener = Listener { worker: guest.worker, kinship: guest.kinship.clone(), context: guest.root() };
        let token = guest.world.queues.register(&guest.space, &name, listener);
        Ok(write_number(&mut filter, token_at, token)?)
    };
    answer(register())
}

fn resolve_queue(
    mut filter: Filter,
    space: u32,
    space_length: u32,
    name: u32,
    name_length: u32,
    token_at: u32,
) -> Answer {
    let mut resolve = || -> Result<(), Refusal> {
        let (space, name) = (read(&filter, space, space_length)?, read(&filter, name, name_length)?);
        let guest = filter.data();
        let space = if space.is_empty() { guest.space.clone() } else { String::from_utf8_lossy(&space).into_owned() };
        let token = guest.world.queues.resolve(&space, &name)?;
        Ok(write_number(&mut filter, token_at, token)?)
    };
    answer(resolve())
}

fn enqueue(mut filter: Filter, token: u32, message: u32, message_length: u32) -> Answer {
    let mut push = || -> Result<(), Refusal> {
        let message = read(&filter, message, message_length)?;
        let world = &mut filter.data_mut().world;
        let listener = world.queues.push(token, message)?;
        world.post(Event::QueueReady { listener, token });
        Ok(())
    };
    answer(push())
}

fn dequeue(mut filter: Filter, token: u32, message: u32, message_length: u32) -> Answer {
    let mut pop = || -> Result<(), Refusal> {
        let oldest = filter.data_mut().world.queues.pop(token)?;
        hand(&mut filter, &oldest, message, message_length)
    };
    answer(pop())
}

fn read_property(mut filter: Filter, path: u32, path_length: u32, value: u32, value_length: u32) -> Answer {
    let mut get = || -> Result<(), Refusal> {
        let path = read(&filter, path, path_length)?;
        let found = filter.data().property(&path).ok_or(Status::NotFound)?;
        hand(&mut filter, &found, value, value_length)
    };
    answer(get())
}

fn write_property(mut filter: Filter, path: u32, path_length: u32, value: u32, value_length: u32) -> Answer {
    let mut set = || -> Result<(), Refusal> {
        let (path, value) = (read(&filter, path, path_length)?, read(&filter, value, value_length)?);
        let guest = filter.data_mut();
        let (stream, _) = guest.stream().ok_or(Status::NotFound)?;
        guest.world.stream_mut(stream).filter_state.insert([b"wasm.", path.as_slice()].concat(), value);
        Ok(())
    };
    answer(set())
}

/// Binds the imports of this file.
pub(super) fn bind(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    linker.func_wrap("env", "proxy_get_shared_data", read_shared)?;
    linker.func_wrap("env", "proxy_set_shared_data", write_shared)?;
    linker.func_wrap("env", "proxy_register_shared_queue", register_queue)?;
    linker.func_wrap("env", "proxy_resolve_shared_queue", resolve_queue)?;
    linker.func_wrap("env", "proxy_enqueue_shared_queue", enqueue)?;
    linker.func_wrap("env", "proxy_dequeue_shared_queue", dequeue)?;
    linker.func_wrap("env", "proxy_get_property", read_property)?;
    linker.func_wrap("env", "proxy_set_property", write_property)?;
    Ok(())
}
