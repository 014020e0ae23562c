//! Requests of one worker that wait for a token: bounded in number for each provider.

use policy::Instant;

/// A request that waits.
pub struct Waiting<Errand> {
    /// Its stream's context.
    pub context: u32,
    /// Whose token it needs, as an index.
    pub provider: usize,
    /// When it began to wait.
    pub since: Instant,
    /// What is to be done then.
    pub errand: Errand,
}

/// All that wait, in the order in which they came.
pub struct Queue<Errand>(Vec<Waiting<Errand>>);

impl<Errand> Default for Queue<Errand> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<Errand> Queue<Errand> {
    /// Takes a request in; gives it back where there is no room for it.
    pub fn admit(&mut self, waiting: Waiting<Errand>, waiting_max: usize) -> Option<Waiting<Errand>> {
        if self.0.iter().filter(|other| other.provider == waiting.provider).count() >= waiting_max {
            return Some(waiting);
        }
        self.0.push(waiting);
        None
    }

    /// Takes out those for which there is something to do.
    pub fn take(&mut self, mut is_ready: impl FnMut(&Waiting<Errand>) -> bool) -> Vec<Waiting<Errand>> {
        let (ready, waiting) = std::mem::take(&mut self.0).into_iter().partition(|waiting| is_ready(waiting));
        self.0 = waiting;
        ready
    }

    /// Keeps only the requests whose streams are still there.
    pub fn retain(&mut self, mut is_there: impl FnMut(u32) -> bool) {
        self.0.retain(|waiting| is_there(waiting.context));
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn waiting(context: u32, provider: usize) -> Waiting<&'static str> {
        Waiting { context, provider, since: Instant::EPOCH, errand: "x" }
    }

    #[test]
    fn each_provider_has_its_own_places_and_the_order_stays() {
        let mut queue = Queue::default();
        for (context, provider, fits) in [(1, 0, true), (2, 1, true), (3, 0, true), (4, 0, false), (5, 1, true)] {
            let back = queue.admit(waiting(context, provider), 2).map(|waiting| waiting.context);
            assert_eq!(back, (!fits).then_some(context));
        }
        queue.retain(|context| context != 2);
        let contexts = |taken: Vec<Waiting<_>>| taken.iter().map(|waiting| waiting.context).collect::<Vec<_>>();
        assert_eq!(contexts(queue.take(|waiting| waiting.provider == 0)), [1, 3]);
        assert!(!queue.is_empty());
        assert_eq!(contexts(queue.take(|_| true)), [5]);
        assert!(queue.is_empty());
    }
}
