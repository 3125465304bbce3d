//! The table of rules: what Redshift refuses, says otherwise, or does by itself.
//!
//! # How to add a rule
//! Add a line to [`RULES`] in the section it belongs to: a name, the source that says so, a pattern (see
//! [`crate::rules`]), and for a refusal its words. Then add rows to the family's file in `conformance/`: one that the rule
//! meets, one that almost does. They are run against this judge and against PostgreSQL as it comes. A rule about what
//! the real server has and this one has not belongs into [`crate::missing`] instead, one about a function into
//! [`crate::repertoire`].

use crate::alteration;
use crate::calls;
use crate::catalog;
use crate::ddl;
use crate::merge;
use crate::rewrites;
use crate::rules::{Action, Interception, Refusal, Rule, When, Words};
use crate::spectrum;
use crate::token::{Edit, Statement};

const FEATURES: &str = "Redshift: Unsupported PostgreSQL features";
/// Grammar that PostgreSQL has only had since 8.1: Redshift was made of 8.0.2.
const SINCE_8_0: &str = "Redshift and PostgreSQL: made of PostgreSQL 8.0.2";
const TYPES: &str = "Redshift: Unsupported PostgreSQL data types";

type Rewrite = fn(&Statement<'_>) -> Result<Vec<Edit>, Refusal>;

const fn rule(
    name: &'static str,
    source: &'static str,
    pattern: &'static str,
    action: Action,
) -> Rule {
    Rule {
        name,
        source,
        when: When::Always,
        pattern,
        action,
    }
}

/// Refused as a syntax error at the word that is blamed.
const fn syntax(name: &'static str, source: &'static str, pattern: &'static str) -> Rule {
    rule(name, source, pattern, Action::Refuse(Words::Syntax))
}

/// Refused as a command that is known and not supported.
const fn command(name: &'static str, source: &'static str, pattern: &'static str) -> Rule {
    rule(name, source, pattern, Action::Refuse(Words::Command))
}

/// Refused with 0A000 and this message.
const fn unsupported(
    name: &'static str,
    source: &'static str,
    pattern: &'static str,
    message: &'static str,
) -> Rule {
    rule(
        name,
        source,
        pattern,
        Action::Refuse(Words::Exactly("0A000", message)),
    )
}

const fn rewritten(
    name: &'static str,
    source: &'static str,
    pattern: &'static str,
    how: Rewrite,
) -> Rule {
    rule(name, source, pattern, Action::Rewrite(how))
}

const fn in_block(rule: Rule) -> Rule {
    Rule {
        when: When::InBlock,
        ..rule
    }
}

/// All rules, in the order in which they are asked.
#[rustfmt::skip]
pub const RULES: &[Rule] = &[
    // ---- COPY and TRUNCATE
    rule("COPY from S3 is ours", "Redshift: COPY", "COPY … FROM", Action::Intercept(Interception::Copy)),
    syntax("no COPY TO", "Redshift: COPY", "COPY"),
    syntax("TRUNCATE is of one table", "Redshift: TRUNCATE", "TRUNCATE … ^,|RESTART|CONTINUE|CASCADE|ONLY|*"),
    rule("TRUNCATE commits", "Redshift: TRUNCATE", "TRUNCATE", Action::Intercept(Interception::Truncate)),

    // ---- Commands that are not there
    command("no savepoints", FEATURES, "SAVEPOINT|RELEASE"),
    command("no rollback to a savepoint", FEATURES, "ROLLBACK|ABORT [WORK|TRANSACTION] TO"),
    syntax("no two-phase commits", SINCE_8_0, "PREPARE TRANSACTION ^'"),
    syntax("no two-phase ends", SINCE_8_0, "COMMIT|ROLLBACK ^PREPARED"),
    syntax("no chained transactions", SINCE_8_0, "COMMIT|ROLLBACK|END|ABORT [WORK|TRANSACTION] AND [NO] CHAIN"),
    command("no indexes", FEATURES, "CREATE [UNIQUE] INDEX"),
    command("no changes of what is not there", FEATURES, "ALTER|DROP INDEX|SEQUENCE|TRIGGER|TYPE|DOMAIN|EXTENSION|RULE|TABLESPACE|AGGREGATE|OPERATOR|CAST|CONVERSION|COLLATION|EVENT|FOREIGN|SERVER|PUBLICATION|SUBSCRIPTION|STATISTICS|ACCESS|POLICY|TRANSFORM|LANGUAGE|OWNED|LARGE|SYSTEM|TEXT"),
    unsupported("no aggregates of one's own", "LIVE: seen in public logs", "CREATE [OR] [REPLACE] AGGREGATE", "User Defined Aggregate is not supported."),
    command("no sequences, triggers, types, domains, extensions, rules", FEATURES, "CREATE [OR] [REPLACE] [CONSTRAINT|TRUSTED|PROCEDURAL|DEFAULT|TEMP|TEMPORARY] SEQUENCE|TRIGGER|TYPE|DOMAIN|EXTENSION|RULE|TABLESPACE|OPERATOR|CAST|CONVERSION|COLLATION|EVENT|FOREIGN|SERVER|PUBLICATION|SUBSCRIPTION|STATISTICS|ACCESS|POLICY|TRANSFORM|LANGUAGE|TEXT"),
    syntax("no recursive views", SINCE_8_0, "CREATE [OR] [REPLACE] [TEMP|TEMPORARY] ^RECURSIVE VIEW"),
    syntax("no temporary views", "Redshift: CREATE VIEW", "CREATE [OR] [REPLACE] TEMP|TEMPORARY ^VIEW"),
    syntax("no unlogged tables", SINCE_8_0, "CREATE ^UNLOGGED"),
    syntax("no global temporary tables", "Redshift: CREATE TABLE", "CREATE ^GLOBAL"),
    command("no listening", FEATURES, "LISTEN|NOTIFY|UNLISTEN"),
    command("no upkeep by hand", FEATURES, "CLUSTER|REINDEX|CHECKPOINT|LOAD|MOVE"),
    syntax("no anonymous blocks, no discarding", SINCE_8_0, "DO|DISCARD|REASSIGN|IMPORT|SECURITY"),
    syntax("no VALUES, no TABLE by itself", "Redshift: Unsupported PostgreSQL features: VALUES list used as constant tables", "VALUES|TABLE"),
    syntax("prepared statements are deallocated by name", "Redshift: DEALLOCATE", "DEALLOCATE [PREPARE] ALL"),
    syntax("EXPLAIN does not run", "Redshift: EXPLAIN", "EXPLAIN ANALYZE|ANALYSE|("),
    syntax("VACUUM has no options in parentheses", "Redshift: VACUUM", "VACUUM (|VERBOSE|ANALYZE|FREEZE"),

    // ---- Functions and procedures
    unsupported("functions are of SQL", "Redshift: CREATE FUNCTION", "CREATE [OR] [REPLACE] FUNCTION … LANGUAGE PLPGSQL|C|INTERNAL", "language is not supported for user-defined functions"),
    syntax("functions return one value", "Redshift: CREATE FUNCTION", "CREATE [OR] [REPLACE] FUNCTION … RETURNS SETOF|TABLE|TRIGGER"),

    // ---- INSERT, UPDATE, DELETE
    syntax("no ON CONFLICT", SINCE_8_0, "INSERT|WITH|EXPLAIN … ^ON CONFLICT (|DO|ON"),
    syntax("no RETURNING", SINCE_8_0, "INSERT|UPDATE|DELETE|WITH|EXPLAIN|MERGE … RETURNING"),
    syntax("no writing in WITH", SINCE_8_0, "WITH … AS [NOT] [MATERIALIZED] ( INSERT|UPDATE|DELETE|MERGE"),
    syntax("no MERGE after WITH", "Redshift: MERGE", "WITH … ) ^MERGE INTO"),
    syntax("no hints in WITH", SINCE_8_0, "WITH|INSERT|CREATE|EXPLAIN … AS [NOT] MATERIALIZED ("),
    syntax("no OVERRIDING", SINCE_8_0, "INSERT … ^OVERRIDING SYSTEM|USER"),
    rewritten("INSERT takes no alias", "Redshift: INSERT", "INSERT INTO", rewrites::insert_alias),
    rewritten("DELETE needs no FROM", "Redshift: DELETE", "DELETE", rewrites::delete_without_from),
    syntax("no cursor positions", "Redshift: DELETE; UPDATE", "UPDATE|DELETE … WHERE ^CURRENT OF"),

    // ---- SELECT
    unsupported("no DISTINCT ON", "LIVE: seen in public logs", "… DISTINCT ON (", "SELECT DISTINCT ON is not supported"),
    syntax("no FILTER of aggregates", SINCE_8_0, "… ) FILTER ^( WHERE"),
    syntax("no LATERAL", SINCE_8_0, "… ,|JOIN|FROM LATERAL ( ^SELECT|WITH|VALUES"),
    syntax("no LATERAL function", SINCE_8_0, "… ,|JOIN|FROM ^LATERAL _ ("),
    syntax("no TABLESAMPLE", SINCE_8_0, "… TABLESAMPLE ^_ ("),
    syntax("no FETCH FIRST", "Redshift: ORDER BY clause", "SELECT|WITH|INSERT|CREATE|DECLARE|EXPLAIN|( … ^FETCH FIRST|NEXT [_] ROW|ROWS ONLY|WITH"),
    syntax("no WITH ORDINALITY", SINCE_8_0, "… ) WITH ^ORDINALITY"),
    syntax("no VALUES as a table", "Redshift: Unsupported PostgreSQL features: VALUES list used as constant tables", "… FROM|JOIN|,|AS|IN ( ^VALUES"),
    syntax("no locks of rows", "Redshift: SELECT", "SELECT|WITH|( … ^FOR [NO] [KEY] UPDATE|SHARE"),
    syntax("no IS DISTINCT FROM", "Redshift: Unsupported PostgreSQL functions", "… IS [NOT] ^DISTINCT FROM"),
    syntax("set operations keep no doubles", "Redshift: UNION, INTERSECT, and EXCEPT", "… EXCEPT|INTERSECT ^ALL"),
    syntax("frames of windows are of rows", "Redshift: Window function syntax summary", "… OVER … ^RANGE|GROUPS BETWEEN|UNBOUNDED|CURRENT"),
    syntax("frames of windows leave nothing out", "Redshift: Window function syntax summary", "… OVER … ^EXCLUDE CURRENT|GROUP|TIES|NO"),
    syntax("no ONLY", "Redshift: Unsupported PostgreSQL features: inheritance", "… FROM|UPDATE|JOIN ^ONLY _"),
    syntax("no rows compared as a whole", FEATURES, "… ^ROW ("),

    // ---- Types
    rule("no such types in casts", TYPES, "… :: JSON|JSONB|UUID|XML|HSTORE|TSVECTOR|TSQUERY|PG_LSN|INT4RANGE|INT8RANGE|NUMRANGE|TSRANGE|TSTZRANGE|DATERANGE|REGNAMESPACE|REGROLE|JSONPATH|CITEXT", Action::Refuse(Words::NoType)),
    rule("no such types in CAST", TYPES, "… ( … AS ^JSON|JSONB|UUID|XML|HSTORE|TSVECTOR|TSQUERY|PG_LSN|INT4RANGE|INT8RANGE|NUMRANGE|TSRANGE|TSTZRANGE|DATERANGE|REGNAMESPACE|REGROLE|JSONPATH|CITEXT )", Action::Refuse(Words::NoType)),
    rule("no literals of such types", TYPES, "… ^JSON|JSONB|UUID|XML '", Action::Refuse(Words::NoType)),
    unsupported("no bytes, money, bits, addresses and figures in casts", TYPES, "… :: BYTEA|MONEY|BIT|INET|CIDR|MACADDR|POINT|LINE|LSEG|BOX|PATH|POLYGON|CIRCLE", "Specified types or functions (one per INFO message) not supported on Redshift tables."),
    unsupported("no bytes, money, bits, addresses and figures in CAST", TYPES, "… ( … AS BYTEA|MONEY|BIT|INET|CIDR|MACADDR|POINT|LINE|LSEG|BOX|PATH|POLYGON|CIRCLE )", "Specified types or functions (one per INFO message) not supported on Redshift tables."),
    unsupported("no arrays where rows are written", FEATURES, "INSERT|UPDATE|DELETE|MERGE|CREATE … ^ARRAY [", "Specified types or functions (one per INFO message) not supported on Redshift tables."),
    unsupported("no casts to arrays where rows are written", FEATURES, "INSERT|UPDATE|DELETE|MERGE … :: _ [ ]", "Specified types or functions (one per INFO message) not supported on Redshift tables."),
    unsupported("rows are not made of the leader's functions", "Redshift: Leader node-only functions", "INSERT|CREATE|UPDATE|DELETE|MERGE … GENERATE_SERIES|ARRAY_TO_STRING|STRING_TO_ARRAY (", "Specified types or functions (one per INFO message) not supported on Redshift tables."),

    // ---- LOCK and transactions
    syntax("LOCK takes no mode", "Redshift: LOCK", "LOCK … IN|NOWAIT"),
    syntax("no deferring", SINCE_8_0, "BEGIN|START|SET … DEFERRABLE"),
    rewritten("levels of isolation are taken and change nothing", "Redshift: BEGIN", "BEGIN|START|SET … ISOLATION LEVEL", rewrites::isolation_level),
    in_block(rule("widening outside of transactions only", "Redshift: ALTER TABLE", "ALTER TABLE … ALTER [COLUMN] … TYPE", Action::Refuse(Words::Exactly("25001", "ALTER TABLE ALTER COLUMN cannot run inside a transaction block")))),
    in_block(rule("no VACUUM in a transaction", "Redshift: VACUUM", "VACUUM", Action::Refuse(Words::Exactly("25001", "VACUUM cannot run inside a transaction block")))),
    rewritten("VACUUM in PostgreSQL's words", "Redshift: VACUUM", "VACUUM", rewrites::vacuum),
    rewritten("ANALYZE in PostgreSQL's words", "Redshift: ANALYZE", "ANALYZE", rewrites::analyze),

    // ---- Settings
    rule("backslashes always escape", "Redshift: string literals (as PostgreSQL 8.0)", "SET|RESET [SESSION|LOCAL] STANDARD_CONFORMING_STRINGS|BACKSLASH_QUOTE", Action::Refuse(Words::Exactly("42704", "unrecognized configuration parameter \"standard_conforming_strings\""))),
    rewritten("settings", "Redshift: Configuration reference", "SET|SHOW|RESET", rewrites::setting),
    rewritten("no more than 2 extra digits", "Redshift: extra_float_digits", "SET [SESSION|LOCAL] EXTRA_FLOAT_DIGITS", rewrites::few_digits),

    // ---- Tables and views
    unsupported("no CHECK constraints", FEATURES, "CREATE|ALTER … TABLE … CHECK (", "CHECK constraints are not supported"),
    syntax("column is added or not", "Redshift: ALTER TABLE", "ALTER TABLE … ADD [COLUMN] IF"),
    syntax("no partitions, no inheritance, no tablespaces", FEATURES, "CREATE … TABLE … ) ^PARTITION|INHERITS|TABLESPACE"),
    rewritten("names with # are of temporary tables", "Redshift: CREATE TABLE", "…", rewrites::temporary_names),
    rewritten("table definitions", "Redshift: CREATE TABLE; CREATE TABLE AS", "CREATE [LOCAL] [TEMP|TEMPORARY] TABLE", ddl::table_definition),
    rewritten("changes of tables", "Redshift: ALTER TABLE", "ALTER TABLE", alteration::table_change),
    rewritten("views that are bound late", "Redshift: CREATE VIEW", "CREATE … VIEW … WITH NO SCHEMA BINDING", rewrites::late_binding),
    rewritten("materialized views", "Redshift: CREATE MATERIALIZED VIEW", "CREATE MATERIALIZED VIEW", ddl::materialized_view),
    rewritten("materialized views made anew", "Redshift: REFRESH MATERIALIZED VIEW", "REFRESH MATERIALIZED VIEW", rewrites::refresh),
    in_block(rule("nothing external is made in a transaction", "Redshift: CREATE EXTERNAL TABLE; the words: INFER", "CREATE EXTERNAL TABLE", Action::Refuse(Words::Exactly("25001", "CREATE EXTERNAL TABLE cannot run inside a transaction block")))),
    rewritten("external schemas", "Redshift: CREATE EXTERNAL SCHEMA", "CREATE EXTERNAL SCHEMA", spectrum::schema),
    rewritten("external tables", "Redshift: CREATE EXTERNAL TABLE", "CREATE EXTERNAL TABLE", spectrum::table),
    rewritten("MERGE", "Redshift: MERGE", "MERGE", merge::rewritten),

    // ---- Anything
    rewritten("names of more than 63 bytes", "this local Redshift does not have them; PostgreSQL would cut them without an error", "…", rewrites::short_names),
    rewritten("a number ends where a word begins", "CODE: the metadata queries of Redshift's own driver (`THEN 4WHEN`)", "…", rewrites::number_ends),
    rewritten("SYSDATE is a word, not a call", "Redshift: SYSDATE function", "… SYSDATE", rewrites::sysdate),
    rewritten("a query in FROM needs no name", "CODE: the metadata queries of Redshift's own driver", "… FROM|JOIN ( SELECT|WITH", rewrites::nameless_queries),
    rewritten("MINUS is EXCEPT", "Redshift: UNION, INTERSECT, and EXCEPT", "… MINUS SELECT|(", rewrites::minus),
    rewritten("an approximate count is exact", "Redshift: COUNT function", "… APPROXIMATE COUNT (", rewrites::approximate),
    rewritten("VARCHAR(MAX), BINARY VARYING", "Redshift: Character types; VARBYTE type", "… VARCHAR|VARYING|NVARCHAR|VARBINARY", ddl::type_names),
    rewritten("the catalog has Redshift's columns", "Redshift: System catalog tables; PG_TABLE_DEF", "… PG_CATALOG|INFORMATION_SCHEMA|FROM|JOIN|PG_GET_EXPR|PG_GET_CONSTRAINTDEF|PG_GET_INDEXDEF", catalog::views),
    rewritten("functions", "Redshift: SQL functions reference; Unsupported PostgreSQL functions", "…", calls::rewritten),
    rewritten("names fold even when quoted", "Redshift: Names and identifiers", "…", rewrites::folded_names),
];
