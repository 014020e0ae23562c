//! The scopes that a ledger keeps by name.

use policy::purge::Scope;

use super::Subject;
use crate::key;

/// As a [ledger](super::Ledger) keeps it; one that it does not keep by name is no bytes.
pub(super) fn to_bytes(scope: &Scope) -> Vec<u8> {
    match scope {
        Scope::Everything | Scope::Url(_) | Scope::Tags(_) | Scope::Cells(_) => Vec::new(),
        Scope::Prefix(prefix) => prefix.clone(),
        // No prefix begins with a line feed, and no label has one.
        Scope::Labels { provider, data_type } => [b"\n", provider.as_slice(), b"\n", data_type].concat(),
    }
}

/// Whether a scope, as [`to_bytes`] wrote it, is about an entry.
pub(super) fn covers(scope: &[u8], subject: &Subject<'_>) -> bool {
    let mut parts = scope.split(|&byte| byte == b'\n');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(b""), Some(provider), Some(data_type)) => {
            let is = |label: &str, wanted: &[u8]| wanted.is_empty() || wanted == label.as_bytes();
            is(subject.provider, provider) && is(subject.data_type, data_type)
        }
        _ if scope.starts_with(b"/") => key::parts(subject.key).is_some_and(|[_, _, target]| target.starts_with(scope)),
        _ => subject.key.starts_with(scope),
    }
}
