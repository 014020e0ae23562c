//! Requests that wait for a token: on their way out, and once more where the last token was refused.

use std::cell::RefCell;
use std::rc::Rc;

use policy::{Headers, Instant, Rejection};
use shell::Action;
use shell::callout::{self, Answer};
use shell::headers::{self, Map};
use shell::stream::{self, Buffer};

use super::collecting::{Collection, dressed, judge};
use super::tokens::Tokens;
use super::{Sent, report};
use crate::answer::{RESULT_BYTES_MAX, Trouble, Verdict};
use crate::config::{Config, Provider};
use crate::credential::Shown;
use crate::outgoing;
use crate::queue::{Queue, Waiting};
use crate::token::Token;
use crate::track;
use crate::upkeep::{Prospect, Refused};

/// What all requests of a worker share.
pub(super) struct Worker {
    pub(super) config: Config,
    pub(super) tokens: Tokens,
    queue: RefCell<Queue<Errand>>,
    /// Requests that were sent once more: the callout's token, the stream's context, and what its answer is read by.
    again: RefCell<Vec<(u32, u32, Box<Sent>)>>,
}

/// What is done once there is a token.
pub(super) enum Errand {
    /// The request leaves.
    Leave(Departure),
    /// It is sent once more, by the way back into the proxy.
    Again(Box<Sent>),
}

/// A request that is ready to leave but for its token.
pub(super) struct Departure {
    pub(super) client: Headers,
    pub(super) path: String,
    pub(super) had_body: bool,
    /// Where its stream finds what it was sent with.
    pub(super) showing: Rc<RefCell<Option<Showing>>>,
}

/// What a request was sent with.
pub(super) struct Showing {
    pub(super) token: Rc<Token>,
    /// The client's own headers.
    pub(super) client: Headers,
}

impl Departure {
    /// Puts the provider's own request in the place of the current stream's.
    fn leave(self, provider: &Provider, token: Rc<Token>) -> Result<(), (Rejection, Headers)> {
        let Self { client, path, had_body, showing } = self;
        let shown =
            Shown { parameter: None, header: Some(("authorization", token.value.text())), is_brief: token.is_brief };
        let own = outgoing::request(provider, &client, path, &shown, had_body);
        if let Err(error) = headers::replace_all(Map::Request, &own) {
            log::error!("request not rewritten: {error}");
            return Err((Rejection::Internal, client));
        }
        showing.replace(Some(Showing { token, client }));
        Ok(())
    }
}

impl Worker {
    pub(super) fn new(config: Config) -> Self {
        Self { tokens: Tokens::new(&config), config, queue: RefCell::default(), again: RefCell::default() }
    }

    /// Lets the current stream's request leave, now or as soon as there is a token.
    pub(super) fn leave(&self, context: u32, provider: usize, departure: Departure) -> Action {
        let Some(of) = self.config.providers.get(provider) else { return Action::Continue };
        let now = shell::now();
        if let Some(token) = self.tokens.current(&self.config, provider, now) {
            return match departure.leave(of, token) {
                Ok(()) => Action::Continue,
                Err((rejection, client)) => shell::reject(&rejection, &client, &[]),
            };
        }
        let waiting = Waiting { context, provider, since: now, errand: Errand::Leave(departure) };
        let left = match self.tokens.prospect(&self.config, provider, now, now) {
            Prospect::Now | Prospect::Soon => self.park(waiting),
            Prospect::In(_) => Some(waiting),
        };
        if let Some(Waiting { errand: Errand::Leave(departure), .. }) = left {
            return shell::reject(&self.lacking(provider, now, now), &departure.client, &[]);
        }
        Action::Pause
    }

    /// Lets a request wait, where there is room.
    fn park(&self, waiting: Waiting<Errand>) -> Option<Waiting<Errand>> {
        let grant = self.config.providers.get(waiting.provider).and_then(Provider::grant);
        let waiting_max = grant.map_or(0, |grant| grant.waiting_max);
        self.tokens.wake();
        self.queue.borrow_mut().admit(waiting, waiting_max)
    }

