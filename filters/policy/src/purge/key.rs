//! The primary key of a stored response (RFC 9111 §2), by which an order names a URL as the cache does.

/// The primary key's bytes. A `HEAD` has the key of the `GET` that can answer it.
pub fn primary(scheme: &[u8], authority: &[u8], target: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(6 + scheme.len() + authority.len() + target.len());
    key.extend_from_slice(b"GET ");
    key.extend_from_slice(scheme);
    lower(&mut key, 4);
    key.push(b' ');
    let default_port: &[u8] = match key.as_slice() {
        b"GET http " => b":80",
        b"GET https " => b":443",
        _ => b"",
    };
    // RFC 9110 §4.2.3: hosts have no case, and the default port is the same as none.
    let authority = authority.strip_suffix(default_port).unwrap_or(authority);
    let at = key.len();
    key.extend_from_slice(authority);
    lower(&mut key, at);
    key.push(b' ');
    key.extend_from_slice(target);
    key
}

/// The scheme, the authority and the target of a key; to a target belongs whatever a key has beside its URL. `None` where it is no key.
pub fn parts(key: &[u8]) -> Option<[&[u8]; 3]> {
    let mut parts = key.splitn(4, |&byte| byte == b' ').skip(1);
    Some([parts.next()?, parts.next()?, parts.next()?])
}

/// Puts what begins there into lower case.
fn lower(key: &mut [u8], from: usize) {
    if let Some(part) = key.get_mut(from..) {
        part.make_ascii_lowercase();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_key_is_what_it_was_made_of() {
        let [http, host]: [&[u8]; 2] = [b"http", b"h"];
        assert_eq!(parts(&primary(b"HTTP", b"H:80", b"/a b?c d")), Some([http, host, b"/a b?c d".as_slice()]));
        assert_eq!(parts(&primary(b"", b"", b"")), Some([b"".as_slice(); 3]));
        assert_eq!(parts(b"GET http h"), None);
    }
}
