//! What a proxy asks of Redis: one script, for all buckets that a worker has questions about.
//!
//! A bucket is a hash with one field for each of its limits: the microsecond of Redis's own clock at which that limit's bucket
//! is full (the generic cell rate algorithm, see [`crate::bucket`]), or a window's counts, each behind the microsecond at which it no
//! longer counts (`until:count`, see [`crate::window`]). It lapses by itself when all are full. Nobody else's clock counts: what
//! crosses the wire are durations.
//!
//! Where requests wait in line, tokens may be *promised*: who asks with patience, and finds too little, is given what it needs as of
//! the moment at which it will be there, before anybody who asks later. Each proxy asks for the first in its line alone, so that
//! proxies take turns.
//!
//! | keys | |
//! |---|---|
//! | `weir:fleet` | every proxy with the microsecond in which it was last heard of |
//! | `weir:fleet:seed` | the secret under which the fleet takes fingerprints of callers, made by the first proxy |
//! | `weir:limit:RULE`, `weir:limit:RULE:FINGERPRINT` | a bucket |

use std::time::Duration;

use policy::state::{Fault, Reply, Script};
use policy::{Fingerprint, Instant};

use crate::fleet::{Kept, Terms};

/// A proxy that was not heard of for so long has no share.
pub const PROXY_LIFETIME: Duration = Duration::from_secs(5);

/// Arguments: this proxy, the lifetime of a proxy, a seed for a fleet that has none; then for each bucket the least that is of
/// use, what is wanted, what comes back and for how many microseconds it was held, the microseconds that are kept in reserve, the
/// microseconds for which a promise may be ahead, the number of limits, and for each its name, its kind (0 bucket, 1 sliding, 2 fixed window), the nanoseconds that a token takes to
/// come back or that a window is long, and its burst or how many it takes.
///
/// Answers with one text of words: proxies, seed; then for each bucket the tokens given, the microseconds until they are there, the
/// microseconds until as many more as were of use would be, whole tokens left, the microseconds until the tightest bucket is full, which that is, and
/// the microseconds until the first of its fixed windows ends that they are counted in, or 0 where it has none.
pub static SCRIPT: Script = Script::new(
    "\
local t=redis.call('TIME')
local now=t[1]*1000000+t[2]
local a,n=ARGV,3
local function word() n=n+1 return a[n] end
local function number() return tonumber(word()) end
local function say(x) return string.format('%.0f',x) end
local call=redis.call
call('ZADD',KEYS[1],say(now),a[1])
call('ZREMRANGEBYSCORE',KEYS[1],'-inf',say(now-a[2]))
call('PEXPIRE',KEYS[1],60000)
local seed=call('GET',KEYS[2])
if not seed then seed=a[3] call('SET',KEYS[2],seed) end
local r={say(call('ZCARD',KEYS[1])),seed}
for k=3,#KEYS do
local key=KEYS[k]
local least=number()
local want=number()
local back=number()
local held=number()
local reserve=number()
local patience=number()
local limits={}
local fit,due=want,0
for i=1,number() do
local l={name=word(),kind=number()}
local length,most=number()/1000,number()
local kept=call('HGET',key,l.name) or ''
if l.kind==0 then
l.cap=length*most-reserve
l.debt=math.min(math.max((tonumber(kept) or 0)-now,0),length*most+patience)
if back>0 then l.debt=math.max(l.debt-math.max(back*length-held,0),0) end
function l.fits() return math.floor((l.cap-l.debt)/length+1e-9) end
function l.short() return math.ceil(l.debt+least*length-l.cap-1e-9*length) end
function l.take(n) l.debt=math.ceil(l.debt+n*length) return say(now+l.debt) end
else
local counts,spent,gone={},0,back
local function ends(at) if l.kind==1 then return at+length end return at+length-at%length end
l.ends=ends
local whence,last=ends(now-held),ends(now+patience)
for u,c in string.gmatch(kept,'(%d+):(%d+)') do
u,c=math.min(tonumber(u),last),tonumber(c)
if gone>0 and u>=whence and (l.kind==1 or u==whence) then c=c-gone gone=0 end
if u>now and c>0 then counts[#counts+1]={u,c} spent=spent+c end
end
function l.fits() return most-spent end
function l.short()
local excess=spent+least-most
if excess<=0 then return 0 end
for _,c in ipairs(counts) do excess=excess-c[2] if excess<=0 then return c[1]-now end end
return length+patience
end
function l.take(n)
local c=counts[#counts]
if n>0 then
local u,part=ends(now+due),length
if l.kind==1 then part=math.ceil(length/16) end
if c and (c[1]>=u or math.floor(c[1]/part)==math.floor(u/part)) then c[1]=math.max(c[1],u) c[2]=c[2]+n
else c={u,n} counts[#counts+1]=c end
spent=spent+n
end
l.debt=c and c[1]-now or 0
local words={}
for j,d in ipairs(counts) do words[j]=say(d[1])..':'..say(d[2]) end
return table.concat(words,',')
end
end
fit=math.min(fit,l.fits())
due=math.max(due,l.short())
limits[i]=l
end
fit=math.max(fit,0)
fit=fit-fit%least
if fit>0 or want<least or due>patience then due=0 else fit=least end
local wait,left,longest,tight,ends=0,nil,0,1,0
for i,l in ipairs(limits) do
local kept=l.take(fit)
longest=math.max(longest,l.debt)
if l.kind==2 then
local e=l.ends(now+due)-now
if ends==0 or e<ends then ends=e end
end
local rest,short=math.max(l.fits(),0),l.short()
if not left or short>wait or (wait<=0 and rest<left) then left=rest tight=i end
wait=math.max(wait,short)
if fit>0 or back>0 then call('HSET',key,l.name,kept) end
end
if fit>0 or back>0 then call('PEXPIRE',key,say(math.ceil(longest/1000)+1)) end
for _,x in ipairs({fit,due,wait,left,limits[tight].debt,tight-1,ends}) do r[#r+1]=say(x) end
end
return table.concat(r,' ')",
);

/// What is asked about one bucket.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Want {
    /// Where the proxy keeps what it holds of it: a key of shared data.
    pub slot: String,
    /// Whose it is.
    pub print: Fingerprint,
    /// Its name in Redis.
    pub name: String,
    /// Its limits.
    pub terms: Terms,
    /// What a request costs: less is of no use.
    pub least: u32,
    /// What the requests need that wait for it.
    pub need: u32,
    /// What will be needed soon.
    pub ahead: u32,
    /// What comes back.
    pub back: u32,
    /// For how long that was held.
    pub held: Duration,
}

/// What Redis says about one bucket.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Grant {
    /// Tokens that have left Redis.
    pub granted: u32,
    /// Until they are there.
    pub due: Duration,
    /// Until another request's tokens would be there; zero where they are.
    pub wait: Duration,
    /// Whole tokens that Redis has left.
    pub left: u32,
    /// Until the tightest limit's bucket is full.
    pub full_in: Duration,
    /// Which of the limits that is.
    pub tight: u8,
    /// Until the first of the fixed windows ends that they are counted in; zero where there is none.
    pub ends_in: Duration,
}

impl Grant {
    /// Until when the tokens are good that were asked for at `asked_at`, and otherwise would be `until` then. Their window ends no sooner
    /// than it would had Redis been asked at once, so none is spent in the next.
    pub fn good(&self, until: Instant, asked_at: Instant) -> Instant {
        if self.ends_in.is_zero() { until } else { until.min(asked_at + self.ends_in) }
    }
}

/// What Redis says to one question.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// How many proxies there are, this one included.
    pub proxies: u32,
    /// The seed that all of them share.
    pub seed: [u8; 16],
    /// One for each bucket, in the order of the question.
    pub grants: Vec<Grant>,
}

/// The arguments of the script about these buckets; `keys` are what their names become in Redis.
pub fn arguments(proxy: &str, seed: [u8; 16], wants: &[Want]) -> Vec<String> {
    let mut words = vec![proxy.to_owned(), micros(PROXY_LIFETIME).to_string(), hex(&seed)];
    for want in wants {
        let Terms { reserve, patience, limits, .. } = &want.terms;
        let wanted = want.need.saturating_add(want.ahead);
        let [least, wanted, back] = [want.least, wanted, want.back].map(u64::from);
        let numbers = [least, wanted, back, micros(want.held), micros(*reserve), micros(*patience)];
        for number in numbers {
            words.push(number.to_string());
        }
        words.push(limits.len().to_string());
        for Kept { name, kind, length, most } in limits {
            words.push(name.clone());
            let length = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
            for number in [*kind as u64, length, u64::from(*most)] {
                words.push(number.to_string());
            }
        }
    }
    words
}

/// Bytes as text.
pub fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(if digit < 10 { b'0' + digit } else { b'a' - 10 + digit })).collect()
}

