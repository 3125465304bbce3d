//! The system catalog under Redshift's eyes: which of PostgreSQL's relations stand as views of `sql/catalog.sql`.
//!
//! Those views have PostgreSQL's columns and Redshift's beside them (`reldiststyle`, `attisdistkey`, …), show the keys
//! that are recorded and not what the judge itself keeps. A name is sent there where it is qualified by its
//! schema, or stands after FROM, JOIN or a comma. There is no parser here: names are taken token by token.

use std::ops::Range;

use crate::rules::Refusal;
use crate::token::{self, Edit, Kind, Statement};

/// Relations of pg_catalog that are views of ours, with the prefix that the names of their columns have.
const RELATIONS: &[(&str, &str)] = &[
    ("pg_attrdef", "ad"),
    ("pg_attribute", "att"),
    ("pg_class", "rel"),
    ("pg_constraint", "con"),
    ("pg_index", "ind"),
    ("pg_indexes", "index"),
    ("pg_namespace", "nsp"),
    ("pg_proc", "pro"),
    ("pg_tables", "table"),
    ("pg_user", "use"),
    ("pg_views", "view"),
];

/// Relations of information_schema that are views of ours.
const INFORMATION: &[&str] = &[
    "check_constraints",
    "columns",
    "constraint_column_usage",
    "key_column_usage",
    "referential_constraints",
    "schemata",
    "table_constraints",
    "tables",
    "views",
];

/// Functions that read what only our views have.
const FUNCTIONS: &[&str] = &["pg_get_constraintdef", "pg_get_expr", "pg_get_indexdef"];

/// Redshift's own relations in catalog queries, with the columns that an alias may be mistaken for.
const REDSHIFT: &[(&str, &[&str])] = &[
    ("pg_get_late_binding_view_cols", &[]),
    ("svv_all_columns", COLUMNS),
    ("svv_columns", COLUMNS),
    ("svv_external_columns", &["columnname", "tablename"]),
    ("svv_external_schemas", &[]),
    ("svv_external_tables", &["tablename"]),
];
const COLUMNS: &[&str] = &[
    "character_maximum_length",
    "column_default",
    "column_name",
    "data_type",
    "database_name",
    "datetime_precision",
    "is_nullable",
    "numeric_precision",
    "numeric_precision_radix",
    "numeric_scale",
    "ordinal_position",
    "remarks",
    "schema_name",
    "table_catalog",
    "table_name",
    "table_schema",
];

const OURS: &str = "local_redshift";

/// Edits for the relations and functions of the catalog, and for aliases in a catalog query's WHERE.
///
/// # Errors
/// None; the signature is that of a rule.
pub fn views(statement: &Statement<'_>) -> Result<Vec<Edit>, Refusal> {
    let mut edits = lateral_aliases(statement);
    edits.extend(relations(statement, 0..statement.tokens.len()));
    Ok(edits)
}

fn is_name(statement: &Statement<'_>, at: usize) -> bool {
    matches!(statement.kind(at), Some(Kind::Word | Kind::QuotedName))
}

fn is_relation(name: &str) -> bool {
    RELATIONS.iter().any(|(relation, _)| *relation == name)
}

fn relations(statement: &Statement<'_>, within: Range<usize>) -> Vec<Edit> {
    within.filter_map(|at| relation(statement, at)).collect()
}

/// The edit that sends the name at `at` to a view of ours, if it is one's.
fn relation(statement: &Statement<'_>, at: usize) -> Option<Edit> {
    if !is_name(statement, at) {
        return None;
    }
    let name = statement.name(at);
    let is_function = FUNCTIONS.contains(&name.as_str()) && statement.is_symbol(at + 1, "(");
    if at >= 2 && statement.is_symbol(at - 1, ".") {
        let known = match statement.name(at - 2).as_str() {
            "pg_catalog" => is_relation(&name) || is_function,
            "information_schema" => INFORMATION.contains(&name.as_str()),
            _ => false,
        };
        return known.then(|| Edit {
            span: statement.tokens[at - 2].span.clone(),
            with: OURS.to_owned(),
        });
    }
    let is_source = is_relation(&name)
        && at >= 1
        && (statement.is_one_of(at - 1, &["FROM", "JOIN"]) || statement.is_symbol(at - 1, ","))
        && !statement.is_symbol(at + 1, ".")
        && !statement.is_symbol(at + 1, "(");
    (is_source || is_function).then(|| Edit {
        span: statement.tokens[at].span.clone(),
        with: format!("{OURS}.{}", statement.token(at)),
    })
}

