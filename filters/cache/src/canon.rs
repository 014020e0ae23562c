//! One form for all JSON texts that say the same, so that a search's body can be part of a key.
//!
//! Blanks go, the members of an object stand in the order of their names, a text has no escape but those of `"` and `\`, and
//! a number is its digits and a power of ten: `1`, `1.0` and `10e-1` are `1`, exactly, however long they are. What would
//! be read otherwise by one reader than by another has no such form: an object with one name twice, half of a surrogate
//! pair (RFC 8259 §4, §8.2). Nor has what takes long to read: deep nesting, hundreds of members in one object.

use crate::key::{self, Named};

/// Deeper nesting has no form.
const DEPTH_MAX: usize = 64;
/// Numbers with longer exponents have none.
const EXPONENT_DIGITS_MAX: usize = 9;

/// The canonical form of a JSON text; `None` where it has none, or is no JSON (RFC 8259).
pub fn json(text: &[u8]) -> Option<Vec<u8>> {
    let rest = std::str::from_utf8(text).ok()?.as_bytes();
    let mut writer = Writer { rest, form: Vec::with_capacity(rest.len()) };
    writer.value(DEPTH_MAX)?;
    writer.skip_blanks();
    writer.rest.is_empty().then_some(writer.form)
}

/// Reads a text and writes its form.
struct Writer<'a> {
    rest: &'a [u8],
    form: Vec<u8>,
}

/// Where a member stands in the form: its beginning, the end of its name, its end.
type Span = (usize, usize, usize);

impl<'a> Writer<'a> {
    fn value(&mut self, depth: usize) -> Option<()> {
        self.skip_blanks();
        match self.rest.first()? {
            b'{' => self.object(depth.checked_sub(1)?),
            b'[' => self.list(depth.checked_sub(1)?),
            b'"' => self.text(),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => self.number(),
        }
    }

    fn object(&mut self, depth: usize) -> Option<()> {
        let start = self.form.len();
        let mut members: Vec<Span> = Vec::new();
        self.each(b'}', &mut |writer| {
            let start = writer.form.len();
            writer.skip_blanks();
            writer.text()?;
            let name = writer.form.len();
            writer.skip_blanks();
            writer.take(b':')?;
            writer.form.push(b':');
            writer.value(depth)?;
            members.push((start, name, writer.form.len()));
            Some(())
        })?;
        self.sort(start, &members)
    }

    /// Puts the members of an object, which begins at `start`, into their order.
    fn sort(&mut self, start: usize, members: &[Span]) -> Option<()> {
        let form = &self.form;
        let part = |from: usize, to: usize| form.get(from..to).unwrap_or_default();
        let named: Vec<Named<'_>> =
            members.iter().map(|&(start, name, end)| (part(start, name), part(start, end))).collect();
        let members = key::ordered(&named)?;
        if members.windows(2).any(|pair| matches!(pair, [one, other] if one.0 == other.0)) {
            return None;
        }
        let mut sorted = Vec::with_capacity(form.len() - start + 2);
        sorted.push(b'{');
        for (index, (_, member)) in members.iter().enumerate() {
            if index > 0 {
                sorted.push(b',');
            }
            sorted.extend_from_slice(member);
        }
        sorted.push(b'}');
        self.form.truncate(start);
        self.form.extend(sorted);
        Some(())
    }

    fn list(&mut self, depth: usize) -> Option<()> {
        self.form.push(b'[');
        let mut is_first = true;
        self.each(b']', &mut |writer| {
            if !std::mem::take(&mut is_first) {
                writer.form.push(b',');
            }
            writer.value(depth)
        })?;
        self.form.push(b']');
        Some(())
    }

    /// Reads what stands between a bracket and its `end`, one `item` after the other.
    fn each(&mut self, end: u8, item: &mut dyn FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.rest = self.rest.get(1..)?;
        self.skip_blanks();
        if self.take(end).is_some() {
            return Some(());
        }
        loop {
            item(self)?;
            self.skip_blanks();
            if self.take(end).is_some() {
                return Some(());
            }
            self.take(b',')?;
        }
    }