    /// What a client is told for which there is no token.
    fn lacking(&self, provider: usize, since: Instant, now: Instant) -> Rejection {
        let retry_after = match self.tokens.prospect(&self.config, provider, since, now) {
            Prospect::In(time) => time,
            Prospect::Now | Prospect::Soon => SHORTLY,
        };
        Rejection::Unavailable { retry_after: Some(retry_after.max(SHORTLY)) }
    }

    /// The provider has refused the token that a request was sent with: whether it is sent once more with another.
    pub(super) fn refuse(&self, sent: &Sent) -> bool {
        let showing = sent.showing.borrow();
        let Some(showing) = showing.as_ref() else { return false };
        let provider = sent.expected.provider;
        self.tokens.refuse(&self.config, provider, showing.token.generation) != Refused::Kept && !sent.is_again
    }

    /// Has the current stream's answer wait until its request was sent once more; otherwise it is answered, but for the
    /// body that is to be put in the place of its own.
    pub(super) fn repeat(&self, context: u32, sent: Box<Sent>) -> Option<Vec<u8>> {
        let (provider, now) = (sent.expected.provider, shell::now());
        let of = self.config.providers.get(provider)?;
        let waiting = Waiting { context, provider, since: now, errand: Errand::Again(sent) };
        let left = if of.again.is_some() { self.park(waiting) } else { Some(waiting) };
        match left?.errand {
            Errand::Again(sent) => self.concede(of, sent, now, now),
            Errand::Leave(_) => None,
        }
    }

    /// Answers the current stream, for which there is no token, but for the body that is to be put in the place of its own.
    fn concede(&self, provider: &Provider, sent: Box<Sent>, since: Instant, now: Instant) -> Option<Vec<u8>> {
        let rejection = self.lacking(sent.expected.provider, since, now);
        let collection = Collection { sent, status: 401, headers: Headers::default(), body: Vec::new() };
        let (headers, body) = dressed(provider, &collection, Verdict::Refused(rejection, None), false);
        tell(&collection.sent, &headers, body)
    }

    /// Looks after the tokens, then goes on with the requests that have waited. The root context's number is `root`.
    pub(super) fn tick(&self, root: u32) {
        self.tokens.tick(&self.config);
        self.release(root);
    }

    /// Takes in the answer to a callout of `root`.
    pub(super) fn answered(&self, root: u32, token: u32, headers: usize, body_bytes: usize) {
        if self.tokens.answered(&self.config, token, headers, body_bytes) {
            return self.release(root);
        }
        let found = {
            let mut again = self.again.borrow_mut();
            let at = again.iter().position(|(flight, ..)| *flight == token);
            at.map(|at| again.swap_remove(at))
        };
        let Some((_, context, sent)) = found else { return };
        let Some(provider) = self.config.providers.get(sent.expected.provider) else { return };
        let answer = callout::answer(headers, body_bytes, provider.answer_bytes_max);
        if stream::select(context).is_ok() {
            deliver(provider, sent, answer);
        }
        back(root);
    }

    /// Goes on with the requests for which there is a token, or will be none in time.
    fn release(&self, root: u32) {
        if self.queue.borrow().is_empty() {
            return;
        }
        let now = shell::now();
        let prospect =
            |waiting: &Waiting<Errand>| self.tokens.prospect(&self.config, waiting.provider, waiting.since, now);
        let ready = self.queue.borrow_mut().take(|waiting| prospect(waiting) != Prospect::Soon);
        for waiting in ready {
            // A stream that cannot be selected has ended: its client did not wait.
            if stream::select(waiting.context).is_ok() {
                self.resume(root, waiting, now);
            }
        }
        // Those that still wait keep their places only as long as their clients do.
        self.queue.borrow_mut().retain(|context| stream::select(context).is_ok());
        back(root);
    }

