//! The schema of a policy.

use serde_json::{Value as Json, json};

use super::shape::{
    address, any, by_name, flag, line, list, matching, memory, object, period, put, scalar, text, url, whole, with,
    words,
};
use super::{admin, auth, breaker, cache, compose, correlation, guard, provider, ratelimit};

pub(super) fn all() -> Json {
    let fallen = object(&[
        ("listen", address(), "Where Envoy's own administration listens. Default: 127.0.0.1:9901."),
        ("operators", admin::operators(), "Who may ask for more than health."),
    ]);
    object(&[
        ("version!", json!({"enum": [1, "1"]}), "The version of this format."),
        ("listen", address(), "Where clients arrive. Default: 127.0.0.1:8080."),
        ("admin", any([address(), fallen]), "Where the proxy is administered, and by whom."),
        ("state", state(), "What the proxies of a fleet share, and where."),
        ("clients", clients(), "What is granted to clients' connections."),
        ("identity", auth::of_policy(), "Whose credentials are believed."),
        ("permissions", auth::permissions(), "Rules by name, for `allow` of routes."),
        (
            "tiers",
            by_name(ratelimit::tier_of_policy()),
            "What the callers of each tier may; `anonymous` stands for those without one.",
        ),
        ("correlation", correlation::whole(), "Ids, traces and agents."),
        ("ratelimit", ratelimit::options_of_policy(), "How limits are kept."),
        ("guard", guard::of_policy(), "What stands between strangers and everything else."),
        ("tracing", guard::tracing(), "Where spans go."),
        ("compose", compose::options(), "How many composed answers are under way."),
        ("cache", cache::options(), "How much is kept, and how."),
        ("breaker", breaker::options(), "How breakers are kept."),
        ("upstreams!", by_name(upstream()), "Where requests go, by name."),
        ("routes!", list(route()), "Which requests go where; the first that matches counts."),
        ("sandbox", by_name(text()), "Which paths of a sandbox stand for which addresses."),
        ("examples", list(example()), "Requests to try."),
    ])
}

fn state() -> Json {
    let env = || object(&[("env!", text(), "The variable that holds it.")]);
    object(&[
        ("store!", words(&["memory", "redis"]), "`memory`: one proxy by itself; `redis`: a fleet."),
        ("url", url(), "Where the bridge to Redis is."),
        ("dialect", words(&["webdis", "upstash"]), "How the bridge is spoken to. Default: `webdis`."),
        ("user", text(), "Who asks, with webdis."),
        ("password", env(), "webdis's password."),
        ("token", env(), "Upstash's token."),
        ("timeout", period(), "How long an answer may take. Default: 250ms."),
        ("prefix", text(), "What keys begin with. Default: `weir`."),
    ])
}

fn clients() -> Json {
    object(&[
        ("connections", whole(1, 1_000_000), "So many at the same time. Default: 25000."),
        ("trusted_hops", whole(0, 16), "So many proxies in front are believed what they say of addresses. Default: 0."),
        ("idle_timeout", period(), "After how long without a request a connection is closed. Default: 5m."),
        ("request_timeout", period(), "How long a request may take to arrive. Default: 1m."),
        ("headers", whole(8, 1000), "So many headers. Default: 100."),
        ("header_bytes", memory(), "So many bytes of headers. Default: 60KiB."),
    ])
}

