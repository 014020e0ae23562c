//! `weir check`: everything that is wrong with policies, and every trap in them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use crate::code::{Code, Severity};
use crate::diagnostic::{Mistake, Report, Span};
use crate::document::{self, Document, Reading};
use crate::gateway::Gateway;
use crate::lint::{self, Version};
use crate::report::{self, Format};
use crate::say::{self, Unwritten};
use crate::secret;

/// What `weir check` is told.
#[derive(Args, Debug)]
pub struct Options {
    /// The policies.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How what was found is written, on standard output; as text, on standard error.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Fails where there are any of these, too.
    #[arg(long, value_enum, value_name = "WHAT")]
    deny: Option<Denied>,
    /// Overlooks warnings of this kind, by number or name.
    #[arg(long, value_name = "CODE", value_parser = warning)]
    allow: Vec<Code>,
    /// The version of Envoy that the policies are for.
    #[arg(long, value_name = "VERSION")]
    envoy: Option<Version>,
    /// Stands for the sandbox's address in the policies.
    #[arg(long, value_name = "URL")]
    sandbox: Option<String>,
}

/// What may make a check fail besides errors.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Denied {
    /// Warnings.
    Warnings,
}

/// How a check ends where something is wrong with a policy.
const FOUND: u8 = 1;
/// How it ends where a policy cannot be read at all.
const UNREADABLE: u8 = 2;

fn warning(word: &str) -> Result<Code, String> {
    match Code::parse(word) {
        Some(code) if code.severity() == Severity::Warning => Ok(code),
        Some(_) => Err("an error cannot be overlooked".to_owned()),
        None => Err("expected the number or the name of a warning, like W302".to_owned()),
    }
}

/// Checks policies; the answer is 0 where they are good, 1 where something is wrong, 2 where one cannot be read or the answer cannot
/// be written.
pub fn main(options: &Options) -> ExitCode {
    let mut worst = 0;
    let mut reports = Vec::new();
    for file in &options.files {
        match document::bytes(file) {
            Ok(bytes) => {
                let (report, good) = check(file, &bytes, options);
                let is_bad = lint::any_error(&report.mistakes) || options.deny.is_some() && !report.mistakes.is_empty();
                worst = worst.max(if is_bad { FOUND } else { 0 });
                if options.format == Format::Text
                    && let Err(unwritten) = tell(&report, good.as_deref())
                {
                    return unwritten.into();
                }
                reports.push(report);
            }
            Err(error) => {
                say::complain(format_args!("weir: {} cannot be read: {error}", file.display()));
                worst = UNREADABLE;
                reports.push(unreadable(file, &error));
            }
        }
    }
    let text = match options.format {
        Format::Text => String::new(),
        Format::Json => format!("{:#}\n", report::json(&reports)),
        Format::Sarif => format!("{:#}\n", report::sarif(&reports, worst)),
        Format::Github => report::github(&reports),
    };
    say::last(text, ExitCode::from(worst))
}

/// What programs are told of a file that cannot be read.
fn unreadable(file: &Path, error: &std::io::Error) -> Report {
    let (wrong, expected) = (format!("the file cannot be read: {error}"), "name a file that this user may read");
    let mistake = Mistake { code: Code::UnreadableFile, span: Span::default(), wrong, expected: expected.to_owned() };
    Report { name: file.display().to_string(), text: String::new(), mistakes: vec![mistake] }
}

fn tell(report: &Report, good: Option<&str>) -> Result<(), Unwritten> {
    if !report.mistakes.is_empty() {
        say::found(report)?;
    }
    good.map_or(Ok(()), |good| say::product(format_args!("{}: good ({good})\n", report.name)))
}

/// What is wrong with a policy, and what it is about where it can be used.
fn check(file: &Path, bytes: &[u8], options: &Options) -> (Report, Option<String>) {
    let reading = Reading { sandbox: options.sandbox.as_deref(), ..Reading::default() };
    let document = match document::read(file, bytes, &reading) {
        Ok(document) => document,
        Err(report) => return (*report, None),
    };
    let mut mistakes = traps(&document, options.envoy);
    mistakes.retain(|mistake| !options.allow.contains(&mistake.code));
    let Document { policy, .. } = &document;
    let good = format!("{} upstreams, {} routes", policy.upstreams.len(), policy.routes.len());
    let good = (!lint::any_error(&mistakes)).then_some(good);
    let text = secret::shown(&String::from_utf8_lossy(bytes));
    (Report { name: file.display().to_string(), text, mistakes }, good)
}

/// The traps in a policy that is valid.
pub(crate) fn traps(document: &Document, envoy: Option<Version>) -> Vec<Mistake> {
    let variable = |name: &str| std::env::var(name).ok();
    match Gateway::of(document, &variable) {
        Ok(gateway) => lint::look(&gateway, envoy),
        Err(error) => {
            // The same code has read it a moment ago, so only the environment can have changed.
            let (code, span) = (Code::InvalidValue, document.policy.span.clone());
            vec![Mistake { code, span, wrong: error.to_string(), expected: String::new() }]
        }
    }
}
