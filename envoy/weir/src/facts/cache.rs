//! How answers to a request are kept.

use cache::config::{Forced, Isolation, Route};
use cache::{Config, request};
use policy::Headers;
use policy::method::is_unsafe;
use serde_json::{Value as Json, json};

use crate::draft::Draft;
use crate::facts::{period, seconds};

/// The route that a request takes through the cache, in words; `None` where there is none. `own` is what the policy says of it.
pub(super) fn says(own: &Draft, config: &Config, headers: &Headers) -> Option<String> {
    let method = headers.first(":method").unwrap_or_default();
    let route = request::route(config, method, headers)?;
    let mut words = vec![format!("`{}`", route.data_type)];
    words.extend(route.lifetimes.iter().map(lifetime));
    if route.lifetimes.is_empty() {
        words.push("for as long as the answer says".to_owned());
    }
    words.push(callers(route).to_owned());
    if let Some(search) = &route.search {
        words.push(format!("searches by bodies of up to {} bytes within {}", search.bytes_max, period(search.wait)));
    }
    for (length, what) in [
        (route.heuristic_max, "guessed to be fresh for up to"),
        (route.while_revalidate, "used while it is refreshed, stale for up to"),
        (route.if_error, "used where the upstream fails, stale for up to"),
    ] {
        if length > 0 {
            words.push(format!("{what} {}", seconds(length)));
        }
    }
    if let Some(query) = own.to_json().get("query") {
        words.push(format!("of a query without {query}"));
    }
    if config.level.is_some() && !route.is_remote {
        words.push("not shared with the fleet".to_owned());
    }
    if route.mark.is_some() {
        words.push("apart from what other routes keep of the same URL".to_owned());
    }
    if route.purge_key.is_some() {
        words.push("purged by who has the key".to_owned());
    }
    Some(words.join(", "))
}

/// The same of a route that keeps nothing; `None` where the filter lets the request pass unseen.
pub(super) fn ends(headers: &Headers) -> Option<String> {
    let method = headers.first(":method").unwrap_or_default();
    is_unsafe(method).then(|| "keeps nothing, and ends what is kept of what it changes".to_owned())
}

/// Whose key purges, which nobody may read.
pub(super) fn means(own: &Draft) -> Json {
    json!({"purge_key_sha256": own.to_json().get("purge_key_sha256")})
}

fn lifetime(forced: &Forced) -> String {
    let statuses: Vec<_> = forced.statuses.iter().map(u16::to_string).collect();
    let mut words = format!("{} for {}", statuses.join("/"), seconds(forced.lifetime));
    for (despite, word) in [
        (forced.despite.private, "private"),
        (forced.despite.no_store, "no-store"),
        (forced.despite.set_cookie, "set-cookie"),
    ] {
        if despite {
            words.push_str(&format!(" despite {word}"));
        }
    }
    words
}

const fn callers(route: &Route) -> &'static str {
    match route.isolation {
        Some(Isolation::User) => "for each user apart",
        Some(Isolation::Tier) => "for each tier apart",
        None if route.shared => "for all callers alike",
        None => "for callers without a credential, and others where the answer allows it",
    }
}
