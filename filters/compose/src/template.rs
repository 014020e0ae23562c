//! Values and texts with places that are filled in: from the request, and from what upstreams have answered.
//!
//! `${name/pointer}` stands for what a JSON Pointer (RFC 6901) leads to in the value called `name`; `${name}` for the whole of
//! it. A text that is nothing but one such place becomes the value itself, of whatever kind; elsewhere it must be a scalar.
//! `${name/pointer:8}` are the first eight characters of a text, `${name/pointer?[]}` is `[]`, or whatever JSON stands there,
//! where the pointer leads nowhere, and `$$` is `$`. An object with one member of these names is computed:
//!
//! | | becomes |
//! |---|---|
//! | `{"$merge": [a, b]}` | the members of all these objects, a later one in the place of an earlier one of its name |
//! | `{"$zip": [a, b]}` | of lists of the same length, the list of their items merged |
//! | `{"$sum": "${prices}", "of": "/finalPrice"}` | the exact decimal sum of what the pointer leads to in each item |
//! | `{"$same": "${prices}", "of": "/currency"}` | what the pointer leads to in each item, which must be the same in all |
//!
//! Which names there are is known when a template is read, so a place that cannot be filled is a mistake then.

mod element;

use policy::ConfigError;
use policy::json::{Json, Members};

use crate::decimal::Decimal;
use crate::shape::Shape;
use crate::value::Value;

/// What is known of a value that templates may name.
#[derive(Clone, Copy, Debug)]
pub enum Known<'a> {
    /// Nothing: what an upstream answers is seen when it does.
    Open,
    /// It has these members and no others.
    Members(&'a [&'a str]),
    /// It has this shape.
    Shaped(&'a Shape),
}

/// The names that a template may use.
pub type Names<'a> = [(&'a str, Known<'a>)];

/// The values of the names.
pub type Scope<'a> = [(&'a str, &'a Value)];

/// A place to be filled.
#[derive(Clone, Debug)]
pub struct Reference {
    text: String,
    name: String,
    tokens: Vec<String>,
    cut: Option<usize>,
    default: Option<Value>,
}

/// A value with places.
#[derive(Clone, Debug)]
pub enum Template {
    /// No place.
    Constant(Value),
    /// One place.
    Place(Reference),
    /// A text with places.
    Text(Text),
    /// Templates in a list.
    List(Vec<Self>),
    /// Templates by name.
    Object(Vec<(String, Self)>),
    /// Objects in one.
    Merge(Vec<Self>),
    /// Lists in one.
    Zip(Vec<Self>),
    /// A sum over a list.
    Sum(Box<Self>, Vec<String>),
    /// What is the same in a whole list.
    Same(Box<Self>, Vec<String>),
}

/// A text with places.
#[derive(Clone, Debug, Default)]
pub struct Text(Vec<Part>);

#[derive(Clone, Debug)]
enum Part {
    Literal(String),
    Place(Reference),
}

/// What could not be filled in, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unfilled(pub String);

impl Reference {
    fn read(text: &str, names: &Names<'_>) -> Result<Self, ConfigError> {
        let wrong = |reason: &str| ConfigError::at("", ["${", text, "}: ", reason].concat());
        let (body, default) = match text.split_once('?') {
            Some((body, json)) => {
                (body, Some(Value::parse(json.as_bytes()).map_err(|_| wrong("what follows ? must be JSON"))?))
            }
            None => (text, None),
        };
        let (body, cut) = match body.rsplit_once(':') {
            Some((body, count)) => (body, Some(count.parse().map_err(|_| wrong("what follows : must be a number"))?)),
            None => (body, None),
        };
        let (name, pointer) = body.split_at(body.find('/').unwrap_or(body.len()));
        let tokens = tokens(pointer).ok_or_else(|| wrong("is no JSON Pointer"))?;
        let known = names.iter().find(|(known, _)| *known == name).map(|(_, known)| *known);
        let nowhere = |token: &str| wrong(&[name, " has no ", token].concat());
        match known {
            None => {
                let all: Vec<_> = names.iter().map(|(name, _)| *name).collect();
                let reason = ["there is no ", name, " here, only ", &all.join(", ")].concat();
                return Err(wrong(&reason));
            }
            Some(Known::Open) => {}
            Some(Known::Members(members)) => match tokens.as_slice() {
                [] => {}
                [token] if members.contains(&token.as_str()) => {}
                [token, next, ..] if members.contains(&token.as_str()) => return Err(nowhere(next)),
                [token, ..] => return Err(nowhere(token)),
            },
            Some(Known::Shaped(shape)) => {
                shape.find(&tokens).map_err(|token| nowhere(&token))?;
            }
        }
        Ok(Self { text: text.to_owned(), name: name.to_owned(), tokens, cut, default })
    }

