//! Questions to the state store, beside the requests: from callbacks of the root context alone, as all callouts.
//!
//! [`send`] gives the token under which `on_http_call_response` hears of the answer, at the latest after the store's timeout;
//! there, [`reply`] reads it.

use policy::state::{ANSWER_BYTES_MAX, Fault, Reply, Store};

use crate::callout;

/// Sends one command, as in `["GET", "key"]`.
///
/// # Errors
/// [`Fault::Unsendable`], and status 503 where there is no such cluster or no host in it.
pub fn send(store: &Store, command: &[&[u8]]) -> Result<u32, Fault> {
    let request = store.request(command)?;
    callout::send(&store.cluster, &request.headers, &request.body, store.timeout).map_err(|_| Fault::Status(503))
}

/// Reads the answer that is being delivered to `on_http_call_response`, which is told the numbers.
///
/// # Errors
/// Whatever kept Redis from answering, and what Redis says is wrong.
pub fn reply(store: &Store, headers: usize, body_bytes: usize) -> Result<Reply, Fault> {
    let answer = callout::answer(headers, body_bytes, ANSWER_BYTES_MAX).ok_or(Fault::Lost)?;
    store.reply(answer.status, &answer.body)
}
