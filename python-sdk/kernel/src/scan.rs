//! Payloads in, columns out. Every field of the trace schema is checked; values are kept for watched attributes only.
//!
//! The twin of `eigenspan/collector/scan_python.py`. No panic, no Python, no policy.

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;

use crate::columns::{Best, Columns, Fixed, Names, Scalar, Watch};
use crate::rows::Rows;
use crate::wire::{MAX_DEPTH, Reader, Reason, Value, WireError, is_text, short_field};

type Checked<T = ()> = Result<T, WireError>;

/// Under this key the watch list asks for a span's own field `type`.
const SPAN_TYPE: &[u8] = b"$type";

/// The rows of all good payloads, which of them (by index) have one of the names, and why each of the others was refused.
#[derive(Debug)]
pub struct Scanned {
    pub batch: RecordBatch,
    pub errors: Vec<(u32, WireError)>,
    pub named: Vec<u32>,
}

/// Why a payload has no rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    Malformed(WireError),
    /// It is sound, and one of the names that the scan looked out for is among its keys.
    Named,
}

/// Scans each payload as an ExportTraceServiceRequest. A bad payload contributes an error and no row.
pub fn scan<P: AsRef<[u8]>>(payloads: &[P], watch: &Watch, names: &Names) -> Result<Scanned, ArrowError> {
    let mut scan = Scan::new(watch, names);
    let (mut errors, mut named) = (Vec::new(), Vec::new());
    for bytes in payloads {
        let number = scan.payloads;
        match scan.add(bytes.as_ref(), true) {
            Err(Refusal::Malformed(error)) => errors.push((number, error)),
            _ if scan.look.found => named.push(number),
            _ => {}
        }
    }
    let mut rows = Rows::new(watch);
    rows.append(&scan.columns);
    Ok(Scanned { batch: rows.finish()?, errors, named })
}

/// The names that a scan looks out for, and whether the payload has one.
#[derive(Clone, Copy)]
struct Look<'a> {
    names: &'a Names,
    found: bool,
}

/// A scan of one payload after another. Rows carry the number of their payload, counted from 0.
pub struct Scan<'a> {
    watch: &'a Watch,
    look: Look<'a>,
    payloads: u32,
    pub columns: Columns<'a>,
    span: Best<'a>,
    resource: Best<'a>,
    /// The payload, resource and scope that the scan is in.
    at: Fixed<'a>,
}

impl<'a> Scan<'a> {
    /// `names` are the attribute keys of which a payload must have none, at any level.
    pub fn new(watch: &'a Watch, names: &'a Names) -> Self {
        Self {
            watch,
            look: Look { names, found: false },
            payloads: 0,
            columns: Columns::new(watch),
            span: Best::new(watch),
            resource: Best::new(watch),
            at: Fixed::default(),
        }
    }

    /// Appends the rows of a payload, or none where it is refused. `any_name`: the names do not matter in this one.
    pub fn add(&mut self, bytes: &'a [u8], any_name: bool) -> Result<(), Refusal> {
        let rows = self.columns.rows();
        self.look.found = false;
        let read = self.payload(self.payloads, bytes);
        self.payloads += 1;
        let refusal = match read {
            Err(error) => Refusal::Malformed(error),
            Ok(()) if self.look.found && !any_name => Refusal::Named,
            Ok(()) => return Ok(()),
        };
        self.columns.truncate(rows);
        Err(refusal)
    }

    fn payload(&mut self, payload: u32, bytes: &'a [u8]) -> Checked {
        if bytes.len() > i32::MAX as usize {
            return Err(WireError { reason: Reason::PayloadTooLong, offset: 0 });
        }
        self.at = Fixed { payload, ..Fixed::default() };
        let mut request = Reader::new(bytes);
        while let Some(field) = request.field()? {
            match (field.number, field.value) {
                (1, Value::Len(body)) => {
                    self.resource_spans(body)?;
                    self.at.resource += 1;
                }
                (1, _) => return Err(field.wrong_type("ExportTraceServiceRequest")),
                _ => {}
            }
        }
        Ok(())
    }