/// An item of a select list that has an alias.
struct Alias {
    name: String,
    /// Its tokens before AS.
    value: Range<usize>,
    /// Whether that is a column and nothing else.
    is_column: bool,
}

/// Redshift knows the aliases of a SELECT in the rest of its list and in its WHERE, after the columns of its tables.
/// Which columns there are is not known here, so this is done for the catalog alone, whose columns are known or begin
/// alike: for columns in WHERE, and for expressions that a later item repeats. Source: Redshift: SELECT list (lateral
/// aliases); what sqlalchemy-redshift and redshift_connector ask.
fn lateral_aliases(statement: &Statement<'_>) -> Vec<Edit> {
    let mut edits = Vec::new();
    for select in 0..statement.tokens.len() {
        if !statement.is_word(select, "SELECT") {
            continue;
        }
        let end = end_of_level(
            statement,
            select,
            &[
                "UNION",
                "EXCEPT",
                "INTERSECT",
                "ORDER",
                "GROUP",
                "HAVING",
                "LIMIT",
            ],
        );
        let from = end_of_level(statement, select, &["FROM"]).min(end);
        let condition = end_of_level(statement, select, &["WHERE"]).min(end);
        let sources: Vec<String> = (from..condition)
            .filter(|&at| is_name(statement, at))
            .map(|at| statement.name(at))
            .filter(|name| is_relation(name) || REDSHIFT.iter().any(|(other, _)| other == name))
            .collect();
        if sources.is_empty() {
            continue;
        }
        for alias in aliases(statement, select + 1..from) {
            if may_be_a_column(&alias.name, &sources) {
                continue;
            }
            let places = if alias.is_column {
                condition..end
            } else {
                alias.value.end + 2..from
            };
            let with = value(statement, &alias);
            edits.extend(
                places
                    .filter(|&at| is_bare(statement, at) && statement.name(at) == alias.name)
                    .filter(|&at| alias.is_column || is_repeated(statement, at))
                    .map(|at| Edit {
                        span: statement.tokens[at].span.clone(),
                        with: with.clone(),
                    }),
            );
        }
    }
    edits
}

/// What an alias stands for, its names sent where they belong.
fn value(statement: &Statement<'_>, alias: &Alias) -> String {
    let start = statement.tokens[alias.value.start].span.start;
    let end = statement.tokens[alias.value.end - 1].span.end;
    let edits = relations(statement, alias.value.clone());
    let text = token::edited(statement.source, start..end, edits);
    if alias.is_column {
        text
    } else {
        format!("({text})")
    }
}

/// Whether the token at `at` is an item of a select list by itself, with an alias of its own.
fn is_repeated(statement: &Statement<'_>, at: usize) -> bool {
    statement.is_symbol(at - 1, ",") && statement.is_word(at + 1, "AS")
}

/// The index of the first of `words` after `start` at its depth, or where that depth ends.
fn end_of_level(statement: &Statement<'_>, start: usize, words: &[&str]) -> usize {
    let mut at = start + 1;
    while at < statement.tokens.len() {
        if statement.is_symbol(at, ")") || statement.is_one_of(at, words) {
            return at;
        }
        at = statement.after_group(at).unwrap_or(at + 1);
    }
    at
}

/// The aliases of columns in a select list.
fn aliases(statement: &Statement<'_>, list: Range<usize>) -> Vec<Alias> {
    let mut found = Vec::new();
    let mut start = list.start;
    let mut at = list.start;
    while at <= list.end {
        if at == list.end || statement.is_symbol(at, ",") {
            found.extend(alias(statement, start..at));
            start = at + 1;
        }
        at = statement.after_group(at).unwrap_or(at + 1);
    }
    found
}

fn alias(statement: &Statement<'_>, item: Range<usize>) -> Option<Alias> {
    let word = item.end.checked_sub(2).filter(|&at| at > item.start)?;
    let is_alias = statement.is_word(word, "AS") && is_name(statement, word + 1);
    (is_alias && !statement.is_word(item.start, "NULL")).then(|| Alias {
        name: statement.name(word + 1),
        value: item.start..word,
        is_column: statement.after_name(item.start) == Some(word),
    })
}

