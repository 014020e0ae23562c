//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): what was answered under a key is answered again.
//!
//! A table of a fixed number of sets in shared data; each set is one value with up to [`WAYS`] entries. A key belongs to whoever
//! sent it, so nobody learns another's answers, and nobody can guess which entries share a set. A full set of requests under way
//! takes no further key. Any other loses an answer: first the oldest failure, of which nothing is left that could be done twice; then
//! the oldest of whoever has most of the set, so that a flood displaces itself, and nobody more than one answer of a set.

use std::cmp::Reverse;
use std::time::Duration;

use policy::{Fingerprint, Instant};

/// How many entries a set has.
pub const WAYS: usize = 8;
/// A longer answer is not kept: its key then only keeps others from doing the same again.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Nor are the longest where those of a set are longer together.
const SET_BYTES_MAX: usize = 128 << 10;
/// A longer key is refused.
const KEY_LENGTH_MAX: usize = 255;
/// How long a request that is under way holds its key without a word.
pub const HOLD: Duration = Duration::from_secs(10);

/// What a key says to a request that has it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It is the first; it now holds the key.
    First,
    /// The same, and the answer to a request that was done has been forgotten for it before its time.
    Instead,
    /// It is to get this answer.
    Again(Kept),
    /// Another with this key is under way.
    UnderWay,
    /// The key is that of a request that asked for something else.
    Different,
    /// No more keys can be taken now.
    Full,
}

/// An answer, as it is kept.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Kept {
    /// Its status; 0 where it was too long to be kept.
    pub status: u16,
    /// Its `content-type`.
    pub content_type: String,
    /// What it says of its completeness.
    pub completeness: String,
    /// Its body.
    pub body: Vec<u8>,
}

/// One request's part in the table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Key {
    /// Of key, user, method and composition.
    pub id: Fingerprint,
    /// Of the user; all who are unknown are one.
    pub owner: Fingerprint,
    /// Of path and body.
    pub content: Fingerprint,
    /// Who holds it while it is under way.
    pub holder: u64,
}

#[derive(Clone, Debug)]
struct Entry {
    id: [u8; 16],
    owner: [u8; 16],
    content: [u8; 16],
    /// None once it is answered.
    holder: u64,
    /// When it is forgotten, or given up by its holder.
    until: Instant,
    answer: Kept,
}

/// The key's own characters, where the header is one: a text in quotes, as the draft has it (RFC 9651 §3.3.3, without parameters), or
/// one bare word, as most send it.
pub fn parse(value: &[u8]) -> Option<Vec<u8>> {
    let key = match value.trim_ascii() {
        [b'"', inner @ .., b'"'] => unescaped(inner)?,
        bare => {
            let is_plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b',');
            bare.iter().all(is_plain).then(|| bare.to_vec())?
        }
    };
    (1..=KEY_LENGTH_MAX).contains(&key.len()).then_some(key)
}

/// What stands between the quotes of a text (RFC 9651 §4.2.5).
fn unescaped(inner: &[u8]) -> Option<Vec<u8>> {
    let (mut text, mut rest) = (Vec::with_capacity(inner.len()), inner.iter());
    while let Some(byte) = rest.next() {
        let byte = match byte {
            b'\\' => rest.next().filter(|escaped| matches!(escaped, b'"' | b'\\'))?,
            b'"' => return None,
            plain => plain,
        };
        text.push(Some(*byte).filter(|byte| matches!(byte, b' '..=b'~'))?);
    }
    Some(text)
}

/// What a request's key says; where it is [`Verdict::First`] or [`Verdict::Instead`], `set` has changed.
pub fn claim(set: &mut Vec<u8>, key: &Key, now: Instant, lifetime: Duration) -> Verdict {
    let mut entries = read(set);
    entries.retain(|entry| entry.is_alive(now, lifetime));
    if let Some(entry) = entries.iter().find(|entry| entry.id == key.id.to_bytes()) {
        return match entry {
            entry if entry.content != key.content.to_bytes() => Verdict::Different,
            entry if entry.holder != 0 => Verdict::UnderWay,
            entry => Verdict::Again(entry.answer.clone()),
        };
    }
    let mut verdict = Verdict::First;
    if entries.len() >= WAYS {
        let Some(at) = dispensable(&entries, &key.owner.to_bytes()) else { return Verdict::Full };
        if !entries.remove(at).is_failure() {
            verdict = Verdict::Instead;
        }
    }
    entries.push(Entry {
        id: key.id.to_bytes(),
        owner: key.owner.to_bytes(),
        content: key.content.to_bytes(),
        holder: key.holder,
        until: now + HOLD,
        answer: Kept::default(),
    });
    *set = written(&entries);
    verdict
}

