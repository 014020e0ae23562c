//! What an operator orders of a cache, and where in shared data the cache hears of it.
//!
//! An [`Order`] is one text, the same wherever it is given: with `PURGE`, in a fleet's stream, or here. Whoever gives one here
//! adds it to the cache's inbox ([`inbox`], [`ask`]) and then rings its [`Pulse`]. Every worker reads the pulse with every
//! request, before it looks for anything stored; the first that finds it rung carries out what is in the inbox as if it had
//! been given to itself, takes it out, and so tells all others. Nothing that is asked for after that is answered by what was
//! purged. What is carried out before it is taken out may be carried out twice, and is never lost.

pub mod key;
mod order;
pub mod tag;

pub use order::{Mistake, Mode, Order, Scope};

use crate::Instant;

/// What waits in an inbox has no more bytes; of more orders, one to purge everything is left.
const INBOX_BYTES_MAX: usize = 64 << 10;

/// The key of shared data that holds orders for the cache of this name.
pub fn inbox(cache: &str) -> String {
    ["weir.cache.", cache, ".inbox"].concat()
}

/// The key of shared data that holds its [`Pulse`].
pub fn pulse(cache: &str) -> String {
    ["weir.cache.", cache, ".pulse"].concat()
}

/// Adds the text of an order to an inbox.
pub fn ask(inbox: &mut Vec<u8>, order: &[u8]) {
    if inbox.len() + order.len() >= INBOX_BYTES_MAX {
        inbox.clear();
        inbox.extend(b"everything\n");
    } else {
        inbox.extend(order);
        inbox.push(b'\n');
    }
}

/// The texts of all orders in an inbox.
pub fn asked(inbox: &[u8]) -> impl Iterator<Item = &[u8]> {
    inbox.split(|&byte| byte == b'\n').filter(|text| !text.is_empty())
}

/// What all workers look at before they look for anything stored.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Pulse {
    /// Another one after each purge.
    pub number: u64,
    /// When the fleet's purges were last read.
    pub heard: Instant,
}

/// No count of purges comes so far.
const RUNG: u64 = 1 << 63;

impl Pulse {
    /// Reads what [`Pulse::to_bytes`] wrote; anything else is one that never was.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let number = |half: Option<&[u8; 8]>| half.map_or(0, |half| u64::from_le_bytes(*half));
        let heard = number(bytes.get(8..).and_then(<[u8]>::first_chunk));
        Self { number: number(bytes.first_chunk()), heard: Instant::from_nanos(heard) }
    }

    /// As it is stored.
    pub fn to_bytes(self) -> Vec<u8> {
        [self.number.to_le_bytes(), self.heard.as_nanos().to_le_bytes()].concat()
    }

    /// Says that there are orders in the inbox.
    pub const fn ring(&mut self) {
        self.number |= RUNG;
    }

    /// Says that so many purges have been carried out. The number never goes down, and what waits in the inbox still does.
    pub fn advance(&mut self, count: u64) {
        self.number = self.number & RUNG | count.max(self.number & !RUNG);
    }

    /// Says that the inbox is about to be emptied: who adds to it from now on rings again.
    pub const fn answer(&mut self) {
        self.number &= !RUNG;
    }

    /// How many purges the cache has carried out, of orders to this proxy.
    pub fn count(self) -> u32 {
        u32::try_from(self.number & !RUNG).unwrap_or(u32::MAX)
    }

    /// Whether somebody has said so.
    pub const fn is_rung(self) -> bool {
        self.number & RUNG != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn an_inbox_keeps_orders_in_their_order() {
        let mut inbox = Vec::new();
        assert_eq!(asked(&inbox).count(), 0);
        ask(&mut inbox, b"tag=a");
        ask(&mut inbox, b"provider=b&mode=soft");
        assert_eq!(asked(&inbox).collect::<Vec<_>>(), [&b"tag=a"[..], b"provider=b&mode=soft"]);
    }

    #[test]
    fn a_flood_of_orders_takes_everything_and_no_memory() {
        let mut inbox = Vec::new();
        for number in 0..20_000 {
            ask(&mut inbox, format!("tag={number}").as_bytes());
            assert!(inbox.len() <= INBOX_BYTES_MAX);
        }
        assert_eq!(asked(&inbox).next(), Some(&b"everything"[..]));
        assert!(asked(&inbox).all(|text| Order::parse(text).is_ok()));
    }

    #[test]
    fn a_pulse_is_rung_until_it_is_answered() {
        let mut pulse = Pulse { number: 7, heard: Instant::from_nanos(9) };
        assert!(!pulse.is_rung());
        pulse.ring();
        assert_eq!((pulse.is_rung(), pulse.count(), Pulse::from_bytes(&pulse.to_bytes())), (true, 7, pulse));
        for (count, expected) in [(8, 8), (6, 8), (9, 9)] {
            pulse.advance(count);
            assert_eq!((pulse.is_rung(), pulse.count()), (true, expected));
        }
        pulse.answer();
        assert_eq!((pulse.is_rung(), pulse.count(), pulse.heard), (false, 9, Instant::from_nanos(9)));
        assert_eq!(Pulse::from_bytes(b"short"), Pulse::default());
    }
}
