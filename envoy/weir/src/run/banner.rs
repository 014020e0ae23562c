//! What is said when everything is ready.

use std::net::SocketAddr;

use crate::run::plan::Launch;
use crate::say;

/// Says where Envoy serves, and what to try.
pub fn print(launch: &Launch<'_>, admin: SocketAddr) {
    let policy = &launch.document.policy;
    let gateway = format!("http://{}", policy.listen.value);
    say::complain(format_args!(
        "weir: ready at {gateway} with {} (administration: http://{admin})",
        launch.options.file.display()
    ));
    if !policy.examples.is_empty() {
        say::complain(format_args!("weir: to try:"));
    }
    for example in &policy.examples {
        say::complain(format_args!("\n  # {}", example.title));
        for command in example.commands(&gateway) {
            say::complain(format_args!("  {command}"));
        }
    }
    say::complain(format_args!(
        "\nweir: a change of {} is taken over while it runs; Ctrl-C ends it",
        launch.options.file.display()
    ));
}
