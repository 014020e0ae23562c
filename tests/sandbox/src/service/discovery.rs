//! Discovery: titles, where they can be seen, and how they are found. What it answers to a `GET` may be kept.

use std::cmp::Reverse;

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    response::Response,
    routing::{get, post},
};
use hyper::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::brief;
use crate::{
    library::Title,
    params::Params,
    reply,
    table::{folded, matches},
    world::Shared,
};

const KEPT: &str = "public, max-age=60";
const PAGE_MAX: usize = 100;

/// The routes below `/discovery`.
pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/api/v1/content/trending", get(trending))
        .route("/api/v1/content/{id}", get(content))
        .route("/api/v1/content/{id}/availability", get(availability))
        .route("/api/v1/movies/popular", get(popular_movies))
        .route("/api/v1/tv/popular", get(popular_tv))
        .route("/api/v1/discover/movies", get(discover_movies))
        .route("/api/v1/discover/tv", get(discover_tv))
        .route("/api/v1/genres", get(genres))
        .route("/api/v1/search", post(search))
        .route("/api/v1/search/semantic", post(semantic))
        .route("/api/v1/search/autocomplete", get(autocomplete))
}

/// A page of titles, chosen by `page` and `limit`.
fn page(params: &Params, titles: &[&Title]) -> Value {
    let (page, limit) = (params.clamped("page", 1, 1, 10_000), params.clamped("limit", 20, 1, PAGE_MAX));
    let results: Vec<_> = titles.iter().skip((page - 1) * limit).take(limit).map(|title| brief(title)).collect();
    json!({"page": page, "limit": limit, "total": titles.len(), "total_pages": titles.len().div_ceil(limit),
           "results": results})
}

/// Every title of which this holds, the most popular first.
fn chosen(world: &Shared, wanted: impl Fn(&Title) -> bool) -> Vec<&Title> {
    let mut titles: Vec<_> = world.library.titles.iter().filter(|title| wanted(title)).collect();
    titles.sort_by(|a, b| b.popularity.total_cmp(&a.popularity));
    titles
}

async fn content(State(world): State<Shared>, headers: HeaderMap, Path(id): Path<String>) -> Response {
    let Some(title) = world.library.title(&id) else { return unknown(&id) };
    let mut object = brief(title);
    object["overview"] = json!(title.overview);
    object["platforms"] = json!(title.platforms);
    reply::cacheable(&headers, KEPT, &object)
}

fn unknown(id: &str) -> Response {
    reply::error(StatusCode::NOT_FOUND, &format!("there is no content {id}"))
}

async fn availability(
    State(world): State<Shared>,
    headers: HeaderMap,
    Path(id): Path<String>,
    params: Params,
) -> Response {
    let Some(title) = world.library.title(&id) else { return unknown(&id) };
    let region = params.get("region").unwrap_or("US");
    let platform = |name: &&str| {
        json!({"platform": name, "type": if *name == "arthouse" { "rent" } else { "subscription" },
               "url": format!("https://{name}.example/watch/{id}"), "quality": ["HD", "4K"]})
    };
    let platforms: Vec<_> = title.platforms.iter().map(platform).collect();
    reply::cacheable(&headers, KEPT, &json!({"content_id": id, "region": region, "platforms": platforms}))
}

async fn trending(State(world): State<Shared>, headers: HeaderMap, params: Params) -> Response {
    let recent = chosen(&world, |title| title.year >= 2020);
    reply::cacheable(&headers, KEPT, &page(&params, &recent))
}

async fn popular_movies(State(world): State<Shared>, headers: HeaderMap, params: Params) -> Response {
    reply::cacheable(&headers, KEPT, &page(&params, &chosen(&world, |title| title.kind == "movie")))
}

async fn popular_tv(State(world): State<Shared>, headers: HeaderMap, params: Params) -> Response {
    reply::cacheable(&headers, KEPT, &page(&params, &chosen(&world, |title| title.kind == "tv")))
}

async fn discover_movies(State(world): State<Shared>, headers: HeaderMap, params: Params) -> Response {
    discover(&world, &headers, &params, "movie")
}

async fn discover_tv(State(world): State<Shared>, headers: HeaderMap, params: Params) -> Response {
    discover(&world, &headers, &params, "tv")
}

/// Filters by `genre`, `year` and `min_rating`, and sorts by `sort`: popularity, rating, year or title.
fn discover(world: &Shared, headers: &HeaderMap, params: &Params, kind: &str) -> Response {
    let Some(rating) = params.get("min_rating").map_or(Some(0.0), |text| text.parse::<f64>().ok()) else {
        return reply::error(StatusCode::BAD_REQUEST, "min_rating is a number");
    };
    let Some(year) = params.get("year").map_or(Some(None), |text| text.parse::<u64>().ok().map(Some)) else {
        return reply::error(StatusCode::BAD_REQUEST, "year is a number");
    };
    let mut titles = chosen(world, |title| {
        title.kind == kind
            && params.get("genre").is_none_or(|genre| title.genres.iter().any(|one| one.eq_ignore_ascii_case(genre)))
            && year.is_none_or(|year| title.year == year)
            && rating <= title.rating
    });
    match params.get("sort") {
        None | Some("popularity") => {}
        Some("rating") => titles.sort_by(|a, b| b.rating.total_cmp(&a.rating)),
        Some("year") => titles.sort_by_key(|title| Reverse(title.year)),
        Some("title") => titles.sort_by_key(|title| title.name),
        Some(_) => return reply::error(StatusCode::BAD_REQUEST, "sort is popularity, rating, year or title"),
    }
    reply::cacheable(headers, KEPT, &page(params, &titles))
}