    fn value(&self, scope: &Scope<'_>) -> Result<Value, Unfilled> {
        let of = scope.iter().find(|(name, _)| *name == self.name).map(|(_, value)| *value);
        let found = of.and_then(|value| value.find(&self.tokens)).or(self.default.as_ref());
        match (found, self.cut) {
            (None, _) => Err(Unfilled(["there is no ", &self.text].concat())),
            (Some(Value::Text(text)), Some(cut)) => Ok(Value::Text(text.chars().take(cut).collect())),
            (Some(value), _) => Ok(value.clone()),
        }
    }
}

/// The tokens of a JSON Pointer (RFC 6901 §4).
fn tokens(pointer: &str) -> Option<Vec<String>> {
    if !pointer.is_empty() && !pointer.starts_with('/') {
        return None;
    }
    let unescape = |token: &str| {
        let plain = token.replace("~0", "").replace("~1", "");
        (!plain.contains('~')).then(|| token.replace("~1", "/").replace("~0", "~"))
    };
    pointer.split('/').skip(1).map(unescape).collect()
}

impl Text {
    /// Reads a text; see the top of this file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &str, names: &Names<'_>) -> Result<Self, ConfigError> {
        let (mut parts, mut literal, mut rest) = (Vec::new(), String::new(), text);
        while let Some((before, after)) = rest.split_once('$') {
            literal.push_str(before);
            if let Some(after) = after.strip_prefix('$') {
                literal.push('$');
                rest = after;
                continue;
            }
            let place = after.strip_prefix('{').and_then(|after| after.split_once('}'));
            let (place, after) = place.ok_or_else(|| ConfigError::at("", "has a $ that is neither $$ nor ${…}"))?;
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(Part::Place(Reference::read(place, names)?));
            rest = after;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Self(parts))
    }

    /// The text with its places filled in; `encode` makes each of them one piece of a path or of a query.
    ///
    /// # Errors
    /// The first place that cannot be filled.
    pub fn fill(&self, scope: &Scope<'_>, encode: bool) -> Result<String, Unfilled> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Place(place) => {
                    let value = place.value(scope)?;
                    let filled = match &value {
                        Value::Text(text) => text.as_str(),
                        Value::Number(digits) => digits.as_str(),
                        Value::Bool(true) => "true",
                        Value::Bool(false) => "false",
                        _ => return Err(Unfilled([&place.text, " is no text"].concat())),
                    };
                    if !encode {
                        text.push_str(filled);
                    } else if crate::shape::is_segment(filled) {
                        escape(filled, &mut text);
                    } else {
                        return Err(Unfilled([&place.text, " cannot stand in a path"].concat()));
                    }
                }
            }
        }
        Ok(text)
    }

    /// What it begins with.
    pub fn literal(&self) -> &str {
        match self.0.first() {
            Some(Part::Literal(literal)) => literal,
            _ => "",
        }
    }
}

/// Appends a text with everything escaped that is not unreserved (RFC 3986 §2.3).
fn escape(text: &str, out: &mut String) {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or('0');
            out.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
}

impl Template {
    /// Reads a template; see the top of this file.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn read(json: Json, names: &Names<'_>) -> Result<Self, ConfigError> {
        Ok(match json {
            Json::Null => Self::Constant(Value::Null),
            Json::Bool(flag) => Self::Constant(Value::Bool(flag)),
            Json::Number(number) => Self::Constant(Value::Number(whole(number)?)),
            Json::Text(text) => {
                let text = Text::read(&text, names)?;
                match <[Part; 1]>::try_from(text.0) {
                    Ok([Part::Place(place)]) => Self::Place(place),
                    Ok(parts @ [Part::Literal(_)]) => Self::Text(Text(parts.into())),
                    Err(parts) => Self::Text(Text(parts)),
                }
            }
            Json::List(list) => Self::List(all("", list, names)?),
            Json::Object(mut members) => {
                if let Some(template) = computed(&mut members, names)? {
                    return Ok(template);
                }
                let mut read = Vec::new();
                for (name, json) in members {
                    let template = Self::read(json, names).map_err(|mistake| mistake.inside(&name))?;
                    read.push((name, template));
                }
                Self::Object(read)
            }
        })
    }

    /// The value with its places filled in.
    ///
    /// # Errors
    /// The first place that cannot be filled, or what cannot be computed.
    pub fn fill(&self, scope: &Scope<'_>) -> Result<Value, Unfilled> {
        match self {
            Self::Constant(value) => Ok(value.clone()),
            Self::Place(place) => place.value(scope),
            Self::Text(text) => text.fill(scope, false).map(Value::Text),
            Self::List(list) => list.iter().map(|item| item.fill(scope)).collect::<Result<_, _>>().map(Value::List),
            Self::Object(members) => {
                let mut filled = Vec::with_capacity(members.len());
                for (name, template) in members {
                    filled.push((name.clone(), template.fill(scope)?));
                }
                Ok(Value::Object(filled))
            }
            Self::Merge(list) => {
                let mut merged = Vec::new();
                for part in list {
                    merge(&mut merged, part.fill(scope)?)?;
                }
                Ok(Value::Object(merged))
            }
            Self::Zip(lists) => zip(lists, scope),
            Self::Sum(list, tokens) => {
                let mut total = Decimal::default();
                for item in &pointed(list, tokens, scope)? {
                    let sum = Decimal::of(item).and_then(|part| total.plus(part));
                    total = sum.ok_or_else(|| Unfilled("what is to be summed is no amount".to_owned()))?;
                }
                Ok(total.to_value())
            }
            Self::Same(list, tokens) => {
                let mut values = pointed(list, tokens, scope)?.into_iter();
                let first = values.next().ok_or_else(|| Unfilled("there is nothing to be the same".to_owned()))?;
                if values.all(|other| other == first) {
                    Ok(first)
                } else {
                    Err(Unfilled("what is to be the same differs".to_owned()))
                }
            }
        }
    }
}

