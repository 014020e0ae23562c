//! `CDN-Cache-Control` (RFC 9213): directives for caches like this one alone, as a dictionary of structured fields.
//!
//! Such a field is read strictly: whatever is no dictionary (RFC 8941 §3.2) makes the whole field as if it were not
//! there, and `Cache-Control` counts again (§2.1). Parameters are ignored. A member that is `?0` was not said. A number
//! of another type has no argument: it is read as 0, so that a mistake makes nothing more reusable.

/// Longer fields are not read. RFC 8941 §3.2 has dictionaries of 1,024 members with names of 64 characters.
const LENGTH_MAX: usize = 64 << 10;
/// As many members are read, whether their names are different or not.
const MEMBERS_MAX: usize = 1024;

/// A directive: its name, and its argument as `Cache-Control` would write it, without quotes.
pub type Member = (Vec<u8>, Option<Vec<u8>>);

/// A field with more than is read, of which nobody knows what it says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Excessive;

/// Reads the field, its lines joined by commas; `None` where it is empty or no dictionary.
///
/// # Errors
/// [`Excessive`] where it is longer than 64 KiB or has more than 1,024 members.
pub fn parse(field: &[u8]) -> Result<Option<Vec<Member>>, Excessive> {
    let is_excessive = |members: usize| field.len() > LENGTH_MAX || members > MEMBERS_MAX;
    let mut count = 0;
    let members = if is_excessive(0) { None } else { members(field, &mut count) };
    if is_excessive(count) { Err(Excessive) } else { Ok(members) }
}

/// Reads members, and counts them.
fn members(field: &[u8], count: &mut usize) -> Option<Vec<Member>> {
    let mut rest = Rest(field.trim_ascii_start());
    let mut members: Vec<Member> = Vec::new();
    while !rest.0.is_empty() {
        *count += 1;
        if *count > MEMBERS_MAX {
            return None;
        }
        let (name, value) = rest.member()?;
        // §2.1: a number of seconds that is no integer is not to be made use of. What is said beside it still counts.
        let is_number = [&b"max-age"[..], b"s-maxage", b"stale-while-revalidate", b"stale-if-error"].contains(&&*name);
        members.retain(|(other, _)| *other != name);
        match value {
            Value::Bare(_) | Value::Text(_) if is_number => members.push((name, None)),
            Value::Bare(false) => {}
            Value::Bare(true) => members.push((name, None)),
            Value::Text(text) | Value::Integer(text) => members.push((name, Some(text))),
        }
        rest.blanks();
        if rest.0.is_empty() {
            break;
        }
        rest.expect(b',')?;
        rest.blanks();
        // A comma at the end is a mistake.
        if rest.0.is_empty() {
            return None;
        }
    }
    (!members.is_empty()).then_some(members)
}

enum Value {
    Bare(bool),
    Integer(Vec<u8>),
    Text(Vec<u8>),
}

