//! The program, driven from outside: as a user starts it, over HTTP, by the command line.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "all of this is test code, functions outside of #[test] included"
)]

mod across;
mod admin;
mod allow_list;
mod ammunition;
mod authentication;
mod authorization;
mod bodies;
mod clients;
mod concurrency;
mod corpus;
mod create;
mod cross_site;
mod crowds;
mod cyrexa;
mod data;
mod database;
mod deployment;
mod documentation;
mod durability;
mod encodings;
mod endpoints;
mod erasure;
mod errors;
mod failures;
mod faults;
mod framing;
#[path = "../../../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "it is a library where the fuzzer is built")]
mod fuzzed;
mod get_or_create;
mod goldens;
mod headers;
mod hostile;
mod inside;
mod jobs;
mod limits;
mod list;
mod management;
mod moved;
mod node;
mod operators;
mod privacy;
mod processes;
mod program;
mod properties;
mod read;
mod readme;
mod refusals;
mod retention;
mod schema;
mod slow;
mod stage;
mod strangers;
mod tidy;
mod tokens;
mod unharmed;
mod update;
mod verification;
mod version_3_2;
