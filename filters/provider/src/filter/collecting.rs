//! The answer's way: collected as it comes, and replaced as a whole.

use policy::{Headers, Rejection};
use shell::Action;
use shell::headers::{self, Map};
use shell::stream::{self, Buffer};

use super::waiting::Worker;
use super::{Filter, Phase, Sent, report};
use crate::answer::{self, Trouble, Verdict};
use crate::config::{Config, Provider};
use crate::outgoing;
use crate::passage::Passage;
use crate::secret::Forms;

/// An answer that is being collected. Its bytes are copied out of the host's buffer, which is bounded by the client's
/// connection and not by the configuration.
pub(super) struct Collection {
    pub(super) sent: Box<Sent>,
    pub(super) status: u16,
    pub(super) headers: Headers,
    pub(super) body: Vec<u8>,
}

/// An answer that is passed on as it comes.
pub(super) struct Passing {
    sent: Box<Sent>,
    passage: Passage,
}

impl Sent {
    /// Does something with the forms in which our secrets may come back.
    fn with_forms<T>(&self, provider: &Provider, work: impl FnOnce(&Forms) -> T) -> T {
        match self.showing.borrow().as_ref() {
            Some(showing) => work(&showing.token.forms),
            None => work(&provider.forms),
        }
    }
}

impl Filter {
    /// Reads an answer's headers.
    pub(super) fn receive(&mut self, worker: &Worker, mut sent: Box<Sent>, is_bodyless: bool) -> Action {
        let headers = match headers::read(Map::Response) {
            Ok(headers) => headers,
            Err(error) => {
                log::error!("response headers: {error}");
                Headers::default()
            }
        };
        let number = |name: &str| std::str::from_utf8(headers.first(name)?).ok()?.parse::<usize>().ok();
        let status = number(":status").and_then(|status| u16::try_from(status).ok()).unwrap_or(0);
        // What Envoy or a filter behind says in the provider's place is dressed already.
        if status != 200 && !is_of_upstream() {
            return Action::Continue;
        }
        let Some(provider) = worker.config.providers.get(sent.expected.provider) else { return Action::Continue };
        if status == 401 && worker.refuse(&sent) {
            sent.is_bodyless = is_bodyless;
            if is_bodyless {
                // It waits, or is answered past the other filters: there is nothing to put in the place of a body.
                worker.repeat(self.id, sent);
            } else {
                self.phase = Phase::Refused(sent);
            }
            return Action::Pause;
        }
        let length = number("content-length").unwrap_or(0);
        let collection = Collection { sent, status, headers, body: Vec::new() };
        if length > provider.answer_bytes_max {
            self.phase = Phase::Replaced(conclude(provider, &collection, TOO_LONG));
            return Action::Continue;
        }
        if is_bodyless {
            // A body cannot be put where there is none. The headers can, which is what the filters before this one go by.
            let (headers, _) = dressed(provider, &collection, judge(provider, &collection), true);
            report(headers::replace_all(Map::Response, &headers));
            return Action::Continue;
        }
        self.phase = Phase::Collected(Box::new(collection));
        Action::Pause
    }

    /// Takes in what has come of an answer.
    pub(super) fn collect(
        &mut self,
        config: &Config,
        mut collection: Box<Collection>,
        size: usize,
        end_of_stream: bool,
    ) -> Action {
        let Some(provider) = config.providers.get(collection.sent.expected.provider) else { return Action::Continue };
        if collection.body.len().saturating_add(size) > provider.answer_bytes_max {
            return self.put(&conclude(provider, &collection, TOO_LONG));
        }
        match stream::bytes(Buffer::ResponseBody, 0, size) {
            Ok(bytes) => collection.body.extend_from_slice(&bytes),
            Err(error) => {
                log::error!("response body: {error}");
                // Nothing is made of a part.
                collection.status = 0;
            }
        }
        if end_of_stream {
            return self.finish(config, &collection);
        }
        if collection.body.len() > HELD_BYTES_MAX && collection.is_own() {
            return self.release(provider, *collection);
        }
        report(stream::replace(Buffer::ResponseBody, b""));
        self.phase = Phase::Collected(collection);
        Action::Pause
    }

    /// Lets go of a long answer that is to stay as it is. Of what waits together with its headers there must not be more
    /// than the client's connection holds.
    fn release(&mut self, provider: &Provider, collection: Collection) -> Action {
        let mut passage = Passage::default();
        let (headers, first) = collection.sent.with_forms(provider, |forms| {
            let first = passage.pass(forms, &collection.body, false, HELD_BYTES_MAX);
            (outgoing::answer(&collection.headers, forms, None), first)
        });
        let Some(first) = first else {
            return self.put(&conclude(provider, &collection, UNREADABLE));
        };
        report(headers::replace_all(Map::Response, &headers));
        report(stream::replace(Buffer::ResponseBody, &first));
        self.phase = Phase::Passed(Box::new(Passing { sent: collection.sent, passage }));
        Action::Continue
    }

