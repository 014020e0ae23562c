//! What a plugin has from its host outside any stream: configuration, clock, randomness, the proxy's seed.
#![allow(unsafe_code)]

use std::time::Duration;

use policy::{ConfigError, Instant, Seed, handover};

use crate::abi;
use crate::shared::{self, Failure, Version};
use crate::stream::{self, Buffer};

/// Reads the plugin's configuration of `size` bytes and makes `Config` of it. A mistake goes to the log, with the
/// place where it is; the plugin then answers `false` to the host, which does not load it.
pub fn configure<Config>(size: usize, parse: impl FnOnce(&[u8]) -> Result<Config, ConfigError>) -> Option<Config> {
    let json = match stream::bytes(Buffer::Configuration, 0, size) {
        Ok(json) => json,
        Err(error) => {
            log::error!("configuration not readable: {error}");
            return None;
        }
    };
    match parse(&json) {
        Ok(config) => {
            show(&json);
            Some(config)
        }
        Err(mistake) => {
            log::error!("configuration refused: {mistake}");
            None
        }
    }
}

/// Leaves the configuration where it is looked for when an operator asks with what each plugin runs.
fn show(json: &[u8]) {
    let name = stream::own_property("plugin_name").ok().flatten().unwrap_or_default();
    // An operator who is not shown it is shown that it is missing.
    let _ = std::str::from_utf8(&name).map(|name| shared::overwrite(&handover::shared::config(name), json));
}

/// The host's clock. It may step back.
pub fn now() -> Instant {
    let mut nanos = 0;
    // SAFETY: the pointer is valid for the call. A host without a clock leaves the epoch, at which nothing expires.
    unsafe { abi::proxy_get_current_time_nanoseconds(&raw mut nanos) };
    Instant::from_nanos(nanos)
}

/// Has `on_tick` called on the root context every `period` from now on, rounded down to whole milliseconds; never, where
/// that is none.
pub fn tick(period: Duration) {
    let millis = u32::try_from(period.as_millis()).unwrap_or(u32::MAX);
    // SAFETY: no pointers.
    let status = unsafe { abi::proxy_set_tick_period_milliseconds(millis) };
    if let Err(error) = abi::check("proxy_set_tick_period_milliseconds", status) {
        log::error!("no ticks: {error}");
    }
}

/// The variable `name` of the VM's environment (`environment_variables` of its configuration), where it is set and is
/// text. Secrets come this way, never in a configuration.
#[expect(clippy::disallowed_methods, reason = "the one place where filters read their environment")]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Fresh randomness from the host.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // SAFETY: the pointer is valid for `N` bytes.
    let errno = unsafe { abi::random_get(bytes.as_mut_ptr(), N) };
    if errno != 0 {
        log::error!("random_get answered with errno {errno}");
    }
    bytes
}

/// The seed that all workers of this proxy share: made by whoever asks first, kept in shared data.
///
/// # Errors
/// What the host says; without a seed, tables of clients cannot be shared.
pub fn seed() -> Result<Seed, Failure> {
    let fresh: [u8; 16] = random();
    match shared::store(handover::shared::SEED, &fresh, Version::ABSENT) {
        Ok(()) => Ok(Seed::from_random(fresh)),
        Err(Failure::Contended) => {
            let (stored, _) = shared::read(handover::shared::SEED).map_err(Failure::Host)?;
            let bytes = stored.try_into().map_err(|_| Failure::Contended)?;
            Ok(Seed::from_random(bytes))
        }
        Err(failure) => Err(failure),
    }
}
