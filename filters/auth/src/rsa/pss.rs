//! The padding of RSASSA-PSS (RFC 8017 §9.1.2), with a salt as long as the hash (RFC 7518 §3.5) and MGF1 with that hash.

use crate::hash::Hash;

/// What a block ends with.
const TRAILER: u8 = 0xbc;

/// Whether a block, as long as the modulus of so many `bits`, stands for a digest. The block is unmasked in place.
pub(super) fn fits(hash: Hash, digest: &[u8], block: &mut [u8], bits: u32) -> bool {
    // The encoded message has a bit less than the modulus: where that is a whole byte less, the first byte is zero.
    let bits = bits.saturating_sub(1);
    let block = match (bits % 8, block) {
        (0, [0, block @ ..]) => block,
        (0, _) => return false,
        (_, block) => block,
    };
    let unused = bits.next_multiple_of(8).saturating_sub(bits);
    let Some((block, [TRAILER])) = block.split_at_mut_checked(block.len().saturating_sub(1)) else { return false };
    let Some(masked) = block.len().checked_sub(hash.length()) else { return false };
    let (masked, seed) = block.split_at_mut(masked);
    let high = 0xff_u8.checked_shr(unused).unwrap_or(0);
    if masked.first().is_none_or(|first| first & !high != 0) {
        return false;
    }
    unmask(hash, seed, masked);
    masked.iter_mut().take(1).for_each(|first| *first &= high);
    // Zeros, a one, and the salt.
    let Some(zeros) = masked.len().checked_sub(hash.length() + 1) else { return false };
    let (zeros, salt) = masked.split_at(zeros);
    let Some((1, salt)) = salt.split_first() else { return false };
    zeros.iter().all(|&byte| byte == 0) && hash.digest(&[&[0; 8], digest, salt]).as_ref() == seed
}

/// Takes off the mask that grows from a seed: MGF1 (RFC 8017 B.2.1).
fn unmask(hash: Hash, seed: &[u8], masked: &mut [u8]) {
    for (counter, chunk) in (0_u32..).zip(masked.chunks_mut(hash.length())) {
        let mask = hash.digest(&[seed, &counter.to_be_bytes()]);
        chunk.iter_mut().zip(mask.as_ref()).for_each(|(byte, mask)| *byte ^= mask);
    }
}
