//! What is watched, and the columns that a scan fills: the twin of `eigenspan/collector/spans.py`.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};

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

/// Attribute keys by length, each with its tail: most keys of a span end as none of these does, whatever the case.
#[derive(Clone, Debug)]
struct Table<T>(Vec<Vec<(u64, String, T)>>);

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Clone + Default> Table<T> {
    /// What `key` stands for, which is nothing yet where it is new.
    fn entry(&mut self, key: &str) -> &mut T {
        if self.0.len() <= key.len() {
            self.0.resize(key.len() + 1, Vec::new());
        }
        let same_length = &mut self.0[key.len()];
        let at = same_length.iter().position(|(_, held, _)| held == key).unwrap_or_else(|| {
            same_length.push((tail(key.as_bytes()), key.to_owned(), T::default()));
            same_length.len() - 1
        });
        &mut same_length[at].2
    }

    /// The keys that may be `key`, and what each stands for.
    #[inline]
    fn candidates<'a>(&'a self, key: &[u8]) -> impl Iterator<Item = (&'a [u8], &'a T)> {
        let (same_length, tail) = (self.0.get(key.len()).map_or(&[][..], Vec::as_slice), tail(key));
        same_length.iter().filter(move |(held, ..)| *held == tail).map(|(_, key, of)| (key.as_bytes(), of))
    }
}

/// The last eight bytes of a key as a number, with the bit set in each by which a small letter differs from a capital.
#[inline]
fn tail(key: &[u8]) -> u64 {
    let last = match key.last_chunk() {
        Some(eight) => u64::from_le_bytes(*eight),
        None => key.iter().fold(0, |bytes, &byte| bytes << 8 | u64::from(byte)),
    };
    last | 0x2020_2020_2020_2020
}

/// The columns that each watched key feeds.
#[derive(Clone, Debug, Default)]
pub struct Keys(Table<Targets>);

impl Keys {
    fn of(watched: &[Watched], level: Level) -> Self {
        let mut keys = Table::<Targets>::default();
        for (column, watch) in watched.iter().enumerate().filter(|(_, w)| w.level == level) {
            for (rank, key) in (0..).zip(&watch.keys) {
                keys.entry(key).push((column, rank));
            }
        }
        Self(keys)
    }

    #[inline]
    fn get(&self, key: &[u8]) -> &[(usize, u32)] {
        self.0.candidates(key).find(|(held, _)| *held == key).map_or(&[], |(_, targets)| targets)
    }
}

/// Attribute keys of which a scan only says whether they occur, in whatever case.
#[derive(Clone, Debug, Default)]
pub struct Names(Table<()>);

impl Names {
    pub fn new<S: AsRef<str>>(names: &[S]) -> Self {
        let mut table = Table::default();
        for name in names {
            table.entry(name.as_ref());
        }
        Self(table)
    }

    #[inline]
    pub fn has(&self, name: &[u8]) -> bool {
        self.0.candidates(name).any(|(held, ())| held.eq_ignore_ascii_case(name))
    }
}

/// A watch list, compiled.
#[derive(Clone, Debug)]
pub struct Watch {
    pub(crate) watched: Vec<Watched>,
    pub(crate) span: Keys,
    pub(crate) resource: Keys,
    pub(crate) schema: SchemaRef,
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
    /// UTF-8, as has been checked.
    Text(&'a [u8]),
    Int(i64),
    Double(f64),
    Bool(bool),
}

/// The best value seen so far for each watched column, of one span or one resource.
#[derive(Debug)]
pub struct Best<'a> {
    /// How good the key is under which a column's value was found, and the value.
    columns: Vec<(u32, Scalar<'a>)>,
    /// The columns for which there is one.
    given: Vec<usize>,
}

impl<'a> Best<'a> {
    pub fn new(watch: &Watch) -> Self {
        Self { columns: vec![(u32::MAX, Scalar::Null); watch.watched.len()], given: Vec::new() }
    }

    pub fn clear(&mut self) {
        for column in self.given.drain(..) {
            self.columns[column].0 = u32::MAX;
        }
    }

