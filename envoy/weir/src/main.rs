//! `weir`: checks a policy, renders it for Envoy, and runs Envoy on it.

use std::process::ExitCode;

fn main() -> ExitCode {
    weir::command::main()
}
