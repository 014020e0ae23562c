//! `weir explain`: what becomes of one request, filter by filter.
//!
//! What depends on state (how many tokens are left, what is stored, whether a breaker is open) is not known here and not
//! guessed: the rule is said instead. Credentials are judged by the filter's own code, tokens included, where their keys stand
//! in the policy.

mod gate;
pub mod request;
pub mod verdict;
pub mod walk;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, ValueEnum};
use policy::Instant;

use crate::command;
use crate::document::Reading;
use crate::explain::request::Request;
use crate::explain::verdict::Caller;
use crate::gateway::Gateway;
use crate::say;

/// What `weir explain` is told.
#[derive(Args, Debug)]
pub struct Options {
    /// The policy.
    #[arg(value_name = "POLICY")]
    file: PathBuf,
    /// The request, like `GET /api/v1/genres`.
    #[arg(value_name = "REQUEST")]
    request: String,
    /// A header of the request, like `x-api-key: secret`.
    #[arg(short = 'H', long = "header", value_name = "HEADER")]
    headers: Vec<String>,
    /// The body of the request.
    #[arg(short = 'd', long = "body", value_name = "TEXT")]
    body: Option<String>,
    /// Who is taken to send it, like `alice` or `alice/pro`, whatever credential it shows.
    #[arg(long = "as", value_name = "USER")]
    caller: Option<String>,
    /// How the answer is written.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Stands for the sandbox's address in the policy.
    #[arg(long, value_name = "URL")]
    sandbox: Option<String>,
}

/// Who reads an answer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum Format {
    /// People.
    #[default]
    Text,
    /// Programs.
    Json,
}

/// Explains a request; says what is wrong where it cannot.
pub fn main(options: &Options) -> ExitCode {
    let reading = Reading { sandbox: options.sandbox.as_deref(), ..Reading::default() };
    let Some(document) = command::load(&options.file, &reading) else { return ExitCode::FAILURE };
    let variable = |name: &str| std::env::var(name).ok();
    let explained = Gateway::of(&document, &variable).map_err(|error| error.to_string()).and_then(|gateway| {
        let request = Request::parse(&options.request, &options.headers, options.body.as_deref())?;
        let caller = options.caller.as_deref().map(|caller| Caller::parse(caller, &gateway.auth.default_tier));
        Ok(walk::walk(&gateway, &request, caller.as_ref(), now()))
    });
    match explained {
        Ok(walk) => {
            let text = match options.format {
                Format::Text => walk.to_text(),
                Format::Json => format!("{:#}\n", walk.to_json()),
            };
            say::last(text, ExitCode::SUCCESS)
        }
        Err(error) => {
            say::complain(format_args!("weir: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Tokens and keys are good until a moment, so one is needed.
fn now() -> Instant {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Instant::from_nanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
