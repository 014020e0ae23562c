//! A filter's configuration while it is being put together: JSON in which every value remembers its place in the
//! policy file.
//!
//! The filter's own code then reads the JSON. What it says is wrong, it says with a path (`rules[2].burst`), and the
//! draft leads that path back to the line that the operator wrote.

use serde_json::{Map, Value as Json};

use crate::diagnostic::Span;
use crate::yaml::{Node, Value};

/// A value of the configuration.
#[derive(Clone, Debug)]
pub struct Draft {
    span: Span,
    shape: Shape,
    /// The keys that were taken out: they mean something, though not to the filter.
    taken: Vec<String>,
}

#[derive(Clone, Debug)]
enum Shape {
    Leaf(Json),
    List(Vec<Draft>),
    Object(Vec<Member>),
}

#[derive(Clone, Debug)]
struct Member {
    key: String,
    span: Span,
    draft: Draft,
}

/// What became of a draft from which a mistake was to be taken out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pruned {
    /// An item of a list is gone; the others can be read again.
    Item,
    /// A member of an object is gone; what it leaves open may be the next mistake.
    Member,
    /// Nothing can be taken out there without making another mistake.
    Kept,
}

impl Draft {
    fn shaped(span: &Span, shape: Shape) -> Self {
        Self { span: span.clone(), shape, taken: Vec::new() }
    }

    /// A scalar.
    pub fn leaf(value: impl Into<Json>, span: &Span) -> Self {
        Self::shaped(span, Shape::Leaf(value.into()))
    }

    /// A list.
    pub fn list(items: Vec<Self>, span: &Span) -> Self {
        Self::shaped(span, Shape::List(items))
    }

    /// An object without members.
    pub fn object(span: &Span) -> Self {
        Self::shaped(span, Shape::Object(Vec::new()))
    }

    /// What the policy file says, word for word. A scalar without quotes is a number or a boolean where it looks so.
    pub fn of(node: &Node) -> Self {
        let shape = match &node.value {
            Value::Null => Shape::Leaf(Json::Null),
            Value::Text { text, plain } => Shape::Leaf(if *plain { plain_scalar(text) } else { text.as_str().into() }),
            Value::List(items) => Shape::List(items.iter().map(Self::of).collect()),
            Value::Map(entries) => Shape::Object(
                entries
                    .iter()
                    .map(|entry| Member {
                        key: entry.key.clone(),
                        span: entry.span.clone(),
                        draft: Self::of(&entry.node),
                    })
                    .collect(),
            ),
        };
        Self::shaped(&node.span, shape)
    }

    /// Sets a member of an object; its place is the value's.
    pub fn set(&mut self, key: &str, draft: Self) {
        if let Shape::Object(members) = &mut self.shape {
            members.retain(|member| member.key != key);
            members.push(Member { key: key.to_owned(), span: draft.span.clone(), draft });
        }
    }

    /// Whether an object has this member.
    pub fn has(&self, key: &str) -> bool {
        matches!(&self.shape, Shape::Object(members) if members.iter().any(|member| member.key == key))
    }

    /// Where it was written.
    pub const fn span(&self) -> &Span {
        &self.span
    }

    /// Whether it is a list.
    pub const fn is_list(&self) -> bool {
        matches!(self.shape, Shape::List(_))
    }

    /// The items of a list, or the one thing that is none.
    pub fn items(&self) -> &[Self] {
        match &self.shape {
            Shape::List(items) => items,
            _ => std::slice::from_ref(self),
        }
    }

    /// The same, to be changed.
    pub fn items_mut(&mut self) -> &mut [Self] {
        if self.is_list() {
            let Shape::List(items) = &mut self.shape else { return &mut [] };
            return items;
        }
        std::slice::from_mut(self)
    }

    /// Takes a member out of an object, where somebody else reads it.
    pub fn take(&mut self, key: &str) -> Option<Self> {
        if !self.taken.iter().any(|taken| taken == key) {
            self.taken.push(key.to_owned());
        }
        self.remove(key)
    }

    /// Takes a member out of an object in which it has no meaning.
    pub fn remove(&mut self, key: &str) -> Option<Self> {
        let Shape::Object(members) = &mut self.shape else { return None };
        let index = members.iter().position(|member| member.key == key)?;
        Some(members.remove(index).draft)
    }

    /// The configuration itself.
    pub fn to_json(&self) -> Json {
        match &self.shape {
            Shape::Leaf(value) => value.clone(),
            Shape::List(items) => items.iter().map(Self::to_json).collect(),
            Shape::Object(members) => Json::Object(
                members.iter().map(|member| (member.key.clone(), member.draft.to_json())).collect::<Map<_, _>>(),
            ),
        }
    }

