//! Loads JSON records into Amazon Redshift in bulk.
//!
//! ```text
//! source ─► frame ─► decode ─► encode ─► store ────► receipt ─► load
//! open,     chunks   columns   Parquet   immutable   parts,     BEGIN; LOCK mutex; read ledger;
//! sniff,    at       + facts   part in   objects     counts,    COPY; prove; INSERT ledger; COMMIT;
//! inflate   records  + rejects memory                digests    read it back
//! ```
//!
//! The modules stand in the order of the data's way; a module uses only those above it.

pub mod decode;
pub mod facts;
pub mod frame;
pub mod schema;
