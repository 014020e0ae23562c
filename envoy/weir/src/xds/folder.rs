//! The folder: the files that Envoy follows, and beside them code, policies before, and a lock.
//!
//! ```text
//! bootstrap.json clusters.json listeners.json      what Envoy starts with, and follows
//! routes/weir.json                                 the routes of clients: which policy runs, in which slot
//! routes/weir_internal.a.json …                    the routes of what the filters ask for, by slot
//! filters/auth.a.json filters/auth.b.json …        the filters, by slot
//! modules/auth-<digest>.wasm                       their code, as long as a policy that is kept needs it
//! versions/7.json                                  policies as they were rendered, the last ten
//! reached.json                                     where Envoy's administration was when it was last found
//! lock                                             held by whoever changes anything; the kernel frees it when its holder ends
//! ```

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{FlockOperation, flock};
use serde_json::{Value as Json, json};

use crate::envoy::bootstrap::{CLUSTERS, LISTENERS};
use crate::envoy::internal;
use crate::xds::rendering::Rendering;
use crate::xds::slot::{self, Slot};
use crate::xds::{BOOTSTRAP, replace};

/// The listener, and the table of routes, of clients.
pub const OUTER: &str = "weir";
/// The file that says where Envoy was reached.
const REACHED: &str = "reached.json";
/// How many policies are kept.
pub const KEPT: usize = 10;

/// The folder, as an absolute path.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

/// Nobody else changes anything in the folder while this is there.
#[derive(Debug)]
pub struct Lock(#[allow(dead_code, reason = "held for what its end does")] File);

impl Lock {
    /// Takes the lock that a file is, which is made where it is not there; `None` where somebody has it.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn take(file: &Path) -> io::Result<Option<Self>> {
        let file = File::options().create(true).truncate(false).write(true).open(file)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self(file))),
            Err(error) if error == rustix::io::Errno::WOULDBLOCK => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Which policy it is, in which slot, brought when: what Envoy calls the version of all that it was given then.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Version {
    /// Counted from 1.
    pub number: u64,
    /// Where its filters are.
    pub slot: Slot,
    /// Milliseconds since 1970: the same policy may be brought twice.
    serial: u128,
}

impl Version {
    /// One that nobody has used before.
    pub fn new(number: u64, slot: Slot) -> Self {
        let serial = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        Self { number, slot, serial }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}-{}", self.number, self.slot, self.serial)
    }
}

impl FromStr for Version {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (front, serial) = text.split_once('-').ok_or(())?;
        let slot = Slot::BOTH.into_iter().find(|slot| front.ends_with(&slot.to_string())).ok_or(())?;
        let number = front.trim_end_matches(['a', 'b']).parse().map_err(|_| ())?;
        Ok(Self { number, slot, serial: serial.parse().map_err(|_| ())? })
    }
}

/// A policy that is kept.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Its number.
    pub number: u64,
    /// The number of the one that ran before it.
    pub before: Option<u64>,
    /// What it is called: the file that it was read from.
    pub name: String,
    /// What Envoy reads.
    pub rendering: Rendering,
}

impl Folder {
    /// The folder at a path; it is made where it is not there.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn open(path: &Path) -> io::Result<Self> {
        for inner in ["routes", "filters", "modules", "versions"] {
            fs::create_dir_all(path.join(inner))?;
        }
        path.canonicalize().map(Self)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where code is.
    pub fn code(&self) -> PathBuf {
        self.0.join("modules")
    }

    /// The file of a filter in a slot, or of routes, seen from the folder.
    pub fn filter(name: &str) -> String {
        format!("filters/{name}.json")
    }

    /// The file of a table of routes, seen from the folder.
    pub fn routes(name: &str) -> String {
        format!("routes/{name}.json")
    }

    /// How Envoy follows a file of the folder.
    pub fn source(&self, file: &str) -> Json {
        let path = self.0.join(file);
        let watched = path.parent().unwrap_or(&self.0).to_string_lossy().into_owned();
        json!({
            "resource_api_version": "V3",
            "path_config_source": {"path": path.to_string_lossy(), "watched_directory": {"path": watched}},
        })
    }

