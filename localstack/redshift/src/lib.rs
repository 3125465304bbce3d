//! A local Amazon Redshift: a judge in front of a real PostgreSQL, with an S3 beside it.
//!
//! PostgreSQL does most of the judging; what SQL can tell it stands in [`SQL`]. This crate does
//! what PostgreSQL cannot: Redshift's wire and words, a table of rules over tokens, COPY from S3.
//! There is no SQL parser here and no second SQL engine, and no code is shared with the programs that are judged.
//!
//! # Preparing a PostgreSQL
//! Start it with `standard_conforming_strings=off`, `escape_string_warning=off`,
//! `default_transaction_isolation='repeatable read'`, `password_encryption=md5`, and once, as a superuser, run the
//! files of [`SQL`] in their order in `template1`. Databases created after that have everything. On a server that serves others as well, [`external`] prepares one
//! database and leaves the rest as it is.

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, reason = "a test that panics has failed")
)]

pub mod accounts;
pub mod alteration;
pub mod armed;
pub mod attributes;
pub mod authorization;
pub mod backend;
mod base64;
pub mod behind;
pub mod calls;
pub mod catalog;
pub mod certificate;
pub mod checksum;
mod clauses;
pub mod client;
pub mod cluster;
pub mod column_types;
pub mod control;
pub mod conversation;
pub mod copy;
pub mod ddl;
pub mod environment;
pub mod errors;
pub mod external;
pub mod faults;
pub mod footer;
pub mod foreign_s3;
pub mod health;
pub mod history;
pub mod init_sql;
pub mod keeper;
pub mod load;
pub mod login;
pub mod merge;
pub mod missing;
mod multipart;
pub mod nested;
pub mod objects;
mod operations;
pub mod parquet_rows;
pub mod postgres;
pub mod repertoire;
pub mod rewrites;
pub mod row_group;
pub mod rule_table;
pub mod rules;
pub mod s3;
pub mod s3_proxy;
mod secret;
pub mod session;
pub mod shelf;
pub mod shown;
pub mod stack;
pub mod startup;
pub mod statement_faults;
pub mod storage;
pub mod super_values;
pub mod target_table;
mod text_load;
pub mod text_rows;
pub mod text_values;
pub mod token;
mod transfer;
pub mod tuple;
pub mod unjudged;
pub mod utf8;
pub mod wire;

/// What makes a PostgreSQL judge: the files of `sql/` by name, in the order in which they are run.
pub const SQL: [(&str, &str); 8] = [
    ("types.sql", include_str!("../sql/types.sql")),
    ("server.sql", include_str!("../sql/server.sql")),
    ("values.sql", include_str!("../sql/values.sql")),
    ("json.sql", include_str!("../sql/json.sql")),
    ("functions.sql", include_str!("../sql/functions.sql")),
    ("loads.sql", include_str!("../sql/loads.sql")),
    ("tables.sql", include_str!("../sql/tables.sql")),
    ("catalog.sql", include_str!("../sql/catalog.sql")),
];