fn may_be_a_column(name: &str, sources: &[String]) -> bool {
    let is_source = |relation: &str| sources.iter().any(|source| source == relation);
    matches!(name, "oid" | "schemaname")
        || RELATIONS
            .iter()
            .any(|(relation, prefix)| name.starts_with(prefix) && is_source(relation))
        || REDSHIFT
            .iter()
            .any(|(relation, columns)| columns.contains(&name) && is_source(relation))
}

fn is_bare(statement: &Statement<'_>, at: usize) -> bool {
    is_name(statement, at)
        && !statement.is_symbol(at + 1, ".")
        && !statement.is_symbol(at + 1, "(")
        && (at == 0 || !statement.is_symbol(at - 1, "."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(source: &str) -> String {
        let tokens = token::tokens(source).unwrap();
        let statement = token::statements(source, &tokens)[0];
        token::edited(source, statement.span(), views(&statement).unwrap())
    }

    #[test]
    fn names_are_sent_to_our_views() {
        let cases = [
            (
                "select * from pg_class",
                "select * from local_redshift.pg_class",
            ),
            (
                "select c.oid from pg_catalog.pg_class c join \"pg_catalog\".\"pg_attribute\" a on true",
                "select c.oid from local_redshift.pg_class c join local_redshift.\"pg_attribute\" a on true",
            ),
            (
                "select pg_class.relname from x, pg_class where pg_class.oid = 1",
                "select pg_class.relname from x, local_redshift.pg_class where pg_class.oid = 1",
            ),
            (
                "select 1 from INFORMATION_SCHEMA.TABLES",
                "select 1 from local_redshift.TABLES",
            ),
            (
                "select pg_get_constraintdef(1), pg_catalog.pg_get_expr(a, b) from t",
                "select local_redshift.pg_get_constraintdef(1), local_redshift.pg_get_expr(a, b) from t",
            ),
        ];
        for (source, expected) in cases {
            assert_eq!(rewritten(source), expected, "{source}");
        }
    }

    #[test]
    fn other_names_are_not() {
        for source in [
            "select 'pg_class'::regclass from t",
            "select pg_class from t as pg_class",
            "select a from s.pg_class",
            "select a from pg_catalog.pg_type",
            "select a from tables, columns",
            "select a as schema from t where schema = 1",
        ] {
            assert_eq!(rewritten(source), source);
        }
    }

    #[test]
    fn aliases_stand_for_their_columns_in_where() {
        let cases = [
            (
                "select n.nspname as \"schema\", c.relname from pg_catalog.pg_class c, pg_catalog.pg_namespace n where n.oid = c.relnamespace and schema = 'x'",
                "select n.nspname as \"schema\", c.relname from local_redshift.pg_class c, local_redshift.pg_namespace n where n.oid = c.relnamespace and n.nspname = 'x'",
            ),
            (
                "select t.tablename as relname from svv_external_tables t where 1 and relname = 'x' union select c.relname from pg_class c where relname = 'x'",
                "select t.tablename as relname from svv_external_tables t where 1 and t.tablename = 'x' union select c.relname from local_redshift.pg_class c where relname = 'x'",
            ),
            (
                "select case when pg_get_expr(d.adbin, 1) = 'x' then 1 end as is_auto, is_auto as again from pg_attrdef d",
                "select case when local_redshift.pg_get_expr(d.adbin, 1) = 'x' then 1 end as is_auto, (case when local_redshift.pg_get_expr(d.adbin, 1) = 'x' then 1 end) as again from local_redshift.pg_attrdef d",
            ),
            // A column of the table comes first.
            (
                "select upper(data_type) as data_type, data_type as again from svv_columns",
                "select upper(data_type) as data_type, data_type as again from svv_columns",
            ),
            (
                "select upper(c.relkind) as x, c.relname as relkind from pg_class c where relkind = 'r' and x = 1",
                "select upper(c.relkind) as x, c.relname as relkind from local_redshift.pg_class c where relkind = 'r' and x = 1",
            ),
        ];
        for (source, expected) in cases {
            assert_eq!(rewritten(source), expected, "{source}");
        }
    }
}
