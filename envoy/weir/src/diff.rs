//! `weir diff`: which requests two policies treat differently.
//!
//! Every route of either policy is asked for samples of all that it matches ([`sample`]), alone and together with each route of
//! the other. Each sample is then shown to both policies, and what they say of it ([`facts`]) is compared, filter by
//! filter. Requests of which the same differs are told together, with a few of them as examples.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use policy::route::Target;
use serde_json::{Value as Json, json};

use crate::command;
use crate::document::Reading;
use crate::explain::Format;
use crate::facts::{self, Fact, ORDER};
use crate::gateway::{Gateway, written};
use crate::policy::Matcher;
use crate::policy::sample::{self, Sample};

/// What `weir diff` is told.
#[derive(Args, Debug)]
pub struct Options {
    /// The policy as it was.
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The policy as it is to be.
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// How the answer is written.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Stands for the sandbox's address in the policies.
    #[arg(long, value_name = "URL")]
    sandbox: Option<String>,
}

/// Requests that one filter treats differently in the same way.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    /// The filter; `envoy` for the proxy itself.
    pub filter: &'static str,
    /// What does not hold any more.
    pub gone: Vec<String>,
    /// What holds now.
    pub come: Vec<String>,
    /// The routes that they take.
    pub routes: Vec<String>,
    /// Some of these requests.
    pub examples: Vec<String>,
}

/// How two policies differ.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Difference {
    /// What is different for all requests: a name, and what is said under it before and after.
    pub everywhere: Vec<(String, String, String)>,
    /// What is different for some.
    pub changes: Vec<Change>,
}

/// More examples of one change are not shown.
const EXAMPLES_MAX: usize = 3;
/// More routes of one change are only counted.
const ROUTES_MAX: usize = 4;

/// How the command ends where the policies differ.
const DIFFERENT: u8 = 1;
/// How it ends where one of them cannot be read.
const UNREADABLE: u8 = 2;

/// Compares two policies; the answer is 0 where they treat all requests alike, 1 where they do not, 2 where one cannot be read.
pub fn main(options: &Options) -> ExitCode {
    let reading = Reading { sandbox: options.sandbox.as_deref(), ..Reading::default() };
    let read = [&options.old, &options.new].map(|file| command::load(file, &reading));
    let [Some(old), Some(new)] = &read else { return ExitCode::from(UNREADABLE) };
    let variable = |name: &str| std::env::var(name).ok();
    let (old, new) = match (Gateway::of(old, &variable), Gateway::of(new, &variable)) {
        (Ok(old), Ok(new)) => (old, new),
        (Err(error), _) | (_, Err(error)) => {
            eprintln!("weir: {error}");
            return ExitCode::from(UNREADABLE);
        }
    };
    let difference = compare(&old, &new);
    match options.format {
        Format::Text => print!("{}", difference.to_text()),
        Format::Json => println!("{:#}", difference.to_json()),
    }
    if difference == Difference::default() { ExitCode::SUCCESS } else { ExitCode::from(DIFFERENT) }
}

/// Finds everything that two policies treat differently.
pub fn compare(old: &Gateway<'_>, new: &Gateway<'_>) -> Difference {
    let mut changes: Vec<Change> = Vec::new();
    for sample in samples(old, new) {
        for change in differences(old, new, &sample) {
            let same = |other: &&mut Change| {
                (other.filter, &other.gone, &other.come) == (change.filter, &change.gone, &change.come)
            };
            match changes.iter_mut().find(same) {
                Some(known) => known.take_in(change),
                None => changes.push(change),
            }
        }
    }
    Difference { everywhere: everywhere(old, new), changes }
}

