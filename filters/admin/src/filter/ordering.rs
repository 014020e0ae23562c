//! What others are asked and told by a callout: orders to the breakers of a fleet by its store, and whether that is there; the
//! proxy's own administration.

use std::time::Duration;

use policy::health::{self, Health};
use policy::level::{self, FILTERS};
use policy::state::{Fault, Form, Script};
use policy::{Instant, Rejection, order};
use shell::lease::{Role, lead};
use shell::shared::{self, Failure};
use shell::state;
use shell::{Action, callout};

use super::Plugin;
use super::acting::unchanged;
use super::refilling::refill;
use super::telling::{level_of, send, stored};
use crate::audit::Change;
use crate::config::Bridge;
use crate::contact::{Contact, EVERY, KEY, LEASE};
use crate::json::Writer;
use crate::request::{Command, Level};
use crate::{host, report};

/// Keys: the orders of some upstreams. Arguments: the text, and for how many seconds it holds; for ever where that is empty.
static SCRIPT: Script = Script::new(
    "\
for _,k in ipairs(KEYS) do
if ARGV[2]=='' then redis.call('SET',k,ARGV[1]) else redis.call('SET',k,ARGV[1],'EX',ARGV[2]) end
end
return 'ok'",
);

/// How long Envoy may take to tell of itself.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a client waits before it asks again where the store is away.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A request that waits for an answer.
pub(super) struct Pending {
    /// The question's.
    pub(super) token: u32,
    /// What the store is asked.
    pub(super) run: Option<Run>,
    pub(super) what: What,
}

/// A script that the store runs.
pub(super) struct Run {
    pub(super) script: &'static Script,
    pub(super) form: Form,
    /// The number of keys, the keys, the arguments.
    pub(super) words: Vec<String>,
}

impl Run {
    /// Sends it, for an answer that comes under a token.
    pub(super) fn send(&self, bridge: &Bridge) -> Result<u32, Rejection> {
        let words: Vec<_> = self.words.iter().map(String::as_bytes).collect();
        state::run(&bridge.0, self.script, self.form, &words).map_err(|fault| {
            log::error!("not changed: {} cannot be asked: {fault}", bridge.0.cluster);
            Rejection::Unavailable { retry_after: Some(RETRY_AFTER) }
        })
    }
}

pub(super) enum What {
    /// Whether the store has an order, which makes these changes.
    Order(Vec<Change>),
    /// Whether the store has filled the buckets of the rules that are called so, in so many slots here.
    Refill {
        /// The rule's name, or the upstream's.
        name: String,
        /// What changes, by rule.
        changes: Vec<Change>,
        /// In how many slots each has its callers; none where they share one.
        slots: Vec<u32>,
    },
    /// How many hosts upstreams have.
    Hosts,
    /// Whether Envoy lets through what a filter is to say from now on.
    Level(Level, Change),
}

impl Plugin {
    /// Orders breakers: at once in this proxy, or by the store, for whose answer the request waits.
    pub(super) fn order(&self, command: &Command, blank: &Change) -> Result<(Action, Option<Pending>), Rejection> {
        let (lines, now) = (stored(health::KEY)?, shell::now());
        let is_meant = |line: &Health<'_>| {
            let is_named = command.upstream.as_ref().is_none_or(|name| name == line.name);
            is_named && line.is_current(now.unix_seconds())
        };
        let meant: Vec<_> = health::read(&lines).filter(is_meant).collect();
        if meant.is_empty() && command.upstream.is_some() {
            return Err(Rejection::NotFound);
        }
        let after = command.lasting.map_or_else(
            || command.word().to_owned(),
            |period| [command.word(), " for ", &period.to_string()].concat(),
        );
        let change = |line: &Health<'_>| Change {
            what: "breaker",
            target: line.name.to_owned(),
            before: line.mode.to_owned(),
            after: after.clone(),
            ..blank.clone()
        };
        let changes: Vec<_> = meant.iter().map(change).collect();
        let text = command.text(now.as_nanos());
        match self.config.store.as_ref().filter(|_| !command.is_local && !changes.is_empty()) {
            Some(bridge) => {
                let run = self::run(bridge, command, text, &changes);
                let token = run.send(bridge)?;
                Ok((Action::Pause, Some(Pending { token, run: Some(run), what: What::Order(changes) })))
            }
            None if command.lasting.is_some() => {
                let message = "`for` needs the state store, which counts the time".to_owned();
                Err(Rejection::BadRequest { message })
            }
            None => {
                for change in &changes {
                    let written = shared::overwrite(&order::key(&change.target), text.as_bytes());
                    written.map_err(|error| unchanged(Failure::Host(error)))?;
                    // One by one: what was changed is said, whatever becomes of the next.
                    log::warn!("{}", change.line());
                }
                Ok((tell(&changes, "proxy"), None))
            }
        }
    }

    /// Takes in the answer that a request has waited for; what it waits for now, if it still does.
    pub(super) fn answered(&self, mut pending: Pending, headers: usize, body_bytes: usize) -> Option<Pending> {
        let stored = match (&mut pending.run, &self.config.store) {
            (Some(run), Some(bridge)) => match hear(run, bridge, headers, body_bytes) {
                Ok(Some(token)) => return Some(Pending { token, ..pending }),
                heard => heard.map(|_| ()),
            },
            _ => Ok(()),
        };
        match pending.what {
            What::Order(changes) => end(stored.map(|()| done(&changes, "fleet"))),
            What::Refill { name, changes, slots } => {
                end(stored.and_then(|()| refill(&name, &changes, &slots, "fleet")));
            }
            What::Hosts => {
                let answer = callout::answer(headers, body_bytes, host::ANSWER_BYTES_MAX);
                let answer = answer.filter(|answer| answer.status == 200);
                let upstreams = answer.map(|answer| host::upstreams(&answer.body));
                end(self.status(upstreams.as_deref()).map(|status| send(200, &status)));
            }
            What::Level(level, change) => {
                let answer = callout::answer(headers, body_bytes, host::ANSWER_BYTES_MAX);
                end(match answer {
                    Some(answer) if answer.status == 200 => say(level, &change),
                    _ => {
                        log::error!("not changed: Envoy's administration does not answer");
                        Err(Rejection::Unavailable { retry_after: Some(RETRY_AFTER) })
                    }
                });
            }
        }
        None
    }

    /// Asks Envoy how many hosts there are, where it can be asked; tells the rest by itself.
    pub(super) fn ask_status(&self) -> Result<(Action, Option<Pending>), Rejection> {
        match self.config.envoy.as_deref().map(|cluster| ask_envoy(cluster, "GET", host::HOSTS)) {
            Some(Ok(token)) => Ok((Action::Pause, Some(Pending { token, run: None, what: What::Hosts }))),
            Some(Err(_)) | None => Ok((send(200, &self.status(None)?), None)),
        }
    }

    /// Has a filter say more in the log, or less; and Envoy let it through, which says so first.
    pub(super) fn level(&self, level: Level, blank: Change) -> Result<(Action, Option<Pending>), Rejection> {
        let (target, before, after) =
            (level.filter.to_owned(), level_of(level.filter).to_owned(), level.word.to_owned());
        let change = Change { what: "log level", target, before, after, ..blank };
        let Some(cluster) = &self.config.envoy else { return say(level, &change).map(|action| (action, None)) };
        let others = FILTERS.into_iter().filter(|filter| *filter != level.filter).map(level_of);
        let token = ask_envoy(cluster, "POST", host::logging(others.chain([level.word])))?;
        Ok((Action::Pause, Some(Pending { token, run: None, what: What::Level(level, change) })))
    }

    /// Asks whether the store is there, where that is this worker's part.
    pub(super) fn look_for_store(&self) {
        let Some(bridge) = &self.config.store else { return };
        if self.asked.get().is_some() || lead(LEASE, self.asker, EVERY * 3) != Ok(Role::Leader) {
            return;
        }
        match state::send(&bridge.0, &[b"PING"]) {
            Ok(token) => self.asked.set(Some(token)),
            Err(_) => note(false, shell::now()),
        }
    }

    /// Takes in whether it is.
    pub(super) fn heard(&self, token: u32, headers: usize, body_bytes: usize) {
        let Some(bridge) = &self.config.store else { return };
        if self.asked.get() == Some(token) {
            self.asked.set(None);
            note(state::reply(&bridge.0, headers, body_bytes).is_ok(), shell::now());
        }
    }
}

