//! A batch as a composition: one step, with a call for each of the client's requests.

use std::time::Duration;

use policy::fields::Fields;
use policy::json::Json;
use policy::{ConfigError, Match};

use super::{AT_ONCE_MOST, BODY_BYTES, BODY_BYTES_MOST, Body, Call, Composition, LONGEST, Step, name, period};
use crate::batch::Batch;
use crate::template::{Known, Template};
use crate::value::Value;

impl Composition {
    /// Reads one; what else a composition has means nothing here.
    pub(super) fn of_batch(mut fields: Fields) -> Result<Self, ConfigError> {
        let name = name(&mut fields)?;
        let rule = fields.object("match").and_then(Match::read).map_err(|mistake| mistake.inside("match"))?;
        let batch = fields.any("batch").unwrap_or(Json::Null);
        let batch = Batch::read(batch).map_err(|mistake| mistake.inside("batch"))?;
        let at_once = fields.number("at_once", 1, AT_ONCE_MOST)?.unwrap_or(10) as usize;
        let deadline = period(&mut fields, "deadline", LONGEST)?.unwrap_or(Duration::from_secs(15));
        let body_bytes_max = fields.number("body_max", 1, BODY_BYTES_MOST)?.unwrap_or(BODY_BYTES) as usize;
        fields.end_of(&["name", "match", "batch", "at_once", "deadline", "body_max"])?;
        let text = |text: &str, name| Template::read(Json::Text(text.to_owned()), &[(name, Known::Open)]);
        let step = Step {
            name: "requests".to_owned(),
            after: Vec::new(),
            each: Some(text("${body}", "body")?),
            is_unique: true,
            at_once,
            call: Call::Item,
            deadline,
            is_required: false,
            answer: text("${self}", "self")?,
            failure: Template::Constant(Value::Null),
            undo: None,
            is_repeatable: false,
        };
        let answer = Template::Object(vec![("responses".to_owned(), text("${requests}", "requests")?)]);
        Ok(Self {
            name,
            rule,
            parameters: Vec::new(),
            body: Some(Body::Requests(batch)),
            body_bytes_max,
            steps: vec![step],
            answer,
            status: 200,
            deadline,
            at_once,
            needs: 0,
            keys: None,
        })
    }

    /// The batch that it is, where it is one.
    pub fn batch(&self) -> Option<&Batch> {
        match &self.body {
            Some(Body::Requests(batch)) => Some(batch),
            _ => None,
        }
    }
}
