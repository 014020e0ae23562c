//! Every name by which one filter speaks to another, to the upstream or to the access log, declared once.
//!
//! Keys of shared data begin with `weir.` and the filter's own name (`weir.ratelimit.…`), since Istio lets all plugins
//! share one space; a key that two filters use stands here.

/// Headers, in lower case.
pub mod header {
    /// One request's id: taken over from the client or made, sent upstream and back on every response.
    pub const REQUEST_ID: &str = "x-request-id";
    /// The id of the work that a request is part of; the request's own id where the client names none.
    pub const CORRELATION_ID: &str = "x-correlation-id";
    /// W3C Trace Context.
    pub const TRACEPARENT: &str = "traceparent";
    /// W3C Trace Context, what vendors add.
    pub const TRACESTATE: &str = "tracestate";
    /// Who the caller is, as `auth` found; removed from whatever a client sends.
    pub const USER: &str = "x-weir-user";
    /// The caller's tier, as `auth` found; removed from whatever a client sends.
    pub const TIER: &str = "x-weir-tier";
    /// The caller's roles, comma-separated, as `auth` found; removed from whatever a client sends.
    pub const ROLES: &str = "x-weir-roles";
    /// The id of the caller's API key, as `auth` found; absent where it showed something else. Removed from whatever a
    /// client sends.
    pub const API_KEY: &str = "x-weir-api-key";
    /// On a response: what answered in the place of an upstream that is not asked, `static`, `upstream` or, while it is to be
    /// left alone, `cooldown`. The cache stores no such answer, and sends what it has stored instead where it may.
    pub const FALLBACK: &str = "x-weir-fallback";
    /// On an answer to what a filter of this proxy asks for: the proxy itself has made it, and no upstream.
    pub const LOCAL: &str = "x-weir-local";
    /// Proves that a request is the cache's own, which refreshes what is stored; the cache takes it off whatever it says.
    pub const REFRESH: &str = "x-weir-refresh";
    /// On a call that may change something: of which request it is part, see [`crate::part`]. The cache takes it off whatever it
    /// says.
    pub const PART_OF: &str = "x-weir-part-of";
    /// On a request that a filter sends once more, since a provider refused the token that it left with: it is sent no third
    /// time. A client that says it harms nobody but itself.
    pub const AGAIN: &str = "x-weir-again";
}

/// Keys of filter state, as a filter sets them. The access log reads `%FILTER_STATE(wasm.<key>:PLAIN)%`.
pub mod state {
    /// The request's id.
    pub const REQUEST_ID: &str = "weir.request_id";
    /// The correlation id.
    pub const CORRELATION_ID: &str = "weir.correlation_id";
    /// The trace id, 32 hexadecimal digits.
    pub const TRACE_ID: &str = "weir.trace_id";
    /// Which AI agent calls, where one says so.
    pub const AGENT: &str = "weir.agent";
    /// Who the caller is.
    pub const USER: &str = "weir.user";
    /// The caller's tier.
    pub const TIER: &str = "weir.tier";
    /// The query without credentials, where the policy reads any from it.
    pub const QUERY: &str = "weir.query";
    /// Whose request it has become: the name of a provider. Envoy chooses the route of a rewritten request anew, and may do
    /// so by this, which no client can say.
    pub const PROVIDER: &str = "weir.provider";
    /// What the breaker said: `closed`, `open`, `half_open`.
    pub const BREAKER: &str = "weir.breaker";
    /// The upstream that stands in for the request's own; routes match on it.
    pub const FALLBACK: &str = "weir.fallback";
}

/// Keys of shared data that more than one filter reads.
pub mod shared {
    /// The [`crate::Seed`] of this proxy, made by whichever worker comes first.
    pub const SEED: &str = "weir.seed";

    /// Where the configuration stands with which the plugin of this name runs, as it was read. Operators are shown its digest.
    pub fn config(plugin: &str) -> String {
        ["weir.config.", plugin].concat()
    }
}

/// What the details of every reply that a filter makes begin with (`%RESPONSE_CODE_DETAILS%`): Envoy's own replies are
/// dressed in the contract's JSON by its `local_reply_config`, and these already are.
pub const DETAILS_PREFIX: &str = "weir_";

/// The details of an answer from the cache's store, and of one in the place of what the upstream has answered.
pub const CACHE_HIT: &str = "weir_cache_hit";
/// As [`CACHE_HIT`].
pub const CACHE_RESTORED: &str = "weir_cache_restored";

/// The details of a refusal by a limit, by which a limit nearer to the client knows that the request cost nothing.
pub const RATE_LIMITED: &str = "weir_rate_limited";
