//! What a provider asks of those who use it, and how long its answers stay true. The command line holds policies against it; the
//! filter, which does what a policy says, reads none of it.

/// A provider's terms.
#[derive(Debug)]
pub struct Terms {
    /// So many requests a second it answers in the long run.
    pub per_second: u32,
    /// So many at once.
    pub burst: u32,
    /// How it is told who asks, as a policy's `credentials` call it; `None` where nobody is asked.
    pub credential: Option<&'static str>,
    /// How long answers stay true.
    pub lifetimes: &'static [Lifetime],
}

/// How long answers of a kind stay true.
#[derive(Debug, Eq, PartialEq)]
pub struct Lifetime {
    /// What is asked: a look-up's word, or `search`.
    pub word: &'static str,
    /// What metrics and purges call such answers.
    pub data_type: &'static str,
    /// In days.
    pub days: u32,
}

impl Terms {
    /// The limit as a policy says it.
    pub fn limit(&self) -> String {
        format!("{{rate: {}/s, burst: {}}}", self.per_second, self.burst)
    }

    /// How many days answers to this word stay true; where there is no such word, those of any.
    pub fn days(&self, word: &str) -> u32 {
        let own = self.lifetimes.iter().find(|lifetime| lifetime.word == word);
        let longest = self.lifetimes.iter().map(|lifetime| lifetime.days).max();
        own.map(|lifetime| lifetime.days).or(longest).unwrap_or_default()
    }
}
