//! What a client is told: an answer is nothing, or a refusal that says who is to blame.
//!
//! The twin of the second half of `eigenspan/collector/otlp.py`, down to the bodies of errors.

use std::fmt::Write;

use crate::wire::put_varint;

/// Why a request is not taken. Nothing else leaves the receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The sender's bytes are not what they claim to be.
    Bad(String),
    /// Over the limit, before or after decompression.
    TooLarge(String),
    /// The content type or encoding is not one that OTLP names.
    Media(String),
    /// The client did not show a token that we know.
    Unauthenticated(String),
    /// There is no such method, or no such compression of a message.
    Unimplemented(String),
    /// We cannot take it now; it may come back after `retry_ms`.
    Unavailable { message: String, retry_ms: u64 },
}

impl Refusal {
    pub fn message(&self) -> &str {
        match self {
            Self::Bad(message)
            | Self::TooLarge(message)
            | Self::Media(message)
            | Self::Unauthenticated(message)
            | Self::Unimplemented(message)
            | Self::Unavailable { message, .. } => message,
        }
    }

    /// The number of the gRPC status.
    #[must_use]
    pub fn grpc_code(&self) -> u8 {
        match self {
            Self::Bad(_) | Self::Media(_) => 3,
            Self::TooLarge(_) => 8,
            Self::Unimplemented(_) => 12,
            Self::Unavailable { .. } => 14,
            Self::Unauthenticated(_) => 16,
        }
    }

    #[must_use]
    pub fn http_status(&self) -> u16 {
        match self {
            Self::Bad(_) => 400,
            Self::Unauthenticated(_) => 401,
            Self::Unimplemented(_) => 404,
            Self::TooLarge(_) => 413,
            Self::Media(_) => 415,
            Self::Unavailable { .. } => 503,
        }
    }

    /// Whole seconds after which the client should come back.
    #[must_use]
    pub fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::Unavailable { retry_ms, .. } => Some(retry_ms.div_ceil(1000)),
            _ => None,
        }
    }

    /// A google.rpc.Status, with RetryInfo where the client should come back.
    #[must_use]
    pub fn status(&self) -> Vec<u8> {
        let mut status = vec![0x08, self.grpc_code()];
        put_bytes(&mut status, 2, self.message().as_bytes());
        if let Self::Unavailable { retry_ms, .. } = self {
            let mut delay = Vec::new();
            for (tag, number) in [(0x08, retry_ms / 1000), (0x10, retry_ms % 1000 * 1_000_000)] {
                if number > 0 {
                    delay.push(tag);
                    put_varint(&mut delay, number);
                }
            }
            let (mut retry, mut any) = (Vec::new(), Vec::new());
            put_bytes(&mut retry, 1, &delay);
            put_bytes(&mut any, 1, b"type.googleapis.com/google.rpc.RetryInfo");
            put_bytes(&mut any, 2, &retry);
            put_bytes(&mut status, 3, &any);
        }
        status
    }

    /// The same for a client that spoke JSON.
    #[must_use]
    pub fn json(&self) -> String {
        let mut out = format!("{{\"code\": {}, \"message\": \"", self.grpc_code());
        for character in self.message().chars() {
            match character {
                '"' | '\\' => out.extend(['\\', character]),
                '\0'..='\x1f' => drop(write!(out, "\\u{:04x}", character as u32)),
                _ => out.push(character),
            }
        }
        out.push_str("\"}");
        out
    }

    /// The message as the header grpc-message carries it.
    #[must_use]
    pub fn grpc_message(&self) -> String {
        let mut out = String::new();
        for &byte in self.message().as_bytes().iter().take(1000) {
            match byte {
                b' '..=b'$' | b'&'..=b'~' => out.push(char::from(byte)),
                _ => drop(write!(out, "%{byte:02X}")),
            }
        }
        out
    }
}

fn put_bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push(field << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Base64 without padding, as gRPC's `-bin` headers have it.
#[must_use]
pub fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let mut group = [0; 4];
        group[1..=three.len()].copy_from_slice(three);
        let number = u32::from_be_bytes(group);
        for letter in 0..=three.len() {
            out.push(char::from(LETTERS[(number >> (18 - 6 * letter) & 63) as usize]));
        }
    }
    out
}

/// Whether `given` is one of `tokens`. How long it takes does not tell how much of a token was right.
#[must_use]
pub fn knows(tokens: &[String], given: &[u8]) -> bool {
    let mut known = false;
    for token in tokens {
        let token = token.as_bytes();
        let mut difference = u8::from(token.len() != given.len());
        for (index, &byte) in given.iter().enumerate() {
            difference |= byte ^ token.get(index % token.len().max(1)).copied().unwrap_or_default();
        }
        known |= std::hint::black_box(difference) == 0;
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_unpadded() {
        for (bytes, text) in [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("fooba", "Zm9vYmE")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn messages_are_escaped() {
        let refusal = Refusal::Bad("50 % \"é\"\n".into());
        assert_eq!(refusal.grpc_message(), "50 %25 \"%C3%A9\"%0A");
        assert_eq!(refusal.json(), "{\"code\": 3, \"message\": \"50 % \\\"é\\\"\\u000a\"}");
    }

    #[test]
    fn a_retry_delay_is_seconds_and_nanoseconds() {
        let status = Refusal::Unavailable { message: String::new(), retry_ms: 1500 }.status();
        assert!(status.ends_with(b"\x12\x0a\x0a\x08\x08\x01\x10\x80\xca\xb5\xee\x01"));
    }

    #[test]
    fn only_a_whole_token_is_known() {
        let tokens = ["secret".to_owned(), String::new()];
        for (given, known) in [("secret", true), ("secre", false), ("secretsecret", false), ("Secret", false)] {
            assert_eq!(knows(&tokens[..1], given.as_bytes()), known, "{given}");
        }
        assert!(!knows(&[], b""));
        assert!(!knows(&tokens[1..], b"x"));
    }
}