/// Which entry of a full set makes room for one of `owner`'s.
fn dispensable(entries: &[Entry], owner: &[u8; 16]) -> Option<usize> {
    let answered = || entries.iter().enumerate().filter(|(_, entry)| entry.holder == 0);
    let share = |of: &[u8; 16]| entries.iter().filter(|entry| entry.owner == *of).count() + usize::from(of == owner);
    let failure = answered().filter(|(_, entry)| entry.is_failure()).min_by_key(|(_, entry)| entry.until);
    let most =
        || answered().max_by_key(|(_, entry)| (share(&entry.owner), entry.owner == *owner, Reverse(entry.until)));
    failure.or_else(most).map(|(at, _)| at)
}

/// Keeps a request's hold; says whether `set` has changed.
pub fn renew(set: &mut Vec<u8>, key: &Key, now: Instant) -> bool {
    change(set, key, |entry| entry.until = now + HOLD)
}

/// Keeps what a request was answered; says whether `set` has changed.
pub fn keep(set: &mut Vec<u8>, key: &Key, answer: Kept, now: Instant, lifetime: Duration) -> bool {
    let answer = if answer.body.len() > ANSWER_BYTES_MAX { Kept::default() } else { answer };
    let has_changed = change(set, key, |entry| {
        entry.holder = 0;
        entry.until = now + lifetime;
        entry.answer = answer;
    });
    if set.len() > SET_BYTES_MAX {
        let mut entries = read(set);
        if let Some(longest) = entries.iter_mut().max_by_key(|entry| entry.answer.body.len()) {
            longest.answer = Kept::default();
        }
        *set = written(&entries);
    }
    has_changed
}

/// Gives a key back whose request has done nothing; says whether `set` has changed.
pub fn forget(set: &mut Vec<u8>, key: &Key) -> bool {
    let mut entries = read(set);
    let before = entries.len();
    entries.retain(|entry| entry.holder != key.holder || entry.id != key.id.to_bytes());
    *set = written(&entries);
    entries.len() < before
}

fn change(set: &mut Vec<u8>, key: &Key, change: impl FnOnce(&mut Entry)) -> bool {
    let mut entries = read(set);
    let own = entries.iter_mut().find(|entry| entry.id == key.id.to_bytes() && entry.holder == key.holder);
    let Some(entry) = own else { return false };
    change(entry);
    *set = written(&entries);
    true
}

impl Entry {
    /// Whether it is the answer to a request of which nothing is left.
    fn is_failure(&self) -> bool {
        self.answer.status >= 400
    }

    fn is_alive(&self, now: Instant, lifetime: Duration) -> bool {
        let left = self.until.since(now);
        // What would last longer was written before the clock stepped back.
        !left.is_zero() && left <= lifetime.max(HOLD)
    }
}

fn written(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        bytes.extend_from_slice(&entry.id);
        bytes.extend_from_slice(&entry.owner);
        bytes.extend_from_slice(&entry.content);
        bytes.extend_from_slice(&entry.holder.to_le_bytes());
        bytes.extend_from_slice(&entry.until.as_nanos().to_le_bytes());
        let Kept { status, content_type, completeness, body } = &entry.answer;
        bytes.extend_from_slice(&status.to_le_bytes());
        for part in [content_type.as_bytes(), completeness.as_bytes(), body] {
            bytes.extend_from_slice(&u32::try_from(part.len()).unwrap_or(0).to_le_bytes());
            bytes.extend_from_slice(part);
        }
    }
    bytes
}

/// The entries, as far as they can be read.
fn read(set: &[u8]) -> Vec<Entry> {
    let (mut entries, mut rest) = (Vec::new(), set);
    while let Some(entry) = read_one(&mut rest) {
        entries.push(entry);
    }
    entries
}

fn read_one(rest: &mut &[u8]) -> Option<Entry> {
    Some(Entry {
        id: cut(rest)?,
        owner: cut(rest)?,
        content: cut(rest)?,
        holder: u64::from_le_bytes(cut(rest)?),
        until: Instant::from_nanos(u64::from_le_bytes(cut(rest)?)),
        answer: Kept {
            status: u16::from_le_bytes(cut(rest)?),
            content_type: String::from_utf8(part(rest)?).ok()?,
            completeness: String::from_utf8(part(rest)?).ok()?,
            body: part(rest)?,
        },
    })
}

fn cut<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*first)
}

fn part(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let length = u32::from_le_bytes(cut(rest)?) as usize;
    let (first, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(first.to_vec())
}

#[cfg(test)]
mod tests;
