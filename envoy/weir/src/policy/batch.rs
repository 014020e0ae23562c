//! What a client may put into a batch: requests by method and path, each written as a route's `match` is.

use crate::diagnostic::{Mistakes, Span};
use crate::draft::Draft;
use crate::policy::Matcher;
use crate::yaml::{Entry, Node, Value};

/// One kind of request that a batch may hold.
#[derive(Debug)]
pub struct Call {
    /// Which requests.
    pub matcher: Matcher,
    /// Where it was written.
    pub span: Span,
}

/// Reads `calls` of a composition's `batch`, and puts them into the composition's draft as the filter reads them. What is no list
/// is left to the filter to say.
pub fn read(compose: &Node, draft: &mut Draft, mistakes: &mut Mistakes) -> Vec<Call> {
    let Some(Value::List(items)) =
        member(compose, "batch").and_then(|batch| member(batch, "calls")).map(|node| &node.value)
    else {
        return Vec::new();
    };
    let call = |item: &Node| Some(Call { matcher: Matcher::read(item, mistakes)?, span: item.span.clone() });
    let calls: Vec<Call> = items.iter().filter_map(call).collect();
    if let Some(mut batch) = draft.take("batch") {
        let matches = calls.iter().map(|call| call.matcher.draft.clone()).collect();
        batch.set("calls", Draft::list(matches, batch.span()));
        draft.set("batch", batch);
    }
    calls
}

fn member<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    let Value::Map(entries) = &node.value else { return None };
    entries.iter().find(|entry: &&Entry| entry.key == key).map(|entry| &entry.node)
}
