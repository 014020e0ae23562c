//! How an upstream says that it is asked too often: the mapping `slow_down` of an upstream.

use crate::diagnostic::{Mistakes, Span};
use crate::draft::Draft;
use crate::reader::{self, Fields};
use crate::yaml::Node;

/// What is listened to, and for how long the upstream is then left alone.
#[derive(Debug)]
pub struct SlowDown {
    /// What the filter reads, without the name and the routes.
    pub draft: Draft,
    /// The statuses that stand for it.
    pub statuses: Vec<u64>,
    /// Where it is said that headers of the upstream's own are read.
    pub headers: Vec<Span>,
}

impl SlowDown {
    /// Reads the mapping.
    pub fn read(node: &Node, mistakes: &mut Mistakes) -> Option<Self> {
        let mut fields = Fields::of(node, "`slow_down`", mistakes)?;
        let learn = fields.required("learn", mistakes);
        let periods = ["longest", "default"].map(|key| (key, fields.optional(key).map(Draft::of)));
        fields.finish(mistakes);
        let learn = learn?;
        // Texts, also where they look like numbers.
        let words = reader::texts(learn, "words like `retry_after` and `429`", mistakes)?;
        let items = words.iter().map(|word| Draft::leaf(word.value.as_str(), &word.span)).collect();
        let mut draft = Draft::object(&node.span);
        draft.set("learn", Draft::list(items, &learn.span));
        for (key, period) in periods {
            if let Some(period) = period {
                draft.set(key, period);
            }
        }
        let (mut statuses, mut headers) = (Vec::new(), Vec::new());
        for word in &words {
            match word.value.as_str() {
                "retry_after" | "429" => statuses.push(429),
                "503" => statuses.push(503),
                "ratelimit_headers" => headers.push(word.span.clone()),
                _ => {}
            }
        }
        Some(Self { draft, statuses, headers })
    }
}
