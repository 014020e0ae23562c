//! The words of a line: quotes, escapes, repetition, variables and comments.

use std::collections::BTreeMap;

/// What `$name` stands for, bound by an earlier line.
pub type Variables = BTreeMap<String, Vec<u8>>;

/// One element of a word. Only bare bytes can be operators: a quoted `=` is just a byte.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Atom {
    /// A byte written without quotes.
    Bare(u8),
    /// A byte written in quotes.
    Quoted(u8),
    /// `$name` or `${name}`.
    Variable(String),
}

/// One word of a line, as atoms.
pub type Word = Vec<Atom>;

/// Bytes with holes, which are filled when the line is played.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Template(Vec<Atom>);

impl Template {
    /// What these atoms stand for.
    pub fn new(atoms: &[Atom]) -> Self {
        Self(atoms.to_vec())
    }

    /// The bytes, or the name of a variable that no earlier line has bound.
    pub fn render(&self, variables: &Variables) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::with_capacity(self.0.len());
        for atom in &self.0 {
            match atom {
                Atom::Bare(byte) | Atom::Quoted(byte) => bytes.push(*byte),
                Atom::Variable(name) => match variables.get(name) {
                    Some(value) => bytes.extend_from_slice(value),
                    None => return Err(format!("${name} has no value yet")),
                },
            }
        }
        Ok(bytes)
    }

    /// The variable's name, where the whole value is one variable.
    pub fn variable(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Atom::Variable(name)] => Some(name),
            _ => None,
        }
    }
}

/// The bytes that a word spells where variables have no place; `None` where it has one.
pub fn spelled(atoms: &[Atom]) -> Option<Vec<u8>> {
    let byte = |atom: &Atom| match atom {
        Atom::Bare(byte) | Atom::Quoted(byte) => Some(*byte),
        Atom::Variable(_) => None,
    };
    atoms.iter().map(byte).collect()
}

/// What a word spells, as text: for keywords, names, paths and numbers.
pub fn text(atoms: &[Atom]) -> Result<String, String> {
    let bytes = spelled(atoms).ok_or("a variable has no place here")?;
    String::from_utf8(bytes).map_err(|_| "only text has a place here".to_owned())
}

/// Whether a word is exactly these bare bytes.
pub fn is_bare(word: &[Atom], expected: &str) -> bool {
    word.len() == expected.len() && expected.bytes().zip(word).all(|(byte, atom)| *atom == Atom::Bare(byte))
}

/// Splits a line into words, without its comment.
pub fn split(line: &str) -> Result<Vec<Word>, String> {
    let mut reader = Reader { bytes: line.as_bytes(), at: 0 };
    let mut words = Vec::new();
    loop {
        reader.skip_blanks();
        match reader.peek() {
            None | Some(b'#') => return Ok(words),
            Some(_) => words.push(reader.word()?),
        }
    }
}

