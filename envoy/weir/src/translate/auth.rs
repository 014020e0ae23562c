//! The auth filter: whose tokens are good, and which routes ask for one.

use crate::diagnostic::Mistakes;
use crate::draft::Draft;
use crate::policy::Policy;
use crate::policy::operation::Exclusive;
use crate::policy::route::Auth;

/// The filter's configuration.
pub fn draft(policy: &Policy, mistakes: &mut Mistakes) -> Draft {
    let mut draft = match &policy.identity {
        Some(identity) => identity.draft.clone(),
        None => Draft::object(&policy.span),
    };
    if let (Some(_), Some(state)) = (&policy.identity, &policy.state) {
        draft.set("state", state.draft.clone());
    }
    // Where nobody can show a token, no route needs one; where somebody can, every route does that does not say
    // otherwise.
    let unsaid = if policy.identity.is_some() { Auth::Required } else { Auth::Off };
    let routes = policy.routes.iter().filter(|route| !route.inside).map(|route| {
        let auth = route.auth.unwrap_or(unsaid);
        if policy.identity.is_none() && auth != Auth::Off {
            let wrong = format!("`auth: {}` needs an `identity`", auth.word());
            mistakes.add(&route.span, wrong, "nobody's tokens are accepted by this policy");
        }
        let mut entry = Draft::object(&route.span);
        entry.set("match", route.matcher.draft.clone());
        let auth = if policy.identity.is_none() { Auth::Off } else { auth };
        entry.set("auth", Draft::leaf(auth.word(), &route.span));
        if let Some(allow) = &route.allow {
            entry.set("allow", allow.clone());
        }
        entry
    });
    let routes = operators(policy).into_iter().flatten().chain(routes).collect();
    if let Some(permissions) = &policy.permissions {
        draft.set("permissions", permissions.clone());
    }
    draft.set("routes", Draft::list(routes, &policy.span));
    // A request without a route gets Envoy's 404, whoever asks.
    draft.set("default", Draft::leaf(Auth::Off.word(), &policy.span));
    draft
}

/// What operators ask for, where a role makes them that: before all routes of the policy, as Envoy has it. Their page asks nobody for
/// anything: it is what asks them.
fn operators(policy: &Policy) -> Option<[Draft; 3]> {
    let operation = policy.operation.as_ref().filter(|_| policy.identity.is_some())?;
    let auth = match operation.role()? {
        Exclusive::Yes => Auth::Required,
        // Who shows an operator's key need not be anybody.
        Exclusive::No => Auth::Optional,
    };
    let span = &operation.span;
    let entry = |kind: &str, path: &str, auth: Auth| {
        let mut matcher = Draft::object(span);
        matcher.set(kind, Draft::leaf(path, span));
        let mut entry = Draft::object(span);
        entry.set("match", matcher);
        entry.set("auth", Draft::leaf(auth.word(), span));
        entry
    };
    let page = |path| entry("path", path, Auth::Off);
    Some([page("/admin"), page("/admin/"), entry("prefix", "/admin", auth)])
}