/// What has not been read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn member(&mut self) -> Option<(Vec<u8>, Value)> {
        let name = self.key()?;
        let value =
            if self.skip(b'=') { if self.skip(b'(') { self.list()? } else { self.item()? } } else { Value::Bare(true) };
        self.parameters()?;
        Some((name, value))
    }

    /// §3.1.2: lower case alone.
    fn key(&mut self) -> Option<Vec<u8>> {
        self.0.first().filter(|first| first.is_ascii_lowercase() || **first == b'*')?;
        let key = self.run(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-' | b'.' | b'*')
        });
        Some(key.to_vec())
    }

    fn item(&mut self) -> Option<Value> {
        match self.0.first()? {
            b'"' => self.string().map(Value::Text),
            b'?' => {
                self.skip(b'?');
                let yes = self.skip(b'1');
                (yes || self.skip(b'0')).then_some(Value::Bare(yes))
            }
            b':' => {
                self.skip(b':');
                let bytes = self.run(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='));
                self.expect(b':')?;
                Some(Value::Text(bytes.to_vec()))
            }
            b'-' | b'0'..=b'9' => self.number(),
            b'A'..=b'Z' | b'a'..=b'z' | b'*' => {
                let token = self.run(|byte| crate::directive::is_token(byte) || matches!(byte, b':' | b'/'));
                Some(Value::Text(token.to_vec()))
            }
            _ => None,
        }
    }

    /// §3.3.1 and §3.3.2: fifteen digits, or twelve and three.
    fn number(&mut self) -> Option<Value> {
        let start = self.0;
        self.skip(b'-');
        let whole = self.run(|byte| byte.is_ascii_digit()).len();
        let is_fraction = self.skip(b'.');
        let part = self.run(|byte| byte.is_ascii_digit()).len();
        let fits = if is_fraction { whole <= 12 && (1..=3).contains(&part) } else { whole <= 15 };
        let text = start.get(..start.len() - self.0.len())?;
        (whole > 0 && fits)
            .then(|| if is_fraction { Value::Text(text.to_vec()) } else { Value::Integer(text.to_vec()) })
    }

    /// §3.3.3
    fn string(&mut self) -> Option<Vec<u8>> {
        self.expect(b'"')?;
        let mut text = Vec::new();
        loop {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            match byte {
                b'"' => return Some(text),
                b'\\' => {
                    let (&escaped, rest) = self.0.split_first()?;
                    self.0 = rest;
                    matches!(escaped, b'"' | b'\\').then(|| text.push(escaped))?;
                }
                b' '..=b'~' => text.push(byte),
                _ => return None,
            }
        }
    }

    /// §3.1.1, after its parenthesis: its items are of no use to a cache, but have to be items.
    fn list(&mut self) -> Option<Value> {
        loop {
            self.run(|byte| byte == b' ');
            if self.skip(b')') {
                return Some(Value::Text(b"()".to_vec()));
            }
            self.item()?;
            self.parameters()?;
            self.0.first().filter(|byte| matches!(byte, b' ' | b')'))?;
        }
    }

    fn parameters(&mut self) -> Option<()> {
        while self.skip(b';') {
            self.run(|byte| byte == b' ');
            self.key()?;
            if self.skip(b'=') {
                self.item()?;
            }
        }
        Some(())
    }

    fn run(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.0.iter().position(|&byte| !wanted(byte)).unwrap_or(self.0.len());
        let (run, rest) = self.0.split_at_checked(end).unwrap_or_default();
        self.0 = rest;
        run
    }

    fn blanks(&mut self) {
        self.run(|byte| matches!(byte, b' ' | b'\t'));
    }

    fn skip(&mut self, wanted: u8) -> bool {
        let found = self.0.first() == Some(&wanted);
        if found {
            self.0 = self.0.get(1..).unwrap_or_default();
        }
        found
    }

    fn expect(&mut self, wanted: u8) -> Option<()> {
        self.skip(wanted).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_dictionary_is_read_strictly() {
        // RFC 8941 §3.2 and §4.2.2
        let rows: [(&str, Option<&str>); 35] = [
            ("max-age=60", Some("max-age=60")),
            (" max-age=60, no-store ", Some("max-age=60 no-store")),
            ("a,\tb", Some("a b")),
            ("max-age=60;x=1;y=\"a,b\", c", Some("max-age=60 c")),
            ("max-age=1, max-age=2", Some("max-age=2")),
            ("private=\"a, \\\"b\", c=tok:en/x", Some("private=a, \"b c=tok:en/x")),
            ("no-store=?0, max-age=5", Some("max-age=5")),
            ("no-store=?1", Some("no-store")),
            ("a=-5, b=1.25, c=:aGk=:, d=(1 \"x\";p tok)", Some("a=-5 b=1.25 c=aGk= d=()")),
            ("*a", Some("*a")),
            ("", None),
            ("   ", None),
            ("no-store=?0", None),
            ("max-age=\"60\", no-store", Some("max-age no-store")),
            ("no-store, max-age=6.5", Some("no-store max-age")),
            ("s-maxage", Some("s-maxage")),
            ("max-age=?0, max-age=60, s-maxage=?0", Some("max-age=60 s-maxage")),
            ("Max-Age=60", None),
            ("max-age =60", None),
            ("max-age= 60", None),
            ("max-age=60,", None),
            (",max-age=60", None),
            ("max-age=60,,a", None),
            ("max-age=60 a", None),
            ("max-age=\"60", None),
            ("max-age='60'", None),
            ("a=1234567890123456", None),
            ("a=1.2345", None),
            ("a=1.", None),
            ("a=-", None),
            ("a=(1", None),
            ("a=(1,2)", None),
            ("a=\"\\x\"", None),
            ("a=\u{ff}", None),
            ("a;=1", None),
        ];
        for (field, expected) in rows {
            let written = parse(field.as_bytes()).unwrap().map(|members| {
                let words = members.into_iter().map(|(name, argument)| match argument {
                    Some(argument) => [name, argument].join(&b'='),
                    None => name,
                });
                String::from_utf8(words.collect::<Vec<_>>().join(&b' ')).unwrap()
            });
            assert_eq!(written.as_deref(), expected, "{field:?}");
        }
    }

    #[test]
    fn a_field_is_read_as_far_as_the_rfc_asks_for_or_not_at_all() {
        // RFC 8941 §3.2: 1,024 members, names of 64 characters.
        let named = |count: usize| (0..count).map(|number| format!("a{number:063}")).collect::<Vec<_>>().join(",");
        let count = |field: &str| parse(field.as_bytes()).map(|members| members.map(|members| members.len()));
        assert_eq!(count(&named(900)), Ok(Some(900)));
        let short = |count: usize| (0..=count).map(|number| format!("a{number}")).collect::<Vec<_>>().join(", ");
        assert_eq!(count(&short(1023)), Ok(Some(1024)));
        assert_eq!(count(&short(1024)), Err(Excessive));
        assert_eq!(count(&format!("{}no-store", "a,".repeat(1023))), Ok(Some(2)));
        assert_eq!(count(&format!("{}no-store", "a,".repeat(1024))), Err(Excessive));
        assert_eq!(count(&format!("a=\"{}\"", "b".repeat(LENGTH_MAX))), Err(Excessive));
        assert_eq!(count(&format!("A{}", ",a".repeat(3000))), Ok(None), "it is no dictionary from its first member on");
    }
}
