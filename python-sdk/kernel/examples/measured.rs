//! A fixed amount of work for an instruction counter: `measured scan|splice|nothing`, on 100 requests of 100 spans.

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use eigenspan_kernel::columns::{Level, Names, Type, Watch, Watched};
use eigenspan_kernel::scan::scan;
use eigenspan_kernel::splice::{Changes, Edit, splice};

const REQUESTS: usize = 100;
const SPANS: usize = 100;

fn field(out: &mut Vec<u8>, number: u8, body: &[u8]) {
    out.push(number << 3 | 2);
    let mut length = body.len();
    while length > 0x7f {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(body);
}

fn attribute(out: &mut Vec<u8>, key: &str, value: &str) {
    let (mut any, mut pair) = (Vec::new(), Vec::new());
    field(&mut any, 1, value.as_bytes());
    field(&mut pair, 1, key.as_bytes());
    field(&mut pair, 2, &any);
    field(out, 9, &pair);
}

fn span(number: usize) -> Vec<u8> {
    let mut out = Vec::new();
    field(&mut out, 1, &(number as u128 + 1).to_be_bytes());
    field(&mut out, 2, &(number as u64 + 1).to_be_bytes());
    field(&mut out, 5, b"quantum.job.execute");
    out.extend_from_slice(&[0x30, 1]);
    for (tag, time) in [(0x39, 1_000_u64), (0x41, 2_000)] {
        out.push(tag);
        out.extend_from_slice(&(time + number as u64).to_le_bytes());
    }
    attribute(&mut out, "quantum.provider.name", "ibm");
    attribute(&mut out, "quantum.backend.name", "fake_torino");
    for key in ["request.id", "user.segment", "http.route", "server.address", "rpc.method", "rpc.system"] {
        attribute(&mut out, key, "research-and-development");
    }
    out
}

fn request(number: usize) -> Vec<u8> {
    let (mut scope_spans, mut resource_spans, mut out) = (Vec::new(), Vec::new(), Vec::new());
    for index in 0..SPANS {
        field(&mut scope_spans, 2, &span(number * SPANS + index));
    }
    field(&mut resource_spans, 2, &scope_spans);
    field(&mut out, 1, &resource_spans);
    out
}

fn main() {
    let watched =
        |key: &str| Watched { column: key.into(), kind: Type::String, keys: vec![key.into()], level: Level::Span };
    let watch = Watch::new(["quantum.provider.name", "quantum.backend.name"].map(watched).into()).expect("distinct");
    let names = Names::default();
    let payloads: Vec<Vec<u8>> = (0..REQUESTS).map(request).collect();
    let mut edits = Vec::with_capacity(REQUESTS * SPANS);
    for (part, payload) in (0..).zip(&payloads) {
        let batch = scan(&[payload], &watch, &names).expect("a batch").batch;
        let [offsets, lengths] = ["offset", "length"].map(|name| batch[name].as_primitive::<UInt32Type>());
        let places = offsets.values().iter().zip(lengths.values());
        edits.extend(places.map(|(&offset, &length)| Edit { part, offset, length, add: 0, state: 0 }));
    }
    let changes = Changes { fields: vec![("k", &b"\x4a\x03\x0a\x01k"[..])], adds: vec![vec![0]], states: vec!["a=1"] };
    match std::env::args().nth(1).as_deref() {
        Some("scan") => {
            assert_eq!(scan(&payloads, &watch, &names).expect("a batch").batch.num_rows(), REQUESTS * SPANS);
        }
        Some("splice") => assert!(splice(&payloads, &edits, &changes, &[]).expect("places").len() > REQUESTS * SPANS),
        Some("nothing") => {}
        _ => panic!("measured scan|splice|nothing"),
    }
}
