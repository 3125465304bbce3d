//! The integration tests, one binary; modules by purpose.

mod cli;
