//! What a request's body must be like: checked before anything is sent, and known when templates are read.

use policy::ConfigError;
use policy::fields::Fields;
use policy::json::Json;

use crate::value::Value;

/// What a value must be.
#[derive(Clone, Debug)]
pub enum Shape {
    /// A text that can be one segment of a path, of so many characters at most.
    Id(usize),
    /// A text of so many characters at most.
    Text(usize),
    /// A whole number in this range.
    Whole(u32, u32),
    /// So many values at least and at most, all alike.
    List(Box<Self>, usize, usize),
    /// Values with names; others are passed over.
    Object(Vec<(String, Member)>),
}

/// A value with a name.
#[derive(Clone, Debug)]
pub struct Member {
    shape: Shape,
    is_optional: bool,
}

/// What is wrong with a value: where, and what would be right.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wrong {
    path: String,
    reason: String,
}

const LENGTH_MOST: u32 = 1000;
const TEXT_MOST: u32 = 4096;
const WHOLE_MOST: u32 = 1_000_000_000;

impl Wrong {
    fn new(reason: impl Into<String>) -> Self {
        Self { path: String::new(), reason: reason.into() }
    }

    fn inside(self, outer: &str) -> Self {
        let joint = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        Self { path: [outer, joint, &self.path].concat(), ..self }
    }

    /// It in words: `items[1].quantity: must be …`.
    pub fn message(&self) -> String {
        let path = if self.path.is_empty() { "body" } else { &self.path };
        [path, ": ", &self.reason].concat()
    }
}

impl Shape {
    /// Reads a shape: one of `id` and `text` (the most characters), `whole` (`[least, most]`), `list` (a shape) with `length`
    /// (`[least, most]`), and `object` (shapes by name, each of which may be `optional`).
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn read(json: Json) -> Result<Self, ConfigError> {
        let mut fields = Fields::of(json)?;
        let shape = Self::of(&mut fields)?;
        fields.end_of(&["id", "text", "whole", "list", "length", "object"])?;
        Ok(shape)
    }

    fn of(fields: &mut Fields) -> Result<Self, ConfigError> {
        let mut found = None;
        if let Some(most) = fields.number("id", 1, TEXT_MOST)? {
            found = Some(Self::Id(most as usize));
        }
        if let Some(most) = fields.number("text", 1, TEXT_MOST)? {
            found = Some(Self::Text(most as usize));
        }
        if let Some((least, most)) = range(fields, "whole", WHOLE_MOST)? {
            found = Some(Self::Whole(least, most));
        }
        if let Some(json) = fields.any("list") {
            let each = Self::read(json).map_err(|mistake| mistake.inside("list"))?;
            let (least, most) = range(fields, "length", LENGTH_MOST)?
                .ok_or_else(|| ConfigError::at("length", "is missing: it says how many there are, as in [1, 50]"))?;
            found = Some(Self::List(Box::new(each), least as usize, most as usize));
        }
        if fields.has("object") {
            let mut members = Vec::new();
            for (name, json) in fields.object("object")?.rest() {
                let member = Member::read(json).map_err(|mistake| mistake.inside(&name).inside("object"))?;
                members.push((name, member));
            }
            found = Some(Self::Object(members));
        }
        found.ok_or_else(|| ConfigError::at("", "needs one of id, text, whole, list and object"))
    }

    /// What `tokens` of a JSON Pointer lead to in every value of this shape; `Err` names the token that leads nowhere.
    pub fn find(&self, tokens: &[String]) -> Result<&Self, String> {
        tokens.iter().try_fold(self, |shape, token| match shape {
            Self::Object(members) => {
                let member = members.iter().find(|(name, _)| name == token);
                member.map(|(_, member)| &member.shape).ok_or_else(|| token.clone())
            }
            // RFC 6901 §4: no leading zeros.
            Self::List(each, _, most) if token == "0" || !token.starts_with(['0', '+']) => {
                let is_there = token.parse::<usize>().is_ok_and(|index| index < *most);
                if is_there { Ok(&**each) } else { Err(token.clone()) }
            }
            _ => Err(token.clone()),
        })
    }

    /// Whether a value has this shape.
    pub fn check(&self, value: &Value) -> Result<(), Wrong> {
        match (self, value) {
            (Self::Id(most), Value::Text(text)) => {
                if is_segment(text) && text.chars().count() <= *most {
                    return Ok(());
                }
                Err(Wrong::new(format!("must be 1 to {most} characters that can stand in a path")))
            }
            (Self::Text(most), Value::Text(text)) if text.chars().count() <= *most => Ok(()),
            (Self::Whole(least, most), Value::Number(digits))
                if digits.parse::<u32>().is_ok_and(|number| (*least..=*most).contains(&number)) =>
            {
                Ok(())
            }
            (Self::List(each, least, most), Value::List(items)) => {
                if !(*least..=*most).contains(&items.len()) {
                    return Err(Wrong::new(format!("must have {least} to {most} items, has {}", items.len())));
                }
                for (index, item) in items.iter().enumerate() {
                    each.check(item).map_err(|wrong| wrong.inside(&format!("[{index}]")))?;
                }
                Ok(())
            }
            (Self::Object(members), Value::Object(_)) => {
                for (name, member) in members {
                    match value.member(name) {
                        Some(value) => member.shape.check(value).map_err(|wrong| wrong.inside(name))?,
                        None if member.is_optional => {}
                        None => return Err(Wrong::new("is missing").inside(name)),
                    }
                }
                Ok(())
            }
            _ => Err(Wrong::new(self.demand())),
        }
    }

