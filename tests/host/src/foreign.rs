//! The foreign functions that Envoy offers and Weir may call.

use crate::signature;
use crate::status::Status;

/// Calls a foreign function by name.
pub(crate) fn call(name: &[u8], arguments: &[u8]) -> Result<Vec<u8>, Status> {
    match name {
        b"verify_signature" => verify_signature(arguments),
        b"clear_route_cache" => Ok(Vec::new()),
        _ => Err(Status::NotFound),
    }
}

/// In: `{1: hash name, 2: public key as DER, 3: signature, 4: text}`. Out: `{1: whether it holds, 2: why not}`.
fn verify_signature(arguments: &[u8]) -> Result<Vec<u8>, Status> {
    let mut fields: [&[u8]; 5] = [b""; 5];
    let mut rest = arguments;
    while !rest.is_empty() {
        let (number, value) = field(&mut rest).ok_or(Status::BadArgument)?;
        if let (Some(value), Some(field)) = (value, number.checked_sub(1).and_then(|at| fields.get_mut(at))) {
            *field = value;
        }
    }
    let [hash, key, signature, text, pem] = fields;
    // A key in PEM, which Envoy accepts instead, is what no filter here sends.
    if key.is_empty() || !pem.is_empty() {
        return Err(Status::BadArgument);
    }
    Ok(match signature::verify(hash, key, signature, text) {
        Ok(()) => vec![0x08, 1],
        // Protobuf leaves out what has its default value: `false`.
        Err(reason) => {
            let length = u8::try_from(reason.len()).expect("a reason is shorter than 128 bytes");
            [&[0x12, length], reason.as_bytes()].concat()
        }
    })
}

/// One field of a protobuf message: its number, and its bytes where it has any.
fn field<'a>(message: &mut &'a [u8]) -> Option<(usize, Option<&'a [u8]>)> {
    let tag = varint(message)?;
    let number = usize::try_from(tag >> 3).ok()?;
    let skipped = match tag & 7 {
        0 => return varint(message).map(|_| (number, None)),
        1 => 8,
        2 => {
            let length = usize::try_from(varint(message)?).ok()?;
            let (value, rest) = message.split_at_checked(length)?;
            *message = rest;
            return Some((number, Some(value)));
        }
        5 => 4,
        _ => return None,
    };
    *message = message.get(skipped..)?;
    Some((number, None))
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
