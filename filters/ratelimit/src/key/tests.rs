//! Who shares a bucket and who does not.

use super::*;
use std::num::NonZeroU32;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const SEED: Seed = Seed::from_random([7; 16]);

fn account(pattern: &str) -> Account {
    Account { provider: "spotify".into(), allowed: true, cost: NonZeroU32::MIN, pattern: pattern.into() }
}

/// The key's fingerprint for a request with these headers from this address.
fn print(key: &[Part], headers: &[(&str, &[u8])], from: &str) -> Fingerprint {
    let pairs: Vec<_> = headers.iter().map(|(name, value)| (name.as_bytes(), *value)).collect();
    let client = Client::parse(Some(from.as_bytes()));
    Key::new(key.to_vec()).fingerprint(&SEED, &Headers::from_pairs(&pairs), &account(""), || &client)
}

#[test]
fn an_address_is_known_without_its_port() {
    for (one, other, same) in [
        ("192.0.2.1:5000", "192.0.2.1:5001", true),
        ("192.0.2.1:5000", "192.0.2.1", true),
        ("192.0.2.1:5000", "192.0.2.2:5000", false),
        ("[::ffff:192.0.2.1]:80", "192.0.2.1:80", true),
        ("[2001:db8::1]:80", "[2001:db8::ffff:1]:81", true),
        ("[2001:db8::1]:80", "2001:db8::2", true),
        ("[2001:db8::1]:80", "[2001:db8:0:1::1]:80", false),
        ("/run/gateway.sock", "/run/gateway.sock", true),
        ("/run/gateway.sock", "/run/other.sock", false),
        ("envoy://one/", "envoy://two/", false),
        ("", "", true),
        ("", "192.0.2.1:80", false),
    ] {
        let client = |text: &str| Client::parse(Some(text.as_bytes())).network(Prefixes::default());
        assert_eq!(client(one) == client(other), same, "{one} {other}");
    }
    assert_eq!(Client::parse(None), Client::parse(Some(b"")));
    assert_eq!(Client::parse(Some(b"\xff\xfe")), Client::Other(b"\xff\xfe".to_vec()));
}

#[test]
fn a_user_is_the_same_from_everywhere_and_nobody_is_an_address() {
    let key = [Part::User];
    let alice = print(&key, &[("x-weir-user", b"alice")], "192.0.2.1:1");
    assert_eq!(alice, print(&key, &[("x-weir-user", b"alice"), ("x-other", b"1")], "192.0.2.2:1"));
    assert_ne!(alice, print(&key, &[("x-weir-user", b"bob")], "192.0.2.1:1"));
    let nobody = print(&key, &[], "192.0.2.1:1");
    assert_eq!(nobody, print(&key, &[], "192.0.2.1:2"));
    assert_ne!(nobody, print(&key, &[], "192.0.2.2:1"));
    assert_ne!(nobody, print(&key, &[("x-weir-user", &[192, 0, 2, 1])], "192.0.2.1:1"));
    assert_ne!(nobody, print(&key, &[("x-weir-user", b"")], "192.0.2.1:1"));
}

#[test]
fn leaving_a_header_out_evades_nothing() {
    let key = [Part::Header("x-api-key".into())];
    let one = print(&key, &[("x-api-key", b"\xff\xfe")], "192.0.2.1:1");
    assert_eq!(one, print(&key, &[("x-api-key", b"\xff\xfe")], "192.0.2.2:1"));
    assert_ne!(one, print(&key, &[("x-api-key", b"\xff\xfe"), ("x-api-key", b"2")], "192.0.2.1:1"));
    assert_eq!(print(&key, &[], "192.0.2.1:1"), print(&key, &[("x-other", b"1")], "192.0.2.1:9"));
    assert_ne!(print(&key, &[], "192.0.2.1:1"), print(&key, &[], "192.0.2.2:1"));
}

