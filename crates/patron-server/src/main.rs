//! The program `patron`.

mod app;
mod backoff;
mod commands;
mod config;
mod control;
mod edge;
mod jobs;
mod ledger;
mod listener;
mod logs;
mod management;
mod metrics;
mod open_files;
mod opening;
mod output;
mod own_paths;
mod passwords;
mod patience;
mod refusal;
mod root_key;
mod sandbox;
mod stores;
mod system;
mod terminal;
mod tls;
mod wires;

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Requests are made of small allocations, which cost this fewer than half of glibc's instructions; see
/// docs/adr/0018-mimalloc.md.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    match config::read().and_then(commands::run) {
        Ok(exit) => exit,
        Err(refusal) => refusal.report(),
    }
}
