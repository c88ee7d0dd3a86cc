//! The target `query`: see `src/query.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| patron_fuzz::query::check(data));
