//! Who can be what a route demands, as far as a policy shows, and which tiers are nobody's.
//!
//! Of a key, all is known. Of a token, only its issuer is: whatever it may say of its holder, it perhaps does.

use serde_json::Value as Json;

use crate::code::Code;
use crate::diagnostic::{Mistakes, Span};
use crate::draft::Draft;
use crate::gateway::{Gateway, written};
use crate::policy::route::Auth;
use crate::policy::{Identity, Route};
use crate::reader;

/// Whether a rule holds; the greatest of several is whether any does, the least whether all do.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Holds {
    No,
    Perhaps,
    Yes,
}

/// A caller, as far as it is known before it calls.
enum Caller<'j> {
    /// With a token of this issuer.
    Token(&'j str),
    /// With this key, as it is written, or else of this tier.
    Key(&'j Json, &'j str),
    /// With nothing.
    Anonymous,
}

/// Looks for demands that nobody meets, and for tiers that the policy does not know.
pub fn look(gateway: &Gateway<'_>, found: &mut Mistakes) {
    let Some(identity) = &gateway.policy.identity else { return };
    let said = identity.draft.to_json();
    for route in &gateway.policy.routes {
        for (span, what) in unmet(gateway, route, &said) {
            let fix = "say in `identity` who can, or demand something else";
            found.add_as(Code::UnmetDemand, &span, format!("nobody can meet {what}"), fix);
        }
    }
    if !gateway.policy.tiers.is_empty() {
        unknown_tiers(gateway, identity, &said, found);
    }
}

fn list<'j>(json: &'j Json, pointer: &str) -> &'j [Json] {
    json.pointer(pointer).and_then(Json::as_array).map_or(&[], Vec::as_slice)
}

/// What of a route's demands nobody can meet, and where it stands.
fn unmet(gateway: &Gateway<'_>, route: &Route, said: &Json) -> Vec<(Span, String)> {
    // The proxy's own calls are nobody's.
    let Some(allow) = route.allow.as_ref().filter(|_| !route.inside) else { return Vec::new() };
    let tokens = list(said, "/issuers").iter().filter_map(|issuer| issuer.get("issuer")?.as_str()).map(Caller::Token);
    let keys = list(said, "/api_keys/keys").iter().map(|key| Caller::Key(key, &gateway.auth.default_tier));
    let strangers = (route.auth == Some(Auth::Optional)).then_some(Caller::Anonymous);
    let callers: Vec<_> = tokens.chain(keys).chain(strangers).collect();
    let named = gateway.policy.permissions.as_ref();
    let rules = named.map(Draft::to_json).unwrap_or_default();
    let demands: Vec<_> = allow.items().iter().map(|demand| (demand, demand.to_json())).collect();
    let rule = |demand: &Json| {
        demand.as_str().map_or_else(|| demand.clone(), |name| rules.get(name).cloned().unwrap_or_default())
    };
    let is_met = |rule: &Json, caller: &Caller<'_>| {
        // What is only tried turns nobody away.
        rule.get("shadow") == Some(&Json::Bool(true)) || holds(rule, caller) != Holds::No
    };
    let unmet = demands.iter().filter_map(|(draft, demand)| {
        let rule = rule(demand);
        if callers.iter().any(|caller| is_met(&rule, caller)) {
            return None;
        }
        Some(match (demand.as_str(), named) {
            (Some(name), Some(named)) => (named.locate_key(name), format!("`{name}`, which a route demands")),
            _ => (draft.span().clone(), format!("what `{}` demands", written(route))),
        })
    });
    let mut unmet: Vec<_> = unmet.collect();
    let all = |caller: &Caller<'_>| demands.iter().all(|(_, demand)| is_met(&rule(demand), caller));
    if unmet.is_empty() && !callers.iter().any(all) {
        unmet.push((allow.span().clone(), format!("all that `{}` demands at once", written(route))));
    }
    unmet
}

fn holds(rule: &Json, caller: &Caller<'_>) -> Holds {
    let Some(members) = rule.as_object() else { return Holds::Perhaps };
    if let Some(claim) = members.get("claim") {
        return claims(claim, caller);
    }
    let Some((word, wanted)) = members.iter().find(|(word, _)| *word != "shadow") else { return Holds::Perhaps };
    let each = || wanted.as_array().into_iter().flatten().map(|rule| holds(rule, caller));
    match word.as_str() {
        "all" => each().min().unwrap_or(Holds::Perhaps),
        "any" => each().max().unwrap_or(Holds::Perhaps),
        "not" => match holds(wanted, caller) {
            Holds::No => Holds::Yes,
            Holds::Perhaps => Holds::Perhaps,
            Holds::Yes => Holds::No,
        },
        word => is(word, wanted, caller),
    }
}

