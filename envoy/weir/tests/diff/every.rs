//! Every scalar of the policies changed, one at a time: what `weir check` takes, `weir diff` tells of.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value as Json;
use weir::diagnostic::Mistakes;
use weir::diff::{Difference, compare};
use weir::document::{self, Document, Reading};
use weir::draft::Draft;
use weir::gateway::Gateway;
use weir::schema::{self, POLICY};
use weir::yaml;

use super::leaf::{choices, kind, names, others, scalars};

/// Nearly everything that a policy can say.
const FULL: &str = include_str!("../schema/full.yaml");
/// What the variables of the tests hold.
const SECRET: &str = "dGhlIHNlY3JldCBvZiB0aGUgdGVzdHMsIGluIGJhc2U2NHVybA";

/// What may be changed without a request being treated differently, and why: what begins so, ends so (`*`) or is so (`=`).
const SAME: [(&str, &str); 5] = [
    ("/examples", "they are requests to try, and nothing that is done with any"),
    ("/sandbox", "it holds with `--sandbox` alone, which is not said here"),
    ("*/sandbox", "the same, of a secret"),
    ("/admin/listen", "Envoy itself is asked there, on the loopback, and by no client"),
    ("=/admin", "the same, where nothing else is said of it"),
];

/// A policy that is tried.
struct Tried {
    name: String,
    plain: Json,
    folder: PathBuf,
}

fn variable(name: &str) -> Option<String> {
    (name != "WEIR_NO_SUCH").then(|| SECRET.to_owned())
}

fn read(policy: &Json, folder: &Path) -> Option<Document> {
    let reading = Reading { variable: Some(&variable), ..Reading::default() };
    document::read(&folder.join("p.yaml"), policy.to_string().as_bytes(), &reading).ok()
}

fn gateway(document: &Document) -> Gateway<'_> {
    Gateway::of(document, &variable).unwrap()
}

/// The policies that ship, and the one that says everything.
fn tried() -> Vec<Tried> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
    let policy = |name: &str, text: &str| {
        let root = yaml::parse(text, &mut Mistakes::default()).unwrap();
        Tried { name: name.to_owned(), plain: Draft::of(&root).to_json(), folder: folder.clone() }
    };
    let shipped = ["demo.yaml", "products.yaml", "songnodes.yaml"];
    let shipped = shipped.map(|name| policy(name, &std::fs::read_to_string(folder.join(name)).unwrap()));
    // In the shadow, nobody waits, whatever is said of it.
    let full = FULL.replace("\n  shadow: true\n", "\n  shadow: false\n");
    std::iter::once(policy("full.yaml", &full)).chain(shipped).collect()
}

fn is_same(at: &str) -> bool {
    SAME.iter().any(|(place, _)| match (place.strip_prefix('*'), place.strip_prefix('=')) {
        (Some(end), _) => at.ends_with(end),
        (_, Some(whole)) => at == whole,
        (None, None) => at.starts_with(place),
    })
}

/// What may stand in one place of a policy instead.
struct Trial<'t> {
    tried: &'t Tried,
    at: String,
    others: Vec<Json>,
}

/// So many valid ones of each are compared.
const OTHERS_MAX: usize = 2;

fn trials(tried: &[Tried]) -> Vec<Trial<'_>> {
    let mut choices_of = Vec::new();
    choices(&schema::of(POLICY).unwrap(), &mut choices_of);
    let mut trials = Vec::new();
    let mut kinds = std::collections::HashSet::new();
    for tried in tried {
        let words: Vec<_> = choices_of.iter().cloned().chain(names(&tried.plain)).collect();
        let mut places = Vec::new();
        scalars(&tried.plain, "", &mut places);
        for at in places {
            // Of what several policies say, it is the first that is tried: full.yaml, which is soon compared.
            if is_same(&at) || !kinds.insert(kind(&at)) && tried.name != "full.yaml" {
                continue;
            }
            let others = others(tried.plain.pointer(&at).unwrap(), &words);
            trials.push(Trial { tried, at, others });
        }
    }
    trials
}

/// What is wrong with what is told of a change to this policy.
fn wrong(old: &Gateway<'_>, new: &Document) -> Result<(), String> {
    let told = compare(old, &gateway(new));
    let text = told.to_text();
    let mut said = Vec::new();
    if told == Difference::default() {
        said.push("nothing is told");
    }
    let is_same = |lines: &[String], others: &[String]| lines.iter().any(|line| others.contains(line));
    if told.everywhere.iter().any(|(_, before, after)| before == after)
        || told.changes.iter().any(|change| is_same(&change.gone, &change.come))
    {
        said.push("what is told is the same before and after");
    }
    if text.contains(SECRET) || text.split(|c: char| !c.is_ascii_hexdigit()).any(|word| word.len() >= 64) {
        said.push("a secret is told, or a digest of one");
    }
    if said.is_empty() { Ok(()) } else { Err(format!("{}\n{text}", said.join(", "))) }
}

/// How many of the values are valid, and what is wrong with what is told of each.
fn failures(trial: &Trial<'_>, old: &Gateway<'_>) -> (usize, Vec<String>) {
    let Tried { name, plain, folder } = trial.tried;
    let (at, was) = (&trial.at, plain.pointer(&trial.at).unwrap());
    let changed = trial.others.iter().filter_map(|other| {
        let mut policy = plain.clone();
        *policy.pointer_mut(at).unwrap() = other.clone();
        Some((other, read(&policy, folder)?))
    });
    let (mut valid, mut failures) = (0, Vec::new());
    for (other, new) in changed.take(OTHERS_MAX) {
        valid += 1;
        failures.extend(wrong(old, &new).err().map(|said| format!("{name} {at} {was} -> {other}: {said}")));
    }
    (valid, failures)
}

#[test]
fn whatever_of_a_policy_is_changed_is_told() {
    let tried = tried();
    let trials = trials(&tried);
    let (next, found) = (AtomicUsize::new(0), Mutex::new((0, Vec::new())));
    let work = || {
        let documents: Vec<_> = tried.iter().map(|tried| read(&tried.plain, &tried.folder).unwrap()).collect();
        let olds: Vec<_> = tried.iter().map(|tried| &tried.name).zip(documents.iter().map(gateway)).collect();
        while let Some(trial) = trials.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (_, old) = olds.iter().find(|(name, _)| **name == trial.tried.name).unwrap();
            let (valid, failures) = failures(trial, old);
            let mut found = found.lock().unwrap();
            found.0 += valid;
            found.1.extend(failures);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, Into::into) {
            scope.spawn(work);
        }
    });
    let (valid, failures) = found.into_inner().unwrap();
    assert!(failures.is_empty(), "{} of {valid}:\n{}", failures.len(), failures.join("\n"));
    assert!(valid > 400, "{valid} of {}", trials.len());
}
