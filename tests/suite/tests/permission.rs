//! What callers may do: rules by route and method, decided by the auth filter.

mod tokens;

use suite::{Scenario, check, refuses};
use tokens::{Algorithm, mint};

/// A filter that believes [`tokens::ISSUER`], with these permissions and routes.
fn config(permissions: &str, routes: &str) -> String {
    format!(
        r#"{{"issuers": [{}], "default": "off", "permissions": {{{permissions}}}, "routes": [{routes}]}}"#,
        tokens::issuer()
    )
}

/// `authorization="Bearer …"` of somebody with these claims.
fn bearer(claims: &str) -> String {
    format!("authorization=\"Bearer {}\"", mint(Algorithm::Hs256, &format!(r#""sub": "alice", {claims}"#)))
}

#[test]
fn a_caller_who_may_not_is_told_so_and_no_more() {
    let routes = r#"{"match": {"prefix": "/"}, "auth": "required", "allow": "editors"}"#;
    let editors = r#""editors": {"any": [{"role": "editor"}, {"scope": "catalog:write"}]}"#;
    let (editor, writer, user) =
        (bearer(r#""roles": ["editor"]"#), bearer(r#""scope": "read catalog:write""#), bearer(r#""roles": ["user"]"#));
    check(
        "auth",
        &config(editors, routes),
        &format!(
            r#"
            GET / {editor} -> 200
            GET / {writer} -> 200
            saw 2
            3 times GET / {user} x-request-id=r-1 -> 403 body.error.code=FORBIDDEN body.error.message="Not allowed" \
                body.error.request_id=r-1 !body~editor !body~catalog !www-authenticate
            GET / {user} accept=application/problem+json -> 403 content-type=application/problem+json body.code=FORBIDDEN
            saw nothing
            GET / -> 401 body.error.code=UNAUTHORIZED www-authenticate='Bearer realm="weir"'
            log~"request forbidden: editors needs (role editor or scope catalog:write)"
            !log~alice
            metric api_gateway_auth_denied_total{{outcome=forbidden}} 4
            metric api_gateway_auth_requests_total{{outcome=forbidden}} 4
            metric api_gateway_auth_requests_total{{outcome=allowed}} 2
            metric api_gateway_auth_requests_total{{outcome=refused}} 1
            "#
        ),
    );
}

#[test]
fn a_method_may_demand_more_than_another() {
    let routes = r#"
        {"match": {"template": "/products/{id}", "methods": ["GET"]}, "auth": "optional"},
        {"match": {"template": "/products/{id}", "methods": ["PUT"]}, "auth": "required", "allow": {"scope": "write"}},
        {"match": {"prefix": "/products/"}, "auth": "required",
         "allow": [{"role": "admin"}, {"claim": "amr", "contains": "mfa"}]}"#;
    let (reader, writer) = (bearer(r#""scp": ["read"]"#), bearer(r#""scp": ["read", "write"]"#));
    let (admin, safe) = (bearer(r#""roles": "admin""#), bearer(r#""roles": "admin", "amr": ["pwd", "mfa"]"#));
    check(
        "auth",
        &config("", routes),
        &format!(
            r#"
            GET /products/1 -> 200
            GET /products/1 {reader} -> 200
            PUT /products/1 {reader} -> 403
            PUT /products/1 {writer} -> 200
            DELETE /products/1 {writer} -> 403
            DELETE /products/1 {admin} -> 403
            DELETE /products/1 {safe} -> 200
            log~"request forbidden: routes[1] needs scope write"
            log~"request forbidden: routes[2] needs role admin"
            log~"request forbidden: routes[2] needs the right element of claim amr"
            "#
        ),
    );
}

#[test]
fn claims_are_found_wherever_they_are() {
    let rows = [
        (r#"{"claim": "realm_access.roles", "contains": "x"}"#, r#""realm_access": {"roles": ["x"]}"#, true),
        (r#"{"claim": "realm_access.roles", "contains": "x"}"#, r#""realm_access.roles": ["x"]"#, false),
        (r#"{"claim": "realm_access.roles", "contains": "x"}"#, r#""realm_access": ["x"]"#, false),
        (r#"{"claim": ["https://id.example/roles"], "contains": "x"}"#, r#""https://id.example/roles": ["x"]"#, true),
        (r#"{"claim": "age", "at_least": 18}"#, r#""age": 17.9"#, false),
        (r#"{"claim": "age", "at_least": 18}"#, r#""age": 18"#, true),
        (r#"{"claim": "email_verified", "equals": true}"#, r#""email_verified": "true""#, false),
        (r#"{"claim": "acr", "one_of": ["loa2", "loa3"]}"#, r#""acr": "loa3""#, true),
        (r#"{"not": {"claim": "amr", "contains": "sms"}}"#, r#""amr": ["sms"]"#, false),
        (r#"{"not": {"claim": "amr", "contains": "sms"}}"#, r#""x": 0"#, true),
        (r#"{"issuer": "https://id.example/"}"#, r#""x": 0"#, true),
        (r#"{"all": [{"tier": "pro"}, {"credential": "token"}]}"#, r#""tier": "pro""#, true),
        (r#"{"credential": "api_key"}"#, r#""x": 0"#, false),
    ];
    let (mut routes, mut lines) = (Vec::new(), String::new());
    for (index, (rule, claims, allowed)) in rows.iter().enumerate() {
        routes.push(format!(r#"{{"match": {{"path": "/{index}"}}, "auth": "required", "allow": {rule}}}"#));
        let status = if *allowed { 200 } else { 403 };
        lines += &format!("2 times GET /{index} {} -> {status}\n", bearer(claims));
    }
    check("auth", &config("", &routes.join(",")), &lines);
}

#[test]
fn who_shows_nothing_is_asked_for_a_credential_where_the_route_wants_more() {
    let routes = r#"
        {"match": {"prefix": "/staff"}, "auth": "optional", "allow": {"role": "staff"}},
        {"match": {"prefix": "/guests"}, "auth": "optional", "allow": {"not": {"role": "banned"}}}"#;
    let (staff, banned) = (bearer(r#""roles": ["staff"]"#), bearer(r#""roles": ["banned"]"#));
    check(
        "auth",
        &config("", routes),
        &format!(
            r#"
            GET /staff -> 401 body.error.code=UNAUTHORIZED www-authenticate='Bearer realm="weir"'
            GET /staff {staff} -> 200
            GET /staff {banned} -> 403
            GET /guests -> 200
            saw GET /guests x-weir-tier=anonymous
            GET /guests {staff} -> 200
            GET /guests {banned} -> 403
            # A client's own word for its roles is worth nothing.
            GET /staff x-weir-roles=staff -> 401
            GET /staff {banned} x-weir-roles=staff -> 403
            metric api_gateway_auth_requests_total{{outcome=anonymous}} 1
            metric api_gateway_auth_requests_total{{outcome=refused}} 2
            "#
        ),
    );
}

#[test]
fn a_rule_in_the_shadow_is_decided_counted_logged_and_let_pass() {
    let permissions = r#""strong": {"claim": "amr", "contains": "mfa", "shadow": true}, "users": {"role": "user"}"#;
    let routes = r#"
        {"match": {"prefix": "/open"}, "auth": "optional", "allow": "strong"},
        {"match": {"prefix": "/"}, "auth": "required", "allow": ["users", "strong"]}"#;
    let (weak, strong) = (bearer(r#""roles": "user""#), bearer(r#""roles": "user", "amr": ["mfa"]"#));
    let nobody = bearer(r#""x": 0"#);
    check(
        "auth",
        &config(permissions, routes),
        &format!(
            r#"
            GET / {strong} -> 200
            metric api_gateway_auth_denied_total 0
            2 times GET / {weak} -> 200
            saw GET / x-weir-user=alice
            log~"request would be forbidden: strong needs the right element of claim amr"
            !log~"request forbidden"
            metric api_gateway_auth_denied_total{{outcome=would_forbid}} 2
            GET /open -> 200
            metric api_gateway_auth_denied_total{{outcome=would_forbid}} 3
            metric api_gateway_auth_requests_total{{outcome=allowed}} 3
            metric api_gateway_auth_requests_total{{outcome=anonymous}} 1
            # What another rule forbids is forbidden all the same.
            GET / {nobody} -> 403
            log~"request forbidden: users needs role user"
            metric api_gateway_auth_denied_total{{outcome=forbidden}} 1
            metric api_gateway_auth_denied_total{{outcome=would_forbid}} 4
            "#
        ),
    );
}

#[test]
fn a_seen_token_is_allowed_and_forbidden_without_another_check() {
    let routes = r#"
        {"match": {"prefix": "/a"}, "auth": "required", "allow": {"role": "a"}},
        {"match": {"prefix": "/b"}, "auth": "required", "allow": {"role": "b"}}"#;
    let token = mint(Algorithm::Es256, r#""sub": "alice", "roles": ["a"]"#);
    let lines = format!(
        r#"
        10 times GET /a authorization="Bearer {token}" -> 200
        10 times GET /b authorization="Bearer {token}" -> 403
        metric api_gateway_auth_signatures_total 1
        metric api_gateway_auth_denied_total{{outcome=forbidden}} 10
        "#
    );
    Scenario::new(&[("auth", &config("", routes))]).workers(1).check(&lines);
}

#[test]
fn a_bad_rule_says_where() {
    let route = |allow: &str| config("", &format!(r#"{{"match": {{}}, "auth": "required", "allow": {allow}}}"#));
    refuses("auth", &route(r#""editors""#), "configuration refused: routes[0].allow: must be a rule or the name");
    refuses("auth", &route(r#"{"any": [{"rol": "x"}]}"#), "routes[0].allow.any[0].rol: is not known here");
    refuses("auth", &config(r#""a": {"all": []}"#, ""), "permissions.a.all: must not be empty");
}
