//! Tests of the module around this one.

use super::*;
use crate::keyring::Keyring;
use crate::sample;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const SEED: Seed = Seed::from_random([7; 16]);

fn at(seconds: u64) -> Instant {
    Instant::from_unix_seconds(seconds)
}

fn entry(kind: Kind, name: &str, before: u32, until: u32) -> Entry {
    Entry::new(&SEED, kind, b"", name.as_bytes(), before, until)
}

/// A token `t` of user `alice`, signed by key `k` of issuer `i`.
fn marks(issued: Option<i64>) -> Marks {
    let named = Named { token: Some("t"), subject: Some("alice"), key: Some("k") };
    Marks::of_token(&SEED, "i", &named, issued)
}

fn revoked(entries: &[Entry]) -> Revoked {
    let mut revoked = Revoked::new(&SEED, Duration::from_secs(30), &[]);
    assert_eq!(revoked.fetched.take(entries, 100, at(0)), entries.len());
    revoked
}

#[test]
fn a_token_is_revoked_by_its_id_its_user_or_its_key() {
    let of = |issuer: &str, kind, name: &str| Entry::new(&SEED, kind, issuer.as_bytes(), name.as_bytes(), NEVER, NEVER);
    let rows = [
        (of("", Kind::Token, "t"), true),
        (of("i", Kind::Token, "t"), true),
        (of("j", Kind::Token, "t"), false),
        (of("", Kind::Subject, "alice"), true),
        (of("i", Kind::Subject, "alice"), true),
        (of("", Kind::Subject, "t"), false),
        (of("", Kind::Key, "k"), true),
        (of("j", Kind::Key, "k"), false),
        (of("", Kind::Token, ""), false),
        (of("it", Kind::Token, ""), false),
    ];
    for (entry, expected) in rows {
        let found = revoked(&[entry]).check(&marks(Some(5)), at(10));
        assert_eq!(found == Err(Refusal::Revoked), expected, "{entry:?}");
    }
    let key = Marks::of_key(&SEED, "scraper");
    assert_eq!(revoked(&[of("", Kind::Key, "scraper")]).check(&key, at(10)), Err(Refusal::Revoked));
    assert_eq!(revoked(&[of("", Kind::Token, "scraper")]).check(&key, at(10)), Ok(()));
}

#[test]
fn what_was_issued_before_is_meant_and_what_does_not_say_when() {
    for (issued, expected) in [(Some(99), true), (Some(100), false), (Some(-5), true), (None, true)] {
        let found = revoked(&[entry(Kind::Subject, "alice", 100, NEVER)]).check(&marks(issued), at(200));
        assert_eq!(found.is_err(), expected, "{issued:?}");
    }
}

#[test]
fn a_revocation_ends_no_sooner_than_the_token_with_its_leeway() {
    let revoked = revoked(&[entry(Kind::Token, "t", NEVER, 100)]);
    for (seconds, expected) in [(0, true), (129, true), (130, false), (50, true)] {
        assert_eq!(revoked.check(&marks(None), at(seconds)).is_err(), expected, "at {seconds}");
    }
}

#[test]
fn a_later_change_replaces_and_one_that_ends_at_zero_takes_back() {
    let mut table = Table::default();
    let alice = |before, until| entry(Kind::Subject, "alice", before, until);
    let (bob, key) = (entry(Kind::Subject, "bob", 5, NEVER), entry(Kind::Key, "k", NEVER, NEVER));
    assert_eq!(table.take(&[alice(1, 9), bob, alice(2, 9), key], 100, at(0)), 4);
    assert_eq!(table.entries().len(), 3);
    assert!(table.entries().contains(&alice(2, 9)) && !table.entries().contains(&alice(1, 9)));
    assert_eq!(table.take(&[alice(0, 0), entry(Kind::Key, "unknown", 0, 0), alice(3, 9), bob], 100, at(0)), 4);
    assert!(table.entries().contains(&alice(3, 9)));
    assert_eq!(table.take(&[alice(0, 0), entry(Kind::Key, "k", 0, 0)], 100, at(0)), 2);
    assert_eq!(table.entries(), [bob]);
    assert!(Table::of_sorted(vec![bob, bob]).is_none());
}

#[test]
fn a_flood_takes_no_more_room_than_there_is_and_what_has_ended_gives_way() {
    let mut table = Table::default();
    let flood: Vec<Entry> =
        (0..100_000).map(|number: u32| entry(Kind::Token, &number.to_string(), NEVER, 1000 + number)).collect();
    let mut taken = 0;
    for page in flood.chunks(500) {
        let now = table.take(page, 10_000, at(0));
        taken += now;
        if now < page.len() {
            break;
        }
    }
    assert_eq!((taken, table.entries().len()), (10_000, 10_000));
    // What is known already needs no room.
    assert_eq!(table.take(&flood[..500], 10_000, at(0)), 500);
    // An hour after their end, a hundred have gone.
    assert_eq!(table.take(&flood[10_000..10_500], 10_000, at(1000 + 3600 + 100)), 100);
    assert_eq!(table.entries().len(), 10_000);
    assert!(Table::of_sorted(table.entries().to_vec()).is_some());
}

#[test]
fn a_token_that_was_opened_has_the_marks_of_what_it_says() {
    let listing = |list: &str| sample::config(&format!(r#","revoked":{list}"#));
    let rows = [
        (r#"{"tokens": ["t-1"]}"#, true),
        (r#"{"tokens": [{"jti": "t-1", "issuer": "i"}]}"#, true),
        (r#"{"tokens": [{"jti": "t-1", "issuer": "other"}]}"#, false),
        (r#"{"subjects": ["alice"]}"#, true),
        (r#"{"subjects": [{"sub": "alice", "before": 500}]}"#, false),
        (r#"{"subjects": [{"sub": "alice", "before": 501}]}"#, true),
        (r#"{"subjects": ["bob"], "keys": ["no"]}"#, false),
    ];
    for (list, expected) in rows {
        let config = listing(list);
        let claims = r#"{"iss":"i","aud":"us","exp":1000,"iat":500,"sub":"alice","jti":"t-1"}"#;
        let token = sample::token(crate::algorithm::Algorithm::Hs256, claims);
        let opened = crate::token::open(&config, &Keyring::default(), &token, &crate::verifier::Crates).unwrap();
        let revoked = Revoked::new(&config.seed, config.leeway, &config.revoked);
        assert_eq!(revoked.check(&opened.marks, at(600)).is_err(), expected, "{list}");
    }
    let config = listing("{}");
    for jti in ["7", "null", "[]"] {
        let claims = format!(r#"{{"iss":"i","aud":"us","exp":1000,"sub":"alice","jti":{jti}}}"#);
        let token = sample::token(crate::algorithm::Algorithm::Hs256, &claims);
        assert_eq!(
            crate::token::open(&config, &Keyring::default(), &token, &crate::verifier::Crates),
            Err(Refusal::Claim),
            "{jti}"
        );
    }
}
