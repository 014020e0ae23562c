//! The fleet's purges: told, and carried out as they are read.

use policy::Instant;
use policy::state::Reply;
use shell::shared::{self, Change, Failure};

use super::Plugin;
use super::remote::{ATTEMPTS, Remote};
use crate::config::Level;
use crate::level::{Backlog, Clock};
use crate::purge::{Mode, Order, Scope};
use crate::remote::{self, Feed, PAGE};

impl Plugin {
    /// Tells the fleet of an order, which is added here: with the leader's next tick, or as soon as it can be reached.
    pub(super) fn spread(&self, add: &dyn Fn(&mut Backlog)) -> Result<(), Failure> {
        let Some(remote) = &self.remote else { return Ok(()) };
        shared::update(&remote.backlog, ATTEMPTS, |stored| {
            let mut backlog = Backlog::from_bytes(stored);
            add(&mut backlog);
            *stored = backlog.to_bytes();
            Change::Store(())
        })
    }

    /// Tells the fleet of this proxy's purges, and asks for the fleet's.
    pub(super) fn follow(&self, remote: &Remote, level: &Level, now: Instant) {
        if remote.feed.is_under_way(&level.store, now) {
            return;
        }
        let stored = shared::read(&remote.backlog).map(|(stored, _)| stored).unwrap_or_default();
        // Another worker may have read on since this one did.
        let Ok(stamp) = self.look() else { return };
        let (backlog, cursor) = (Backlog::from_bytes(&stored), remote::id(stamp.remote));
        let (stream, page) = (remote::stream(&level.store, &self.config.name), PAGE.to_string());
        let mut words = vec![b"1", stream.as_bytes(), cursor.as_bytes(), page.as_bytes()];
        words.extend(backlog.orders.iter().map(Vec::as_slice));
        remote.fed.set((now, backlog.end()));
        if let Err(fault) = remote.feed.send(&level.store, &words, now) {
            remote.note(Some(&fault), now);
        }
    }

    /// Carries out what the fleet has been told.
    pub(super) fn learn(&self, remote: &Remote, level: &Level, reply: Reply) {
        let feed = match Feed::read(reply) {
            Ok(feed) => feed,
            Err(fault) => return log::debug!("purges: {fault}"),
        };
        let (heard, (sent, end)) = (shell::now(), remote.fed.get());
        super::report(shared::overwrite(&remote.clock, &Clock { told: feed.time, sent, heard }.to_bytes()));
        let cursor = self.purges.look().map(|stamp| stamp.remote).unwrap_or_default();
        let has_more = feed.has_more();
        if let Err(failure) = self.take(&feed, cursor) {
            return log::error!("purges of the fleet not applied: {failure:?}");
        }
        if has_more {
            return self.follow(remote, level, heard);
        }
        let more_came = shared::update(&remote.backlog, ATTEMPTS, |stored| {
            let mut backlog = Backlog::from_bytes(stored);
            backlog.settle(end);
            *stored = backlog.to_bytes();
            Change::Store(!backlog.orders.is_empty())
        });
        super::report_failure("purges", self.purges.hear(heard));
        let told = more_came.map(|more_came| more_came.then(|| self.follow(remote, level, heard)));
        super::report_failure("purges", told.map(|_| ()));
    }

    fn take(&self, feed: &Feed, cursor: u64) -> Result<(), Failure> {
        let everything = Order { scope: Scope::Everything, mode: Mode::Hard };
        // What cannot be read may mean anything.
        let read = |text: &[u8]| Order::parse(text).unwrap_or_else(|_| everything.clone());
        let is_lost = feed.newest < cursor;
        let orders = feed.orders.iter().filter(|(place, _)| is_lost || *place > cursor);
        let orders: Vec<_> = orders.map(|(place, text)| (*place, read(text))).collect();
        orders.iter().try_for_each(|(_, order)| self.purge_url(order))?;
        let has_gap = cursor != 0 && cursor < feed.horizon;
        if is_lost || has_gap {
            log::warn!("purges: the fleet's have been lost, so that nothing that is stored can be relied on");
        } else if orders.is_empty() && feed.horizon == self.purges.ledger().horizon {
            return Ok(());
        }
        self.purges.change(&|ledger| {
            if is_lost || has_gap {
                ledger.restart();
            }
            ledger.horizon = feed.horizon;
            for (place, order) in &orders {
                ledger.apply(order, Some(*place));
            }
        })
    }
}
