//! What a request becomes where a provider's own interface is hidden.

use policy::Headers;
use policy::route::Target;
use provider::credential::Credential;
use provider::request::What;
use provider::{Config, outgoing, request};

/// The provider, by how it is known and what is said to it; `None` where there is none.
pub fn says(config: &Config, headers: &Headers) -> Option<String> {
    let target = Target::of(headers);
    let route = config.find(&target)?;
    let provider = config.providers.get(route.provider)?;
    let kind = provider.profile.name;
    let (name, agent, most) = (&provider.name, &provider.user_agent, provider.answer_bytes_max);
    // Which secret it is is nobody's to read.
    let shown = provider.credential.shown();
    let by = match (&provider.credential, shown.header.as_ref().map(|(name, _)| *name), shown.parameter) {
        (Credential::Grant(_), ..) => "an OAuth 2.0 token that the proxy fetches".to_owned(),
        (_, Some(header), _) => format!("the header `{header}`"),
        (_, None, Some((parameter, _))) => format!("the parameter `{parameter}`"),
        (_, None, None) => "no credential".to_owned(),
    };
    let base = if provider.base.is_empty() { "/" } else { &provider.base };
    Some(format!("`{name}` as {kind} below {base}, by {by}, as {agent:?}, answers of up to {most} bytes"))
}

/// What this very request becomes: a path, or the refusal that its client reads. A search's is known with its body.
pub fn becomes(config: &Config, headers: &Headers, body: Option<&[u8]>) -> Option<String> {
    let target = Target::of(headers);
    let route = config.find(&target)?;
    let provider = config.providers.get(route.provider)?;
    let whole = headers.first(":path").unwrap_or_default();
    let asked = match request::read(provider.profile, &target, whole, &route.strip) {
        Ok(asked) => asked,
        Err(refusal) => return Some(format!("answers {} {}", refusal.status(), refusal.code())),
    };
    let question = match (&asked.what, body) {
        (What::Search(_), None) => return Some("sends a search for what the body says".to_owned()),
        (What::Search(_), Some(body)) => request::search(body).map(Some),
        (What::Lookup(..), _) => Ok(None),
    };
    let path = question.and_then(|question| outgoing::path(provider, &asked.what, question.as_ref()));
    Some(match path {
        Ok(path) => format!("sends `GET {path}`"),
        Err(refusal) => format!("answers {} {}", refusal.status(), refusal.code()),
    })
}
