//! The program, driven from outside: as a user starts it, over HTTP, by the command line.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "all of this is test code, functions outside of #[test] included"
)]

mod allow_list;
mod authentication;
mod authorization;
mod bodies;
mod clients;
mod concurrency;
mod create;
mod durability;
mod endpoints;
mod errors;
mod faults;
mod get_or_create;
mod goldens;
mod headers;
mod hostile;
mod list;
mod management;
mod moved;
mod node;
mod privacy;
mod program;
mod read;
mod refusals;
mod stage;
mod tidy;
mod tokens;
mod update;
mod verification;
mod version_3_2;
