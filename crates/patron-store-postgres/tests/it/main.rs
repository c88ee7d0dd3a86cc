//! The store, on real servers.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is test code, functions outside of #[test] included"
)]

mod contract;
mod ground;
