use super::*;

fn len(number: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_len(&mut out, number, body.len());
    out.extend(body);
    out
}

const NOTHING: Changes<&str, Vec<u8>> = Changes { fields: vec![], adds: vec![], states: vec![] };

fn edit(part: u32, offset: u32, length: u32) -> Edit {
    Edit { part, offset, length, add: -1, state: -1 }
}

#[test]
fn equal_heads_share_a_group() {
    let payload = |span: &[u8]| len(1, &[len(2, &len(2, span)), len(1, b"r"), len(3, b"u")].concat());
    let parts = [payload(b"\x30\x01"), payload(b"\x30\x02")];
    let edits = [edit(0, 6, 2), edit(1, 6, 2)];
    let scope = len(2, &[len(2, b"\x30\x01"), len(2, b"\x30\x02")].concat());
    assert_eq!(splice(&parts, &edits, &NOTHING, &[]), Ok(len(1, &[len(1, b"r"), len(3, b"u"), scope].concat())));
}

#[test]
fn an_edit_cuts_and_appends_and_does_not_repeat_a_key() {
    let attribute = |key: &str| len(9, &len(1, key.as_bytes()));
    let span = [len(3, b"a=1"), attribute("x"), vec![0x30, 2], len(3, b"b=2")].concat();
    let payload = len(1, &len(2, &len(2, &span)));
    let changes = Changes {
        fields: vec![("x", attribute("x")), ("y", attribute("y"))],
        adds: vec![vec![0, 1, 1]],
        states: vec!["c=3"],
    };
    let edits = [Edit { add: 0, state: 0, ..edit(0, 6, span.len() as u32) }];
    let expected = [attribute("x"), vec![0x30, 2], len(3, b"c=3"), attribute("y")].concat();
    assert_eq!(splice(&[payload], &edits, &changes, &[]), Ok(len(1, &len(2, &len(2, &expected)))));
}

#[test]
fn what_is_cut_may_be_written_anew() {
    let attribute = |key: &str, value: &[u8]| len(9, &[len(1, key.as_bytes()), len(2, value)].concat());
    let span = [attribute("old", b""), attribute("x", b""), attribute("old", b"")].concat();
    let payload = len(1, &len(2, &len(2, &span)));
    let fields =
        vec![("old", vec![]), ("x", vec![]), ("new", attribute("new", b"")), ("x", attribute("x", b"\x10\x01"))];
    let changes = Changes { fields, adds: vec![vec![0, 1, 2, 3]], states: vec![] };
    let expected = [attribute("new", b""), attribute("x", b"\x10\x01")].concat();
    let spliced = splice(&[payload], &[Edit { add: 0, ..edit(0, 6, span.len() as u32) }], &changes, &[]);
    assert_eq!(spliced, Ok(len(1, &len(2, &len(2, &expected)))));
}

#[test]
fn only_a_url_of_the_table_is_restamped() {
    let payload = |url: &[u8]| len(1, &len(2, &[len(2, b"\x30\x01"), len(3, url), len(1, b"s")].concat()));
    let expected = |url: &[u8]| len(1, &len(2, &[len(1, b"s"), len(3, url), len(2, b"\x30\x01")].concat()));
    let other = len(1, &len(2, &[len(3, b"u/3"), len(1, b"s"), len(2, b"\x30\x01")].concat()));
    for (url, after) in [(b"u/1", expected(b"u/2")), (b"u/3", other)] {
        assert_eq!(splice(&[payload(url)], &[edit(0, 6, 2)], &NOTHING, &[("u/1", "u/2")]), Ok(after));
    }
}

#[test]
fn a_place_without_a_span_is_refused() {
    let payload = len(1, &len(2, &len(2, b"\x30\x01")));
    for (offset, length) in [(5, 2), (6, 1), (6, 3), (0, 0), (99, 2)] {
        let refused = splice(&[&payload], &[edit(0, offset, length)], &NOTHING, &[]);
        assert_eq!(refused, Err(SpliceError::NotASpan { part: 0, offset, length }));
    }
}

#[test]
fn an_index_that_stands_for_nothing_is_refused() {
    let payload = len(1, &len(2, &len(2, b"\x30\x01")));
    let changes = Changes { adds: vec![vec![0], vec![]], ..NOTHING };
    let cases: [(Edit, &Changes<_, _>, _); 4] = [
        (edit(1, 6, 2), &NOTHING, SpliceError::NoPart(1)),
        (Edit { add: 0, ..edit(0, 6, 2) }, &NOTHING, SpliceError::NoChange(0)),
        (Edit { state: 7, ..edit(0, 6, 2) }, &NOTHING, SpliceError::NoChange(7)),
        (Edit { add: 1, ..edit(0, 6, 2) }, &changes, SpliceError::NoChange(0)),
    ];
    for (edit, changes, error) in cases {
        assert_eq!(splice(&[&payload], &[edit], changes, &[]), Err(error));
    }
}
