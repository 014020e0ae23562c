//! The filter's configuration.

use std::rc::Rc;

use policy::ConfigError;
use policy::config::each;
use policy::fields::Fields;
use policy::route::Target;

use crate::plan::Composition;

/// What an operator decides; see [`Config::from_json`] for how it is written.
#[derive(Debug)]
pub struct Config {
    /// The cluster that leads back into this proxy.
    pub cluster: String,
    /// How many compositions one worker has under way at a time.
    pub running_max: usize,
    /// How many compositions with steps that can be taken back the whole proxy has under way at a time.
    pub journal_slots: u32,
    /// How many idempotency keys are remembered.
    pub key_slots: u32,
    /// A longer answer of an upstream, in bytes, is none.
    pub answer_bytes_max: usize,
    /// How long what must be taken back is tried.
    pub undo_for: std::time::Duration,
    /// Whether there is a cache that has to hear of which request a call is part.
    pub tells_cache: bool,
    compositions: Vec<Rc<Composition>>,
}

const LONGEST_UNDO: policy::Period = policy::Period::of_seconds(24 * 3600);

impl Config {
    /// Reads a configuration:
    ///
    /// - `cluster`: the cluster that leads back into this proxy. Default: `"weir_internal"`.
    /// - `running_max`: how many compositions one worker has under way at a time, 1 to 10,000; more are 503. Default: 500.
    /// - `journal`: how many compositions with an `undo` the proxy has under way at a time, 1 to 1,024; more are 503. Default: 128.
    /// - `keys`: how many idempotency keys are remembered, 16 to 65,536, with 16 KiB for each. Default: 4,096.
    /// - `answer_max`: a longer answer of an upstream, in bytes, is none: 256 to 1,048,576. Default: 65,536.
    /// - `undo_for`: how long what must be taken back is tried, at most `24h`. Default: `"10m"`.
    /// - `tells_cache`: whether calls that may change something say of which request they are part, so that what a cache behind
    ///   keeps of its URL ends with them (see [`policy::part`]). Without a cache, it would reach the upstream. Default: `false`.
    /// - `compositions`: what they are; the first that matches a request answers it, and what matches none passes. Each has
    ///   - `name`, `match` (see [`policy::route::RawMatch`]; `{name}` in its `template` is `${path/name}` in templates),
    ///   - `body`: what the request's body must be like (see [`crate::shape::Shape::read`]); without it, the body must be empty.
    ///     `body_max`: a longer one, in bytes, is 413. Default: 65,536.
    ///   - `steps`: in a list, each with
    ///     - `name`; `after`: names of steps before it in the list, which must have ended. Those that need not wait run in
    ///       parallel. Only what is `after` another step may name it in templates.
    ///     - `call`: method and path, as in `"POST /api/v1/stock/reserve"`, and `body`, both templates (see
    ///       [`crate::template`]). The names are `request` (`id`, `correlation_id`, `user`, `tier`), `path`, `body`, earlier
    ///       steps, and `item`.
    ///     - `each`: a list; the step is one call for each of its values, which is `item`. `unique`: equal ones are asked for
    ///       once. `at_once`: so many calls at a time; `1` means in order. The step's value is a list, in the order of `each`.
    ///     - `deadline`: for one call. Default: `"5s"`.
    ///     - `answer`: what becomes of the upstream's answer, which is `self`. Default: the answer.
    ///     - `required`: whether its failure is that of the composition. Default: `true`. Otherwise `failure` is what becomes of
    ///       it, a template that knows `error` (`step`, `status`, `reason`). Default: `null`.
    ///     - `undo`: `call` and `body` that take it back, which know `self`. `repeatable`: the upstream knows a repeated call by
    ///       its `Idempotency-Key`; a call whose fate is not known is then repeated to learn what to take back.
    ///   - `answer`: the client's, a template; `status`: its status. Default: 200.
    ///   - `needs`: how many steps must succeed. Default: 0, beside those that are required.
    ///   - `at_once`: so many calls at a time. Default: 10. `deadline`: for the whole. Default: `"15s"`.
    ///   - `batch`, in the place of `body`, `steps` and `answer`: the body is `{"requests": [{"method", "path", "body"}, …]}`, and each is
    ///     a call, equal ones together. The answer is `{"responses": [{"status", "retry_after", "body"}, …]}` in their order; those
    ///     that are not done at the `deadline` are 504. All bodies together are at most [`crate::batch::ANSWERS_BYTES_MAX`].
    ///     - `most`: so many requests at most, 1 to 100. Default: 50.
    ///     - `calls`: what may be asked for, in a list, each with `methods`, and `path`, `prefix` or `template`.
    ///     - `cluster`: where they are sent. Default: the `cluster` of all.
    ///   - `idempotency`: `required` (default: no), `lifetime` (default: `"24h"`), and `wait`: how long a request waits for
    ///     another with its key; without it, such a request is 409.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn from_json(json: &[u8]) -> Result<Self, ConfigError> {
        let mut fields = Fields::read(json)?;
        let compositions = fields.list("compositions")?.unwrap_or_default();
        let compositions = each("compositions", compositions, |json| Composition::read(json).map(Rc::new))?;
        for (index, one) in compositions.iter().enumerate() {
            if compositions.iter().take(index).any(|other| other.name == one.name) {
                return Err(ConfigError::at(format!("compositions[{index}].name"), "is taken"));
            }
        }
        let undo_for = fields.period("undo_for", LONGEST_UNDO)?.unwrap_or(policy::Period::of_seconds(600));
        let config = Self {
            cluster: fields.text("cluster")?.unwrap_or_else(|| "weir_internal".to_owned()),
            running_max: fields.number("running_max", 1, 10_000)?.unwrap_or(500) as usize,
            journal_slots: fields.number("journal", 1, 1024)?.unwrap_or(128),
            key_slots: fields.number("keys", 16, 65_536)?.unwrap_or(4096),
            answer_bytes_max: fields.number("answer_max", 256, 1 << 20)?.unwrap_or(64 << 10) as usize,
            undo_for: undo_for.length(),
            tells_cache: fields.flag("tells_cache")?.unwrap_or(false),
            compositions,
        };
        fields.end_of(&[
            "cluster",
            "running_max",
            "journal",
            "keys",
            "answer_max",
            "undo_for",
            "tells_cache",
            "compositions",
        ])?;
        Ok(config)
    }

    /// The composition that answers a request.
    pub fn find(&self, target: &Target<'_>) -> Option<&Rc<Composition>> {
        self.compositions.iter().find(|composition| composition.matches(target))
    }

    /// The composition of this name.
    pub fn named(&self, name: &str) -> Option<&Rc<Composition>> {
        self.compositions.iter().find(|composition| composition.name == name)
    }

    /// The names of all compositions.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.compositions.iter().map(|composition| composition.name.as_str())
    }

    /// Whether anything that is done may have to be taken back.
    pub fn has_undo(&self) -> bool {
        self.compositions.iter().any(|composition| composition.has_undo())
    }
}

#[cfg(test)]
mod tests;
