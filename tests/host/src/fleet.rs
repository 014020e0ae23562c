//! Which machines there are: one for each kinship on each worker, tried on the main thread first, replaced after a crash.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::InstancePre;

use crate::exchange::Ending;
use crate::host::Host;
use crate::log::Level;
use crate::module;
use crate::plugin::{Code, FailurePolicy, Plugin, StartError};
use crate::stream::Filter;
use crate::vm::{Called, Guest, Kinship, Make, Place, Vm, VmId};

/// A plugin's compiled code.
pub(crate) struct Compiled {
    pub(crate) template: InstancePre<Guest>,
    pub(crate) kinship: Kinship,
}

/// A plugin on one worker: its root context, or none where it did not start there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Root {
    pub(crate) at: Option<(VmId, u32)>,
    pub(crate) loaded: Duration,
}

/// Compiles a plugin's code, and finds out who it shares machines with.
pub(crate) fn compile(plugin: &Plugin) -> Result<Compiled, String> {
    let bytes = match &plugin.code {
        Code::Bytes(bytes) => bytes.clone(),
        Code::File(path) => std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?,
    };
    let template = module::compile(&bytes)?;
    let Plugin { vm_id, vm_configuration, environment, .. } = plugin;
    let code = digest(&bytes);
    let kinship = format!("{vm_id:?} {vm_configuration:?} {environment:?} {code}");
    Ok(Compiled { template, kinship: Kinship(Arc::from(kinship)) })
}

/// A digest that tells modules apart.
fn digest(bytes: &[u8]) -> String {
    format!("{:?}", ring::digest::digest(&ring::digest::SHA256, bytes))
}

impl Host {
    /// The machine of this number, unless it has failed.
    pub(crate) fn vm(&mut self, VmId(id): VmId) -> Option<&mut Vm> {
        self.vms[id].as_mut()
    }

    /// Calls into a machine; one that traps is gone.
    pub(crate) fn call(&mut self, id: VmId, callback: &'static str, arguments: &[u32]) -> Called {
        let Some(vm) = self.vms[id.0].as_mut() else { return Called::Failed };
        let called = vm.call(&mut self.world, callback, arguments);
        if called == Called::Failed {
            self.vms[id.0] = None;
        }
        called
    }

    /// Starts a plugin once on the main thread, where it may refuse, and then on every worker.
    pub(crate) fn start_plugin(&mut self, plugin: usize) -> Result<(), StartError> {
        self.audition(plugin)?;
        for worker in 0..self.roots.len() {
            let root = self.load(worker, plugin);
            self.roots[worker].push(root);
        }
        Ok(())
    }

    /// Tries a plugin's configuration in a machine of its own, which is gone afterwards.
    fn audition(&mut self, plugin: usize) -> Result<(), StartError> {
        let logged = self.world.log.len();
        let tried = self.boot(None, plugin).and_then(|vm| {
            let started = self.start_root(vm, plugin);
            self.vms[vm.0] = None;
            started
        });
        tried.map(drop).map_err(|reason| StartError {
            plugin: self.world.plugins[plugin].name.clone(),
            reason,
            log: self.world.log[logged..].to_vec(),
        })
    }

    /// Starts a plugin on a worker. Where that fails, its streams there are answered 503.
    fn load(&mut self, worker: usize, plugin: usize) -> Root {
        let kinship = self.compiled[plugin].kinship.clone();
        let local = self.local.get(&(worker, kinship.clone())).copied().filter(|vm| self.vms[vm.0].is_some());
        let vm = local.map_or_else(|| self.boot(Some(worker), plugin), Ok);
        let started = vm.and_then(|vm| {
            self.local.insert((worker, kinship), vm);
            Ok((vm, self.start_root(vm, plugin)?))
        });
        if let Err(reason) = &started {
            let name = self.world.plugins[plugin].name.clone();
            let text = format!("Plugin configured to fail closed failed to load: {reason}");
            self.world.write_log(Level::Critical, Some(worker), &name, text.as_bytes());
        }
        Root { at: started.ok(), loaded: self.world.clock.monotonic }
    }

    /// Makes a machine for a plugin.
    fn boot(&mut self, worker: Option<usize>, plugin: usize) -> Result<VmId, String> {
        let vm = VmId(self.vms.len());
        let Plugin { vm_id, vm_configuration, environment, .. } = &self.world.plugins[plugin];
        let make = Make {
            vm,
            worker,
            space: vm_id.clone(),
            kinship: self.compiled[plugin].kinship.clone(),
            vm_configuration: vm_configuration.clone(),
            environment: environment.clone(),
        };
        let machine = Vm::start(&self.compiled[plugin].template, make, &mut self.world)?;
        self.vms.push(Some(machine));
        Ok(vm)
    }

