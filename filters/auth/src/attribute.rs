//! Claims that are handed on in headers of the operator's choice.
//!
//! A text is handed on as it is; a number in decimal; `true` and `false`; a list of these with commas between them. A claim
//! that is missing, `null` or empty leaves its header out. A value that no header can carry unchanged refuses the token:
//! what an upstream decides by must not vanish because it was odd.

use policy::ConfigError;
use policy::handover::header;
use policy::route::lower_case;

use crate::claim::{Path, decimal};
use crate::refusal::Refusal;
use policy::fields::Fields;
use policy::json::{Json, Members};

/// No more claims than this are handed on in headers of their own.
pub(crate) const ATTRIBUTES_MAX: usize = 32;
/// A longer value is refused.
const VALUE_BYTES_MAX: usize = 2048;
/// Headers that mean something to Envoy, to the connection, to the body or to a filter: none of them may say whatever a
/// claim says, or be taken away from clients.
const RESERVED: [&str; 25] = [
    "accept-encoding",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "range",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    header::CORRELATION_ID,
    header::REQUEST_ID,
    header::TRACEPARENT,
    header::TRACESTATE,
];
/// What the names of further such headers begin with.
const RESERVED_PREFIXES: [&str; 6] = ["x-weir-", "x-envoy-", "x-forwarded-", "x-ratelimit-", "proxy-auth", "if-"];

/// A claim and the header that it is handed on in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attribute {
    /// The header, in lower case. Clients cannot send it.
    pub header: String,
    claim: Path,
}

impl Attribute {
    pub(crate) fn read(json: Json) -> Result<Self, ConfigError> {
        let mut fields = Fields::of(json)?;
        let claim = fields.any("claim").ok_or_else(|| ConfigError::at("claim", "is missing"))?;
        let claim = Path::read(claim).map_err(|mistake| mistake.inside("claim"))?;
        let header = fields.needed("header")?;
        fields.end()?;
        lower_case(&header).map_err(|mistake| mistake.inside("header"))?;
        if is_reserved(&header) {
            return Err(ConfigError::at("header", format!("must be a header of its own, got {header:?}")));
        }
        Ok(Self { header, claim })
    }

    /// What stands in the header, where it is sent at all.
    pub(crate) fn value(&self, claims: &Members) -> Result<Option<String>, Refusal> {
        let value = match self.claim.find(claims) {
            None => String::new(),
            Some(Json::List(list)) => {
                let mut joined = String::new();
                for (index, json) in list.iter().enumerate() {
                    let element = scalar(json).filter(|element| !element.is_empty() && !element.contains(','));
                    if index > 0 {
                        joined.push(',');
                    }
                    joined += &element.filter(|element| is_plain(element)).ok_or(Refusal::Claim)?;
                    if joined.len() > VALUE_BYTES_MAX {
                        return Err(Refusal::Claim);
                    }
                }
                joined
            }
            Some(json) => scalar(json).ok_or(Refusal::Claim)?,
        };
        if value.len() > VALUE_BYTES_MAX || !is_plain(&value) {
            return Err(Refusal::Claim);
        }
        Ok(Some(value).filter(|value| !value.is_empty()))
    }
}

/// What one value is as text; `null` is none.
fn scalar(json: &Json) -> Option<String> {
    match json {
        Json::Null => Some(String::new()),
        Json::Text(text) => Some(text.clone()),
        Json::Bool(flag) => Some(if *flag { "true" } else { "false" }.to_owned()),
        Json::Number(number) => decimal(*number),
        Json::List(_) | Json::Object(_) => None,
    }
}

/// Whether a text comes out of a header as it went in: without control characters and without blanks at its ends.
pub(crate) fn is_plain(text: &str) -> bool {
    !text.chars().any(char::is_control) && !text.starts_with(' ') && !text.ends_with(' ')
}

/// Whether a header is one that stays what it is; `_` and `-` are the same to many servers.
pub(crate) fn is_reserved(name: &str) -> bool {
    let name = name.replace('_', "-");
    RESERVED.contains(&name.as_str()) || RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn value(json: &str) -> Result<Option<String>, Refusal> {
        let attribute = Attribute { header: "x-a".to_owned(), claim: Path::of("a") };
        attribute.value(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn what_a_header_can_carry_is_written() {
        let long = "x".repeat(2048);
        let rows = [
            (r#"{"a": "José, 7"}"#, Some("José, 7")),
            (r#"{"a": 7}"#, Some("7")),
            (r#"{"a": -1.50}"#, Some("-1.5")),
            (r#"{"a": 1e3}"#, Some("1000")),
            (r#"{"a": true}"#, Some("true")),
            (r#"{"a": false}"#, Some("false")),
            (r#"{"a": ["b c", 7, true]}"#, Some("b c,7,true")),
            (&format!(r#"{{"a": "{long}"}}"#), Some(long.as_str())),
            (r#"{"a": []}"#, None),
            (r#"{"a": ""}"#, None),
            (r#"{"a": null}"#, None),
            ("{}", None),
        ];
        for (json, expected) in rows {
            assert_eq!(value(json).unwrap().as_deref(), expected, "{json}");
        }
    }

    #[test]
    fn what_no_header_can_carry_unchanged_refuses_the_token() {
        let long = format!(r#"{{"a": "{}"}}"#, "x".repeat(2049));
        let many = format!(r#"{{"a": [{}"z"]}}"#, r#""xxxxxxxxxxxxxxxx","#.repeat(200));
        for json in [
            r#"{"a": "b\r\nx-admin: true"}"#,
            r#"{"a": "b\u0000"}"#,
            r#"{"a": "b\u0085c"}"#,
            r#"{"a": " b"}"#,
            r#"{"a": "b "}"#,
            r#"{"a": {"b": 1}}"#,
            r#"{"a": ["b,c"]}"#,
            r#"{"a": ["b", ""]}"#,
            r#"{"a": ["b", null]}"#,
            r#"{"a": [" b"]}"#,
            r#"{"a": [["b"]]}"#,
            r#"{"a": ["b\n"]}"#,
            r#"{"a": 9007199254740993}"#,
            r#"{"a": 1e300}"#,
            &long,
            &many,
        ] {
            assert_eq!(value(json), Err(Refusal::Claim), "{json}");
        }
    }

    #[test]
    fn a_header_that_means_something_is_no_target() {
        for name in
            ["host", "x-weir-user", "x_weir_user", "authorization", "transfer_encoding", "x-request-id", "if-match"]
        {
            assert!(is_reserved(name), "{name}");
        }
        for name in ["x-user-email", "x-token", "x-api-key", "accept", "hosts"] {
            assert!(!is_reserved(name), "{name}");
        }
    }
}