fn upstream() -> Json {
    let value =
        object(&[("env!", text(), "The variable that holds it."), ("default", scalar(), "What it is without.")]);
    object(&[
        ("url!", url(), "Where it is, and what its paths begin with."),
        ("internal", flag(), "Whether it is one of our own: it learns who calls, and is not retried. Default: false."),
        ("headers", by_name(any([scalar(), value])), "Headers that it gets."),
        ("timeout", period(), "How long an answer may take, all tries together. Default: 30s."),
        ("connect_timeout", period(), "How long a connection may take. Default: 5s."),
        ("retry", unless_off(retry()), "What is tried again, and how often."),
        ("pool", pool(), "How much may be under way to it."),
        ("breaker", unless_off(breaker::of_policy()), "When it is left alone, and what answers meanwhile."),
        ("limit", unless_off(ratelimit::limit_of_policy()), "How often it is asked."),
        ("slow_down", unless_off(ratelimit::slow_down()), "What it is left alone for when it asks for that."),
        ("profile", provider::profile(), "Which third party it is, whose interface is made ours."),
        ("credentials", provider::credentials_of_policy(), "How it is told who asks."),
        ("user_agent", text(), "How it is told which program asks."),
        ("answer_max", whole(1024, 67_108_864), "A longer answer, in bytes, is none. Default: 2097152."),
    ])
}

/// A part that may be said not to be there.
fn unless_off(part: Json) -> Json {
    any([words(&["off"]), part])
}

fn retry() -> Json {
    object(&[
        ("times", whole(1, 10), "So often. Default: 3."),
        ("wait", period(), "Before the first time; each further one waits for twice as long. Default: 1s."),
        ("longest_wait", period(), "So long at most. Default: 1m."),
        ("per_try", period(), "How long one try may take. Default: 10s."),
        ("statuses", list(whole(400, 599)), "After these answers. Default: 429, 500, 502, 503, 504."),
        ("methods", list(text()), "Of these methods. Default: GET, HEAD, OPTIONS."),
        ("budget", whole(1, 100), "At most so many percent of all requests under way are retries. Default: 20."),
    ])
}

fn pool() -> Json {
    object(&[
        ("connections", whole(1, 100_000), "So many connections. Default: 100."),
        ("pending", whole(1, 100_000), "So many requests that wait for one. Default: 1024."),
        ("requests", whole(1, 100_000), "So many requests. Default: 1024."),
    ])
}

fn route() -> Json {
    let mut route = object(&[
        ("match!", any([line(), full(matching())]), "Which requests: `GET /things/{id}`, `/api/*`, or an object."),
        ("upstream", text(), "Where they go."),
        ("compose", compose::of_route(), "The calls that their answer is made of, in place of `upstream`."),
        ("inside", flag(), "Whether only what the proxy asks for itself takes it. Default: false."),
        ("strip", text(), "What is taken off the beginning of their paths."),
        ("auth", words(&["required", "optional", "off"]), "Whether they need a credential."),
        (
            "allow",
            auth::allow(),
            "What their callers must be: a rule, the name of a permission, or a list of which all must hold.",
        ),
        ("limit", words(&["tier", "off"]), "Whether callers' limits count here. Default: `tier`."),
        ("cost", whole(1, u64::from(u32::MAX)), "How many tokens a request takes. Default: 1."),
        ("accepts", guard::accepts(), "What bodies may be."),
        ("cache", unless_off(cache::of_policy()), "How answers are kept."),
        ("timeout", period(), "How long an answer may take, in place of the upstream's."),
    ]);
    put(&mut route, "anyOf", json!([{"required": ["upstream"]}, {"required": ["compose"]}]));
    route
}

/// Lists that are empty would stand for anything at all.
fn full(mut matching: Json) -> Json {
    for key in ["methods", "hosts"] {
        if let Some(list) = matching.pointer_mut(&format!("/properties/{key}")) {
            put(list, "minItems", 1.into());
        }
    }
    matching
}

fn example() -> Json {
    let call = object(&[
        ("request!", json!({"type": "string", "pattern": "^[A-Z]+ +(/|https?://)"}), "Method and path."),
        ("body", scalar(), "Its body."),
        ("token", scalar(), "Where a token for it comes from."),
        ("headers", by_name(scalar()), "Its headers."),
    ]);
    with(
        call.clone(),
        &[
            ("title!", scalar(), "What it shows."),
            ("before", call, "What is asked first."),
            ("times", whole(1, 1000), "How often it is asked. Default: once."),
        ],
    )
}
