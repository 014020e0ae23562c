//! What a proxy holds of a fleet's buckets: tokens that have left Redis and are not spent yet, and what Redis refused.
//!
//! All workers of a proxy spend from the same blocks, by compare-and-swap on one value of shared data. Such a value has the
//! blocks of at most [`WAYS`] callers; where there are more, the one that was heard of longest ago is forgotten, and with it
//! its tokens, which nobody spends then: forgetting can never let more through.
//!
//! A block is made of two parts, since what is leased ahead of need arrives while there is still something left: the older
//! part is spent first, and each lapses on its own. How long either is good for is counted on this proxy's own clock from the
//! moment at which Redis was *asked*. Where requests wait in line, Redis may promise a token that is not there yet: then the newer
//! part is good from that moment on. A clock that has stepped back makes everything lapse that it finds in its future.

use std::time::Duration;

use policy::{Fingerprint, Instant};

use crate::script::Grant;

/// How many callers one value tells apart.
const WAYS: usize = 8;
/// The first byte of a stored value.
const FORMAT: u8 = 2;
/// How many numbers a block is.
const NUMBERS: usize = 14;
/// A refusal is asked about again after so long, however long it is: a Redis that was emptied has forgotten it.
const REFUSED_MAX: Duration = Duration::from_secs(5);
/// Who waits for what another worker has asked looks again after so long.
const GLANCE: Duration = Duration::from_millis(10);

/// What is held of one bucket.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Block {
    print: u64,
    /// When Redis was last heard of.
    since: Instant,
    fresh: u64,
    /// When Redis promised it.
    fresh_from: Instant,
    fresh_until: Instant,
    old: u64,
    old_until: Instant,
    refused_until: Instant,
    /// Somebody is asking for more.
    asked_until: Instant,
    /// How many tokens were wanted since.
    spent: u64,
    /// How many Redis gave last.
    grant: u64,
    /// What was left in Redis, and which limit is the tightest: two numbers in one.
    left: u64,
    /// Until that limit's bucket is full, in microseconds after `since`.
    full_in: u64,
    /// How long in advance the last token was promised, in microseconds.
    notice: u64,
}

/// How a caller stands, as far as it is known here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Known {
    /// Tokens here and in Redis.
    pub remaining: u32,
    /// Which of the limits is the tightest.
    pub tight: usize,
    /// For a pass, until the bucket is full; for a refusal, until the same request would pass.
    pub reset_in: Duration,
    /// How long in advance Redis last promised a token: with others who wait in line, in what time one comes.
    pub notice: Duration,
    /// For a pass, until when the tokens were good that it took; what is not leased ahead is good for no time after it was asked for.
    pub until: Instant,
}

/// What a block says to one request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Take {
    /// It holds enough, and that was taken. Where so many more should be leased ahead of need, this caller is to ask.
    Taken(Known, Option<u32>),
    /// Redis holds too little.
    Refused(Known),
    /// Redis has to be asked; so many tokens more than needed would be spent soon.
    Missing(u32),
}

/// The blocks of one value of shared data.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Blocks {
    now: Instant,
    blocks: Vec<Block>,
}

impl Blocks {
    /// Reads what [`Blocks::write`] wrote, as it is `now`.
    pub fn read(bytes: &[u8], now: Instant) -> Self {
        let mut blocks = Vec::new();
        if let Some((&FORMAT, rest)) = bytes.split_first() {
            for chunk in rest.chunks_exact(NUMBERS * 8) {
                let block = Block::read(chunk);
                if block.since <= now && blocks.len() < WAYS {
                    blocks.push(block);
                }
            }
        }
        Self { now, blocks }
    }

