//! One request on its way through all filters: which rule of each is about it, and what it would do. What is answered before any
//! route of the policy is [`gate`]'s.

use cache::request::Plan;
use correlation::identity::{Began, Identity, Random, Source};
use policy::route::Target;
use policy::{Headers, Instant};
use serde_json::{Value as Json, json};

use crate::envoy::path::{self, Refused};
use crate::explain::gate;
use crate::explain::request::Request;
use crate::explain::verdict::{self, Caller, Verdict};
use crate::facts::{self, Fact};
use crate::gateway::{Gateway, SEED, written};
use crate::policy::operation::Own;
use crate::translate::guard::BODIES;
use crate::translate::provider::INPUT;

/// One filter, and what it has to say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Step {
    /// The filter; `envoy` for the proxy itself.
    pub filter: &'static str,
    /// What of the policy is about the request.
    pub rules: Vec<String>,
    /// What it would do with this very request, as far as that can be known without its state.
    pub does: Option<String>,
}

/// The whole way.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Walk {
    /// The route that is taken, and its place among all, counted from one.
    pub route: Option<(usize, String)>,
    /// In the order in which the request meets them; it goes no farther than where it is answered.
    pub steps: Vec<Step>,
}

/// Follows a request at this moment; `caller` is who sends it, where that is not to be judged.
pub fn walk(gateway: &Gateway<'_>, request: &Request, caller: Option<&Caller>, now: Instant) -> Walk {
    let request = &match arrived(request) {
        Ok(request) => request,
        Err(refused) => {
            let steps = vec![answered("envoy", &format!("answers 400: its path has {}", refused.what()))];
            return Walk { route: None, steps };
        }
    };
    let headers = request.to_headers();
    let target = Target::of(&headers);
    let mut steps = vec![answered("correlation", &ids(gateway, &headers))];
    if let Some(own) = gateway.own(&target) {
        steps.extend(of_proxy(gateway, own, request, &headers, caller, now));
        return Walk { route: None, steps };
    }
    if let Some(says) = gate::preflight(gateway, &headers) {
        steps.push(answered("cors", &says));
        return Walk { route: None, steps };
    }
    steps.extend(gate::reader(gateway, &headers).map(|says| answered("cors", &says)));
    let found = gateway.route(&target);
    let route = found.map(|(index, route)| (index + 1, written(route)));
    match found {
        Some((_, route)) if route.inside => {
            steps.push(answered("envoy", "answers 404: the proxy's own requests alone take this route"));
        }
        Some(_) => of_route(gateway, request, &headers, &verdict::judge(gateway, &headers, caller, now), &mut steps),
        None => steps.push(
            guarded(gateway, &headers, request)
                .unwrap_or_else(|| answered("envoy", "answers 404: no route of the policy is for it")),
        ),
    }
    Walk { route, steps }
}

/// The request as the first filter sees it; what Envoy refuses of it where there is none for it to see.
fn arrived(request: &Request) -> Result<Request, Refused> {
    Ok(Request { target: path::normalised(&request.target)?, ..request.clone() })
}

/// A step of which there is nothing to say but what it does.
fn answered(filter: &'static str, does: &str) -> Step {
    Step { filter, rules: Vec::new(), does: Some(does.to_owned()) }
}

/// What the guard does with a request that no route of the policy is for; `None` where it lets it pass.
fn guarded(gateway: &Gateway<'_>, headers: &Headers, request: &Request) -> Option<Step> {
    let refused = |config: &Option<guard::Config>| gate::refuses(config.as_ref()?, headers, request);
    refused(&gateway.guard).map(|does| answered("guard", &does))
}

/// What becomes of a request that the proxy answers itself.
fn of_proxy(
    gateway: &Gateway<'_>,
    own: Own,
    request: &Request,
    headers: &Headers,
    caller: Option<&Caller>,
    now: Instant,
) -> Vec<Step> {
    if let Some(refused) = guarded(gateway, headers, request) {
        return vec![refused];
    }
    match (own, &gateway.admin) {
        (Own::Health, _) => vec![answered("admin", &gate::health(&Target::of(headers)))],
        (Own::Admin, Some(admin)) => {
            // Only a role has to be found.
            let judged = admin.operators.role.as_ref().map(|_| verdict::judge(gateway, headers, caller, now));
            let mut steps: Vec<_> = judged.iter().map(|verdict| answered("auth", &verdict.says)).collect();
            let known = judged.as_ref().map_or(Some(headers), |verdict| verdict.headers.as_ref());
            let says = known.map(|known| gate::operator(admin, &Target::of(headers), known));
            steps.extend(says.map(|says| answered("admin", &says)));
            steps
        }
        (Own::Metrics, _) | (Own::Admin, None) => vec![answered("envoy", "answers with all metrics")],
    }
}

