//! Paths of good clients, and of others.

use super::*;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn what_clients_ask_for_passes() {
    for path in [
        "/",
        "*",
        "/a/b.c/..d/e..",
        "/.well-known/jwks.json",
        "/a//b/",
        "/caf%C3%A9/%E6%97%A5%E6%9C%AC",
        "/latin/%C0/%E9t%E9",
        "/100%25/50%25%20off",
        "/a%252eb",
        "/v1/files/report%2ejpg",
        "/a;b=1/c",
        "/a?next=/../../etc&x=%2e%2e%2f%00",
        "/a#/../b",
    ] {
        assert_eq!(inspect(path.as_bytes()), Ok(()), "{path}");
    }
}

#[test]
fn what_is_another_path_when_it_is_decoded_is_refused() {
    for (path, trick) in [
        ("/a/../b", Trick::DotSegment),
        ("/a/.", Trick::DotSegment),
        ("/..;x=1/b", Trick::DotSegment),
        ("/%2e%2e/b", Trick::DotSegment),
        ("/%2E./b", Trick::DotSegment),
        ("/a/..%3bx/b", Trick::DotSegment),
        ("/%252e%252e/b", Trick::DotSegment),
        ("/a/%25252e%25252e", Trick::DotSegment),
        ("/a%2fb", Trick::Slash),
        ("/a%2Fb", Trick::Slash),
        ("/a%5cb", Trick::Slash),
        ("/a\\b", Trick::Slash),
        ("/a%252fb", Trick::Slash),
        ("/..%255c..%255cwindows", Trick::Slash),
        ("/a%25255cb", Trick::Slash),
        ("/a%00.html", Trick::Control),
        ("/a%0d%0aSet-Cookie:x", Trick::Control),
        ("/a%2500", Trick::Control),
        ("/a%7f", Trick::Control),
        ("/a%", Trick::Escape),
        ("/a%2", Trick::Escape),
        ("/%u002e%u002e/b", Trick::Escape),
        ("/%c0%ae%c0%ae/b", Trick::Overlong),
        ("/%e0%80%ae/b", Trick::Overlong),
        ("/%f0%80%80%ae/b", Trick::Overlong),
        ("/%252525252541", Trick::Depth),
    ] {
        assert_eq!(inspect(path.as_bytes()), Err(trick), "{path}");
    }
    assert_eq!(inspect(b"/a\x00b"), Err(Trick::Control));
}

#[test]
fn a_long_path_costs_a_fixed_number_of_rounds() {
    let nested = format!("/{}41", "%25".repeat(20_000));
    assert_eq!(inspect(nested.as_bytes()), Ok(()));
    let deep = format!("/%{}41", "25".repeat(20_000));
    assert_eq!(inspect(deep.as_bytes()), Err(Trick::Depth));
}
