//! Foreign functions: `verify_signature` above all.

use host::{Host, Plugin, Request};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};

use crate::guest::guest;
use crate::said;

/// A public RSA key of 2,048 bits, as `openssl rsa -pubout` writes it.
const RSA_KEY: &str = "\
    30820122300d06092a864886f70d01010105000382010f003082010a0282010100d73ffb917bc8452b00917cdd974fd0c5baea4fa0900b7c\
    460bbdb2272ac5dbc09794bc81d098e2d8bca7a394d88cb26d40a8fdbc3c92cae8428b64192b724af24cf8819c202652592d4d257b527f50\
    2e07194108bbdf63d19ea239e95df4b3843c4ef008af1bdee46f51c5ff41a19ae2393663753939757b9fd46c6329985972720cf85256341b\
    7562d36bd8371fd14c776347a0d33b3f0accee7998d19856e28a593ebd4b9cbfffecf031625f6e2ecbbec27f9a613f5f8417079b1d0ceaef\
    dd47eb76be08e9db44030b73445f475013f67c01f887f4587414cc778a969a858dc40e824957fd6b2b5afc4e567674889a556b7785c4c750\
    4473825e4361911b050203010001\
";

/// Its signatures of `a text`, by SHA-256, SHA-384 and SHA-512.
const RSA_SIGNATURES: [(&str, &str); 3] = [
    (
        "sha256",
        "\
    d049efc4de388106e8db6fc1ac3726498cd0c0a9d8ff190a844619fd3fe2b564a3537a99a95c72e9f0cb49eea3964cf64da1a300e89b3fa3\
    325e3420a36fa1bbb5fe36c38e79304344ac81a669441b420a63fab92d212a05b884830077492c8ce642df3878e262e094b1bca945bc5959\
    086323c826b65f1bc893d62698f22ebf0a27861ac82b1f49c37a24eb7d98dfab111cba6814d869f9dc549f96be5900a1a61e3bd09b1accee\
    e0904b31005f8fe3815387d303c930babb0dc4c862d2e7ead969f15b292f195a972e831c0d19f7f4f395d32de3fbc39e9d1d9e310259d66d\
    0b7ff0119955ba584b0135c420923294aa3bec550920f9f21612d824abcbf52a\
",
    ),
    (
        "sha384",
        "\
    d68190686422a93c7c001ff1754325757fd9a175f40cc57ddf8f6b97bd78b9f1486360c98a0874a3b63328da301661e7029c11308c13e8c2\
    507665cc735337f1b394c5b84a23c519efaf0725b5437ad60e4aaa6cd98bbe775eb8fb43be205a8f4fcabab6aa17b8311b38f0d57250d672\
    8cb6d7e1a5f8403d378731959816fa20067875fef30d272c4d0eaaed0fd620e933d1de547a5b0ecc83be8467d4c992a0d84b1d8f3c7985f2\
    d36d6a1c40cb477832aa06e60a1a46f6a0f0a11f1396c122aa3cab2c5e7a0812dc753a8b1f9f5c4ccef93be089e98523553014c36c661a4e\
    90bee95ae6ea2bfc881d15372133ee2eb8010b767a3ea8487cea2f81a0f31747\
",
    ),
    (
        "sha512",
        "\
    980c74fa8a788a7bacb745ad41e13ce15f0b7ed33c773d1e2dd996716da55df451cb0341c2255362bdb1e15664fe97c1cd3451b77d9fc8c4\
    5d41108d384c8dacbde9ceea3b4c627a71bdc5ab1aa13729a8ab1bbba5494aab94e0ef07d80c5a1fc926296b464acb362a1da11bf84151e6\
    9e1adaf7fbb728a4bf9eeb681dac31830208d296fec76267a0a3b32015fc18509a9c68380fb0ddf363891f71325cbd05e7b82d1d9ca40780\
    eec5cf5e793d4d94bd3fff0877e25692fe29f9209ec5447d47c4b9ac35db23f7b01db695b8683949d21cd5e1611ebe3378e545caa8d47c6d\
    74445195157d97f2f8ca03525c8a5474c8d50a85512e818ef264a75e5c7194d4\
",
    ),
];

