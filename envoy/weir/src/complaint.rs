//! What a filter says about its configuration, told in the words and at the places of the policy file.

use policy::ConfigError;

use crate::code::Code;
use crate::diagnostic::Mistakes;
use crate::draft::{Draft, Pruned};
use crate::reader;
use crate::secret::STAND_IN;

/// More mistakes than this in one filter's configuration are not looked for.
const ROUNDS_MAX: usize = 100;

/// What makes a cluster of the state store.
const STORE: &str = "expected `state: {store: redis, url: …}` in this policy";

/// What filters say of a variable that is not there.
const ABSENT: [&str; 3] = ["the environment has no variable", "the environment has no text", "is not set"];

/// Reads a draft with the filter's own code until it has nothing more to say: each mistake is noted and taken out, so
/// that the next is seen. Gives the valid configuration, if it was valid from the start.
pub fn read<Config>(
    mut draft: Draft,
    parse: impl Fn(&[u8]) -> Result<Config, ConfigError>,
    mistakes: &mut Mistakes,
) -> Option<Config> {
    let mut gaps: Vec<String> = Vec::new();
    let mut is_cut = false;
    for round in 0..ROUNDS_MAX {
        let error = match parse(draft.to_json().to_string().as_bytes()) {
            Ok(config) if round == 0 => return Some(config),
            Ok(_) => return None,
            Err(error) => error,
        };
        // Where something was taken out, what is said about the whole of it may be about the gap.
        let whole = is_cut && !error.path.contains(['[', '.']);
        if whole || gaps.iter().any(|gap| gap.starts_with(&error.path)) {
            return None;
        }
        if !gaps.iter().any(|gap| is_about(&error.reason, gap)) {
            note(&draft, &error, mistakes);
        }
        // Of further variables something may be wrong, too.
        if is_variable(&error.path) && draft.replace(&error.path, STAND_IN) {
            continue;
        }
        is_cut = true;
        let pruned = match unknown_field(&error.reason) {
            Some(_) => draft.prune_key(&error.path),
            None => draft.prune(&error.path),
        };
        match pruned {
            Pruned::Kept => return None,
            Pruned::Item => gaps.extend(error.path.rsplit_once('[').map(|(list, _)| list.to_owned())),
            // A key that nobody knows leaves no gap.
            Pruned::Member if unknown_field(&error.reason).is_some() => {}
            Pruned::Member => gaps.push(error.path),
        }
    }
    None
}

/// Whether a mistake follows from one that was taken out at `gap`: it names what is not there any more, or what that stood in.
fn is_about(reason: &str, gap: &str) -> bool {
    let (outer, inner) = (gap.split(['.', '[']).next().unwrap_or(gap), gap.rsplit('.').next().unwrap_or(gap));
    reason.contains(&format!("`{outer}`")) || reason.contains(&format!("\"{inner}\""))
}

/// Notes what a filter's own code said about a draft.
pub fn note(draft: &Draft, error: &ConfigError, mistakes: &mut Mistakes) {
    let reason = without_position(&error.reason);
    if let Some((field, mut known)) = unknown_field(reason) {
        // What is read elsewhere may be said here all the same.
        for key in draft.beside(&error.path).iter().map(String::as_str) {
            if !known.contains(&key) {
                known.push(key);
            }
        }
        let expected = match reader::nearest(field, known.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("expected {}", reader::one_of(&known)),
        };
        let span = draft.locate_key(&error.path);
        mistakes.add_as(Code::UnknownKey, &span, format!("unknown key `{field}`"), expected);
        return;
    }
    let span = draft.locate(&error.path);
    if let Some(kind) = kind(reason).filter(|_| draft.is_nothing(&error.path)) {
        mistakes.add(&span, format!("{}nothing stands here", subject(&error.path)), format!("expected {kind}"));
        return;
    }
    if let Some(field) = reason.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        let expected = format!("expected the key `{field}` here");
        mistakes.add_as(Code::MissingKey, &span, format!("`{field}` is missing"), expected);
    } else if let Some((wrong, expected)) = reason.split_once(", expected ") {
        mistakes.add(&span, wrong, format!("expected {}", in_words(expected)));
    } else if let Some((expected, found)) = reason.split_once(", got ") {
        mistakes.add(&span, format!("{}{found} is wrong here", subject(&error.path)), expected);
    } else {
        let last = error.path.rsplit('.').next().unwrap_or_default();
        let (code, expected) = match last {
            // What a filter says of a variable, and of what it holds, has the path of its name.
            "env" if reason == "is missing" => {
                (Code::MissingKey, "expected the key `env` here, with a variable's name")
            }
            "env" if ABSENT.iter().any(|words| reason.contains(words)) => (Code::UnknownVariable, "set it"),
            "env" => (Code::InvalidValue, "it is there, and must hold something else"),
            _ if reason == "must be an object" => (Code::InvalidValue, "expected a mapping"),
            // A filter needs the store that nobody has told it of.
            _ if last == "state" || reason.contains("`state`") => (Code::MissingCluster, STORE),
            _ => (Code::InvalidValue, ""),
        };
        mistakes.add_as(code, &span, format!("{}{reason}", subject(&error.path)), expected);
    }
}

