//! The policy file: what an operator writes, read into types, with every mistake noted.
//!
//! One file of this folder for each noun of the policy: [`client`], [`upstream`] with its [`limit`], [`route`] with its [`matcher`],
//! [`identity`], [`guard`], [`state`], [`operation`], [`tracing`], [`example`]. What only a filter understands (a breaker, a limit, a tier) is kept as it was
//! written, and read by the filter's own code in [`crate::translate`].

pub mod batch;
pub mod client;
pub mod example;
pub mod fallback;
pub mod guard;
pub mod header;
pub mod identity;
pub mod limit;
pub mod matcher;
pub mod operation;
pub mod provider;
pub mod route;
pub mod sample;
pub mod slowdown;
pub mod state;
pub mod tracing;
pub mod upstream;

use std::net::SocketAddr;
use std::path::Path;

use crate::diagnostic::{Mistakes, Span};
use crate::draft::Draft;
use crate::reader::{self, Fields, Spanned};
use crate::yaml::{Entry, Node, Value};

pub use client::Clients;
pub use example::Example;
pub use fallback::Fallback;
pub use guard::Guard;
pub use identity::Identity;
pub use matcher::{Matcher, Pattern};
pub use operation::Operation;
pub use route::Route;
pub use state::Store;
pub use tracing::Tracing;
pub use upstream::{Address, Upstream};

/// A whole policy.
#[derive(Debug)]
pub struct Policy {
    /// Where clients are served.
    pub listen: Spanned<SocketAddr>,
    /// Where Envoy's administration interface is; always on the loopback.
    pub admin: Spanned<SocketAddr>,
    /// What is answered beside the routes; without it, nothing.
    pub operation: Option<Operation>,
    /// Where state is kept that a fleet shares; without it, in this proxy's memory.
    pub state: Option<Store>,
    /// What clients may do before any rule looks at them.
    pub clients: Clients,
    /// What stands between strangers and everything else; without it, only what routes accept.
    pub guard: Option<Guard>,
    /// Where spans go; without it, nowhere.
    pub tracing: Option<Tracing>,
    /// What the operator says to a filter itself, by the filter's name; the rest of its configuration is translated.
    pub options: Vec<(&'static str, Draft)>,
    /// Whose tokens are accepted; without it, nobody's.
    pub identity: Option<Identity>,
    /// What callers may do, by the names that routes use; read by the auth filter.
    pub permissions: Option<Draft>,
    /// The tiers by name.
    pub tiers: Vec<(Spanned<String>, Draft)>,
    /// What requests are sent to.
    pub upstreams: Vec<Upstream>,
    /// Which request goes where, the first match first.
    pub routes: Vec<Route>,
    /// Requests to try.
    pub examples: Vec<Example>,
    /// Where a mistake about the policy as a whole is shown.
    pub span: Span,
}

/// What reading depends on besides the file's text.
pub struct Surroundings<'a> {
    /// The folder that file names in the policy are relative to.
    pub folder: &'a Path,
    /// The environment.
    pub variable: Variables<'a>,
    /// Whether the sandbox stands in for the real upstreams.
    pub is_sandbox: bool,
}

/// Answers with the variable of a name, where there is one.
pub type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The filters that have options of their own at the top of a policy.
const FILTERS: [&str; 5] = ["correlation", "ratelimit", "compose", "cache", "breaker"];

/// What the names of the proxy's own clusters begin with.
const OURS: &str = "weir_";

const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);
const ADMIN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9901);

impl Policy {
    /// Reads a policy out of its tree; what cannot be read is noted and left out.
    pub fn read(root: &Node, surroundings: &Surroundings<'_>, mistakes: &mut Mistakes) -> Option<Self> {
        let mut fields = Fields::of(root, "a policy", mistakes)?;
        let span = fields.span.clone();
        if let Some(node) = fields.required("version", mistakes) {
            reader::word(node, &[("1", ())], mistakes);
        }
        let address = |node: Option<&Node>, default, mistakes: &mut Mistakes| {
            node.and_then(|node| reader::address(node, mistakes)).unwrap_or(Spanned::new(default, span.clone()))
        };
        let listen = address(fields.optional("listen"), LISTEN, mistakes);
        let admin = Spanned::new(ADMIN, span.clone());
        let (admin, operation) = operation::read(fields.optional("admin"), admin, mistakes);
        check_addresses(&listen, &admin, &span, mistakes);
        let state = fields.optional("state").and_then(|node| Store::read(node, surroundings, mistakes));
        let clients = fields.optional("clients").map(|node| Clients::read(node, mistakes)).unwrap_or_default();
        let tracing = fields.optional("tracing").and_then(|node| Tracing::read(node, mistakes));
        let guard = fields.optional("guard").map(|node| Guard::read(node, mistakes));
        let identity = fields.optional("identity").and_then(|node| Identity::read(node, surroundings, mistakes));
        let permissions = fields.optional("permissions");
        let permissions = permissions.and_then(|node| reader::mapping(node, "rules by name", mistakes));
        let tiers = fields.optional("tiers").map(|node| tiers(node, mistakes));
        let options = FILTERS.into_iter().filter_map(|name| {
            let node = fields.optional(name)?;
            Some((name, reader::mapping(node, &format!("the keys of `{name}`"), mistakes)?))
        });
        let options = options.collect();
        let upstreams = fields.required("upstreams", mistakes).map(|node| upstream::read(node, surroundings, mistakes));
        let upstreams = upstreams.unwrap_or_default();
        for upstream in &upstreams {
            check_name(&upstream.name, mistakes);
        }
        let routes = fields.required("routes", mistakes).map(|node| route::read(node, &upstreams, mistakes));
        if let Some(node) = fields.optional("sandbox") {
            check_stand_ins(node, mistakes);
        }
        check_files(&upstreams, mistakes);
        let examples = fields.optional("examples").map(|node| example::read(node, mistakes));
        fields.finish(mistakes);
        Some(Self {
            listen,
            admin,
            operation,
            state,
            clients,
            guard,
            tracing,
            options,
            identity,
            permissions,
            tiers: tiers.unwrap_or_default(),
            upstreams,
            routes: routes.unwrap_or_default(),
            examples: examples.unwrap_or_default(),
            span,
        })
    }