    fn text(&mut self) -> Option<()> {
        self.take(b'"')?;
        self.form.push(b'"');
        loop {
            let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
            let at = self.rest.iter().position(is_special)?;
            let (plain, rest) = self.rest.split_at_checked(at)?;
            self.form.extend_from_slice(plain);
            self.rest = rest.get(1..)?;
            match rest.first()? {
                b'"' => break,
                b'\\' => self.escape()?,
                // A control character stands for itself nowhere.
                _ => return None,
            }
        }
        self.form.push(b'"');
        Some(())
    }

    fn escape(&mut self) -> Option<()> {
        let byte = *self.rest.first()?;
        self.rest = self.rest.get(1..)?;
        let plain = match byte {
            b'"' | b'\\' => {
                self.form.push(b'\\');
                byte
            }
            b'/' => byte,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => return self.unicode(),
            _ => return None,
        };
        self.form.push(plain);
        Some(())
    }

    fn unicode(&mut self) -> Option<()> {
        let mut code = self.unit()?;
        if (0xd800..0xdc00).contains(&code) {
            self.take(b'\\')?;
            self.take(b'u')?;
            let low = self.unit()?.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
            code = 0x1_0000 + ((code - 0xd800) << 10 | low);
        }
        // The second half of a pair is no character alone.
        let character = char::from_u32(code)?;
        if matches!(character, '"' | '\\') {
            self.form.push(b'\\');
        }
        self.form.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        Some(())
    }

    fn unit(&mut self) -> Option<u32> {
        let (digits, rest) = self.rest.split_first_chunk::<4>()?;
        self.rest = rest;
        digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))
    }

    fn number(&mut self) -> Option<()> {
        if self.take(b'-').is_some() {
            // Some readers tell -0 from 0.
            self.form.push(b'-');
        }
        let whole = self.digits()?;
        if whole.len() > 1 && whole.starts_with(b"0") {
            return None;
        }
        let fraction = if self.take(b'.').is_some() { self.digits()? } else { b"" };
        let exponent = if self.take(b'e').or_else(|| self.take(b'E')).is_some() { self.exponent()? } else { 0 };
        let start = self.form.len();
        self.write(start, whole);
        self.write(start, fraction);
        let mut shift = -i64::try_from(fraction.len()).ok()?;
        while self.form.len() > start && self.form.last() == Some(&b'0') {
            self.form.pop();
            shift += 1;
        }
        if self.form.len() == start {
            self.form.push(b'0');
            return Some(());
        }
        let exponent = exponent + shift;
        if exponent != 0 {
            self.form.push(b'e');
            self.form.extend_from_slice(exponent.to_string().as_bytes());
        }
        Some(())
    }

    /// Writes digits of a number that begins at `start`: none that is a zero in front.
    fn write(&mut self, start: usize, digits: &[u8]) {
        for &digit in digits {
            if digit != b'0' || self.form.len() > start {
                self.form.push(digit);
            }
        }
    }

    fn exponent(&mut self) -> Option<i64> {
        let is_negative = self.take(b'-').is_some();
        if !is_negative {
            self.take(b'+');
        }
        let digits = self.digits()?;
        let significant = digits.iter().position(|&digit| digit != b'0').unwrap_or(digits.len());
        let digits = digits.get(significant..).filter(|digits| digits.len() <= EXPONENT_DIGITS_MAX)?;
        let exponent = digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0'));
        Some(if is_negative { -exponent } else { exponent })
    }

    /// Takes digits off, one at least.
    fn digits(&mut self) -> Option<&'a [u8]> {
        let end = self.rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at_checked(end).filter(|(digits, _)| !digits.is_empty())?;
        self.rest = rest;
        Some(digits)
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(word)?;
        self.form.extend_from_slice(word);
        Some(())
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        self.rest = self.rest.strip_prefix(&[byte])?;
        Some(())
    }

    fn skip_blanks(&mut self) {
        while let Some((b' ' | b'\t' | b'\n' | b'\r', rest)) = self.rest.split_first() {
            self.rest = rest;
        }
    }
}

#[cfg(test)]
mod tests;
