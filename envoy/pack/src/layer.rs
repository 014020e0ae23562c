//! A layer of an image: an archive (POSIX `ustar`) of one file, compressed (RFC 1952), without anything of where and when it was made.

use std::io::{self, Write};

use flate2::{Compression, GzBuilder};

/// The length of a header, and what everything is padded to.
const BLOCK_BYTES: usize = 512;
/// What stands for "unknown" in the header of a compressed file: the operating system.
const UNKNOWN_SYSTEM: u8 = 255;

/// An archive of one file that everybody may read.
pub fn archive(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = [0; BLOCK_BYTES];
    let size = format!("{:011o}", content.len());
    // Where a field begins, and what stands in it: name, mode, owner, group, size, time, sum, kind, magic and version.
    let fields: [(usize, &[u8]); 9] = [
        (0, name.as_bytes()),
        (100, b"0000644"),
        (108, b"0000000"),
        (116, b"0000000"),
        (124, size.as_bytes()),
        (136, b"00000000000"),
        // While the sum is taken, blanks stand in its place.
        (148, b"        "),
        (156, b"0"),
        (257, b"ustar\x0000"),
    ];
    for (at, field) in fields {
        put(&mut header, at, field);
    }
    let sum: u32 = header.iter().copied().map(u32::from).sum();
    put(&mut header, 148, format!("{sum:06o}\0 ").as_bytes());
    let mut archive = header.to_vec();
    archive.extend_from_slice(content);
    archive.resize(archive.len().next_multiple_of(BLOCK_BYTES) + 2 * BLOCK_BYTES, 0);
    archive
}

fn put(header: &mut [u8; BLOCK_BYTES], at: usize, field: &[u8]) {
    for (place, byte) in header.iter_mut().skip(at).zip(field) {
        *place = *byte;
    }
}

/// Bytes, compressed; the same ones each time.
pub fn compress(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().mtime(0).operating_system(UNKNOWN_SYSTEM).write(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}