/// Requests that stand for all that either policy matches, and for what routes of both do.
fn samples(old: &Gateway<'_>, new: &Gateway<'_>) -> Vec<Sample> {
    let (before, after) = (matchers(old), matchers(new));
    let depth = sample::depth(before.iter().chain(&after).copied());
    let mut samples: Vec<Sample> = Vec::new();
    for matcher in after.iter().chain(&before) {
        samples.extend(sample::all(matcher, depth));
    }
    for one in &before {
        for other in after.iter().filter(|other| other.draft.to_json() != one.draft.to_json()) {
            samples.extend(sample::of_both(one, other, depth));
        }
    }
    let mut seen = std::collections::HashSet::new();
    samples.retain(|sample| seen.insert(sample.shown()));
    samples
}

fn matchers<'g>(gateway: &'g Gateway<'_>) -> Vec<&'g Matcher> {
    gateway.policy.routes.iter().map(|route| &route.matcher).collect()
}

/// What is different of one request.
fn differences(old: &Gateway<'_>, new: &Gateway<'_>, sample: &Sample) -> Vec<Change> {
    let headers = sample.to_headers();
    let tiers = tiers(old, new);
    let tiers: Vec<_> = tiers.iter().map(String::as_str).collect();
    let route = |gateway: &Gateway<'_>| gateway.route(&Target::of(&headers)).map(|(_, route)| written(route));
    let change =
        |filter, gone, come, route| Change { filter, gone, come, routes: vec![route], examples: vec![sample.shown()] };
    let (there, not_there) = (vec!["a route".to_owned()], vec!["no route: 404".to_owned()]);
    let route = match (route(old), route(new)) {
        (None, None) => return Vec::new(),
        (Some(before), None) => return vec![change("envoy", there, not_there, before)],
        (None, Some(after)) => return vec![change("envoy", not_there, there, after)],
        (Some(before), Some(after)) if before == after => after,
        (Some(before), Some(after)) => format!("{after} (was {before})"),
    };
    let (old, new) = (facts::of(old, &headers, &tiers), facts::of(new, &headers, &tiers));
    let mut changes = Vec::new();
    for filter in ORDER {
        let without = |some: &[Fact], others: &[Fact]| -> Vec<String> {
            let lost = some.iter().filter(|fact| fact.filter == filter && !others.contains(fact));
            lost.map(|fact| fact.says.clone()).collect()
        };
        let (gone, come) = (without(&old, &new), without(&new, &old));
        if !gone.is_empty() || !come.is_empty() {
            changes.push(change(filter, gone, come, route.clone()));
        }
    }
    changes
}

/// The tiers of either policy.
fn tiers(old: &Gateway<'_>, new: &Gateway<'_>) -> Vec<String> {
    let mut tiers: Vec<String> = Vec::new();
    for (tier, _) in old.policy.tiers.iter().chain(&new.policy.tiers) {
        if !tiers.contains(&tier.value) {
            tiers.push(tier.value.clone());
        }
    }
    tiers
}

/// What is said of all requests at once: every option that stands beside routes and upstreams.
fn everywhere(old: &Gateway<'_>, new: &Gateway<'_>) -> Vec<(String, String, String)> {
    let (before, after) = (options(old), options(new));
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    let nothing = Json::Null;
    let pair = |name: &String| (before.get(name).unwrap_or(&nothing), after.get(name).unwrap_or(&nothing));
    let changed = names.into_iter().filter(|name| pair(name).0 != pair(name).1);
    changed.map(|name| (name.clone(), shown(name, pair(name).0), shown(name, pair(name).1))).collect()
}

