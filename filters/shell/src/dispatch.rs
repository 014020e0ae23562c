//! The module's exports: each callback of the host finds the context that it is meant for.
//!
//! A host calls nothing while a call to it is under way but the allocator, so a context that is being called is not called again.
#![allow(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};

use crate::abi;
use crate::context::{Action, HttpContext, RootContext};
use crate::logger;

/// Makes the context of a plugin that the host calls by this number.
pub type NewRoot = fn(id: u32) -> Box<dyn RootContext>;

/// By the host's numbers, which it counts up.
type ByNumber<T> = HashMap<u32, T, Numbers>;

/// All contexts of this virtual machine.
struct Contexts {
    new_root: Cell<Option<NewRoot>>,
    roots: RefCell<ByNumber<Box<dyn RootContext>>>,
    streams: RefCell<ByNumber<Box<dyn HttpContext>>>,
    /// Who waits for which callout.
    callouts: RefCell<ByNumber<u32>>,
    /// Whose callback is running.
    active: Cell<u32>,
}

thread_local! {
    static CONTEXTS: Contexts = const {
        Contexts {
            new_root: Cell::new(None),
            roots: RefCell::new(HashMap::with_hasher(Numbers)),
            streams: RefCell::new(HashMap::with_hasher(Numbers)),
            callouts: RefCell::new(HashMap::with_hasher(Numbers)),
            active: Cell::new(0),
        }
    };
}

impl Contexts {
    fn create(&self, id: u32, root: u32) {
        if root == 0 {
            if let Some(new) = self.new_root.get() {
                self.roots.borrow_mut().insert(id, new(id));
            }
        } else if let Some(context) = self.roots.borrow().get(&root).and_then(|root| root.create_http_context(id)) {
            self.streams.borrow_mut().insert(id, context);
        }
    }

    /// What `ask` makes of stream `id`, or what is so for one that has no context.
    fn stream<T>(&self, id: u32, otherwise: T, ask: impl FnOnce(&mut dyn HttpContext) -> T) -> T {
        self.active.set(id);
        match self.streams.borrow_mut().get_mut(&id) {
            Some(context) => ask(context.as_mut()),
            None => otherwise,
        }
    }

    /// As [`Self::stream`], for a plugin.
    fn root<T>(&self, id: u32, otherwise: T, ask: impl FnOnce(&mut dyn RootContext) -> T) -> T {
        self.active.set(id);
        match self.roots.borrow_mut().get_mut(&id) {
            Some(context) => ask(context.as_mut()),
            None => otherwise,
        }
    }

    /// Hands a callout's answer to the context that sent it. Where that was a stream which has ended, nobody wants it.
    fn answer(&self, token: u32, headers: usize, body_bytes: usize, trailers: usize) {
        let Some(id) = self.callouts.borrow_mut().remove(&token) else { return };
        let is_stream = self.streams.borrow().contains_key(&id);
        if !is_stream && !self.roots.borrow().contains_key(&id) {
            return;
        }
        // The host calls with the plugin's context in force, whoever made the callout.
        // SAFETY: no pointers. The host knows whom it has not had us delete.
        unsafe { abi::proxy_set_effective_context(id) };
        if is_stream {
            self.stream(id, (), |context| context.on_http_call_response(token, headers, body_bytes, trailers));
        } else {
            self.root(id, (), |context| context.on_http_call_response(token, headers, body_bytes, trailers));
        }
    }

    fn delete(&self, id: u32) {
        if self.streams.borrow_mut().remove(&id).is_none() {
            self.roots.borrow_mut().remove(&id);
        }
    }
}

/// Begins the virtual machine, whose plugins `new_root` makes. For [`crate::entry!`] alone.
pub fn begin(new_root: NewRoot) {
    unsafe extern "C" {
        fn __wasm_call_ctors();
    }
    // SAFETY: the linker makes it, and the host calls `_initialize` once, before anything else.
    unsafe { __wasm_call_ctors() };
    logger::begin();
    CONTEXTS.with(|contexts| contexts.new_root.set(Some(new_root)));
}

/// Has the answer to callout `token` handed to the context whose callback is running.
pub(crate) fn await_answer(token: u32) {
    CONTEXTS.with(|contexts| contexts.callouts.borrow_mut().insert(token, contexts.active.get()));
}

/// The entry of a module whose plugins the function `$root` makes of the host's number for them.
#[macro_export]
macro_rules! entry {
    ($root:path) => {
        /// The host calls this once, before anything else.
        #[unsafe(no_mangle)]
        pub extern "C" fn _initialize() {
            $crate::dispatch::begin($root);
        }
    };
}

/// Spreads numbers that are counted up, for a table that looks at the low bits and at the high ones.
struct Numbers;

impl BuildHasher for Numbers {
    type Hasher = Number;

    fn build_hasher(&self) -> Number {
        Number(0)
    }
}

struct Number(u32);

impl Hasher for Number {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        // 2³² divided by the golden ratio: neighbours come to lie far apart, and no two at the same place.
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9);
    }

    fn finish(&self) -> u64 {
        u64::from(self.0)
    }
}

/// The version of the ABI that these callbacks are of.
#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

/// Memory for what the host returns, which [`abi::fetch`] takes over.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    Box::into_raw(Box::<[u8]>::new_uninit_slice(size)).cast()
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(id: u32, root: u32) {
    CONTEXTS.with(|contexts| contexts.create(id, root));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_vm_start(_root: u32, _size: usize) -> bool {
    true
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(root: u32, size: usize) -> bool {
    CONTEXTS.with(|contexts| contexts.root(root, false, |context| context.on_configure(size)))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_tick(root: u32) {
    CONTEXTS.with(|contexts| contexts.root(root, (), |context| context.on_tick()));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(id: u32, count: usize, end: bool) -> Action {
    CONTEXTS.with(|contexts| contexts.stream(id, Action::Continue, |stream| stream.on_http_request_headers(count, end)))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_body(id: u32, size: usize, end: bool) -> Action {
    CONTEXTS.with(|contexts| contexts.stream(id, Action::Continue, |stream| stream.on_http_request_body(size, end)))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_trailers(id: u32, count: usize) -> Action {
    CONTEXTS.with(|contexts| contexts.stream(id, Action::Continue, |stream| stream.on_http_request_trailers(count)))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_headers(id: u32, count: usize, end: bool) -> Action {
    CONTEXTS
        .with(|contexts| contexts.stream(id, Action::Continue, |stream| stream.on_http_response_headers(count, end)))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_body(id: u32, size: usize, end: bool) -> Action {
    CONTEXTS.with(|contexts| contexts.stream(id, Action::Continue, |stream| stream.on_http_response_body(size, end)))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_trailers(id: u32, count: usize) -> Action {
    CONTEXTS.with(|contexts| contexts.stream(id, Action::Continue, |stream| stream.on_http_response_trailers(count)))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_http_call_response(_root: u32, token: u32, headers: usize, body_bytes: usize, trailers: usize) {
    CONTEXTS.with(|contexts| contexts.answer(token, headers, body_bytes, trailers));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_log(id: u32) {
    CONTEXTS.with(|contexts| contexts.stream(id, (), |stream| stream.on_log()));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_delete(id: u32) {
    CONTEXTS.with(|contexts| contexts.delete(id));
}
