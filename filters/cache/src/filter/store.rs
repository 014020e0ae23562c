//! The arena in shared data: directories changed by compare-and-swap, objects written beside them.

use std::cell::RefCell;
use std::rc::Rc;

use policy::{Fingerprint, Instant};
use shell::HostError;
use shell::shared::{self, Change, Failure, Version};

use super::Plugin;
use crate::arena::Arena;
use crate::directory::{Directory, Found, Placement, Record, Sight};
use crate::entry::{self, Entry, Facts};
use crate::envelope::Envelope;
use crate::purge::Stamp;
use crate::recent::{Mark, Recent, Whole};
use crate::{key, packing};

/// How often a directory's change is tried again when other workers were faster.
const ATTEMPTS: u32 = 16;

/// What had happened when a request was forwarded: its response must not replace what happens after.
#[derive(Clone, Copy, Default)]
pub(crate) struct Seen {
    /// The set.
    pub(crate) sight: Sight,
    /// The last purge.
    pub(crate) stamp: Stamp,
}

/// What a directory knew of a request.
pub(crate) enum Known {
    /// Nothing for this URL.
    Nothing,
    /// Nothing for what this request says in the varied fields.
    OtherVariants,
    /// This object.
    Object(Object),
}

impl Known {
    /// Whether what the upstream says of it may answer more than the request that asked: not what is to be validated before
    /// each use (RFC 9111 §5.2.2.4), nor what is never fresh, which comes to the same.
    pub(crate) fn may_answer_others(&self) -> bool {
        let Self::Object(found) = self else { return true };
        found.facts().is_none_or(|Facts { terms, lifetime, .. }| {
            !terms.needs_validation && (found.is_softened || lifetime > 0 || terms.while_revalidate > 0)
        })
    }

    /// Whether it has come since the set's next ticket was this, and was stale then: who waited for it did so in vain.
    pub(crate) fn disappoints(&self, ticket: u64) -> bool {
        let Self::Object(found) = self else { return false };
        found.ticket >= ticket && !found.is_softened && found.facts().is_some_and(|facts| facts.came_stale())
    }
}

/// A stored object.
pub(crate) struct Object {
    /// Its entry, with the body as it was.
    pub(crate) bytes: Rc<Vec<u8>>,
    /// What storage knows of it.
    pub(crate) envelope: Envelope,
    /// The placement's number, which the entry must bear.
    pub(crate) ticket: u64,
    /// Whether a use of it is to be written down.
    pub(crate) is_use_news: bool,
    /// Whether a purge has made it stale.
    pub(crate) is_softened: bool,
    /// The set's version that named it.
    pub(crate) set: Version,
    /// Whether all that is stored for its URL varies by the same fields.
    pub(crate) varies_alike: bool,
    mark: Mark,
    slot: u8,
}

impl Object {
    /// What is known of it.
    pub(crate) fn facts(&self) -> Option<Facts> {
        Entry::parse(&self.bytes).map(|entry| entry.facts)
    }
}

/// Looks for a response, and says what is seen of its set; `variant` is asked what the request comes to under a list of field names.
pub(crate) fn look_up(
    arena: &Arena,
    recent: &RefCell<Recent>,
    print: Fingerprint,
    mut variant: impl FnMut(&[u8]) -> u64,
) -> Result<(Known, Sight), HostError> {
    let (directory, set) = shared::read(&arena.directory(arena.set_of(print)))?;
    let mut lists = 0;
    let counted = |vary: &[u8]| {
        lists += 1;
        variant(vary)
    };
    let (found, next) = crate::directory::find(&directory, key::tag(print), counted);
    let mut sight = Sight { next, found: 0 };
    let known = match found {
        Found::Nothing => Known::Nothing,
        Found::OtherVariants => Known::OtherVariants,
        Found::Record(record) => {
            sight.found = record.ticket;
            let mark = Mark { print, ticket: record.ticket, received: record.received };
            let Some((bytes, envelope)) = object(arena, recent, mark, &record)? else {
                return Ok((Known::Nothing, sight));
            };
            let (is_use_news, is_softened, slot) = (record.is_use_news(), record.is_softened, record.slot);
            let (ticket, varies_alike) = (record.ticket, lists < 2);
            let object = Object { bytes, envelope, ticket, is_use_news, is_softened, set, varies_alike, mark, slot };
            Known::Object(object)
        }
    };
    Ok((known, sight))
}