/// What every request meets, by name; what is said of single routes, upstreams and tiers is not in it.
fn options(gateway: &Gateway<'_>) -> BTreeMap<String, Json> {
    // `plugins` are digests of all the others.
    let elsewhere = [
        "routes",
        "rules",
        "breakers",
        "providers",
        "upstreams",
        "tiers",
        "permissions",
        "default",
        "refresh",
        "plugins",
        "key_sets",
    ];
    let mut options = BTreeMap::new();
    for filter in gateway.filters {
        for (key, value) in filter.config.as_object().into_iter().flatten() {
            if !elsewhere.contains(&key.as_str()) {
                options.insert(format!("{}.{key}", filter.name), value.clone());
            }
        }
    }
    // Overrides and the shadow stand in the rule of the callers.
    let own = gateway.policy.options.iter().find(|(name, _)| *name == "ratelimit").map(|(_, draft)| draft.to_json());
    for key in ["overrides", "shadow"] {
        if let Some(value) = own.as_ref().and_then(|own| own.get(key)) {
            options.insert(format!("ratelimit.{key}"), value.clone());
        }
    }
    let clients = &gateway.policy.clients;
    for (key, value) in [
        ("connections", json!(clients.connections)),
        ("trusted_hops", json!(clients.trusted_hops)),
        ("headers", json!(clients.headers)),
        ("header_bytes", json!(clients.header_bytes)),
        ("idle_timeout", json!(clients.idle_timeout.to_string())),
        ("request_timeout", json!(clients.request_timeout.to_string())),
    ] {
        options.insert(format!("clients.{key}"), value);
    }
    options.insert("listen".to_owned(), json!(gateway.policy.listen.value.to_string()));
    options
}

/// A value as it is said. Keys and digests are long and say nothing to anybody.
fn shown(name: &str, value: &Json) -> String {
    match (name, value) {
        (_, Json::Null) => "nothing".to_owned(),
        ("auth.api_keys", keys) => {
            let ids = keys.get("keys").and_then(Json::as_array).into_iter().flatten();
            let ids: Vec<_> = ids.filter_map(|key| key.get("id").and_then(Json::as_str)).collect();
            format!("the keys {}", ids.join(", "))
        }
        ("auth.issuers", issuers) => {
            let names = issuers.as_array().into_iter().flatten().map(|issuer| {
                let keys = issuer.pointer("/jwks/keys").and_then(Json::as_array);
                let kids = keys.into_iter().flatten().filter_map(|key| key.get("kid").and_then(Json::as_str));
                let kids: Vec<_> = kids.collect();
                format!("{} for {} [{}]", issuer["issuer"], issuer["audiences"], kids.join(", "))
            });
            names.collect::<Vec<_>>().join(", ")
        }
        (_, value) => value.to_string(),
    }
}

impl Difference {
    /// For people.
    pub fn to_text(&self) -> String {
        if *self == Self::default() {
            return "no request is treated differently\n".to_owned();
        }
        let mut text = String::new();
        if !self.everywhere.is_empty() {
            text.push_str("every request\n");
        }
        for (name, before, after) in &self.everywhere {
            text.push_str(&format!("  - {name}: {before}\n  + {name}: {after}\n"));
        }
        for Change { filter, gone, come, routes, examples } in &self.changes {
            text.push_str(&format!("{filter}\n"));
            for (sign, lines) in [('-', gone), ('+', come)] {
                for line in lines {
                    text.push_str(&format!("  {sign} {line}\n"));
                }
            }
            let (shown, more) = routes.split_at(routes.len().min(ROUTES_MAX));
            let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
            text.push_str(&format!("  on {}{more}\n", shown.join(", ")));
            for example in examples {
                text.push_str(&format!("    {example}\n"));
            }
        }
        text
    }

    /// For programs.
    pub fn to_json(&self) -> Json {
        let change = |change: &Change| {
            let Change { filter, gone, come, routes, examples } = change;
            json!({"filter": filter, "gone": gone, "come": come, "routes": routes, "examples": examples})
        };
        let option =
            |(name, before, after): &(String, String, String)| json!({"name": name, "before": before, "after": after});
        json!({
            "everywhere": self.everywhere.iter().map(option).collect::<Vec<_>>(),
            "changes": self.changes.iter().map(change).collect::<Vec<_>>(),
        })
    }
}

impl Change {
    /// Takes in the same change of another request.
    fn take_in(&mut self, other: Self) {
        for route in other.routes {
            if !self.routes.contains(&route) {
                self.routes.push(route);
            }
        }
        self.examples.extend(other.examples);
        self.examples.truncate(EXAMPLES_MAX);
    }
}