/// The sixteen bytes that a text says.
fn unhex(text: &str) -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        let [high, low] = pair else { return None };
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    (text.len() == 32).then_some(bytes)
}

fn micros(length: Duration) -> u64 {
    u64::try_from(length.as_micros()).unwrap_or(u64::MAX)
}

impl Answer {
    /// Reads the answer to a question about `buckets` buckets.
    ///
    /// # Errors
    /// [`Fault::Malformed`] where the script did not make it.
    pub fn read(reply: &Reply, buckets: usize) -> Result<Self, Fault> {
        let Reply::Bytes(bytes) = reply else { return Err(Fault::Malformed) };
        Self::parse(bytes).filter(|answer| answer.grants.len() == buckets).ok_or(Fault::Malformed)
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut words = std::str::from_utf8(bytes).ok()?.split(' ');
        let proxies = words.next()?.parse().ok()?;
        let seed = unhex(words.next()?)?;
        let mut grants = Vec::new();
        while let Some(word) = words.next() {
            let granted = whole(word)?;
            let mut next = || whole(words.next()?);
            let (due, wait, left, full_in, tight, ends) = (next()?, next()?, next()?, next()?, next()?, next()?);
            grants.push(Grant {
                granted: u32::try_from(granted).ok()?,
                due: Duration::from_micros(due),
                wait: Duration::from_micros(wait),
                left: u32::try_from(left).unwrap_or(u32::MAX >> 1),
                full_in: Duration::from_micros(full_in),
                tight: u8::try_from(tight).ok()?,
                ends_in: Duration::from_micros(ends),
            });
        }
        Some(Self { proxies, seed, grants })
    }
}

/// A number that is not below zero.
fn whole(word: &str) -> Option<u64> {
    word.parse().ok()
}

#[cfg(test)]
mod tests;
