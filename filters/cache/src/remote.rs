//! The second level: a Redis that a fleet shares, as this cache uses it.
//!
//! # The layout
//! ```text
//! weir:cache:<name>:{<print>}                     E <object>, or V <nonce> <field names of Vary>
//! weir:cache:<name>:{<print>}:<nonce><variant>    E <object>
//! weir:cache:<name>:purges                        a stream of orders, as `crate::purge` reads them
//! ```
//! `print` is a fingerprint of the primary key that every proxy takes alike; the object has the whole key, and that
//! decides. Where a response varies, the URL's own key only says by what, and a number that is drawn when it is written:
//! once it is deleted, the variants below the old number are reached by nobody and expire. So one deletion takes a URL
//! with all its variants, and nothing is ever looked for.
//!
//! Keys expire when their object has been stale for as long as is configured; how much Redis holds is for Redis
//! to bound (`maxmemory`). Where it keeps limits, too, it must be `noeviction`, and a full Redis takes no more objects
//! until some expire; `allkeys-lru` is for one that keeps nothing else. An object is an entry with its [envelope](crate::envelope): plain bytes for
//! webdis, base64 for Upstash.

use policy::state::{Fault, Reply, Script, Store};

use crate::tag::FLEET;
use policy::stored::take;

/// How many orders an answer has at most.
pub const PAGE: usize = 256;
/// A stream of this length has lost orders already, or is about to.
const STREAM_FULL: u64 = 9000;

/// Key: the URL's. Arguments: the lifetime in seconds, the object; for a variant also the field names, the number to draw,
/// the variant.
pub static FILL: Script = Script::new(
    "\
local k,a=KEYS[1],ARGV
if not a[3] then redis.call('SET',k,'E'..a[2],'EX',a[1]) return 'ok' end
local m,n=redis.call('GET',k),a[4]
if m and string.sub(m,1,1)=='V' and string.sub(m,18)==a[3] then
n=string.sub(m,2,17)
if redis.call('TTL',k)<tonumber(a[1]) then redis.call('EXPIRE',k,a[1]) end
else redis.call('SET',k,'V'..n..a[3],'EX',a[1]) end
redis.call('SET',k..':'..n..a[5],'E'..a[2],'EX',a[1])
return 'ok'",
);

/// Key: the stream. Arguments: the last order read, the page, and the orders to be added. Answers with a flat list of texts: the
/// stream's newest id, its oldest, its length, then two for each order.
pub static FEED: Script = Script::new(
    "\
local k,a=KEYS[1],ARGV
for i=3,#a do redis.call('XADD',k,'MAXLEN','~',10000,'*','o',a[i]) end
local r={'0-0','0-0','0'}
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
pub(crate) fn digits(half: Option<&[u8; 8]>) -> String {
    format!("{:016x}", half.map_or(0, |half| u64::from_le_bytes(*half)))
}

/// The store's key for a URL.
pub fn key(store: &Store, cache: &str, print: [u8; 16]) -> String {
    let (first, second) = print.split_at(8);
    let name = ["cache:", cache, ":{", &digits(first.first_chunk()), &digits(second.first_chunk()), "}"].concat();
    store.key(&name)
}

/// The store's key for the stream of orders.
pub fn stream(store: &Store, cache: &str) -> String {
    store.key(&["cache:", cache, ":purges"].concat())
}

/// What stands under a key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Found {
    /// Nothing.
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
        match value.split_first() {
            Some((b'E', object)) => store.unpack(object).map(Self::Object).ok_or(Fault::Malformed),
            Some((b'V', rest)) => {
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
        let mut orders = Vec::new();
        while let Some(id) = texts.next() {
            orders.push((place(&id?)?, texts.next().unwrap_or(Err(Fault::Malformed))?));
        }
        Ok(Self { newest, horizon: if length < STREAM_FULL { 0 } else { oldest }, orders })
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

/// The bytes of a fingerprint in a list of them.
pub fn prints(mut list: &[u8]) -> impl Iterator<Item = [u8; 16]> {
    std::iter::from_fn(move || take(&mut list))
}

#[cfg(test)]
mod tests;
