//! A local Amazon Redshift: a judge in front of a real PostgreSQL, with an S3 beside it.
//!
//! PostgreSQL does most of the judging; what SQL can tell it stands in [`REDSHIFT_SQL`]. This crate does
//! what PostgreSQL cannot: Redshift's wire and words, a table of rules over tokens, COPY from Parquet in
//! S3. There is no SQL parser here and no second SQL engine, and no code is shared with the programs that
//! are judged.
//!
//! # Preparing a PostgreSQL
//! As the owner of the data directory, after `initdb` and before the first start:
//!
//! ```text
//! postgres --single -b -O -j -D DATA template1 < types.sql       ([`TYPES_SQL`] on standard input)
//! ```
//!
//! then start it with `standard_conforming_strings=off`, `escape_string_warning=off`,
//! `default_transaction_isolation='repeatable read'`, `password_encryption=md5`, and once:
//!
//! ```text
//! psql -v ON_ERROR_STOP=1 -d template1 -f redshift.sql           ([`REDSHIFT_SQL`])
//! ```
//!
//! Databases created after that have everything. The single-user server ends with 0 even when a
//! statement failed; `redshift.sql` refuses to run where the types are missing.

pub mod armed;
pub mod backend;
mod base64;
pub mod certificate;
pub mod checksum;
pub mod column_types;
pub mod control;
pub mod copy;
pub mod ddl;
pub mod environment;
pub mod errors;
pub mod faults;
pub mod footer;
pub mod history;
pub mod keeper;
pub mod load;
mod multipart;
pub mod objects;
mod operations;
pub mod parquet_rows;
pub mod postgres;
pub mod rules;
pub mod s3_proxy;
mod secret;
pub mod session;
pub mod shelf;
pub mod stack;
pub mod startup;
pub mod statement_faults;
pub mod storage;
pub mod token;
mod transfer;
pub mod tuple;
pub mod wire;

/// Types with the OIDs that drivers know; run in the single-user server.
pub const TYPES_SQL: &str = include_str!("../sql/types.sql");

/// Functions, casts, history and event triggers; run in template1.
pub const REDSHIFT_SQL: &str = include_str!("../sql/redshift.sql");
