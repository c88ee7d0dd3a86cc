//! The target `client`: see `src/client.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| patron_fuzz::client::check(data));
