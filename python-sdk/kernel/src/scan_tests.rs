use super::*;
use crate::columns::{Level, Type, Watched};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt64Type};

/// A field of wire type 2.
fn len(number: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2, body.len() as u8];
    out.extend(body);
    out
}

fn attribute(number: u8, key: &str, value: &[u8]) -> Vec<u8> {
    len(number, &[len(1, key.as_bytes()), len(2, value)].concat())
}

fn request(span: &[u8], resource: &[u8]) -> Vec<u8> {
    len(1, &[len(2, &len(2, span)), len(1, resource)].concat())
}

fn span(attributes: &[Vec<u8>]) -> Vec<u8> {
    [len(1, &[7; 16]), len(2, &[9; 8]), len(5, b"run"), attributes.concat()].concat()
}

fn watch() -> Watch {
    let watched = |column: &str, kind, keys: &[&str], level| Watched {
        column: column.into(),
        kind,
        keys: keys.iter().map(ToString::to_string).collect(),
        level,
    };
    Watch::new(vec![
        watched("shots", Type::Int, &["quantum.shots", "shots"], Level::Span),
        watched("service", Type::String, &["service.name"], Level::Resource),
    ])
    .expect("distinct columns")
}

#[test]
fn a_resource_after_its_spans_is_theirs_too() {
    let payload = request(
        &span(&[attribute(9, "shots", b"\x18\x02"), attribute(9, "quantum.shots", b"\x18\x01")]),
        &attribute(1, "service.name", b"\x0a\x03qpu"),
    );
    let scanned = scan(&[payload], &watch(), &Names::default()).expect("a batch");
    assert_eq!(scanned.errors, []);
    assert_eq!(scanned.batch["trace_hi"].as_primitive::<UInt64Type>().value(0), 0x0707_0707_0707_0707);
    assert_eq!(scanned.batch["shots"].as_primitive::<Int64Type>().value(0), 1);
    assert_eq!(scanned.batch["service"].as_string_view().value(0), "qpu");
}

#[test]
fn a_bad_payload_takes_its_rows_back() {
    let good = request(&span(&[]), &[]);
    let mut bad = good.clone();
    bad.extend([0x0b]);
    let scanned = scan(&[&bad, &good, &bad], &watch(), &Names::default()).expect("a batch");
    assert_eq!(scanned.batch.num_rows(), 1);
    let group = WireError { reason: Reason::Group, offset: good.len() };
    assert_eq!(scanned.errors, [(0, group.clone()), (2, group)]);
}

#[test]
fn rows_of_one_scan_after_another_are_those_of_one_scan() {
    let shots = |value| request(&span(&[attribute(9, "shots", value)]), &[]);
    let served = request(&span(&[]), &attribute(1, "service.name", b"\x0a\x03qpu"));
    let bare = request(&span(&[]), &[]);
    let payloads = [&bare, &shots(b"\x18\x01"), &bare, &bare, &served, &shots(b"\x0a\x01x"), &bare];
    let (watch, names) = (watch(), Names::default());
    let (mut whole, mut rows) = (Scan::new(&watch, &names), Rows::new(&watch));
    for payload in payloads {
        whole.add(payload, true).expect("a sound payload");
        let mut scan = Scan::new(&watch, &names);
        scan.add(payload, true).expect("a sound payload");
        scan.columns.fixed[0].payload = whole.columns.fixed.last().expect("its row").payload;
        rows.append(&scan.columns);
    }
    let mut expected = Rows::new(&watch);
    expected.append(&whole.columns);
    assert_eq!(rows.finish().expect("a batch"), expected.finish().expect("a batch"));
}

#[test]
fn keys_are_told_apart_whatever_their_tails() {
    let names = Names::new(&["token", "id_token", "llm.request.prompt", "llm.response.prompt"]);
    for found in ["token", "TOKEN", "Id_Token", "llm.Request.prompt"] {
        assert!(names.has(found.as_bytes()), "{found}");
    }
    for other in ["", "t", "toke", "Toke\u{e}", "ad_token", "llm.rexuest.prompt", "llm_request.prompt"] {
        assert!(!names.has(other.as_bytes()), "{other}");
    }
}

#[test]
fn nothing_gives_an_empty_batch() {
    let scanned = scan(&[b""], &watch(), &Names::default()).expect("a batch");
    assert_eq!((scanned.batch.num_rows(), scanned.errors.len()), (0, 0));
}

#[test]
fn a_name_is_found_at_any_level() {
    let attribute = attribute(3, "api_key", b"\x0a\x01x");
    let event = len(11, &attribute);
    let payload = request(&[span(&[]), event].concat(), &[]);
    let names = Names::new(&["API_key"]);
    let watch = watch();
    let mut scan = Scan::new(&watch, &names);
    assert_eq!(scan.add(&payload, false), Err(Refusal::Named));
    assert_eq!(scan.columns.rows(), 0);
    assert_eq!(scan.add(&payload, true), Ok(()));
    assert_eq!(scan.columns.rows(), 1);
}
