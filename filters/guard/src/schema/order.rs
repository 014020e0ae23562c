//! An order of JSON values, by which equal ones are found without comparing each with each.

use std::cmp::Ordering;

use policy::json::Json;

/// Compares two values; equal are those that JSON Schema takes for equal: numbers by their value, objects whatever the order of
/// their members.
pub(super) fn compare(one: &Json, other: &Json) -> Ordering {
    match (one, other) {
        (Json::Bool(one), Json::Bool(other)) => one.cmp(other),
        // No number of JSON is not a number.
        (Json::Number(one), Json::Number(other)) => one.partial_cmp(other).unwrap_or(Ordering::Equal),
        (Json::Text(one), Json::Text(other)) => one.cmp(other),
        (Json::List(one), Json::List(other)) => each(one, other, compare),
        (Json::Object(one), Json::Object(other)) => {
            // Members are sorted by name.
            let (one, other): (Vec<_>, Vec<_>) = (one.iter().collect(), other.iter().collect());
            each(&one, &other, |one, other| one.0.cmp(&other.0).then_with(|| compare(&one.1, &other.1)))
        }
        _ => rank(one).cmp(&rank(other)),
    }
}

fn each<T>(one: &[T], other: &[T], compare: impl Fn(&T, &T) -> Ordering) -> Ordering {
    for (one, other) in one.iter().zip(other) {
        match compare(one, other) {
            Ordering::Equal => {}
            different => return different,
        }
    }
    one.len().cmp(&other.len())
}

const fn rank(value: &Json) -> u8 {
    match value {
        Json::Null => 0,
        Json::Bool(_) => 1,
        Json::Number(_) => 2,
        Json::Text(_) => 3,
        Json::List(_) => 4,
        Json::Object(_) => 5,
    }
}
