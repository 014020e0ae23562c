//! Requests to try, which `weir run` prints as commands for a shell.

use crate::diagnostic::Mistakes;
use crate::reader::{self, Fields};
use crate::yaml::{Entry, Node};

/// One request, or the same one several times.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Example {
    /// What it shows.
    pub title: String,
    /// What is sent once, before it.
    pub before: Option<Call>,
    /// What is sent.
    pub call: Call,
    /// How often.
    pub times: u64,
}

/// A request as somebody writes it down.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Call {
    /// The method.
    pub method: String,
    /// A path of the gateway, or the whole URL of something beside it.
    pub target: String,
    /// A body, sent as JSON.
    pub body: Option<String>,
    /// Where to get the token that is shown.
    pub token: Option<String>,
    /// Further headers, by name and value.
    pub headers: Vec<(String, String)>,
}

/// Reads the list `examples`.
pub fn read(node: &Node, mistakes: &mut Mistakes) -> Vec<Example> {
    let items = reader::items(node, "examples", mistakes).unwrap_or_default();
    items.iter().filter_map(|item| example(item, mistakes)).collect()
}

fn example(node: &Node, mistakes: &mut Mistakes) -> Option<Example> {
    let mut fields = Fields::of(node, "an example", mistakes)?;
    let title = fields.required("title", mistakes).and_then(|node| reader::text(node, mistakes));
    let before = fields.optional("before").and_then(|node| {
        let mut fields = Fields::of(node, "a request", mistakes)?;
        let call = call(&mut fields, mistakes);
        fields.finish(mistakes);
        call
    });
    let call = call(&mut fields, mistakes);
    let times = fields.optional("times").and_then(|node| reader::whole(node, 1..=1000, mistakes)).unwrap_or(1);
    fields.finish(mistakes);
    Some(Example { title: title?.value, before, call: call?, times })
}

fn call(fields: &mut Fields<'_>, mistakes: &mut Mistakes) -> Option<Call> {
    let line = fields.required("request", mistakes).and_then(|node| line(node, mistakes));
    let mut text = |key, mistakes: &mut Mistakes| {
        fields.optional(key).and_then(|node| reader::text(node, mistakes)).map(|text| text.value)
    };
    let (body, token) = (text("body", mistakes), text("token", mistakes));
    let entries = fields.optional("headers").and_then(|node| reader::entries(node, "headers", mistakes));
    let header = |entry: &Entry| Some((entry.key.clone(), reader::text(&entry.node, mistakes)?.value));
    let headers = entries.unwrap_or_default().iter().filter_map(header).collect();
    let (method, target) = line?;
    Some(Call { method, target, body, token, headers })
}

fn line(node: &Node, mistakes: &mut Mistakes) -> Option<(String, String)> {
    let text = reader::text(node, mistakes)?;
    let parts = text.value.split_once(' ').map(|(method, target)| (method, target.trim()));
    let good = parts.filter(|(method, target)| {
        let absolute = ["/", "http://", "https://"].iter().any(|start| target.starts_with(start));
        absolute && method.bytes().all(|byte| byte.is_ascii_uppercase()) && target.bytes().all(|b| b.is_ascii_graphic())
    });
    if good.is_none() {
        mistakes.add(&text.span, "this is not a request", "expected a method and a path, like `GET /api/v1/genres`");
    }
    good.map(|(method, target)| (method.to_owned(), target.to_owned()))
}

impl Example {
    /// The commands for a shell, where the gateway is at `gateway`.
    pub fn commands(&self, gateway: &str) -> Vec<String> {
        let before = self.before.as_ref().map(|call| call.command(gateway));
        let command = self.call.command(gateway);
        let command = match self.times {
            1 => command,
            times => format!("for i in $(seq {times}); do {command}; echo; done"),
        };
        before.into_iter().chain([command]).collect()
    }
}

impl Call {
    /// The command for a shell, where the gateway is at `gateway`.
    pub fn command(&self, gateway: &str) -> String {
        let url = if self.target.starts_with('/') { format!("{gateway}{}", self.target) } else { self.target.clone() };
        let mut words = vec!["curl -si".to_owned()];
        // What curl sends by itself.
        let usual = if self.body.is_some() { "POST" } else { "GET" };
        if self.method != usual {
            words.push(format!("-X {}", self.method));
        }
        if let Some(token) = &self.token {
            words.push(format!("-H \"authorization: Bearer $(curl -s {})\"", quoted(token)));
        }
        for (name, value) in &self.headers {
            words.push(format!("-H {}", quoted(&format!("{name}: {value}"))));
        }
        if let Some(body) = &self.body {
            words.push(format!("-H 'content-type: application/json' -d {}", quoted(body)));
        }
        words.push(quoted(&url));
        words.join(" ")
    }
}

/// A word as a POSIX shell reads it back.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_is_commands_that_a_shell_reads_back() {
        let call = Call {
            method: "PUT".into(),
            target: "/a?b=c&d".into(),
            body: Some("{\"it's\": 1}".into()),
            token: Some("http://id/token?tier=pro".into()),
            headers: vec![("x-key".into(), "it's 1".into())],
        };
        let (method, target, body) = ("POST".into(), "http://x/".into(), Some("{}".into()));
        let before = Call { method, target, body, token: None, headers: Vec::new() };
        let example = Example { title: "t".into(), before: Some(before), call, times: 3 };
        assert_eq!(
            example.commands("http://h:1"),
            [
                "curl -si -H 'content-type: application/json' -d '{}' 'http://x/'",
                "for i in $(seq 3); do curl -si -X PUT \
                 -H \"authorization: Bearer $(curl -s 'http://id/token?tier=pro')\" -H 'x-key: it'\\''s 1' \
                 -H 'content-type: application/json' -d '{\"it'\\''s\": 1}' 'http://h:1/a?b=c&d'; echo; done"
            ]
        );
    }
}
