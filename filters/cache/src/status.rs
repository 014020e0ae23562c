//! What the cache did, as `Cache-Status` tells it (RFC 9211): `weir; hit; ttl=30`, `weir; fwd=uri-miss; stored`.
//!
//! Never the `key` (§2.7): callers' names and what they have searched for stand in it (§6).

/// Why a request was forwarded instead of being answered from the store (RFC 9211 §2.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Forward {
    /// The configuration or the kind of request keeps the cache out of it.
    Bypass,
    /// The method's meaning requires it.
    Method,
    /// Nothing is stored for this URL.
    UriMiss,
    /// Something is stored for this URL, but not for what the request says in the varied fields.
    VaryMiss,
    /// A response is stored that the request itself does not allow to be used.
    Request,
    /// A response is stored that is not fresh.
    Stale,
}

impl Forward {
    /// The token of RFC 9211 §2.2.
    pub const fn token(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Request => "request",
            Self::Stale => "stale",
        }
    }

    /// Whether another's answer might do instead: the response is what is wanting, not the request's leave to use it.
    pub const fn is_collapsible(self) -> bool {
        matches!(self, Self::UriMiss | Self::VaryMiss | Self::Stale)
    }
}

/// Where an answer from the store came from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Source {
    /// This proxy had it.
    Own,
    /// It was fetched from the second level for this request.
    Fleet,
}

/// A member for a response that was answered from the store; `ttl` in seconds, negative where it is stale (§2.3).
pub fn hit(name: &str, ttl: i64, source: Source) -> String {
    let detail = if source == Source::Fleet { "; detail=l2" } else { "" };
    [name, "; hit; ttl=", &ttl.to_string(), detail].concat()
}

/// A member for a request that waited for another's answer, and was answered with that: `why` is why it would have been
/// forwarded (§2.6), `ttl` as for [`hit`].
pub fn collapsed(name: &str, why: Forward, ttl: i64) -> String {
    [name, "; fwd=", why.token(), "; ttl=", &ttl.to_string(), "; collapsed"].concat()
}

/// A member for an answer that is neither from the store nor forwarded: `detail` is what the request was about, as a token.
///
/// RFC 9211 §2 would leave such answers without one. Here all have one, so that no answer leaves it open what became of it.
pub fn own(name: &str, detail: &str) -> String {
    [name, "; detail=", detail].concat()
}

/// A member for a request that was forwarded and then answered from the store: `forwarded` is the status that the
/// upstream answered with (§2.3), `ttl` as for [`hit`].
pub fn restored(name: &str, why: Forward, forwarded: u16, ttl: i64, is_stored: bool, detail: &str) -> String {
    let [forwarded, ttl] = [i64::from(forwarded), ttl].map(|number| number.to_string());
    let stored = if is_stored { "; stored" } else { "" };
    [name, "; fwd=", why.token(), "; fwd-status=", &forwarded, "; ttl=", &ttl, stored, "; detail=", detail].concat()
}

/// What becomes of a forwarded request's response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// It is being stored as it passes. Should its body break off or turn out too long, it will not have been.
    Stored,
    /// It is not, for this reason; the reason is a token (§2.8).
    Passed(Option<&'static str>),
}

/// A member for a response to a request that was forwarded.
pub fn forwarded(name: &str, why: Forward, fate: Fate) -> String {
    let (label, value) = match fate {
        Fate::Stored => ("; stored", ""),
        Fate::Passed(Some(reason)) => ("; detail=", reason),
        Fate::Passed(None) => ("", ""),
    };
    [name, "; fwd=", why.token(), label, value].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_member_is_an_item_with_parameters() {
        assert_eq!(hit("weir", 30, Source::Own), "weir; hit; ttl=30");
        assert_eq!(hit("weir", -5, Source::Fleet), "weir; hit; ttl=-5; detail=l2");
        let validated = restored("weir", Forward::Stale, 304, 60, true, "validated");
        assert_eq!(validated, "weir; fwd=stale; fwd-status=304; ttl=60; stored; detail=validated");
        let rescued = restored("weir", Forward::Stale, 503, -5, false, "stale-if-error");
        assert_eq!(rescued, "weir; fwd=stale; fwd-status=503; ttl=-5; detail=stale-if-error");
        assert_eq!(collapsed("weir", Forward::VaryMiss, 60), "weir; fwd=vary-miss; ttl=60; collapsed");
        assert_eq!(own("weir", "only-if-cached"), "weir; detail=only-if-cached");
        for (why, fate, expected) in [
            (Forward::UriMiss, Fate::Stored, "weir; fwd=uri-miss; stored"),
            (Forward::VaryMiss, Fate::Passed(None), "weir; fwd=vary-miss"),
            (Forward::Stale, Fate::Passed(Some("no-store")), "weir; fwd=stale; detail=no-store"),
            (Forward::Request, Fate::Stored, "weir; fwd=request; stored"),
            (Forward::Bypass, Fate::Passed(None), "weir; fwd=bypass"),
            (Forward::Method, Fate::Passed(None), "weir; fwd=method"),
        ] {
            assert_eq!(forwarded("weir", why, fate), expected);
        }
    }
}
