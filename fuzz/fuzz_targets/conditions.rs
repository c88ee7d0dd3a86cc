//! The target `conditions`: see `src/conditions.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| patron_fuzz::conditions::check(data));