#[test]
fn parts_together_tell_more_callers_apart() {
    let key = [Part::Header("a".into()), Part::Header("b".into()), Part::Address(Prefixes::default()), Part::Upstream];
    let both = print(&key, &[("a", b"1"), ("b", b"2")], "192.0.2.1:1");
    assert_eq!(both, print(&key, &[("b", b"2"), ("a", b"1")], "192.0.2.1:7"));
    for other in [
        print(&key, &[("a", b"2"), ("b", b"1")], "192.0.2.1:1"),
        print(&key, &[("a", b"1"), ("b", b"2")], "192.0.2.2:1"),
        print(&key, &[("a", b"1"), ("a", b"2")], "192.0.2.1:1"),
        print(&key, &[("a", b"12"), ("b", b"")], "192.0.2.1:1"),
    ] {
        assert_ne!(both, other);
    }
}

#[test]
fn only_an_upstream_is_shared_by_all_callers() {
    assert!(Key::new(vec![Part::Upstream]).is_shared());
    assert!(!Key::new(vec![Part::Upstream, Part::User]).is_shared());
    let unasked = Headers::default();
    let address = || -> &Client { panic!("this key has no address") };
    Key::new(vec![Part::Upstream]).fingerprint(&SEED, &unasked, &account(""), address);
}

#[test]
fn a_network_is_as_wide_as_its_prefix() {
    for (prefixes, one, other, same) in [
        ("/48", "[2001:db8:1:2::1]:1", "[2001:db8:1:3::1]:1", true),
        ("/48", "[2001:db8:1::1]:1", "[2001:db8:2::1]:1", false),
        ("/128", "[2001:db8::1]:1", "[2001:db8::2]:1", false),
        ("/48", "192.0.2.1:1", "192.0.2.2:1", false),
        ("/24/48", "192.0.2.1:1", "192.0.2.2:1", true),
        ("/24/48", "192.0.2.1:1", "192.0.3.1:1", false),
        ("/1/1", "10.0.0.1:1", "127.0.0.1:1", true),
        ("/32/64", "192.0.2.1:1", "192.0.2.2:1", false),
    ] {
        let key = [Part::Address(Prefixes::parse(prefixes).unwrap())];
        assert_eq!(print(&key, &[], one) == print(&key, &[], other), same, "{prefixes} {one} {other}");
    }
    for wrong in ["/", "/0", "/129", "/33/64", "/24/", "64", "/24/64/1"] {
        assert!(Prefixes::parse(wrong).is_none(), "{wrong}");
    }
}

#[test]
fn made_up_methods_are_one_and_a_tier_is_nobodys_own() {
    let key = [Part::Method, Part::Tier];
    let of =
        |method: &'static [u8], tier: &'static [u8]| print(&key, &[(":method", method), ("x-weir-tier", tier)], "");
    assert_ne!(of(b"GET", b"pro"), of(b"POST", b"pro"));
    assert_ne!(of(b"GET", b"pro"), of(b"GET", b"free"));
    assert_eq!(of(b"MADE", b"pro"), of(b"UP", b"pro"));
    assert_eq!(of(b"GET", b"anonymous"), print(&key, &[(":method", b"GET")], ""));
}

#[test]
fn a_path_is_the_one_that_the_route_says() {
    let client = Client::parse(None);
    let of = |pattern: &str, path: &'static str| {
        let headers = Headers::from_pairs(&[(b":path".as_slice(), path.as_bytes())]);
        Key::new(vec![Part::Path]).fingerprint(&SEED, &headers, &account(pattern), || &client)
    };
    assert_eq!(of("/tracks/{id}", "/tracks/1"), of("/tracks/{id}", "/tracks/2"));
    assert_ne!(of("/tracks/{id}", "/tracks/1"), of("/albums/{id}", "/albums/1"));
}

#[test]
fn an_api_key_is_known_by_its_id_and_nobody_by_its_address() {
    let key = [Part::ApiKey];
    let robot = print(&key, &[("x-weir-api-key", b"robot")], "192.0.2.1:1");
    assert_eq!(robot, print(&key, &[("x-weir-api-key", b"robot")], "192.0.2.2:1"));
    assert_ne!(robot, print(&[Part::User], &[("x-weir-user", b"robot")], "192.0.2.1:1"));
    assert_ne!(print(&key, &[], "192.0.2.1:1"), print(&key, &[], "192.0.2.2:1"));
}