/// What becomes of a request on its route, filter by filter.
fn of_route(gateway: &Gateway<'_>, request: &Request, headers: &Headers, verdict: &Verdict, steps: &mut Vec<Step>) {
    let known = verdict.headers.as_ref().unwrap_or(headers);
    let facts = facts::of(gateway, known, &[]);
    for filter in facts::ORDER {
        let rules: Vec<_> =
            facts.iter().filter(|fact| fact.filter == filter).map(|fact: &Fact| fact.says.clone()).collect();
        if rules.is_empty() {
            continue;
        }
        let body = request.body.as_deref().map(str::as_bytes);
        let refused = match filter {
            "guard" => gateway.guard.as_ref().and_then(|config| gate::refuses(config, headers, request)),
            BODIES => gateway.bodies.as_ref().and_then(|config| gate::refuses(config, known, request)),
            INPUT => gateway.input.as_ref().and_then(|config| facts::provider::refuses(config, known, body)),
            _ => None,
        };
        let is_answered = filter == "auth" && verdict.headers.is_none() || refused.is_some();
        let does = refused.or_else(|| match filter {
            "auth" => Some(verdict.says.clone()),
            "cache" => Some(kept(gateway, request, known)),
            "provider" => gateway.provider.as_ref().and_then(|config| facts::provider::becomes(config, known, body)),
            _ => None,
        });
        steps.push(Step { filter, rules, does });
        if is_answered {
            break;
        }
    }
}

fn ids(gateway: &Gateway<'_>, headers: &Headers) -> String {
    // What is made is made of randomness; whether it is made is not.
    let random = Random { id: [0; 16], trace: [1; 16], parent: [1; 8] };
    let identity = Identity::of(&gateway.correlation, headers, random);
    let id = match identity.source {
        Source::Client => format!("keeps the request id `{}`", identity.request_id.as_str()),
        Source::Made => "makes a request id".to_owned(),
    };
    let trace = match identity.began {
        Began::Continued => "goes on with the client's trace",
        Began::Started => "begins a trace",
        Began::Restarted => "begins a trace in place of the client's, which is not valid",
    };
    let agent = identity.agent.map(|agent| format!(", and knows the agent `{agent}`"));
    format!("{id}, {trace}{}", agent.unwrap_or_default())
}

/// What more a request does that may change something.
const DROPS: &str = ", and drops what is stored of this URL once it has succeeded";

fn kept(gateway: &Gateway<'_>, request: &Request, headers: &Headers) -> String {
    let is_order = headers.first(":method") == Some(b"PURGE");
    if is_order && cache::request::purge_key(&gateway.cache, headers).is_some() {
        return "answers: it drops what is stored of this URL, or what `x-purge` says, for whoever has the key"
            .to_owned();
    }
    let plan = cache::request::plan(&gateway.cache, &SEED, headers.clone(), request.body.is_some());
    let asks = |inquiry: &cache::request::Inquiry| match gateway.cache.routes.get(inquiry.route) {
        Some(route) if inquiry.caller.is_particular(route) => {
            "answers from what is stored where the answer allows it for callers with a credential"
        }
        _ => "answers from what is stored, if there is something fresh; if not, stores the answer",
    };
    match plan {
        Plan::Ask(inquiry) => asks(&inquiry).to_owned(),
        Plan::Gather(gathering) => {
            let body = request.body.as_deref().unwrap_or_default().as_bytes();
            match gathering.complete(&SEED, body) {
                Ok(inquiry) => asks(&inquiry).to_owned(),
                Err(_) => format!("lets it pass: its body has no canonical form{DROPS}"),
            }
        }
        Plan::Leave => "lets it pass".to_owned(),
        Plan::Pass { why, detail, invalidates } => {
            let detail = detail.map(|detail| format!(" ({detail})")).unwrap_or_default();
            let also = if invalidates.is_some() { DROPS } else { "" };
            format!("lets it pass: {}{detail}{also}", why.token())
        }
    }
}

impl Walk {
    /// For people.
    pub fn to_text(&self) -> String {
        let mut text = match &self.route {
            Some((place, route)) => format!("route {place}: {route}\n"),
            None => "no route\n".to_owned(),
        };
        for step in &self.steps {
            let mut name = step.filter;
            for rule in &step.rules {
                text.push_str(&format!("{name:12} {rule}\n"));
                name = "";
            }
            if let Some(does) = &step.does {
                text.push_str(&format!("{name:12} > {does}\n"));
            }
        }
        text
    }

    /// For programs.
    pub fn to_json(&self) -> Json {
        let step = |step: &Step| json!({"filter": step.filter, "rules": step.rules, "does": step.does});
        let route = self.route.as_ref().map(|(place, route)| json!({"place": place, "match": route}));
        json!({"route": route, "steps": self.steps.iter().map(step).collect::<Vec<_>>()})
    }
}
