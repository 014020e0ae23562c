//! What leaves for a provider, and what comes back from it, as headers: of either side nothing but what is on a list.

use std::fmt::Write;

use policy::Headers;
use policy::handover::header;

use crate::config::Provider;
use crate::credential::Shown;
use crate::request::{What, refused};
use crate::secret::Forms;
use crate::target::{add_parameter, filled};
use crate::track::Question;

/// Where Envoy's own rewriting leaves the path that a client sent, too; access logs and traces look there first.
const ORIGINAL_PATH: &str = "x-envoy-original-path";

/// Keeps Envoy from sending a request more than once; what a client says of it does not get this far.
const RETRIES: &str = "x-envoy-max-retries";

/// What of a client's headers stays: where the request goes, by which name it is known, and what a breaker says of its probe. Without
/// `x-forwarded-proto`, Envoy finds no route for it.
const HANDED_ON: [&str; 8] = [
    RETRIES,
    ":scheme",
    ":authority",
    "x-forwarded-proto",
    header::REQUEST_ID,
    header::CORRELATION_ID,
    header::TRACEPARENT,
    header::TRACESTATE,
];

/// What of a provider's headers a client gets to see: when the answer was made, and for how long it may be kept.
const HANDED_BACK: [&str; 4] = ["age", "cache-control", "date", "expires"];

/// The path of a provider's own request, without its credential.
///
/// # Errors
/// What the client is told where nothing of its words can be searched.
pub fn path(provider: &Provider, what: &What<'_>, question: Option<&Question>) -> Result<String, policy::Rejection> {
    match (what, question) {
        (What::Lookup(lookup, id), _) => Ok(filled(&provider.base, lookup.target, |_| (*id).to_owned())),
        (What::Search(search), Some(Question::Search { artist, title, limit })) => {
            let phrase = |name: &str, words: &str| match (search.phrase)(words) {
                phrase if phrase.is_empty() => Err(refused(name, "has nothing that could be searched")),
                phrase => Ok(phrase),
            };
            let (artist, title) = (phrase("artist", artist)?, phrase("title", title)?);
            Ok(filled(&provider.base, search.target, |name| match name {
                "artist" => artist.clone(),
                "title" => title.clone(),
                _ => limit.to_string(),
            }))
        }
        (What::Search(_), _) => Err(policy::Rejection::Internal),
    }
}

/// The whole header map of a provider's own request. `had_body` tells that Envoy will end it with an empty body.
pub fn request(provider: &Provider, client: &Headers, mut path: String, shown: &Shown<'_>, had_body: bool) -> Headers {
    if let Some((name, value)) = shown.parameter {
        add_parameter(&mut path, name, value);
    }
    let mut pairs: Vec<(&[u8], &[u8])> = vec![
        (b":method", b"GET"),
        (b":path", path.as_bytes()),
        (b"accept", b"application/json"),
        (b"accept-encoding", b"identity"),
        (b"user-agent", provider.user_agent.as_bytes()),
    ];
    for (name, value) in client {
        if HANDED_ON.iter().any(|known| known.as_bytes() == name) {
            pairs.push((name, value));
        } else if name == b":path" {
            pairs.push((ORIGINAL_PATH.as_bytes(), value));
        }
    }
    if had_body {
        // Without it, an empty body would be announced as one of unknown length.
        pairs.push((b"content-length", b"0"));
    }
    if let Some((name, value)) = shown.header {
        pairs.push((name.as_bytes(), value.as_bytes()));
    }
    if shown.is_brief && client.first(RETRIES).is_none() {
        pairs.push((RETRIES.as_bytes(), b"0"));
    }
    Headers::from_pairs(&pairs)
}

/// What of a client's headers a second request does not repeat: its credentials, which are judged already, and what is said anew.
const SAID_ONCE: [&str; 9] = [
    "authorization",
    "cookie",
    "cache-control",
    "pragma",
    "content-length",
    "expect",
    "te",
    "transfer-encoding",
    header::AGAIN,
];

/// The headers by which a client's request is sent once more: no cache answers it or waits for it, since its first one waits. What is no
/// text is left out.
pub fn again(client: &Headers) -> Vec<(&str, &str)> {
    let mut headers = vec![("cache-control", "no-store"), (header::AGAIN, "1")];
    for (name, value) in client {
        let (Ok(name), Ok(value)) = (std::str::from_utf8(name), std::str::from_utf8(value)) else { continue };
        if !SAID_ONCE.contains(&name) && !name.starts_with("x-envoy-") {
            headers.push((name, value));
        }
    }
    headers
}

/// Whether an answer is in the common shape or a refusal of this proxy's, and no text of whoever could not pass it on.
pub fn is_dressed(answer: &Headers) -> bool {
    answer.first("content-type").is_some_and(|kind| kind == b"application/json" || kind == b"application/problem+json")
}

/// The whole header map of an answer that this filter has dressed before, the second request being the first one's.
pub fn delivered(answer: &Headers, body_bytes: usize) -> Headers {
    let length = decimal(body_bytes);
    let mut pairs: Vec<(&[u8], &[u8])> = vec![(b"content-length", length.as_bytes())];
    let known = [":status", "content-type", "retry-after"].into_iter().chain(HANDED_BACK);
    let known: Vec<_> = known.map(str::as_bytes).collect();
    pairs.extend(answer.iter().filter(|(name, _)| known.contains(name)));
    Headers::from_pairs(&pairs)
}

/// The status of an answer, and the other headers of it where it passes no filter: with the ids of its request, which others would add.
pub fn alone(answer: &Headers, client: Option<&Headers>) -> (u16, Headers) {
    let status = answer.first(":status").and_then(|status| std::str::from_utf8(status).ok()?.parse().ok());
    let own = answer.iter().filter(|(name, _)| !matches!(*name, b":status" | b"content-length"));
    let ids = [header::REQUEST_ID, header::CORRELATION_ID].into_iter();
    let ids = ids.filter_map(|name| Some((name.as_bytes(), client?.first(name)?)));
    (status.unwrap_or(502), Headers::from_pairs(&own.chain(ids).collect::<Vec<_>>()))
}

/// The whole header map of an answer in the common shape, or of a provider's own body; without a length, where the body is
/// still coming.
pub fn answer(provider: &Headers, forms: &Forms, body_bytes: Option<usize>) -> Headers {
    let length = body_bytes.map(decimal);
    let mut pairs: Vec<(&[u8], &[u8])> = vec![(b":status", b"200"), (b"content-type", b"application/json")];
    if let Some(length) = &length {
        pairs.push((b"content-length", length.as_bytes()));
    }
    for (name, value) in provider {
        if HANDED_BACK.iter().any(|known| known.as_bytes() == name) && !forms.occur(value) {
            pairs.push((name, value));
        }
    }
    Headers::from_pairs(&pairs)
}

/// The whole header map of a refusal in a provider's place.
pub fn refusal(reply: &policy::Reply, body_bytes: usize) -> Headers {
    let (status, length) = (decimal(usize::from(reply.status)), decimal(body_bytes));
    let mut pairs: Vec<(&[u8], &[u8])> = vec![(b":status", status.as_bytes()), (b"content-length", length.as_bytes())];
    pairs.extend(reply.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
    Headers::from_pairs(&pairs)
}

fn decimal(number: usize) -> String {
    let mut text = String::new();
    let _ = write!(text, "{number}");
    text
}

#[cfg(test)]
mod tests;
