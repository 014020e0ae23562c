//! An Envoy on a policy, as `weir render envoy` makes it.

use std::path::{Path, PathBuf};

use proxy::Envoy;
use weir::document::{self, Reading};
use weir::envoy::{Plan, bootstrap};

/// Starts one, with the filters as they ship.
#[track_caller]
pub(crate) fn start(policy: &str) -> Envoy {
    let document = document::read(Path::new("p"), policy.as_bytes(), &Reading::default()).unwrap_or_else(|refused| {
        panic!("{}", refused.render(false));
    });
    let built = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/wasm");
    let wasm = std::env::var_os("WEIR_WASM_DIR").map_or_else(built, PathBuf::from);
    let plan = Plan { policy: &document.policy, filters: &document.filters, wasm: &wasm };
    Envoy::start(&bootstrap::standalone(&plan).to_string()).unwrap_or_else(|failure| panic!("{failure}"))
}
