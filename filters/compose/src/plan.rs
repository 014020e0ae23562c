//! A composition: which calls answer one request, in which order, and what is made of their answers.

mod batched;

use std::time::Duration;

use policy::fields::Fields;
use policy::json::Json;
use policy::route::Target;
use policy::{ConfigError, Match, Period};

use crate::batch::Batch;
use crate::shape::{self, Shape};
use crate::template::{Known, Names, Template, Text};
use crate::value::Value;

/// One composition.
#[derive(Debug)]
pub struct Composition {
    /// Its name, in logs and metrics.
    pub name: String,
    rule: Match,
    parameters: Vec<(usize, String)>,
    /// What the request's body must be like; without it, there is none.
    pub body: Option<Body>,
    /// A longer body is refused.
    pub body_bytes_max: usize,
    /// Its calls.
    pub steps: Vec<Step>,
    /// What the client gets.
    pub answer: Template,
    /// With this status.
    pub status: u16,
    /// How long it may take.
    pub deadline: Duration,
    /// How many of its calls may be under way at a time.
    pub at_once: usize,
    /// How many of its steps must succeed, beside those that are required.
    pub needs: usize,
    /// Whether the client may, or must, send an `Idempotency-Key`.
    pub keys: Option<Keys>,
}

/// What a request's body must be.
#[derive(Debug)]
pub enum Body {
    /// A value of this shape.
    Shaped(Shape),
    /// Requests, each of which is one call.
    Requests(Batch),
}

/// How repeated requests are recognised.
#[derive(Clone, Copy, Debug)]
pub struct Keys {
    /// Whether a request without a key is refused.
    pub is_required: bool,
    /// How long a key is remembered.
    pub lifetime: Duration,
    /// How long a request waits for another with its key that is under way; none means 409 at once.
    pub wait: Option<Duration>,
}

/// One step: a call, or one for each value of a list.
#[derive(Debug)]
pub struct Step {
    /// Its name, by which templates speak of what it answered.
    pub name: String,
    /// The steps that must have ended before, by their places.
    pub after: Vec<usize>,
    /// The list.
    pub each: Option<Template>,
    /// Whether equal values of the list are asked for once.
    pub is_unique: bool,
    /// How many of its calls may be under way at a time; one means in order.
    pub at_once: usize,
    /// What is sent.
    pub call: Call,
    /// How long one call may take.
    pub deadline: Duration,
    /// Whether its failure is the composition's.
    pub is_required: bool,
    /// What its answer becomes.
    pub answer: Template,
    /// What its failure becomes.
    pub failure: Template,
    /// What takes it back.
    pub undo: Option<Call>,
    /// Whether the upstream knows a repeated call by its `Idempotency-Key`, and answers it as it did the first.
    pub is_repeatable: bool,
}

/// A request to an upstream.
#[derive(Debug)]
pub enum Call {
    /// What the operator has written.
    Written {
        /// The method.
        method: String,
        /// Path and query.
        path: Text,
        /// The body.
        body: Option<Template>,
    },
    /// A request of a batch, which is the step's `item`.
    Item,
}

/// What the client's request says of itself.
pub const REQUEST: [&str; 4] = ["id", "correlation_id", "user", "tier"];
/// What is said of a failure.
const ERROR: [&str; 3] = ["step", "status", "reason"];
const RESERVED: [&str; 6] = ["request", "path", "body", "item", "self", "error"];

const STEPS_MAX: usize = 32;
const LONGEST: Period = Period::of_seconds(300);
const LIFETIME_LONGEST: Period = Period::of_seconds(7 * 24 * 3600);
const AT_ONCE_MOST: u32 = 100;
const BODY_BYTES: u32 = 64 << 10;
const BODY_BYTES_MOST: u32 = 1 << 20;

