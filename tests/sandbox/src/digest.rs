//! Identifiers that look like each service's own, derived from a label: the same in every run, kept in no table.

use sha2::{Digest, Sha256};

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The SHA-256 of a label.
pub(crate) fn bytes(label: &str) -> [u8; 32] {
    Sha256::digest(label.as_bytes()).into()
}

/// So many hexadecimal digits of it (at most 64).
pub(crate) fn hex(label: &str, length: usize) -> String {
    let digits = bytes(label).into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.take(length).filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect()
}

/// So many base62 digits, as in a Spotify id (at most 32).
pub(crate) fn base62(label: &str, length: usize) -> String {
    bytes(label).iter().take(length).map(|byte| char::from(BASE62[usize::from(*byte) % 62])).collect()
}

/// A UUID of version 4's form, as in a `MusicBrainz` id.
pub(crate) fn uuid(label: &str) -> String {
    let hex = hex(label, 32);
    format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32])
}

/// A number from `least` up to, but without, `end`.
pub(crate) fn number(label: &str, least: u64, end: u64) -> u64 {
    let bytes = bytes(label);
    let mut first = [0; 8];
    first.copy_from_slice(&bytes[..8]);
    least + u64::from_be_bytes(first) % (end - least).max(1)
}

/// A share between nought and one, with three decimals.
pub(crate) fn share(label: &str) -> f64 {
    let thousandths = u16::try_from(number(label, 0, 1000)).unwrap_or_default();
    f64::from(thousandths) / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_has_its_services_form() {
        assert_eq!(base62("a", 22).len(), 22);
        assert_ne!(base62("a", 22), base62("b", 22));
        let uuid = uuid("a");
        let lengths: Vec<_> = uuid.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert!((10..20).contains(&number("a", 10, 20)));
        assert!((0.0..1.0).contains(&share("a")));
    }
}
