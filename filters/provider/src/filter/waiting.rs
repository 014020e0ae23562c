//! Requests that wait for a token: on their way out, and once more where the last token was refused.

use std::cell::RefCell;
use std::rc::Rc;

use policy::{Headers, Instant, Rejection};
use proxy_wasm::types::Action;
use shell::callout::{self, Answer};
use shell::headers::{self, Map};
use shell::stream::{self, Buffer};

use super::collecting::{Collection, conclude, judge};
use super::tokens::Tokens;
use super::{Sent, report};
use crate::answer::{Trouble, Verdict};
use crate::config::{Config, Provider};
use crate::credential::Shown;
use crate::outgoing;
use crate::queue::{Queue, Waiting};
use crate::token::Token;
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
    /// It is sent once more, past Envoy's routes.
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
    pub(super) headers: Headers,
}

impl Departure {
    /// Puts the provider's own request in the place of the current stream's.
    fn leave(&self, provider: &Provider, token: Rc<Token>) -> Result<(), Rejection> {
        let shown = Shown { parameter: None, header: Some(("authorization", token.value.text())) };
        let own = outgoing::request(provider, &self.client, self.path.clone(), &shown, self.had_body);
        if let Err(error) = headers::replace_all(Map::Request, &own) {
            log::error!("request not rewritten: {error}");
            return Err(Rejection::Internal);
        }
        self.showing.replace(Some(Showing { token, headers: own }));
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
                Err(rejection) => shell::reject(&rejection, &departure.client, &[]),
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
        self.tokens.refuse(&self.config, provider, showing.token.generation) != Refused::Kept
    }

    /// Has the current stream's answer wait until its request was sent once more; what it becomes at once otherwise.
    pub(super) fn repeat(&self, context: u32, sent: Box<Sent>) -> Option<Vec<u8>> {
        let (provider, now) = (sent.expected.provider, shell::now());
        let of = self.config.providers.get(provider)?;
        let waiting = Waiting { context, provider, since: now, errand: Errand::Again(sent) };
        let left = if of.again.is_some() { self.park(waiting) } else { Some(waiting) };
        match left?.errand {
            Errand::Again(sent) => Some(self.concede(of, sent, now, now)),
            Errand::Leave(_) => None,
        }
    }

    /// Puts the headers of a refusal in the place of an answer's, and gives its body.
    pub(super) fn concede(&self, provider: &Provider, sent: Box<Sent>, since: Instant, now: Instant) -> Vec<u8> {
        let rejection = self.lacking(sent.expected.provider, since, now);
        let collection = Collection { sent, status: 401, headers: Headers::default(), body: Vec::new() };
        conclude(provider, &collection, Verdict::Refused(rejection, None))
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
                Err(rejection) => _ = shell::reject(&rejection, &departure.client, &[]),
            },
            (Errand::Leave(departure), None) => {
                _ = shell::reject(&self.lacking(provider, since, now), &departure.client, &[]);
            }
            (Errand::Again(sent), Some(token)) => self.resend(root, context, of, sent, token),
            (Errand::Again(sent), None) => {
                let body = self.concede(of, sent, since, now);
                end(&body);
            }
        }
    }

    /// Sends a request once more, by a callout of the root context.
    fn resend(&self, root: u32, context: u32, provider: &Provider, sent: Box<Sent>, token: Rc<Token>) {
        let flight = {
            let mut showing = sent.showing.borrow_mut();
            let flight = showing.as_ref().zip(provider.again.as_ref()).and_then(|(showing, again)| {
                back(root);
                let headers = outgoing::again(&showing.headers, &again.authority, token.value.text());
                callout::send(&again.cluster, &headers, &[], again.timeout).ok()
            });
            if let Some(showing) = showing.as_mut() {
                showing.token = token;
            }
            flight
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
    let body = match answer {
        None => {
            let collection = Collection { sent, status: 0, headers: Headers::default(), body: Vec::new() };
            conclude(provider, &collection, Verdict::Refused(Rejection::Proxy, Some(Trouble::Unreadable)))
        }
        Some(Answer { status, headers, body }) => {
            let collection = Collection { sent, status, headers, body };
            conclude(provider, &collection, judge(provider, &collection))
        }
    };
    end(&body);
}

/// Lets the current stream's answer go on with this body.
fn end(body: &[u8]) {
    report(stream::replace(Buffer::ResponseBody, body));
    report(stream::resume_response());
}

/// Makes the root context the current one.
fn back(root: u32) {
    if let Err(error) = stream::select(root) {
        log::error!("no way back to the root context: {error}");
    }
}
