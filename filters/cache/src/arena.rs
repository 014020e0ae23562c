//! Where entries are kept: a fixed number of sets, each with a directory and a fixed number of slots.
//!
//! Shared data has no delete and no eviction, so its keys are bounded by construction: `weir.cache.<name>.<set>` is a
//! set's [directory](crate::directory), `weir.cache.<name>.<set>.<slot>` one of its objects. A URL's fingerprint names
//! its set. Each set has its own share of the budget, and its directory is the only book about it: whoever changes the
//! directory by compare-and-swap has the bytes that it says, on whichever worker. An object that loses its place is
//! overwritten with nothing, which gives its memory back.

use std::num::NonZeroU32;

use policy::Fingerprint;
use policy::stored;
pub use policy::stored::SLOTS;

/// What a slot costs even when it is empty: its key, the host's node for it, its line in the directory.
const SLOT_OVERHEAD: u32 = 384;

/// Sets are not smaller than this, so that directories remain a small part of the budget.
const SHARE_MIN: u32 = 128 << 10;

/// The shape of one cache's storage.
#[derive(Clone, Debug)]
pub struct Arena {
    name: String,
    sets: NonZeroU32,
    share: u32,
}

impl Arena {
    /// An arena of `sets` sets, each of which can hold one object of `object_bytes_max`.
    pub fn new(name: &str, sets: NonZeroU32, object_bytes_max: u32) -> Self {
        Self { name: name.to_owned(), sets, share: Self::share_of(object_bytes_max) }
    }

    /// How many bytes of the budget one set takes.
    pub const fn set_bytes(object_bytes_max: u32) -> u32 {
        Self::share_of(object_bytes_max) + SLOT_OVERHEAD * SLOTS as u32
    }

    /// The largest object fits with its [envelope](crate::envelope).
    #[expect(clippy::cast_possible_truncation, reason = "an envelope has less than 200 bytes")]
    const fn share_of(object_bytes_max: u32) -> u32 {
        let share = object_bytes_max + crate::envelope::BYTES_MAX as u32;
        if share > SHARE_MIN { share } else { SHARE_MIN }
    }

    /// How many sets there are.
    pub const fn sets(&self) -> NonZeroU32 {
        self.sets
    }

    /// How many bytes the objects of one set may have.
    pub const fn share(&self) -> u32 {
        self.share
    }

    /// The set that a URL belongs to.
    pub const fn set_of(&self, print: Fingerprint) -> u32 {
        print.slot(self.sets)
    }

    /// The key of a set's directory.
    pub fn directory(&self, set: u32) -> String {
        stored::directory(&self.name, set)
    }

    /// The key of one object.
    pub fn object(&self, set: u32, slot: u8) -> String {
        stored::object(&self.name, set, slot)
    }

    /// The key of something that the whole cache has once; `part` is no number.
    pub fn own(&self, part: &str) -> String {
        format!("weir.cache.{}.{part}", self.name)
    }

    /// The key of the number of sets that were ever in use.
    pub fn extent(&self) -> String {
        stored::extent(&self.name)
    }

    /// The sets that an earlier configuration filled and this one never reads: `stored` is what stands under
    /// [`Arena::extent`], which becomes the present number.
    pub fn outgrown(&self, stored: &mut Vec<u8>) -> std::ops::Range<u32> {
        let before = stored.as_slice().try_into().map_or(0, u32::from_le_bytes);
        *stored = self.sets.get().to_le_bytes().to_vec();
        self.sets.get()..before.max(self.sets.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn arena(sets: u32) -> Arena {
        Arena::new("weir", NonZeroU32::new(sets).unwrap(), 1 << 20)
    }

    #[test]
    fn every_key_is_of_this_cache() {
        let arena = arena(7);
        assert_eq!(arena.directory(3), "weir.cache.weir.3");
        assert_eq!(arena.object(3, 63), "weir.cache.weir.3.63");
        assert_eq!(arena.extent(), "weir.cache.weir.sets");
    }

    #[test]
    fn a_smaller_arena_knows_what_a_larger_one_left() {
        let mut stored = Vec::new();
        assert!(arena(10).outgrown(&mut stored).is_empty());
        assert_eq!(arena(4).outgrown(&mut stored), 4..10);
        assert!(arena(4).outgrown(&mut stored).is_empty());
        assert!(arena(12).outgrown(&mut stored).is_empty());
        assert_eq!(arena(11).outgrown(&mut stored), 11..12);
    }
}
