//! The flights of one worker: those that its requests lead, and its requests that wait for others.
//!
//! A request that waits is held in its headers. The worker looks at what it waits for at its ticks, the more often the younger the
//! wait is: what a wait adds to the upstream's own time is an eighth of it, and [`LOOK_MAX`] at most, on whichever worker the
//! leader is. A leader that lands has its own worker look at once.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use policy::Instant;
use shell::metric::Counter;
use shell::pulse::Pulse;
use shell::shared::{self, Change, Failure};
use shell::{Action, stream};

use super::asking::Asking;
use super::store::Known;
use super::{Filter, Phase, Plugin, report};
use crate::arena::Arena;
use crate::flight::{self, Boarding, Id, LEASE, RENEWED_EVERY, ROUNDS_MAX, Report, Standing};
use crate::request::Inquiry;
use crate::status::{Forward, Source};

/// How often a change of a table is tried again when other workers were faster.
const ATTEMPTS: u32 = 16;
/// How soon a worker looks again, at the earliest and at the latest.
const LOOK_MIN: Duration = Duration::from_millis(1);
const LOOK_MAX: Duration = Duration::from_millis(20);
/// What one flight costs to look at, twenty times over: looking takes no more than a twentieth of a worker's time.
const LOOK_COST: Duration = Duration::from_micros(40);
/// How long a worker relies on having been told that a request goes on alone, and of how many it remembers that.
const RELIED_ON: Duration = Duration::from_secs(1);
const REMEMBERED: usize = 64;
/// How often a worker looks whether a line of its own is to be renewed.
const RENEWAL: Duration = Duration::from_millis(500);

/// One worker's part in flights.
pub(super) struct Board {
    prefix: String,
    /// The worker's own number, and how many flights it has led.
    asker: u64,
    led: Cell<u64>,
    leading: RefCell<Vec<Led>>,
    waiting: RefCell<Vec<Weak<Berth>>>,
    /// What goes on alone, and until when that need not be asked again.
    loners: RefCell<[(u64, Instant); REMEMBERED]>,
    /// When the worker looks next.
    pub(super) pulse: Pulse,
    held: Counter,
    collapsed: Counter,
    alone: Counter,
    full: Counter,
}

/// A flight that a request of this worker leads.
struct Led {
    id: Id,
    holder: u64,
    renewed: Instant,
}

/// The lead of a flight; it lands when this is dropped, whatever became of its request.
pub(super) struct Claim {
    board: Rc<Board>,
    id: Id,
    holder: u64,
    mark: Option<Duration>,
}

/// A request that waits; it has left when this is dropped.
pub(super) struct Berth {
    context: u32,
    id: Id,
    waited: Waited,
    inquiry: Cell<Option<Inquiry>>,
    /// What its stream goes on with, once it does.
    pub(super) phase: Cell<Option<Phase>>,
}

/// What a request has behind it that has waited.
#[derive(Clone, Copy)]
pub(super) struct Waited {
    since: Instant,
    rounds: u8,
    /// The next ticket of what it asks for, when it began.
    ticket: u64,
    /// Why it would have been forwarded.
    pub(super) why: Forward,
}

/// What a request does that boards.
pub(super) enum Boarded {
    Leads(Claim),
    /// It leads, and what it asks for may be in the store by now.
    Follows(Claim),
    Waits,
    Alone,
}

impl Board {
    pub(super) fn new(arena: &Arena, idle: Duration) -> Rc<Self> {
        let counter = |outcome| Counter::new("api_gateway_cache_waits_total", &[("outcome", outcome)]);
        Rc::new(Self {
            prefix: arena.own("flight"),
            asker: u64::from_le_bytes(shell::random()),
            led: Cell::default(),
            leading: RefCell::default(),
            waiting: RefCell::default(),
            loners: RefCell::new([(0, Instant::EPOCH); REMEMBERED]),
            pulse: Pulse::new(idle),
            held: Counter::new("api_gateway_cache_held_total", &[]),
            collapsed: counter("collapsed"),
            alone: counter("alone"),
            full: counter("full"),
        })
    }

    fn key(&self, id: Id) -> String {
        format!("{}{}", self.prefix, id.table)
    }