async fn genres(State(world): State<Shared>, headers: HeaderMap) -> Response {
    let mut names: Vec<_> = world.library.titles.iter().flat_map(|title| title.genres.iter().copied()).collect();
    names.sort_unstable();
    names.dedup();
    let genres: Vec<_> = names.iter().map(|name| json!({"id": name.replace(' ', "-"), "name": name})).collect();
    reply::cacheable(&headers, KEPT, &json!({ "genres": genres }))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Filters {
    #[serde(rename = "type")]
    kind: Option<String>,
    genre: Option<String>,
    year_min: Option<u64>,
    year_max: Option<u64>,
}

#[derive(Deserialize)]
struct Search {
    query: String,
    #[serde(default)]
    filters: Filters,
    page: Option<usize>,
    limit: Option<usize>,
}

impl Search {
    fn allows(&self, title: &Title) -> bool {
        let filters = &self.filters;
        filters.kind.as_deref().is_none_or(|kind| kind == title.kind)
            && filters.genre.as_deref().is_none_or(|genre| title.genres.contains(&genre))
            && filters.year_min.is_none_or(|year| year <= title.year)
            && filters.year_max.is_none_or(|year| title.year <= year)
    }

    fn answer(&self, mut scored: Vec<(f64, &Title)>) -> Response {
        scored.sort_by(|(a, one), (b, other)| b.total_cmp(a).then(other.popularity.total_cmp(&one.popularity)));
        let limit = self.limit.unwrap_or(20).clamp(1, PAGE_MAX);
        let page = self.page.unwrap_or(1).clamp(1, 10_000);
        let result = |(score, title): &(f64, &Title)| {
            let mut object = brief(title);
            object["score"] = json!(score);
            object
        };
        let results: Vec<_> = scored.iter().skip((page - 1) * limit).take(limit).map(result).collect();
        reply::ok(
            &json!({"query": self.query, "page": page, "limit": limit, "total": scored.len(), "results": results}),
        )
    }
}

fn question(headers: &HeaderMap, body: &Bytes) -> Result<Search, Response> {
    let search: Search = reply::payload(headers, body)?;
    if folded(&search.query).is_empty() {
        return Err(reply::error(StatusCode::BAD_REQUEST, "query is empty"));
    }
    Ok(search)
}

/// Words in the title count, and words in the overview count half.
async fn search(State(world): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let search = match question(&headers, &body) {
        Ok(search) => search,
        Err(refusal) => return refusal,
    };
    let score = |title: &Title| match (matches(title.name, &search.query), matches(title.overview, &search.query)) {
        (true, _) => Some(1.0),
        (false, true) => Some(0.5),
        (false, false) => None,
    };
    let titles = world.library.titles.iter().filter(|title| search.allows(title));
    let found = titles.filter_map(|title| Some((score(title)?, title))).collect();
    search.answer(found)
}

/// The share of the question's words that occur anywhere in a title's text: as near as a table comes to a meaning.
async fn semantic(State(world): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let search = match question(&headers, &body) {
        Ok(search) => search,
        Err(refusal) => return refusal,
    };
    let wanted = folded(&search.query);
    let words: Vec<_> = wanted.split(' ').filter(|word| word.len() > 2).collect();
    let score = |title: &Title| {
        let text = folded(&format!("{} {} {}", title.name, title.overview, title.genres.join(" ")));
        let hits = words.iter().filter(|word| text.contains(**word)).count();
        f64::from(u32::try_from(hits).unwrap_or(u32::MAX)) / f64::from(u32::try_from(words.len()).unwrap_or(1).max(1))
    };
    let titles = world.library.titles.iter().filter(|title| search.allows(title));
    let found = titles.map(|title| (score(title), title)).filter(|(score, _)| *score > 0.0).collect();
    search.answer(found)
}

async fn autocomplete(State(world): State<Shared>, headers: HeaderMap, params: Params) -> Response {
    let Some(start) = params.get("q").map(folded).filter(|start| !start.is_empty()) else {
        return reply::error(StatusCode::BAD_REQUEST, "q is what has been typed so far");
    };
    let limit = params.clamped("limit", 10, 1, 20);
    let begins = |title: &Title| {
        let name = folded(title.name);
        name.starts_with(&start) || name.contains(&format!(" {start}"))
    };
    let suggestions: Vec<_> = chosen(&world, begins)
        .iter()
        .take(limit)
        .map(|title| json!({"id": title.id, "title": title.name, "type": title.kind}))
        .collect();
    reply::cacheable(&headers, KEPT, &json!({"query": params.get("q"), "suggestions": suggestions}))
}