    /// The secrets that are in files.
    pub fn files(&self) -> impl Iterator<Item = &provider::Secret> {
        self.upstreams.iter().filter_map(|upstream| upstream.provider.as_ref()).flat_map(|provider| &provider.files)
    }

    /// The upstream of this name.
    pub fn upstream(&self, name: &str) -> Option<&Upstream> {
        self.upstreams.iter().find(|upstream| upstream.name.value == name)
    }
}

/// Notes an administration port that others reach; `whole` is where one is said to be of which the policy says nothing.
fn check_addresses(listen: &Spanned<SocketAddr>, admin: &Spanned<SocketAddr>, whole: &Span, mistakes: &mut Mistakes) {
    if collide(listen.value, admin.value) {
        let place = if admin.span == *whole { &listen.span } else { &admin.span };
        let wrong = format!("clients and Envoy's administration would both be served at {}", admin.value);
        mistakes.add(place, wrong, "expected another port");
    }
    if !admin.value.ip().is_loopback() {
        let expected = "expected a loopback address, like 127.0.0.1:9901";
        mistakes.add(&admin.span, "the administration port must not be reachable from outside", expected);
    }
}

/// Whether nobody can listen at both; the kernel chooses for port 0.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let overlaps = one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
    overlaps && one.port() == other.port() && one.port() != 0
}

/// Notes a name of an upstream that stands for something else: clusters of one name are refused by Envoy, or one of them is
/// taken for the other. They are taken also where a policy has no use for them: it may have tomorrow, and alerts leave them
/// out by name.
fn check_name(name: &Spanned<String>, mistakes: &mut Mistakes) {
    let wrong = match name.value.as_str() {
        state::CLUSTER => "`state` is what the state store is called",
        route::COMPOSED => "`composed` is what stands where there is no upstream",
        word if word.starts_with(OURS) => "names that begin with `weir_` are the proxy's own",
        _ => return,
    };
    mistakes.add(&name.span, wrong, "expected another name");
}

/// The addresses for which the sandbox can stand in, and the paths below its own at which it does: the mapping `sandbox`, be
/// the rest of the policy right or not.
pub fn stand_ins(policy: &Node) -> Vec<(String, String)> {
    let Value::Map(entries) = &policy.value else { return Vec::new() };
    let found = entries.iter().find(|entry| entry.key == "sandbox").map(|entry| &entry.node.value);
    let Some(Value::Map(entries)) = found else { return Vec::new() };
    let pair = |entry: &Entry| Some((entry.key.clone(), reader::scalar(&entry.node)?.to_owned()));
    entries.iter().filter_map(pair).collect()
}

fn check_stand_ins(node: &Node, mistakes: &mut Mistakes) {
    for entry in reader::entries(node, "paths by address", mistakes).unwrap_or_default() {
        if let Err(why) = Address::parse(&entry.key) {
            mistakes.add(&entry.span, format!("`{}` is not an address", entry.key), why);
        }
        if let Some(path) = reader::text(&entry.node, mistakes).filter(|path| !path.value.starts_with('/')) {
            mistakes.add(&path.span, "this is not a path of the sandbox", "expected it to begin with `/`");
        }
    }
}

/// Notes two secrets that would be handed on under one name.
fn check_files(upstreams: &[Upstream], mistakes: &mut Mistakes) {
    let mut taken: Vec<&str> = Vec::new();
    for upstream in upstreams {
        let Some(provider) = &upstream.provider else { continue };
        let own: Vec<&str> = provider.files.iter().map(|secret| secret.variable.as_str()).collect();
        if let Some(name) = own.iter().find(|name| taken.contains(*name)) {
            let wrong = format!("`{}` and another upstream would both keep a secret in {name}", upstream.name.value);
            mistakes.add(&upstream.name.span, wrong, "expected names that differ in more than punctuation");
        }
        taken.extend(own);
    }
}

fn tiers(node: &Node, mistakes: &mut Mistakes) -> Vec<(Spanned<String>, Draft)> {
    let entries = reader::entries(node, "tiers by name", mistakes).unwrap_or_default();
    let mut tiers = Vec::new();
    for entry in entries {
        let is_named = reader::name(&entry.key, &entry.span, mistakes);
        let tier = reader::mapping(&entry.node, "the limits of a tier", mistakes);
        // What has no limits yet is still a tier that others may name.
        let mut tier = tier.unwrap_or_else(|| Draft::object(&entry.span));
        limit::note_two_words(&mut tier, mistakes);
        if is_named {
            tiers.push((Spanned::new(entry.key.clone(), entry.span.clone()), tier));
        }
    }
    tiers
}
