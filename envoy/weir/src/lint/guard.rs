//! What the guard lets in, and what it is asked for in vain.

use serde_json::Value as Json;

use crate::code::Code;
use crate::diagnostic::Mistakes;
use crate::gateway::{Gateway, written};

/// How much of a request's body Envoy holds for a stream of HTTP/2, as it is rendered.
const HELD_BYTES_MAX: u64 = 64 << 10;
/// Methods of requests that have a body.
const WITH_BODY: [&str; 4] = ["POST", "PUT", "PATCH", "DELETE"];

/// Looks at CORS, and at each route with a schema.
pub fn look(gateway: &Gateway<'_>, found: &mut Mistakes) {
    let cors = gateway.policy.guard.as_ref().and_then(|guard| guard.cors.as_ref());
    if let Some(cors) = cors.filter(|cors| cors.credentials)
        && let Some(any) = cors.origins.iter().find(|origin| origin.value == "*")
    {
        let wrong = "scripts of any site may ask with their visitors' credentials";
        found.add_as(Code::OpenOrigin, &any.span, wrong, "list the origins, or say `credentials: false`");
    }
    let Some(bodies) = &gateway.bodies else { return };
    let read = gateway.policy.routes.iter().filter(|route| crate::translate::guard::reads(route));
    for (route, checked) in read.zip(&bodies.routes) {
        let Some(accepts) = &route.accepts else { continue };
        if checked.body_bytes_max > HELD_BYTES_MAX {
            let wrong = format!("bodies of more than 64 KiB to `{}` never come whole over HTTP/2", written(route));
            let fix = "say `body_max: 60KiB` or less";
            found.add_as(Code::LongHold, &accepts.locate("body_max"), wrong, fix);
        }
        let asks_nothing = accepts.to_json().get("schema").is_some_and(|schema| *schema == Json::Bool(true));
        if asks_nothing || !WITH_BODY.iter().any(|method| route.matcher.rule.admits(method)) {
            let wrong = format!("the schema of `{}` is never asked anything", written(route));
            let fix = "name a method that has a body, or take the schema out";
            found.add_as(Code::IdleSchema, &accepts.locate_key("schema"), wrong, fix);
        }
    }
}
