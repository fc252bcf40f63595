//! Any bytes and any place either splice or are refused.

#![no_main]

use eigenspan_kernel::splice::{Edit, splice};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, u16, bool, &[u8])| {
    let (offset, length, edited, payload) = input;
    let edit: Edit<&str, &[u8]> = Edit {
        offset: offset.into(),
        length: length.into(),
        add: if edited { vec![("k", &b"\x4a\x03\x0a\x01k"[..])] } else { Vec::new() },
        trace_state: edited.then_some("a=1"),
    };
    drop(splice(&[(payload, vec![edit])], &[]));
});
