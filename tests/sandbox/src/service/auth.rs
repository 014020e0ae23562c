//! Auth, as far as a gateway meets it: the profile and the preferences of the user whom a token names.

use std::{collections::HashMap, sync::Mutex};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    response::Response,
    routing::{get, put},
};
use hyper::{HeaderMap, StatusCode, header::CACHE_CONTROL};
use serde_json::{Map, Value, json};

use super::required_user;
use crate::{reply, world::Shared};

const PRIVATE: &str = "private, no-store";
const USERS_MAX: usize = 10_000;
const PREFERENCES_BYTES_MAX: usize = 16 * 1024;
/// The header in which the gateway says what a user pays for.
const TIER_HEADER: &str = "x-weir-tier";

/// The preferences that users have set.
#[derive(Default)]
pub(crate) struct Preferences(Mutex<HashMap<String, Map<String, Value>>>);

impl Preferences {
    /// A user's preferences: what everyone begins with, changed by what the user has set.
    fn of(&self, user: &str) -> Map<String, Value> {
        let mut preferences = Map::from_iter([
            ("language".to_owned(), json!("en")),
            ("region".to_owned(), json!("US")),
            ("autoplay".to_owned(), json!(true)),
        ]);
        let set = self.0.lock().expect("no holder of this lock panics").get(user).cloned().unwrap_or_default();
        preferences.extend(set);
        preferences
    }

    /// Sets what `change` names; a null takes a preference back. `None` where that would be too much to remember.
    fn set(&self, user: &str, change: Map<String, Value>) -> Option<()> {
        let mut all = self.0.lock().expect("no holder of this lock panics");
        if all.len() >= USERS_MAX && !all.contains_key(user) {
            return None;
        }
        let mut set = all.get(user).cloned().unwrap_or_default();
        for (name, value) in change {
            if value.is_null() {
                set.remove(&name);
            } else {
                set.insert(name, value);
            }
        }
        let size = Value::Object(set.clone()).to_string().len();
        (size <= PREFERENCES_BYTES_MAX).then(|| drop(all.insert(user.to_owned(), set)))
    }

    /// Forgets what users have set.
    pub(crate) fn reset(&self) {
        self.0.lock().expect("no holder of this lock panics").clear();
    }
}

/// The routes below `/auth`.
pub(crate) fn routes() -> Router<Shared> {
    Router::new().route("/api/v1/user/profile", get(profile)).route("/api/v1/user/preferences", put(preferences))
}

async fn profile(State(world): State<Shared>, headers: HeaderMap) -> Response {
    let user = match required_user(&headers) {
        Ok(user) => user,
        Err(refusal) => return refusal,
    };
    let known = world.library.user(user);
    let claimed = headers.get(TIER_HEADER).and_then(|tier| tier.to_str().ok());
    let response = reply::ok(&json!({
        // The identity provider vouches for users that this service has not met: they have a profile, if a bare one.
        "user_id": user, "name": known.map(|user| user.name), "email": known.map(|user| user.email),
        "tier": claimed.or_else(|| known.map(|user| user.tier)).unwrap_or("free"),
        "roles": known.map_or_else(|| vec!["user"], |user| user.roles.clone()),
        "preferences": world.preferences.of(user),
    }));
    reply::with(response, CACHE_CONTROL.as_str(), PRIVATE)
}

async fn preferences(State(world): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let user = match required_user(&headers) {
        Ok(user) => user,
        Err(refusal) => return refusal,
    };
    let change: Map<String, Value> = match reply::payload(&headers, &body) {
        Ok(change) => change,
        Err(refusal) => return refusal,
    };
    if world.preferences.set(user, change).is_none() {
        return reply::error(StatusCode::PAYLOAD_TOO_LARGE, "these preferences are too many");
    }
    let response = reply::ok(&json!({"user_id": user, "preferences": world.preferences.of(user)}));
    reply::with(response, CACHE_CONTROL.as_str(), PRIVATE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preference_is_set_changed_and_taken_back() {
        let preferences = Preferences::default();
        let set = |json: &str| preferences.set("a", serde_json::from_str(json).unwrap());
        assert_eq!(set(r#"{"language": "de", "theme": "dark"}"#), Some(()));
        assert_eq!((&preferences.of("a")["language"], &preferences.of("a")["theme"]), (&json!("de"), &json!("dark")));
        assert_eq!(preferences.of("b")["language"], "en");
        assert_eq!(set(r#"{"language": null}"#), Some(()));
        assert_eq!(preferences.of("a")["language"], "en");
        assert_eq!(set(&format!(r#"{{"long": "{}"}}"#, "x".repeat(PREFERENCES_BYTES_MAX))), None);
        preferences.reset();
        assert!(!preferences.of("a").contains_key("theme"));
    }
}
