//! What the definitions of resources ask for in the common expression language, of what is rendered: the rules of the Gateway API
//! (`httproute_types.go`), of Envoy Gateway and of Istio that could be broken, and what the API server itself wants of names.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::{Value as Json, json};

/// What the API server would have against these objects.
pub(crate) fn broken(objects: &[Json]) -> Vec<String> {
    let mut mistakes = Vec::new();
    let mut names = BTreeSet::new();
    let label = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?";
    let subdomain = Regex::new(&format!(r"^{label}(\.{label})*$")).unwrap();
    for object in objects {
        let (kind, name) = (object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap());
        let mut note = |what: String| mistakes.push(format!("{kind} {name}: {what}"));
        if !subdomain.is_match(name) || name.len() > 253 {
            note("is no RFC 1123 subdomain".to_owned());
        }
        if !names.insert((kind, name)) {
            note("is there twice".to_owned());
        }
        match kind {
            "HTTPRoute" => of_route(&object["spec"], &mut note),
            "BackendTrafficPolicy" => {
                let share = &object["spec"]["circuitBreaker"]["retryBudget"]["percent"];
                if share["numerator"].as_u64() > share["denominator"].as_u64() {
                    note("numerator must be less than or equal to denominator".to_owned());
                }
            }
            "EnvoyExtensionPolicy" => {
                let references =
                    list(&object["spec"]["wasm"]).iter().map(|entry| &entry["code"]["image"]["pullSecretRef"]);
                if references.filter(|one| !one.is_null()).any(|one| one["kind"] != "Secret") {
                    note("only support Secret kind.".to_owned());
                }
            }
            "WasmPlugin" => {
                let variables = list(&object["spec"]["vmConfig"]["env"]);
                if variables.iter().any(|one| one["valueFrom"] == "HOST" && one.get("value").is_some()) {
                    note("value may only be set when valueFrom is INLINE".to_owned());
                }
            }
            _ => {}
        }
    }
    mistakes
}

fn of_route(spec: &Json, note: &mut dyn FnMut(String)) {
    let rules = list(&spec["rules"]);
    if rules.iter().map(|rule| list(&rule["matches"]).len()).sum::<usize>() > 128 {
        note("the total number of matches across all rules in a route must be less than 128".to_owned());
    }
    for rule in rules {
        let (filters, matches) = (list(&rule["filters"]), list(&rule["matches"]));
        for once in ["RequestHeaderModifier", "URLRewrite"] {
            if filters.iter().filter(|filter| filter["type"] == once).count() > 1 {
                note(format!("{once} filter cannot be repeated"));
            }
        }
        let replaces = |filter: &Json| filter["urlRewrite"]["path"]["type"] == "ReplacePrefixMatch";
        let is_one = matches.len() == 1 && matches[0]["path"]["type"] == "PathPrefix";
        if filters.iter().any(replaces) && !is_one {
            note(format!("with path.replacePrefixMatch, exactly one PathPrefix match must be specified: {rule}"));
        }
        matches.iter().filter_map(|one| of_path(&one["path"])).for_each(&mut *note);
    }
}

/// What is wrong with a path that is no expression.
fn of_path(path: &Json) -> Option<String> {
    let value = path["value"].as_str()?;
    let fine = Regex::new(r"^(?:[A-Za-z0-9/\-._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})+$").unwrap();
    let parts = ["//", "/./", "/../", "%2f", "%2F", "#"].iter().any(|part| value.contains(part));
    let is_good =
        value.starts_with('/') && fine.is_match(value) && !parts && !value.ends_with("/..") && !value.ends_with("/.");
    (path["type"] != "RegularExpression" && !is_good).then(|| format!("no path: {value}"))
}

fn list(value: &Json) -> &[Json] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

#[test]
fn what_breaks_a_rule_is_found() {
    let route = |matches: Json, path: Json| {
        let rule = json!({"matches": matches, "filters": [{"type": "URLRewrite", "urlRewrite": {"path": path}}]});
        json!({"kind": "HTTPRoute", "metadata": {"name": "weir-a"}, "spec": {"rules": [rule]}})
    };
    let below = |method: &str| json!({"path": {"type": "PathPrefix", "value": "/shop/"}, "method": method});
    let prefix = json!({"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"});
    let one = route(json!([below("GET")]), prefix.clone());
    assert_eq!(broken(std::slice::from_ref(&one)), [""; 0]);
    let exact = json!({"path": {"type": "Exact", "value": "/a//b"}});
    let whole = json!({"type": "ReplaceFullPath", "replaceFullPath": "/b"});
    let named = |name: &str| json!({"kind": "Backend", "metadata": {"name": name}});
    let cases: [(&[Json], &str); 5] = [
        (&[route(json!([below("GET"), below("POST")]), prefix)], "exactly one PathPrefix match must be specified"),
        (&[route(json!([exact]), whole)], "no path: /a//b"),
        (&[one.clone(), one], "is there twice"),
        (&[named("weir-a-")], "is no RFC 1123 subdomain"),
        (&[named("weir-a_b")], "is no RFC 1123 subdomain"),
    ];
    for (objects, expected) in cases {
        let said = broken(objects);
        assert!(said.len() == 1 && said[0].contains(expected), "{said:?}");
    }
}
