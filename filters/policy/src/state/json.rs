//! Upstash: a command as a JSON array of texts, an answer as `{"result": …}` or `{"error": …}`.
//!
//! Read by hand: answers have a handful of forms, and a whole JSON reader would be larger than the rest of this module.

use super::{DEPTH_MAX, Fault, Reply, base64};

/// Writes a command.
pub(super) fn command(words: &[&[u8]]) -> Result<Vec<u8>, Fault> {
    let mut body = vec![b'['];
    for (index, word) in words.iter().enumerate() {
        std::str::from_utf8(word).map_err(|_| Fault::Unsendable)?;
        body.extend_from_slice(if index > 0 { b",\"" } else { b"\"" });
        for &byte in *word {
            match byte {
                b'"' | b'\\' => body.extend([b'\\', byte]),
                0..0x20 => body.extend(format!("\\u{byte:04x}").into_bytes()),
                _ => body.push(byte),
            }
        }
        body.push(b'"');
    }
    body.push(b']');
    Ok(body)
}

/// Reads an answer whose texts are base64.
pub(super) fn reply(body: &[u8]) -> Result<Reply, Fault> {
    let mut rest = body;
    expect(&mut rest, b'{')?;
    let name = text(&mut rest)?;
    expect(&mut rest, b':')?;
    let outcome = match name.as_slice() {
        b"result" => value(&mut rest, DEPTH_MAX)?,
        b"error" => return Err(Fault::of_redis(&text(&mut rest)?)),
        _ => return Err(Fault::Malformed),
    };
    expect(&mut rest, b'}')?;
    skip(&mut rest);
    if rest.is_empty() { Ok(outcome) } else { Err(Fault::Malformed) }
}

fn value(rest: &mut &[u8], depth: u32) -> Result<Reply, Fault> {
    skip(rest);
    match rest.first() {
        Some(b'"') => {
            let text = text(rest)?;
            // The one word that is not encoded; as base64 it would be too short.
            if text == b"OK" {
                return Ok(Reply::Status("OK".to_owned()));
            }
            base64::decode(&text).map(Reply::Bytes).ok_or(Fault::Malformed)
        }
        Some(b'[') if depth > 0 => list(rest, depth - 1),
        Some(b'n') if rest.starts_with(b"null") => {
            *rest = rest.get(4..).unwrap_or_default();
            Ok(Reply::Nil)
        }
        _ => {
            let end = rest.iter().position(|byte| !matches!(byte, b'-' | b'0'..=b'9')).unwrap_or(rest.len());
            let (digits, after) = rest.split_at_checked(end).unwrap_or_default();
            *rest = after;
            let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
            number.map(Reply::Int).ok_or(Fault::Malformed)
        }
    }
}

fn list(rest: &mut &[u8], depth: u32) -> Result<Reply, Fault> {
    expect(rest, b'[')?;
    let mut list = Vec::new();
    skip(rest);
    if rest.first() == Some(&b']') {
        expect(rest, b']')?;
        return Ok(Reply::List(list));
    }
    loop {
        list.push(value(rest, depth)?);
        skip(rest);
        if rest.first() == Some(&b']') {
            expect(rest, b']')?;
            return Ok(Reply::List(list));
        }
        expect(rest, b',')?;
    }
}

/// A text. Base64 and the names of members need no escapes but that of the slash; errors may have others.
fn text(rest: &mut &[u8]) -> Result<Vec<u8>, Fault> {
    expect(rest, b'"')?;
    let mut text = Vec::new();
    loop {
        let (&byte, after) = rest.split_first().ok_or(Fault::Malformed)?;
        *rest = after;
        match byte {
            b'"' => return Ok(text),
            b'\\' => {
                let (&escaped, after) = rest.split_first().ok_or(Fault::Malformed)?;
                *rest = after;
                // What else may be escaped is of no interest in the text of an error.
                text.push(if matches!(escaped, b'"' | b'\\' | b'/') { escaped } else { b' ' });
            }
            _ => text.push(byte),
        }
    }
}

fn expect(rest: &mut &[u8], wanted: u8) -> Result<(), Fault> {
    skip(rest);
    match rest.split_first() {
        Some((&found, after)) if found == wanted => {
            *rest = after;
            Ok(())
        }
        _ => Err(Fault::Malformed),
    }
}

/// Passes over blanks (RFC 8259 §2).
fn skip(rest: &mut &[u8]) {
    while let Some((b' ' | b'\t' | b'\r' | b'\n', after)) = rest.split_first() {
        *rest = after;
    }
}
