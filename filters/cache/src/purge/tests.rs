//! What an order says, and what it leaves.

use super::*;
use crate::tag;
use policy::Headers;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const KEY: &[u8] = b"GET https example.com /api/tracks/1?x=y";

fn order(text: &str) -> Order {
    Order::parse(text.as_bytes()).unwrap_or_else(|mistake| panic!("{text}: {mistake}"))
}

fn tags(list: &str) -> Tags {
    Tags::read(&Headers::from_pairs(&[(b"cache-tag", list.as_bytes())]), &["cache-tag".to_owned()])
}

/// What an order leaves of an entry of [`KEY`], labels `spotify` and `tracks`, tags `one` and `two`.
fn left(text: &str) -> Standing {
    let mut ledger = Ledger::default();
    ledger.apply(&order(text), None);
    let tags = tags("one two");
    ledger.standing(&Subject { key: KEY, provider: "spotify", data_type: "tracks", tags: &tags }, Stamp::default())
}

#[test]
fn an_order_takes_what_it_names() {
    for (text, expected) in [
        ("everything", Standing::Gone),
        ("everything&mode=hard", Standing::Gone),
        ("everything&mode=soft", Standing::Stale),
        ("provider=spotify", Standing::Gone),
        ("provider=spotif", Standing::Current),
        ("data_type=tracks&mode=soft", Standing::Stale),
        ("provider=spotify&data_type=tracks", Standing::Gone),
        ("data_type=tracks&provider=spotify", Standing::Gone),
        ("provider=spotify&data_type=search", Standing::Current),
        ("provider=lastfm&data_type=tracks", Standing::Current),
        ("prefix=/api/", Standing::Gone),
        ("prefix=/api/tracks/1%3fx=y", Standing::Gone),
        ("prefix=/ap", Standing::Gone),
        ("prefix=/tracks", Standing::Current),
        ("prefix=https://EXAMPLE.com/api", Standing::Gone),
        ("prefix=https://example.com:443/", Standing::Gone),
        ("prefix=http://example.com/", Standing::Current),
        ("prefix=https://example.co/", Standing::Current),
        ("tag=two", Standing::Gone),
        ("tag=nine,TWO", Standing::Gone),
        ("tag=nine", Standing::Current),
        ("url=https://example.com/api/tracks/1%3Fx=y", Standing::Current),
        (&format!("cell={}", crate::key::cell(KEY)), Standing::Current),
    ] {
        assert_eq!(left(text), expected, "{text}");
    }
}

#[test]
fn what_is_no_order_purges_nothing() {
    let many = format!("tag={}", "a,".repeat(300));
    let long = format!("prefix=/{}", "a".repeat(5000));
    for (text, expected) in [
        ("", Mistake::Empty),
        ("&&", Mistake::Empty),
        ("mode=soft", Mistake::Empty),
        ("everything=1", Mistake::Member),
        ("provider=", Mistake::Member),
        ("provider", Mistake::Member),
        ("provider=a&provider=b", Mistake::Member),
        ("provider=a%0Ab", Mistake::Member),
        ("provider=%4", Mistake::Member),
        ("provider=%zz", Mistake::Member),
        ("prefix=api", Mistake::Member),
        ("prefix=ftp://a/", Mistake::Member),
        ("url=/a", Mistake::Member),
        ("url=http:///a", Mistake::Member),
        ("url=http://a", Mistake::Member),
        ("url=http://a/%20b", Mistake::Member),
        ("tag=,", Mistake::Member),
        ("cell=", Mistake::Member),
        ("cell=1,", Mistake::Member),
        ("cell=2048", Mistake::Member),
        ("cell=70000", Mistake::Member),
        ("cell=-1", Mistake::Member),
        ("cell=1&cell=2", Mistake::Scopes),
        ("mode=gentle&everything", Mistake::Member),
        ("mode=soft&mode=soft&everything", Mistake::Member),
        ("all", Mistake::Member),
        ("everything&tag=a", Mistake::Scopes),
        ("prefix=/a&provider=b", Mistake::Scopes),
        ("tag=a&tag=b", Mistake::Scopes),
        (&many, Mistake::Long),
        (&long, Mistake::Long),
    ] {
        assert_eq!(Order::parse(text.as_bytes()), Err(expected), "{text}");
    }
}