    /// Where the value at `path` was written; of a value that was not, the nearest one around it.
    pub fn locate(&self, path: &str) -> Span {
        match step(path) {
            None => self.span.clone(),
            Some(Step::Index(index, rest)) => match &self.shape {
                Shape::List(items) => items.get(index).map_or(self.span.clone(), |item| item.locate(rest)),
                _ => self.span.clone(),
            },
            Some(Step::Key(path)) => match self.member(path) {
                // A mistake about a key as such ("unknown field") has the key's path.
                Some((member, "")) if !matches!(member.draft.shape, Shape::Leaf(_)) => member.span.clone(),
                Some((member, rest)) => member.draft.locate(rest),
                None => self.span.clone(),
            },
        }
    }

    /// Where the key at `path` was written.
    pub fn locate_key(&self, path: &str) -> Span {
        match step(path) {
            Some(Step::Index(index, rest)) => match &self.shape {
                Shape::List(items) => items.get(index).map_or(self.span.clone(), |item| item.locate_key(rest)),
                _ => self.span.clone(),
            },
            Some(Step::Key(path)) => match self.member(path) {
                Some((member, "")) => member.span.clone(),
                Some((member, rest)) => member.draft.locate_key(rest),
                None => self.span.clone(),
            },
            None => self.span.clone(),
        }
    }

    /// The value at `path`.
    fn find(&self, path: &str) -> Option<&Self> {
        match (step(path), &self.shape) {
            (None, _) => Some(self),
            (Some(Step::Index(index, rest)), Shape::List(items)) => items.get(index)?.find(rest),
            (Some(Step::Key(path)), _) => self.member(path).and_then(|(member, rest)| member.draft.find(rest)),
            (Some(Step::Index(..)), _) => None,
        }
    }

    /// Whether nothing stands at `path`, which is there.
    pub fn is_nothing(&self, path: &str) -> bool {
        self.find(path).is_some_and(|draft| matches!(draft.shape, Shape::Leaf(Json::Null)))
    }

    /// The keys that may stand beside the one at `path` and are not the filter's.
    pub fn beside(&self, path: &str) -> &[String] {
        let outer = path.rfind(['.', ']']).map_or("", |end| path.get(..=end).unwrap_or_default());
        self.find(outer.trim_end_matches('.')).map_or(&[], |draft| draft.taken.as_slice())
    }

    /// Puts another text in the place of the one at `path`; whether there was one, and another.
    pub fn replace(&mut self, path: &str, text: &str) -> bool {
        match (step(path), &mut self.shape) {
            (None, Shape::Leaf(leaf)) if leaf.is_string() && leaf != text => {
                *leaf = text.into();
                true
            }
            (Some(Step::Index(index, rest)), Shape::List(items)) => {
                items.get_mut(index).is_some_and(|item| item.replace(rest, text))
            }
            (Some(Step::Key(path)), Shape::Object(members)) => {
                let found = position(members, path);
                let member = found.and_then(|(index, rest)| Some((members.get_mut(index)?, rest)));
                member.is_some_and(|(member, rest)| member.draft.replace(rest, text))
            }
            _ => false,
        }
    }

    /// Takes out what is around `path`, so that what is wrong elsewhere is read too: the innermost item of a list; where
    /// there is no list, the value itself, unless it is a whole part of the configuration.
    pub fn prune(&mut self, path: &str) -> Pruned {
        match self.prune_item(path) {
            Pruned::Kept if path.contains('.') => self.prune_key(path),
            pruned => pruned,
        }
    }

    fn prune_item(&mut self, path: &str) -> Pruned {
        match (step(path), &mut self.shape) {
            (Some(Step::Index(index, rest)), Shape::List(items)) => {
                match items.get_mut(index).map(|item| item.prune_item(rest)) {
                    None => Pruned::Kept,
                    Some(Pruned::Kept | Pruned::Member) => {
                        items.remove(index);
                        Pruned::Item
                    }
                    Some(Pruned::Item) => Pruned::Item,
                }
            }
            (Some(Step::Key(path)), Shape::Object(members)) => match position(members, path) {
                Some((index, rest)) => {
                    members.get_mut(index).map_or(Pruned::Kept, |member| member.draft.prune_item(rest))
                }
                None => Pruned::Kept,
            },
            _ => Pruned::Kept,
        }
    }