/// The entry that the directory's line is about; `None` where what stands there is no object: it has lost its place just
/// now.
fn object(
    arena: &Arena,
    recent: &RefCell<Recent>,
    mark: Mark,
    record: &Record<'_>,
) -> Result<Option<Whole>, HostError> {
    if let Some(found) = recent.borrow_mut().find(mark) {
        return Ok(Some(found));
    }
    let (mut bytes, _) = shared::read(&arena.object(arena.set_of(mark.print), record.slot))?;
    let Some(envelope) = Envelope::split(&mut bytes) else { return Ok(None) };
    let Some(mut bytes) = packing::unpack(bytes, envelope.plain) else { return Ok(None) };
    // What is to be replaced answers in its place as long as that has not been written.
    let ticket = entry::ticket(&bytes);
    let is_own = ticket == Some(record.ticket);
    if record.former != 0 && ticket == Some(record.former) {
        entry::seal(&mut bytes, record.ticket);
    }
    let whole = (Rc::new(bytes), envelope);
    if is_own && !record.is_use_news() {
        recent.borrow_mut().keep(mark, whole.clone());
    }
    Ok(Some(whole))
}

/// Puts a whole object into the place that its `offer` asks for; says the slot, or that it came too late.
fn place(
    arena: &Arena,
    print: Fingerprint,
    offer: Record<'_>,
    seen: Sight,
    object: &mut [u8],
    now: Instant,
) -> Result<Option<(u8, u64)>, Failure> {
    let set = arena.set_of(print);
    let placement = shared::update(&arena.directory(set), ATTEMPTS, |stored| {
        let before = std::mem::take(stored);
        let mut directory = Directory::parse(&before);
        let placement = directory.place(offer, seen, arena.share(), seconds(now));
        *stored = directory.to_bytes();
        if placement == Placement::Outdated { Change::Keep(placement) } else { Change::Store(placement) }
    })?;
    let Placement::Placed { slot, ticket, emptied } = placement else { return Ok(None) };
    empty(arena, set, &emptied, ticket)?;
    let key = arena.object(set, slot);
    entry::seal(object, ticket);
    for _ in 0..ATTEMPTS {
        // Whoever is given this slot after the look into the directory finds the object written, or has written his own, and
        // then this one is late.
        let (_, version) = shared::read(&key).map_err(Failure::Host)?;
        let (directory, _) = shared::read(&arena.directory(set)).map_err(Failure::Host)?;
        if !Directory::parse(&directory).holds(ticket) {
            return Ok(None);
        }
        match shared::store(&key, object, version) {
            Err(Failure::Contended) => {}
            stored => return stored.map(|()| Some((slot, ticket))),
        }
    }
    Err(Failure::Contended)
}

impl Plugin {
    /// Puts a whole object into its place; says the slot and the ticket, or that it came too late.
    pub(super) fn place(
        &self,
        print: Fingerprint,
        variant: u64,
        vary: &[u8],
        seen: Seen,
        object: &mut [u8],
    ) -> Result<Option<(u8, u64)>, Failure> {
        let Some(envelope) = Envelope::of(object) else { return Ok(None) };
        let bytes = u32::try_from(object.len()).unwrap_or(u32::MAX);
        let offer = envelope.record(key::tag(print), variant, vary, bytes);
        place(&self.config.arena, print, offer, seen.sight, object, shell::now())
    }
}

