//! The stack from outside: its S3 through the AWS SDK, its processes and variables through the binary.

mod example;
mod external;
mod faults;
mod health;
mod process;
mod storage;
mod whole;
