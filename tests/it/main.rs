//! Tests of the program as a user runs it: `cli` as it stands, `load` in the stack,
//! `./localstack/run cargo test --workspace`.
#![allow(missing_docs, reason = "tests are read, not called")]

mod cli;
mod load;
mod parts;
mod support;
