//! Secrets that stand in a policy, where only the name of a variable belongs.
//!
//! They are found before anything else reads the policy, and a name is put in their place: whatever is said of the rest
//! cannot repeat them. The text that is shown beside mistakes has asterisks there.

use crate::diagnostic::{Mistakes, Span};
use crate::policy::Variables;
use crate::yaml::{self, Entry, Node, Value};

/// The variable that stands for a secret of which something wrong has been said already: what it holds is always right.
pub const STAND_IN: &str = "weir_stand_in";
/// What it holds: long enough for any key, and base64url.
const CONTENT: [&str; 11] = ["AAAAAAAA"; 11];

/// A variable of the environment, or the one that stands for what is wrong.
pub fn variable(name: &str, environment: Variables<'_>) -> Option<String> {
    if name == STAND_IN { Some(CONTENT.concat()) } else { environment(name) }
}

/// Takes every secret out of a policy. Those that may not be there are noted. Gives the places of all.
pub fn take_out(root: &mut Node, mistakes: &mut Mistakes) -> Vec<Span> {
    let mut places = Vec::new();
    walk(root, &mut Vec::new(), &mut places, mistakes);
    places
}

/// The text of a policy as it may be shown.
pub fn shown(text: &str) -> String {
    let mut ignored = Mistakes::default();
    let root = yaml::parse(text, &mut ignored);
    let places = root.map_or_else(|| suspected(text), |mut root| take_out(&mut root, &mut ignored));
    masked(text, &places)
}

/// Where secrets may be in what is no YAML: the rest of a line after a word for one, and of a URL what may be its password.
pub fn suspected(text: &str) -> Vec<Span> {
    let mut places = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let end = start + line.len();
        for (at, _) in line.match_indices(':') {
            let before = line.get(..at).unwrap_or_default().trim_end_matches(['"', '\'', ' ']);
            let name = before.rsplit([' ', '{', ',', '[', '"', '\'']).next().unwrap_or_default();
            if is_secret(name) || matches!(name, "k" | "hmac") {
                places.push(start + at + 1..end);
            }
        }
        if let (Some(from), Some(to)) = (line.find("://"), line.rfind('@'))
            && from < to
        {
            places.push(start + from + 3..start + to);
        }
        start = end;
    }
    places
}

/// A text with asterisks at these places; every byte stays where it is.
pub fn masked(text: &str, places: &[Span]) -> String {
    let mut masked = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        if c != '\n' && places.iter().any(|place| place.contains(&at)) {
            masked.push_str(&"*".repeat(c.len_utf8()));
        } else {
            masked.push(c);
        }
    }
    masked
}

fn walk(node: &mut Node, path: &mut Vec<String>, places: &mut Vec<Span>, mistakes: &mut Mistakes) {
    match &mut node.value {
        Value::Null => {}
        Value::Text { .. } => scalar(node, path, places, mistakes),
        Value::List(items) => items.iter_mut().for_each(|item| walk(item, path, places, mistakes)),
        Value::Map(entries) => {
            for entry in entries {
                if path.iter().eq(["sandbox"]) {
                    address(&mut entry.key, &entry.span, places, mistakes);
                }
                path.push(entry.key.clone());
                walk(&mut entry.node, path, places, mistakes);
                path.pop();
            }
        }
    }
}

/// Looks at one scalar.
fn scalar(node: &mut Node, path: &[String], places: &mut Vec<Span>, mistakes: &mut Mistakes) {
    let Value::Text { text, .. } = &mut node.value else { return };
    let keys: Vec<&str> = path.iter().map(String::as_str).collect();
    if takes_variable(&keys) {
        places.push(node.span.clone());
        mistakes.add(&node.span, "a secret does not stand in a policy", fix(&keys));
        let name = Value::Text { text: STAND_IN.to_owned(), plain: false };
        let name = Node { span: node.span.clone(), value: name };
        node.value = Value::Map(vec![Entry { key: "env".to_owned(), span: node.span.clone(), node: name }]);
    } else if is_name(&keys) && (text.is_empty() || !text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_')) {
        // A secret, perhaps.
        places.push(node.span.clone());
        mistakes.add(&node.span, "this is not a variable's name", "expected A-Z a-z 0-9 _");
        STAND_IN.clone_into(text);
    } else if is_url(&keys) {
        address(text, &node.span, places, mistakes);
    } else if is_hidden(&keys, text) {
        places.push(node.span.clone());
    }
}

