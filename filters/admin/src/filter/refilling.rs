//! Limits whose buckets are filled: those of a proxy in shared data, those of a fleet in its store.

use policy::Rejection;
use policy::allowance::{self, Allowance};
use policy::state::{Form, Script};
use shell::Action;
use shell::shared::{self, Change as Edit, Failure};

use super::Plugin;
use super::acting::{ATTEMPTS, unchanged};
use super::ordering::{Pending, RETRY_AFTER, Run, What};
use super::telling::{send, stored};
use crate::audit::Change;

/// Keys: buckets that all callers share, or what the names of theirs begin with. Arguments: for each, whether it is the latter. A
/// store looks through all of its keys for these, some milliseconds for ten thousand.
static SCRIPT: Script = Script::new(
    "\
for i,k in ipairs(KEYS) do
redis.call('DEL',k)
local at=ARGV[i]=='1' and '0'
while at do
local found=redis.call('SCAN',at,'MATCH',k..':*','COUNT',1000)
for _,x in ipairs(found[2]) do redis.call('DEL',x) end
at=found[1]~='0' and found[1]
end
end
return 'ok'",
);

impl Plugin {
    /// Fills the buckets of a rule, or of an upstream: at once for all workers. Those of a fleet are its store's, for whose answer
    /// the request waits; other proxies ask it again a few seconds later at the latest.
    pub(super) fn reset_limits(&self, name: &str, blank: &Change) -> Result<(Action, Option<Pending>), Rejection> {
        let (lines, now) = (stored(allowance::KEY)?, shell::now().unix_seconds());
        let meant = || allowance::read(&lines).filter(|line| line.is_current(now) && line.is_called(name));
        if meant().next().is_none() {
            return Err(Rejection::NotFound);
        }
        let change = |line: &Allowance<'_>| Change {
            what: "rate limit",
            target: line.rule.to_owned(),
            before: line.shared.map_or("in part".to_owned(), |[most, tokens]| format!("{tokens} of {most}")),
            after: "full".to_owned(),
            ..blank.clone()
        };
        let (changes, slots): (Vec<_>, Vec<_>) = meant().map(|line| (change(&line), line.slots)).unzip();
        let of_fleet: Vec<_> = meant().filter(|line| line.is_fleet).collect();
        if of_fleet.is_empty() {
            return refill(name, &changes, &slots, "proxy").map(|action| (action, None));
        }
        let (token, run) = self.ask_for_full(&of_fleet)?;
        let what = What::Refill { name: name.to_owned(), changes, slots };
        Ok((Action::Pause, Some(Pending { token, run: Some(run), what })))
    }

    fn ask_for_full(&self, lines: &[Allowance<'_>]) -> Result<(u32, Run), Rejection> {
        let Some(bridge) = &self.config.store else {
            log::error!("not filled: the fleet's store is not known here");
            return Err(Rejection::Unavailable { retry_after: Some(RETRY_AFTER) });
        };
        let mut words = vec![lines.len().to_string()];
        words.extend(lines.iter().map(|line| bridge.0.key(&allowance::in_store(line.rule))));
        words.extend(lines.iter().map(|line| u8::from(line.slots != 0).to_string()));
        let run = Run { script: &SCRIPT, form: Form::Digest, words };
        Ok((run.send(bridge)?, run))
    }
}

/// Forgets what this proxy knows of some buckets, and says what was changed.
pub(super) fn refill(name: &str, changes: &[Change], slots: &[u32], reach: &str) -> Result<Action, Rejection> {
    let mut body = String::new();
    for (change, slots) in changes.iter().zip(slots) {
        fill(&change.target, *slots).map_err(unchanged)?;
        log::warn!("{}", change.line());
        body = change.body(reach);
    }
    let told = shared::update(allowance::KEY, ATTEMPTS, |bytes| {
        allowance::refill(bytes, |line| line.is_called(name));
        Edit::Store(())
    });
    if let Err(failure) = told {
        log::debug!("told a second later: {failure:?}");
    }
    Ok(send(200, &body))
}

/// Empties what is stored of a rule's buckets, which fills them; and what is held of a fleet's, which is asked for anew.
fn fill(rule: &str, slots: u32) -> Result<(), Failure> {
    if slots == 0 {
        return empty(&allowance::key(rule));
    }
    (0..slots).try_for_each(|slot| empty(&allowance::slot(rule, slot)))
}

fn empty(bucket: &str) -> Result<(), Failure> {
    for key in [bucket.to_owned(), allowance::leased(bucket), allowance::share(bucket)] {
        // A key that nobody has used yet is not made.
        if !shared::read(&key).map_err(Failure::Host)?.0.is_empty() {
            shared::overwrite(&key, b"").map_err(Failure::Host)?;
        }
    }
    Ok(())
}
