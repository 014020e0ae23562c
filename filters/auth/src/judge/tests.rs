//! Tests of the module around this one.

mod apikey;
mod permission;

use std::cell::Cell;

use super::*;
use crate::algorithm::Algorithm;
use crate::apikey::ApiKeys;
use crate::credential::Credential;
use crate::key::Key;
use crate::sample;
use crate::source::Source;
use crate::verifier::{Crates, Verdict};
use policy::headers::Sole;
use policy::route::Target;
use policy::{Headers, Seed};
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// A court in session: one worker, with a count of the signatures that it checked.
struct Court {
    config: Config,
    memory: Memory,
    keyring: Keyring,
    may_wait: bool,
    revoked: Revoked,
    checks: Cell<u32>,
}

impl Verifier for Cell<u32> {
    fn verify(&self, key: &Key, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> Verdict {
        self.set(self.get() + 1);
        Crates.verify(key, algorithm, message, signature)
    }
}

impl Court {
    fn new(more: &str) -> Self {
        Self::of(sample::config(more))
    }

    fn of(config: Config) -> Self {
        let memory = Memory::new(Seed::from_random([7; 16]), config.slots, config.lifetime)
            .with_refused(config.refused_slots, config.refused_for);
        let revoked = Revoked::new(&config.seed, config.leeway, &config.revoked);
        let keyring = Keyring::new(&config.issuers);
        Self { config, memory, keyring, may_wait: true, revoked, checks: Cell::new(0) }
    }

    fn judge(&mut self, credential: Sole<'_>, mode: Mode, seconds: u64) -> Decision {
        self.judge_at(&Source::bearer(false), credential, mode, seconds)
    }

    fn judge_at(&mut self, source: &Source, credential: Sole<'_>, mode: Mode, seconds: u64) -> Decision {
        self.judge_on(&Route::of_the_rest(mode), &shown(source, credential), seconds)
    }

    fn judge_on(&mut self, route: &Route, shown: &Shown<'_>, seconds: u64) -> Decision {
        let now = Instant::from_unix_seconds(seconds);
        let mut judge = Judge {
            config: &self.config,
            memory: &mut self.memory,
            keyring: &self.keyring,
            verifier: &self.checks,
            revoked: &self.revoked,
            since: self.may_wait.then_some(now),
            now,
        };
        judge.judge(route, shown)
    }

    fn reason(&mut self, value: &[u8]) -> &'static str {
        match self.judge(Sole::Value(value), Mode::Optional, 0) {
            Decision::Refused(refusal) => refusal.reason(),
            Decision::Allowed(_) => "allowed",
            other => panic!("{other:?}"),
        }
    }
}

fn shown<'a>(source: &'a Source, credential: Sole<'a>) -> Shown<'a> {
    match credential {
        Sole::Absent => Shown::Nothing,
        Sole::Value(raw) => Shown::One(Credential { source, raw }),
        Sole::Repeated => Shown::Several,
    }
}

fn bearer_of(algorithm: Algorithm) -> String {
    let claims = r#"{"iss":"i","aud":"us","exp":1000,"nbf":100,"sub":"alice"}"#;
    format!("Bearer {}", sample::token(algorithm, claims))
}

#[test]
fn a_route_says_what_a_request_needs() {
    let good = bearer_of(Algorithm::Hs256);
    let (good, bad) = (Sole::Value(good.as_bytes()), Sole::Value(b"Bearer bad".as_slice()));
    let rows = [
        (Mode::Required, Sole::Absent, "missing"),
        (Mode::Required, good, "alice"),
        (Mode::Required, bad, "malformed_token"),
        (Mode::Required, Sole::Repeated, "repeated_credential"),
        (Mode::Optional, Sole::Absent, "anonymous"),
        (Mode::Optional, good, "alice"),
        (Mode::Optional, bad, "malformed_token"),
        (Mode::Optional, Sole::Repeated, "repeated_credential"),
        (Mode::Off, Sole::Absent, "unjudged"),
        (Mode::Off, good, "unjudged"),
        (Mode::Off, bad, "unjudged"),
        (Mode::Off, Sole::Repeated, "unjudged"),
    ];
    for (mode, credential, expected) in rows {
        let decision = Court::new("").judge(credential, mode, 500);
        let found = match &decision {
            Decision::Unjudged => "unjudged",
            Decision::Anonymous => "anonymous",
            Decision::Forbidden(_) => "forbidden",
            Decision::Missing => "missing",
            Decision::Allowed(verified) => verified.identity.user.as_str(),
            Decision::Refused(refusal) => refusal.reason(),
            Decision::Wait(_) | Decision::Unavailable(_) => "without keys",
        };
        assert_eq!(found, expected, "{mode:?} {credential:?}");
        let passes = matches!(expected, "unjudged" | "anonymous" | "alice");
        assert_eq!(decision.rejection(&sample::config("")).is_none(), passes);
    }
}

