//! The target `address`: see `src/address.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| patron_fuzz::address::check(data));
