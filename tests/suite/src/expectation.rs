//! The words that expect: after `->`, `saw` and `state`.

use regex::bytes::Regex;

use crate::step::{Expectation, Subject, Test};
use crate::word::{self, Atom, Template, Word};

/// What an answer has to be like: a status, then anything.
pub fn answer(words: &[Word]) -> Result<Vec<Expectation>, String> {
    let (status, rest) = words.split_first().ok_or("expected a status after `->`")?;
    let test = match word::text(status)?.as_str() {
        "*" => Test::Present,
        "reset" | "cut" => Test::Is(vec![Template::new(status)]),
        text if text.len() == 3 && text.ends_with("xx") => {
            let hundred = text[..1].parse().map_err(|_| "expected a status like 2xx".to_owned())?;
            Test::Hundred(hundred)
        }
        text if text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit()) => {
            Test::Is(vec![Template::new(status)])
        }
        text => return Err(format!("expected a status, 2xx, *, reset or cut after `->`, got `{text}`")),
    };
    with_rest(vec![Expectation { subject: Subject::Status, test }], rest)
}

/// What a request that the upstream received has to be like.
pub fn request(method: &str, path: Template, rest: &[Word]) -> Result<Vec<Expectation>, String> {
    let method = Template::new(&method.bytes().map(Atom::Bare).collect::<Word>());
    let first = vec![
        Expectation { subject: Subject::Method, test: Test::Is(vec![method]) },
        Expectation { subject: Subject::Path, test: equality(path) },
    ];
    with_rest(first, rest)
}

/// What filter state has to be like; its keys are read like headers' names.
pub fn states(words: &[Word]) -> Result<Vec<Expectation>, String> {
    let expected = with_rest(Vec::new(), words)?;
    let keys = expected.iter().all(|one| matches!(one.subject, Subject::Header(_)));
    match (expected.is_empty(), keys) {
        (true, _) => Err("expected `state wasm.key=value`".to_owned()),
        (false, false) => Err("filter state has keys only, neither a body nor trailers".to_owned()),
        (false, true) => Ok(expected),
    }
}

fn with_rest(mut expected: Vec<Expectation>, words: &[Word]) -> Result<Vec<Expectation>, String> {
    for word in words {
        let next = one(word)?;
        let before = expected.iter_mut().find(|earlier| earlier.subject == next.subject);
        // `name=a name=b` is one expectation of two values.
        match (before.map(|earlier| (&mut earlier.test, &earlier.subject)), next.test) {
            (Some((Test::Is(values), Subject::Header(_) | Subject::Trailer(_))), Test::Is(more)) => values.extend(more),
            (_, test) => expected.push(Expectation { subject: next.subject, test }),
        }
    }
    Ok(expected)
}

/// One word, as in `name~part`.
fn one(word: &[Atom]) -> Result<Expectation, String> {
    let (negated, word) = match word.split_first() {
        Some((Atom::Bare(b'!'), rest)) => (true, rest),
        _ => (false, word),
    };
    let (name, operator, value) = operator(word);
    let subject = subject(name)?;
    let test = match (negated, operator) {
        (true, "") => Test::Absent,
        (true, "~") => Test::Lacks(Template::new(value)),
        (true, _) => return Err("after `!` comes a name, or `name~part`".to_owned()),
        (false, "=") => equality(Template::new(value)),
        (false, "!=") => Test::IsNot(Template::new(value)),
        (false, "~") => contents(value)?,
        (false, "<=") => Test::AtMost(number(value)?),
        (false, ">=") => Test::AtLeast(number(value)?),
        (false, _) => {
            let shown = word::text(word).unwrap_or_default();
            return Err(format!("expected `name=value`, `name~part`, `!name` …, got `{shown}`"));
        }
    };
    Ok(Expectation { subject, test })
}

/// Splits at the first operator: name, operator, value.
fn operator(word: &[Atom]) -> (&[Atom], &'static str, &[Atom]) {
    for at in 0..word.len() {
        for operator in ["!=", "<=", ">=", "=", "~"] {
            let end = at + operator.len();
            if word.get(at..end).is_some_and(|atoms| word::is_bare(atoms, operator)) {
                return (&word[..at], operator, &word[end..]);
            }
        }
    }
    (word, "", &[])
}

fn subject(name: &[Atom]) -> Result<Subject, String> {
    let bytes = word::spelled(name).filter(|bytes| !bytes.is_empty()).ok_or("expected a name without variables")?;
    if word::is_bare(name, "body") {
        return Ok(Subject::Body);
    }
    if word::is_bare(name.get(..5).unwrap_or_default(), "body.") {
        return Ok(Subject::Member(word::text(&name[5..])?.split('.').map(str::to_owned).collect()));
    }
    if word::is_bare(name.get(..8).unwrap_or_default(), "trailer:") {
        return Ok(Subject::Trailer(bytes[8..].to_ascii_lowercase()));
    }
    Ok(Subject::Header(bytes.to_ascii_lowercase()))
}

fn equality(value: Template) -> Test {
    if value == Template::new(&[Atom::Bare(b'*')]) { Test::Present } else { Test::Is(vec![value]) }
}

/// A part, or `/regex/`.
fn contents(value: &[Atom]) -> Result<Test, String> {
    match value {
        [] => Err("`~` needs what is to be contained".to_owned()),
        [Atom::Bare(b'/'), regex @ .., Atom::Bare(b'/')] if !regex.is_empty() => {
            let regex = word::text(regex)?;
            Regex::new(&regex).map(Test::Matches).map_err(|error| error.to_string())
        }
        _ => Ok(Test::Contains(Template::new(value))),
    }
}

fn number(value: &[Atom]) -> Result<f64, String> {
    let text = word::text(value)?;
    text.parse().map_err(|_| format!("expected a number, got `{text}`"))
}
