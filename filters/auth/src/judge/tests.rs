//! Tests of the module around this one.

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
    checks: Cell<u32>,
}

impl Verifier for Cell<u32> {
    fn verify(&self, key: &Key, message: &[u8], signature: &[u8]) -> Verdict {
        self.set(self.get() + 1);
        Crates.verify(key, message, signature)
    }
}

impl Court {
    fn new(more: &str) -> Self {
        let config = sample::config(more);
        let memory = Memory::new(Seed::from_random([7; 16]), config.slots, config.lifetime)
            .with_refused(config.refused_slots, config.refused_for);
        Self { config, memory, checks: Cell::new(0) }
    }

    fn judge(&mut self, credential: Sole<'_>, mode: Mode, seconds: u64) -> Decision {
        self.judge_at(&Source::bearer(false), credential, mode, seconds)
    }

    fn judge_at(&mut self, source: &Source, credential: Sole<'_>, mode: Mode, seconds: u64) -> Decision {
        let now = Instant::from_unix_seconds(seconds);
        let mut judge = Judge { config: &self.config, memory: &mut self.memory, verifier: &self.checks, now };
        judge.judge(&Route::of_the_rest(mode), &shown(source, credential))
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

/// What becomes of a caller on a route with this `auth` and `allow`, as a word, and how many of its demands are unmet.
fn permitted(auth: &str, allow: &str, claims: Option<&str>) -> (&'static str, usize) {
    let more = format!(
        r#","permissions":{{"editors":{{"role":"editor"}},"trial":{{"role":"owner","shadow":true}}}},
            "routes":[{{"match":{{}},"auth":"{auth}","allow":{allow}}}]"#
    );
    let mut court = Court::new(&more);
    let route = court.config.route(&Target::of(&Headers::default())).clone();
    let value = claims.map(|claims| {
        let claims = format!(r#"{{"iss":"i","aud":"us","exp":1000,"sub":"alice",{claims}}}"#);
        format!("Bearer {}", sample::token(Algorithm::Hs256, &claims))
    });
    let credential = value.as_ref().map_or(Sole::Absent, |value| Sole::Value(value.as_bytes()));
    let source = Source::bearer(false);
    let mut judge = || {
        let now = Instant::from_unix_seconds(500);
        let mut judge = Judge { config: &court.config, memory: &mut court.memory, verifier: &court.checks, now };
        judge.judge(&route, &shown(&source, credential))
    };
    let decision = judge();
    // The second time, from memory.
    assert_eq!(judge(), decision);
    match decision {
        Decision::Allowed(verified) => ("allowed", route.unmet(verified.granted).count()),
        Decision::Forbidden(verified) => ("forbidden", route.unmet(verified.granted).count()),
        Decision::Anonymous => ("anonymous", route.unmet(court.config.anonymous).count()),
        Decision::Missing => ("missing", 0),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_route_says_what_its_callers_must_be() {
    let (editor, user) = (Some(r#""roles":["user","editor"]"#), Some(r#""roles":["user"]"#));
    let mfa = r#"["editors", {"claim": "amr", "contains": "mfa"}]"#;
    let not = r#"{"not": {"role": "user"}}"#;
    for (auth, allow, claims, expected) in [
        ("required", r#""editors""#, editor, ("allowed", 0)),
        ("required", r#""editors""#, user, ("forbidden", 1)),
        ("required", r#""editors""#, None, ("missing", 0)),
        ("required", mfa, editor, ("forbidden", 1)),
        ("required", mfa, user, ("forbidden", 2)),
        ("required", mfa, Some(r#""roles":"editor","amr":["pwd","mfa"]"#), ("allowed", 0)),
        ("optional", r#""editors""#, editor, ("allowed", 0)),
        ("optional", r#""editors""#, user, ("forbidden", 1)),
        // Whoever shows nothing may be allowed more once it shows something.
        ("optional", r#""editors""#, None, ("missing", 0)),
        ("optional", not, None, ("anonymous", 0)),
        ("optional", not, user, ("forbidden", 1)),
        ("optional", r#"{"tier": "anonymous"}"#, None, ("anonymous", 0)),
        // What is only tried turns nobody away.
        ("required", r#""trial""#, user, ("allowed", 1)),
        ("optional", r#""trial""#, None, ("anonymous", 1)),
        ("required", r#"["editors", "trial"]"#, editor, ("allowed", 1)),
        ("required", r#"["editors", "trial"]"#, user, ("forbidden", 2)),
    ] {
        assert_eq!(permitted(auth, allow, claims), expected, "{auth} {allow} {claims:?}");
    }
    assert_eq!(
        Decision::Forbidden(Rc::new(sample::verified("a"))).rejection(&sample::config("")),
        Some(Rejection::Forbidden)
    );
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

const KEYS: &str = r#","api_keys":{"keys":[{"id":"scraper","expires":1000,
    "sha256":"9acb86f2472661ce269c1e8b69d916ca2c4b7cdbbae3a2d36bcde4b02e35d31c"}]}"#;

/// What becomes of a request that shows a key in `x-api-key`.
fn outcome(court: &mut Court, key: &[u8], seconds: u64) -> String {
    let source = court.config.api_keys.sources[0].clone();
    match court.judge_at(&source, Sole::Value(key), Mode::Optional, seconds) {
        Decision::Allowed(verified) => verified.identity.user.clone(),
        Decision::Refused(refusal) => refusal.reason().to_owned(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_api_key_is_judged_by_its_form_its_digest_and_its_time() {
    let mut court = Court::new(KEYS);
    let long = vec![b'a'; 60_000];
    let rows: [(&[u8], u64, &str); 10] = [
        (b"key-of-the-scraper", 999, "scraper"),
        (b"key-of-the-scraper", 999, "scraper"),
        // No leeway: the clock that ends it is this one.
        (b"key-of-the-scraper", 1000, "api_key_expired"),
        (b"key-of-the-scraper", 1, "scraper"),
        (b"key-of-the-scrapes", 1, "unknown_api_key"),
        (b"short", 1, "malformed_api_key"),
        (b"key-of-the-scraper\xff\xfe", 1, "malformed_api_key"),
        (b"key-of-the-scraper,key-of-the-scraper", 1, "repeated_credential"),
        (b"", 1, "malformed_credential"),
        (&long, 1, "malformed_api_key"),
    ];
    for (key, seconds, expected) in rows {
        assert_eq!(outcome(&mut court, key, seconds), expected, "{}", key[..key.len().min(40)].escape_ascii());
    }
}

#[test]
fn a_key_seen_before_is_remembered_for_its_time() {
    let mut court = Court::new(&format!(r#","remember":{{"for":"5m"}}{KEYS}"#));
    assert_eq!(outcome(&mut court, b"key-of-the-scraper", 100), "scraper");
    // Nothing but the memory knows it now.
    let sources = std::mem::take(&mut court.config.api_keys.sources);
    court.config.api_keys = ApiKeys::default();
    court.config.api_keys.sources = sources;
    assert_eq!(outcome(&mut court, b"key-of-the-scraper", 399), "scraper");
    assert_eq!(outcome(&mut court, b"key-of-the-scraper", 400), "unknown_api_key");
}

#[test]
fn a_remembered_credential_is_none_of_another_kind() {
    let mut court = Court::new(KEYS);
    assert_eq!(outcome(&mut court, b"key-of-the-scraper", 100), "scraper");
    assert_eq!(court.reason(b"Bearer key-of-the-scraper"), "malformed_token");
    let token = bearer_of(Algorithm::Hs256);
    assert!(matches!(court.judge(Sole::Value(token.as_bytes()), Mode::Required, 500), Decision::Allowed(_)));
    let token = token.trim_start_matches("Bearer ");
    assert!(token.len() <= 256);
    assert_eq!(outcome(&mut court, token.as_bytes(), 500), "unknown_api_key");
}
