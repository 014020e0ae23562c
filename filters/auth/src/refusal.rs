//! Why a credential is refused, and what the client is told about it: less than the log.

use policy::Rejection;

/// Why a credential is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// There is more than one `Authorization`: whoever picks one picks another than the next hop may.
    Repeated,
    /// Another scheme than `Bearer`.
    Scheme,
    /// `Bearer` without a token, or bytes that no token has.
    Malformed,
    /// The token is longer than the configuration allows.
    TooLong,
    /// Not three parts of canonical base64url with strict JSON in the first two.
    Token,
    /// A header parameter that changes what the token means, or that brings its own key.
    Parameter,
    /// Nobody configured issued it, or it does not say who did.
    Issuer,
    /// Its issuer has no key of that name.
    Key,
    /// It names no key, and its issuer has too many that it could be.
    Ambiguous,
    /// It says another algorithm than its key is for; `none` is always another.
    Algorithm,
    /// The signature does not fit.
    Signature,
    /// It is for somebody else.
    Audience,
    /// It never expires.
    Endless,
    /// It has expired.
    Expired,
    /// It is not valid yet (`nbf`).
    Early,
    /// It was issued in the future (`iat`).
    Future,
    /// It does not say who the caller is.
    User,
    /// A claim has a value that cannot be handed on.
    Claim,
    /// It, its user or its key was revoked.
    Revoked,
}

impl Refusal {
    /// The reason as one word, for the log and `%RESPONSE_CODE_DETAILS%` alone.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Repeated => "repeated_credential",
            Self::Scheme => "unsupported_scheme",
            Self::Malformed => "malformed_credential",
            Self::TooLong => "token_too_long",
            Self::Token => "malformed_token",
            Self::Parameter => "unsupported_parameter",
            Self::Issuer => "unknown_issuer",
            Self::Key => "unknown_key",
            Self::Ambiguous => "ambiguous_key",
            Self::Algorithm => "wrong_algorithm",
            Self::Signature => "wrong_signature",
            Self::Audience => "wrong_audience",
            Self::Endless => "token_without_expiry",
            Self::Expired => "token_expired",
            Self::Early => "token_not_yet_valid",
            Self::Future => "token_from_the_future",
            Self::User => "token_without_user",
            Self::Claim => "unusable_claim",
            Self::Revoked => "token_revoked",
        }
    }

    /// What the client is told. RFC 6750 §3.1 has three words for errors: a request that is malformed, a token that is
    /// not valid, and one that does not suffice; another scheme gets none, since it was no attempt at this one.
    pub fn rejection(self, realm: &str) -> Rejection {
        let error = match self {
            Self::Scheme => "",
            Self::Repeated | Self::Malformed => r#", error="invalid_request""#,
            _ => r#", error="invalid_token""#,
        };
        Rejection::AuthFailed { challenge: format!(r#"Bearer realm="{realm}"{error}"#), reason: self.reason() }
    }
}

/// What a client is told that sent no credential where one is required.
pub fn demand(realm: &str) -> Rejection {
    Rejection::Unauthorized { challenge: format!(r#"Bearer realm="{realm}""#) }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_challenge_says_what_kind_of_mistake_it_was_and_no_more() {
        let rows = [
            (Refusal::Scheme, r#"Bearer realm="weir""#),
            (Refusal::Repeated, r#"Bearer realm="weir", error="invalid_request""#),
            (Refusal::Malformed, r#"Bearer realm="weir", error="invalid_request""#),
            (Refusal::Expired, r#"Bearer realm="weir", error="invalid_token""#),
            (Refusal::Signature, r#"Bearer realm="weir", error="invalid_token""#),
        ];
        for (refusal, expected) in rows {
            let Rejection::AuthFailed { challenge, reason } = refusal.rejection("weir") else { panic!("{refusal:?}") };
            assert_eq!((challenge.as_str(), reason), (expected, refusal.reason()));
        }
        assert_eq!(demand("weir"), Rejection::Unauthorized { challenge: r#"Bearer realm="weir""#.into() });
    }
}
