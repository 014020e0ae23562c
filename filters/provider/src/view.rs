//! A look into a provider's answer: whatever is not there, or is of another kind, is nothing.

use policy::json::Json;

/// A value of an answer, or none.
#[derive(Clone, Copy, Debug)]
pub struct View<'a>(Option<&'a Json>);

impl<'a> View<'a> {
    /// What nothing is in.
    pub const NOTHING: Self = Self(None);

    /// The whole of an answer.
    pub const fn of(json: &'a Json) -> Self {
        Self(Some(json))
    }

    /// The member of this name.
    #[must_use]
    #[inline(never)]
    pub fn at(self, name: &str) -> Self {
        match self.0 {
            Some(Json::Object(members)) => Self(members.find(name)),
            _ => Self(None),
        }
    }

    /// The first element of a list.
    #[must_use]
    pub fn first(self) -> Self {
        Self(self.list().and_then(<[Json]>::first))
    }

    /// A text that is not empty.
    #[inline(never)]
    pub fn text(self) -> Option<&'a str> {
        match self.0 {
            Some(Json::Text(text)) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// A number.
    pub const fn number(self) -> Option<f64> {
        match self.0 {
            Some(Json::Number(number)) => Some(*number),
            _ => None,
        }
    }

    /// A whole number that is not negative, written as one or as a text.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be whole and in range")]
    #[inline(never)]
    pub fn whole(self) -> Option<u64> {
        match self.0 {
            Some(Json::Number(number)) if number.fract() == 0.0 && (0.0..=WHOLE_MAX).contains(number) => {
                Some(*number as u64)
            }
            Some(Json::Text(text)) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
            _ => None,
        }
    }

    /// An identifier: a text, or a number as a text.
    pub fn id(self) -> Option<String> {
        self.text().map(str::to_owned).or_else(|| self.whole().map(|number| number.to_string()))
    }

    /// A list.
    pub const fn list(self) -> Option<&'a [Json]> {
        match self.0 {
            Some(Json::List(list)) => Some(list.as_slice()),
            _ => None,
        }
    }

    /// What `read` finds in each element of a list, where it finds something; nothing in what is no list. A sole element
    /// need not be in one: what was XML once has no lists of one.
    #[inline(never)]
    pub fn each<T>(self, read: impl Fn(Self) -> Option<T>) -> Vec<T> {
        let elements = match self.0 {
            Some(Json::List(list)) => list.as_slice(),
            Some(sole @ Json::Object(_)) => std::slice::from_ref(sole),
            _ => &[],
        };
        let mut found = Vec::with_capacity(elements.len());
        for element in elements {
            found.extend(read(View::of(element)));
        }
        found
    }

    /// The texts of a list.
    pub fn each_text(self) -> impl Iterator<Item = &'a str> {
        self.list().unwrap_or_default().iter().filter_map(|element| View::of(element).text())
    }

    /// Whether nothing is said: it is not there, or is `null`.
    pub const fn is_nothing(self) -> bool {
        matches!(self.0, None | Some(Json::Null))
    }

    /// Whether there is an object.
    pub const fn is_object(self) -> bool {
        matches!(self.0, Some(Json::Object(_)))
    }
}

/// Doubles are whole numbers without gaps up to here.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn what_is_of_another_kind_is_nothing() {
        let json: Json = serde_json::from_str(
            r#"{"text": "a", "empty": "", "number": 7, "digits": "12", "part": 1.5, "minus": -1, "list": [{"a": 1}, 2]}"#,
        )
        .unwrap();
        let view = View::of(&json);
        let texts = ["text", "empty", "number", "absent"].map(|name| view.at(name).text());
        assert_eq!(texts, [Some("a"), None, None, None]);
        let wholes = ["number", "digits", "part", "minus", "text", "empty"].map(|name| view.at(name).whole());
        assert_eq!(wholes, [Some(7), Some(12), None, None, None, None]);
        let ids = ["text", "number", "list"].map(|name| view.at(name).id());
        assert_eq!(ids, [Some("a".to_owned()), Some("7".to_owned()), None]);
        assert_eq!(view.at("list").first().at("a").whole(), Some(1));
        assert_eq!(view.at("list").each(|one| one.at("a").whole()), [1]);
        assert_eq!(view.each(|one| one.at("text").text()), ["a"], "a sole element");
        assert!(view.at("text").at("a").text().is_none() && !view.at("list").is_object() && view.is_object());
    }
}
