//! What answers a request before any route of the policy does: Envoy itself, the guard, the operators' filter, and CORS.

use admin::credential::{self, Access, Who};
use admin::request::{Ask, Mistake};
use guard::request::{self, Refusal, Verdict};
use policy::headers::Sole;
use policy::route::Target;
use policy::{Headers, Rejection};
use serde_json::Value as Json;

use crate::explain::request::Request;
use crate::gateway::Gateway;
use crate::policy::guard::Cors;

/// What a client is told, in words.
pub(super) fn answers(rejection: &Rejection) -> String {
    let reply = rejection.reply(None, policy::rejection::Format::Json);
    let json: Json = serde_json::from_slice(&reply.body).unwrap_or_default();
    let message = json.pointer("/error/message").and_then(Json::as_str).unwrap_or_default();
    format!("answers {} {}: {message}", rejection.status(), rejection.code())
}

/// What the guard, or what it reads bodies by, refuses of a request; `None` where it passes.
pub(super) fn refuses(config: &guard::Config, headers: &Headers, request: &Request) -> Option<String> {
    let body = request.body.as_deref().unwrap_or_default().as_bytes();
    let is_longer = |most: u64| (body.len() as u64 > most).then_some(Refusal::TooLarge);
    let refusal = match request::judge(config, headers, request.is_bodyless()) {
        Verdict::Pass => None,
        Verdict::Count(most) => is_longer(most),
        Verdict::Refuse(refusal) => Some(refusal),
        Verdict::Hold(index) => {
            let route = config.routes.get(index)?;
            let misfit = || request::check(route, body).err().map(|misfit| answers(&request::mend(misfit)));
            match is_longer(route.body_bytes_max) {
                // What is only announced cannot be read.
                None => return request.body.as_ref().and_then(|_| misfit()),
                refusal => refusal,
            }
        }
    };
    refusal.map(|refusal| answers(&refusal.rejection()))
}

/// Whether Envoy answers a request for leave to send another one, and what it says; `None` where there is none, or it is no such
/// request (the Fetch standard's CORS-preflight fetch).
pub(super) fn preflight(gateway: &Gateway<'_>, headers: &Headers) -> Option<String> {
    let cors = cors(gateway)?;
    let is_asked =
        headers.first(":method") == Some(b"OPTIONS") && headers.first("access-control-request-method").is_some();
    let origin = origin(headers).filter(|_| is_asked)?;
    Some(if cors.admits(&origin) {
        let also = if cors.credentials { ", credentials included" } else { "" };
        format!("answers 200: scripts of {origin} may send {}{also}", cors.methods.join("/"))
    } else {
        format!("answers 200 without leave: {origin} is none of the origins")
    })
}

/// Whose scripts may read the answer, where the request says that one has sent it.
pub(super) fn reader(gateway: &Gateway<'_>, headers: &Headers) -> Option<String> {
    let (cors, origin) = (cors(gateway)?, origin(headers)?);
    let may = if cors.admits(&origin) { "lets" } else { "does not let" };
    Some(format!("{may} scripts of {origin} read the answer"))
}

fn cors<'g>(gateway: &Gateway<'g>) -> Option<&'g Cors> {
    gateway.policy.guard.as_ref()?.cors.as_ref()
}

fn origin(headers: &Headers) -> Option<String> {
    match headers.sole("origin") {
        Sole::Value(origin) => Some(String::from_utf8_lossy(origin).into_owned()),
        Sole::Absent | Sole::Repeated => None,
    }
}

/// What is answered about the proxy's health.
pub(super) fn health(target: &Target<'_>) -> String {
    match asked(target) {
        Ok(_) => "answers anybody how the proxy is".to_owned(),
        Err(rejection) => answers(&rejection),
    }
}

/// What an operator is answered, and whoever is none, by what `auth` has found of them.
pub(super) fn operator(config: &admin::Config, target: &Target<'_>, known: &Headers) -> String {
    let asked = asked(target);
    if asked.as_ref().is_ok_and(Ask::is_page) {
        return "sends anybody the operators' page, which asks for a key".to_owned();
    }
    let challenge = String::new;
    let rejection = match credential::judge(&config.operators, known) {
        Access::Off => Rejection::NotFound,
        Access::Missing => Rejection::Unauthorized { challenge: challenge() },
        Access::Wrong => Rejection::AuthFailed { challenge: challenge(), reason: "admin_key" },
        Access::Refused => Rejection::Forbidden,
        Access::Granted(who) => return granted(&who, asked, known),
    };
    answers(&rejection)
}

fn granted(who: &Who, asked: Result<Ask, Rejection>, known: &Headers) -> String {
    match asked {
        Err(rejection) => answers(&rejection),
        Ok(ask) if ask.is_change() && credential::is_foreign(known) => answers(&Rejection::Forbidden),
        Ok(ask) if ask.is_change() => format!("does what the operator says, {}", who.name()),
        Ok(_) => format!("answers the operator, {}", who.name()),
    }
}

/// What is asked of the operators' filter, as it reads it.
fn asked(target: &Target<'_>) -> Result<Ask, Rejection> {
    // With its query: what is ordered stands there.
    let path = target.headers.first(":path").unwrap_or_default();
    let asked = Ask::read(target.method, path).unwrap_or(Err(Mistake::Unknown));
    asked.map_err(|mistake| match mistake {
        Mistake::Unknown => Rejection::NotFound,
        Mistake::Malformed(message) => Rejection::BadRequest { message: message.to_owned() },
        Mistake::Purge(mistake) => Rejection::BadRequest { message: mistake.to_string() },
    })
}
