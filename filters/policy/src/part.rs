//! Of which request a call is part.
//!
//! A composed request is answered before any cache sees it, and what it changes is what its calls change. So each call that may change
//! something says of which request it is part ([`PART_OF`](crate::handover::header::PART_OF)), and what the cache keeps of
//! that request's URL ends with the call, as it would with the request itself (RFC 9111 §4.4). The proxy's own seed vouches
//! for it: whoever else says so ends nothing.

use crate::Seed;
use crate::route::without_query;

/// Of a longer target, in bytes, only the path is told.
const TARGET_BYTES_MAX: usize = 8192;
/// How long the proof is that stands before the target.
const PROOF_BYTES: usize = 32;

/// What a call says that is part of a request for this path and query; `None` where even the path is too long, or no text.
pub fn write(seed: &Seed, target: &[u8]) -> Option<String> {
    let told = if target.len() > TARGET_BYTES_MAX { without_query(target) } else { target };
    let told = std::str::from_utf8(told).ok().filter(|told| told.len() <= TARGET_BYTES_MAX)?;
    Some(proof(seed, told.as_bytes()) + told)
}

/// The path and query of the request that a call is part of; `None` where nothing proves that this proxy has said so.
pub fn read<'v>(seed: &Seed, said: &'v [u8]) -> Option<&'v [u8]> {
    let (shown, target) = said.split_at_checked(PROOF_BYTES)?;
    (shown == proof(seed, target).as_bytes()).then_some(target)
}

fn proof(seed: &Seed, target: &[u8]) -> String {
    seed.proof([b"part".as_slice(), target])
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const SEED: Seed = Seed::from_random([7; 16]);

    fn heard(target: &[u8]) -> Option<Vec<u8>> {
        let said = write(&SEED, target)?;
        read(&SEED, said.as_bytes()).map(<[u8]>::to_vec)
    }

    #[test]
    fn what_is_said_is_heard() {
        for target in ["/", "/a/b?c=d&e", "/a/%2F", "/\u{e4}"] {
            assert_eq!(heard(target.as_bytes()).unwrap(), target.as_bytes());
        }
    }

    #[test]
    fn of_what_is_too_long_the_path_is_said() {
        let long = "x".repeat(TARGET_BYTES_MAX);
        assert_eq!(heard(format!("/a?{long}").as_bytes()).unwrap(), b"/a");
        assert_eq!(heard(format!("/{long}?a").as_bytes()), None);
        assert_eq!(heard(b"/a?\xff"), None);
    }

    #[test]
    fn whoever_does_not_know_the_seed_is_not_believed() {
        let good = write(&SEED, b"/a").unwrap();
        assert_eq!(read(&Seed::from_random([8; 16]), good.as_bytes()), None);
        for said in ["", "/a", &good[1..], &format!("{good}b"), &good.replace("/a", "/b"), &" ".repeat(32)] {
            assert_eq!(read(&SEED, said.as_bytes()), None, "{said}");
        }
    }
}