#[test]
fn a_credential_of_any_bytes_is_refused_by_name() {
    let long = [b"Bearer ".as_slice(), &vec![b'a'; 60_000]].concat();
    let fits = [b"Bearer ".as_slice(), &[b'a'; 8192]].concat();
    let rows: [(&[u8], &str); 18] = [
        (b"", "malformed_credential"),
        (b" ", "malformed_credential"),
        (b"Bearer", "malformed_credential"),
        (b"Bearer ", "malformed_credential"),
        (b"bearer    ", "malformed_credential"),
        (b"Bearer \xff\xfe", "malformed_credential"),
        (b"\xff\xfe", "unsupported_scheme"),
        (b"Basic YTpi", "unsupported_scheme"),
        (b"Bearera.b.c", "unsupported_scheme"),
        (b"Bearer\ta.b.c", "unsupported_scheme"),
        (b"a.b.c", "unsupported_scheme"),
        (b"Bearer a b", "malformed_token"),
        (b"Bearer \ta.b.c", "malformed_token"),
        (b"Bearer a.b.c, Bearer a.b.c", "repeated_credential"),
        (b"Bearer a.b.c,Basic YTpi", "repeated_credential"),
        (b"Bearer \"a.b.c\"", "malformed_token"),
        (&fits, "malformed_token"),
        (&long, "token_too_long"),
    ];
    for (value, expected) in rows {
        assert_eq!(Court::new("").reason(value), expected, "{}", value[..value.len().min(40)].escape_ascii());
    }
}

#[test]
fn the_scheme_may_be_in_any_case_and_followed_by_blanks() {
    for scheme in ["Bearer", "bearer", "BEARER", "Bearer  "] {
        let value = bearer_of(Algorithm::Hs256).replace("Bearer", scheme);
        let decision = Court::new("").judge(Sole::Value(value.as_bytes()), Mode::Required, 500);
        assert!(matches!(decision, Decision::Allowed(_)), "{scheme}");
    }
}

