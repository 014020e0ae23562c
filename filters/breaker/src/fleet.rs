//! A fleet: what the breakers of several proxies tell each other, through the state store.
//!
//! One worker of each proxy runs [`SCRIPT`] every [`REFRESH`], beside the requests. It says which of its breakers have opened,
//! and hears of each upstream how many proxies say so, and what an operator has ordered ([`policy::order`]).
//!
//! **A vote** is what a proxy has found out by itself: its breaker has opened, and no probe has closed it since. A breaker that
//! was opened because others had voted has no vote; neither has one that is forced. So proxies cannot talk each other
//! into an outage that none of them sees.
//!
//! **A quorum** ([`Quorum`]) of votes opens the breakers of the others, for their own `open_for`, once: when there come to be
//! enough votes. Then each asks by probes of its own. One that finds the upstream well closes, and is not opened again
//! while the same votes stand: a part of the network may be all that is broken. A quorum is never less than two, so one sick
//! proxy opens nobody else's.
//!
//! **A vote lapses** [`LIFETIME`] after its proxy was last heard of, by the store's clock; no clock is compared with another.
//! Without the store, each proxy is by itself: what was ordered holds, and what is open closes by its own probes. A
//! store that has lost its data has no votes until the next refresh, and no orders: they are taken back.
//!
//! **What may stand in the store** is anything. Of each upstream the script answers with a number and at most 65 bytes; a key of
//! another type, or a number that is none, counts as no votes, and a text that is no order as none. Names in the store
//! are never read, so that nobody can make a proxy keep any. More than [`PROXIES_MAX`] members of a set are dropped.
//!
//! ```text
//! weir:breaker:proxies            sorted set: proxy → when it lapses, in milliseconds of the store
//! weir:breaker:open:<upstream>    the same, of those that have a vote
//! weir:breaker:order:<upstream>   the operator's
//! ```

use std::time::Duration;

use policy::ConfigError;
use policy::json::Json;
use policy::order::Ear;
use policy::state::{Fault, Reply, Script};

use crate::raw::whole;

/// How often a proxy asks the store.
pub const REFRESH: Duration = Duration::from_millis(250);
/// Nobody counts who was not heard of for so long.
pub const LIFETIME: Duration = Duration::from_secs(5);
/// A fleet has no more proxies.
pub const PROXIES_MAX: u32 = 1024;
/// One proxy is no quorum.
const LEAST: u32 = 2;

/// Keys: the set of proxies, then for each upstream its votes and its order. Arguments: the proxy, the lifetime in milliseconds,
/// how many may be in a set, then for each upstream `1` for a vote, `0` for none, `-` where it is not asked for votes.
/// Answers with a flat list of texts: how many proxies there are, then for each upstream the votes and the order.
pub static SCRIPT: Script = Script::new(
    "\
local k,a=KEYS,ARGV
local t=redis.call('TIME')
local now=t[1]*1000+math.floor(t[2]/1000)
local function count(key,is)
redis.pcall('ZREMRANGEBYSCORE',key,'-inf',now)
redis.pcall('ZREMRANGEBYSCORE',key,now+a[2]*2,'+inf')
if is then
redis.pcall('ZADD',key,now+a[2],a[1])
redis.pcall('PEXPIRE',key,a[2]*2)
else
redis.pcall('ZREM',key,a[1])
end
redis.pcall('ZREMRANGEBYRANK',key,0,-1-a[3])
local n=redis.pcall('ZCARD',key)
return type(n)=='number' and string.format('%d',n) or '?'
end
local r={count(k[1],true)}
for i=2,#k,2 do
local vote=a[i/2+3]
r[i]=vote=='-' and '0' or count(k[i],vote=='1')
local o=redis.pcall('GET',k[i+1])
r[i+1]=type(o)=='string' and string.sub(o,1,65) or o and '?' or ''
end
return r",
);

/// How many proxies must have opened theirs for the others to open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Quorum {
    /// So many.
    Proxies(u32),
    /// So many percent of those that there are.
    Share(u32),
}

