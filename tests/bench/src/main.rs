//! What each filter costs Envoy: CPU time for each request, beside Envoy's own filters and a filter that does nothing.
//!
//! Every variant is an Envoy of its own with one worker, which answers 500 bytes itself behind the variant's filters, or
//! asks an upstream where that is what is compared.
//! They all run at once and are asked in turn, round by round, so that whatever else the machine does hits all alike.
//! `ROUNDS=` and `REQUESTS=` change how long it takes; arguments name the only variants to run beside `none`, `noop` and
//! `jwt_authn`, which all others are compared with.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)]

mod composed;
mod load;
mod origin;
mod report;
mod token;
mod variant;

use std::error::Error;
use std::fs;
use std::path::Path;

use load::Client;
use proxy::{Envoy, Options, Redis, Webdis};
use report::{Budget, Report};
use token::Tokens;

/// What a filter may add, at most.
const BUDGETS: [Budget; 11] = [
    Budget { variant: "correlation", against: "noop", ratio: 1.4 },
    Budget { variant: "ratelimit", against: "noop", ratio: 1.4 },
    Budget { variant: "breaker", against: "noop", ratio: 1.4 },
    Budget { variant: "leased", against: "ratelimit", ratio: 1.15 },
    Budget { variant: "all", against: "jwt_authn", ratio: 1.0 },
    Budget { variant: "auth", against: "jwt_authn", ratio: 0.4 },
    Budget { variant: "auth_first", against: "jwt_authn", ratio: 1.3 },
    Budget { variant: "auth_es256", against: "jwt_authn_es256", ratio: 0.4 },
    Budget { variant: "auth_es256_first", against: "jwt_authn_es256", ratio: 1.3 },
    Budget { variant: "cache", against: "noop", ratio: 1.6 },
    // What the host calls and callbacks alone take of what is asked of the cache.
    Budget { variant: "floor", against: "noop", ratio: 1.6 },
];
/// What a variant may cost as a whole, at most.
const WHOLES: [Budget; 6] = [
    Budget { variant: "hit_1k", against: "envoy_hit_1k", ratio: 1.35 },
    Budget { variant: "hit_64k", against: "envoy_hit_64k", ratio: 1.35 },
    Budget { variant: "hit_1k", against: "proxied_1k", ratio: 0.65 },
    Budget { variant: "hit_64k", against: "proxied_64k", ratio: 0.65 },
    Budget { variant: "floor_1k", against: "envoy_hit_1k", ratio: 1.35 },
    Budget { variant: "floor_1k", against: "proxied_1k", ratio: 0.65 },
];
/// How long an answer of two calls may take, as a multiple of the slower call.
const COMPOSED: f64 = 1.3;
/// What all others are compared with.
const REFERENCES: [&str; 3] = ["none", "noop", "jwt_authn"];
/// Requests before anything is measured: Envoy's V8 compiles what is hot meanwhile.
const WARM_UP: usize = 20_000;

fn main() -> Result<(), Box<dyn Error>> {
    let rounds = number("ROUNDS", 35);
    let requests = number("REQUESTS", 2_000) as usize;
    let tokens = Tokens::mint();
    let (mut contenders, mut store, mut upstream) = (Vec::new(), None, None);
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let chosen =
        |name: &str| wanted.is_empty() || REFERENCES.contains(&name) || wanted.iter().any(|wanted| wanted == name);
    for variant in variant::all(&tokens).into_iter().filter(|variant| chosen(variant.name)) {
        let options = Options { concurrency: 1, log_level: "error,wasm:error".into(), ..Options::default() };
        if variant.needs_store && store.is_none() {
            let redis = Redis::start()?;
            let webdis = Webdis::start(redis.port(), &serde_json::Value::Null)?;
            store = Some((redis, webdis));
        }
        if variant.has_upstream && upstream.is_none() {
            upstream = Some(Envoy::start_with(&origin::bootstrap(), &options)?);
        }
        let at = store.as_ref().map(|(_, webdis)| webdis.address());
        let envoy = Envoy::start_with(&variant.bootstrap(at, upstream.as_ref().map(Envoy::address)), &options)?;
        let mut client = Client::connect(envoy.address(), variant.path, &variant.headers, variant.status)?;
        client.play(WARM_UP).map_err(|error| format!("{}: {error}\n{}", variant.name, envoy.log()))?;
        contenders.push((variant.name, envoy, client));
    }
    let mut report = Report::default();
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}: {requests} requests for each of {} variants", contenders.len());
        for (name, envoy, client) in &mut contenders {
            report.add(name, client.measure(envoy.id(), requests)?);
        }
    }
    print!("{}\n{}{}", report.table(), report.verdicts(&BUDGETS), report.wholes(&WHOLES));
    print!("{}", report.throughput("leased", "callout", 3.0));
    print!("{}", report.tail("refused", "none", 2.0));
    if chosen("composed") {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let [slower, both] = composed::waits(
            &root.join("envoy/policies/products.yaml"),
            &variant::module("compose").with_file_name(""),
        )?;
        let ratio = both.as_secs_f64() / slower.as_secs_f64();
        let verdict = if ratio <= COMPOSED { "kept" } else { "EXCEEDED" };
        println!("budget {verdict:<9} an answer of two calls takes {ratio:.2} × the slower one (at most {COMPOSED})");
    }
    for (filter, bytes) in variant::sizes()? {
        let verdict = if bytes <= 400 * 1024 { "kept" } else { "EXCEEDED" };
        println!("budget {verdict:<9} {filter}.wasm has {} KiB (at most 400)", bytes.div_ceil(1024));
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench.json");
    fs::write(&file, serde_json::to_string_pretty(&report.json())?)?;
    println!("written to target/bench.json");
    Ok(())
}

fn number(name: &str, default: u32) -> u32 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
