//! The target `request`: see `src/request.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| patron_fuzz::request::check(data));
