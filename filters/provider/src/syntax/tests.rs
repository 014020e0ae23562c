//! The grammar, held against `serde_json`.

use serde_json::{Map, Value};

use super::*;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Everything that the grammar knows, once.
const ALL: &str = concat!(
    r#" {"a": [0, -1.5e+3, 20E2, 0.0, 1e-7, [], [[{}]], {"": null}],"#,
    "\r\n\t",
    r#""b\"\\\/\b\f\n\r\t\u00e9": {"c" : "é€𝄞" , "d":true ,"e":[false]} } "#
);

fn read(pieces: &[&[u8]]) -> bool {
    let mut syntax = Syntax::default();
    let mut may_be = true;
    for piece in pieces {
        may_be = syntax.read(piece);
    }
    assert!(may_be || !syntax.is_whole());
    syntax.is_whole()
}

/// Says the same as `serde_json`.
fn agrees(text: &[u8]) -> bool {
    let expected = serde_json::from_slice::<Map<String, Value>>(text).is_ok();
    assert_eq!(read(&[text]), expected, "{}", String::from_utf8_lossy(text));
    expected
}

#[test]
fn one_byte_in_the_place_of_another_or_too_many_or_too_few_is_told() {
    let text = ALL.as_bytes();
    assert!(agrees(text));
    let others = br#" "\/{}[]:,.+-019aeEnrtfuUx"#
        .iter()
        .chain(b"\0\x1f\x7f\x80\x8f\x90\x9f\xa0\xbf\xc1\xc2\xe0\xed\xf0\xf4\xf5\xff");
    let (mut good, mut bad) = (0, 0);
    let mut count = |text: &[u8]| if agrees(text) { good += 1 } else { bad += 1 };
    for at in 0..=text.len() {
        let (before, behind) = text.split_at(at);
        count(before);
        count(behind);
        count(&[before, behind.get(1..).unwrap_or_default()].concat());
        for other in others.clone() {
            count(&[before, &[*other], behind].concat());
            count(&[before, &[*other], behind.get(1..).unwrap_or_default()].concat());
        }
    }
    assert!(good > 500 && bad > 5000, "{good} {bad}");
}

#[test]
fn wherever_the_pieces_part_the_verdict_is_the_same() {
    let text = ALL.as_bytes();
    for whole in [text, &text[..text.len() - 2], &[text, b"x"].concat()] {
        let expected = read(&[whole]);
        assert_eq!(expected, whole == text);
        for first in 0..=whole.len() {
            for second in first..=whole.len() {
                let pieces = [&whole[..first], &whole[first..second], &whole[second..]];
                assert_eq!(read(&pieces), expected, "{first} {second}");
            }
        }
    }
}

#[test]
fn every_character_and_nothing_like_one_is_taken() {
    for first in 0x20..=0xff_u8 {
        for second in [0x00, 0x22, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff_u8] {
            for rest in [&b""[..], b"\x80", b"\xbf\x80", b"\x80\x80\x80", b"\x80x"] {
                agrees(&[br#"{"a":""#, &[first, second][..], rest, br#""}"#].concat());
            }
        }
    }
}

#[test]
fn nothing_but_an_object_of_so_many_levels_is_one() {
    for text in
        ["", " ", "{", "}", "[]", "1", "\"{}\"", "null", "\u{feff}{}", "{}{}", "{} x", "{]", "{\"a\":[}]", "\u{c}{}"]
    {
        assert!(!agrees(text.as_bytes()), "{text}");
    }
    for (levels, is_good) in [(126, true), (127, false), (100_000, false)] {
        for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
            let inner = if open == "[" { "" } else { "1" };
            let text = [r#"{"a":"#, &open.repeat(levels), inner, &close.repeat(levels), "}"].concat();
            assert_eq!(agrees(text.as_bytes()), is_good, "{levels} {open}");
        }
    }
}

#[test]
fn what_is_said_is_not_asked() {
    for text in [r#"{"a": 1e999}"#, r#"{"a": "\ud800"}"#, r#"{"a": 1, "a": 2}"#] {
        assert!(read(&[text.as_bytes()]), "{text}");
    }
}

#[test]
fn what_has_gone_wrong_stays_wrong() {
    let mut syntax = Syntax::default();
    assert!(syntax.read(b"{\"a\": [") && !syntax.read(b"}") && !syntax.read(b"]}") && !syntax.read(b""));
}
