//! The second level: a Redis that a fleet shares, as this cache uses it.
//!
//! # The layout
//! ```text
//! weir:cache:<name>:2:{<print>}                     E <floor> <order> <object>, V <floor> <order> <nonce> <field names of Vary>,
//!                                                   or T <floor>
//! weir:cache:<name>:2:{<print>}:<nonce><variant>    E <floor> <order> <object>
//! weir:cache:<name>:purges                          a stream of orders, as `crate::purge` reads them
//! ```
//! `print` is a fingerprint of the primary key that every proxy takes alike; the object has the whole key, and that
//! decides. Where a response varies, the URL's own key only says by what, and a number that is drawn when it is written:
//! once it is overwritten, the variants below the old number are reached by nobody and expire. So one change takes a URL
//! with all its variants, and nothing is ever looked for.
//!
//! # What comes late
//! A proxy stores beside its requests, so what it stores may have been asked for before another proxy ended that URL (RFC 9111
//! §4.4). Whoever ends one leaves `T` there for a minute, and the moment as the `floor`, which whatever takes its place inherits:
//! what was asked for before it is refused, and so is what was asked for more than a minute ago, of which nobody would know.
//! All moments are of Redis's own clock, in microseconds; proxies hear it with the orders and reckon their own moments from it,
//! to the safe side ([`Clock`](crate::level::Clock)). Of two responses, the one with the later `order` stays: its `Date` (RFC 9111 §4), then
//! when it was asked for.
//!
//! Keys expire when their object has been stale for as long as is configured; how much Redis holds is for Redis
//! to bound (`maxmemory`). Where it keeps limits, too, it must be `noeviction`, and a full Redis takes no more objects
//! until some expire; `allkeys-lru` is for one that keeps nothing else. An object is an entry with its [envelope](crate::envelope): plain bytes for
//! webdis, base64 for Upstash.

use std::time::Duration;

use policy::state::{Fault, Reply, Script, Store};

use crate::tag::FLEET;

/// How many orders an answer has at most.
pub const PAGE: usize = 256;
/// What stands before an object: a floor and an order.
const HEAD: usize = 16 + 26;
/// A stream of this length has lost orders already, or is about to.
const STREAM_FULL: u64 = 9000;

/// For how long a response that is stored has been asked for at most. Redis knows for as long what was ended.
pub const LATE: Duration = Duration::from_mins(1);

