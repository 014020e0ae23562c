//! Which bodies are the same, which are not, and which have no form.

use super::*;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[track_caller]
fn check(text: &str, expected: &str) {
    let form = json(text.as_bytes()).map(|form| String::from_utf8(form).unwrap());
    assert_eq!(form.as_deref(), Some(expected), "{text}");
}

#[track_caller]
fn refuse(text: &[u8]) {
    assert_eq!(json(text), None, "{}", String::from_utf8_lossy(text.get(..80).unwrap_or(text)));
}

#[test]
fn blanks_and_the_order_of_names_say_nothing() {
    check(" { \"b\" : [ 1 , true , null ] ,\t\"a\" :\r\n{ } } ", r#"{"a":{},"b":[1,true,null]}"#);
    check(r#"{"a":1,"aa":2,"":3,"B":4}"#, r#"{"":3,"B":4,"a":1,"aa":2}"#);
    check(r#"{"x":{"z":1,"y":{"b":[],"a":"{"}}}"#, r#"{"x":{"y":{"a":"{","b":[]},"z":1}}"#);
    for text in ["[]", "{}", "\"\"", "0", "false", "[[],[]]"] {
        check(text, text);
    }
}

#[test]
fn the_order_of_a_list_and_the_kind_of_a_value_count() {
    for (one, other) in [
        ("[1,2]", "[2,1]"),
        ("[1]", "1"),
        ("[]", "{}"),
        ("[1,2]", "[12]"),
        (r#""1""#, "1"),
        (r#""""#, "null"),
        (r#"{"a":null}"#, "{}"),
        (r#"{"a":1}"#, r#"{"A":1}"#),
        (r#"{"a":{"b":1}}"#, r#"{"a":{},"b":1}"#),
        (r#"["a,b"]"#, r#"["a","b"]"#),
        (r#"["a\",\"b"]"#, r#"["a","b"]"#),
        (r#"{"a\":1,\"b":2}"#, r#"{"a":1,"b":2}"#),
        (r#""\\u0061""#, r#""a""#),
        ("\"e\u{301}\"", "\"\u{e9}\""),
    ] {
        assert_ne!(json(one.as_bytes()).unwrap(), json(other.as_bytes()).unwrap(), "{one} {other}");
    }
}

#[test]
fn a_number_is_its_value_exactly() {
    for (forms, expected) in [
        (&["1", "1.0", "1e0", "1E+0", "10e-1", "0.1e1", "0.01E2", "1.000", "100e-002"][..], "1"),
        (&["0", "0.0", "0e5", "0E-7", "0.000e99"], "0"),
        (&["-0", "-0.0", "-0e1"], "-0"),
        (&["-1.50", "-15e-1", "-0.15e1"], "-15e-1"),
        (&["100", "1e2", "1.00e2", "10E1"], "1e2"),
        (&["9007199254740993", "9007199254740993.0"], "9007199254740993"),
        (&["9007199254740992"], "9007199254740992"),
        (&["0.1"], "1e-1"),
        (&["0.1000000000000000055511151231257827"], "1000000000000000055511151231257827e-34"),
        (&["1e999999999", "10e999999998"], "1e999999999"),
        (&["1e-999999999"], "1e-999999999"),
        (&["1e000000000000000001"], "1e1"),
    ] {
        for form in forms {
            check(form, expected);
        }
    }
    check("[10,20,0,100]", "[1e1,2e1,0,1e2]");
}

#[test]
fn escapes_are_what_they_stand_for() {
    check(r#""\u0061\u00e9\ud83d\ude00\/""#, "\"a\u{e9}\u{1f600}/\"");
    check(r#""\u0022\u005C\"\\""#, r#""\"\\\"\\""#);
    check(r#""\b\f\n\r\t\u0000\u001F""#, "\"\u{8}\u{c}\n\r\t\0\u{1f}\"");
    check("\"\u{7f}\u{2028}\"", "\"\u{7f}\u{2028}\"");
    check(r#"{"\u0062":1,"a":2}"#, r#"{"a":2,"b":1}"#);
}

#[test]
fn a_name_that_stands_twice_has_no_form() {
    for text in
        [r#"{"a":1,"a":1}"#, r#"{"a":1,"b":2,"a":3}"#, r#"{"a":1,"\u0061":2}"#, r#"[{"x":{"a":1,"b":[{"":0,"":0}]}}]"#]
    {
        refuse(text.as_bytes());
    }
    check(r#"{"a":{"a":1},"b":{"a":1}}"#, r#"{"a":{"a":1},"b":{"a":1}}"#);
}

#[test]
fn what_is_no_json_has_no_form() {
    for text in [
        "",
        " ",
        "nul",
        "nulll",
        "True",
        "'a'",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[",
        "]",
        "{",
        "{]",
        "[}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{1:1}",
        "{,}",
        "\"",
        "\"\\\"",
        "\"\\x41\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "01",
        "-01",
        "1.",
        ".5",
        "+1",
        "-",
        "1e",
        "1e+",
        "--1",
        "0x1",
        "1_000",
        "NaN",
        "Infinity",
        "1 2",
        "[]x",
        "//",
        "\u{feff}{}",
        "\"a\nb\"",
        "\"a\0b\"",
        "[1]\0",
        "1e1000000000",
    ] {
        refuse(text.as_bytes());
    }
}

#[test]
fn half_a_pair_and_broken_bytes_have_no_form() {
    for text in
        [r#""\ud800""#, r#""\udc00""#, r#""\ud800\ud800""#, r#""\ud800x""#, r#""\ud800\n""#, r#""\ude00\ud83d""#]
    {
        refuse(text.as_bytes());
    }
    for text in [b"\"\xff\"".as_slice(), b"\"\xc0\x80\"", b"\"\xed\xa0\x80\"", b"\xff", b"{\"\xe9\":1}"] {
        refuse(text);
    }
}

#[test]
fn a_text_that_takes_long_to_read_has_no_form() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    check(&nested(DEPTH_MAX), &nested(DEPTH_MAX));
    refuse(nested(DEPTH_MAX + 1).as_bytes());
    refuse(nested(10_000).as_bytes());
    refuse("[".repeat(1 << 20).as_bytes());
    refuse("{\"a\":".repeat(10_000).as_bytes());
    let members = |numbers: &mut dyn Iterator<Item = usize>| {
        let members: Vec<_> = numbers.map(|number| format!("\"{number:05}\":0")).collect();
        format!("{{{}}}", members.join(","))
    };
    let (ahead, back) = (members(&mut (0..256)), members(&mut (0..256).rev()));
    check(&back, &ahead);
    refuse(members(&mut (0..257)).as_bytes());
    let wide = format!("[{}]", vec![back; 100].join(","));
    assert_eq!(json(wide.as_bytes()), Some(format!("[{}]", vec![ahead; 100].join(",")).into_bytes()));
}

#[test]
fn a_form_is_its_own_form_and_not_much_longer() {
    for text in [r#"{"b":[1.50,10,"\n\u0000\"",{"d":-0,"c":1e-7}],"a":true}"#, "[1,10,100,1000]", r#""\ud83d\ude00""#] {
        let form = json(text.as_bytes()).unwrap();
        assert!(form.len() <= 2 * text.len());
        // Only control characters, which stand in it as they are, keep it from being JSON again.
        if !form.iter().any(|&byte| byte < 0x20) {
            assert_eq!(json(&form), Some(form));
        }
    }
}
