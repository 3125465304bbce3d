//! Tests of the program as a user runs it, in the stack: `./localstack/run cargo test --workspace`.
#![allow(missing_docs, reason = "tests are read, not called")]

mod faults;
mod load;
mod support;
