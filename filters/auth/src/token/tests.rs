//! Tests of the module around this one.

use super::*;
use crate::sample::{self, token, token_of};
use crate::verifier::Crates;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const HEADER: &str = r#"{"alg":"HS256","kid":"HS256"}"#;
const CLAIMS: &str = r#"{"iss":"i","aud":"us","exp":1000,"sub":"alice"}"#;

fn opened(text: &str) -> Result<Verified, Refusal> {
    open(&sample::config(""), &Keyring::default(), text, &Crates)
}

fn of_claims(claims: &str) -> Result<Verified, Refusal> {
    opened(&token(Algorithm::Hs256, claims))
}

fn of_header(header: &str) -> Result<Verified, Refusal> {
    opened(&token_of(Algorithm::Hs256, header, CLAIMS))
}

#[test]
fn a_good_token_of_each_algorithm_opens() {
    for algorithm in Algorithm::ALL {
        let verified = opened(&token(algorithm, CLAIMS)).unwrap();
        assert_eq!(verified.identity.user, "alice", "{}", algorithm.name());
        let unnamed = format!(r#"{{"alg":"{}"}}"#, algorithm.name());
        assert!(opened(&token_of(algorithm, &unnamed, CLAIMS)).is_ok());
    }
}

#[test]
fn an_audience_may_stand_among_others() {
    let claims = |aud: &str| format!(r#"{{"iss":"i","exp":1000,"sub":"alice"{aud}}}"#);
    for (aud, expected) in [
        (r#","aud":"us""#, Ok(())),
        (r#","aud":["them","us"]"#, Ok(())),
        (r#","aud":[7,"us"]"#, Ok(())),
        (r#","aud":"them""#, Err(Refusal::Audience)),
        (r#","aud":["them"]"#, Err(Refusal::Audience)),
        (r#","aud":[]"#, Err(Refusal::Audience)),
        (r#","aud":"us2""#, Err(Refusal::Audience)),
        (r#","aud":{"us":true}"#, Err(Refusal::Audience)),
        (r#","aud":null"#, Err(Refusal::Audience)),
        ("", Err(Refusal::Audience)),
    ] {
        assert_eq!(of_claims(&claims(aud)).map(|_| ()), expected, "{aud}");
    }
    let anybody = sample::issuer("i", "[]", &[sample::jwk(Algorithm::Hs256)]);
    let config = sample::read(&format!(r#"{{"issuers":[{anybody}]}}"#));
    assert!(open(&config, &Keyring::default(), &token(Algorithm::Hs256, &claims("")), &Crates).is_ok());
}

#[test]
fn the_users_of_two_issuers_are_not_each_other() {
    let issuer = |name: &str, prefix: &str| {
        let issuer = sample::issuer(name, "[]", &[sample::jwk(Algorithm::Hs256)]);
        issuer.replacen('{', &format!(r#"{{"user_prefix":"{prefix}","#), 1)
    };
    let config = sample::read(&format!(r#"{{"issuers":[{},{}]}}"#, issuer("i", "one|"), issuer("j", "two|")));
    let of = |name: &str| token(Algorithm::Hs256, &CLAIMS.replace(r#""i""#, &format!("{name:?}")));
    let opened = |name: &str| open(&config, &Keyring::default(), &of(name), &Crates).unwrap();
    assert_eq!(["i", "j"].map(|name| opened(name).identity.user), ["one|alice", "two|alice"]);
    let plain = open(&sample::config(""), &Keyring::default(), &of("i"), &Crates).unwrap();
    assert!(opened("i").marks == plain.marks, "it is revoked by the name that its issuer knows");
}

#[test]
fn a_bad_header_is_refused_by_name() {
    let rows = [
        (r#"{"alg":"none","kid":"HS256"}"#, Refusal::Algorithm),
        (r#"{"alg":"none"}"#, Refusal::Algorithm),
        (r#"{"alg":"HS384","kid":"HS256"}"#, Refusal::Algorithm),
        (r#"{"alg":"HS256","kid":"RS256"}"#, Refusal::Algorithm),
        (r#"{"alg":"HS256","kid":"ES256"}"#, Refusal::Algorithm),
        (r#"{"alg":"hs256","kid":"HS256"}"#, Refusal::Algorithm),
        (r#"{"alg":"RS256","kid":"RS256"}"#, Refusal::Signature),
        (r#"{"alg":"HS384","kid":"HS384"}"#, Refusal::Signature),
        (r#"{"alg":"HS256","kid":"other"}"#, Refusal::Key),
        (r#"{"alg":"HS256","kid":""}"#, Refusal::Key),
        (r#"{"alg":"HS256","crit":["exp"]}"#, Refusal::Parameter),
        (r#"{"alg":"HS256","crit":[]}"#, Refusal::Parameter),
        (r#"{"alg":"HS256","b64":false}"#, Refusal::Parameter),
        (r#"{"alg":"HS256","b64":true}"#, Refusal::Parameter),
        (r#"{"alg":"HS256","jku":"https://evil.example/"}"#, Refusal::Parameter),
        (r#"{"alg":"HS256","x5u":"https://evil.example/"}"#, Refusal::Parameter),
        (r#"{"alg":"HS256","jwk":{"kty":"oct","k":"AAAA"}}"#, Refusal::Parameter),
        (r#"{"alg":"HS256","x5c":["AAAA"]}"#, Refusal::Parameter),
        (r#"{"alg":"HS256","crit":null}"#, Refusal::Parameter),
        (r#"{"alg":"HS256","zip":"DEF"}"#, Refusal::Parameter),
        (r#"{"alg":"HS256","enc":"A128GCM"}"#, Refusal::Parameter),
        (r#"{"alg":"HS256","cty":"JWT"}"#, Refusal::Parameter),
        (r#"{"alg":"HS256","typ":"dpop+jwt"}"#, Refusal::Type),
        (r#"{"alg":"HS256","typ":"JWE"}"#, Refusal::Type),
        (r#"{"alg":"HS256","typ":7}"#, Refusal::Token),
        (r#"{"alg":"HS256","typ":"JWT","typ":"JWT"}"#, Refusal::Token),
        (r#"{"alg":"HS256","alg":"HS256"}"#, Refusal::Token),
        (r#"{"alg":"HS256","kid":"HS256","kid":"HS256"}"#, Refusal::Token),
        (r#"{"alg":"HS256","x":1,"x":1}"#, Refusal::Token),
        (r#"{"alg":"HS256","x":{"y":1,"y":1}}"#, Refusal::Token),
        (r#"{"alg":"HS256","kid":7}"#, Refusal::Token),
        (r#"{"alg":["HS256"]}"#, Refusal::Token),
        (r#"{"kid":"HS256"}"#, Refusal::Token),
        (r#"{"alg":"HS256"} "#, Refusal::Signature),
        (r#"{"alg":"HS256"}{}"#, Refusal::Token),
        ("{\"alg\":\"HS256\",\"x\":\"\u{1}\"}", Refusal::Token),
        (r#"{"alg":"HS256",}"#, Refusal::Token),
        (r#"["HS256"]"#, Refusal::Token),
        ("", Refusal::Token),
    ];
    for (header, expected) in rows {
        let found = of_header(header).map(|_| ());
        // White space around JSON is JSON too.
        let expected = if header.ends_with(' ') { Ok(()) } else { Err(expected) };
        assert_eq!(found, expected, "{header}");
    }
    assert!(of_header(HEADER).is_ok());
}

#[test]
fn bad_claims_are_refused_by_name() {
    let rows = [
        (r#"{"iss":"j","aud":"us","exp":1000,"sub":"a"}"#, Refusal::Issuer),
        (r#"{"iss":"I","aud":"us","exp":1000,"sub":"a"}"#, Refusal::Issuer),
        (r#"{"iss":["i"],"aud":"us","exp":1000,"sub":"a"}"#, Refusal::Issuer),
        (r#"{"aud":"us","exp":1000,"sub":"a"}"#, Refusal::Issuer),
        (r#"{"iss":"i","aud":"us","sub":"a"}"#, Refusal::Endless),
        (r#"{"iss":"i","aud":"us","exp":"1000","sub":"a"}"#, Refusal::Token),
        (r#"{"iss":"i","aud":"us","exp":1e300,"sub":"a"}"#, Refusal::Token),
        (r#"{"iss":"i","aud":"us","exp":18446744073709551615,"sub":"a"}"#, Refusal::Token),
        (r#"{"iss":"i","aud":"us","exp":1000,"nbf":"soon","sub":"a"}"#, Refusal::Token),
        (r#"{"iss":"i","aud":"us","exp":1000}"#, Refusal::User),
        (r#"{"iss":"i","aud":"us","exp":1000,"sub":7}"#, Refusal::Claim),
        (r#"{"iss":"i","aud":"us","exp":1000,"sub":"a\r\nb"}"#, Refusal::Claim),
        (r#"{"iss":"i","aud":"us","exp":1000,"sub":"a","roles":["a,b"]}"#, Refusal::Claim),
        (r#"{"iss":"i","iss":"i","aud":"us","exp":1000,"sub":"a"}"#, Refusal::Token),
        (r#"{"iss":"i","aud":"us","exp":1000,"exp":2000,"sub":"a"}"#, Refusal::Token),
        (r#"{"iss":"i","aud":"us","exp":1000,"sub":"a","x":{"y":1,"y":2}}"#, Refusal::Token),
        (r#"["i"]"#, Refusal::Token),
        ("", Refusal::Token),
    ];
    for (claims, expected) in rows {
        assert_eq!(of_claims(claims), Err(expected), "{claims}");
    }
    assert!(of_claims(r#"{"iss":"i","aud":"us","exp":1000.9,"nbf":-5,"sub":"a"}"#).is_ok());
}

/// A token whose parts are these bytes, signed.
fn of_bytes(header: &[u8], claims: &[u8]) -> Result<Verified, Refusal> {
    let message = format!("{}.{}", sample::text(header), sample::text(claims));
    opened(&format!("{message}.{}", sample::text(&sample::sign(Algorithm::Hs256, message.as_bytes()))))
}

#[test]
fn json_that_a_strict_parser_refuses_is_refused() {
    let rows: [&[u8]; 26] = [
        br#"{"iss":"i","aud":"us","exp":1000,"sub":"a",}"#,
        br#"{"iss":"i","aud":"us","exp":1000,"sub":"a","x":[1,]}"#,
        br#"{"iss":"i","aud":"us","exp":1000,"sub":"a","x":NaN}"#,
        br#"{"iss":"i","aud":"us","exp":1000,"sub":"a","x":Infinity}"#,
        br#"{"iss":"i","aud":"us","exp":1000,"sub":"a","x":1e999}"#,
        br#"{"iss":"i","aud":"us","exp":1000,"sub":"a","x":01}"#,
        br#"{"iss":"i","aud":"us","exp":1000,"sub":"a","x":1.}"#,
        br#"{"iss":"i","aud":"us","exp":1000,"sub":"a","x":.5}"#,
        br#"{"iss":"i","aud":"us","exp":1000,"sub":"a","x":+1}"#,
        br#"{"iss":"i","aud":"us","exp":1000,"sub":"a","x":0x10}"#,
        br#"{"iss":"i","aud":"us","exp":1000,"sub":"a","x":"\ud800"}"#,
        br#"{"iss":"i","aud":"us","exp":1000,"sub":"a","x":"\udc00\ud800"}"#,
        br#"{"iss":"i","aud":"us","exp":1000,"sub":"a","x":"\x"}"#,
        br#"{"iss":"i","aud":"us","exp":1000,"sub":"a","x":"\u12"}"#,
        br#"{"iss":"i","aud":"us","exp":1000,"sub":"a","x":"\"}"#,
        br#"{"iss":"i","aud":"us","exp":1000,"sub":"a","x":'y'}"#,
        br#"{"iss":"i","aud":"us","exp":1000,"sub":"a",x:1}"#,
        br#"{"iss":"i","aud":"us","exp":1000,"sub":"a" /* x */}"#,
        b"{\"iss\":\"i\",\"aud\":\"us\",\"exp\":1000,\"sub\":\"a\"} // x",
        b"\xef\xbb\xbf{\"iss\":\"i\",\"aud\":\"us\",\"exp\":1000,\"sub\":\"a\"}",
        b"{\"iss\":\"i\",\"aud\":\"us\",\"exp\":1000,\"sub\":\"a\",\"x\":\"\xff\"}",
        b"{\"iss\":\"i\",\"aud\":\"us\",\"exp\":1000,\"sub\":\"a\",\"x\":\"\xed\xa0\x80\"}",
        b"{\"iss\":\"i\",\"aud\":\"us\",\"exp\":1000,\"sub\":\"a\",\"x\":\"\n\"}",
        b"{\"iss\":\"i\",\"aud\":\"us\",\"exp\":1000,\"sub\":\"a\"}\0",
        b"{\"iss\":\"i\",\"aud\":\"us\",\"exp\":1000,\"sub\":\"a\"",
        b"{\"iss\":\"i\",\"aud\":\"us\",\"exp\":1000,\"sub\":\"a\",\"x\":TRUE}",
    ];
    for claims in rows {
        let shown = claims.escape_ascii();
        assert_eq!(of_bytes(HEADER.as_bytes(), claims), Err(Refusal::Token), "{shown}");
        // The same in a header.
        let at = claims.windows(9).position(|part| part == br#""iss":"i""#).unwrap();
        let header = [&claims[..at], br#""alg":"HS256""#, &claims[at + 9..]].concat();
        assert_eq!(of_bytes(&header, CLAIMS.as_bytes()), Err(Refusal::Token), "{shown}");
    }
    assert!(of_bytes(HEADER.as_bytes(), CLAIMS.as_bytes()).is_ok());
}

#[test]
fn a_time_is_a_number_of_seconds_that_a_calendar_has() {
    let number = Err(Refusal::Token);
    for (time, expected) in [
        ("1000", Ok(())),
        ("1000.9", Ok(())),
        ("1e3", Ok(())),
        ("-1000", Ok(())),
        ("0", Ok(())),
        (r#""1000""#, number),
        ("null", number),
        ("true", number),
        ("[1000]", number),
        ("{}", number),
        ("1e300", number),
        ("-1e300", number),
        ("9223372036854775807", number),
        ("18446744073709551615", number),
        ("-9223372036854775808", number),
        ("01000", number),
        ("1000.", number),
    ] {
        for name in ["exp", "nbf", "iat"] {
            let exp = if name == "exp" { "" } else { r#","exp":1000"# };
            let found = of_claims(&format!(r#"{{"iss":"i","aud":"us","sub":"a"{exp},"{name}":{time}}}"#));
            assert_eq!(found.map(|_| ()), expected, "{name} {time}");
        }
    }
}

#[test]
fn an_encrypted_or_nested_token_is_refused() {
    let [header, body] = [r#"{"alg":"dir","enc":"A128GCM"}"#, CLAIMS].map(|text| sample::text(text.as_bytes()));
    assert_eq!(opened(&format!("{header}..AAAA.{body}.AAAA")), Err(Refusal::Token));
    assert_eq!(opened(&format!("{header}.{body}.AAAA")), Err(Refusal::Parameter));
    // A token as the claims of a token.
    let inner = token(Algorithm::Hs256, CLAIMS);
    assert_eq!(of_claims(&inner), Err(Refusal::Token));
    assert_eq!(of_header(r#"{"alg":"HS256","cty":"application/jwt"}"#).map(|_| ()), Err(Refusal::Parameter));
}

#[test]
fn a_bad_form_is_refused() {
    let good = token(Algorithm::Hs256, CLAIMS);
    assert!(opened(&good).is_ok());
    let parts: Vec<_> = good.split('.').collect();
    let [header, claims, signature] = parts[..] else { panic!("{good}") };
    // The last character of 32 bytes in base64 has two bits of no meaning; both spellings decode alike elsewhere.
    let last = signature.chars().last().unwrap();
    let sibling = char::from(last as u8 + 1);
    let sloppy = format!("{header}.{claims}.{}{sibling}", &signature[..signature.len() - 1]);
    for text in [
        String::new(),
        ".".into(),
        "..".into(),
        format!("{header}.{claims}"),
        format!("{header}.{claims}."),
        format!("{header}..{signature}"),
        format!(".{claims}.{signature}"),
        format!("{good}."),
        format!("{good}.{signature}"),
        format!("{good}.{signature}.{signature}"),
        format!("{good}="),
        format!(" {good}"),
        format!("{good} "),
        format!("{header}=.{claims}.{signature}"),
        good.replace('.', ".+"),
        good.replacen(&header[3..4], "/", 1),
        sloppy,
        "é.é.é".into(),
    ] {
        let expected = if text.ends_with('.') && text.len() > 3 && text.split('.').count() == 3 {
            Refusal::Signature
        } else {
            Refusal::Token
        };
        assert_eq!(opened(&text), Err(expected), "{text}");
    }
    let forged = format!("{header}.{}.{signature}", sample::text(CLAIMS.replace("alice", "admin").as_bytes()));
    assert_eq!(opened(&forged), Err(Refusal::Signature));
}

#[test]
fn a_token_is_judged_by_its_own_issuers_keys_alone() {
    let a = sample::issuer("a", "[]", &[sample::jwk(Algorithm::Hs256)]);
    let b = sample::issuer("b", "[]", &[sample::jwk(Algorithm::EdDsa)]);
    let config = sample::read(&format!(r#"{{"issuers":[{a},{b}]}}"#));
    let claims = |iss: &str| format!(r#"{{"iss":"{iss}","exp":1000,"sub":"alice"}}"#);
    for (algorithm, iss, expected) in [
        (Algorithm::Hs256, "a", Ok(())),
        (Algorithm::EdDsa, "b", Ok(())),
        (Algorithm::Hs256, "b", Err(Refusal::Key)),
        (Algorithm::EdDsa, "a", Err(Refusal::Key)),
        (Algorithm::Hs256, "c", Err(Refusal::Issuer)),
        (Algorithm::Hs256, "", Err(Refusal::Issuer)),
    ] {
        let found = open(&config, &Keyring::default(), &token(algorithm, &claims(iss)), &Crates).map(|_| ());
        assert_eq!(found, expected, "{} {iss}", algorithm.name());
    }
    let silent = token(Algorithm::Hs256, r#"{"exp":1000,"sub":"alice"}"#);
    assert_eq!(open(&config, &Keyring::default(), &silent, &Crates), Err(Refusal::Issuer));
}

#[test]
fn a_public_key_is_no_secret() {
    // The classic: an RSA key in DER, taken for the secret of an HMAC.
    use hmac::Mac;
    let der = crate::der::rsa_key(&sample::bytes(sample::RSA_N), &[1, 0, 1]);
    let message = format!("{}.{}", sample::text(br#"{"alg":"HS256","kid":"RS256"}"#), sample::text(CLAIMS.as_bytes()));
    let mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(&der).unwrap().chain_update(&message).finalize();
    let forged = format!("{message}.{}", sample::text(&mac.into_bytes()));
    assert_eq!(opened(&forged), Err(Refusal::Algorithm));
}

#[test]
fn a_token_is_valid_from_a_moment_to_another_and_the_leeway_around_them() {
    let verified = |more: &str| of_claims(&format!(r#"{{"iss":"i","aud":"us","exp":1000,"sub":"a"{more}}}"#)).unwrap();
    let check =
        |more: &str, seconds: u64| verified(more).check(Instant::from_unix_seconds(seconds), Duration::from_secs(30));
    for (more, now, expected) in [
        ("", 0, Ok(())),
        ("", 1029, Ok(())),
        ("", 1030, Err(Refusal::Expired)),
        ("", u64::MAX, Err(Refusal::Expired)),
        (r#","nbf":500"#, 469, Err(Refusal::Early)),
        (r#","nbf":500"#, 470, Ok(())),
        (r#","iat":500"#, 469, Err(Refusal::Future)),
        (r#","iat":500"#, 470, Ok(())),
        (r#","nbf":2000"#, 1030, Err(Refusal::Expired)),
        (r#","nbf":-8334601228800,"iat":-8334601228800"#, 0, Ok(())),
        (r#","nbf":8210266876799"#, 0, Err(Refusal::Early)),
    ] {
        assert_eq!(check(more, now), expected, "{more} at {now}");
    }
    let exact = verified("").check(Instant::from_nanos(999_999_999_999), Duration::ZERO);
    assert_eq!(exact, Ok(()));
    assert_eq!(verified("").check(Instant::from_unix_seconds(1000), Duration::ZERO), Err(Refusal::Expired));
}