    /// Makes a plugin's root context in a machine and configures it.
    fn start_root(&mut self, id: VmId, plugin: usize) -> Result<u32, String> {
        let configuration = self.world.plugins[plugin].configuration.clone();
        let length = crate::imports::length(configuration.len());
        let vm = self.vm(id).ok_or("the machine has failed")?;
        let context = vm.guest().open_context(Place::Root { plugin, leaving: false });
        let vm_length = crate::imports::length(vm.guest().vm_configuration.len());
        let steps = [
            ("proxy_on_context_create", 0, "failed to create its context"),
            ("proxy_on_vm_start", vm_length, "refused to start"),
            ("proxy_on_configure", length, "refused its configuration"),
        ];
        for (callback, argument, refusal) in steps {
            let vm = self.vm(id).ok_or("the machine has failed")?;
            // While the machine starts, there is no configuration but the machine's own.
            let starting = callback == "proxy_on_vm_start";
            vm.guest().configuration = (!starting).then(|| configuration.clone());
            let called = self.call(id, callback, &[context, argument]);
            if let Some(vm) = self.vm(id) {
                vm.guest().configuration = None;
            }
            self.settle(id);
            match called {
                Called::Returned(0) if callback != "proxy_on_context_create" => return Err(refusal.to_owned()),
                Called::Failed => return Err(format!("crashed in {callback}")),
                Called::Returned(_) | Called::Absent => {}
            }
        }
        Ok(context)
    }

    /// The filters of a new stream. Machines that have failed are replaced where the plugin's policy says so.
    pub(crate) fn filters(&mut self, worker: usize) -> Vec<Filter> {
        let mut filters = Vec::new();
        for plugin in 0..self.world.plugins.len() {
            let policy = self.world.plugins[plugin].failure_policy;
            let mut root = self.roots[worker][plugin];
            let lives = |host: &Self, root: Root| root.at.is_some_and(|(vm, _)| host.vms[vm.0].is_some());
            let rested = self.world.clock.monotonic.saturating_sub(root.loaded) >= self.reload_backoff;
            if !lives(self, root) && policy == FailurePolicy::Reload && rested {
                root = self.load(worker, plugin);
                self.roots[worker][plugin] = root;
            }
            let root = root.at.filter(|_| lives(self, root));
            if root.is_some() || policy != FailurePolicy::Open {
                filters.push(Filter::new(plugin, root));
            }
        }
        filters
    }

    /// Fails a worker's machine of a plugin, as a trap would.
    pub(crate) fn crash_machine(&mut self, worker: usize, plugin: usize) {
        if let Some((VmId(vm), _)) = self.roots[worker][plugin].at {
            let name = self.world.plugins[plugin].name.clone();
            self.world.write_log(Level::Error, Some(worker), &name, b"crashed by the test");
            self.vms[vm] = None;
        }
    }

    /// Gives a plugin another configuration: tried first, then a new root context on every worker. Streams that are
    /// under way keep the old one, which is told to end when they have.
    pub(crate) fn reconfigure(&mut self, plugin: usize, configuration: Vec<u8>) -> Result<(), StartError> {
        let old = std::mem::replace(&mut self.world.plugins[plugin].configuration, configuration);
        if let Err(error) = self.audition(plugin) {
            self.world.plugins[plugin].configuration = old;
            return Err(error);
        }
        for worker in 0..self.roots.len() {
            let root = self.load(worker, plugin);
            let old = std::mem::replace(&mut self.roots[worker][plugin], root);
            self.retiring.extend(old.at);
        }
        self.retire_roots();
        Ok(())
    }

    /// Ends the root contexts that have been replaced and have no stream left.
    pub(crate) fn retire_roots(&mut self) {
        if self.retiring.is_empty() {
            return;
        }
        let streams = self.world.streams.values().filter(|stream| stream.ending == Ending::Waiting);
        let used: Vec<_> = streams.flat_map(|stream| stream.filters.iter().filter_map(|filter| filter.root)).collect();
        let (kept, idle) = std::mem::take(&mut self.retiring).into_iter().partition(|root| used.contains(root));
        self.retiring = kept;
        for (id, context) in idle {
            let Some(vm) = self.vm(id) else { continue };
            vm.guest().timers.remove(&context);
            let called = self.call(id, "proxy_on_done", &[context]);
            self.settle(id);
            if called == Called::Returned(0) {
                if let Some(Place::Root { leaving, .. }) =
                    self.vm(id).and_then(|vm| vm.guest().contexts.get_mut(&context))
                {
                    *leaving = true;
                }
            } else {
                self.delete_root(id, context);
            }
        }
    }

    /// Deletes a root context.
    pub(crate) fn delete_root(&mut self, id: VmId, context: u32) {
        self.call(id, "proxy_on_delete", &[context]);
        self.settle(id);
        if let Some(vm) = self.vm(id) {
            vm.guest().contexts.remove(&context);
        }
    }
}
