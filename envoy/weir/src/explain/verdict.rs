//! What the auth filter says of a request's credential, by the filter's own judge, and what goes on from there.

use std::time::Duration;

use auth::credential::{Shown, without_cookie};
use auth::judge::{Decision, Judge};
use auth::keyring::Keyring;
use auth::memory::Memory;
use auth::request::Request;
use auth::revocation::Revoked;
use auth::route::{Mode, Route};
use auth::source::{Place, Source};
use auth::token::Verified;
use auth::verifier::Crates;
use policy::handover::header;
use policy::{Headers, Instant};

use crate::gateway::{Gateway, SEED};

/// What becomes of a request.
pub struct Verdict {
    /// In words.
    pub says: String,
    /// The request as the filters behind see it; `None` where it is answered here.
    pub headers: Option<Headers>,
}

/// Who somebody is taken to be, whatever the request shows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Caller {
    /// The user.
    pub user: String,
    /// The tier.
    pub tier: String,
}

impl Caller {
    /// Reads `alice` or `alice/pro`.
    pub fn parse(text: &str, default_tier: &str) -> Self {
        let (user, tier) = text.split_once('/').unwrap_or((text, default_tier));
        Self { user: user.to_owned(), tier: tier.to_owned() }
    }
}

/// Judges a request as it comes in.
pub fn judge(gateway: &Gateway<'_>, headers: &Headers, caller: Option<&Caller>, now: Instant) -> Verdict {
    let config = &gateway.auth;
    let request = Request::read(headers, config);
    let route = config.route(&request.target);
    if let Some(caller) = caller.filter(|_| route.mode != Mode::Off) {
        let says =
            format!("is taken for one of `{}`, tier `{}`; what is allowed is not judged", caller.user, caller.tier);
        let known = [(header::USER, caller.user.as_str()), (header::TIER, caller.tier.as_str())];
        return Verdict { says, headers: Some(changed(headers, &request, None, &known)) };
    }
    let mut judge = Judge {
        config,
        memory: &mut Memory::new(SEED, 1, Duration::from_secs(1)),
        keyring: &Keyring::new(&config.issuers),
        verifier: &Crates,
        since: None,
        revoked: &Revoked::new(&SEED, config.leeway, &config.revoked),
        now,
    };
    let decision = judge.judge(route, &request.shown);
    let says = words(gateway, route, &decision);
    let headers = match &decision {
        Decision::Unjudged => Some(changed(headers, &request, None, &[])),
        Decision::Anonymous => Some(changed(headers, &request, None, &[(header::TIER, auth::config::ANONYMOUS)])),
        Decision::Allowed(verified) => Some(introduced(gateway, headers, &request, verified)),
        _ => None,
    };
    Verdict { says, headers }
}

fn words(gateway: &Gateway<'_>, route: &Route, decision: &Decision) -> String {
    let config = &gateway.auth;
    let unmet = |granted, shadow: bool| {
        let unmet = route.unmet(granted).filter(|demand| demand.shadow == shadow);
        let unmet =
            unmet.map(|demand| format!("`{}` needs {}", demand.name, config.permissions.lacking(demand, granted)));
        unmet.collect::<Vec<_>>().join(", ")
    };
    let answer = decision.rejection(config).map(|refusal| format!("answers {} {}", refusal.status(), refusal.code()));
    match decision {
        Decision::Unjudged => "passes, whatever it shows".to_owned(),
        Decision::Anonymous => "shows no credential, and passes as anonymous".to_owned(),
        Decision::Allowed(verified) => {
            let tried = unmet(verified.granted, true);
            let tried = if tried.is_empty() { tried } else { format!("; in the shadow, {tried}") };
            format!("passes as {}{tried}", name(verified))
        }
        Decision::Forbidden(verified) => {
            format!(
                "{}: it is of {}, and {}",
                answer.unwrap_or_default(),
                name(verified),
                unmet(verified.granted, false)
            )
        }
        Decision::Missing => format!("{}: it shows no credential", answer.unwrap_or_default()),
        Decision::Refused(refusal) => format!("{}: {}", answer.unwrap_or_default(), refusal.reason()),
        Decision::Wait(_) | Decision::Unavailable(_) => {
            "cannot be judged here, since its issuer's keys are fetched by Envoy; --as says who it is of".to_owned()
        }
    }
}

fn name(verified: &Verified) -> String {
    let identity = &verified.identity;
    let mut name = format!("`{}`, tier `{}`", identity.user, identity.tier);
    if let Some(roles) = &identity.roles {
        name.push_str(&format!(", roles `{roles}`"));
    }
    if let Some(key) = &verified.key {
        name.push_str(&format!(", by the key `{key}`"));
    }
    name
}

/// A request with who its caller is, and without its credential, unless the upstream is to see that.
fn introduced(gateway: &Gateway<'_>, headers: &Headers, request: &Request<'_>, verified: &Verified) -> Headers {
    let identity = &verified.identity;
    let mut known = vec![(header::USER, identity.user.as_str()), (header::TIER, identity.tier.as_str())];
    known.extend(identity.roles.as_deref().map(|roles| (header::ROLES, roles)));
    known.extend(verified.key.as_deref().map(|key| (header::API_KEY, key)));
    for (index, value) in &identity.handed {
        if let Some(attribute) = gateway.auth.attributes.get(*index) {
            known.push((attribute.header.as_str(), value));
        }
    }
    let source = match &request.shown {
        Shown::One(credential) if !credential.source.forward => Some(credential.source),
        _ => None,
    };
    changed(headers, request, source, &known)
}

/// The same request without what its client claims to be and without its credential, with what is known.
fn changed(headers: &Headers, request: &Request<'_>, shown: Option<&Source>, known: &[(&str, &str)]) -> Headers {
    let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for (name, value) in headers {
        if request.claimed.iter().any(|claimed| claimed.as_bytes() == name) {
            continue;
        }
        let value = match shown {
            Some(source) if source.place == Place::Header && source.name.as_bytes() == name => continue,
            Some(source) if source.place == Place::Cookie && name == b"cookie" => {
                let Some(left) = without_cookie(value, &source.name) else { continue };
                left
            }
            Some(source) if source.place == Place::Query && name == b":path" => {
                request.path_without(|other| other != source).unwrap_or_else(|| value.to_vec())
            }
            _ => value.to_vec(),
        };
        pairs.push((name.to_vec(), value));
    }
    pairs.extend(known.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())));
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect();
    Headers::from_pairs(&pairs)
}