impl Quorum {
    /// Reads `2` or `"50%"`.
    ///
    /// # Errors
    /// The mistake.
    pub fn from_json(json: &Json) -> Result<Self, ConfigError> {
        let quorum = match json {
            Json::Text(text) => text.strip_suffix('%').and_then(|share| share.parse().ok()).map(Self::Share),
            json => whole(json).ok().map(Self::Proxies),
        };
        let is_sound = |quorum: &Self| match quorum {
            Self::Proxies(count) => (LEAST..=PROXIES_MAX).contains(count),
            Self::Share(percent) => (1..=100).contains(percent),
        };
        let reason = r#"must be a number of proxies, from 2 to 1024, or a share of them, "1%" to "100%""#;
        quorum.filter(is_sound).ok_or_else(|| ConfigError::at("quorum", reason))
    }

    /// How many votes there must be among so many proxies.
    pub fn needed(self, proxies: u32) -> u32 {
        match self {
            Self::Proxies(count) => count,
            Self::Share(percent) => proxies.saturating_mul(percent).div_ceil(100).max(LEAST),
        }
    }
}

/// What the store says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// How many proxies there are.
    pub proxies: u32,
    /// Of each upstream, in the order in which they were asked about.
    pub news: Vec<News>,
}

/// What the store says of one upstream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct News {
    /// How many proxies have a vote; `None` where nobody can say.
    pub votes: Option<u32>,
    /// What an operator has ordered; nothing at all where nothing was.
    pub order: Vec<u8>,
}

impl Answer {
    /// Reads the answer of [`SCRIPT`] about so many upstreams.
    ///
    /// # Errors
    /// [`Fault::Malformed`] where the script did not make it.
    pub fn read(reply: Reply, upstreams: usize) -> Result<Self, Fault> {
        let Reply::List(values) = reply else { return Err(Fault::Malformed) };
        let mut texts = Vec::with_capacity(values.len());
        for value in values {
            let Reply::Bytes(text) = value else { return Err(Fault::Malformed) };
            texts.push(text);
        }
        let (proxies, rows) = texts.split_first().ok_or(Fault::Malformed)?;
        let (rows, rest) = rows.as_chunks::<2>();
        if rows.len() != upstreams || !rest.is_empty() {
            return Err(Fault::Malformed);
        }
        let news = |[votes, order]: &[Vec<u8>; 2]| News { votes: number(votes), order: order.clone() };
        // Where nobody can say, it is this one.
        Ok(Self { proxies: number(proxies).unwrap_or(1), news: rows.iter().map(news).collect() })
    }
}

fn number(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok()?.parse().ok().filter(|number| *number <= PROXIES_MAX)
}

/// What a proxy remembers of what it was told about one upstream, so that all is done once.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Memory {
    /// What was ordered through the store.
    pub store: Ear,
    /// What was ordered of this proxy alone.
    pub local: Ear,
    /// Whether there were enough votes.
    is_quorum: bool,
    /// Whether the votes could not be read.
    is_garbled: bool,
}

/// What votes mean.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Nothing new.
    Nothing,
    /// There are enough of them, so many, which there were not before.
    Open(u32),
    /// They are no number, which they were before.
    Garbage,
}

const FORMAT: u8 = 1;

impl Memory {
    /// Hears how many of so many proxies have a vote.
    pub fn count(&mut self, quorum: Quorum, votes: Option<u32>, proxies: u32) -> Verdict {
        let was_garbled = std::mem::replace(&mut self.is_garbled, votes.is_none());
        let Some(votes) = votes else {
            return if was_garbled { Verdict::Nothing } else { Verdict::Garbage };
        };
        let was_quorum = std::mem::replace(&mut self.is_quorum, votes >= quorum.needed(proxies));
        if self.is_quorum && !was_quorum { Verdict::Open(votes) } else { Verdict::Nothing }
    }

    /// As it is stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT, u8::from(self.is_quorum), u8::from(self.is_garbled)];
        self.store.write(&mut bytes);
        self.local.write(&mut bytes);
        bytes
    }

    /// Reads what [`Memory::to_bytes`] wrote; anything else is nothing remembered.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        parse(bytes).unwrap_or_default()
    }
}

fn parse(bytes: &[u8]) -> Option<Memory> {
    let ([FORMAT, is_quorum, is_garbled], rest) = bytes.split_first_chunk()? else { return None };
    let (store, rest) = Ear::read(rest)?;
    let (local, _) = Ear::read(rest)?;
    Some(Memory { store, local, is_quorum: *is_quorum != 0, is_garbled: *is_garbled != 0 })
}

#[cfg(test)]
mod tests;
