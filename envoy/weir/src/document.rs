//! A policy file from its bytes to what it means, or to everything that is wrong with it.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::code::Code;
use crate::diagnostic::{Mistakes, Report, Span};
use crate::policy::{self, Policy, Surroundings, Variables};
use crate::secret;
use crate::translate::{self, Filter};
use crate::yaml::{self, Node, Value};

/// A policy that is valid as a whole, with its filters' configurations.
#[derive(Debug)]
pub struct Document {
    /// The policy.
    pub policy: Policy,
    /// The filters' configurations, in the order in which they meet a request.
    pub filters: Vec<Filter>,
}

/// How a policy file is read.
#[derive(Clone, Copy, Default)]
pub struct Reading<'a> {
    /// Stands wherever the policy has [`SANDBOX`], and, with a path of the policy's choice, wherever it has one of the addresses
    /// in its mapping `sandbox`.
    pub sandbox: Option<&'a str>,
    /// Answers with a variable of the environment; by default, with those of this process.
    pub variable: Option<Variables<'a>>,
}

/// The address of the sandbox in policies that are made for it.
pub const SANDBOX: &str = "http://127.0.0.1:9400";

/// The bytes of a policy file, or of a fleet's; of more than either may have, those that show it.
///
/// # Errors
/// A file that cannot be read.
pub fn bytes(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?.take(yaml::BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a policy file.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read(name: &Path, bytes: &[u8], reading: &Reading<'_>) -> Result<Document, Box<Report>> {
    let mut mistakes = Mistakes::default();
    let mut secrets = Vec::new();
    let document = document(name, bytes, reading, &mut secrets, &mut mistakes);
    match document.filter(|_| mistakes.is_empty()) {
        Some(document) => Ok(document),
        None => Err(Box::new(Report {
            name: name.display().to_string(),
            text: secret::masked(&String::from_utf8_lossy(bytes), &secrets),
            mistakes: mistakes.in_order(),
        })),
    }
}

fn document(
    name: &Path,
    bytes: &[u8],
    reading: &Reading<'_>,
    secrets: &mut Vec<Span>,
    mistakes: &mut Mistakes,
) -> Option<Document> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let at = error.valid_up_to();
            mistakes.add_as(Code::Syntax, &(at..at + 1), "this is not UTF-8", "expected text");
            return None;
        }
    };
    let Some(mut root) = yaml::parse(text, mistakes) else {
        *secrets = secret::suspected(text);
        return None;
    };
    *secrets = secret::take_out(&mut root, mistakes);
    if let Some(sandbox) = reading.sandbox {
        let sandbox = sandbox.trim_end_matches('/');
        let own = (SANDBOX.to_owned(), sandbox.to_owned());
        let more = policy::stand_ins(&root).into_iter().map(|(address, path)| (address, format!("{sandbox}{path}")));
        let addresses: Vec<_> = std::iter::once(own).chain(more).collect();
        relocate(&mut root, &addresses);
    }
    let folder = name.parent().map_or_else(PathBuf::new, Path::to_path_buf);
    let own = |name: &str| std::env::var(name).ok();
    let variable = |name: &str| secret::variable(name, reading.variable.unwrap_or(&own));
    let surroundings = Surroundings { folder: &folder, variable: &variable, is_sandbox: reading.sandbox.is_some() };
    let policy = Policy::read(&root, &surroundings, mistakes)?;
    let filters = translate::filters(&policy, &surroundings, mistakes);
    Some(Document { policy, filters })
}

/// Puts others in the place of addresses, wherever a value begins with one.
fn relocate(node: &mut Node, addresses: &[(String, String)]) {
    match &mut node.value {
        Value::Null => {}
        Value::Text { text, .. } => {
            for start in ["", "GET ", "POST ", "PUT ", "PATCH ", "DELETE "] {
                let Some(found) = text.strip_prefix(start) else { continue };
                for (address, other) in addresses {
                    let rest = found.strip_prefix(address.as_str());
                    if let Some(rest) = rest.filter(|rest| rest.is_empty() || rest.starts_with(['/', '?'])) {
                        *text = format!("{start}{other}{rest}");
                        return;
                    }
                }
            }
        }
        Value::List(items) => items.iter_mut().for_each(|item| relocate(item, addresses)),
        Value::Map(entries) => entries.iter_mut().for_each(|entry| relocate(&mut entry.node, addresses)),
    }
}
