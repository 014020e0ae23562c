//! One virtual machine: a module's instance, its contexts, and how it is called.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use wasmtime::{Func, InstancePre, Memory, ResourceLimiter, Store, TypedFunc, Val};

use crate::exchange::Response;
use crate::log::Level;
use crate::metric::Slot;
use crate::module;
use crate::reply::Reply;
use crate::stream::StreamId;
use crate::world::World;

/// The memory that Envoy grants a machine.
const MEMORY_MAX: usize = 1024 * 1024 * 1024;

/// Which machine; numbers are not used twice.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct VmId(pub(crate) usize);

/// What machines of one kind have in common: plugins whose kinship is equal share a machine on each worker.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Kinship(pub(crate) Arc<str>);

/// What a context of a machine stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    /// A plugin; `leaving` while it waits for `proxy_done` to be let go.
    Root { plugin: usize, leaving: bool },
    /// A plugin's filter of a stream.
    Filter { stream: StreamId, filter: usize, root: u32 },
}

/// What a host call puts off until the callback has returned.
#[derive(Debug)]
pub(crate) enum Deferred {
    Continue { stream: StreamId, filter: usize, side: crate::stream::Side },
    Reset { stream: StreamId },
    Reply { stream: StreamId, reply: Reply },
    Leave { context: u32 },
}

/// A root context's timer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timer {
    pub(crate) period: Duration,
    pub(crate) armed: u64,
}

/// What the imports find in the store.
pub(crate) struct Guest {
    /// The host's state, for the time of a call; an empty one otherwise.
    pub(crate) world: Box<World>,
    pub(crate) vm: VmId,
    pub(crate) worker: Option<usize>,
    pub(crate) space: String,
    pub(crate) kinship: Kinship,
    pub(crate) vm_configuration: Vec<u8>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) contexts: BTreeMap<u32, Place>,
    pub(crate) contexts_made: u32,
    pub(crate) timers: BTreeMap<u32, Timer>,
    pub(crate) timers_armed: u64,
    pub(crate) metrics: HashMap<u32, Slot>,
    pub(crate) metrics_defined: u32,
    pub(crate) callouts_made: u32,
    /// The context that was called.
    pub(crate) current: u32,
    /// The context that the callback has put in its place, or 0.
    pub(crate) effective: u32,
    /// Whether a local reply forbids the filter to continue.
    pub(crate) stopped: bool,
    pub(crate) deferred: VecDeque<Deferred>,
    /// The plugin's configuration, while it starts.
    pub(crate) configuration: Option<Vec<u8>>,
    /// The answer to a callout, while its root context takes it in.
    pub(crate) answered: Option<(u32, Response)>,
    pub(crate) status: (u32, &'static str),
    pub(crate) memory: Option<Memory>,
    pub(crate) allocate: Option<TypedFunc<u32, u32>>,
    limit: Limit,
}

impl std::fmt::Debug for Guest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guest").field("vm", &self.vm).field("worker", &self.worker).finish_non_exhaustive()
    }
}

impl Guest {
    fn new(make: Make) -> Self {
        let Make { vm, worker, space, kinship, vm_configuration, environment } = make;
        Self {
            world: Box::default(),
            vm,
            worker,
            space,
            kinship,
            vm_configuration,
            environment,
            contexts: BTreeMap::new(),
            contexts_made: 0,
            timers: BTreeMap::new(),
            timers_armed: 0,
            metrics: HashMap::new(),
            metrics_defined: 0,
            callouts_made: 0,
            current: 0,
            effective: 0,
            stopped: false,
            deferred: VecDeque::new(),
            configuration: None,
            answered: None,
            status: (0, ""),
            memory: None,
            allocate: None,
            limit: Limit,
        }
    }

    /// The context that a host call acts for.
    pub(crate) fn context(&self) -> u32 {
        if self.contexts.contains_key(&self.effective) { self.effective } else { self.current }
    }

    /// What a context stands for.
    pub(crate) fn place(&self) -> Option<Place> {
        self.contexts.get(&self.context()).copied()
    }

    /// The root of the context that a host call acts for.
    pub(crate) fn root(&self) -> u32 {
        match self.place() {
            Some(Place::Filter { root, .. }) => root,
            Some(Place::Root { .. }) | None => self.context(),
        }
    }

    /// The plugin that a host call acts for.
    pub(crate) fn plugin(&self) -> Option<usize> {
        match self.place()? {
            Place::Root { plugin, .. } => Some(plugin),
            Place::Filter { stream, filter, .. } => Some(self.world.stream(stream).filters[filter].plugin),
        }
    }

    /// The stream that a host call acts for, and the filter's place in its chain.
    pub(crate) fn stream(&self) -> Option<(StreamId, usize)> {
        match self.place()? {
            Place::Filter { stream, filter, .. } => Some((stream, filter)),
            Place::Root { .. } => None,
        }
    }

    /// Writes a line of the log in the name of the running plugin.
    pub(crate) fn write_log(&mut self, level: Level, text: &[u8]) {
        let plugin = self.plugin().map(|plugin| self.world.plugins[plugin].name.clone()).unwrap_or_default();
        self.world.write_log(level, self.worker, &plugin, text);
    }

