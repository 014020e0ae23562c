//! What the state store says is revoked: one stream of Redis, read from where the last reading ended.
//!
//! # The layout
//! Everything is in the stream `weir:revoked` (the prefix is the store's). Each entry names a kind and a name first, then what
//! it needs:
//!
//! ```text
//! XADD weir:revoked '*' token   4f1c…   until 1767225720        # a jti; `until` is the token's exp
//! XADD weir:revoked '*' subject alice                           # all that alice got until now
//! XADD weir:revoked '*' subject alice   before 1767225600       # … until that second, exclusive
//! XADD weir:revoked '*' key     2026-01                         # all that this key signed; an API key by its id
//! XADD weir:revoked '*' key     2026-01 issuer https://id.example/
//! XADD weir:revoked '*' key     2026-01 until 0                 # taken back
//! ```
//!
//! Moments are seconds since the epoch. A later entry about the same thing replaces the earlier one. A token or a user stays
//! revoked until `until`, and without it for `keep` after the entry was made (after `before`, where that is later), which must be as long as the longest life of a
//! token; a key stays revoked until it is taken back. In bulk: `redis-cli --pipe`, or one `XADD` a line into `redis-cli`.
//!
//! # How it is read
//! One worker of each proxy runs [`SCRIPT`] once per `refresh`: it answers with the entries after the last one read, a page of
//! [`PAGE`] at a time (the next page is asked for at once), so that what was read before never crosses the wire again. It also
//! removes from the stream what ended an hour ago, some entries at each call, so that the stream is bounded by what is
//! revoked at one time. What has been read is a [`Snapshot`] in shared data, which every worker takes over when it changes.
//!
//! From `XADD` to the moment at which every worker refuses: at most `refresh`, the store's `timeout`, and two ticks of 100 ms.
//! Where the leading worker died, the lease in addition: three times `refresh`, at least a second.
//!
//! # When the store is away or has lost its data
//! What is known holds. After `unavailable_after` without an answer, and before the very first one, nothing is known for sure:
//! `when_unavailable` says whether requests go on. A stream that is gone, or older than what was read from it, takes nothing
//! back: what this proxy knows it keeps as long as it runs, and reads the new stream from its beginning.
//!
//! # When there are more than fit
//! Reading ends before the first that does not fit and begins again there until there is room; `when_full` says whether
//! requests go on meanwhile.

use std::fmt;

use policy::state::{Fault, Reply, Script};
use policy::{Instant, Seed};

use crate::revocation::settings::Following;
use crate::revocation::{Entry, Kind, NEVER, Table};

/// How many entries an answer has at most.
pub const PAGE: usize = 500;
/// How many values the script gives for each entry.
const VALUES: usize = 6;
/// Names are cut here by the script; a longer one is unreadable.
const NAME_BYTES_MAX: usize = 512;
/// Bytes in front of the entries of a stored snapshot.
const HEAD: usize = 48;

