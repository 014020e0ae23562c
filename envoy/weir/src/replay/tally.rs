//! How often what would have happened, for each client on each route.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value as Json, json};

/// What would have become of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// It would have been sent to its upstream.
    Sent,
    /// The same, after waiting for its turn.
    Waited,
    /// The cache would have answered it.
    Cached,
    /// A limit would have refused it.
    Limited,
    /// It would have been refused for its credential, for the want of one, or for what it asks.
    Refused,
    /// No route would have been for it.
    Unrouted,
}

/// How often.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Requests.
    pub requests: u64,
    /// Those that would have been sent to an upstream, waiting or not.
    pub sent: u64,
    /// Of these, those that would have waited.
    pub waited: u64,
    /// Those that the cache would have answered.
    pub cached: u64,
    /// Those that a limit would have refused.
    pub limited: u64,
    /// Those that would have been refused for their credential, or for what they ask.
    pub refused: u64,
    /// Those that the log says the cache answered.
    pub was_cached: u64,
    /// Those that the log says a limit refused.
    pub was_limited: u64,
}

/// More clients than these are counted as one.
const CLIENTS_MAX: usize = 10_000;
/// How that one is called.
const OTHERS: &str = "(others)";
/// What has no route.
const UNROUTED: &str = "(no route)";

/// All counts.
#[derive(Debug)]
pub struct Tally {
    routes: Vec<String>,
    clients: HashMap<String, usize>,
    counts: BTreeMap<(usize, usize), Counts>,
}

impl Tally {
    /// For the routes of these names.
    pub fn new(mut routes: Vec<String>) -> Self {
        routes.push(UNROUTED.to_owned());
        Self { routes, clients: HashMap::from([(OTHERS.to_owned(), 0)]), counts: BTreeMap::new() }
    }

    /// Counts one request.
    pub fn count(&mut self, client: &str, route: Option<usize>, fate: Fate, was: (bool, bool)) {
        let next = self.clients.len();
        let client = match self.clients.get(client) {
            Some(index) => *index,
            None if next <= CLIENTS_MAX => {
                self.clients.insert(client.to_owned(), next);
                next
            }
            None => 0,
        };
        let route = route.unwrap_or(self.routes.len() - 1);
        let counts = self.counts.entry((client, route)).or_default();
        counts.requests += 1;
        match fate {
            Fate::Sent => counts.sent += 1,
            Fate::Waited => {
                counts.sent += 1;
                counts.waited += 1;
            }
            Fate::Cached => counts.cached += 1,
            Fate::Limited => counts.limited += 1,
            Fate::Refused => counts.refused += 1,
            Fate::Unrouted => {}
        }
        let (was_cached, was_limited) = was;
        counts.was_cached += u64::from(was_cached);
        counts.was_limited += u64::from(was_limited);
    }

    /// The sums of the routes that had requests.
    pub fn by_route(&self) -> Vec<(&str, Counts)> {
        let mut sums: BTreeMap<usize, Counts> = BTreeMap::new();
        for ((_, route), counts) in &self.counts {
            sums.entry(*route).or_default().add(counts);
        }
        sums.into_iter().filter_map(|(route, counts)| Some((self.routes.get(route)?.as_str(), counts))).collect()
    }

    /// Each client on each route, those first of whom most would have been turned away, then those with most requests.
    pub fn by_client(&self) -> Vec<(&str, &str, Counts)> {
        let mut names = vec![""; self.clients.len()];
        for (name, index) in &self.clients {
            if let Some(place) = names.get_mut(*index) {
                *place = name;
            }
        }
        let row = |((client, route), counts): (&(usize, usize), &Counts)| {
            Some((*names.get(*client)?, self.routes.get(*route)?.as_str(), *counts))
        };
        let mut rows: Vec<_> = self.counts.iter().filter_map(row).collect();
        rows.sort_by_key(|(client, route, counts)| {
            (std::cmp::Reverse((counts.limited + counts.refused, counts.requests)), *client, *route)
        });
        rows
    }
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.sent += other.sent;
        self.waited += other.waited;
        self.cached += other.cached;
        self.limited += other.limited;
        self.refused += other.refused;
        self.was_cached += other.was_cached;
        self.was_limited += other.was_limited;
    }

    /// For programs.
    pub fn to_json(self) -> Json {
        json!({
            "requests": self.requests, "sent": self.sent, "waited": self.waited, "cached": self.cached,
            "limited": self.limited, "refused": self.refused,
            "was_cached": self.was_cached, "was_limited": self.was_limited,
        })
    }

    /// As columns, in the order of [`COLUMNS`].
    pub fn to_columns(self) -> String {
        let before = |now: u64, was: u64| if now == was { now.to_string() } else { format!("{now} ({was})") };
        format!(
            "{:>9} {:>9} {:>7} {:>15} {:>15} {:>8}",
            self.requests,
            self.sent,
            self.waited,
            before(self.cached, self.was_cached),
            before(self.limited, self.was_limited),
            self.refused
        )
    }
}

/// The heads of the columns of [`Counts::to_columns`]; in brackets is what the log says, where that is something else.
pub const COLUMNS: &str = " requests      sent  waited    cached (was)   limited (was)  refused";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_clients_are_counted_as_one() {
        let mut tally = Tally::new(vec!["GET /a".to_owned()]);
        for number in 0..CLIENTS_MAX + 5 {
            tally.count(&format!("client-{number}"), Some(0), Fate::Sent, (false, true));
        }
        tally.count("client-0", None, Fate::Unrouted, (false, false));
        tally.count("client-1", Some(0), Fate::Limited, (false, false));
        let rows = tally.by_client();
        assert_eq!(rows.len(), CLIENTS_MAX + 2);
        assert_eq!((rows[0].0, rows[0].2.limited), ("client-1", 1));
        assert_eq!((rows[1].0, rows[1].2.requests), (OTHERS, 5));
        let sums = tally.by_route();
        assert_eq!((sums[0].1.requests, sums[0].1.sent, sums[0].1.limited), (10_006, 10_005, 1));
        assert_eq!((sums[1].0, sums[1].1.requests), (UNROUTED, 1));
    }
}