    /// Passes a further piece of a long answer on; one that is longer than is wanted, or no JSON, breaks off.
    pub(super) fn pass(&mut self, config: &Config, mut passing: Box<Passing>, size: usize, is_last: bool) -> Action {
        let Some(provider) = config.providers.get(passing.sent.expected.provider) else { return Action::Continue };
        let piece = stream::bytes(Buffer::ResponseBody, 0, size);
        let Passing { sent, passage } = passing.as_mut();
        let bytes =
            piece.map(|piece| sent.with_forms(provider, |forms| passage.pass(forms, &piece, is_last, usize::MAX)));
        let is_too_long = passage.received() > provider.answer_bytes_max;
        let Ok(Some(bytes)) = bytes.map(|bytes| bytes.filter(|_| !is_too_long)) else {
            let trouble = if is_too_long { Trouble::TooLong } else { Trouble::Unreadable };
            report(stream::replace(Buffer::ResponseBody, b""));
            return break_off(provider, trouble);
        };
        report(stream::replace(Buffer::ResponseBody, &bytes));
        self.phase = Phase::Passed(passing);
        Action::Continue
    }

    /// Puts what an answer becomes in its place.
    pub(super) fn finish(&mut self, config: &Config, collection: &Collection) -> Action {
        let Some(provider) = config.providers.get(collection.sent.expected.provider) else { return Action::Continue };
        self.put(&conclude(provider, collection, judge(provider, collection)))
    }
}

/// Envoy holds no more than this of an answer, as long as nothing of it has gone on.
const HELD_BYTES_MAX: usize = 24 << 10;

impl Collection {
    /// Whether this is the beginning of a good answer which its client gets as it is.
    const fn is_own(&self) -> bool {
        self.status == 200 && self.sent.expected.is_own()
    }
}

/// Reads the end of a long answer that trailers follow: its body has passed, so what is kept of it cannot follow, and what is
/// missing does not come.
pub(super) fn end(config: &Config, passing: &Passing) -> Action {
    match config.providers.get(passing.sent.expected.provider) {
        Some(provider) if !passing.passage.is_whole() => break_off(provider, Trouble::Unreadable),
        _ => Action::Continue,
    }
}

fn break_off(provider: &Provider, trouble: Trouble) -> Action {
    log::error!("{}: {}, which breaks off", provider.name, trouble.text());
    report(stream::break_off());
    Action::Pause
}

const TOO_LONG: Verdict = Verdict::Refused(Rejection::Proxy, Some(Trouble::TooLong));
const UNREADABLE: Verdict = Verdict::Refused(Rejection::Proxy, Some(Trouble::Unreadable));

pub(super) fn judge(provider: &Provider, collection: &Collection) -> Verdict {
    let Collection { sent, status, headers, body } = collection;
    sent.with_forms(provider, |forms| {
        answer::judge(provider, forms, &sent.expected, *status, headers, body, shell::now())
    })
}

/// Puts the headers of a verdict in the place of the answer's, and gives its body.
fn conclude(provider: &Provider, collection: &Collection, verdict: Verdict) -> Vec<u8> {
    let (headers, body) = dressed(provider, collection, verdict, false);
    report(headers::replace_all(Map::Response, &headers));
    body
}

/// The headers and the body that a verdict is told with.
pub(super) fn dressed(
    provider: &Provider,
    collection: &Collection,
    verdict: Verdict,
    is_bodyless: bool,
) -> (Headers, Vec<u8>) {
    let length = |body: &[u8]| if is_bodyless { 0 } else { body.len() };
    match verdict {
        Verdict::Good(body) => {
            let answer = |forms: &Forms| outgoing::answer(&collection.headers, forms, Some(length(&body)));
            (collection.sent.with_forms(provider, answer), body)
        }
        Verdict::Refused(rejection, trouble) => {
            if let Some(trouble) = trouble {
                log::error!("{}: {} (status {})", provider.name, trouble.text(), collection.status);
            }
            let reply = rejection.reply(collection.sent.request_id.as_ref(), collection.sent.format);
            (outgoing::refusal(&reply, length(&reply.body)), reply.body)
        }
    }
}

/// Whether it was the provider that answered. A host that does not tell has nobody else's answers.
fn is_of_upstream() -> bool {
    let details = stream::property(&["response", "code_details"]).ok().flatten();
    details.is_none_or(|details| details == b"via_upstream")
}
