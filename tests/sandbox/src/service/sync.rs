//! Sync: what users want to see and have seen. A change is there for the next request.

use std::{collections::HashMap, sync::Mutex};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    response::Response,
    routing::{delete, get},
};
use hyper::{HeaderMap, StatusCode, header::CACHE_CONTROL};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{brief, required_user};
use crate::{library, params::Params, reply, stamp, world::Shared};

const PRIVATE: &str = "private, no-store";
/// How many users may have a watchlist of their own making, and how long it may be.
const USERS_MAX: usize = 10_000;
const ENTRIES_MAX: usize = 500;
/// When the histories of the table begin, in seconds since 1970, and how far apart their entries are.
const HISTORY_START: u64 = 1_764_600_000;
const HISTORY_STEP: u64 = 93_600;

/// One wish.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Entry {
    content: String,
    added_at: u64,
}

/// What became of a new wish.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Added {
    New,
    Already,
    Full,
}

/// The watchlists of every user.
pub(crate) struct Lists(Mutex<HashMap<String, Vec<Entry>>>);

impl Lists {
    /// The watchlists of the table.
    pub(crate) fn published() -> Self {
        let lists = Self(Mutex::default());
        lists.reset();
        lists
    }

    /// Back to the watchlists of the table.
    pub(crate) fn reset(&self) {
        let entry = |content: &&str| Entry { content: (*content).to_owned(), added_at: HISTORY_START };
        *self.0.lock().expect("no holder of this lock panics") =
            library::users().map(|user| (user.id.to_owned(), user.watchlist.iter().map(entry).collect())).collect();
    }

    /// The ids on a user's watchlist, the oldest wish first.
    pub(crate) fn watchlist(&self, user: &str) -> Vec<String> {
        self.entries(user).into_iter().map(|entry| entry.content).collect()
    }

    fn entries(&self, user: &str) -> Vec<Entry> {
        self.0.lock().expect("no holder of this lock panics").get(user).cloned().unwrap_or_default()
    }

    fn add(&self, user: &str, content: &str, now: u64) -> Added {
        let mut lists = self.0.lock().expect("no holder of this lock panics");
        if lists.len() >= USERS_MAX && !lists.contains_key(user) {
            return Added::Full;
        }
        let entries = lists.entry(user.to_owned()).or_default();
        if entries.iter().any(|entry| entry.content == content) {
            return Added::Already;
        }
        if entries.len() >= ENTRIES_MAX {
            return Added::Full;
        }
        entries.push(Entry { content: content.to_owned(), added_at: now });
        Added::New
    }

    /// Takes a wish back; `None` where there was none.
    fn remove(&self, user: &str, content: &str) -> Option<()> {
        let mut lists = self.0.lock().expect("no holder of this lock panics");
        let entries = lists.get_mut(user)?;
        let at = entries.iter().position(|entry| entry.content == content)?;
        entries.remove(at);
        Some(())
    }
}

/// The routes below `/sync`.
pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/api/v1/user/watchlist", get(watchlist).post(add))
        .route("/api/v1/user/watchlist/{id}", delete(remove))
        .route("/api/v1/user/history", get(history))
}

fn private(response: Response) -> Response {
    reply::with(response, CACHE_CONTROL.as_str(), PRIVATE)
}

fn entry_object(world: &Shared, content: &str, moment: &str, at: u64) -> Value {
    let title = world.library.title(content).map(brief);
    json!({"content_id": content, moment: stamp::rfc3339(at), "content": title})
}

async fn watchlist(State(world): State<Shared>, headers: HeaderMap) -> Response {
    let user = match required_user(&headers) {
        Ok(user) => user,
        Err(refusal) => return refusal,
    };
    let items: Vec<_> = world
        .lists
        .entries(user)
        .iter()
        .map(|entry| entry_object(&world, &entry.content, "added_at", entry.added_at))
        .collect();
    private(reply::ok(&json!({"user_id": user, "total": items.len(), "items": items})))
}

#[derive(Deserialize)]
struct Wish {
    content_id: String,
}

async fn add(State(world): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let (user, wish) =
        match required_user(&headers).and_then(|user| Ok((user, reply::payload::<Wish>(&headers, &body)?))) {
            Ok(both) => both,
            Err(refusal) => return refusal,
        };
    if world.library.title(&wish.content_id).is_none() {
        return reply::error(StatusCode::NOT_FOUND, &format!("there is no content {}", wish.content_id));
    }
    let now = stamp::now();
    let status = match world.lists.add(user, &wish.content_id, now) {
        Added::New => StatusCode::CREATED,
        Added::Already => StatusCode::OK,
        Added::Full => return reply::error(StatusCode::CONFLICT, "the watchlist is full"),
    };
    private(reply::json(status, &entry_object(&world, &wish.content_id, "added_at", now)))
}

async fn remove(State(world): State<Shared>, headers: HeaderMap, Path(id): Path<String>) -> Response {
    let user = match required_user(&headers) {
        Ok(user) => user,
        Err(refusal) => return refusal,
    };
    if world.lists.remove(user, &id).is_none() {
        return reply::error(StatusCode::NOT_FOUND, &format!("{id} is not on the watchlist"));
    }
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    private(response)
}

async fn history(State(world): State<Shared>, headers: HeaderMap, params: Params) -> Response {
    let user = match required_user(&headers) {
        Ok(user) => user,
        Err(refusal) => return refusal,
    };
    let seen = world.library.user(user).map(|user| user.history.as_slice()).unwrap_or_default();
    let (page, limit) = (params.clamped("page", 1, 1, 10_000), params.clamped("limit", 20, 1, 100));
    let moments = (HISTORY_START..).step_by(usize::try_from(HISTORY_STEP).unwrap_or(usize::MAX));
    let mut items: Vec<_> =
        seen.iter().zip(moments).map(|(content, at)| entry_object(&world, content, "watched_at", at)).collect();
    items.reverse();
    let items: Vec<_> = items.into_iter().skip((page - 1) * limit).take(limit).collect();
    private(reply::ok(&json!({"user_id": user, "total": seen.len(), "page": page, "limit": limit, "items": items})))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watchlist_remembers_each_wish_once() {
        let lists = Lists::published();
        assert_eq!(lists.add("dave", "movie-101", 1), Added::New);
        assert_eq!(lists.add("dave", "movie-101", 2), Added::Already);
        assert_eq!(lists.add("dave", "tv-201", 3), Added::New);
        assert_eq!(lists.watchlist("dave"), ["movie-101", "tv-201"]);
        assert_eq!(lists.remove("dave", "movie-101"), Some(()));
        assert_eq!(lists.remove("dave", "movie-101"), None);
        assert_eq!(lists.watchlist("dave"), ["tv-201"]);
        lists.reset();
        assert!(lists.watchlist("dave").is_empty() && !lists.watchlist("user123").is_empty());
    }

    #[test]
    fn a_watchlist_has_an_end() {
        let lists = Lists::published();
        for number in 0..ENTRIES_MAX {
            assert_eq!(lists.add("dave", &number.to_string(), 0), Added::New);
        }
        assert_eq!(lists.add("dave", "one more", 0), Added::Full);
    }
}
