//! `weir schema`: what a policy, and each filter's configuration, looks like, as JSON Schema (draft 2020-12), for editors.
//!
//! A schema knows words and shapes: what belongs together, and what a number means beside another, `weir check` knows. `envoy/schema`
//! has what this prints.

mod admin;
mod auth;
mod breaker;
mod cache;
mod compose;
mod correlation;
mod guard;
mod policy;
mod provider;
mod ratelimit;
mod shape;

use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, Value as Json};

use crate::say;
use crate::translate::MODULES;

/// Of what.
#[derive(Args, Debug)]
pub struct Options {
    /// A filter; without it, the policy.
    #[arg(value_name = "FILTER", value_parser = clap::builder::PossibleValuesParser::new(MODULES))]
    filter: Option<String>,
}

/// Prints the schema.
pub fn main(options: &Options) -> ExitCode {
    let schema = of(options.filter.as_deref().unwrap_or(POLICY));
    schema.map_or(ExitCode::FAILURE, |schema| say::last(format_args!("{schema:#}\n"), ExitCode::SUCCESS))
}

/// What the schema of policies is called.
pub const POLICY: &str = "policy";

/// The schema of the policy, or of a filter's configuration; `None` where there is no such thing.
pub fn of(name: &str) -> Option<Json> {
    let (schema, definitions): (Json, Vec<(&str, Json)>) = match name {
        POLICY => (policy::all(), auth::definitions().into_iter().chain(compose::definitions()).collect()),
        "admin" => (admin::whole(), Vec::new()),
        "auth" => (auth::all(), auth::definitions().into()),
        "breaker" => (breaker::all(), Vec::new()),
        "cache" => (cache::all(), Vec::new()),
        "compose" => (compose::all(), compose::definitions().into()),
        "correlation" => (correlation::whole(), Vec::new()),
        "guard" => (guard::all(), Vec::new()),
        "provider" => (provider::all(), Vec::new()),
        "ratelimit" => (ratelimit::all(), Vec::new()),
        _ => return None,
    };
    let title = if name == POLICY { "A policy of Weir".to_owned() } else { format!("The configuration of `{name}`") };
    let mut document = Map::new();
    document.insert("$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into());
    document.insert("title".to_owned(), title.into());
    if let Json::Object(members) = schema {
        document.extend(members);
    }
    if !definitions.is_empty() {
        let definitions = definitions.into_iter().map(|(name, schema)| (name.to_owned(), schema));
        document.insert("$defs".to_owned(), definitions.collect::<Map<_, _>>().into());
    }
    Some(document.into())
}