    fn resource_spans(&mut self, mut body: Reader<'a>) -> Checked {
        self.resource.clear();
        while let Some(field) = body.field()? {
            match (field.number, field.value) {
                (1, Value::Len(body)) => self.resource(body)?,
                (2, Value::Len(body)) => {
                    self.scope_spans(body)?;
                    self.at.scope += 1;
                }
                (3, Value::Len(body)) => text(body, "ResourceSpans", 3, field.at)?,
                (1..=3, _) => return Err(field.wrong_type("ResourceSpans")),
                _ => {}
            }
        }
        self.columns.fill_resource(&self.resource);
        Ok(())
    }

    fn resource(&mut self, mut body: Reader<'a>) -> Checked {
        while let Some(field) = body.field()? {
            match (field.number, field.value) {
                (1, Value::Len(body)) => {
                    let (key, value) = key_value(body, 0, &mut self.look)?;
                    self.resource.offer(&self.watch.resource, key, value);
                }
                (2, Value::Varint(_)) => {}
                (3, Value::Len(body)) => entity_ref(body)?,
                (1..=3, _) => return Err(field.wrong_type("Resource")),
                _ => {}
            }
        }
        Ok(())
    }

    fn scope_spans(&mut self, mut body: Reader<'a>) -> Checked {
        while let Some(field) = body.field()? {
            match (field.number, field.value) {
                (1, Value::Len(body)) => scope(body, &mut self.look)?,
                (2, Value::Len(body)) => self.span(body)?,
                (3, Value::Len(body)) => text(body, "ScopeSpans", 3, field.at)?,
                (1..=3, _) => return Err(field.wrong_type("ScopeSpans")),
                _ => {}
            }
        }
        Ok(())
    }

    fn span(&mut self, mut body: Reader<'a>) -> Checked {
        let start = body.offset();
        let mut row = Fixed { offset: start as u32, length: body.rest().len() as u32, ..self.at };
        let (mut trace_id, mut span_id, mut parent_id) = (&[][..], &[][..], &[][..]);
        self.span.clear();
        while let Some(field) = body.field()? {
            match (field.number, field.value) {
                (9, Value::Len(body)) => {
                    let (key, value) = key_value(body, 0, &mut self.look)?;
                    self.span.offer(&self.watch.span, key, value);
                }
                (1, Value::Len(body)) => trace_id = body.rest(),
                (2, Value::Len(body)) => span_id = body.rest(),
                (3, Value::Len(body)) => row.trace_state = body.text("Span", 3, field.at)?,
                (4, Value::Len(body)) => parent_id = body.rest(),
                (5, Value::Len(body)) => row.name = body.text("Span", 5, field.at)?,
                (6, Value::Varint(kind)) => row.kind = kind as i32,
                (7, Value::Fixed64(nanos)) => row.start_ns = nanos,
                (8, Value::Fixed64(nanos)) => row.end_ns = nanos,
                (11, Value::Len(body)) => event(body, &mut self.look)?,
                (13, Value::Len(body)) => link(body, &mut self.look)?,
                (15, Value::Len(body)) => status(body, &mut row.status)?,
                (17, Value::Len(body)) => {
                    let kind = body.text_bytes("Span", 17, field.at)?;
                    self.span.offer(&self.watch.span, SPAN_TYPE, Scalar::Text(kind));
                }
                (10 | 12 | 14, Value::Varint(_)) | (16, Value::Fixed32(_)) => {}
                (1..=17, _) => return Err(field.wrong_type("Span")),
                _ => {}
            }
        }
        let trace_id: [u8; 16] = id(trace_id, "trace_id", start)?;
        let [hi, lo] = [0, 8].map(|at| u64::from_be_bytes(std::array::from_fn(|index| trace_id[at + index])));
        (row.trace_hi, row.trace_lo) = (hi, lo);
        row.span_id = u64::from_be_bytes(id(span_id, "span_id", start)?);
        if !parent_id.is_empty() {
            row.parent_id = u64::from_be_bytes(id_of_length(parent_id, "parent_span_id", start)?);
        }
        self.columns.push(row, &self.span);
        Ok(())
    }
}

