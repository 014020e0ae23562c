//! What the log says of a change: who made it, where from, what was before and what is now, in one line of JSON.

use policy::RequestId;

use crate::json::Writer;

/// A change.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    /// Who made it.
    pub who: String,
    /// From which address, as the host tells it.
    pub from: String,
    /// The request's id.
    pub request_id: Option<RequestId>,
    /// What was changed, in a word or two.
    pub what: &'static str,
    /// Of which rule, upstream or cache.
    pub target: String,
    /// What was before.
    pub before: String,
    /// What is ordered now.
    pub after: String,
}

impl Change {
    /// The line. Whatever a client has sent is quoted in it: no name makes two lines of one.
    pub fn line(&self) -> String {
        let id = self.request_id.as_ref().map_or("", RequestId::as_str);
        let line = Writer::object()
            .text("who", &self.who)
            .text("from", &self.from)
            .text("request_id", id)
            .text("what", self.what)
            .text("target", &self.target)
            .text("before", &self.before)
            .text("after", &self.after);
        ["audit ", &line.end()].concat()
    }

    /// What whoever made it is told.
    pub fn body(&self, reach: &str) -> String {
        Writer::object()
            .text("changed", &self.target)
            .text("before", &self.before)
            .text("after", &self.after)
            .text("reach", reach)
            .end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_change_is_one_line_whoever_made_it() {
        let change = Change {
            who: "user a\nWARN forged \"line\"".to_owned(),
            from: "192.0.2.1:5000".to_owned(),
            request_id: RequestId::parse(b"r-1"),
            what: "breaker",
            target: "spotify".to_owned(),
            before: "open".to_owned(),
            after: "reset".to_owned(),
        };
        let line = change.line();
        let expected = concat!(
            r#"audit {"who":"user a\nWARN forged \"line\"","from":"192.0.2.1:5000","request_id":"r-1","#,
            r#""what":"breaker","target":"spotify","before":"open","after":"reset"}"#
        );
        assert_eq!(line, expected);
        let expected = r#"{"changed":"spotify","before":"open","after":"reset","reach":"proxy"}"#;
        assert_eq!(change.body("proxy"), expected);
    }
}