fn is(word: &str, wanted: &Json, caller: &Caller<'_>) -> Holds {
    let has = |key: &Json, list: &str| key.get(list).and_then(Json::as_array).is_some_and(|all| all.contains(wanted));
    let known = match (caller, word) {
        (Caller::Token(issuer), "issuer") => wanted == issuer,
        (Caller::Token(_), "credential") => wanted == "token",
        (Caller::Key(..), "credential") => wanted == "api_key",
        (Caller::Key(key, _), "role") => has(key, "roles"),
        (Caller::Key(key, _), "scope") if key.get("claims").is_none() => has(key, "scopes"),
        (Caller::Key(key, default), "tier") => key.get("tier").and_then(Json::as_str).unwrap_or(default) == wanted,
        (Caller::Anonymous, "credential") => wanted == "none",
        (Caller::Anonymous, "tier") => wanted == auth::config::ANONYMOUS,
        (Caller::Key(..), "issuer") | (Caller::Anonymous, "issuer" | "role" | "scope") => false,
        _ => return Holds::Perhaps,
    };
    if known { Holds::Yes } else { Holds::No }
}

/// Whether a test of a claim may hold: where there is no such claim, none does.
fn claims(path: &Json, caller: &Caller<'_>) -> Holds {
    let is_named = |name: &str| path.as_str().is_none_or(|path| path.starts_with(name));
    let has_any = match caller {
        Caller::Token(_) => true,
        // Scopes are a claim of their own.
        Caller::Key(key, _) => {
            let claims = key.get("claims").and_then(Json::as_object);
            let has_scopes = key.get("scopes").is_some();
            has_scopes && is_named("scope")
                || claims.into_iter().flat_map(|claims| claims.keys()).any(|name| is_named(name))
        }
        Caller::Anonymous => false,
    };
    if has_any { Holds::Perhaps } else { Holds::No }
}

fn unknown_tiers(gateway: &Gateway<'_>, identity: &Identity, said: &Json, found: &mut Mistakes) {
    let tiers: Vec<&str> = gateway.policy.tiers.iter().map(|(name, _)| name.value.as_str()).collect();
    let mut note = |draft: &Draft, path: &str, tier: &Json, who: &str| {
        let Some(tier) = tier.as_str().filter(|tier| !tiers.contains(tier)) else { return };
        let fix = match reader::nearest(tier, tiers.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("say {}, or add `{tier}` to `tiers`", reader::one_of(&tiers)),
        };
        let wrong = format!("{who} the tier `{tier}`, which `tiers` does not have");
        found.add_as(Code::UnknownTier, &draft.locate(path), wrong, fix);
    };
    if let Some(tier) = said.get("default_tier") {
        note(&identity.draft, "default_tier", tier, "callers whose credential names none have");
    }
    for (index, key) in list(said, "/api_keys/keys").iter().enumerate() {
        let id = key.get("id").and_then(Json::as_str).unwrap_or_default();
        if let Some(tier) = key.get("tier") {
            note(&identity.draft, &format!("api_keys.keys[{index}].tier"), tier, &format!("the key `{id}` has"));
        }
    }
    let rules = gateway.policy.permissions.iter().flat_map(|named| match named.to_json() {
        Json::Object(rules) => rules.into_iter().map(|(name, rule)| (named, name, rule)).collect(),
        _ => Vec::new(),
    });
    let inline = gateway.policy.routes.iter().filter_map(|route| route.allow.as_ref());
    let inline = inline.flat_map(Draft::items).map(|draft| (draft, String::new(), draft.to_json()));
    for (draft, place, rule) in rules.chain(inline) {
        let mut demanded = Vec::new();
        tiers_of(&rule, &place, &mut demanded);
        for (path, tier) in demanded {
            note(draft, &path, &tier, "a rule demands");
        }
    }
}

/// The tiers that a rule names, and where.
fn tiers_of(rule: &Json, place: &str, found: &mut Vec<(String, Json)>) {
    let inner = |word: &str| if place.is_empty() { word.to_owned() } else { format!("{place}.{word}") };
    for (word, wanted) in rule.as_object().into_iter().flatten() {
        match (word.as_str(), wanted) {
            ("tier", tier) => found.push((inner(word), tier.clone())),
            ("not", rule) => tiers_of(rule, &inner(word), found),
            ("all" | "any", Json::Array(rules)) => {
                for (index, rule) in rules.iter().enumerate() {
                    tiers_of(rule, &format!("{}[{index}]", inner(word)), found);
                }
            }
            _ => {}
        }
    }
}
