//! Shared data: one space per `vm_id`, seen by every worker, changed by compare-and-swap.

use std::collections::HashMap;

use crate::status::Status;

/// A value and the number of its last change.
pub(crate) type Versioned = (Vec<u8>, u32);

/// All spaces. Nothing is ever deleted, as in Envoy.
#[derive(Debug, Default)]
pub(crate) struct SharedData {
    spaces: HashMap<String, HashMap<Vec<u8>, Versioned>>,
    changes: u32,
    /// Whether it fails.
    pub(crate) is_away: bool,
    /// After so many more changes by filters, those fail.
    pub(crate) writes_left: Option<usize>,
    /// What another worker is going to be faster with: before a filter changes the first key, these are changed.
    pub(crate) faster: Option<(Vec<u8>, Vec<Pair>)>,
}

/// A key and its value.
pub(crate) type Pair = (Vec<u8>, Vec<u8>);

impl SharedData {
    /// The value of a key and its version.
    pub(crate) fn read(&self, space: &str, key: &[u8]) -> Option<&Versioned> {
        self.spaces.get(space)?.get(key)
    }

    /// Stores a value: always where `cas` is 0 or the key is absent, else only where it matches the version.
    pub(crate) fn write(&mut self, space: &str, key: &[u8], value: Vec<u8>, cas: u32) -> Result<(), Status> {
        let keys = match self.spaces.get_mut(space) {
            Some(keys) => keys,
            None => self.spaces.entry(space.to_owned()).or_default(),
        };
        // Envoy's counter passes over 0, which would mean "whatever is there".
        let next = self.changes.checked_add(1).unwrap_or(1);
        match keys.get_mut(key) {
            Some((_, version)) if cas != 0 && cas != *version => return Err(Status::CasMismatch),
            Some(present) => *present = (value, next),
            None => {
                keys.insert(key.to_vec(), (value, next));
            }
        }
        self.changes = next;
        Ok(())
    }

    /// Lets whoever is faster than a filter that changes this key be so.
    pub(crate) fn overtake(&mut self, space: &str, key: &[u8]) -> Result<(), Status> {
        let Some((_, pairs)) = self.faster.take_if(|(awaited, _)| awaited == key) else { return Ok(()) };
        pairs.into_iter().try_for_each(|(key, value)| self.write(space, &key, value, 0))
    }

    /// Every key of a space, sorted.
    pub(crate) fn keys(&self, space: &str) -> Vec<Vec<u8>> {
        let mut keys: Vec<_> = self.spaces.get(space).into_iter().flat_map(|keys| keys.keys().cloned()).collect();
        keys.sort_unstable();
        keys
    }

    /// The bytes of all keys and values of a space.
    pub(crate) fn bytes(&self, space: &str) -> usize {
        let keys = self.spaces.get(space).into_iter().flatten();
        keys.map(|(key, (value, _))| key.len() + value.len()).sum()
    }
}