#[inline]
fn text(body: Reader<'_>, message: &'static str, number: u32, at: usize) -> Checked {
    body.text_bytes(message, number, at).map(|_| ())
}

fn id_of_length<const N: usize>(bytes: &[u8], name: &'static str, at: usize) -> Checked<[u8; N]> {
    bytes.try_into().map_err(|_| WireError { reason: Reason::IdLength(name, N as u8), offset: at })
}

fn id<const N: usize>(bytes: &[u8], name: &'static str, at: usize) -> Checked<[u8; N]> {
    let id = id_of_length(bytes, name, at)?;
    if id == [0; N] {
        return Err(WireError { reason: Reason::IdZero(name), offset: at });
    }
    Ok(id)
}

fn scope(mut body: Reader<'_>, look: &mut Look<'_>) -> Checked {
    while let Some(field) = body.field()? {
        match (field.number, field.value) {
            (1 | 2, Value::Len(body)) => text(body, "InstrumentationScope", field.number, field.at)?,
            (3, Value::Len(body)) => {
                key_value(body, 0, look)?;
            }
            (4, Value::Varint(_)) => {}
            (1..=4, _) => return Err(field.wrong_type("InstrumentationScope")),
            _ => {}
        }
    }
    Ok(())
}

fn entity_ref(mut body: Reader<'_>) -> Checked {
    while let Some(field) = body.field()? {
        match (field.number, field.value) {
            (1..=4, Value::Len(body)) => text(body, "EntityRef", field.number, field.at)?,
            (1..=4, _) => return Err(field.wrong_type("EntityRef")),
            _ => {}
        }
    }
    Ok(())
}

fn event(mut body: Reader<'_>, look: &mut Look<'_>) -> Checked {
    while let Some(field) = body.field()? {
        match (field.number, field.value) {
            (1, Value::Fixed64(_)) | (4, Value::Varint(_)) => {}
            (2, Value::Len(body)) => text(body, "Event", 2, field.at)?,
            (3, Value::Len(body)) => {
                key_value(body, 0, look)?;
            }
            (1..=4, _) => return Err(field.wrong_type("Event")),
            _ => {}
        }
    }
    Ok(())
}

fn link(mut body: Reader<'_>, look: &mut Look<'_>) -> Checked {
    let start = body.offset();
    let (mut trace_id, mut span_id) = (&[][..], &[][..]);
    while let Some(field) = body.field()? {
        match (field.number, field.value) {
            (1, Value::Len(body)) => trace_id = body.rest(),
            (2, Value::Len(body)) => span_id = body.rest(),
            (3, Value::Len(body)) => text(body, "Link", 3, field.at)?,
            (4, Value::Len(body)) => {
                key_value(body, 0, look)?;
            }
            (5, Value::Varint(_)) | (6, Value::Fixed32(_)) => {}
            (1..=6, _) => return Err(field.wrong_type("Link")),
            _ => {}
        }
    }
    if !trace_id.is_empty() {
        id_of_length::<16>(trace_id, "link trace_id", start)?;
    }
    if !span_id.is_empty() {
        id_of_length::<8>(span_id, "link span_id", start)?;
    }
    Ok(())
}

fn status(mut body: Reader<'_>, code: &mut i32) -> Checked {
    while let Some(field) = body.field()? {
        match (field.number, field.value) {
            (2, Value::Len(body)) => text(body, "Status", 2, field.at)?,
            (3, Value::Varint(value)) => *code = value as i32,
            (2..=3, _) => return Err(field.wrong_type("Status")),
            _ => {}
        }
    }
    Ok(())
}