    /// A better key replaces a worse one; the first value under a key stays.
    #[inline]
    pub fn offer(&mut self, keys: &Keys, key: &[u8], value: Scalar<'a>) {
        for &(column, rank) in keys.get(key) {
            let held = &mut self.columns[column];
            if held.0 == u32::MAX {
                self.given.push(column);
            }
            if rank < held.0 {
                *held = (rank, value);
            }
        }
    }
}

/// The values of one column. Rows at the end that have none are not there until a value follows or the batch is done.
#[derive(Debug)]
pub(crate) enum Cells<'a> {
    String(Vec<Option<Cow<'a, str>>>),
    Int(Vec<Option<i64>>),
    Double(Vec<Option<f64>>),
    Boolean(Vec<Option<bool>>),
}

/// Gives the rows from `from` to `to` one value, and those before that lack one none.
#[inline]
fn fill<T: Clone>(cells: &mut Vec<Option<T>>, from: usize, to: usize, value: Option<T>) {
    if value.is_some() {
        cells.resize(from, None);
        cells.resize(to, value);
    }
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

    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::String(cells) => cells.is_empty(),
            Self::Int(cells) => cells.is_empty(),
            Self::Double(cells) => cells.is_empty(),
            Self::Boolean(cells) => cells.is_empty(),
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

    /// Gives rows `value`, read by the rules of `Watched`.
    fn fill(&mut self, from: usize, to: usize, value: Scalar<'a>) {
        match self {
            Self::String(cells) => {
                let value = match value {
                    Scalar::Text(text) => std::str::from_utf8(text).ok().map(Cow::Borrowed),
                    Scalar::Int(number) => Some(Cow::Owned(number.to_string())),
                    Scalar::Bool(truth) => Some(Cow::Borrowed(if truth { "true" } else { "false" })),
                    Scalar::Double(_) | Scalar::Null => None,
                };
                fill(cells, from, to, value);
            }
            Self::Int(cells) => {
                let value = match value {
                    Scalar::Int(number) => Some(number),
                    _ => None,
                };
                fill(cells, from, to, value);
            }
            Self::Double(cells) => {
                let value = match value {
                    Scalar::Double(number) => Some(number),
                    Scalar::Int(number) => Some(number as f64),
                    _ => None,
                };
                fill(cells, from, to, value);
            }
            Self::Boolean(cells) => {
                let value = match value {
                    Scalar::Bool(truth) => Some(truth),
                    Scalar::Text(text) if text.eq_ignore_ascii_case(b"true") => Some(true),
                    Scalar::Text(text) if text.eq_ignore_ascii_case(b"false") => Some(false),
                    _ => None,
                };
                fill(cells, from, to, value);
            }
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

/// What a scan found. Strings stay in their payloads until `Rows::append` copies those of accepted spans.
#[derive(Debug)]
pub struct Columns<'a> {
    pub(crate) fixed: Vec<Fixed<'a>>,
    pub(crate) watched: Vec<Cells<'a>>,
    resource_from: usize,
}

impl<'a> Columns<'a> {
    pub fn new(watch: &'a Watch) -> Self {
        let watched = watch.watched.iter().map(|w| Cells::new(w.kind)).collect();
        Self { fixed: Vec::new(), watched, resource_from: 0 }
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
        self.resource_from = rows;
    }

    /// Appends a span. Its resource's columns follow with `fill_resource`.
    #[inline]
    pub fn push(&mut self, fixed: Fixed<'a>, best: &Best<'a>) {
        self.fixed.push(fixed);
        self.fill(self.fixed.len() - 1, best);
    }

    /// Completes the rows appended since the last call with what their resource says.
    pub fn fill_resource(&mut self, best: &Best<'a>) {
        self.fill(self.resource_from, best);
        self.resource_from = self.fixed.len();
    }

    #[inline]
    fn fill(&mut self, from: usize, best: &Best<'a>) {
        let to = self.fixed.len();
        for &column in &best.given {
            self.watched[column].fill(from, to, best.columns[column].1);
        }
    }
}