    fn demand(&self) -> String {
        match self {
            Self::Id(most) | Self::Text(most) => format!("must be a text of at most {most} characters"),
            Self::Whole(least, most) => format!("must be a whole number from {least} to {most}"),
            Self::List(..) => "must be a list".to_owned(),
            Self::Object(_) => "must be an object".to_owned(),
        }
    }
}

impl Member {
    fn read(json: Json) -> Result<Self, ConfigError> {
        let mut fields = Fields::of(json)?;
        let is_optional = fields.flag("optional")?.unwrap_or(false);
        let shape = Shape::of(&mut fields)?;
        fields.end_of(&["id", "text", "whole", "list", "length", "object", "optional"])?;
        Ok(Self { shape, is_optional })
    }
}

/// Whether a text can be one segment of a path that no hop reads as something else.
pub fn is_segment(text: &str) -> bool {
    let is_plain = |c: char| !c.is_control() && !matches!(c, '/' | '\\');
    !text.is_empty() && text != "." && text != ".." && text.chars().all(is_plain)
}

/// Reads `[least, most]`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be whole and in range")]
fn range(fields: &mut Fields, name: &str, most: u32) -> Result<Option<(u32, u32)>, ConfigError> {
    let Some(list) = fields.list(name)? else { return Ok(None) };
    let ends = list.iter().map(|json| match json {
        Json::Number(number) if number.fract() == 0.0 && (0.0..=f64::from(most)).contains(number) => {
            Some(*number as u32)
        }
        _ => None,
    });
    match ends.collect::<Vec<_>>().as_slice() {
        [Some(least), Some(top)] if least <= top => Ok(Some((*least, *top))),
        _ => Err(ConfigError::at(name, format!("must be two whole numbers in order, as in [1, 50], at most {most}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const ORDER: &str = r#"{"object": {
        "items": {"list": {"object": {"productId": {"id": 8}, "quantity": {"whole": [1, 9]}}}, "length": [1, 2]},
        "codes": {"list": {"text": 3}, "length": [0, 2], "optional": true}}}"#;

    fn shape(json: &str) -> Result<Shape, String> {
        let json = serde_json::from_str(json).unwrap();
        Shape::read(json).map_err(|mistake| mistake.to_string())
    }

    fn said(json: &str) -> String {
        let value = Value::parse(json.as_bytes()).unwrap();
        shape(ORDER).unwrap().check(&value).map_or_else(|wrong| wrong.message(), |()| "fine".to_owned())
    }

    #[test]
    fn a_body_is_told_what_is_wrong_with_it_and_where() {
        for (json, expected) in [
            (r#"{"items":[{"productId":"a b","quantity":1,"more":[]}],"codes":["","abc"],"more":1}"#, "fine"),
            (r#"{"items":[{"productId":"é","quantity":9}]}"#, "fine"),
            ("[]", "body: must be an object"),
            ("{}", "items: is missing"),
            (r#"{"items":[]}"#, "items: must have 1 to 2 items, has 0"),
            (r#"{"items":[1]}"#, "items[0]: must be an object"),
            (r#"{"items":[{"productId":"a"}]}"#, "items[0].quantity: is missing"),
            (
                r#"{"items":[{"productId":"a","quantity":1.0}]}"#,
                "items[0].quantity: must be a whole number from 1 to 9",
            ),
            (
                r#"{"items":[{"productId":"a","quantity":"1"}]}"#,
                "items[0].quantity: must be a whole number from 1 to 9",
            ),
            (r#"{"items":[{"productId":"a","quantity":-1}]}"#, "items[0].quantity: must be a whole number from 1 to 9"),
            (r#"{"items":[{"productId":"a","quantity":10}]}"#, "items[0].quantity: must be a whole number from 1 to 9"),
            (
                r#"{"items":[{"productId":7,"quantity":1}]}"#,
                "items[0].productId: must be a text of at most 8 characters",
            ),
            (
                r#"{"items":[{"productId":"a","quantity":1}],"codes":["abcd"]}"#,
                "codes[0]: must be a text of at most 3 characters",
            ),
            (r#"{"items":[{"productId":"a","quantity":1}],"codes":null}"#, "codes: must be a list"),
        ] {
            assert_eq!(said(json), expected, "{json}");
        }
    }

    #[test]
    fn an_id_cannot_lead_elsewhere() {
        for id in ["", ".", "..", "a/b", "a\\\\b", "a\\u0000", "123456789", "\\n"] {
            let json = format!(r#"{{"items":[{{"productId":"{id}","quantity":1}}]}}"#);
            assert_eq!(said(&json), "items[0].productId: must be 1 to 8 characters that can stand in a path", "{id}");
        }
    }

    #[test]
    fn a_shape_that_says_nothing_is_refused() {
        for (json, reason) in [
            ("{}", "needs one of id, text, whole, list and object"),
            (r#"{"text": 0}"#, "text: must be a whole number from 1 to 4096"),
            (r#"{"whole": [2, 1]}"#, "whole: must be two whole numbers in order, as in [1, 50], at most 1000000000"),
            (r#"{"list": {"text": 1}}"#, "length: is missing: it says how many there are, as in [1, 50]"),
            (r#"{"list": {}, "length": [0, 1]}"#, "list: needs one of id, text, whole, list and object"),
            (r#"{"object": {"a": {"b": 1}}}"#, "object.a: needs one of id, text, whole, list and object"),
        ] {
            assert_eq!(shape(json).unwrap_err(), reason, "{json}");
        }
    }
}
