//! The scalars of a policy, and what may stand in the place of each instead.

use serde_json::{Value as Json, json};

/// The places of all scalars, by their JSON pointers.
pub(crate) fn scalars(json: &Json, at: &str, found: &mut Vec<String>) {
    let children: Vec<(String, &Json)> = match json {
        Json::Object(members) => {
            members.iter().map(|(key, value)| (key.replace('~', "~0").replace('/', "~1"), value)).collect()
        }
        Json::Array(items) => items.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect(),
        _ => return found.push(at.to_owned()),
    };
    for (key, value) in children {
        scalars(value, &format!("{at}/{key}"), found);
    }
}

/// A place without what tells it from others of its kind: indices, and the names of upstreams.
pub(crate) fn kind(at: &str) -> String {
    let parts: Vec<_> = at.split('/').collect();
    let is_name = |index: usize| index == 2 && parts[1] == "upstreams";
    let part = |(index, part): (usize, &&str)| {
        if is_name(index) || part.bytes().all(|byte| byte.is_ascii_digit()) { "*" } else { part }.to_owned()
    };
    parts.iter().enumerate().skip(1).fold(String::new(), |kind, indexed| kind + "/" + &part(indexed))
}

/// Words of which one may stand where another does: those of each choice in the policy's schema.
pub(crate) fn choices(schema: &Json, found: &mut Vec<Vec<String>>) {
    match schema {
        Json::Object(members) => {
            if let Some(Json::Array(words)) = members.get("enum") {
                found.push(words.iter().filter_map(Json::as_str).map(str::to_owned).collect());
            }
            members.values().for_each(|value| choices(value, found));
        }
        Json::Array(items) => items.iter().for_each(|item| choices(item, found)),
        _ => {}
    }
}

/// The names that a policy gives, by what they are names of.
pub(crate) fn names(policy: &Json) -> Vec<Vec<String>> {
    let of = |key: &str| policy[key].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
    ["upstreams", "tiers", "permissions"].map(of).to_vec()
}

/// Other values for a scalar, some of which may be valid.
pub(crate) fn others(value: &Json, words: &[Vec<String>]) -> Vec<Json> {
    match value {
        Json::Bool(flag) => vec![json!(!flag)],
        Json::Number(number) if number.is_f64() => vec![json!(number.as_f64().unwrap() + 0.5)],
        Json::Number(number) => [1, -1].map(|step| json!(number.as_i64().unwrap() + step)).to_vec(),
        Json::String(text) => texts(text, words).into_iter().filter(|other| other != text).map(Json::from).collect(),
        _ => Vec::new(),
    }
}

fn texts(text: &str, words: &[Vec<String>]) -> Vec<String> {
    let mut others: Vec<String> =
        words.iter().filter(|words| words.iter().any(|word| word == text)).flatten().cloned().collect();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if let Ok(number) = text[..digits].parse::<u64>() {
        others.push(format!("{}{}", number + 1, &text[digits..]));
    }
    let is_digest = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_digest {
        return vec![format!("{}{}", &text[..63], if text.ends_with('0') { '1' } else { '0' })];
    }
    for (part, other) in [
        ("http://", "https://"),
        ("https://", "http://"),
        ("://", "://x"),
        ("GET ", "PUT "),
        ("POST ", "PATCH "),
        (":0", ":1"),
        ("Z", "5Z"),
    ] {
        others.push(text.replacen(part, other, 1));
    }
    others.push(format!("{text}x"));
    others.push(format!("x{text}"));
    // A slash at the end of an address says nothing.
    others.extend(text.strip_suffix(|last| last != '/').map(str::to_owned));
    others
}
