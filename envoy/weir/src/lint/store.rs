//! What the cache gives to whom, and what it can hold.

use cache::config::Isolation;

use crate::code::Code;
use crate::diagnostic::Mistakes;
use crate::draft::Draft;
use crate::gateway::{Gateway, written};
use crate::policy::Route;
use crate::policy::route::Auth;

/// Looks at each route whose answers are kept.
pub fn look(gateway: &Gateway<'_>, found: &mut Mistakes) {
    let cached = gateway.policy.routes.iter().filter_map(|route| Some((route, route.cache.as_ref()?)));
    // The filter's routes are the policy's that are cached, in their order.
    for ((route, draft), kept) in cached.zip(&gateway.cache.routes) {
        if is_never_asked(route, kept) {
            let wrong = format!("nothing is ever stored of `{}`", written(route));
            let fix = "name GET, say which parts of a POST count (`cache: {body: …}`), or take `cache` out";
            found.add_as(Code::NeverStored, draft.span(), wrong, fix);
            continue;
        }
        callers(gateway, route, draft, kept, found);
        for forced in &kept.lifetimes {
            if forced.despite.no_store {
                let wrong = format!("answers to `{}` are kept that say `no-store`", written(route));
                found.add_as(
                    Code::StoredDespite,
                    &draft.locate_key("despite"),
                    wrong,
                    "take `no-store` out of `despite`",
                );
                break;
            }
        }
    }
    long_bodies(gateway, found);
}

/// Whether the cache lets all of a route's requests pass.
fn is_never_asked(route: &Route, kept: &cache::config::Route) -> bool {
    let admits = |method| route.matcher.rule.admits(method);
    !(admits("GET") || admits("HEAD") || admits("POST") && kept.search.is_some())
}

/// What callers with a credential are answered.
fn callers(gateway: &Gateway<'_>, route: &Route, draft: &Draft, kept: &cache::config::Route, found: &mut Mistakes) {
    let unsaid = if gateway.policy.identity.is_some() { Auth::Required } else { Auth::Off };
    let auth = route.auth.unwrap_or(unsaid);
    let learns_who = gateway.policy.upstream(&route.upstream.value).is_some_and(|upstream| upstream.internal);
    if auth == Auth::Off {
        return;
    }
    let is_forced_private = kept.lifetimes.iter().any(|forced| forced.despite.private);
    let alike = match kept.isolation {
        _ if kept.shared => Some(("shared", "shared: true", "all callers")),
        Some(Isolation::Tier) => Some(("isolate", "isolate: tier", "all callers of a tier")),
        _ => None,
    };
    if let Some((key, said, callers)) = alike.filter(|_| learns_who && is_forced_private) {
        let wrong = format!("private answers to `{}` are shared by {callers}", written(route));
        let fix = format!("say `isolate: user` instead of `{said}`, or take `private` out of `despite`");
        found.add_as(Code::SharedPrivate, &draft.locate(key), wrong, fix);
    } else if kept.shared && learns_who && !draft.has("isolate") {
        let asks = if auth == Auth::Required { "needs" } else { "accepts" };
        let wrong = format!("`{}` {asks} a credential, and answers everybody alike", written(route));
        let fix = "say `isolate: user` or `isolate: tier` instead of `shared: true`; `isolate: none` beside it where that is meant";
        found.add_as(Code::SharedAnswers, &draft.locate("shared"), wrong, fix);
    } else if !kept.admits_known() && auth == Auth::Required {
        let wrong = format!("`{}` needs a credential, by which its answers are seldom kept", written(route));
        found.add_as(Code::IdleCache, draft.span(), wrong, "say `isolate: user`, `isolate: tier` or `shared: true`");
    }
}

/// A provider's answer that is too long for the cache is one that is asked for again and again.
fn long_bodies(gateway: &Gateway<'_>, found: &mut Mistakes) {
    let (kept, Some(providers)) = (gateway.cache.object_bytes_max, &gateway.provider) else { return };
    for provider in &providers.providers {
        let Some(upstream) = gateway.policy.upstream(&provider.name) else { continue };
        let is_cached = |route: &Route| route.upstream.value == provider.name && route.cache.is_some();
        let said = upstream.provider.as_ref().filter(|provider| provider.draft.has("answer_max"));
        let Some(said) = said.filter(|_| provider.answer_bytes_max > kept) else { continue };
        if gateway.policy.routes.iter().any(is_cached) {
            let wrong = format!(
                "`{}` may answer with {} bytes, of which the cache holds {kept}",
                provider.name, provider.answer_bytes_max
            );
            let fix = "say a larger `cache: {object_bytes_max: …}`, or a smaller `answer_max`";
            found.add_as(Code::LongBody, &said.draft.locate("answer_max"), wrong, fix);
        }
    }
}