/// Keys: the stream. Arguments: the last entry read, the last one looked at by the broom, `keep` in seconds, the page.
/// Answers with a flat list of texts: the stream's newest id, the broom's place, then six for each entry.
pub static SCRIPT: Script = Script::new(
    "\
local k,a=KEYS[1],ARGV
local r={'0-0','0-0'}
if redis.call('EXISTS',k)==0 then return r end
local info=redis.call('XINFO','STREAM',k)
for i=1,#info,2 do if info[i]=='last-generated-id' then r[1]=info[i+1] end end
local function row(e)
local f,v=e[2],{}
for i=3,#f,2 do v[f[i]]=f[i+1] end
return {e[1],f[1],f[2],v.issuer or '',v.before or '',v['until'] or ''}
end
local past=tonumber(redis.call('TIME')[1])-3600
local dust=redis.call('XRANGE',k,'('..a[2],'+','COUNT',100)
if #dust==100 then r[2]=dust[100][1] end
for _,e in ipairs(dust) do
local x=row(e)
local ends=tonumber(x[6])
if not ends and x[2]~='key' then ends=math.max(string.match(e[1],'%d+')/1000,tonumber(x[5]) or 0)+a[3] end
if ends and ends>0 and ends<past then redis.call('XDEL',k,e[1]) end
end
for _,e in ipairs(redis.call('XRANGE',k,'('..a[1],'+','COUNT',a[4])) do
for _,x in ipairs(row(e)) do r[#r+1]=string.sub(x,1,512) end
end
return r",
);

/// The id of an entry of a stream: milliseconds, and a number among those of the same.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Id(u64, u64);

impl Id {
    fn parse(text: &[u8]) -> Option<Self> {
        let (millis, number) = std::str::from_utf8(text).ok()?.split_once('-')?;
        Some(Self(millis.parse().ok()?, number.parse().ok()?))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

/// What has been read so far.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Snapshot {
    /// A number that is another one for each snapshot; zero before the first.
    pub generation: u64,
    /// The last entry that was read.
    pub cursor: Id,
    /// How far the broom came.
    pub broom: Id,
    /// Whether there are more than fit.
    pub is_full: bool,
    /// What is revoked.
    pub table: Table,
}

/// What an answer brought.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Taken {
    /// How many entries were read; where there were none, the snapshot is as it was.
    pub entries: usize,
    /// How many of them could not be understood, and revoke nothing.
    pub unreadable: usize,
    /// Whether there is more to read at once.
    pub more: bool,
    /// Whether the stream has lost what was read from it before.
    pub lost: bool,
}

impl Snapshot {
    /// The arguments of the script after the key.
    pub fn arguments(&self, following: &Following) -> [String; 4] {
        let page = PAGE.to_string();
        [self.cursor.to_string(), self.broom.to_string(), following.keep_seconds.to_string(), page]
    }

    /// Takes an answer over.
    ///
    /// # Errors
    /// [`Fault::Malformed`] where the script did not make it; nothing is taken then.
    pub fn take(&mut self, reply: Reply, following: &Following, seed: &Seed, now: Instant) -> Result<Taken, Fault> {
        let Reply::List(values) = reply else { return Err(Fault::Malformed) };
        let mut texts = Vec::with_capacity(values.len());
        for value in values {
            let Reply::Bytes(text) = value else { return Err(Fault::Malformed) };
            texts.push(text);
        }
        let (head, rows) = texts.split_at_checked(2).ok_or(Fault::Malformed)?;
        let id = |text: Option<&Vec<u8>>| text.and_then(|text| Id::parse(text)).ok_or(Fault::Malformed);
        let newest = id(head.first())?;
        let broom = id(head.get(1))?;
        if newest < self.cursor {
            (self.cursor, self.broom) = (Id::default(), Id::default());
            return Ok(Taken { more: true, lost: true, ..Taken::default() });
        }
        let mut taken = Taken::default();
        let (mut ids, mut changes) = (Vec::new(), Vec::new());
        for row in rows.chunks(VALUES) {
            ids.push(id(row.first())?);
            if let Some(entry) = entry(row, following.keep_seconds, seed) {
                changes.push(entry);
            } else {
                // The place of what cannot be read is kept by something that revokes nothing.
                taken.unreadable += 1;
                changes.push(Entry::new(seed, Kind::Token, b"", b"", 0, 0));
            }
        }
        self.broom = broom;
        taken.entries = self.table.take(&changes, following.entries_max, now);
        if let Some(&last) = taken.entries.checked_sub(1).and_then(|index| ids.get(index)) {
            self.cursor = last;
        }
        self.is_full = taken.entries < ids.len();
        taken.more = ids.len() >= PAGE && !self.is_full;
        Ok(taken)
    }

    /// As it is stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        let entries = self.table.entries();
        let mut bytes = Vec::with_capacity(HEAD + entries.len() * 16);
        let (cursor, broom) = (self.cursor, self.broom);
        for number in [self.generation, u64::from(self.is_full), cursor.0, cursor.1, broom.0, broom.1] {
            bytes.extend(number.to_le_bytes());
        }
        for entry in entries {
            bytes.extend(entry.to_bytes());
        }
        bytes
    }

    /// A snapshot that [`Snapshot::to_bytes`] wrote; `None` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (head, entries) = bytes.split_at_checked(HEAD)?;
        let number = |index: usize| {
            let bytes = head.get(index * 8..index * 8 + 8)?;
            bytes.try_into().ok().map(u64::from_le_bytes)
        };
        let entries = entries.chunks(16).map(|chunk| chunk.try_into().ok().map(Entry::from_bytes));
        Some(Self {
            generation: number(0)?,
            is_full: number(1)? != 0,
            cursor: Id(number(2)?, number(3)?),
            broom: Id(number(4)?, number(5)?),
            table: Table::of_sorted(entries.collect::<Option<_>>()?)?,
        })
    }
}

/// One entry of the stream; `None` where it cannot be understood.
fn entry(row: &[Vec<u8>], keep_seconds: u32, seed: &Seed) -> Option<Entry> {
    let [id, kind, name, issuer, before, until] = row else { return None };
    let made = Id::parse(id)?;
    let kind = Kind::parse(kind)?;
    if name.is_empty() || name.len() >= NAME_BYTES_MAX || issuer.len() >= NAME_BYTES_MAX {
        return None;
    }
    let made = u32::try_from(made.0 / 1000).unwrap_or(NEVER);
    let before = match (kind, number(before)) {
        (Kind::Subject, Some(before)) => before,
        // What was issued in the same second cannot be told from what was issued before.
        (Kind::Subject, None) => made.saturating_add(1),
        _ => NEVER,
    };
    let until = match (kind, number(until)) {
        (_, Some(until)) => until,
        (Kind::Key, None) => NEVER,
        (Kind::Token, None) => made.saturating_add(keep_seconds),
        (Kind::Subject, None) => made.max(before).saturating_add(keep_seconds),
    };
    Some(Entry::new(seed, kind, issuer, name, before, until))
}

/// A number, the largest that fits where it is larger; `None` for anything else, which counts as not said: that revokes more.
fn number(text: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(text).ok()?;
    text.parse::<u64>().ok().map(|number| u32::try_from(number).unwrap_or(NEVER))
}

/// How long ago the store was last heard of, as one worker sees it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Watch {
    heard: Option<(Instant, Instant)>,
}

impl Watch {
    /// Notes that the store was heard of at `heard`, as shared data says at `now`. A clock that steps back starts the wait
    /// anew, and does not lengthen it by its step.
    pub fn note(&mut self, heard: Instant, now: Instant) {
        let since = match self.heard {
            Some((known, since)) if known == heard => since.min(now),
            _ => heard.min(now),
        };
        self.heard = Some((heard, since));
    }

    /// Whether the store has answered within `patience`.
    pub fn is_current(&self, now: Instant, patience: std::time::Duration) -> bool {
        self.heard.is_some_and(|(_, since)| now.since(since) <= patience)
    }
}

#[cfg(test)]
mod tests;
