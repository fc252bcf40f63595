//! Spans out of payloads, edited, joined into one new ExportTraceServiceRequest.
//!
//! The twin of `eigenspan/collector/splice_python.py`. What no edit names keeps its bytes and their order.

use std::collections::HashMap;
use std::fmt;

use crate::wire::{Reader, Value, WireError, put_varint, varint_size};

/// One span to take: the index of its part, its place there, and which of the `Changes` are made.
#[derive(Clone, Copy, Debug)]
pub struct Edit {
    pub part: u32,
    pub offset: u32,
    pub length: u32,
    /// An index into `Changes::adds`; negative for none.
    pub add: i32,
    /// An index into `Changes::states`; negative leaves the trace_state as it is.
    pub state: i32,
}

/// What edits change. `S` and `B` are whatever holds text and bytes at the caller.
#[derive(Clone, Debug)]
pub struct Changes<S, B> {
    /// Key, and the encoded Span.attributes field; left out if the span has an attribute with this key. Without bytes:
    /// the span's attributes with this key are cut.
    pub fields: Vec<(S, B)>,
    /// Indices into `fields`.
    pub adds: Vec<Vec<u32>>,
    /// Trace states; `""` removes one.
    pub states: Vec<S>,
}

/// Why nothing was spliced. `part` is the index of the payload among the parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpliceError {
    Wire { part: usize, error: WireError },
    NotASpan { part: usize, offset: u32, length: u32 },
    NoPart(u32),
    NoChange(i64),
}

impl fmt::Display for SpliceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wire { part, error } => write!(f, "part {part}: {} at byte {}", error.reason, error.offset),
            Self::NotASpan { part, offset, length } => {
                write!(f, "part {part}: no span of {length} bytes at byte {offset}")
            }
            Self::NoPart(part) => write!(f, "no part {part}"),
            Self::NoChange(index) => write!(f, "no change {index}"),
        }
    }
}

/// One request with the chosen spans, in the order of the edits, of which those of a part stand together. Spans whose
/// ResourceSpans are equal but for their scopes share one, and within it those whose ScopeSpans are equal but for their
/// spans; both in order of appearance. A scope whose schema_url is in `restamp` gets the one that stands beside it there.
pub fn splice<P, S, B>(
    parts: &[P],
    edits: &[Edit],
    changes: &Changes<S, B>,
    restamp: &[(S, S)],
) -> Result<Vec<u8>, SpliceError>
where
    P: AsRef<[u8]>,
    S: AsRef<str>,
    B: AsRef<[u8]>,
{
    let restamp: Vec<_> = restamp.iter().map(|(old, new)| (old.as_ref().as_bytes(), new.as_ref())).collect();
    let adds = changes.adds.iter().map(|add| Add::of(add, &changes.fields)).collect::<Result<Vec<_>, _>>()?;
    let states: Vec<&str> = changes.states.iter().map(AsRef::as_ref).collect();
    let (mut groups, mut body) = (Groups::default(), Body::default());
    for edits in edits.chunk_by(|one, next| one.part == next.part) {
        let part = edits[0].part as usize;
        let payload = parts.get(part).ok_or(SpliceError::NoPart(edits[0].part))?;
        let at_part = |error| SpliceError::Wire { part, error };
        let index = Index::of(payload.as_ref()).map_err(at_part)?;
        let mut group_of_scope = vec![None; index.scopes.len()];
        for &Edit { offset, length, add, state, .. } in edits {
            let found = index.find(offset as usize, length as usize);
            let (scope, span) = found.ok_or(SpliceError::NotASpan { part, offset, length })?;
            let group = match group_of_scope[scope] {
                Some(group) => group,
                None => *group_of_scope[scope].insert(groups.find(&index, scope, &restamp).map_err(at_part)?),
            };
            let (add, state) = (chosen(&adds, add)?, chosen(&states, state)?);
            let edited = body.edited(span, add, state.copied()).map_err(at_part)?;
            let spans = &mut groups.scopes[group].spans;
            put_len(spans, 2, edited.len());
            spans.extend_from_slice(edited);
        }
    }
    Ok(groups.finish())
}

