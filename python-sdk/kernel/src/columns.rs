//! What is watched, and the columns that a scan fills: the twin of `eigenspan/collector/spans.py`.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringViewArray, UInt32Array,
    UInt64Array,
};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};

/// The type of a watched column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    String,
    Int,
    Double,
    Boolean,
}

/// Whose attributes are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Span,
    Resource,
}

/// An attribute that becomes a column. `keys` are the attribute keys that mean it, the best first.
#[derive(Clone, Debug)]
pub struct Watched {
    pub column: String,
    pub kind: Type,
    pub keys: Vec<String>,
    pub level: Level,
}

/// Two columns of one batch would have the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuplicateColumn(pub String);

impl fmt::Display for DuplicateColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {:?} is there twice", self.0)
    }
}

/// The columns that a key feeds: index of the column, and how good the key is for it (0 is best).
type Targets = Vec<(usize, u32)>;

/// Looks keys up by length and then by comparing: most keys of a span are as long as no watched key.
#[derive(Clone, Debug, Default)]
pub struct Keys(Vec<Vec<(String, Targets)>>);

impl Keys {
    fn of(watched: &[Watched], level: Level) -> Self {
        let mut keys = Self::default();
        for (column, watch) in watched.iter().enumerate().filter(|(_, w)| w.level == level) {
            for (rank, key) in (0..).zip(&watch.keys) {
                keys.add(key, column, rank);
            }
        }
        keys
    }

    fn add(&mut self, key: &str, column: usize, rank: u32) {
        if self.0.len() <= key.len() {
            self.0.resize(key.len() + 1, Vec::new());
        }
        let same_length = &mut self.0[key.len()];
        match same_length.iter_mut().find(|(k, _)| k == key) {
            Some((_, targets)) => targets.push((column, rank)),
            None => same_length.push((key.to_owned(), vec![(column, rank)])),
        }
    }

    #[inline]
    fn get(&self, key: &str) -> &[(usize, u32)] {
        self.0
            .get(key.len())
            .and_then(|same_length| same_length.iter().find(|(k, _)| k == key))
            .map_or(&[], |(_, targets)| targets)
    }
}

/// A watch list, compiled.
#[derive(Clone, Debug)]
pub struct Watch {
    watched: Vec<Watched>,
    pub(crate) span: Keys,
    pub(crate) resource: Keys,
    schema: SchemaRef,
}

impl Watch {
    pub fn new(watched: Vec<Watched>) -> Result<Self, DuplicateColumn> {
        let required = |name: &str, kind| Field::new(name, kind, false);
        let mut fields = vec![
            required("payload", DataType::UInt32),
            required("offset", DataType::UInt32),
            required("length", DataType::UInt32),
            required("resource", DataType::UInt32),
            required("scope", DataType::UInt32),
            required("trace_hi", DataType::UInt64),
            required("trace_lo", DataType::UInt64),
            required("span_id", DataType::UInt64),
            required("parent_id", DataType::UInt64),
            required("kind", DataType::Int32),
            required("status", DataType::Int32),
            required("name", DataType::Utf8View),
            required("trace_state", DataType::Utf8View),
            required("start_ns", DataType::UInt64),
            required("end_ns", DataType::UInt64),
        ];
        fields.extend(watched.iter().map(|w| {
            let kind = match w.kind {
                Type::String => DataType::Utf8View,
                Type::Int => DataType::Int64,
                Type::Double => DataType::Float64,
                Type::Boolean => DataType::Boolean,
            };
            Field::new(&w.column, kind, true)
        }));
        let mut names = HashSet::new();
        if let Some(twice) = fields.iter().find(|field| !names.insert(field.name())) {
            return Err(DuplicateColumn(twice.name().clone()));
        }
        Ok(Self {
            span: Keys::of(&watched, Level::Span),
            resource: Keys::of(&watched, Level::Resource),
            schema: Arc::new(Schema::new(fields)),
            watched,
        })
    }
}

/// An attribute's value as far as columns can hold it. `Null` stands for no value, bytes, arrays and lists too.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar<'a> {
    Null,
    Str(&'a str),
    Int(i64),
    Double(f64),
    Bool(bool),
}

/// The best value seen so far for each watched column, of one span or one resource.
#[derive(Debug)]
pub struct Best<'a>(Vec<(u32, Scalar<'a>)>);

impl<'a> Best<'a> {
    pub fn new(watch: &Watch) -> Self {
        Self(vec![(u32::MAX, Scalar::Null); watch.watched.len()])
    }

    pub fn clear(&mut self) {
        self.0.fill((u32::MAX, Scalar::Null));
    }

    /// A better key replaces a worse one; the first value under a key stays.
    #[inline]
    pub fn offer(&mut self, keys: &Keys, key: &str, value: Scalar<'a>) {
        for &(column, rank) in keys.get(key) {
            if rank < self.0[column].0 {
                self.0[column] = (rank, value);
            }
        }
    }
}

#[derive(Debug)]
enum Cells<'a> {
    String(Vec<Option<Cow<'a, str>>>),
    Int(Vec<Option<i64>>),
    Double(Vec<Option<f64>>),
    Boolean(Vec<Option<bool>>),
}

impl<'a> Cells<'a> {
    fn new(kind: Type) -> Self {
        match kind {
            Type::String => Self::String(Vec::new()),
            Type::Int => Self::Int(Vec::new()),
            Type::Double => Self::Double(Vec::new()),
            Type::Boolean => Self::Boolean(Vec::new()),
        }
    }

