//! `MusicBrainz`: recordings and ISRCs below `/musicbrainz/ws/2`, in JSON.
//!
//! The real service answers XML unless asked for JSON. This one has no XML: a caller that forgets `fmt=json` gets 406,
//! because a gateway that forgets it could not read the real answer either.

use std::time::Duration;

use axum::{
    Router,
    extract::{Path, Request, State},
    middleware::{self, Next},
    response::Response,
    routing::get,
};
use hyper::{
    HeaderMap, StatusCode,
    header::{ACCEPT, RETRY_AFTER},
};
use serde_json::{Value, json};

use super::{address_of, user_agent};
use crate::{
    catalog::{Artist, Track},
    meter::Verdict,
    params::Params,
    reply, stamp,
    table::{folded, matches},
    upstream::Upstream,
    world::Shared,
};

const WINDOW: Duration = Duration::from_secs(1);
const HELP: &str = "For usage, please see: https://musicbrainz.org/development/mmd";
const TOO_FAST: &str = "Your requests are exceeding the allowable rate limit. \
    Please see https://wiki.musicbrainz.org/XMLWebService for more information.";

/// The routes below `/musicbrainz/ws/2`. The real service knows them with a slash at the end, too.
pub(crate) fn routes(world: &Shared) -> Router<Shared> {
    Router::new()
        .route("/recording", get(search))
        .route("/recording/", get(search))
        .route("/recording/{mbid}", get(recording))
        .route("/isrc/{isrc}", get(isrc))
        .fallback(async || error(StatusCode::NOT_FOUND, "Not Found"))
        .layer(middleware::from_fn_with_state(Shared::clone(world), admit))
}

fn error(status: StatusCode, message: &str) -> Response {
    reply::json(status, &json!({"error": message, "help": HELP}))
}

/// Whether a `User-Agent` says who calls and how to reach them: `name/version (contact)`.
fn is_meaningful(agent: &str) -> bool {
    let Some((product, rest)) = agent.split_once('(') else { return false };
    let names_itself = product.split_once('/').is_some_and(|(name, version)| {
        !name.trim().is_empty() && version.trim_start().starts_with(|c: char| c.is_ascii_alphanumeric())
    });
    let contact = rest.split(')').next().unwrap_or_default().trim();
    names_itself && (contact.contains('@') || contact.contains("://") || contact.contains('.'))
}

async fn admit(State(world): State<Shared>, request: Request, next: Next) -> Response {
    if !user_agent(&request).is_some_and(is_meaningful) {
        return error(
            StatusCode::FORBIDDEN,
            "Your request has been blocked. Please set a meaningful User-Agent: name/version ( contact )",
        );
    }
    let charge = world.charge(Upstream::Musicbrainz, &address_of(&request), WINDOW);
    let response = match charge.verdict {
        Verdict::Over { .. } => {
            let response = error(StatusCode::SERVICE_UNAVAILABLE, TOO_FAST);
            reply::with(response, RETRY_AFTER.as_str(), &charge.reset_seconds())
        }
        Verdict::Pass if wants_json(&request) => next.run(request).await,
        Verdict::Pass => error(StatusCode::NOT_ACCEPTABLE, "This stand-in answers fmt=json alone"),
    };
    let response = reply::with(response, "x-ratelimit-limit", &charge.limit);
    let response = reply::with(response, "x-ratelimit-remaining", &charge.remaining);
    reply::with(response, "x-ratelimit-reset", &(stamp::now() + charge.reset_seconds()))
}

fn wants_json(request: &Request) -> bool {
    let params = Params::parse(request.uri().query().unwrap_or_default().as_bytes());
    let accepts = |headers: &HeaderMap| {
        headers.get_all(ACCEPT).iter().any(|value| value.to_str().is_ok_and(|value| value.contains("application/json")))
    };
    params.get("fmt").map_or_else(|| accepts(request.headers()), |format| format == "json")
}

/// One clause of a query: a field, or none, and what it shall contain.
type Clause = (Option<String>, String);