/// What an index stands for; nothing where it is negative.
fn chosen<T>(from: &[T], index: i32) -> Result<Option<&T>, SpliceError> {
    match usize::try_from(index) {
        Err(_) => Ok(None),
        Ok(at) => from.get(at).map(Some).ok_or(SpliceError::NoChange(index.into())),
    }
}

/// The keys that are cut, and what is appended under its key.
struct Add<'a> {
    cut: Vec<&'a [u8]>,
    put: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> Add<'a> {
    fn of<S: AsRef<str>, B: AsRef<[u8]>>(indices: &[u32], fields: &'a [(S, B)]) -> Result<Self, SpliceError> {
        let mut add = Self { cut: Vec::new(), put: Vec::new() };
        for &index in indices {
            let (key, field) = fields.get(index as usize).ok_or(SpliceError::NoChange(index.into()))?;
            match field.as_ref() {
                [] => add.cut.push(key.as_ref().as_bytes()),
                field => add.put.push((key.as_ref().as_bytes(), field)),
            }
        }
        Ok(add)
    }
}

/// Where the spans of a payload are, in document order.
struct Index<'a> {
    resources: Vec<Reader<'a>>,
    scopes: Vec<(usize, Reader<'a>)>,
    spans: Vec<(usize, Reader<'a>)>,
}

impl<'a> Index<'a> {
    fn of(payload: &'a [u8]) -> Result<Self, WireError> {
        let mut index = Self { resources: Vec::new(), scopes: Vec::new(), spans: Vec::new() };
        let mut request = Reader::new(payload);
        while let Some(resource) = child(&mut request, 1)? {
            let mut scopes = resource;
            while let Some(scope) = child(&mut scopes, 2)? {
                let mut spans = scope;
                while let Some(span) = child(&mut spans, 2)? {
                    index.spans.push((index.scopes.len(), span));
                }
                index.scopes.push((index.resources.len(), scope));
            }
            index.resources.push(resource);
        }
        Ok(index)
    }

    /// The span with exactly this place, and the number of its scope.
    fn find(&self, offset: usize, length: usize) -> Option<(usize, Reader<'a>)> {
        let found = self.spans.binary_search_by_key(&offset, |(_, span)| span.offset()).ok()?;
        self.spans.get(found).copied().filter(|(_, span)| span.rest().len() == length)
    }
}

/// The next submessage in field `number`, or `None` at the end of the parent.
fn child<'a>(parent: &mut Reader<'a>, number: u32) -> Result<Option<Reader<'a>>, WireError> {
    while let Some(field) = parent.field()? {
        if let (Value::Len(body), true) = (field.value, field.number == number) {
            return Ok(Some(body));
        }
    }
    Ok(None)
}

/// All of a message but its submessages in field `number`.
fn head(mut body: Reader<'_>, number: u32) -> Result<Vec<u8>, WireError> {
    let mut kept = Vec::new();
    while let Some(field) = body.field()? {
        if !matches!(field.value, Value::Len(_)) || field.number != number {
            kept.extend_from_slice(body.since(field.at));
        }
    }
    Ok(kept)
}

/// The head of a ScopeSpans under its new schema_url; `None` where it keeps its own.
fn restamped(scope: Reader<'_>, restamp: &[(&[u8], &str)]) -> Result<Option<Vec<u8>>, WireError> {
    if restamp.is_empty() {
        return Ok(None);
    }
    let (mut body, mut url) = (scope, None);
    while let Some(found) = child(&mut body, 3)? {
        url = Some(found.rest());
    }
    let Some((_, new)) = restamp.iter().find(|(old, _)| Some(*old) == url) else { return Ok(None) };
    let (mut body, mut kept) = (scope, Vec::new());
    while let Some(field) = body.field()? {
        if !matches!((field.number, field.value), (2 | 3, Value::Len(_))) {
            kept.extend_from_slice(body.since(field.at));
        }
    }
    put_len(&mut kept, 3, new.len());
    kept.extend_from_slice(new.as_bytes());
    Ok(Some(kept))
}

struct Resource {
    head: Vec<u8>,
    scopes: Vec<usize>,
}

struct Scope {
    head: Vec<u8>,
    spans: Vec<u8>,
}

