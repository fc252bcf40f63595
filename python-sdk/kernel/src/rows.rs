//! Rows that outlive their payloads: what scans found, copied out into Arrow columns.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::builder::{ArrayBuilder, BooleanBuilder, Float64Builder, Int64Builder, StringViewBuilder};
use arrow_array::{
    ArrayRef, Int32Array, Int64Array, RecordBatch, StringViewArray, UInt32Array, UInt64Array, new_null_array,
};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};

use crate::columns::{Cells, Columns, Fixed, Type, Watch};

/// A watched column. Rows at the end that have no value are not there until a value follows: most columns have none.
#[derive(Debug)]
enum Column {
    String(StringViewBuilder),
    Int(Int64Builder),
    Double(Float64Builder),
    Boolean(BooleanBuilder),
}

impl Column {
    fn new(kind: Type) -> Self {
        match kind {
            Type::String => Self::String(StringViewBuilder::new()),
            Type::Int => Self::Int(Int64Builder::new()),
            Type::Double => Self::Double(Float64Builder::new()),
            Type::Boolean => Self::Boolean(BooleanBuilder::new()),
        }
    }

    /// Gives those of the first `rows` rows that are not there no value.
    fn pad(&mut self, rows: usize) {
        match self {
            Self::String(column) => (column.len()..rows).for_each(|_| column.append_null()),
            Self::Int(column) => column.append_nulls(rows - column.len()),
            Self::Double(column) => column.append_nulls(rows - column.len()),
            Self::Boolean(column) => column.append_nulls(rows - column.len()),
        }
    }

    /// Appends the cells of a scan, of which the first is that of row `at`.
    fn append(&mut self, cells: &Cells<'_>, at: usize) {
        if cells.is_empty() {
            return;
        }
        self.pad(at);
        match (self, cells) {
            (Self::String(column), Cells::String(cells)) => {
                cells.iter().for_each(|cell| column.append_option(cell.as_ref().map(Cow::as_ref)));
            }
            (Self::Int(column), Cells::Int(cells)) => cells.iter().for_each(|cell| column.append_option(*cell)),
            (Self::Double(column), Cells::Double(cells)) => cells.iter().for_each(|cell| column.append_option(*cell)),
            (Self::Boolean(column), Cells::Boolean(cells)) => cells.iter().for_each(|cell| column.append_option(*cell)),
            // Both are made from the same watch list.
            _ => {}
        }
    }

    fn builder(&mut self) -> &mut dyn ArrayBuilder {
        match self {
            Self::String(column) => column,
            Self::Int(column) => column,
            Self::Double(column) => column,
            Self::Boolean(column) => column,
        }
    }

    /// None where no row has a value.
    fn finish(mut self, rows: usize) -> Option<ArrayRef> {
        if self.builder().is_empty() {
            return None;
        }
        self.pad(rows);
        Some(self.builder().finish())
    }
}

/// Rows of any number of scans with one watch list.
#[derive(Debug)]
pub struct Rows {
    schema: SchemaRef,
    u32s: [Vec<u32>; 5],
    u64s: [Vec<u64>; 6],
    kind: Vec<i32>,
    status: Vec<i32>,
    name: StringViewBuilder,
    trace_state: StringViewBuilder,
    watched: Vec<Column>,
    position: Vec<u64>,
    log_ns: Vec<i64>,
}

impl Rows {
    pub fn new(watch: &Watch) -> Self {
        Self {
            schema: Arc::clone(&watch.schema),
            u32s: Default::default(),
            u64s: Default::default(),
            kind: Vec::new(),
            status: Vec::new(),
            name: StringViewBuilder::new(),
            trace_state: StringViewBuilder::new(),
            watched: watch.watched.iter().map(|w| Column::new(w.kind)).collect(),
            position: Vec::new(),
            log_ns: Vec::new(),
        }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.kind.len()
    }

    pub fn is_empty(&self) -> bool {
        self.kind.is_empty()
    }

