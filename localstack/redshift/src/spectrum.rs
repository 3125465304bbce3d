//! External schemas and tables in PostgreSQL's words: a schema that is on a list, a foreign table that nobody reads.
//!
//! What is said of them is told in a comment (see `attributes`); what becomes of it is `sql/relations.sql`'s, how it
//! shows `sql/catalog.sql`'s. Nothing is looked up anywhere: neither a data catalog nor another database.

use crate::attributes::{Attributes, ExternalSchema, ExternalTable};
use crate::clauses::{replaced, told};
use crate::rules::{Refusal, missing, syntax_error};
use crate::token::{Edit, Statement};

type Edits = Result<Vec<Edit>, Refusal>;

/// What an external schema is of, by its first words, with SVV_EXTERNAL_SCHEMAS' number for it.
/// Redshift: CREATE EXTERNAL SCHEMA; SVV_EXTERNAL_SCHEMAS.
const KINDS: &[(&[&str], i16)] = &[
    (&["DATA", "CATALOG"], 1),
    (&["HIVE", "METASTORE"], 2),
    (&["POSTGRES"], 3),
    (&["REDSHIFT"], 4),
    (&["MYSQL"], 8),
    (&["KINESIS"], 9),
    (&["MSK"], 10),
    (&["KAFKA"], 10),
];

/// The index after `IF NOT EXISTS`, if it is at `at`.
fn after_condition(statement: &Statement<'_>, at: usize) -> usize {
    at + 3 * usize::from(statement.is_word(at, "IF"))
}

/// The literal after a word, wherever it stands behind `from`.
fn literal_after(statement: &Statement<'_>, from: usize, word: &str) -> Option<String> {
    (from..statement.tokens.len())
        .find(|&at| statement.is_word(at, word))
        .and_then(|at| statement.literal(at + 1))
}

/// `CREATE EXTERNAL SCHEMA [IF NOT EXISTS] s FROM kind …`. Redshift: CREATE EXTERNAL SCHEMA.
///
/// # Errors
/// A kind that Redshift does not have.
pub fn schema(statement: &Statement<'_>) -> Edits {
    let from = after_condition(statement, 3) + 1;
    if !statement.is_word(from, "FROM") {
        return Err(syntax_error(statement.token(from)));
    }
    let is_kind = |words: &[&str]| {
        let mut words = words.iter().zip(from + 1..);
        words.all(|(word, at)| statement.is_word(at, word))
    };
    let Some((_, kind)) = KINDS.iter().find(|(words, _)| is_kind(words)) else {
        return Err(syntax_error(statement.token(from + 1)));
    };
    let role = literal_after(statement, from, "IAM_ROLE");
    let attributes = Attributes {
        external_schema: Some(ExternalSchema {
            kind: *kind,
            database: literal_after(statement, from, "DATABASE").unwrap_or_default(),
            options: role.map(|role| serde_json::json!({ "IAM_ROLE": role }).to_string()),
        }),
        ..Attributes::default()
    };
    let mut edits = vec![
        replaced(statement, 1..2, ""),
        replaced(statement, from..statement.tokens.len(), ""),
    ];
    edits.extend(told(statement, &attributes));
    Ok(edits)
}

/// `CREATE EXTERNAL TABLE s.t (…) [PARTITIONED BY (…)] … STORED AS format LOCATION 's3://…'`.
/// Redshift: CREATE EXTERNAL TABLE.
///
/// # Errors
/// A table without columns, of a query, or without a place.
pub fn table(statement: &Statement<'_>) -> Edits {
    let end = statement.tokens.len();
    let name = after_condition(statement, 3);
    let columns = statement.after_name(name).unwrap_or(name);
    let Some(mut rest) = statement.after_group(columns) else {
        return Err(match statement.token(columns) {
            near if near.eq_ignore_ascii_case("(") => syntax_error(""),
            _ => missing("an external table that a query makes"),
        });
    };
    let mut edits = vec![replaced(statement, 1..2, "FOREIGN")];
    let mut partitions = 0;
    if statement.is_word(rest, "PARTITIONED") {
        let group = rest + 2;
        let Some(after) = statement.after_group(group) else {
            return Err(syntax_error(statement.token(group)));
        };
        partitions = 1
            + (group + 1..after - 1)
                .filter(|&at| statement.is_symbol(at, ","))
                .count();
        edits.push(replaced(statement, rest - 1..group + 1, ", "));
        rest = after;
    }
    let Some(location) = literal_after(statement, rest, "LOCATION") else {
        return Err(syntax_error(""));
    };
    let stored = (rest..end).find(|&at| statement.is_word(at, "STORED"));
    let format = stored.map_or("TEXTFILE", |at| statement.token(at + 2));
    let attributes = Attributes {
        external_table: Some(ExternalTable {
            location,
            format: format.to_ascii_lowercase(),
            partitions,
        }),
        ..Attributes::default()
    };
    edits.push(replaced(
        statement,
        rest..end,
        "SERVER local_redshift_external",
    ));
    edits.extend(told(statement, &attributes));
    Ok(edits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token;

    fn edited(rewrite: fn(&Statement<'_>) -> Edits, source: &str) -> Result<String, String> {
        let tokens = token::tokens(source).unwrap();
        let statement = token::statements(source, &tokens)[0];
        match rewrite(&statement) {
            Ok(edits) => Ok(token::edited(source, statement.span(), edits)),
            Err(refusal) => Err(refusal.message),
        }
    }

    #[test]
    fn schemas() {
        for (source, expected) in [
            (
                "create external schema if not exists s from data catalog database 'd' iam_role 'arn' region 'x'",
                "create  schema if not exists s  /*local_redshift {\"external_schema\":{\"kind\":1,\"database\":\"d\",\"options\":\"{\\\"IAM_ROLE\\\":\\\"arn\\\"}\"}}*/",
            ),
            (
                "CREATE EXTERNAL SCHEMA s FROM REDSHIFT DATABASE 'd' SCHEMA 'public'",
                "CREATE  SCHEMA s  /*local_redshift {\"external_schema\":{\"kind\":4,\"database\":\"d\",\"options\":null}}*/",
            ),
        ] {
            assert_eq!(edited(schema, source).as_deref(), Ok(expected), "{source}");
        }
        assert_eq!(
            edited(schema, "create external schema s from oracle database 'd'"),
            Err("syntax error at or near \"oracle\"".to_owned())
        );
    }

    #[test]
    fn tables() {
        for (source, expected) in [
            (
                "create external table s.t (a int, b varchar(3)) partitioned by (c date, d int) stored as parquet location 's3://b/k/'",
                "create FOREIGN table s.t (a int, b varchar(3), c date, d int) SERVER local_redshift_external /*local_redshift {\"external_table\":{\"location\":\"s3://b/k/\",\"format\":\"parquet\",\"partitions\":2}}*/",
            ),
            (
                "create external table s.t (a int) row format delimited fields terminated by ',' location 's3://b'",
                "create FOREIGN table s.t (a int) SERVER local_redshift_external /*local_redshift {\"external_table\":{\"location\":\"s3://b\",\"format\":\"textfile\",\"partitions\":0}}*/",
            ),
        ] {
            assert_eq!(edited(table, source).as_deref(), Ok(expected), "{source}");
        }
        assert_eq!(
            edited(table, "create external table s.t (a int) stored as orc"),
            Err("syntax error at end of input".to_owned())
        );
        assert_eq!(
            edited(
                table,
                "create external table s.t stored as orc location 's3://b' as select 1"
            ),
            Err(
                "an external table that a query makes is not part of this local Redshift"
                    .to_owned()
            )
        );
    }
}
