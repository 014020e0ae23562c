//! Reads typed values out of a YAML tree, and notes every mistake on the way instead of stopping at the first.
//!
//! Each reader answers `None` where it has noted a mistake, so a caller reads on with what it has; the policy as a
//! whole is refused if anything was noted.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use policy::Period;

use crate::code::Code;
use crate::diagnostic::{Mistakes, Span};
use crate::draft::Draft;
use crate::yaml::{Entry, Node, Value};

/// A value and where it was written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// A value at its place.
    pub const fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

/// The keys of one mapping, taken one by one; what nobody took is unknown.
#[derive(Debug)]
pub struct Fields<'a> {
    /// Where a mistake about the mapping as a whole is shown.
    pub span: Span,
    entries: &'a [Entry],
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// The keys of a mapping; anything else is a mistake. `what` says what the mapping describes.
    pub fn of(node: &'a Node, what: &str, mistakes: &mut Mistakes) -> Option<Self> {
        let Value::Map(entries) = &node.value else {
            mistakes.add(
                &node.span,
                format!("{} is not a mapping", kind(node)),
                format!("expected the keys of {what}"),
            );
            return None;
        };
        Some(Self { span: node.span.clone(), entries, known: Vec::new() })
    }

    /// The value of a key that may be left out.
    pub fn optional(&mut self, key: &'static str) -> Option<&'a Node> {
        self.known.push(key);
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// The value of a key that must be there.
    pub fn required(&mut self, key: &'static str, mistakes: &mut Mistakes) -> Option<&'a Node> {
        let node = self.optional(key);
        if node.is_none() {
            let expected = format!("expected the key `{key}` here");
            mistakes.add_as(Code::MissingKey, &self.span, format!("`{key}` is missing"), expected);
        }
        node
    }

    /// Notes every key that nobody took.
    pub fn finish(self, mistakes: &mut Mistakes) {
        for entry in self.entries.iter().filter(|entry| !self.known.contains(&entry.key.as_str())) {
            let expected = match nearest(&entry.key, self.known.iter().copied()) {
                Some(key) => format!("did you mean `{key}`?"),
                None => format!("expected {}", one_of(&self.known)),
            };
            mistakes.add_as(Code::UnknownKey, &entry.span, format!("unknown key `{}`", entry.key), expected);
        }
    }
}

/// The word that was probably meant: close enough to be a slip of the hand.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |candidate: &str| strsim::damerau_levenshtein(word, candidate);
    let closest = known.into_iter().map(|candidate| (distance(candidate), candidate)).min()?;
    (closest.0 <= 2.max(word.len() / 4) && closest.0 < word.len().max(1)).then_some(closest.1)
}

/// Words as a sentence lists them: `a`, `b` or `c`.
pub fn one_of<T: AsRef<str>>(words: &[T]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("`{}`", word.as_ref())).collect();
    match quoted.split_last() {
        None => "nothing".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

/// Says what a value is, for messages.
pub fn kind(node: &Node) -> String {
    match &node.value {
        Value::Null => "nothing".to_owned(),
        Value::Text { text, .. } => format!("`{}`", shortened(text)),
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "a mapping".to_owned(),
    }
}

fn shortened(text: &str) -> String {
    let line: String = text.chars().take(40).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.len() < text.len() { format!("{line}…") } else { line }
}

fn wrong<T>(node: &Node, not: &str, expected: impl Into<String>, mistakes: &mut Mistakes) -> Option<T> {
    mistakes.add(&node.span, format!("{} is not {not}", kind(node)), expected);
    None
}

/// Text that is not empty.
pub fn text(node: &Node, mistakes: &mut Mistakes) -> Option<Spanned<String>> {
    match &node.value {
        Value::Text { text, .. } if !text.is_empty() => Some(Spanned::new(text.clone(), node.span.clone())),
        _ => wrong(node, "text", "expected text", mistakes),
    }
}

/// A name of our own: it becomes part of metrics, cluster names and configuration paths.
pub fn name(text: &str, span: &Span, mistakes: &mut Mistakes) -> bool {
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    let good = text.len() <= 64 && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(fine);
    if !good {
        let expected = "expected at most 64 of a-z 0-9 _ -, a letter first";
        mistakes.add(span, format!("`{}` is not a name", shortened(text)), expected);
    }
    good
}

/// `true` or `false`, without quotes.
pub fn boolean(node: &Node, mistakes: &mut Mistakes) -> Option<bool> {
    match &node.value {
        Value::Text { text, plain: true } if text == "true" => Some(true),
        Value::Text { text, plain: true } if text == "false" => Some(false),
        _ => wrong(node, "a boolean", "expected `true` or `false`", mistakes),
    }
}

/// A whole number within a range.
pub fn whole(node: &Node, range: RangeInclusive<u64>, mistakes: &mut Mistakes) -> Option<u64> {
    let expected = if *range.end() == u64::MAX {
        format!("expected a whole number, at least {}", range.start())
    } else {
        format!("expected a whole number from {} to {}", range.start(), range.end())
    };
    let Value::Text { text, plain: true } = &node.value else {
        return wrong(node, "a number", expected, mistakes);
    };
    match text.parse::<u64>() {
        Ok(number) if range.contains(&number) => Some(number),
        Ok(_) => {
            mistakes.add(&node.span, format!("`{number}` is out of range", number = shortened(text)), expected);
            None
        }
        Err(_) => wrong(node, "a whole number", expected, mistakes),
    }
}

/// One of a few words.
pub fn word<T: Copy>(node: &Node, words: &[(&str, T)], mistakes: &mut Mistakes) -> Option<T> {
    let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
    if let Value::Text { text, .. } = &node.value {
        if let Some((_, value)) = words.iter().find(|(name, _)| name == text) {
            return Some(*value);
        }
        if let Some(meant) = nearest(text, names.iter().copied()) {
            let expected = format!("did you mean `{meant}`?");
            return wrong(node, &format!("one of {}", one_of(&names)), expected, mistakes);
        }
    }
    wrong(node, "known here", format!("expected {}", one_of(&names)), mistakes)
}

/// A length of time: `250ms`, `30s`, `5m`, `12h`, `30d`.
pub fn period(node: &Node, range: RangeInclusive<Duration>, mistakes: &mut Mistakes) -> Option<Period> {
    let show = |length: &Duration| Period::of(*length).to_string();
    let Some(period) = scalar(node).and_then(Period::parse) else {
        return wrong(
            node,
            "a length of time",
            "expected a number and a unit like 250ms, 30s, 5m, 12h or 30d",
            mistakes,
        );
    };
    if range.contains(&period.length()) {
        return Some(period);
    }
    let expected = format!("expected {} to {}", show(range.start()), show(range.end()));
    mistakes.add(&node.span, format!("{} is out of range", kind(node)), expected);
    None
}

/// An amount of memory: `512KiB`, `64MiB`, `1GiB`.
pub fn bytes(node: &Node, range: RangeInclusive<u64>, mistakes: &mut Mistakes) -> Option<u64> {
    let expected = "expected a number and a unit like 512KiB, 64MiB or 1GiB";
    let parsed = scalar(node).and_then(|text| {
        let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
        let size: u64 = match unit {
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return None,
        };
        number.parse::<u64>().ok()?.checked_mul(size)
    });
    match parsed {
        Some(bytes) if range.contains(&bytes) => Some(bytes),
        Some(_) => {
            let expected = format!("expected {}KiB to {}KiB", range.start() >> 10, range.end() >> 10);
            mistakes.add(&node.span, format!("{} is out of range", kind(node)), expected);
            None
        }
        None => wrong(node, "an amount of memory", expected, mistakes),
    }
}

/// An address and a port.
pub fn address(node: &Node, mistakes: &mut Mistakes) -> Option<Spanned<SocketAddr>> {
    match scalar(node).and_then(|text| text.parse().ok()) {
        Some(address) => Some(Spanned::new(address, node.span.clone())),
        None => wrong(node, "an address", "expected an IP address and a port, like 127.0.0.1:8080", mistakes),
    }
}

/// The items of a list.
pub fn items<'a>(node: &'a Node, what: &str, mistakes: &mut Mistakes) -> Option<&'a [Node]> {
    match &node.value {
        Value::List(items) => Some(items),
        _ => wrong(node, "a list", format!("expected a list of {what}"), mistakes),
    }
}

