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

/// Puts what begins there into lower case.
fn lower(key: &mut [u8], from: usize) {
    if let Some(part) = key.get_mut(from..) {
        part.make_ascii_lowercase();
    }
}
