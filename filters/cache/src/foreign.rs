//! What another proxy has written into the second level, read as what anybody may have written: whoever can write there says
//! what is answered, and no more than that.
//!
//! Whatever of an entry is relied upon once it has a place here is what this cache would have written itself, or is made anew
//! of what is. The ticket is given with the place; key, field values and purges are for the request to compare.

use policy::Instant;

use crate::directive::{SECONDS_MAX, is_token};
use crate::entry::Entry;
use crate::envelope::Envelope;
use crate::key::Vary;
use crate::recording::useful_until;
use crate::{admission, freshness, packing};

/// The entry of an object with its body as it was; `None` where no proxy of this version has written it, or it is larger than
/// `bytes_max`. The moments of its envelope are then what its entry says.
pub fn read(object: &[u8], envelope: &mut Envelope, bytes_max: usize, now: Instant) -> Option<Vec<u8>> {
    let plain = usize::try_from(envelope.plain).unwrap_or(usize::MAX);
    if object.len().max(plain) > bytes_max {
        return None;
    }
    let whole = packing::unpack(object.to_vec(), envelope.plain)?;
    let entry = Entry::parse(&whole)?;
    let (facts, parts, headers) = (entry.facts, entry.parts, entry.headers()?);
    let numbers = [facts.received.age, facts.lifetime, facts.terms.while_revalidate, facts.terms.if_error];
    let is_sound = numbers.iter().all(|seconds| *seconds <= SECONDS_MAX)
        // What comes from the future has no age.
        && facts.received.resident(now).is_some()
        && admission::may_be_stored(facts.status)
        && Vary::parse([parts.vary]).is_some_and(|vary| vary.as_bytes() == parts.vary)
        && headers.iter().all(|(name, value)| is_field(name, value));
    if whole.len() > bytes_max || !is_sound {
        return None;
    }
    let date = freshness::date(&headers, now).map_or(0, |date| u32::try_from(date).unwrap_or(u32::MAX));
    envelope.moments = [date, facts.received_seconds(), useful_until(&facts, &headers)];
    Some(whole)
}

/// Whether that is a field as it is stored: one that a host can send, and none that is made anew for each answer.
fn is_field(name: &[u8], value: &[u8]) -> bool {
    let is_name = |byte: &u8| is_token(*byte) && !byte.is_ascii_uppercase();
    !name.is_empty()
        && name.iter().all(is_name)
        && !admission::is_of_one_exchange(name)
        && !value.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n'))
}

#[cfg(test)]
mod tests;