    /// Goes on with the current stream.
    fn resume(&self, root: u32, waiting: Waiting<Errand>, now: Instant) {
        let Waiting { context, provider, since, errand } = waiting;
        let Some(of) = self.config.providers.get(provider) else { return };
        let token = self.tokens.current(&self.config, provider, now);
        match (errand, token) {
            (Errand::Leave(departure), Some(token)) => match departure.leave(of, token) {
                Ok(()) => report(stream::resume_request()),
                Err((rejection, client)) => _ = shell::reject(&rejection, &client, &[]),
            },
            (Errand::Leave(departure), None) => {
                _ = shell::reject(&self.lacking(provider, since, now), &departure.client, &[]);
            }
            (Errand::Again(sent), Some(_)) => self.resend(root, context, of, sent),
            (Errand::Again(sent), None) => end(self.concede(of, sent, since, now)),
        }
    }

    /// Sends a request once more, as its client did, by a callout of the root context. The filters that it meets on its way
    /// back in show the token which there is now.
    fn resend(&self, root: u32, context: u32, provider: &Provider, sent: Box<Sent>) {
        let flight = {
            let showing = sent.showing.borrow();
            showing.as_ref().zip(provider.again.as_ref()).and_then(|(showing, again)| {
                back(root);
                let body = sent.expected.question.as_ref().map(track::asked).unwrap_or_default();
                callout::send(&again.cluster, &outgoing::again(&showing.client), body.as_bytes(), again.timeout).ok()
            })
        };
        match flight {
            Some(flight) => self.again.borrow_mut().push((flight, context, sent)),
            None if stream::select(context).is_ok() => deliver(provider, sent, None),
            None => {}
        }
    }
}

/// Nobody is asked to come back sooner.
const SHORTLY: std::time::Duration = std::time::Duration::from_secs(1);

/// Answers the current stream, whose own answer waits, with what its request was answered the second time.
fn deliver(provider: &Provider, sent: Box<Sent>, answer: Option<Answer>) {
    let Some(Answer { status, headers, body }) = answer else {
        let collection = Collection { sent, status: 0, headers: Headers::default(), body: Vec::new() };
        let unreadable = Verdict::Refused(Rejection::Proxy, Some(Trouble::Unreadable));
        let (headers, body) = dressed(provider, &collection, unreadable, false);
        return end(tell(&collection.sent, &headers, body));
    };
    if (1..=RESULT_BYTES_MAX).contains(&body.len()) && outgoing::is_dressed(&headers) {
        return end(tell(&sent, &outgoing::delivered(&headers, body.len()), body));
    }
    // Nobody was there to dress it, or nothing of it that could be dressed: it was too late, or ended with its headers.
    let collection = Collection { sent, status, headers, body };
    let (headers, body) = dressed(provider, &collection, judge(provider, &collection), false);
    end(tell(&collection.sent, &headers, body));
}

/// Puts these headers in the place of the current stream's, and gives the body that is to be put in the place of its own. An
/// answer that ended with its headers cannot be given one: it is replaced as a whole, past the other filters.
fn tell(sent: &Sent, headers: &Headers, body: Vec<u8>) -> Option<Vec<u8>> {
    if !sent.is_bodyless {
        report(headers::replace_all(Map::Response, headers));
        return Some(body);
    }
    let showing = sent.showing.borrow();
    let client = showing.as_ref().map(|showing| &showing.client);
    let (status, own) = outgoing::alone(headers, client);
    _ = shell::reply::send_whole(status, DETAILS, &own, &body);
    None
}

/// What the access log says of an answer that went past the other filters.
const DETAILS: &str = "weir_token_refused";

/// Lets the current stream's answer go on with this body, where it has one.
fn end(body: Option<Vec<u8>>) {
    if let Some(body) = body {
        report(stream::replace(Buffer::ResponseBody, &body));
        report(stream::resume_response());
    }
}

/// Makes the root context the current one.
fn back(root: u32) {
    if let Err(error) = stream::select(root) {
        log::error!("no way back to the root context: {error}");
    }
}
