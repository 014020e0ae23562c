//! Questions to the state store, beside the requests: from callbacks of the root context alone, as all callouts.
//!
//! [`send`] and [`run`] give the token under which `on_http_call_response` hears of the answer, at the latest after the store's
//! timeout; there, [`reply`] reads it. Who has one script run again and again, one run at a time, has an [`Errand`].

use std::cell::Cell;

use policy::Instant;
use policy::handover::header;
use policy::state::{ANSWER_BYTES_MAX, Fault, Form, Reply, Script, Store};

use crate::callout;

/// Sends one command, as in `["GET", "key"]`.
///
/// # Errors
/// [`Fault::Unsendable`], and status 503 where there is no such cluster or no host in it.
pub fn send(store: &Store, command: &[&[u8]]) -> Result<u32, Fault> {
    let request = store.request(command)?;
    callout::send(&store.cluster, &request.headers, &request.body, store.timeout).map_err(|_| Fault::Status(503))
}

/// Has a script run; `words` are the number of keys, the keys, and the arguments. Its answer is for [`Form::hear`].
///
/// # Errors
/// Those of [`send`].
pub fn run(store: &Store, script: &Script, form: Form, words: &[&[u8]]) -> Result<u32, Fault> {
    send(store, &[&script.words(form), words].concat())
}

/// Reads the answer that is being delivered to `on_http_call_response`, which is told the numbers.
///
/// # Errors
/// Whatever kept Redis from answering, and what Redis says is wrong.
pub fn reply(store: &Store, headers: usize, body_bytes: usize) -> Result<Reply, Fault> {
    let answer = callout::answer(headers, body_bytes, ANSWER_BYTES_MAX).ok_or(Fault::Lost)?;
    match answer.headers.first(header::LOCAL) {
        Some(_) => Err(Fault::Refused(answer.status)),
        None => store.reply(answer.status, &answer.body),
    }
}

/// A script that is run again and again, one run at a time.
pub struct Errand {
    script: &'static Script,
    form: Cell<Form>,
    /// The run that is under way, and when it is given up.
    under_way: Cell<Option<(u32, Instant)>>,
}

impl Errand {
    /// One that has not been run.
    pub const fn new(script: &'static Script) -> Self {
        Self { script, form: Cell::new(Form::Digest), under_way: Cell::new(None) }
    }

    /// Whether an answer is to come: one that was not there after twice the timeout never will be.
    pub fn is_under_way(&self, store: &Store, now: Instant) -> bool {
        // A clock that stepped back makes nobody wait for its return.
        self.under_way.get().is_some_and(|(_, until)| now < until && until.since(now) <= store.timeout * 2)
    }

    /// Has it run with these words, which are those of [`run`].
    ///
    /// # Errors
    /// Those of [`send`].
    pub fn send(&self, store: &Store, words: &[&[u8]], now: Instant) -> Result<(), Fault> {
        let token = run(store, self.script, self.form.get(), words)?;
        self.under_way.set(Some((token, now + store.timeout * 2)));
        Ok(())
    }

    /// Reads the answer that is being delivered under this token, as [`reply`] does; `None` where it is another's. After
    /// [`Fault::NoScript`], the same is to be sent once more, at once.
    pub fn hear(&self, store: &Store, token: u32, headers: usize, body_bytes: usize) -> Option<Result<Reply, Fault>> {
        self.under_way.get().filter(|(awaited, _)| *awaited == token)?;
        self.under_way.set(None);
        let mut form = self.form.get();
        let reply = form.hear(reply(store, headers, body_bytes));
        self.form.set(form);
        Some(reply)
    }
}
