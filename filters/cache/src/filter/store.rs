//! The arena in shared data: directories changed by compare-and-swap, objects written beside them.

use policy::{Fingerprint, Instant};
use shell::HostError;
use shell::shared::{self, Change, Failure, Version};

use crate::arena::Arena;
use crate::directory::{Directory, Found, Placement};
use crate::key;
use crate::recording::Recording;

/// How often a directory's change is tried again when other workers were faster.
const ATTEMPTS: u32 = 16;

/// What stands in the place where an answer to a request would be.
pub(crate) struct Lookup {
    /// What the directory knew.
    pub(crate) known: Known,
    /// The next ticket of the set, for [`place`].
    pub(crate) seen: u64,
}

/// What a directory knew of a request.
pub(crate) enum Known {
    /// Nothing for this URL.
    Nothing,
    /// Nothing for what this request says in the varied fields.
    OtherVariants,
    /// This object.
    Object {
        /// The object's bytes.
        bytes: Vec<u8>,
        /// The placement's number, which the object must bear.
        ticket: u64,
        /// Whether a use of it is to be written down.
        is_use_news: bool,
    },
}

impl Known {
    /// The object's bytes.
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Object { bytes, .. } => Some(bytes),
            Self::Nothing | Self::OtherVariants => None,
        }
    }
}

/// Looks for a response; `variant` is asked what the request comes to under a list of field names.
pub(crate) fn look_up(
    arena: &Arena,
    print: Fingerprint,
    now: Instant,
    variant: impl FnMut(&[u8]) -> u64,
) -> Result<Lookup, HostError> {
    let set = arena.set_of(print);
    let (directory, _) = shared::read(&arena.directory(set))?;
    let (found, seen) = crate::directory::find(&directory, key::tag(print), variant);
    let known = match found {
        Found::Nothing => Known::Nothing,
        Found::OtherVariants => Known::OtherVariants,
        Found::Record(record) => {
            let (bytes, _) = shared::read(&arena.object(set, record.slot))?;
            Known::Object { bytes, ticket: record.ticket, is_use_news: record.is_use_news(seconds(now)) }
        }
    };
    Ok(Lookup { known, seen })
}

/// Puts a whole response into its place.
pub(crate) fn place(
    arena: &Arena,
    print: Fingerprint,
    variant: u64,
    seen: u64,
    recording: &mut Recording,
    now: Instant,
) -> Result<(), Failure> {
    let set = arena.set_of(print);
    let offer = recording.record(key::tag(print), variant);
    let placement = shared::update(&arena.directory(set), ATTEMPTS, |stored| {
        let before = std::mem::take(stored);
        let mut directory = Directory::parse(&before);
        let placement = directory.place(offer, seen, arena.share(), seconds(now));
        *stored = directory.to_bytes();
        if placement == Placement::Outdated { Change::Keep(placement) } else { Change::Store(placement) }
    })?;
    let Placement::Placed { slot, ticket, emptied } = placement else { return Ok(()) };
    empty(arena, set, &emptied).map_err(Failure::Host)?;
    let object = arena.object(set, slot);
    shared::overwrite(&object, recording.sealed(ticket)).map_err(Failure::Host)?;
    // Whoever was given this slot in the meantime may have written before us: what stands there now is nobody's.
    let (directory, _) = shared::read(&arena.directory(set)).map_err(Failure::Host)?;
    if Directory::parse(&directory).holds(ticket) {
        return Ok(());
    }
    shared::overwrite(&object, b"").map_err(Failure::Host)
}

/// Writes a use down. That another worker was faster is of no importance: the entry is in use.
pub(crate) fn touch(arena: &Arena, print: Fingerprint, ticket: u64, now: Instant) -> Result<(), HostError> {
    let directory = arena.directory(arena.set_of(print));
    match shared::update(&directory, 1, |stored| change(stored, |set| set.touch(ticket, seconds(now)))) {
        Ok(()) | Err(Failure::Contended) => Ok(()),
        Err(Failure::Host(error)) => Err(error),
    }
}

/// Drops one response.
pub(crate) fn remove(arena: &Arena, print: Fingerprint, ticket: u64) -> Result<(), Failure> {
    let set = arena.set_of(print);
    let freed =
        shared::update(&arena.directory(set), ATTEMPTS, |stored| change(stored, |directory| directory.remove(ticket)))?;
    empty(arena, set, freed.as_slice()).map_err(Failure::Host)
}

/// Drops all responses of a URL, and those that are on their way.
pub(crate) fn invalidate(arena: &Arena, print: Fingerprint) -> Result<(), Failure> {
    let set = arena.set_of(print);
    let freed = shared::update(&arena.directory(set), ATTEMPTS, |stored| {
        change(stored, |directory| directory.invalidate(key::tag(print)))
    })?;
    empty(arena, set, &freed).map_err(Failure::Host)
}

/// Gives the memory back that a larger arena of an earlier configuration left behind.
pub(crate) fn shrink(arena: &Arena) -> Result<(), Failure> {
    let outgrown = shared::update(&arena.extent(), ATTEMPTS, |stored| {
        let before = stored.clone();
        let outgrown = arena.outgrown(stored);
        if before == *stored { Change::Keep(outgrown) } else { Change::Store(outgrown) }
    })?;
    for set in outgrown {
        let key = arena.directory(set);
        let (_, version) = shared::read(&key).map_err(Failure::Host)?;
        if version != Version::ABSENT {
            let freed = shared::update(&key, ATTEMPTS, |stored| {
                change(stored, |directory: &mut Directory<'_>| directory.clear())
            })?;
            empty(arena, set, &freed).map_err(Failure::Host)?;
        }
    }
    Ok(())
}

/// Changes a directory in its bytes.
fn change<T>(stored: &mut Vec<u8>, edit: impl FnOnce(&mut Directory<'_>) -> T) -> Change<T> {
    let mut directory = Directory::parse(stored);
    let answer = edit(&mut directory);
    let written = directory.to_bytes();
    *stored = written;
    Change::Store(answer)
}

fn empty(arena: &Arena, set: u32, slots: &[u8]) -> Result<(), HostError> {
    slots.iter().try_for_each(|&slot| shared::overwrite(&arena.object(set, slot), b""))
}

fn seconds(now: Instant) -> u32 {
    u32::try_from(now.unix_seconds()).unwrap_or(u32::MAX)
}
