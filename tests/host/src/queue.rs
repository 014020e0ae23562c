//! Shared queues: named per `vm_id`, and waking only whoever registered last.

use std::collections::{BTreeMap, VecDeque};

use crate::status::Status;
use crate::vm::Kinship;

/// Who is woken: the root context of this number, in whatever machine this worker has for this kinship by then.
#[derive(Clone, Debug)]
pub(crate) struct Listener {
    pub(crate) worker: Option<usize>,
    pub(crate) kinship: Kinship,
    pub(crate) context: u32,
}

#[derive(Debug)]
struct Queue {
    listener: Listener,
    messages: VecDeque<Vec<u8>>,
}

/// All queues, by their tokens.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    tokens: BTreeMap<(String, Vec<u8>), u32>,
    queues: BTreeMap<u32, Queue>,
}

impl Queues {
    /// Makes the queue or takes it over; what is in it stays.
    pub(crate) fn register(&mut self, space: &str, name: &[u8], listener: Listener) -> u32 {
        let next = u32::try_from(self.tokens.len()).expect("fewer than 2^32 queues") + 1;
        let token = *self.tokens.entry((space.to_owned(), name.to_vec())).or_insert(next);
        match self.queues.get_mut(&token) {
            Some(queue) => queue.listener = listener,
            None => {
                self.queues.insert(token, Queue { listener, messages: VecDeque::new() });
            }
        }
        token
    }

    /// The token of a queue that somebody registered.
    pub(crate) fn resolve(&self, space: &str, name: &[u8]) -> Result<u32, Status> {
        self.tokens.get(&(space.to_owned(), name.to_vec())).copied().ok_or(Status::NotFound)
    }

    /// Adds a message and tells who is to be woken.
    pub(crate) fn push(&mut self, token: u32, message: Vec<u8>) -> Result<Listener, Status> {
        let queue = self.queues.get_mut(&token).ok_or(Status::NotFound)?;
        queue.messages.push_back(message);
        Ok(queue.listener.clone())
    }

    /// Takes the oldest message out.
    pub(crate) fn pop(&mut self, token: u32) -> Result<Vec<u8>, Status> {
        let queue = self.queues.get_mut(&token).ok_or(Status::NotFound)?;
        queue.messages.pop_front().ok_or(Status::Empty)
    }
}
