//! Where two values of JSON differ, told leaf by leaf: `properties.limit.maximum`, and what it was and is.

use serde_json::Value as Json;

use crate::policy::header;

/// One place at which they differ.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Leaf {
    /// The place: names, and indices in brackets.
    pub name: String,
    /// What stood there.
    pub before: String,
    /// What stands there now.
    pub after: String,
}

/// Members that hold secrets, digests of secrets, or a key's numbers (RFC 7518 §6), beside the headers that do: which ones is
/// nobody's to read.
const UNSAID: [&str; 17] = [
    "default",
    "sha256",
    "hmac",
    "key_sha256",
    "purge_key_sha256",
    "k",
    "d",
    "p",
    "q",
    "dp",
    "dq",
    "qi",
    "oth",
    "n",
    "e",
    "x",
    "y",
];

/// Which members are not shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Veil {
    /// None: this says nothing of secrets, and its names are anybody's.
    Open,
    /// Those that hold secrets or keys.
    Secrets,
}

/// What stands for a value that is not shown, and for another one.
const VEILED: &str = "not shown";
const OTHER: &str = "another, not shown";
/// What stands for no value.
const NOTHING: &str = "nothing";

/// All places at which they differ; `name` is that of the whole.
pub fn differences(name: &str, before: &Json, after: &Json, veil: Veil) -> Vec<Leaf> {
    let mut leaves = Vec::new();
    compare(name, before, after, veil, &mut leaves);
    leaves
}

fn compare(name: &str, before: &Json, after: &Json, veil: Veil, leaves: &mut Vec<Leaf>) {
    if before == after {
        return;
    }
    let children = match (before, after) {
        (Json::Object(one), Json::Object(other)) => {
            let mut keys: Vec<&String> = one.keys().chain(other.keys()).collect();
            keys.sort();
            keys.dedup();
            keys.iter().map(|key| (place(name, key), one.get(*key), other.get(*key))).collect()
        }
        (Json::Array(one), Json::Array(other)) => match items(name, one, other) {
            Some(children) => children,
            None => return leaves.push(leaf(name, before, after, veil)),
        },
        _ => return leaves.push(leaf(name, before, after, veil)),
    };
    for (name, one, other) in children {
        compare(&name, one.unwrap_or(&Json::Null), other.unwrap_or(&Json::Null), veil, leaves);
    }
}

fn place(name: &str, key: &str) -> String {
    if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") }
}

/// A part of two values, and where it is.
type Child<'j> = (String, Option<&'j Json>, Option<&'j Json>);

