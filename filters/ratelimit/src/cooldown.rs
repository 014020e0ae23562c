//! Cool-downs: how long an upstream is left alone that has said that it is asked too often ([`crate::signal`]).
//!
//! # One for all workers
//! A cool-down is one value of shared data for each upstream, so every worker's requests meet the same one, and it
//! survives a new configuration. While it lasts, requests to that upstream are answered with 429 and the time that is left, and
//! cost no limit anything: the upstream is not asked, and no breaker behind this filter hears of a failure. Of two
//! cool-downs the one that ends later holds. An answer that arrives during one, from a request sent before it, does not end it.
//!
//! # At its end
//! All requests may go again at once. So that they do not all go at once, the buckets that this proxy keeps *for* this upstream (the
//! rules whose callers share one bucket and whose `upstream` has its name) are then as empty as the upstream's own bucket
//! must have been when it refused a request: one request passes, and the others at the limit's rate. That is taken from them by the
//! first request that comes after the end, less what has come back since. Where nothing was refused (the upstream only
//! said that nothing is left until its reset), its window is new at the end, and the bucket stays as it is. An upstream
//! without a limit of its own gets all requests that come then, and may of course refuse one again.
//!
//! # A clock that steps back
//! Beside its end stands the moment at which a cool-down was written. A clock before that moment has stepped back; the
//! end moves back by the same step. No cool-down is ever longer than `longest` from now, whatever is stored.
//!
//! # A fleet
//! With a state store, one worker of each proxy asks once every [`REFRESH`] with one [`SCRIPT`] for all upstreams: it gives
//! what this proxy has learnt from the upstream itself, and gets what any proxy did. Redis counts lengths of time down
//! (`PX`, `PTTL`), so no clock is compared with another. A cool-down is known to every proxy after two refreshes and
//! what Redis takes to answer; while Redis is away, each proxy keeps to what it knows. What came from the fleet is not given
//! back to it, so that the time on the way, by which it is longer each time, cannot add up. `SET weir:cool:spotify 1 PX 60000`
//! by hand has every proxy leave that upstream alone for a minute.

use std::time::Duration;

use policy::route::Target;
use policy::state::{Fault, Reply, Script};
use policy::{Instant, Match};

use crate::signal::{Learn, Signal};

/// How often a proxy asks the state store.
pub const REFRESH: Duration = Duration::from_millis(250);

/// Keys: one for each upstream. Arguments: what this proxy has to tell of each, in milliseconds, 0 for nothing. Answers with what
/// is left of each cool-down, in milliseconds.
pub static SCRIPT: Script = Script::new(
    "\
local r={}
for i,k in ipairs(KEYS) do
local p,a=redis.call('PTTL',k),tonumber(ARGV[i])
if a>0 and a>p then redis.call('SET',k,1,'PX',a) p=a end
r[i]=string.format('%.0f',math.max(p,0))
end
return r",
);

/// What differs by less is the same cool-down, heard over the network.
const SAME_WITHIN: Duration = Duration::from_millis(100);

/// An upstream that is listened to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Upstream {
    /// Its name: the label `provider` of metrics.
    pub name: String,
    /// The key of shared data that its cool-down is under.
    pub key: String,
    /// Which requests go there: one of them must match.
    pub routes: Vec<Match>,
    /// What is listened to.
    pub learn: Learn,
    /// No cool-down is longer.
    pub longest: Duration,
    /// How long one is where the upstream does not say.
    pub default: Duration,
}

impl Upstream {
    /// Whether a request goes there.
    pub fn is_asked(&self, target: &Target<'_>) -> bool {
        self.routes.iter().any(|route| route.matches(target))
    }

    /// Whether telling that takes a request's headers, its method and path among them.
    pub fn reads_headers(&self) -> bool {
        self.routes.iter().any(|route| *route != Match::default())
    }

    /// The cool-down that a signal asks for.
    pub fn rest(&self, signal: Signal, now: Instant) -> Rest {
        let length = signal.length.unwrap_or(self.default).min(self.longest);
        let cause = if signal.is_refusal { Cause::Refused } else { Cause::Spent };
        Rest { since: now, until: now + length, cause }
    }
}

/// Why an upstream is left alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cause {
    /// It refused a request.
    Refused,
    /// It said that nothing is left until its reset.
    Spent,
    /// Another proxy of the fleet said so.
    Fleet,
}

