//! What becomes of callers that are known and may not.

use super::*;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

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
    let mut judge = || court.judge_on(&route, &shown(&source, credential), 500);
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