    /// Takes a request into a flight. Where shared data fails, each goes on alone.
    pub(super) fn board(self: &Rc<Self>, id: Id, now: Instant) -> Boarded {
        if self.is_loner(id, None, now) {
            return Boarded::Alone;
        }
        let led = self.led.get();
        self.led.set(led.wrapping_add(1));
        let holder = self.asker.wrapping_add(led).clamp(1, u64::MAX - 1);
        let mut boarding = Boarding::Alone;
        let boarded = self.change(id, &mut |table| {
            boarding = flight::board(table, id.number, holder, now);
            matches!(boarding, Boarding::Leads | Boarding::Follows)
        });
        match boarded.map(|()| boarding) {
            Ok(Boarding::Leads | Boarding::Follows) => {
                self.leading.borrow_mut().push(Led { id, holder, renewed: now });
                self.pulse.wake_in(RENEWAL, now);
                let claim = Claim { board: Rc::clone(self), id, holder, mark: None };
                if boarding == Boarding::Follows { Boarded::Follows(claim) } else { Boarded::Leads(claim) }
            }
            Ok(Boarding::Waits) => Boarded::Waits,
            Ok(Boarding::Alone) => {
                self.is_loner(id, Some(now + RELIED_ON), now);
                Boarded::Alone
            }
            Err(_) => Boarded::Alone,
        }
    }

    /// As [`Board::board`], for one that does not lead.
    pub(super) fn join(&self, id: Id, now: Instant) -> Boarded {
        let is_flying = |table: &[u8]| flight::standing(table, id.number, now) == Standing::Flying;
        match shared::read(&self.key(id)) {
            Ok((table, _)) if is_flying(&table) => Boarded::Waits,
            _ => Boarded::Alone,
        }
    }

    /// Whether this worker knows that a request goes on alone; from now on it does, if it is told until when.
    fn is_loner(&self, id: Id, told: Option<Instant>, now: Instant) -> bool {
        let mut loners = self.loners.borrow_mut();
        let place = usize::try_from(id.number % REMEMBERED as u64).unwrap_or_default();
        let Some(loner) = loners.get_mut(place) else { return false };
        if let Some(until) = told {
            *loner = (id.number, until);
        }
        let left = loner.1.since(now);
        loner.0 == id.number && !left.is_zero() && left <= RELIED_ON
    }

    /// Says that the leaders of this worker are alive.
    fn renew(&self, now: Instant) {
        for led in self.leading.borrow_mut().iter_mut() {
            if now.since(led.renewed) >= RENEWED_EVERY || led.renewed > now {
                led.renewed = now;
                self.tell(led.id, led.holder, Report::Flies, now);
            }
        }
    }

    /// Tells the others about a flight of this worker's.
    fn tell(&self, id: Id, holder: u64, said: Report, now: Instant) {
        let told = self.change(id, &mut |table| flight::report(table, id.number, holder, said, now));
        super::report_failure("flights", told);
    }

    /// Changes a table as one step; `change` says whether it did. One piece of code for all who do.
    fn change(&self, id: Id, change: &mut dyn FnMut(&mut Vec<u8>) -> bool) -> Result<(), Failure> {
        let changed = |table: &mut Vec<u8>| if change(table) { Change::Store(()) } else { Change::Keep(()) };
        shared::update(&self.key(id), ATTEMPTS, changed)
    }

    /// Holds a request; `None` where the worker holds enough.
    fn park(&self, berth: Rc<Berth>, waiting_max: usize, now: Instant) -> Option<Phase> {
        let mut waiting = self.waiting.borrow_mut();
        if waiting.len() >= waiting_max {
            waiting.retain(|berth| berth.strong_count() > 0);
        }
        if waiting.len() >= waiting_max {
            self.full.increment();
            return None;
        }
        waiting.push(Rc::downgrade(&berth));
        self.held.increment();
        self.pulse.wake_in(LOOK_MIN, now);
        Some(Phase::Waits(berth))
    }

    /// The requests whose wait has ended, each with whether it was too long, and how soon to look again.
    fn collect(&self, wait_max: Duration, now: Instant) -> (Vec<(Rc<Berth>, bool)>, Option<Duration>) {
        let mut looked: Vec<((u32, u64), Standing)> = Vec::new();
        let (mut ended, mut youngest) = (Vec::new(), None);
        self.waiting.borrow_mut().retain(|berth| {
            let Some(berth) = berth.upgrade() else { return false };
            let (id, since) = (berth.id, berth.waited.since);
            let for_long = now.since(since);
            // Nobody waits for a clock that has stepped back.
            let is_late = for_long >= wait_max || since.since(now) > LEASE;
            let standing = match looked.binary_search_by_key(&(id.table, id.number), |(id, _)| *id) {
                Ok(at) => looked.get(at).map_or(Standing::Ended, |(_, standing)| *standing),
                Err(at) => {
                    let table = shared::read(&self.key(id)).map(|(table, _)| table).unwrap_or_default();
                    let standing = flight::standing(&table, id.number, now);
                    looked.insert(at, ((id.table, id.number), standing));
                    standing
                }
            };
            let has_ended = standing == Standing::Ended || is_late;
            if has_ended {
                ended.push((berth, standing == Standing::Flying));
            } else {
                youngest = Some(youngest.map_or(for_long, |other: Duration| other.min(for_long)));
            }
            !has_ended
        });
        let cost = LOOK_COST * u32::try_from(looked.len()).unwrap_or(u32::MAX);
        (ended, youngest.map(|youngest| (youngest / 8).clamp(LOOK_MIN, LOOK_MAX).max(cost)))
    }
}

