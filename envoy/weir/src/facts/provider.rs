//! What a request becomes where a provider's own interface is hidden.

use policy::route::Target;
use policy::{Headers, Rejection};
use provider::credential::Credential;
use provider::request::What;
use provider::{Config, outgoing, request};
use serde_json::{Map, Value as Json, json};

use crate::policy::provider::Secret;
use crate::policy::{Policy, Route};

/// The provider, by how it is known and what is said to it; `None` where there is none.
pub fn says(policy: &Policy, config: &Config, headers: &Headers) -> Option<String> {
    let target = Target::of(headers);
    let route = config.find(&target)?;
    let provider = config.providers.get(route.provider)?;
    let kind = provider.profile.name;
    let (name, agent, most) = (&provider.name, &provider.user_agent, provider.answer_bytes_max);
    // Which secret it is is nobody's to read.
    let shown = provider.credential.shown();
    let said = policy.upstream(name).and_then(|upstream| upstream.provider.as_ref());
    let of = said.map(|said| said.variables.join(", ")).unwrap_or_default();
    let by = match (&provider.credential, shown.header.as_ref().map(|(name, _)| *name), shown.parameter) {
        (Credential::Grant(_), ..) => {
            let json = said.map(|said| said.draft.to_json()).unwrap_or_default();
            let from = json.pointer("/credentials/oauth2/token_url").and_then(Json::as_str).unwrap_or_default();
            format!("an OAuth 2.0 token that the proxy fetches from {from} with {of}")
        }
        (_, Some(header), _) => format!("the header `{header}` of {of}"),
        (_, None, Some((parameter, _))) => format!("the parameter `{parameter}` of {of}"),
        (_, None, None) => "no credential".to_owned(),
    };
    let base = if provider.base.is_empty() { "/" } else { &provider.base };
    Some(format!("`{name}` as {kind} below {base}, by {by}, as {agent:?}, answers of up to {most} bytes"))
}

/// How its credential comes about, and which files hold its secrets.
pub fn means(policy: &Policy, route: &Route) -> Json {
    let Some(said) = policy.upstream(&route.upstream.value).and_then(|upstream| upstream.provider.as_ref()) else {
        return Json::Null;
    };
    let file = |secret: &Secret| (secret.variable.clone(), json!(secret.file.display().to_string()));
    let files: Json = said.files.iter().map(file).collect::<Map<_, _>>().into();
    json!({"strip": route.strip, "credentials": said.draft.to_json().get("credentials"), "files": files})
}

/// What a request has to be like to be counted and sent at all.
pub fn demands(config: &Config, headers: &Headers) -> Option<String> {
    let provider = config.providers.get(config.find(&Target::of(headers))?.provider)?;
    Some(format!("refuses what {} cannot be asked, before it is counted", provider.profile.name))
}

/// The refusal that the client of this very request reads, where there is one. A search's is known with its body.
pub fn refuses(config: &Config, headers: &Headers, body: Option<&[u8]>) -> Option<String> {
    let refusal = path(config, headers, body)?.err()?;
    Some(format!("answers {} {}", refusal.status(), refusal.code()))
}

/// What a request that is not refused becomes: a path. A search's is known with its body.
pub fn becomes(config: &Config, headers: &Headers, body: Option<&[u8]>) -> Option<String> {
    Some(match path(config, headers, body)?.ok()? {
        Some(path) => format!("sends `GET {path}`"),
        None => "sends a search for what the body says".to_owned(),
    })
}

/// The path that a request becomes; none of a search whose body is not known.
fn path(config: &Config, headers: &Headers, body: Option<&[u8]>) -> Option<Result<Option<String>, Rejection>> {
    let target = Target::of(headers);
    let route = config.find(&target)?;
    let provider = config.providers.get(route.provider)?;
    let whole = headers.first(":path").unwrap_or_default();
    let path = request::read(provider.profile, &target, whole, &route.strip).and_then(|asked| {
        let question = match (&asked.what, body) {
            (What::Search(_), None) => return Ok(None),
            (What::Search(_), Some(body)) => Some(request::search(body)?),
            (What::Lookup(..), _) => None,
        };
        outgoing::path(provider, &asked.what, question.as_ref()).map(Some)
    });
    Some(path)
}