impl Composition {
    /// Reads one; see [`crate::Config::from_json`].
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn read(json: Json) -> Result<Self, ConfigError> {
        let mut fields = Fields::of(json)?;
        if fields.has("batch") {
            return Self::of_batch(fields);
        }
        let name = name(&mut fields)?;
        let matching = fields.any("match").ok_or_else(|| ConfigError::at("match", "is missing"))?;
        let parameters = parameters(&matching).map_err(|mistake| mistake.inside("match"))?;
        let rule = Fields::of(matching).and_then(Match::read).map_err(|mistake| mistake.inside("match"))?;
        let body = match fields.any("body") {
            Some(json) => Some(Shape::read(json).map_err(|mistake| mistake.inside("body"))?),
            None => None,
        };
        let at_once = fields.number("at_once", 1, AT_ONCE_MOST)?.unwrap_or(10) as usize;
        let of_path: Vec<&str> = parameters.iter().map(|(_, name)| name.as_str()).collect();
        let mut names: Vec<(&str, Known<'_>)> =
            vec![("request", Known::Members(&REQUEST)), ("path", Known::Members(&of_path))];
        names.extend(body.as_ref().map(|shape| ("body", Known::Shaped(shape))));
        let steps = steps(&mut fields, &names, at_once)?;
        names.extend(steps.iter().map(|step| (step.name.as_str(), Known::Open)));
        let answer = fields.any("answer").ok_or_else(|| ConfigError::at("answer", "is missing"))?;
        let answer = Template::read(answer, &names).map_err(|mistake| mistake.inside("answer"))?;
        let status = fields.number("status", 200, 299)?.unwrap_or(200);
        let needs = fields.number("needs", 0, AT_ONCE_MOST)?.unwrap_or(0) as usize;
        if needs > steps.len() {
            return Err(ConfigError::at("needs", "must be at most the number of steps"));
        }
        let deadline = period(&mut fields, "deadline", LONGEST)?.unwrap_or(Duration::from_secs(15));
        let body_max = fields.number("body_max", 1, BODY_BYTES_MOST)?.unwrap_or(BODY_BYTES);
        let keys = if fields.has("idempotency") {
            Some(Keys::read(fields.object("idempotency")?).map_err(|mistake| mistake.inside("idempotency"))?)
        } else {
            None
        };
        fields.end_of(&[
            "name",
            "match",
            "body",
            "body_max",
            "steps",
            "answer",
            "status",
            "deadline",
            "at_once",
            "needs",
            "idempotency",
        ])?;
        drop(names);
        #[expect(clippy::cast_possible_truncation, reason = "at most 299")]
        let status = status as u16;
        let (body, body_bytes_max) = (body.map(Body::Shaped), body_max as usize);
        Ok(Self { name, rule, parameters, body, body_bytes_max, steps, answer, status, deadline, at_once, needs, keys })
    }

    /// Whether this is what answers a request.
    pub fn matches(&self, target: &Target<'_>) -> bool {
        self.rule.matches(target)
    }

    /// The parameters in a path that matches; `Err` names one that cannot be handed on.
    pub fn parameters(&self, path: &[u8]) -> Result<Value, &str> {
        let mut members = Vec::new();
        for (place, name) in &self.parameters {
            let segment = path.split(|&byte| byte == b'/').nth(*place).unwrap_or_default();
            let text = decoded(segment).filter(|text| shape::is_segment(text)).ok_or(name.as_str())?;
            members.push((name.clone(), Value::Text(text)));
        }
        Ok(Value::Object(members))
    }

    /// What the request says in its body, checked.
    ///
    /// # Errors
    /// What is wrong and where, for the client.
    pub fn read_body(&self, bytes: &[u8]) -> Result<Value, String> {
        let Some(body) = &self.body else { return Ok(Value::Null) };
        let value = Value::parse(bytes).map_err(|fault| ["body: ", fault.text()].concat())?;
        match body {
            Body::Shaped(shape) => shape.check(&value).map(|()| value).map_err(|wrong| wrong.message()),
            Body::Requests(batch) => batch.requests(&value),
        }
    }

    /// Whether anything that it does is to be taken back where it fails.
    pub fn has_undo(&self) -> bool {
        self.steps.iter().any(|step| step.undo.is_some())
    }
}

impl Keys {
    fn read(mut fields: Fields) -> Result<Self, ConfigError> {
        let keys = Self {
            is_required: fields.flag("required")?.unwrap_or(false),
            lifetime: period(&mut fields, "lifetime", LIFETIME_LONGEST)?.unwrap_or(Duration::from_hours(24)),
            wait: period(&mut fields, "wait", LONGEST)?,
        };
        fields.end_of(&["required", "lifetime", "wait"])?;
        Ok(keys)
    }
}

/// Reads the steps. Each knows what the request says, and the steps that come before it.
fn steps(fields: &mut Fields, base: &Names<'_>, at_once: usize) -> Result<Vec<Step>, ConfigError> {
    let list = fields.list("steps")?.unwrap_or_default();
    if list.is_empty() || list.len() > STEPS_MAX {
        return Err(ConfigError::at("steps", format!("must be 1 to {STEPS_MAX}")));
    }
    let mut steps: Vec<Step> = Vec::new();
    for (index, json) in list.into_iter().enumerate() {
        let step = Fields::of(json).and_then(|fields| Step::read(fields, base, &steps, at_once));
        steps.push(step.map_err(|mistake| mistake.inside(format_args!("steps[{index}]")))?);
    }
    Ok(steps)
}

impl Step {
    fn read(mut fields: Fields, base: &Names<'_>, before: &[Self], most: usize) -> Result<Self, ConfigError> {
        let name = name(&mut fields)?;
        if RESERVED.contains(&name.as_str()) || before.iter().any(|step| step.name == name) {
            return Err(ConfigError::at("name", format!("is taken, got {name:?}")));
        }
        let after = after(&mut fields, before)?;
        let mut names = base.to_vec();
        let known = before.iter().enumerate().filter(|(place, _)| after.contains(place));
        names.extend(known.map(|(_, step)| (step.name.as_str(), Known::Open)));
        let each = template(&mut fields, "each", &names)?;
        if let Some(each) = &each {
            names.push(("item", each.item(&names).map_err(|mistake| mistake.inside("each"))?));
        }
        let call = Call::read(&mut fields, &names)?;
        let at_once = fields.number("at_once", 1, AT_ONCE_MOST)?.map_or(most, |own| own as usize);
        names.push(("self", Known::Open));
        let undo = match fields.any("undo") {
            Some(json) => {
                let undo = Fields::of(json).and_then(|mut fields| {
                    let call = Call::read(&mut fields, &names)?;
                    fields.end_of(&["call", "body"]).map(|()| call)
                });
                Some(undo.map_err(|mistake| mistake.inside("undo"))?)
            }
            None => None,
        };
        let answer = template(&mut fields, "answer", &names)?;
        let answer = answer.map_or_else(|| Template::read(Json::Text("${self}".to_owned()), &names), Ok)?;
        names.pop();
        names.push(("error", Known::Members(&ERROR)));
        let step = Self {
            after,
            each,
            is_unique: fields.flag("unique")?.unwrap_or(false),
            at_once,
            call,
            deadline: period(&mut fields, "deadline", LONGEST)?.unwrap_or(Duration::from_secs(5)),
            is_required: fields.flag("required")?.unwrap_or(true),
            answer,
            failure: template(&mut fields, "failure", &names)?.unwrap_or(Template::Constant(Value::Null)),
            undo,
            is_repeatable: fields.flag("repeatable")?.unwrap_or(false),
            name,
        };
        if step.undo.is_some() && (!step.is_required || step.is_unique) {
            return Err(ConfigError::at("undo", "belongs to a step that is required and not unique"));
        }
        fields.end_of(&[
            "name",
            "after",
            "each",
            "unique",
            "at_once",
            "call",
            "body",
            "deadline",
            "required",
            "answer",
            "failure",
            "undo",
            "repeatable",
        ])?;
        Ok(step)
    }
}

impl Call {
    /// Reads `call`, as in `"POST /api/orders/${path/id}"`, and `body`.
    fn read(fields: &mut Fields, names: &Names<'_>) -> Result<Self, ConfigError> {
        let line = fields.needed("call")?;
        let wrong = || ConfigError::at("call", format!("must be a method and a path, as in \"GET /x\", got {line:?}"));
        let (method, path) = line.split_once(' ').ok_or_else(wrong)?;
        let path = Text::read(path, names).map_err(|mistake| mistake.inside("call"))?;
        let plain = path.literal().bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        let is_method = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase());
        if !is_method || !path.literal().starts_with('/') || !plain {
            return Err(wrong());
        }
        Ok(Self::Written { method: method.to_owned(), path, body: template(fields, "body", names)? })
    }
}

