//! One request on its way through all filters: which rule of each is about it, and what it would do.

use cache::request::Plan;
use correlation::identity::{Began, Identity, Random, Source};
use policy::route::Target;
use policy::{Headers, Instant};
use serde_json::{Value as Json, json};

use crate::explain::request::Request;
use crate::explain::verdict::{self, Caller};
use crate::facts::{self, Fact};
use crate::gateway::{Gateway, SEED, written};
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
    let headers = request.to_headers();
    let route = gateway.route(&Target::of(&headers)).map(|(index, route)| (index + 1, written(route)));
    let mut steps = vec![Step { filter: "correlation", rules: Vec::new(), does: Some(ids(gateway, &headers)) }];
    if route.is_none() {
        let does = Some("answers 404: no route of the policy is for it".to_owned());
        steps.push(Step { filter: "envoy", rules: Vec::new(), does });
        return Walk { route, steps };
    }
    let verdict = verdict::judge(gateway, &headers, caller, now);
    let known = verdict.headers.as_ref().unwrap_or(&headers);
    let facts = facts::of(gateway, known, &[]);
    for filter in facts::ORDER {
        let rules: Vec<_> =
            facts.iter().filter(|fact| fact.filter == filter).map(|fact: &Fact| fact.says.clone()).collect();
        if rules.is_empty() {
            continue;
        }
        let body = request.body.as_deref().map(str::as_bytes);
        let does = match filter {
            "auth" => Some(verdict.says.clone()),
            "cache" => Some(kept(gateway, request, known)),
            INPUT => gateway.input.as_ref().and_then(|config| facts::provider::refuses(config, known, body)),
            "provider" => gateway.provider.as_ref().and_then(|config| facts::provider::becomes(config, known, body)),
            _ => None,
        };
        let is_answered = filter == "auth" && verdict.headers.is_none() || filter == INPUT && does.is_some();
        steps.push(Step { filter, rules, does });
        if is_answered {
            break;
        }
    }
    Walk { route, steps }
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

fn kept(gateway: &Gateway<'_>, request: &Request, headers: &Headers) -> String {
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
                Some(inquiry) => asks(&inquiry).to_owned(),
                None => "lets it pass: its body has no canonical form".to_owned(),
            }
        }
        Plan::Pass { why, detail, invalidates } => {
            let detail = detail.map(|detail| format!(" ({detail})")).unwrap_or_default();
            let also =
                if invalidates.is_some() { ", and drops what is stored of this URL once it has succeeded" } else { "" };
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
