//! Tokens of providers: fetched by one worker of the proxy, shared with all, waited for by requests.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use policy::{Instant, credential};
use shell::callout::{self, Answer};
use shell::lease::Role;
use shell::metric::Counter;
use shell::pulse::Pulse;
use shell::shared::{self, Change, Failure};

use crate::answer;
use crate::config::Config;
use crate::grant::Grant;
use crate::token::{self, Fault, Issued, Token};
use crate::upkeep::{Prospect, Refused, Upkeep};

/// How often every worker looks at what all share. A look costs it a microsecond for each token.
const TICK: Duration = Duration::from_millis(100);
/// Whoever is outrun so often leaves it to the next look.
const ATTEMPTS: u32 = 8;
/// A step back of the clock that is shorter than this is nothing that a token's leeway does not cover.
const STEP: Duration = Duration::from_secs(1);

/// What a worker has of tokens.
pub(super) struct Tokens {
    purses: RefCell<Vec<Purse>>,
    /// When this worker is woken next.
    pub(super) pulse: Pulse,
    /// This worker's number in leases.
    asker: u64,
    /// What this worker has asked endpoints: the callout's token, and the place of the purse.
    flights: RefCell<Vec<(u32, usize)>>,
    /// The latest moment that this worker has seen.
    seen: Cell<Instant>,
}

/// One provider's token.
struct Purse {
    /// Whose, as an index.
    provider: usize,
    key: String,
    /// As last seen.
    upkeep: Upkeep,
    token: Option<Rc<Token>>,
    fetched: Counter,
    failed: Counter,
}

impl Tokens {
    /// A worker's, with what other workers have fetched before.
    pub(super) fn new(config: &Config) -> Self {
        let purses = config.providers.iter().enumerate().filter_map(|(place, provider)| {
            let count = |outcome| {
                let labels = [("provider", provider.name.as_str()), ("outcome", outcome)];
                Counter::new("api_gateway_provider_token_fetches_total", &labels)
            };
            Some(Purse {
                provider: place,
                key: provider.grant()?.key(""),
                upkeep: Upkeep::default(),
                token: None,
                fetched: count("fetched"),
                failed: count("failed"),
            })
        });
        let purses: Vec<_> = purses.collect();
        let mut lines = String::new();
        for (purse, provider) in purses.iter().filter_map(|purse| Some((purse, config.providers.get(purse.provider)?)))
        {
            credential::say(&mut lines, &provider.name, &purse.key);
        }
        // Where requests are only judged, it is another plugin that has the tokens.
        if !config.checks_only
            && let Err(error) = shared::overwrite(credential::TOKENS, lines.as_bytes())
        {
            log::debug!("{}: {error}", credential::TOKENS);
        }
        let idle = if purses.is_empty() { Duration::ZERO } else { TICK };
        Self {
            purses: RefCell::new(purses),
            pulse: Pulse::new(idle),
            asker: u64::from_le_bytes(shell::random()),
            flights: RefCell::default(),
            seen: Cell::default(),
        }
    }

    /// Begins to look.
    pub(super) fn start(&self) {
        self.wake();
    }

    /// Has this worker look at once.
    pub(super) fn wake(&self) {
        self.pulse.wake_in(Duration::ZERO, shell::now());
    }

    /// The provider's token, where it may be shown now.
    pub(super) fn current(&self, config: &Config, provider: usize, now: Instant) -> Option<Rc<Token>> {
        self.watch_clock(config, now);
        let mut purses = self.purses.borrow_mut();
        let purse = purses.iter_mut().find(|purse| purse.provider == provider)?;
        // Each time: what another worker was refused with just now is not shown again by this one.
        purse.look(grant(config, provider)?);
        purse.has(now).then(|| purse.token.clone()).flatten()
    }

    /// When there may be a token for a request that came `since` then.
    pub(super) fn prospect(&self, config: &Config, provider: usize, since: Instant, now: Instant) -> Prospect {
        let purses = self.purses.borrow();
        let purse = purses.iter().find(|purse| purse.provider == provider);
        let Some((purse, grant)) = purse.zip(grant(config, provider)) else { return Prospect::In(Duration::ZERO) };
        purse.upkeep.prospect(grant, since, now)
    }

    /// The provider has refused the token of this generation.
    pub(super) fn refuse(&self, config: &Config, provider: usize, generation: u64) -> Refused {
        let now = shell::now();
        let mut purses = self.purses.borrow_mut();
        let purse = purses.iter_mut().find(|purse| purse.provider == provider);
        let Some((purse, grant)) = purse.zip(grant(config, provider)) else { return Refused::Kept };
        let mut refused = Refused::Kept;
        let updated = update(&purse.key, None, &mut |upkeep| {
            refused = upkeep.refuse(generation, now);
            refused == Refused::Dropped
        });
        report(updated);
        purse.look(grant);
        refused
    }

    /// Looks at what all workers share, and fetches what is due, where this worker leads.
    pub(super) fn tick(&self, config: &Config) {
        let now = shell::now();
        self.watch_clock(config, now);
        let mut due = Vec::new();
        for (place, purse) in self.purses.borrow_mut().iter_mut().enumerate() {
            let Some(grant) = grant(config, purse.provider) else { continue };
            purse.look(grant);
            if purse.upkeep.is_due(grant, now) {
                due.push(place);
            }
        }
        for place in due {
            self.lead(config, place, now);
        }
        self.pulse.ticked(None, now);
    }

