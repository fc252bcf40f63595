//! What fuzzing asks of the kernel, whoever makes the bytes: libFuzzer (`fuzz_targets`) or the driver in `tests/fuzz.rs`.

use std::sync::LazyLock;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use eigenspan_kernel::columns::{Level, Names, Type, Watch, Watched};
use eigenspan_kernel::inflate::{Encoding, inflate};
use eigenspan_kernel::splice::{Changes, Edit, SpliceError};

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
/// The largest body that `body` takes.
const LIMIT: usize = 64 << 10;

/// Any bytes either scan or are refused; whatever scans can be spliced whole and then scans to as many rows.
pub fn scan(payload: &[u8]) {
    let scanned = eigenspan_kernel::scan::scan(&[payload], &WATCH, &Names::default()).expect("a batch");
    let rows = scanned.batch.num_rows();
    assert!(scanned.errors.is_empty() || rows == 0);
    if scanned.errors.is_empty() {
        let [offsets, lengths] = ["offset", "length"].map(|name| scanned.batch[name].as_primitive::<UInt32Type>());
        let places = offsets.values().iter().zip(lengths.values());
        let edits: Vec<Edit> =
            places.map(|(&offset, &length)| Edit { part: 0, offset, length, add: 0, state: 0 }).collect();
        let spliced =
            spliced(payload, &edits, "text", b"\x4a\x06\x0a\x04text").expect("the places are those of the scan");
        let again = eigenspan_kernel::scan::scan(&[spliced], &WATCH, &Names::default()).expect("a batch");
        assert!(again.errors.is_empty());
        assert_eq!(again.batch.num_rows(), rows);
    }
}

/// Any bytes and any place either splice or are refused. The first five bytes are offset, length and whether to edit.
pub fn splice(input: &[u8]) {
    let Some((&[a, b, c, d, edited], payload)) = input.split_first_chunk() else { return };
    let edited = edited & 1 == 1;
    let change = i32::from(edited) - 1;
    let [offset, length] = [[a, b], [c, d]].map(|bytes| u16::from_le_bytes(bytes).into());
    drop(spliced(payload, &[Edit { part: 0, offset, length, add: change, state: change }], "k", b"\x4a\x03\x0a\x01k"));
}

fn spliced(payload: &[u8], edits: &[Edit], key: &str, field: &[u8]) -> Result<Vec<u8>, SpliceError> {
    let changes = Changes { fields: vec![(key, field)], adds: vec![vec![0]], states: vec!["a=1"] };
    eigenspan_kernel::splice::splice(&[payload], edits, &changes, &[])
}

/// Any body, whatever its encoding is said to be, inflates within the limit or is refused, and what it gives is scanned.
/// The first byte is the encoding.
pub fn body(input: &[u8]) {
    let Some((&encoding, data)) = input.split_first() else { return };
    let encoding = [Encoding::Identity, Encoding::Gzip, Encoding::Zstd][usize::from(encoding % 3)];
    if let Ok(payload) = inflate(encoding, data, LIMIT) {
        assert!(payload.len() <= LIMIT);
        scan(&payload);
    }
}
