//! What a token endpoint answers (RFC 6749 §5): a token and how long it holds, or why there is none.

use std::time::Duration;

use policy::json::Json;

use crate::secret::{Forms, Secret};
use crate::view::View;

/// A longer answer is none.
pub const ANSWER_BYTES_MAX: usize = 32 << 10;
/// How long a token is taken to hold that does not say it.
const LIFE_UNSAID: Duration = Duration::from_mins(5);
/// No token is taken to hold for longer than this.
const LIFE_MAX: Duration = Duration::from_hours(24);
/// The codes of errors (RFC 6749 §5.2) that are told to the operator; anything else is the endpoint's own text.
const ERRORS: [&str; 6] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
];

/// A token as it was issued.
pub struct Issued {
    /// The token, which is a secret.
    pub token: Secret,
    /// How long it holds.
    pub life: Duration,
}

/// Why an answer has no token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// It broke off, never came, or is too long.
    Lost,
    /// It has this status, and says this of the reason, where it is one of those that are known.
    Refused(u16, &'static str),
    /// It is no JSON object.
    Unreadable,
    /// Its token cannot be shown in a header, or is none.
    Token,
    /// Its token is of another kind than `Bearer`.
    Kind,
    /// Its token has ended already, or says nonsense of when it will.
    Lifetime,
}

impl Fault {
    /// How it is told in the log, of which nothing is the endpoint's own.
    pub fn text(self) -> String {
        match self {
            Self::Lost => "no answer, or one that is too long".to_owned(),
            Self::Refused(status, reason) => ["status ", &status.to_string(), " ", reason].concat(),
            Self::Unreadable => "the answer is no JSON object".to_owned(),
            Self::Token => "the answer has no access_token that can be shown".to_owned(),
            Self::Kind => "the token_type is not Bearer".to_owned(),
            Self::Lifetime => "expires_in is no time to come".to_owned(),
        }
    }
}

/// Reads an answer.
///
/// # Errors
/// Why it has no token.
pub fn read(status: u16, body: &[u8]) -> Result<Issued, Fault> {
    let json: Option<Json> = serde_json::from_slice(body).ok();
    let view = json.as_ref().map_or(View::NOTHING, View::of);
    if status != 200 {
        let said = view.at("error").text().unwrap_or_default();
        let reason = ERRORS.into_iter().find(|known| *known == said).unwrap_or_default();
        return Err(Fault::Refused(status, reason));
    }
    if !view.is_object() {
        return Err(Fault::Unreadable);
    }
    // RFC 6750 §2.1.
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=');
    let token = view.at("access_token").text().filter(|token| token.bytes().all(plain)).ok_or(Fault::Token)?;
    let token = Secret::new(token.to_owned()).map_err(|_| Fault::Token)?;
    if !view.at("token_type").text().is_some_and(|kind| kind.eq_ignore_ascii_case("bearer")) {
        return Err(Fault::Kind);
    }
    let said = view.at("expires_in");
    let life = match (said.is_nothing(), said.whole()) {
        (true, _) => LIFE_UNSAID,
        (false, Some(seconds @ 1..)) => Duration::from_secs(seconds).min(LIFE_MAX),
        (false, _) => return Err(Fault::Lifetime),
    };
    Ok(Issued { token, life })
}

/// A token as a worker has it.
pub struct Token {
    /// Which one it is: those that come after it have higher numbers.
    pub generation: u64,
    /// The whole value of `Authorization`.
    pub value: Secret,
    /// The forms in which it, or what it was got with, may come back.
    pub forms: Forms,
    /// Whether a retry of Envoy's could come after its end.
    pub is_brief: bool,
}

