//! How a rule's key is read.

use policy::config::ConfigError;
use policy::route;

use super::wrong;
use crate::key::{Key, Part, Prefixes};
use crate::rule::Route;

const PARTS: &str = "must be user, api_key, tier, address, header:name, path, method or upstream";

pub(super) fn valid(words: &[String], has_upstream: bool, has_routes: bool) -> Result<Key, ConfigError> {
    if words.is_empty() {
        return Err(ConfigError::at(
            "key",
            "must name user, address, upstream, header:name or another part of a request",
        ));
    }
    let mut parts: Vec<Part> = Vec::with_capacity(words.len());
    for (index, word) in words.iter().enumerate() {
        let place = || format!("key[{index}]");
        let part = part(word).map_err(|mistake| mistake.inside(place()))?;
        let alone = part == Part::Upstream && !has_upstream;
        if alone && !(has_routes && words.len() > 1) {
            return Err(ConfigError::at(place(), "needs the rule's `upstream`"));
        }
        if parts.iter().any(|other| other == &part || matches!((other, &part), (Part::Address(_), Part::Address(_)))) {
            return Err(ConfigError::at(place(), "is there twice"));
        }
        parts.push(part);
    }
    Ok(Key::new(parts))
}

fn part(word: &str) -> Result<Part, ConfigError> {
    Ok(match (word, word.strip_prefix("header:"), word.strip_prefix("address")) {
        ("user", ..) => Part::User,
        ("api_key", ..) => Part::ApiKey,
        ("tier", ..) => Part::Tier,
        ("path", ..) => Part::Path,
        ("method", ..) => Part::Method,
        ("upstream", ..) => Part::Upstream,
        (_, Some(name), _) => {
            route::lower_case(name)?;
            Part::Header(name.to_owned())
        }
        (_, _, Some(prefixes)) => {
            const PREFIX: &str = "must be address, address/64 (of IPv6) or address/24/56 (of IPv4 and IPv6)";
            Part::Address(Prefixes::parse(prefixes).ok_or_else(|| wrong("", PREFIX, word))?)
        }
        _ => return Err(wrong("", PARTS, word)),
    })
}

/// A path is the one that a route says; of a route that says none, there is nothing to tell apart.
pub(super) fn check(key: &Key, routes: &[Route]) -> Result<(), ConfigError> {
    let by_path = key.parts().contains(&Part::Path);
    if by_path && routes.iter().any(|route| route.account.pattern.is_empty()) {
        return Err(ConfigError::at("key", "has `path`, so every match needs a path, prefix or template"));
    }
    Ok(())
}
