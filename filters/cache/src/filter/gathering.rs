//! Searches that wait for their bodies, each until its own deadline: then it passes, and its body as it comes.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use policy::Instant;
use shell::Action;
use shell::stream::{self, Buffer};

use super::{Filter, Phase, Plugin, report};
use crate::gathering::Gathering;
use crate::status::Forward;

/// How often a worker looks for searches that have waited for long enough.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// So many searches of a worker wait at a time, if the worker's ledger has room for their bodies.
const WAITING_MAX: usize = 2048;

/// The searches of one worker that wait.
#[derive(Default)]
pub(super) struct Gatherings {
    waiting: Rc<RefCell<Vec<Waiting>>>,
}

struct Waiting {
    context: u32,
    since: Instant,
    wait: Duration,
}

/// A search that waits.
pub(super) struct Gathered {
    gathering: Gathering,
    place: Place,
}

/// A place among those that wait; given back when this is dropped, whatever became of the request.
struct Place {
    waiting: Rc<RefCell<Vec<Waiting>>>,
    context: u32,
}

impl Place {
    fn is_taken(&self) -> bool {
        self.waiting.borrow().iter().any(|waiting| waiting.context == self.context)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        take(&self.waiting, &|waiting| waiting.context == self.context);
    }
}

/// Takes out one that waits, and says which.
fn take(all: &RefCell<Vec<Waiting>>, is_wanted: &dyn Fn(&Waiting) -> bool) -> Option<u32> {
    let mut all = all.borrow_mut();
    let at = all.iter().position(is_wanted)?;
    Some(all.swap_remove(at).context)
}

impl Filter {
    /// Holds a search back until its body is whole.
    pub(super) fn gather(&mut self, plugin: &Plugin, gathering: Gathering) -> Action {
        // What the host holds back is bounded as if it were held here.
        self.hold = plugin.ledger.hold(gathering.bytes_max);
        match plugin.wait(self.id, gathering.wait).filter(|_| self.hold.is_some()) {
            Some(place) => {
                self.phase = Phase::Gathered(Box::new(Gathered { gathering, place }));
                Action::Pause
            }
            None => self.pass(Forward::Bypass, Some("busy"), None),
        }
    }

    /// Goes on with a search of whose body `size` bytes have come.
    pub(super) fn complete(&mut self, plugin: &Plugin, gathered: Gathered, size: usize, is_whole: bool) -> Action {
        let hold = self.hold.take();
        if !gathered.place.is_taken() {
            return self.pass(Forward::Bypass, Some("wait"), None);
        }
        if size > gathered.gathering.bytes_max {
            return self.pass(Forward::Bypass, Some("size"), None);
        }
        if !is_whole {
            self.phase = Phase::Gathered(Box::new(gathered));
            self.hold = hold;
            return Action::Pause;
        }
        drop(hold);
        let body = stream::bytes(Buffer::RequestBody, 0, size).unwrap_or_default();
        let inquiry = match gathered.gathering.complete(&plugin.seed, &body) {
            Ok(inquiry) => inquiry,
            Err(invalidation) => return self.pass(Forward::Bypass, Some("body"), Some(invalidation)),
        };
        // From here on, what is held of it is its key.
        self.hold = plugin.ledger.hold(inquiry.key.len());
        if self.hold.is_some() {
            self.ask(plugin, inquiry, None)
        } else {
            self.pass(Forward::Bypass, Some("busy"), None)
        }
    }
}

impl Plugin {
    /// Takes a place for a search, where there is one.
    fn wait(&self, context: u32, wait: Duration) -> Option<Place> {
        let gatherings = &self.gatherings;
        if gatherings.waiting.borrow().len() >= WAITING_MAX {
            return None;
        }
        let since = shell::now();
        self.board.pulse.wake_in(LOOK_EVERY, since);
        gatherings.waiting.borrow_mut().push(Waiting { context, since, wait });
        Some(Place { waiting: gatherings.waiting.clone(), context })
    }

    /// Lets searches pass that have waited for long enough; `root` is the context that this is called in. How soon to look again.
    pub(super) fn let_pass(&self, root: u32, now: Instant) -> Option<Duration> {
        if self.gatherings.waiting.borrow().is_empty() {
            return None;
        }
        // A clock that stepped back makes nobody wait for its return.
        let is_late = |waiting: &Waiting| now < waiting.since || now.since(waiting.since) >= waiting.wait;
        while let Some(context) = take(&self.gatherings.waiting, &is_late) {
            // A stream that cannot be selected has ended.
            if stream::select(context).is_ok() {
                report(stream::resume_request());
            }
        }
        report(stream::select(root));
        (!self.gatherings.waiting.borrow().is_empty()).then_some(LOOK_EVERY)
    }
}
