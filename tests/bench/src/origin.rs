//! The upstream of those variants that have one: an Envoy that costs the measured one nothing, with two bodies of text.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::variant;

/// The paths, and how long the bodies behind them are.
pub(crate) const SIZES: [(&str, usize); 2] = [("/1k", 1 << 10), ("/64k", 64 << 10)];

/// The Envoy bootstrap.
pub(crate) fn bootstrap() -> String {
    let route = |(path, bytes): &(&str, usize)| {
        json!({
            "match": {"path": path},
            "direct_response": {"status": 200, "body": {"inline_string": text(*bytes)}},
            "response_headers_to_add": [
                {"header": {"key": "cache-control", "value": "max-age=86400"}},
                {"header": {"key": "content-type", "value": "application/json"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"},
            ],
        })
    };
    let routes: Vec<Value> = SIZES.iter().map(route).collect();
    variant::listening(&[], &json!(routes), &[])
}

/// What an upstream might say: a list of records that resemble each other.
fn text(bytes: usize) -> String {
    let mut text = String::from("[");
    let mut number: u64 = 1;
    while text.len() < bytes {
        // Marsaglia's xorshift: the same text in every run.
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
        let (popularity, length) = (number % 100, 120_000 + number % 240_000);
        let _ = write!(
            text,
            r#"{{"id":"{number:016x}","name":"Track {}","artists":[{{"id":"{:08x}"}}],"duration_ms":{length},"popularity":{popularity}}},"#,
            number % 9973,
            number >> 32,
        );
    }
    text.truncate(bytes - 1);
    text + "]"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_as_long_as_its_path_says() {
        for (_, bytes) in SIZES {
            assert_eq!(text(bytes).len(), bytes);
        }
    }
}