/// What to say instead.
fn fix(path: &[&str]) -> &'static str {
    match path {
        ["upstreams", _, "credentials", "query" | "header"] => "say `{name: …, env: NAME}`",
        ["upstreams", ..] => "say `{env: NAME}` or `{file: PATH}`",
        _ => "say `{env: NAME}`",
    }
}

/// Whether there is `{env: NAME}` at this place, and nothing else.
fn takes_variable(path: &[&str]) -> bool {
    match path {
        ["state", "password" | "token"] | ["identity", "api_keys", "pepper"] => true,
        ["upstreams", _, "credentials", rest @ ..] => matches!(
            rest,
            ["bearer" | "query" | "header"] | ["oauth2", "client_id" | "client_secret"] | ["discogs", "key" | "secret"]
        ),
        _ => false,
    }
}

/// Whether this is the name of a variable.
fn is_name(path: &[&str]) -> bool {
    matches!(
        path,
        ["state", _, "env"]
            | ["identity", "api_keys", "pepper", "env"]
            | ["identity", "jwt", "jwks", .., "env"]
            | ["upstreams", _, "headers", _, "env"]
            | ["upstreams", _, "credentials", .., "env"]
    )
}

/// Whether this is an address.
fn is_url(path: &[&str]) -> bool {
    matches!(path.last(), Some(&("url" | "token_url" | "otlp" | "request" | "origins")))
        || matches!(path, ["examples", .., "token"])
}

/// What else nobody may see: what stands in the place of a digest, a key that is shared with an issuer, what is said of
/// credentials in words that nobody knows, and headers that look like secrets.
fn is_hidden(path: &[&str], text: &str) -> bool {
    const KNOWN: [&str; 13] = [
        "cluster",
        "default",
        "env",
        "file",
        "leeway",
        "name",
        "refresh_before",
        "sandbox",
        "scope",
        "style",
        "timeout",
        "wait",
        "waiting_max",
    ];
    let is_digest = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match path {
        ["identity", "jwt", "jwks", .., "k"]
        | ["identity", "api_keys", "keys", "key" | "value" | "secret"]
        | ["upstreams", _, "credentials"] => true,
        ["upstreams", _, "credentials", .., key] => !KNOWN.contains(key),
        [.., "sha256" | "hmac" | "key_sha256" | "purge_key_sha256"] => !is_digest,
        // Whatever the limit of an upstream is counted by.
        ["upstreams", _, "limit", ..] => false,
        ["state", name] | ["identity", "api_keys", name] | ["upstreams", _, name] | ["upstreams", _, _, name] => {
            is_secret(name)
        }
        _ => false,
    }
}

/// Whether people call secrets so, rightly written or not.
fn is_secret(name: &str) -> bool {
    const PARTS: [&str; 13] = [
        "auth", "bearer", "cookie", "cred", "key", "pasw", "passph", "passw", "peper", "pepper", "pwd", "secret",
        "token",
    ];
    let name = name.to_ascii_lowercase();
    PARTS.iter().any(|part| name.contains(part))
}

