//! The answer's way: collected as it comes, and replaced as a whole.

use policy::{Headers, Rejection};
use proxy_wasm::types::Action;
use shell::headers::{self, Map};
use shell::stream::{self, Buffer};

use super::{Filter, Phase, Sent, report};
use crate::answer::{self, Trouble, Verdict};
use crate::config::{Config, Provider};
use crate::outgoing;
use crate::passage::Passage;

/// An answer that is being collected. Its bytes are copied out of the host's buffer, which is bounded by the client's
/// connection and not by the configuration.
pub(super) struct Collection {
    sent: Box<Sent>,
    status: u16,
    headers: Headers,
    body: Vec<u8>,
}

impl Filter {
    /// Reads an answer's headers.
    pub(super) fn receive(&mut self, config: &Config, sent: Box<Sent>, is_bodyless: bool) -> Action {
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
        let Some(provider) = config.providers.get(sent.expected.provider) else { return Action::Continue };
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
            return self.release(provider, &collection);
        }
        report(stream::replace(Buffer::ResponseBody, b""));
        self.phase = Phase::Collected(collection);
        Action::Pause
    }

    /// Lets go of a long answer that is to stay as it is. Of what waits together with its headers there must not be more
    /// than the client's connection holds.
    fn release(&mut self, provider: &Provider, collection: &Collection) -> Action {
        let headers = outgoing::answer(&collection.headers, &provider.forms, None);
        report(headers::replace_all(Map::Response, &headers));
        let mut passage = Passage::default();
        let first = passage.pass(&provider.forms, &collection.body, false, HELD_BYTES_MAX);
        report(stream::replace(Buffer::ResponseBody, &first));
        self.phase = Phase::Passed(Box::new((collection.sent.expected.provider, passage)));
        Action::Continue
    }

    /// Passes a further piece of a long answer on; one that is longer than is wanted breaks off.
    pub(super) fn pass(
        &mut self,
        config: &Config,
        (index, mut passage): (usize, Passage),
        size: usize,
        is_last: bool,
    ) -> Action {
        let Some(provider) = config.providers.get(index) else { return Action::Continue };
        let piece = stream::bytes(Buffer::ResponseBody, 0, size);
        let bytes = match &piece {
            Ok(piece) => passage.pass(&provider.forms, piece, is_last, usize::MAX),
            Err(_) => Vec::new(),
        };
        if piece.is_err() || passage.received() > provider.answer_bytes_max {
            log::error!("{}: {}, which breaks off", provider.name, Trouble::TooLong.text());
            report(stream::replace(Buffer::ResponseBody, b""));
            report(stream::break_off());
            return Action::Pause;
        }
        report(stream::replace(Buffer::ResponseBody, &bytes));
        self.phase = Phase::Passed(Box::new((index, passage)));
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
    fn is_own(&self) -> bool {
        let begins_object = self.body.trim_ascii_start().starts_with(b"{");
        self.status == 200 && self.sent.expected.is_own() && begins_object
    }
}

const TOO_LONG: Verdict = Verdict::Refused(Rejection::Proxy, Some(Trouble::TooLong));

fn judge(provider: &Provider, collection: &Collection) -> Verdict {
    let Collection { sent, status, headers, body } = collection;
    answer::judge(provider, &sent.expected, *status, headers, body, shell::now())
}

/// Puts the headers of a verdict in the place of the answer's, and gives its body.
fn conclude(provider: &Provider, collection: &Collection, verdict: Verdict) -> Vec<u8> {
    let (headers, body) = dressed(provider, collection, verdict, false);
    report(headers::replace_all(Map::Response, &headers));
    body
}

/// The headers and the body that a verdict is told with.
fn dressed(provider: &Provider, collection: &Collection, verdict: Verdict, is_bodyless: bool) -> (Headers, Vec<u8>) {
    let length = |body: &[u8]| if is_bodyless { 0 } else { body.len() };
    match verdict {
        Verdict::Good(body) => (outgoing::answer(&collection.headers, &provider.forms, Some(length(&body))), body),
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
