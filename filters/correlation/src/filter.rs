//! The contexts and callbacks: fetch, ask, act.

use std::cell::RefCell;
use std::rc::Rc;

use policy::RequestId;
use policy::handover::state;
use shell::headers::{self, Map};
use shell::metric::Counter;
use shell::{Action, HostError, HttpContext, RootContext, stream};

use crate::config::Config;
use crate::identity::{self, Began, Edit, Identity, Random, Source};
use crate::random::Pool;

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
    pool: RefCell<Pool>,
    taken: Counter,
    made: Counter,
    restarted: Counter,
}

/// One request.
struct Filter {
    plugin: Option<Rc<Plugin>>,
    /// The request id and the correlation id, for the response.
    ids: Option<(RequestId, RequestId)>,
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        let Some(config) = shell::configure(size, Config::from_json) else { return false };
        let requests = |source| Counter::new("api_gateway_correlation_requests_total", &[("source", source)]);
        self.plugin = Some(Rc::new(Plugin {
            config,
            pool: RefCell::default(),
            taken: requests("client"),
            made: requests("made"),
            restarted: Counter::new("api_gateway_correlation_traces_restarted_total", &[]),
        }));
        true
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Filter { plugin: self.plugin.clone(), ids: None }))
    }
}

impl HttpContext for Filter {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let Some(plugin) = &self.plugin else { return Action::Continue };
        let identity = plugin.identify();
        plugin.count(&identity);
        if let Err(error) = apply(Map::Request, identity.edits()).and_then(|()| offer(&identity)) {
            log::error!("request {}: {error}", identity.request_id);
        }
        self.ids = Some((identity.request_id, identity.correlation_id));
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let Some((request_id, correlation_id)) = &self.ids else { return Action::Continue };
        let said = headers::read(Map::Response).ok();
        let answered = apply(Map::Response, identity::answer(request_id, correlation_id, said.as_ref()).iter());
        if let Err(error) = answered {
            log::error!("response to {request_id}: {error}");
        }
        Action::Continue
    }
}

impl Plugin {
    fn identify(&self) -> Identity<'_> {
        let random = self.draw();
        match headers::read(Map::Request) {
            Ok(headers) => Identity::of(&self.config, &headers, random),
            Err(error) => {
                log::error!("request headers: {error}");
                Identity::of_unreadable(&self.config, random)
            }
        }
    }

    fn draw(&self) -> Random {
        let mut pool = self.pool.borrow_mut();
        Random { id: pool.take(shell::random), trace: pool.take(shell::random), parent: pool.take(shell::random) }
    }

    fn count(&self, identity: &Identity<'_>) {
        match identity.source {
            Source::Client => self.taken.increment(),
            Source::Made => self.made.increment(),
        }
        if identity.began == Began::Restarted {
            self.restarted.increment();
        }
    }
}

/// Makes the changes that headers need.
fn apply<'a>(map: Map, mut edits: impl Iterator<Item = &'a Edit>) -> Result<(), HostError> {
    edits.try_for_each(|edit| match edit {
        Edit::Add(name, value) => headers::add(map, name, value),
        Edit::Set(name, value) => headers::set(map, name, value),
        Edit::Remove(name) => headers::remove(map, name),
    })
}

/// Offers what a request is known by to the access log.
fn offer(identity: &Identity<'_>) -> Result<(), HostError> {
    stream::set_state(state::REQUEST_ID, identity.request_id.as_str())?;
    stream::set_state(state::CORRELATION_ID, identity.correlation_id.as_str())?;
    stream::set_state(state::TRACE_ID, identity.trace.trace_id())?;
    match &identity.agent {
        Some(agent) => stream::set_state(state::AGENT, agent.as_bytes()),
        None => Ok(()),
    }
}