/// Takes the user and the password out of a URL.
fn address(text: &mut String, span: &Span, places: &mut Vec<Span>, mistakes: &mut Mistakes) {
    let Some((before, rest)) = text.split_once("://") else { return };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let Some((authority, after)) = rest.split_at_checked(end) else { return };
    let Some((_, host)) = authority.rsplit_once('@') else { return };
    let clean = format!("{before}://{host}{after}");
    places.push(span.clone());
    mistakes.add(
        span,
        "a URL is no place for a password",
        "say it in `headers`, `credentials` or `state`, as `{env: NAME}`",
    );
    *text = clean;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_hidden_where_it_stands() {
        for (text, expected) in [
            ("state: {password: hunter2}\n", "state: {password: *******}\n"),
            ("state: {password: \"hunter2\", user: a}\n", "state: {password: *********, user: a}\n"),
            ("state: {password: {env: a-b}}\n", "state: {password: {env: ***}}\n"),
            ("state: {url: 'http://u:p@a/b'}\n", "state: {url: ****************}\n"),
            ("upstreams: {a: {headers: {authorization: b}}}\n", "upstreams: {a: {headers: {authorization: *}}}\n"),
            ("upstreams: {a: {header: {X-Api-Key: b}}}\n", "upstreams: {a: {header: {X-Api-Key: *}}}\n"),
            ("upstreams: {a: {bearer: b, pasword: c}}\n", "upstreams: {a: {bearer: *, pasword: *}}\n"),
            ("upstreams: {a: {limit: {key: b}}}\n", "upstreams: {a: {limit: {key: b}}}\n"),
            ("state: {pasword: b, prefix: c}\n", "state: {pasword: *, prefix: c}\n"),
            ("identity: {api_keys: {header: a, peper: b}}\n", "identity: {api_keys: {header: a, peper: *}}\n"),
            ("upstreams: {a: {headers: {env: b-c}}}\n", "upstreams: {a: {headers: {env: b-c}}}\n"),
            (
                "upstreams: {a: {credentials: {query: {value: b}}}}\n",
                "upstreams: {a: {credentials: {query: {value: *}}}}\n",
            ),
            (
                "identity: {api_keys: {keys: [{id: a, sha256: b}]}}\n",
                "identity: {api_keys: {keys: [{id: a, sha256: *}]}}\n",
            ),
            ("sandbox: {'http://u@a': /b}\n", "sandbox: {************: /b}\n"),
            ("examples: [{request: GET http://u:p@a/}]\n", "examples: [{request: *****************}]\n"),
            ("identity: {jwt: [{issuer: 'https://a@b/'}]}\n", "identity: {jwt: [{issuer: 'https://a@b/'}]}\n"),
            ("state: [\n", "state: [\n"),
            // No YAML.
            ("state: {password: b, [\nupstreams: a\n", "state: {password:*****\nupstreams: a\n"),
            ("a: {\"x-api-key\": b\nc: 'http://u:p@a/', [\n", "a: {\"x-api-key\":**\nc: 'http://***@a/', [\n"),
            ("a: {b: c\n  k: d\n  hmac: e", "a: {b: c\n  k:**\n  hmac:**"),
        ] {
            assert_eq!(shown(text), expected);
        }
        assert_eq!(masked("aéb\nc", &[1..3, 3..5]), "a***\nc");
    }

    #[test]
    fn nothing_is_left_of_a_secret_for_others_to_read() {
        let text = "state: {password: hunter2}\nupstreams: {a: {url: 'https://u:hunter2@b/c?d=@e', \
                    credentials: {bearer: hunter2, query: {name: k, env: 'hunter-2'}}}}\n";
        let mut mistakes = Mistakes::default();
        let mut root = yaml::parse(text, &mut mistakes).unwrap();
        take_out(&mut root, &mut mistakes);
        let left = format!("{root:?}");
        assert!(!left.contains("hunter") && left.contains("https://b/c?d=@e"), "{left}");
        assert_eq!(mistakes.len(), 4);
        assert!(mistakes.in_order().iter().all(|mistake| !format!("{mistake:?}").contains("hunter")));
        let content = variable(STAND_IN, &|_| None).unwrap();
        assert_eq!((content.len(), variable("A", &|name| Some(name.to_owned()))), (88, Some("A".to_owned())));
    }
}