/// What comes before the point in the `SubjectPublicKeyInfo` of P-256.
const P256_PREFIX: &str = "3059301306072a8648ce3d020106082a8648ce3d030107034200";

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal")).collect()
}

/// Hands the request's body to `verify_signature`; says the status, the answer's length, and whether it begins `8, 1`.
fn verifier(offered: bool) -> Host {
    let module = guest(
        "(func (export \"proxy_on_request_body\") (param i32 i32 i32) (result i32)
           (if (i32.eqz (local.get 1)) (then (return (i32.const 0))))
           (drop (call $buffer_get (i32.const 0) (i32.const 0) (local.get 1) (i32.const 0) (i32.const 4)))
           (i32.store (i32.const 12) (i32.const 0))
           (call $say_number (call $foreign 'verify_signature'
             (i32.load (i32.const 0)) (i32.load (i32.const 4)) (i32.const 8) (i32.const 12)))
           (if (i32.load (i32.const 12)) (then
             (call $say_number (i32.eq (i32.load16_u (i32.load (i32.const 8))) (i32.const 0x0108)))))
           (i32.const 0))",
    );
    Host::builder().foreign_functions(offered).plugin(Plugin::from_bytes("verify", module)).start().unwrap()
}

fn arguments(hash: &str, key: &[u8], signature: &[u8], text: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    for (tag, field) in [(0x0a, hash.as_bytes()), (0x12, key), (0x1a, signature), (0x22, text)] {
        message.push(tag);
        let length = u16::try_from(field.len()).expect("a short field");
        message.extend([length.to_le_bytes()[0] | 0x80, (length >> 7).to_le_bytes()[0]]);
        message.extend(field);
    }
    message
}

fn check(host: &mut Host, arguments: Vec<u8>, expected: &[&str]) {
    let before = said(host).len();
    host.send(0, Request::post("/").chunk(arguments));
    assert_eq!(said(host)[before..], *expected);
}

#[test]
fn signatures_of_rsa_hold_or_do_not() {
    let mut host = verifier(true);
    let key = unhex(RSA_KEY);
    for (hash, signature) in RSA_SIGNATURES {
        let signature = unhex(signature);
        check(&mut host, arguments(hash, &key, &signature, b"a text"), &["0", "1"]);
        check(&mut host, arguments(hash, &key, &signature, b"another"), &["0", "0"]);
        check(&mut host, arguments("md5", &key, &signature, b"a text"), &["0", "0"]);
    }
}

#[test]
fn signatures_of_ecdsa_hold_or_do_not() {
    let random = SystemRandom::new();
    let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pair.as_ref(), &random).unwrap();
    let key = [unhex(P256_PREFIX).as_slice(), pair.public_key().as_ref()].concat();
    let signature = pair.sign(&random, b"a text").unwrap();
    let mut host = verifier(true);
    check(&mut host, arguments("sha256", &key, signature.as_ref(), b"a text"), &["0", "1"]);
    check(&mut host, arguments("sha384", &key, signature.as_ref(), b"a text"), &["0", "0"]);
    check(&mut host, arguments("sha256", &key, b"short", b"a text"), &["0", "0"]);
}

#[test]
fn a_key_that_cannot_be_read_finds_nothing_genuine() {
    let mut host = verifier(true);
    check(&mut host, arguments("sha256", b"no key", b"", b""), &["0", "0"]);
    check(&mut host, arguments("md5", b"no key", b"", b""), &["0", "0"]);
}

#[test]
fn no_key_is_a_bad_argument_and_an_absent_function_not_found() {
    let mut host = verifier(true);
    check(&mut host, arguments("sha256", b"", b"", b""), &["2"]);
    check(&mut host, b"\xff".to_vec(), &["2"]);
    check(&mut verifier(false), arguments("sha256", b"no key", b"", b""), &["1"]);
}
