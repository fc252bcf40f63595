//! Decompression within a bound.

use std::io::{ErrorKind, Read};

use flate2::bufread::MultiGzDecoder;

use crate::answer::Refusal;

/// A compression that OTLP clients use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Identity,
    Gzip,
    Zstd,
}

impl Encoding {
    /// By the name that HTTP and gRPC give it.
    #[must_use]
    pub fn of(name: &[u8]) -> Option<Self> {
        match name.trim_ascii().to_ascii_lowercase().as_slice() {
            b"" | b"identity" => Some(Self::Identity),
            b"gzip" => Some(Self::Gzip),
            b"zstd" => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// The bytes of a body, at most `limit` of them.
pub fn inflate(encoding: Encoding, data: &[u8], limit: usize) -> Result<Vec<u8>, Refusal> {
    match encoding {
        Encoding::Identity if data.len() > limit => {
            Err(Refusal::TooLarge(format!("the body is larger than {limit} bytes")))
        }
        Encoding::Identity => Ok(data.to_vec()),
        Encoding::Gzip => gunzip(data, limit),
        Encoding::Zstd => unzstd(data, limit),
    }
}

/// A window that a zstd frame may ask for; the format's own recommendation for a least maximum.
const ZSTD_WINDOW: u64 = 8 << 20;

/// The bytes of a gzip body (also of several members in a row), at most `limit` of them.
pub fn gunzip(data: &[u8], limit: usize) -> Result<Vec<u8>, Refusal> {
    if data.is_empty() {
        return Ok(Vec::new());
    }
    read(MultiGzDecoder::new(data), data.len(), limit, "gzip")
}

/// The bytes of a zstd body (also of several frames in a row), at most `limit` of them.
pub fn unzstd(mut data: &[u8], limit: usize) -> Result<Vec<u8>, Refusal> {
    let mut out = Vec::new();
    while !data.is_empty() {
        let bad = |error: &dyn std::fmt::Display| Refusal::Bad(format!("the body is not valid zstd: {error}"));
        let mut decoder = ruzstd::decoding::FrameDecoder::new();
        let window = window(data).ok_or_else(|| bad(&"a frame's head is broken"))?;
        if window > ZSTD_WINDOW {
            return Err(bad(&"a frame asks for a window over 8 MiB"));
        }
        let before = data.len();
        let mut frame =
            ruzstd::decoding::StreamingDecoder::new_with_decoder(&mut data, &mut decoder).map_err(|e| bad(&e))?;
        let part = read(&mut frame, before, limit - out.len(), "zstd")?;
        out.extend(part);
    }
    Ok(out)
}

/// The window that a zstd frame asks for, or None where there is no frame that holds data.
fn window(frame: &[u8]) -> Option<u64> {
    let (magic, rest) = frame.split_at_checked(4)?;
    if magic != [0x28, 0xb5, 0x2f, 0xfd] {
        return None;
    }
    let (&descriptor, rest) = rest.split_first()?;
    if descriptor & 0x20 == 0 {
        let byte = u64::from(*rest.first()?);
        let base = 1_u64 << (10 + (byte >> 3));
        return Some(base + base / 8 * (byte & 7));
    }
    // A single segment: the window is as large as the content.
    let rest = rest.get([0, 1, 2, 4][usize::from(descriptor & 3)]..)?;
    let size = 1_usize << (descriptor >> 6);
    let mut bytes = [0; 8];
    bytes[..size].copy_from_slice(rest.get(..size)?);
    Some(u64::from_le_bytes(bytes).saturating_add(if size == 2 { 256 } else { 0 }).min(ZSTD_WINDOW))
}

fn read(from: impl Read, size: usize, limit: usize, what: &str) -> Result<Vec<u8>, Refusal> {
    let mut out = Vec::with_capacity(size.saturating_mul(4).min(limit).min(1 << 20));
    match from.take(limit as u64 + 1).read_to_end(&mut out) {
        Ok(_) if out.len() > limit => {
            Err(Refusal::TooLarge(format!("the body is larger than {limit} bytes once decompressed")))
        }
        Ok(_) => Ok(out),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
            Err(Refusal::Bad(format!("the {what} body is cut short")))
        }
        Err(error) => Err(Refusal::Bad(format!("the body is not valid {what}: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(data).expect("memory");
        encoder.finish().expect("memory")
    }

    #[test]
    fn members_follow_each_other() {
        let two = [gzip(b"ab"), gzip(b"cd")].concat();
        assert_eq!(gunzip(&two, 4), Ok(b"abcd".to_vec()));
        assert_eq!(gunzip(b"", 4), Ok(Vec::new()));
    }

    #[test]
    fn what_is_too_large_or_broken_is_refused() {
        let packed = gzip(&[0; 1000]);
        assert!(matches!(gunzip(&packed, 999), Err(Refusal::TooLarge(_))));
        assert!(matches!(gunzip(&packed[..packed.len() - 1], 1000), Err(Refusal::Bad(_))));
        assert!(matches!(gunzip(b"\x1f\x8bjunkjunkjunk", 1000), Err(Refusal::Bad(_))));
        assert!(matches!(gunzip(&[&packed[..], b"junk"].concat(), 1000), Err(Refusal::Bad(_))));
    }

    #[test]
    fn a_zstd_frame_within_the_window_is_read() {
        let packed = ruzstd::encoding::compress_to_vec(&[7; 3000][..], ruzstd::encoding::CompressionLevel::Fastest);
        assert_eq!(unzstd(&packed, 3000), Ok(vec![7; 3000]));
        assert_eq!(unzstd(&[&packed[..], &packed[..]].concat(), 6000), Ok(vec![7; 6000]));
        assert!(matches!(unzstd(&packed, 2999), Err(Refusal::TooLarge(_))));
        assert!(matches!(unzstd(&packed[..packed.len() - 2], 3000), Err(Refusal::Bad(_))));
        assert!(matches!(unzstd(b"\x28\xb5\x2f\xfd\x00\xff", 3000), Err(Refusal::Bad(_))));
    }
}
