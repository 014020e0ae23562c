//! What is asked again within the same second is answered in the same words: between two changes of the store, nothing of an answer
//! changes but what it says of its age, and that in whole seconds.
//!
//! A worker remembers a few answers as they were sent, each with the request that they were sent to, word for word. Only what is
//! said in fields of which nobody here takes notice may be another ([`UNHEEDED`]): who asks, and under which number. So what
//! remembers decides nothing; whoever looks whether the moment is still the same does.

use policy::Headers;
use policy::handover::header;

use crate::config::Config;

/// Fields whose values this cache reads only where `Vary` names them, a route's `match`, or `isolate`. What clients say in them is another
/// thing with each request, or with each client.
const UNHEEDED: [&str; 17] = [
    "authorization",
    "cookie",
    "referer",
    "user-agent",
    "via",
    "x-b3-spanid",
    "x-b3-traceid",
    "x-envoy-external-address",
    "x-forwarded-for",
    header::API_KEY,
    header::CORRELATION_ID,
    header::REQUEST_ID,
    header::ROLES,
    header::TIER,
    header::TRACEPARENT,
    header::TRACESTATE,
    header::USER,
];

/// How many answers are remembered: what one address leads to has one place.
const PLACES: usize = 64;
/// The longest request and answer that are remembered, in bytes of headers. All places together thus take 256 KiB.
const BYTES_MAX: usize = 4 << 10;
/// No more fields than this have a bit each.
const FIELDS_MAX: usize = 64;

/// A request, word for word.
struct Words {
    headers: Headers,
    /// One bit for each field, in their order: whether its value matters.
    heeded: u64,
}

impl Words {
    /// Whether a request says the same.
    fn are_those_of(&self, request: &Headers) -> bool {
        let mut heeded = self.heeded;
        self.headers.len() == request.len()
            && self.headers.iter().zip(request).all(|((name, value), (other, said))| {
                let is_heeded = heeded & 1 == 1;
                heeded >>= 1;
                name == other && (!is_heeded || value == said)
            })
    }
}

/// What is remembered: `M` tells one moment of the store from all others, `A` is an answer.
pub struct Repetitions<M, A> {
    unheeded: Vec<&'static str>,
    places: Vec<Place<M, A>>,
}

struct Place<M, A> {
    /// When something was last answered there.
    last: Option<M>,
    kept: Option<(Words, A)>,
}

impl<M: PartialEq, A> Repetitions<M, A> {
    /// Nothing, for requests under this configuration.
    pub fn new(config: &Config) -> Self {
        let places = (0..PLACES).map(|_| Place { last: None, kept: None }).collect();
        let unheeded = UNHEEDED.into_iter().filter(|name| !config.heeds(name)).collect();
        Self { unheeded, places }
    }

    /// What a request that says the same was answered, and when.
    pub fn find(&self, request: &Headers) -> Option<(&M, &A)> {
        let Place { last: Some(moment), kept: Some((words, answer)) } = self.places.get(place(request)?)? else {
            return None;
        };
        words.are_those_of(request).then_some((moment, answer))
    }

    /// Remembers an answer, whose headers take so many bytes, where one was given at the same `moment` before: what is asked once a second is not
    /// worth it. `varied` says what else decides about the request.
    pub fn keep(&mut self, request: &Headers, varied: &[&str], moment: M, bytes: usize, answer: impl FnOnce() -> A) {
        let Some(place) = place(request).and_then(|at| self.places.get_mut(at)) else { return };
        if place.last.as_ref() != Some(&moment) {
            *place = Place { last: Some(moment), kept: None };
            return;
        }
        let is_small = request.as_bytes().len() + bytes <= BYTES_MAX && request.len() <= FIELDS_MAX;
        place.kept = is_small.then(|| {
            let is_heeded = |name: &[u8]| {
                let is = |other: &&str| other.as_bytes() == name;
                !self.unheeded.iter().any(is) || varied.iter().any(is)
            };
            let heeded = request.iter().enumerate().filter(|(_, (name, _))| is_heeded(name));
            let heeded = heeded.fold(0, |bits, (index, _)| bits | 1 << index);
            (Words { headers: request.clone(), heeded }, answer())
        });
    }
}

/// Where the answer to a request has its place, by its path (FNV-1a). What shares a place takes turns in it.
fn place(request: &Headers) -> Option<usize> {
    let path = request.first(":path")?;
    let hash = path.iter().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    Some((hash ^ hash >> 16) as usize % PLACES)
}

#[cfg(test)]
mod tests;
