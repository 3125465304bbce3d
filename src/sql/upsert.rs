//! Statements of an upsert, over rows in the temporary table. No MERGE: it refuses several rows of one key,
//! and cannot go into SUPER (Redshift: MERGE).

use crate::ledger::Upsert;
use crate::schema::Schema;

use super::rows::{TEMPORARY_TABLE, expressions};
use super::{Statement, TableName, column_list, identifier};

/// What an upsert's statements are made of.
#[derive(Clone, Copy, Debug)]
pub struct Upserted<'a> {
    /// The target
    pub table: &'a TableName,
    /// Its columns that are loaded
    pub schema: &'a Schema,
    /// For each column whether it is loaded; the others get their default
    pub seen: &'a [bool],
    /// By what rows are the same
    pub upsert: &'a Upsert,
    /// The temporary table's column by which later rows are greater
    pub position: &'a str,
}

/// The rank of a row among those of its key, 1 for the one that wins.
const RANK: &str = "stagecopy_rank";

impl Upserted<'_> {
    /// The key's columns, with what stands before and after each.
    fn keys(&self, of: impl Fn(&str) -> String, between: &str) -> String {
        let keys: Vec<String> = self
            .upsert
            .key
            .iter()
            .map(|key| of(&identifier(key)))
            .collect();
        keys.join(between)
    }

    /// The target's and the staged row of one key. Keys are never NULL where they are staged.
    fn same_key(&self, other: &str) -> String {
        let target = self.table.quoted();
        self.keys(|key| format!("{target}.{key} = {other}.{key}"), " AND ")
    }

    /// Deletes the staged rows that are older than the target's row of the same key, if rows are ordered at all.
    pub fn delete_outdated(&self) -> Option<Statement> {
        let order_by = identifier(self.upsert.order_by.as_ref()?);
        let (staged, target) = (identifier(TEMPORARY_TABLE), self.table.quoted());
        Some(Statement::text(format!(
            "DELETE FROM {staged} USING {target} WHERE {} AND {target}.{order_by} > {staged}.{order_by}",
            self.same_key(&staged)
        )))
    }

    /// How many keys are staged.
    pub fn count_keys(&self) -> Statement {
        let keys = self.keys(str::to_owned, ",");
        Statement::text(format!(
            "SELECT COUNT(*) FROM (SELECT DISTINCT {keys} FROM {}) AS keys",
            identifier(TEMPORARY_TABLE)
        ))
    }

    /// Deletes the target's rows whose key is staged.
    pub fn delete_matched(&self) -> Statement {
        let staged = identifier(TEMPORARY_TABLE);
        Statement::text(format!(
            "DELETE FROM {} USING {staged} WHERE {}",
            self.table.quoted(),
            self.same_key(&staged)
        ))
    }

    /// Inserts of each key the row that wins: the greatest, of equal ones the last.
    pub fn insert_last(&self) -> Statement {
        let columns = || {
            let columns = self.schema.columns.iter().zip(self.seen);
            columns.filter_map(|(column, seen)| seen.then_some(column))
        };
        let mut order = String::new();
        if let Some(order_by) = &self.upsert.order_by {
            order = format!("{} DESC,", identifier(order_by));
        }
        Statement::text(format!(
            "INSERT INTO {} ({}) SELECT {} FROM (SELECT {},ROW_NUMBER() OVER (PARTITION BY {} ORDER BY {order}{} DESC) AS {RANK} \
             FROM {}) AS ranked WHERE {RANK} = 1",
            self.table.quoted(),
            column_list(columns()),
            expressions(columns()),
            column_list(columns()),
            self.keys(str::to_owned, ","),
            identifier(self.position),
            identifier(TEMPORARY_TABLE)
        ))
    }
}
