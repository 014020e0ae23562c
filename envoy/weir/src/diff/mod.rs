//! `weir diff`: which requests two policies treat differently.
//!
//! Every route of either policy is asked for samples of all that it matches ([`sample`]), alone and together with each route of
//! the other. Each sample is then shown to both policies, as a client's request and as a call of the proxy's own, and what they
//! say of it ([`facts`]) is compared, filter by filter. Requests of which the same differs are told together, with a few of them
//! as examples. What holds for all requests is compared by itself ([`everywhere`]).

mod everywhere;
pub mod leaf;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use policy::route::Target;
use serde_json::{Value as Json, json};

use crate::command;
use crate::diff::leaf::Leaf;
use crate::document::Reading;
use crate::envoy::path;
use crate::explain::Format;
use crate::facts::{self, Fact, ORDER};
use crate::gateway::{Gateway, written};
use crate::policy::Matcher;
use crate::policy::operation::Own;
use crate::policy::sample::{self, Sample};
use crate::say;

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
            say::complain(format_args!("weir: {error}"));
            return ExitCode::from(UNREADABLE);
        }
    };
    let difference = compare(&old, &new);
    let text = match options.format {
        Format::Text => difference.to_text(),
        Format::Json => format!("{:#}\n", difference.to_json()),
    };
    let is_same = difference == Difference::default();
    say::last(text, if is_same { ExitCode::SUCCESS } else { ExitCode::from(DIFFERENT) })
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
    let everywhere = everywhere::differences(old, new);
    Difference {
        everywhere: everywhere.into_iter().map(|leaf| (leaf.name, leaf.before, leaf.after)).collect(),
        changes,
    }
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
    if old.policy.operation.is_some() != new.policy.operation.is_some() {
        samples.extend(Own::PATHS.map(Sample::of_path));
    }
    let mut seen = std::collections::HashSet::new();
    // What Envoy never lets any route see is no difference.
    samples.retain(|sample| {
        path::normalised(&sample.path).is_ok_and(|path| path == sample.path) && seen.insert(sample.shown())
    });
    samples
}

fn matchers<'g>(gateway: &'g Gateway<'_>) -> Vec<&'g Matcher> {
    gateway.policy.routes.iter().map(|route| &route.matcher).collect()
}

/// What is different of one request, as a client sends it and as the proxy itself does.
fn differences(old: &Gateway<'_>, new: &Gateway<'_>, sample: &Sample) -> Vec<Change> {
    let headers = sample.to_headers();
    let tiers = tiers(old, new);
    let tiers: Vec<_> = tiers.iter().map(String::as_str).collect();
    let target = Target::of(&headers);
    let route = |route: Option<String>| route.map_or(End::Nowhere, End::Route);
    let end = |gateway: &Gateway<'_>| match gateway.own(&target) {
        Some(own) => End::Own(own),
        None => route(gateway.route(&target).map(|(_, route)| written(route))),
    };
    let facts = |gateway: &Gateway<'_>| facts::of(gateway, &headers, &tiers);
    let mut changes = of_way(sample, (end(old), facts(old)), (end(new), facts(new)));
    // Most calls take the routes that clients take.
    if [old, new].iter().any(|gateway| gateway.is_apart(&target)) {
        let end = |gateway: &Gateway<'_>| route(gateway.route_inside(&target).map(|one| written(one) + " inside"));
        let facts = |gateway: &Gateway<'_>| facts::inside(gateway, &headers);
        changes.extend(of_way(sample, (end(old), facts(old)), (end(new), facts(new))));
    }
    changes
}

/// Where a request ends.
#[derive(Eq, PartialEq)]
enum End {
    /// At the proxy itself, before any route.
    Own(Own),
    /// With this route.
    Route(String),
    /// With a 404.
    Nowhere,
}

impl End {
    fn says(&self) -> Vec<String> {
        let says = match self {
            Self::Own(_) => "the proxy's own answer",
            Self::Route(_) => "a route",
            Self::Nowhere => "no route: 404",
        };
        vec![says.to_owned()]
    }
}

/// Where a request ends, and what is said of it on the way.
type Way = (End, Vec<Fact>);

fn of_way(sample: &Sample, (before, old): Way, (after, new): Way) -> Vec<Change> {
    let change =
        |filter, gone, come, route| Change { filter, gone, come, routes: vec![route], examples: vec![sample.shown()] };
    let (gone, come) = (before.says(), after.says());
    let route = match (before, after) {
        (End::Route(before), End::Route(after)) if before == after => after,
        (End::Route(before), End::Route(after)) => format!("{after} (was {before})"),
        // What the proxy answers itself meets no rule of a route's.
        (before, after) if before == after => return Vec::new(),
        (_, End::Route(route)) | (End::Route(route), _) => return vec![change("envoy", gone, come, route)],
        (..) => return vec![change("envoy", gone, come, sample.path.clone())],
    };
    let lines = ORDER.into_iter().map(|filter| (filter, lines(filter, &old, &new)));
    let changed = lines.filter(|(_, (gone, come))| !gone.is_empty() || !come.is_empty());
    changed.map(|(filter, (gone, come))| change(filter, gone, come, route.clone())).collect()
}

/// What one filter does not go by any more, and what it goes by now. Of what reads the same and is not, the parts are told.
fn lines(filter: &str, old: &[Fact], new: &[Fact]) -> (Vec<String>, Vec<String>) {
    let without = |some: &[Fact], others: &[Fact]| -> Vec<Fact> {
        some.iter().filter(|fact| fact.filter == filter && !others.contains(fact)).cloned().collect()
    };
    let (lost, mut found) = (without(old, new), without(new, old));
    let (mut gone, mut come) = (Vec::new(), Vec::new());
    for fact in lost {
        let Some(index) = found.iter().position(|other| other.says == fact.says) else {
            gone.push(fact.says);
            continue;
        };
        for Leaf { name, before, after } in fact.parts(&found.remove(index)) {
            gone.push(format!("{name}: {before}"));
            come.push(format!("{name}: {after}"));
        }
    }
    come.extend(found.into_iter().map(|fact| fact.says));
    (gone, come)
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