/// Gives a response that a purge has made stale a shorter lifetime, in seconds, once for all workers: it is stale since its
/// first use after that, and not since each. One that has been shortened elsewhere keeps what it has been given.
pub(crate) fn shorten(arena: &Arena, recent: &RefCell<Recent>, found: &mut Object, lifetime: u32) {
    let Mark { print, ticket, .. } = found.mark;
    let key = arena.object(arena.set_of(print), found.slot);
    let mut shorter = lifetime;
    if let Ok((mut object, version)) = shared::read(&key)
        && entry::ticket(&object) == Some(ticket)
        && let Some(stands) = entry::lifetime(&object)
    {
        shorter = stands.min(lifetime);
        if shorter < stands {
            entry::shorten(&mut object, shorter);
            // Whoever was faster has written another one, or the same.
            super::report_failure("soft purge", shared::store(&key, &object, version));
        }
    }
    // What the worker has at hand is of before.
    recent.borrow_mut().forget(found.mark);
    entry::shorten(Rc::<Vec<u8>>::make_mut(&mut found.bytes), shorter);
}

/// Writes a use down. That another worker was faster is of no importance: the entry is in use.
pub(crate) fn touch(arena: &Arena, print: Fingerprint, ticket: u64) -> Result<(), HostError> {
    let directory = arena.directory(arena.set_of(print));
    match shared::update(&directory, 1, |stored| change(stored, |set| set.touch(ticket))) {
        Ok(_) | Err(Failure::Contended) => Ok(()),
        Err(Failure::Host(error)) => Err(error),
    }
}

/// Drops one response.
pub(crate) fn remove(arena: &Arena, print: Fingerprint, ticket: u64) -> Result<(), Failure> {
    let set = arena.set_of(print);
    let (freed, next) =
        shared::update(&arena.directory(set), ATTEMPTS, |stored| change(stored, |directory| directory.remove(ticket)))?;
    empty(arena, set, freed.as_slice(), next)
}

/// Drops all responses of a URL, and those that are on their way.
pub(crate) fn invalidate(arena: &Arena, print: Fingerprint) -> Result<(), Failure> {
    let set = arena.set_of(print);
    let (freed, next) = shared::update(&arena.directory(set), ATTEMPTS, |stored| {
        change(stored, |directory| directory.invalidate(key::tag(print)))
    })?;
    empty(arena, set, &freed, next)
}

/// Makes all responses of a URL stale, and drops those that are on their way.
pub(crate) fn soften(arena: &Arena, print: Fingerprint) -> Result<(), Failure> {
    let directory = arena.directory(arena.set_of(print));
    shared::update(&directory, ATTEMPTS, |stored| change(stored, |set| set.soften(key::tag(print)))).map(|_| ())
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
            let (freed, next) = shared::update(&key, ATTEMPTS, |stored| {
                change(stored, |directory: &mut Directory<'_>| directory.clear())
            })?;
            empty(arena, set, &freed, next)?;
        }
    }
    Ok(())
}

/// Changes a directory in its bytes; also says the next ticket from then on.
fn change<T>(stored: &mut Vec<u8>, edit: impl FnOnce(&mut Directory<'_>) -> T) -> Change<(T, u64)> {
    let mut directory = Directory::parse(stored);
    let answer = (edit(&mut directory), directory.next_ticket());
    let written = directory.to_bytes();
    *stored = written;
    Change::Store(answer)
}

/// Empties slots that were free when the set's next ticket was this: who has been given one since bears that, or a later one.
fn empty(arena: &Arena, set: u32, slots: &[u8], next: u64) -> Result<(), Failure> {
    slots.iter().try_for_each(|&slot| {
        shared::update(&arena.object(set, slot), ATTEMPTS, |object| {
            if entry::ticket(object).is_some_and(|ticket| ticket >= next) {
                return Change::Keep(());
            }
            object.clear();
            Change::Store(())
        })
    })
}

/// Whole seconds since the epoch.
pub(crate) fn seconds(now: Instant) -> u32 {
    u32::try_from(now.unix_seconds()).unwrap_or(u32::MAX)
}
