//! Columns that are not known yet: guessed from the first chunk, and mended as later ones tell more.
//!
//! A guess only saves work. Chunk by chunk the right columns are those chosen from the facts of all records up to there; a
//! row group made under others is thrown away, and its chunk decoded again. So what comes out depends on the input alone.

use std::sync::{Arc, Mutex, OnceLock};

use super::work::Form;
use crate::decode::{self, CutInside, Decoded, Reason, UnknownKeys};
use crate::encode::{Compression, EncodeError};
use crate::facts::Facts;
use crate::frame::Chunk;
use crate::schema::{ColumnType, MAX_VARBYTE_BYTES, MAX_VARCHAR_BYTES, Schema};
use crate::selection::Selection;

/// The newest guess, shared by the workers.
pub(super) struct Guess {
    compression: Compression,
    selection: Selection,
    newest: OnceLock<Mutex<Option<Arc<Form>>>>,
}

impl Guess {
    pub(super) fn new(compression: Compression, selection: Selection) -> Self {
        Self {
            compression,
            selection,
            newest: OnceLock::new(),
        }
    }

    /// What to decode a chunk into; nothing if no columns could be chosen. The first to ask makes the guess from its
    /// chunk, and the others wait for it.
    pub(super) fn form(&self, chunk: &Chunk) -> Option<Arc<Form>> {
        let newest = self.newest.get_or_init(|| {
            let first = self.facts_of(chunk).ok();
            let schema = first.and_then(|first| self.columns(&first.facts));
            let form = schema.and_then(|schema| self.form_of(schema).ok());
            Mutex::new(form.map(Arc::new))
        });
        newest.lock().expect("nobody panics with a guess").clone()
    }

    /// The facts of all keys that are taken, as if nothing were known of the columns.
    pub(super) fn facts_of(&self, chunk: &Chunk) -> Result<Decoded, CutInside> {
        decode::decode(chunk, &self.selection.unknown(), UnknownKeys::Collect)
    }

    /// The columns that these facts ask for, with room; none if no columns can be chosen, be it that no key has a value yet or
    /// that a key cannot name a column.
    pub(super) fn columns(&self, facts: &Facts) -> Option<Schema> {
        let chosen = self.selection.choose(facts).ok()?;
        Some(roomy(&chosen.schema))
    }

    /// What makes parts of these columns.
    pub(super) fn form_of(&self, schema: Schema) -> Result<Form, EncodeError> {
        Form::new(schema, UnknownKeys::Reject, Some(self.compression))
    }

    /// Tells the workers what to try from now on.
    pub(super) fn mend(&self, form: Option<Arc<Form>>) {
        let newest = self.newest.get_or_init(|| Mutex::new(None));
        *newest.lock().expect("nobody panics with a guess") = form;
    }
}

/// The schema with as much room as there can be where that makes no other file: what is longer than the last text
/// seen is no reason to begin again.
pub(super) fn roomy(schema: &Schema) -> Schema {
    let mut schema = schema.clone();
    for column in &mut schema.columns {
        if let ColumnType::Varchar(_) = column.target {
            column.target = ColumnType::Varchar(MAX_VARCHAR_BYTES);
            column.staged = column.target;
        }
        if column.target == ColumnType::Super && matches!(column.staged, ColumnType::Varbyte(_)) {
            column.widen_nested(u64::from(MAX_VARBYTE_BYTES));
        }
    }
    schema
}

/// Whether a record with this flaw is rejected whatever its columns are.
pub(super) fn is_certain(reason: &Reason) -> bool {
    match reason {
        Reason::Syntax(_)
        | Reason::Truncated { .. }
        | Reason::NotObject { .. }
        | Reason::Text { .. }
        | Reason::DuplicateKey { .. }
        | Reason::FoldedKey { .. }
        | Reason::RecordTooLong { .. } => true,
        Reason::UnknownKey { .. }
        | Reason::Missing { .. }
        | Reason::NoPath { .. }
        | Reason::ClosedColumn { .. }
        | Reason::Mismatch { .. }
        | Reason::TooLong { .. }
        | Reason::Undeclared { .. }
        | Reason::Nested { .. }
        | Reason::RowTooLong { .. } => false,
    }
}
