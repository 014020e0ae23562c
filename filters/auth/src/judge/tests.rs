//! Tests of the module around this one.

use std::cell::Cell;

use super::*;
use crate::algorithm::Algorithm;
use crate::key::Key;
use crate::sample;
use crate::verifier::{Crates, Verdict};
use policy::Seed;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// A court in session: one worker, with a count of the signatures that it checked.
struct Court {
    config: Config,
    memory: Memory,
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
        let config = sample::config(more);
        let memory = Memory::new(Seed::from_random([7; 16]), config.slots, config.lifetime);
        Self { config, memory, checks: Cell::new(0) }
    }

    fn judge(&mut self, credential: Sole<'_>, mode: Mode, seconds: u64) -> Decision {
        let now = Instant::from_unix_seconds(seconds);
        judge(&self.config, &mut self.memory, credential, mode, now, &self.checks)
    }

    fn reason(&mut self, value: &[u8]) -> &'static str {
        match self.judge(Sole::Value(value), Mode::Optional, 0) {
            Decision::Refused(refusal) => refusal.reason(),
            Decision::Allowed(_) => "allowed",
            other => panic!("{other:?}"),
        }
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
            Decision::Missing => "missing",
            Decision::Allowed(verified) => verified.identity.user.as_str(),
            Decision::Refused(refusal) => refusal.reason(),
        };
        assert_eq!(found, expected, "{mode:?} {credential:?}");
        let passes = matches!(expected, "unjudged" | "anonymous" | "alice");
        assert_eq!(decision.rejection("weir").is_none(), passes);
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
    seen(400, 4, "alice");
}

#[test]
fn a_token_that_was_refused_is_not_remembered() {
    let mut court = Court::new("");
    let value = bearer_of(Algorithm::Hs256);
    for checks in 1..4 {
        let decision = court.judge(Sole::Value(value.as_bytes()), Mode::Required, 2000);
        assert_eq!((decision, court.checks.get()), (Decision::Refused(Refusal::Expired), checks));
    }
    let forged = format!("{value}A");
    assert!(matches!(court.judge(Sole::Value(forged.as_bytes()), Mode::Required, 500), Decision::Refused(_)));
    assert!(matches!(court.judge(Sole::Value(value.as_bytes()), Mode::Required, 500), Decision::Allowed(_)));
    // A remembered token makes none that begins with it good.
    assert!(matches!(court.judge(Sole::Value(forged.as_bytes()), Mode::Required, 500), Decision::Refused(_)));
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
