//! All filters in one module, `weir.wasm`: which of them a plugin is, its `root_id` says.
//!
//! For where one image is easier to ship than nine, or a worker shall compile one module. Each plugin has its own configuration
//! and its own place in the chain, as it has with a module of its own; those with the same `vm_id` and the same environment share
//! one virtual machine.
//!
//! A `root_id` that names no filter is refused like a configuration that does not load.
#![cfg_attr(target_os = "wasi", allow(missing_docs, reason = "the entry point is the macro's"))]

#[cfg(target_os = "wasi")]
mod filter;
