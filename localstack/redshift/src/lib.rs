//! A local Amazon Redshift.

mod base64;
pub mod certificate;
pub mod checksum;
pub mod environment;
pub mod keeper;
pub mod objects;
pub mod postgres;
mod secret;
pub mod session;
pub mod shelf;
pub mod stack;
pub mod storage;

/// Stand-in.
pub const REDSHIFT_SQL: &str = "";
/// Stand-in.
pub const TYPES_SQL: &str = "";
