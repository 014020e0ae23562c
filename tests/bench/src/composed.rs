//! How long an answer of two calls takes, beside the slower call alone: by the wall clock, since waiting is what it is about.

use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use proxy::{Client, Envoy, Lost, Options, Request};
use sandbox::{Fault, Sandbox, Upstream};
use weir::document::{self, Reading};
use weir::envoy::{Plan, bootstrap};

/// How long the slower of two upstreams takes to answer, and the other.
const SLOW: Duration = Duration::from_millis(20);
const QUICK: Duration = Duration::from_millis(10);
/// So many answers of each kind, in turn.
const ANSWERS: usize = 100;

/// The median wait for the slower call alone, and for the answer that is composed of both.
pub(crate) fn waits(policy: &Path, wasm: &Path) -> Result<[Duration; 2], Box<dyn Error>> {
    let sandbox = Sandbox::start();
    sandbox.fault(Upstream::Inventory, Fault::latency(SLOW));
    sandbox.fault(Upstream::Pricing, Fault::latency(QUICK));
    let alone = "\n  - {match: GET /alone/*, upstream: inventory, strip: /alone}\n";
    let text = std::fs::read_to_string(policy)?.trim_end().to_owned() + alone;
    let url = format!("http://{}", sandbox.address());
    let reading = Reading { sandbox: Some(&url), ..Reading::default() };
    let mut document = document::read(policy, text.as_bytes(), &reading).map_err(|report| report.render(false))?;
    document.policy.listen.value.set_port(0);
    let plan = Plan { policy: &document.policy, filters: &document.filters, wasm };
    let options = Options { concurrency: 1, log_level: "error,wasm:error".into(), ..Options::default() };
    let envoy = Envoy::start_with(&bootstrap::standalone(&plan).to_string(), &options)?;
    let paths = ["/alone/api/v1/products/TEST-001", "/api/v1/products/TEST-001"];
    let mut took = [Vec::new(), Vec::new()];
    // The first of each finds nothing connected yet.
    for index in 0..=ANSWERS {
        for (path, took) in paths.into_iter().zip(&mut took) {
            let wait = wait(envoy.address(), path)?;
            if index > 0 {
                took.push(wait);
            }
        }
    }
    Ok(took.map(|mut took| {
        took.sort_unstable();
        took[took.len() / 2]
    }))
}

fn wait(proxy: SocketAddr, path: &str) -> Result<Duration, Box<dyn Error>> {
    let said = |lost: Lost| format!("{path}: {lost:?}");
    let mut client = Client::connect(proxy).map_err(said)?;
    let sent = Instant::now();
    let answer = client.call(&Request::get(path)).map_err(said)?;
    let took = sent.elapsed();
    if answer.status == 200 { Ok(took) } else { Err(format!("{path}: {}", answer.status).into()) }
}
