//! The protobuf wire format: one field after another, each bounded by its parent.
//!
//! Every rule here has its twin in `eigenspan/collector/wire.py`; `tests/cases/scan.py` holds both to one table.

use std::fmt;

/// Why bytes are refused, and where. `offset` counts from the start of the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireError {
    pub reason: Reason,
    pub offset: usize,
}

/// What is wrong. `Display` gives the words that the Python engine uses too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Truncated,
    OverlongTag,
    OverlongLength,
    OverlongVarint,
    BeyondParent,
    FieldZero,
    Group,
    WireType(u8),
    WrongWireType(&'static str, u32),
    NotUtf8(&'static str, u32),
    TooDeep,
    PayloadTooLong,
    IdLength(&'static str, u8),
    IdZero(&'static str),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("truncated field"),
            Self::OverlongTag => f.write_str("over-long tag"),
            Self::OverlongLength => f.write_str("over-long length"),
            Self::OverlongVarint => f.write_str("over-long varint"),
            Self::BeyondParent => f.write_str("length beyond the parent"),
            Self::FieldZero => f.write_str("field number 0"),
            Self::Group => f.write_str("group"),
            Self::WireType(wire_type) => write!(f, "wire type {wire_type}"),
            Self::WrongWireType(message, number) => write!(f, "wrong wire type for field {number} of {message}"),
            Self::NotUtf8(message, number) => write!(f, "field {number} of {message} is not UTF-8"),
            Self::TooDeep => write!(f, "value nested more than {MAX_DEPTH} deep"),
            Self::PayloadTooLong => f.write_str("payload over 2 GiB"),
            Self::IdLength(id, length) => write!(f, "{id} is not {length} bytes"),
            Self::IdZero(id) => write!(f, "{id} is zero"),
        }
    }
}

/// Arrays and key-value lists inside one attribute value may nest this deep. With three messages a level this stays
/// under the 100 levels at which protobuf parsers give up.
pub const MAX_DEPTH: u32 = 16;

/// A tag or a length is a 32-bit number in at most five bytes.
const SHORT: usize = 5;
/// A varint is a 64-bit number in at most ten bytes.
const LONG: usize = 10;

/// The value of one field, still undecided as to meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Len(Reader<'a>),
    Fixed32(u32),
}

/// One field: its number, where its tag begins, and its value.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    pub number: u32,
    pub at: usize,
    pub value: Value<'a>,
}

impl Field<'_> {
    /// The error of a field that is known in `message` but has another wire type there.
    #[cold]
    pub fn wrong_type(&self, message: &'static str) -> WireError {
        WireError { reason: Reason::WrongWireType(message, self.number), offset: self.at }
    }
}

/// A message body: `data[pos..end]`. `data` begins where the payload begins, so that positions are offsets in it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Reader<'a> {
    data: &'a [u8],
    pos: usize,
}

impl fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reader({}..{})", self.pos, self.data.len())
    }
}

impl<'a> Reader<'a> {
    #[must_use]
    pub fn new(payload: &'a [u8]) -> Self {
        Self { data: payload, pos: 0 }
    }

    /// Where the next unread byte is in the payload.
    #[inline]
    #[must_use]
    pub fn offset(&self) -> usize {
        self.pos
    }

