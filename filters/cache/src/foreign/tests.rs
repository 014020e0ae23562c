//! What is taken from the second level, and that no bytes from there or from shared data stop a worker.

use super::*;
use crate::directory::{Directory, Sight, find};
use crate::entry::{self, Facts, Parts, Terms};
use crate::freshness::Received;
use crate::level::{Availability, Backlog, Clock};
use crate::purge::{Ledger, Order, Stamp};
use crate::remote::{Feed, Found};
use crate::tag::Tags;
use policy::Headers;
use policy::purge::Pulse;
use policy::state::{RawStore, Reply, Store};
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const BYTES_MAX: usize = 16 << 10;
const NOW: Instant = Instant::from_unix_seconds(10_000);
const DATE: (&[u8], &[u8]) = (b"date", b"Thu, 01 Jan 1970 02:30:00 GMT");

/// What a proxy writes, changed in one respect.
struct Written<'a> {
    facts: Facts,
    vary: &'a [u8],
    fields: Vec<(&'a [u8], &'a [u8])>,
    body: Vec<u8>,
    is_packed: bool,
    plain: u32,
}

impl Default for Written<'_> {
    fn default() -> Self {
        let received = Received { at: Instant::from_unix_seconds(9990), age: 5 };
        let facts = Facts { status: 200, terms: Terms::default(), received, lifetime: 60 };
        let fields: Vec<(&[u8], &[u8])> = vec![DATE, (b"content-type", b"text/html")];
        Self { facts, vary: b"accept,x-a", fields, body: b"text ".repeat(500), is_packed: true, plain: 0 }
    }
}

impl Written<'_> {
    fn object(&self) -> (Vec<u8>, Envelope) {
        let parts = Parts { key: b"GET http a /", vary: self.vary, values: b"" };
        let mut object = entry::begin(&self.facts, &parts, &Headers::from_pairs(&self.fields), 0);
        object.extend(&self.body);
        let mut plain = self.plain;
        if let Some(packed) = packing::pack(&object).filter(|_| self.is_packed) {
            (object, plain) = packed;
        }
        (object, Envelope { moments: [u32::MAX; 3], plain, ..Envelope::default() })
    }

    fn is_read(&self) -> bool {
        let (object, mut envelope) = self.object();
        read(&object, &mut envelope, BYTES_MAX, NOW).is_some()
    }
}

#[test]
fn what_another_proxy_has_written_is_read_whole_and_its_moments_are_its_entrys() {
    for is_packed in [false, true] {
        let written = Written { is_packed, ..Written::default() };
        let (object, mut envelope) = written.object();
        assert_eq!(envelope.plain > 0, is_packed);
        let whole = read(&object, &mut envelope, BYTES_MAX, NOW).unwrap();
        assert_eq!(Entry::parse(&whole).unwrap().body, written.body);
        assert_eq!(envelope.moments, [9000, 9990, 9990 + 55]);
    }
}

