//! Tests of the program as a user runs it: `cli` and `pipeline` as it stands, the others in the
//! stack, `./localstack/run cargo test --workspace`.
#![allow(missing_docs, reason = "tests are read, not called")]

mod clean;
mod cli;
mod compose;
mod evolve;
mod faults;
mod history;
mod limits;
mod load;
mod parts;
mod pipeline;
mod recovery;
mod rejects;
mod staging;
mod support;
