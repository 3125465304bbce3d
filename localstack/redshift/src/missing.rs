//! What the real Redshift has and this local one has not: one list, refused in one way.
//!
//! Whoever meets one of these is told so, instead of PostgreSQL's idea of it. Functions are on the list of
//! [`crate::repertoire`]. Each line has its row in `conformance/missing.toml`.

use crate::rules::{Action, Rule, When, Words};

const fn missing(what: &'static str, source: &'static str, pattern: &'static str) -> Rule {
    Rule {
        name: what,
        source,
        when: When::Always,
        pattern,
        action: Action::Refuse(Words::Missing(what)),
    }
}

/// Asked before the table of rules.
#[rustfmt::skip]
pub const MISSING: &[Rule] = &[
    // ---- Commands
    missing("UNLOAD", "Redshift: UNLOAD", "UNLOAD"),
    missing("CALL", "Redshift: CALL", "CALL"),
    missing("CANCEL", "Redshift: CANCEL", "CANCEL"),
    missing("USE", "Redshift: USE", "USE"),
    missing("DESC", "Redshift: DESC DATASHARE", "DESC"),
    missing("ANALYZE COMPRESSION", "Redshift: ANALYZE COMPRESSION", "ANALYZE COMPRESSION"),
    missing("ALTER TABLE APPEND", "Redshift: ALTER TABLE APPEND", "ALTER TABLE … APPEND FROM"),
    missing("the isolation level of a database", "Redshift: ALTER DATABASE", "ALTER|CREATE DATABASE … ISOLATION LEVEL"),
    missing("SHOW of objects", "Redshift: SHOW TABLES and the like", "SHOW DATABASES|SCHEMAS|TABLES|COLUMNS|TABLE|VIEW|PROCEDURE|PROCEDURES|FUNCTIONS|PARAMETERS|GRANTS|EXTERNAL|MODEL|DATASHARES|POLICIES|CONSTRAINTS"),
    // ---- Objects
    missing("a stored procedure", "Redshift: CREATE PROCEDURE", "CREATE|ALTER|DROP [OR] [REPLACE] PROCEDURE"),
    missing("a Python function", "Redshift: CREATE FUNCTION", "CREATE [OR] [REPLACE] FUNCTION … LANGUAGE PLPYTHONU"),
    missing("a Lambda function", "Redshift: CREATE EXTERNAL FUNCTION", "CREATE|ALTER|DROP [OR] [REPLACE] EXTERNAL FUNCTION"),
    missing("a change of a materialized view", "Redshift: ALTER MATERIALIZED VIEW", "ALTER MATERIALIZED"),
    missing("a change of what is external", "Redshift: ALTER EXTERNAL SCHEMA; ALTER EXTERNAL VIEW", "ALTER|DROP EXTERNAL"),
    missing("an external view, model or protected view", "Redshift: CREATE EXTERNAL VIEW; CREATE EXTERNAL MODEL", "CREATE EXTERNAL VIEW|MODEL|PROTECTED"),
    missing("a datashare", "Redshift: CREATE DATASHARE", "CREATE|ALTER|DROP|DESC|SHOW DATASHARE"),
    missing("a datashare's grant", "Redshift: GRANT", "GRANT|REVOKE … DATASHARE"),
    missing("a grant of ASSUMEROLE", "Redshift: GRANT", "GRANT|REVOKE ASSUMEROLE"),
    missing("a model", "Redshift: CREATE MODEL", "CREATE|DROP MODEL"),
    missing("a library", "Redshift: CREATE LIBRARY", "CREATE|DROP [OR] [REPLACE] LIBRARY"),
    missing("row-level security", "Redshift: CREATE RLS POLICY", "CREATE|ALTER|DROP|ATTACH|DETACH RLS"),
    missing("data masking", "Redshift: CREATE MASKING POLICY", "CREATE|ALTER|DROP|ATTACH|DETACH MASKING"),
    missing("an identity provider", "Redshift: CREATE IDENTITY PROVIDER", "CREATE|ALTER|DROP|DESC IDENTITY"),
    missing("a job of COPY", "Redshift: COPY JOB", "COPY JOB"),
    // ---- Clauses
    missing("QUALIFY", "Redshift: QUALIFY clause", "SELECT|WITH|INSERT|CREATE|EXPLAIN … QUALIFY _ (|=|<|>|OVER|IN"),
    missing("PIVOT", "Redshift: PIVOT and UNPIVOT", "… FROM … PIVOT|UNPIVOT [INCLUDE|EXCLUDE] [NULLS] ("),
    missing("GROUP BY ALL", "Redshift: GROUP BY clause", "… GROUP BY ALL"),
    missing("TOP", "Redshift: TOP", "… SELECT [ALL|DISTINCT] TOP _"),
    missing("CONNECT BY", "Redshift: CONNECT BY clause", "… CONNECT BY"),
    missing("START WITH", "Redshift: CONNECT BY clause", "… FROM … START WITH"),
    missing("SELECT * EXCLUDE", "Redshift: SELECT list", "… * EXCLUDE|EXCEPT ("),
    missing("an approximate percentile", "Redshift: APPROXIMATE PERCENTILE_DISC function", "… APPROXIMATE PERCENTILE_DISC"),
    missing("IGNORE NULLS", "Redshift: LAG, LEAD, FIRST_VALUE, LAST_VALUE", "… IGNORE|RESPECT NULLS"),
    missing("iteration over a SUPER value", "Redshift: Querying semistructured data", "… FROM … AS _ AT _"),
    // ---- Types and settings
    missing("GEOMETRY", "Redshift: Querying spatial data", "… :: GEOMETRY|GEOGRAPHY"),
    missing("HLLSKETCH", "Redshift: HyperLogLog sketches", "… :: HLLSKETCH"),
    missing("a column of GEOMETRY, GEOGRAPHY or HLLSKETCH", "Redshift: Querying spatial data; HyperLogLog sketches", "CREATE|ALTER … TABLE … (|,|ADD [COLUMN] _ GEOMETRY|GEOGRAPHY|HLLSKETCH"),
    missing("downcase_delimited_identifier = off", "Redshift: downcase_delimited_identifier", "SET [SESSION|LOCAL] DOWNCASE_DELIMITED_IDENTIFIER _ FALSE|OFF|0"),
];