#[test]
fn a_url_that_was_written_is_the_one_that_is_read() {
    let target = b"/a b/%2F?q=1&r=%26+\"\xff".as_slice();
    for mode in [Mode::Hard, Mode::Soft] {
        let text = Order::of_url(b"https", b"Example.com:8443", b"/a/%2F?q=1&r=%26+\"\xff", mode);
        let key = key_of(b"/a/%2F?q=1&r=%26+\"\xff");
        assert_eq!(Order::parse(&text), Ok(Order { scope: Scope::Url(key), mode }));
    }
    // A blank would be read as the end of a key's part.
    assert_eq!(Order::parse(&Order::of_url(b"https", b"a", target, Mode::Hard)), Err(Mistake::Member));
}

#[test]
fn a_cell_is_what_its_urls_are_to_the_fleet() {
    let none = Tags::default();
    let mut searched = KEY.to_vec();
    crate::key::search(&mut searched, b"{}");
    let cell = crate::key::cell(KEY);
    assert_eq!(crate::key::cell(&searched), cell);
    let [own, other] = [cell, cell ^ 1].map(|cell| {
        let mut ledger = Ledger::default();
        ledger.apply(&order(&format!("cell=7,{cell}")), Some(9));
        ledger
    });
    // (what it is, whether it is the fleet's, what is left of it)
    for (key, is_remote, left) in [
        (KEY, false, Standing::Current),
        (KEY, true, Standing::Gone),
        (&searched, false, Standing::Gone),
        (&searched, true, Standing::Gone),
    ] {
        let subject = Subject { key, provider: "", data_type: "", tags: &none };
        let standing = |ledger: &Ledger, stamp| {
            if is_remote { ledger.standing_remote(&subject, stamp) } else { ledger.standing(&subject, stamp) }
        };
        assert_eq!(standing(&own, Stamp::default()), left, "{is_remote}");
        assert_eq!(standing(&own, Stamp { local: 0, remote: 9 }), Standing::Current, "what came after");
        assert_eq!(standing(&other, Stamp::default()), Standing::Current, "another cell");
    }
}

#[test]
fn a_url_that_is_too_long_for_an_order_is_taken_with_what_begins_as_it_does() {
    let long = format!("/a?{}", "&".repeat(3000));
    for mode in [Mode::Hard, Mode::Soft] {
        let short = Order::of_key(&key_of(b"/a?b&c"), mode);
        assert_eq!(short, Order::of_url(b"https", b"example.com:8443", b"/a?b&c", mode));
        let text = Order::of_key(&key_of(long.as_bytes()), mode);
        let Ok(Order { scope: Scope::Prefix(beginning), mode: read }) = Order::parse(&text) else { panic!("{text:?}") };
        assert!(key_of(long.as_bytes()).starts_with(&beginning) && beginning.len() > 1000);
        assert_eq!(read, mode);
    }
    assert_eq!(Order::of_key(b"GET ftp a /", Mode::Soft), b"everything");
}

fn key_of(target: &[u8]) -> Vec<u8> {
    crate::key::primary(b"https", b"example.com:8443", target)
}

#[test]
fn what_is_asked_for_after_a_purge_is_not_its_business() {
    let mut ledger = Ledger::default();
    let none = Tags::default();
    let subject = Subject { key: KEY, provider: "a", data_type: "b", tags: &none };
    ledger.apply(&order("everything"), None);
    let after = ledger.last;
    assert_eq!(ledger.standing(&subject, after), Standing::Current);
    ledger.apply(&order("provider=other"), None);
    assert_eq!(ledger.standing(&subject, after), Standing::Current);
    ledger.apply(&order("prefix=/api&mode=soft"), None);
    assert_eq!(ledger.standing(&subject, after), Standing::Stale);
    ledger.apply(&order("prefix=/api"), None);
    assert_eq!(ledger.standing(&subject, after), Standing::Gone);
    assert_eq!(ledger.standing(&subject, ledger.last), Standing::Current);
}