/// What kind of value was expected, where that is what a reason is about.
fn kind(reason: &str) -> Option<&str> {
    let of_serde = reason.strip_prefix("invalid type: ").and_then(|rest| Some(rest.split_once(", expected ")?.1));
    of_serde.or_else(|| reason.strip_prefix("must be ")).map(in_words)
}

/// What a policy calls what JSON calls something else, or a reader's own code.
fn in_words(expected: &str) -> &str {
    if matches!(expected, "JSON" | "an object" | "a map") || expected.starts_with("struct ") {
        "a mapping"
    } else {
        expected
    }
}

/// Whether this is the name of a variable, which is said as `env` everywhere.
fn is_variable(path: &str) -> bool {
    path.rsplit('.').next() == Some("env")
}

/// The name that a mistake is about, as the beginning of a sentence.
fn subject(path: &str) -> String {
    match path.rsplit('.').next().map(|last| last.split('[').next().unwrap_or(last)) {
        None | Some("") => String::new(),
        Some(name) => format!("`{name}`: "),
    }
}

/// `serde_json` ends its messages with a position in a text that nobody sees.
fn without_position(reason: &str) -> &str {
    reason.rsplit_once(" at line ").map_or(reason, |(reason, _)| reason)
}

/// The key that serde does not know, and those that it does.
fn unknown_field(reason: &str) -> Option<(&str, Vec<&str>)> {
    let mut words = without_position(reason).strip_prefix("unknown field `")?.split('`');
    let field = words.next()?;
    // Names stand at every second place, between backquotes.
    Some((field, words.skip(1).step_by(2).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Mistakes;
    use serde::Deserialize;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its reading matters")]
    struct Raw {
        rules: Vec<Rule>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its reading matters")]
    struct Rule {
        burst: u32,
        rate: u32,
    }

    #[test]
    fn all_of_a_filters_complaints_are_heard() {
        let text = "rules:\n- {burst: 1, rat: 2, rate: 1}\n- {burst: x, rate: 1}\n- {rate: 1}\n- {burst: 1, rate: 1}\n";
        let mut mistakes = Mistakes::default();
        let draft = Draft::of(&crate::yaml::parse(text, &mut mistakes).unwrap());
        assert!(read(draft, policy::config::read::<Raw>, &mut mistakes).is_none());
        let found: Vec<_> = mistakes
            .in_order()
            .iter()
            .map(|one| (text.get(one.span.clone()).unwrap(), one.wrong.clone(), one.expected.clone()))
            .collect();
        assert_eq!(
            found,
            [
                ("rat", "unknown key `rat`".to_owned(), "did you mean `rate`?".to_owned()),
                ("x", "invalid type: string \"x\"".to_owned(), "expected u32".to_owned()),
                ("rate", "`burst` is missing".to_owned(), "expected the key `burst` here".to_owned()),
            ]
        );
    }

    #[test]
    fn what_follows_from_a_mistake_is_no_mistake() {
        for (gap, reason, expected) in [
            ("tiers.anonymous", "needs the document's `tiers`", true),
            ("breakers.a", "no such breaker: \"a\"", true),
            ("breakers.a", "no such breaker: \"b\"", false),
            ("breakers.a.window", "must be at least 1", false),
        ] {
            assert_eq!(is_about(reason, gap), expected, "{gap}: {reason}");
        }
    }

    #[test]
    fn a_complaint_is_put_in_words() {
        for (reason, wrong, expected) in [
            ("must be at least 1", "`burst`: must be at least 1", ""),
            ("must be in lower case, got \"A\"", "`burst`: \"A\" is wrong here", "must be in lower case"),
            ("unknown variant `a`, expected `b` at line 1 column 2", "unknown variant `a`", "expected `b`"),
            ("invalid type: string \"a\", expected JSON", "invalid type: string \"a\"", "expected a mapping"),
        ] {
            let mut mistakes = Mistakes::default();
            note(&Draft::object(&(0..0)), &ConfigError::at("rules[1].burst", reason), &mut mistakes);
            let said = mistakes.in_order().remove(0);
            assert_eq!((said.wrong.as_str(), said.expected.as_str()), (wrong, expected));
        }
    }
}
