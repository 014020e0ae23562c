//! Words that look as if they meant something: paths with wildcards, names that are taken, and what no route makes use of.

use super::{GOOD, check_added, check_route, check_upstream, mistakes};

#[test]
fn what_looks_like_a_pattern_and_is_none_is_refused() {
    const OPEN: &str =
        "`{name}` in a `template` stands for one segment, and `/*` at the end of one, or a `prefix`, for all below";
    const VARIABLE: &str = "a variable is a whole segment like `{id}`, of A-Z a-z 0-9 _; it takes no expression";
    for line in ["/shop/*/items", "/a*", "/b/**", "GET /a/{x}/*/b", "GET /a/{x}*", "*"] {
        let route = format!("{{match: \"{line}\", upstream: a}}");
        check_route(&[(&route, &[&format!("5:11 `*` stands for nothing here | {OPEN}")])]);
    }
    for (line, part) in [
        ("/users/{id:[0-9]+}", "{id:[0-9]+}"),
        ("/f/{rest...}", "{rest...}"),
        ("/a/x{id}", "x{id}"),
        ("/a/{}/*", "{}"),
        ("/a/{a-b}", "{a-b}"),
        ("/a/{b", "{b"),
    ] {
        let route = format!("{{match: \"GET {line}\", upstream: a}}");
        check_route(&[(&route, &[&format!("5:11 `{part}` is not a variable | {VARIABLE}")])]);
    }
    check_route(&[
        ("{match: {prefix: '/h/{id}/'}, upstream: a}", &["5:20 `prefix` has no variables | say `template: /h/{id}/*`"]),
        ("{match: {path: '/j/{id}'}, upstream: a}", &["5:18 `path` has no variables | say `template: /j/{id}`"]),
        ("{match: {prefix: /h/*}, upstream: a}", &[&format!("5:20 `*` stands for nothing here | {OPEN}")]),
        (
            "{match: {template: '/a b/{id}'}, upstream: a}",
            &[
                "5:22 `template`: \"/a b/{id}\" is wrong here | must be / and segments, a variable being a whole one like {id}, \
             or end in /*",
            ],
        ),
        ("{match: \"GET /api/{tenant}/admin/*\", upstream: a}", &[]),
        ("{match: {template: '/api/{tenant}/admin/*'}, upstream: a, strip: /api}", &[]),
        ("{match: /*, upstream: a}", &[]),
    ]);
}

#[test]
fn a_route_that_is_open_below_a_variable_takes_its_requests_from_later_ones() {
    let said = |first: &str, second: &str| {
        let routes = format!("{{match: \"{first}\", upstream: a}}\n- {{match: \"{second}\", upstream: b}}");
        let text = GOOD.replace("{match: GET /a, upstream: a}", &routes).replace(":1}", ":1, limit: {rate: 1/s}}");
        mistakes(text.replace("routes:", "  b: {url: http://127.0.0.1:2, limit: {rate: 1/s}}\nroutes:").as_bytes())
    };
    assert_eq!(
        said("GET /api/{tenant}/admin/*", "GET /api/*"),
        [
            "6:11 the limit of `b` would count these requests, too | a later route matches them; make its `/api/` narrower"
        ]
    );
    assert_eq!(said("GET /api/{tenant}/admin/*", "GET /open/*"), [""; 0]);
}

#[test]
fn an_upstream_has_a_name_of_its_own() {
    for name in ["weir_internal", "weir_again", "weir_batch", "weir_admin", "weir_metrics", "weir_tracing", "weir_x"] {
        let text = GOOD.replace(" a:", &format!(" {name}:")).replace("upstream: a", &format!("upstream: {name}"));
        let expected = "3:3 names that begin with `weir_` are the proxy's own | expected another name";
        assert_eq!(mistakes(text.as_bytes()), [expected]);
    }
    for (name, expected) in [
        ("state", "3:3 `state` is what the state store is called | expected another name"),
        ("composed", "3:3 `composed` is what stands where there is no upstream | expected another name"),
    ] {
        let text = GOOD.replace(" a:", &format!(" {name}:")).replace("upstream: a", &format!("upstream: {name}"));
        assert_eq!(mistakes(text.as_bytes()), [expected]);
    }
    let text = GOOD.replace(" a:", " weir:").replace("upstream: a", "upstream: weir");
    assert_eq!(mistakes(text.as_bytes()), [""; 0]);
}

#[test]
fn what_nothing_makes_use_of_is_checked_too() {
    check_added(&[
        ("compose: 5", &["6:10 `5` is not a mapping | expected the keys of `compose`"]),
        ("compose: {undo_forr: 10m}", &["6:11 unknown key `undo_forr` | did you mean `undo_for`?"]),
        ("compose: {keys: 1}", &["6:17 `keys`: must be a whole number from 16 to 65536 | "]),
        ("ratelimit: {per_address: {rate: 5/s}}", &[]),
    ]);
    check_route(&[
        ("{match: GET /a, upstream: a, cost: lots}", &["5:38 invalid type: string \"lots\" | expected u32"]),
        ("{match: GET /a, upstream: a, cost: -1}", &["5:38 invalid value: integer `-1` | expected u32"]),
        ("{match: GET /a, upstream: a, cost: 0}", &["5:38 `cost`: must be at least 1 | "]),
        ("{match: GET /a, upstream: a, cost: 4294967295}", &[]),
        ("{match: GET /a, upstream: a, limit: off}\nratelimit: {per_address: {rate: 5/s}}", &[]),
        (
            "{match: GET /a, upstream: a, limit: off}\nstate: {store: redis, url: http://a}\n\
             ratelimit: {per_address: {rate: 5/s, scope: fleet}}",
            &[],
        ),
        (
            "{match: GET /a, upstream: a, limit: off}\ntiers: {anonymous: {per_second: 1}}\n\
             ratelimit: {shadow: true, overrides: [{key: [alice], limit: {rate: 5/m}}]}",
            &[],
        ),
        (
            "{match: GET /a, upstream: a, limit: off}\nratelimit: {per_address: {rate: 5/x}}",
            &[
                "6:33 `rate`: \"5/x\" is wrong here | must be a rate like \"10/s\", \"100/m\", \"5/h\" or \"1000/d\", at most a \
               million a second",
            ],
        ),
        (
            "{match: GET /a, upstream: a, limit: off}\ntiers: {anonymous: {per_second: 1}}\nratelimit: {shadow: 1}",
            &["7:21 invalid type: integer `1` | expected a boolean"],
        ),
    ]);
    check_upstream(&[("{url: http://a, limit: {rate: 1/s}}", &[])]);
}
