//! JSON as strict as tokens need it: no name twice in an object at any depth (RFC 7515 §4, RFC 7519 §4), no flood of
//! names.
//!
//! Configurations are read through it too: code that serde derives for each type of one is larger than most of what a filter
//! does, and every worker loads its module.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// One object has no more members than this, so that looking for duplicates costs little.
const MEMBERS_MAX: usize = 256;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// Nothing.
    Null,
    /// Yes or no.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// Several values.
    List(Vec<Self>),
    /// Values with names.
    Object(Members),
}

/// The members of an object, sorted by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Members(Vec<(String, Json)>);

impl Members {
    /// The value under `name`.
    pub fn find(&self, name: &str) -> Option<&Json> {
        let at = self.place(name).ok()?;
        self.0.get(at).map(|(_, value)| value)
    }

    /// The value under `name`, which is no member any more.
    pub fn take(&mut self, name: &str) -> Option<Json> {
        let at = self.place(name).ok()?;
        Some(self.0.remove(at).1)
    }

    /// All of them, by name.
    pub fn iter(&self) -> std::slice::Iter<'_, (String, Json)> {
        self.0.iter()
    }

    /// Puts a value under a name that has none.
    pub fn add(&mut self, name: &str, value: Json) {
        if let Err(at) = self.place(name) {
            self.0.insert(at, (name.to_owned(), value));
        }
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(found, _)| found.as_str().cmp(name))
    }

    fn insert<E: Error>(&mut self, name: String, value: Json) -> Result<(), E> {
        match self.place(&name) {
            Ok(_) => Err(E::custom("a name stands twice in one object")),
            Err(_) if self.0.len() >= MEMBERS_MAX => Err(E::custom("an object has too many members")),
            Err(at) => {
                self.0.insert(at, (name, value));
                Ok(())
            }
        }
    }
}

impl<'a> IntoIterator for &'a Members {
    type Item = &'a (String, Json);
    type IntoIter = std::slice::Iter<'a, (String, Json)>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Members {
    type Item = (String, Json);
    type IntoIter = std::vec::IntoIter<(String, Json)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_map(JsonVisitor)? {
            Json::Object(members) => Ok(members),
            _ => Err(D::Error::custom("must be an object")),
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    #[expect(clippy::cast_precision_loss, reason = "JSON numbers are doubles wherever it matters (RFC 8259 §6)")]
    fn visit_i64<E: Error>(self, number: i64) -> Result<Json, E> {
        Ok(Json::Number(number as f64))
    }

    #[expect(clippy::cast_precision_loss, reason = "JSON numbers are doubles wherever it matters (RFC 8259 §6)")]
    fn visit_u64<E: Error>(self, number: u64) -> Result<Json, E> {
        Ok(Json::Number(number as f64))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Json, E> {
        Ok(Json::Number(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Json, E> {
        Ok(Json::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(Json::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut members = Members::default();
        while let Some((name, value)) = map.next_entry()? {
            members.insert(name, value)?;
        }
        Ok(Json::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn read(json: &str) -> Result<Members, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn every_kind_of_value_is_read() {
        let mut members = read(r#"{"z": "é", "a": ["1", 2], "b": true, "c": -7, "d": null, "e": {"a": 1.5}}"#).unwrap();
        let text = |text: &str| Json::Text(text.to_owned());
        for (name, expected) in [
            ("z", Some(text("é"))),
            ("a", Some(Json::List(vec![text("1"), Json::Number(2.0)]))),
            ("b", Some(Json::Bool(true))),
            ("c", Some(Json::Number(-7.0))),
            ("d", Some(Json::Null)),
            ("e", Some(Json::Object(read(r#"{"a": 1.5}"#).unwrap()))),
            ("f", None),
        ] {
            assert_eq!(members.find(name), expected.as_ref(), "{name}");
            assert_eq!(members.take(name), expected, "{name}");
        }
        assert_eq!(members, Members::default());
    }

    #[test]
    fn a_name_that_stands_twice_is_refused_at_any_depth() {
        for json in [
            r#"{"a": 1, "a": 1}"#,
            r#"{"a": 1, "\u0061": 2}"#,
            r#"{"x": {"a": 1, "b": 2, "a": 3}}"#,
            r#"{"x": [1, [{"a": 1, "a": 2}]]}"#,
        ] {
            assert!(read(json).unwrap_err().starts_with("a name stands twice"), "{json}");
        }
        assert!(read(r#"{"a": {"a": {"a": 1}}, "b": {"a": 1}}"#).is_ok());
    }

    #[test]
    fn a_flood_of_names_or_levels_is_refused() {
        let object = |members: usize| {
            let list: Vec<_> = (0..members).map(|n| format!(r#""{n}":0"#)).collect();
            format!("{{{}}}", list.join(","))
        };
        assert!(read(&object(MEMBERS_MAX)).is_ok());
        assert!(read(&object(MEMBERS_MAX + 1)).unwrap_err().starts_with("an object has too many"));
        assert!(read(&format!(r#"{{"a":{}{}}}"#, "[".repeat(500), "]".repeat(500))).is_err());
        assert!(read("[]").is_err());
    }
}
