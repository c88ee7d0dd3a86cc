//! The store, on real servers.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "all of this is test code, functions outside of #[test] included"
)]

mod contract;
mod erasing;
mod ground;
mod purging;
mod shapes;
mod together;