    /// Writes the blocks in place of what `bytes` held.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        bytes.clear();
        bytes.push(FORMAT);
        for block in &self.blocks {
            for number in block.numbers() {
                bytes.extend(number.to_le_bytes());
            }
        }
    }

    /// Takes `cost` tokens for a caller. Where it is to be `ahead` of need, who leaves less than a half is told to ask for so
    /// many as twice that time needs, and nobody else is for that long.
    pub fn try_take(&mut self, print: Fingerprint, cost: u32, ahead: Option<Duration>) -> Take {
        let now = self.now;
        let Some(block) = self.find(print) else { return Take::Missing(0) };
        let cost = u64::from(cost);
        block.lapse(now);
        if block.usable(now) < cost {
            if let Some(known) = block.promise(now, cost).or_else(|| block.refusal(now)) {
                return Take::Refused(known);
            }
            return Take::Missing(ahead.map_or(0, |interval| block.demand(now, interval)));
        }
        block.spent = block.spent.saturating_add(cost);
        let of_old = cost.min(block.old);
        let until = if of_old > 0 { block.old_until } else { block.fresh_until };
        (block.old, block.fresh) = (block.old - of_old, block.fresh - (cost - of_old));
        let is_low = block.fresh_from <= now
            && block.tokens() < block.grant / 2
            && block.asked_until <= now
            && block.refusal(now).is_none();
        let more = ahead.filter(|_| is_low).map(|interval| (interval, block.demand(now, interval)));
        let more = more.filter(|(_, demand)| *demand > 0).map(|(interval, demand)| {
            block.asked_until = now + 2 * interval;
            demand
        });
        Take::Taken(Known { until, ..block.known(now) }, more)
    }

    /// The same for a request that waits in line. Where Redis has to be asked, this caller is to ask, and nobody else is for as
    /// long as it may take: `budget`.
    pub fn claim(&mut self, print: Fingerprint, cost: u32, ahead: Option<Duration>, budget: Duration) -> Take {
        let said = self.try_take(print, cost, ahead);
        if !matches!(said, Take::Missing(_)) {
            return said;
        }
        let now = self.now;
        self.place(print);
        let Some(block) = self.find(print) else { return said };
        let asked = block.asked_until.since(now);
        if asked.is_zero() || asked > budget {
            block.asked_until = now + budget;
            return said;
        }
        Take::Refused(Known { reset_in: GLANCE.min(asked), ..block.known(now) })
    }

    /// Puts back what was taken, which was good `until` then: it lapses no later than it would have. Says whether it has not yet.
    pub fn give_back(&mut self, print: Fingerprint, tokens: u32, until: Instant) -> bool {
        let now = self.now;
        let Some(block) = self.find(print).filter(|_| until > now) else { return false };
        block.lapse(now);
        let tokens = u64::from(tokens);
        // It is no demand that more should be leased for.
        block.spent = block.spent.saturating_sub(tokens);
        if block.fresh_from <= now && block.fresh_until > now && block.fresh_until <= until {
            block.fresh = block.fresh.saturating_add(tokens);
        } else {
            block.old_until = if block.old > 0 { block.old_until.min(until) } else { until };
            block.old = block.old.saturating_add(tokens);
        }
        true
    }

    /// Until when at least those tokens were good that a caller took `at` that moment; where more has come since, nobody knows.
    pub fn good_until(&mut self, print: Fingerprint, at: Instant) -> Option<Instant> {
        let block = self.find(print).filter(|block| block.since <= at)?;
        Some(if block.old_until > at { block.old_until.min(block.fresh_until) } else { block.fresh_until })
    }

    /// Takes in what Redis was asked for at `asked_at`, less what is `spent` at once. Tokens are good for `term` from then on.
    pub fn receive(&mut self, print: Fingerprint, grant: &Grant, spent: u32, asked_at: Instant, term: Duration) {
        let now = self.now;
        self.place(print);
        let Some(block) = self.find(print) else { return };
        block.lapse(now);
        // What is not there yet cannot be kept apart from what is.
        if block.fresh > 0 && block.fresh_from <= now {
            // What is older still has had its time.
            (block.old, block.old_until) = (block.fresh, block.fresh_until);
        }
        block.fresh = u64::from(grant.granted.saturating_sub(spent));
        block.notice = micros(grant.due);
        let asked_at = asked_at.min(now);
        let (from, until) = if grant.due.is_zero() {
            (Instant::EPOCH, asked_at + term)
        } else {
            // From when the answer came: no sooner than Redis counts.
            (now + grant.due, now + grant.due + term)
        };
        (block.fresh_from, block.fresh_until) = (from, grant.good(until, asked_at));
        block.spent = u64::from(spent);
        block.grant = u64::from(grant.granted);
        // Behind a promise there may be another one.
        let is_refused = !grant.wait.is_zero() && grant.due.is_zero();
        block.refused_until = if is_refused { now + grant.wait } else { Instant::EPOCH };
        block.asked_until = Instant::EPOCH;
        block.left = u64::from(grant.left) << 8 | u64::from(grant.tight);
        block.full_in = micros(grant.full_in);
        block.since = now;
    }

    /// Makes room for what is held of a caller.
    fn place(&mut self, print: Fingerprint) {
        if self.find(print).is_some() {
            return;
        }
        if self.blocks.len() >= WAYS
            && let Some(oldest) = self.blocks.iter().enumerate().min_by_key(|(_, block)| block.since)
        {
            let index = oldest.0;
            self.blocks.swap_remove(index);
        }
        self.blocks.push(Block { print: half(print), since: self.now, ..Block::default() });
    }

    fn find(&mut self, print: Fingerprint) -> Option<&mut Block> {
        let print = half(print);
        self.blocks.iter_mut().find(|block| block.print == print)
    }
}