/// Reads the part of Lucene's syntax that clients use: `field:"a phrase"`, `field:word` and words, joined by `AND`.
/// `None` where a quote or a parenthesis is left open, or a field has no value.
fn clauses(query: &str) -> Option<Vec<Clause>> {
    let mut rest = query.trim_start();
    let mut found = Vec::new();
    while !rest.is_empty() {
        let mut field = None;
        if let Some((name, after)) = rest.split_once(':')
            && !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_lowercase())
        {
            field = Some(name.to_owned());
            rest = after;
        }
        let (value, after) = value(rest)?;
        rest = after.trim_start();
        if field.is_some() || !matches!(value.as_str(), "AND" | "&&") {
            found.push((field, value));
        }
    }
    Some(found)
}

/// The value at the start of `text`, with its escapes undone, and what follows it.
fn value(text: &str) -> Option<(String, &str)> {
    let close = match text.chars().next()? {
        '"' => Some('"'),
        '(' => Some(')'),
        _ => None,
    };
    let mut value = String::new();
    let mut characters = text.char_indices().skip(usize::from(close.is_some()));
    while let Some((at, character)) = characters.next() {
        match (character, close) {
            ('\\', _) => value.push(characters.next()?.1),
            (end, Some(close)) if end == close => return Some((value, &text[at + 1..])),
            (' ', None) => return (!value.is_empty()).then_some((value, &text[at..])),
            // A lone quote inside a word begins a phrase that Lucene cannot parse.
            ('"', None) => return None,
            (other, _) => value.push(other),
        }
    }
    (close.is_none() && !value.is_empty()).then_some((value, ""))
}

fn meets(track: &Track, (field, wanted): &Clause) -> bool {
    match field.as_deref() {
        None | Some("recording" | "recordingaccent") => matches(track.name, wanted),
        Some("artist" | "artistname" | "creditname") => matches(&track.credit(), wanted),
        Some("release") => matches(track.album, wanted),
        Some("isrc") => track.isrc.eq_ignore_ascii_case(wanted),
        Some("rid") => track.mbid == *wanted,
        Some("arid") => track.artists.iter().any(|artist| artist.mbid == *wanted),
        Some("tag") => matches(track.genre, wanted),
        // A field that no recording has contains nothing.
        Some(_) => false,
    }
}

async fn search(State(world): State<Shared>, params: Params) -> Response {
    let Some(query) = params.get("query") else {
        return error(StatusCode::BAD_REQUEST, "The given parameters do not match any available query type");
    };
    let Some(clauses) = clauses(query) else {
        return error(StatusCode::BAD_REQUEST, "Unable to parse search query");
    };
    let (limit, offset) = (params.clamped("limit", 25, 1, 100), params.clamped("offset", 0, 0, 10_000));
    let found = world.catalog.search(|track| clauses.iter().all(|clause| meets(track, clause)));
    let exact = |track: &Track| clauses.iter().any(|(_, wanted)| folded(track.name) == folded(wanted));
    let mut scored: Vec<(u64, &Track)> = found
        .into_iter()
        .map(|track| (if exact(track) { 100 } else { 60 + track.popularity * 3 / 10 }, track))
        .collect();
    scored.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    let recordings: Vec<_> = scored
        .iter()
        .skip(offset)
        .take(limit)
        .map(|(score, track)| {
            let mut recording = recording_object(track, &["artists", "isrcs", "releases", "tags"]);
            recording["score"] = json!(score);
            recording
        })
        .collect();
    reply::ok(&json!({
        "created": stamp::rfc3339(stamp::now()), "count": scored.len(), "offset": offset, "recordings": recordings,
    }))
}