/// An attribute. `depth` is how many arrays and lists it is inside of.
#[inline]
fn key_value<'a>(body: Reader<'a>, depth: u32, look: &mut Look<'_>) -> Checked<(&'a [u8], Scalar<'a>)> {
    let (key, value) = match plain(body) {
        Some(found) => found,
        None => any_key_value(body, depth, look)?,
    };
    look.found |= look.names.has(key);
    Ok((key, value))
}

/// An attribute of the shape that most have: a key and a text, in this order and each under 128 bytes.
#[inline]
fn plain(body: Reader<'_>) -> Option<(&[u8], Scalar<'_>)> {
    let (key, rest) = short_field(body.rest(), 0x0a)?;
    let (value, rest) = short_field(rest, 0x12)?;
    let (text, after) = short_field(value, 0x0a)?;
    (rest.is_empty() && after.is_empty() && is_text(key) && is_text(text)).then_some((key, Scalar::Text(text)))
}

fn any_key_value<'a>(mut body: Reader<'a>, depth: u32, look: &mut Look<'_>) -> Checked<(&'a [u8], Scalar<'a>)> {
    let mut key = &[][..];
    let mut value = Scalar::Null;
    while let Some(field) = body.field()? {
        match (field.number, field.value) {
            (1, Value::Len(body)) => key = body.text_bytes("KeyValue", 1, field.at)?,
            (2, Value::Len(body)) => any_value(body, depth, &mut value, look)?,
            (3, Value::Varint(_)) => {}
            (1..=3, _) => return Err(field.wrong_type("KeyValue")),
            _ => {}
        }
    }
    Ok((key, value))
}

/// Merges an AnyValue into `value`: the last member of the oneof that is present wins.
fn any_value<'a>(mut body: Reader<'a>, depth: u32, value: &mut Scalar<'a>, look: &mut Look<'_>) -> Checked {
    while let Some(field) = body.field()? {
        *value = match (field.number, field.value) {
            (1, Value::Len(body)) => Scalar::Text(body.text_bytes("AnyValue", 1, field.at)?),
            (2, Value::Varint(truth)) => Scalar::Bool(truth != 0),
            (3, Value::Varint(number)) => Scalar::Int(number as i64),
            (4, Value::Fixed64(bits)) => Scalar::Double(f64::from_bits(bits)),
            (5 | 6, Value::Len(_)) if depth == MAX_DEPTH => {
                return Err(WireError { reason: Reason::TooDeep, offset: field.at });
            }
            (5, Value::Len(body)) => {
                array_value(body, depth + 1, look)?;
                Scalar::Null
            }
            (6, Value::Len(body)) => {
                key_value_list(body, depth + 1, look)?;
                Scalar::Null
            }
            (7, Value::Len(_)) | (8, Value::Varint(_)) => Scalar::Null,
            (1..=8, _) => return Err(field.wrong_type("AnyValue")),
            _ => continue,
        };
    }
    Ok(())
}

fn array_value(mut body: Reader<'_>, depth: u32, look: &mut Look<'_>) -> Checked {
    while let Some(field) = body.field()? {
        match (field.number, field.value) {
            (1, Value::Len(body)) => any_value(body, depth, &mut Scalar::Null, look)?,
            (1, _) => return Err(field.wrong_type("ArrayValue")),
            _ => {}
        }
    }
    Ok(())
}

fn key_value_list(mut body: Reader<'_>, depth: u32, look: &mut Look<'_>) -> Checked {
    while let Some(field) = body.field()? {
        match (field.number, field.value) {
            (1, Value::Len(body)) => {
                key_value(body, depth, look)?;
            }
            (1, _) => return Err(field.wrong_type("KeyValueList")),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
