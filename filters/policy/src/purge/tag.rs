//! What an upstream calls its responses by, as orders and entries number it.

use crate::Seed;

/// How many cells there are.
pub const CELLS: u16 = 2048;

/// The fingerprints that every proxy of a fleet takes alike. Whoever knows this can find tags that share a cell, and gains
/// nothing but that they are purged together.
pub const FLEET: Seed = Seed::from_random(*b"weir.cache.fleet");

/// The cell of one tag.
pub fn cell(tag: &[u8]) -> u16 {
    let print = FLEET.fingerprint([tag.to_ascii_lowercase().as_slice()]).to_bytes();
    print.first_chunk().map_or(0, |half| u16::from_le_bytes(*half) % CELLS)
}

/// The tags of a list.
pub fn split(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| matches!(byte, b',' | b' ' | b'\t')).filter(|tag| !tag.is_empty())
}
