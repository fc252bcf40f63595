//! Any bytes either scan or are refused; whatever scans can be spliced whole and then scans to as many rows.

#![no_main]

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use eigenspan_kernel::columns::{Level, Type, Watch, Watched};
use eigenspan_kernel::scan::scan;
use eigenspan_kernel::splice::{Edit, splice};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static WATCH: LazyLock<Watch> = LazyLock::new(|| {
    let watched = |column: &str, kind, level| Watched { column: column.into(), kind, keys: vec![column.into()], level };
    Watch::new(vec![
        watched("text", Type::String, Level::Span),
        watched("count", Type::Int, Level::Span),
        watched("ratio", Type::Double, Level::Span),
        watched("flag", Type::Boolean, Level::Span),
        watched("service.name", Type::String, Level::Resource),
    ])
    .expect("distinct columns")
});

fuzz_target!(|payload: &[u8]| {
    let scanned = scan(&[payload], &WATCH).expect("a batch");
    let rows = scanned.batch.num_rows();
    assert!(scanned.errors.is_empty() || rows == 0);
    if scanned.errors.is_empty() {
        let places = ["offset", "length"].map(|name| scanned.batch[name].as_primitive::<UInt32Type>());
        let edits: Vec<Edit<&str, &[u8]>> = (0..rows)
            .map(|row| {
                let [offset, length] = places.map(|column| column.value(row) as usize);
                Edit { offset, length, add: vec![("text", &b"\x4a\x06\x0a\x04text"[..])], trace_state: Some("a=1") }
            })
            .collect();
        let spliced = splice(&[(payload, edits)], &[]).expect("the places are those of the scan");
        let again = scan(&[spliced], &WATCH).expect("a batch");
        assert!(again.errors.is_empty());
        assert_eq!(again.batch.num_rows(), rows);
    }
});