/// The items of two lists beside each other: by their own names where they have any, else in order where they are as many.
/// `None` where lists are told as a whole.
fn items<'j>(name: &str, one: &'j [Json], other: &'j [Json]) -> Option<Vec<Child<'j>>> {
    if let (Some(before), Some(after)) = (named(one), named(other)) {
        let mut names: Vec<&String> = before.iter().chain(&after).map(|(name, _)| name).collect();
        names.sort();
        names.dedup();
        let find = |items: &[(String, &'j Json)], name: &str| {
            items.iter().find(|(other, _)| other == name).map(|(_, item)| *item)
        };
        let child = |key: &String| (format!("{name}[{key}]"), find(&before, key), find(&after, key));
        return Some(names.into_iter().map(child).collect());
    }
    let is_whole = |item: &Json| item.is_object() || item.is_array();
    let pairs = one.iter().zip(other).enumerate();
    (one.len() == other.len() && one.iter().chain(other).all(is_whole))
        .then(|| pairs.map(|(index, (one, other))| (format!("{name}[{index}]"), Some(one), Some(other))).collect())
}

/// The items of a list by their names; two of one name are the first and the second of it.
fn named(items: &[Json]) -> Option<Vec<(String, &Json)>> {
    let mut named: Vec<(String, &Json)> = Vec::new();
    for item in items {
        let name = ["id", "kid", "issuer", "name"].iter().find_map(|member| item.get(member)?.as_str())?;
        let earlier = named.iter().filter(|(_, other)| is_called(other, name)).count();
        named.push((if earlier == 0 { name.to_owned() } else { format!("{name} {}", earlier + 1) }, item));
    }
    Some(named)
}

fn is_called(item: &Json, name: &str) -> bool {
    ["id", "kid", "issuer", "name"].iter().find_map(|member| item.get(member)?.as_str()) == Some(name)
}

fn leaf(name: &str, before: &Json, after: &Json, veil: Veil) -> Leaf {
    let is_unsaid = veil == Veil::Secrets && is_secret(name);
    let (before, after) = match (before, after) {
        (Json::Null, after) if is_unsaid => (NOTHING.to_owned(), shown(after, |_| VEILED.to_owned())),
        (before, Json::Null) if is_unsaid => (shown(before, |_| VEILED.to_owned()), NOTHING.to_owned()),
        _ if is_unsaid => (VEILED.to_owned(), OTHER.to_owned()),
        _ => (written(before, veil), written(after, veil)),
    };
    Leaf { name: name.to_owned(), before, after }
}

/// Whether what stands at this place is not shown: its name says so, or that of a list around it.
fn is_secret(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    is_unsaid(last.split('[').next().unwrap_or(last))
}

fn is_unsaid(member: &str) -> bool {
    UNSAID.contains(&member) || header::is_credential(member)
}

fn shown(value: &Json, show: impl Fn(&Json) -> String) -> String {
    if value.is_null() { NOTHING.to_owned() } else { show(value) }
}

/// A value, without what is not shown of it.
pub fn written(value: &Json, veil: Veil) -> String {
    shown(value, |value| if veil == Veil::Open { value.to_string() } else { veiled(value).to_string() })
}

fn veiled(value: &Json) -> Json {
    match value {
        Json::Object(members) => {
            let said = members.iter().filter(|(key, _)| !is_unsaid(key));
            said.map(|(key, value)| (key.clone(), veiled(value))).collect()
        }
        Json::Array(items) => items.iter().map(veiled).collect(),
        leaf => leaf.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(before: &Json, after: &Json, expected: &[(&str, &str, &str)]) {
        let found = differences("a", before, after, Veil::Secrets);
        let found: Vec<_> =
            found.iter().map(|leaf| (leaf.name.as_str(), leaf.before.as_str(), leaf.after.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_differs_is_told_at_its_place_and_nothing_else_is() {
        check(&json!({"b": {"c": 1, "d2": 2}}), &json!({"b": {"c": 3, "d2": 2}}), &[("a.b.c", "1", "3")]);
        check(&json!({"b": 1}), &json!({}), &[("a.b", "1", "nothing")]);
        check(&json!({"b": [1, 2]}), &json!({"b": [1]}), &[("a.b", "[1,2]", "[1]")]);
        check(&json!([{"b": 1}, {"c": 2}]), &json!([{"b": 1}, {"c": 3}]), &[("a[1].c", "2", "3")]);
        check(
            &json!([{"id": "m", "b": 1}, {"id": "n"}]),
            &json!([{"id": "n"}, {"id": "m", "b": 2}]),
            &[("a[m].b", "1", "2")],
        );
        check(
            &json!([{"id": "m"}]),
            &json!([{"id": "m"}, {"id": "m", "b": 1}]),
            &[("a[m 2]", "nothing", r#"{"b":1,"id":"m"}"#)],
        );
    }

    #[test]
    fn a_secret_is_told_to_be_another_and_never_shown() {
        let key = |digest: &str| json!([{"id": "m", "sha256": digest}]);
        check(&key("00"), &key("11"), &[("a[m].sha256", "not shown", "another, not shown")]);
        check(&json!([]), &key("11"), &[("a[m]", "nothing", r#"{"id":"m"}"#)]);
        check(&json!({}), &json!({"key_sha256": ["00"]}), &[("a.key_sha256", "nothing", "not shown")]);
        check(&json!({"default": "s"}), &json!({}), &[("a.default", "not shown", "nothing")]);
    }
}