    /// Copies what a scan found.
    pub fn append(&mut self, columns: &Columns<'_>) {
        let (at, rows) = (self.len(), &columns.fixed);
        let of_u32: [fn(&Fixed<'_>) -> u32; 5] =
            [|r| r.payload, |r| r.offset, |r| r.length, |r| r.resource, |r| r.scope];
        for (column, of) in self.u32s.iter_mut().zip(of_u32) {
            column.extend(rows.iter().map(of));
        }
        let of_u64: [fn(&Fixed<'_>) -> u64; 6] =
            [|r| r.trace_hi, |r| r.trace_lo, |r| r.span_id, |r| r.parent_id, |r| r.start_ns, |r| r.end_ns];
        for (column, of) in self.u64s.iter_mut().zip(of_u64) {
            column.extend(rows.iter().map(of));
        }
        self.kind.extend(rows.iter().map(|row| row.kind));
        self.status.extend(rows.iter().map(|row| row.status));
        for row in rows {
            self.name.append_value(row.name);
            self.trace_state.append_value(row.trace_state);
        }
        for (column, cells) in self.watched.iter_mut().zip(&columns.watched) {
            column.append(cells, at);
        }
    }

    /// Copies what a scan of logged payloads found; `positions` says where the log holds each payload of the scan.
    pub fn append_logged(&mut self, columns: &Columns<'_>, positions: &[u64], log_ns: i64) {
        self.append(columns);
        self.position.extend(columns.fixed.iter().map(|row| positions[row.payload as usize]));
        self.log_ns.resize(self.len(), log_ns);
    }

    /// The columns of the watch list's schema.
    pub fn finish(self) -> Result<RecordBatch, ArrowError> {
        let schema = Arc::clone(&self.schema);
        RecordBatch::try_new(schema, self.arrays())
    }

    /// The same and three more: position, log_ns and tenant.
    pub fn finish_logged(mut self) -> Result<RecordBatch, ArrowError> {
        let rows = self.len();
        let position: ArrayRef = Arc::new(UInt64Array::from(std::mem::take(&mut self.position)));
        let log_ns: ArrayRef = Arc::new(Int64Array::from(std::mem::take(&mut self.log_ns)));
        let tenant: ArrayRef = Arc::new(StringViewArray::from_iter_values(std::iter::repeat_n("", rows)));
        let more = [("position", DataType::UInt64), ("log_ns", DataType::Int64), ("tenant", DataType::Utf8View)];
        let mut fields: Vec<_> = self.schema.fields().iter().cloned().collect();
        fields.extend(more.map(|(name, kind)| Arc::new(Field::new(name, kind, false))));
        let mut arrays = self.arrays();
        arrays.extend([position, log_ns, tenant]);
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
    }

    /// In the order of the schema.
    fn arrays(mut self) -> Vec<ArrayRef> {
        let rows = self.len();
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len() + 3);
        let [trace_hi, trace_lo, span_id, parent_id, start_ns, end_ns] = self.u64s;
        arrays.extend(self.u32s.into_iter().map(|column| Arc::new(UInt32Array::from(column)) as ArrayRef));
        for ids in [trace_hi, trace_lo, span_id, parent_id] {
            arrays.push(Arc::new(UInt64Array::from(ids)));
        }
        arrays.push(Arc::new(Int32Array::from(self.kind)));
        arrays.push(Arc::new(Int32Array::from(self.status)));
        arrays.push(Arc::new(self.name.finish()));
        arrays.push(Arc::new(self.trace_state.finish()));
        arrays.push(Arc::new(UInt64Array::from(start_ns)));
        arrays.push(Arc::new(UInt64Array::from(end_ns)));
        let kinds = self.schema.fields()[arrays.len()..].iter().map(|field| field.data_type());
        let mut nothing = HashMap::new();
        for (column, kind) in self.watched.into_iter().zip(kinds) {
            arrays.push(column.finish(rows).unwrap_or_else(|| {
                // All columns of a type that have no value share one.
                Arc::clone(nothing.entry(kind).or_insert_with(|| new_null_array(kind, rows)))
            }));
        }
        arrays
    }
}
