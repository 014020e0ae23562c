//! A long answer that is passed on as it is while it comes, without our secrets, wherever its pieces part, and for as long as
//! it is JSON.

use crate::secret::Forms;
use crate::syntax::Syntax;

/// A long answer on its way.
#[derive(Default)]
pub struct Passage {
    kept: Vec<u8>,
    received: usize,
    syntax: Syntax,
}

impl Passage {
    /// Takes a further piece in, and gives what can be passed on now: all at the end, before it at most `bytes_max` bytes,
    /// and nothing that may be the beginning of a secret. `None` where what has come is not, and does not become, a JSON object.
    pub fn pass(&mut self, forms: &Forms, piece: &[u8], is_last: bool, bytes_max: usize) -> Option<Vec<u8>> {
        self.received = self.received.saturating_add(piece.len());
        if !self.syntax.read(piece) || is_last && !self.syntax.is_whole() {
            return None;
        }
        self.kept.extend_from_slice(piece);
        forms.redact(&mut self.kept);
        let ready = self.kept.len() - forms.begun(&self.kept);
        let ready = if is_last { self.kept.len() } else { ready.min(bytes_max) };
        let rest = self.kept.split_off(ready);
        Some(std::mem::replace(&mut self.kept, rest))
    }

    /// How long the answer is as far as it has come.
    pub const fn received(&self) -> usize {
        self.received
    }

    /// Whether all of it has come and been passed on.
    pub const fn is_whole(&self) -> bool {
        self.kept.is_empty() && self.syntax.is_whole()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn forms() -> Forms {
        let secrets =
            ["abcabcabd", "secret-of/ours", "}-of-ours"].map(|text| Secret::new(text.to_owned()).ok().unwrap());
        Forms::of(&secrets)
    }

    #[test]
    fn wherever_the_pieces_part_the_whole_is_the_same() {
        let text = br#"{"x": "abcabcabcabd secret-of%2Fours abc abcabcab secret-of\/ours. \u0073ecret%2dof%2Fours secret-of}-of-our"}"#;
        let mut whole = text.to_vec();
        forms().redact(&mut whole);
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let mut passage = Passage::default();
                let mut passed = passage.pass(&forms(), &text[..first], false, 7).unwrap();
                passed.extend(passage.pass(&forms(), &text[first..second], false, usize::MAX).unwrap());
                passed.extend(passage.pass(&forms(), &text[second..], true, 0).unwrap());
                assert_eq!(String::from_utf8_lossy(&passed), String::from_utf8_lossy(&whole), "{first} {second}");
                assert_eq!((passage.received(), passage.is_whole()), (text.len(), true));
            }
        }
    }

    #[test]
    fn nothing_is_kept_that_cannot_be_the_beginning_of_a_secret() {
        let mut passage = Passage::default();
        for (piece, bytes_max, passed) in [
            (r#"{"a": "plain text"#, usize::MAX, r#"{"a": "plain text"#),
            ("plain abc", usize::MAX, "plain "),
            ("x, long", 2, "ab"),
            (r#"""#, usize::MAX, r#"cx, long""#),
            ("}", usize::MAX, ""),
        ] {
            assert_eq!(passage.pass(&forms(), piece.as_bytes(), false, bytes_max).unwrap(), passed.as_bytes());
            assert!(!passage.is_whole());
        }
        assert_eq!(passage.pass(&forms(), b"", true, 0).unwrap(), b"}");
        assert!(passage.is_whole());
    }

    #[test]
    fn what_is_no_json_goes_no_further() {
        for (first, second) in [("[", ""), (r#"{"a": x"#, ""), (r#"{"a": "#, "}"), (r#"{"a": 1"#, ""), ("{}", " {")] {
            let mut passage = Passage::default();
            let passed = passage.pass(&forms(), first.as_bytes(), false, usize::MAX);
            assert!(
                passed.is_none() || passage.pass(&forms(), second.as_bytes(), true, 0).is_none(),
                "{first}{second}"
            );
        }
    }
}
