//! The files that a policy is made of, looked at again and again: the policy file, and the key sets that it names.

use std::fs;
use std::path::{Path, PathBuf};

use crate::diagnostic::Mistakes;
use crate::document;
use crate::policy::identity;
use crate::yaml;

/// A policy's files.
pub struct Files {
    policy: PathBuf,
    /// What the policy file held when it was last read.
    text: Vec<u8>,
    /// The key sets that it named.
    named: Vec<PathBuf>,
}

/// What a policy's files hold: the policy file first. A key set that cannot be read holds nothing; the policy then has a
/// mistake, and is whole again as soon as the file is there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Contents(Vec<Option<Vec<u8>>>);

impl Files {
    /// Those of the policy at this path.
    pub fn new(policy: &Path) -> Self {
        Self { policy: policy.to_path_buf(), text: Vec::new(), named: Vec::new() }
    }

    /// What they hold now; `None` where there is no policy file to read.
    pub fn read(&mut self) -> Option<Contents> {
        let text = document::bytes(&self.policy).ok()?;
        if text != self.text {
            self.named = key_sets(&self.policy, &text);
            self.text.clone_from(&text);
        }
        let named = self.named.iter().map(|file| fs::read(file).ok());
        Some(Contents(std::iter::once(Some(text)).chain(named).collect()))
    }
}

/// The key sets that a policy names, whatever else is wrong with it.
fn key_sets(policy: &Path, text: &[u8]) -> Vec<PathBuf> {
    let text = String::from_utf8_lossy(text);
    let root = yaml::parse(&text, &mut Mistakes::default());
    let folder = policy.parent().map_or_else(PathBuf::new, Path::to_path_buf);
    root.iter().flat_map(identity::key_sets).map(|name| folder.join(name)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const POLICY: &str = "version: 3\nidentity:\n  jwt:\n  - {issuer: a, jwks: {file: a.json}}\n\
        \x20 - {jwks: {file: sub/b.json}}\n  - {jwks: {keys: []}}\n  - 7\nroutes: nonsense\n";

    #[test]
    fn a_key_set_is_part_of_a_policy_that_names_it_even_before_it_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let mut files = Files::new(&path("policy.yaml"));
        assert_eq!(files.read(), None);
        fs::write(path("policy.yaml"), POLICY).unwrap();
        let contents =
            |a: Option<&str>| Contents(vec![Some(POLICY.into()), a.map(|text| text.as_bytes().to_vec()), None]);
        assert_eq!(files.read(), Some(contents(None)));
        fs::write(path("a.json"), "one").unwrap();
        assert_eq!(files.read(), Some(contents(Some("one"))));
        fs::write(path("policy.yaml"), "version: 1").unwrap();
        assert_eq!(files.read(), Some(Contents(vec![Some(b"version: 1".to_vec())])));
        fs::write(path("policy.yaml"), "[not: yaml").unwrap();
        assert_eq!(files.read(), Some(Contents(vec![Some(b"[not: yaml".to_vec())])));
    }
}