    /// Notes that the clock has stepped back: no token's end is where it seems to be.
    fn watch_clock(&self, config: &Config, now: Instant) {
        let step = self.seen.replace(now).since(now);
        if step < STEP {
            return;
        }
        for purse in self.purses.borrow_mut().iter_mut() {
            let generation = purse.upkeep.generation;
            report(update(&purse.key, None, &mut |upkeep| upkeep.doubt(generation, now)));
            if let Some(grant) = grant(config, purse.provider) {
                purse.look(grant);
            }
        }
    }

    /// Begins a fetch where this worker leads and no other has begun one meanwhile.
    fn lead(&self, config: &Config, place: usize, now: Instant) {
        let mut purses = self.purses.borrow_mut();
        let Some(purse) = purses.get_mut(place) else { return };
        let Some(grant) = grant(config, purse.provider) else { return };
        match shell::lease::lead(&grant.key(" lease"), self.asker, Upkeep::lease(grant)) {
            Ok(Role::Leader) => {}
            Ok(Role::Follower) => return,
            Err(error) => return log::error!("token: {error}"),
        }
        let begun = update(&purse.key, None, &mut |upkeep| {
            let is_due = upkeep.is_due(grant, now);
            if is_due {
                upkeep.begin(now);
            }
            is_due
        });
        if !matches!(begun, Ok(true)) {
            return report(begun);
        }
        match callout::send(&grant.cluster, &grant.headers(), grant.body(), grant.timeout) {
            Ok(token) => self.flights.borrow_mut().push((token, place)),
            Err(_) => purse.fail(config, grant, Fault::Lost, None),
        }
        purse.look(grant);
    }

    /// Takes in the answer to a callout; whether it is one of these.
    pub(super) fn answered(&self, config: &Config, token: u32, headers: usize, body_bytes: usize) -> bool {
        let flight = {
            let mut flights = self.flights.borrow_mut();
            let at = flights.iter().position(|(flight, _)| *flight == token);
            at.map(|at| flights.swap_remove(at).1)
        };
        let mut purses = self.purses.borrow_mut();
        let Some(purse) = flight.and_then(|place| purses.get_mut(place)) else { return false };
        let Some(grant) = grant(config, purse.provider) else { return false };
        let answer = callout::answer(headers, body_bytes, token::ANSWER_BYTES_MAX);
        let read = answer.as_ref().ok_or(Fault::Lost).and_then(|answer| token::read(answer.status, &answer.body));
        match read {
            Ok(issued) => purse.keep(config, grant, &issued),
            Err(fault) => purse.fail(config, grant, fault, answer.as_ref()),
        }
        purse.look(grant);
        true
    }
}

impl Purse {
    /// Whether the token at hand may be shown.
    fn has(&self, now: Instant) -> bool {
        let is_last = self.token.as_ref().is_some_and(|token| token.generation == self.upkeep.generation);
        is_last && self.upkeep.is_usable(now)
    }

    /// Takes in what all workers share.
    fn look(&mut self, grant: &Grant) {
        let stored = match shared::read(&self.key) {
            Ok((stored, _)) => stored,
            Err(error) => return log::error!("token: {error}"),
        };
        self.upkeep = Upkeep::read(&stored);
        if self.token.as_ref().is_none_or(|token| token.generation != self.upkeep.generation) {
            let is_brief = self.upkeep.is_brief(grant);
            let token = Token::new(self.upkeep.generation, Upkeep::token(&stored), &grant.client_secret, is_brief);
            self.token = token.map(Rc::new);
        }
    }

    fn keep(&self, config: &Config, grant: &Grant, issued: &Issued) {
        self.fetched.increment();
        let (now, [spread]) = (shell::now(), shell::random());
        log::info!("{}: a token for {} seconds", self.name(config), issued.life.as_secs());
        report(update(&self.key, Some(issued.token.text().as_bytes()), &mut |upkeep| {
            upkeep.succeed(grant, now, issued.life, spread);
            true
        }));
    }

    fn fail(&self, config: &Config, grant: &Grant, fault: Fault, answer: Option<&Answer>) {
        self.failed.increment();
        log::error!("{}: no token from {}: {}", self.name(config), grant.cluster, fault.text());
        let (now, [spread]) = (shell::now(), shell::random());
        let told = answer.and_then(|answer| answer::wait(answer.headers.first("retry-after")?, now));
        report(update(&self.key, None, &mut |upkeep| {
            upkeep.fail(now, told, spread);
            true
        }));
    }

    fn name<'a>(&self, config: &'a Config) -> &'a str {
        config.providers.get(self.provider).map_or("", |provider| &provider.name)
    }
}

fn grant(config: &Config, provider: usize) -> Option<&Grant> {
    config.providers.get(provider)?.grant()
}

/// Changes what all workers share; `change` says whether it has.
fn update(key: &str, token: Option<&[u8]>, change: &mut dyn FnMut(&mut Upkeep) -> bool) -> Result<bool, Failure> {
    shared::update(key, ATTEMPTS, |stored| {
        let mut upkeep = Upkeep::read(stored);
        if !change(&mut upkeep) {
            return Change::Keep(false);
        }
        upkeep.write(stored, token);
        Change::Store(true)
    })
}

/// What could not be shared is tried again at the next look.
fn report(outcome: Result<bool, Failure>) {
    if let Err(failure) = outcome {
        log::error!("token not shared: {failure:?}");
    }
}
