//! The command line.

use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::apply;
use crate::check;
use crate::diff;
use crate::document::{self, Document, Reading};
use crate::explain;
use crate::push;
use crate::render;
use crate::replay;
use crate::rollout;
use crate::run;
use crate::say;
use crate::schema;

/// Resilience and access policy for Envoy.
#[derive(Parser)]
#[command(name = "weir", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Reads policies and says everything that is wrong with them, and every trap in them, with line and column.
    Check(check::Options),
    /// Says what becomes of one request, filter by filter.
    Explain(explain::Options),
    /// Says which requests two policies treat differently.
    Diff(diff::Options),
    /// Sends images of filters to a registry.
    Push(push::Options),
    /// Writes what a proxy reads, on standard output.
    Render {
        #[command(subcommand)]
        target: render::Target,
    },
    /// Says what a policy would have done to the traffic in an access log.
    Replay(replay::Options),
    /// Brings a policy to a running Envoy that follows a folder of `--xds-dir`, without a request lost.
    Apply(apply::Options),
    /// Brings back the policy that an Envoy had before the last `apply`.
    Rollback(apply::Place),
    /// Brings a policy to a fleet, step by step, and back where it makes something worse.
    ///
    /// It ends with 0 where all have it (or are back, with `--back`), 1 where the policy or the fleet's file has mistakes, 2 where
    /// it could not begin, so nothing has changed, or a proxy could not be brought back, 3 where all went back, and 4 where too few
    /// requests came to judge by.
    Rollout(rollout::Options),
    /// Prints the JSON Schema of policies, or of a filter's configuration.
    Schema(schema::Options),
    /// Starts Envoy on a policy, and reloads it when the policy changes, until Ctrl-C.
    Run(run::Options),
}

/// Does what the command line says.
pub fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Apply(options) => return apply::main(&options),
        Command::Rollback(place) => return apply::back(&place),
        Command::Rollout(options) => return rollout::main(&options),
        Command::Check(options) => return check::main(&options),
        Command::Diff(options) => return diff::main(&options),
        Command::Explain(options) => return explain::main(&options),
        Command::Render { target } => return render::main(&target),
        Command::Replay(options) => return replay::main(&options),
        Command::Schema(options) => return schema::main(&options),
        Command::Push(options) => push::main(&options),
        Command::Run(options) => run::main(&options),
    };
    if done { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Reads a policy file; what is wrong with it, or with reading it, goes to standard error.
pub fn load(file: &Path, reading: &Reading<'_>) -> Option<Document> {
    let bytes = match document::bytes(file) {
        Ok(bytes) => bytes,
        Err(error) => {
            say::complain(format_args!("weir: {} cannot be read: {error}", file.display()));
            return None;
        }
    };
    match document::read(file, &bytes, reading) {
        Ok(document) => Some(document),
        Err(refused) => {
            // Whoever cannot hear it learns by how the command ends.
            let _ = say::found(&refused);
            None
        }
    }
}
