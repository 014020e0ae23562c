//! What an upstream calls its responses by (`Cache-Tag`, `Surrogate-Key`), so that they can be purged together.
//!
//! A tag is kept as the number of a [cell](crate::purge): a fingerprint that is the same on every proxy of a fleet. Tags that
//! share a cell are purged together, so a purge may take more than it was asked to, and never less. Their case does not
//! count. Commas and blanks part tags in either field.

use policy::Headers;
pub(crate) use policy::purge::tag::FLEET;
pub use policy::purge::tag::{CELLS, cell, split};

/// A response with more tags is purged with any of them.
pub const TAGS_MAX: usize = 64;
/// Stands for every tag there is.
const ANY: u16 = u16::MAX;

/// The cells of one response, in order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tags(Vec<u16>);

impl Tags {
    /// Reads the tags of a response from the fields of these names, in lower case.
    pub fn read(response: &Headers, names: &[String]) -> Self {
        let mut cells = Vec::new();
        for list in names.iter().flat_map(|name| response.all(name)) {
            for tag in split(list) {
                if cells.len() == TAGS_MAX {
                    return Self(vec![ANY]);
                }
                let cell = cell(tag);
                if let Err(at) = cells.binary_search(&cell) {
                    cells.insert(at, cell);
                }
            }
        }
        Self(cells)
    }

    /// Whether a purge of one of the response's tags may be one of this cell.
    pub fn has(&self, cell: u16) -> bool {
        self.0.contains(&cell) || self.0.contains(&ANY)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As they are stored.
    pub fn to_bytes(&self) -> impl Iterator<Item = u8> + '_ {
        self.0.iter().flat_map(|cell| cell.to_le_bytes())
    }

    /// Takes back what [`Tags::to_bytes`] gave.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(
            bytes.chunks_exact(2).filter_map(|pair| pair.first_chunk()).map(|pair| u16::from_le_bytes(*pair)).collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn read(pairs: &[(&str, &str)]) -> Tags {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        Tags::read(&Headers::from_pairs(&pairs), &["cache-tag".to_owned(), "surrogate-key".to_owned()])
    }

    #[test]
    fn tags_are_parted_by_commas_and_blanks_and_have_no_case() {
        let tags = read(&[("cache-tag", "One, two,,"), ("surrogate-key", "three\tfour"), ("x-tag", "five")]);
        assert_eq!(tags.0.len(), 4);
        for tag in ["one", "TWO", "three", "four"] {
            assert!(tags.has(cell(tag.as_bytes())), "{tag}");
        }
        assert!(!tags.has(cell(b"five")));
        assert_eq!(Tags::from_bytes(&tags.to_bytes().collect::<Vec<_>>()), tags);
        assert!(read(&[("cache-tag", " , ")]).is_empty());
    }

    #[test]
    fn a_response_with_too_many_tags_has_every_tag() {
        let list = (0..500).map(|number| format!("t{number}")).collect::<Vec<_>>().join(",");
        let tags = read(&[("cache-tag", &list)]);
        assert_eq!(tags.0, [ANY]);
        assert!(tags.has(cell(b"whatever")));
    }

    #[test]
    fn a_tag_has_the_same_cell_on_every_proxy() {
        assert_eq!([cell(b"product-1"), cell(b"product-2")], [cell(b"PRODUCT-1"), cell(b"Product-2")]);
        assert_ne!(cell(b"product-1"), cell(b"product-2"));
        assert!((0..1000_u32).all(|number| cell(&number.to_le_bytes()) < CELLS));
    }
}
