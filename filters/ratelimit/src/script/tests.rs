//! Answers that the script made are read, and nothing else is.

use super::*;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const SEED: &str = "000102030405060708090a0b0c0d0e0f";

fn read(text: &str, buckets: usize) -> Result<Answer, Fault> {
    Answer::read(&Reply::Bytes(text.replace("SEED", SEED).into()), buckets)
}

#[test]
fn an_answer_has_a_grant_for_each_bucket() {
    let answer = read("3 SEED 5 0 0 7 1500000 1 900000 0 0 250000 0 2000000 0 0 1 70000 0 0 0 0 0", 3).unwrap();
    assert_eq!((answer.proxies, hex(&answer.seed)), (3, SEED.to_owned()));
    let [given, refused, promised] = answer.grants[..] else { panic!("three") };
    assert_eq!((given.granted, given.left, given.tight), (5, 7, 1));
    assert_eq!((given.ends_in, refused.ends_in), (Duration::from_millis(900), Duration::ZERO));
    assert_eq!((promised.granted, promised.due), (1, Duration::from_millis(70)));
    assert_eq!((refused.wait, refused.full_in), (Duration::from_millis(250), Duration::from_secs(2)));
}

#[test]
fn anything_else_is_malformed() {
    for text in [
        "",
        "3",
        "3 SEED 5",
        "3 SEED 5 0 0 7 1500000",
        "3 SEED",
        "3 SEED -1 0 0 0 0 0 0",
        "3 SEED 1 0 0 0 0 0",
        "3 SEED 1 0 0 0 0 999 0",
        "3 00 1 0 0 0 0 0 0",
    ] {
        assert_eq!(read(text, 1), Err(Fault::Malformed), "{text}");
    }
    assert_eq!(Answer::read(&Reply::Nil, 0), Err(Fault::Malformed));
}
