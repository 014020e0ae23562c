//! Metrics, the log and the clock.

use std::time::Duration;

use wasmtime::Linker;

use super::{Answer, Filter, Refusal, answer, read, write, write_number};
use crate::clock;
use crate::event::Event;
use crate::log::Level;
use crate::metric::Kind;
use crate::status::Status;
use crate::vm::{Guest, Timer};

/// The low bits of a metric's number tell its kind.
const KIND_BITS: u32 = 2;

fn define(mut filter: Filter, kind: u32, name: u32, name_length: u32, number_at: u32) -> Answer {
    let mut define = || -> Result<(), Refusal> {
        let name = read(&filter, name, name_length)?;
        let kind = match kind {
            0 => Kind::Counter,
            1 => Kind::Gauge,
            2 => Kind::Histogram,
            _ => return Err(Status::BadArgument.into()),
        };
        let guest = filter.data_mut();
        let slot = guest.world.metrics.define(kind, &String::from_utf8_lossy(&name));
        guest.metrics_defined += 1;
        let number = (guest.metrics_defined << KIND_BITS) | kind as u32;
        guest.metrics.insert(number, slot);
        Ok(write_number(&mut filter, number_at, number)?)
    };
    answer(define())
}

fn increment(mut filter: Filter, number: u32, offset: i64) -> Answer {
    let Guest { world, metrics, .. } = filter.data_mut();
    let slot = metrics.get(&number).ok_or(Status::NotFound);
    answer(slot.and_then(|slot| world.metrics.increment(*slot, offset)).map_err(Refusal::Status))
}

fn record(mut filter: Filter, number: u32, value: u64) -> Answer {
    let Guest { world, metrics, .. } = filter.data_mut();
    let slot = metrics.get(&number).ok_or(Status::NotFound);
    answer(slot.map(|slot| world.metrics.record(*slot, value)).map_err(Refusal::Status))
}

fn read_metric(mut filter: Filter, number: u32, value_at: u32) -> Answer {
    let mut get = || -> Result<(), Refusal> {
        let guest = filter.data();
        let slot = guest.metrics.get(&number).ok_or(Status::NotFound)?;
        let value = guest.world.metrics.read(*slot)?;
        Ok(write(&mut filter, value_at, &value.to_le_bytes())?)
    };
    answer(get())
}

fn log(mut filter: Filter, level: u32, text: u32, text_length: u32) -> Answer {
    let mut log = || -> Result<(), Refusal> {
        let level = Level::from_number(level).ok_or(Status::BadArgument)?;
        let text = read(&filter, text, text_length)?;
        filter.data_mut().write_log(level, &text);
        Ok(())
    };
    answer(log())
}

fn log_level(mut filter: Filter, level_at: u32) -> Answer {
    let level = filter.data().world.log_level as u32;
    answer(write_number(&mut filter, level_at, level).map_err(Refusal::Status))
}

fn time(mut filter: Filter, time_at: u32) -> Answer {
    let now = clock::nanoseconds(filter.data().world.clock.wall);
    answer(write(&mut filter, time_at, &now.to_le_bytes()).map_err(Refusal::Status))
}

/// One timer per root context: a new period replaces the timer, none stops it.
fn tick(mut filter: Filter, milliseconds: u32) -> u32 {
    let guest = filter.data_mut();
    let context = guest.root();
    guest.timers_armed += 1;
    let timer = Timer { period: Duration::from_millis(milliseconds.into()), armed: guest.timers_armed };
    if milliseconds == 0 || guest.worker.is_none() {
        // The machine on the main thread tries the configuration and is gone before any timer.
        guest.timers.remove(&context);
        return 0;
    }
    guest.timers.insert(context, timer);
    let event = Event::Tick { vm: guest.vm, context, armed: timer.armed };
    guest.world.post_in(timer.period, event);
    0
}

/// Binds the imports of this file.
pub(super) fn bind(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    linker.func_wrap("env", "proxy_define_metric", define)?;
    linker.func_wrap("env", "proxy_increment_metric", increment)?;
    linker.func_wrap("env", "proxy_record_metric", record)?;
    linker.func_wrap("env", "proxy_get_metric", read_metric)?;
    linker.func_wrap("env", "proxy_log", log)?;
    linker.func_wrap("env", "proxy_get_log_level", log_level)?;
    linker.func_wrap("env", "proxy_get_current_time_nanoseconds", time)?;
    linker.func_wrap("env", "proxy_set_tick_period_milliseconds", tick)?;
    Ok(())
}
