//! Tests of the program as a user runs it: `cli` and `pipeline` as it stands, the others in the
//! stack, `./localstack/run cargo test --workspace`.
#![allow(missing_docs, reason = "tests are read, not called")]

mod case;
mod clean;
mod cli;
mod compose;
#[cfg(feature = "proof")]
mod crash;
mod evolve;
mod faults;
mod history;
mod impostor;
mod limits;
mod load;
mod messages;
mod naughty;
mod notes;
mod parts;
mod passwords;
mod pipeline;
mod recovery;
mod refused;
mod rejects;
mod schema;
mod secrets;
mod staging;
mod support;
mod targets;
mod tls;
mod trouble;
mod world;
