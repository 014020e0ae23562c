//! What the configuration says of the state store that a fleet shares: `state`.

use std::fmt;
use std::rc::Rc;

use policy::ConfigError;
use policy::state::{RawStore, Store, Variables};

use super::members::Members;

/// A state store. It holds a secret: what is shown and compared of it is where it leads.
#[derive(Clone)]
pub struct Bridge(Rc<Store>);

impl Bridge {
    /// Reads `state`.
    pub(super) fn read(json: &[u8], environment: Option<Variables<'_>>) -> Result<Self, ConfigError> {
        let store = raw_store(json).and_then(|raw| Store::new(raw, environment));
        store.map(|store| Self(Rc::new(store))).map_err(|mistake| mistake.inside("state"))
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.0
    }
}

/// What a store is described by.
const MEMBERS: [&str; 8] = ["cluster", "dialect", "path", "authority", "user", "env", "timeout", "prefix"];

pub(super) fn raw_store(json: &[u8]) -> Result<RawStore, ConfigError> {
    let members = Members::read(json, &MEMBERS)?;
    Ok(RawStore {
        cluster: members.text("cluster")?,
        dialect: members.text("dialect")?,
        path: members.text("path")?,
        authority: members.text("authority")?,
        user: members.text("user")?,
        env: members.text("env")?,
        timeout: members.text("timeout")?,
        prefix: members.text("prefix")?,
    })
}

impl fmt::Debug for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.cluster)
    }
}

impl PartialEq for Bridge {
    fn eq(&self, other: &Self) -> bool {
        self.0.identity() == other.0.identity()
    }
}

impl Eq for Bridge {}