impl Claim {
    /// What it leads to cannot be stored, or failed: whoever comes for so long goes on alone.
    pub(super) const fn mark(&mut self, length: Duration) {
        self.mark = Some(length);
    }

    /// What it leads to is on its way into the store.
    pub(super) fn unmarked(self) -> Self {
        let mut claim = self;
        claim.mark = None;
        claim
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let (board, id, holder, now) = (&self.board, self.id, self.holder, shell::now());
        board.leading.borrow_mut().retain(|led| led.holder != holder);
        board.tell(id, holder, self.mark.map_or(Report::Lands, Report::Marks), now);
        if !board.waiting.borrow().is_empty() {
            board.pulse.wake_in(LOOK_MIN, now);
        }
    }
}

impl Filter {
    /// Holds the request until its flight has ended; `None` gives it back, which then goes on alone.
    pub(super) fn wait(
        &mut self,
        plugin: &Plugin,
        inquiry: Inquiry,
        id: Id,
        waited: Waited,
        now: Instant,
    ) -> Option<Inquiry> {
        let berth = Berth { context: self.id, id, waited, inquiry: Cell::default(), phase: Cell::default() };
        let berth = Rc::new(berth);
        match plugin.board.park(Rc::clone(&berth), plugin.config.flight.max_waiting, now) {
            Some(phase) => {
                berth.inquiry.set(Some(inquiry));
                self.phase = phase;
                None
            }
            None => Some(inquiry),
        }
    }
}

impl Phase {
    /// Takes the phase out, where it is: a request that waited has left its own with whoever ended its wait.
    pub(super) fn take(&mut self) -> Self {
        let mut phase = std::mem::take(self);
        while let Self::Waits(berth) = &phase
            && let Some(next) = berth.phase.take()
        {
            phase = next;
        }
        phase
    }
}

impl Plugin {
    /// Goes on with the requests whose wait has ended; `root` is the context that this is called in. How soon to look again.
    pub(super) fn tend(&self, root: u32, now: Instant) -> Option<Duration> {
        self.board.renew(now);
        let (ended, mut due) = self.board.collect(self.config.flight.max_wait, now);
        if !ended.is_empty() {
            for (berth, is_late) in ended {
                self.go_on(&berth, is_late);
            }
            report(stream::select(root));
            // Some of them may wait for the next leader.
            due = (!self.board.waiting.borrow().is_empty()).then_some(LOOK_MIN);
        }
        let renewal = (!self.board.leading.borrow().is_empty()).then_some(RENEWAL);
        due.into_iter().chain(renewal).min()
    }

    /// Goes on with one: answered from the store, forwarded, or held again. A stream that cannot be selected has ended.
    fn go_on(&self, berth: &Rc<Berth>, is_late: bool) {
        let Some(inquiry) = berth.inquiry.take() else { return };
        if stream::select(berth.context).is_err() {
            return;
        }
        let rounds = if is_late { ROUNDS_MAX } else { berth.waited.rounds + 1 };
        let waited = Some(Waited { rounds, ..berth.waited });
        // Its own context cannot be reached from here; this one is for the while.
        let mut filter = Filter { id: berth.context, plugin: None, phase: Phase::Idle, hold: None };
        let action = filter.decide(self, Asking { inquiry, claim: None, fetched: Some(Source::Own), waited });
        let outcome = match &filter.phase {
            Phase::Answered(..) => Some(self.board.collapsed),
            Phase::Asked(_) => Some(self.board.alone),
            _ => None,
        };
        if let Some(outcome) = outcome {
            outcome.increment();
        }
        berth.phase.set(Some(filter.phase));
        if action == Action::Continue {
            report(stream::resume_request());
        }
    }
}

impl Waited {
    /// Begins a wait.
    pub(super) const fn begin(since: Instant, ticket: u64, why: Forward) -> Self {
        Self { since, rounds: 0, ticket, why }
    }

    /// Whether it goes on alone, whatever the others do: leaders enough have left it, or one has brought nothing for it.
    pub(super) fn is_enough(&self, known: &Known) -> bool {
        self.rounds >= ROUNDS_MAX || known.disappoints(self.ticket)
    }
}
