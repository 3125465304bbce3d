//! A local Amazon Redshift.

mod base64;
pub mod certificate;
pub mod checksum;
pub mod environment;
pub mod keeper;
mod multipart;
pub mod objects;
mod operations;
pub mod postgres;
mod secret;
pub mod session;
pub mod shelf;
pub mod stack;
pub mod storage;
mod transfer;

/// Stand-in.
pub const REDSHIFT_SQL: &str = include_str!("../sql/redshift.sql");
/// Stand-in.
pub const TYPES_SQL: &str = include_str!("../sql/types.sql");
