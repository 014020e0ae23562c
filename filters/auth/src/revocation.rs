//! What is no longer believed although its signature fits: revoked tokens, subjects and keys.
//!
//! A token is revoked by its `jti`, by its user (everything issued before a moment; what does not say when it was issued
//! counts as issued before), or by the id of the key that signed it; for one issuer or for all. API keys are revoked by
//! their id, as keys. The configuration lists some of them, and the state store has more: see [`crate::feed`].
//!
//! What is revoked is kept as [`Table`]: 16 bytes each, sorted by a keyed fingerprint of 64 bits, so that looking a token up
//! takes six binary searches in memory, no host call and no allocation. That a token which was not revoked shares the
//! fingerprint of one of 100,000 that were has a chance of one in 10¹³, and nobody without the proxy's seed can make one.
//!
//! A remembered token keeps its [`Marks`] and is looked up on each of its requests.

use std::time::Duration;

use policy::{Instant, Seed};

use crate::refusal::Refusal;

pub mod settings;

/// What ends never, or comes before everything: the last second that 32 bits can say, in the year 2106.
pub const NEVER: u32 = u32::MAX;
/// What has ended is kept so long still, in seconds: a clock may step back.
const GRACE_SECONDS: u32 = 3600;

/// What is revoked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// One token, by its `jti`.
    Token,
    /// All that a user got before a moment.
    Subject,
    /// All that a key signed, or an API key.
    Key,
}

impl Kind {
    /// As it is written in the store.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Subject => "subject",
            Self::Key => "key",
        }
    }

    /// The kind of this word.
    pub fn parse(word: &[u8]) -> Option<Self> {
        [Self::Token, Self::Subject, Self::Key].into_iter().find(|kind| kind.word().as_bytes() == word)
    }
}

/// The fingerprint of something that may be revoked; no `issuer` stands for all of them.
fn print(seed: &Seed, kind: Kind, issuer: &[u8], name: &[u8]) -> u64 {
    let print = u128::from_le_bytes(seed.fingerprint([kind.word().as_bytes(), issuer, name]).to_bytes());
    // Half of it is enough, and nothing has the fingerprint of what is not there.
    ((print >> 64) as u64).max(1)
}

/// By what a credential may be revoked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Marks {
    /// For all issuers and for its own; zero where it has no such thing.
    prints: [u64; 6],
    /// When it was issued, in seconds since the epoch.
    issued: Option<i64>,
}

impl Marks {
    /// The marks of a token of `issuer`, issued at `since`.
    pub fn of_token(seed: &Seed, issuer: &str, named: &Named<'_>, since: Option<i64>) -> Self {
        let mut prints = [0; 6];
        let named = [(Kind::Token, named.token), (Kind::Subject, named.subject), (Kind::Key, named.key)];
        let all = named.iter().flat_map(|&(kind, name)| [(kind, "", name), (kind, issuer, name)]);
        for (slot, (kind, issuer, name)) in prints.iter_mut().zip(all) {
            *slot = name.map_or(0, |name| print(seed, kind, issuer.as_bytes(), name.as_bytes()));
        }
        Self { prints, issued: since }
    }

    /// The marks of the API key of this id.
    pub fn of_key(seed: &Seed, id: &str) -> Self {
        Self { prints: [print(seed, Kind::Key, b"", id.as_bytes()), 0, 0, 0, 0, 0], issued: None }
    }
}

/// What a token says by which it may be revoked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Named<'a> {
    /// Its own id, `jti`.
    pub token: Option<&'a str>,
    /// Its user.
    pub subject: Option<&'a str>,
    /// The id of the key that signed it.
    pub key: Option<&'a str>,
}

/// One thing that is revoked: its fingerprint; `before`, which a token must have been issued to be meant; `until`, when that
/// ends. Packed, so that the order of numbers is the order of fingerprints.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Entry(u128);

impl Entry {
    /// Revokes what is named; moments in seconds since the epoch.
    pub fn new(seed: &Seed, kind: Kind, issuer: &[u8], name: &[u8], before: u32, until: u32) -> Self {
        let print = print(seed, kind, issuer, name);
        Self(u128::from(print) << 64 | u128::from(before) << 32 | u128::from(until))
    }

    /// An entry that [`Entry::to_bytes`] wrote.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_le_bytes(bytes))
    }

    /// As it is stored.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_le_bytes()
    }

    #[expect(clippy::cast_possible_truncation, reason = "each part by itself")]
    const fn parts(self) -> (u64, u32, u32) {
        ((self.0 >> 64) as u64, (self.0 >> 32) as u32, self.0 as u32)
    }

    const fn print(self) -> u64 {
        self.parts().0
    }

    /// Whether it takes back what another said before, or has ended long ago: it need not be kept.
    const fn is_past(self, now: u32) -> bool {
        let (_, _, until) = self.parts();
        until == 0 || (until != NEVER && until.saturating_add(GRACE_SECONDS) < now)
    }
}

