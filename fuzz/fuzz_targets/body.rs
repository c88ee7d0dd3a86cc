//! The target `body`: see `src/body.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| patron_fuzz::body::check(data));
