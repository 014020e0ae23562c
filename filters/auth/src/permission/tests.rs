//! Tests of the module around this one.

use super::*;
use crate::source::Kind;
use crate::subject;
use policy::json::Members;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const CLAIMS: &str = r#"{
    "scope": "read catalog:write", "scp": ["admin:all", 7], "amr": ["pwd", "mfa"], "acr": "loa2 strong", "age": 30,
    "email_verified": true, "nothing": null, "realm_access": {"roles": ["editor"]}, "a": {"b": {"c": 1.5}},
    "https://id.example/roles": ["owner"], "level": -2
}"#;

fn rule(json: &str) -> Result<(Permissions, Demand), String> {
    let mut permissions = Permissions::default();
    let mut demands = permissions
        .demands(&serde_json::from_str(json).unwrap(), "routes[0]")
        .map_err(|mistake| mistake.to_string())?;
    assert_eq!(demands.len(), 1);
    Ok((permissions, demands.remove(0)))
}

fn caller(claims: &Members) -> Subject<'_> {
    Subject {
        kind: Some(Kind::Token),
        issuer: "https://id.example/",
        tier: "pro",
        roles: "admin,night shift",
        scopes: subject::scopes(claims),
        claims: Some(claims),
    }
}

/// Whether a rule holds for the caller of [`CLAIMS`], for a service with an API key, and for nobody in particular.
fn holds(json: &str) -> [bool; 3] {
    let claims: Members = serde_json::from_str(CLAIMS).unwrap();
    let (permissions, demand) = rule(json).unwrap();
    let service = Subject {
        kind: Some(Kind::ApiKey),
        issuer: "",
        tier: "pro",
        roles: "service",
        scopes: vec!["sync"],
        claims: None,
    };
    [caller(&claims), service, Subject::anonymous("anonymous")]
        .map(|subject| permissions.decide(&subject).meets(&demand))
}