#[test]
fn a_token_seen_before_costs_no_signature_check() {
    let mut court = Court::new(r#","remember":{"for":"5m"}"#);
    let value = bearer_of(Algorithm::Rs256);
    let mut seen = |seconds: u64, checks: u32, expected: &str| {
        let found = match court.judge(Sole::Value(value.as_bytes()), Mode::Required, seconds) {
            Decision::Allowed(verified) => verified.identity.user.clone(),
            Decision::Refused(refusal) => refusal.reason().to_owned(),
            other => panic!("{other:?}"),
        };
        assert_eq!((found.as_str(), court.checks.get()), (expected, checks), "at {seconds}");
    };
    seen(500, 1, "alice");
    seen(501, 1, "alice");
    seen(799, 1, "alice");
    // Forgotten after its five minutes, and learned again.
    seen(800, 2, "alice");
    seen(1029, 2, "alice");
    // Remembered or not, it expires.
    seen(1030, 2, "token_expired");
    // The clock steps back behind the moment at which it was learned.
    seen(400, 3, "alice");
    // Remembered or not, it is not valid before its time.
    seen(69, 4, "token_not_yet_valid");
    seen(300, 4, "alice");
}

#[test]
fn a_token_that_was_refused_is_refused_again_without_a_check() {
    let value = bearer_of(Algorithm::Hs256);
    let (message, _) = value.rsplit_once('.').unwrap();
    let forged = format!("{message}.{}", sample::text(&[0; 32]));
    let unnamed = bearer_of(Algorithm::Hs256).replace("Bearer ", "Bearer e30.");
    let mut court = Court::new(r#","remember":{"refused_for":"10s"}"#);
    let mut seen = |value: &str, seconds: u64, checks: u32, expected: &str| {
        let found = match court.judge(Sole::Value(value.as_bytes()), Mode::Required, seconds) {
            Decision::Allowed(verified) => verified.identity.user.clone(),
            Decision::Refused(refusal) => refusal.reason().to_owned(),
            other => panic!("{other:?}"),
        };
        assert_eq!((found.as_str(), court.checks.get()), (expected, checks), "at {seconds}");
    };
    seen(&forged, 500, 1, "wrong_signature");
    seen(&forged, 509, 1, "wrong_signature");
    seen(&unnamed, 509, 1, "malformed_token");
    // Forgotten after its seconds, and where the clock stepped back.
    seen(&forged, 510, 2, "wrong_signature");
    seen(&forged, 509, 3, "wrong_signature");
    // What was refused makes nothing else bad, and what is good makes nothing else good.
    seen(&value, 500, 4, "alice");
    seen(&forged, 509, 4, "wrong_signature");
    seen(&format!("{value}A"), 500, 5, "wrong_signature");
    seen(&value, 509, 5, "alice");
}

#[test]
fn a_token_that_has_ended_is_refused_again_without_a_check() {
    let value = bearer_of(Algorithm::Hs256);
    let mut court = Court::new("");
    for (seconds, checks) in [(2000, 1), (2009, 1), (2010, 2)] {
        let decision = court.judge(Sole::Value(value.as_bytes()), Mode::Required, seconds);
        assert_eq!((decision, court.checks.get()), (Decision::Refused(Refusal::Expired), checks), "at {seconds}");
    }
}

#[test]
fn what_time_may_mend_is_asked_again_each_time() {
    let value = bearer_of(Algorithm::Hs256);
    let mut court = Court::new("");
    let mut judge = |seconds| {
        let decision = court.judge(Sole::Value(value.as_bytes()), Mode::Required, seconds);
        (decision.rejection(&sample::config("")).is_none(), court.checks.get())
    };
    // The signature is checked once.
    assert_eq!([69, 69, 70, 71].map(&mut judge), [(false, 1), (false, 1), (true, 1), (true, 1)]);
    let unknown = sample::token_of(Algorithm::Hs256, r#"{"alg":"HS256","kid":"next"}"#, r#"{"iss":"i"}"#);
    let mut court = Court::new("");
    for _ in 0..2 {
        let credential = format!("Bearer {unknown}");
        let decision = court.judge(Sole::Value(credential.as_bytes()), Mode::Required, 500);
        assert_eq!(decision, Decision::Refused(Refusal::Key));
    }
    let print = court.memory.fingerprint(unknown.as_bytes());
    assert_eq!(court.memory.recall_refusal(print, Instant::from_unix_seconds(500)), None);
}

#[test]
fn a_flood_of_bad_tokens_leaves_the_good_ones_remembered() {
    let mut court = Court::new(r#","remember":{"slots":16,"refused_slots":16}"#);
    let value = bearer_of(Algorithm::Hs256);
    let (message, _) = value.rsplit_once('.').unwrap();
    assert!(matches!(court.judge(Sole::Value(value.as_bytes()), Mode::Required, 500), Decision::Allowed(_)));
    for number in 0..2000_u32 {
        let bad = format!("{message}.{}", sample::text(&number.to_be_bytes()));
        let decision = court.judge(Sole::Value(bad.as_bytes()), Mode::Required, 500);
        assert_eq!(decision, Decision::Refused(Refusal::Signature));
    }
    assert_eq!(court.checks.get(), 2001);
    assert!(matches!(court.judge(Sole::Value(value.as_bytes()), Mode::Required, 500), Decision::Allowed(_)));
    assert_eq!(court.checks.get(), 2001);
}

#[test]
fn a_token_is_as_long_as_the_configuration_allows() {
    let value = bearer_of(Algorithm::Rs256);
    let bytes = value.len() - "Bearer ".len();
    for (limit, expected) in [(bytes, "alice"), (bytes - 1, "token_too_long")] {
        let mut court = Court::new(&format!(r#","token_bytes_max":{limit}"#));
        let found = match court.judge(Sole::Value(value.as_bytes()), Mode::Required, 500) {
            Decision::Allowed(verified) => verified.identity.user.clone(),
            Decision::Refused(refusal) => refusal.reason().to_owned(),
            other => panic!("{other:?}"),
        };
        assert_eq!(found, expected);
    }
}

#[test]
fn without_keys_a_required_credential_is_unavailable_and_an_optional_one_refused() {
    let fetched = r#"{"issuer": "i", "audiences": [], "jwks": {"url": "http://id.example/", "cluster": "id"}}"#;
    let config = sample::read(&format!(r#"{{"issuers": [{fetched}]}}"#));
    let mut court = Court::of(config);
    let value = bearer_of(Algorithm::EdDsa);
    let good = Sole::Value(value.as_bytes());
    let lacking = Refusal::Lacking(Lack::Keys(0));
    assert_eq!(court.judge(good, Mode::Required, 500), Decision::Wait(Lack::Keys(0)));
    assert_eq!(court.judge(good, Mode::Optional, 500), Decision::Wait(Lack::Keys(0)));
    court.may_wait = false;
    let rows = [
        (good, Mode::Required, Decision::Unavailable(Duration::ZERO)),
        (good, Mode::Optional, Decision::Refused(lacking)),
        (good, Mode::Off, Decision::Unjudged),
        (Sole::Absent, Mode::Required, Decision::Missing),
        (Sole::Absent, Mode::Optional, Decision::Anonymous),
        (Sole::Value(b"Bearer x"), Mode::Required, Decision::Refused(Refusal::Token)),
    ];
    for (credential, mode, expected) in rows {
        assert_eq!(court.judge(credential, mode, 500), expected, "{credential:?} {mode:?}");
    }
    let unavailable = Decision::Unavailable(Duration::from_secs(3)).rejection(&sample::config(""));
    assert_eq!(unavailable, Some(Rejection::Unavailable { retry_after: Some(Duration::from_secs(3)) }));
    assert_eq!(Decision::Wait(Lack::Keys(0)).rejection(&sample::config("")), None);
}
