//! How far a rollout has come, in a file: whoever finds it can go on where its author has died.
//!
//! A proxy is written down before it is moved, with what ran there and what it had counted until then. The file is gone when the
//! rollout is over.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::slice;

use serde_json::{Map, Value as Json, json};

use crate::rollout::sample::Sample;
use crate::xds::replace;

/// The state of a rollout.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// What tells its policy from another.
    pub policy: String,
    /// Why everything goes back, where it does.
    pub reason: Option<String>,
    /// What each proxy had counted when the rollout began.
    pub begun: BTreeMap<String, Sample>,
    /// The proxies that are moved, or about to be.
    pub moved: BTreeMap<String, Move>,
}

/// A proxy that is moved, or about to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Move {
    /// The number of the policy that ran there.
    pub from: u64,
    /// What tells that to which it is moved from any other; several where what is rendered has changed since, the latest last.
    pub to: Vec<String>,
    /// What the proxy had counted until then.
    pub at: Sample,
}

impl Move {
    /// Whether what serves instead of what was there is what the rollout has brought.
    pub fn is_own(&self, what: &str) -> bool {
        // A state that an older version has written may have nothing to tell it by: then it is taken for its own.
        self.to.is_empty() || self.to.iter().any(|to| to == what)
    }
}

/// The file.
#[derive(Clone, Debug)]
pub struct File(PathBuf);

impl File {
    /// The one at this path.
    pub const fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// What it holds; `None` where there is none.
    ///
    /// # Errors
    /// What the operating system says, or that it is something else.
    pub fn read(&self) -> io::Result<Option<State>> {
        let bytes = match fs::read(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            bytes => bytes?,
        };
        let state = serde_json::from_slice(&bytes).ok().and_then(|json| State::from_json(&json));
        let other = || io::Error::other(format!("{} is no state of a rollout", self.0.display()));
        state.map(Some).ok_or_else(other)
    }

    /// Writes it.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn write(&self, state: &State) -> io::Result<()> {
        let (Some(folder), Some(name)) = (self.0.parent(), self.0.file_name()) else { return Ok(()) };
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        replace(folder, &name.to_string_lossy(), &state.to_json())
    }

    /// Takes it away.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn remove(&self) -> io::Result<()> {
        fs::remove_file(&self.0)
    }
}

impl State {
    fn to_json(&self) -> Json {
        let begun: Map<_, _> = self.begun.iter().map(|(name, sample)| (name.clone(), sample.to_json())).collect();
        let moved = self.moved.iter();
        let moved =
            moved.map(|(name, one)| (name.clone(), json!({"from": one.from, "to": one.to, "at": one.at.to_json()})));
        let moved: Map<_, _> = moved.collect();
        json!({"policy": self.policy, "reason": self.reason, "begun": begun, "moved": moved})
    }

    fn from_json(kept: &Json) -> Option<Self> {
        let sample = |(name, sample): (&String, &Json)| Some((name.clone(), Sample::from_json(sample)?));
        let moved = |(name, one): (&String, &Json)| {
            let at = Sample::from_json(one.get("at")?)?;
            // Older versions have written one, or none.
            let to = one.get("to").map_or(&[][..], |to| to.as_array().map_or(slice::from_ref(to), Vec::as_slice));
            let to = to.iter().filter_map(Json::as_str).map(str::to_owned).collect();
            Some((name.clone(), Move { from: one.get("from")?.as_u64()?, to, at }))
        };
        Some(Self {
            policy: kept.get("policy")?.as_str()?.to_owned(),
            reason: kept.get("reason")?.as_str().map(str::to_owned),
            begun: kept.get("begun")?.as_object()?.iter().map(sample).collect::<Option<_>>()?,
            moved: kept.get("moved")?.as_object()?.iter().map(moved).collect::<Option<_>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_read_is_what_was_written() {
        let place = tempfile::tempdir().unwrap();
        let file = File::new(place.path().join("state.json"));
        assert_eq!(file.read().unwrap(), None);
        let sample = Sample {
            answers: 3,
            arrived: 2,
            errors: 1,
            refusals: 2,
            times: vec![(2.5, 1), (f64::INFINITY, 3)],
            seconds: 9,
        };
        let mut state = State {
            policy: "p".into(),
            reason: None,
            begun: [("a".to_owned(), sample.clone())].into(),
            moved: [("b".to_owned(), Move { from: 7, to: vec!["q".to_owned()], at: sample })].into(),
        };
        for reason in [None, Some("worse".to_owned())] {
            state.reason = reason;
            file.write(&state).unwrap();
            assert_eq!(file.read().unwrap().as_ref(), Some(&state));
        }
        // As older versions have written it.
        for (to, read) in [(json!("q"), vec!["q".to_owned()]), (Json::Null, Vec::new())] {
            let mut older = state.to_json();
            older["moved"]["b"]["to"] = to;
            fs::write(file.path(), older.to_string()).unwrap();
            assert_eq!(file.read().unwrap().unwrap().moved["b"].to, read);
        }
        fs::write(file.path(), "{}").unwrap();
        assert!(file.read().unwrap_err().to_string().ends_with("is no state of a rollout"));
        file.remove().unwrap();
        assert_eq!(file.read().unwrap(), None);
    }
}
