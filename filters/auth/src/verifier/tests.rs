//! Tests of the module around this one.

use super::*;
use crate::key::Environment;
use crate::sample;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

pub(crate) fn key(jwk: &str) -> Key {
    let json = serde_json::from_str(jwk).unwrap();
    Key::read(json, &Environment::Absent).map_err(|mistake| mistake.to_string()).unwrap().unwrap()
}

/// RFC 7515 A.1 to A.3 and RFC 8037 A.4: key, signed bytes, signature.
fn vectors() -> [(Key, String, Vec<u8>); 4] {
    let claims = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let rs256 = "\
        cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t\
        1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12j\
        zDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQ\
        Ge77Rw";
    let es256 = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    let eddsa = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    [
        (
            key(&sample::oct("HS256", None)),
            format!("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{claims}"),
            sample::bytes("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
        ),
        (key(&sample::rsa(None)), format!("eyJhbGciOiJSUzI1NiJ9.{claims}"), sample::bytes(rs256)),
        (key(&sample::ec(None)), format!("eyJhbGciOiJFUzI1NiJ9.{claims}"), sample::bytes(es256)),
        (
            key(&sample::okp(None)),
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc".to_owned(),
            sample::bytes(eddsa),
        ),
    ]
}

/// One table for both verifiers: the RFCs' examples, a signature for each algorithm, and what is not quite one.
pub(crate) fn check(verifier: &dyn Verifier) {
    for (key, message, signature) in vectors() {
        let verdict = |message: &str, signature: &[u8]| verifier.verify(&key, message.as_bytes(), signature);
        assert_eq!(verdict(&message, &signature), Verdict::Genuine, "{}", key.algorithm.name());
        assert_eq!(verdict(&format!("{message}x"), &signature), Verdict::Forged);
    }
    for algorithm in Algorithm::ALL {
        let name = algorithm.name();
        let key = key(&sample::jwk(algorithm));
        let message = b"header.claims";
        let good = sample::sign(algorithm, message);
        assert_eq!(verifier.verify(&key, message, &good), Verdict::Genuine, "{name}");
        assert_eq!(verifier.verify(&key, b"header.claimt", &good), Verdict::Forged, "{name}");
        let (mut flipped, mut high) = (good.clone(), good.clone());
        flipped[7] ^= 1;
        *high.last_mut().unwrap() ^= 0x80;
        let forged = [
            flipped,
            high,
            good[1..].to_vec(),
            good[..good.len() - 1].to_vec(),
            [&good[..], &[0]].concat(),
            [&[0], &good[..]].concat(),
            Vec::new(),
            vec![0; good.len()],
            vec![0xff; good.len()],
        ];
        for (row, signature) in forged.iter().enumerate() {
            assert_eq!(verifier.verify(&key, message, signature), Verdict::Forged, "{name}, row {row}");
        }
        for other in Algorithm::ALL.into_iter().filter(|other| *other != algorithm) {
            let signature = sample::sign(other, message);
            assert_eq!(verifier.verify(&key, message, &signature), Verdict::Forged, "{name}, {}", other.name());
        }
    }
}

#[test]
fn the_crates_tell_genuine_signatures_from_forged_ones() {
    check(&Crates);
}