/// The request in the making.
#[derive(Default)]
struct Groups {
    resources: Vec<Resource>,
    scopes: Vec<Scope>,
    resource_of: HashMap<Vec<u8>, usize>,
    scope_of: HashMap<(usize, Vec<u8>), usize>,
}

impl Groups {
    fn find(&mut self, index: &Index<'_>, scope: usize, restamp: &[(&[u8], &str)]) -> Result<usize, WireError> {
        let (resource, scope) = index.scopes[scope];
        let resource_head = head(index.resources[resource], 2)?;
        let scope_head = restamped(scope, restamp)?.map_or_else(|| head(scope, 2), Ok)?;
        let resource = *self.resource_of.entry(resource_head).or_insert_with_key(|head| {
            self.resources.push(Resource { head: head.clone(), scopes: Vec::new() });
            self.resources.len() - 1
        });
        Ok(*self.scope_of.entry((resource, scope_head)).or_insert_with_key(|(_, head)| {
            self.scopes.push(Scope { head: head.clone(), spans: Vec::new() });
            self.resources[resource].scopes.push(self.scopes.len() - 1);
            self.scopes.len() - 1
        }))
    }

    fn finish(&self) -> Vec<u8> {
        let size_of_scope = |&scope: &usize| self.scopes[scope].head.len() + self.scopes[scope].spans.len();
        let mut out = Vec::with_capacity(self.scopes.iter().map(|s| s.head.len() + s.spans.len() + 16).sum());
        for resource in &self.resources {
            let scopes = resource.scopes.iter().map(size_of_scope);
            let size: usize = scopes.map(|size| 1 + varint_size(size as u64) + size).sum();
            put_len(&mut out, 1, resource.head.len() + size);
            out.extend_from_slice(&resource.head);
            for scope in &resource.scopes {
                put_len(&mut out, 2, size_of_scope(scope));
                out.extend_from_slice(&self.scopes[*scope].head);
                out.extend_from_slice(&self.scopes[*scope].spans);
            }
        }
        out
    }
}

/// The tag and length of a field of wire type 2.
fn put_len(out: &mut Vec<u8>, number: u8, length: usize) {
    out.push(number << 3 | 2);
    put_varint(out, length as u64);
}

/// The body of a span in the making, and the keys of its attributes; kept from one span to the next for their room.
#[derive(Default)]
struct Body<'a> {
    bytes: Vec<u8>,
    keys: Vec<&'a [u8]>,
}

impl<'a> Body<'a> {
    fn edited<'b>(
        &'b mut self,
        mut span: Reader<'a>,
        add: Option<&Add<'a>>,
        state: Option<&str>,
    ) -> Result<&'b [u8], WireError> {
        let whole = span.rest();
        if add.is_none() && state.is_none() {
            return Ok(whole);
        }
        self.bytes.clear();
        self.keys.clear();
        let (mut kept_from, first) = (span.offset(), span);
        while let Some(field) = span.field()? {
            let gone = match (field.number, field.value) {
                (9, Value::Len(attribute)) => match add {
                    None => false,
                    Some(add) => {
                        let key = key_of(attribute)?;
                        let cut = add.cut.contains(&key);
                        if !cut {
                            self.keys.push(key);
                        }
                        cut
                    }
                },
                (3, _) => state.is_some(),
                _ => false,
            };
            if gone {
                self.bytes.extend_from_slice(first.between(kept_from, field.at));
                kept_from = span.offset();
            }
        }
        self.bytes.extend_from_slice(first.between(kept_from, span.offset()));
        if let Some(text) = state.filter(|text| !text.is_empty()) {
            put_len(&mut self.bytes, 3, text.len());
            self.bytes.extend_from_slice(text.as_bytes());
        }
        for &(key, attribute) in add.iter().flat_map(|add| &add.put) {
            if !self.keys.contains(&key) {
                self.keys.push(key);
                self.bytes.extend_from_slice(attribute);
            }
        }
        Ok(&self.bytes)
    }
}

fn key_of(mut attribute: Reader<'_>) -> Result<&[u8], WireError> {
    let mut key = &[][..];
    while let Some(body) = child(&mut attribute, 1)? {
        key = body.rest();
    }
    Ok(key)
}

#[cfg(test)]
#[path = "splice_tests.rs"]
mod tests;
