//! Values of another kind, one at a time, wherever a policy says anything: the schema and the command refuse the same.

use super::*;

/// A policy in which little is made use of.
const LEAST: &str = "version: 1\nupstreams: {a: {url: http://a.example}}\nroutes: [{match: GET /a, upstream: a}]\n";

/// Every value of a document by its JSON pointer, objects and lists included.
fn values(document: &Json, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match document {
        Json::Object(members) => members.iter().for_each(|(key, value)| {
            values(value, &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), found);
        }),
        Json::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| values(item, &format!("{at}/{index}"), found));
        }
        _ => {}
    }
}

/// The least policy with one more word of the full one each, and the place of that word.
fn one_word_each() -> Vec<(Json, String)> {
    let (full, least) = (plain(FULL), plain(LEAST));
    let mut policies = Vec::new();
    let mut add = |object: &Json, at: &str| {
        for (key, value) in object.as_object().unwrap() {
            if least.pointer(at).unwrap().get(key).is_none() {
                let policy = changed(&least, at, |members| drop(members.insert(key.clone(), value.clone())));
                policies.push((policy, format!("{at}/{key}")));
            }
        }
    };
    add(&full, "");
    for upstream in full["upstreams"].as_object().unwrap().values() {
        add(upstream, "/upstreams/a");
    }
    for route in full["routes"].as_array().unwrap() {
        add(route, "/routes/0");
    }
    policies
}

/// Which of these policies with one value changed only one of both refuses.
fn apart(documents: &[(String, Json)]) -> Vec<String> {
    let verdicts = judged(&documents.iter().map(|(_, document)| (POLICY, document)).collect::<Vec<_>>());
    let judged = documents.iter().zip(verdicts);
    let apart = judged.filter_map(|((at, document), errors)| {
        let said = read(&document.to_string(), Path::new("")).err();
        (errors.is_empty() != said.is_none()).then(|| format!("{at}: {errors:?} {}", said.unwrap_or_default()))
    });
    apart.collect()
}

fn with(policy: &Json, at: &str, value: &Json) -> (String, Json) {
    let mut other = policy.clone();
    *other.pointer_mut(at).unwrap() = value.clone();
    (format!("{at} = {value}"), other)
}

#[test]
fn what_the_schema_refuses_is_refused_also_where_nothing_makes_use_of_it() {
    let mut documents = Vec::new();
    for (policy, word) in one_word_each() {
        let mut places = Vec::new();
        values(policy.pointer(&word).unwrap(), &word, &mut places);
        for at in places {
            for value in [json!([[]]), json!(-1), json!("?")] {
                documents.push(with(&policy, &at, &value));
            }
        }
    }
    let verdicts = judged(&documents.iter().map(|(_, document)| (POLICY, document)).collect::<Vec<_>>());
    let refused = documents.iter().zip(verdicts).filter(|(_, errors)| !errors.is_empty());
    let mut count = 0;
    let good: Vec<_> = refused
        .inspect(|_| count += 1)
        .filter(|((_, document), _)| read(&document.to_string(), Path::new("")).is_ok())
        .map(|((at, _), errors)| format!("{at}: {errors:?}"))
        .collect();
    assert!(good.is_empty(), "the schema refuses these, and the command does not: {good:#?}");
    assert!(count > 300, "{count}");
}

#[test]
fn a_value_of_another_kind_is_refused_by_both_wherever_it_stands() {
    let policy = plain(FULL);
    let mut places = Vec::new();
    values(&policy, "", &mut places);
    // The schema of a body has a language of its own, of which the policy's knows the words alone.
    places.retain(|at| !at.contains("/accepts/schema/") && !policy.pointer(at).unwrap().is_object());
    let documents: Vec<_> = places.iter().map(|at| with(&policy, at, &json!([[]]))).collect();
    let apart = apart(&documents);
    assert!(apart.is_empty(), "{apart:#?}");
}