/// One cool-down.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rest {
    /// When it was written.
    pub since: Instant,
    /// When it ends.
    pub until: Instant,
    /// Why.
    pub cause: Cause,
}

impl Rest {
    /// Reads what [`Rest::to_bytes`] wrote; `None` where there is no cool-down.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (cause, rest) = bytes.split_first()?;
        let (since, until) = rest.split_first_chunk()?;
        let cause = match cause {
            1 => Cause::Refused,
            2 => Cause::Spent,
            3 => Cause::Fleet,
            _ => return None,
        };
        let instant = |bytes: [u8; 8]| Instant::from_nanos(u64::from_le_bytes(bytes));
        Some(Self { since: instant(*since), until: instant(until.try_into().ok()?), cause })
    }

    /// As it is stored.
    pub fn to_bytes(self) -> Vec<u8> {
        let cause = match self.cause {
            Cause::Refused => 1,
            Cause::Spent => 2,
            Cause::Fleet => 3,
        };
        let mut bytes = vec![cause];
        bytes.extend(self.since.as_nanos().to_le_bytes());
        bytes.extend(self.until.as_nanos().to_le_bytes());
        bytes
    }

    /// The same cool-down as it is `now`: where the clock has stepped back, it has, too.
    #[must_use]
    pub fn at(self, now: Instant, longest: Duration) -> Self {
        let step = self.since.since(now);
        let until = self.until.before(step).min(now + longest);
        if step.is_zero() && until == self.until { self } else { Self { since: now, until, cause: self.cause } }
    }

    /// How long it still lasts; `None` where it is over.
    pub fn left(&self, now: Instant) -> Option<Duration> {
        Some(self.until.since(now)).filter(|left| !left.is_zero())
    }

    /// Whether this one takes the place of the one that is known.
    pub fn replaces(&self, known: Option<Self>, now: Instant) -> bool {
        let slack = if self.cause == Cause::Fleet { SAME_WITHIN } else { Duration::ZERO };
        known.and_then(|known| known.left(now)).unwrap_or_default() + slack < self.until.since(now)
    }

    /// How many of the `tokens` of a bucket are taken from it at the end, so that it holds what one request costs and what has come
    /// back since: one token every `refill`.
    pub fn surplus(&self, now: Instant, tokens: u32, refill: Duration, cost: u32) -> u32 {
        if self.cause == Cause::Spent {
            return 0;
        }
        let back = now.since(self.until).as_nanos().checked_div(refill.as_nanos()).unwrap_or(u128::MAX);
        tokens.saturating_sub(cost).saturating_sub(u32::try_from(back).unwrap_or(u32::MAX))
    }
}

/// What this proxy and the fleet have told each other.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Gossip(Vec<Instant>);

impl Gossip {
    /// What there is to tell of an upstream, in milliseconds: nothing of what the fleet knows already.
    pub fn news(&self, index: usize, known: Option<Rest>, now: Instant) -> u64 {
        let news = known.filter(|rest| rest.cause != Cause::Fleet && self.0.get(index) != Some(&rest.until));
        let left = news.and_then(|rest| rest.left(now)).unwrap_or_default();
        u64::try_from(left.as_millis()).unwrap_or(u64::MAX)
    }

    /// Notes that the fleet was told of a cool-down, and answered with what is left of its own. What it has lost it is
    /// told again.
    pub fn note(&mut self, index: usize, told: Option<Rest>, fleet: Duration) {
        if self.0.len() <= index {
            self.0.resize(index + 1, Instant::EPOCH);
        }
        if let Some(place) = self.0.get_mut(index) {
            *place = told.filter(|_| !fleet.is_zero()).map_or(Instant::EPOCH, |rest| rest.until);
        }
    }
}

/// Reads the answer of [`SCRIPT`].
///
/// # Errors
/// [`Fault::Malformed`] where the script did not make it.
pub fn lengths(reply: Reply) -> Result<Vec<Duration>, Fault> {
    let Reply::List(values) = reply else { return Err(Fault::Malformed) };
    let mut lengths = Vec::with_capacity(values.len());
    for value in values {
        let Reply::Bytes(text) = value else { return Err(Fault::Malformed) };
        let millis = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok()).ok_or(Fault::Malformed)?;
        lengths.push(Duration::from_millis(millis));
    }
    Ok(lengths)
}

#[cfg(test)]
mod tests;
