//! Loads JSON records into Amazon Redshift in bulk.
//!
//! ```text
//! source ─► frame ─► decode ─► encode ─► store ────► receipt ─► load
//! open,     chunks   columns   Parquet   immutable   parts,     BEGIN; LOCK mutex; read ledger;
//! sniff,    at       + facts   part in   objects     counts,    COPY; prove; INSERT ledger; COMMIT;
//! inflate   records  + rejects memory                digests    read it back
//! ```
//!
//! The modules stand in the order of the data's way; a module uses only those above it. After the
//! way come what a user asks for and is told.

pub mod base64;
mod proof;
pub mod schema;
pub mod facts;
pub mod selection;
pub mod evolve;
pub mod source;
pub mod frame;
pub mod decode;
pub mod rejects;
pub mod encode;
pub mod store;
pub mod receipt;
pub mod refusal;
pub mod stage;
pub mod ledger;
pub mod sql;
pub mod database;
pub mod load;
pub mod credentials;
pub mod schema_file;
pub mod settings;
pub mod report;
pub mod error;
pub mod terminal;
pub mod commands;
pub mod cli;
