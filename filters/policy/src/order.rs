//! What an operator orders of an upstream's breaker, at run time: by a key of the fleet's store, or by one of shared data.
//!
//! An order is one text: a word, and if it is to be told from the same word before, a blank and a mark of one's own:
//!
//! ```text
//! SET weir:breaker:order:spotify forced_open               # on all proxies that ask this store, until it is gone
//! SET weir:breaker:order:spotify metrics_only EX 3600      # … for an hour
//! SET weir:breaker:order:spotify "reset 2026-11-21"        # closed, with nothing known; then by itself
//! DEL weir:breaker:order:spotify                           # as the configuration says
//! ```
//!
//! Where the text becomes another one, the order is given; where it stays, it was given already. What it replaces is
//! forgotten, and so is all that the breaker has seen. A text that is no order changes nothing. Of an order in the store and
//! one in shared data, the one that was given last holds; whoever has a fleet orders by the store.

/// What an operator wants of a breaker.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Order {
    /// That it opens and closes by itself.
    #[default]
    Automatic = 1,
    /// That all calls pass, and none is counted.
    Disabled = 2,
    /// That no call passes, until another order.
    ForcedOpen = 3,
    /// That all calls pass, and that it says when it would have opened.
    MetricsOnly = 4,
}

/// A longer text is no order.
pub const TEXT_BYTES_MAX: usize = 64;

impl Order {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Automatic, Self::Disabled, Self::ForcedOpen, Self::MetricsOnly];

    /// As configurations and orders name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::Disabled => "disabled",
            Self::ForcedOpen => "forced_open",
            Self::MetricsOnly => "metrics_only",
        }
    }

    /// The order of this name.
    pub fn parse(word: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|order| order.as_str().as_bytes() == word)
    }
}

/// The key of shared data under which one proxy's breakers look for an order about this upstream.
pub fn key(upstream: &str) -> String {
    ["weir.breaker/order/", upstream].concat()
}

/// The same in the fleet's store, after the store's prefix.
pub fn store_key(upstream: &str) -> String {
    ["breaker:order:", upstream].concat()
}

/// What has been heard of one upstream from one place.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Ear {
    text: Vec<u8>,
    is_ordered: bool,
}

/// What comes of a text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Heard {
    /// Nothing that was not known.
    Nothing,
    /// This is to be done; without an order, what the configuration says. All that was seen is to be forgotten.
    Force(Option<Order>),
    /// It is no order.
    Garbage,
}

impl Ear {
    /// Hears a text; none at all where no order stands.
    pub fn hear(&mut self, text: &[u8]) -> Heard {
        let text = text.get(..=TEXT_BYTES_MAX).unwrap_or(text);
        if *text == *self.text {
            return Heard::Nothing;
        }
        self.text = text.to_vec();
        if text.is_empty() {
            return if std::mem::take(&mut self.is_ordered) { Heard::Force(None) } else { Heard::Nothing };
        }
        let word = text.split(|&byte| byte == b' ').next().unwrap_or_default();
        let order = match word {
            b"reset" => None,
            word => match Order::parse(word) {
                Some(order) => Some(order),
                None => return Heard::Garbage,
            },
        };
        if text.len() > TEXT_BYTES_MAX || !text.iter().all(|byte| matches!(byte, b' '..=b'~')) {
            return Heard::Garbage;
        }
        self.is_ordered = order.is_some();
        Heard::Force(order)
    }

    /// Writes down what was heard, behind whatever `bytes` hold.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        let length = u8::try_from(self.text.len()).unwrap_or_default();
        bytes.extend([u8::from(self.is_ordered), length]);
        bytes.extend(&self.text);
    }

    /// Reads what [`Ear::write`] wrote, and what follows it; `None` for anything else.
    pub fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let ([is_ordered, length], rest) = bytes.split_first_chunk()?;
        let (text, rest) = rest.split_at_checked(usize::from(*length))?;
        Some((Self { text: text.to_vec(), is_ordered: *is_ordered != 0 }, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Texts, one after the other, and what comes of each; what was heard is stored in between.
    fn check(rows: &[(&str, Heard)]) {
        let mut ear = Ear::default();
        for (row, (text, expected)) in rows.iter().enumerate() {
            assert_eq!(ear.hear(text.as_bytes()), *expected, "row {row}: {text}");
            let mut bytes = Vec::new();
            ear.write(&mut bytes);
            bytes.push(7);
            assert_eq!(Ear::read(&bytes), Some((ear.clone(), &[7][..])), "row {row}");
        }
    }

    const TAKEN_BACK: Heard = Heard::Force(None);

    #[test]
    fn an_order_is_given_once_and_taken_back_when_it_is_gone() {
        for order in Order::ALL {
            let given = Heard::Force(Some(order));
            check(&[("", Heard::Nothing), (order.as_str(), given), (order.as_str(), Heard::Nothing), ("", TAKEN_BACK)]);
        }
    }

    #[test]
    fn a_mark_makes_the_same_order_another_one() {
        check(&[("reset 1", TAKEN_BACK), ("reset 1", Heard::Nothing), ("reset 2", TAKEN_BACK), ("", Heard::Nothing)]);
    }

    #[test]
    fn what_is_no_order_is_heard_once_and_changes_nothing() {
        let long = ["reset ", &"x".repeat(TEXT_BYTES_MAX)].concat();
        let longer = [&long, "x"].concat();
        for garbage in ["forced-open", "reset\n1", " reset", "FORCED_OPEN", "reset \u{e9}", "?", &long] {
            check(&[(garbage, Heard::Garbage), (garbage, Heard::Nothing), ("", Heard::Nothing)]);
            let forced = ("forced_open", Heard::Force(Some(Order::ForcedOpen)));
            check(&[forced, (garbage, Heard::Garbage), ("", TAKEN_BACK)]);
        }
        check(&[(&long, Heard::Garbage), (&longer, Heard::Nothing)]);
    }

    #[test]
    fn bytes_that_are_cut_are_nothing_heard() {
        let mut ear = Ear::default();
        ear.hear(b"disabled");
        let mut bytes = Vec::new();
        ear.write(&mut bytes);
        for end in 0..bytes.len() {
            assert_eq!(Ear::read(&bytes[..end]), None);
        }
    }
}