#[test]
fn the_fleets_numbers_count_beside_a_proxys_own() {
    let mut ledger = Ledger::default();
    let none = Tags::default();
    let subject = Subject { key: KEY, provider: "a", data_type: "b", tags: &none };
    ledger.apply(&order("everything"), Some(1000));
    let elsewhere = |remote| Stamp { local: u32::MAX, remote };
    assert_eq!(ledger.standing(&subject, elsewhere(999)), Standing::Gone);
    assert_eq!(ledger.standing(&subject, elsewhere(1000)), Standing::Current);
    // What this proxy was told and the fleet does not know yet.
    ledger.apply(&order("everything"), None);
    assert_eq!(ledger.last.remote, 1000);
    assert_eq!(ledger.standing(&subject, elsewhere(1000)), Standing::Current);
    assert_eq!(ledger.standing(&subject, Stamp { local: 0, remote: 1000 }), Standing::Gone);
    // One URL is the directory's business, except where there is none.
    ledger.apply(&order("url=https://example.com/api/tracks/1%3Fx=y"), Some(1001));
    assert_eq!(ledger.standing(&subject, elsewhere(1000)), Standing::Current);
    assert_eq!(ledger.standing_remote(&subject, elsewhere(1000)), Standing::Gone);
    assert_eq!(ledger.standing_remote(&subject, elsewhere(1001)), Standing::Current);
    assert_eq!(
        ledger.standing_remote(&Subject { key: b"GET http a /", ..subject }, elsewhere(1000)),
        Standing::Current
    );
    ledger.horizon = 1002;
    assert_eq!(ledger.standing_remote(&subject, elsewhere(1001)), Standing::Gone);
    ledger.restart();
    assert_eq!(ledger.last.remote, 0);
    assert_eq!(ledger.standing(&subject, Stamp { local: 2, remote: 1000 }), Standing::Gone);
}

#[test]
fn more_scopes_than_are_told_apart_take_too_much_and_never_too_little() {
    let mut ledger = Ledger::default();
    let none = Tags::default();
    let mut before = Vec::new();
    for number in 0..1000_u32 {
        before.push(ledger.last);
        ledger.apply(&order(&format!("prefix=/{number}/")), None);
    }
    for (number, stamp) in before.iter().enumerate() {
        let key = format!("GET http a /{number}/x");
        let subject = Subject { key: key.as_bytes(), provider: "", data_type: "", tags: &none };
        assert_eq!(ledger.standing(&subject, *stamp), Standing::Gone, "{number}");
    }
    let other = Subject { key: KEY, provider: "", data_type: "", tags: &none };
    assert_eq!(ledger.standing(&other, Stamp { local: 1, remote: 0 }), Standing::Gone);
    assert_eq!(ledger.standing(&other, Stamp { local: 900, remote: 0 }), Standing::Current);
    assert!(ledger.to_bytes().len() < 20_000);
    for number in 0..20_000 {
        ledger.apply(&order(&format!("tag=t{number}")), None);
    }
    assert!(ledger.to_bytes().len() < 80_000);
}

#[test]
fn what_was_written_is_read_back() {
    let mut ledger = Ledger { horizon: 5, ..Ledger::default() };
    for (text, remote) in [
        ("everything&mode=soft", None),
        ("provider=a&data_type=b", Some(7)),
        ("prefix=/x&mode=soft", None),
        ("tag=a,b,c", Some(9)),
        ("tag=a&mode=soft", None),
        ("url=http://a/", Some(11)),
    ] {
        ledger.apply(&order(text), remote);
    }
    let bytes = ledger.to_bytes();
    assert_eq!(Ledger::from_bytes(&bytes), Some(ledger));
    assert_eq!(Ledger::from_bytes(b""), None);
    assert_eq!(Ledger::from_bytes(&bytes[..bytes.len() - 1]), None);
    assert_eq!(Ledger::from_bytes(&[&[FORMAT + 1], &bytes[1..]].concat()), None);
    assert!(tag::cell(b"a") < tag::CELLS);
}
