//! Compiled modules, each compiled once per process.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, OnceLock};

use wasmtime::{Config, Engine, InstancePre, Linker, Module};

use crate::imports;
use crate::vm::Guest;
use crate::wasi;

type Slot = Arc<OnceLock<Result<InstancePre<Guest>, String>>>;

static ENGINE: LazyLock<Engine> =
    LazyLock::new(|| Engine::new(&Config::new()).expect("wasmtime's default configuration is valid"));

static COMPILED: LazyLock<Mutex<HashMap<Vec<u8>, Slot>>> = LazyLock::new(Mutex::default);

/// The engine of all machines of this process.
pub(crate) fn engine() -> &'static Engine {
    &ENGINE
}

/// A module with its imports bound, ready to be instantiated.
pub(crate) fn compile(bytes: &[u8]) -> Result<InstancePre<Guest>, String> {
    let slot = {
        let mut compiled = COMPILED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match compiled.get(bytes) {
            Some(slot) => Arc::clone(slot),
            None => Arc::clone(compiled.entry(bytes.to_vec()).or_default()),
        }
    };
    // Outside of the lock: tests that wait for other modules need not wait for this one.
    slot.get_or_init(|| bind(bytes).map_err(|error| format!("{error:#}"))).clone()
}

fn bind(bytes: &[u8]) -> wasmtime::Result<InstancePre<Guest>> {
    let module = Module::new(engine(), bytes)?;
    let speaks = |version: &str| module.exports().any(|export| export.name() == version);
    if !speaks("proxy_abi_version_0_2_1") && !speaks("proxy_abi_version_0_2_0") {
        return Err(wasmtime::Error::msg("Missing or unknown Proxy-Wasm ABI version"));
    }
    let mut linker = Linker::new(engine());
    imports::bind(&mut linker)?;
    wasi::bind(&mut linker)?;
    linker.instantiate_pre(&module)
}
