//! The contexts and callbacks: fetch, ask, act.

mod acting;
mod admitting;
mod looking;
mod ordering;
mod refilling;
mod telling;

use std::cell::Cell;
use std::rc::Rc;

use policy::{Headers, Rejection, Seed};
use shell::headers::{self, Map};
use shell::metric::Counter;
use shell::{Action, HttpContext, RootContext};

use crate::config::Config;
use crate::contact;
use crate::credential;
use crate::request::{Ask, Mistake};
use admitting::Visits;
use ordering::Pending;

#[cfg(not(feature = "linked"))]
shell::entry!(root);

/// This filter as one worker's plugin.
pub fn root(_id: u32) -> Box<dyn RootContext> {
    Box::new(Root::default())
}

/// One worker's plugin.
#[derive(Default)]
struct Root {
    plugin: Option<Rc<Plugin>>,
}

/// What all requests of one worker share.
struct Plugin {
    config: Config,
    seed: Seed,
    visits: Visits,
    /// Hits and misses of each of the cache's labels.
    counters: Vec<[Counter; 2]>,
    /// This worker's number where one of them asks the store.
    asker: u64,
    /// The question to the store that is under way.
    asked: Cell<Option<u32>>,
}

/// One request.
#[derive(Default)]
struct Filter {
    plugin: Option<Rc<Plugin>>,
    /// What waits for an answer.
    pending: Option<Pending>,
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        let read = |json: &[u8]| Config::with_environment(json, &shell::environment);
        let Some(config) = shell::configure(size, read) else { return false };
        let seed = match shell::seed() {
            Ok(seed) => seed,
            Err(error) => {
                log::error!("no seed: {error:?}");
                return false;
            }
        };
        if config.store.is_some() {
            shell::tick(contact::EVERY);
        }
        let data = config.cache.iter().flat_map(|cache| &cache.data);
        let counters = data.map(telling::counters).collect();
        let asker = u64::from_le_bytes(shell::random());
        let visits = Visits::new();
        self.plugin = Some(Rc::new(Plugin { config, seed, visits, counters, asker, asked: Cell::default() }));
        true
    }

    fn on_tick(&mut self) {
        if let Some(plugin) = &self.plugin {
            plugin.look_for_store();
        }
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Filter { plugin: self.plugin.clone(), pending: None }))
    }

    fn on_http_call_response(&mut self, token: u32, headers: usize, body_bytes: usize, _trailers: usize) {
        if let Some(plugin) = &self.plugin {
            plugin.heard(token, headers, body_bytes);
        }
    }
}

impl HttpContext for Filter {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let Some(plugin) = self.plugin.clone() else { return Action::Continue };
        let headers = match headers::read(Map::Request) {
            Ok(headers) => headers,
            Err(error) => {
                log::error!("request headers: {error}");
                return Action::Continue;
            }
        };
        let word = |name| headers.first(name).unwrap_or_default();
        match Ask::read(word(":method"), word(":path")) {
            None => Action::Continue,
            Some(asked) => self.answer(&plugin, asked, &headers),
        }
    }

    fn on_http_request_body(&mut self, _size: usize, _end_of_stream: bool) -> Action {
        self.hold()
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        self.hold()
    }

    fn on_http_call_response(&mut self, token: u32, headers: usize, body_bytes: usize, _trailers: usize) {
        let Some(plugin) = &self.plugin else { return };
        if let Some(pending) = self.pending.take_if(|pending| pending.token == token) {
            self.pending = plugin.answered(pending, headers, body_bytes);
        }
    }
}

impl Filter {
    /// What waits for an answer goes nowhere else, whatever of it still comes.
    fn hold(&self) -> Action {
        if self.pending.is_some() { Action::Pause } else { Action::Continue }
    }

    fn answer(&mut self, plugin: &Plugin, asked: Result<Ask, Mistake>, headers: &Headers) -> Action {
        let answered = match &asked {
            Ok(ask) if ask.is_open() => plugin.tell(ask),
            Ok(ask) if ask.is_page() => plugin.page(),
            Err(mistake) if is_open(headers) => Err(reject(mistake)),
            _ => plugin.operator(headers).and_then(|who| match asked {
                Ok(ask) if ask.is_change() && credential::is_foreign(headers) => {
                    log::warn!("not changed for a page of another site: {ask:?}");
                    plugin.visits.count("forbidden");
                    Err(Rejection::Forbidden)
                }
                Ok(ask) if ask.is_change() => {
                    plugin.visits.count("ordered");
                    self.change(plugin, ask, &who, headers)
                }
                Ok(ask) => {
                    plugin.visits.count("asked");
                    self.look(plugin, &ask)
                }
                Err(mistake) => Err(reject(&mistake)),
            }),
        };
        answered.unwrap_or_else(|rejection| shell::reject(&rejection, headers, &[]))
    }

    /// Answers an operator's question.
    fn look(&mut self, plugin: &Plugin, ask: &Ask) -> Result<Action, Rejection> {
        if !matches!(ask, Ask::Status) {
            return plugin.tell(ask);
        }
        plugin.ask_status().map(|(action, pending)| {
            self.pending = pending;
            action
        })
    }
}

/// Whether it is below `/health`, where nobody needs a credential, whatever it is.
fn is_open(headers: &Headers) -> bool {
    headers.first(":path").is_some_and(|path| path.starts_with(b"/health"))
}

fn reject(mistake: &Mistake) -> Rejection {
    match mistake {
        Mistake::Unknown => Rejection::NotFound,
        Mistake::Malformed(message) => Rejection::BadRequest { message: (*message).to_owned() },
        Mistake::Purge(mistake) => Rejection::BadRequest { message: mistake.to_string() },
    }
}
