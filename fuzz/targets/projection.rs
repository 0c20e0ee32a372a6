//! Fuzzes the check `projection` of `host/strangers`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strangers::check("projection", bytes));
