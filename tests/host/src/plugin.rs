//! A filter of the chain, as Envoy's Wasm filter is configured, and why it did not start.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::log::Line;

/// What Envoy does with the streams of a virtual machine that has failed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum FailurePolicy {
    /// Fail the machine's streams with 503; the next stream gets a new machine.
    #[default]
    Reload,
    /// Answer 503 ever after.
    Closed,
    /// Pass everything ever after.
    Open,
}

/// Where a plugin's code comes from.
#[derive(Clone, Debug)]
pub(crate) enum Code {
    File(PathBuf),
    Bytes(Vec<u8>),
}

/// One filter of the chain.
#[derive(Clone, Debug)]
pub struct Plugin {
    pub(crate) name: String,
    pub(crate) root_id: String,
    pub(crate) vm_id: String,
    pub(crate) code: Code,
    pub(crate) configuration: Vec<u8>,
    pub(crate) vm_configuration: Vec<u8>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) allow_on_headers_stop_iteration: bool,
    pub(crate) failure_policy: FailurePolicy,
}

impl Plugin {
    /// A plugin of this name, from a `.wasm` file: no configuration, `vm_id` "weir", [`FailurePolicy::Reload`].
    pub fn new(name: &str, module: impl AsRef<Path>) -> Self {
        Self::of(name, Code::File(module.as_ref().to_owned()))
    }

    /// A plugin of this name, from the bytes of a module.
    pub fn from_bytes(name: &str, module: impl Into<Vec<u8>>) -> Self {
        Self::of(name, Code::Bytes(module.into()))
    }

    fn of(name: &str, code: Code) -> Self {
        Self {
            name: name.to_owned(),
            root_id: name.to_owned(),
            vm_id: "weir".to_owned(),
            code,
            configuration: Vec::new(),
            vm_configuration: Vec::new(),
            environment: Vec::new(),
            allow_on_headers_stop_iteration: false,
            failure_policy: FailurePolicy::Reload,
        }
    }

    /// The plugin's configuration: JSON, for a Weir filter.
    #[must_use]
    pub fn configuration(mut self, configuration: impl Into<Vec<u8>>) -> Self {
        self.configuration = configuration.into();
        self
    }

    /// The virtual machine's configuration.
    #[must_use]
    pub fn vm_configuration(mut self, configuration: impl Into<Vec<u8>>) -> Self {
        self.vm_configuration = configuration.into();
        self
    }

    /// The name of the root context; the plugin's name unless set.
    #[must_use]
    pub fn root_id(mut self, root_id: &str) -> Self {
        root_id.clone_into(&mut self.root_id);
        self
    }

    /// The name of the space of shared data and queues.
    #[must_use]
    pub fn vm_id(mut self, vm_id: &str) -> Self {
        vm_id.clone_into(&mut self.vm_id);
        self
    }

    /// Adds an environment variable of the virtual machine.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Lets the body come while the headers are paused, as Envoy's field of the same name.
    #[must_use]
    pub const fn allow_on_headers_stop_iteration(mut self, allow: bool) -> Self {
        self.allow_on_headers_stop_iteration = allow;
        self
    }

    /// What happens after a crash.
    #[must_use]
    pub const fn failure_policy(mut self, policy: FailurePolicy) -> Self {
        self.failure_policy = policy;
        self
    }
}

/// A plugin did not start: its file is missing, is no Proxy-Wasm module, or refused its configuration.
#[derive(Clone, Debug)]
pub struct StartError {
    /// The plugin's name.
    pub plugin: String,
    /// What went wrong, in the host's words.
    pub reason: String,
    /// What the plugin logged meanwhile.
    pub log: Vec<Line>,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "plugin {}: {}", self.plugin, self.reason)?;
        self.log.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

impl std::error::Error for StartError {}