    /// Takes the lock; `None` where somebody has it.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn lock(&self) -> io::Result<Option<Lock>> {
        Lock::take(&self.0.join("lock"))
    }

    /// Writes a file that Envoy follows.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn put(&self, file: &str, version: &str, resources: &[Json]) -> io::Result<()> {
        let path = self.0.join(file);
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
        replace(folder, &name.to_string_lossy(), &json!({"version_info": version, "resources": resources}))
    }

    /// Whether there is such a file.
    pub fn has(&self, file: &str) -> bool {
        self.0.join(file).exists()
    }

    /// Reads a file that Envoy follows.
    pub fn read(&self, file: &str) -> Option<Json> {
        serde_json::from_slice(&fs::read(self.0.join(file)).ok()?).ok()
    }

    /// Writes what Envoy is started with.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn put_frame(&self, rendering: &Rendering) -> io::Result<()> {
        replace(&self.0, BOOTSTRAP, &rendering.frame)
    }

    /// Where Envoy's administration may be: where it was last found, and where one that is started now has it, which is not the
    /// same where a policy has brought another address since.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let reached = self.read(REACHED).and_then(|address| address.as_str()?.parse().ok());
        let written = || {
            let bootstrap = self.read(BOOTSTRAP)?;
            let address = bootstrap.pointer("/admin/address/socket_address")?;
            let host = address.get("address")?.as_str()?.parse().ok()?;
            Some(SocketAddr::new(host, u16::try_from(address.get("port_value")?.as_u64()?).ok()?))
        };
        let written = written().filter(|written| reached != Some(*written));
        reached.into_iter().chain(written).collect()
    }

    /// Remembers where Envoy's administration is.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn put_reached(&self, address: SocketAddr) -> io::Result<()> {
        let address = json!(address.to_string());
        if self.read(REACHED).as_ref() == Some(&address) { Ok(()) } else { replace(&self.0, REACHED, &address) }
    }

    /// Writes one slot of a filter.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn put_filter(&self, name: &str, version: &str, config: &Json) -> io::Result<()> {
        let kind = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig";
        self.put(&Self::filter(name), version, &[json!({"@type": kind, "name": name, "typed_config": config})])
    }

    /// The listeners, as the files say.
    pub fn listeners(&self) -> Vec<Json> {
        let file = self.read(LISTENERS);
        file.and_then(|mut file| Some(file.get_mut("resources")?.as_array_mut()?.drain(..).collect()))
            .unwrap_or_default()
    }

    /// What runs, as far as the files say: the routes are what a change ends with.
    pub fn current(&self) -> Option<Version> {
        self.read(&Self::routes(OUTER))?.get("version_info")?.as_str()?.parse().ok()
    }

    /// Writes everything for an Envoy that has not been started yet.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn begin(&self, number: u64, rendering: &Rendering) -> io::Result<()> {
        let version = Version::new(number, Slot::A);
        let text = version.to_string();
        self.put(CLUSTERS, &text, &rendering.clusters)?;
        self.put(LISTENERS, &text, &rendering.listeners(&[], self))?;
        for slot in Slot::BOTH {
            for name in rendering.slots(&[]) {
                let config = if slot == Slot::A { rendering.filter(name, slot) } else { None };
                self.put_filter(&slot.of(name), &text, &config.unwrap_or_else(slot::closed))?;
            }
            let name = slot.of(internal::NAME);
            self.put(&Self::routes(&name), &text, &[rendering.inner(&name, Slot::A)])?;
        }
        self.put_frame(rendering)?;
        self.put(&Self::routes(OUTER), &text, &[rendering.outer(OUTER, Slot::A)])
    }

    /// Keeps a policy.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn keep(&self, kept: &Kept) -> io::Result<()> {
        let Kept { number, before, name, rendering } = kept;
        let content = json!({"number": number, "before": before, "name": name, "rendering": rendering.to_json()});
        replace(&self.0.join("versions"), &format!("{number}.json"), &content)
    }

    /// A policy that was kept.
    pub fn kept(&self, number: u64) -> Option<Kept> {
        let kept = self.read(&format!("versions/{number}.json"))?;
        Some(Kept {
            number,
            before: kept.get("before")?.as_u64(),
            name: kept.get("name")?.as_str()?.to_owned(),
            rendering: Rendering::from_json(kept.get("rendering")?)?,
        })
    }

    /// Forgets a policy that is not wanted any more. The one that runs stays, whoever asks: without it, nothing could be changed.
    pub fn forget(&self, number: u64) {
        if self.current().is_none_or(|version| version.number != number) {
            let _ = fs::remove_file(self.0.join(format!("versions/{number}.json")));
        }
    }

    /// The numbers of all that are kept, the last one last.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn numbers(&self) -> io::Result<Vec<u64>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(self.0.join("versions"))? {
            let name = entry?.file_name();
            numbers.extend(name.to_str().and_then(|name| name.strip_suffix(".json")?.parse::<u64>().ok()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Takes away the oldest policies, and code that none of the others needs.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn sweep(&self) -> io::Result<()> {
        let numbers = self.numbers()?;
        let old = numbers.len().saturating_sub(KEPT);
        numbers.iter().take(old).for_each(|number| self.forget(*number));
        let kept: Vec<_> = numbers.iter().skip(old).filter_map(|number| self.kept(*number)).collect();
        let needed: Vec<&str> = kept.iter().flat_map(|kept| kept.rendering.code()).collect();
        for entry in fs::read_dir(self.code())? {
            let entry = entry?;
            if !needed.iter().any(|name| entry.file_name() == **name) {
                let named = |error| io::Error::other(format!("{}: {error}", entry.path().display()));
                fs::remove_file(entry.path()).map_err(named)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_version_is_read_as_it_is_written() {
        let version = Version { number: 17, slot: Slot::B, serial: 1_795_298_877_943 };
        assert_eq!(version.to_string(), "17b-1795298877943");
        assert_eq!(version.to_string().parse(), Ok(version));
        for other in ["", "17", "17b", "b-1", "17c-1", "17b-x"] {
            assert_eq!(other.parse::<Version>(), Err(()), "{other}");
        }
    }

    #[test]
    fn what_runs_is_never_forgotten() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        for number in [1, 2] {
            replace(&folder.path().join("versions"), &format!("{number}.json"), &json!({})).unwrap();
        }
        folder.put(&Folder::routes(OUTER), &Version::new(2, Slot::B).to_string(), &[]).unwrap();
        folder.forget(1);
        folder.forget(2);
        assert_eq!(folder.numbers().unwrap(), [2]);
    }

    #[test]
    fn a_lock_is_one_holders_and_ends_with_it() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        let held = folder.lock().unwrap();
        assert!(held.is_some() && folder.lock().unwrap().is_none());
        drop(held);
        assert!(folder.lock().unwrap().is_some());
    }
}