    /// The unread bytes.
    #[inline]
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        &self.data[self.pos..]
    }

    /// The bytes of the payload from `from` up to the next unread one.
    #[inline]
    #[must_use]
    pub fn since(&self, from: usize) -> &'a [u8] {
        &self.data[from..self.pos]
    }

    /// The bytes of the payload from `from` to `to`.
    #[inline]
    #[must_use]
    pub fn between(&self, from: usize, to: usize) -> &'a [u8] {
        &self.data[from..to]
    }

    /// The unread bytes as text. `at` and the names are for the error.
    #[inline]
    pub fn text(&self, message: &'static str, number: u32, at: usize) -> Result<&'a str, WireError> {
        std::str::from_utf8(self.rest()).map_err(|_| WireError { reason: Reason::NotUtf8(message, number), offset: at })
    }

    /// The same of text of which nobody needs the characters.
    #[inline]
    pub fn text_bytes(&self, message: &'static str, number: u32, at: usize) -> Result<&'a [u8], WireError> {
        let bytes = self.rest();
        if is_text(bytes) { Ok(bytes) } else { self.text(message, number, at).map(str::as_bytes) }
    }

    #[inline]
    fn varint(&mut self, longest: usize, overlong: Reason, at: usize) -> Result<u64, WireError> {
        match self.data.get(self.pos) {
            Some(&byte) if byte < 0x80 => {
                self.pos += 1;
                Ok(u64::from(byte))
            }
            _ => self.long_varint(longest, overlong, at),
        }
    }

    fn long_varint(&mut self, longest: usize, overlong: Reason, at: usize) -> Result<u64, WireError> {
        let mut value = 0_u64;
        for index in 0..longest {
            let Some(&byte) = self.data.get(self.pos + index) else {
                return Err(WireError { reason: Reason::Truncated, offset: at });
            };
            if index == LONG - 1 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                if longest == SHORT && value > u64::from(u32::MAX) {
                    break;
                }
                self.pos += index + 1;
                return Ok(value);
            }
        }
        Err(WireError { reason: overlong, offset: at })
    }

    fn fixed<const N: usize>(&mut self, at: usize) -> Result<[u8; N], WireError> {
        match self.rest().first_chunk::<N>() {
            Some(bytes) => {
                self.pos += N;
                Ok(*bytes)
            }
            None => Err(WireError { reason: Reason::Truncated, offset: at }),
        }
    }

    /// The next field, or `None` at the end of the message. Inlined into every walk, so that no `Field` is built in
    /// memory only to be taken apart again: the scan takes half the time.
    #[inline(always)]
    pub fn field(&mut self) -> Result<Option<Field<'a>>, WireError> {
        let at = self.pos;
        if at == self.data.len() {
            return Ok(None);
        }
        let tag = self.varint(SHORT, Reason::OverlongTag, at)? as u32;
        let number = tag >> 3;
        if number == 0 {
            return Err(WireError { reason: Reason::FieldZero, offset: at });
        }
        let value = match tag & 7 {
            0 => Value::Varint(self.varint(LONG, Reason::OverlongVarint, at)?),
            1 => Value::Fixed64(u64::from_le_bytes(self.fixed(at)?)),
            2 => {
                let length = self.varint(SHORT, Reason::OverlongLength, at)? as usize;
                if length > self.data.len() - self.pos {
                    return Err(WireError { reason: Reason::BeyondParent, offset: at });
                }
                let body = Self { data: &self.data[..self.pos + length], pos: self.pos };
                self.pos += length;
                Value::Len(body)
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.fixed(at)?)),
            3 | 4 => return Err(WireError { reason: Reason::Group, offset: at }),
            other => return Err(WireError { reason: Reason::WireType(other as u8), offset: at }),
        };
        Ok(Some(Field { number, at, value }))
    }
}

/// Whether bytes are UTF-8; of short ASCII this is known sooner than by decoding it.
#[inline]
#[must_use]
pub fn is_text(bytes: &[u8]) -> bool {
    bytes.is_ascii() || std::str::from_utf8(bytes).is_ok()
}

/// A field with this tag and a length of one byte, and what follows it; `None` where `bytes` begin otherwise.
#[inline]
#[must_use]
pub fn short_field(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    match bytes {
        [found, length @ 0..0x80, rest @ ..] if *found == tag => rest.split_at_checked(usize::from(*length)),
        _ => None,
    }
}

/// Appends `value` as a varint.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// How many bytes `value` takes as a varint.
#[must_use]
pub fn varint_size(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(bytes: &[u8]) -> Result<Option<Value<'_>>, Reason> {
        Reader::new(bytes).field().map(|f| f.map(|f| f.value)).map_err(|e| e.reason)
    }

    #[test]
    fn a_padded_varint_within_ten_bytes_is_read() {
        assert_eq!(first(b"\x08\x81\x80\x80\x80\x80\x80\x80\x80\x80\x00"), Ok(Some(Value::Varint(1))));
        assert_eq!(first(b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), Ok(Some(Value::Varint(u64::MAX))));
    }

    #[test]
    fn a_varint_over_ten_bytes_or_64_bits_is_refused() {
        assert_eq!(first(b"\x08\x81\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00"), Err(Reason::OverlongVarint));
        assert_eq!(first(b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), Err(Reason::OverlongVarint));
    }

    #[test]
    fn a_tag_over_32_bits_is_refused() {
        assert_eq!(first(b"\xf8\xff\xff\xff\x0f\x01"), Ok(Some(Value::Varint(1))));
        assert_eq!(first(b"\x88\x80\x80\x80\x10\x01"), Err(Reason::OverlongTag));
        assert_eq!(first(b"\x88\x80\x80\x80\x80\x00\x01"), Err(Reason::OverlongTag));
    }

    #[test]
    fn a_child_does_not_reach_beyond_its_parent() {
        let mut request = Reader::new(b"\x0a\x02\x0a\x02\x00\x00");
        let Ok(Some(Field { value: Value::Len(mut child), .. })) = request.field() else { panic!("no child") };
        assert_eq!(child.field().map(|_| ()), Err(WireError { reason: Reason::BeyondParent, offset: 2 }));
    }

    #[test]
    fn varints_are_written_as_short_as_they_are() {
        for value in [0, 1, 127, 128, 16383, 16384, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            assert_eq!(out.len(), varint_size(value));
            let mut field = vec![0x08];
            field.extend(out);
            assert_eq!(first(&field), Ok(Some(Value::Varint(value))));
        }
    }
}