#[test]
fn what_no_proxy_would_have_written_is_nothing() {
    let usual = Written::default;
    let with = |change: fn(&mut Facts)| {
        let mut facts = usual().facts;
        change(&mut facts);
        Written { facts, ..usual() }
    };
    let field = |name, value| Written { fields: vec![DATE, (name, value)], ..usual() };
    let long = [b"a".as_slice(); 300].join(&b'b');
    assert!(usual().is_read() && field(b"x-a", b"\xff").is_read() && field(b"x-a", b"").is_read());
    for (what, written) in [
        ("names that are longer than is kept", Written { vary: &long, ..usual() }),
        ("names in another order", Written { vary: b"x-a,accept", ..usual() }),
        ("names in upper case", Written { vary: b"Accept", ..usual() }),
        ("names that are none", Written { vary: b"a b", ..usual() }),
        ("what no request matches", Written { vary: b"*", ..usual() }),
        ("a status that is not stored", with(|facts| facts.status = 206)),
        ("no status", with(|facts| facts.status = 7)),
        ("a moment to come", with(|facts| facts.received.at = Instant::from_unix_seconds(10_009))),
        ("an age beyond numbers", with(|facts| facts.received.age = u32::MAX)),
        ("a lifetime beyond numbers", with(|facts| facts.lifetime = u32::MAX)),
        ("a bound beyond numbers", with(|facts| facts.terms.while_revalidate = u32::MAX)),
        ("another", with(|facts| facts.terms.if_error = u32::MAX)),
        ("a field that ends another", field(b"x-a", b"1\r\nset-cookie: a=b")),
        ("a zero", field(b"x-a", b"\0")),
        ("a name that is none", field(b"x a", b"1")),
        ("no name", field(b"", b"1")),
        ("a name in upper case", field(b"X-A", b"1")),
        ("a status of its own", field(b":status", b"200")),
        ("a length of its own", field(b"content-length", b"9")),
        ("what is of a connection", field(b"transfer-encoding", b"chunked")),
        ("a cookie", field(b"set-cookie", b"a=b")),
        ("a body that is too long", Written { body: vec![b'x'; BYTES_MAX], is_packed: false, ..usual() }),
        ("one that is when it is unpacked", Written { body: vec![b'x'; BYTES_MAX], ..usual() }),
        ("a body that is not what it says", Written { is_packed: false, plain: 2000, ..usual() }),
        ("one that says too much", Written { is_packed: false, plain: u32::MAX, ..usual() }),
    ] {
        assert!(!written.is_read(), "{what}");
    }
    let (mut object, mut envelope) = usual().object();
    object.truncate(60);
    assert_eq!(read(&object, &mut envelope, BYTES_MAX, NOW), None);
}

/// Bytes as random as those of a generator.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap()
    }

    /// Bytes with some changed, cut off or put in; at times nothing of them is left.
    fn change(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        if self.below(8) == 0 {
            bytes = (0..self.below(600)).map(|_| self.next().to_le_bytes()[0]).collect();
        }
        for _ in 0..self.below(12) {
            let (at, piece) = (self.below(bytes.len()), self.below(9));
            let byte = [0, 1, 0x7f, 0x80, 0xff, self.next().to_le_bytes()[0]][self.below(6)];
            match self.below(4) {
                0 => bytes.truncate(at),
                1 => drop(bytes.splice(at..at, vec![byte; piece])),
                _ => bytes.iter_mut().skip(at).take(piece).for_each(|other| *other = byte),
            }
        }
        bytes
    }
}

/// A set with sixty entries.
fn set() -> Vec<u8> {
    let mut directory = Directory::default();
    for number in 0..60 {
        let envelope = Envelope { moments: [9000, 9990, 20_000], ..Envelope::default() };
        let offer = envelope.record(number % 20, number, b"accept,x-a", 1000);
        directory.place(offer, Sight { next: u64::MAX, found: 0 }, 1 << 17, 10_000);
        directory.touch(number / 2);
    }
    directory.invalidate(7);
    directory.soften(8);
    directory.to_bytes()
}

#[test]
fn no_directory_stops_a_worker_or_outgrows_its_set() {
    let (set, mut noise, share) = (set(), Noise(88_172_645_463_325_252), 1 << 17);
    for round in 0..1500 {
        let mut bytes = noise.change(&set);
        find(&bytes, 3, |_| 3);
        for _ in 0..4 {
            let stored = std::mem::take(&mut bytes);
            let mut directory = Directory::parse(&stored);
            let (tag, ticket) = (noise.next() % 20, noise.next() % 70);
            match noise.below(6) {
                0 => directory.touch(ticket),
                1 => drop(directory.remove(ticket)),
                2 => drop(directory.invalidate(tag)),
                3 => directory.soften(tag),
                _ => {
                    let offer = Envelope { moments: [9000, 9990, 20_000], ..Envelope::default() }.record(
                        tag,
                        noise.next(),
                        b"accept",
                        if round % 2 == 0 { 1000 } else { share },
                    );
                    directory.place(offer, Sight { next: u64::MAX, found: ticket }, share, 10_000);
                }
            }
            bytes = directory.to_bytes();
        }
        let mut written = Directory::parse(&bytes);
        assert!(written.clear().len() <= 64, "{bytes:?}");
    }
}

