//! Limits as a policy writes them: what of them the filter does not read, or reads by another name.

use crate::diagnostic::Mistakes;
use crate::draft::Draft;
use crate::reader;
use crate::yaml::{Node, Value};

/// Reads the limit of an upstream: one, or a list of them, as the filter reads it.
pub fn read(node: &Node, mistakes: &mut Mistakes) -> Option<Draft> {
    let before = mistakes.len();
    let one = |node, mistakes: &mut Mistakes| reader::mapping(node, "the keys of a limit, or `off`", mistakes);
    let mut draft = match &node.value {
        Value::List(items) => Draft::list(items.iter().filter_map(|item| one(item, mistakes)).collect(), &node.span),
        _ => one(node, mistakes)?,
    };
    // Of a list that is not whole, there is no telling which limit says what holds for all.
    let is_whole = mistakes.len() == before;
    note_two_words(&mut draft, mistakes);
    is_whole.then_some(draft)
}

/// Notes a limit, or a tier, that says twice what becomes of requests beyond it, and leaves it with one of both.
pub fn note_two_words(limit: &mut Draft, mistakes: &mut Mistakes) {
    for limit in limit.items_mut() {
        if limit.has("when_empty") && limit.has("queue") {
            let wrong = "`queue` and `when_empty` stand side by side";
            let expected = "say one of them: `queue: {…}` is short for `when_empty: {queue: {…}}`";
            mistakes.add(&limit.locate_key("queue"), wrong, expected);
            limit.take("queue");
        }
    }
}