/// Key: the URL's. Arguments: the lifetime in seconds, the object, its [`order`]; for a variant also the field names, the number to
/// draw, the variant. Answers with `ok`, or why it is not stored.
pub static FILL: Script = Script::new(
    "\
local k,a,t=KEYS[1],ARGV,redis.call('TIME')
local function at(s) return string.format('%d%06d',t[1]+s,t[2]) end
local asked=string.sub(a[3],11)
if asked<at(-60) or asked>at(0) then return 'late' end
local function head(w,n)
local m=redis.call('GETRANGE',w,0,n)
return m,string.sub(m,2,17),string.sub(m,18,43)
end
local m,f,o=head(k,59+#(a[4] or ''))
if asked<f then return 'ended' end
local s=tonumber(a[1])
if f>at(-60) then s=math.max(s,61) end
if f=='' then f='0000000000000000' end
local h,w=f..a[3],k
if a[4] then
local n=a[5]
if string.sub(m,1,1)=='V' and string.sub(m,60)==a[4] then
n=string.sub(m,44,59)
if redis.call('TTL',k)<s then redis.call('EXPIRE',k,s) end
else
if o>a[3] then return 'older' end
redis.call('SET',k,'V'..h..n..a[4],'EX',s)
end
w=k..':'..n..a[6]
m,f,o=head(w,42)
end
if o>a[3] then return 'older' end
redis.call('SET',w,'E'..h..a[2],'EX',s)
return 'ok'",
);

/// Keys: those of URLs. Arguments: for each, the moment before which what is asked for has ended. A full Redis deletes all the same,
/// and whatever has deleted may write.
pub static END: Script = Script::new(
    "\
local t=redis.call('TIME')
local now=string.format('%d%06d',t[1],t[2])
for i,k in ipairs(KEYS) do
local f,b=ARGV[i],redis.call('GETRANGE',k,1,16)
if f>now then f=now end
if b>f then f=b end
redis.call('DEL',k)
redis.call('SET',k,'T'..f,'EX',61)
end
return 'ok'",
);

/// Key: the stream. Arguments: the last order read, the page, and the orders to be added. Answers with a flat list of texts: the
/// stream's newest id, its oldest, its length, what time it is in microseconds, then two for each order.
pub static FEED: Script = Script::new(
    "\
local k,a=KEYS[1],ARGV
for i=3,#a do redis.call('XADD',k,'MAXLEN','~',10000,'*','o',a[i]) end
local t=redis.call('TIME')
local r={'0-0','0-0','0',string.format('%d%06d',t[1],t[2])}
if redis.call('EXISTS',k)==0 then return r end
local info=redis.call('XINFO','STREAM',k)
for i=1,#info,2 do if info[i]=='last-generated-id' then r[1]=info[i+1] end end
local f=redis.call('XRANGE',k,'-','+','COUNT',1)
if f[1] then r[2]=f[1][1] end
r[3]=tostring(redis.call('XLEN',k))
for _,e in ipairs(redis.call('XRANGE',k,'('..a[1],'+','COUNT',a[2])) do r[#r+1]=e[1] r[#r+1]=e[2][2] end
return r",
);

/// The fingerprint of a primary key, the same on every proxy.
pub fn print(key: &[u8]) -> [u8; 16] {
    FLEET.fingerprint([key]).to_bytes()
}

/// What a request comes to in the fields of `vary`, the same on every proxy, in hexadecimal digits.
pub fn variant(vary: &[u8], values: &[u8]) -> String {
    digits(FLEET.fingerprint([vary, values]).to_bytes().first_chunk())
}

/// Half a fingerprint in hexadecimal digits.
fn digits(half: Option<&[u8; 8]>) -> String {
    format!("{:016x}", half.map_or(0, |half| u64::from_le_bytes(*half)))
}

/// The store's key for a URL.
pub fn key(store: &Store, cache: &str, print: [u8; 16]) -> String {
    let (first, second) = print.split_at(8);
    let name = ["cache:", cache, ":2:{", &digits(first.first_chunk()), &digits(second.first_chunk()), "}"].concat();
    store.key(&name)
}

/// The store's key for the stream of orders.
pub fn stream(store: &Store, cache: &str) -> String {
    store.key(&["cache:", cache, ":purges"].concat())
}

/// A moment as the scripts compare them.
pub fn moment(micros: u64) -> String {
    format!("{micros:016}")
}

/// What the later of two responses is told by: when it was made, in seconds since the epoch, and when it was asked for.
pub fn order(date: u32, asked: u64) -> String {
    format!("{date:010}{}", moment(asked))
}

/// What stands under a key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Found {
    /// Nothing, or nothing any more.
    Nothing,
    /// An object.
    Object(Vec<u8>),
    /// By which fields the URL's responses vary, and under which number they are.
    Variants {
        /// The number, as 16 digits.
        nonce: String,
        /// The field names.
        vary: Vec<u8>,
    },
}

impl Found {
    /// Reads an answer to `GET`.
    ///
    /// # Errors
    /// [`Fault::Malformed`] where something else stands there.
    pub fn read(store: &Store, reply: Reply) -> Result<Self, Fault> {
        let value = match reply {
            Reply::Nil => return Ok(Self::Nothing),
            Reply::Bytes(value) => value,
            _ => return Err(Fault::Malformed),
        };
        let Some((kind, rest)) = value.split_first() else { return Err(Fault::Malformed) };
        let rest = rest.split_at_checked(HEAD).map(|(_, rest)| rest);
        match (kind, rest) {
            (b'T', _) => Ok(Self::Nothing),
            (b'E', Some(object)) => store.unpack(object).map(Self::Object).ok_or(Fault::Malformed),
            (b'V', Some(rest)) => {
                let (nonce, vary) = rest.split_at_checked(16).ok_or(Fault::Malformed)?;
                let nonce = std::str::from_utf8(nonce).map_err(|_| Fault::Malformed)?.to_owned();
                Ok(Self::Variants { nonce, vary: vary.to_vec() })
            }
            _ => Err(Fault::Malformed),
        }
    }
}

/// What the stream says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Feed {
    /// The last order's place.
    pub newest: u64,
    /// What is before this place has been forgotten; zero where nothing has.
    pub horizon: u64,
    /// What time it was, in microseconds since the epoch by Redis's clock.
    pub time: u64,
    /// Places and texts.
    pub orders: Vec<(u64, Vec<u8>)>,
}

impl Feed {
    /// Reads an answer of [`FEED`].
    ///
    /// # Errors
    /// [`Fault::Malformed`] where the script did not make it.
    pub fn read(reply: Reply) -> Result<Self, Fault> {
        let Reply::List(values) = reply else { return Err(Fault::Malformed) };
        let mut texts = values.into_iter().map(|value| match value {
            Reply::Bytes(text) => Ok(text),
            _ => Err(Fault::Malformed),
        });
        let mut next = || texts.next().unwrap_or(Err(Fault::Malformed));
        let newest = place(&next()?)?;
        let oldest = place(&next()?)?;
        let length = number(&next()?).ok_or(Fault::Malformed)?;
        let time = number(&next()?).ok_or(Fault::Malformed)?;
        let mut orders = Vec::new();
        while let Some(id) = texts.next() {
            orders.push((place(&id?)?, texts.next().unwrap_or(Err(Fault::Malformed))?));
        }
        Ok(Self { newest, horizon: if length < STREAM_FULL { 0 } else { oldest }, time, orders })
    }

    /// Whether there is more to read.
    pub const fn has_more(&self) -> bool {
        self.orders.len() >= PAGE
    }
}

/// A place in the stream as Redis calls it.
pub fn id(place: u64) -> String {
    format!("{}-{}", place >> 16, place & 0xffff)
}

/// An id of a stream, milliseconds and a count, as one number in the same order.
fn place(id: &[u8]) -> Result<u64, Fault> {
    let at = id.iter().position(|&byte| byte == b'-').ok_or(Fault::Malformed)?;
    let (millis, count) = id.split_at_checked(at).ok_or(Fault::Malformed)?;
    let count = number(count.get(1..).unwrap_or_default()).ok_or(Fault::Malformed)?;
    let millis = number(millis).filter(|millis| *millis < 1 << 48).ok_or(Fault::Malformed)?;
    Ok(millis << 16 | count.min(0xffff))
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
