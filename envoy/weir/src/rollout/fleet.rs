//! A fleet: its proxies, as a file names them, and how many of them each step moves.
//!
//! ```yaml
//! proxies:
//! - {name: edge-1, xds_dir: edge-1, admin: 10.0.0.1:9901}      # the folder seen from this file; what `--admin` says of `weir apply`
//! - {name: edge-2, xds_dir: edge-2, admin: 10.0.0.2:9901}
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::apply::{Failure, Target};
use crate::diagnostic::{Mistakes, Report};
use crate::document;
use crate::reader::{self, Fields};
use crate::say;
use crate::yaml::{self, Node};

/// One proxy.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// What it is called.
    pub name: String,
    /// Its folder and its Envoy.
    pub target: Target,
}

/// Reads a fleet's file; what is wrong with it is said.
///
/// # Errors
/// A file that cannot be read, and mistakes in it.
pub fn read(file: &Path) -> Result<Vec<Proxy>, Failure> {
    let bytes = document::bytes(file)
        .map_err(|error| Failure::Unable(format!("{} cannot be read: {error}", file.display())))?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let mut mistakes = Mistakes::default();
    let proxies = yaml::parse(&text, &mut mistakes).and_then(|root| proxies(&root, file, &mut mistakes));
    if let Some(proxies) = proxies.filter(|_| mistakes.is_empty()) {
        return proxies.into_iter().collect();
    }
    // Whoever cannot hear it learns by how the command ends.
    let _ = say::found(&Report { name: file.display().to_string(), text, mistakes: mistakes.in_order() });
    Err(Failure::Mistakes)
}

fn proxies(root: &Node, file: &Path, mistakes: &mut Mistakes) -> Option<Vec<Result<Proxy, Failure>>> {
    let mut fields = Fields::of(root, "a fleet: `proxies`", mistakes)?;
    let list = fields.required("proxies", mistakes).and_then(|list| reader::items(list, "proxies", mistakes));
    fields.finish(mistakes);
    let mut names: Vec<String> = Vec::new();
    let mut folders: BTreeMap<PathBuf, String> = BTreeMap::new();
    let mut proxies = Vec::new();
    for node in list? {
        let mut fields = Fields::of(node, "a proxy: `name`, `xds_dir` and `admin`", mistakes)?;
        let name = fields.required("name", mistakes).and_then(|name| reader::text(name, mistakes));
        let folder = fields.required("xds_dir", mistakes).and_then(|folder| reader::text(folder, mistakes));
        let admin = fields.optional("admin").and_then(|admin| reader::address(admin, mistakes));
        fields.finish(mistakes);
        let (Some(name), Some(folder)) = (name, folder) else { continue };
        if names.contains(&name.value) {
            mistakes.add(&name.span, format!("there are two of `{}`", name.value), "each has a name of its own");
        }
        names.push(name.value.clone());
        let path = file.parent().unwrap_or(Path::new("")).join(folder.value);
        let target = Target::new(&path, admin.map(|admin| admin.value));
        // However it is written.
        let place = target.as_ref().map_or(path, |target| target.folder.path().to_owned());
        if let Some(other) = folders.insert(place, name.value.clone()) {
            mistakes.add(&folder.span, format!("this is the folder of `{other}`"), "each proxy follows one of its own");
        }
        proxies.push(target.map(|target| Proxy { name: name.value, target }));
    }
    if proxies.is_empty() {
        mistakes.add(&root.span, "there is no proxy", "expected one at least");
    }
    Some(proxies)
}

/// How many proxies have moved after each step, as in `1,25%,100%`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Steps(Vec<Size>);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Size {
    Proxies(usize),
    Percent(usize),
}

impl std::str::FromStr for Steps {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let size = |word: &str| match word.strip_suffix('%') {
            Some(percent) => percent.parse().ok().filter(|percent| (1..=100).contains(percent)).map(Size::Percent),
            None => word.parse().ok().filter(|count| *count > 0).map(Size::Proxies),
        };
        let sizes: Option<Vec<_>> = text.split(',').map(|word| size(word.trim())).collect();
        sizes.map(Self).ok_or_else(|| "expected steps like 1,25%,100%".to_owned())
    }
}

impl Steps {
    /// After each step, how many of so many proxies have moved: ever more, and all of them in the end.
    pub fn of(&self, proxies: usize) -> Vec<usize> {
        let mut counts: Vec<usize> = Vec::new();
        for size in &self.0 {
            let count = match size {
                Size::Proxies(count) => *count,
                Size::Percent(percent) => (proxies * percent).div_ceil(100),
            };
            let count = count.min(proxies);
            if counts.last().is_none_or(|last| *last < count) {
                counts.push(count);
            }
        }
        if counts.last().is_none_or(|last| *last < proxies) {
            counts.push(proxies);
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use super::*;

    #[test]
    fn each_proxy_has_a_name_and_a_folder_of_its_own() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("fleet.yaml");
        for (other, is_good) in [
            ("name: b, xds_dir: b", true),
            ("name: a, xds_dir: b", false),
            ("name: b, xds_dir: a", false),
            ("name: b, xds_dir: ./b/../a/", false),
            ("name: b, xds_dir: linked", false),
        ] {
            fs::create_dir_all(place.path().join("b")).unwrap();
            let _ = std::os::unix::fs::symlink("a", place.path().join("linked"));
            fs::write(&file, format!("proxies:\n- {{name: a, xds_dir: a}}\n- {{{other}}}\n")).unwrap();
            assert_eq!(read(&file).map(|proxies| proxies.len()).ok(), is_good.then_some(2), "{other}");
        }
    }

    #[test]
    fn steps_grow_until_they_are_all() {
        for (steps, proxies, expected) in [
            ("1,25%,100%", 10, vec![1, 3, 10]),
            ("1,25%,100%", 2, vec![1, 2]),
            ("1,25%,100%", 1, vec![1]),
            ("50%,1, 10%", 10, vec![5, 10]),
            ("3", 10, vec![3, 10]),
            ("20", 10, vec![10]),
        ] {
            assert_eq!(steps.parse::<Steps>().unwrap().of(proxies), expected, "{steps} of {proxies}");
        }
        for wrong in ["", "0", "0%", "101%", "1;2", "-1", "1.5", "a"] {
            assert!(wrong.parse::<Steps>().is_err(), "{wrong}");
        }
    }
}
