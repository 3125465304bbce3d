//! Loads JSON records into Amazon Redshift in bulk.
//!
//! ```text
//! source ─► frame ─► decode ─► encode ─► store ────► receipt ─► load
//! open,     chunks   columns   Parquet   immutable   parts,     BEGIN; LOCK mutex; read ledger;
//! sniff,    at       + facts   part in   objects     counts,    COPY; prove; INSERT ledger; COMMIT;
//! inflate   records  + rejects memory                digests    read it back
//! ```
//!
//! The modules stand in the order of the data's way; a module uses only those above it. What a
//! user asks for stands before it, since every stage takes its part of the settings as plain
//! structs; what a user is told stands after it.

pub mod schema;
pub mod credentials;
pub mod settings;
pub mod frame;
pub mod report;
pub mod error;
pub mod cli;
pub mod terminal;
pub mod commands;
