//! The request's way: it is read, refused, or sent on as the provider's own.

use std::rc::Rc;

use policy::handover::{header, state};
use policy::rejection::Format;
use policy::route::Target;
use policy::{Headers, Rejection, RequestId};
use shell::Action;
use shell::headers::{self, Map};
use shell::stream::{self, Buffer};

use super::waiting::{Departure, Worker};
use super::{Filter, Held, Phase, Sent, report};
use crate::answer::Expectation;
use crate::outgoing;
use crate::profile::Shape;
use crate::request::{self, BODY_BYTES_MAX, What};

impl Filter {
    /// Reads a request's headers: it is refused, sent on, or its body is awaited.
    pub(super) fn begin(&mut self, worker: &Worker, is_bodyless: bool) -> Action {
        let config = &worker.config;
        let headers = match headers::read(Map::Request) {
            Ok(headers) => headers,
            Err(error) => {
                log::error!("request headers: {error}");
                // What cannot be read cannot be made another's request, and as it is it must not leave.
                return shell::reject(&Rejection::Internal, &Headers::default(), &[]);
            }
        };
        let target = Target::of(&headers);
        let Some(route) = config.find(&target) else { return Action::Continue };
        let Some(provider) = config.providers.get(route.provider) else { return Action::Continue };
        let path = headers.first(":path").unwrap_or_default();
        let asked = match request::read(provider.profile, &target, path, &route.strip) {
            Ok(asked) => asked,
            Err(rejection) => return shell::reject(&rejection, &headers, &[]),
        };
        let (provider_index, is_raw) = (route.provider, asked.is_raw);
        match asked.what {
            What::Search(search) => {
                if let Err(rejection) = request::check_body(&target, is_bodyless) {
                    return shell::reject(&rejection, &headers, &[]);
                }
                self.phase = Phase::Held(Box::new(Held { provider: provider_index, search, is_raw, headers }));
                Action::Pause
            }
            What::Lookup(..) if !is_bodyless => {
                shell::reject(&request::refused("body", "there is none in a GET"), &headers, &[])
            }
            What::Lookup(lookup, _) => {
                let question = asked.question();
                let expected = Expectation { provider: provider_index, shape: lookup.shape, question, is_raw };
                let path = outgoing::path(provider, &asked.what, expected.question.as_ref());
                self.send(worker, expected, path, false, headers)
            }
        }
    }

    /// Holds a search's body until it is whole.
    pub(super) fn hold(&mut self, worker: &Worker, held: Box<Held>, size: usize, end_of_stream: bool) -> Action {
        if size > BODY_BYTES_MAX {
            return shell::reject(&Rejection::TooLarge, &held.headers, &[]);
        }
        if !end_of_stream {
            self.phase = Phase::Held(held);
            return Action::Pause;
        }
        let Held { headers, provider, search, is_raw } = *held;
        let body = stream::bytes(Buffer::RequestBody, 0, size).unwrap_or_else(|error| {
            log::error!("request body: {error}");
            Vec::new()
        });
        let question = match request::search(&body) {
            Ok(question) => Some(question),
            Err(rejection) => return shell::reject(&rejection, &headers, &[]),
        };
        let Some(of) = worker.config.providers.get(provider) else { return Action::Continue };
        let expected = Expectation { provider, shape: Shape::Tracks(search.tracks), question, is_raw };
        let path = outgoing::path(of, &What::Search(search), expected.question.as_ref());
        self.send(worker, expected, path, true, headers)
    }

    /// Sends the provider's own request in the place of the client's, which goes on as it is where it is only judged here.
    /// `had_body` tells that Envoy will end it with an empty body.
    fn send(
        &mut self,
        worker: &Worker,
        expected: Expectation,
        path: Result<String, Rejection>,
        had_body: bool,
        client: Headers,
    ) -> Action {
        let index = expected.provider;
        let Some(provider) = worker.config.providers.get(index) else { return Action::Continue };
        let path = match path {
            Ok(path) => path,
            Err(rejection) => return shell::reject(&rejection, &client, &[]),
        };
        if worker.config.checks_only {
            return Action::Continue;
        }
        if had_body {
            report(stream::replace(Buffer::RequestBody, b""));
        }
        // Before the path, which makes Envoy look for another route.
        report(stream::set_state(state::PROVIDER, &provider.name));
        let showing = Rc::default();
        self.phase = Phase::Sent(Box::new(Sent {
            expected,
            request_id: client.first(header::REQUEST_ID).and_then(RequestId::parse),
            format: Format::of(client.first("accept")),
            showing: Rc::clone(&showing),
            is_again: client.first(header::AGAIN).is_some(),
            is_bodyless: false,
        }));
        if provider.grant().is_some() {
            return worker.leave(self.id, index, Departure { client, path, had_body, showing });
        }
        let own = outgoing::request(provider, &client, path, &provider.credential.shown(), had_body);
        if let Err(error) = headers::replace_all(Map::Request, &own) {
            log::error!("request not rewritten: {error}");
            return shell::reject(&Rejection::Internal, &client, &[]);
        }
        Action::Continue
    }
}

/// Answers a search that has trailers: they could not be taken away.
pub(super) fn refuse_trailers(held: &Held) -> Action {
    shell::reject(&request::refused("trailers", "there must be none"), &held.headers, &[])
}