#[test]
fn a_predicate_is_true_or_false_of_every_caller() {
    let token = [true, false, false];
    let nobody = [false; 3];
    for (rule, expected) in [
        (r#"{"role": "admin"}"#, token),
        (r#"{"role": "night shift"}"#, token),
        (r#"{"role": "night"}"#, nobody),
        (r#"{"role": "Admin"}"#, nobody),
        (r#"{"role": "service"}"#, [false, true, false]),
        (r#"{"scope": "catalog:write"}"#, token),
        (r#"{"scope": "read"}"#, token),
        (r#"{"scope": "admin:all"}"#, token),
        (r#"{"scope": "catalog"}"#, nobody),
        (r#"{"scope": "sync"}"#, [false, true, false]),
        (r#"{"tier": "pro"}"#, [true, true, false]),
        (r#"{"tier": "anonymous"}"#, [false, false, true]),
        (r#"{"issuer": "https://id.example/"}"#, token),
        (r#"{"issuer": "https://id.example"}"#, nobody),
        (r#"{"credential": "token"}"#, token),
        (r#"{"credential": "api_key"}"#, [false, true, false]),
        (r#"{"credential": "none"}"#, [false, false, true]),
        (r#"{"claim": "amr", "contains": "mfa"}"#, token),
        (r#"{"claim": "amr", "contains": "mf"}"#, nobody),
        (r#"{"claim": "amr", "equals": "mfa"}"#, nobody),
        (r#"{"claim": "acr", "contains": "strong"}"#, token),
        (r#"{"claim": "acr", "contains": "loa"}"#, nobody),
        (r#"{"claim": "acr", "equals": "loa2 strong"}"#, token),
        (r#"{"claim": "acr", "one_of": ["loa3", "loa2 strong"]}"#, token),
        (r#"{"claim": "acr", "one_of": []}"#, nobody),
        (r#"{"claim": "age", "at_least": 18}"#, token),
        (r#"{"claim": "age", "at_least": 30}"#, token),
        (r#"{"claim": "age", "at_least": 30.5}"#, nobody),
        (r#"{"claim": "age", "at_most": 30}"#, token),
        (r#"{"claim": "age", "at_most": 29}"#, nobody),
        (r#"{"claim": "level", "at_most": -1}"#, token),
        (r#"{"claim": "acr", "at_least": 0}"#, nobody),
        (r#"{"claim": "age", "equals": 30}"#, token),
        (r#"{"claim": "age", "equals": "30"}"#, nobody),
        (r#"{"claim": "email_verified", "equals": true}"#, token),
        (r#"{"claim": "email_verified", "equals": "true"}"#, nobody),
        (r#"{"claim": "email_verified", "exists": true}"#, token),
        (r#"{"claim": "nothing", "exists": true}"#, nobody),
        (r#"{"claim": "absent", "exists": true}"#, nobody),
        (r#"{"claim": "realm_access.roles", "contains": "editor"}"#, token),
        (r#"{"claim": ["realm_access", "roles"], "contains": "editor"}"#, token),
        (r#"{"claim": "realm_access.roles.editor", "exists": true}"#, nobody),
        (r#"{"claim": "a.b.c", "equals": 1.5}"#, token),
        (r#"{"claim": ["https://id.example/roles"], "contains": "owner"}"#, token),
        (r#"{"claim": "https://id.example/roles", "contains": "owner"}"#, token),
    ] {
        assert_eq!(holds(rule), expected, "{rule}");
    }
}

#[test]
fn rules_are_made_of_rules() {
    for (rule, expected) in [
        (r#"{"all": [{"role": "admin"}, {"claim": "amr", "contains": "mfa"}]}"#, [true, false, false]),
        (r#"{"all": [{"role": "admin"}, {"role": "owner"}]}"#, [false; 3]),
        (r#"{"any": [{"role": "owner"}, {"credential": "api_key"}, {"credential": "none"}]}"#, [false, true, true]),
        // What is missing is not there, be it of a caller that has no claims at all.
        (r#"{"not": {"claim": "absent", "exists": true}}"#, [true; 3]),
        (r#"{"not": {"claim": "amr", "contains": "pwd"}}"#, [false, true, true]),
        (r#"{"not": {"not": {"role": "admin"}}}"#, [true, false, false]),
        (r#"{"all": [{"any": [{"role": "x"}, {"tier": "pro"}]}, {"not": {"role": "admin"}}]}"#, [false, true, false]),
    ] {
        assert_eq!(holds(rule), expected, "{rule}");
    }
}

#[test]
fn a_mistake_in_a_rule_is_said_with_its_place() {
    let deep = |levels: usize| format!(r#"{}{{"role": "a"}}{}"#, r#"{"not": "#.repeat(levels), "}".repeat(levels));
    let rows = [
        ("7", "must be an object"),
        ("[]", "must not be empty"),
        (r#""editors""#, r#"must be a rule or the name of a permission, got "editors""#),
        ("{}", "must say one thing"),
        (r#"{"role": "a", "tier": "b"}"#, "must say one thing"),
        (r#"{"claim": "a"}"#, "must say one thing"),
        (r#"{"claim": "a", "equals": 1, "at_least": 1}"#, "must say one thing"),
        (r#"{"claim": "a", "role": "b"}"#, "must say one thing"),
        (r#"{"equals": 1}"#, "must say one thing"),
        (r#"{"rôle": "a"}"#, "rôle: is not known here"),
        (r#"{"role": "a,b"}"#, "role: must be the name of one"),
        (r#"{"role": ""}"#, "role: must be the name of one"),
        (r#"{"role": ["a"]}"#, "role: must be the name of one"),
        (r#"{"scope": "a b"}"#, "scope: must be the name of one"),
        (r#"{"credential": "cookie"}"#, "credential: must be token, api_key or none"),
        (r#"{"any": []}"#, "any: must not be empty"),
        (r#"{"any": {"role": "a"}}"#, "any: must be a list"),
        (r#"{"any": [{"role": "a"}, {"not": {"tier": 7}}]}"#, "any[1].not.tier: must be the name of one"),
        (r#"{"any": [{"role": "a"}, "b"]}"#, "any[1]: must be an object"),
        (r#"{"any": [{"role": "a", "shadow": true}]}"#, "any[0].shadow: is not known here"),
        (r#"[{"role": "a"}, {"all": [7]}]"#, "[1].all[0]: must be an object"),
        (r#"{"role": "a", "shadow": "yes"}"#, "shadow: must be true or false"),
        (r#"{"shadow": true}"#, "must say one thing"),
        (r#"{"claim": "", "exists": true}"#, "claim: must be 1 to 8 names"),
        (r#"{"claim": "a..b", "exists": true}"#, "claim: must be 1 to 8 names"),
        (r#"{"claim": [], "exists": true}"#, "claim: must be 1 to 8 names"),
        (r#"{"claim": [7], "exists": true}"#, "claim[0]: must be a string"),
        (r#"{"claim": "a.b.c.d.e.f.g.h.i", "exists": true}"#, "claim: must be 1 to 8 names"),
        (r#"{"claim": "exp", "at_least": 1}"#, "claim: must be a claim other than the token's times"),
        (r#"{"claim": "a", "exists": false}"#, "exists: must be true"),
        (r#"{"claim": "a", "equals": null}"#, "equals: must be a text"),
        (r#"{"claim": "a", "equals": ["b"]}"#, "equals: must be a text"),
        (r#"{"claim": "a", "equals": 9007199254740992}"#, "equals: must be a text, a number below 2^53"),
        (r#"{"claim": "a", "contains": {}}"#, "contains: must be a text"),
        (r#"{"claim": "a", "one_of": "b"}"#, "one_of: must be a list of at most 64"),
        (r#"{"claim": "a", "one_of": ["b", null]}"#, "one_of: must be a list of at most 64"),
        (r#"{"claim": "a", "at_least": "18"}"#, "at_least: must be a number below 2^53"),
        (&deep(9), "not.not.not.not.not.not.not.not.not: is nested"),
    ];
    for (json, expected) in rows {
        let said = rule(json).err().unwrap_or_default();
        assert!(said.starts_with(expected), "{json}\n{said}");
    }
    assert!(rule(&deep(8)).is_ok());
}

#[test]
fn a_rule_has_a_name_or_stands_where_it_is_used() {
    let named = r#"{"editors": {"role": "editor"}, "trial": {"role": "editor", "shadow": true}}"#;
    let fields = Fields::of(serde_json::from_str(named).unwrap()).ok().unwrap();
    let mut permissions = Permissions::read(fields).unwrap();
    let list = serde_json::from_str(r#"["editors", "trial", {"role": "x"}]"#).unwrap();
    let demands = permissions.demands(&list, "routes[3]").unwrap();
    let found: Vec<_> = demands.iter().map(|demand| (demand.name.as_str(), demand.shadow)).collect();
    assert_eq!(found, [("editors", false), ("trial", true), ("routes[3]", false)]);
    let mistake = Fields::of(serde_json::from_str(r#"{"a.b": {"role": 7}}"#).unwrap()).and_then(Permissions::read);
    assert_eq!(mistake.err().unwrap().to_string(), "a.b.role: must be the name of one");
}

#[test]
fn there_is_a_bit_for_each_different_rule_and_no_more() {
    let mut permissions = Permissions::default();
    let mut add = |number: usize| {
        let json = serde_json::from_str(&format!(r#"{{"role": "{number}"}}"#)).unwrap();
        permissions.demands(&json, "").map(|mut demands| demands.remove(0))
    };
    let first = add(0).unwrap();
    for number in 1..RULES_MAX {
        assert!(add(number).is_ok());
        assert_eq!(add(0).unwrap(), first);
    }
    let last = add(RULES_MAX - 1).unwrap();
    let said = add(RULES_MAX).unwrap_err().to_string();
    assert!(said.starts_with("is too much"), "{said}");
    let granted = permissions.decide(&Subject { roles: "127", ..Subject::anonymous("") });
    assert!(granted.meets(&last) && !granted.meets(&first));
}

#[test]
fn what_is_lacking_is_said_in_the_words_of_the_configuration() {
    let claims: Members = serde_json::from_str(CLAIMS).unwrap();
    for (json, expected) in [
        (r#"{"role": "owner"}"#, "role owner"),
        (r#"{"all": [{"role": "admin"}, {"scope": "write"}, {"tier": "x"}]}"#, "(scope write and tier x)"),
        (
            r#"{"any": [{"role": "owner"}, {"claim": "a.b.x", "equals": 1}]}"#,
            "(role owner or the right value of claim a.b.x)",
        ),
        (r#"{"not": {"any": [{"role": "admin"}, {"role": "x"}]}}"#, "not (role admin or role x)"),
        (r#"{"claim": "amr", "contains": "otp"}"#, "the right element of claim amr"),
        (r#"{"claim": "age", "at_least": 99}"#, "more of claim age"),
    ] {
        let (permissions, demand) = rule(json).unwrap();
        let granted = permissions.decide(&caller(&claims));
        assert!(!granted.meets(&demand), "{json}");
        assert_eq!(permissions.lacking(&demand, granted), expected, "{json}");
    }
    let many: Vec<_> = (0..100).map(|number| format!(r#"{{"role": "é{number}"}}"#)).collect();
    let (permissions, demand) = rule(&format!(r#"{{"any": [{}]}}"#, many.join(","))).unwrap();
    assert!(permissions.lacking(&demand, Granted::default()).len() <= TEXT_BYTES_MAX);
}
