//! The request's way: read, refused, or handed to the worker.

use std::rc::Rc;

use policy::handover::header;
use policy::method::is_unsafe;
use policy::part;
use policy::route::{Target, without_query};
use policy::{Headers, Rejection, RequestId};
use shell::Action;
use shell::headers::{self, Map};
use shell::stream::{self, Buffer};

use super::delivery::Client;
use super::engine::{Plugin, Prepared};
use super::{Filter, Phase};
use crate::idempotency;
use crate::plan::Composition;
use crate::run::Inputs;
use crate::value::Value;

/// A request whose body is still to come.
pub(super) struct Held {
    headers: Headers,
    plan: Rc<Composition>,
}

/// What a call has of the request that it is made for.
const HANDED_ON: [&str; 16] = [
    ":authority",
    ":scheme",
    "accept-language",
    "authorization",
    "user-agent",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-ai-agent",
    header::REQUEST_ID,
    header::CORRELATION_ID,
    header::TRACEPARENT,
    header::TRACESTATE,
    header::USER,
    header::TIER,
    header::ROLES,
    header::API_KEY,
];

impl Held {
    /// Refuses it.
    pub(super) fn refuse(&self, message: &str) -> Action {
        refuse(&self.headers, message)
    }
}

fn refuse(headers: &Headers, message: &str) -> Action {
    shell::reject(&Rejection::BadRequest { message: message.to_owned() }, headers, &[])
}

impl Filter {
    /// Reads a request's headers.
    pub(super) fn begin(&mut self, plugin: &Rc<Plugin>, is_bodyless: bool) -> Action {
        let headers = match headers::read(Map::Request) {
            Ok(headers) => headers,
            Err(error) => {
                log::error!("request headers: {error}");
                return shell::reject(&Rejection::Internal, &Headers::default(), &[]);
            }
        };
        let Some(plan) = plugin.config.find(&Target::of(&headers)).cloned() else { return Action::Continue };
        match (&plan.body, is_bodyless) {
            (None, true) => self.ask(plugin, &plan, &headers, b""),
            (None, false) => refuse(&headers, "body: there must be none"),
            (Some(_), true) => refuse(&headers, "body: is missing"),
            (Some(_), false) => {
                let length =
                    headers.first("content-length").and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
                if length.is_some_and(|length: usize| length > plan.body_bytes_max) {
                    return shell::reject(&Rejection::TooLarge, &headers, &[]);
                }
                self.phase = Phase::Held(Box::new(Held { headers, plan }));
                Action::Pause
            }
        }
    }

    /// Holds a request's body until it is whole.
    pub(super) fn hold(&mut self, plugin: &Rc<Plugin>, held: Box<Held>, size: usize, end_of_stream: bool) -> Action {
        if size > held.plan.body_bytes_max {
            return shell::reject(&Rejection::TooLarge, &held.headers, &[]);
        }
        if !end_of_stream {
            self.phase = Phase::Held(held);
            return Action::Pause;
        }
        match stream::bytes(Buffer::RequestBody, 0, size) {
            Ok(body) => self.ask(plugin, &held.plan, &held.headers, &body),
            Err(error) => {
                log::error!("request body: {error}");
                shell::reject(&Rejection::Internal, &held.headers, &[])
            }
        }
    }

    /// Hands a whole request to the worker.
    fn ask(&mut self, plugin: &Rc<Plugin>, plan: &Rc<Composition>, headers: &Headers, body: &[u8]) -> Action {
        let inputs = match inputs(plan, headers, body) {
            Ok(inputs) => inputs,
            Err(message) => return refuse(headers, &message),
        };
        let key = match key(plan, headers) {
            Ok(key) => key,
            Err(message) => return refuse(headers, message),
        };
        let key = match key.map(|key| plugin.key(plan, headers, &key, body)) {
            Some(None) => return shell::reject(&Rejection::Internal, headers, &[]),
            other => other.flatten(),
        };
        let request_id = headers.first(header::REQUEST_ID).and_then(RequestId::parse);
        let client = Rc::new(Client::new(self.id, headers, request_id));
        let prepared = Prepared {
            plan: Rc::clone(plan),
            inputs,
            headers: plugin.handed_on(headers),
            key,
            client: Rc::clone(&client),
        };
        match plugin.admit(prepared) {
            None => self.phase = Phase::Waits(client),
            Some(written) => written.send(),
        }
        Action::Pause
    }
}

impl Drop for Filter {
    fn drop(&mut self) {
        if let Phase::Waits(client) = &self.phase {
            client.has_left.set(true);
        }
    }
}

/// What a request says, checked.
fn inputs(plan: &Composition, headers: &Headers, body: &[u8]) -> Result<Inputs, String> {
    let path = without_query(headers.first(":path").unwrap_or_default());
    let path = plan
        .parameters(path)
        .map_err(|name| format!("{name}: must be 1 character or more that can stand in a path"))?;
    let body = plan.read_body(body)?;
    let id = |name| headers.first(name).and_then(RequestId::parse);
    let request = id(header::REQUEST_ID).unwrap_or_else(|| RequestId::from_random(shell::random()));
    let correlation = id(header::CORRELATION_ID).unwrap_or_else(|| request.clone());
    let text = |name: &str| {
        headers.first(name).and_then(|value| std::str::from_utf8(value).ok()).map_or(Value::Null, Value::text)
    };
    let request = Value::object([
        ("id", Value::text(request.as_str())),
        ("correlation_id", Value::text(correlation.as_str())),
        ("user", text(header::USER)),
        ("tier", text(header::TIER)),
    ]);
    Ok(Inputs { request, path, body })
}

/// The request's idempotency key, where the composition has such.
fn key(plan: &Composition, headers: &Headers) -> Result<Option<Vec<u8>>, &'static str> {
    let Some(keys) = plan.keys else { return Ok(None) };
    let mut sent = headers.all("idempotency-key");
    match (sent.next(), sent.next()) {
        (None, _) if keys.is_required => Err("idempotency-key: is missing"),
        (None, _) => Ok(None),
        (Some(value), None) => {
            let wrong = "idempotency-key: must be a text in quotes, or one word, of at most 255 characters";
            idempotency::parse(value).map(Some).ok_or(wrong)
        }
        (Some(_), Some(_)) => Err("idempotency-key: must stand once"),
    }
}

impl Plugin {
    /// The headers that the calls of a composition have. Ids that are missing are made by the filters that they pass.
    fn handed_on(&self, headers: &Headers) -> Vec<(String, String)> {
        let pairs = headers.iter().filter_map(|(name, value)| {
            let (name, value) = (std::str::from_utf8(name).ok()?, std::str::from_utf8(value).ok()?);
            HANDED_ON.contains(&name).then(|| (name.to_owned(), value.to_owned()))
        });
        let may_change = self.config.tells_cache && headers.first(":method").is_some_and(is_unsafe);
        let target = headers.first(":path").filter(|_| may_change);
        let part = target.and_then(|target| part::write(&self.seed, target));
        pairs.chain(part.map(|part| (header::PART_OF.to_owned(), part))).collect()
    }
}