#[test]
fn a_list_of_names_that_cannot_be_told_is_not_written() {
    let (set, share) = (set(), 1 << 17);
    let mut directory = Directory::parse(&set);
    let long = vec![b'a'; 3000];
    let offer = Envelope { moments: [9000, 9990, 20_000], ..Envelope::default() }.record(1, 99, &long, 1000);
    let next = directory.next_ticket();
    directory.place(offer, Sight { next: u64::MAX, found: 0 }, share, 10_000);
    let written = directory.to_bytes();
    let mut directory = Directory::parse(&written);
    assert!(!directory.holds(next));
    assert_eq!(directory.clear().len(), Directory::parse(&set).clear().len());
}

#[test]
fn no_bytes_of_the_second_level_stop_a_worker() {
    let mut noise = Noise(88_172_645_463_325_252);
    let samples = [true, false].map(|is_packed| {
        let (mut object, envelope) = Written { is_packed, ..Written::default() }.object();
        Envelope { tags: Tags::from_bytes(&[1, 0, 9, 0]), stamp: Stamp { local: 1, remote: 2 }, ..envelope }
            .append(&mut object);
        object
    });
    for round in 0..1500 {
        let mut object = noise.change(&samples[round % 2]);
        let Some(mut envelope) = Envelope::split(&mut object) else { continue };
        if let Some(whole) = read(&object, &mut envelope, BYTES_MAX, NOW) {
            assert!(whole.len() <= BYTES_MAX);
            let facts = Entry::parse(&whole).unwrap().facts;
            assert!(facts.expires() >= facts.received_seconds() && facts.received.age(NOW).is_some());
        }
        packing::unpack(object, envelope.plain).inspect(|whole| assert!(whole.len() < 1 << 20));
    }
}

#[test]
fn no_answer_of_a_store_and_nothing_in_shared_data_stops_a_worker() {
    let mut noise = Noise(88_172_645_463_325_252);
    let mut ledger = Ledger::default();
    for text in ["everything&mode=soft", "provider=a", "prefix=/x", "tag=a,b,c", "url=http://a/", "cell=1,2,3"] {
        ledger.apply(&Order::parse(text.as_bytes()).unwrap(), Some(7));
    }
    let mut backlog = Backlog::default();
    backlog.push(b"tag=a");
    backlog.push_cell(7);
    let words = ["1700000000000-1", "0-0", "9999", "1700000000000000", "1700000000000-1", "url=http://a/%20"];
    let raw = RawStore { dialect: Some("upstash".into()), ..RawStore::default() };
    let store = Store::new(raw, None).unwrap();
    for _ in 0..1500 {
        if let Some(mut ledger) = Ledger::from_bytes(&noise.change(&ledger.to_bytes())) {
            ledger.apply(&Order::parse(b"cell=1").unwrap(), None);
            ledger.to_bytes();
        }
        let mut backlog = Backlog::from_bytes(&noise.change(&backlog.to_bytes()));
        backlog.push_ended(b"GET http a /", b"url=http://a/");
        backlog.settle(noise.next());
        backlog.push(b"tag=a");
        assert!(backlog.end() > 0);
        let clock = Clock { told: u64::MAX, sent: NOW, heard: NOW }.to_bytes();
        Clock::from_bytes(&noise.change(&clock)).map(|clock| (clock.latest(NOW), clock.earliest(NOW)));
        Availability::from_bytes(&noise.change(&[7; 9])).fail(NOW);
        Pulse::from_bytes(&noise.change(&[7; 16])).to_bytes();
        let texts = words.map(|word| Reply::Bytes(noise.change(word.as_bytes())));
        let _ = Feed::read(Reply::List(texts.into_iter().take(noise.below(8)).collect()));
        let _ = Found::read(&store, Reply::Bytes(noise.change(&b"E1".repeat(40))));
    }
}