impl Block {
    fn tokens(&self) -> u64 {
        self.fresh.saturating_add(self.old)
    }

    /// Tokens that are not only promised.
    fn usable(&self, now: Instant) -> u64 {
        if self.fresh_from > now { self.old } else { self.tokens() }
    }

    /// When as many will be there as were promised.
    fn promise(&self, now: Instant, cost: u64) -> Option<Known> {
        let reset_in = self.fresh_from.since(now);
        (!reset_in.is_zero() && self.fresh >= cost).then(|| Known { reset_in, ..self.known(now) })
    }

    /// What has lapsed cannot be spent.
    fn lapse(&mut self, now: Instant) {
        if self.old_until <= now {
            self.old = 0;
        }
        if self.fresh_until <= now {
            self.fresh = 0;
        }
    }

    /// What is known of a refusal, while it lasts.
    fn refusal(&self, now: Instant) -> Option<Known> {
        let reset_in = self.refused_until.since(now);
        let holds = !reset_in.is_zero() && now.since(self.since) < REFUSED_MAX;
        holds.then(|| Known { reset_in, ..self.known(now) })
    }

    fn known(&self, now: Instant) -> Known {
        let passed = micros(now.since(self.since));
        Known {
            remaining: u32::try_from(self.tokens().saturating_add(self.left >> 8)).unwrap_or(u32::MAX),
            tight: usize::try_from(self.left & 0xff).unwrap_or_default(),
            reset_in: Duration::from_micros(self.full_in.saturating_sub(passed)),
            notice: Duration::from_micros(self.notice),
            until: Instant::EPOCH,
        }
    }

    /// How many tokens two intervals like the time since the last answer would take. An answer that came just now says
    /// little; no block grows to more than three times its size.
    fn demand(&self, now: Instant, interval: Duration) -> u32 {
        let span = micros(interval).max(1);
        let passed = micros(now.since(self.since)).max(span / 4);
        let demand = self.spent.saturating_mul(2 * span) / passed.max(1);
        let most = self.grant.saturating_mul(3).saturating_add(8);
        u32::try_from(demand.min(most)).unwrap_or(u32::MAX)
    }

    fn numbers(&self) -> [u64; NUMBERS] {
        let at = |instant: Instant| instant.as_nanos();
        [
            self.print,
            at(self.since),
            self.fresh,
            at(self.fresh_from),
            at(self.fresh_until),
            self.old,
            at(self.old_until),
            at(self.refused_until),
            at(self.asked_until),
            self.spent,
            self.grant,
            self.left,
            self.full_in,
            self.notice,
        ]
    }

    fn read(bytes: &[u8]) -> Self {
        let mut numbers = bytes.chunks_exact(8).map(|chunk| chunk.try_into().map_or(0, u64::from_le_bytes));
        let mut next = || numbers.next().unwrap_or_default();
        Self {
            print: next(),
            since: Instant::from_nanos(next()),
            fresh: next(),
            fresh_from: Instant::from_nanos(next()),
            fresh_until: Instant::from_nanos(next()),
            old: next(),
            old_until: Instant::from_nanos(next()),
            refused_until: Instant::from_nanos(next()),
            asked_until: Instant::from_nanos(next()),
            spent: next(),
            grant: next(),
            left: next(),
            full_in: next(),
            notice: next(),
        }
    }
}

/// The half of a fingerprint that does not choose the slot.
pub(crate) fn half(print: Fingerprint) -> u64 {
    print.to_bytes().first_chunk().copied().map_or(0, u64::from_le_bytes)
}

fn micros(length: Duration) -> u64 {
    u64::try_from(length.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