impl Token {
    /// The token of this generation, from the text of it; `None` where that is none.
    pub fn new(generation: u64, text: &[u8], client_secret: &Secret, is_brief: bool) -> Option<Self> {
        let text = Secret::new(String::from_utf8(text.to_vec()).ok()?).ok()?;
        let forms = Forms::of([&text, client_secret]);
        Some(Self { generation, value: Secret::of_parts(&["Bearer ", text.text()]), forms, is_brief })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn answer(rest: &str) -> String {
        format!(r#"{{"access_token": "token-0123456789", "token_type": "Bearer"{rest}}}"#)
    }

    #[test]
    fn a_good_answer_has_a_token_and_its_life() {
        for (rest, seconds) in [
            (r#", "expires_in": 3600"#, 3600),
            (r#", "expires_in": "3600""#, 3600),
            (r#", "expires_in": 1, "scope": "a", "new": [1]"#, 1),
            ("", 300),
            (r#", "expires_in": null"#, 300),
            (r#", "expires_in": 99999999999"#, 86_400),
        ] {
            let issued = read(200, answer(rest).as_bytes()).ok().unwrap();
            assert_eq!((issued.token.text(), issued.life.as_secs()), ("token-0123456789", seconds), "{rest}");
        }
        assert!(read(200, br#"{"access_token": "abc-._~+/xyz==", "token_type": "bEaReR"}"#).is_ok());
    }

    #[test]
    fn whatever_else_comes_is_no_token_and_is_told_in_our_own_words() {
        let with = |token: &str, kind: &str| format!(r#"{{"access_token": {token}, "token_type": {kind}}}"#);
        let bearer = r#""Bearer""#;
        for (status, body, expected) in [
            (500, String::new(), Fault::Refused(500, "")),
            (400, r#"{"error": "invalid_client"}"#.to_owned(), Fault::Refused(400, "invalid_client")),
            (
                401,
                r#"{"error": "invalid_scope", "error_description": "x"}"#.to_owned(),
                Fault::Refused(401, "invalid_scope"),
            ),
            (400, r#"{"error": "not-a-secret"}"#.to_owned(), Fault::Refused(400, "")),
            (400, r#"{"error": {"invalid_client": 1}}"#.to_owned(), Fault::Refused(400, "")),
            (302, answer(""), Fault::Refused(302, "")),
            (201, answer(""), Fault::Refused(201, "")),
            (200, String::new(), Fault::Unreadable),
            (200, "<html>".to_owned(), Fault::Unreadable),
            (200, "[1]".to_owned(), Fault::Unreadable),
            (200, answer("").replace('}', ""), Fault::Unreadable),
            (200, "{}".to_owned(), Fault::Token),
            (200, with("1", bearer), Fault::Token),
            (200, with(r#""""#, bearer), Fault::Token),
            (200, with(r#""short""#, bearer), Fault::Token),
            (200, with(r#""token with blanks""#, bearer), Fault::Token),
            (200, with(r#""token\r\nx-a: 012345""#, bearer), Fault::Token),
            (200, with(r#""token-\u00e9-0123456""#, bearer), Fault::Token),
            (200, with(&format!("\"{}\"", "x".repeat(4097)), bearer), Fault::Token),
            (200, with(r#""token-0123456789""#, r#""mac""#), Fault::Kind),
            (200, with(r#""token-0123456789""#, "1"), Fault::Kind),
            (200, r#"{"access_token": "token-0123456789"}"#.to_owned(), Fault::Kind),
            (200, answer(r#", "expires_in": 0"#), Fault::Lifetime),
            (200, answer(r#", "expires_in": -1"#), Fault::Lifetime),
            (200, answer(r#", "expires_in": 0.5"#), Fault::Lifetime),
            (200, answer(r#", "expires_in": "soon""#), Fault::Lifetime),
            (200, answer(r#", "expires_in": true"#), Fault::Lifetime),
            (200, answer(r#", "expires_in": [3600]"#), Fault::Lifetime),
        ] {
            let fault = read(status, body.as_bytes()).err();
            assert_eq!(fault, Some(expected), "{body}");
            assert!(!expected.text().contains("secret"), "{body}");
        }
    }
}