/// A cursor over one line.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn word(&mut self) -> Result<Word, String> {
        let mut word = Word::new();
        // Quotes open where a word or a value begins; elsewhere they would change a value's meaning unseen.
        let mut may_open = true;
        let mut operator_seen = false;
        while let Some(byte) = self.peek().filter(|byte| !byte.is_ascii_whitespace()) {
            match byte {
                b'"' | b'\'' if may_open => {
                    self.quoted(&mut word)?;
                    continue;
                }
                b'"' | b'\'' => return Err("a quote inside a bare value: quote the whole value".to_owned()),
                b'$' => self.variable(&mut word)?,
                b'/' if word.last() == Some(&Atom::Bare(b'~')) && self.regex(&mut word) => {}
                _ => {
                    self.at += 1;
                    word.push(Atom::Bare(byte));
                }
            }
            let operator = matches!(byte, b'=' | b'~');
            may_open = !operator_seen && (operator || matches!(byte, b':' | b'!'));
            operator_seen |= operator;
        }
        Ok(word)
    }

    /// A quoted stretch, and how often it is to be repeated.
    fn quoted(&mut self, word: &mut Word) -> Result<(), String> {
        let start = word.len();
        let quote = self.next();
        loop {
            match self.next() {
                None => return Err("a quote is not closed".to_owned()),
                byte if byte == quote => break,
                Some(b'\\') if quote == Some(b'"') => word.push(Atom::Quoted(self.escape()?)),
                Some(b'$') if quote == Some(b'"') => {
                    self.at -= 1;
                    self.variable(word)?;
                }
                Some(byte) => word.push(Atom::Quoted(byte)),
            }
        }
        if self.peek() == Some(b'*') {
            self.at += 1;
            let digits = self.taken_while(|byte| byte.is_ascii_digit());
            let times: usize = digits.parse().map_err(|_| "`*` after a quote needs a number".to_owned())?;
            let stretch = word.split_off(start);
            word.extend(std::iter::repeat_n(stretch, times).flatten());
        }
        Ok(())
    }

    fn escape(&mut self) -> Result<u8, String> {
        match self.next() {
            Some(b'n') => Ok(b'\n'),
            Some(b'r') => Ok(b'\r'),
            Some(b't') => Ok(b'\t'),
            Some(b'0') => Ok(0),
            Some(byte @ (b'"' | b'\\' | b'$' | b'\'')) => Ok(byte),
            Some(b'x') => {
                let digits = self.bytes.get(self.at..self.at + 2).and_then(|hex| std::str::from_utf8(hex).ok());
                self.at += 2;
                digits
                    .and_then(|hex| u8::from_str_radix(hex, 16).ok())
                    .ok_or("`\\x` needs two hexadecimal digits".to_owned())
            }
            _ => Err(r#"an escape is one of \xff \n \r \t \0 \" \\ \$"#.to_owned()),
        }
    }

    /// `$name` or `${name}`; a `$` before anything else is itself.
    fn variable(&mut self, word: &mut Word) -> Result<(), String> {
        self.at += 1;
        let braced = self.peek() == Some(b'{');
        self.at += usize::from(braced);
        let name = self.taken_while(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        match (name.is_empty(), braced) {
            (false, true) if self.next() != Some(b'}') => Err("`${` is not closed".to_owned()),
            (false, _) => {
                word.push(Atom::Variable(name));
                Ok(())
            }
            (true, true) => Err("`${}` needs a name".to_owned()),
            (true, false) => {
                word.push(Atom::Quoted(b'$'));
                Ok(())
            }
        }
    }

    /// `/regex/` after `~`, to the first slash that ends a word; `false` (and nothing taken) where there is none.
    fn regex(&mut self, word: &mut Word) -> bool {
        let rest = &self.bytes[self.at + 1..];
        let ends = |at: usize| rest[at] == b'/' && rest.get(at + 1).is_none_or(u8::is_ascii_whitespace);
        let Some(length) = (0..rest.len()).find(|at| ends(*at)) else { return false };
        word.extend(self.bytes[self.at..=self.at + 1 + length].iter().map(|byte| Atom::Bare(*byte)));
        self.at += length + 2;
        true
    }

    fn taken_while(&mut self, wanted: impl Fn(u8) -> bool) -> String {
        let start = self.at;
        while self.peek().is_some_and(&wanted) {
            self.at += 1;
        }
        String::from_utf8_lossy(&self.bytes[start..self.at]).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(line: &str) -> Vec<Vec<u8>> {
        let variables = Variables::from([("id".to_owned(), b"7".to_vec())]);
        let words = split(line).expect("the line is well-formed");
        words.iter().map(|word| Template::new(word).render(&variables).expect("every variable is bound")).collect()
    }

    #[test]
    fn a_line_is_split_at_blanks_outside_quotes() {
        let cases: [(&str, &[&[u8]]); 9] = [
            ("GET  /a\tb=c", &[b"GET", b"/a", b"b=c"]),
            ("", &[]),
            ("a # the rest is a comment", &[b"a"]),
            ("/a#b", &[b"/a#b"]),
            (r#"a="b c" 'd e'"#, &[b"a=b c", b"d e"]),
            (r#"a="\xff\x00\n\"\\\$""#, &[b"a=\xff\0\n\"\\$"]),
            (r#"a='"x" \n $id'"#, &[br#"a="x" \n $id"#]),
            (r#"a="ab"*3"c""#, &[b"a=abababc"]),
            (r#"a=$id b="<${id}>" c=$ d=${id}x"#, &[b"a=7", b"b=<7>", b"c=$", b"d=7x"]),
        ];
        for (line, expected) in cases {
            assert_eq!(rendered(line), expected, "{line}");
        }
    }

    #[test]
    fn a_regex_may_hold_blanks_quotes_and_slashes() {
        assert_eq!(rendered(r#"a~/x "y" a/b/ c"#), [br#"a~/x "y" a/b/"#.to_vec(), b"c".to_vec()]);
        assert_eq!(rendered("a~/b c"), [b"a~/b".to_vec(), b"c".to_vec()]);
    }

    #[test]
    fn a_malformed_word_says_what_is_wrong() {
        let cases = [
            (r#"a="b"#, "a quote is not closed"),
            (r#"etag=W/"x""#, "a quote inside a bare value: quote the whole value"),
            (r#"a=max-age="5""#, "a quote inside a bare value: quote the whole value"),
            (r#"a="\xf""#, "`\\x` needs two hexadecimal digits"),
            (r#"a="\q""#, r#"an escape is one of \xff \n \r \t \0 \" \\ \$"#),
            (r#"a="b"*"#, "`*` after a quote needs a number"),
            ("a=${b", "`${` is not closed"),
            ("a=${}", "`${}` needs a name"),
        ];
        for (line, expected) in cases {
            assert_eq!(split(line).expect_err(line), expected, "{line}");
        }
    }

    #[test]
    fn a_variable_without_a_value_is_named() {
        let word = split("$nobody").expect("the line is well-formed").remove(0);
        assert_eq!(Template::new(&word).render(&Variables::new()), Err("$nobody has no value yet".to_owned()));
    }
}
