//! The schema of `provider`, and of what a policy says of credentials.

use serde_json::Value as Json;

use super::shape::{Member, by_name, flag, list, matching, object, period, text, url, whole, with, words};

pub(super) fn profile() -> Json {
    words(&provider::profile::names())
}

/// How a provider is told who asks; `secret` are the members of a secret, `more` those of a grant.
fn credentials(secret: &[Member<'_>], more: &[Member<'_>]) -> Json {
    let plain = || object(secret);
    let named = || with(object(secret), &[("name!", text(), "The name of the parameter or header.")]);
    let discogs = object(&[("key!", plain(), "The key."), ("secret!", plain(), "The secret.")]);
    let grant = object(&[
        ("token_url!", url(), "The token endpoint."),
        ("client_id!", plain(), "Who asks."),
        ("client_secret!", plain(), "What proves it."),
        ("style", words(&["basic", "form"]), "Where both are shown. Default: `basic`."),
        ("scope", text(), "What the token is to be good for, words parted by blanks."),
        ("refresh_before", period(), "How long before its end a token is replaced. Default: 1m."),
        ("leeway", period(), "How much earlier than it says a token is taken to end. Default: 10s."),
        ("timeout", period(), "How long an answer of the endpoint may take. Default: 5s."),
        ("wait", period(), "How long a request may wait for a token. Default: 5s."),
        ("waiting_max", whole(0, 65_536), "How many requests of one worker may wait. Default: 256."),
    ]);
    let mut styles = object(&[
        ("query", named(), "A parameter of the query."),
        ("header", named(), "A header with this value."),
        ("bearer", plain(), "`Authorization: Bearer …` with a token that does not change."),
        ("discogs", discogs, "`Authorization: Discogs key=…, secret=…`."),
        ("oauth2", with(grant, more), "A token that is fetched (client credentials, RFC 6749)."),
    ]);
    for bound in ["minProperties", "maxProperties"] {
        super::shape::put(&mut styles, bound, 1.into());
    }
    styles
}

const ENV: Member<'static> = ("env", Json::Null, "The variable of the environment that holds it.");
const DEFAULT: &str = "What it is where the environment has no such variable: for stand-ins, not for secrets.";

/// Those of an upstream in a policy, where a secret may be in a file.
pub(super) fn credentials_of_policy() -> Json {
    let secret = [
        (ENV.0, text(), ENV.2),
        ("file", text(), "The file that holds it, relative to the policy."),
        ("default", text(), DEFAULT),
        ("sandbox", text(), "The same beside `env`, with `--sandbox` alone."),
    ];
    credentials(&secret, &[])
}

pub(super) fn all() -> Json {
    let secret = [("env!", text(), ENV.2), ("default", text(), DEFAULT)];
    let cluster = [("cluster!", text(), "Envoy's cluster that leads to the token endpoint.")];
    let again = object(&[
        ("cluster!", text(), "The cluster that leads back into this proxy, and to this filter."),
        ("timeout", period(), "How long an answer may take. Default: 10s."),
    ]);
    let provider = object(&[
        ("profile", profile(), "Its kind. Default: its name."),
        ("base", serde_json::json!({"type": "string"}), "What the paths of its own requests begin with."),
        ("credentials", credentials(&secret, &cluster), "How it is told who asks."),
        ("user_agent", text(), "How it is told which program asks. Default: weir and its version."),
        ("answer_max", whole(1024, 67_108_864), "A longer answer, in bytes, is none. Default: 2097152."),
        ("again", again, "By which way a request goes once more whose token was refused."),
    ]);
    let route = object(&[
        ("match!", matching(), "Which requests."),
        ("provider!", text(), "For which provider."),
        ("strip", serde_json::json!({"type": "string"}), "What comes before `/search` or `/track/{id}`."),
    ]);
    object(&[
        ("providers", by_name(provider), "The providers."),
        ("routes", list(route), "Which requests are for which; the first that matches counts."),
        ("checks_only", flag(), "What cannot be asked is refused, and all else goes on as it is. Default: false."),
    ])
}
