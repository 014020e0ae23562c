//! The contexts and callbacks: fetch, ask, act.

use std::rc::Rc;
use std::time::Duration;

use policy::{Headers, Rejection};
use shell::headers::{self, Map};
use shell::metric::Counter;
use shell::stream::{self, Buffer};
use shell::{Action, HttpContext, RootContext};

use crate::config::Config;
use crate::request::{self, Refusal, Verdict};

#[cfg(not(feature = "linked"))]
shell::entry!(root);

/// How often a worker looks how much it is to say.
const LOOK: Duration = Duration::from_secs(1);

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
    /// Refusals, by why.
    refused: [(&'static str, Counter); 4],
}

/// One request.
struct Filter {
    plugin: Option<Rc<Plugin>>,
    phase: Phase,
}

/// How far a request has come.
#[derive(Default)]
enum Phase {
    /// Nothing more is to be seen of it.
    #[default]
    Idle,
    /// Its body passes, of which so many more bytes may.
    Counted { left: u64, headers: Box<Headers> },
    /// Its body is held until it is whole.
    Held { route: usize, headers: Box<Headers> },
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        let refused = |outcome| (outcome, Counter::new("api_gateway_guard_refusals_total", &[("outcome", outcome)]));
        self.plugin = shell::configure(size, Config::from_json)
            .map(|config| Rc::new(Plugin { config, refused: ["path", "length", "type", "body"].map(refused) }));
        shell::tick(LOOK);
        self.plugin.is_some()
    }

    fn on_tick(&mut self) {
        shell::level::follow("guard");
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Filter { plugin: self.plugin.clone(), phase: Phase::Idle }))
    }
}

impl HttpContext for Filter {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        let Some(plugin) = self.plugin.clone() else { return Action::Continue };
        let headers = match headers::read(Map::Request) {
            Ok(headers) => headers,
            Err(error) => {
                log::error!("request headers: {error}");
                // What cannot be read has not been looked at.
                return shell::reject(&Rejection::Internal, &Headers::default(), &[]);
            }
        };
        match request::judge(&plugin.config, &headers, end_of_stream) {
            Verdict::Pass => Action::Continue,
            Verdict::Refuse(refusal) => plugin.refuse(refusal, &headers),
            Verdict::Count(left) => {
                self.phase = Phase::Counted { left, headers: Box::new(headers) };
                Action::Continue
            }
            Verdict::Hold(route) => {
                self.phase = Phase::Held { route, headers: Box::new(headers) };
                Action::Pause
            }
        }
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        match (self.plugin.clone(), std::mem::take(&mut self.phase)) {
            (Some(plugin), Phase::Counted { left, headers }) => self.count(&plugin, left, headers, size),
            (Some(plugin), Phase::Held { route, headers }) => self.hold(&plugin, route, headers, size, end_of_stream),
            _ => Action::Continue,
        }
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        match (&self.plugin, std::mem::take(&mut self.phase)) {
            (Some(plugin), Phase::Held { headers, .. }) => plugin.refuse(Refusal::Trailers, &headers),
            _ => Action::Continue,
        }
    }
}

impl Filter {
    /// Lets a piece of a body pass, as long as not too much has.
    fn count(&mut self, plugin: &Plugin, left: u64, headers: Box<Headers>, size: usize) -> Action {
        let Some(left) = left.checked_sub(size as u64) else { return plugin.refuse(Refusal::TooLarge, &headers) };
        self.phase = Phase::Counted { left, headers };
        Action::Continue
    }

    /// Holds a body until it is whole, and checks it.
    fn hold(&mut self, plugin: &Plugin, index: usize, headers: Box<Headers>, size: usize, is_whole: bool) -> Action {
        let Some(route) = plugin.config.routes.get(index) else { return Action::Continue };
        if size as u64 > route.body_bytes_max {
            return plugin.refuse(Refusal::TooLarge, &headers);
        }
        if !is_whole {
            self.phase = Phase::Held { route: index, headers };
            return Action::Pause;
        }
        let body = match stream::bytes(Buffer::RequestBody, 0, size) {
            Ok(body) => body,
            Err(error) => {
                log::error!("request body: {error}");
                return shell::reject(&Rejection::Internal, &headers, &[]);
            }
        };
        match request::check(route, &body) {
            Ok(()) => Action::Continue,
            Err(misfit) => plugin.tell("body", &request::mend(misfit), &headers),
        }
    }
}

impl Plugin {
    fn refuse(&self, refusal: Refusal, headers: &Headers) -> Action {
        self.tell(refusal.word(), &refusal.rejection(), headers)
    }

    fn tell(&self, word: &str, rejection: &Rejection, headers: &Headers) -> Action {
        if let Some((_, counter)) = self.refused.iter().find(|(known, _)| *known == word) {
            counter.increment();
        }
        shell::reject(rejection, headers, &[])
    }
}