/// What pointers lead to in each item of a list.
fn pointed(list: &Template, tokens: &[String], scope: &Scope<'_>) -> Result<Vec<Value>, Unfilled> {
    let list = list.fill(scope)?;
    let items = list.items().ok_or_else(|| Unfilled("what is to be gone through is no list".to_owned()))?;
    let found = items.iter().map(|item| item.find(tokens).cloned().ok_or_else(|| missing(tokens)));
    found.collect()
}

fn missing(tokens: &[String]) -> Unfilled {
    Unfilled(["there is no /", &tokens.join("/")].concat())
}

fn zip(lists: &[Template], scope: &Scope<'_>) -> Result<Value, Unfilled> {
    let mut rows: Option<Vec<Vec<(String, Value)>>> = None;
    for list in lists {
        let Value::List(items) = list.fill(scope)? else {
            return Err(Unfilled("what is to be zipped is no list".to_owned()));
        };
        let rows = rows.get_or_insert_with(|| vec![Vec::new(); items.len()]);
        if rows.len() != items.len() {
            return Err(Unfilled("what is to be zipped differs in length".to_owned()));
        }
        for (row, item) in rows.iter_mut().zip(items) {
            merge(row, item)?;
        }
    }
    Ok(Value::List(rows.unwrap_or_default().into_iter().map(Value::Object).collect()))
}

fn merge(into: &mut Vec<(String, Value)>, value: Value) -> Result<(), Unfilled> {
    let Value::Object(members) = value else { return Err(Unfilled("what is to be merged is no object".to_owned())) };
    for (name, value) in members {
        match into.iter_mut().find(|(known, _)| *known == name) {
            Some(place) => place.1 = value,
            None => into.push((name, value)),
        }
    }
    Ok(())
}

/// The digits of a whole number: others cannot be told apart from what a binary fraction made of them.
#[expect(clippy::cast_possible_truncation, reason = "checked to be whole and small")]
fn whole(number: f64) -> Result<String, ConfigError> {
    if number.fract() == 0.0 && number.abs() < 9e15 {
        Ok((number as i64).to_string())
    } else {
        Err(ConfigError::at("", "must be a whole number, or a text"))
    }
}

fn all(name: &str, list: Vec<Json>, names: &Names<'_>) -> Result<Vec<Template>, ConfigError> {
    policy::config::each(name, list, |json| Template::read(json, names))
}

/// Reads an object that is computed; `None` where it is a plain one.
fn computed(members: &mut Members, names: &Names<'_>) -> Result<Option<Template>, ConfigError> {
    let Some(word) = members.iter().map(|(name, _)| name.clone()).find(|name| name.starts_with('$')) else {
        return Ok(None);
    };
    let json = members.take(&word).unwrap_or(Json::Null);
    let inside = |mistake: ConfigError| mistake.inside(&word);
    let template = match (word.as_str(), json) {
        ("$merge", Json::List(list)) => Template::Merge(all("", list, names).map_err(inside)?),
        ("$zip", Json::List(list)) => Template::Zip(all("", list, names).map_err(inside)?),
        ("$merge" | "$zip", _) => return Err(ConfigError::at(&word, "must be a list")),
        ("$sum" | "$same", json) => {
            let list = Box::new(Template::read(json, names).map_err(inside)?);
            let of = match members.take("of") {
                Some(Json::Text(pointer)) => tokens(&pointer),
                None => Some(Vec::new()),
                Some(_) => None,
            };
            let tokens = of.ok_or_else(|| ConfigError::at("of", "must be a JSON Pointer, as in \"/price\""))?;
            if word == "$sum" { Template::Sum(list, tokens) } else { Template::Same(list, tokens) }
        }
        _ => return Err(ConfigError::at(&word, "must be one of $merge, $zip, $sum and $same")),
    };
    match members.iter().next() {
        Some((name, _)) => Err(ConfigError::at(name, ["cannot stand beside ", &word].concat())),
        None => Ok(Some(template)),
    }
}

#[cfg(test)]
mod tests;