    fn truncate(&mut self, rows: usize) {
        match self {
            Self::String(cells) => cells.truncate(rows),
            Self::Int(cells) => cells.truncate(rows),
            Self::Double(cells) => cells.truncate(rows),
            Self::Boolean(cells) => cells.truncate(rows),
        }
    }

    /// Fills up to `rows` with `value`, read by the rules of `Watched`.
    #[inline]
    fn fill(&mut self, rows: usize, value: Scalar<'a>) {
        match self {
            Self::String(cells) => cells.resize(
                rows,
                match value {
                    Scalar::Str(text) => Some(Cow::Borrowed(text)),
                    Scalar::Int(number) => Some(Cow::Owned(number.to_string())),
                    Scalar::Bool(truth) => Some(Cow::Borrowed(if truth { "true" } else { "false" })),
                    Scalar::Double(_) | Scalar::Null => None,
                },
            ),
            Self::Int(cells) => cells.resize(
                rows,
                match value {
                    Scalar::Int(number) => Some(number),
                    _ => None,
                },
            ),
            Self::Double(cells) => cells.resize(
                rows,
                match value {
                    Scalar::Double(number) => Some(number),
                    Scalar::Int(number) => Some(number as f64),
                    _ => None,
                },
            ),
            Self::Boolean(cells) => cells.resize(
                rows,
                match value {
                    Scalar::Bool(truth) => Some(truth),
                    Scalar::Str(text) if text.eq_ignore_ascii_case("true") => Some(true),
                    Scalar::Str(text) if text.eq_ignore_ascii_case("false") => Some(false),
                    _ => None,
                },
            ),
        }
    }

    fn finish(self) -> ArrayRef {
        match self {
            Self::String(cells) => Arc::new(StringViewArray::from_iter(cells)),
            Self::Int(cells) => Arc::new(Int64Array::from(cells)),
            Self::Double(cells) => Arc::new(Float64Array::from(cells)),
            Self::Boolean(cells) => Arc::new(BooleanArray::from(cells)),
        }
    }
}

/// The columns that every batch has, of one span.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fixed<'a> {
    pub payload: u32,
    pub offset: u32,
    pub length: u32,
    pub resource: u32,
    pub scope: u32,
    pub trace_hi: u64,
    pub trace_lo: u64,
    pub span_id: u64,
    pub parent_id: u64,
    pub kind: i32,
    pub status: i32,
    pub name: &'a str,
    pub trace_state: &'a str,
    pub start_ns: u64,
    pub end_ns: u64,
}

/// A batch in the making. Strings stay in their payloads until `finish` copies those of accepted spans.
#[derive(Debug)]
pub struct Columns<'a> {
    watch: &'a Watch,
    fixed: Vec<Fixed<'a>>,
    watched: Vec<Cells<'a>>,
}

impl<'a> Columns<'a> {
    pub fn new(watch: &'a Watch) -> Self {
        Self { watch, fixed: Vec::new(), watched: watch.watched.iter().map(|w| Cells::new(w.kind)).collect() }
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.fixed.len()
    }

    /// Forgets all rows from `rows` on.
    pub fn truncate(&mut self, rows: usize) {
        self.fixed.truncate(rows);
        for cells in &mut self.watched {
            cells.truncate(rows);
        }
    }

    /// Appends a span. Its resource's columns follow with `fill_resource`.
    #[inline]
    pub fn push(&mut self, fixed: Fixed<'a>, best: &Best<'a>) {
        self.fixed.push(fixed);
        self.fill(Level::Span, best);
    }

    /// Completes the rows appended since the last call with what their resource says.
    pub fn fill_resource(&mut self, best: &Best<'a>) {
        self.fill(Level::Resource, best);
    }

    #[inline]
    fn fill(&mut self, level: Level, best: &Best<'a>) {
        let rows = self.fixed.len();
        for ((cells, watched), &(_, value)) in self.watched.iter_mut().zip(&self.watch.watched).zip(&best.0) {
            if watched.level == level {
                cells.fill(rows, value);
            }
        }
    }

    /// The batch, in the order of the schema.
    pub fn finish(self) -> Result<RecordBatch, ArrowError> {
        let rows = &self.fixed;
        let u32s = |of: fn(&Fixed<'a>) -> u32| Arc::new(UInt32Array::from_iter_values(rows.iter().map(of))) as ArrayRef;
        let u64s = |of: fn(&Fixed<'a>) -> u64| Arc::new(UInt64Array::from_iter_values(rows.iter().map(of))) as ArrayRef;
        let i32s = |of: fn(&Fixed<'a>) -> i32| Arc::new(Int32Array::from_iter_values(rows.iter().map(of))) as ArrayRef;
        let texts = |of: fn(&Fixed<'a>) -> &'a str| {
            Arc::new(StringViewArray::from_iter_values(rows.iter().map(of))) as ArrayRef
        };
        let mut arrays = vec![
            u32s(|row| row.payload),
            u32s(|row| row.offset),
            u32s(|row| row.length),
            u32s(|row| row.resource),
            u32s(|row| row.scope),
            u64s(|row| row.trace_hi),
            u64s(|row| row.trace_lo),
            u64s(|row| row.span_id),
            u64s(|row| row.parent_id),
            i32s(|row| row.kind),
            i32s(|row| row.status),
            texts(|row| row.name),
            texts(|row| row.trace_state),
            u64s(|row| row.start_ns),
            u64s(|row| row.end_ns),
        ];
        arrays.extend(self.watched.into_iter().map(Cells::finish));
        RecordBatch::try_new(Arc::clone(&self.watch.schema), arrays)
    }
}
