//! What must hold whatever is sent: one module for each fuzz target, whose `check` panics when it does not.
//!
//! libFuzzer calls them through `fuzz_targets`, and the tests of the main workspace with what lies in `corpus`
//! and `regressions`, on any toolchain.

pub mod address;
pub mod authorization;
pub mod body;
pub mod client;
pub mod conditions;
pub mod contract;
pub mod path;
pub mod query;
mod reference;
pub mod request;

/// One target: its name, which is its corpus's directory too, and what checks one input.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 8] = [
    ("address", address::check),
    ("authorization", authorization::check),
    ("body", body::check),
    ("client", client::check),
    ("conditions", conditions::check),
    ("path", path::check),
    ("query", query::check),
    ("request", request::check),
];

/// The first byte, which chooses a variant, and the rest, which is the input proper.
fn split(data: &[u8]) -> (u8, &[u8]) {
    data.split_first().map_or((0, data), |(first, rest)| (*first, rest))
}