/// A list of texts. Those that are not text are noted and left out.
pub fn texts(node: &Node, what: &str, mistakes: &mut Mistakes) -> Option<Vec<Spanned<String>>> {
    let items = items(node, what, mistakes)?;
    Some(items.iter().filter_map(|item| text(item, mistakes)).collect())
}

/// The entries of a mapping whose keys are the user's own words.
pub fn entries<'a>(node: &'a Node, what: &str, mistakes: &mut Mistakes) -> Option<&'a [Entry]> {
    match &node.value {
        Value::Map(entries) => Some(entries),
        _ => wrong(node, "a mapping", format!("expected {what}"), mistakes),
    }
}

/// A mapping that a filter reads, as it stands; `what` says what was expected.
pub fn mapping(node: &Node, what: &str, mistakes: &mut Mistakes) -> Option<Draft> {
    match &node.value {
        Value::Map(_) => Some(Draft::of(node)),
        _ => wrong(node, "a mapping", format!("expected {what}"), mistakes),
    }
}

/// Whether it is the word `off`.
pub fn is_off(node: &Node) -> bool {
    scalar(node) == Some("off")
}

/// The characters of a scalar.
pub fn scalar(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Text { text, .. } => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;

    /// Reads the value of `a: <value>` and gives what came of it and what was said.
    fn check<T>(value: &str, read: impl Fn(&Node, &mut Mistakes) -> Option<T>) -> Result<T, String> {
        let mut mistakes = Mistakes::default();
        let root = yaml::parse(&format!("a: {value}\n"), &mut mistakes).unwrap();
        let Value::Map(entries) = &root.value else { panic!("a mapping") };
        let read = read(&entries[0].node, &mut mistakes);
        let said: Vec<_> = mistakes.in_order().iter().map(|one| format!("{}: {}", one.wrong, one.expected)).collect();
        read.ok_or(said.join("; "))
    }

    #[test]
    fn a_wrong_scalar_is_told_what_is_right() {
        let second = Duration::from_secs(1);
        assert_eq!(check("7", |n, m| whole(n, 1..=9, m)), Ok(7));
        for (value, said) in [
            ("0", "`0` is out of range: expected a whole number from 1 to 9"),
            ("-1", "`-1` is not a whole number: expected a whole number from 1 to 9"),
            ("\"7\"", "`7` is not a number: expected a whole number from 1 to 9"),
            ("[7]", "a list is not a number: expected a whole number from 1 to 9"),
        ] {
            assert_eq!(check(value, |n, m| whole(n, 1..=9, m)), Err(said.to_owned()));
        }
        assert_eq!(check("yes", boolean), Err("`yes` is not a boolean: expected `true` or `false`".into()));
        assert_eq!(check("\"true\"", boolean), Err("`true` is not a boolean: expected `true` or `false`".into()));
        assert_eq!(check("~", text).unwrap_err(), "nothing is not text: expected text");
        assert_eq!(
            check("10", |n, m| period(n, second..=second * 9, m)).unwrap_err().split(':').next(),
            Some("`10` is not a length of time")
        );
        assert_eq!(
            check("10s", |n, m| period(n, second..=second * 9, m)).unwrap_err(),
            "`10s` is out of range: expected 1s to 9s"
        );
        assert_eq!(check("64MiB", |n, m| bytes(n, 0..=1 << 30, m)), Ok(64 << 20));
        assert_eq!(
            check("64", |n, m| bytes(n, 0..=1 << 30, m)).unwrap_err(),
            "`64` is not an amount of memory: expected a number and a unit like 512KiB, 64MiB or 1GiB"
        );
    }

    #[test]
    fn a_slip_of_the_hand_is_recognised() {
        assert_eq!(nearest("upstrem", ["upstream", "match"]), Some("upstream"));
        assert_eq!(nearest("tiems", ["tier", "timeout"]), Some("tier"));
        assert_eq!(nearest("x", ["a"]), None);
        assert_eq!(nearest("colour", ["upstream"]), None);
        let words = [("required", 1), ("optional", 2)];
        assert_eq!(check("optional", |n, m| word(n, &words, m)), Ok(2));
        assert_eq!(
            check("requierd", |n, m| word(n, &words, m)).unwrap_err(),
            "`requierd` is not one of `required` or `optional`: did you mean `required`?"
        );
        assert_eq!(
            check("{}", |n, m| word(n, &words, m)).unwrap_err(),
            "a mapping is not known here: expected `required` or `optional`"
        );
    }
}