fn template(fields: &mut Fields, name: &str, names: &Names<'_>) -> Result<Option<Template>, ConfigError> {
    let Some(json) = fields.any(name) else { return Ok(None) };
    Template::read(json, names).map(Some).map_err(|mistake| mistake.inside(name))
}

fn period(fields: &mut Fields, name: &str, longest: Period) -> Result<Option<Duration>, ConfigError> {
    match fields.period(name, longest)?.map(Period::length) {
        Some(Duration::ZERO) => Err(ConfigError::at(name, "must not be zero")),
        length => Ok(length),
    }
}

fn name(fields: &mut Fields) -> Result<String, ConfigError> {
    let name = fields.needed("name")?;
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if !(1..=64).contains(&name.len()) || !name.bytes().all(safe) {
        return Err(ConfigError::at("name", format!("must be 1 to 64 of A-Z a-z 0-9 - _, got {name:?}")));
    }
    Ok(name)
}

/// The places of the steps that come before, of those too that come before these.
fn after(fields: &mut Fields, before: &[Step]) -> Result<Vec<usize>, ConfigError> {
    let mut places = Vec::new();
    for (index, name) in fields.texts("after")?.unwrap_or_default().into_iter().enumerate() {
        let (place, step) = before.iter().enumerate().find(|(_, step)| step.name == name).ok_or_else(|| {
            ConfigError::at(format!("after[{index}]"), format!("no step before this one, got {name:?}"))
        })?;
        places.push(place);
        places.extend(&step.after);
    }
    places.sort_unstable();
    places.dedup();
    Ok(places)
}

/// Which segments of a path a match's template gives names to.
fn parameters(matching: &Json) -> Result<Vec<(usize, String)>, ConfigError> {
    let Json::Object(members) = matching else { return Ok(Vec::new()) };
    let Some(Json::Text(template)) = members.find("template") else { return Ok(Vec::new()) };
    let mut parameters: Vec<(usize, String)> = Vec::new();
    for (place, segment) in template.split('/').enumerate() {
        if let Some(name) = segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}')) {
            if parameters.iter().any(|(_, known)| known == name) {
                return Err(ConfigError::at("template", format!("names two segments alike, got {name:?}")));
            }
            parameters.push((place, name.to_owned()));
        }
    }
    Ok(parameters)
}

/// A segment of a path as text, with its escapes undone.
fn decoded(segment: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, after) = rest.split_first_chunk::<2>()?;
        let digits =
            std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}
