//! JSON as it is composed: members keep their order and numbers their digits, since money is never a binary fraction.

use std::fmt::Write;

/// How deep values may be nested, so that reading and dropping them cannot exhaust the stack.
pub const DEPTH_MAX: usize = 32;
/// How many values one text may hold, so that many small ones cannot take many times the memory of their text.
pub const VALUES_MAX: usize = 50_000;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// Yes or no.
    Bool(bool),
    /// A number, in its own digits.
    Number(String),
    /// A text.
    Text(String),
    /// Several values.
    List(Vec<Self>),
    /// Values with names, each name once.
    Object(Vec<(String, Self)>),
    /// JSON that was read and found good, as it was written: nobody looks into it.
    Written(String),
}

/// Why a text is no JSON that is read here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// It is no JSON (RFC 8259), or has a name twice in one object.
    Malformed,
    /// It is nested deeper than [`DEPTH_MAX`] or has more values than [`VALUES_MAX`].
    TooComplex,
}

impl Fault {
    /// The reason in words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Malformed => "is not JSON",
            Self::TooComplex => "is nested too deeply or has too many values",
        }
    }
}

impl Value {
    /// Reads one text.
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let text = std::str::from_utf8(bytes).map_err(|_| Fault::Malformed)?;
        let mut reader = Reader { rest: text, values: 0 };
        let value = reader.value(0)?;
        reader.blanks();
        if reader.rest.is_empty() { Ok(value) } else { Err(Fault::Malformed) }
    }

    /// An object of these members.
    pub fn object<const N: usize>(members: [(&str, Self); N]) -> Self {
        Self::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// A text.
    pub fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    /// A whole number.
    pub fn number(number: u64) -> Self {
        Self::Number(number.to_string())
    }

    /// The member of this name, where it is an object that has one.
    pub fn member(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.iter().find(|(found, _)| found == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The items, where it is a list.
    pub fn items(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    /// The text, where it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value that a JSON Pointer (RFC 6901) leads to, whose tokens these are, unescaped.
    pub fn find(&self, tokens: &[String]) -> Option<&Self> {
        tokens.iter().try_fold(self, |value, token| match value {
            Self::Object(_) => value.member(token),
            // RFC 6901 §4: no leading zeros.
            Self::List(items) if token == "0" || !token.starts_with('0') => items.get(token.parse::<usize>().ok()?),
            _ => None,
        })
    }

    /// Appends it as JSON.
    pub fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(true) => out.push_str("true"),
            Self::Bool(false) => out.push_str("false"),
            Self::Number(text) | Self::Written(text) => out.push_str(text),
            Self::Text(text) => quote(text, out),
            Self::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (index, (name, value)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    quote(name, out);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }

    /// It as JSON.
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

struct Reader<'a> {
    rest: &'a str,
    values: usize,
}

impl Reader<'_> {
    fn blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
    }

    fn eat(&mut self, token: &str) -> bool {
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn need(&mut self, token: &str) -> Result<(), Fault> {
        if self.eat(token) { Ok(()) } else { Err(Fault::Malformed) }
    }

    fn value(&mut self, depth: usize) -> Result<Value, Fault> {
        self.values += 1;
        if depth > DEPTH_MAX || self.values > VALUES_MAX {
            return Err(Fault::TooComplex);
        }
        self.blanks();
        match self.rest.as_bytes().first() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => self.string().map(Value::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ if self.eat("true") => Ok(Value::Bool(true)),
            _ if self.eat("false") => Ok(Value::Bool(false)),
            _ if self.eat("null") => Ok(Value::Null),
            _ => Err(Fault::Malformed),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, Fault> {
        let mut members: Vec<(String, Value)> = Vec::new();
        self.need("{")?;
        self.blanks();
        if self.eat("}") {
            return Ok(Value::Object(members));
        }
        loop {
            self.blanks();
            let name = self.string()?;
            self.blanks();
            self.need(":")?;
            let value = self.value(depth + 1)?;
            members.push((name, value));
            self.blanks();
            if self.eat("}") {
                break;
            }
            self.need(",")?;
        }
        let mut names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err(Fault::Malformed);
        }
        Ok(Value::Object(members))
    }

    fn list(&mut self, depth: usize) -> Result<Value, Fault> {
        let mut items = Vec::new();
        self.need("[")?;
        self.blanks();
        if self.eat("]") {
            return Ok(Value::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.blanks();
            if self.eat("]") {
                return Ok(Value::List(items));
            }
            self.need(",")?;
        }
    }

    fn number(&mut self) -> Result<Value, Fault> {
        let text = self.rest;
        self.eat("-");
        let whole = self.digits();
        if whole == 0 || (whole > 1 && text.trim_start_matches('-').starts_with('0')) {
            return Err(Fault::Malformed);
        }
        if self.eat(".") && self.digits() == 0 {
            return Err(Fault::Malformed);
        }
        if self.eat("e") || self.eat("E") {
            let _ = self.eat("+") || self.eat("-");
            if self.digits() == 0 {
                return Err(Fault::Malformed);
            }
        }
        let length = text.len() - self.rest.len();
        text.get(..length).map(|digits| Value::Number(digits.to_owned())).ok_or(Fault::Malformed)
    }

    fn digits(&mut self) -> usize {
        let rest = self.rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let count = self.rest.len() - rest.len();
        self.rest = rest;
        count
    }

    fn string(&mut self) -> Result<String, Fault> {
        self.need("\"")?;
        let mut text = String::new();
        loop {
            let end = self.rest.find(|c: char| c == '"' || c == '\\' || c < ' ').ok_or(Fault::Malformed)?;
            let (plain, rest) = self.rest.split_at_checked(end).ok_or(Fault::Malformed)?;
            text.push_str(plain);
            self.rest = rest;
            if self.eat("\"") {
                return Ok(text);
            }
            self.need("\\")?;
            text.push(self.escape()?);
        }
    }

    fn escape(&mut self) -> Result<char, Fault> {
        let mut chars = self.rest.chars();
        let kind = chars.next().ok_or(Fault::Malformed)?;
        self.rest = chars.as_str();
        Ok(match kind {
            '"' | '\\' | '/' => kind,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let mut code = self.unit()?;
                if (0xd800..0xdc00).contains(&code) {
                    self.need("\\u")?;
                    let low = self.unit()?;
                    if !(0xdc00..0xe000).contains(&low) {
                        return Err(Fault::Malformed);
                    }
                    code = 0x1_0000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                }
                char::from_u32(code).ok_or(Fault::Malformed)?
            }
            _ => return Err(Fault::Malformed),
        })
    }

    fn unit(&mut self) -> Result<u32, Fault> {
        let (digits, rest) = self.rest.split_at_checked(4).ok_or(Fault::Malformed)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Fault::Malformed);
        }
        self.rest = rest;
        u32::from_str_radix(digits, 16).map_err(|_| Fault::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn tokens(pointer: &str) -> Vec<String> {
        pointer.split('/').skip(1).map(ToOwned::to_owned).collect()
    }

    #[test]
    fn what_is_read_is_written_as_it_was() {
        for json in [
            r#"{"z":1.10,"a":[true,false,null,"é\n\"\\\u0001"],"b":{},"c":[],"d":-0.00e+12}"#,
            "12345678901234567890123456789.000000000000000000001",
            r#""𝄞""#,
        ] {
            assert_eq!(Value::parse(json.as_bytes()).unwrap().to_json(), json);
        }
        assert_eq!(Value::parse(br#" [ "\ud834\udd1e\u0041\/\t" ] "#).unwrap().to_json(), "[\"𝄞A/\\u0009\"]");
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for json in [
            "",
            "{",
            "[1,]",
            "01",
            "-",
            "1.",
            "1e",
            "nul",
            "\"\n\"",
            "\"\\x\"",
            r#""\ud834""#,
            r#""\udd1e""#,
            "{}{}",
            r#"{"a":1,"\u0061":2}"#,
            r#"{"a" 1}"#,
            "[1 2]",
            "+1",
            "\u{feff}1",
            r#""\u+123""#,
            "'a'",
            "\"",
            "\"\\",
        ] {
            assert_eq!(Value::parse(json.as_bytes()), Err(Fault::Malformed), "{json}");
        }
        assert_eq!(Value::parse(b"\"\xff\""), Err(Fault::Malformed));
    }

    #[test]
    fn depth_and_number_of_values_are_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Value::parse(nested(DEPTH_MAX + 1).as_bytes()).is_ok());
        assert_eq!(Value::parse(nested(DEPTH_MAX + 2).as_bytes()), Err(Fault::TooComplex));
        assert_eq!(Value::parse(nested(1_000_000).as_bytes()), Err(Fault::TooComplex));
        let many = format!("[{}0]", "0,".repeat(VALUES_MAX));
        assert_eq!(Value::parse(many.as_bytes()), Err(Fault::TooComplex));
    }

    #[test]
    fn a_pointer_leads_to_what_is_there_and_nowhere_else() {
        let value = Value::parse(br#"{"a":[{"b":7}],"":{"0":1}}"#).unwrap();
        for (pointer, found) in
            [("/a/0/b", Some("7")), ("/a/00/b", None), ("/a/-", None), ("/a/1", None), ("//0", Some("1")), ("/x", None)]
        {
            assert_eq!(value.find(&tokens(pointer)).map(Value::to_json).as_deref(), found, "{pointer}");
        }
    }
}
