//! Who can meet what a route demands, as far as a policy shows.

use super::*;

/// A policy with these callers, permissions, tiers and one route.
fn policy(identity: &str, permissions: &str, tiers: &str, route: &str) -> String {
    format!(
        "version: 1\nidentity: {{{identity}}}\npermissions: {{{permissions}}}\n{tiers}\nupstreams: {{a: {{url: http://127.0.0.1:1, internal: true}}}}\n\
         routes: [{{match: GET /a, upstream: a, {route}}}]\n"
    )
}

const DIGEST: &str = "1b705e0d8c4b9c2c0015b29a5189de79cb3c649e07682bbd173d97deb8a03b95";
const TOKENS: &str = "jwt: [{issuer: i, audiences: [g], jwks: {keys: [{kty: OKP, crv: Ed25519, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo}]}}]";

fn keys(more: &str) -> String {
    format!("api_keys: {{keys: [{{id: k, sha256: {DIGEST}{more}}}]}}")
}

#[test]
fn a_demand_that_nobody_can_meet_is_found() {
    let key = keys(", tier: pro, roles: [service], scopes: [read]");
    let both = format!("{TOKENS}, {key}");
    let (met, unmet) = (&[][..], &[Code::UnmetDemand][..]);
    for (identity, rule, expected) in [
        (key.as_str(), "{credential: token}", unmet),
        (&key, "{credential: api_key}", met),
        (&key, "{issuer: i}", unmet),
        (&key, "{role: service}", met),
        (&key, "{role: admin}", unmet),
        (&key, "{scope: read}", met),
        (&key, "{scope: write}", unmet),
        (&key, "{tier: pro}", met),
        (&key, "{tier: gold}", unmet),
        (&key, "{claim: amr, contains: mfa}", unmet),
        (&key, "{claim: scope, contains: read}", met),
        (&key, "{not: {claim: amr, contains: mfa}}", met),
        (&key, "{not: {credential: api_key}}", unmet),
        (&key, "{any: [{role: admin}, {tier: pro}]}", met),
        (&key, "{all: [{role: service}, {tier: gold}]}", unmet),
        // Of a token, only the issuer is known before it comes.
        (TOKENS, "{issuer: i}", met),
        (TOKENS, "{issuer: j}", unmet),
        (TOKENS, "{role: admin}", met),
        (TOKENS, "{claim: amr, contains: mfa}", met),
        (TOKENS, "{tier: gold}", met),
        (TOKENS, "{credential: none}", unmet),
        (&both, "{credential: token}", met),
        (&both, "{all: [{credential: token}, {credential: api_key}]}", unmet),
        // What is only tried turns nobody away.
        (&key, "{credential: token, shadow: true}", &[Code::ShadowOnly]),
    ] {
        let found = said(&policy(identity, &format!("p: {rule}"), "", "allow: p"));
        assert_eq!(found.iter().map(|one| one.code).collect::<Vec<_>>(), expected, "{rule} {found:?}");
        // The same without a name.
        let found = said(&policy(identity, "", "", &format!("allow: {rule}")));
        assert_eq!(found.iter().map(|one| one.code).collect::<Vec<_>>(), expected, "{rule} {found:?}");
    }
    let apart = "allow: [{credential: token}, {credential: api_key}]";
    let found = said(&policy(&both, "", "", apart));
    assert!(
        matches!(&found[..], [one] if one.wrong == "nobody can meet all that `GET /a` demands at once"),
        "{found:?}"
    );
    // Where no credential is needed, nobody in particular may call.
    assert_eq!(said(&policy(&key, "", "", "auth: optional, allow: {credential: none}")), []);
}

#[test]
fn a_tier_that_no_limit_is_said_for_is_found_wherever_it_stands() {
    let tiers = "tiers: {anonymous: {per_second: 1}, pro: {per_second: 2}}";
    let did_you_mean = "did you mean `pro`?";
    for (identity, permissions, route, wrong, fix) in [
        (keys(", tier: proo"), "", "", "the key `k` has the tier `proo`, which `tiers` does not have", did_you_mean),
        (
            format!("default_tier: gold, {TOKENS}"),
            "",
            "",
            "callers whose credential names none have the tier `gold`, which `tiers` does not have",
            "say `anonymous` or `pro`, or add `gold` to `tiers`",
        ),
        (
            TOKENS.to_owned(),
            "p: {any: [{role: r}, {not: {tier: proo}}]}",
            "allow: p",
            "a rule demands the tier `proo`, which `tiers` does not have",
            did_you_mean,
        ),
        (
            TOKENS.to_owned(),
            "",
            "allow: [{tier: proo}]",
            "a rule demands the tier `proo`, which `tiers` does not have",
            did_you_mean,
        ),
    ] {
        let text = policy(&identity, permissions, tiers, route);
        let found = said(&text);
        let [one] = &found[..] else { panic!("{text}\n{found:?}") };
        assert_eq!((one.code, one.wrong.as_str(), one.fix().as_str()), (Code::UnknownTier, wrong, fix));
        let place = text.get(one.span.clone()).unwrap();
        assert!(matches!(place, "proo" | "gold"), "{place}");
        // Without tiers, nobody is limited by one.
        assert_eq!(said(&policy(&identity, permissions, "", route)), []);
    }
    assert_eq!(said(&policy(&keys(", tier: pro"), "", tiers, "")), []);
}