    /// A number for a new context, which it stands for from now on.
    pub(crate) fn open_context(&mut self, place: Place) -> u32 {
        self.contexts_made += 1;
        self.contexts.insert(self.contexts_made, place);
        self.contexts_made
    }
}

#[derive(Debug)]
struct Limit;

impl ResourceLimiter for Limit {
    fn memory_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= MEMORY_MAX)
    }

    fn table_growing(&mut self, _current: usize, _desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(true)
    }
}

/// How a call into a machine went.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Called {
    /// The module has no such callback.
    Absent,
    /// It returned this, or nothing.
    Returned(u32),
    /// It trapped, now or earlier: the machine is gone.
    Failed,
}

/// The callbacks of the module that a host calls.
const CALLBACKS: [&str; 16] = [
    "proxy_on_context_create",
    "proxy_on_vm_start",
    "proxy_on_configure",
    "proxy_on_tick",
    "proxy_on_queue_ready",
    "proxy_on_http_call_response",
    "proxy_on_request_headers",
    "proxy_on_request_body",
    "proxy_on_request_trailers",
    "proxy_on_response_headers",
    "proxy_on_response_body",
    "proxy_on_response_trailers",
    "proxy_on_done",
    "proxy_on_log",
    "proxy_on_delete",
    "proxy_on_foreign_function",
];

/// What a machine is made of, apart from its code.
#[derive(Debug)]
pub(crate) struct Make {
    pub(crate) vm: VmId,
    pub(crate) worker: Option<usize>,
    pub(crate) space: String,
    pub(crate) kinship: Kinship,
    pub(crate) vm_configuration: Vec<u8>,
    pub(crate) environment: Vec<(String, String)>,
}

/// A running machine.
#[derive(Debug)]
pub(crate) struct Vm {
    store: Store<Guest>,
    callbacks: HashMap<&'static str, Func>,
}

impl Vm {
    /// Instantiates a module and lets it initialise itself. What it logs goes to the world, what it traps with is the error.
    pub(crate) fn start(template: &InstancePre<Guest>, make: Make, world: &mut Box<World>) -> Result<Self, String> {
        let mut store = Store::new(module::engine(), Guest::new(make));
        store.limiter(|guest| &mut guest.limit);
        let mut vm = Self { store, callbacks: HashMap::new() };
        vm.exchange(world);
        let started = vm.initialize(template);
        vm.exchange(world);
        started.map(|()| vm).map_err(|error| format!("{error:?}"))
    }

    fn initialize(&mut self, template: &InstancePre<Guest>) -> wasmtime::Result<()> {
        let Self { store, callbacks, .. } = self;
        let instance = template.instantiate(&mut *store)?;
        store.data_mut().memory = instance.get_memory(&mut *store, "memory");
        let allocate = ["proxy_on_memory_allocate", "malloc"]
            .into_iter()
            .find_map(|name| instance.get_typed_func(&mut *store, name).ok());
        store.data_mut().allocate = allocate;
        for name in CALLBACKS {
            if let Some(callback) = instance.get_func(&mut *store, name) {
                callbacks.insert(name, callback);
            }
        }
        for name in ["_initialize", "_start"] {
            if let Some(start) = instance.get_func(&mut *store, name) {
                return start.call(&mut *store, &[], &mut []);
            }
        }
        Ok(())
    }

    /// Calls a callback; `arguments` begin with the context. A trap is logged, and the machine is not to be used again.
    pub(crate) fn call(&mut self, world: &mut Box<World>, callback: &'static str, arguments: &[u32]) -> Called {
        let Some(function) = self.callbacks.get(callback).copied() else {
            return Called::Absent;
        };
        // A callback may run within what another one has put off, but never within another one.
        let guest = self.store.data_mut();
        guest.current = arguments[0];
        guest.effective = 0;
        self.exchange(world);
        let arguments: Vec<Val> = arguments.iter().map(|argument| Val::I32(argument.cast_signed())).collect();
        let mut results = vec![Val::I32(0); function.ty(&self.store).results().len()];
        let outcome = function.call(&mut self.store, &arguments, &mut results);
        let called = match outcome {
            Ok(()) => Called::Returned(results.first().and_then(Val::i32).unwrap_or_default().cast_unsigned()),
            Err(trap) => {
                let text = format!("Function: {callback} failed: {trap:?}");
                self.store.data_mut().write_log(Level::Error, text.as_bytes());
                Called::Failed
            }
        };
        self.exchange(world);
        called
    }

    /// Swaps the host's state with the placeholder in the store.
    fn exchange(&mut self, world: &mut Box<World>) {
        std::mem::swap(world, &mut self.store.data_mut().world);
    }

    /// What the imports know.
    pub(crate) fn guest(&mut self) -> &mut Guest {
        self.store.data_mut()
    }

    /// Whether it has a context of this number.
    pub(crate) fn has_context(&self, context: u32) -> bool {
        self.store.data().contexts.contains_key(&context)
    }

    /// The bytes of its memory.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.store.data().memory.map_or(0, |memory| memory.data_size(&self.store))
    }
}
