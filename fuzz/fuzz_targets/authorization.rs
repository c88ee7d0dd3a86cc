//! The target `authorization`: see `src/authorization.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| patron_fuzz::authorization::check(data));
