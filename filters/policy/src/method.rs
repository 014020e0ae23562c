//! Methods of requests.

/// Whether a method may change what is at its URL: what is not known to be safe is not (RFC 9110 §9.2.1, RFC 9111 §4.4). A
/// tunnel changes nothing.
pub fn is_unsafe(method: &[u8]) -> bool {
    !matches!(method, b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE" | b"CONNECT")
}
