//! A long answer that is passed on as it is while it comes, without our secrets, wherever its pieces part.

use crate::secret::Forms;

/// A long answer on its way.
#[derive(Default)]
pub struct Passage {
    kept: Vec<u8>,
    received: usize,
}

impl Passage {
    /// Takes a further piece in, and gives what can be passed on now: all at the end, before it at most `bytes_max` bytes,
    /// and nothing that may be the beginning of a secret.
    pub fn pass(&mut self, forms: &Forms, piece: &[u8], is_last: bool, bytes_max: usize) -> Vec<u8> {
        self.received = self.received.saturating_add(piece.len());
        self.kept.extend_from_slice(piece);
        forms.redact(&mut self.kept);
        let ready = self.kept.len() - forms.begun(&self.kept);
        let ready = if is_last { self.kept.len() } else { ready.min(bytes_max) };
        let rest = self.kept.split_off(ready);
        std::mem::replace(&mut self.kept, rest)
    }

    /// How long the answer is as far as it has come.
    pub const fn received(&self) -> usize {
        self.received
    }

    /// Whether something has come that has not been passed on.
    pub const fn is_behind(&self) -> bool {
        !self.kept.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn forms() -> Forms {
        let secrets = ["abcabcabd", "secret-of/ours"].map(|text| Secret::new(text.to_owned()).ok().unwrap());
        Forms::of(&secrets)
    }

    #[test]
    fn wherever_the_pieces_part_the_whole_is_the_same() {
        let text = b"x abcabcabcabd secret-of%2Fours abc abcabcab secret-of\\/ours. secret-of";
        let mut whole = text.to_vec();
        forms().redact(&mut whole);
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let mut passage = Passage::default();
                let mut passed = passage.pass(&forms(), &text[..first], false, 7);
                passed.extend(passage.pass(&forms(), &text[first..second], false, usize::MAX));
                passed.extend(passage.pass(&forms(), &text[second..], true, 0));
                assert_eq!(String::from_utf8_lossy(&passed), String::from_utf8_lossy(&whole), "{first} {second}");
                assert_eq!((passage.received(), passage.is_behind()), (text.len(), false));
            }
        }
    }

    #[test]
    fn nothing_is_kept_that_cannot_be_the_beginning_of_a_secret() {
        let mut passage = Passage::default();
        assert_eq!(passage.pass(&forms(), b"plain text", false, usize::MAX), b"plain text");
        assert!(!passage.is_behind());
        assert_eq!(passage.pass(&forms(), b"plain abc", false, usize::MAX), b"plain ");
        assert!(passage.is_behind());
        assert_eq!(passage.pass(&forms(), b"x, long", false, 2), b"ab");
        assert_eq!(passage.pass(&forms(), b"", true, 0), b"cx, long");
    }
}
