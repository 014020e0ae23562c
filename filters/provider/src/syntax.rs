//! Whether what comes piece by piece is a JSON object (RFC 8259 §2), told with the memory of a few words.
//!
//! The grammar is read by a pushdown automaton whose stack is a number: a bit for each level that is open, which says whether
//! that is a list, and above them one that says where they end. So there may be 127 levels, as many as `serde_json` reads of an
//! answer that is collected. What a text or a number means is not asked: half a surrogate pair and a number beyond every
//! double are well-formed.

/// How far a JSON object has come.
pub struct Syntax {
    state: State,
    levels: u128,
    /// Whether the text that is being read is a member's name.
    is_name: bool,
}

/// What may come next.
#[derive(Clone, Copy)]
enum State {
    /// The object.
    Begin,
    /// A value.
    Value,
    /// A value, or the end of a list that is empty.
    Element,
    /// A member's name.
    Name,
    /// A member's name, or the end of an object that is empty.
    Member,
    /// What stands between a name and its value.
    Colon,
    /// What follows a value inside a list or an object.
    Behind,
    /// Nothing but blanks: the object has ended.
    End,
    /// More of a text.
    Text,
    /// What a backslash makes something else of.
    Escape,
    /// So many hexadecimal digits.
    Hex(u8),
    /// So many bytes of a character, the next one between these two (RFC 3629 §4).
    Character(u8, u8, u8),
    /// The rest of `true`, `false` or `null`.
    Word(&'static [u8]),
    /// The first digit of a negative number.
    Minus,
    /// What follows the zero that a number begins with.
    Zero,
    /// More of a number before its point.
    Whole,
    /// The first digit behind the point.
    Point,
    /// More of a number behind its point.
    Fraction,
    /// The first digit of an exponent, or its sign.
    Exponent,
    /// The first digit of an exponent with a sign.
    Sign,
    /// More of an exponent.
    Power,
    /// It is none, whatever comes.
    Wrong,
}

impl Default for Syntax {
    fn default() -> Self {
        Self { state: State::Begin, levels: 1, is_name: false }
    }
}

impl Syntax {
    /// Takes a further piece in, and says whether all that has come may be, or become, a JSON object.
    pub fn read(&mut self, piece: &[u8]) -> bool {
        for byte in piece {
            self.state = self.next(*byte);
        }
        !matches!(self.state, State::Wrong)
    }

    /// Whether all that has come is a JSON object.
    pub const fn is_whole(&self) -> bool {
        matches!(self.state, State::End)
    }

    fn next(&mut self, byte: u8) -> State {
        use State::{
            Begin, Behind, Character, Colon, Element, End, Escape, Hex, Member, Name, Text, Value, Word, Wrong,
        };
        match (self.state, byte) {
            (Text, b'"') if self.is_name => Colon,
            (Text, b'"') => Behind,
            (Text, b'\\') => Escape,
            (Text, b' '..=0x7f) | (Escape, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Text,
            (Text, _) => character(byte),
            (Character(1, low, high), _) if (low..=high).contains(&byte) => Text,
            (Character(left, low, high), _) if (low..=high).contains(&byte) => Character(left - 1, 0x80, 0xbf),
            (Escape, b'u') => Hex(4),
            (Hex(1), _) if byte.is_ascii_hexdigit() => Text,
            (Hex(left), _) if byte.is_ascii_hexdigit() => Hex(left - 1),
            (Begin | Value | Element | Name | Member | Colon | Behind | End, b' ' | b'\t' | b'\n' | b'\r') => {
                self.state
            }
            (Begin, b'{') => self.open(false),
            (Element, b']') | (Member, b'}') => self.close(),
            (Value | Element, _) => self.begin(byte),
            (Name | Member, b'"') => {
                self.is_name = true;
                Text
            }
            (Colon, b':') => Value,
            (Behind, _) => self.behind(byte),
            (Word(rest), _) => match rest.split_first() {
                Some((expected, [])) if *expected == byte => Behind,
                Some((expected, rest)) if *expected == byte => Word(rest),
                _ => Wrong,
            },
            _ => self.number(byte),
        }
    }

    /// The first byte of a value.
    fn begin(&mut self, byte: u8) -> State {
        match byte {
            b'{' => self.open(false),
            b'[' => self.open(true),
            b'"' => {
                self.is_name = false;
                State::Text
            }
            b't' => State::Word(b"rue"),
            b'f' => State::Word(b"alse"),
            b'n' => State::Word(b"ull"),
            b'-' => State::Minus,
            b'0' => State::Zero,
            b'1'..=b'9' => State::Whole,
            _ => State::Wrong,
        }
    }

    /// A further byte of a number (RFC 8259 §6), which has no end of its own.
    fn number(&mut self, byte: u8) -> State {
        use State::{Exponent, Fraction, Minus, Point, Power, Sign, Whole, Wrong, Zero};
        match (self.state, byte) {
            (Minus, b'0') => Zero,
            (Minus, b'1'..=b'9') | (Whole, b'0'..=b'9') => Whole,
            (Zero | Whole, b'.') => Point,
            (Point | Fraction, b'0'..=b'9') => Fraction,
            (Zero | Whole | Fraction, b'e' | b'E') => Exponent,
            (Exponent, b'+' | b'-') => Sign,
            (Exponent | Sign | Power, b'0'..=b'9') => Power,
            (Zero | Whole | Fraction | Power, _) => self.behind(byte),
            _ => Wrong,
        }
    }

    /// What follows a value.
    const fn behind(&mut self, byte: u8) -> State {
        match (byte, self.levels & 1 == 1) {
            (b' ' | b'\t' | b'\n' | b'\r', _) => State::Behind,
            (b',', true) => State::Value,
            (b',', false) => State::Name,
            (b']', true) | (b'}', false) => self.close(),
            _ => State::Wrong,
        }
    }

    const fn open(&mut self, is_list: bool) -> State {
        if self.levels.leading_zeros() == 0 {
            return State::Wrong;
        }
        self.levels = self.levels << 1 | is_list as u128;
        if is_list { State::Element } else { State::Member }
    }

    const fn close(&mut self) -> State {
        self.levels >>= 1;
        if self.levels == 1 { State::End } else { State::Behind }
    }
}

/// The first byte of a character beyond ASCII.
const fn character(byte: u8) -> State {
    match byte {
        0xc2..=0xdf => State::Character(1, 0x80, 0xbf),
        0xe0 => State::Character(2, 0xa0, 0xbf),
        // What UTF-16 keeps for its pairs is no character.
        0xed => State::Character(2, 0x80, 0x9f),
        0xe1..=0xef => State::Character(2, 0x80, 0xbf),
        0xf0 => State::Character(3, 0x90, 0xbf),
        0xf1..=0xf3 => State::Character(3, 0x80, 0xbf),
        0xf4 => State::Character(3, 0x80, 0x8f),
        _ => State::Wrong,
    }
}

#[cfg(test)]
mod tests;
