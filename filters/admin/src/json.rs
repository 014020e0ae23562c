//! JSON as answers and the log have it, written piece by piece.

/// An object or a list that is being written.
#[derive(Debug)]
pub struct Writer {
    text: String,
    close: char,
}

impl Writer {
    /// An object without members.
    pub fn object() -> Self {
        Self { text: "{".to_owned(), close: '}' }
    }

    /// A list without elements.
    pub fn list() -> Self {
        Self { text: "[".to_owned(), close: ']' }
    }

    /// Adds a member that is a text.
    #[must_use]
    pub fn text(self, name: &str, text: &str) -> Self {
        self.raw(name, &quoted(text))
    }

    /// Adds a member that is a number.
    #[must_use]
    pub fn number(self, name: &str, number: u64) -> Self {
        self.raw(name, &number.to_string())
    }

    /// Adds a member that is written already.
    #[must_use]
    pub fn raw(mut self, name: &str, json: &str) -> Self {
        self.part();
        self.text.push_str(&quoted(name));
        self.text.push(':');
        self.text.push_str(json);
        self
    }

    /// Adds an element that is written already.
    pub fn push(&mut self, json: &str) {
        self.part();
        self.text.push_str(json);
    }

    /// The whole of it.
    pub fn end(mut self) -> String {
        self.text.push(self.close);
        self.text
    }

    fn part(&mut self) {
        if self.text.len() > 1 {
            self.text.push(',');
        }
    }
}

/// A text as JSON has it.
pub fn quoted(text: &str) -> String {
    // Writing a text cannot fail; an empty one is the answer if it ever does.
    serde_json::to_string(text).unwrap_or_else(|_| "\"\"".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn what_is_written_is_json() {
        let mut list = Writer::list();
        list.push("1");
        list.push(&Writer::object().end());
        let text = Writer::object().text("a\"", "b\n\u{1}é").number("n", u64::MAX).raw("l", &list.end()).end();
        assert_eq!(text, r#"{"a\"":"b\n\u0001é","n":18446744073709551615,"l":[1,{}]}"#);
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["a\""], "b\n\u{1}é");
    }
}