fn is_mbid(text: &str) -> bool {
    let lengths: Vec<_> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

/// The parts that `inc=artists+isrcs` asks for. A plus is a space in a query string.
fn included(params: &Params) -> Vec<&str> {
    params.get("inc").unwrap_or_default().split([' ', '+']).filter(|part| !part.is_empty()).collect()
}

async fn recording(State(world): State<Shared>, Path(mbid): Path<String>, params: Params) -> Response {
    if !is_mbid(&mbid) {
        return error(StatusCode::BAD_REQUEST, "Invalid mbid.");
    }
    let wanted = mbid.to_ascii_lowercase();
    match world.catalog.find(|track| track.mbid == wanted) {
        Some(track) => reply::ok(&recording_object(track, &included(&params))),
        None => error(StatusCode::NOT_FOUND, "Not Found"),
    }
}

async fn isrc(State(world): State<Shared>, Path(isrc): Path<String>, params: Params) -> Response {
    let well_formed = isrc.len() == 12 && isrc.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !well_formed {
        return error(StatusCode::BAD_REQUEST, "Invalid isrc.");
    }
    let isrc = isrc.to_ascii_uppercase();
    let included = included(&params);
    let found = world.catalog.search(|track| track.isrc == isrc);
    if found.is_empty() {
        return error(StatusCode::NOT_FOUND, "Not Found");
    }
    let recordings: Vec<_> = found.into_iter().map(|track| recording_object(track, &included)).collect();
    reply::ok(&json!({"isrc": isrc, "recordings": recordings}))
}

fn credits(track: &Track) -> Vec<Value> {
    let last = track.artists.len().saturating_sub(1);
    let credit = |(at, artist): (usize, &Artist)| {
        let join = if at == last { "" } else { " & " };
        json!({"name": artist.name, "joinphrase": join, "artist": {
            "id": artist.mbid, "name": artist.name, "sort-name": artist.name, "disambiguation": "",
            "type": null, "country": null,
        }})
    };
    track.artists.iter().enumerate().map(credit).collect()
}

fn recording_object(track: &Track, included: &[&str]) -> Value {
    let mut recording = json!({
        "id": track.mbid, "title": track.name, "length": track.duration_ms, "disambiguation": "", "video": false,
        "first-release-date": track.released,
    });
    if included.iter().any(|part| matches!(*part, "artists" | "artist-credits")) {
        recording["artist-credit"] = json!(credits(track));
    }
    if included.contains(&"isrcs") {
        recording["isrcs"] = json!([track.isrc]);
    }
    if included.contains(&"releases") {
        recording["releases"] = json!([{
            "id": track.release_mbid, "title": track.album, "status": "Official", "date": track.released,
            "country": "GB", "disambiguation": "", "artist-credit": credits(track),
        }]);
    }
    if included.iter().any(|part| matches!(*part, "tags" | "genres")) {
        recording["tags"] = json!([{"name": track.genre.to_lowercase(), "count": track.quantity_of("tag", 1, 12)}]);
    }
    recording
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_as_lucene_reads_it() {
        let read = |query| {
            clauses(query).map(|clauses| {
                clauses.into_iter().map(|(f, v)| format!("{}={v}", f.unwrap_or_default())).collect::<Vec<_>>().join(" ")
            })
        };
        let cases = [
            (r#"artist:"Daft Punk" AND recording:"One More Time""#, Some("artist=Daft Punk recording=One More Time")),
            (r#"recording:"say \"hi\"""#, Some(r#"recording=say "hi""#)),
            ("isrc:GBTDG0900141", Some("isrc=GBTDG0900141")),
            ("artist:(daft punk) strobe", Some("artist=daft punk =strobe")),
            (r#"recording:"left open"#, None),
            (r#"recording:"say "hi"""#, None),
            ("recording:", None),
        ];
        for (query, expected) in cases {
            assert_eq!(read(query).as_deref(), expected, "{query}");
        }
    }

    #[test]
    fn a_user_agent_names_itself_and_a_contact() {
        for good in ["weir/0.1 (ops@example.com)", "My App/1.2.0 ( https://example.com )"] {
            assert!(is_meaningful(good), "{good}");
        }
        for bad in ["", "curl/8.5.0", "python-requests/2.31.0", "weir", "weir (ops@example.com)", "weir/0.1 ()"] {
            assert!(!is_meaningful(bad), "{bad}");
        }
    }

    #[test]
    fn an_mbid_is_a_uuid() {
        assert!(is_mbid("8f3471b5-7e6a-48da-86a9-c1c07a0f47ae"));
        assert!(!is_mbid("8f3471b57e6a48da86a9c1c07a0f47ae") && !is_mbid("x") && !is_mbid("../../etc"));
    }
}
