//! Webdis: a command as a path, an answer in Redis's own protocol (RESP 2).

use super::{DEPTH_MAX, Fault, Reply};

/// Words are parted by slashes; the ending asks for the raw answer. Whatever has a meaning for webdis is written as `%XX`,
/// the dot included, since what follows the last one is taken for an ending.
pub(super) fn command(words: &[&[u8]]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or_default();
    let mut body = Vec::with_capacity(words.iter().map(|word| word.len() * 2).sum());
    for (index, word) in words.iter().enumerate() {
        if index > 0 {
            body.push(b'/');
        }
        for &byte in *word {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
                body.push(byte);
            } else {
                body.extend([b'%', digit(byte >> 4), digit(byte & 15)]);
            }
        }
    }
    body.extend(b".raw");
    body
}

/// Reads an answer, which ends where the body does.
pub(super) fn reply(body: &[u8]) -> Result<Reply, Fault> {
    let mut rest = body;
    let reply = value(&mut rest, DEPTH_MAX)?;
    if rest.is_empty() { Ok(reply) } else { Err(Fault::Malformed) }
}

fn value(rest: &mut &[u8], depth: u32) -> Result<Reply, Fault> {
    let end = rest.windows(2).position(|pair| pair == b"\r\n").ok_or(Fault::Malformed)?;
    let line = take(rest, end)?;
    take(rest, 2)?;
    let (kind, text) = line.split_first().ok_or(Fault::Malformed)?;
    let number = || std::str::from_utf8(text).ok().and_then(|text| text.parse::<i64>().ok()).ok_or(Fault::Malformed);
    match kind {
        b'+' => Ok(Reply::Status(String::from_utf8_lossy(text).into_owned())),
        b'-' => Err(Fault::of_redis(text)),
        b':' => number().map(Reply::Int),
        b'$' | b'*' if text == b"-1" => Ok(Reply::Nil),
        b'$' => {
            let length = usize::try_from(number()?).map_err(|_| Fault::Malformed)?;
            let bytes = take(rest, length)?.to_vec();
            if take(rest, 2)? == b"\r\n" { Ok(Reply::Bytes(bytes)) } else { Err(Fault::Malformed) }
        }
        b'*' if depth > 0 => {
            // No room is made for what is only announced.
            let count = number()?;
            let mut list = Vec::new();
            for _ in 0..count {
                list.push(value(rest, depth - 1)?);
            }
            Ok(Reply::List(list))
        }
        _ => Err(Fault::Malformed),
    }
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], Fault> {
    let (taken, after) = rest.split_at_checked(length).ok_or(Fault::Malformed)?;
    *rest = after;
    Ok(taken)
}