    /// Takes out the key at `path`.
    pub fn prune_key(&mut self, path: &str) -> Pruned {
        match (step(path), &mut self.shape) {
            (Some(Step::Index(index, rest)), Shape::List(items)) => {
                items.get_mut(index).map_or(Pruned::Kept, |item| item.prune_key(rest))
            }
            (Some(Step::Key(path)), Shape::Object(members)) => match position(members, path) {
                Some((index, "")) => {
                    members.remove(index);
                    Pruned::Member
                }
                Some((index, rest)) => {
                    members.get_mut(index).map_or(Pruned::Kept, |member| member.draft.prune_key(rest))
                }
                None => Pruned::Kept,
            },
            _ => Pruned::Kept,
        }
    }

    fn member<'p>(&self, path: &'p str) -> Option<(&Member, &'p str)> {
        let Shape::Object(members) = &self.shape else { return None };
        let (index, rest) = position(members, path)?;
        members.get(index).map(|member| (member, rest))
    }
}

enum Step<'p> {
    Index(usize, &'p str),
    /// The key is a beginning of this; where it ends, only the object knows, since keys may have dots.
    Key(&'p str),
}

fn step(path: &str) -> Option<Step<'_>> {
    let path = path.strip_prefix('.').unwrap_or(path);
    if path.is_empty() {
        return None;
    }
    let index = path.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    match index.and_then(|(digits, rest)| Some((digits.parse().ok()?, rest))) {
        Some((index, rest)) => Some(Step::Index(index, rest)),
        None => Some(Step::Key(path)),
    }
}

/// The member whose key the path begins with, the longest one, and what follows.
fn position<'p>(members: &[Member], path: &'p str) -> Option<(usize, &'p str)> {
    members
        .iter()
        .enumerate()
        .filter_map(|(index, member)| {
            let rest = path.strip_prefix(member.key.as_str())?;
            matches!(rest.chars().next(), None | Some('.' | '[')).then_some((index, rest))
        })
        .min_by_key(|(_, rest)| rest.len())
}

fn plain_scalar(text: &str) -> Json {
    match text {
        "true" => true.into(),
        "false" => false.into(),
        // A number in JSON's own notation, so that `1_000`, `0x10` and `010` stay what they look like: text.
        _ => match serde_json::from_str::<Json>(text) {
            Ok(number @ Json::Number(_)) => number,
            _ => text.into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Mistakes;
    use serde_json::json;

    const TEXT: &str = "rules:\n- {name: a, burst: 0}\n- {name: b}\ntiers: {a.b: {rate: 1.5}}\n";

    fn draft() -> Draft {
        Draft::of(&crate::yaml::parse(TEXT, &mut Mistakes::default()).unwrap())
    }

    #[test]
    fn a_path_leads_back_to_the_line() {
        let draft = draft();
        for (path, at) in [
            ("", "rules"),
            ("rules", "rules"),
            ("rules[0].burst", "0"),
            ("rules[0]", "name: a"),
            ("rules[0].rate", "name: a"),
            ("rules[1].name", "b}"),
            ("rules[7]", "rules"),
            ("tiers.a.b.rate", "1.5"),
            ("tiers.a.b", "a.b"),
            ("nothing", "rules"),
        ] {
            let found = TEXT.get(draft.locate(path).start..).unwrap();
            assert!(found.starts_with(at), "{path}: {found}");
        }
        assert!(TEXT.get(draft.locate_key("rules[0].burst").start..).unwrap().starts_with("burst"));
    }

    #[test]
    fn scalars_are_what_they_look_like() {
        assert_eq!(
            draft().to_json(),
            json!({"rules": [{"name": "a", "burst": 0}, {"name": "b"}], "tiers": {"a.b": {"rate": 1.5}}})
        );
        let quoted = crate::yaml::parse("[\"1\", 1, 010, true, ~, 5m]", &mut Mistakes::default()).unwrap();
        assert_eq!(Draft::of(&quoted).to_json(), json!(["1", 1, "010", true, null, "5m"]));
    }

    #[test]
    fn a_text_can_be_replaced_by_another() {
        let mut draft = draft();
        assert!(draft.replace("rules[1].name", "c") && !draft.replace("rules[1].name", "c"));
        assert!(!draft.replace("rules[0].burst", "c") && !draft.replace("rules[2].name", "c"));
        assert_eq!(draft.to_json()["rules"][1]["name"], "c");
    }

    #[test]
    fn a_mistake_can_be_taken_out_so_that_the_next_is_seen() {
        let mut draft = draft();
        assert_eq!(draft.prune("tiers"), Pruned::Kept);
        assert_eq!(draft.prune("rules[0].burst"), Pruned::Item);
        assert_eq!(draft.prune("tiers.a.b.rate"), Pruned::Member);
        assert_eq!(draft.prune_key("tiers.a.b"), Pruned::Member);
        assert_eq!(draft.to_json(), json!({"rules": [{"name": "b"}], "tiers": {}}));
    }
}
