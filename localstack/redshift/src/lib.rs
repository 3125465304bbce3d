//! A local Amazon Redshift: a judge in front of a real PostgreSQL, with an S3 beside it.
//!
//! PostgreSQL does most of the judging; what SQL can tell it stands in [`SQL`]. This crate does
//! what PostgreSQL cannot: Redshift's wire and words, a table of rules over tokens, COPY from S3.
//! There is no SQL parser here and no second SQL engine, and no code is shared with the programs that are judged.
//!
//! # Preparing a PostgreSQL
//! Start it with `standard_conforming_strings=off`, `escape_string_warning=off`,
//! `default_transaction_isolation='repeatable read'`, `password_encryption=md5`, and once, as a superuser, run the
//! files of [`SQL`] in their order in `template1`. Databases created after that have everything. On a server that
//! serves others as well, [`external`] prepares one database and leaves the rest as it is.

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, reason = "a test that panics has failed")
)]

// Which Redshift this is, and its words
pub mod cluster;
pub mod errors;
mod secret;
mod base64;

// A session: from the first byte to its end, statement by statement
pub mod wire;
pub mod client;
pub mod backend;
pub mod behind;
pub mod accounts;
pub mod startup;
pub mod login;
pub mod session;
pub mod conversation;
pub mod shown;

// A statement: tokens, rules, edits; what PostgreSQL shall see
pub mod token;
pub mod repertoire;
pub mod rewrites;
pub mod calls;
pub mod catalog;
mod clauses;
pub mod attributes;
pub mod ddl;
pub mod spectrum;
pub mod alteration;
pub mod merge;
pub mod missing;
pub mod rule_table;
pub mod rules;
pub mod unjudged;

// COPY: the statement, the objects, their rows, what is remembered
pub mod authorization;
pub mod copy;
pub mod objects;
pub mod target_table;
pub mod column_types;
pub mod footer;
pub mod utf8;
pub mod tuple;
pub mod super_values;
pub mod nested;
pub mod row_group;
pub mod parquet_rows;
pub mod text_rows;
pub mod text_values;
mod text_load;
pub mod load;
pub mod history;

// The S3: the built-in one, and others
pub mod checksum;
pub mod shelf;
mod transfer;
mod multipart;
mod operations;
pub mod storage;
pub mod foreign_s3;
pub mod s3;

// Faults: plans, and where they are met
pub mod faults;
pub mod armed;
pub mod control;
pub mod s3_proxy;
pub mod statement_faults;

// The stack: what is started, in which order, and how it is found
pub mod certificate;
pub mod postgres;
pub mod external;
pub mod keeper;
pub mod init_sql;
pub mod environment;
pub mod health;
pub mod stack;

/// What makes a PostgreSQL judge: the files of `sql/` by name, in the order in which they are run.
pub const SQL: [(&str, &str); 9] = [
    ("types.sql", include_str!("../sql/types.sql")),
    ("server.sql", include_str!("../sql/server.sql")),
    ("values.sql", include_str!("../sql/values.sql")),
    ("json.sql", include_str!("../sql/json.sql")),
    ("functions.sql", include_str!("../sql/functions.sql")),
    ("loads.sql", include_str!("../sql/loads.sql")),
    ("tables.sql", include_str!("../sql/tables.sql")),
    ("relations.sql", include_str!("../sql/relations.sql")),
    ("catalog.sql", include_str!("../sql/catalog.sql")),
];