/// What is revoked, each fingerprint once, sorted.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Table(Vec<Entry>);

impl Table {
    /// A table of entries that are sorted already; `None` where they are not.
    pub fn of_sorted(entries: Vec<Entry>) -> Option<Self> {
        entries.is_sorted_by(|one, next| one.print() < next.print()).then_some(Self(entries))
    }

    /// All entries.
    pub fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// Takes changes over, in their order: of two about the same thing the later counts, and one that ends at zero takes
    /// back. No more than `entries_max` are kept: the number that comes back is that of the changes which were taken; the
    /// first that does not fit and all after it were not. What ended an hour ago gives way.
    pub fn take(&mut self, changes: &[Entry], entries_max: usize, now: Instant) -> usize {
        if changes.is_empty() {
            return 0;
        }
        let now = u32::try_from(now.unix_seconds()).unwrap_or(NEVER);
        let mut new: Vec<Entry> = Vec::new();
        self.0.retain(|entry| !entry.is_past(now));
        let mut count = self.0.len();
        let mut taken = 0;
        for change in changes {
            let known = self.place(change.print()).is_ok();
            match new.binary_search_by_key(&change.print(), |entry| entry.print()) {
                Ok(at) => new.get_mut(at).into_iter().for_each(|entry| *entry = *change),
                Err(_) if !known && change.is_past(now) => {}
                Err(_) if !known && count >= entries_max => break,
                Err(at) => {
                    count += usize::from(!known);
                    new.insert(at, *change);
                }
            }
            taken += 1;
        }
        self.merge(&new, now);
        taken
    }

    fn merge(&mut self, new: &[Entry], now: u32) {
        let mut merged = Vec::with_capacity(self.0.len() + new.len());
        let mut old = self.0.iter().peekable();
        for change in new {
            while let Some(entry) = old.next_if(|entry| entry.print() < change.print()) {
                merged.push(*entry);
            }
            old.next_if(|entry| entry.print() == change.print());
            if !change.is_past(now) {
                merged.push(*change);
            }
        }
        merged.extend(old);
        self.0 = merged;
    }

    fn place(&self, print: u64) -> Result<usize, usize> {
        self.0.binary_search_by_key(&print, |entry| entry.print())
    }

    /// Whether it has one of the marks; what ended at `ended` or before has no effect.
    fn has(&self, marks: &Marks, ended: u64) -> bool {
        let meant = |entry: Entry| {
            let (_, before, until) = entry.parts();
            let is_before = before == NEVER || marks.issued.is_none_or(|issued| issued < i64::from(before));
            is_before && (until == NEVER || u64::from(until) > ended)
        };
        let found =
            |&print: &u64| self.place(print).ok().and_then(|at| self.0.get(at)).is_some_and(|&entry| meant(entry));
        !self.0.is_empty() && marks.prints.iter().filter(|&&print| print != 0).any(found)
    }
}

/// Whether it is known what is revoked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// It is, as far as the configuration wants to know.
    Known,
    /// It is not, and no credential is believed; asking again is worth it after this long.
    Unknown(Duration),
}

/// All that is revoked, as one worker knows it.
pub struct Revoked {
    leeway: Duration,
    configured: Table,
    /// What the state store said.
    pub fetched: Table,
    /// Whether that may be relied on.
    pub standing: Standing,
}

impl Revoked {
    /// What the configuration lists, and nothing of the state store yet.
    pub fn new(seed: &Seed, leeway: Duration, listed: &[settings::Listed]) -> Self {
        let entries: Vec<Entry> = listed.iter().map(|listed| listed.entry(seed)).collect();
        let mut configured = Table::default();
        configured.take(&entries, usize::MAX, Instant::EPOCH);
        Self { leeway, configured, fetched: Table::default(), standing: Standing::Known }
    }

    /// Whether a token may still be believed.
    ///
    /// # Errors
    /// [`Refusal::Revoked`].
    pub fn check(&self, marks: &Marks, now: Instant) -> Result<(), Refusal> {
        // A token is believed for the leeway longer than it says; so is what revokes it.
        let ended = now.before(self.leeway).unix_seconds();
        if self.configured.has(marks, ended) || self.fetched.has(marks, ended) { Err(Refusal::Revoked) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
