//! Why a credential is refused, and what the client is told about it: less than the log.

use policy::Rejection;

use crate::keyring::Lack;
use crate::source::Kind;

/// Why a credential is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// There is more than one credential, be they equal: whoever picks one picks another than the next hop may.
    Repeated,
    /// Another scheme than the one that is expected there.
    Scheme,
    /// A place for a credential without one, or bytes that none has.
    Malformed,
    /// The token is longer than the configuration allows.
    TooLong,
    /// Not three parts of canonical base64url with strict JSON in the first two.
    Token,
    /// A header parameter that changes what the token means, or that brings its own key.
    Parameter,
    /// It says that it is something else than an access token (`typ`).
    Type,
    /// Nobody configured issued it, or it does not say who did.
    Issuer,
    /// Its issuer has no key of that name.
    Key,
    /// Its issuer's fetched keys are not there, or not among them the one that it names; which may change any moment.
    Lacking(Lack),
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
    /// Its age is bounded, and it does not say when it was issued.
    Undated,
    /// It lacks a claim that its issuer's tokens must have.
    Incomplete,
    /// It has expired.
    Expired,
    /// It was issued too long ago.
    Stale,
    /// It is not valid yet (`nbf`).
    Early,
    /// It was issued in the future (`iat`).
    Future,
    /// It does not say who the caller is.
    User,
    /// A claim has a value that cannot be handed on.
    Claim,
    /// An API key that is too short, too long, or has bytes that none has.
    KeyForm,
    /// An API key that nobody has configured.
    KeyUnknown,
    /// An API key whose time is over.
    KeyExpired,
    /// An API key that was revoked.
    KeyRevoked,
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
            Self::Type => "unsupported_type",
            Self::Issuer => "unknown_issuer",
            Self::Key => "unknown_key",
            Self::Lacking(Lack::Keys(_)) => "keys_not_fetched",
            Self::Lacking(Lack::Key(_)) => "unlisted_key",
            Self::Ambiguous => "ambiguous_key",
            Self::Algorithm => "wrong_algorithm",
            Self::Signature => "wrong_signature",
            Self::Audience => "wrong_audience",
            Self::Endless => "token_without_expiry",
            Self::Undated => "token_without_issue_time",
            Self::Incomplete => "token_without_claim",
            Self::Stale => "token_too_old",
            Self::Expired => "token_expired",
            Self::Early => "token_not_yet_valid",
            Self::Future => "token_from_the_future",
            Self::User => "token_without_user",
            Self::Claim => "unusable_claim",
            Self::KeyForm => "malformed_api_key",
            Self::KeyUnknown => "unknown_api_key",
            Self::KeyExpired => "api_key_expired",
            Self::KeyRevoked => "api_key_revoked",
            Self::Revoked => "token_revoked",
        }
    }

    /// Whether the same token is refused for the same reason as long as time goes forward and its issuer's keys are the
    /// same: it may be remembered as bad for a while.
    pub const fn lasts(self) -> bool {
        // Not where another key set or a later moment may make it good, and not where nothing was done to find it out.
        matches!(
            self,
            Self::Token
                | Self::Parameter
                | Self::Type
                | Self::Issuer
                | Self::Signature
                | Self::Audience
                | Self::Endless
                | Self::Undated
                | Self::Incomplete
                | Self::Expired
                | Self::Stale
                | Self::User
                | Self::Claim
        )
    }

    /// What the client is told. RFC 6750 §3.1 has three words for errors: a request that is malformed, a token that is
    /// not valid, and one that does not suffice; another scheme gets none, since it was no attempt at this one. Its status
    /// for malformed requests would be 400; here whatever is wrong with a credential is 401, so that a client need not tell
    /// the two apart to know that it must show another one. Which of an API key's mistakes it was is not said at all.
    pub fn rejection(self, realm: &str) -> Rejection {
        let error = match self {
            Self::Scheme => "",
            Self::Repeated | Self::Malformed => r#", error="invalid_request""#,
            Self::KeyForm | Self::KeyUnknown | Self::KeyExpired | Self::KeyRevoked => {
                return Rejection::AuthFailed { challenge: challenge(Kind::ApiKey, realm), reason: self.reason() };
            }
            _ => r#", error="invalid_token""#,
        };
        Rejection::AuthFailed { challenge: challenge(Kind::Token, realm) + error, reason: self.reason() }
    }
}

/// What a client is told that sent no credential where one of these kinds is required: all that it could send
/// (RFC 9110 §11.6.1). No registry knows a scheme for API keys; several products call it `ApiKey`.
pub fn demand(realm: &str, kinds: &[Kind]) -> Rejection {
    let challenges: Vec<_> = kinds.iter().map(|kind| challenge(*kind, realm)).collect();
    Rejection::Unauthorized { challenge: challenges.join(", ") }
}

fn challenge(kind: Kind, realm: &str) -> String {
    let scheme = match kind {
        Kind::Token => "Bearer",
        Kind::ApiKey => "ApiKey",
    };
    format!(r#"{scheme} realm="{realm}""#)
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
            (Refusal::KeyForm, r#"ApiKey realm="weir""#),
            (Refusal::KeyUnknown, r#"ApiKey realm="weir""#),
            (Refusal::KeyExpired, r#"ApiKey realm="weir""#),
        ];
        for (refusal, expected) in rows {
            let Rejection::AuthFailed { challenge, reason } = refusal.rejection("weir") else { panic!("{refusal:?}") };
            assert_eq!((challenge.as_str(), reason), (expected, refusal.reason()));
        }
        let rows: [(&[Kind], &str); 3] = [
            (&[Kind::Token], r#"Bearer realm="weir""#),
            (&[Kind::ApiKey], r#"ApiKey realm="weir""#),
            (&[Kind::Token, Kind::ApiKey], r#"Bearer realm="weir", ApiKey realm="weir""#),
        ];
        for (kinds, challenge) in rows {
            assert_eq!(demand("weir", kinds), Rejection::Unauthorized { challenge: challenge.into() });
        }
    }
}