/// Answers a request that has waited, where its answer is a refusal.
fn end(answered: Result<Action, Rejection>) {
    if let Err(rejection) = answered {
        let headers = shell::headers::read(shell::headers::Map::Request).unwrap_or_default();
        shell::reject(&rejection, &headers, &[]);
    }
}

/// Asks Envoy's administration interface.
fn ask_envoy(cluster: &str, method: &str, path: &str) -> Result<u32, Rejection> {
    let headers = [(":method", method), (":path", path), (":authority", cluster)];
    callout::send(cluster, &headers, b"", PATIENCE).map_err(|error| {
        log::error!("{cluster} cannot be asked: {error}");
        Rejection::Unavailable { retry_after: Some(RETRY_AFTER) }
    })
}

/// Says how much a filter is to say.
fn say(level: Level, change: &Change) -> Result<Action, Rejection> {
    let written = shared::overwrite(&level::key(level.filter), level.word.as_bytes());
    written.map_err(|error| unchanged(Failure::Host(error)))?;
    log::warn!("{}", change.line());
    Ok(send(200, &change.body("proxy")))
}

fn note(is_there: bool, now: Instant) {
    if let Err(error) = shared::overwrite(KEY, &Contact::to_bytes(is_there, now)) {
        log::debug!("{KEY}: {error}");
    }
}

/// Gives an order to the store.
fn run(bridge: &Bridge, command: &Command, text: String, changes: &[Change]) -> Run {
    let seconds = command.lasting.map(|period| period.length().as_secs().to_string());
    let mut words = vec![changes.len().to_string()];
    words.extend(changes.iter().map(|change| bridge.0.key(&order::store_key(&change.target))));
    words.extend([text, seconds.unwrap_or_default()]);
    Run { script: &SCRIPT, form: Form::Digest, words }
}

/// Whether the store has done what it was asked to; a token where it was asked once more, since it did not know the script.
fn hear(run: &mut Run, bridge: &Bridge, headers: usize, body_bytes: usize) -> Result<Option<u32>, Rejection> {
    match run.form.hear(state::reply(&bridge.0, headers, body_bytes)) {
        Ok(_) => Ok(None),
        Err(Fault::NoScript) => run.send(bridge).map(Some),
        Err(fault) => {
            log::error!("not changed: {} does not answer: {fault}", bridge.0.cluster);
            Err(Rejection::Unavailable { retry_after: Some(RETRY_AFTER) })
        }
    }
}

/// Says in the log what was changed, and answers.
fn done(changes: &[Change], reach: &str) -> Action {
    for change in changes {
        log::warn!("{}", change.line());
    }
    tell(changes, reach)
}

/// Answers what was changed.
fn tell(changes: &[Change], reach: &str) -> Action {
    let list = report::list(changes.iter().map(|change| change.body(reach)));
    send(200, &Writer::object().raw("circuit_breakers", &list).end())
}
