//! The target `path`: see `src/path.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| patron_fuzz::path::check(data));
