//! The way back: what each proxy had before, all proxies at once. It needs the fleet and the state, and no policy.

use std::thread;
use std::time::{Duration, Instant};

use crate::apply::Failure;
use crate::rollout::at_once;
use crate::rollout::fleet::Proxy;
use crate::rollout::state::{File, State};
use crate::say;

/// A fleet that has moved, or some of it.
pub(super) struct Back<'a> {
    /// The fleet.
    pub(super) proxies: &'a [Proxy],
    /// How long filters that are left are kept for what their requests still ask for.
    pub(super) linger: Duration,
    /// Where it is remembered what has moved.
    pub(super) file: &'a File,
    /// And what.
    pub(super) state: &'a mut State,
}

/// What serves at a proxy, seen from a rollout.
pub(super) enum Serving {
    /// What it had before.
    Before,
    /// What the rollout has brought, and what tells that from anything else.
    Moved(String),
    /// What somebody else has brought.
    Other(String),
}

impl Back<'_> {
    /// Brings everything back, and says why. What it answers says how that went: [`Failure::Refused`] where all are back.
    pub(super) fn go(self, reason: &str) -> Failure {
        say::complain(format_args!("weir: {reason}: going back"));
        let started = Instant::now();
        self.state.reason = Some(reason.to_owned());
        if let Err(error) = self.file.write(self.state) {
            say::complain(format_args!("weir: {}: {error}", self.file.path().display()));
        }
        let missing = self.state.missing(self.proxies);
        for name in &missing {
            let file = self.file.path().display();
            say::complain(format_args!(
                "weir: `{name}` has been moved, and the fleet has it no more: name it again, or take {file} away"
            ));
        }
        let (mut moved, mut left) = (Vec::new(), Vec::new());
        for proxy in self.proxies {
            let Some(from) = self.state.moved.get(&proxy.name).map(|moved| moved.from) else { continue };
            match self.state.serving(proxy) {
                Ok(Serving::Other(what)) => left.push((proxy, what)),
                // What cannot be read is said where it is tried.
                _ => moved.push((proxy, from)),
            }
        }
        for (proxy, what) in &left {
            say::complain(format_args!("weir: {}: {what} is left as it is", proxy.name));
        }
        let failed = missing.len() + at_once(moved.into_iter(), |target, from| target.back_to(from).map(drop));
        if failed > 0 {
            let moved = self.state.moved.len();
            return Failure::Unable(format!("{failed} of {moved} are not back; the same command tries again"));
        }
        say::progress(format_args!("back after {} ms", started.elapsed().as_millis()));
        settle(self.proxies, self.state, self.linger, Instant::now());
        let who = if left.is_empty() { "all proxies have" } else { "all others have" };
        let told = format!("{reason}; {who} what they had before");
        self.file.remove().map_or_else(Failure::from, |()| Failure::Refused(told))
    }
}

impl State {
    /// What serves at a proxy.
    ///
    /// # Errors
    /// What ran is not kept.
    pub(super) fn serving(&self, proxy: &Proxy) -> Result<Serving, Failure> {
        let Some(moved) = self.moved.get(&proxy.name) else { return Ok(Serving::Before) };
        let Some(kept) = proxy.target.running()? else { return Ok(Serving::Other("nothing".to_owned())) };
        let what = kept.rendering.digest();
        Ok(if kept.number == moved.from {
            Serving::Before
        } else if moved.is_own(&what) {
            Serving::Moved(what)
        } else {
            Serving::Other(format!("version {} ({})", kept.number, kept.name))
        })
    }

    /// Those that have been moved, and are not in the fleet's file any more.
    pub(super) fn missing(&self, proxies: &[Proxy]) -> Vec<String> {
        let is_there = |name: &&String| proxies.iter().any(|proxy| proxy.name == **name);
        self.moved.keys().filter(|name| !is_there(name)).cloned().collect()
    }
}

/// Clears up where proxies have moved, at this moment or before.
pub(super) fn settle(proxies: &[Proxy], state: &State, linger: Duration, moved: Instant) {
    thread::sleep(linger.saturating_sub(moved.elapsed()));
    let moved = proxies.iter().filter(|proxy| state.moved.contains_key(&proxy.name));
    moved.for_each(|proxy| proxy.target.settle());
}
